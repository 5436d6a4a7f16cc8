"""The worked cases: what a finance person can check by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from breakeven.pricing.apply import UsageLine, price_at, price_usage
from breakeven.pricing.located_yaml import parse_yaml
from breakeven.pricing.price_book import SHIPPED_FOLDER, PriceBook
from breakeven.pricing.quotes import Quote, Unpriced
from breakeven.pricing.rate_card import card_from, load_card

CASES = Path(__file__).with_name("cases")
TOKENS = ("uncached_input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens")
SHIPPED = [load_card(path, layer="shipped") for path in sorted(SHIPPED_FOLDER.glob("*.yaml"))]


def _instants():
    for path in sorted(CASES.glob("*.yaml")):
        case = yaml.safe_load(path.read_text(encoding="utf-8"))
        for expected in case.get("expect", []):
            yield pytest.param(case, expected, id=f"{path.stem}: {expected['at']} {expected['why']}"[:90])


def _months():
    months = yaml.safe_load((CASES / "month_volume.yaml").read_text(encoding="utf-8"))["months"]
    return [pytest.param(month, id=month["name"]) for month in months]


@pytest.mark.parametrize(("case", "expected"), list(_instants()))
def test_price_at_an_instant(case, expected):
    usage = case["usage"] | {
        key: expected[key] for key in expected.keys() - {"at", "total", "why", "currency"}
    }
    for key in ("unpriced", "unpriced_tokens", "known_at"):
        usage.pop(key, None)
    if case.get("shipped"):
        layers = [SHIPPED]
    else:
        texts = case.get("layers") or [case["card"]]
        layers = [[card_from(parse_yaml(text, "card.yaml"), f"layer {n}")] for n, text in enumerate(texts)]
    book = PriceBook(
        layers, known_at=expected.get("known_at"), preferred_currency=case.get("preferred_currency")
    )
    side, provider, model = usage.pop("side"), usage.pop("provider"), usage.pop("model")
    at = datetime.fromisoformat(expected["at"]).astimezone(UTC)

    priced = price_at(book, side, provider, model, at, **usage)

    if "unpriced" in expected:
        total_input = sum(usage.get(name, 0) for name in TOKENS[:3])
        quote = book.quote(side, provider, model, usage.get("service_tier"), at, total_input)
        assert isinstance(quote, Unpriced)
        assert quote.code == expected["unpriced"]
        assert priced.currency == ""
        assert not priced.is_fully_priced
        assert priced.unpriced_tokens == tuple(usage.get(name, 0) for name in TOKENS)
    else:
        assert priced.total == Decimal(expected["total"])
        assert priced.unpriced_tokens == tuple(expected.get("unpriced_tokens", (0, 0, 0, 0)))
        assert priced.currency == expected.get("currency", priced.currency) != ""


@pytest.mark.parametrize("month", _months())
def test_price_of_a_month(month):
    terms = yaml.safe_load(month["terms"])
    entry = {"valid_from": "2024-01-01", "per_mtok": {"output": 10}, "source": "page", **terms}
    card = {"provider": "house", "side": "buy", "currency": "USD", "models": {"heron": {"prices": [entry]}}}
    book = PriceBook([[card_from(parse_yaml(yaml.safe_dump(card), "card.yaml"), "card")]])
    at = datetime(2024, 5, 10, tzinfo=UTC)
    lines = []
    for line in month["lines"]:
        quote = book.quote("buy", "house", "heron", line.get("service_tier"), at, 0)
        assert isinstance(quote, Quote)
        lines.append(
            UsageLine(quote, date(2024, 5, 1), line.get("requests", 1), 0, 0, 0, line["output_tokens"])
        )

    priced = price_usage(lines)

    assert sum(line.total for line in priced) == Decimal(month["expect"]["sum"])
    for line, total in zip(priced, month["expect"].get("totals", []), strict=False):
        assert line.total == Decimal(total)


def test_every_case_file_is_read():
    assert {path.stem for path in CASES.glob("*.yaml")} == {
        "believed_then_true_now",
        "books_over_shipped",
        "daylight_saving",
        "deepseek_off_peak",
        "deepseek_yuan",
        "everything_at_once",
        "month_volume",
        "price_war_2024",
    }
