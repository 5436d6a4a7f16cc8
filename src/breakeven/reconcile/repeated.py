"""Bills that two sources bring in: the second one is shown as what it is, a duplicate on the bill's side."""

from __future__ import annotations

from fractions import Fraction

from breakeven.reconcile.billed import Part
from breakeven.reconcile.draft import Draft


def billed_again(category: str, bucket: int, vendor: str, again: list[Part]) -> list[Draft]:
    """One draft per source that bills what another one billed: all of it is there twice."""
    found: list[Draft] = []
    for source in sorted({part.bill.source for part in again}):
        mine = [part for part in again if part.bill.source == source]
        amount = sum((part.accrued for part in mine), Fraction(0))
        draft = Draft(
            bucket, category, vendor, None, amount, suffix=f"again:{source}",
            bill_rows=tuple(dict.fromkeys((part.bill.source, part.bill.source_id) for part in mine)),
            note_en=f"billed a second time, by source {source}", note_zh=f"来源 {source} 重复计费",
        )  # fmt: skip
        draft.parts["duplicate"] = amount
        found.append(draft)
    return found
