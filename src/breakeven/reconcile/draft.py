"""From exact comparisons to posted lines: vendors add up to the statement, lines to their vendor's bill."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from breakeven.account.facts import post_fraction, whole
from breakeven.money import post, post_parts
from breakeven.reconcile.billed import Charges
from breakeven.reconcile.line import Cause, Line, RowKey, posted_parts


@dataclass
class Draft:
    """A comparison in exact fractions. Without a `bill` it has no parts; a side that is None has nothing.

    The parts of a draft with a bill sum to `bill - books` exactly.
    """

    bucket: int
    category: str
    vendor: str
    books: Fraction | None
    bill: Fraction | None
    model: str = ""
    token_class: str = ""
    parts: dict[Cause, Fraction] = field(default_factory=lambda: defaultdict[Cause, Fraction](Fraction))
    unpriced_tokens: int = 0
    books_quantity: int | None = None
    bill_quantity: Fraction | None = None
    bill_rows: tuple[RowKey, ...] = ()
    names: tuple[str, ...] = ()
    suffix: str = ""
    """Tells a line apart from another of the same vendor, model and class."""
    note_en: str = ""
    note_zh: str = ""

    @property
    def left(self) -> Fraction:
        """What no part accounts for yet."""
        gone = sum(self.parts.values(), Fraction(0))
        return (self.bill or Fraction(0)) - (self.books or Fraction(0)) - gone


def draft_of(
    bucket: int, category: str, vendor: str, books: Fraction | None, charges: Charges, model: str = "",
    token_class: str = "",
) -> Draft:  # fmt: skip
    """A comparison with lines of a bill: what is no usage explains itself, and so does exchange.

    Where the books have nothing, all usage billed was not logged.
    """
    draft = Draft(
        bucket, category, vendor, books, charges.total, model, token_class,
        bill_rows=tuple(dict.fromkeys(charges.rows)),
    )  # fmt: skip
    draft.parts.update(charges.others)
    draft.parts["fx"] += charges.fx
    if books is None:
        draft.parts["unlogged"] += charges.usage
    return draft


def settle(draft: Draft, half_units: Fraction, cause: Cause) -> None:
    """Give what is left to rounding where it is no more than rounding can be, else to a cause."""
    left = draft.left
    if left:
        draft.parts["rounding" if abs(left) <= half_units else cause] += left


def post_lines(drafts: Sequence[Draft], currency: str, periods: Sequence[str]) -> list[Line]:
    """Post drafts of one category.

    Within a bucket the vendors' books add up to the posted total of all, as the statement posts it; a
    vendor's bill is posted by itself, as the vendor writes it; lines add up to their vendor on both sides.
    """
    books = _posted_books(drafts, currency)
    bills = _posted_bills(drafts, currency)
    lines: list[Line] = []
    for position, draft in enumerate(drafts):
        held, owed = books.get(position), bills.get(position)
        parts: dict[Cause, Decimal] = {}
        if owed is not None:
            parts = posted_parts(draft.parts, owed - (held or Decimal(0)), currency)
        quantity = draft.bill_quantity
        lines.append(
            Line(
                draft.bucket, draft.category, draft.vendor, held, owed, _id(draft, periods), draft.model,
                draft.token_class, parts, currency, draft.unpriced_tokens, draft.books_quantity,
                None if quantity is None else whole(quantity), draft.bill_rows, draft.names,
                note_en=draft.note_en, note_zh=draft.note_zh,
            )
        )  # fmt: skip
    return lines


def _id(draft: Draft, periods: Sequence[str]) -> str:
    category = "" if draft.category == "inference_api" else draft.category
    said = (periods[draft.bucket], category, draft.vendor, draft.model, draft.token_class, draft.suffix)
    return "/".join(part for part in said if part)


def _posted_books(drafts: Sequence[Draft], currency: str) -> dict[int, Decimal]:
    posted: dict[int, Decimal] = {}
    for of_bucket in _grouped(drafts, lambda draft: (draft.bucket, draft.category)):
        vendors = list(_grouped(drafts, lambda draft: draft.vendor, of_bucket))
        totals = [sum((drafts[i].books or Fraction(0) for i in mine), Fraction(0)) for mine in vendors]
        for mine, total in zip(vendors, post_parts([whole(t) for t in totals], currency), strict=True):
            held = [i for i in mine if drafts[i].books is not None]
            posted |= _split(held, [drafts[i].books or Fraction(0) for i in held], total, currency)
    return posted


def _posted_bills(drafts: Sequence[Draft], currency: str) -> dict[int, Decimal]:
    posted: dict[int, Decimal] = {}
    for mine in _grouped(drafts, lambda draft: (draft.bucket, draft.category, draft.vendor)):
        owed = [i for i in mine if drafts[i].bill is not None]
        amounts = [drafts[i].bill or Fraction(0) for i in owed]
        posted |= _split(owed, amounts, post_fraction(sum(amounts, Fraction(0)), currency), currency)
    return posted


def _grouped(drafts: Sequence[Draft], key: object, among: Iterable[int] | None = None) -> list[list[int]]:
    groups: dict[object, list[int]] = defaultdict(list)
    for position in range(len(drafts)) if among is None else among:
        groups[key(drafts[position])].append(position)  # type: ignore[operator]
    return list(groups.values())


def _split(
    positions: Sequence[int], amounts: Sequence[Fraction], total: Decimal, currency: str
) -> dict[int, Decimal]:
    """Exact amounts posted so that they sum to a total that is a minor unit from theirs at most."""
    parts = [post(part, currency) for part in post_parts([whole(amount) for amount in amounts], currency)]
    if parts:
        largest = max(range(len(parts)), key=lambda i: (abs(amounts[i]), -i))
        parts[largest] += total - sum(parts, Decimal(0))
    return dict(zip(positions, parts, strict=True))
