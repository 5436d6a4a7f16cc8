"""The spend ledger: postings sum to the statement, costs per user sum back, free use is a line of its own."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from breakeven.account.account import Account, open_account
from breakeven.account.acquisition import NEGATIVE_SPEND, NO_GROWTH, NO_MORE_SPEND, NO_USERS, by_channel
from breakeven.account.booking import SPEND_KINDS
from breakeven.account.free_use import free_use_by
from breakeven.account.metrics import Missing
from breakeven.account.spend_ledger import (
    FREE_USE,
    NO_TWO_MONTHS,
    NOT_ASKED,
    SpendLedger,
    marginal_cac,
    spend_ledger,
    whole_months,
)
from breakeven.ledger.books import open_books
from breakeven.money import EXACT, post
from breakeven.report.views.spend_ledger import growth_view

from .bookkeeping import book, new_books, write_card
from .cases import FOLDER, open_case, read_case
from .random_books import CARD, base_account, small_rollups, with_rollups

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")


def case(name: str, folder: Path) -> Account:
    return open_case(read_case(FOLDER / f"{name}.yaml"), folder)


def posted(ledger: SpendLedger, **wanted: Any) -> Decimal:
    """The sum of the entries that say all of this."""
    return sum(
        (e.amount for e in ledger.entries if all(getattr(e, key) == value for key, value in wanted.items())),
        Decimal(0),
    )


def assert_sums(account: Account, ledger: SpendLedger) -> None:
    for bucket in range(len(account.buckets.periods)):
        expense = account.live_value("acquisition_spend", bucket)
        kinds = {kind: posted(ledger, kind=kind, bucket=bucket) for kind in SPEND_KINDS}
        if isinstance(expense, Missing):
            assert not any(kinds.values())
            continue
        assert kinds == {kind: account.live_value(f"{kind}_spend", bucket) for kind in SPEND_KINDS}
        assert sum(kinds.values()) == expense
        by_name = {line.name: line.in_bucket(bucket) for line in ledger.lines}
        free = {name: posted(ledger, name=name, bucket=bucket, kind=FREE_USE) for name in by_name}
        assert {name: posted(ledger, name=name, bucket=bucket) - free[name] for name in by_name} == by_name


def assert_sums_back(account: Account, ledger: SpendLedger) -> None:
    """CAC x users, and what brought nobody, is the expense."""
    for cost, users in (("cac_blended", "new_users"), ("cac_paid", "paid_new_users")):
        total = Decimal(0)
        for line in ledger.lines:
            per_user, count = getattr(line, cost), getattr(line.channel, users)
            if isinstance(per_user, Missing):
                assert (per_user, count) == (NO_USERS, 0)
                total += line.spend
            else:
                total = EXACT.add(total, EXACT.multiply(per_user, count))
        assert post(total, account.currency) == account.total("acquisition_spend")


# --- Parts and wholes -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Account:
    return base_account(tmp_path_factory.mktemp("random"))


@settings(max_examples=25)
@given(rollups=small_rollups())
def test_postings_sum_to_the_statement_and_costs_sum_back(base, rollups):
    account = with_rollups(base, rollups)
    for dimension in ("channel", "campaign"):
        ledger = spend_ledger(account, dimension)
        assert_sums(account, ledger)
        assert_sums_back(account, ledger)
        assert [line.channel.new_users for line in ledger.lines] == [
            line.new_users for line in by_channel(account, dimension)
        ]


@pytest.mark.parametrize("dimension", ["channel", "campaign", "creator"])
def test_a_generated_company(tiny_company, dimension):
    account = tiny_company[0]
    ledger = spend_ledger(account, dimension, free_use=True)
    assert_sums(account, ledger)
    assert_sums_back(account, ledger)
    assert ledger.kinds == (*SPEND_KINDS, FREE_USE)
    assert ledger.total == account.total("acquisition_spend")
    assert ledger.total_with_free_use == ledger.total + posted(ledger, kind=FREE_USE)
    for bucket in range(len(account.buckets.periods)):
        line = ledger.free_use[bucket]
        assert 0 < line <= account.live_value("free_use_cost", bucket)
        assert line == posted(ledger, kind=FREE_USE, bucket=bucket)
    # Whatever the names, it is the same use.
    assert ledger.free_use == spend_ledger(account, free_use=True).free_use


# --- The worked case ------------------------------------------------------------------------------------


def test_the_worked_case(tmp_path: Path):
    account = case("spend_ledger", tmp_path)
    ledger = spend_ledger(account, free_use=True)
    assert {(e.name, e.kind, e.bucket): e.amount for e in ledger.entries} == {
        ("friends", "coupon", 0): 8, ("friends", "referral", 0): 12, ("video", "ads", 0): 60,
        ("video", "creator", 0): 30, (None, "agency", 0): 10, ("video", FREE_USE, 0): 5,
        (None, FREE_USE, 0): 1,
        ("radio", "ads", 1): 5, ("video", "ads", 1): 100, ("organic", FREE_USE, 1): 1,
    }  # fmt: skip
    assert [line.name for line in ledger.lines] == ["video", "friends", "radio", "organic", None]
    assert (ledger.total, ledger.total_free_use, ledger.total_with_free_use) == (225, 7, 232)
    assert [ledger.with_free_use(bucket) for bucket in (0, 1)] == [126, 106]
    video, friends, radio, organic, unnamed = ledger.lines
    assert (video.cac_blended, video.cac_paid, video.cac_with_free_use) == (38, 38, 39)
    assert (friends.cac_blended, organic.cac_blended, organic.cac_paid) == (20, 0, NO_USERS)
    assert organic.cac_with_free_use == 1
    assert [line.name for line in ledger.without_users] == ["radio", None]
    assert radio.cac_blended is unnamed.cac_blended is NO_USERS
    # 100 - 90 for 3 - 2 users; nobody new came by friends or radio.
    assert marginal_cac(account, video) == 10
    assert marginal_cac(account, friends) == marginal_cac(account, radio) == NO_GROWTH


def test_free_use_counts_only_when_asked_for(tmp_path: Path):
    account = case("spend_ledger", tmp_path)
    plain, with_free = spend_ledger(account), spend_ledger(account, free_use=True)
    assert FREE_USE not in plain.kinds
    assert plain.free_use == (NOT_ASKED, NOT_ASKED)
    assert plain.total_with_free_use == NOT_ASKED
    assert plain.total == with_free.total == account.total("acquisition_spend")
    assert [line.cac_blended for line in plain.lines] == [
        line.cac_blended for line in with_free.lines if line.name in {each.name for each in plain.lines}
    ]


def test_free_use_is_kept_and_computed_again_when_somebody_pays(tmp_path: Path):
    account = case("spend_ledger", tmp_path)
    first = free_use_by(account, "channel")
    kept = sorted(path.name for path in (account.cache / "free_use").iterdir())
    assert free_use_by(account, "channel") == first
    assert sorted(path.name for path in (account.cache / "free_use").iterdir()) == kept
    assert len(kept) == 2
    paid = {"at": "2024-03-01T00:00:00Z", "user_id": "u2", "kind": "gift", "amount": 1, "currency": "USD"}
    book(account.books, "payments", [paid], source="later")
    again = open_account(open_books(account.books.folder), period=account.buckets.span)
    assert free_use_by(again, "channel") == first | {("video", 0): Fraction(2)}


def test_free_use_is_that_of_each_request_by_itself(tmp_path: Path):
    """Random users, payments and requests: the sum over requests before their user's first payment, each at
    the average cost that the month's allowance leaves, and own ones at their weight."""
    chance = random.Random(11)
    serving = {
        "own_providers": ["self"],
        "weights": {"uncached_input": 1, "cached_input": "0.1", "cache_write": 1, "output": 4},
    }
    books = new_books(tmp_path / "books", time_zone="Asia/Shanghai", serving=serving)
    write_card(books, "outside", CARD)
    start = datetime(2024, 3, 1, tzinfo=UTC)
    zone = timedelta(hours=8)
    users = [f"u{number}" for number in range(30)]
    channels = {user: chance.choice(["video", "friends", None]) for user in users[:25]}
    book(books, "acquisitions", [
        {"user_id": user, "acquired_at": start.isoformat(), "channel": channel}
        for user, channel in channels.items()
    ])  # fmt: skip
    paid: dict[str, Any] = {}
    payments = []
    for user in chance.sample(users, 12):
        at = start + timedelta(hours=chance.randrange(25 * 24))
        paid[user] = (at + zone).date()
        payments.append({"at": at.isoformat(), "user_id": user, "kind": "subscription", "amount": 9,
                         "currency": "USD", "service_start": at.isoformat(),
                         "service_end": (at + timedelta(days=2)).isoformat()})  # fmt: skip
    book(books, "payments", payments)
    fleet = {"pool": "main", "gpu": "H800", "count": 1, "price_per_gpu_hour": "0.5", "currency": "USD"}
    book(books, "capacity", [{"at": start.isoformat(), **fleet}])
    rows = []
    for _ in range(300):
        at = start + timedelta(minutes=chance.randrange(29 * 24 * 60))
        rows.append({"at": at.isoformat(), "user_id": chance.choice([*users, ""]), "model": "m",
                     "product": chance.choice(["app", "web", "api"]),
                     "provider": chance.choice(["outside", "self"]), "requests": 1,
                     "uncached_input_tokens": chance.randrange(900), "cached_input_tokens": 0,
                     "cache_write_tokens": 0, "output_tokens": chance.randrange(900)})  # fmt: skip
    book(books, "usage", rows)
    account = open_account(books)

    def tokens(row: dict[str, Any]) -> int:
        return row["uncached_input_tokens"] + row["output_tokens"]

    def weight(row: dict[str, Any]) -> int:
        return row["uncached_input_tokens"] + 4 * row["output_tokens"]

    bought = [row for row in rows if row["provider"] == "outside"]
    all_bought = sum(map(tokens, bought))
    own = sum(weight(row) for row in rows if row["provider"] == "self")
    fleet_cost = account.fleet_cost.exact(0)
    expected: dict[tuple[str | None, int], Fraction] = defaultdict(Fraction)
    for row in rows:
        user, day = row["user_id"], (datetime.fromisoformat(row["at"]) + zone).date()
        if not user or row["product"] == "api" or (user in paid and day >= paid[user]):
            continue
        key = (channels.get(user), 0)
        if row["provider"] == "self":
            expected[key] += fleet_cost * weight(row) / own
        else:
            full = row["uncached_input_tokens"] * Fraction("3.7") + row["output_tokens"] * Fraction("11.3")
            expected[key] += full / 1_000_000 * Fraction(all_bought - 500, all_bought)
    assert len(account.buckets.periods) == 1
    found = free_use_by(account, "channel")
    assert found.keys() == expected.keys() == {("video", 0), ("friends", 0), (None, 0)}
    for key, amount in expected.items():
        assert abs(found[key] - amount) < Fraction(1, 10**15)


# --- Corners --------------------------------------------------------------------------------------------


def test_a_rebate_is_negative_spend(tmp_path: Path):
    books = new_books(tmp_path / "books")
    spend = {"day": "2024-03-02", "channel": "video", "kind": "ads", "amount": "10.005", "currency": "USD"}
    book(books, "ad_spend", [spend], covers=(date(2024, 3, 1), date(2024, 3, 31)))
    rebate = {"vendor": "radio", "category": "advertising", "period_start": "2024-03-01",
              "period_end": "2024-04-01", "amount": "-40", "currency": "USD"}  # fmt: skip
    book(books, "bills", [rebate])
    account = open_account(books)
    ledger = spend_ledger(account)
    assert_sums(account, ledger)
    assert {line.name: line.spend for line in ledger.lines} == {
        "video": Decimal("10.00"), "radio": Decimal("-40.00"),
    }  # fmt: skip
    assert ledger.total == Decimal("-30.00")


def test_the_case_of_rebates_sums_and_has_no_cost_per_user_below_zero(tmp_path: Path):
    account = case("rebates_are_negative_spend", tmp_path)
    ledger = spend_ledger(account)
    assert_sums(account, ledger)
    assert {(e.name, e.kind, e.bucket): e.amount for e in ledger.entries} == {
        ("bilibili", "ads", 0): 3800, ("bilibili", "creator", 0): 1000, ("douyin", "ads", 0): 200,
        ("bilibili", "ads", 1): -300, ("douyin", "ads", 1): 900, ("radio", "ads", 1): 100,
        ("radio", "agency", 1): -10,
    }  # fmt: skip
    assert ledger.total == 5690
    bilibili = next(line for line in ledger.lines if line.name == "bilibili")
    assert (bilibili.spend, bilibili.cac_blended) == (4500, 1500)
    assert marginal_cac(account, bilibili) == NEGATIVE_SPEND
    april = open_account(account.books, period=account.buckets.periods[1])
    of_april = spend_ledger(april)
    assert [line.name for line in of_april.over_rebated] == ["bilibili"]
    [line] = of_april.over_rebated
    assert line.cac_blended == line.cac_paid == line.cac_with_free_use == NEGATIVE_SPEND
    tables = {table.id: table for table in growth_view(april).tables}
    note = tables["cac"].note
    assert note is not None
    assert "No cost per user, as rebates exceed spend: bilibili (-300.00 USD)." in note.en
    assert "返点超过支出，因此没有获客成本：bilibili（-300.00 USD）。" in note.zh


def test_a_month_of_rebates_alone_has_no_cost_per_user_and_is_named(tmp_path: Path):
    books = new_books(tmp_path / "books")
    spend = {"channel": "video", "kind": "ads", "currency": "USD"}
    covers = (date(2024, 3, 1), date(2024, 4, 30))
    paid = {"day": "2024-03-05", "amount": 100}
    back = {"day": "2024-04-05", "amount": -100}
    book(books, "ad_spend", [paid | spend, back | spend], covers=covers)
    users = [
        {"user_id": m, "acquired_at": f"2024-{m}-05T00:00:00Z", "channel": "video"} for m in ("03", "04")
    ]
    book(books, "acquisitions", users, covers=covers)
    account = open_account(books)
    tables = {table.id: table for table in growth_view(account).tables}
    [months, total] = tables["spend_by_month"].rows
    assert (
        [months[m] for m in ("2024-03", "2024-04")]
        == [total[m] for m in ("2024-03", "2024-04")]
        == [100, -100]
    )
    costs = {row["metric"]: row for row in tables["by_month"].rows}
    assert (costs["cac_blended"]["2024-03"], costs["cac_blended"]["2024-04"]) == (100, None)
    note = tables["by_month"].note
    assert note is not None
    assert note.en == "No cost per user, as rebates exceed spend: 2024-04."


def test_invoiced_advertising_is_in_the_ledger(tmp_path: Path):
    account = case("advertising_by_invoice", tmp_path)
    ledger = spend_ledger(account)
    assert_sums(account, ledger)
    assert posted(ledger, name="radio") == Decimal("30.00")
    assert posted(ledger, name="douyin", kind="ads", bucket=1) == Decimal("54.00")


def test_spend_without_an_exchange_rate_has_no_value_and_no_postings(tmp_path: Path):
    books = new_books(tmp_path / "books")
    march = {"day": "2024-03-02", "channel": "video", "kind": "ads", "amount": 10}
    april = {"day": "2024-04-02", "channel": "video", "kind": "ads", "amount": 10}
    book(books, "ad_spend", [march | {"currency": "USD"}, april | {"currency": "AED"}])
    ledger = spend_ledger(open_account(books))
    assert [(e.bucket, e.amount) for e in ledger.entries] == [(0, 10)]
    assert isinstance(ledger.expense[1], Missing)
    assert isinstance(ledger.total, Missing)


def test_without_payments_or_fleet_free_use_has_no_value(tmp_path: Path):
    """Who never paid cannot be told when nobody recorded payments; zero would be a guess."""
    books = new_books(tmp_path / "books")
    use = {"at": "2024-03-01T00:00:00Z", "user_id": "u", "provider": "p", "model": "m",
           "uncached_input_tokens": 1, "output_tokens": 1}  # fmt: skip
    book(books, "usage", [use])
    ledger = spend_ledger(open_account(books), free_use=True)
    assert isinstance(ledger.free_use[0], Missing)
    assert ledger.entries == ()
    assert isinstance(ledger.total, Missing)


def test_free_use_of_a_fleet_without_an_exchange_rate_has_no_value(tmp_path: Path):
    """Left out, the fleet would make free use look free."""
    serving = {
        "own_providers": ["self"],
        "weights": {"uncached_input": 1, "cached_input": 1, "cache_write": 1, "output": 1},
    }
    books = new_books(tmp_path / "books", serving=serving)
    start = "2024-03-01T00:00:00Z"
    for source, months in (("usd", "03"), ("aed", "04")):
        fleet = {"at": f"2024-{months}-01T00:00:00Z", "pool": "main", "gpu": "H800", "count": 1}
        money = {"price_per_gpu_hour": 1, "currency": source.upper()}
        book(books, "capacity", [fleet | money], source=source)
        use = {"at": f"2024-{months}-02T00:00:00Z", "user_id": "u", "product": "app", "provider": "self",
               "model": "m", "uncached_input_tokens": 1, "output_tokens": 1}  # fmt: skip
        book(books, "usage", [use], source=source)
    paid = {"at": start, "user_id": "other", "kind": "gift", "amount": 1, "currency": "USD"}
    book(books, "payments", [paid], covers=(date(2024, 3, 1), date(2024, 4, 30)))
    account = open_account(books)
    known, unknown = (account.live_value("free_use_cost", bucket) for bucket in (0, 1))
    assert isinstance(known, Decimal)
    assert known > 0
    assert isinstance(unknown, Missing)
    assert unknown == account.live_value("gpu_cost", 1)
    assert "AED" in unknown.en


def test_the_marginal_cost_needs_two_whole_months_and_growth_for_more_money(tmp_path: Path):
    books = new_books(tmp_path / "books")
    spend = {"channel": "video", "kind": "ads", "currency": "USD"}
    months = {"2024-03": (100, 2), "2024-04": (80, 4), "2024-05": (180, 9), "2024-06": (500, 40)}
    covers = (date(2024, 3, 1), date(2024, 6, 20))
    book(books, "ad_spend", [{"day": f"{m}-05", "amount": a, **spend} for m, (a, _) in months.items()],
         covers=covers)  # fmt: skip
    book(
        books,
        "acquisitions",
        [
            {"user_id": f"{m}-{n}", "acquired_at": f"{m}-05T00:00:00Z", "channel": "video", "is_paid": "true"}
            for m, (_, users) in months.items()
            for n in range(users)
        ],
        covers=covers,
    )
    account = open_account(books)
    [line] = spend_ledger(account).lines
    # June is not over: May on April is the last pair of whole months.
    assert whole_months(account) == (1, 2)
    assert marginal_cac(account, line) == 20
    assert line.channel.marginal_cac(1) == NO_MORE_SPEND
    short = open_account(books, period=account.buckets.periods[0])
    assert marginal_cac(short, spend_ledger(short).lines[0]) == NO_TWO_MONTHS
