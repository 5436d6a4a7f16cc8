"""Bills of WeChat Pay and Alipay as plain tables: without their preambles, signs against Excel, and totals.

WeChat Pay writes a backtick before every cell and, below the rows, a line of names and a line of totals.
Alipay writes comment lines that begin with `#` around the rows, totals among them, and fills cells with tabs.
The totals are proof that a file is whole: it is refused where the rows do not add up to them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

from breakeven.engine import sql
from breakeven.engine.duckdb import DuckDBEngine
from breakeven.errors import InputError
from breakeven.ledger.layout import Prepared
from breakeven.ledger.text_files import prepare_text

SEPARATOR = "\x1f"
"""What stands between cells afterwards: no cell holds it, so that commas in product names split nothing."""

Total = tuple[tuple[str, ...], Decimal]
"""Row columns (those that the file has are added up) and what they must add up to."""

_WECHAT_COUNTS = ("总交易单数", "资金流水总笔数")
_WECHAT_SUMS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("应结订单总金额", "总交易额"), ("应结订单金额", "总金额")),
    (("退款总金额", "总退款金额"), ("退款金额",)),
    (("手续费总金额",), ("手续费",)),
    (("收入金额", "支出金额"), ("收支金额(元)", "收支金额（元）")),
)
_ALIPAY_TOTAL = re.compile(r"^#\s*.{1,6}合计[:：]\s*(\d+)\s*笔[,，][^,，]{0,8}?共\s*(-?[0-9.]+)\s*元")
_ALIPAY_AMOUNTS = (
    *("商家实收（元）", "商家实收(元)"),
    *("收入金额（+元）", "收入金额(+元)", "收入金额"),
    *("支出金额（-元）", "支出金额(-元)", "支出金额"),
)
_AGAIN = "fetch the file again"


def wechat_bill(path: Path, folder: Path) -> Prepared:
    """A WeChat Pay bill as a table. Raises `InputError` when its totals are missing or do not fit."""
    return _prepared(path, folder, _wechat_table)


def alipay_bill(path: Path, folder: Path) -> Prepared:
    """An Alipay bill as a table. Raises `InputError` when its totals are missing or do not fit."""
    return _prepared(path, folder, _alipay_table)


Write = Callable[[Iterator[bytes], BinaryIO, Path], tuple[int, int, list[Total]]]


def _prepared(path: Path, folder: Path, write: Write) -> Prepared:
    text = prepare_text(path, folder, None)
    target = folder / f"{path.name}.table.csv"
    with text.path.open("rb") as lines, target.open("wb") as out:
        rows, claimed, totals = write(_without_mark(lines), out, path)
    if rows != claimed:
        raise InputError(
            f"the file says it holds {claimed:,} records, but {rows:,} are in it; nothing was imported",
            where=str(path),
            cause="the download was cut off, or lines were removed",
            remedy=_AGAIN,
        )
    _refuse_other_amounts(target, rows, totals, path)
    return Prepared(target, claimed)


def _without_mark(lines: Iterable[bytes]) -> Iterator[bytes]:
    for number, line in enumerate(lines):
        kept = (line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line).rstrip(b"\r\n")
        if kept.strip():
            yield kept


def _wechat_table(lines: Iterator[bytes], out: BinaryIO, path: Path) -> tuple[int, int, list[Total]]:
    header = next(lines, b"")
    if header.startswith((b"<", b"{")):
        raise InputError(
            "the payment system answered with an error, not with a bill",
            where=str(path),
            cause=header[:200].decode("utf-8", "replace"),
            remedy="a day without transactions has no bill; else check the request",
        )
    out.write(_cells(header) + b"\n")
    counts = tuple(mark + name.encode() for name in _WECHAT_COUNTS for mark in (b"", b"`"))
    for rows, line in enumerate(lines):
        if line.startswith(counts):
            names, figures = (
                _cells(cells).decode("utf-8", "replace").split(SEPARATOR)
                for cells in (line, next(lines, b""))
            )
            return rows, *_wechat_totals(names, figures, path)
        out.write(_cells(line) + b"\n")
    raise _no_totals(path)


def _cells(line: bytes) -> bytes:
    """The cells of a line with our separator between them. A comma before a backtick is the one that splits.

    >>> _cells("`2024-03-20 10:00:00,`wx1,`会员, 月卡,`0.06".encode()).decode().split(SEPARATOR)
    ['2024-03-20 10:00:00', 'wx1', '会员, 月卡', '0.06']
    """
    mark = SEPARATOR.encode()
    if line.startswith(b"`"):
        cells = line[1:].replace(b",`", mark)
    elif b'"' in line:
        # Saved again by another program: backticks gone, commas in quotes.
        text = line.decode("utf-8", "surrogateescape")
        return SEPARATOR.join(_quoted(cell) for cell in next(csv.reader([text]))).encode(
            "utf-8", "surrogateescape"
        )
    else:
        cells = line.replace(b",", mark)
    if b'"' not in cells:
        return cells
    return mark.join(b'"' + cell.replace(b'"', b'""') + b'"' for cell in cells.split(mark))


def _quoted(cell: str) -> str:
    return '"' + cell.removeprefix("`").replace('"', '""') + '"'


def _wechat_totals(names: list[str], figures: list[str], path: Path) -> tuple[int, list[Total]]:
    said = {name.strip(): figure.strip() for name, figure in zip(names, figures, strict=False)}
    try:
        count = next(int(said[name]) for name in _WECHAT_COUNTS if name in said)
        sums = [
            (columns, sum((Decimal(said[name]) for name in found), Decimal(0)))
            for labels, columns in _WECHAT_SUMS
            if (found := [name for name in labels if name in said])
        ]
    except (ValueError, ArithmeticError, KeyError, StopIteration) as error:
        raise _no_totals(path) from error
    return count, sums


def _alipay_table(lines: Iterator[bytes], out: BinaryIO, path: Path) -> tuple[int, int, list[Total]]:
    rows, is_whole, has_header = 0, False, False
    count, total = 0, Decimal(0)
    for line in lines:
        if line.startswith(b"#"):
            comment = line.decode("utf-8", "replace")
            is_whole = is_whole or "列表结束" in comment
            if found := _ALIPAY_TOTAL.match(comment):
                count, total = count + int(found[1]), total + Decimal(found[2])
            continue
        # Tabs fill cells up so that Excel shows long numbers whole; they are no part of any value.
        out.write(line.replace(b"\t", b"").strip() + b"\n")
        rows += has_header
        has_header = True
    if not is_whole:
        raise _no_totals(path)
    return rows, count, [(_ALIPAY_AMOUNTS, total)]


def _no_totals(path: Path) -> InputError:
    return InputError(
        "the bill ends without its totals; nothing was imported",
        where=str(path),
        cause="the download was cut off, or it is another kind of file",
        remedy=_AGAIN,
    )


def _refuse_other_amounts(table: Path, rows: int, totals: list[Total], path: Path) -> None:
    """Raise `InputError` when readable rows add up to other amounts than the file says."""
    with table.open("rb") as handle:
        header = handle.readline().decode("utf-8", "replace").rstrip("\n")
    delimiter = SEPARATOR if SEPARATOR in header else ","
    columns = [name.strip().strip('"') for name in header.split(delimiter)]
    checks = [(found, total) for names, total in totals if (found := [n for n in names if n in columns])]
    if not checks or not all(columns) or len({name.casefold() for name in columns}) != len(columns):
        return  # a header with empty or repeated names is refused where the table is opened
    shape = ", ".join(f"{sql.text(name)}: 'VARCHAR'" for name in columns)
    cells = {name: f"TRY_CAST({sql.name(name)} AS DECIMAL(18,5))" for found, _ in checks for name in found}
    sums = ", ".join(
        f"sum({' + '.join(f'coalesce({cells[name]}, 0)' for name in found)})" for found, _ in checks
    )
    unread = " OR ".join(f"(trim({sql.name(name)}) <> '' AND {cell} IS NULL)" for name, cell in cells.items())
    with DuckDBEngine(memory_gib=1.0) as engine:
        readable = f"count(*) FILTER (NOT coalesce({unread}, false))"
        [(read, *said)] = engine.rows(
            f"SELECT {readable}, {sums} FROM read_csv({sql.text(str(table))}, auto_detect = false, "
            f"header = true, ignore_errors = true, delim = {sql.text(delimiter)}, quote = '\"', "
            f"escape = '\"', columns = {{{shape}}})"
        )
    if read != rows:
        return  # what cannot be read goes to quarantine: the rest adds up to less
    for (names, total), found in zip(checks, said, strict=True):
        # Older bills write refunds with a minus in the rows and without one in the total.
        if abs(found or Decimal(0)) != abs(total):
            raise InputError(
                f"the file's total of {' + '.join(names)} is {total}, but its rows add up to {found or 0}",
                where=str(path),
                cause="the download was cut off, or lines were changed",
                remedy=_AGAIN,
            )
