"""Rollups of rows made by hand, with the result worked out by hand, on every engine."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from tests.account.bookkeeping import book, new_books
from tests.engines.corner_books import CUTS, LARGE_TOKENS, corner_books
from tests.engines.rollup_rows import Rollups, multiset, rollups_of, total

from breakeven.engine.spark import SparkEngine
from breakeven.ledger.books import Books

NOVEMBER, DECEMBER, JANUARY = date(2024, 11, 1), date(2024, 12, 1), date(2025, 1, 1)


@pytest.fixture(scope="session")
def corners(tmp_path_factory: pytest.TempPathFactory) -> Books:
    return corner_books(tmp_path_factory.mktemp("corners") / "books")


@pytest.fixture(scope="session")
def embedded(corners: Books, tmp_path_factory: pytest.TempPathFactory) -> Rollups:
    return rollups_of(corners, "duckdb", tmp_path_factory.mktemp("embedded") / "cache", CUTS)


@pytest.fixture(scope="session")
def on_spark(corners: Books, spark: SparkEngine, tmp_path_factory: pytest.TempPathFactory) -> Rollups:
    return rollups_of(corners, "spark", tmp_path_factory.mktemp("spark") / "cache", CUTS)


@pytest.fixture
def rollups(engine_name: str, request: pytest.FixtureRequest) -> Rollups:
    return request.getfixturevalue("on_spark" if engine_name == "spark" else "embedded")


def test_a_user_counts_once_by_the_first_acquisition(rollups: Rollups) -> None:
    found = total(rollups["acquisitions"], "users", lambda row: (row["day"], row["channel"], row["is_paid"]))
    assert found == {
        (date(2024, 11, 2), "search", True): 1,
        (date(2024, 11, 3), "search", False): 1,
        (date(2024, 11, 3), "earlier", None): 1,
        (date(2024, 11, 3), None, None): 1,
        (date(2024, 12, 31), "first", None): 1,
        (date(2025, 1, 1), None, None): 1,
    }


def test_prices_change_at_their_second(rollups: Rollups) -> None:
    times = rollups["usage"].to_pylist()
    found = {
        model: sorted(
            (row["day"], row["slot"], row["rows"])
            for row in times
            if row["feature"] == "times" and row["model"] == model
        )
        for model in ("m", "night-only", "steady")
    }
    # Half past midnight in UTC is the evening of the day before in New York.
    eve, last = date(2024, 12, 30), date(2024, 12, 31)
    assert found == {
        "m": [(eve, 0, 2), (eve, 1, 1), (last, 1, 1), (last, 2, 2)],
        "night-only": [(eve, 0, 3), (last, 0, 1), (last, 1, 2)],
        "steady": [(eve, 0, 3), (last, 0, 3)],
    }
    assert {row["utc_day"] for row in times if row["feature"] == "times"} == {last}


def test_contexts_are_those_of_one_request(rollups: Rollups) -> None:
    rows = rollups["usage"].filter(
        [feature == "context" for feature in rollups["usage"]["feature"].to_pylist()]
    )
    assert total(rows, "rows", lambda row: row["context"]) == {0: 3, 1: 4, 2: 1}
    assert total(rows, "requests", lambda row: row["context"]) == {0: 4, 1: 5, 2: 1}
    assert total(rows, "uncounted", lambda row: row["context"]) == {0: 0, 1: 1, 2: 0}


def test_status_words(rollups: Rollups) -> None:
    rows = [row for row in rollups["usage"].to_pylist() if row["feature"] == "status"]
    counts = {
        failed: sum(row["rows"] for row in rows if row["is_failed"] is failed) for failed in (True, False)
    }
    assert counts == {False: 5, True: 4}


def test_tokens_sum_to_the_last_one(rollups: Rollups) -> None:
    found = total(rollups["usage"], "uncached_input_tokens", lambda row: row["feature"])
    assert found["large"] == 11 * LARGE_TOKENS == 10_999_999_999_999_989


def test_who_used_it(rollups: Rollups) -> None:
    day = date(2025, 1, 1)
    found = {
        (row["day"], row["has_user"], row["is_paying"], row["cohort"], row["channel"], row["context"],
         row["cached_input_tokens"])
        for row in rollups["usage"].to_pylist() if row["feature"] == "who"
    }  # fmt: skip
    assert found == {
        (day, True, True, DECEMBER, "first", 0, 0),
        (day, True, False, None, None, 0, 0),
        # How many tokens came from the cache is not known: the request is as long as what is known of it.
        (day, False, False, None, None, 0, None),
        (date(2024, 11, 3), True, True, NOVEMBER, "search", 0, 0),
    }


def test_a_user_is_active_once_a_day(rollups: Rollups) -> None:
    day = date(2024, 12, 31)
    rows = [row for row in rollups["activity"].to_pylist() if row["day"] == day]
    assert {(row["channel"], row["users"], row["sessions"]) for row in rows} == {
        ("first", 1, 5),
        (None, 1, 1),
    }


def test_weeks_and_months_at_the_turn_of_the_year(rollups: Rollups) -> None:
    assert total(rollups["active_in_week"], "users", lambda row: row["week"]) == {
        date(2024, 10, 28): 1,
        date(2024, 12, 23): 1,
        date(2024, 12, 30): 3,
        date(2025, 1, 6): 1,
    }
    assert total(rollups["active_in_month"], "users", lambda row: row["month"]) == {
        NOVEMBER: 1, DECEMBER: 2, JANUARY: 3,
    }  # fmt: skip
    assert total(rollups["payers"], "users", lambda row: (row["month"], row["channel"])) == {
        (NOVEMBER, "search"): 1, (DECEMBER, "first"): 1, (JANUARY, "first"): 1,
    }  # fmt: skip


def test_service_days_are_those_of_the_books(rollups: Rollups) -> None:
    found = {
        row["amount"]: (row["first_day"], row["end_day"])
        for row in rollups["payments"].to_pylist() if row["kind"] in ("subscription", "gift")
    }  # fmt: skip
    assert found == {
        Decimal(1): (date(2024, 11, 3), date(2024, 11, 4)),
        Decimal(2): (date(2024, 11, 2), date(2024, 11, 4)),
        Decimal(12): (date(2024, 12, 31), date(2025, 1, 2)),
        Decimal("5.2"): (date(2025, 1, 1), date(2025, 1, 2)),
    }


def test_money_sums_to_the_last_place(rollups: Rollups) -> None:
    [row] = rollups["topups"].to_pylist()
    assert (str(row["amount"]), str(row["tax"])) == ("29999999999999.999999998", "29999999999999.999999997")
    found = total(rollups["payments"], "fee_unknown", lambda row: row["kind"])
    assert found == {"subscription": 2, "gift": 1, "refund": 1, "api_topup": 4}
    assert total(rollups["payments"], "fee", lambda row: row["kind"]) == {
        "subscription": Decimal("0.5"), "gift": None, "refund": None, "api_topup": None,
    }  # fmt: skip


def test_spend(rollups: Rollups) -> None:
    found = {
        (row["channel"], row["kind"]): (row["amount"], row["impressions"], row["clicks"])
        for row in rollups["ad_spend"].to_pylist()
    }
    assert found == {
        ("search", "ads"): (Decimal("0.3"), 5, 2),
        (None, "ads"): (Decimal("0.000000001"), None, None),
        ("search", "coupon"): (Decimal(1), None, None),
    }


def test_api_use_by_account(rollups: Rollups) -> None:
    [row] = rollups["api_accounts"].to_pylist()
    assert (row["day"], row["account_id"], row["requests"]) == (date(2025, 1, 2), "account", 7)


def test_books_of_one_table(engine_name: str, tmp_path: Path) -> None:
    """Usage alone: nobody was acquired, nobody paid, and nothing fails over what is absent."""
    books = new_books(tmp_path / "books")
    usage = {"at": "2025-01-01T00:00:00Z", "provider": "p", "model": "m", "user_id": "u"}
    book(books, "usage", [{**usage, "uncached_input_tokens": 3, "output_tokens": 2}])
    found = rollups_of(books, engine_name, tmp_path / "cache")
    [row] = found.pop("usage").to_pylist()
    assert (row["uncached_input_tokens"], row["cohort"], row["is_paying"], row["has_user"]) == (
        3,
        None,
        False,
        True,
    )
    assert {name: rows.num_rows for name, rows in found.items()} == dict.fromkeys(found, 0)


def test_a_correction_counts_instead_of_what_it_corrects(engine_name: str, tmp_path: Path) -> None:
    books = new_books(tmp_path / "books")

    def spend(amount: str, day: str) -> dict[str, str]:
        return {"source_id": "1", "day": day, "kind": "ads", "amount": amount, "currency": "USD"}

    book(books, "ad_spend", [spend("10", "2025-01-01")])
    later = tmp_path / "later.csv"
    columns = spend("4", "2025-01-02")
    later.write_text(",".join(columns) + "\n" + ",".join(columns.values()) + "\n", "utf-8")
    [result] = books.ingest("ad_spend", [later], "hand")
    assert result.ingested == 1
    found = rollups_of(books, engine_name, tmp_path / "cache")["ad_spend"]
    assert total(found, "amount", lambda row: row["day"]) == {date(2025, 1, 2): Decimal(4)}


@pytest.mark.spark
def test_spark_gives_the_rows_of_duckdb(embedded: Rollups, on_spark: Rollups) -> None:
    # No provider's own report is among these books.
    assert {name for name, rows in embedded.items() if not rows.num_rows} == {"provider_reports"}
    for name, rows in embedded.items():
        assert on_spark[name].schema == rows.schema, name
        assert multiset(on_spark[name]) == multiset(rows), name
