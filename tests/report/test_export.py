"""`breakeven export`: every format from the command line, what it says, and who can read its tables."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from deltalake import DeltaTable
from tests.account.bookkeeping import book, new_books

from breakeven.cli.main import main
from breakeven.sources.published_day import write_books

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    return write_books(tmp_path_factory.mktemp("export") / "day").folder


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "BREAKEVEN_LANG", "BREAKEVEN_DEBUG", "BREAKEVEN_BOOKS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def export(capsys):
    def running(*arguments):
        capsys.readouterr()
        code = main(["export", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return running


@pytest.mark.parametrize(
    ("name", "form", "count", "unit"),
    [
        ("a.xlsx", "xlsx", 8, "sheets"),
        ("a.beancount", "beancount", 1, "transactions"),
        ("a.csv", "csv", 30, "rows"),
        ("a.parquet", "parquet", 30, "rows"),
        ("a.arrow", "arrow", 30, "rows"),
    ],
)
def test_the_name_of_the_file_says_the_format(export, day, tmp_path, name, form, count, unit):
    code, out, _ = export(day, "--out", tmp_path / name, "--json")
    [row] = json.loads(out)["rows"]
    assert code == 0
    assert (row["format"], row["count"], row["of"]) == (form, count, unit)
    content = (tmp_path / name).read_bytes()
    assert (row["bytes"], row["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_rows_of_a_view_are_typed_and_marked(export, day, tmp_path):
    export(day, "--out", tmp_path / "a.parquet", "--view", "income")
    table = parquet.read_table(tmp_path / "a.parquet")
    assert table.schema.field("value").type == pa.decimal128(38, 6)
    assert table.schema.metadata[b"currency"] == b"USD"
    found = {row["metric"]: row["value"] for row in table.to_pylist()}
    assert found["usage_at_list_price"] == Decimal("562100")
    assert found["revenue"] is None
    with pa.memory_map(str(_export_arrow(export, day, tmp_path))) as source:
        assert pa.ipc.open_file(source).read_all().equals(table)


def _export_arrow(export, day, folder):
    export(day, "--out", folder / "a.arrow", "--view", "income")
    return folder / "a.arrow"


def test_a_view_of_several_tables_is_a_file_each(export, day, tmp_path):
    _, out, _ = export(day, "--out", tmp_path / "cost.parquet", "--view", "cost", "--json")
    files = {row["what"]: Path(row["file"]) for row in json.loads(out)["rows"]}
    assert files["cost_by_model"].name == "cost-cost_by_model.parquet"
    table = parquet.read_table(files["cost_by_model"])
    assert table.schema.field("serving_cost").type == pa.decimal128(38, 2)
    assert table.schema.field("tokens").type == pa.int64()
    assert table["serving_cost"].to_pylist()[-1] == Decimal("87072.00")
    assert table.schema.field("serving_cost").metadata[b"label_zh"] == "推理成本".encode()


def test_csv_opens_in_excel_and_runs_nothing(export, tmp_path):
    books = new_books(tmp_path / "books")
    spend = {"day": "2024-03-01", "kind": "ads", "amount": "12.5", "currency": "USD"}
    book(books, "ad_spend", [{**spend, "channel": "=1+1"}, {**spend, "channel": "抖音"}])
    out = tmp_path / "spend.csv"
    export(books.folder, "--out", out, "--table", "ad_spend")
    assert out.read_bytes().startswith("\ufeffday,".encode())
    rows = list(csv.DictReader(out.read_text("utf-8-sig").splitlines()))
    assert {(row["channel"], row["amount"]) for row in rows} == {("'=1+1", "12.5"), ("抖音", "12.5")}
    export(books.folder, "--out", out, "--table", "ad_spend", "--no-bom")
    assert out.read_bytes().startswith(b"day,")


def test_a_ledger_table_keeps_its_types_and_its_rows_that_count(export, tmp_path):
    books = new_books(tmp_path / "books")
    bill = {"vendor": "v", "category": "cloud", "period_start": "2024-03-01", "period_end": "2024-04-01"}
    for amount in ("10", "11.25"):
        book(books, "bills", [{**bill, "source_id": "b1", "amount": amount, "currency": "USD"}])
    export(books.folder, "--out", tmp_path / "bills.parquet", "--table", "bills")
    table = parquet.read_table(tmp_path / "bills.parquet")
    assert table["amount"].to_pylist() == [Decimal("11.25")]
    assert table.schema.field("amount").type == pa.decimal128(28, 9)
    _, out, _ = export(
        books.folder, "--out", tmp_path / "b.parquet", "--table", "bills", "--period", "2024-04", "--json"
    )
    assert json.loads(out)["rows"][0]["count"] == 0


def test_without_a_name_the_file_is_called_after_books_and_period(export, day, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = export(day, "--format", "focus", "--period", "2025-02", "--lang", "zh")
    assert code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["deepseek-2025-02-27-2025-02.focus.csv"]
    assert "已写入" in out
    books = new_books(tmp_path / "s")
    text = (books.folder / "breakeven.toml").read_text("utf-8")
    (books.folder / "breakeven.toml").write_text(
        text.replace("synthetic = false", "synthetic = true"), "utf-8"
    )
    book(books, "activity", [{"user_id": "u", "day": "2024-03-01", "sessions": 1}])
    export(books.folder)
    assert (tmp_path / "test-synthetic.xlsx").exists()


def test_standard_output_holds_the_file_alone(day, capfdbinary):
    assert main(["export", str(day), "--format", "beancount", "--out", "-"]) == 0
    out, err = capfdbinary.readouterr()
    assert out.startswith(b";; -*- mode: beancount")
    assert b"One published day" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--view", "cost", "--table", "usage", "--format", "csv"), "exclude each other"),
        (("--view", "cost", "--format", "xlsx"), "do not go with --format xlsx"),
        (("--channel", "a"), "cannot be filtered"),
        (("--out", "nowhere/a.xlsx"), "cannot be written"),
        (
            ("--format", "beancount", "--period", "2025-03-05..2025-03-10", "--out", "x.bean"),
            "no month begins",
        ),
    ],
)
def test_what_cannot_be_is_refused(export, day, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    code, _, err = export(day, *arguments)
    assert code == 2
    assert words in err
    assert list(tmp_path.iterdir()) == []


def delta_files(folder):
    """The live Parquet files of a Delta table, read from its log as the protocol says, by no library."""
    live, pointer = {}, folder / "_delta_log" / "_last_checkpoint"
    start = -1
    if pointer.exists():
        start = json.loads(pointer.read_text())["version"]
        for row in parquet.read_table(folder / "_delta_log" / f"{start:020}.checkpoint.parquet").to_pylist():
            if row.get("add"):
                live[row["add"]["path"]] = True
    for log in sorted((folder / "_delta_log").glob("*.json")):
        if int(log.stem) > start:
            for action in map(json.loads, log.read_text("utf-8").splitlines()):
                if "add" in action:
                    live[action["add"]["path"]] = True
                if "remove" in action:
                    live.pop(action["remove"]["path"], None)
    return [str(folder / path) for path in live]


@pytest.fixture
def two_batches(tmp_path):
    """Usage of two days and a batch undone: files that any reader must see, and one that none may."""
    books = new_books(tmp_path / "books")
    used = {"provider": "p", "model": "m", "uncached_input_tokens": 5, "output_tokens": 7}
    book(books, "usage", [{**used, "at": f"2024-03-0{day}T01:00:00Z"} for day in (1, 2, 2)])
    books.undo(book(books, "usage", [{**used, "at": "2024-03-03T01:00:00Z"}]))
    return books


def test_independent_readers_see_the_same_table(two_batches):
    folder = two_batches.folder / "usage"
    by_delta_rs = DeltaTable(str(folder)).to_pyarrow_table()
    files = delta_files(folder)
    [(rows, tokens)] = duckdb.execute(
        "SELECT count(*), sum(output_tokens) FROM read_parquet($files, hive_partitioning = true)",
        {"files": files},
    ).fetchall()
    assert (rows, tokens) == (3, 21)
    assert by_delta_rs.num_rows == 3
    assert sum(by_delta_rs["output_tokens"].to_pylist()) == 21
    assert sorted(by_delta_rs["day"].cast(pa.string()).to_pylist()) == [
        "2024-03-01", "2024-03-02", "2024-03-02",
    ]  # fmt: skip


@pytest.mark.spark
def test_spark_sees_the_same_table(two_batches):
    from pyspark.sql import SparkSession

    folder = two_batches.folder / "usage"
    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        frame = spark.read.option("basePath", str(folder)).parquet(*delta_files(folder))
        assert frame.count() == 3
        assert frame.agg({"output_tokens": "sum"}).collect()[0][0] == 21
    finally:
        spark.stop()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("export.en.beancount", ("--format", "beancount")),
        ("export.zh.beancount", ("--format", "beancount", "--lang", "zh")),
        ("export.focus.csv", ("--format", "focus")),
        ("export.focus-1.0.csv", ("--format", "focus", "--focus-version", "1.0")),
        ("export.income.csv", ("--format", "csv", "--no-bom")),
    ],
)
def test_the_published_day_is_handed_on_as_it_was(export, day, tmp_path, name, arguments):
    out = tmp_path / "out"
    assert export(day, *arguments, "--out", out)[0] == 0
    golden = Path(__file__).parent / "golden" / name
    if os.environ.get("BREAKEVEN_WRITE_GOLDEN"):
        golden.write_bytes(out.read_bytes())
    assert out.read_bytes() == golden.read_bytes()
