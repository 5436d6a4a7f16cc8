"""The table of a canonical file is told from its columns, or the person is asked."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from breakeven.errors import InputError
from breakeven.ledger.tables import TABLES
from breakeven.sources.recognise import columns_of, recognise_table, table_of


@pytest.mark.parametrize("name", list(TABLES))
def test_a_file_with_all_columns_of_a_table_is_that_table(name):
    columns = [column.name for column in TABLES[name].columns]
    assert table_of([*columns, "source_id"], where="f") == name
    assert table_of(columns, where="f", row_ids=True) == name
    stored = TABLES[name].schema.names
    assert table_of([*stored, "their_own"], where="f") == name


def test_ids_are_needed_unless_row_numbers_stand_in():
    with pytest.raises(InputError, match=r"activity is nearest and lacks source_id.*--row-ids"):
        table_of(["user_id", "day"], where="f")


def test_two_fitting_tables_are_left_to_the_person():
    with pytest.raises(InputError, match=r"payments, funding alike.*--table"):
        table_of(["source_id", "at", "kind", "amount", "currency"], where="f")


def test_unknown_columns_are_shown():
    with pytest.raises(InputError, match="columns found: hello, world"):
        table_of(["hello", "world"], where="f")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "source_id,user_id,day\n1,u,2024-03-01\n".encode("utf-8-sig")),
        ("a.tsv", b"source_id\tuser_id\tday\n"),
        ("a.csv", b'"source_id";"user_id";"day"\r\n'),
        ("a.csv", "source_id,user_id,day,渠道\n1,u,2024-03-01,抖音\n".encode("gb18030")),
        ("a.csv", "source_id,user_id,day\n".encode("utf-16")),
        ("a.csv.gz", gzip.compress(b"source_id,user_id,day\n", mtime=0)),
        ("a.jsonl", b'{"source_id": "1", "user_id": "u"}\nbroken\n{"day": "2024-03-01"}\n'),
    ],
)
def test_columns_are_found_in_every_format(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert columns_of(tmp_path / name)[:3] == ["source_id", "user_id", "day"]
    assert recognise_table(tmp_path / name) == "activity"


def test_parquet_columns(tmp_path):
    pq.write_table(
        pa.table({"source_id": ["1"], "user_id": ["u"], "day": ["2024-03-01"]}), tmp_path / "a.parquet"
    )
    assert recognise_table(tmp_path / "a.parquet") == "activity"
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "half.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a readable Parquet file"):
        recognise_table(tmp_path / "half.parquet")


@pytest.mark.parametrize(("name", "reason"), [("none.csv", "no such file"), ("empty.csv", "empty")])
def test_files_without_columns_are_refused(tmp_path, name, reason):
    (tmp_path / "empty.csv").touch()
    with pytest.raises(InputError, match=reason):
        recognise_table(tmp_path / name)
