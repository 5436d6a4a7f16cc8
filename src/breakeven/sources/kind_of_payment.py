"""What a payment was for: payment channels know amounts and product names, not what kind of revenue they are.

A person says which kind the payments are, and by which words in the product's name others are told.
"""

from __future__ import annotations

from collections.abc import Mapping

from breakeven.engine import sql
from breakeven.errors import UsageError
from breakeven.sources.registry import SourceOption, Words

_KINDS = ("subscription", "gift", "api_topup", "api_invoice")

KIND_OPTIONS = (
    SourceOption(
        "kind",
        "subscription",
        Words("what payments are, if no word below says otherwise", "付款的类别（未被下列词语指定时）"),
    ),
    *(
        SourceOption(
            name,
            "",
            Words(
                f"words in product names, by comma, that mean {name}",
                f"商品名称含这些词（逗号分隔）即为 {name}",
            ),
        )
        for name in _KINDS
    ),
)
"""The options of every source that takes kinds from product names."""


def kind_sql(product: str, options: Mapping[str, str]) -> str:
    """SQL of a payment's kind, for an expression that gives the product's name. The first that fits wins.

    Raises `UsageError` for a kind that payments do not have.

    >>> kind_sql("{product}", {"kind": "subscription", "gift": "Boost"})
    "CASE WHEN contains(lower({product}), 'boost') THEN 'gift' ELSE 'subscription' END"
    """
    if options["kind"] not in _KINDS:
        raise UsageError(
            f"option kind={options['kind']} is no kind of payment", remedy=f"use {', '.join(_KINDS)}"
        )
    rules: list[str] = []
    for kind in _KINDS:
        words = [word.strip().lower() for word in options.get(kind, "").split(",") if word.strip()]
        if words:
            fits = " OR ".join(f"contains(lower({product}), {sql.text(_plain(word))})" for word in words)
            rules.append(f"WHEN {fits} THEN '{kind}'")
    otherwise = sql.text(options["kind"])
    return f"CASE {' '.join(rules)} ELSE {otherwise} END" if rules else otherwise


def _plain(word: str) -> str:
    """A word that no expression takes for a field."""
    if "{" in word or "}" in word:
        raise UsageError(f"a word in a product name has no braces: {word}")
    return word
