"""Books in a notebook: answers as exact tables, as text, and as HTML that nothing in the data can break."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import click
import pyarrow as pa
import pytest

import breakeven
from breakeven.cli.main import cli, main
from breakeven.errors import UsageError
from breakeven.ledger.books import Books
from breakeven.notebook import Answer, NotebookBooks
from breakeven.notebook import books as notebook
from breakeven.report.arrow_table import arrow_table
from breakeven.report.fragment import render_fragment
from breakeven.report.phrases import chinese
from breakeven.report.view_model import Column, Envelope, Label, Table, View
from breakeven.report.view_model import Warning as Remark
from breakeven.sources.synthetic.books import write_books
from breakeven.sources.synthetic.plan import CompanyPlan

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

NASTY = "<script>alert('渠道')</script>\"&"


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    place = tmp_path_factory.mktemp("notebook") / "books"
    write_books(CompanyPlan(users=200, seed=5, requests_per_user=3.0), place)
    return breakeven.open_books(place)


def an_answer(language="en"):
    channel, spend = Label("Channel", "渠道"), Label("Spend", "支出")
    columns = (
        Column("channel", channel),
        Column("kind", Label("Kind", "类别"), words={"ads": Label("Ads", "广告")}),
        Column("spend", spend, "CNY"),
        Column("users", Label("Users", "人数"), "users"),
        Column("cac", Label("CAC", "获客成本"), "CNY/user"),
    )
    rows = (
        {"channel": NASTY, "kind": "ads", "spend": Decimal("1234567890123456789.01"), "users": 3,
         "cac": Decimal("12.345678")},
        {"channel": "b", "spend": None, "users": None, "cac": Decimal("-0.5")},
    )  # fmt: skip
    first = Table("channels", Label("Channels", "各渠道"), columns, rows, note=Label("a note <i>", "备注"))
    second = Table(
        "measures",
        Label("Measures", "指标"),
        (Column("metric", Label("Metric", "指标")), Column("value", Label("Value", "数值"), "count")),
        ({"metric": "share", "value": Decimal("0.25")}, {"metric": "users", "value": 7}),
        row_units=("ratio", "users"),
    )
    head = Envelope(
        "demo & co", "2024-08-31", "Asia/Shanghai", "CNY", synthetic=True,
        warnings=(Remark("gap", Label("nothing <covers> March", "三月没有数据")),),
    )  # fmt: skip
    return Answer(View("test", Label("Test", "测试"), head, (first, second)), language)


# --- exact tables --------------------------------------------------------------------------------------


def test_arrow_keeps_every_digit_and_every_absence():
    table = an_answer().to_arrow()
    assert table.schema.field("spend").type == pa.decimal128(38, 2)
    assert table.schema.field("users").type == pa.int64()
    assert table.schema.field("spend").metadata == {b"unit": b"CNY"}
    assert table["spend"].to_pylist() == [Decimal("1234567890123456789.01"), None]
    assert table["cac"].to_pylist() == [Decimal("12.345678"), Decimal("-0.500000")]
    assert table["kind"].to_pylist() == ["ads", None]


def test_polars_has_decimals_not_floats():
    import polars

    frame = an_answer().to_polars()
    assert frame.schema["spend"] == polars.Decimal(38, 2)
    assert frame["spend"].to_list() == [Decimal("1234567890123456789.01"), None]
    assert frame["channel"][0] == NASTY


def test_pandas_has_decimal_objects():
    pytest.importorskip("pandas")
    frame = an_answer().to_pandas()
    assert frame["spend"][0] == Decimal("1234567890123456789.01")
    assert frame["spend"][1] is None


def test_rows_with_units_of_their_own_say_them():
    assert an_answer().table("measures").to_arrow().to_pylist() == [
        {"metric": "share", "value": Decimal("0.25"), "unit": "ratio"},
        {"metric": "users", "value": Decimal("7.00"), "unit": "users"},
    ]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([], pa.decimal128(38, 0)),
        ([None, None], pa.decimal128(38, 0)),
        ([1, 2], pa.int64()),
        ([1, Decimal("0.5")], pa.decimal128(38, 1)),
        ([Decimal("1E+3")], pa.decimal128(38, 0)),
        ([Decimal("0." + "1" * 40)], pa.decimal256(76, 40)),
        (["never", Decimal("1.5")], pa.string()),
    ],
    ids=["empty", "absent", "whole", "mixed", "exponent", "long", "words"],
)
def test_the_type_of_a_column_holds_all_its_values(values, kind):
    column = Column("x", Label("x", "x"), "CNY")
    table = arrow_table(Table("t", Label("t", "t"), (column,), tuple({"x": value} for value in values)))
    assert table.schema.field("x").type == kind
    expected = [
        str(value) if isinstance(value, Decimal) and kind == pa.string() else value for value in values
    ]
    assert table["x"].to_pylist() == expected


def test_without_polars_or_pandas_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match=r"polars is not installed.*breakeven\[notebook\]"):
        an_answer().to_polars()
    with pytest.raises(UsageError, match=r"pandas is not installed.*breakeven\[notebook\]"):
        an_answer().to_pandas()


def test_an_answer_names_its_tables():
    answer = an_answer()
    assert answer.tables == ("channels", "measures")
    assert answer.rows[1]["channel"] == "b"
    assert answer.table("measures").rows[0]["value"] == Decimal("0.25")
    with pytest.raises(UsageError, match=r"no table 'sales'.*channels, measures"):
        answer.table("sales")


# --- shown ---------------------------------------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], set(), []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.add(tag)
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_html_is_whole_escaped_and_in_one_language(language):
    html = an_answer(language)._repr_html_()
    parser = Tags()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    assert parser.seen <= {"div", "p", "table", "thead", "tbody", "tr", "th", "td"}
    text = "\n".join(parser.text)
    assert NASTY in text
    assert "1,234,567,890,123,456,789.01" in text
    assert {"en": "Ads", "zh": "广告"}[language] in text
    assert {"en": "nothing <covers> March", "zh": "三月没有数据"}[language] in text
    assert {"en": "SYNTHETIC DATA", "zh": "合成数据"}[language] in text
    assert {"en": "渠道 (", "zh": "Channel"}[language] not in text
    # Light and dark: no colour of its own.
    assert "#" not in html.replace("&#", "")
    assert "rgb(" not in html


def test_a_long_table_is_cut_and_says_so():
    rows = tuple({"n": n} for n in range(100))
    table = Table("t", Label("T", "表"), (Column("n", Label("n", "n"), "count"),), rows)
    html = render_fragment(View("v", table.title, Envelope("b", "", "", ""), (table,)), most_rows=10)
    assert html.count("<tr>") == 11
    assert "… 90 further rows" in html


def test_text_is_that_of_the_command_line():
    from breakeven.report.text import render_text

    answer = an_answer("zh")
    assert repr(answer) == render_text(answer.view, "zh")


# --- books that answer ---------------------------------------------------------------------------------


def test_open_books_gives_books_that_answer(books):
    assert isinstance(books, Books)
    assert isinstance(books, NotebookBooks)
    assert isinstance(breakeven.open_account(books).value("new_users", 0), Decimal)


@pytest.mark.parametrize("name", ["income", "channels", "growth", "cohorts", "cash", "cost", "retention"])
def test_each_answer_is_a_table_in_both_languages(books, name):
    answer = getattr(books, name)(period="2024-05..2024-08")
    assert answer.to_polars().height == len(answer.rows) > 0
    assert answer.view.envelope.currency == "CNY"
    chinese = getattr(books, name)(period="2024-05..2024-08", lang="zh")
    assert chinese.view == answer.view
    assert "合成数据" in repr(chinese)
    assert "合成数据" in chinese._repr_html_()


def test_the_same_books_are_opened_once(books):
    first = books.account(period="2024-08")
    assert books.account(period="2024-08") is first
    assert books.account(period="2024-07") is not first


def test_a_total_equals_the_command_lines(books, capsys):
    import json

    from breakeven.cli.main import main

    assert main(["channels", str(books.folder), "--json"]) == 0
    told = [row for row in json.loads(capsys.readouterr().out)["rows"] if row["table"] == "channels"]
    spend = books.channels().to_polars()["spend"].to_list()
    assert [None if row["spend"] is None else Decimal(row["spend"]) for row in told] == spend


def test_a_budget_is_asked_with_numbers_and_refuses_others(books, monkeypatch):
    from breakeven.report.views import budget as view

    asked = []

    def remember(account, wanted):
        asked.append(wanted)
        return an_answer().view

    monkeypatch.setattr(view, "books_budget_view", remember)
    books.budget(5_000_000, length="quarter", at_least={"douyin": 1.5}, cash_floor="1000.10")
    [wanted] = asked
    assert (wanted.total, wanted.months) == (Decimal(5_000_000), 3)
    assert (wanted.at_least, wanted.cash_floor) == ({"douyin": Decimal("1.5")}, Decimal("1000.10"))
    for wrong in (float("nan"), -1, "much"):
        with pytest.raises(UsageError, match="is not an amount"):
            books.budget(wrong)
    with pytest.raises(UsageError, match="there is no language 'fr'"):
        books.income(lang="fr")


WRONG = {
    "ltv": [
        {"by": "foo"}, {"horizon": -1}, {"horizon": 0}, {"horizon": 1.5}, {"horizon": True}, {"horizon": 121},
        {"discount": -1}, {"discount": float("nan")}, {"seed": -1}, {"unit_cost": 0.5},
        {"unit_cost": {"2025": 0.5}},
    ],
    "payback": [{"by": "foo"}, {"by": "all"}, {"horizon": 0}, {"seed": "1"}],
    "cohorts": [{"by": "foo"}, {"by": None}, {"forecast": True, "horizon": 0}],
    "retention": [{"kind": "foo"}, {"unit": "foo"}, {"by": "foo"}, {"by": ["plan"]}],
    "growth": [{"by": "foo"}],
    "channels": [{"by": "foo"}],
    "cost": [{"by": 5}, {"by": [5]}, {"by": "foo"}],
    "response": [
        {"grain": "day"}, {"rivals": 0}, {"rivals": float("inf")}, {"value": "much"}, {"value": -1},
        {"experiments": "/no/such.csv"}, {"rivals_spend": 5},
    ],
    "budget": [
        {"horizon": 0}, {"horizon": 61}, {"objective": "foo"}, {"length": "year"}, {"capacity": 0},
        {"capacity": 1.5}, {"capacity_unit": "foo"}, {"at_least": 5}, {"at_most": {"douyin": "much"}},
        {"seed": -1},
    ],
    "income": [{"period": 2024}, {"currency": 5}, {"lang": "fr"}],
}  # fmt: skip
CASES = [(name, given) for name, cases in WRONG.items() for given in cases]


@pytest.mark.parametrize(("name", "given"), CASES, ids=[f"{name}-{given}" for name, given in CASES])
def test_what_an_option_would_refuse_is_refused_with_a_next_step(books, name, given):
    with pytest.raises(UsageError) as refused:
        getattr(books, name)(**given)
    assert refused.value.remedy
    assert chinese(refused.value.what) != refused.value.what
    assert chinese(refused.value.remedy) != refused.value.remedy


def test_a_moment_is_one_and_a_language_is_known(books):
    with pytest.raises(UsageError, match="as_of cannot be '2024-08-31'"):
        breakeven.open_books(books.folder, as_of="2024-08-31")
    with pytest.raises(UsageError, match="there is no language 'fr'"):
        breakeven.open_books(books.folder, lang="fr")
    opened = breakeven.open_books(books.folder, as_of=datetime(2030, 1, 1))  # noqa: DTZ001
    assert opened.as_of == datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("command", "option", "words"),
    [
        ("channels", "by", notebook.ChannelRows), ("growth show", "by", notebook.ChannelRows),
        ("ltv", "by", notebook.ValueRows), ("payback", "by", notebook.PaybackRows),
        ("cohorts", "retention", notebook.Retention), ("cohorts", "unit", notebook.RetentionUnit),
        ("response", "grain", notebook.Grain), ("budget", "objective", notebook.Objective),
    ],
)  # fmt: skip
def test_words_are_those_of_the_options(command, option, words):
    assert set(get_args(words)) == set(option_of(command, option).type.choices)


@pytest.mark.parametrize(
    ("command", "most"),
    [
        ("ltv", notebook.LONGEST_MONTHS), ("payback", notebook.LONGEST_MONTHS),
        ("cohorts", notebook.LONGEST_MONTHS), ("budget", notebook.LONGEST_BUDGET_MONTHS),
    ],
)  # fmt: skip
def test_horizons_reach_as_far_as_the_options(command, most):
    kind = option_of(command, "horizon").type
    assert (kind.min, kind.max) == (1, most)


def option_of(command, name):
    found = cli
    for word in command.split():
        found = found.get_command(click.Context(found), word)
    return next(each for each in found.params if f"--{name}" in each.opts)


def test_a_response_is_asked_with_rivals_value_and_experiments(books, monkeypatch, tmp_path):
    from breakeven.report.views import response as view

    asked = []

    def remember(account, **given):
        asked.append(given)
        return an_answer().view

    monkeypatch.setattr(view, "response_view", remember)
    file = tmp_path / "e.csv"
    file.write_text("channel\n")
    books.response(rivals=2, value="ltv", experiments=str(file), rivals_spend=file)
    books.response(value="12.50")
    assert asked[0]["rivals_factor"] == 2.0
    assert asked[0]["value_per_user"] == "ltv"
    assert asked[0]["experiments"] == asked[0]["rivals"] == file
    assert asked[1]["value_per_user"] == Decimal("12.50")
    assert asked[1]["rivals_factor"] is asked[1]["experiments"] is asked[1]["rivals"] is None


@pytest.mark.parametrize(
    "line",
    [
        "growth --channel nope", "cohorts --channel nope", "cohorts --forecast --channel nope",
        "cohorts --retention classic --by channel --channel nope", "response --channel nope",
        "ltv --by channel --channel nope", "payback --by channel --channel nope",
    ],
)  # fmt: skip
def test_a_channel_nobody_knows_is_refused_with_those_there_are(books, line, capsys):
    command, *options = line.split()
    assert main([command, str(books.folder), *options]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "the books have no channel 'nope'" in told.err
    assert "use one of app_store, bilibili, " in told.err
    assert main([command, str(books.folder), *options, "--lang", "zh"]) == 2
    assert "账簿中没有渠道 'nope'" in capsys.readouterr().err


def test_a_cohort_nobody_knows_is_refused_with_those_there_are(books, capsys):
    for command in (["cohorts"], ["ltv", "--by", "cohort"], ["payback"]):
        assert main([command[0], str(books.folder), *command[1:], "--cohort", "1999-01"]) == 2
        assert "the books have no cohort '1999-01'" in capsys.readouterr().err
    assert main(["cohorts", str(books.folder), "--channel", "(unattributed)"]) == 0


def test_rows_of_campaigns_are_not_filtered_by_channel(books, capsys):
    assert main(["growth", str(books.folder), "--by", "campaign", "--channel", "bilibili"]) == 2
    assert "cannot be filtered by --channel" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ltv", "payback", "response", "budget", "scorecard"])
def test_each_forecast_is_a_table(books, name):
    answer = getattr(books, name)()
    assert answer.tables
    answer.to_polars()
    assert repr(answer)


def test_importing_the_notebook_imports_no_frames():
    code = (
        "import sys, breakeven; breakeven.open_books; print({'polars', 'pandas', 'scipy'} & {*sys.modules})"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"


# --- the how-to page -----------------------------------------------------------------------------------


def examples(suffix):
    page = Path(__file__).parents[1] / "docs" / "how-to" / f"notebook{suffix}.md"
    return re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def test_the_pages_in_both_languages_have_the_same_examples():
    assert examples("") == examples(".zh")
    assert len(examples("")) == 4


def test_the_page_works_as_written(books):
    names = {"__name__": "page"}
    for example in examples("")[:2]:
        exec(example.replace('"BOOKS"', repr(str(books.folder))), names)
    assert isinstance(names["spend"], Decimal)
    assert {"retention", "payback"} <= {*names["names"]}
    assert names["unit"] == b"CNY"
    assert names["triangle"].height == len(names["rows"])


@pytest.mark.slow
def test_the_forecasts_of_the_page_work_as_written(books):
    names = {"books": books}
    exec(examples("")[2], names)
    assert names["value"].rows
    assert names["plan"].language == "zh"
