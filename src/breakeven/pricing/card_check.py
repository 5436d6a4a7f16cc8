"""Looking over rate cards before they are trusted: what cannot be read, and what a reader should know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from breakeven.errors import InputError
from breakeven.pricing.price_book import PriceBook, card_files
from breakeven.pricing.rate_card import load_card
from breakeven.pricing.terms import TOKEN_CLASSES, CardModel, Entry, RateCard


@dataclass(frozen=True)
class Finding:
    """Something about a card: an `error` must be mended, a `warning` should be known.

    `cause` is the failure behind an error, where there is one: whoever shows it has its words in Chinese.
    """

    severity: Literal["error", "warning"]
    where: str
    en: str
    zh: str
    cause: InputError | None = None


def check_cards(folders: Sequence[Path]) -> list[Finding]:
    """Check every card of the folders, each by itself and then together, in the order of the files."""
    findings: list[Finding] = []
    layers: list[list[RateCard]] = []
    for folder in folders:
        cards: list[RateCard] = []
        for path in card_files(folder):
            try:
                cards.append(load_card(path, layer=folder.name))
            except InputError as error:
                findings.append(Finding("error", error.where, str(error), "无法使用这份价目表", error))
        findings += [finding for card in cards for model in card.models for finding in _check_model(model)]
        findings += [
            Finding("error", item.where, "the negotiated price has no source", "议价没有来源")
            for card in cards
            for item in card.negotiated
            if not item.source
        ]
        layers.append(cards)
    try:
        PriceBook(layers)
    except InputError as error:
        findings.append(Finding("error", error.where, str(error), "价目表互相冲突", error))
    return findings


def _check_model(model: CardModel) -> list[Finding]:
    findings: list[Finding] = []
    for entry in model.entries:
        findings += _check_entry(model.name, entry)
    dated = sorted(model.entries, key=lambda entry: (entry.valid_from, entry.known_from))
    for earlier, later in pairwise(dated):
        if earlier.valid_to is None or later.valid_from == earlier.valid_from:
            continue
        end, start = f"{earlier.valid_to:%Y-%m-%d %H:%M}", f"{later.valid_from:%Y-%m-%d %H:%M}"
        if later.valid_from < earlier.valid_to:
            en = f"{model.name}: overlaps the price that ends {end} UTC; this later one wins while it holds"
            zh = f"{model.name}：与 {end} UTC 结束的价格重叠；以较晚开始的这条为准"
            findings.append(Finding("warning", later.where, en, zh))
        elif later.valid_from > earlier.valid_to:
            en = f"{model.name}: no price from {end} to {start} UTC"
            zh = f"{model.name}：{end} 至 {start} UTC 之间没有价格"
            findings.append(Finding("warning", later.where, en, zh))
    return findings


def _check_entry(model: str, entry: Entry) -> list[Finding]:
    findings: list[Finding] = []
    if not entry.source:
        findings.append(
            Finding("error", entry.where, f"{model}: the price has no source", f"{model}：价格没有来源")
        )
    if entry.checked_on is None:
        findings.append(
            Finding(
                "warning", entry.where, f"{model}: the price has no checked_on day", f"{model}：没有核对日期"
            )
        )
    if entry.price_list is not None:
        prices = entry.price_list.prices.per_mtok
        missing = [name for name, price in zip(TOKEN_CLASSES, prices, strict=True) if price is None]
        if missing:
            names = ", ".join(missing)
            en, zh = (
                f"{model}: no price for {names}; such usage stays unpriced",
                f"{model}：{names} 没有价格，其用量不计价",
            )
            findings.append(Finding("warning", entry.where, en, zh))
    return findings
