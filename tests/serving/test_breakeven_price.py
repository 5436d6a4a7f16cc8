"""Break-even prices by hand, and the laws that hold for any."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from breakeven.errors import InputError
from breakeven.serving.breakeven_price import Offer, Solution, TokenPrices, Tokens
from breakeven.serving.class_work import ClassWork
from breakeven.serving.estimate import Estimate
from breakeven.serving.price_drift import PriceDrift, drift_path, halving_months, months_to_zero

CASES = yaml.safe_load((Path(__file__).parent / "money_cases/breakeven_price.yaml").read_text())


def offer_of(case) -> Offer:
    return Offer(
        Tokens(*map(float, case["tokens"])),
        ClassWork(*map(Estimate.exact, case["work"])),
        case["gpu_price"],
        TokenPrices(*case["prices"]),
        case["utilisation"],
        case["free_share"],
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_by_hand(case):
    offer, expect = offer_of(case), case["expect"]
    assert offer.cost_per_request.value == pytest.approx(expect["cost"])
    assert offer.revenue_per_request == pytest.approx(expect["revenue"])
    assert offer.margin.value == pytest.approx(expect["margin"])
    assert offer.price_level.value == pytest.approx(expect["price_level"])
    own = offer.class_prices()
    assert [own.uncached_input_per_mtok, own.cached_input_per_mtok, own.output_per_mtok] == pytest.approx(
        expect["own_prices"]
    )
    for lever in ("utilisation", "gpu_price", "work", "free_share", "cached_share"):
        wanted = expect[lever]
        threshold = getattr(offer, f"{lever}_that_pays")()
        if wanted in ("never", "always"):
            assert threshold.middle == Solution(wanted)
        elif isinstance(wanted, list):
            assert (threshold.direction, threshold.middle.value) == (wanted[0], pytest.approx(wanted[1]))
        else:
            assert threshold.middle.value == pytest.approx(wanted)


work = st.floats(1e-6, 1e-3)
price = st.floats(0.01, 50)
count = st.floats(1, 1e5)
share = st.floats(0.05, 1.0)


@st.composite
def offers(draw) -> Offer:
    def interval() -> Estimate:
        middle = draw(work)
        return Estimate(middle, middle * draw(st.floats(0.5, 1)), middle * draw(st.floats(1, 2)))

    return Offer(
        Tokens(draw(count), draw(count), draw(count)),
        ClassWork(interval(), interval(), interval()),
        draw(st.floats(0.1, 20)),
        TokenPrices(draw(price), draw(price), draw(price)),
        draw(share),
        1 - draw(share),
    )


@given(offers())
def test_the_margin_is_zero_at_the_break_even_price(offer: Offer):
    for bound in ("value", "low", "high"):
        sold = replace(offer, prices=offer.breakeven_prices(bound))
        assert getattr(sold.price_level, bound) == pytest.approx(1)
    assert replace(offer, prices=offer.breakeven_prices()).margin.value == pytest.approx(0, abs=1e-9)


@given(offers())
def test_every_threshold_that_has_a_value_is_where_the_margin_is_zero(offer: Offer):
    found = offer.utilisation_that_pays().middle
    if found.value is not None:
        assert replace(offer, utilisation=found.value).margin.value == pytest.approx(0, abs=1e-9)
    found = offer.gpu_price_that_pays().middle
    assert replace(offer, price_per_gpu_hour=found.value).margin.value == pytest.approx(0, abs=1e-9)
    found = offer.free_share_that_pays().middle
    if found.value is not None:
        assert replace(offer, free_share=found.value).margin.value == pytest.approx(0, abs=1e-9)
    found = offer.cached_share_that_pays().middle
    if found.value is not None:
        tokens = offer.tokens.with_cached_share(found.value)
        assert replace(offer, tokens=tokens).margin.value == pytest.approx(0, abs=1e-6)


@given(offers())
def test_what_each_class_costs_alone_sums_to_the_cost(offer: Offer):
    sold = replace(offer, prices=offer.class_prices())
    assert sold.revenue_per_request == pytest.approx(sold.cost_per_request.value)


@given(offers(), st.floats(1.01, 3))
def test_margin_rises_with_price_and_utilisation_and_falls_with_work(offer: Offer, factor: float):
    margin = offer.margin.value
    assert replace(offer, prices=offer.prices.times(factor)).margin.value > margin
    assert replace(offer, price_per_gpu_hour=offer.price_per_gpu_hour * factor).margin.value < margin
    assert replace(offer, utilisation=offer.utilisation / factor).margin.value < margin
    assert offer.margin.low <= margin <= offer.margin.high


def test_what_cannot_be_is_refused():
    offer = offer_of(CASES[0])
    for wrong in (
        {"utilisation": 0.0},
        {"utilisation": 60.0},
        {"free_share": 1.0},
        {"price_per_gpu_hour": 0.0},
    ):
        with pytest.raises(InputError):
            replace(offer, **wrong)
    with pytest.raises(InputError, match="earn nothing"):
        _ = replace(offer, prices=TokenPrices(0, 0, 0)).margin
    with pytest.raises(InputError, match="without tokens"):
        Tokens(0, 0, 0)


def test_a_list_that_halves():
    drift = PriceDrift(Decimal(6))
    assert [drift.price(Decimal("2.19"), month) for month in (0, 6, 12, 60)] == [
        Decimal("2.19"), Decimal("1.095"), Decimal("0.5475"), Decimal("2.19") / 1024,
    ]  # fmt: skip
    assert drift.factor(3) ** 2 == pytest.approx(Decimal("0.5"))
    steps = PriceDrift(Decimal(6), "steps")
    assert [steps.factor(month) for month in (5, 6, 11, 12)] == [
        1,
        Decimal("0.5"),
        Decimal("0.5"),
        Decimal("0.25"),
    ]
    for months in ("0", "-6"):
        with pytest.raises(InputError, match="cannot halve"):
            PriceDrift(Decimal(months))


def test_when_the_margin_is_gone():
    path = drift_path(Estimate(0.25, 0.125, 0.5), PriceDrift(Decimal(6)), 24)
    assert (path.zero_months, path.zero_low, path.zero_high) == (12.0, 6.0, 18.0)
    assert path.points[12].margin.value == pytest.approx(0)
    assert months_to_zero(1.2, PriceDrift(Decimal(6))) == 0.0
    assert months_to_zero(0.25, PriceDrift(Decimal(6)), PriceDrift(Decimal(12))) == 24.0
    assert months_to_zero(0.25, PriceDrift(Decimal(12)), PriceDrift(Decimal(6))) is None


@given(st.floats(0.01, 0.99), st.integers(1, 36), st.integers(0, 60))
def test_the_path_crosses_zero_where_it_says(level: float, every: int, month: int):
    drift = PriceDrift(Decimal(every))
    path = drift_path(Estimate.exact(level), drift, month)
    assert (path.points[-1].margin.value > 1e-9) <= (path.zero_months > month - 1e-6)
    assert (path.points[-1].margin.value < -1e-9) <= (path.zero_months < month + 1e-6)


def test_how_fast_a_price_fell():
    """DeepSeek-R1's list in dollars: 0.55 + 2.19 at its release, 0.28 + 0.42 from 2025-09-29, in 252 days."""
    months = halving_months((date(2025, 1, 20), Decimal("2.74")), (date(2025, 9, 29), Decimal("0.70")))
    assert float(months) == pytest.approx(252 / 30.436875 / 1.968749, rel=1e-5)
    with pytest.raises(InputError, match="did not fall"):
        halving_months((date(2025, 1, 20), Decimal(1)), (date(2025, 9, 29), Decimal(1)))


def test_deepseeks_published_day():
    """608 B tokens in, 342 B of them cached, 168 B out, on 226.75 nodes of eight H800 at 2 USD an hour.

    Cost 87,072 USD, income at R1's list 562,027 USD by exact tokens; from the rounded tokens 562,100.
    """
    tokens = Tokens(266e9, 342e9, 168e9)
    node_seconds = 226.75 * 8 * 86_400
    # Any split over classes gives the same day; here by the nodes that the published rates imply.
    prefill = 95.5 / (95.5 + 131.25)
    work = ClassWork(
        Estimate.exact(node_seconds * prefill / 266e9),
        Estimate.exact(0.0),
        Estimate.exact(node_seconds * (1 - prefill) / 168e9),
    )
    day = Offer(tokens, work, 2.0, TokenPrices(0.55, 0.14, 2.19))
    assert day.cost_per_request.value == pytest.approx(87_072, rel=1e-9)
    assert day.revenue_per_request == pytest.approx(562_100, rel=1e-9)
    assert day.revenue_per_request / day.cost_per_request.value - 1 == pytest.approx(5.45, abs=0.01)
    own = day.class_prices()
    assert own.uncached_input_per_mtok == pytest.approx(0.138, abs=5e-4)
    assert own.output_per_mtok == pytest.approx(0.300, abs=5e-4)
    assert day.breakeven_prices().output_per_mtok == pytest.approx(2.19 * 87_072 / 562_100)
