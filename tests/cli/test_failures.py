"""A failure is one block on standard error and one exit code; a traceback only for those who ask."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from types import ModuleType

import click
import pytest

from breakeven import errors
from breakeven.cli import failures
from breakeven.cli.main import main

# Words that the catalogue of phrases does not know stay as they are: what is tested here is the frame.
CODES = [
    (errors.CheckFailed("bills differ"), 1, "Check failed: bills differ", "核对未通过：bills differ"),
    (errors.UsageError("no"), 2, "Usage error: no", "用法错误：no"),
    (errors.InputError("bad row"), 3, "Error: bad row", "错误：bad row"),
    (errors.BooksError("books gone"), 3, "Error: books gone", "错误：books gone"),
    (errors.SourceUnreachable("silence"), 4, "Error: silence", "错误：silence"),
    (OSError(errno.ENOSPC, "No space left on device", "x"), 3, "make room on the disk", "腾出空间"),
    (PermissionError(errno.EACCES, "Permission denied", "x"), 3, "Where: x", "位置：x"),
    (RuntimeError("oops"), 70, "a defect in Breakeven", "Breakeven 的缺陷"),
]


@pytest.fixture
def failing(monkeypatch):
    """Make the subcommand `cost` fail with a given error."""

    def fail_with(error):
        def callback(lang):
            raise error

        module = ModuleType("breakeven.cli.cost")
        module.cost = click.Command("cost", params=[click.Option(["--lang"])], callback=callback)
        monkeypatch.setitem(sys.modules, "breakeven.cli.cost", module)

    return fail_with


@pytest.mark.parametrize(
    ("error", "code", "english", "chinese"), CODES, ids=lambda value: type(value).__name__
)
def test_each_failure_has_its_code_and_words(run, failing, error, code, english, chinese):
    failing(error)
    for language, words in (("en", english), ("zh", chinese)):
        done = run("cost", "--lang", language)
        assert (done.code, done.out) == (code, "")
        assert words in done.err
        assert "Traceback" not in done.err


def test_a_block_says_what_where_cause_and_next_step():
    error = errors.InputError(
        "column 'at' is gone", where="a.csv:1", cause="another layout", remedy="add --mapping"
    )
    assert failures.block(error, "en").split("\n") == [
        "Error: column 'at' is gone",
        "  Where: a.csv:1",
        "  Likely cause: another layout",
        "  Next step: add --mapping",
    ]
    assert failures.block(error, "zh").split("\n") == [
        "错误：column 'at' is gone",
        "  位置：a.csv:1",
        "  原因：another layout",
        "  下一步：add --mapping",
    ]


def test_a_traceback_for_those_who_ask(run, failing, monkeypatch):
    failing(RuntimeError("oops"))
    monkeypatch.setenv("BREAKEVEN_DEBUG", "1")
    done = run("cost")
    assert "Traceback" in done.err
    assert "RuntimeError: oops" in done.err
    assert done.code == 70


@pytest.mark.parametrize(("language", "words"), [("en", "Stopped."), ("zh", "已中断")])
def test_an_interrupt_is_exit_130(run, failing, language, words):
    failing(KeyboardInterrupt())
    done = run("cost", "--lang", language)
    assert done.code == 130
    assert words in done.err
    assert "Traceback" not in done.err


def start(*arguments, **settings):
    """Start a real process."""
    return subprocess.Popen(
        [sys.executable, "-m", "breakeven.cli.main", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **settings,
    )


def test_a_real_process_fails_with_its_code(tmp_path):
    process = start("log", str(tmp_path))
    out, err = process.communicate()
    assert (process.returncode, out) == (3, "")
    assert err.startswith("Error: no books here")


def test_a_closed_pipe_is_no_traceback():
    process = start("sources", "--json")
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait() == failures.PIPE_CLOSED
    assert err == ""


def test_a_closed_pipe_under_tables_is_no_failure_of_the_books(monkeypatch):
    """What draws tables leaves with 1 when nobody reads, and 1 means that a check failed."""
    from rich.console import Console

    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

        def fileno(self):
            return spare

    def draw(lang):
        Console(file=closed).print("a table")

    module = ModuleType("breakeven.cli.cost")
    module.cost = click.Command("cost", params=[click.Option(["--lang"])], callback=draw)
    monkeypatch.setitem(sys.modules, "breakeven.cli.cost", module)
    spare, closed = os.open(os.devnull, os.O_WRONLY), Closed()
    monkeypatch.setattr(sys, "stdout", closed)
    try:
        assert main(["cost"]) == failures.PIPE_CLOSED
    finally:
        os.close(spare)


def test_a_terminal_without_chinese_gets_escapes_that_json_reads_back(tmp_path):
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "BREAKEVEN_LANG": "zh"}
    process = start("sources", "--json", env=environment)
    out, _ = process.communicate()
    assert process.returncode == 0
    assert out.isascii()
    [azure] = [row for row in json.loads(out)["rows"] if row["name"] == "azure"]
    assert "缓存" in azure["notes_zh"]


def wait_for_reader(pipe):
    """Open the writing end as soon as the process has opened the reading one."""
    for _ in range(400):
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.05)
    raise AssertionError("nobody opened the pipe")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_real_interrupt_while_reading_is_exit_130(tmp_path, books):
    pipe = tmp_path / "slow.csv"
    os.mkfifo(pipe)
    process = start("import", str(books), str(pipe), "--table", "activity")
    feeding = wait_for_reader(pipe)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    os.close(feeding)
    assert process.returncode == 130
    assert "Traceback" not in err
