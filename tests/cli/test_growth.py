"""`breakeven growth`: the spend ledger as a person types it and reads it."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from tests.account.bookkeeping import book
from tests.account.cases import FOLDER, open_case, read_case

from breakeven.cli.bilingual import command
from breakeven.cli.growth import ELSEWHERE, growth
from breakeven.ledger.books import open_books

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The books of the worked case."""
    place = tmp_path_factory.mktemp("case")
    return open_case(read_case(FOLDER / "spend_ledger.yaml"), place).books.folder


def rows(answer: dict[str, Any], table: str) -> dict[str, dict[str, Any]]:
    """Rows of a table by their first cell."""
    found = [row for row in answer["rows"] if row["table"] == table]
    return {next(value for key, value in row.items() if key != "table"): row for row in found}


def test_the_view_without_a_subcommand(run, folder):
    answer = run("growth", folder, "--json").answer
    assert answer["view"] == "growth"
    spend = rows(answer, "spend")
    assert list(spend) == ["video", "friends", "radio", "(unattributed)", "(total)"]
    kinds = ("ads_spend", "creator_spend", "coupon_spend", "referral_spend", "agency_spend")
    for kind in (*kinds, "spend"):
        parts = [Decimal(row[kind]) for name, row in spend.items() if name != "(total)"]
        assert sum(parts) == Decimal(spend["(total)"][kind]), kind
    assert spend["(total)"]["spend"] == "225.00"
    assert "free_use" not in spend["video"]
    cac = rows(answer, "cac")
    three = ("cac_blended", "cac_paid", "cac_marginal")
    assert {name: tuple(row[key] for key in three) for name, row in cac.items()} == {
        "video": ("38.000000", "38.000000", "10.000000"),
        "friends": ("20.000000", "20.000000", None),
        "radio": (None, None, None),
        "organic": ("0.000000", None, None),
        "(unattributed)": (None, None, None),
        "(total)": ("32.142857", "37.500000", None),
    }
    months = rows(answer, "spend_by_month")
    assert (months["(total)"]["2024-03"], months["(total)"]["2024-04"]) == ("120.00", "105.00")


def test_free_use_is_a_line_of_its_own_and_named(run, folder):
    answer = run("growth", folder, "--free-use", "--json").answer
    total = rows(answer, "spend")["(total)"]
    assert (total["spend"], total["free_use"], total["spend_with_free_use"]) == ("225.00", "7.00", "232.00")
    assert rows(answer, "cac")["video"]["cac_blended_with_free_use"] == "39.000000"
    lines = rows(answer, "by_month")
    assert (lines["acquisition_spend"]["2024-03"], lines["free_use"]["2024-03"]) == ("120.00", "6.00")
    assert lines["spend_with_free_use"]["2024-04"] == "106.00"
    english, chinese = (run("growth", folder, "--free-use", "--lang", lang).out for lang in ("en", "zh"))
    assert "Marketing expense incl. free use until first payment" in english
    assert "营销支出（含首次付费前的免费使用）" in chinese


def test_the_notes_explain_each_cost_and_name_what_brought_nobody(run, folder):
    said = run("growth", folder).out
    assert "Blended: spend over all new users." in said
    assert "2024-04 on 2024-03" in said
    assert "Spend without a single new user: radio (5.00 USD), unattributed (10.00 USD)." in said
    chinese = run("growth", folder, "--lang", "zh").out
    assert "有支出而没有新增用户：radio（5.00 USD）、未归因（10.00 USD）。" in chinese


def test_only_the_sum_of_the_kinds_and_only_some_channels(run, folder):
    answer = run("growth", folder, "--kind", "sum", "--channel", "video", "--json").answer
    assert [set(row) for row in answer["rows"] if row["table"] == "spend"] == [
        {"table", "channel", "spend", "share"}
    ]
    # A share is of all spend, whatever is shown; a total of some channels would not be the statement's.
    assert rows(answer, "spend")["video"]["share"] == "0.844444"
    assert rows(answer, "by_month") == {}


@pytest.mark.parametrize("dimension", ["campaign", "creator"])
def test_by_another_name_the_sum_is_the_same(run, folder, dimension):
    spend = rows(run("growth", folder, "--by", dimension, "--json").answer, "spend")
    assert {name: row["spend"] for name, row in spend.items()} == {
        "(unattributed)": "225.00", "(total)": "225.00",
    }  # fmt: skip


def test_the_books_may_be_those_around_or_of_the_environment(run, folder, monkeypatch, tmp_path):
    there = run("growth", folder).out
    monkeypatch.chdir(tmp_path)
    assert "which books?" in run("growth").err
    monkeypatch.setenv("BREAKEVEN_BOOKS", str(folder))
    assert run("growth").out == run("growth", "show").out == there
    monkeypatch.delenv("BREAKEVEN_BOOKS")
    monkeypatch.chdir(folder)
    assert run("growth", "--lang", "en").out == there


def test_a_closed_month_that_changed_since_still_sums_to_the_statement(run, tmp_path):
    case = read_case(FOLDER / "spend_ledger.yaml") | {"books": {"not_applicable": ["bills"]}}
    folder = open_case(case, tmp_path).books.folder
    closed = run("close", folder, "2024-03")
    assert closed.code == 0, closed.out
    late = {"day": "2024-03-30", "channel": "video", "kind": "ads", "amount": 7, "currency": "USD"}
    book(open_books(folder), "ad_spend", [late], source="late")
    answer = run("growth", folder, "--json").answer
    spend = rows(answer, "spend")
    parts = sum(Decimal(row["spend"]) for name, row in spend.items() if name != "(total)")
    assert parts == Decimal(spend["(total)"]["spend"])
    months = rows(answer, "spend_by_month")
    assert months["(total)"]["2024-03"] == "120.00"
    assert months["(since closing)"]["2024-03"] == "-7.00"


def test_help_shows_the_options_of_the_view_and_the_subcommands(run):
    english, chinese = run("growth", "--help").out, run("growth", "--help", "--lang", "zh").out
    assert run("--lang", "zh", "growth", "--help").out == chinese
    for text in ("--free-use", "--by", "export-mmm", "read-mmm", "show"):
        assert text in english
        assert text in chinese
    assert "Write the data layout" in english
    assert "写出营销组合模型所用的数据" in chinese


def test_a_subcommand_is_imported_only_when_it_runs(run, monkeypatch):
    ran: list[str] = []

    @command("export-mmm", en="Test.", zh="测试。")
    @click.argument("books")
    def export_mmm(books: str) -> None:
        ran.append(books)

    module = ModuleType(ELSEWHERE["export-mmm"].module)
    module.export_mmm = export_mmm
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert run("growth", "export-mmm", "some-books").code == 0
    assert run("growth", "--lang", "zh", "export-mmm", "others").code == 0
    assert ran == ["some-books", "others"]


def test_wrong_use_is_refused_in_words(run, folder):
    assert run("growth", folder, "--model", "m").code == 2
    assert "--model" in run("growth", folder, "--model", "m").err
    assert run("growth", folder, "--by", "colour").code == 2
    assert run("growth", "no-such-books").code != 0
    assert growth.get_command(click.Context(growth), "no-such-command") is None
