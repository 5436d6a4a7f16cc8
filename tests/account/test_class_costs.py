"""The own fleet by class costs: parts sum to the bill, idle time is a line, and what is not known is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakeven.account.account import Account, open_account
from breakeven.account.cohort_money import cohort_money
from breakeven.account.facts import post_fraction
from breakeven.account.free_use import free_use_by
from breakeven.account.margin import IDLE, cost_by, cost_by_class
from breakeven.account.metrics import Missing
from breakeven.account.unit_cost import unit_cost_index
from breakeven.account.usage import CLASSES
from breakeven.account.user_margin import user_margins
from breakeven.ledger.books import Books, open_books
from breakeven.ledger.class_costs import (
    CLASSES as CLASS_NAMES,
)
from breakeven.ledger.class_costs import (
    ClassCostEntry,
    ClassCosts,
    GpuSeconds,
    record_class_cost,
)
from breakeven.periods import Period

from .bookkeeping import book, new_books
from .random_books import base_account, small_rollups, with_rollups

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
KNOWN = datetime(2024, 5, 1, tzinfo=UTC)
FLEET = {"gpu": "H800", "count": 1, "price_per_gpu_hour": "3.6", "currency": "USD"}


def entry(model: str = "large", *seconds: str, **more: Any) -> ClassCostEntry:
    """GPU-seconds by class in order; without any, 1, 0.1, 1 and 4 thousandths."""
    given = seconds or ("0.001", "0.0001", "0.001", "0.004")
    by_class = {name: GpuSeconds.exact(text) for name, text in zip(CLASS_NAMES, given, strict=True)}
    return ClassCostEntry(KNOWN, date(2024, 1, 1), "self", model, by_class, **more)


def usage(day: int, model: str, tokens: int, **more: Any) -> dict[str, Any]:
    return {
        "at": f"2024-03-{day:02}T12:00:00Z", "user_id": "u1", "product": "app", "provider": "self",
        "model": model, "requests": 10, "uncached_input_tokens": tokens, "cached_input_tokens": 0,
        "cache_write_tokens": 0, "output_tokens": 0, **more,
    }  # fmt: skip


def fleet_books(folder: Path, pools: dict[str, int] | None = None) -> Books:
    """A day of one GPU a pool: 24 hours at 3.60 each, a tenth of a cent a second."""
    books = new_books(folder / "books", serving={"own_providers": ["self"]})
    for pool, count in (pools or {"main": 1}).items():
        book(books, "capacity", [{"at": "2024-03-05T00:00:00Z", "pool": pool, **FLEET, "count": count}])
    return books


def opened(books: Books, *entries: ClassCostEntry, **more: Any) -> Account:
    for each in entries:
        record_class_cost(books.folder, each)
    return open_account(open_books(books.folder), period=Period.parse("2024-03"), **more)


# --- Parts and wholes -----------------------------------------------------------------------------------

SECONDS = st.decimals("0.0001", "2", places=4).map(str)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Account:
    return base_account(tmp_path_factory.mktemp("base"))


@settings(max_examples=25, deadline=None)
@given(
    rollups=small_rollups(),
    seconds=st.lists(SECONDS, min_size=4, max_size=4),
    derate=st.sampled_from(["1", "0.51"]),
    pool=st.sampled_from(["", "main", "gone"]),
    since=st.sampled_from([date(2024, 1, 1), date(2024, 3, 20)]),
)
def test_tokens_and_idle_time_sum_to_the_bill_by_any_dimension(base, rollups, seconds, derate, pool, since):
    """Also where the class cost holds on some days only, so that declared weights stand beside it."""
    one = replace(entry("m", *seconds, prefill_derate=Decimal(derate), pool=pool), valid_from=since)
    account = with_rollups(replace(base, class_costs=ClassCosts([one])), rollups)
    for bucket in range(2):
        split, gpu = account.fleet_splits[bucket], account.facts.get("gpu_cost", bucket)
        used = [cost for cost in account.usage_totals if cost.bucket == bucket]
        borne = sum((split.borne_by(cost) for cost in used), Fraction(0))
        known = split.idle if isinstance(split.idle, Fraction) else Fraction(0)
        assert borne + known == split.cost
        assert known >= 0
        assert sum((work.idle for work in split.pools), Fraction(0)) == (known if split.pools else 0)
        idle = account.facts.get("idle_fleet_cost", bucket)
        for dimensions in ((), ("model",), ("channel", "product"), ("cohort", "is_paying")):
            lines = cost_by(account, *dimensions, buckets=[bucket])
            assert sum(line.fleet for line in lines) == gpu
            if dimensions:
                stated = Decimal(0) if isinstance(idle, Missing) else idle
                assert sum(line.fleet for line in lines if line.key[0] == IDLE) == stated
    cells = cohort_money(account).values()
    assert sum(cell.serving_cost for cell in cells) == sum(line.serving_cost for line in cost_by(account))


@settings(max_examples=20, deadline=None)
@given(rollups=small_rollups(), scale=st.sampled_from(["1000", "90000"]))
def test_class_costs_in_the_proportion_of_the_weights_split_a_full_fleet_as_weights_do(base, rollups, scale):
    """So much work that no hour is idle: what is left is the proportion."""
    weights = [base.usage.weights[name] for name in CLASSES]
    seconds = [
        f"{Decimal(each.numerator) / Decimal(each.denominator) * Decimal(scale):f}" for each in weights
    ]
    plain = with_rollups(base, rollups)
    modelled = with_rollups(replace(base, class_costs=ClassCosts([entry("m", *seconds)])), rollups)
    for bucket in range(2):
        before, after = plain.fleet_splits[bucket], modelled.fleet_splits[bucket]
        if after.idle:
            continue
        for one in plain.usage.by("channel", "is_paying"):
            twin = next(
                each for each in modelled.usage.by("channel", "is_paying")
                if (each.bucket, each.key, each.is_own) == (one.bucket, one.key, one.is_own)
            )  # fmt: skip
            if one.bucket == bucket:
                assert before.borne_by(one) == after.borne_by(twin)


@settings(max_examples=15, deadline=None)
@given(rollups=small_rollups(), chance=st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(base, rollups, chance):
    costs = ClassCosts([entry("m", "0.4", "0.01", "0.4", "1.5")])
    order = list(range(rollups["usage"].num_rows))
    chance.shuffle(order)
    shuffled = rollups | {"usage": rollups["usage"].take(order) if order else rollups["usage"]}
    one, other = (with_rollups(replace(base, class_costs=costs), each) for each in (rollups, shuffled))
    assert [split.idle for split in one.fleet_splits] == [split.idle for split in other.fleet_splits]
    assert cost_by(one, "channel") == cost_by(other, "channel")


# --- What is served, what is idle -----------------------------------------------------------------------


def test_idle_time_is_what_tokens_leave(tmp_path):
    books = fleet_books(tmp_path)
    book(books, "usage", [usage(5, "large", 3_600_000)])
    account = opened(books, entry())
    assert account.value("gpu_cost", 0) == Decimal("86.40")
    assert account.value("served_fleet_cost", 0) == Decimal("3.60")
    assert account.value("idle_fleet_cost", 0) == Decimal("82.80")
    assert {line.key[0]: line.fleet for line in cost_by(account, "model")} == {
        IDLE: Decimal("82.80"), "large": Decimal("3.60"),
    }  # fmt: skip
    assert {each.token_class: each.serving_cost for each in cost_by_class(account)} == {
        "uncached_input_tokens": Decimal("3.60"), "idle_fleet": Decimal("82.80"),
    }  # fmt: skip


def test_users_cohorts_and_unit_costs_follow(tmp_path):
    books = fleet_books(tmp_path)
    book(
        books, "acquisitions", [{"user_id": "u1", "acquired_at": "2024-03-01T00:00:00Z", "channel": "video"}]
    )
    book(books, "usage", [usage(5, "large", 3_600_000), usage(5, "large", 3_600_000, user_id="u2")])
    account = opened(books, entry())
    margins = user_margins(account, 0)
    assert margins is not None
    assert margins.cost_pico == 7_200_000_000_000
    assert margins.heaviest_cost_pico == 3_600_000_000_000
    cells = cohort_money(account, by_channels=True)
    by_channel = {
        key and key.channel: cell.serving_cost for (key, _), cell in cells.items() if cell.serving_cost
    }
    assert by_channel == {"video": Decimal("3.60"), None: Decimal("82.80")}
    assert free_use_by(account, "channel") == {("video", 0): Fraction(18, 5), (None, 0): Fraction(18, 5)}
    assert unit_cost_index(account)[date(2024, 3, 1)] == 1


def test_work_above_the_bill_is_spread_over_the_bill_and_nothing_is_idle(tmp_path):
    books = fleet_books(tmp_path)
    book(books, "usage", [usage(5, "large", 300_000_000), usage(5, "small", 100_000_000)])
    account = opened(books, entry(), entry("small"))
    assert account.value("idle_fleet_cost", 0) == Decimal("0.00")
    assert {line.key[0]: line.fleet for line in cost_by(account, "model")} == {
        "large": Decimal("64.80"), "small": Decimal("21.60"),
    }  # fmt: skip
    [pool] = account.fleet_splits[0].pools
    assert pool.is_over
    assert pool.utilisation == pool.implied_derate == Fraction(400_000, 24 * 3_600)
    assert pool.stated_derate == 1


def test_a_token_bears_the_price_of_the_pool_that_serves_it(tmp_path):
    books = fleet_books(tmp_path)
    dear = {"at": "2024-03-05T00:00:00Z", "pool": "dear", **FLEET, "price_per_gpu_hour": "36"}
    book(books, "capacity", [dear])
    book(books, "usage", [usage(5, "large", 3_600_000), usage(5, "small", 3_600_000)])
    account = opened(books, entry(pool="dear"), entry("small"))
    assert {line.key[0]: line.fleet for line in cost_by(account, "model")} == {
        "large": Decimal("36.00"), "small": Decimal("3.60"), IDLE: Decimal("910.80"),
    }  # fmt: skip
    assert [(pool.pool, pool.gpu_hours, pool.idle) for pool in account.fleet_splits[0].pools] == [
        ("", 24, Fraction("82.8")), ("dear", 24, 828),
    ]  # fmt: skip


def test_one_full_pool_does_not_eat_the_idle_time_of_another(tmp_path):
    books = fleet_books(tmp_path, {"a": 1, "b": 1})
    book(books, "usage", [usage(5, "large", 864_000_000)])
    account = opened(books, entry(pool="a"))
    assert account.value("served_fleet_cost", 0) == Decimal("86.40")
    assert account.value("idle_fleet_cost", 0) == Decimal("86.40")


def test_where_all_pools_are_named_the_rest_runs_on_the_whole_fleet(tmp_path):
    books = fleet_books(tmp_path, {"a": 1})
    book(books, "usage", [usage(5, "large", 3_600_000), usage(5, "small", 3_600_000)])
    account = opened(books, entry(pool="a"), entry("small", pool="gone"))
    [pool] = account.fleet_splits[0].pools
    assert (pool.pool, pool.busy.value) == ("", 2)


def test_a_model_without_class_costs_weighs_as_the_others_do_on_average(tmp_path):
    """Twice as dear as the declared weight of 1: so is a unit of weight of the other model."""
    books = fleet_books(tmp_path)
    book(books, "usage", [usage(5, "large", 3_600_000), usage(5, "small", 1_800_000)])
    account = opened(books, entry("large", "0.002", "0", "0", "0"))
    assert {line.key[0]: line.fleet for line in cost_by(account, "model")} == {
        "large": Decimal("7.20"), "small": Decimal("3.60"), IDLE: Decimal("75.60"),
    }  # fmt: skip


def test_leases_without_hours_give_proportions_and_idle_time_has_no_value(tmp_path):
    books = new_books(tmp_path / "books", serving={"own_providers": ["self"]})
    lease = {"vendor": "lessor", "category": "gpu", "period_start": "2024-03-01", "period_end": "2024-04-01",
             "amount": "900.00", "currency": "USD"}  # fmt: skip
    book(books, "bills", [lease])
    book(books, "usage", [usage(5, "large", 2_000), usage(5, "small", 1_000)])
    account = opened(books, entry(), entry("small"))
    assert {line.key[0]: line.fleet for line in cost_by(account, "model")} == {
        "large": Decimal("600.00"), "small": Decimal("300.00"),
    }  # fmt: skip
    idle = account.value("idle_fleet_cost", 0)
    assert isinstance(idle, Missing)
    assert "GPU-hours are not recorded" in idle.en


def test_leases_in_gpu_hours_give_idle_time(tmp_path):
    books = new_books(tmp_path / "books", serving={"own_providers": ["self"]})
    lease = {"vendor": "lessor", "category": "gpu", "period_start": "2024-03-01", "period_end": "2024-04-01",
             "amount": "900.00", "currency": "USD", "quantity": "100", "unit": "GPU-hours"}  # fmt: skip
    book(books, "bills", [lease])
    book(books, "usage", [usage(5, "large", 3_600_000)])
    account = opened(books, entry())
    assert account.value("idle_fleet_cost", 0) == Decimal("891.00")


def test_without_class_costs_weights_spread_everything_and_idle_time_has_no_value(tmp_path):
    books = fleet_books(tmp_path)
    book(books, "usage", [usage(5, "large", 1_000)])
    account = opened(books)
    assert {line.key[0]: line.fleet for line in cost_by(account, "model")} == {"large": Decimal("86.40")}
    assert isinstance(account.value("idle_fleet_cost", 0), Missing)


def test_a_fleet_that_served_nothing_is_idle(tmp_path):
    books = fleet_books(tmp_path)
    book(books, "usage", [usage(5, "large", 1_000, provider="outside")])
    account = opened(books)
    assert account.value("idle_fleet_cost", 0) == account.value("gpu_cost", 0) == Decimal("86.40")


# --- When it holds, and when it was known ---------------------------------------------------------------


def test_a_class_cost_holds_from_its_day_on_and_is_read_as_it_was_known(tmp_path):
    books = fleet_books(tmp_path)
    book(books, "usage", [usage(5, "large", 3_600_000), usage(20, "large", 3_600_000)])
    later = replace(entry("large", "0.002", "0", "0", "0"), valid_from=date(2024, 3, 10))
    corrected = replace(entry("large", "0.003", "0", "0", "0"), known_at=KNOWN + timedelta(days=9))
    account = opened(books, entry(), later, corrected)
    assert account.value("served_fleet_cost", 0) == Decimal("10.80") + Decimal("7.20")
    then = open_account(open_books(books.folder), period=Period.parse("2024-03"), known_at=date(2024, 5, 2))
    assert then.value("served_fleet_cost", 0) == Decimal("3.60") + Decimal("7.20")
    before = open_account(open_books(books.folder), period=Period.parse("2024-03"), known_at=date(2024, 4, 1))
    assert isinstance(before.value("idle_fleet_cost", 0), Missing)


def test_both_classes_of_two_entries_in_one_month_make_the_average_of_a_user(tmp_path):
    books = fleet_books(tmp_path)
    book(books, "usage", [usage(5, "large", 3_600_000), usage(20, "large", 3_600_000)])
    later = replace(entry("large", "0.002", "0", "0", "0"), valid_from=date(2024, 3, 10))
    margins = user_margins(opened(books, entry(), later), 0)
    assert margins is not None
    assert margins.cost_pico == 10_800_000_000_000


def test_a_withdrawn_class_cost_gives_way_to_weights(tmp_path):
    books = fleet_books(tmp_path)
    book(books, "usage", [usage(5, "large", 3_600_000)])
    gone = replace(entry(), seconds={}, source="withdrawn", known_at=KNOWN + timedelta(days=1))
    assert isinstance(opened(books, entry(), gone).value("idle_fleet_cost", 0), Missing)


@settings(max_examples=30, deadline=None)
@given(
    tokens=st.integers(0, 10**12), seconds=SECONDS, low=st.sampled_from(["0.5", "1"]),
    high=st.sampled_from(["1", "2"]), derate=st.sampled_from(["0.5", "0.8", "1"]),
)  # fmt: skip
def test_bounds_of_a_pool_stay_in_order_and_the_derate_is_the_one_stated(
    base, tokens, seconds, low, high, derate
):
    given = GpuSeconds(Decimal(seconds), Decimal(seconds) * Decimal(low), Decimal(seconds) * Decimal(high))
    one = replace(entry("m", prefill_derate=Decimal(derate)), seconds={"uncached_input": given})
    assert one.busy_seconds("uncached_input", "low") <= one.busy_seconds("uncached_input")
    assert one.busy_seconds("uncached_input") <= one.busy_seconds("uncached_input", "high")
    work = one.benchmark_seconds("uncached_input") * tokens
    assert work == one.busy_seconds("uncached_input") * tokens * Fraction(derate)
    assert post_fraction(work, "USD") >= 0
