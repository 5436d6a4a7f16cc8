"""Usage in, money out: exact amounts per token class, with monthly volume tiers and free allowances.

A plain line is tokens times price, exact to the last digit. Volume tiers and allowances look at the month's
total of one model entry (its *pool*: every line given with the same card, model, entry and month, whatever
its service tier or window). What they give is spread over the pool's lines in proportion to their tokens:

- an allowance of N tokens out of T leaves the share (T - N) / T of every token to pay;
- graduated tiers price the share of T that lies in each band at that band's prices, for every line alike;
- a `whole` tier prices all tokens at the last band that T is above.

Such shares are fractions. Amounts of a pool are rounded to `POOL_DECIMALS` decimals by largest remainder, so
that its parts add up to its total exactly; the total itself is within half of the last decimal.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from breakeven.money import EXACT
from breakeven.periods import month_of
from breakeven.pricing.price_book import PriceBook
from breakeven.pricing.quotes import Quote, Unpriced, VolumeBand
from breakeven.pricing.terms import Side

POOL_DECIMALS = 24
ZERO = Decimal(0)

PerClassCount = tuple[int, int, int, int]
PerClassAmount = tuple[Decimal | None, Decimal | None, Decimal | None, Decimal | None]


@dataclass(frozen=True)
class UsageLine:
    """Tokens and requests of one month under one quote. `month` is its first day; `key` is the caller's."""

    quote: Quote | Unpriced
    month: date
    requests: int
    uncached_input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    key: Hashable = None

    @property
    def tokens(self) -> PerClassCount:
        """The four counts in the order of `TOKEN_CLASSES`."""
        return (
            self.uncached_input_tokens,
            self.cached_input_tokens,
            self.cache_write_tokens,
            self.output_tokens,
        )


@dataclass(frozen=True)
class PricedLine:
    """What a line costs. An amount is None where tokens have no price; those tokens are counted beside it.

    `total` is the sum of what has a price. `currency` is empty when nothing of the line has a price.
    """

    key: Hashable
    currency: str
    amounts: PerClassAmount
    request_fee: Decimal
    total: Decimal
    unpriced_tokens: PerClassCount = (0, 0, 0, 0)
    unpriced_requests: int = 0

    @property
    def is_fully_priced(self) -> bool:
        """Whether every token of the line has a price."""
        return not any(self.unpriced_tokens) and not self.unpriced_requests


def price_usage(lines: Sequence[UsageLine]) -> list[PricedLine]:
    """Price lines, in their order. Counts must not be negative (`ValueError`)."""
    priced: list[PricedLine | None] = [None] * len(lines)
    pools: dict[Hashable, list[int]] = {}
    for index, line in enumerate(lines):
        if line.requests < 0 or min(line.tokens) < 0:
            raise ValueError(f"negative usage cannot be priced: {line}")
        if isinstance(line.quote, Unpriced):
            priced[index] = PricedLine(
                line.key, "", _no_amounts(line.tokens), ZERO, ZERO, line.tokens, line.requests
            )
        elif line.quote.volume is None and line.quote.allowance is None:
            priced[index] = _price_plain(line, line.quote)
        else:
            pools.setdefault((line.quote.pool, line.quote.currency, line.month), []).append(index)
    for members in pools.values():
        for index, result in zip(members, _price_pool([lines[index] for index in members]), strict=True):
            priced[index] = result
    return [result for result in priced if result is not None]


def price_at(
    book: PriceBook,
    side: Side,
    provider: str,
    model: str,
    at: datetime,
    *,
    service_tier: str = "",
    uncached_input_tokens: int = 0,
    cached_input_tokens: int = 0,
    cache_write_tokens: int = 0,
    output_tokens: int = 0,
) -> PricedLine:
    """Price one request at a UTC instant, as if it were the only usage of its month."""
    total_input = uncached_input_tokens + cached_input_tokens + cache_write_tokens
    line = UsageLine(
        book.quote(side, provider, model, service_tier, at, total_input),
        month_of(at.date()),
        1,
        uncached_input_tokens,
        cached_input_tokens,
        cache_write_tokens,
        output_tokens,
    )
    return price_usage([line])[0]


def _no_amounts(tokens: PerClassCount) -> PerClassAmount:
    uncached, cached, write, output = (None if count else ZERO for count in tokens)
    return (uncached, cached, write, output)


def _price_plain(line: UsageLine, quote: Quote) -> PricedLine:
    fee = EXACT.multiply(quote.per_request, line.requests)
    total, amounts, missing = fee, list[Decimal | None](), [0, 0, 0, 0]
    for position, (count, price) in enumerate(zip(line.tokens, quote.per_token, strict=True)):
        if price is None:
            amounts.append(None if count else ZERO)
            missing[position] = count
        else:
            amount = EXACT.multiply(price, count)
            amounts.append(amount)
            total = EXACT.add(total, amount)
    return PricedLine(
        line.key,
        quote.currency,
        (amounts[0], amounts[1], amounts[2], amounts[3]),
        fee,
        total,
        (missing[0], missing[1], missing[2], missing[3]),
    )


def _price_pool(lines: Sequence[UsageLine]) -> list[PricedLine]:
    """Price the lines of one pool: five parts a line (four classes, then the fee), rounded together."""
    parts: list[Fraction | None] = []
    shares = _Shares(lines)
    for line in lines:
        bands = shares.weigh(line.quote) if isinstance(line.quote, Quote) else []
        for position, count in enumerate(line.tokens):
            prices = [(weight, band.per_token[position]) for weight, band in bands]
            price = _mean(prices) if count else Fraction(0)
            parts.append(None if price is None else price * count * shares.tokens_to_pay[position])
        fee = _mean([(weight, band.per_request) for weight, band in bands]) or Fraction(0)
        parts.append(fee * line.requests * shares.requests_to_pay)
    amounts = iter(_rounded_together(parts))
    return [_pooled_line(line, [next(amounts) for _ in range(5)]) for line in lines]


def _pooled_line(line: UsageLine, amounts: Sequence[Decimal | None]) -> PricedLine:
    uncached, cached, write, output, fee = amounts
    per_class = (uncached, cached, write, output)
    total = ZERO
    for amount in amounts:
        total = EXACT.add(total, amount or ZERO)
    first, second, third, fourth = (
        count if amount is None else 0 for count, amount in zip(line.tokens, per_class, strict=True)
    )
    currency = line.quote.currency if isinstance(line.quote, Quote) else ""
    return PricedLine(line.key, currency, per_class, fee or ZERO, total, (first, second, third, fourth))


class _Shares:
    """What a month's total means for each line of its pool."""

    def __init__(self, lines: Sequence[UsageLine]) -> None:
        quotes = [line.quote for line in lines if isinstance(line.quote, Quote)]
        free = quotes[0].allowance
        per_class = [sum(line.tokens[position] for line in lines) for position in range(4)]
        self._total = sum(per_class)
        requests = sum(line.requests for line in lines)
        self.requests_to_pay = _to_pay(requests, free.requests if free else 0)
        of_any = _to_pay(self._total, free.tokens if free else 0)
        self.tokens_to_pay = [
            of_any * _to_pay(total, free.per_class[position] if free else 0)
            for position, total in enumerate(per_class)
        ]

    def weigh(self, quote: Quote) -> list[tuple[Fraction, VolumeBand]]:
        """The bands that price this quote's tokens, with the share of the tokens each one prices."""
        if quote.volume is None:
            return [(Fraction(1), VolumeBand(0, quote.per_token, quote.per_request))]
        bands = quote.volume.bands
        reached = [band for band in bands if self._total > band.above_tokens] or [bands[0]]
        if quote.volume.mode == "whole" or len(reached) == 1:
            return [(Fraction(1), reached[-1])]
        ends = [band.above_tokens for band in reached[1:]] + [self._total]
        shares = [
            Fraction(end - band.above_tokens, self._total) for band, end in zip(reached, ends, strict=True)
        ]
        return list(zip(shares, reached, strict=True))


def _to_pay(total: int, free: int) -> Fraction:
    return Fraction(max(total - free, 0), total) if total and free else Fraction(1)


def _mean(weighted: Sequence[tuple[Fraction, Decimal | None]]) -> Fraction | None:
    mean = Fraction(0)
    for weight, price in weighted:
        if price is None:
            return None
        mean += weight * Fraction(price)
    return mean


def _rounded_together(parts: Sequence[Fraction | None]) -> list[Decimal | None]:
    scaled = [None if part is None else part * 10**POOL_DECIMALS for part in parts]
    known = [part for part in scaled if part is not None]
    left = round(sum(known, Fraction(0))) - sum(part.__floor__() for part in known)
    order = sorted(
        (index for index, part in enumerate(scaled) if part is not None),
        key=lambda index: (-_remainder(scaled[index]), index),
    )
    raised = set(order[:left])
    return [
        None if part is None else Decimal(part.__floor__() + (index in raised)).scaleb(-POOL_DECIMALS, EXACT)
        for index, part in enumerate(scaled)
    ]


def _remainder(part: Fraction | None) -> Fraction:
    return Fraction(0) if part is None else part - part.__floor__()
