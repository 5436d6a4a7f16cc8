"""`breakeven prices`: what it prints, in both languages, and its exit codes."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from breakeven.cli.prices import prices_group
from breakeven.errors import UsageError

CARD = """\
provider: house
side: sell
currency: CNY
source: page
checked_on: 2024-01-01
models:
  heron:
    prices:
      - {valid_from: 2024-01-01, per_mtok: {uncached_input: 10, output: 40}}
      - {valid_from: 2024-06-01, known_from: 2024-05-20, per_mtok: {uncached_input: 5, output: 40}}
"""


@pytest.fixture
def books(tmp_path):
    (tmp_path / "prices").mkdir()
    (tmp_path / "prices" / "house.yaml").write_text(CARD)
    return tmp_path


def _run(*arguments, exit_code=0):
    result = CliRunner().invoke(
        prices_group, [str(argument) for argument in arguments], env={"COLUMNS": "200"}
    )
    assert result.exit_code == exit_code, result.output
    return result.output


def test_show_lists_a_models_prices_through_time(books):
    rows = json.loads(_run("show", books, "--provider", "house", "--json"))["rows"]
    assert [
        (row["valid_from"], row["valid_to"], row["uncached_input"], row["cached_input"]) for row in rows
    ] == [
        ("2024-01-01 00:00", "2024-06-01 00:00", "10", None),
        ("2024-06-01 00:00", None, "5", None),
    ]
    assert rows[0]["source"] == "page"


def test_show_filters_by_day_and_by_what_was_known(books):
    on_day = json.loads(_run("show", books, "--model", "heron", "--date", "2024-06-01", "--json"))["rows"]
    assert [row["uncached_input"] for row in on_day] == ["5"]
    known = json.loads(_run("show", books, "--model", "heron", "--known-at", "2024-05-19", "--json"))
    assert [row["uncached_input"] for row in known["rows"]] == ["10"]
    assert known["as_of"] == "2024-05-19"
    both = json.loads(_run("show", books, "--model", "deepseek-chat", "--date", "2025-03-01", "--json"))[
        "rows"
    ]
    assert {(row["currency"], row["terms"]) for row in both} == {
        ("CNY", ""),
        ("CNY", "off-peak"),
        ("USD", ""),
        ("USD", "off-peak"),
    }


def test_show_speaks_both_languages_and_csv(books):
    assert "输入" in _run("show", books, "--model", "heron", "--lang", "zh")
    assert "Input" in _run("show", books, "--model", "heron")
    assert "side,provider,model" in _run("show", books, "--model", "heron", "--csv")


def test_show_of_nothing_is_an_error(books):
    result = CliRunner().invoke(prices_group, ["show", str(books), "--model", "nobody"])
    assert isinstance(result.exception, UsageError)


def test_diff_between_two_known_days_and_two_folders(books, tmp_path):
    rows = json.loads(
        _run("diff", books, "--from-known", "2024-05-19", "--to-known", "2024-05-21", "--json")
    )["rows"]
    rows = [row for row in rows if row["provider"] == "house"]
    assert [(row["change"], row["valid_from"], row["uncached_input"]) for row in rows] == [
        ("added", "2024-06-01 00:00", "5")
    ]
    other = tmp_path / "old"
    other.mkdir()
    (other / "house.yaml").write_text(CARD.replace("output: 40", "output: 50", 1))
    rows = json.loads(_run("diff", books, "--against", other, "--json"))["rows"]
    assert [(row["change"], row["output_before"], row["output"]) for row in rows] == [("changed", "50", "40")]
    assert isinstance(CliRunner().invoke(prices_group, ["diff", str(books)]).exception, UsageError)


def test_check_passes_good_cards_and_names_what_to_know(books):
    findings = json.loads(_run("check", books, "--json"))["rows"]
    assert {row["severity"] for row in findings} == {"warning"}
    assert any("heron: no price for cached_input, cache_write" in row["en"] for row in findings)


@pytest.mark.parametrize(
    ("before", "after", "line", "reason"),
    [
        ("source: page\n", "", 8, "the price has no source"),
        ("side: sell", "side: sel", 2, "is not one of"),
        ("models:", "modles:", 6, "did you mean 'models'?"),
    ],
)
def test_check_exits_3_on_bad_cards(books, before, after, line, reason):
    path = books / "prices" / "house.yaml"
    path.write_text(CARD.replace(before, after))
    findings = json.loads(_run("check", books, "--json", exit_code=3))["rows"]
    errors = [row for row in findings if row["severity"] == "error"]
    assert errors[0]["where"] == f"{path}:{line}"
    assert reason in errors[0]["en"]
    assert "错误" in _run("check", books, "--lang", "zh", exit_code=3)


def test_check_tells_overlaps_and_gaps(books):
    text = CARD.replace("valid_from: 2024-01-01,", "valid_from: 2024-01-01, valid_to: 2024-03-01,")
    (books / "prices" / "house.yaml").write_text(text)
    assert "no price from 2024-03-01 00:00 to 2024-06-01 00:00 UTC" in _run("check", books, "--json")
    (books / "prices" / "house.yaml").write_text(text.replace("2024-03-01", "2024-07-01"))
    assert "overlaps the price that ends 2024-07-01 00:00" in _run("check", books, "--json")


def test_import_writes_cards_that_check_and_show_accept(books):
    report = json.loads(_run("import", "genai-prices", books, "--provider", "anthropic", "--json"))
    assert any(row["table"] == "left_out" for row in report["rows"])
    assert (books / "prices" / "genai-prices-anthropic.yaml").is_file()
    _run("check", books)
    rows = json.loads(_run("show", books, "--provider", "anthropic", "--model", "claude-opus-4-1", "--json"))[
        "rows"
    ]
    assert {row["currency"] for row in rows} == {"USD"}
    again = CliRunner().invoke(
        prices_group, ["import", "genai-prices", str(books), "--provider", "anthropic"]
    )
    assert isinstance(again.exception, UsageError)
