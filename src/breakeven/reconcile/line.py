"""A line of the reconciliation: what the books say, what the bill says, and the causes between them.

    bill - books = the sum of the parts, to the last minor unit

A part is signed: positive where the bill is higher than the books.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Literal, get_args

from breakeven.account.facts import whole
from breakeven.money import EXACT, post, post_parts

Cause = Literal[
    "unlogged",
    "duplicate",
    "token_count",
    "price",
    "tier",
    "discount",
    "tax",
    "fee",
    "fx",
    "late",
    "time_zone",
    "rounding",
    "unexplained",
]
CAUSES: tuple[Cause, ...] = get_args(Cause)
"""Every cause of a difference, in the order in which it is shown."""

ERRORS: tuple[Cause, ...] = ("unlogged", "duplicate", "token_count", "price", "tier", "unexplained")
"""Causes that say that somebody's figures are wrong. The others are how billing works, and fail no check."""

State = Literal["agrees", "explained", "differs", "no_bill", "no_books", "unpriced"]
RowKey = tuple[str, str]
"""A row of the ledger: its source, and its id there."""

ZERO = Decimal(0)


@dataclass(frozen=True)
class Line:
    """One comparison, posted; `books` or `bill` is None where that side has nothing.

    `id` names the line for good: `2024-08/openai/gpt-4o/output`. Money is in `currency`, the statement's
    unless the line compares money of one account (payments). `bill_rows` are the rows of the bill's side;
    those of the books are found by what the line is of. `names` are the model names that meet in `model`.
    """

    bucket: int
    category: str
    vendor: str
    books: Decimal | None
    bill: Decimal | None
    id: str = ""
    model: str = ""
    token_class: str = ""
    parts: Mapping[Cause, Decimal] = field(default_factory=dict["Cause", Decimal])
    currency: str = ""
    unpriced_tokens: int = 0
    books_quantity: int | None = None
    bill_quantity: Decimal | None = None
    bill_rows: tuple[RowKey, ...] = ()
    names: tuple[str, ...] = ()
    figures: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])
    """What the books' side is made of, where that is worth showing: gross, refunds, fees."""
    note_en: str = ""
    note_zh: str = ""

    @property
    def difference(self) -> Decimal | None:
        """Bill less books, absent books counting as nothing; None where there is no bill to compare with."""
        return None if self.bill is None else self.bill - (self.books or ZERO)

    @property
    def unexplained(self) -> Decimal:
        """What no cause accounts for."""
        return self.parts.get("unexplained", ZERO)

    @property
    def errors(self) -> Decimal:
        """The size of all parts that mean somebody's figures are wrong; they do not offset each other."""
        return sum((abs(self.parts.get(cause, ZERO)) for cause in ERRORS), ZERO)

    @property
    def share(self) -> Decimal | None:
        """The difference over the bill; None when there is no bill to compare with."""
        difference = self.difference
        return EXACT.divide(difference, self.bill) if difference is not None and self.bill else None

    def state(self, tolerance: Decimal) -> State:
        """How the two sides stand when they may differ by a share of the bill.

        `agrees`: within it. `explained`: beyond it, but only by causes that are how billing works (tax,
        discounts, timing, exchange, rounding). `differs`: errors beyond it. `no_books`: billed, and nothing
        in the books. `unpriced`: in the books without a price. `no_bill`: nothing to check against.
        """
        if self.bill is None:
            return "no_bill"
        allowed = EXACT.multiply(tolerance, abs(self.bill))
        if self.books is None and self.unpriced_tokens:
            return "unpriced"
        if self.errors > allowed:
            return "no_books" if self.books is None else "differs"
        return "agrees" if abs(self.difference or ZERO) <= allowed else "explained"


def failed(line: Line, tolerance: Decimal) -> bool:
    """Whether a line makes the check fail."""
    return line.state(tolerance) in ("differs", "no_books", "unpriced")


def posted_parts(parts: Mapping[Cause, Fraction], difference: Decimal, currency: str) -> dict[Cause, Decimal]:
    """Exact parts of a difference, posted so that they sum to it as it is shown.

    Both sides of a line were posted with the other lines of their bill, so that these add up too: what that
    moved by a minor unit is rounding.

    >>> posted_parts({"tax": Fraction(1, 3), "price": Fraction(1, 3)}, Decimal("0.67"), "USD")
    {'price': Decimal('0.34'), 'tax': Decimal('0.33')}
    """
    present: list[Cause] = [cause for cause in CAUSES if parts.get(cause)]
    posted = dict(zip(present, post_parts([whole(parts[cause]) for cause in present], currency), strict=True))
    moved = difference - sum(posted.values(), ZERO)
    if moved:
        posted["rounding"] = posted.get("rounding", ZERO) + moved
    return {cause: post(amount, currency) for cause in CAUSES if (amount := posted.get(cause, ZERO))}
