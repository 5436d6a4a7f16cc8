"""Cohorts as money: parts sum to the statement, whatever belongs to no cohort; partial months say so."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from breakeven.account.account import Account, open_account
from breakeven.account.cohort_money import CohortAge, cohort_money
from breakeven.account.metrics import Missing
from breakeven.account.payback import NOT_YET, Cohort, cohorts
from breakeven.account.retention import CohortKey
from breakeven.account.survivors import survivor_use
from breakeven.periods import Period
from breakeven.report.views.survivors import survivor_table

from .bookkeeping import book, new_books
from .cases import FOLDER, open_case, read_case
from .random_books import base_account, small_rollups, with_rollups

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
LINES = {
    "revenue": "revenue", "fees": "payment_fees", "serving_cost": "serving_cost",
    "free_serving_cost": "free_use_cost", "tokens": "tokens", "active_users": "mau", "payers": "payers",
}  # fmt: skip
MARCH, APRIL = date(2024, 3, 1), date(2024, 4, 1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Account:
    return base_account(tmp_path_factory.mktemp("random"))


def off_the_statement(account: Account) -> dict[tuple[Any, ...], tuple[Any, Any]]:
    """Where cohorts and what is of none do not sum to the statement's line."""
    found: dict[tuple[Any, ...], tuple[Any, Any]] = {}
    for by_channels in (False, True):
        cells = cohort_money(account, by_channels=by_channels)
        for bucket in range(len(account.buckets.periods)):
            mine = [cell for (_, place), cell in cells.items() if place == bucket]
            lines = {name: account.live_value(metric, bucket) for name, metric in LINES.items()}
            refunds = account.live_value("refunds", bucket)
            lines["refunds"] = refunds if isinstance(refunds, Missing) else -refunds
            for name, value in lines.items():
                total = sum(getattr(cell, name) for cell in mine)
                if not isinstance(value, Missing) and total != value:
                    found[by_channels, bucket, name] = total, value
    return found


@settings(max_examples=25)
@given(rollups=small_rollups())
def test_cohorts_and_no_cohort_sum_to_the_statement(base, rollups):
    account = with_rollups(base, rollups)
    assert off_the_statement(account) == {}
    for cell in cohort_money(account, by_channels=True).values():
        assert cell.free_serving_cost <= cell.serving_cost + Decimal("0.01")
        assert 0 <= cell.free_tokens <= cell.tokens


def test_a_generated_company_sums_to_its_statement(tiny_company):
    account = tiny_company[0]
    assert off_the_statement(account) == {}
    measured = [line for bucket in range(6) for line in LINES.values() if account.live_value(line, bucket)]
    assert len(measured) > 30
    cells = cohort_money(account, by_channels=True).values()
    assert all(cell.free_serving_cost <= cell.serving_cost for cell in cells)
    assert sum(cell.payers for cell in cells) > 0


@pytest.mark.parametrize(
    "name",
    ["prepaid_api", "bills_of_what_is_measured", "own_fleet_by_weights", "refunds_and_chargebacks",
     "currencies", "spend_ledger", "statement_of_a_month"],
)  # fmt: skip
def test_what_no_cohort_has_is_kept(name: str, tmp_path: Path):
    account = open_case(read_case(FOLDER / f"{name}.yaml"), tmp_path)
    assert off_the_statement(account) == {}


def test_free_use_and_payers_of_a_cohort(tmp_path: Path):
    account = open_case(read_case(FOLDER / "spend_ledger.yaml"), tmp_path)
    [march, april] = cohorts(account)
    assert (march.key, march.users, april.users) == (CohortKey(MARCH), 4, 3)
    # u1 and u2: 2 + 3 free, 1 of a paid day, 4 by the API; the visitor and "ghost" are of no cohort.
    first, second = march.ages[0], march.ages[1]
    assert (first.serving_cost, first.free_serving_cost) == (Decimal("10.00"), Decimal("5.00"))
    assert (first.tokens, first.free_tokens, first.payers) == (10_000_000, 5_000_000, 1)
    assert (second.serving_cost, second.free_serving_cost) == (Decimal("2.00"), Decimal("2.00"))
    nobody = cohort_money(account)[None, 0]
    assert (nobody.serving_cost, nobody.free_serving_cost) == (Decimal("2.00"), Decimal("2.00"))
    # Nobody of April used anything: covered, so nothing, and not unknown.
    assert april.ages[0].serving_cost == 0


def test_refunds_above_revenue_are_a_negative_revenue_and_no_payback(tmp_path: Path):
    books = new_books(tmp_path / "books")
    covers = (date(2024, 3, 1), date(2024, 4, 30))
    book(books, "acquisitions", [{"user_id": "u", "acquired_at": "2024-03-02T00:00:00Z", "channel": "video"}])
    pay = {"user_id": "u", "currency": "USD"}
    book(
        books,
        "payments",
        [
            {"at": "2024-03-02T00:00:00Z", "kind": "gift", "amount": 10, **pay},
            {"at": "2024-04-02T00:00:00Z", "kind": "refund", "amount": 25, **pay},
        ],
        covers=covers,
    )
    spend = {"day": "2024-03-02", "channel": "video", "kind": "ads", "amount": 30, "currency": "USD"}
    book(books, "ad_spend", [spend], covers=covers)
    [cohort] = cohorts(open_account(books))
    assert (cohort.ages[1].revenue, cohort.ages[1].refunds) == (Decimal("-25.00"), Decimal("25.00"))
    assert cohort.cumulative(1) == Decimal("-15.00")
    assert (cohort.payback_months, cohort.paid_back_share) == (NOT_YET, Decimal("-0.5"))


def test_spend_that_nobody_recorded_is_no_spend_of_zero(tmp_path: Path):
    books = new_books(tmp_path / "books")
    won = {"channel": "video", "is_paid": "true"}
    book(
        books,
        "acquisitions",
        [
            {"user_id": "u", "acquired_at": "2024-03-02T00:00:00Z", **won},
            {"user_id": "v", "acquired_at": "2024-04-02T00:00:00Z", **won},
            {"user_id": "w", "acquired_at": "2024-04-02T00:00:00Z", "channel": "organic"},
        ],
    )
    spend = {"day": "2024-04-02", "channel": "video", "kind": "ads", "amount": 30, "currency": "USD"}
    book(books, "ad_spend", [spend], covers=(APRIL, date(2024, 4, 30)))
    found = {
        (each.key.month, each.key.channel): each for each in cohorts(open_account(books), by_channels=True)
    }
    assert isinstance(found[MARCH, "video"].spend, Missing)
    assert found[MARCH, "video"].payback_months == found[MARCH, "video"].spend
    assert (found[APRIL, "video"].spend, found[APRIL, "organic"].spend) == (30, 0)


def test_use_before_the_recorded_acquisition_counts_at_age_0(tmp_path: Path):
    books = new_books(tmp_path / "books")
    covers = (MARCH, date(2024, 4, 30))
    book(books, "acquisitions", [{"user_id": "u", "acquired_at": "2024-04-01T00:10:00Z"}], covers=covers)
    gift = {"user_id": "u", "kind": "gift", "currency": "USD"}
    days = [("2024-03-31T23:50:00Z", 3), ("2024-04-01T00:20:00Z", 4)]
    book(books, "payments", [{"at": at, "amount": amount, **gift} for at, amount in days], covers=covers)
    seen = [{"user_id": "u", "day": day} for day in ("2024-03-31", "2024-04-01")]
    book(books, "activity", seen, covers=covers)
    account = open_account(books)
    [cohort] = cohorts(account)
    assert {age: (cell.revenue, cell.active_users, cell.payers) for age, cell in cohort.ages.items()} == {
        0: (7, 1, 1)
    }
    assert off_the_statement(account) == {}


def test_partial_months_say_which_table_is_short(tmp_path: Path):
    books = new_books(tmp_path / "books")
    book(books, "acquisitions", [{"user_id": "u", "acquired_at": "2024-03-10T00:00:00Z"}])
    days = (date(2024, 3, 10), date(2024, 5, 31))
    book(books, "activity", [{"user_id": "u", "day": "2024-04-01"}], covers=days)
    use = {"at": "2024-04-01T00:00:00Z", "user_id": "u", "provider": "p", "model": "m",
           "uncached_input_tokens": 1, "output_tokens": 1}  # fmt: skip
    book(books, "usage", [use], covers=days)
    account = open_account(books)
    [cohort] = cohorts(account)
    # The books begin on 10 March: a cohort of March is there all the same, and says that it is not whole.
    assert account.buckets.periods[0] == Period(date(2024, 3, 10), date(2024, 4, 1))
    assert cohort.key.month == MARCH
    assert [cohort.ages[age].is_partial for age in (0, 1, 2)] == [True, True, True]
    assert cohort.ages[0].gaps == ("activity", "usage", "payments")
    assert cohort.ages[1].gaps == ("payments",)
    assert [cohort.ages[age].active_users for age in (0, 1, 2)] == [0, 1, 0]


def cohort(users: int, *ages: tuple[int, int], partial: int | None = None) -> Cohort:
    cells = {
        age: CohortAge(
            active_users=active, tokens=tokens, serving_cost=Decimal(tokens), is_partial=age == partial
        )
        for age, (active, tokens) in enumerate(ages)
    }
    return Cohort(CohortKey(MARCH), users, Decimal(0), cells)


def test_survivors_are_measured_against_their_own_cohort():
    light = cohort(100, (100, 1000), (50, 500), (10, 100))
    heavy = cohort(100, (100, 9000), (20, 2000), (10, 3000))
    [base_age, later] = survivor_use([light, heavy])
    assert (base_age.heaviness, base_age.survivors, base_age.users) == (1, 70, 200)
    # Light ones use 10 each as before; the ten heavy ones left use 300 each instead of 100.
    assert (later.tokens, later.as_at_base) == (3100, 10 * Fraction(500, 50) + 10 * Fraction(2000, 20))
    assert round(later.heaviness, 4) == Decimal("2.8182")
    assert (later.tokens_per_user, later.tokens_per_user_if_independent) == (Decimal("15.5"), Decimal("5.5"))


def test_the_table_of_survivors(tiny_company):
    account = tiny_company[0]
    table = survivor_table(account, cohorts(account))
    assert [row["age"] for row in table.rows] == [1, 2, 3, 4, 5]
    assert table.rows[0]["heaviness"] == 1
    assert all(row["survivors"] > 0 and row["cost_per_survivor"] > 0 for row in table.rows)
    payers = survivor_table(account, cohorts(account), payers_only=True)
    assert payers.rows[0]["survivors"] < table.rows[0]["survivors"]
    assert (payers.title.zh, payers.id) != (table.title.zh, table.id)


def test_months_that_are_not_whole_say_nothing_of_survivors():
    found = [cohort(10, (10, 10), (5, 5), (1, 99), partial=2), cohort(10, (10, 10), (0, 0), (2, 8))]
    [only] = survivor_use(found)
    assert (only.age, only.cohorts, only.survivors) == (1, 1, 5)
    assert survivor_use([]) == []
    gone = survivor_use([cohort(10, (10, 10), (5, 5), (0, 0))])[1]
    assert isinstance(gone.tokens_per_survivor, Missing)
    assert (gone.survival, gone.tokens_per_user) == (0, 0)
