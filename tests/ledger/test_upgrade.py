"""Books of version 1 open as books of version 2: nothing is lost, and what is new is empty."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from breakeven.errors import BooksError
from breakeven.ledger.books import open_books
from breakeven.ledger.settings import SCHEMA_VERSION, schema_version
from breakeven.ledger.tables import TABLES

from .bench import USAGE, held, take, write

NEW_COLUMNS = {
    "usage": {"response_id"},
    "bills": {"charge", "token_class", "service_tier", "pricing_amount", "pricing_currency", "invoice_id"},
}
NEW_TABLES = {"settlements"}
BILL = {
    "vendor": "cloud", "category": "cloud", "period_start": datetime(2024, 3, 1, tzinfo=UTC).date(),
    "period_end": datetime(2024, 4, 1, tzinfo=UTC).date(), "amount": Decimal("10.000000000"),
    "currency": "CNY", "source": "test", "source_id": "b1", "version": 1, "batch_id": "bills-1",
}  # fmt: skip
REQUEST = {
    "at": datetime(2024, 3, 20, 2, tzinfo=UTC), "provider": "moonshot", "model": "moonshot-v1-8k",
    "user_id": "u1", "requests": 1, "uncached_input_tokens": 80, "cached_input_tokens": 20,
    "cache_write_tokens": 0, "output_tokens": 30, "reasoning_tokens": 5, "source": "test",
    "source_id": "r1", "version": 1, "batch_id": "usage-1", "day": datetime(2024, 3, 20, tzinfo=UTC).date(),
}  # fmt: skip


def old_schema(name: str) -> pa.Schema:
    lacking = {"revision"} | NEW_COLUMNS.get(name, set())
    return pa.schema([field for field in TABLES[name].schema if field.name not in lacking])


def facts(batch_id: str) -> CommitProperties:
    said = {
        "kind": "import", "batch_id": batch_id, "file": "old.csv", "file_sha256": "0", "source": "test",
        "rows_read": 1, "ingested": 1, "duplicates": 0, "quarantined": 0, "versions": 0, "duplicates_of": {},
        "revised_days": [], "first_day": "2024-03-20", "last_day": "2024-03-20", "covers": None,
    }  # fmt: skip
    return CommitProperties(custom_metadata={"breakeven": json.dumps(said)})


@pytest.fixture
def old_books(tmp_path: Path) -> Path:
    """Books as a program of version 1 left them."""
    folder = tmp_path / "old"
    (folder / "prices").mkdir(parents=True)
    rows = {"usage": REQUEST, "bills": BILL}
    for name, table in TABLES.items():
        if name in NEW_TABLES:
            continue
        cut = ["day"] if table.partitioned else None
        DeltaTable.create(str(folder / name), schema=old_schema(name), partition_by=cut)
        if name in rows:
            written = pa.Table.from_pylist([rows[name]], old_schema(name))
            write_deltalake(str(folder / name), written, mode="append", commit_properties=facts(f"{name}-1"))
    from breakeven.ledger.quarantine import SCHEMA

    DeltaTable.create(str(folder / "quarantine"), schema=SCHEMA, partition_by=["batch_id"])
    (folder / "breakeven.toml").write_text(
        'schema_version = 1\nname = "Old"\ncurrency = "CNY"  # ours\ntime_zone = "Asia/Shanghai"\n'
        '\n[check]\ntolerance = "0.005"\n',
        "utf-8",
    )
    return folder


def test_rows_stay_and_what_is_new_is_empty(old_books):
    books = open_books(old_books)
    assert held(books, "usage", "source_id, output_tokens, response_id, revision, CAST(day AS VARCHAR)") == [
        ("r1", 30, None, None, "2024-03-20")
    ]
    assert held(books, "bills", "source_id, CAST(amount AS VARCHAR), charge, invoice_id") == [
        ("b1", "10.000000000", None, None)
    ]
    assert held(books, "settlements") == []
    assert [batch.batch_id for batch in books.batches()] == ["usage-1", "bills-1"]
    for name, table in TABLES.items():
        stored = {field.name for field in books.store(name).open().schema().fields}
        assert stored == set(table.schema.names), name


def test_the_settings_keep_their_words(old_books):
    open_books(old_books)
    text = (old_books / "breakeven.toml").read_text("utf-8")
    assert text.startswith(f"schema_version = {SCHEMA_VERSION}\n")
    assert 'currency = "CNY"  # ours' in text
    assert open_books(old_books).settings.matching.reports


def test_opening_again_changes_nothing(old_books):
    stamp = open_books(old_books).stamp()
    assert open_books(old_books).stamp() == stamp


def test_importing_goes_on_where_it_stopped(old_books, tmp_path):
    books = open_books(old_books)
    old = {**USAGE, "at": "2024-03-20T02:00:00Z", "uncached_input_tokens": 80}
    new = {**old, "source_id": "r2", "response_id": "resp-1"}
    result = take(books, "usage", write(tmp_path / "u.csv", [{**old, "response_id": ""}, new]))
    assert (result.duplicates, result.ingested, result.versions) == (1, 1, 0)
    assert held(books, "usage", "source_id, response_id") == [("r1", None), ("r2", "resp-1")]


def test_an_upgrade_that_was_cut_short_is_finished(old_books):
    whole = open_books(old_books)
    # All is done but the note in the settings, then one table is lacking.
    settings = old_books / "breakeven.toml"
    settings.write_text(settings.read_text().replace(f"= {SCHEMA_VERSION}", "= 1", 1))
    shutil.rmtree(old_books / "settlements")
    again = open_books(old_books)
    assert schema_version(old_books) == SCHEMA_VERSION
    assert held(again, "usage") == held(whole, "usage")
    assert held(again, "settlements") == []


def test_the_books_as_of_before_the_upgrade(old_books):
    before = datetime.now(UTC)
    open_books(old_books)
    assert held(open_books(old_books, as_of=before), "usage", "source_id, response_id") == [("r1", None)]


def test_books_of_a_newer_program_are_refused(old_books):
    settings = old_books / "breakeven.toml"
    settings.write_text(settings.read_text().replace("= 1", f"= {SCHEMA_VERSION + 1}", 1))
    with pytest.raises(BooksError, match="newer Breakeven"):
        open_books(old_books)


def test_user_ids_stay_out_of_the_log_from_then_on(old_books, tmp_path):
    books = open_books(old_books)
    take(
        books,
        "usage",
        write(tmp_path / "u.csv", [{**USAGE, "user_id": "somebody-particular", "source_id": "r9"}]),
    )
    logs = [path.read_text("utf-8") for path in (old_books / "usage" / "_delta_log").glob("*.json")]
    assert any('\\"source\\":\\"test\\"' in text for text in logs)
    assert not any("somebody-particular" in text for text in logs)
