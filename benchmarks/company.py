"""The generated company that is measured: its files, the same files with the last day apart, and its books.

Everything lies under one folder per size and is kept between runs. A folder is written under another name
and renamed when it is whole, so an interrupted run leaves nothing that looks finished.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.process import measure

MEASURED_TABLES = (
    "usage",
    "activity",
    "acquisitions",
    "payments",
    "ad_spend",
    "capacity",
    "bills",
    "funding",
)
LAST_DAY = "last-day"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Company:
    """Where everything of one size lies. `preparing` lists what was measured while it was prepared."""

    users: int
    months: int
    folder: Path
    say: Say

    @property
    def raw(self) -> Path:
        """One Parquet file per table, as generated."""
        return self.folder / "raw"

    @property
    def books(self) -> Path:
        """Books of the whole company, or of all days but the last when it is kept back."""
        return self.folder / "books"

    @property
    def last_day(self) -> Path:
        """One Parquet file per table with the rows of the last day."""
        return self.folder / LAST_DAY

    def files(self) -> Path:
        """The generated files, written when they are not there."""
        if not self.raw.exists():
            self.say(f"generating a company of {self.users:,} users")
            self.folder.mkdir(parents=True, exist_ok=True)
            part = _emptied(self.folder / "raw.part")
            measure(generate, users=self.users, months=self.months, folder=part)
            part.rename(self.raw)
        return self.raw

    def usage_rows(self) -> int:
        """Rows of usage of the whole company, from its truth."""
        return json.loads((self.folder / "truth.json").read_text("utf-8"))["rows"]["usage"]

    def ready_books(self, *, keep_last_day: bool) -> dict[str, Any]:
        """The books, imported when they are not there; tells what the import of usage took."""
        notes = self.folder / "import.json"
        if not (self.books.exists() and notes.exists()):
            source = self._history() if keep_last_day else self.files()
            self.say(f"importing a company of {self.users:,} users")
            part = _emptied(self.folder / "books.part")
            usage = measure(import_table, books=part, table="usage", file=source / "usage.parquet")
            measure(import_tables, books=part, folder=source, tables=MEASURED_TABLES[1:])
            shutil.copytree(self.folder / "prices", part / "prices", dirs_exist_ok=True)
            shutil.rmtree(self.books, ignore_errors=True)
            part.rename(self.books)
            taken = {"seconds": usage.process_seconds, "peak_bytes": usage.peak_bytes, **usage.said}
            notes.write_text(json.dumps(taken), "utf-8")
            shutil.rmtree(self.folder / "history", ignore_errors=True)
        return json.loads(notes.read_text("utf-8"))

    def _history(self) -> Path:
        history = self.folder / "history"
        if not (history.exists() and self.last_day.exists()):
            raw = self.files()
            self.say("putting the last day aside")
            parts = [_emptied(self.folder / "history.part"), _emptied(self.folder / "last-day.part")]
            measure(split_last_day, months=self.months, raw=raw, history=parts[0], last_day=parts[1])
            for part, whole in zip(parts, (history, self.last_day), strict=True):
                shutil.rmtree(whole, ignore_errors=True)
                part.rename(whole)
            shutil.rmtree(raw)
        return history

    def first_half(self) -> Path:
        """A file with the first half of the usage rows."""
        path = self.folder / "usage-first-half.parquet"
        if not path.exists():
            self.say("writing the first half of the usage rows to a file")
            measure(write_first_half, file=self.files() / "usage.parquet", target=path)
        return path

    def csv(self) -> Path:
        """The usage rows as CSV."""
        folder = self.folder / "csv"
        if not folder.exists():
            self.say("writing the usage rows as CSV")
            part = _emptied(self.folder / "csv.part")
            measure(write_csv, file=self.files() / "usage.parquet", folder=part)
            part.rename(folder)
        return folder / "usage" / "usage.csv"


def generate(users: int, months: int, folder: str) -> dict[str, Any]:
    """Write a company: one Parquet file per table; its truth and price cards beside the folder."""
    from breakeven.sources.synthetic.generate import write_company
    from breakeven.sources.synthetic.plan import CompanyPlan
    from breakeven.sources.synthetic.prices import write_cards

    whole = Path(folder)

    def keep(table: str, path: Path) -> None:
        path.rename(whole / f"{table}.parquet")

    in_one_file = 10**12
    truth = write_company(CompanyPlan(users=users, months=months), whole, keep, chunk_rows=in_one_file)
    write_cards(whole.parent / "prices")
    truth.write(whole.parent / "truth.json")
    return {"rows": truth.facts["rows"]}


def split_last_day(months: int, raw: str, history: str, last_day: str) -> dict[str, Any]:
    """Write every table's rows of the last local day to one folder, and all others to another."""
    from breakeven.engine import sql
    from breakeven.engine.duckdb import DuckDBEngine
    from breakeven.ledger.tables import TABLES
    from breakeven.sources.synthetic import company
    from breakeven.sources.synthetic.plan import CompanyPlan

    last = CompanyPlan(users=1, months=months).days[-1]
    with DuckDBEngine(keep_order=True) as engine:
        for name, table in TABLES.items():
            file = Path(raw) / f"{name}.parquet"
            if not file.exists():
                continue
            clock = sql.name(table.clock)
            if table.column(table.clock).kind != "day":
                clock = f"CAST(({clock} AT TIME ZONE {sql.text(company.ZONE)}) AS DATE)"
            on_last_day = f"{clock} = DATE '{last}'" if table.partitioned else "false"
            parts = [(Path(history) / file.name, f"NOT ({on_last_day})")]
            if table.partitioned:
                parts.append((Path(last_day) / f"{name}-{LAST_DAY}.parquet", on_last_day))
            for target, rows in parts:
                engine.execute(
                    f"COPY (SELECT * FROM read_parquet({sql.text(str(file))}) WHERE {rows}) "
                    f"TO {sql.text(str(target))} (FORMAT parquet, COMPRESSION snappy)"
                )
                if not engine.rows(f"SELECT 1 FROM read_parquet({sql.text(str(target))}) LIMIT 1"):
                    target.unlink()
    return {}


def write_first_half(file: str, target: str) -> dict[str, Any]:
    """Copy the first half of a Parquet file's rows."""
    import pyarrow.parquet as pq

    part = Path(f"{target}.part")
    with pq.ParquetFile(file) as source:
        left = source.metadata.num_rows // 2
        with pq.ParquetWriter(part, source.schema_arrow) as writer:
            for batch in source.iter_batches(500_000):
                writer.write_batch(batch.slice(0, left))
                left -= min(left, batch.num_rows)
                if not left:
                    break
    part.rename(target)
    return {}


def write_csv(file: str, folder: str) -> dict[str, Any]:
    """Write a Parquet file as CSV, as `breakeven generate --format csv` would."""
    from breakeven.sources.synthetic.files import keep_in

    keep_in(Path(folder), "csv")("usage", Path(file))
    return {}


def import_table(books: str, table: str, file: str) -> dict[str, Any]:
    """Import one file, into new books when there are none; checks that every row is accounted for."""
    from breakeven.errors import BooksError
    from breakeven.ledger.books import open_books
    from breakeven.sources.synthetic.write import SOURCE

    try:
        opened = open_books(books)
    except BooksError:
        opened = _new_books(books)
    [result] = opened.ingest(table, [Path(file)], source=SOURCE)
    if result.quarantined or result.ingested + result.duplicates != result.rows_read:
        raise AssertionError(f"{result.quarantined} rows of {file} went to quarantine")
    return {
        "rows": result.rows_read, "ingested": result.ingested, "duplicates": result.duplicates,
        "bytes": Path(file).stat().st_size,
    }  # fmt: skip


def import_tables(books: str, folder: str, tables: list[str]) -> dict[str, Any]:
    """Import the files of a folder, `TABLE.parquet` or `TABLE-*.parquet`, as far as they are there."""
    taken: dict[str, Any] = {}
    for table in tables:
        for file in sorted(Path(folder).glob(f"{table}*.parquet")):
            taken[table] = import_table(books, table, str(file))
    return taken


def _new_books(folder: str) -> Any:
    from breakeven.ledger.books import create_books
    from breakeven.sources.synthetic import company
    from breakeven.sources.synthetic.books import SERVING_WEIGHTS

    return create_books(
        folder,
        name="benchmark (synthetic)",
        currency=company.CURRENCY,
        time_zone=company.ZONE,
        synthetic=True,
        settings={
            "provenance": "modelled",
            "serving": {"own_providers": [company.OWN_PROVIDER], "weights": SERVING_WEIGHTS},
        },
    )


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
