"""What an export wrote: each file with what it holds, its size and its digest to check it by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from breakeven.report.view_model import Column, Envelope, Label, Table, Value, View

_HOLDS = {
    "sheets": Label("sheets", "张工作表"),
    "transactions": Label("transactions", "笔分录"),
    "rows": Label("rows", "行"),
}


@dataclass(frozen=True)
class Written:
    """One file: its format, how many of what it holds, and what of the books it is."""

    path: Path
    format: str
    count: int
    unit: str
    what: str


def written_view(files: list[Written], head: Envelope) -> View:
    """The files as a table."""
    rows: tuple[dict[str, Value], ...] = tuple(
        {
            "file": str(one.path),
            "format": one.format,
            "what": one.what,
            "count": one.count,
            "of": one.unit,
            "bytes": one.path.stat().st_size,
            "sha256": _digest(one.path),
        }
        for one in files
    )
    title = Label("Written", "已写入")
    columns = (
        Column("file", Label("File", "文件")),
        Column("format", Label("Format", "格式")),
        Column("what", Label("What", "内容")),
        Column("count", Label("Holds", "数量"), "count"),
        Column("of", Label("Of", "单位"), words=_HOLDS),
        Column("bytes", Label("Bytes", "字节"), "count"),
        Column("sha256", Label("SHA-256", "SHA-256")),
    )
    return View("export", title, head, (Table("written", title, columns, rows),))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
