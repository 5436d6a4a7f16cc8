"""`breakeven matches`: the precedence in force, what is left out, and every match with both ids."""

from __future__ import annotations

import csv
import io
import json

import pytest

from breakeven.cli.main import main

from .bench import new_books
from .sightings import deliver, sighting


@pytest.fixture
def folder(tmp_path):
    books = new_books(
        tmp_path / "books",
        settings={
            "matching": {"precedence": ["gateway"], "rules": [{"columns": ["user_id"], "within_seconds": 5}]}
        },
    )
    deliver(
        books,
        tmp_path,
        [
            sighting("gateway", "g1", "20T10:00:00", "r1"),
            sighting("app", "a1", "20T10:00:02", "r1"),
            sighting("gateway", "g2", "21T10:00:00"),
            sighting("app", "a2", "21T09:59:57"),
            sighting("openai_usage", "day", "20T00:00:00", requests=50, output_tokens=500),
        ],
    )
    return books.folder


def answer(capsys, *arguments):
    assert main(["matches", *map(str, arguments), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = {"standing": [], "total": [], "match": []}
    for row in found["rows"]:
        rows[row.pop("record")].append(tuple(row.values()))
    return rows, [warning["code"] for warning in found["warnings"]]


def test_all_of_it(folder, capsys):
    rows, warnings = answer(capsys, folder)
    assert rows["standing"] == [
        (1, "gateway", "declared"),
        (2, "app", "by name"),
        (3, "openai_usage", "report"),
    ]
    assert rows["total"] == [
        ("gateway", "app", "response id", 1, 1, 110),
        ("gateway", "app", "rule 1", 1, 1, 110),
        ("gateway", "openai_usage", "report", 1, 50, 600),
    ]
    assert rows["match"] == [
        ("2024-03-20T00:00:00Z", "report", "gateway", None, "openai_usage", "day", None, 600),
        ("2024-03-20T10:00:02Z", "response id", "gateway", "g1", "app", "a1", "2", 110),
        ("2024-03-21T09:59:57Z", "rule 1", "gateway", "g2", "app", "a2", "-3", 110),
    ]
    assert warnings == []


def test_narrowed(folder, capsys):
    rows, _ = answer(capsys, folder, "--period", "2024-03-21")
    assert [row[3:6] for row in rows["match"]] == [("g2", "app", "a2")]
    rows, _ = answer(capsys, folder, "--source", "openai_usage")
    assert [row[2] for row in rows["total"]] == ["report"]
    rows, warnings = answer(capsys, folder, "--limit", "1")
    assert (len(rows["match"]), len(rows["total"]), warnings) == (1, 3, ["truncated"])
    rows, _ = answer(capsys, folder, "--period", "2023")
    assert rows["total"] == rows["match"] == []


def test_for_people_and_spreadsheets(folder, capsys):
    assert main(["matches", str(folder), "--lang", "zh"]) == 0
    shown = capsys.readouterr().out
    assert "优先次序" in shown
    assert "规则 1：user_id，相差不超过 5 秒" in shown
    assert main(["matches", str(folder), "--csv", "--no-bom"]) == 0
    [*_, last] = csv.reader(io.StringIO(capsys.readouterr().out))
    assert "a2" in last


def test_books_of_one_source_have_none(tmp_path, capsys):
    books = new_books(tmp_path / "books")
    deliver(books, tmp_path, [sighting("gateway", "g1", "20T10:00:00", "r1")])
    rows, _ = answer(capsys, books.folder)
    assert (rows["standing"], rows["total"], rows["match"]) == ([(1, "gateway", "by name")], [], [])
