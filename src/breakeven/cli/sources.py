"""`breakeven sources`: the systems whose own files can be read."""

from __future__ import annotations

from datetime import UTC, datetime

from breakeven import __version__
from breakeven.cli.bilingual import command
from breakeven.cli.options import Output, output_options
from breakeven.cli.output import emit, utc_text
from breakeven.errors import InputError
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
    en="Systems whose own files `breakeven import --source NAME` reads. Any other name only labels rows.",
    zh="`breakeven import --source 名称` 可直接读取的系统。其他名称只作行的标签。",
)
@output_options
def sources(output: Output) -> None:
    """List what is built in and what installed packages offer."""
    found: list[Source] = []
    warnings: list[view_model.Warning] = []
    for name in source_names():
        try:
            source = find_source(name)
        except InputError as error:
            warnings.append(view_model.Warning("broken_source", Label(str(error), str(error))))
        else:
            found += [source] if source else []
    envelope = Envelope(
        f"Breakeven {__version__}", utc_text(datetime.now(UTC)), "UTC", "", warnings=tuple(warnings)
    )
    rows = tuple(_row(source) for source in found)
    emit(View("sources", _TITLE, envelope, _tables(found, rows, output), json_rows=rows), output)


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


def _tables(found: list[Source], rows: tuple[dict[str, Value], ...], output: Output) -> tuple[Table, ...]:
    label = Column(f"label_{output.language}", Label("What it is", "说明"))
    listed = Table(
        "sources", _TITLE, (_NAME, label, _TABLE, _COVERS[output.language], _INCLUDED, _ORIGIN), rows
    )
    if output.format == "csv":
        return (listed,)
    mappings = Table("mappings", _MAPPINGS, (_NAME, label, _TABLE, _COVERS[output.language]), _mapping_rows())
    return (listed, mappings, *(_options_table(source, output.language) for source in found))


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
