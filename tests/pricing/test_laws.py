"""Laws that hold for every rate card: the grid, monotony, and parts that sum."""

from __future__ import annotations

import copy
from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakeven.pricing.apply import POOL_DECIMALS, UsageLine, price_usage
from breakeven.pricing.located_yaml import parse_yaml
from breakeven.pricing.price_book import PriceBook
from breakeven.pricing.quotes import Quote, Unpriced
from breakeven.pricing.rate_card import card_from

CLASSES = ("uncached_input", "cached_input", "cache_write", "output")
ZONES = ("UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
CLOCK_CHANGES = ("2024-03-10", "2024-03-31", "2024-04-06", "2024-10-05", "2024-10-27", "2024-11-03")

FIRST = datetime(2024, 1, 1, tzinfo=UTC)

price = st.decimals(min_value=0, max_value=100, places=3).map(str)
factor = st.sampled_from(["0", "0.25", "0.5", "0.9", "1", "2"])
clock = st.integers(0, 95).map(lambda quarter: f"{quarter // 4:02d}:{quarter % 4 * 15:02d}")


@st.composite
def own_prices(draw):
    names = draw(st.sets(st.sampled_from(CLASSES), min_size=1))
    return {"per_mtok": {name: draw(price) for name in CLASSES if name in names}}


def change():
    return st.one_of(factor.map(lambda value: {"multiplier": value}), own_prices())


@st.composite
def windows(draw):
    found = []
    for n in range(draw(st.integers(0, 2))):
        start, end = draw(clock), draw(clock)
        if start == end:
            continue
        window = {
            "name": f"w{n}",
            "from": start,
            "to": end,
            "time_zone": draw(st.sampled_from(ZONES)),
            **draw(change()),
        }
        if draw(st.booleans()):
            window["weekdays"] = sorted(
                draw(st.sets(st.sampled_from(["mon", "wed", "sat", "sun"]), min_size=1))
            )
        if draw(st.booleans()):
            window["first_day"] = draw(st.sampled_from(CLOCK_CHANGES))
        found.append(window)
    return found


@st.composite
def entries(draw):
    entry = {
        "valid_from": draw(
            st.integers(0, 480_000).map(
                lambda minutes: f"{FIRST + timedelta(minutes=minutes):%Y-%m-%dT%H:%M}Z"
            )
        ),
        **draw(own_prices()),
        "windows": draw(windows()),
        "context_tiers": [
            {"above_input_tokens": mark, **draw(change())}
            for mark in sorted(draw(st.sets(st.sampled_from([0, 1000, 32000, 128000]), max_size=2)))
        ],
        "service_tiers": {
            name: draw(change()) for name in draw(st.sets(st.sampled_from(["batch", "priority"])))
        },
    }
    if draw(st.booleans()):
        entry["per_request"] = draw(price)
    if draw(st.booleans()):
        marks = sorted(draw(st.sets(st.integers(1, 5000), min_size=1, max_size=3)))
        tiers = [{"above_tokens": mark, **draw(change())} for mark in marks]
        entry["volume_tiers"] = {"mode": draw(st.sampled_from(["graduated", "whole"])), "tiers": tiers}
    if draw(st.booleans()):
        entry["free_per_month"] = draw(
            st.sampled_from([{"tokens": 700}, {"output": 300, "uncached_input": 10}, {"requests": 3}])
        )
    return entry


@st.composite
def cards(draw):
    dated = {entry["valid_from"]: entry for entry in draw(st.lists(entries(), min_size=1, max_size=3))}
    card = {
        "provider": "house",
        "side": "buy",
        "currency": "USD",
        "time_zone": draw(st.sampled_from(ZONES)),
        "source": "page",
        "models": {"heron": {"prices": list(dated.values())}},
    }
    if draw(st.booleans()):
        card["negotiated"] = [{"valid_from": "2024-06-15T13:37", "multiplier": draw(factor)}]
    return card


def book_of(*written):
    texts = [parse_yaml(yaml.safe_dump(card), "card.yaml") for card in written]
    return PriceBook([[card_from(text, f"layer {n}")] for n, text in enumerate(texts)])


def days():
    some = st.integers(0, 700).map(lambda offset: FIRST + timedelta(days=offset))
    return st.one_of(
        st.sampled_from(CLOCK_CHANGES).map(lambda text: datetime.fromisoformat(text + "T00:00Z")), some
    )


MONTH = date(2024, 5, 1)
QUICK = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
tiers = st.sampled_from(["", "batch", "priority"])
counts = st.one_of(st.just(0), st.integers(0, 3000))
usages = st.lists(st.tuples(tiers, st.integers(0, 5), counts, counts, counts, counts), min_size=1, max_size=5)


def _at(book, day, second, tier="", size=0):
    return book.quote("buy", "house", "heron", tier, day + timedelta(seconds=second), size)


@QUICK
@given(cards(), tiers, st.data())
def test_price_is_one_within_a_slot_of_the_grid(card, tier, data):
    book = book_of(card)
    grid = book.grid("buy")["house", "heron"]
    starts = [datetime.fromisoformat(entry["valid_from"]) for entry in card["models"]["heron"]["prices"]]
    day = data.draw(st.one_of(days(), st.sampled_from([at.replace(hour=0, minute=0) for at in starts])))
    edges = {quarter * 900 for quarter in range(96)} | {at.hour * 3600 + at.minute * 60 for at in starts}
    edges |= {13 * 3600 + 37 * 60, *grid.cuts_seconds_utc}
    found = {}
    for second in sorted(edges | {edge - 1 for edge in edges if edge}):
        slot = bisect_right(grid.cuts_seconds_utc, second)
        quote = _at(book, day, second, tier, 1)
        assert found.setdefault(slot, quote) == quote


@QUICK
@given(cards(), tiers, days(), st.permutations([0, 1, 1000, 1001, 32000, 32001, 128000, 128001, 10**7]))
def test_price_is_one_within_a_band_of_input_whatever_was_asked_before(card, tier, day, sizes):
    book = book_of(card)
    thresholds = book.grid("buy")["house", "heron"].context_thresholds
    found = {}
    for size in sizes:
        quote = _at(book, day, 0, tier, size)
        assert quote == _at(book_of(card), day, 0, tier, size)
        assert found.setdefault(bisect_left(thresholds, size), quote) == quote


def test_a_clock_that_jumps_over_an_edge_is_a_cut():
    """Berlin's clocks jump from 02:00 to 03:00 at 01:00 UTC, over the edge at 02:30."""
    window = {
        "name": "small hours",
        "from": "02:30",
        "to": "05:00",
        "time_zone": "Europe/Berlin",
        "multiplier": "0.5",
    }
    entry = {"valid_from": "2024-01-01", "per_mtok": {"output": "2"}, "windows": [window]}
    book = book_of(
        {"provider": "house", "side": "buy", "currency": "USD", "models": {"heron": {"prices": [entry]}}}
    )
    day = datetime(2024, 3, 31, tzinfo=UTC)
    assert _at(book, day, 3599) != _at(book, day, 3600)
    assert 3600 in book.grid("buy")["house", "heron"].cuts_seconds_utc


def test_a_grid_without_its_cuts_would_be_found_out():
    """The law above can fail: across a cut the price does change."""
    window = {"name": "night", "from": "16:30", "to": "00:30", "multiplier": "0.5"}
    entry = {"valid_from": "2024-01-01", "per_mtok": {"output": "2"}, "windows": [window]}
    book = book_of(
        {"provider": "house", "side": "buy", "currency": "USD", "models": {"heron": {"prices": [entry]}}}
    )
    assert book.grid("buy")["house", "heron"].cuts_seconds_utc == (1800, 59_400)
    day = datetime(2024, 5, 1, tzinfo=UTC)
    assert _at(book, day, 59_399) != _at(book, day, 59_400)


def _lines(book, usage, at=datetime(2024, 12, 24, 3, tzinfo=UTC)):
    found = []
    for tier, requests, *tokens in usage:
        quote = book.quote("buy", "house", "heron", tier, at, sum(tokens[:3]))
        found.append(UsageLine(quote, MONTH, requests, *tokens))
    return found


def _dearer(node, extra):
    """The same card with every price and fee raised; factors are left as they are."""
    if isinstance(node, dict):
        return {
            key: str(Decimal(value) + extra)
            if (key in CLASSES and isinstance(value, str)) or key == "per_request"
            else _dearer(value, extra)
            for key, value in node.items()
        }
    return [_dearer(item, extra) for item in node] if isinstance(node, list) else node


def _raised(card, extra):
    raised = copy.deepcopy(card)
    for entry in raised["models"]["heron"]["prices"]:
        allowance = entry.pop("free_per_month", None)
        changed = _dearer(entry, extra)
        entry.clear()
        entry.update(changed)
        if allowance:
            entry["free_per_month"] = allowance
    return raised


@QUICK
@given(cards(), usages, st.decimals(min_value=0, max_value=50, places=2))
def test_a_dearer_card_never_lowers_cost(card, usage, extra):
    before = price_usage(_lines(book_of(card), usage))
    after = price_usage(_lines(book_of(_raised(card, extra)), usage))
    assert [line.unpriced_tokens for line in after] == [line.unpriced_tokens for line in before]
    assert sum(line.total for line in after) >= sum(line.total for line in before)


@QUICK
@given(cards(), usages)
def test_parts_sum_to_the_whole_and_nothing_is_lost(card, usage):
    lines = _lines(book_of(card), usage)
    for line, priced in zip(lines, price_usage(lines), strict=True):
        parts = [amount for amount in priced.amounts if amount is not None]
        assert sum(parts, priced.request_fee) == priced.total
        assert all(amount >= 0 for amount in (*parts, priced.request_fee))
        for amount, tokens, unpriced in zip(priced.amounts, line.tokens, priced.unpriced_tokens, strict=True):
            assert (amount is None) == (unpriced > 0)
            assert unpriced in (0, tokens)
        if isinstance(line.quote, Unpriced):
            assert priced.unpriced_tokens == line.tokens
            assert priced.unpriced_requests == line.requests


@QUICK
@given(
    st.lists(st.integers(1, 10_000), min_size=1, max_size=6),
    st.lists(st.integers(1, 20_000), min_size=1, max_size=3, unique=True).map(sorted),
    st.integers(0, 12_000),
)
def test_graduated_volume_equals_a_walk_through_the_bands(counts_per_line, marks, free):
    volume = [{"above_tokens": mark, "multiplier": str(Decimal(9 - n) / 10)} for n, mark in enumerate(marks)]
    entry = {
        "valid_from": "2024-01-01",
        "per_mtok": {"output": "7.3"},
        "volume_tiers": {"mode": "graduated", "tiers": volume},
        "free_per_month": {"tokens": free},
    }
    book = book_of(
        {"provider": "house", "side": "buy", "currency": "USD", "models": {"heron": {"prices": [entry]}}}
    )
    priced = price_usage(_lines(book, [("", 1, 0, 0, 0, tokens) for tokens in counts_per_line]))

    total, cost = sum(counts_per_line), Fraction(0)
    for lower, upper, rate in zip(
        [0, *marks], [*marks, total], [10, *(9 - n for n in range(len(marks)))], strict=True
    ):
        cost += max(min(upper, total) - lower, 0) * Fraction("7.3") / 10**6 * Fraction(rate, 10)
    cost *= Fraction(max(total - free, 0), total)
    shown = sum((Fraction(line.total) for line in priced), Fraction(0))
    assert abs(shown - cost) <= Fraction(1, 2 * 10**POOL_DECIMALS)
    assert shown == Fraction(round(cost * 10**POOL_DECIMALS), 10**POOL_DECIMALS)


@QUICK
@given(cards(), usages)
def test_order_of_lines_does_not_matter(card, usage):
    book = book_of(card)
    forward = sum(line.total for line in price_usage(_lines(book, usage)))
    backward = sum(line.total for line in price_usage(_lines(book, usage[::-1])))
    assert forward == backward


@QUICK
@given(cards(), cards(), st.integers(0, 900_000), tiers)
def test_upper_layer_counts_wherever_it_has_a_price(below, above, minutes, tier):
    at = FIRST + timedelta(minutes=minutes)
    below.pop("negotiated", None)
    above.pop("negotiated", None)
    stacked = book_of(below, above).quote("buy", "house", "heron", tier, at, 10)
    upper = book_of(above).quote("buy", "house", "heron", tier, at, 10)
    lower = book_of(below).quote("buy", "house", "heron", tier, at, 10)
    if isinstance(upper, Quote):
        assert stacked.per_token == upper.per_token
    elif upper.code == "no_price_at_that_time":
        assert getattr(stacked, "per_token", None) == getattr(lower, "per_token", None)
    else:
        assert stacked == upper
