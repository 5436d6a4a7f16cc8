"""Laws of the account: parts sum to the whole, order does not matter, dearer never costs less."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakeven.account.account import Account, open_account
from breakeven.account.acquisition import by_channel
from breakeven.account.catalogue import METRICS, MONEY
from breakeven.account.facts import Buckets, Converter
from breakeven.account.margin import cost_by, cost_by_class
from breakeven.account.measures import TOKEN_COLUMNS
from breakeven.account.metrics import Missing
from breakeven.account.usage import COUNTS, PricedUsage, model_cuts
from breakeven.periods import ONE_DAY, Period
from breakeven.pricing.apply import price_at
from breakeven.pricing.fx import Rates
from breakeven.pricing.located_yaml import parse_yaml
from breakeven.pricing.price_book import PriceBook
from breakeven.pricing.rate_card import card_from

from .bookkeeping import book, new_books, write_card
from .cases import FOLDER, open_case, read_case

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
DIMENSIONS = (
    "product", "feature", "provider", "model", "service_tier", "channel", "cohort", "is_paying", "is_failed",
)  # fmt: skip


@pytest.fixture(scope="module")
def company(tiny_company: tuple[Account, dict[str, Any]]) -> Account:
    """Six months of own fleet, an outside model, an API, credit, two currencies."""
    return tiny_company[0]


# --- Parts and wholes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dimensions", [*combinations(DIMENSIONS, 1), *combinations(DIMENSIONS, 2)], ids=str)
def test_usage_by_any_dimensions_sums_to_all_usage(company, dimensions):
    def sums(costs):
        found: dict[Any, Any] = defaultdict(Fraction)
        for cost in costs:
            money = {"bought": cost.bought, "listed": cost.listed, "weight": cost.weight}
            unpriced = {"buy": cost.unpriced_buy_tokens, "sell": cost.unpriced_sell_tokens}
            for name, amount in {**cost.counts, **money, **unpriced}.items():
                found[cost.bucket, name] += amount
        return found

    assert sums(company.usage.by(*dimensions)) == sums(company.usage.by())


@pytest.mark.parametrize(
    "dimensions", [("model",), ("channel", "cohort"), ("product", "is_paying"), ()], ids=str
)
def test_allocated_cost_is_the_statement_to_the_cent(company, dimensions):
    for bucket in range(len(company.buckets.periods)):
        lines = cost_by(company, *dimensions, buckets=[bucket])
        assert sum(line.fleet for line in lines) == company.value("gpu_cost", bucket)
        assert sum(line.bought for line in lines) == company.value("inference_api_cost", bucket)
        assert sum(line.listed for line in lines) == company.value("usage_at_list_price", bucket)
        assert sum(line.tokens for line in lines) == company.value("tokens", bucket)


def test_cost_by_token_class_is_the_serving_cost(company):
    classes = cost_by_class(company)
    months = len(company.buckets.periods)
    assert sum(line.tokens for line in classes) == company.total("tokens")
    stated = sum(line.serving_cost for line in classes)
    # The statement rounds twice a month (bought, fleet); the classes round their sum.
    assert abs(stated - company.total("serving_cost")) <= months * Decimal("0.01")


@pytest.mark.parametrize("dimension", ["channel", "campaign", "creator"])
def test_channels_sum_to_the_acquisition_spend_and_to_all_users(company, dimension):
    lines = by_channel(company, dimension)
    assert sum(line.spend for line in lines) == company.total("acquisition_spend")
    assert sum(line.new_users for line in lines) == company.total("new_users")
    assert sum(line.paid_new_users for line in lines) == company.total("paid_new_users")


NOT_SPLIT = {
    "api_revenue",  # prepaid money is earned by calendar month
    "free_use_cost",  # the fleet of a bucket is spread over the usage of that bucket
    "idle_fleet_cost",  # this company records no class costs; and a GPU-hour's price is that of the bucket
}


def test_the_parts_of_a_month_add_up_to_the_month(company):
    halves: list[Period] = []
    for period in company.buckets.periods:
        middle = period.first + timedelta(days=11)
        halves += [Period(period.first, middle), Period(middle, period.end)]
    split = replace(company, buckets=Buckets(tuple(halves)))
    additive = [metric for metric in METRICS.values() if metric.node is None and metric.additive]
    for metric in additive:
        if metric.id in NOT_SPLIT:
            continue
        for bucket in range(len(company.buckets.periods)):
            whole = company.value(metric.id, bucket)
            parts = [split.value(metric.id, 2 * bucket + half) for half in (0, 1)]
            slack = Decimal("0.01") if metric.unit == MONEY else Decimal(0)
            assert not any(isinstance(part, Missing) for part in (whole, *parts)), metric.id
            assert abs(sum(parts) - whole) <= slack, metric.id


def test_what_does_not_add_up_says_so(company):
    for metric in METRICS.values():
        if metric.node is None and not metric.additive:
            assert isinstance(company.total(metric.id), Missing), metric.id


# --- Order ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["statement_of_a_month", "cash_and_credit"])
def test_the_order_of_rows_and_files_is_irrelevant(name, tmp_path):
    case = read_case(FOLDER / f"{name}.yaml")
    account = open_case(case, tmp_path / "forwards")
    backwards = {}
    for table, rows in reversed(case["rows"].items()):
        lines = rows if isinstance(rows, list) else rows.strip().splitlines()
        turned = lines[::-1] if isinstance(rows, list) else "\n".join([lines[0], *lines[:0:-1]])
        backwards[table] = turned
    other = open_case(case | {"rows": backwards}, tmp_path / "backwards")
    for metric in METRICS:
        for bucket in range(len(account.buckets.periods)):
            assert other.value(metric, bucket) == account.value(metric, bucket), metric


# --- Prices ---------------------------------------------------------------------------------------------

CARD = """
provider: outside
side: {side}
currency: USD
time_zone: America/New_York
source: test
checked_on: 2024-03-01
models:
  m:
    aliases: [m-latest]
    prices:
      - valid_from: 2024-01-01
        per_mtok: {{uncached_input: {a}, cached_input: {b}, cache_write: {c}, output: {d}}}
        per_request: {fee}
        context_tiers: [{{above_input_tokens: 1000, multiplier: 2}}]
        service_tiers: {{batch: {{multiplier: 0.5}}}}
        windows: [{{name: night, from: "22:15", to: "06:45", multiplier: 0.75}}]
      - valid_from: 2024-03-20T09:30
        per_mtok: {{uncached_input: {b}, cached_input: {a}, cache_write: {c}, output: {d}}}
        volume_tiers: {{mode: graduated, tiers: [{{above_tokens: 4000, multiplier: {late}}}]}}
        free_per_month: {{tokens: 500}}
"""
prices = st.decimals(0, 100, places=3)
cards = st.fixed_dictionaries(dict.fromkeys(("a", "b", "c", "d", "fee"), prices) | {"late": prices})


def price_book(**terms: Any) -> PriceBook:
    text = CARD.format(**{"side": "buy", **terms})
    return PriceBook([[card_from(parse_yaml(text, "card.yaml"), "card")]])


@st.composite
def usage_rows(draw: st.DrawFn) -> dict[str, Any]:
    day = date(2024, 3, 1) + timedelta(days=draw(st.integers(0, 59)))
    counts = {name: draw(st.integers(0, 3000)) for name in ("requests", *TOKEN_COLUMNS)}
    return {
        "day": day,
        "utc_day": day - ONE_DAY * draw(st.integers(0, 1)),
        "slot": draw(st.integers(0, 3)),
        "context": draw(st.integers(0, 1)),
        "product": draw(st.sampled_from(["app", "api", None])),
        "feature": draw(st.sampled_from(["chat", None])),
        "provider": draw(st.sampled_from(["outside", "outside", "self", "nobody"])),
        "model": draw(st.sampled_from(["m", "m-latest", "other"])),
        "service_tier": draw(st.sampled_from([None, "batch", "unknown"])),
        "rows": 1,
        "uncounted": 0,
        **counts,
    }


some_usage = st.lists(usage_rows(), min_size=1, max_size=12)
MONTHS = Buckets.months_of(Period.parse("2024-03..2024-04"))


def priced(rows: list[dict[str, Any]], book: PriceBook, buckets: Buckets = MONTHS) -> PricedUsage:
    fields = {name: pa.date32() for name in ("day", "utc_day")}
    fields |= dict.fromkeys(("product", "feature", "provider", "model", "service_tier"), pa.string())
    schema = pa.schema([(name, fields.get(name, pa.int64())) for name in rows[0]])
    weights = dict(zip(COUNTS[1:5], map(Fraction, (1, "0.1", 1, 4)), strict=True))
    return PricedUsage(
        pa.Table.from_pylist(rows, schema), model_cuts(book), book, buckets, Converter("USD", Rates()),
        own_providers=["self"], weights=weights,
    )  # fmt: skip


def bought(usage: PricedUsage) -> Fraction:
    return sum((Fraction(cost.bought) for cost in usage.by()), Fraction(0))


@settings(max_examples=25, deadline=None)
@given(rows=some_usage, card=cards, seed=st.integers(0, 99))
def test_volume_and_allowances_too_sum_to_the_whole_in_any_order(rows, card, seed):
    book = price_book(**card)
    usage = priced(rows, book)
    whole = usage.by()
    shuffled = random.Random(seed).sample(rows, len(rows))
    assert priced(shuffled, book).by() == whole
    for dimensions in (("model",), ("product", "service_tier"), ("day",)):
        parts = usage.by(*dimensions)
        for bucket in (0, 1):
            for is_own in (False, True):
                mine = [cost for cost in parts if (cost.bucket, cost.is_own) == (bucket, is_own)]
                both = [cost for cost in whole if (cost.bucket, cost.is_own) == (bucket, is_own)]
                assert sum(cost.bought for cost in mine) == sum(cost.bought for cost in both)
                assert sum(cost.weight for cost in mine) == sum(cost.weight for cost in both)


@settings(max_examples=25, deadline=None)
@given(rows=some_usage, card=cards)
def test_splitting_a_month_keeps_its_cost(rows, card):
    book = price_book(**card)
    weeks = [Period(date(2024, 3, 1), date(2024, 3, 12)), Period(date(2024, 3, 12), date(2024, 4, 1))]
    split = Buckets((*weeks, Period.parse("2024-04")))
    assert bought(priced(rows, book, split)) == bought(priced(rows, book))


@settings(max_examples=25, deadline=None)
@given(rows=some_usage, card=cards, dearer=cards)
def test_a_dearer_card_never_lowers_the_cost(rows, card, dearer):
    more = {name: card[name] + dearer[name] for name in card}
    assert bought(priced(rows, price_book(**more))) >= bought(priced(rows, price_book(**card)))


def test_adding_up_first_changes_no_price(tmp_path: Path):
    """Five hundred requests at random moments, over a change to daylight saving: booked cost is the sum of
    each request priced by itself."""
    chance = random.Random(7)
    text = CARD.format(side="buy", a=1.1, b=0.3, c=1.7, d=9.9, fee=0.001, late=1)
    text = text[: text.index("        volume_tiers")]
    books = new_books(tmp_path / "books", time_zone="Asia/Shanghai")
    write_card(books, "outside", text)
    start, rows = datetime(2024, 3, 8, tzinfo=UTC), []
    for _ in range(500):
        seconds = chance.randrange(20 * 86_400)
        # Two of three fall on a quarter of an hour, where windows begin and end.
        at = start + timedelta(seconds=chance.choice([seconds, seconds // 900 * 900, seconds // 900 * 900]))
        tokens = {name: chance.choice([0, 500, 501, chance.randrange(2000)]) for name in TOKEN_COLUMNS[:4]}
        rows.append({"at": at.isoformat(), "provider": "outside", "model": chance.choice(["m", "m-latest"]),
                     "service_tier": chance.choice(["", "batch"]), **tokens})  # fmt: skip
    book(books, "usage", rows)
    account = open_account(books)
    expected, unpriced = Decimal(0), 0
    card = PriceBook([[card_from(parse_yaml(text, "card.yaml"), "card")]])
    for row in rows:
        tokens = {name: row[name] for name in TOKEN_COLUMNS[:4]}
        at = datetime.fromisoformat(row["at"])
        tier = row["service_tier"]
        line = price_at(card, "buy", "outside", row["model"], at, service_tier=tier, **tokens)
        expected += line.total
        unpriced += sum(line.unpriced_tokens)
    assert sum(Fraction(cost.bought) for cost in account.usage.by()) == Fraction(expected)
    # The second entry of the card has no batch tier.
    assert account.value("unpriced_tokens", 0) == unpriced > 0
