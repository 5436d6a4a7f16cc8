"""Prices as views: through time, and what differs between two price books.

People get one table per side and currency, so that the unit stands in its title, without columns that say
nothing. Machines (`for_people=False`) get one table whose columns never change, the currency among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

from breakeven.pricing.listing import NOT_PRICED, PriceChange, PriceRow
from breakeven.pricing.terms import TOKEN_CLASSES
from breakeven.report.view_model import Column, Envelope, Label, Table, Value, View

Row = dict[str, Value]

_SIDES = {"buy": Label("Buy prices", "采购价"), "sell": Label("Sell prices", "销售价")}
_CLASSES = (
    Column("uncached_input", Label("Input", "输入")),
    Column("cached_input", Label("Cached input", "缓存命中输入")),
    Column("cache_write", Label("Cache write", "缓存写入")),
    Column("output", Label("Output", "输出")),
)
_ALWAYS = ("uncached_input", "output")
_CHANGES = {
    "added": Label("added", "新增"),
    "removed": Label("removed", "删除"),
    "changed": Label("changed", "变更"),
}
_CHANGE = Column("change", Label("Change", "变化"), words=_CHANGES)
_PROVIDER = Column("provider", Label("Provider", "服务商"))
_MODEL = Column("model", Label("Model", "模型"))
_SPAN = (Column("valid_from", Label("From", "起")), Column("valid_to", Label("Until", "止")))
_TERMS = Column("terms", Label("Terms", "条件"))
_NAMES = (
    Column("side", Label("Side", "方向")),
    _PROVIDER,
    _MODEL,
    *_SPAN,
    _TERMS,
    Column("currency", Label("Currency", "币种")),
)
_PER_REQUEST = Column("per_request", Label("Request fee", "每次请求费"))
_EVIDENCE = (
    Column("known_from", Label("Known since", "获知日")),
    Column("card", Label("Card", "价目表")),
    Column("source", Label("Source", "出处")),
)
_NOTE = Label(
    "A dash is no price, never zero. Times are UTC; without an end, a price still holds.",
    "短横表示没有价格，而不是零。时间为 UTC；没有截止时刻的价格仍然有效。",
)


def prices_view(
    rows: Sequence[PriceRow], envelope: Envelope, *, day: date | None = None, for_people: bool = True
) -> View:
    """Prices per million tokens, stretch by stretch; `day` is the UTC day they were asked for, if any."""
    title = Label("Prices", "价目")
    if for_people:
        shown = [_price_row(row) | _readable(row) for row in rows]
        tables = _by_list(title, shown, (_MODEL, _terms(rows), *_SPAN, *_CLASSES, *_EVIDENCE))
    else:
        columns = (*_NAMES, *_CLASSES, _PER_REQUEST, *_EVIDENCE)
        tables = (_flat("prices", title, columns, [_price_row(row) for row in rows]),)
    facts: Row = {"period": day.isoformat()} if day else {}
    return View("prices", title, envelope, tables, facts=facts)


def price_changes_view(
    changes: Sequence[PriceChange], envelope: Envelope, *, for_people: bool = True
) -> View:
    """What prices were added, removed or changed, the figures before beside those after."""
    title = Label("Price changes", "价目变化")
    old = tuple(Column(f"{price.key}_before", _before(price.label)) for price in _CLASSES)
    if for_people:
        latest = [_latest(change) for change in changes]
        pairs = [column for pair in zip(old, _CLASSES, strict=True) for column in pair]
        columns = (_MODEL, _CHANGE, _terms(latest), *_SPAN, *pairs, *_EVIDENCE)
        shown = [_change_row(change) | _readable(row) for change, row in zip(changes, latest, strict=True)]
        tables = _by_list(title, shown, columns)
    else:
        columns = (_CHANGE, *_NAMES, *old, *_CLASSES, _PER_REQUEST, *_EVIDENCE)
        tables = (_flat("price_changes", title, columns, [_change_row(change) for change in changes]),)
    return View("price_changes", title, envelope, tables)


def terms_of(row: PriceRow) -> Label:
    """The terms under which a price holds: service tier, hours, length of the input, volume of the month.

    Names of tiers and hours are the card's own and stay as written.
    """
    own = [name for name in (row.service_tier, row.window) if name]
    en, zh = list(own), list(own)
    if row.above_input_tokens:
        en.append(f"input above {row.above_input_tokens:,} tokens")
        zh.append(f"输入超过 {row.above_input_tokens:,} 词元")
    if row.above_tokens:
        en.append(f"above {row.above_tokens:,} tokens a month")
        zh.append(f"当月超过 {row.above_tokens:,} 词元")
    if row.negotiated is not None:
        en.append(f"negotiated × {_plain(row.negotiated)}")
        zh.append(f"议价 × {_plain(row.negotiated)}")
    return Label(", ".join(en), "，".join(zh))


def _price_row(row: PriceRow) -> Row:
    prices = zip(TOKEN_CLASSES, row.prices.per_mtok, strict=True)
    return {
        "side": row.side,
        "provider": row.provider,
        "model": row.model,
        "valid_from": _instant(row.valid_from),
        "valid_to": _instant(row.valid_to),
        "terms": terms_of(row).en,
        "currency": row.currency,
        **{name: _plain(price) for name, price in prices},
        "per_request": _plain(row.prices.per_request) if row.prices.per_request else None,
        "known_from": row.known_from.isoformat(),
        "card": row.card,
        "source": row.source,
    }


def _readable(row: PriceRow) -> Row:
    """What people read instead: one name, midnights as days, no end as nothing, the fee among the terms."""
    return {
        "model": f"{row.provider}/{row.model}",
        "valid_from": (_instant(row.valid_from) or "").removesuffix(" 00:00"),
        "valid_to": (_instant(row.valid_to) or "").removesuffix(" 00:00"),
        "terms": _all_terms(row).en,
    }


def _all_terms(row: PriceRow) -> Label:
    """The terms with what else is not a price per token: a fee per request, or that there is no price."""
    found = [terms] if (terms := terms_of(row)).en else []
    if row.prices.per_request:
        fee = f"{_plain(row.prices.per_request)} {row.currency}"
        found.append(Label(f"plus {fee} per request", f"另收每次请求 {fee}"))
    if row.prices == NOT_PRICED:
        found.append(Label("no price", "没有价格"))
    return Label(", ".join(each.en for each in found), "，".join(each.zh for each in found))


def _terms(rows: Iterable[PriceRow]) -> Column:
    """The column of terms, which rows hold in English."""
    return replace(_TERMS, words={terms.en: terms for terms in map(_all_terms, rows)})


def _latest(change: PriceChange) -> PriceRow:
    row = change.after or change.before
    if row is None:
        raise AssertionError("a change has a price before it or after it")
    return row


def _change_row(change: PriceChange) -> Row:
    shown = _price_row(_latest(change))
    if change.after is None:
        shown |= dict.fromkeys((*TOKEN_CLASSES, "per_request"))
    before = (change.before.prices if change.before else NOT_PRICED).per_mtok
    old = {f"{name}_before": _plain(price) for name, price in zip(TOKEN_CLASSES, before, strict=True)}
    return {"change": change.kind, **shown, **old}


def _by_list(title: Label, rows: Sequence[Row], columns: Sequence[Column]) -> tuple[Table, ...]:
    """One table per side and currency, in the order in which they come.

    The model leads its columns, since a narrow terminal repeats the first one, and the evidence is last.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((str(row["side"]), str(row["currency"])), []).append(row)
    tables = [
        Table(
            f"{side}_{currency}",
            _SIDES[side],
            tuple(_priced(column, currency) for column in columns if _is_used(column, found)),
            tuple(found),
        )
        for (side, currency), found in groups.items()
    ]
    if not tables:
        return (Table("none", title, tuple(columns), ()),)
    return (*tables[:-1], replace(tables[-1], note=_NOTE))


def _is_used(column: Column, rows: Iterable[Row]) -> bool:
    """Whether a column says anything. Input and output stay in any case: the title takes the unit of both."""
    return column.key in _ALWAYS or any(row.get(column.key) not in (None, "") for row in rows)


def _priced(column: Column, currency: str) -> Column:
    is_price = column.key.removesuffix("_before") in TOKEN_CLASSES
    return replace(column, unit=f"{currency}/Mtok") if is_price else column


def _flat(table: str, title: Label, columns: tuple[Column, ...], rows: Sequence[Row]) -> Table:
    """Every row in one table, its unit beside it; the fee per request is in the currency itself."""
    found = tuple({**row, "unit": f"{row['currency']}/Mtok"} for row in rows)
    return Table(table, title, (*columns, Column("unit", Label("Unit", "单位"))), found)


def _before(label: Label) -> Label:
    return Label(f"{label.en} before", f"原{label.zh}")


def _instant(at: datetime | None) -> str | None:
    return f"{at:%Y-%m-%d %H:%M}" if at else None


def _plain(price: Decimal | None) -> Decimal | None:
    """The same number without trailing zeros, and never in exponents."""
    return None if price is None else Decimal(f"{price.normalize():f}")
