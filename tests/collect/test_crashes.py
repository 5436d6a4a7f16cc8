"""Killed under load, restarted, out of disk: what was acknowledged is in the books, once."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from benchmarks.collect import take_spans

from .running import Collect, breakeven_says, event, held, new_books


@pytest.mark.slow
def test_killed_five_times_under_load(tmp_path):
    """The benchmark itself, shorter: it fails when an acknowledged span is missing or is there twice."""
    said = take_spans(str(tmp_path / "books"), seconds=15, kills=5, rate=2000)
    assert said["acknowledged"] > 1_000
    assert said["broken"] > 0


def test_killed_while_events_come_and_are_booked(tmp_path):
    books = new_books(tmp_path / "books")
    acknowledged = []
    for round_number in range(3):
        with Collect(books, "--book-every", "0.2") as service:
            killer = threading.Timer(1.5, service.process.kill)
            killer.start()
            number = round_number * 100_000
            while True:
                number += 10
                try:
                    status = service.events(*(event(number + i) for i in range(10)))
                except OSError:
                    break
                if status == 204:
                    acknowledged += [f"shop e{number + i}" for i in range(10)]
            killer.join()
    assert breakeven_says("collect", books, "--drain")[0] == 0
    found = held(books)
    assert len(found) == len(set(found))
    assert set(acknowledged) <= set(found)
    assert len(acknowledged) > 100


def can_mount() -> bool:
    tried = ["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"]
    return shutil.which("unshare") is not None and subprocess.run(tried, capture_output=True).returncode == 0


ON_A_SMALL_DISK = """
mount -t tmpfs -o size=3m tmpfs "$2" || exit 99
"$1" -m breakeven.cli.main init "$2/books" >/dev/null && "$1" -m tests.collect.small_disk "$2"; code=$?
exit $code
"""


@pytest.mark.skipif(not can_mount(), reason="may not mount a file system here")
def test_a_full_disk_refuses_and_loses_nothing(tmp_path):
    """See `small_disk`, which runs on a disk of three megabytes."""
    from .running import environment

    small = tmp_path / "small"
    small.mkdir()
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", ON_A_SMALL_DISK, "sh", sys.executable, str(small)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env=environment(),
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path):
    books = new_books(tmp_path / "books")
    with Collect(books, "--keep-free", "1000000000") as service:
        status, body, headers = service.ask(
            "POST", "/api/v1/events", b"{}", {"Content-Type": "application/json"}
        )
        assert (status, headers["retry-after"]) == (503, "30")
        assert b"disk of the books is full" in body
        assert service.ask("GET", "/readyz")[0] == 503
        service.stop()
    assert held(books) == []


def test_the_books_can_be_read_while_they_are_fed(tmp_path):
    books = new_books(tmp_path / "books")
    with Collect(books, "--book-every", "0.1") as service:
        service.events(event(1))
        deadline = time.monotonic() + 30
        while held(books) != ["shop e1"] and time.monotonic() < deadline:
            time.sleep(0.1)
        assert held(books) == ["shop e1"]
        deadline = time.monotonic() + 10
        while service.metric("spool_bytes") and time.monotonic() < deadline:
            time.sleep(0.1)
        assert service.metric("booked_rows_total") == 1
        assert service.metric("spool_lag_seconds") == 0
        service.stop()
