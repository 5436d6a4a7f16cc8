"""An export without rows for days that had traffic is said, not taken for quiet days."""

from __future__ import annotations

import json
from datetime import date

import pytest

from breakeven.cli.main import main
from breakeven.errors import NoRecords

from .bench import rows, take, write

HEADER = b"source_id,user_id,day,sessions\n"
MARCH = (date(2024, 3, 1), date(2024, 3, 31))


def day_rows(*days, table="activity"):
    clock = "day" if table == "activity" else "at"
    tail = "" if table == "activity" else "T12:00:00Z"
    return [{**rows(table, 1)[0], "source_id": f"{day}", clock: f"2024-03-{day:02}{tail}"} for day in days]


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", HEADER), ("a.csv", b""), ("a.jsonl", b"\n"), ("a.csv", b"\n\n")]
)
def test_a_file_without_a_record_is_refused_unless_it_says_of_which_days(books, tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(NoRecords):
        books.ingest("activity", [path], "app")
    assert books.batches() == []
    [result] = books.ingest("activity", [path], "app", covers=MARCH)
    assert (result.rows_read, result.silent_days) == (0, ())
    assert books.coverage().share("activity", books.coverage().span()) == (31, 31)
    # The same empty file for the same days is known; for other days it is another delivery.
    assert books.ingest("activity", [path], "app", covers=MARCH)[0].already_imported
    april = (date(2024, 4, 1), date(2024, 4, 1))
    assert not books.ingest("activity", [path], "app", covers=april)[0].already_imported


def test_a_source_of_its_own_format_is_refused_alike(books, tmp_path, capsys):
    path = tmp_path / "trace.jsonl"
    path.write_bytes(b"")
    command = ["import", str(books.folder), str(path), "--source", "langfuse", "--json"]
    assert main(command) == 3
    capsys.readouterr()
    assert main([*command, "--covers", "2024-03-05"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "empty" in [warning["code"] for warning in found["warnings"]]


def test_a_day_missing_among_days_with_rows_is_named(books, tmp_path):
    result = take(books, "activity", write(tmp_path / "1.csv", day_rows(1, 2, 3, 5, 6, 7)))
    assert result.silent_days == (date(2024, 3, 4),)
    # Few days out of many are how a small product looks.
    result = take(books, "activity", write(tmp_path / "2.csv", day_rows(10, 14, 19)))
    assert result.silent_days == ()


def test_days_that_another_file_of_the_source_told_of_are_not_missing(books, tmp_path):
    take(books, "activity", write(tmp_path / "1.csv", day_rows(4)))
    assert take(books, "activity", write(tmp_path / "2.csv", day_rows(1, 2, 3, 5, 6))).silent_days == ()


def test_what_other_tables_and_sources_tell_counts_as_traffic(books, tmp_path):
    take(books, "activity", write(tmp_path / "a.csv", day_rows(11, 12)))
    take(books, "usage", write(tmp_path / "u.csv", day_rows(14, table="usage")), source="gateway")
    empty = tmp_path / "usage.csv"
    empty.write_text("source_id,at,provider,model,uncached_input_tokens,output_tokens\n")
    [result] = books.ingest("usage", [empty], "sdk", covers=MARCH)
    assert result.silent_days == (date(2024, 3, 11), date(2024, 3, 12), date(2024, 3, 14))
    # Money does not come in every day.
    money = tmp_path / "payments.csv"
    money.write_text("source_id,at,kind,amount,currency\n")
    [result] = books.ingest("payments", [money], "stripe", covers=MARCH)
    assert result.silent_days == ()


def test_the_report_names_the_days(books, tmp_path, capsys):
    path = write(tmp_path / "1.csv", day_rows(1, 2, 4, 5, 6, 7, 8))
    assert main(["import", str(books.folder), str(path), "--json"]) == 0
    [warning] = [
        one for one in json.loads(capsys.readouterr().out)["warnings"] if one["code"] == "silent_days"
    ]
    assert "2024-03-03" in json.dumps(warning)
