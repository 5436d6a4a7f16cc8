"""Plain invoices: tax is a row of its own, ends are said once, Chinese headings are understood."""

from __future__ import annotations

from decimal import Decimal

import pytest

from breakeven.errors import InputError
from breakeven.sources.registry import find_source

from .samples import HERE, booked

HEAD = "vendor,invoice_id,line,category,amount,tax,currency,period_start,"


def test_items_and_tax_add_up_to_the_invoice():
    lines = [line for line in booked("invoices", HERE / "invoices" / "sample.csv") if "amount" in line]
    of_moonshot = [line for line in lines if line["vendor"] == "moonshot"]
    assert sum(Decimal(line["amount"]) for line in of_moonshot) == Decimal("1780.80")
    assert sum(Decimal(line["amount"]) for line in of_moonshot if line["charge"] == "tax") == Decimal(
        "100.80"
    )


@pytest.mark.parametrize(("column", "said"), [("last_day", "2024-08-31"), ("period_end", "2024-09-01")])
def test_the_end_is_the_last_day_or_the_day_after(tmp_path, column, said):
    (tmp_path / "i.csv").write_text(f"{HEAD}{column}\nA,1,1,gpu,10,,CNY,2024-08-01,{said}\n")
    [line] = booked("invoices", tmp_path / "i.csv")
    assert line["period_end"] == "2024-09-01"


def test_an_end_said_twice_or_never_is_refused(tmp_path):
    (tmp_path / "i.csv").write_text(
        f"{HEAD}last_day,period_end\nA,1,1,gpu,10,,CNY,2024-08-01,2024-08-31,2024-09-01\nA,1,2,gpu,1,,CNY,2024-08-01,,\n"
    )
    twice, never = booked("invoices", tmp_path / "i.csv")
    assert (twice["reason"], never["reason"]) == ("the end of the period is said twice", "missing")


def test_chinese_headings_are_understood(tmp_path):
    (tmp_path / "i.csv").write_bytes(
        "供应商,发票号,行号,类别,金额,税额,币种,开始日,结束日\n月之暗面,1,1,inference_api,100,6,CNY,2024-08-01,2024-08-31\n".encode(
            "gb18030"
        )
    )
    net, tax = booked("invoices", tmp_path / "i.csv")
    assert (net["vendor"], net["amount"], tax["charge"], tax["amount"]) == ("月之暗面", "100", "tax", "6")


def test_a_list_that_lacks_a_column_is_refused(tmp_path):
    (tmp_path / "i.csv").write_text("vendor,invoice_id,line,amount\nA,1,1,10\n")
    with pytest.raises(
        InputError, match=r"not a list of invoice lines.*lacks category, currency, period_start"
    ):
        booked("invoices", tmp_path / "i.csv")
    assert find_source("invoices").tables == ("bills",)
