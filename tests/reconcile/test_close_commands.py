"""close, closings, restate and reopen as a person types them."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from tests.account.bookkeeping import book, write_card
from tests.cli.conftest import Ran

from breakeven.cli.main import main
from breakeven.ledger.closings import Closings

from .closing_books import AUGUST, JULY, card, close, two_months, usage

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")


@pytest.fixture
def run(capsys, monkeypatch):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "BREAKEVEN_LANG", "BREAKEVEN_DEBUG", "BREAKEVEN_BOOKS"):
        monkeypatch.delenv(name, raising=False)

    def running(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return running


@pytest.fixture
def books(tmp_path):
    return two_months(tmp_path / "books")


def test_close_in_the_folder_of_the_books(run, books, monkeypatch):
    monkeypatch.chdir(books.folder)
    done = run("close", "2024-07", "--json", "--by", "Li")
    assert done.code == 0
    facts = done.answer["facts"]
    entry = Closings(books.folder).log()[0]
    assert (facts["state"], facts["digest"], facts["seal"]) == ("closed", entry.digest, entry.seal)
    assert entry.by == "Li"
    assert {row["state"] for row in done.answer["rows"] if row["table"] == "conditions"} == {"pass"}
    assert run("close", "2024-07", "--verify").code == 0


@pytest.mark.parametrize(("language", "words"), [("en", "cannot be closed"), ("zh", "不能结账")])
def test_a_refusal_names_everything_and_exits_1(run, books, language, words):
    book(books, "usage", [usage("2024-08-09", 1, model="nobody-knows")])
    for how in ([], ["--dry-run"]):
        done = run("close", books.folder, "2024-08", "--lang", language, *how)
        assert done.code == 1
        assert words in done.out
        assert "2024-07" in done.out
        assert "outside/nobody-knows 1,000,000" in done.out
    assert not (books.folder / "closed").exists()


def test_a_dry_run_closes_nothing(run, books):
    done = run("close", books.folder, "2024-07", "--dry-run", "--json")
    assert (done.code, done.answer["facts"]["state"]) == (0, "open")
    assert not (books.folder / "closed").exists()


def test_show_gives_the_stored_bytes_in_every_form(run, books):
    assert run("close", books.folder, "2024-07").code == 0
    closing = Closings(books.folder).revision(JULY)
    shown = run("close", books.folder, "2024-07", "--show", "--json").out
    assert shown.encode() == closing.read("statement.json")
    assert run("close", books.folder, "2024-07", "--show", "--lang", "zh").out.encode() == closing.read(
        "statement.zh.txt"
    )
    text = run("close", books.folder, "2024-07", "--show").out
    assert "Statement of 2024-07, revision 1" in text
    assert "Gift revenue" in text
    plain = run("close", books.folder, "2024-07", "--show", "--csv", "--no-bom").out
    assert plain.encode() == closing.read("statement.csv")
    assert "income,gift_revenue,10.00,USD" in plain
    write_card(books, "outside", card("5"))
    assert run("close", books.folder, "2024-07", "--show", "--json").out == shown
    assert "─" not in run("close", books.folder, "2024-07", "--show", "--ascii").out


def test_income_shows_frozen_months_and_the_entries(run, books):
    close(books, JULY, AUGUST)
    before = run("income", books.folder, "--json").answer["rows"]
    book(books, "usage", [usage("2024-07-20", 4)])
    done = run("income", books.folder, "--json")
    assert done.answer["rows"] == before
    [warning] = [one for one in done.answer["warnings"] if one["code"] == "adjustments"]
    assert (
        "booked as adjusting entries in 2024-09: 2024-07 Inference bought by API +4.00 USD" in warning["en"]
    )
    text = run("income", books.folder).out
    assert "Adjusting entries of closed months, booked in 2024-09" in text
    book(books, "usage", [usage("2024-09-10", 5)])
    open_month = [row for row in run("income", books.folder, "--json").answer["rows"] if "own" in row]
    costs = [(row["own"], row["value"]) for row in open_month if row["metric"] == "inference_api_cost"]
    assert costs == [("5.00", "9.00")]
    for view in ("overview", "cost", "channels"):
        codes = [one["code"] for one in run(view, books.folder, "--json").answer["warnings"]]
        assert "adjustments" in codes


def test_a_stored_view_knows_of_a_closing(run, books):
    """The answer kept before a month was closed is not given afterwards."""
    run("income", books.folder)
    assert run("close", books.folder, "2024-07").code == 0
    codes = [one["code"] for one in run("income", books.folder, "--json").answer["warnings"]]
    assert "closed" in codes


def test_closings_lists_what_happened_and_what_changed(run, books):
    assert run("closings", books.folder, "--json").answer["rows"] == []
    close(books, JULY, AUGUST)
    book(books, "usage", [usage("2024-07-20", 4)])
    assert run("restate", books.folder, "2024-07", "--reason", "late usage").code == 0
    done = run("closings", books.folder, "--json")
    assert done.code == 0
    log = [row for row in done.answer["rows"] if row["table"] == "log"]
    assert [(row["action"], row["month"], row["revision"], row["in_force"]) for row in log] == [
        ("close", "2024-07", 1, "no"),
        ("close", "2024-08", 1, "yes"),
        ("restate", "2024-07", 2, "yes"),
    ]
    assert log[2]["reason"] == "late usage"
    assert log[2]["former"] == log[0]["digest"]
    first = run("close", books.folder, "2024-07", "--show", "--revision", 1, "--json").answer
    second = run("close", books.folder, "2024-07", "--show", "--json").answer
    assert [first["revision"], second["revision"]] == [1, 2]


def test_tampering_is_found(run, books):
    close(books, JULY)
    path = Closings(books.folder).revision(JULY).folder / "statement.json"
    said = json.loads(path.read_text())
    said["metrics"][0]["value"] = "1000000.00"
    path.write_text(json.dumps(said))
    done = run("closings", books.folder)
    assert done.code == 1
    assert "closed/2024-07/1: its files are not those that were closed" in done.out
    assert run("close", books.folder, "2024-07", "--verify").code == 1
    codes = [one["code"] for one in run("income", books.folder, "--json").answer["warnings"]]
    assert "closing_damaged" in codes


def test_reopen(run, books):
    close(books, JULY, AUGUST)
    refused = run("reopen", books.folder, "2024-07", "--reason", "no")
    assert refused.code == 2
    assert "restate 2024-07" in refused.err
    assert run("reopen", books.folder, "2024-08").code == 2
    done = run("reopen", books.folder, "2024-08", "--reason", "a bill was missing", "--json")
    assert done.code == 0
    assert run("close", books.folder, "2024-08", "--show").code == 2
    assert run("close", books.folder, "2024-08", "--show", "--revision", 1).code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["close", "BOOKS", "2024-Q3"], "is not a month"),
        (["close", "BOOKS", "2024-07", "2024-08"], "too many arguments"),
        (["close", "BOOKS", "2024-07", "--show"], "2024-07 is not closed"),
        (["close", "BOOKS", "2024-07", "--show", "--verify"], "exclude each other"),
        (["close", "BOOKS", "2024-07", "--revision", "1"], "goes with --show"),
        (["restate", "BOOKS", "2024-07", "--reason", "x"], "2024-07 is not closed"),
    ],
)
def test_wrong_usage(run, books, arguments, words):
    given = [books.folder if word == "BOOKS" else word for word in arguments]
    done = run(*given)
    assert done.code == 2
    assert words in done.err
    chinese = run(*given, "--lang", "zh")
    assert chinese.code == 2
    assert words not in chinese.err


@pytest.mark.parametrize("page", ["close-a-month.md", "close-a-month.zh.md"])
def test_the_how_to_page_works_as_it_is_written(run, books, monkeypatch, page):
    monkeypatch.chdir(books.folder)
    text = (Path(__file__).parents[2] / "docs" / "how-to" / page).read_text("utf-8")
    [commands] = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    for line in commands.splitlines():
        program, *words = shlex.split(line, comments=True)
        assert program == "breakeven"
        done = run(*words)
        assert done.code == 0, (line, done.err)
    said = run("closings", "--json").answer["rows"]
    assert [row["action"] for row in said] == ["close", "close", "restate", "reopen"]
