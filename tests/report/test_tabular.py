from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

import pytest

from breakeven.report.tabular import to_csv, to_json
from breakeven.report.view_model import Column, Envelope, Label, Table, View

from . import sample


def rows_of(text):
    return list(csv.reader(io.StringIO(text)))


def view_of(values, unit="text"):
    table = Table(
        "t", Label("T", "表"), (Column("x", Label("X", "某"), unit),), tuple({"x": value} for value in values)
    )
    return View("v", table.title, Envelope("b", "2024-01-01", "UTC", "USD"), (table,))


def test_json_envelope():
    answer = json.loads(to_json(sample.view()))
    assert {
        key: answer[key] for key in ("schema_version", "books", "as_of", "time_zone", "currency", "synthetic")
    } == {
        "schema_version": 1,
        "books": "invented-assistant",
        "as_of": "2024-08-31",
        "time_zone": "Asia/Shanghai",
        "currency": "CNY",
        "synthetic": True,
    }
    assert [warning["code"] for warning in answer["warnings"]] == ["unpriced"]
    assert answer["facts"] == {"period": "2024-03..2024-08"}


def test_json_rows_carry_their_table_unit_exact_digits_and_null():
    rows = json.loads(to_json(sample.view()))["rows"]
    assert rows[0] == {
        "table": "income", "metric": "revenue", "unit": "CNY",
        "2024-03": "1480000.55", "2024-04": "1571000.55", "2024-05": "1662000.55",
        "2024-06": "1753000.55", "2024-07": "1844000.55", "2024-08": "1935000.55",
    }  # fmt: skip
    assert rows[4]["2024-03"] is None
    assert rows[-1] == {
        "table": "channels", "channel": "unattributed", "spend": "0.00", "new_users": 1200,
        "cac": None, "paid_share": None,
    }  # fmt: skip


def test_json_rows_of_the_view_come_first():
    given = ({"period": "2025-02", "metric": "serving_cost", "value": Decimal("1E+3"), "unit": "USD"},)
    view = View("v", Label("V", "视"), Envelope("b", "d", "UTC", "USD"), sample.view().tables, given)
    assert json.loads(to_json(view))["rows"] == [{**given[0], "value": "1000"}]


def test_csv_opens_in_a_spreadsheet_and_reads_back():
    text = to_csv(sample.view())
    assert text.startswith("\ufeff")
    income, channels = (rows_of(block) for block in text.removeprefix("\ufeff").split("\n\n"))
    assert income[0] == ["table", "metric", *sample.MONTHS, "unit"]
    assert income[1][:3] == ["income", "revenue", "1480000.55"]
    assert income[5][2] == ""
    assert channels[0] == [
        "table",
        "channel",
        "spend (CNY)",
        "new_users (users)",
        "cac (CNY/user)",
        "paid_share (ratio)",
    ]
    assert channels[6][1] == sample.HOSTILE
    assert not to_csv(sample.view(), bom=False).startswith("\ufeff")


def test_csv_with_labels_for_people():
    income = rows_of(to_csv(sample.view(), bom=False, language="zh").split("\n\n")[0])
    assert income[0][1] == "指标"
    assert income[1][1] == "收入"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝"])
def test_csv_text_never_starts_a_formula(start):
    text = start + "cmd|'/c calc'!A0"
    assert rows_of(to_csv(view_of([text]), bom=False)) == [["x"], ["'" + text.replace("\r", "\n")]]


def test_csv_leaves_numbers_alone():
    assert rows_of(to_csv(view_of([Decimal("-1234567.89"), -5, Decimal("1E+2")], "USD"), bom=False)) == [
        ["x (USD)"],
        ["-1234567.89"],
        ["-5"],
        ["100"],
    ]
