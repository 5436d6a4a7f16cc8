"""`breakeven prices`: what it prints, in both languages, and its exit codes."""

from __future__ import annotations

import io
import json

import pytest
from click.testing import CliRunner

from breakeven.cli.main import main
from breakeven.cli.prices import prices
from breakeven.errors import BooksError, UsageError
from breakeven.ledger.books import create_books
from breakeven.report.text import print_view

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
def books(tmp_path, monkeypatch):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "BREAKEVEN_LANG", "BREAKEVEN_BOOKS"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "books"
    create_books(folder, name="heron-house", currency="CNY", time_zone="Asia/Shanghai")
    (folder / "prices").mkdir(exist_ok=True)
    (folder / "prices" / "house.yaml").write_text(CARD)
    return folder


def _run(*arguments, exit_code=0):
    result = CliRunner().invoke(prices, [str(argument) for argument in arguments])
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
    chinese = _run("show", books, "--model", "heron", "--lang", "zh")
    assert "销售价 (CNY/百万词元)" in chinese
    assert "输入" in chinese
    english = _run("show", books, "--model", "heron")
    assert "Sell prices (CNY per million tokens)" in english
    assert "heron-house · as of " in english
    assert "currency" not in english
    assert "side,provider,model" in _run("show", books, "--model", "heron", "--csv")


def test_prices_are_aligned_and_columns_that_say_nothing_are_left_out(books):
    lines = _run("show", books, "--model", "heron").splitlines()
    head, first, second = (
        next(line for line in lines if word in line) for word in ("Model", "10.00", "5.00")
    )
    assert head.split("   ")[0] == "Model"
    assert first.index("10.00") + len("10.00") == second.index("5.00") + len("5.00")
    assert first.split()[:3] == ["house/heron", "2024-01-01", "2024-06-01"]
    assert "Cached" not in head
    assert "Terms" not in head
    assert head.rstrip().endswith("Source")


def test_without_a_model_the_prices_in_force_are_shown(books):
    def starts(*arguments):
        answer = json.loads(_run("show", books, "--side", "sell", "--json", *arguments))
        return [row["valid_from"][:10] for row in answer["rows"]], answer.get("facts", {})

    assert starts()[0] == ["2024-06-01"]
    assert starts("--all") == (["2024-01-01", "2024-06-01"], {})
    assert starts("--provider", "house")[0] == ["2024-01-01", "2024-06-01"]
    assert starts("--known-at", "2024-05-25") == (["2024-01-01"], {"period": "2024-05-25"})
    result = CliRunner().invoke(prices, ["show", str(books), "--all", "--date", "2024-01-01"])
    assert isinstance(result.exception, UsageError)


def test_each_side_and_currency_has_a_table_of_its_own(books):
    text = _run("show", books, "--model", "deepseek-chat", "--date", "2025-03-01")
    assert "Buy prices (CNY per million tokens)" in text
    assert "Buy prices (USD per million tokens)" in text
    assert "0.0700" in text


def test_ascii_draws_no_lines(books):
    text = _run("show", books, "--model", "heron", "--ascii")
    assert text.isascii()
    assert "house/heron" in text


def test_a_narrow_terminal_splits_the_table_and_cuts_nothing(books, monkeypatch):
    seen = []
    monkeypatch.setattr("breakeven.cli.prices.emit", lambda view, output: seen.append(view))
    _run("show", books, "--model", "heron")
    for language, source in (("en", "Source"), ("zh", "出处")):
        text = io.StringIO()
        print_view(seen[0], language, file=text, width=40)
        assert source not in next(line for line in text.getvalue().splitlines() if "2024-06-01" in line)
        assert text.getvalue().count("house/heron") > 2 * 2
        for cell in ("10.00", "5.00", "40.00", "2024-05-20", "page", source):
            assert cell in text.getvalue()
        assert "…" not in text.getvalue()


def test_terms_are_said_in_both_languages(books):
    card = books / "prices" / "house.yaml"
    card.write_text(
        CARD.replace(
            "output: 40}}\n",
            "output: 40}, per_request: 0.005,\n"
            "         context_tiers: [{above_input_tokens: 32000, multiplier: 2}]}\n",
            1,
        )
    )
    english = _run("show", books, "--model", "heron")
    assert "input above 32,000 tokens, plus 0.01 CNY per request" in english
    chinese = _run("show", books, "--model", "heron", "--lang", "zh")
    assert "输入超过 32,000 词元，另收每次请求 0.01 CNY" in chinese
    rows = json.loads(_run("show", books, "--model", "heron", "--json"))["rows"]
    assert [(row["terms"], row["per_request"]) for row in rows] == [
        ("", "0.005"),
        ("input above 32,000 tokens", "0.01"),
        ("", None),
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--lang", "zh", "prices", "show"),
        ("prices", "--lang", "zh", "show"),
        ("prices", "show", "--lang", "zh"),
    ],
)
def test_the_language_may_stand_anywhere_and_books_are_found_from_within(
    books, monkeypatch, capsys, arguments
):
    monkeypatch.chdir(books / "prices")
    assert main([*arguments, "--side", "sell"]) == 0
    assert "heron-house · 期间" in capsys.readouterr().out


def test_help_is_in_both_languages(books):
    for name in ("show", "diff", "check", "import"):
        english, chinese = _run(name, "--help"), _run(name, "--help", "--lang", "zh")
        assert "Show this message" in english
        assert "显示本说明并退出" in chinese
        assert prices.commands[name].help_zh[:8] in chinese
    assert "Check rate cards" in _run()
    page = _run("--help", "--lang", "zh")
    assert "检查价目表的错误" in page
    assert "Check rate cards" not in page


def test_show_of_nothing_is_an_error(books):
    result = CliRunner().invoke(prices, ["show", str(books), "--model", "nobody"])
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
    text = _run("diff", books, "--against", other)
    line = next(line for line in text.splitlines() if "house/heron" in line)
    assert line.split()[:2] == ["house/heron", "changed"]
    assert [cell for cell in line.split() if cell in ("50.00", "40.00")] == ["50.00", "40.00"]
    assert "变更" in _run("diff", books, "--against", other, "--lang", "zh")
    assert isinstance(CliRunner().invoke(prices, ["diff", str(books)]).exception, UsageError)


def test_no_difference_is_said(books):
    same = ("diff", books, "--from-known", "2025-01-01", "--to-known", "2025-01-01")
    assert "no rows" in _run(*same)
    header = _run(*same, "--csv", "--no-bom").strip()
    assert header.split(",")[0] == "change"
    assert header.split(",")[-1] == "unit"


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
    chinese = _run("check", books, "--lang", "zh", exit_code=3)
    assert f"prices/house.yaml:{line}" in chinese
    assert f"错误 {len(errors)} 项" in chinese
    assert str(path) not in chinese


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
    again = CliRunner().invoke(prices, ["import", "genai-prices", str(books), "--provider", "anthropic"])
    assert isinstance(again.exception, UsageError)


def test_import_finds_the_books_it_is_run_in(books, monkeypatch):
    monkeypatch.chdir(books)
    text = _run("import", "genai-prices", "--provider", "perplexity", "--lang", "zh")
    assert (books / "prices" / "genai-prices-perplexity.yaml").is_file()
    assert "已写入的价目表" in text
    assert "未导入" in text


def test_a_folder_without_books_gets_no_cards(tmp_path):
    result = CliRunner().invoke(prices, ["import", "genai-prices", str(tmp_path / "boks")])
    assert isinstance(result.exception, BooksError)
    assert not (tmp_path / "boks").exists()
