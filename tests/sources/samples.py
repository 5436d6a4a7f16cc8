"""Read a source's sample as the ledger would see it: one plain row per record, nulls left out."""

from __future__ import annotations

import json
from pathlib import Path

from breakeven.sources.registry import find_source

HERE = Path(__file__).parent


def rows_of(name: str, path: Path, **options: str) -> list[dict[str, str | int]]:
    """What a source yields, with instants as ISO text."""
    source = find_source(name)
    assert source is not None
    found = [row for batch in source.read(path, source.options_from(options)) for row in batch.to_pylist()]
    return [
        {
            key: value if isinstance(value, int | str) else value.isoformat()
            for key, value in row.items()
            if value is not None
        }
        for row in found
    ]


def written(rows: list[dict[str, str | int]]) -> str:
    """Rows as the expected files hold them."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
