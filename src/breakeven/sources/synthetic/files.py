"""Keep the generated chunks as files: Parquet as they are, or CSV for those who want text."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

import pyarrow.csv as csv
import pyarrow.parquet as pq

from breakeven.sources.synthetic.write import Emit

FileFormat = Literal["parquet", "csv"]


def keep_in(folder: Path, file_format: FileFormat) -> Emit:
    """An `emit` that keeps every chunk under `folder/TABLE/`; CSV is written a row group at a time."""

    def emit(table: str, path: Path) -> None:
        home = folder / table
        home.mkdir(parents=True, exist_ok=True)
        if file_format == "parquet":
            shutil.copyfile(path, home / path.name)
        else:
            _write_csv(path, home / f"{path.stem}.csv")

    return emit


def _write_csv(parquet: Path, text: Path) -> None:
    with pq.ParquetFile(parquet) as source, csv.CSVWriter(text, source.schema_arrow) as target:
        for group in range(source.num_row_groups):
            target.write_table(source.read_row_group(group))
