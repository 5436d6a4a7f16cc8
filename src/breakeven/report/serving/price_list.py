"""The price list that tokens are sold at: three prices given, or a model's list in the shipped price book."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation

from breakeven.errors import UsageError
from breakeven.money import EXACT
from breakeven.pricing.listing import PriceRow, prices_through_time
from breakeven.pricing.price_book import PriceBook
from breakeven.pricing.quotes import Unpriced
from breakeven.report.view_model import Label
from breakeven.report.view_model import Warning as Said
from breakeven.serving.breakeven_price import TokenPrices

_MTOK_DIGITS = 6
_LEAST_LIKELY = Decimal("0.0001")
"""Below a hundredth of a cent per million tokens a price is per thousand, or per token."""
_MOST_LIKELY = Decimal(100_000)


@dataclass(frozen=True)
class SoldAt:
    """Exact prices per million tokens, in one currency, with where they are from."""

    uncached_input: Decimal
    cached_input: Decimal
    output: Decimal
    currency: str
    source: str
    since: date | None = None

    @property
    def token_prices(self) -> TokenPrices:
        """As the model takes them."""
        return TokenPrices(float(self.uncached_input), float(self.cached_input), float(self.output))

    @property
    def classes(self) -> dict[str, Decimal]:
        """By token class."""
        return {
            "uncached_input": self.uncached_input,
            "cached_input": self.cached_input,
            "output": self.output,
        }


def sold_at(
    like: str | None,
    given: tuple[str | None, str | None, str | None],
    *,
    currency: str | None,
    day: date | None,
) -> SoldAt:
    """The list asked for: a model's in the book, or prices of input, cached input and output as text.

    Raises `UsageError` where none, both, or half of one is given, or where it is in another currency.

    >>> sold_at(None, ("0.55", None, "2.19"), currency=None, day=None).cached_input
    Decimal('0.55')
    """
    if like is not None and any(given):
        raise UsageError("--sold-as and --price-in exclude each other", remedy="give one of them")
    if like is not None:
        return _from_book(like, currency, day)
    price_in, price_cached, price_out = given
    if price_in is None or price_out is None:
        raise UsageError(
            "at what price are the tokens sold?",
            remedy="give --price-in, --price-cached and --price-out, or --sold-as deepseek/deepseek-r1",
        )
    return SoldAt(
        per_mtok(price_in, "--price-in"),
        # Without a price of its own a cached token is billed as input, as every list did before caches.
        per_mtok(price_cached if price_cached is not None else price_in, "--price-cached"),
        per_mtok(price_out, "--price-out"),
        currency or "USD",
        "given" if price_cached is not None else "given; cached input is sold as uncached",
    )


def cached_warnings(sold: SoldAt | None) -> tuple[Said, ...]:
    """That cached input is dearer than computed, which no list has: two prices may be mixed up."""
    if sold is None or sold.cached_input <= sold.uncached_input:
        return ()
    text = Label(
        f"Cached input is sold at {sold.cached_input:f}, above input at {sold.uncached_input:f}: "
        "are the two mixed up?",
        f"命中缓存部分价格 {sold.cached_input:f} 高于输入价格 {sold.uncached_input:f}：两者是否写反？",
    )
    return (Said("cached_above_input", text),)


def per_mtok(text: str, flag: str) -> Decimal:
    """A price per million tokens; what can only be per thousand or per token is refused.

    >>> per_mtok("0.55", "--price-in")
    Decimal('0.55')
    """
    try:
        value = Decimal(text.replace(",", ""))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise UsageError(f"{flag} {text!r} is not a price", remedy="write a number such as 0.55")
    if value and not _LEAST_LIKELY <= value <= _MOST_LIKELY:
        raise UsageError(
            f"{flag} {text} per million tokens is not a price anybody asks",
            cause="a price per token or per thousand tokens",
            remedy="prices here are per million tokens: multiply by 1,000,000 or 1,000",
        )
    return value


def history(like: str, currency: str | None) -> list[tuple[date, Decimal]]:
    """The dated prices of an even mix of a model's uncached input and output, oldest first."""
    provider, model = _named(like)
    found_rows = prices_through_time(
        _book(provider, currency), sides=("buy",), provider=provider, model=model
    )
    rows = [row for row in found_rows if _is_plain(row) and currency in (None, row.currency)]
    if rows:
        rows = [row for row in rows if row.currency == rows[0].currency]
    found: list[tuple[date, Decimal]] = []
    for row in rows:
        price_in, price_out = row.prices.per_mtok[0], row.prices.per_mtok[3]
        if price_in is not None and price_out is not None and row.valid_from is not None:
            found.append((row.valid_from.date(), EXACT.add(price_in, price_out)))
    return sorted(found)


def _from_book(like: str, currency: str | None, day: date | None) -> SoldAt:
    provider, model = _named(like)
    book = _book(provider, currency)
    at = datetime.combine(day or datetime.now(tz=UTC).date(), time(12), tzinfo=UTC)
    quote = book.quote("buy", provider, model, None, at, 0)
    if isinstance(quote, Unpriced):
        raise UsageError(
            f"the price book has no price of {like} on {at.date().isoformat()}",
            remedy="`breakeven prices show` lists models; --at names another day",
        )
    if currency is not None and quote.currency != currency:
        raise UsageError(
            f"{like} has no list in {currency}",
            cause="a list in one currency is not a list in another times a rate",
            remedy=f"give --currency {quote.currency}",
        )
    uncached, cached, _, output = quote.per_token
    if uncached is None or output is None:
        raise UsageError(
            f"{like} has no price for input and output", remedy="give --price-in and --price-out"
        )
    # Without a price of its own a cached token is billed as input.
    billed = (uncached, uncached if cached is None else cached, output)
    exact = [price.scaleb(_MTOK_DIGITS, EXACT) for price in billed]
    source = f"{like}: {quote.source}"
    return SoldAt(exact[0], exact[1], exact[2], quote.currency, source, quote.valid_from.date())


def _is_plain(row: PriceRow) -> bool:
    """Whether a row is the standard price of a moment: no tier, window, length or volume."""
    special = row.service_tier or row.window or row.above_input_tokens or row.above_tokens
    return not special and row.valid_from is not None


def _book(provider: str, currency: str | None) -> PriceBook:
    return PriceBook.load([], preferred_currency={provider: currency} if currency else None)


def _named(like: str) -> tuple[str, str]:
    provider, slash, model = like.partition("/")
    if not (slash and provider and model):
        raise UsageError(f"{like!r} is not PROVIDER/MODEL", remedy="write deepseek/deepseek-r1")
    return provider, model
