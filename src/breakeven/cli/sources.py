"""`breakeven sources`: the systems whose own files can be read."""

from __future__ import annotations

from datetime import UTC, datetime
from difflib import get_close_matches

import click

from breakeven import __version__
from breakeven.cli.bilingual import command
from breakeven.cli.options import Output, output_options
from breakeven.cli.output import emit, utc_text
from breakeven.errors import InputError, UsageError
from breakeven.ledger.mapping import read_mapping
from breakeven.report import view_model
from breakeven.report.view_model import Column, Envelope, Label, Language, Table, Value, View
from breakeven.sources.registry import Source, find_source, source_names
from breakeven.sources.shipped_mappings import SHIPPED, shipped_mapping

_TITLE = Label("Sources", "数据源")
_CACHED = {
    "yes": Label("yes", "是"),
    "no": Label("no", "否"),
    "unknown": Label("not recorded", "未记录"),
}
_MORE = Label(
    "Options of a source and what to know of it: breakeven sources NAME",
    "某一数据源的选项与须知：breakeven sources 名称",
)
_NAME = Column("name", Label("Name", "名称"))
_TABLE = Column("ledger_table", Label("Tables", "表"))
_MAPPINGS = Label("Mappings: --mapping NAME", "自带映射：--mapping 名称")
_COVERS = {
    "en": Column("covers_en", Label("What it covers", "涵盖内容")),
    "zh": Column("covers_zh", Label("What it covers", "涵盖内容")),
}
_INCLUDED = Column("input_includes_cached", Label("Input includes cached", "输入含缓存"), words=_CACHED)
_ORIGIN = Column("origin", Label("Origin", "出处"))
_OPTION_COLUMNS = (
    Column("option", Label("Option", "选项")),
    Column("default", Label("Default", "默认值")),
    Column("meaning", Label("Meaning", "含义")),
)


@command(
    "sources",
    en="Systems whose own files `breakeven import --source NAME` reads. Any other name only labels rows. "
    "With NAME: its options, and what a reader must know of it.",
    zh="`breakeven import --source 名称` 可直接读取的系统。其他名称只作行的标签。\n"
    "给出名称则显示其选项与须知。",
)
@click.argument("name", required=False)
@output_options
def sources(name: str | None, output: Output) -> None:
    """List what is built in and what installed packages offer."""
    if name is not None and find_source(name) is None:
        near = ", ".join(get_close_matches(name, source_names(), 3)) or ", ".join(source_names())
        raise UsageError(f"there is no source {name!r}", remedy=f"use {near}")
    found: list[Source] = []
    warnings: list[view_model.Warning] = []
    for each in source_names() if name is None else [name]:
        try:
            source = find_source(each)
        except InputError as error:
            warnings.append(view_model.Warning("broken_source", Label(str(error), str(error))))
        else:
            found += [source] if source else []
    envelope = Envelope(
        f"Breakeven {__version__}", utc_text(datetime.now(UTC)), "UTC", "", warnings=tuple(warnings)
    )
    rows = tuple(_row(source) for source in found)
    emit(
        View("sources", _TITLE, envelope, _tables(found, rows, output, one=name is not None), json_rows=rows),
        output,
    )


def _row(source: Source) -> dict[str, Value]:
    included = {True: "yes", False: "no", None: "unknown"}[source.input_includes_cached]
    return {
        "name": source.name,
        "label_en": source.label.en,
        "label_zh": source.label.zh,
        "ledger_table": " ".join(source.tables),
        "covers_en": source.covers.en,
        "covers_zh": source.covers.zh,
        "live": " ".join(source.schemes),
        "input_includes_cached": included,
        "options": " ".join(f"{option.name}={option.default}" for option in source.options),
        "notes_en": source.notes.en,
        "notes_zh": source.notes.zh,
        "origin": source.origin,
    }


def _tables(
    found: list[Source], rows: tuple[dict[str, Value], ...], output: Output, *, one: bool
) -> tuple[Table, ...]:
    label = Column(f"label_{output.language}", Label("What it is", "说明"))
    covers = _COVERS[output.language]
    listed = Table("sources", _TITLE, (_NAME, _TABLE, covers, _INCLUDED), rows, note=_MORE)
    if one:
        about = Table("sources", _TITLE, (_NAME, label, _TABLE, covers, _INCLUDED, _ORIGIN), rows)
        return (about, *(_options_table(source, output.language) for source in found))
    if output.format == "csv":
        return (listed,)
    return (listed, Table("mappings", _MAPPINGS, (_NAME, _TABLE, covers, label), _mapping_rows()))


def _mapping_rows() -> tuple[dict[str, Value], ...]:
    """Mapping files that ship with us."""
    return tuple(
        {
            "name": name,
            "label_en": label.en,
            "label_zh": label.zh,
            "ledger_table": read_mapping(path).table if (path := shipped_mapping(name)) else None,
            "covers_en": covers.en,
            "covers_zh": covers.zh,
        }
        for name, (label, covers) in SHIPPED.items()
    )


def _options_table(source: Source, language: Language) -> Table:
    """What a source can be told, and beneath it what a reader must know of it."""
    rows: list[dict[str, Value]] = [
        {
            "option": option.name,
            "default": option.default,
            "meaning": option.label.zh if language == "zh" else option.label.en,
        }
        for option in source.options
    ]
    title = Label(f"{source.name}: --option name=value", f"{source.name}：--option 名=值")
    return Table(f"options_{source.name}", title, _OPTION_COLUMNS, tuple(rows), Label(*source.notes))
