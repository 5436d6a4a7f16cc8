"""Real processes, killed and interrupted at random moments: every row ends in the books exactly once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import breakeven
from breakeven.ledger import ingest, lock
from breakeven.ledger.batch_log import Batch
from breakeven.ledger.books import Books, open_books
from breakeven.ledger.lock import writer_lock
from breakeven.ledger.workspace import workspace

from .bench import everything, held, rows, take, write

WORKER = Path(__file__).with_name("worker.py")
STAGES = ("reading", "comparing", "writing", "done")


def start(books: Books, *files: Path, table: str = "activity") -> subprocess.Popen[str]:
    """A process that imports files."""
    source = str(Path(breakeven.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, WORKER, books.folder, table, *files],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
    )


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    """Read what a process says until a line begins with a word, or it ends."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(word):
            return


def overlapping(folder: Path, count: int) -> list[Path]:
    """Files in several formats that share half of their rows, with a bad row in each."""
    forms = ("csv", "jsonl", "parquet", "csv.gz")
    return [
        write(
            folder / f"part-{i}.{forms[i % len(forms)]}",
            [*rows("activity", 400, first=1 + 200 * i), *rows("activity", 1, first=10**6 + i, sessions=-1)],
        )
        for i in range(count)
    ]


def check_exactly_once(books: Books, files: list[Path], clean: Books) -> None:
    """After importing what is left, the books hold what books without any accident hold."""
    for path in files:
        take(books, "activity", path)
        take(clean, "activity", path)
    assert everything(books, "activity") == everything(clean, "activity")
    assert len(held(books, "activity")) == 200 * (len(files) + 1)
    standing = [batch for batch in books.batches() if not batch.undone]
    assert sorted(batch.facts["file"] for batch in standing) == sorted(path.name for path in files)
    for batch in standing:
        facts = batch.facts
        assert facts["rows_read"] == facts["ingested"] + facts["duplicates"] + facts["quarantined"] == 401
    assert sum(batch.facts["ingested"] for batch in standing) == 200 * (len(files) + 1)
    quarantined = sorted((problem.file, problem.row) for problem in books.quarantined())
    assert quarantined == sorted((path.name, 401) for path in files)
    assert all(batch.facts["ingested"] == rows_of(books, batch) for batch in standing)
    with workspace(books.folder):
        pass  # the next one to work sweeps up
    assert [entry.name for entry in (books.folder / ".work").iterdir()] == ["lock"]


def rows_of(books: Books, batch: Batch) -> int:
    return held(books, batch.table, "batch_id").count(batch.batch_id)


def kill_rounds(books: Books, files: list[Path], *, rounds: int, processes: int, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(rounds):
        running = []
        for _ in range(processes):
            running.append(start(books, *chance.sample(files, len(files))))
        victim = chance.choice(running)
        wait_for(victim, chance.choice(STAGES))
        # A commit takes a few milliseconds: half of the kills fall close to it.
        time.sleep(chance.choice((chance.random() * 0.02, chance.random() * 0.2)))
        for process in running if chance.random() < 0.5 else [victim]:
            process.send_signal(signal.SIGKILL)
        for process in running:
            _, error = process.communicate()
            assert process.returncode in (0, -signal.SIGKILL), error


def test_killed_imports_leave_every_row_exactly_once(books, tmp_path, fresh_books):
    files = overlapping(tmp_path, 4)
    kill_rounds(books, files, rounds=4, processes=2, seed=7)
    check_exactly_once(books, files, fresh_books)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_many_killed_imports_leave_every_row_exactly_once(books, tmp_path, fresh_books, seed):
    files = overlapping(tmp_path, 8)
    kill_rounds(books, files, rounds=25, processes=3, seed=seed)
    check_exactly_once(books, files, fresh_books)


def test_imports_at_once_all_succeed(books, tmp_path, fresh_books):
    files = overlapping(tmp_path, 4)
    running = [start(books, *order) for order in (files, files[::-1], files[2:] + files[:2])]
    for process in running:
        output, error = process.communicate()
        assert (process.returncode, error) == (0, "")
        done = [tuple(map(int, line.split()[1:])) for line in output.splitlines() if line.startswith("done")]
        assert len(done) == len(files)
        assert all(read == ingested + known + bad for ingested, known, bad, read in done)
    check_exactly_once(books, files, fresh_books)


def test_a_reader_never_sees_half_a_batch(books, tmp_path):
    files = [
        write(tmp_path / f"{i}.csv", rows("activity", 300, first=1 + 300 * i, day=f"2024-03-{20 + i}"))
        for i in range(4)
    ]
    process = start(books, *files)
    seen = set()
    while process.poll() is None:
        books = open_books(books.folder)
        seen.add(len(held(books, "activity")))
    _, error = process.communicate()
    assert (process.returncode, error) == (0, "")
    seen.add(len(held(open_books(books.folder), "activity")))
    assert seen <= {0, 300, 600, 900, 1200}
    assert 1200 in seen


def test_waiting_for_another_import_is_said(books, tmp_path):
    path = write(tmp_path / "a.csv", rows("activity", 3))
    with writer_lock(books.folder):
        process = start(books, path)
        wait_for(process, "waiting for another import")
        assert process.poll() is None
    output, _ = process.communicate()
    assert (process.returncode, output.splitlines()[-1]) == (0, "done 3 0 0 3")


def test_a_writer_whom_no_lock_keeps_away_is_noticed(books, tmp_path, monkeypatch):
    """Where locks do not work (a network disk, an object store) the log itself keeps two writers apart."""
    monkeypatch.setattr(lock, "fcntl", None)
    mine, same = rows("activity", 6), write(tmp_path / "same.csv", rows("activity", 6))
    others = [write(tmp_path / "other.csv", rows("activity", 4, first=4)), same]
    find_known = ingest.find_known

    def meanwhile(*given):
        known = find_known(*given)
        if others:
            take(open_books(books.folder), "activity", others.pop(0))
        return known

    monkeypatch.setattr(ingest, "find_known", meanwhile)
    # While I compare, somebody brings half of my rows; while they compare, somebody brings all of them.
    result = take(books, "activity", write(tmp_path / "mine.csv", mine))
    assert (result.already_imported, result.ingested, result.duplicates) == (True, 0, 6)
    assert held(books, "activity") == [f"a{i}" for i in range(1, 8)]
    facts = [batch.facts for batch in books.batches()]
    assert [(one["file"], one["ingested"], one["duplicates"]) for one in facts] == [
        ("same.csv", 6, 0),
        ("other.csv", 1, 3),
    ]


def interrupt_rounds(books: Books, path: Path, *, rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    for round_ in range(rounds):
        process = start(books, path, table="usage")
        wait_for(process, STAGES[round_ % 3])
        time.sleep(chance.random() * 0.05)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        assert (process.returncode, error) in ((130, ""), (0, ""))


def test_ctrl_c_ends_an_import_cleanly(books, tmp_path):
    path = write(tmp_path / "u.parquet", [{**row, "at": row["at"]} for row in rows("usage", 50_000)])
    interrupt_rounds(books, path, rounds=4, seed=3)
    take(books, "usage", path)
    assert len(held(books, "usage")) == len(set(held(books, "usage"))) == 50_000


@pytest.mark.slow
def test_ctrl_c_ends_an_import_cleanly_at_any_moment(books, tmp_path):
    path = write(tmp_path / "u.csv", rows("usage", 200_000))
    interrupt_rounds(books, path, rounds=20, seed=4)
    take(books, "usage", path)
    assert len(held(books, "usage")) == len(set(held(books, "usage"))) == 200_000


def test_what_a_killed_process_left_is_swept_but_never_what_is_in_use(books, tmp_path):
    litter = books.folder / ".work" / "import-dead"
    litter.mkdir(parents=True)
    (litter / "landed.parquet").write_bytes(b"half")
    with workspace(books.folder) as living:
        (living / "landed.parquet").write_bytes(b"mine")
        take(books, "activity", write(tmp_path / "a.csv", rows("activity", 1)))
        assert not litter.exists()
        assert (living / "landed.parquet").read_bytes() == b"mine"
    assert not living.exists()
