"""What a person can tell a source of live usage that its events do not say themselves."""

from __future__ import annotations

from collections.abc import Mapping

from breakeven.engine import sql
from breakeven.errors import UsageError
from breakeven.ledger.tables import TABLES
from breakeven.sources.registry import SourceOption, Words

PROVIDER = SourceOption(
    "provider", "", Words("who serves, where an event does not say", "服务商（事件未写明时）")
)
PRODUCT = SourceOption(
    "product", "", Words("app, web or api, of all events", "全部事件的产品：app、web 或 api")
)
INCLUSIVE = SourceOption(
    "input_includes_cached",
    "true",
    Words("whether input counts include cached tokens", "输入计数是否包含缓存词元"),
)


def input_column(options: Mapping[str, str]) -> str:
    """The ledger column that a whole input count fills. Raises `UsageError` for an option that says nothing.

    >>> input_column({"input_includes_cached": "false"})
    'uncached_input_tokens'
    """
    said = options["input_includes_cached"].lower()
    if said not in ("true", "false"):
        raise UsageError("option input_includes_cached is not true or false", remedy="write true or false")
    return "input_tokens" if said == "true" else "uncached_input_tokens"


def constant(options: Mapping[str, str], name: str) -> str:
    """SQL of an option's text; NULL where nothing was said."""
    return sql.text(options[name]) if options[name] else "NULL"


def product(options: Mapping[str, str]) -> str:
    """SQL of the product. Raises `UsageError` for one the ledger does not know."""
    known = TABLES["usage"].column("product").choices
    if options["product"] not in ("", *known):
        raise UsageError(f"there is no product {options['product']!r}", remedy=f"use {', '.join(known)}")
    return constant(options, "product")
