"""One request, one row: what counts when several sources saw the same request, worked out by hand."""

from __future__ import annotations

import pytest

from breakeven.engine.duckdb import DuckDBEngine
from breakeven.ledger.books import Books, open_books
from breakeven.ledger.settings import Matching, MatchRule

from .bench import new_books
from .sightings import counted, deliver, sighting


def books_with(tmp_path, **matching) -> Books:
    return new_books(tmp_path / "books", settings={"matching": matching})


def test_the_source_first_in_precedence_counts(tmp_path):
    books = books_with(tmp_path, precedence=["litellm", "otel"])
    deliver(
        books,
        tmp_path,
        [
            sighting("otel", "span-1", "20T10:00:00", "resp-1"),
            sighting("litellm", "call-1", "20T10:00:02", "resp-1"),
            sighting("app", "log-1", "20T10:00:01", "resp-1"),
            sighting("app", "log-2", "20T11:00:00", "resp-2"),
        ],
    )
    assert counted(books) == ["app/log-2", "litellm/call-1"]


def test_sources_without_a_place_go_by_name_and_one_source_by_its_ids(tmp_path):
    books = books_with(tmp_path)
    deliver(
        books,
        tmp_path,
        [
            sighting("zeta", "1", "20T10:00:00", "resp-1"),
            sighting("alpha", "9", "20T10:00:00", "resp-1"),
            # LiteLLM writes a call of the responses endpoint twice, under ids of its own.
            sighting("litellm", "b", "20T10:00:00", "resp-2"),
            sighting("litellm", "a", "20T10:00:00", "resp-2"),
        ],
    )
    assert counted(books) == ["alpha/9", "litellm/a"]


def test_ids_of_other_providers_other_days_or_none_are_other_requests(tmp_path):
    books = books_with(tmp_path)
    deliver(
        books,
        tmp_path,
        [
            sighting("a", "1", "20T10:00:00", "same"),
            sighting("b", "1", "20T10:00:00", "same", provider="anthropic"),
            sighting("b", "2", "23T10:00:00", "same"),
            sighting("a", "3", "20T10:00:00"),
            sighting("b", "3", "20T10:00:00"),
        ],
    )
    assert len(counted(books)) == 5


def test_sightings_on_both_sides_of_midnight_are_one(tmp_path):
    # Midnight in Shanghai is 16:00 UTC.
    books = books_with(tmp_path, precedence=["late"])
    deliver(books, tmp_path, [sighting("early", "1", "20T15:59:59", "resp-1")], "1")
    assert counted(books) == ["early/1"]
    deliver(books, tmp_path, [sighting("late", "1", "20T16:00:01", "resp-1")], "2")
    assert counted(books) == ["late/1"]
    # A day read by itself leaves out what counts on its neighbour.
    assert counted(books, ["2024-03-20"]) == []
    assert counted(books, ["2024-03-21"]) == ["late/1"]


def test_an_id_that_names_everything_names_no_request(tmp_path):
    books = books_with(tmp_path)
    rows = [sighting("a", str(number), "20T10:00:00", "unknown") for number in range(11)]
    deliver(
        books,
        tmp_path,
        [*rows, sighting("a", "x", "20T10:00:00", "resp"), sighting("b", "x", "20T10:00:00", "resp")],
    )
    assert len(counted(books)) == 12


def test_a_corrected_row_matches_as_it_is_now(tmp_path):
    books = books_with(tmp_path)
    deliver(
        books,
        tmp_path,
        [sighting("a", "1", "20T10:00:00", "resp-1"), sighting("b", "1", "20T10:00:00", "resp-1")],
    )
    assert counted(books) == ["a/1"]
    deliver(books, tmp_path, [sighting("a", "1", "20T10:00:00", "resp-2")], "2")
    assert counted(books) == ["a/1", "b/1"]


def test_undo_brings_back_what_was_left_out(tmp_path):
    books = books_with(tmp_path)
    deliver(books, tmp_path, [sighting("b", "1", "20T10:00:00", "resp-1")], "1")
    deliver(books, tmp_path, [sighting("a", "1", "20T10:00:00", "resp-1")], "2")
    assert counted(books) == ["a/1"]
    books.undo(next(one.batch_id for one in books.batches() if one.facts["file"] == "2.csv"))
    assert counted(books) == ["b/1"]


@pytest.mark.parametrize(
    ("skew", "expected"), [("20T10:00:05", ["gateway/1"]), ("20T10:00:06", ["gateway/1", "sdk/1"])]
)
def test_a_declared_rule_matches_within_its_seconds(tmp_path, skew, expected):
    rule = {"columns": ("user_id", "model"), "within_seconds": 5}
    books = books_with(tmp_path, precedence=["gateway"], rules=[rule])
    deliver(books, tmp_path, [sighting("gateway", "1", "20T10:00:00", "resp-1"), sighting("sdk", "1", skew)])
    assert counted(books) == expected


def test_a_rule_takes_one_for_one(tmp_path):
    rule = {"columns": ("user_id",), "within_seconds": 5}
    books = books_with(tmp_path, precedence=["gateway"], rules=[rule])
    deliver(
        books,
        tmp_path,
        [
            # Three at the gateway, two of which the SDK saw, the clocks two seconds apart.
            sighting("gateway", "1", "20T10:00:00"),
            sighting("gateway", "2", "20T10:00:10"),
            sighting("gateway", "3", "20T10:00:13"),
            sighting("sdk", "x", "20T10:00:02"),
            sighting("sdk", "y", "20T10:00:12"),
            # Three of one moment and two of one moment: the first goes with the first.
            *(sighting("gateway", f"m{n}", "21T10:00:00") for n in range(3)),
            *(sighting("sdk", f"m{n}", "21T10:00:00") for n in range(2)),
            # Nobody known, so nothing agrees.
            sighting("gateway", "n", "22T10:00:00", user_id=""),
            sighting("sdk", "n", "22T10:00:00", user_id=""),
        ],
    )
    assert counted(books) == [
        *(f"gateway/{name}" for name in ("1", "2", "3", "m0", "m1", "m2", "n")),
        "sdk/n",
    ]


def test_a_rule_leaves_alone_what_it_must(tmp_path):
    rule = {"columns": ("user_id",), "within_seconds": 5}
    books = books_with(tmp_path, rules=[rule])
    deliver(
        books,
        tmp_path,
        [
            # Two ids are two requests; an aggregate is no request; one source's own rows are two.
            sighting("a", "1", "20T10:00:00", "resp-1"),
            sighting("b", "1", "20T10:00:00", "resp-2"),
            sighting("a", "2", "21T10:00:00", requests=7),
            sighting("b", "2", "21T10:00:00", requests=7),
            sighting("a", "3", "22T10:00:00"),
            sighting("a", "4", "22T10:00:00"),
            # `b` has its row of this request by its id already: the second one is another request.
            sighting("a", "5", "23T10:00:00", "resp-5"),
            sighting("b", "5", "23T10:00:01", "resp-5"),
            sighting("b", "6", "23T10:00:02"),
            # ... while `c` has none, so its row is this request.
            sighting("c", "5", "23T10:00:03"),
        ],
    )
    assert counted(books) == ["a/1", "a/2", "a/3", "a/4", "a/5", "b/1", "b/2", "b/6"]


def test_rules_come_one_after_the_other(tmp_path):
    rules = [
        {"columns": ("user_id", "output_tokens"), "within_seconds": 2},
        {"columns": ("user_id",), "within_seconds": 60},
    ]
    books = books_with(tmp_path, rules=rules)
    deliver(
        books,
        tmp_path,
        [
            sighting("a", "1", "20T10:00:00", output_tokens=1),
            sighting("a", "2", "20T10:00:02", output_tokens=2),
            sighting("b", "x", "20T10:00:01", output_tokens=2),
            sighting("b", "y", "20T10:00:30", output_tokens=9),
        ],
    )
    # b/x is a/2 by the first rule, for all that a/1 is as near; what is left of `b` is a/1 by the second.
    assert counted(books) == ["a/1", "a/2"]


def test_a_providers_own_report_fills_days_that_nobody_else_tells_of(tmp_path):
    books = books_with(tmp_path)
    report = {"requests": 50, "user_id": ""}
    deliver(
        books,
        tmp_path,
        [
            sighting("litellm", "1", "20T23:30:00"),
            sighting("openai_usage", "d20", "20T00:00:00", **report),
            # The 21st in UTC: 23:30 of the 20th is the 21st in Shanghai, but no part of the report's day.
            sighting("openai_usage", "d21", "21T00:00:00", **report),
            sighting("openai_usage", "other", "20T00:00:00", provider="azure", **report),
            # Another report of the same day: the first by name counts.
            sighting("anthropic_usage", "d21", "21T00:00:00", **report),
        ],
    )
    assert counted(books) == ["anthropic_usage/d21", "litellm/1", "openai_usage/other"]
    # Once the gateway's rows of the day arrive late, the report of the day steps back.
    deliver(books, tmp_path, [sighting("litellm", "2", "21T10:00:00")], "late")
    assert counted(books) == ["litellm/1", "litellm/2", "openai_usage/other"]


def test_reports_are_what_the_settings_say(tmp_path):
    books = books_with(tmp_path, reports=["own_totals"], precedence=["own_totals"])
    deliver(
        books,
        tmp_path,
        [
            sighting("own_totals", "1", "20T00:00:00", requests=9),
            sighting("openai_usage", "1", "20T10:00:00"),
        ],
    )
    assert counted(books) == ["openai_usage/1"]


def test_names_with_quotes_are_names(tmp_path):
    books = books_with(tmp_path, precedence=['O\'Hara "proxy" \\'])
    odd = 'O\'Hara "proxy" \\'
    deliver(books, tmp_path, [sighting(odd, "1", "20T10:00:00", "r"), sighting("a", "1", "20T10:00:00", "r")])
    assert counted(books) == [f"{odd}/1"]
    assert open_books(books.folder).settings.matching.precedence == (odd,)


def test_books_of_one_source_are_read_as_they_are(tmp_path):
    books = books_with(tmp_path, rules=[{"columns": ("user_id",), "within_seconds": 5}])
    deliver(books, tmp_path, [sighting("a", str(n), f"2{n}T10:00:00", f"resp-{n}") for n in range(5)])
    matched = books.matched_days("usage")
    assert matched.days == frozenset()
    assert matched.left_out(books.files("usage"), books.files("usage")) is None


def test_only_days_with_repeated_ids_are_looked_through(tmp_path):
    books = books_with(tmp_path, reports=[])
    deliver(books, tmp_path, [sighting("a", str(n), f"2{n}T10:00:00", f"resp-{n}") for n in range(5)], "1")
    # The same row again is no repetition of its id, nor is a new version of it.
    deliver(books, tmp_path, [sighting("a", "0", "20T10:00:00", "resp-0", output_tokens=11)], "2")
    assert books.matched_days("usage").days == frozenset()
    deliver(books, tmp_path, [sighting("b", "3", "24T10:00:00", "resp-3")], "3")
    assert books.matched_days("usage").days == {"2024-03-23", "2024-03-24"}
    assert counted(books) == [f"a/{n}" for n in range(5)]


def test_reach_and_settings_are_part_of_what_a_day_rests_on(tmp_path):
    books = books_with(tmp_path)
    deliver(books, tmp_path, [sighting("a", "1", "20T10:00:00", "r"), sighting("b", "1", "21T10:00:00", "r")])
    matched = books.matched_days("usage")
    by_day = {file.partition: [file] for file in books.files("usage")}
    [*beside] = matched.beside("2024-03-20", by_day)
    assert beside == [repr(Matching()), *sorted(file.name for file in books.files("usage"))]
    assert matched.beside("2024-03-25", by_day) == []
    wide = Matching(rules=(MatchRule(("user_id",), 100_000),))
    assert type(matched)(wide, frozenset()).reach == 5


def test_the_rows_before_matching_can_be_read(tmp_path):
    books = books_with(tmp_path)
    deliver(books, tmp_path, [sighting("a", "1", "20T10:00:00", "r"), sighting("b", "1", "20T10:00:00", "r")])
    with DuckDBEngine() as engine:
        books.view(engine, "usage", matched=False)
        assert engine.rows("SELECT count(*) FROM usage") == [(2,)]
