"""`breakeven cohorts --retention`: one definition, named in words; partial is said, absent is no number."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.account.bookkeeping import book, new_books

from breakeven.cli.cohorts import brackets_in
from breakeven.errors import UsageError

# Ibis 12 still calls a name that DuckDB 2 has renamed.
pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

MARCH = date(2024, 3, 1)


@pytest.fixture
def five(tmp_path: Path) -> Path:
    """Five users of one day; day 7 is 20 % classic, 40 % rolling, 80 % within days 1 to 7."""
    books = new_books(tmp_path / "books", time_zone="Asia/Shanghai")
    acquired = [
        {"user_id": user, "acquired_at": "2024-03-01T23:30:00+08:00", "channel": channel}
        for user, channel in zip("abcde", ("x", "x", "x", "y", None), strict=True)
    ]
    book(books, "acquisitions", acquired)
    days = {"a": [0, 7], "b": [0, 3, 9], "c": [1, 2], "d": [5], "e": [0]}
    rows = [{"user_id": u, "day": MARCH + timedelta(days=n)} for u, own in days.items() for n in own]
    book(books, "activity", rows, covers=(MARCH, MARCH + timedelta(days=20)))
    return books.folder


def counts(answer: dict[str, Any]) -> dict[tuple[str, str], tuple[Any, ...]]:
    rows = [row for row in answer["rows"] if row["table"] == "retention_counts"]
    return {
        (row["line"], row["period"]): (row["exposed"], row["returned"], row["share"], row["state"])
        for row in rows
    }


@pytest.mark.parametrize(
    ("definition", "period", "expected"),
    [
        (("classic",), "D7", (5, 1, "0.200000", "complete")),
        (("rolling",), "D7", (5, 2, "0.400000", "partial")),
        (("bracketed", "--brackets", "1-7,8-60"), "D1-7", (5, 4, "0.800000", "complete")),
        (("classic", "--unit", "week"), "W1", (5, 2, "0.400000", "complete")),
    ],
)
def test_the_definition_decides(run: Any, five: Path, definition: Any, period: str, expected: Any) -> None:
    answer = run("cohorts", five, "--retention", *definition, "--json").answer
    assert answer["facts"]["definition"] == definition[0]
    assert counts(answer)["(all)", period] == expected
    assert counts(answer)["2024-03", period] == expected


def test_what_is_not_over_has_no_number(run: Any, five: Path) -> None:
    answer = run("cohorts", five, "--retention", "classic", "--json").answer
    assert {period for _, period in counts(answer)} == {"D0", "D1", "D2", "D3", "D7", "D14"}
    [everybody, _] = [row for row in answer["rows"] if row["table"] == "retention_shares"]
    assert (everybody["c4"], everybody["c5"], everybody["c6"]) == ("0.200000", "0.000000", None)


def test_lines_of_channels_can_be_chosen(run: Any, five: Path) -> None:
    answer = run("cohorts", five, "--retention", "classic", "--by", "channel", "--json").answer
    assert {line: shown[:2] for (line, period), shown in counts(answer).items() if period == "D1"} == {
        "(all)": (5, 1),
        "x": (3, 1),
        "y": (1, 0),
        "unattributed": (1, 0),
    }
    answer = run(
        "cohorts", five, "--retention", "rolling", "--by", "channel", "--channel", "y", "--json"
    ).answer
    assert {line for line, _ in counts(answer)} == {"(all)", "y"}


def test_the_words_name_the_definition_in_both_languages(run: Any, five: Path) -> None:
    told = run("cohorts", five, "--retention", "rolling", "--by", "plan").out
    assert "Rolling retention" in told
    assert "in that period or at any time later" in told
    assert "Partial (dashed in charts)" in told
    told = run("cohorts", five, "--retention", "bracketed", "--unit", "month", "--lang", "zh").out
    assert "区间留存" in told
    assert "虚线" in told
    assert "30 天" in told


@pytest.mark.parametrize(
    "arguments",
    [
        ("--unit", "day"),
        ("--by", "plan"),
        ("--brackets", "1-7"),
        ("--retention", "classic", "--brackets", "1-7"),
        ("--retention", "classic", "--forecast"),
        ("--horizon", "3"),
        ("--retention", "classic", "--by", "channel", "--cohort", "2024-03"),
        ("--retention", "bracketed", "--brackets", "3-2"),
    ],
    ids=" ".join,
)
def test_what_would_not_be_heeded_is_refused(run: Any, five: Path, arguments: tuple[str, ...]) -> None:
    for language in ("en", "zh"):
        done = run("cohorts", five, *arguments, "--lang", language)
        assert done.code == 2
        assert not done.out
        assert any("\u4e00" <= letter <= "\u9fff" for letter in done.err) == (language == "zh")


@pytest.mark.parametrize(
    "text", ["", "a", "1-", "-3", "7-1", "1-3,3-5", "4,2", "1-99999", "1,,2", "٣", "1e3"]
)
def test_brackets_nobody_can_read_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="cannot read the brackets"):
        brackets_in(text)
