"""A full disk and a folder that cannot be written: said as such, and the books are as they were before."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import breakeven
from breakeven.engine.duckdb import DuckDBEngine

from .bench import held, json_lines, new_books, rows, take, write

WORKER = Path(__file__).with_name("worker.py")


def can_mount() -> bool:
    """Whether this process may make a file system of its own, in a namespace nobody else sees."""
    tried = ["unshare", "-m", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt"]
    return shutil.which("unshare") is not None and subprocess.run(tried, capture_output=True).returncode == 0


needs_mount = pytest.mark.skipif(not can_mount(), reason="may not mount a file system here")


def incompressible(count: int) -> list[dict[str, object]]:
    """Rows of which each takes at least fifty bytes, however they are stored."""
    chance = random.Random(1)
    return [{**row, "user_id": chance.randbytes(50).hex()} for row in rows("usage", count, first=100)]


def in_shell(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a shell script in which $WORKER imports; in its own mount namespace where that is allowed."""
    source = str(Path(breakeven.__file__).parents[1])
    prefix = ["unshare", "-m"] if can_mount() else []
    return subprocess.run(
        [*prefix, "sh", "-c", script, "sh", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": source, "WORKER": f"{sys.executable} {WORKER}"},
    )


@needs_mount
@pytest.mark.parametrize(
    ("form", "size_kib", "stage"),
    [
        ("jsonl.gz", 1000, "reading"),  # while unpacking
        ("csv", 700, "reading"),  # while landing
        ("csv", 2400, "writing"),
        ("parquet", 600, "writing"),
    ],
)
def test_a_full_disk_is_told_and_nothing_is_half_written(books, tmp_path, form, size_kib, stage):
    """The smaller the disk, the earlier the stage that runs out."""
    take(books, "usage", write(tmp_path / "first.csv", rows("usage", 10)))
    path = write(tmp_path / f"u.{form}", incompressible(20_000))
    script = f"""
    mount -t tmpfs -o size={size_kib}k tmpfs "$3" && cp -r "$1/." "$3" || exit 99
    $WORKER "$3" usage "$2"; code=$?
    rm -rf "$1" && cp -r "$3" "$1"; exit $code
    """
    small = tmp_path / "small"
    small.mkdir()
    done = in_shell(script, books.folder, path, small)
    assert done.returncode == 3, done.stderr
    assert done.stdout.splitlines()[-1].startswith(stage)
    assert "BooksError" in done.stderr
    assert "the disk is full" in done.stderr
    assert "free disk space" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(held(books, "usage")) == 10
    # With room, the same command does the work.
    assert take(books, "usage", path).ingested == 20_000


@needs_mount
def test_a_full_disk_while_quarantining(books, tmp_path):
    path = write(tmp_path / "bad.parquet", [{**row, "model": ""} for row in incompressible(20_000)])
    script = """
    mount -t tmpfs -o size=700k tmpfs "$3" && cp -r "$1/." "$3" || exit 99
    $WORKER "$3" usage "$2"
    """
    small = tmp_path / "small"
    small.mkdir()
    done = in_shell(script, books.folder, path, small)
    assert done.returncode == 3, done.stderr
    assert "the disk is full" in done.stderr


def test_a_limit_on_file_sizes_is_told_like_a_full_disk(books, tmp_path):
    path = tmp_path / "u.jsonl"
    path.write_text(json_lines(incompressible(20_000)))
    done = in_shell('ulimit -f 500; $WORKER "$1" usage "$2"', books.folder, path)
    assert done.returncode == 3, done.stderr
    assert "the disk is full" in done.stderr
    assert held(books, "usage") == []


def test_a_read_only_folder_can_be_read_and_says_that_it_cannot_be_written(books, tmp_path):
    first = write(tmp_path / "first.csv", rows("activity", 2))
    take(books, "activity", first)
    path = write(tmp_path / "a.csv", rows("activity", 5))
    if os.geteuid() == 0 and can_mount():
        seal = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 99'
    elif os.geteuid() != 0:
        seal = 'chmod -R a-w "$1"'
    else:
        pytest.skip("a superuser who may not mount cannot be kept from writing")
    done = in_shell(f'{seal}\n$WORKER "$1" activity "$2"', books.folder, path)
    again = in_shell(f'{seal}\n$WORKER "$1" activity "$2"', books.folder, first)
    in_shell('chmod -R u+w "$1"', books.folder)
    assert done.returncode == 3, done.stderr
    assert "BooksError" in done.stderr
    assert "the books folder cannot be written" in done.stderr
    assert "read-only" in done.stderr
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "done 0 2 0 2")
    assert held(books, "activity") == ["a1", "a2"]


def test_books_cannot_be_made_where_a_file_lies(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Exception, match="the books cannot be created"):
        new_books(tmp_path / "file" / "books")


def test_an_engine_that_runs_out_of_room_says_so(tmp_path):
    with DuckDBEngine(memory_gib=0.02, spill=tmp_path / "spill") as engine:
        engine.execute("SET max_temp_directory_size = '1MiB'")
        with pytest.raises(Exception, match="out of memory or of disk to spill to"):
            engine.rows("SELECT count(*) FROM (SELECT DISTINCT hash(range) FROM range(30000000))")
