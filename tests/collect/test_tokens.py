"""Who may send: tokens are held as hashes, never said, and rows go by the source of their sender."""

from __future__ import annotations

import hashlib

import pytest

from breakeven.collect.tokens import ANYONE, Senders, read_tokens
from breakeven.errors import BreakevenError

from .running import EVENT, Collect, breakeven_says, event, held, new_books

LONG, OTHER = "0123456789abcdef-shop", "fedcba9876543210-proxy"


def token_file(folder, text, mode=0o600):
    path = folder / "tokens"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_sender_is_found_by_its_token_alone(tmp_path):
    hashed = hashlib.sha256(OTHER.encode()).hexdigest()
    path = token_file(tmp_path, f"# who sends\nshop our-shop {LONG}\n\nproxy litellm sha256:{hashed}\n")
    senders = read_tokens(path, tmp_path / "books")
    assert senders.find(f"Bearer {LONG}".encode()).source == "our-shop"
    assert senders.find(f"bearer  {OTHER} ".encode()).name == "proxy"
    for wrong in (
        b"",
        LONG.encode(),
        b"Bearer ",
        b"Bearer " + hashed.encode(),
        f"Basic {LONG}".encode(),
        b"Bearer \xff",
    ):
        assert senders.find(wrong) is None
    assert LONG not in repr(vars(senders))
    assert Senders(()).find(b"") == ANYONE


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (f"shop shop {LONG}\n", 0o644, "everybody may read the token file"),
        ("", 0o600, "no tokens in this file"),
        (f"shop {LONG}\n", 0o600, "not a line of three words"),
        (f"shop ../shop {LONG}\n", 0o600, "not a name"),
        ("shop shop short\n", 0o600, "fewer than 16 characters"),
        (f"a a {LONG}\nb b {LONG}\n", 0o600, "two senders have one token"),
    ],
)
def test_a_bad_token_file_is_refused_and_no_token_said(tmp_path, text, mode, said):
    with pytest.raises(BreakevenError, match=said) as caught:
        read_tokens(token_file(tmp_path, text, mode), tmp_path / "books")
    assert LONG not in str(caught.value)
    assert "short\n" not in str(caught.value)


def test_tokens_do_not_lie_in_the_books_and_must_exist(tmp_path):
    with pytest.raises(BreakevenError, match="lies in the books"):
        read_tokens(token_file(tmp_path, f"a a {LONG}\n"), tmp_path)
    with pytest.raises(BreakevenError, match="no such token file"):
        read_tokens(tmp_path / "none", tmp_path)


def test_senders_of_a_running_service(tmp_path):
    books = new_books(tmp_path / "books")
    path = token_file(tmp_path, f"shop our-shop {LONG}\nproxy our-proxy {OTHER}\n")
    for host in ("0.0.0.0", "10.0.0.9", "somewhere.example"):
        code, _, said = breakeven_says("collect", books, "--host", host)
        assert code == 2
        assert "without tokens only this machine may send" in said
    with Collect(books, "--tokens", path, "--host", "0.0.0.0", "--rate", "10") as service:
        assert service.post("/api/v1/events", event(1), EVENT) == 401
        assert service.post("/api/v1/events", event(1), EVENT, Authorization="Bearer wrong") == 401
        assert service.post("/api/v1/events", event(1), EVENT, Authorization=f"Bearer {LONG}") == 204
        assert service.post("/api/v1/events", event(1), EVENT, Authorization=f"Bearer {OTHER}") == 204
        assert (
            service.post(
                "/api/v1/events", [event(i) for i in range(90)], EVENT, Authorization=f"Bearer {LONG}"
            )
            == 204
        )
        # One sender's haste is not another's.
        assert service.post("/api/v1/events", event(2), EVENT, Authorization=f"Bearer {LONG}") == 429
        assert service.post("/api/v1/events", event(2), EVENT, Authorization=f"Bearer {OTHER}") == 204
        status, _, headers = service.ask("GET", "/metrics")
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
        assert service.metric("rejected_requests_total", OTHER) == 4
        assert service.ask("GET", "/healthz")[0] == 200
        said = service.stop()
        assert LONG not in said
    assert held(books, "source, source_id")[:2] == [("our-proxy", "shop e1"), ("our-proxy", "shop e2")]
    assert len(held(books)) == 92
