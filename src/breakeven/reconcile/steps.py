"""From the books to a provider's bill, step by step; each step takes the figures that the one before left.

    booked --months cut elsewhere--> --late--> --requests not logged, or logged twice--> --token counts-->
           --service tiers--> --prices--> charged --discount, tax, fee, exchange--> billed

Quantities are valued at the books' own mean price of the tokens compared, so the steps add up. What is left
where a quantity is known is the price; where none is known it has no explanation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from fractions import Fraction

from breakeven.account.account import Account
from breakeven.pricing.fx import NoRate
from breakeven.pricing.quotes import Unpriced
from breakeven.pricing.terms import TOKEN_CLASSES
from breakeven.reconcile.billed import Charges
from breakeven.reconcile.booked import REQUEST_FEES, Booked, Cell, Tokens, total
from breakeven.reconcile.draft import Draft, settle

CATEGORY = "inference_api"
ZERO = Fraction(0)
Key = tuple[str, str]
"""Model and token class of a group; empty where the bill does not name them."""


@dataclass
class Group:
    """What one line compares: cells of the books, and lines of the bill. `is_billed`: the bill names it."""

    bucket: int
    provider: str
    key: Key
    charges: Charges
    is_billed: bool
    cells: set[Cell] = field(default_factory=set[Cell])

    @property
    def is_single(self) -> bool:
        """Whether it holds one token class of one model, so that its mean price is a price."""
        models = {cell[2] for cell in self.cells}
        classes = {self.key[1]} if self.key[1] else {cell[3] for cell in self.cells}
        return len(models) <= 1 and len(classes) <= 1


@dataclass(frozen=True)
class Flow:
    """A group's tokens in the billed month: booked, moved over its edges, and what requests say of the rest.

    `lacking` are tokens of requests that the provider counts and the books do not (negative: the other way
    round), None where nobody counted requests. `quantity` is what the bill counts, else the provider's
    report; None where neither does.
    """

    tokens: Fraction
    late: Fraction
    lacking: Fraction | None
    quantity: Fraction | None

    @property
    def held(self) -> Fraction:
        """Tokens of the books, in the month in which the provider holds them."""
        return self.tokens + self.late


def flow_of(books: Booked, group: Group) -> Flow:
    """The tokens of a group."""
    tokens, late, lacking, reported = ZERO, ZERO, ZERO, ZERO
    has_requests = has_report = bool(group.cells)
    for cell in group.cells:
        bucket, provider, model, token_class = cell
        if token_class == REQUEST_FEES:
            continue
        position = TOKEN_CLASSES.index(token_class)  # type: ignore[arg-type]
        booked = sum(one.quantity for one in books.by_billed_month.get(cell, {}).values())
        month = (bucket, provider, model)
        report, counted, moved = (side.get(month) for side in (books.reported, books.counted, books.moved))
        arrived = moved.tokens[position] if moved else 0
        tokens += booked
        late += arrived
        has_report = has_report and report is not None
        reported += report.tokens[position] if report else 0
        requests = counted.requests if counted else None
        if report is None or report.requests is None or not requests:
            has_requests = False
            continue
        requests += (moved.requests or 0) if moved else 0
        if requests:
            lacking += Fraction(report.requests - requests, requests) * (booked + arrived)
    charges = group.charges
    quantity = charges.quantity if charges.usage_lines else ZERO if group.is_billed else None
    if quantity is None and has_report and charges.usage_lines:
        quantity = reported
    return Flow(tokens, late, lacking if has_requests else None, quantity)


def common_factors(books: Booked, groups: Iterable[Group]) -> dict[Key, Fraction]:
    """By how much all token classes of a model are short or long alike, where requests are not counted.

    All short: so much of every class was not logged, at least. All long: so much was logged twice. Classes
    that differ in both directions have no common factor (1): their tokens were counted in another way.
    """
    alike: dict[Key, list[tuple[Key, Fraction]]] = defaultdict(list)
    for group in groups:
        flow = flow_of(books, group)
        model, token_class = group.key
        if flow.held and flow.quantity is not None:
            # A line without a class stands for all of its classes, a line without a model for all models.
            family = (model, "") if token_class and model else group.key
            alike[family].append((group.key, flow.quantity / flow.held))
    factors: dict[Key, Fraction] = {}
    for ratios in alike.values():
        least, most = min(ratio for _, ratio in ratios), max(ratio for _, ratio in ratios)
        factors |= dict.fromkeys((key for key, _ in ratios), least if least > 1 else min(most, Fraction(1)))
    return factors


def compared(account: Account, books: Booked, group: Group, factors: Mapping[Key, Fraction]) -> Draft:
    """The comparison of a group, with every part of its difference."""
    stated, tokens = total(books.stated, group.cells), total(books.by_billed_month, group.cells)
    charges, flow = group.charges, flow_of(books, group)
    has_books = not group.cells.isdisjoint(books.stated)
    draft = Draft(
        group.bucket, CATEGORY, group.provider, stated.known_amount if has_books else None, charges.total,
        *group.key, unpriced_tokens=stated.unpriced, books_quantity=stated.quantity if has_books else None,
        bill_quantity=charges.quantity if charges.usage_lines else None,
        bill_rows=tuple(dict.fromkeys(charges.rows)), names=written(books, group.cells),
    )  # fmt: skip
    parts = draft.parts
    parts.update(charges.others)
    parts["fx"] += charges.fx
    charged = charges.usage + _already_agreed(books, group, draft, tokens)
    parts["time_zone"] += tokens.amount - stated.amount
    if not group.cells:
        parts["unlogged"] += charges.usage
        return draft
    price = tokens.mean_price
    if price is None:
        price = charged / flow.quantity if flow.quantity else ZERO
    lacking = flow.lacking
    if lacking is None:
        lacking = flow.held * (factors.get(group.key, Fraction(1)) - 1)
    parts["late"] += flow.late * price
    parts["unlogged" if lacking > 0 else "duplicate"] += lacking * price
    if flow.quantity is not None:
        parts["token_count"] += (flow.quantity - flow.held - lacking) * price
        parts["tier"] += _tier_effect(account, books, group, price)
    settle(draft, charges.half_units, "price" if _is_price(group, flow, tokens) else "unexplained")
    draft.note_en, draft.note_zh = _remark(books, group, draft, stated)
    return draft


def _remark(books: Booked, group: Group, draft: Draft, stated: Tokens) -> tuple[str, str]:
    """What a reader must know of a line beside its figures."""
    listed = {books.names.list_currency(group.provider, cell[2]) for cell in group.cells} - {""}
    charged = group.charges.currencies
    if stated.unpriced and group.charges.usage_lines:
        return (
            f"{stated.unpriced:,} tokens are billed and have no price in the books",
            f"{stated.unpriced:,} 个词元有账单而账上没有价格",
        )
    if not group.charges.usage_lines:
        return "in the books, not on the vendor's bill", "账上有，供应商账单上没有"
    if draft.parts["price"] and listed and charged and listed.isdisjoint(charged):
        lists, bills = "/".join(sorted(listed)), "/".join(sorted(charged))
        return (
            f"charged in {bills}, priced in the books by a list in {lists}: see [prices] currency",
            f"以 {bills} 计费，而账上按 {lists} 价目计价：见设置 [prices] currency",
        )
    return "", ""


def _is_price(group: Group, flow: Flow, tokens: Tokens) -> bool:
    """Whether what is left is the price: the quantity is known, and no other mix of tokens can be meant."""
    if tokens.unpriced:
        return True
    if flow.quantity is None or not group.charges.usage_lines:
        return False
    return group.is_single or flow.quantity in (tokens.quantity, flow.held + (flow.lacking or 0))


def _already_agreed(books: Booked, group: Group, draft: Draft, tokens: Tokens) -> Fraction:
    """The part of a discount that the price book already holds as an agreed price: it explains nothing."""
    discount, above = draft.parts["discount"], group.charges.usage - tokens.amount
    models = {cell[2] for cell in group.cells}
    if not models or discount * above >= 0:
        return ZERO
    if not all(books.names.has_agreed_price(group.provider, model) for model in models):
        return ZERO
    taken = discount if abs(discount) <= abs(above) else -above
    draft.parts["discount"] -= taken
    return taken


def _tier_effect(account: Account, books: Booked, group: Group, price: Fraction) -> Fraction:
    """What the bill's mix of service tiers costs more than the books' mix, both at the books' prices."""
    charges = group.charges
    if not group.is_single or not charges.names_tiers or not charges.quantity:
        return ZERO
    [cell, *_] = [cell for cell in group.cells if cell[3] != REQUEST_FEES] or [None]
    if cell is None:
        return ZERO
    held = books.by_billed_month.get(cell, {})
    mixed = ZERO
    for tier, (quantity, paid) in charges.by_tier.items():
        known = held[tier].mean_price if tier in held else _listed(account, cell, tier)
        if known is None:
            known = paid / quantity if quantity else ZERO
        mixed += quantity * known
    return mixed - charges.quantity * price


def _listed(account: Account, cell: Cell, tier: str) -> Fraction | None:
    """The price book's price of a token in a service tier that the books do not have, mid-month."""
    bucket, provider, model, token_class = cell
    period = account.buckets.periods[bucket]
    middle = datetime.combine(period.first + (period.end - period.first) // 2, time(12), tzinfo=UTC)
    quote = account.prices.quote("buy", provider, model, tier, middle, 0)
    if isinstance(quote, Unpriced):
        return None
    listed = quote.per_token[TOKEN_CLASSES.index(token_class)]  # type: ignore[arg-type]
    if listed is None:
        return None
    amount = account.converter.over_month(Fraction(listed), quote.currency, period.first)
    return None if isinstance(amount, NoRate) else amount


def written(books: Booked, cells: Iterable[Cell]) -> tuple[str, ...]:
    """The names under which the usage of some cells came in."""
    return tuple(sorted({name for _, provider, model, _ in cells for name in books.written[provider, model]}))
