"""The imported cards against the package itself, request by request, where its prices are right."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from genai_prices.data import providers
from genai_prices.types import Usage

from breakeven.errors import UsageError
from breakeven.pricing.apply import price_at
from breakeven.pricing.genai_prices import OUR_NAMES, import_genai_prices
from breakeven.pricing.price_book import PriceBook
from breakeven.pricing.quotes import Quote, Unpriced

CHECKED_ON = date(2026, 11, 22)
COMPARED = (
    "anthropic",
    "deepseek",
    "google",
    "minimax",
    "mistral",
    "moonshotai",
    "openai",
    "x-ai",
    "zai",
    "zhipuai",
)
USAGES = (
    (1000, 0, 0, 500),
    (150_000, 90_000, 0, 2000),
    (300_000, 250_000, 20_000, 7),
    (0, 0, 0, 1),
    (128_000, 0, 0, 0),
)
INSTANTS = (
    datetime(2026, 11, 16, 2, 30, tzinfo=UTC),
    datetime(2026, 11, 16, 12, 0, tzinfo=UTC),
    datetime(2026, 11, 17, 0, 15, tzinfo=UTC),
)


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("books") / "prices"
    report = import_genai_prices(folder, CHECKED_ON, providers=COMPARED)
    return folder, report


@pytest.fixture(scope="module")
def book(imported):
    return PriceBook.load([imported[0]], include_shipped=False)


def _ours(book, provider, model, at, usage, tier=""):
    total, cached, write, output = usage
    return price_at(
        book,
        "buy",
        provider,
        model,
        at,
        service_tier=tier,
        uncached_input_tokens=total - cached - write,
        cached_input_tokens=cached,
        cache_write_tokens=write,
        output_tokens=output,
    )


def _theirs(provider, model, at, usage, context=None):
    total, cached, write, output = usage
    counted = Usage(
        input_tokens=total, cache_read_tokens=cached, cache_write_tokens=write, output_tokens=output
    )
    return model.calc_price(counted, provider, genai_request_timestamp=at, price_context=context).total_price


def test_every_imported_model_costs_the_same(book):
    known, compared = set(book.names("buy")), 0
    assert {provider for provider, _ in known} >= set(COMPARED)
    for provider in providers:
        for model in provider.models:
            if (provider.id, model.id) not in known or provider.id not in COMPARED:
                continue
            for at in INSTANTS:
                for usage in USAGES:
                    ours = _ours(book, provider.id, model.id, at, usage)
                    assert ours.total == _theirs(provider, model, at, usage), (model.id, at, usage)
                    compared += 1
    assert compared > 1500


def test_service_tiers_cost_the_same(book):
    compared = 0
    provider = next(provider for provider in providers if provider.id == "openai")
    for name in ("gpt-4o", "gpt-4o-mini", "o1"):
        model = provider.find_model(name)
        for usage in USAGES[:1]:
            theirs = _theirs(provider, model, INSTANTS[0], usage, {"processing": "batch"})
            ours = _ours(book, "openai", name, INSTANTS[0], usage, "batch")
            assert ours.total == theirs < _ours(book, "openai", name, INSTANTS[0], usage).total
            compared += 1
    assert compared == 3


def test_prices_without_a_date_were_not_known_before_the_import(imported):
    at = datetime(2024, 6, 1, tzinfo=UTC)
    then = PriceBook.load([imported[0]], include_shipped=False, known_at=date(2024, 6, 1))
    now = PriceBook.load([imported[0]], include_shipped=False)
    assert isinstance(now.quote("buy", "openai", "gpt-4o", "", at, 1), Quote)
    assert isinstance(then.quote("buy", "openai", "gpt-4o", "", at, 1), Unpriced)


def test_shipped_cards_are_right_where_the_package_is_wrong(imported):
    """The package prices every night of DeepSeek alike; ours know when the discount began and ended."""
    folder, _ = imported
    book = PriceBook.load([folder], preferred_currency={"deepseek": "USD"})
    usage = (1_000_000, 0, 0, 0)
    before = _ours(book, "deepseek", "deepseek-chat", datetime(2025, 2, 20, 18, tzinfo=UTC), usage)
    during = _ours(book, "deepseek", "deepseek-chat", datetime(2025, 3, 20, 18, tzinfo=UTC), usage)
    after = _ours(book, "deepseek", "deepseek-chat", datetime(2025, 10, 20, 18, tzinfo=UTC), usage)
    assert [line.total for line in (before, during, after)] == [
        Decimal("0.27"),
        Decimal("0.135"),
        Decimal("0.28"),
    ]


def test_imported_cards_only_fill_gaps(imported):
    book = PriceBook.load([imported[0]])
    at = datetime(2024, 6, 15, tzinfo=UTC)
    assert book.quote("buy", "moonshot", "moonshot-v1-8k", "", at, 1).currency == "CNY"
    assert book.quote("buy", "moonshot", "kimi-k2-thinking", "", at, 1).card.startswith("prices:genai-prices")
    assert OUR_NAMES["moonshotai"] == "moonshot"


def test_what_a_card_cannot_say_is_reported(imported):
    _, report = imported
    assert report.model_count > 100
    assert report.entry_count >= report.model_count
    assert sorted(path.name for path in report.paths) == sorted(
        f"genai-prices-{name}.yaml" for name in COMPARED
    )
    left_out = {(item.provider, item.model): item for item in report.left_out}
    assert "cache_write_1h_mtok" in left_out["anthropic", "claude-3-haiku"].en
    assert "cache_write_1h_mtok" in left_out["anthropic", "claude-3-haiku"].zh
    assert left_out["openai", "whisper-1"]


def test_nothing_is_overwritten_unasked_and_unknown_providers_are_named(imported, tmp_path):
    folder, _ = imported
    with pytest.raises(UsageError, match="exists already"):
        import_genai_prices(folder, CHECKED_ON, providers=["mistral"])
    import_genai_prices(folder, CHECKED_ON, providers=["mistral"], replace=True)
    with pytest.raises(UsageError, match="knows no provider nobody"):
        import_genai_prices(tmp_path, CHECKED_ON, providers=["nobody"])
