"""Shared options become one value that a view receives."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from click.testing import CliRunner

from breakeven.cli.bilingual import command
from breakeven.cli.options import ViewOptions, books_argument, moment, view_options
from breakeven.errors import BreakevenError, InputError, UsageError
from breakeven.periods import Period


@pytest.fixture
def asked():
    """Call a view with these arguments; returns the books and options it received."""

    def asking(*arguments):
        seen = []

        @command("view", en="A view.", zh="视图。")
        @books_argument()
        @view_options
        def view(books, options):
            seen.append((books, options))

        result = CliRunner().invoke(view, arguments, catch_exceptions=False)
        if result.exit_code:
            raise AssertionError(result.output)
        return seen[0]

    return asking


def test_without_flags_the_books_choose(asked, tmp_path):
    books, options = asked(str(tmp_path))
    assert books == tmp_path
    assert options == ViewOptions()
    assert (options.format, options.engine, options.period, dict(options.filters)) == (
        "text",
        "duckdb",
        None,
        {},
    )


def test_every_flag_arrives(asked, tmp_path):
    _, options = asked(
        str(tmp_path), "--json", "--lang", "zh", "--period", "2024-03", "--currency", "usd", "--as-of",
        "2024-03-20T08:00:00+08:00", "--engine", "spark", "--channel", "a", "--channel", "b", "--model", "k1",
    )  # fmt: skip
    assert options == ViewOptions(
        format="json",
        language="zh",
        period=Period(date(2024, 3, 1), date(2024, 4, 1)),
        currency="USD",
        as_of=datetime(2024, 3, 20, tzinfo=UTC),
        engine="spark",
        filters={"channel": ("a", "b"), "model": ("k1",)},
    )


def test_csv_keeps_or_leaves_the_mark_that_excel_needs(asked, tmp_path):
    assert asked(str(tmp_path), "--csv")[1].byte_order_mark
    assert not asked(str(tmp_path), "--csv", "--no-bom")[1].byte_order_mark


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        (["--json", "--csv"], UsageError),
        (["--period", "soon"], UsageError),
        (["--currency", "RMB"], InputError),
        (["--as-of", "2024-13-01"], UsageError),
    ],
)
def test_flags_that_make_no_sense_are_refused(asked, tmp_path, flags, kind):
    with pytest.raises(BreakevenError) as caught:
        asked(str(tmp_path), *flags)
    assert type(caught.value) is kind


def test_books_are_found_from_within(asked, tmp_path, monkeypatch):
    (tmp_path / "breakeven.toml").touch()
    (tmp_path / "usage").mkdir()
    monkeypatch.chdir(tmp_path / "usage")
    assert asked()[0] == tmp_path
    monkeypatch.setenv("BREAKEVEN_BOOKS", "/elsewhere")
    assert str(asked()[0]) == "/elsewhere"


def test_without_books_anywhere_the_person_is_asked(asked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="which books"):
        asked()


def test_a_day_means_its_end():
    assert moment("2024-02-28") == datetime(2024, 2, 29, tzinfo=UTC)
    assert moment("2024-02-28T00:00") == datetime(2024, 2, 28, tzinfo=UTC)
