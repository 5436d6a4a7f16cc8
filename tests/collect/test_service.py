"""The running service: what it answers, what the books then hold, and what it refuses."""

from __future__ import annotations

import gzip
import json
import signal
import socket
import time

import pytest

from breakeven.ledger.lock import hold

from .running import (
    EVENT,
    EVENTS,
    LINES,
    Collect,
    breakeven_says,
    event,
    held,
    new_books,
    quarantined,
    spooled,
)

ROW = {
    "source_id": "r1",
    "at": "2024-03-20T10:00:00+08:00",
    "user_id": "u1",
    "provider": "moonshot",
    "model": "moonshot-v1-8k",
    "uncached_input_tokens": 100,
    "output_tokens": 30,
}


@pytest.fixture
def books(tmp_path):
    return new_books(tmp_path / "books")


def test_what_was_acknowledged_is_in_the_books_once(books):
    """Events, rows, a batch sent again after a lost answer, an event without a time, one bad among good."""
    with Collect(books) as service:
        assert service.said["endpoints"]["otlp"].endswith("/v1/traces")
        assert service.post("/api/v1/events", event(1), EVENT) == 204
        assert service.events(event(2), event(3)) == 204
        assert service.events(event(2), event(3)) == 204
        # The same id from another source is another event.
        assert service.post("/api/v1/events", event(1, source="proxy"), EVENT) == 204
        timeless = {name: value for name, value in event(4).items() if name != "time"}
        assert service.events(timeless) == 204
        assert service.events(timeless) == 204
        assert service.events(event(5), "no event", event(6, data={"model": "m"}), event(7, id=None)) == 200
        assert service.events(event(8, data={"method": "GET"})) == 204
        assert service.post("/v1/rows/usage", json.dumps(ROW) + "\n{}\nnot json\n", LINES) == 200
        activity = {"source_id": "a1", "user_id": "u1", "day": "2024-03-20"}
        assert service.post("/v1/rows/activity", activity, "application/json") == 200
        assert service.ask("GET", "/readyz")[:2] == (200, b"ready\n")
        assert service.metric("accepted_events_total") == 16
        assert service.metric("malformed_events_total") == 2
        assert service.metric("skipped_events_total") == 1
        assert service.metric("spool_bytes") > 0
        service.stop()
    assert held(books) == ["proxy e1", "r1", "shop e1", "shop e2", "shop e3", "shop e4", "shop e5"]
    assert held(books, "source, user_id", "activity") == [("collect", "u1")]
    assert spooled(books) == []
    assert set(held(books, "source")) == {"cloudevents", "collect"}
    told = quarantined(books)
    assert len(told) == 5
    assert [field for field, _ in told].count("source_id") == 4


def test_packed_bodies_limits_and_other_refusals(books):
    with Collect(books, "--body-limit", "0.01", "--option", "cloudevents.subject=account_id") as service:
        packed = gzip.compress(json.dumps([event(1)]).encode())
        assert service.post("/api/v1/events", packed, EVENTS, Content_Encoding="gzip") == 204
        two = gzip.compress(b"[" + json.dumps(event(2)).encode()) + gzip.compress(b"]")
        assert service.post("/api/v1/events", two, EVENTS, Content_Encoding="gzip") == 204
        bomb = gzip.compress(bytes(10_000_000))
        assert len(bomb) < 10_000
        members = gzip.compress(b"") * 400
        for body, encoding, status in (
            (bomb[:9000], "gzip", 413),
            (packed[:-5], "gzip", 400),
            (b"not packed", "gzip", 400),
            (members, "gzip", 400),
            (packed, "br", 415),
            (bytes(20_000), "identity", 413),
        ):
            assert service.post("/api/v1/events", body, EVENTS, Content_Encoding=encoding) == status, encoding
        assert service.post("/api/v1/events", b"a=1", "application/x-www-form-urlencoded") == 415
        assert service.post("/v1/rows/nothing", ROW, LINES) == 404
        assert service.post("/v1/metrics", ROW, LINES) == 404
        assert service.ask("GET", "/v1/traces")[0] == 405
        assert service.ask("GET", "/healthz")[:2] == (200, b"ok\n")
        status, body, headers = service.ask("POST", "/v1/traces", b"[", {"Content-Type": "application/json"})
        assert (status, json.loads(body)["code"], headers["connection"]) == (400, 3, "close")
        # A page in a browser reaches a loopback port under a name of its own.
        assert service.ask("GET", "/metrics", headers={"Host": "rebound.example"})[0] == 403
        chunks = [b"[" + json.dumps(event(3)).encode(), b"]"]
        assert _chunked(service.port, chunks) == 204
        assert _chunked(service.port, [bytes(6000), bytes(6000)]) == 413
        assert service.metric("rejected_requests_total") == 13
        service.stop()
    assert held(books, "source_id, account_id") == [("shop e1", "u1"), ("shop e2", "u2"), ("shop e3", "u3")]


def _chunked(port, chunks):
    """Send a body without saying its length."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        head = f"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: {EVENTS}\r\n"
        connection.sendall(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        for chunk in [*chunks, b""]:
            connection.sendall(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        return int(connection.recv(1000).split(b" ")[1])


def test_it_holds_back_when_the_books_do_not_catch_up(books):
    with Collect(books, "--waiting-limit", "0.0001", "--rate", "1000") as service:
        assert service.events(*map(event, range(1, 5))) == 204
        status, deadline = 204, time.monotonic() + 10
        while status != 503 and time.monotonic() < deadline:
            time.sleep(0.1)
            status = service.events(event(99))
        status, body, headers = service.ask("POST", "/api/v1/events", b"{}", {"Content-Type": EVENT})
        assert (status, headers["retry-after"]) == (503, "10")
        assert b"not caught up" in body
        assert service.ask("GET", "/readyz")[0] == 503
        assert service.ask("GET", "/healthz")[0] == 200
        service.stop()
    assert {"shop e1", "shop e4"} <= set(held(books))


def test_a_sender_that_is_too_fast_is_told_when_to_come_again(books):
    with Collect(books, "--rate", "50") as service:
        assert service.events(*map(event, range(1, 301))) == 204
        status, _, headers = service.ask("POST", "/api/v1/events", b"{}", {"Content-Type": EVENT})
        assert status == 429
        assert 1 <= int(headers["retry-after"]) <= 4
        assert service.ask("GET", "/metrics")[0] == 200
        service.stop()
    assert len(held(books)) == 300


def test_two_services_on_one_set_of_books(books):
    with Collect(books) as service:
        for more in (["--port", "0"], ["--drain"]):
            code, _, said = breakeven_says("collect", books, *more)
            assert code == 2
            assert "another `breakeven collect` runs on these books" in said
        code, _, said = breakeven_says("collect", new_books(books.parent / "other"), "--port", service.port)
        assert code == 2
        assert "cannot listen" in said
        assert "--lang" not in said
        service.stop()


def test_draining_books_what_a_killed_service_left(books):
    with Collect(books) as service:
        service.events(event(1), event(2))
        service.kill()
    [left] = spooled(books)
    assert left.name.endswith(".open")
    with left.open("a") as file:
        file.write('{"specversion":"1.0","id":"torn')
    code, out, _ = breakeven_says("collect", books, "--drain", "--json")
    assert code == 0
    assert [row["ingested"] for row in json.loads(out)["rows"]] == [2]
    assert breakeven_says("collect", books, "--drain", "--lang", "zh")[1].count("没有待入账的内容") == 1
    assert held(books) == ["shop e1", "shop e2"]
    assert quarantined(books) == []


def test_a_segment_that_cannot_be_booked_waits_and_stops_no_other(books):
    """A damaged table: its events stay on disk; those of other tables are booked; repaired, all are."""
    with Collect(books) as service:
        service.events(event(1))
        service.post("/v1/rows/activity", {"source_id": "a1", "user_id": "u", "day": "2024-03-20"}, LINES)
        service.kill()
    log = books / "usage" / "_delta_log"
    log.rename(books / "usage" / "away")
    code, out, said = breakeven_says("collect", books, "--drain", "--json")
    assert code == 3
    assert "cannot be opened" in said
    assert [row["ingested"] for row in json.loads(out)["rows"] if not row["error"]] == [1]
    assert len(spooled(books)) == 1
    (books / "usage" / "away").rename(log)
    with Collect(books) as service:
        service.stop()
    assert held(books) == ["shop e1"]


def test_stopping_waits_for_another_writer(books):
    """The books are held by an import while the service is told to stop: it books when it is its turn."""
    with Collect(books, "--book-every", "0.1") as service:
        with hold(books / ".writer.lock"):
            service.events(event(1))
            service.process.terminate()
            time.sleep(1.5)
            assert service.process.poll() is None
        assert service.process.wait(60) == 0
    assert held(books) == ["shop e1"]


def test_an_interrupt_books_everything_and_says_that_it_was_one(books):
    with Collect(books) as service:
        service.events(event(1))
        service.process.send_signal(signal.SIGINT)
        _, said = service.process.communicate(timeout=60)
        assert service.process.returncode == 130
        assert "Traceback" not in said
    assert held(books) == ["shop e1"]


HASTY = """
import sys
from pathlib import Path
from breakeven.collect.limits import Limits
from breakeven.collect.server import Settings, serve
print(serve(Settings(Path(sys.argv[1]), port=0, limits=Limits(head_s=0.4, body_s=0.4)),
            lambda host, port: print(port, flush=True)))
"""


def test_slow_senders_are_cut_off(books):
    import subprocess
    import sys

    from .running import environment

    process = subprocess.Popen(
        [sys.executable, "-c", HASTY, books], stdout=subprocess.PIPE, text=True, env=environment()
    )
    try:
        port = int(process.stdout.readline())
        head = f"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: {EVENT}\r\n"
        for sent, answered in (
            (b"", b""),
            (head.encode(), b""),
            (head.encode() + b"Content-Length: 90\r\n\r\n{", b" 408 "),
            (b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000, b""),
            (b"\x16\x03\x01 no http", b" 400 "),
        ):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(sent)
                try:
                    said = connection.recv(500)
                    rest = connection.recv(500) if said else b""
                except ConnectionResetError:
                    said = rest = b""
            assert answered in said
            assert bool(said) == bool(answered)
            assert rest == b"" or b"\r\n" in rest or b"{" in rest
        process.terminate()
        assert process.communicate(timeout=60)[0] == "True\n"
    finally:
        process.kill()
        process.wait()
