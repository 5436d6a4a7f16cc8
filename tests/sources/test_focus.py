"""FOCUS bills: what is billed counts, once per line and in any order; alike lines all count."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from breakeven.errors import InputError, UsageError

from .samples import HERE, booked

SAMPLE = HERE / "focus" / "sample.csv"
ROWS = list(csv.DictReader(io.StringIO(SAMPLE.read_text())))


def bill(tmp_path, rows, name="bill.csv"):
    path = tmp_path / name
    with path.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_billed_cost_of_an_invoice_is_what_is_payable():
    lines = [line for line in booked("focus", SAMPLE) if line.get("invoice_id") == "INV-1"]
    said = sum(Decimal(row["BilledCost"]) for row in ROWS[:-1] if row["InvoiceId"] == "INV-1")
    assert abs(sum(Decimal(line["amount"]) for line in lines) - said) < Decimal("0.000000001")


def test_the_order_of_lines_and_a_second_line_alike_change_no_other(tmp_path):
    whole = booked("focus", SAMPLE)
    assert booked("focus", bill(tmp_path, [*ROWS[-2::-1], ROWS[-1]])) == whole
    alike = [line["source_id"][-2:] for line in whole if line.get("amount") == "0.01"]
    assert alike == [":1", ":2"]


def test_lines_alike_but_for_the_amount_keep_their_numbers(tmp_path):
    rows = [ROWS[3] | {"BilledCost": cost} for cost in ("3", "1", "2")]
    forward, backward = booked("focus", bill(tmp_path, rows)), booked("focus", bill(tmp_path, rows[::-1]))
    assert forward == backward
    assert [line["amount"] for line in forward] == ["1", "2", "3"]


def test_parquet_holds_the_same(tmp_path):
    path = tmp_path / "bill.parquet"
    pq.write_table(pyarrow.csv.read_csv(bill(tmp_path, ROWS[:-1])), path)
    assert booked("focus", path) == booked("focus", SAMPLE)[:-1]


@pytest.mark.parametrize(
    ("start", "end", "first", "after"),
    [
        ("2024-08-01T10:00:00Z", "2024-08-01T11:00:00Z", "2024-08-01", "2024-08-02"),
        ("2024-08-01T23:00:00Z", "2024-08-02T00:00:00Z", "2024-08-01", "2024-08-02"),
        ("2024-08-01T23:30:00Z", "2024-08-02T00:30:00Z", "2024-08-01", "2024-08-03"),
        ("2024-08-01T00:00:00Z", "2024-08-01T00:00:00Z", "2024-08-01", "2024-08-02"),
        ("2024-08-01T07:00:00+08:00", "2024-08-01T08:00:00+08:00", "2024-07-31", "2024-08-01"),
    ],
)
def test_charge_periods_become_days(tmp_path, start, end, first, after):
    [line] = booked("focus", bill(tmp_path, [ROWS[2] | {"ChargePeriodStart": start, "ChargePeriodEnd": end}]))
    assert (line["period_start"], line["period_end"]) == (first, after)


def test_a_period_that_ends_before_it_begins_is_refused(tmp_path):
    [line] = booked("focus", bill(tmp_path, [ROWS[0] | {"ChargePeriodEnd": "2024-07-01T00:00:00Z"}]))
    assert line["quarantined"] == "period_end"


def test_a_bill_of_version_1_0_and_one_of_1_3_are_read(tmp_path):
    newer = ("InvoiceId", "PricingCurrency", "PricingCurrencyEffectiveCost", "SkuMeter")
    old = [{name: value for name, value in row.items() if name not in newer} for row in ROWS[:3]]
    assert [line["amount"] for line in booked("focus", bill(tmp_path, old))].count("98.32") == 1
    renamed = {"ProviderName": "ServiceProviderName", "PublisherName": "HostProviderName"}
    new = [{renamed.get(name, name): value for name, value in row.items()} for row in ROWS[:3]]
    assert {line["vendor"] for line in booked("focus", bill(tmp_path, new))} == {"amazon"}


def test_options_say_who_bills_and_for_what(tmp_path):
    path = bill(tmp_path, ROWS[:4])
    lines = booked("focus", path, vendor="reseller", category="gpu")
    assert {(line["vendor"], line["category"]) for line in lines} == {("reseller", "gpu")}
    with pytest.raises(UsageError, match="category=chips"):
        booked("focus", path, category="chips")


def test_what_is_renamed_broken_or_empty_is_said(tmp_path):
    renamed = [{name.replace("BilledCost", "Cost"): value for name, value in row.items()} for row in ROWS]
    with pytest.raises(InputError, match=r"not a FOCUS bill.*lacks BilledCost"):
        booked("focus", bill(tmp_path, renamed))
    path = bill(tmp_path, ROWS[:3])
    path.write_text(path.read_text() + "1,2,3\n")
    assert booked("focus", path)[-1]["reason"] == "too few columns: 3 of 30"
    path = bill(tmp_path, ROWS[:5])
    path.write_text(path.read_text() + "1,2,3\n")
    with pytest.raises(
        InputError, match=r"bill.csv:7: a line cannot be read, and others occur more than once"
    ):
        booked("focus", path)
