"""Inference bought by API: which usage a line of a provider's bill is compared with.

A bill is compared at the level it has (model and token class, model, or the vendor as a whole): all finer
lines of the books roll up into it, and a split that the bill does not make is never invented.
"""

from __future__ import annotations

from collections import defaultdict

from breakeven.account.account import Account
from breakeven.reconcile.billed import (
    Charges,
    Part,
    add_usage,
    parts_of,
    second_bills,
    spread,
    tokens_of,
)
from breakeven.reconcile.booked import Booked, Cell, booked, tokens_by_day, total
from breakeven.reconcile.draft import Draft
from breakeven.reconcile.names import meeting_names
from breakeven.reconcile.repeated import billed_again
from breakeven.reconcile.steps import CATEGORY, Group, Key, common_factors, compared, written


def inference(account: Account) -> list[Draft]:
    """Every comparison of bought inference."""
    return against_bills(account, booked(account))


def against_bills(account: Account, books: Booked) -> list[Draft]:
    """What is booked against the bills of the account."""
    bills = [bill for bill in account.bills if bill.category == CATEGORY]
    by_vendor: dict[tuple[int, str], list[Part]] = defaultdict(list)
    for part in parts_of(account, bills, "usage", tokens_by_day(account, books.names)):
        by_vendor[part.bucket, books.names.vendor(part.bill.vendor)].append(part)
    cells: dict[tuple[int, str], set[Cell]] = defaultdict(set)
    for cell in (*books.stated, *books.by_billed_month):
        cells[cell[0], cell[1]].add(cell)
    drafts: list[Draft] = []
    for bucket, provider in sorted(by_vendor.keys() | cells.keys()):
        mine, parts = cells.get((bucket, provider), set()), by_vendor.get((bucket, provider))
        if parts is None:
            drafts += _without_bill(books, bucket, provider, mine)
            continue
        counting, again = second_bills(parts)
        groups = _groups(books, bucket, provider, mine, counting)
        factors = common_factors(books, groups)
        drafts += [compared(account, books, group, factors) for group in groups]
        drafts += billed_again(CATEGORY, bucket, provider, again)
    return drafts


def _without_bill(books: Booked, bucket: int, provider: str, cells: set[Cell]) -> list[Draft]:
    """A provider without a bill, as one line: there is nothing to check it against."""
    cells = cells & books.stated.keys()
    tokens = total(books.stated, cells)
    if not cells:
        return []
    return [
        Draft(
            bucket, CATEGORY, provider, tokens.known_amount, None,
            unpriced_tokens=tokens.unpriced, books_quantity=tokens.quantity, names=written(books, cells),
        )
    ]  # fmt: skip


def _groups(books: Booked, bucket: int, provider: str, cells: set[Cell], parts: list[Part]) -> list[Group]:
    """Lines of the bill, each with the cells of the books that it is of.

    A model that the bill names is billed under its name alone; a model that it does not name belongs to the
    lines without a model, where there are any.
    """
    usage = [part for part in parts if part.bill.charge == "usage"]

    def said(part: Part) -> str:
        return books.names.model(provider, part.bill.model)

    meet = meeting_names({cell[2] for cell in cells}, {said(part) for part in usage})
    # A bill that names service tiers at all names them where they are not the standard one.
    names_tiers = any(part.bill.service_tier for part in usage)
    charges: dict[Key, Charges] = {}
    for part in usage:
        key = (meet.get(said(part), said(part)), part.bill.token_class)
        add_usage(charges.setdefault(key, Charges(names_tiers=names_tiers)), part, tokens_of)
    billed = set(charges)
    for part in parts:
        if part.bill.charge != "usage":
            spread(charges, part, meet.get(said(part), said(part)))
    named = {model for model, _ in billed}
    groups = {
        key: Group(bucket, provider, key, charge, is_billed=key[0] in named)
        for key, charge in sorted(charges.items())
    }
    for cell in sorted(cells):
        model, token_class = meet.get(cell[2], cell[2]), cell[3]
        tried = [(model, token_class), (model, "")] if model in named else [("", token_class), ("", "")]
        key = next((key for key in tried if key in billed), (model, token_class))
        group = groups.setdefault(key, Group(bucket, provider, key, Charges(), is_billed=key[0] in named))
        group.cells.add(cell)
    return list(groups.values())
