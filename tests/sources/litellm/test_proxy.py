"""A real proxy: every answered request is in the books exactly once, also when it is killed while busy."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from breakeven.cli.main import main
from breakeven.ledger.books import create_books

from ..samples import in_books
from .proxy import PROGRAM, Farm, upstream

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROGRAM.exists(), reason="./run test --slow makes .venv-litellm"),
]
SECRET = "words that no file may hold"


@pytest.fixture
def farm(tmp_path):
    with upstream() as server:
        made = Farm(tmp_path, tmp_path / "spool", server.server_address[1])
        try:
            yield made
        finally:
            made.stop()


def imported(tmp_path, spool, name="books"):
    """The rows of usage in new books after importing the spool twice."""
    books = create_books(tmp_path / name, name="spool")
    for _ in range(2):
        assert main(["import", str(tmp_path / name), str(spool), "--source", "litellm_spool"]) == 0
    found = in_books(books)
    assert not [row for row in found if "quarantined" in row]
    return found


def test_a_proxy_killed_while_busy_loses_no_answered_request(farm, tmp_path, capsys):
    answered: list[tuple[str, str]] = []  # (model, id of the answer)
    refused = 0
    proxy = farm.start()

    # One of each kind, to its end.
    for kind in ({}, {"stream": True}):
        code, answer = proxy.ask("steady", f"{SECRET} plain {kind}", user="customer-1", **kind)
        assert code == 200
        answered.append(("steady", answer))
        # The same words again: the proxy's own cache answers, with the same id.
        assert proxy.ask("steady", f"{SECRET} plain {kind}", user="customer-1", **kind) == (200, answer)
        answered.append(("cache", answer))
    code, answer = proxy.ask("flaky", f"{SECRET} retried")  # fails once, then answers
    assert code == 200
    answered.append(("flaky", answer))
    code, answer = proxy.ask("mock", f"{SECRET} mocked")
    answered.append(("gpt-4o", answer))
    assert proxy.ask("refused", SECRET)[0] == 400
    refused += 1
    assert main_dry_run_is_safe_while_it_writes(tmp_path, farm.spool)

    # Many at once, until the proxy dies in the middle of them.
    lock, stop = threading.Lock(), threading.Event()

    def keep_asking(worker):
        for number in range(400):
            if stop.is_set():
                return
            try:
                model = ("steady", "flaky")[number % 7 == 3]
                code, answer = proxy.ask(model, f"{SECRET} {worker} {number}", stream=number % 2 == 0)
            except (OSError, http.client.HTTPException, AssertionError, ValueError):
                return  # cut off: not answered
            assert code == 200
            with lock:
                answered.append((model, answer))

    before = len(answered)
    with ThreadPoolExecutor(6) as pool:
        workers = [pool.submit(keep_asking, worker) for worker in range(6)]
        deadline = time.monotonic() + 20
        while len(answered) < before + 60 and time.monotonic() < deadline:
            time.sleep(0.01)
        proxy.kill()
        stop.set()
        for worker in workers:
            worker.result(timeout=60)
    assert len(answered) >= before + 20

    proxy = farm.start()
    code, answer = proxy.ask("steady", f"{SECRET} after the restart")
    answered.append(("steady", answer))
    proxy.kill()

    rows = imported(tmp_path, farm.spool)
    assert SECRET not in "".join(path.read_text() for path in farm.spool.iterdir())
    succeeded = [row for row in rows if row["status"] == "success"]
    from_cache = [row for row in succeeded if row.get("feature") == "litellm_cache_hit"]
    bought = Counter(row["response_id"] for row in succeeded if "feature" not in row)
    wanted = Counter(answer for model, answer in answered if model != "cache")
    assert max(wanted.values()) == 1
    missing = wanted - bought
    said = [line for one in farm.started for line in one.log.read_text("utf-8", "replace").splitlines()
            if "breakeven:" in line]  # fmt: skip
    assert not missing, f"{len(missing)} answered requests are not in the books; the proxies said {said}"
    assert max(bought.values()) == 1
    # What more is there was bought from the provider but cut off on its way to the client.
    assert sum((bought - wanted).values()) <= 6
    assert len(from_cache) == 2
    assert {row["uncached_input_tokens"] + row["output_tokens"] for row in from_cache} == {0}
    # Of the requests that were under way when it died, some may have failed before; none of them twice.
    failed = Counter(row["response_id"] for row in rows if row["status"] == "failure")
    assert max(failed.values()) == 1
    refusals = [row for row in rows if row["status"] == "failure" and row["model"] == "gpt-4o"]
    assert len(refusals) == refused, failed
    for row in succeeded:
        if row["model"] in ("steady", "flaky") and "feature" not in row:
            tokens = [row[f"{name}_tokens"] for name in
                      ("uncached_input", "cached_input", "cache_write", "output", "reasoning")]  # fmt: skip
            assert tokens == [600, 400, 0, 60, 25]
    assert {row["provider"] for row in rows} == {"openai"}
    assert {row.get("user_id") for row in from_cache} == {"customer-1"}


def main_dry_run_is_safe_while_it_writes(tmp_path, spool):
    create_books(tmp_path / "dry", name="dry")
    command = ["import", str(tmp_path / "dry"), str(spool), "--source", "litellm_spool", "--dry-run"]
    return main(command) == 0
