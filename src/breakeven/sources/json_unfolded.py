"""JSON records taken apart by the engine: what a record holds in a list becomes records of its own.

Lines that are no JSON, or no text, pass as they are: the ledger reports them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from breakeven.engine import sql
from breakeven.engine.duckdb import DuckDBEngine
from breakeven.ledger.layout import Prepare, Prepared
from breakeven.ledger.text_files import compression_of, prepare_text
from breakeven.sources.json_pages import documents

_BLOCK_BYTES = 1 << 22


def unfolded(query: Callable[[str], str]) -> Prepare:
    """Makes a file of JSON lines out of pages or lines, by a query over them.

    `query(relation)` is SQL of the new lines, in order; the relation has `text`, a line, and `doc`, the JSON
    object it is, or NULL where it is none: such a line has to come out again as it went in.
    """
    return partial(_prepared, query)


def _prepared(query: Callable[[str], str], path: Path, folder: Path) -> Prepared:
    flat = documents()(path, folder).path
    if flat == path and compression_of(path):
        flat = prepare_text(path, folder, None).path
    good, bad, target = (folder / f"{name}.jsonl" for name in ("good", "bad", "unfolded"))
    _split(flat, good, bad)
    lines = (
        f"read_csv({sql.text(str(good))}, auto_detect = false, header = false, delim = '\x1f', quote = '', "
        "escape = '', columns = {'line': 'VARCHAR'}, strict_mode = false)"
    )
    read = (
        f"(SELECT text, CASE WHEN json_type(doc) = 'OBJECT' THEN doc END AS doc FROM (SELECT line AS text, "
        f"CASE WHEN json_valid(line) THEN line END AS doc FROM {lines} WHERE trim(line, ' \t\r') <> ''))"
    )
    with DuckDBEngine(memory_gib=1.0, keep_order=True) as engine:
        engine.execute(
            f"COPY ({query(read)}) TO {sql.text(str(target))} "
            "(FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x1f')"
        )
    with target.open("ab") as out, bad.open("rb") as handle:
        while block := handle.read(_BLOCK_BYTES):
            out.write(block)
    return Prepared(target)


def _split(path: Path, good: Path, bad: Path) -> None:
    """Part lines of text from lines with bytes that are none, which the engine would refuse as a whole."""
    with path.open("rb") as source, good.open("wb") as fine, bad.open("wb") as broken:
        while lines := source.readlines(_BLOCK_BYTES):
            block = b"".join(lines)
            if _is_text(block):
                fine.write(block)
                continue
            for line in lines:
                (fine if _is_text(line) else broken).write(line)


def _is_text(block: bytes) -> bool:
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\x1f" not in block
