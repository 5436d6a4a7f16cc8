"""Bad cards: every error says the file, the line, the reason and what to write instead."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from breakeven.errors import InputError
from breakeven.pricing.located_yaml import parse_yaml
from breakeven.pricing.price_book import SHIPPED_FOLDER, PriceBook
from breakeven.pricing.rate_card import card_from, load_card
from breakeven.pricing.terms import Prices

CARD = """\
provider: house
side: buy
currency: USD
source: page
checked_on: 2024-01-01
models:
  heron:
    prices:
      - valid_from: 2024-01-01
        per_mtok:
          uncached_input: 0.10
          output: 2
"""


def _load(tmp_path, text):
    path = tmp_path / "house.yaml"
    path.write_text(text, encoding="utf-8")
    return load_card(path)


BAD = [
    ("side: buy", "side: bought", 2, "'bought' is not one of: buy, sell"),
    ("currency: USD", "currency: YUAN", 3, "unknown currency 'YUAN'"),
    ("provider: house", "provder: house", 1, "unknown key 'provder'. Next: did you mean 'provider'?"),
    ("provider: house\n", "", 1, "the key 'provider' is missing"),
    ("provider: house", "provider:", 1, "expected a text or a number here"),
    ("uncached_input: 0.10", "input: 0.10", 11, "unknown key 'input'"),
    ("uncached_input: 0.10", "uncached_inptu: 0.10", 11, "did you mean 'uncached_input'?"),
    ("output: 2", "output: -2", 12, "'-2' is not a price"),
    ("output: 2", "output: 2e3", 12, "is not a price"),
    ("output: 2", "output: .nan", 12, "is not a price"),
    ("output: 2", "output: .inf", 12, "is not a price"),
    ("output: 2", "output: 1,000", 12, "is not a price"),
    ("output: 2", "output: {same_as: uncached_input}", 12, "only cached_input and cache_write"),
    ("output: 2", "output: 99999999999999999", 12, "is not a price"),
    ("output: 2", "output: 9999999999999", 12, "beyond any price"),
    ("output: 2", "output: 2\n          output: 3", 13, "the key 'output' appears twice"),
    ("2024-01-01\n        per", "2024-13-01\n        per", 9, "is not a day or a time"),
    ("2024-01-01\n        per", "yesterday\n        per", 9, "is not a day or a time"),
    ("checked_on: 2024-01-01", "checked_on: 2024-02-30", 5, "is not a day"),
    (
        "valid_from: 2024-01-01",
        "valid_from: 2024-01-01\n        valid_to: 2023-01-01",
        9,
        "not after valid_from",
    ),
    (
        "valid_from: 2024-01-01\n        per_mtok:",
        "valid_from: 2024-01-01\n        prices:",
        10,
        "unknown key 'prices'",
    ),
    ("models:", "time_zone: Mars/Olympus\nmodels:", 6, "unknown time zone"),
    ("models:", "x: &a [1]\nmodels:", 6, "unknown key 'x'"),
    ("source: page", "source: *page", 4, "anchors and aliases"),
    ("source: page", "source: !!python/object:os.system ls", 4, "unexpected YAML tag"),
    ("source: page", "source: [page", 5, "not valid YAML"),
    ("  heron:", "\theron:", 7, "not valid YAML"),
]


@pytest.mark.parametrize(("good", "bad", "line", "reason"), BAD, ids=[case[1].strip()[:30] for case in BAD])
def test_bad_cards_are_located(tmp_path, good, bad, line, reason):
    assert good in CARD
    with pytest.raises(InputError) as caught:
        _load(tmp_path, CARD.replace(good, bad, 1))
    assert caught.value.where == f"{tmp_path / 'house.yaml'}:{line}"
    assert reason in str(caught.value)


ENTRY_ERRORS = [
    ("windows: [{name: n, from: '09:00', to: '09:00', multiplier: 1}]", "the window is empty"),
    ("windows: [{name: n, from: '9:00', to: '10:00', multiplier: 1}]", "is not a time of the day"),
    ("windows: [{name: n, from: '24:00', to: '10:00', multiplier: 1}]", "the window is empty"),
    ("windows: [{name: n, from: '09:00', to: '10:00'}]", "either a multiplier or prices of its own"),
    (
        "windows: [{name: n, from: '09:00', to: '10:00', multiplier: 1, weekdays: [monday]}]",
        "is not one of: mon",
    ),
    ("windows: [{name: n, from: '09:00', to: '10:00', multiplier: 1, day: 1}]", "unknown key 'day'"),
    ("windows: {name: n}", "expected a list here"),
    (
        "context_tiers: [{above_input_tokens: 9, multiplier: 1}, {above_input_tokens: 9, multiplier: 2}]",
        "must rise",
    ),
    ("context_tiers: [{above_input_tokens: 9.5, multiplier: 1}]", "is not a whole number"),
    ("context_tiers: [{above_input_tokens: 9, multiplier: 1, per_mtok: {output: 1}}]", "either a multiplier"),
    ("service_tiers: {standard: {multiplier: 1}}", "is the price list itself"),
    ("service_tiers: {batch: {multiplier: 1, windows: []}}", "keeps the context tiers and windows"),
    (
        "volume_tiers: {mode: stepwise, tiers: [{above_tokens: 1, multiplier: 1}]}",
        "is not one of: graduated, whole",
    ),
    ("volume_tiers: {mode: whole, tiers: []}", "no volume tier is given"),
    ("volume_tiers: {mode: whole, tiers: [{above_tokens: 0, multiplier: 1}]}", "must rise from above zero"),
    ("free_per_month: {tokens: 1, output: 1}", "not both"),
    ("withdrawn: true", "a withdrawn model has no prices"),
    ("withdrawn: maybe", "neither true nor false"),
]


@pytest.mark.parametrize(("term", "reason"), ENTRY_ERRORS, ids=[case[1] for case in ENTRY_ERRORS])
def test_bad_terms_are_located(tmp_path, term, reason):
    with pytest.raises(InputError, match=reason) as caught:
        _load(tmp_path, f"{CARD}        {term}\n")
    assert caught.value.where.startswith(str(tmp_path / "house.yaml:"))


def test_alias_bomb_deep_nesting_and_size_are_refused_at_once(tmp_path):
    bomb = "a: &a [x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
    )
    for text, reason in ((bomb, "anchors and aliases"), ("[" * 100_000, "nested too deeply")):
        with pytest.raises(InputError, match=reason):
            _load(tmp_path, text)
    with pytest.raises(InputError, match="larger than"):
        _load(tmp_path, "#" * (8 * 1024 * 1024 + 1))
    with pytest.raises(InputError, match="the file is empty"):
        _load(tmp_path, "# nothing\n")
    (tmp_path / "latin.yaml").write_bytes("provider: h\nnote: caf\xe9\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin.yaml:2: not UTF-8 text"):
        load_card(tmp_path / "latin.yaml")
    with pytest.raises(InputError, match="cannot read this file"):
        load_card(tmp_path / "absent.yaml")


def test_local_times_that_the_zone_skips_or_repeats_need_an_offset(tmp_path):
    berlin = CARD.replace("models:", "time_zone: Europe/Berlin\nmodels:")
    for text in ("2025-03-30T02:30", "2025-10-26T02:30"):
        with pytest.raises(InputError, match="is skipped or comes twice in Europe/Berlin"):
            _load(tmp_path, berlin.replace("valid_from: 2024-01-01", f"valid_from: {text}"))
    card = _load(tmp_path, berlin.replace("valid_from: 2024-01-01", "valid_from: 2025-10-26T02:30+01:00"))
    assert card.models[0].entries[0].valid_from.isoformat() == "2025-10-26T01:30:00+00:00"


def test_prices_are_exact_and_missing_is_not_zero(tmp_path):
    card = _load(tmp_path, CARD.replace("0.10", "0.100000000000000001"))
    prices = card.models[0].entries[0].price_list.prices
    assert prices == Prices((Decimal("0.100000000000000001"), None, None, Decimal(2)))
    assert prices.per_token == (Decimal("1.00000000000000001E-7"), None, None, Decimal("0.000002"))


def test_names_shared_by_two_models_or_two_cards_are_refused(tmp_path):
    twin = "  crane:\n    aliases: [heron]\n    prices: [{valid_from: 2024-01-01, per_mtok: {output: 1}}]\n"
    with pytest.raises(InputError, match="'heron' names both 'heron' and 'crane'"):
        _load(tmp_path, CARD + twin)
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / "prices").mkdir(exist_ok=True)
        (tmp_path / "prices" / name).write_text(CARD)
    with pytest.raises(InputError, match="priced by two cards of the same folder"):
        PriceBook.load([tmp_path / "prices"])


def test_two_entries_of_one_start_need_two_known_days(tmp_path):
    again = "      - {valid_from: 2024-01-01, per_mtok: {output: 1}}\n"
    with pytest.raises(InputError, match="two entries with the same valid_from and known_from"):
        _load(tmp_path, CARD + again)


def test_digest_changes_with_whatever_can_change_a_price(tmp_path):
    folder = tmp_path / "prices"
    folder.mkdir()
    (folder / "house.yaml").write_text(CARD)
    from datetime import date

    def digest(**options):
        return PriceBook.load([folder], **options).digest

    first = digest()
    assert first == digest()
    seen = {first, digest(known_at=date(2024, 1, 1)), digest(include_shipped=False)}
    seen.add(digest(preferred_currency={"house": "USD"}))
    (folder / "house.yaml").write_text(CARD.replace("output: 2", "output: 3"))
    seen.add(digest())
    assert len(seen) == 5
    (folder / "house.yaml").write_bytes(CARD.replace("\n", "\r\n").encode())
    assert digest() == first


def test_every_shipped_price_has_a_source_and_a_day_of_check():
    cards = [load_card(path) for path in sorted(SHIPPED_FOLDER.glob("*.yaml"))]
    entries = [entry for card in cards for model in card.models for entry in model.entries]
    assert len(cards) >= 10
    assert len(entries) > 50
    assert all(len(entry.source) > 10 and entry.checked_on is not None for entry in entries)


def test_a_preferred_currency_is_strict_and_the_default_is_the_main_list():
    from datetime import UTC, datetime

    at = datetime(2025, 3, 1, 12, tzinfo=UTC)

    def currency(**preferred):
        quote = PriceBook.load([], preferred_currency=preferred).quote(
            "buy", "deepseek", "deepseek-chat", "", at, 1
        )
        return getattr(quote, "currency", None) or quote.code

    assert currency() == "CNY"
    assert currency(deepseek="USD") == "USD"
    assert currency(deepseek="EUR") == "no_model"


def test_the_cards_in_the_how_to_page_are_valid():
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "add-a-price.md").read_text(encoding="utf-8")
    smallest, full_entry, negotiated = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    model = "provider: h\nside: buy\ncurrency: CNY\nmodels:\n  m:\n    prices:\n"
    for text in (smallest, model + full_entry, negotiated):
        assert card_from(parse_yaml(text, "add-a-price.md"), "page").side == "buy"
