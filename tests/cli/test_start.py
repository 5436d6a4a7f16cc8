"""What happens before a subcommand runs: help without imports, the overview without a name, bad usage."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import click
import pytest

from breakeven.cli.bilingual import BilingualCommand, BilingualOption
from breakeven.cli.main import COMMANDS, cli, target_of, with_overview

OURS = ("init", "import", "log", "undo", "quarantine", "sources")
HEAVY = {"deltalake", "duckdb", "ibis", "jinja2", "numpy", "pandas", "pyarrow", "rich", "yaml"}


def test_the_help_page_imports_no_subcommand_and_nothing_heavy():
    script = (
        "import sys; from breakeven.cli.main import main; main(['--help']); print('IMPORTED', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    page, _, modules = done.stdout.partition("IMPORTED ")
    imported = set(modules.split())
    assert all(name in page for name in COMMANDS)
    assert not imported & HEAVY
    assert not imported & {target_of(name).partition(":")[0] for name in COMMANDS}
    ours = {name for name in imported if name.startswith("breakeven.") and "cli" not in name}
    assert ours == {"breakeven.errors"}


@pytest.mark.parametrize(("language", "words"), [("en", "Usage: breakeven"), ("zh", "用法：breakeven")])
def test_the_help_page_speaks_both_languages(run, language, words):
    page = run("--help", "--lang", language)
    assert page.code == 0
    assert words in page.out
    summaries = [getattr(said, language) for said in COMMANDS.values()]
    assert all(summary in page.out for summary in summaries)


def test_the_environment_chooses_the_language(run, monkeypatch):
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert "用法：" in run("--help").out
    monkeypatch.setenv("BREAKEVEN_LANG", "en")
    assert "Usage:" in run("--help").out


@pytest.mark.parametrize("name", OURS)
def test_every_option_is_explained_in_both_languages(run, name):
    command = cli.get_command(click.Context(cli), name)
    assert isinstance(command, BilingualCommand)
    assert command.name == name
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert options
    assert all(isinstance(option, BilingualOption) and option.help and option.help_zh for option in options)
    english, chinese = run(name, "--help").out, run(name, "--help", "--lang", "zh").out
    assert "Show this message" in english
    assert "显示本说明并退出" in chinese
    assert all(option.help_zh[:8] in chinese for option in options)
    assert not any(option.help in chinese for option in options)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_name_on_the_help_page_is_a_command(run, name):
    page = run("--lang", "en", name, "--help")
    assert page.code == 0, page.err
    assert page.out.startswith(f"Usage: breakeven {name}")


def test_the_version(run):
    from breakeven import __version__

    assert run("--version").out == f"breakeven {__version__}\n"


def test_without_books_the_help_page_is_shown(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run().out.startswith("Usage: breakeven")


def test_books_alone_mean_the_overview(books, tmp_path, monkeypatch):
    assert with_overview([str(books)]) == ["overview", str(books)]
    assert with_overview(["--lang", "zh", str(books), "--json"])[2:] == ["overview", str(books), "--json"]
    assert with_overview(["--currency", "USD"]) == ["overview", "--currency", "USD"]
    assert with_overview(["log", str(books)]) == ["log", str(books)]
    assert with_overview(["--help"]) == ["--help"]
    monkeypatch.chdir(books / "usage")
    assert with_overview([]) == ["overview"]
    assert with_overview(["--lang=zh"]) == ["--lang=zh", "overview"]


def test_a_subcommand_bears_the_name_of_a_folder(tmp_path, monkeypatch):
    (tmp_path / "log").mkdir()
    monkeypatch.chdir(tmp_path)
    assert with_overview(["log"]) == ["log"]


def test_the_overview_receives_the_books(run, books, monkeypatch):
    seen = []

    def received(books):
        seen.append(books)

    module = ModuleType("breakeven.cli.overview")
    module.overview = click.Command("overview", params=[click.Argument(["books"])], callback=received)
    monkeypatch.setitem(sys.modules, "breakeven.cli.overview", module)
    assert run(books).code == 0
    assert seen == [str(books)]


@pytest.mark.parametrize(
    ("arguments", "english", "chinese"),
    [
        (["inport"], "did you mean import", "是否想用 import"),
        (["log", "--jsn"], "No such option '--jsn'", "没有选项 --jsn"),
        (["undo"], "Missing argument 'BOOKS'", "缺少 'BOOKS'"),
        (["log", "--table", "users"], "Invalid value for '--table'", "'--table' 的值无效"),
        (["log", "--as-of", "soon"], "cannot read the time 'soon'", "用法错误"),
    ],
)
def test_bad_usage_is_exit_2_in_one_block(run, arguments, english, chinese):
    for language, words, label in (("en", english, "Usage error: "), ("zh", chinese, "用法错误：")):
        done = run(*arguments, "--lang", language)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(label)
        assert words in done.err
        assert "Traceback" not in done.err


def test_shell_completion_offers_names_without_importing(monkeypatch, run, capsys):
    monkeypatch.setenv("_BREAKEVEN_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "breakeven in")
    monkeypatch.setenv("COMP_CWORD", "1")
    with pytest.raises(SystemExit):
        run()
    assert capsys.readouterr().out.split() == ["plain,income", "plain,init"]
