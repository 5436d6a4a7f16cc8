"""Files that are wrong as a whole, and files of which only some records can be read."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

import pytest
from zstandard import ZstdCompressor

from breakeven.errors import InputError
from breakeven.ledger.mapping import ColumnRule, Mapping

from .bench import ROWS, csv_text, held, json_lines, rows, take, told, write


def refusal(books, path: Path, table: str = "usage", **chosen) -> InputError:
    """The error an import of a file gives; nothing of the file is in the books afterwards."""
    with pytest.raises(InputError) as caught:
        take(books, table, path, **chosen)
    assert books.batches() == []
    assert held(books, table) == []
    assert caught.value.where.startswith(str(path))
    assert caught.value.remedy
    return caught.value


def test_a_file_that_is_not_there(books, tmp_path):
    with pytest.raises(InputError, match=r"gone\.csv: no such file"):
        take(books, "usage", tmp_path / "gone.csv")


def test_a_folder_is_not_a_file(books, tmp_path):
    with pytest.raises(InputError, match="a folder, not a file"):
        take(books, "usage", tmp_path)


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("empty.csv", b"", "the file is empty"),
        ("blank.csv", b"\n\n  \n", "the file holds no data"),
        ("blank.csv.gz", gzip.compress(b"", mtime=0), "the file holds no data"),
        ("array.json", b'[{"source_id": "r1"}]', "one JSON array"),
        ("twice.csv", b"source_id,at,at\nr1,1,2\n", "empty or repeated column names"),
        ("case.csv", b"source_id,at,At\nr1,1,2\n", "empty or repeated column names"),
        ("unnamed.csv", b"source_id,,at\nr1,1,2\n", "empty or repeated column names"),
        ("numbers.jsonl", b"{\n{\n", "no JSON object in the first lines"),
        ("cut.parquet", b"PAR1" + bytes(100), "not a readable Parquet file"),
        ("noise.parquet", b"noise", "not a readable Parquet file"),
    ],
)
def test_what_cannot_be_a_table(books, tmp_path, name, data, what):
    path = tmp_path / name
    path.write_bytes(data)
    assert what in refusal(books, path).what


def test_a_file_with_a_header_only_is_refused_and_may_be_imported_for_the_days_it_covers(books, tmp_path):
    head = tmp_path / "head.csv"
    head.write_text("source_id,user_id,day\n")
    with pytest.raises(InputError, match="holds no record"):
        take(books, "activity", head)
    covers = (date(2024, 3, 1), date(2024, 3, 1))
    assert take(books, "activity", head, covers=covers).rows_read == 0
    full = write(tmp_path / "full.csv", rows("activity", 1))
    assert take(books, "activity", full).ingested == 1


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_missing_columns_are_named_with_what_is_there(books, tmp_path, form):
    record = {"uncached_tokens": 1, **ROWS["usage"]}
    del record["uncached_input_tokens"], record["source_id"]
    error = refusal(books, write(tmp_path / f"u.{form}", [record]))
    assert "table usage needs columns the file does not have" in error.what
    assert "uncached_input_tokens, source_id" in error.what
    assert "uncached_input_tokens ~ uncached_tokens" in error.cause
    assert "columns found: uncached_tokens, at, user_id" in error.cause
    assert "source_id: row" in error.remedy


def test_a_mapping_that_names_no_column_of_the_file(books, tmp_path):
    for form in ("csv", "jsonl", "parquet"):
        mapping = Mapping(columns={"cached_input_tokens": ColumnRule("chached_input_tokens")})
        with pytest.raises(InputError, match="did you mean 'cached_input_tokens'"):
            take(books, "usage", write(tmp_path / f"u.{form}", rows("usage", 2)), mapping=mapping)


def test_naive_times_in_parquet_need_a_zone(books, tmp_path):
    import datetime

    record = {**ROWS["usage"], "at": datetime.datetime(2024, 3, 20)}  # noqa: DTZ001 - naive is the point
    error = refusal(books, write(tmp_path / "u.parquet", [record]))
    assert "times without a time zone" in error.what
    assert "time_zone" in error.remedy


def test_numbers_for_times_need_a_unit(books, tmp_path):
    error = refusal(books, write(tmp_path / "u.parquet", [{**ROWS["usage"], "at": 1711000000000}]))
    assert "a number, not a time" in error.what
    assert "at: {from: at, unit: ms}" in error.remedy


@pytest.mark.parametrize("pack", [gzip.compress, ZstdCompressor().compress])
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_truncated_archive_brings_nothing(books, tmp_path, pack, form):
    whole = write(tmp_path / f"u.{form}", rows("usage", 3000)).read_bytes()
    for share in (0.3, 0.99):
        packed = pack(whole)
        path = tmp_path / f"cut.{form}.packed"
        path.write_bytes(packed[: int(len(packed) * share)])
        assert "ends early or is damaged" in refusal(books, path).what


def test_half_a_parquet_file_brings_nothing(books, tmp_path):
    whole = write(tmp_path / "u.parquet", rows("usage", 3000)).read_bytes()
    path = tmp_path / "cut.parquet"
    for size in (len(whole) // 2, len(whole) - 4, 6):
        path.write_bytes(whole[:size])
        error = refusal(books, path)
        assert "not a readable Parquet file" in error.what
        assert "cut off" in error.remedy


def test_a_parquet_file_damaged_inside_brings_nothing(books, tmp_path):
    whole = bytearray(write(tmp_path / "u.parquet", rows("usage", 3000)).read_bytes())
    whole[100:2000] = bytes(1900)
    path = tmp_path / "damaged.parquet"
    path.write_bytes(whole)
    assert "nothing was imported" in refusal(books, path).what


MESSY = b"""source_id,user_id,day,sessions
a1,u1,2024-03-20,1

a2,u2,2024-03-20
a3,"u3
two lines",2024-03-20,1
a4,"u4,2024""x",2024-03-20,1
a5,u5,2024-03-20,1,9
a6,"u6"x,2024-03-20,1


a7,u7,2024-03-20,many
a8,u\xff8,2024-03-20,1
a9,u9,2024-03-20,1
"""


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_every_bad_record_is_told_by_its_number(books, tmp_path, newline, bom):
    path = tmp_path / "messy.csv"
    path.write_bytes(bom + MESSY.replace(b"\n", newline))
    result = take(books, "activity", path)
    # A record over several quoted lines counts once; a blank line counts as a line but is no record.
    assert told(result) == [
        (3, "", "too few columns: 3 of 4"),
        (6, "", "too many columns: 5 instead of 4"),
        (7, "", "a quotation mark that is not closed, or not doubled inside a value"),
        (10, "sessions", "not a whole number"),
        (11, "user_id", "bytes that are not utf-8 text"),
    ]
    assert held(books, "activity") == ["a1", "a3", "a4", "a9"]
    assert [problem.raw.strip()[:2] for problem in result.problems][:3] == ["a2", "a5", "a6"]
    assert "many" in result.problems[3].raw


def test_a_file_that_mixes_line_ends_is_read(books, tmp_path):
    path = tmp_path / "mixed.csv"
    path.write_bytes(csv_text(rows("activity", 4)).encode().replace(b"\n", b"\r\n", 2))
    assert take(books, "activity", path).ingested == 4


def test_an_excel_cell_with_a_line_break_is_one_record(books, tmp_path):
    records = rows("activity", 3)
    records[1]["user_id"] = "one\ntwo"
    records[2]["sessions"] = "x"
    path = tmp_path / "excel.csv"
    lines = csv_text(records).replace("\n", "\r\n").replace("one\r\n", "one\n")
    path.write_bytes(lines.encode("utf-8-sig"))
    assert told(take(books, "activity", path)) == [(3, "sessions", "not a whole number")]
    assert held(books, "activity", "user_id") == ["one\ntwo", "u1"]


def test_an_unclosed_quotation_mark_is_told(books, tmp_path):
    path = tmp_path / "open.csv"
    path.write_text(csv_text(rows("activity", 2)) + 'a3,"u3,2024-03-20,1\na4,u4,2024-03-20,1\n')
    result = take(books, "activity", path)
    assert told(result) == [(3, "", "a quotation mark that is not closed, or not doubled inside a value")]
    assert "a4" in result.problems[0].raw


def test_json_lines_keep_their_numbers(books, tmp_path):
    lines = [
        b'{"source_id": "a1", "user_id": "u1", "day": "2024-03-20"}',
        b"",
        b"   ",
        b'{"source_id": "a2", "user_id": "u\xff", "day": "2024-03-20"}',
        b"not json",
        b"[1, 2]",
        b'{"source_id": "a3", "user_id": "u3", "day": "2024-03-20", "sessions": -1}',
        b'{"source_id": "a4", "user_id": "u4", "day": "2024-03-20", "sessions": null}',
        b'{"source_id": "a5", "user_id": "u5", "day": "2024-03-20", "sessions": NaN}',
        b'{"source_id": "a6", "user_id": "u6", "day": "2024-03-20", "sessions": 7}',
        b'{"source_id": "a7", "user_id": "u7", "day": "2024-03-2',
    ]
    for number, newline in enumerate((b"\n", b"\r\n")):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(newline.join(lines))
        result = take(books, "activity", path, source=f"s{number}")
        assert told(result) == [
            (4, "line", "bytes that are not utf-8 text"),
            (5, "", "not a JSON object"),
            (6, "", "not a JSON object"),
            (7, "sessions", "negative"),
            (9, "sessions", "not a whole number"),
            (11, "", "not a JSON object"),
        ]
        assert result.rows_read == 9
    assert held(books, "activity", "source_id, sessions") == sorted(2 * [("a1", 1), ("a4", 1), ("a6", 7)])


def test_optional_json_fields_may_come_late(books, tmp_path):
    records = rows("activity", 1500)
    for record in records[:1200]:
        del record["sessions"]
    result = take(books, "activity", write(tmp_path / "late.jsonl", records))
    assert result.ingested == 1500
    assert sum(held(books, "activity", "sessions")) == 1200 + 300 * 2


CHINESE = {**ROWS["activity"], "user_id": "用户甲"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_encodings_are_recognised(books, tmp_path, encoding, form):
    text = (csv_text if form == "csv" else json_lines)([CHINESE])
    path = tmp_path / f"u.{form}"
    path.write_bytes(text.encode(encoding))
    assert take(books, "activity", path).ingested == 1
    assert held(books, "activity", "user_id") == ["用户甲"]


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16-le"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_bytes_outside_the_encoding_cost_their_row(books, tmp_path, encoding, form):
    broken = {"gb18030": b"\xff", "utf-16-le": b"\x00\xd8"}[encoding]
    records = [{**CHINESE, "source_id": f"a{i}", "user_id": f"用户{i}"} for i in range(1, 5)]
    text = (csv_text if form == "csv" else json_lines)(records)
    path = tmp_path / f"u.{form}"
    path.write_bytes(text.encode(encoding).replace("用户2".encode(encoding), "用".encode(encoding) + broken))
    result = take(books, "activity", path, mapping=Mapping(encoding=encoding))
    [(row, _, reason)] = told(result)
    assert (row, reason) == (2, f"bytes that are not {encoding} text")
    assert "encoding" in result.problems[0].remedy
    assert held(books, "activity") == ["a1", "a3", "a4"]


def test_a_wrong_encoding_is_told(books, tmp_path):
    path = write(tmp_path / "u.csv", [CHINESE])
    with pytest.raises(InputError, match="unknown encoding 'klingon'"):
        take(books, "activity", path, mapping=Mapping(encoding="klingon"))


def test_rows_in_another_encoding_wait_until_it_is_named(books, tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes(
        csv_text(
            [{**row, "user_id": "Zoé"} for row in rows("activity", 2)] + rows("activity", 2, first=3)
        ).encode("latin-1")
    )
    assert (take(books, "activity", path).ingested, held(books, "activity")) == (2, ["a3", "a4"])
    again = take(books, "activity", path, mapping=Mapping(encoding="latin-1"))
    assert (again.ingested, again.duplicates) == (2, 2)
    assert held(books, "activity", "user_id") == ["Zoé", "Zoé", "u3", "u4"]


def test_most_lines_refused_means_the_file_is_not_what_it_was_taken_for(books, tmp_path, monkeypatch):
    from breakeven.ledger import raw_files

    monkeypatch.setattr(raw_files, "MOST_REJECTED", 3)
    path = tmp_path / "shape.csv"
    path.write_text("source_id,user_id,day\n" + "a1\n" * 5)
    error = refusal(books, path, "activity")
    assert "cannot be split into the columns" in error.what
    assert "Expected Number of Columns: 3" in error.cause


LONG = 2_500_000


def test_a_line_too_long_for_the_reader_is_told_and_the_rest_is_kept(books, tmp_path):
    for form in ("csv", "jsonl"):
        records = rows("activity", 5)
        records[1]["user_id"] = "x" * LONG
        records[3]["sessions"] = "many"
        path = write(tmp_path / f"long.{form}", records)
        result = take(books, "activity", path, source=form)
        [(row, _, reason), second] = told(result)
        assert row == 2
        line = path.read_text().splitlines()[row - (form == "jsonl")]
        assert reason == f"the line is {len(line):,} bytes long"
        assert second == (4, "sessions", "not a whole number")
        assert "a2" in result.problems[0].raw
    assert held(books, "activity", "source, source_id") == [
        (form, name) for form in ("csv", "jsonl") for name in ("a1", "a3", "a5")
    ]


@pytest.mark.parametrize(
    "value",
    [
        "y\n" + "x" * LONG,  # the long line closes a quoted value
        "x" * LONG + "\ny",  # it opens one
        "y\n" + "x" * LONG + "\nz",  # it lies within one
        '"' * LONG,
    ],
)
def test_a_long_line_inside_a_quoted_value_does_not_swallow_the_next(books, tmp_path, value):
    records = rows("activity", 4)
    records[1]["user_id"] = value
    records[2]["sessions"] = "many"
    result = take(books, "activity", write(tmp_path / "long.csv", records))
    assert (result.quarantined, held(books, "activity")) == (2, ["a1", "a4"])
    assert [row for row, _, _ in told(result)] == [2, 3]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_line_of_200_mb(books, tmp_path, form):
    records = rows("activity", 3)
    records[1]["user_id"] = "x" * 200_000_000
    result = take(books, "activity", write(tmp_path / f"huge.{form}", records))
    [(row, _, reason)] = told(result)
    assert (row, reason[:17]) == (2, "the line is 200,0")
    assert held(books, "activity") == ["a1", "a3"]
