"""Laws of the reconciliation: whatever is booked, reported and billed, the parts are the difference."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakeven.account.facts import Buckets, Converter, post_fraction
from breakeven.account.ledger_rows import Bill
from breakeven.ledger.coverage import Coverage
from breakeven.periods import Period
from breakeven.pricing.fx import Rates
from breakeven.pricing.price_book import PriceBook
from breakeven.pricing.terms import TOKEN_CLASSES
from breakeven.reconcile.booked import Booked, Counts, Tokens
from breakeven.reconcile.draft import post_lines
from breakeven.reconcile.inference import against_bills
from breakeven.reconcile.line import CAUSES, posted_parts
from breakeven.reconcile.names import Names

from .cases import OUTSIDE

MONTHS = Period.parse("2024-07..2024-08")
RATE = Decimal("1.1")
AGREED = "negotiated:\n  - {multiplier: 0.7, valid_from: 2024-01-01, source: the contract}\n"
amounts = st.integers(-50_000, 500_000).map(lambda millis: Fraction(millis, 1000))
tokens = st.builds(
    lambda quantity, price, unpriced: Tokens(
        quantity, Fraction((quantity - min(unpriced, quantity)) * price, 1000), min(unpriced, quantity)
    ),
    st.integers(0, 1000),
    st.integers(0, 50),
    st.sampled_from([0, 0, 0, 7, 1000]),
)
models = st.sampled_from(["m", "n"])
cells = st.tuples(st.integers(0, 1), st.just("outside"), models, st.sampled_from(TOKEN_CLASSES))
months = st.tuples(st.integers(0, 1), st.just("outside"), models)
sums = st.dictionaries(cells, st.dictionaries(st.sampled_from(["", "batch"]), tokens, min_size=1), max_size=6)
counts = st.dictionaries(
    months,
    st.builds(
        Counts,
        st.one_of(st.none(), st.integers(0, 50)),
        st.lists(st.integers(0, 1000), min_size=4, max_size=4),
    ),
)
moves = st.dictionaries(
    months,
    st.builds(Counts, st.integers(-3, 3), st.lists(st.integers(-50, 50), min_size=4, max_size=4)),
)


@st.composite
def bills(draw: st.DrawFn) -> list[Bill]:
    found: list[Bill] = []
    for number in range(draw(st.integers(0, 8))):
        first = draw(st.sampled_from([date(2024, 7, 1), date(2024, 7, 20), date(2024, 8, 1)]))
        end = draw(st.sampled_from([date(2024, 8, 1), date(2024, 8, 10), date(2024, 9, 1)]))
        if end <= first:
            continue
        in_euro = draw(st.booleans())
        found.append(
            Bill(
                "outside", "inference_api", draw(st.sampled_from(["", "m", "n", "other"])),
                Period(first, end), draw(amounts), "EUR" if in_euro else "USD", "",
                draw(st.sampled_from(["one", "one", "two"])), f"row-{number}",
                draw(st.sampled_from(["usage", "usage", "usage", "tax", "discount", "fee"])),
                draw(st.sampled_from(["", *TOKEN_CLASSES])), draw(st.sampled_from(["", "standard", "batch"])),
                draw(st.one_of(st.none(), st.integers(0, 3000).map(Fraction))),
                draw(st.sampled_from(["tokens", "images"])),
                draw(st.one_of(st.none(), amounts)) if in_euro else None, "USD" if in_euro else "",
            )
        )  # fmt: skip
    return found


@pytest.fixture(scope="module", params=["", AGREED], ids=["list", "agreed"])
def prices(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PriceBook:
    folder: Path = tmp_path_factory.mktemp("cards")
    (folder / "outside.yaml").write_text(OUTSIDE + request.param, "utf-8")
    return PriceBook.load([folder], include_shipped=False)


def an_account(prices: PriceBook, owed: list[Bill]) -> Any:
    days = dict.fromkeys(MONTHS.days(), (RATE, "our bank"))
    return SimpleNamespace(
        prices=prices,
        bills=owed,
        buckets=Buckets.months_of(MONTHS),
        converter=Converter("USD", Rates({("EUR", "USD"): days})),
        coverage=Coverage({"usage": (MONTHS,)}),
        rollups={"usage": SimpleNamespace(num_rows=0)},
        books=SimpleNamespace(settings=SimpleNamespace(time_zone="UTC")),
    )


@given(
    stated=sums,
    moved_sums=st.one_of(st.none(), sums),
    counted=counts,
    reported=counts,
    moved=moves,
    owed=bills(),
)
def test_parts_sum_to_the_difference(
    prices: PriceBook, stated: Any, moved_sums: Any, counted: Any, reported: Any, moved: Any, owed: list[Bill]
):
    account = an_account(prices, owed)
    written = {("outside", name): {name} for name in ("m", "n")}
    shifted = stated if moved_sums is None else moved_sums
    books = Booked(Names(account, ["outside"]), stated, shifted, counted, reported, moved, written)
    drafts = against_bills(account, books)
    for draft in drafts:
        assert draft.bill is None or draft.left == 0, draft
    lines = post_lines(drafts, "USD", ["2024-07", "2024-08"])
    for line in lines:
        if line.difference is not None:
            assert sum(line.parts.values(), Decimal(0)) == line.difference, line
    assert len({line.id for line in lines}) == len(lines)
    for bucket, period in enumerate(account.buckets.periods):
        mine = [line for line in lines if line.bucket == bucket]
        # Nothing of the bills and of the books is lost on the way.
        billed = sum(
            (
                bill.amount
                * part.day_count
                / bill.period.day_count
                * (Fraction(RATE) if bill.currency == "EUR" else 1)
                for bill in owed
                if (part := bill.period.overlap(period))
            ),
            Fraction(0),
        )
        if any(line.bill is not None for line in mine):
            assert sum((line.bill or Decimal(0) for line in mine), Decimal(0)) == post_fraction(billed, "USD")
        held = sum(
            (one.amount for cell, tiers in stated.items() if cell[0] == bucket for one in tiers.values()),
            Fraction(0),
        )
        assert sum((line.books or Decimal(0) for line in mine), Decimal(0)) == post_fraction(held, "USD")


@given(
    st.dictionaries(st.sampled_from(CAUSES), amounts, max_size=6),
    st.sampled_from(["USD", "JPY", "KWD"]),
    st.integers(-1, 1),
)
def test_posted_parts_sum_to_what_is_shown(parts: Any, currency: str, moved: int):
    units = {"USD": "0.01", "JPY": "1", "KWD": "0.001"}
    shown = post_fraction(sum(parts.values(), Fraction(0)), currency) + moved * Decimal(units[currency])
    posted = defaultdict(Decimal, posted_parts(parts, shown, currency))
    assert sum(posted.values(), Decimal(0)) == shown
    for cause in CAUSES:
        # A part moves by less than a minor unit; rounding takes what the two sides of the line were moved.
        allowed = 2 if cause == "rounding" else 1
        assert abs(Fraction(posted[cause]) - parts.get(cause, 0)) <= allowed * Fraction(units[currency])
