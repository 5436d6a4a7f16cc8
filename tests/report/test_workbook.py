"""The workbook: its formulas are the metrics' trees, its stored values are the account's, and both agree."""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from decimal import Decimal

import pytest
from openpyxl import load_workbook
from tests.account.bookkeeping import book, new_books

from breakeven.account.account import open_account
from breakeven.account.catalogue import INCOME_LINES, METRICS
from breakeven.account.metrics import Measured, Number, Positive
from breakeven.periods import Period
from breakeven.report.handing.formulas import Ref, as_formula
from breakeven.report.handing.number_formats import ladder
from breakeven.report.handing.workbook import write_workbook
from breakeven.report.view_model import Label
from breakeven.report.views.income import income_view
from breakeven.report.views.parts import shown
from breakeven.sources.published_day import write_books

from .worked_cases import CASES, account_of_case

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    """Two months of everything: a hostile channel, a bill of sixteen digits, foreign bills, own GPUs."""
    folder = tmp_path_factory.mktemp("workbook")
    books = new_books(
        folder / "books", currency="CNY", time_zone="Asia/Shanghai", serving={"own_providers": ["self"]}
    )
    object.__setattr__(books.settings, "synthetic", True)
    users = [("u1", "=HYPERLINK(1)", "true"), ("u2", "@search", "true"), ("u3", "-1+1", "false")]
    days = ("2024-03-05", "2024-04-09")
    book(books, "acquisitions", [
        {"user_id": f"{user}{day}", "acquired_at": f"{day}T04:00:00Z", "channel": channel, "is_paid": paid}
        for user, channel, paid in users for day in days
    ])  # fmt: skip
    book(books, "ad_spend", [
        {"day": day, "channel": channel, "kind": "ads", "amount": "33.10", "currency": "CNY"}
        for _, channel, paid in users for day in days if paid == "true"
    ])  # fmt: skip
    book(books, "activity", [
        {"user_id": f"{user}{day}", "day": day, "sessions": 2} for user, _, _ in users for day in days
    ])  # fmt: skip
    book(books, "usage", [
        {"at": f"{day}T05:00:00Z", "user_id": f"u1{day}", "product": "app", "provider": provider,
         "model": "m", "requests": 3, "uncached_input_tokens": 1200, "cached_input_tokens": 300,
         "output_tokens": 700}
        for day in days for provider in ("self", "elsewhere")
    ])  # fmt: skip
    book(books, "payments", [
        {"at": "2024-03-06T05:00:00Z", "user_id": "u12024-03-05", "kind": "gift", "amount": "19.99",
         "fee": "0.60", "currency": "CNY"},
    ])  # fmt: skip
    month = {"period_start": "2024-03-01", "period_end": "2024-04-01"}
    book(books, "bills", [
        {**month, "vendor": "v", "category": "payroll", "amount": "9999999999999.99", "currency": "CNY"},
        {**month, "vendor": "w", "category": "payroll", "amount": "9999999999999.98", "currency": "CNY"},
        {**month, "vendor": "c", "category": "cloud", "amount": "100", "currency": "USD"},
    ])  # fmt: skip
    book(books, "capacity", [
        {"at": f"{day}T16:00:00Z", "pool": "p", "gpu": "H800", "count": 2, "price_per_gpu_hour": "14.5",
         "currency": "CNY"}
        for day in days
    ])  # fmt: skip
    return open_account(books, period=Period.parse("2024-03..2024-04"))


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    return open_account(write_books(tmp_path_factory.mktemp("workbook") / "day"))


def written(account, folder, language="en"):
    path = folder / f"{language}.xlsx"
    counts = write_workbook(account, path, language)
    return path, counts


def rows_by_label(sheet, first_column=3):
    """Lines of a sheet by their label: the cells of its months."""
    return {row[0].value: row[first_column - 1 :] for row in sheet.iter_rows() if row[0].value}


def test_the_stored_values_are_what_income_json_says(company, tmp_path):
    path, _ = written(company, tmp_path)
    lines = rows_by_label(load_workbook(path, data_only=True)["Income"])
    for row in income_view(company).json_rows:
        bucket = [period.label for period in company.buckets.periods].index(row["period"])
        stored = lines[METRICS[row["metric"]].en][bucket].value
        if row["value"] is None:
            assert stored in (None, "")
        elif len(row["value"].as_tuple().digits) <= 15:
            assert shown(Decimal(repr(stored)), row["unit"]) == row["value"]


def test_lines_that_are_trees_are_formulas_and_measures_are_not(company, tmp_path):
    lines = rows_by_label(load_workbook(written(company, tmp_path)[0])["Income"])
    for metric in INCOME_LINES:
        cells = lines[METRICS[metric].en]
        if METRICS[metric].node is None:
            assert not [cell for cell in cells[:2] if cell.data_type == "f"]
            assert cells[2].value.startswith("=IF(COUNT(") or cells[2].value is None
        else:
            assert {cell.data_type for cell in cells} == {"f"}
    assert lines["Revenue"][0].value == '=IF(COUNT(C7:C10)<4,"",SUM(C7:C10))'
    assert lines["Gross margin"][0].value == '=IF(COUNT(C21,C11)<2,"",IF(C11=0,"",C21/C11))'


def test_absent_is_an_empty_cell_with_a_note_and_never_zero(day, tmp_path):
    sheet = load_workbook(written(day, tmp_path)[0])["Income"]
    lines = rows_by_label(sheet)
    assert lines["Subscription revenue"][0].value is None
    assert "no payments data covers 2025-02-27" in lines["Subscription revenue"][0].comment.text
    assert "no payments data" in lines["Revenue"][0].comment.text
    stored = rows_by_label(load_workbook(tmp_path / "en.xlsx", data_only=True)["Income"])
    assert stored["Revenue"][0].value in (None, "")
    assert stored["Serving cost"][0].value == 87072


def test_names_of_the_data_stay_text(company, tmp_path):
    book = load_workbook(written(company, tmp_path)[0])
    found = {cell.value: cell.data_type for row in book["Channels"].iter_rows() for cell in row if cell.value}
    assert [found[name] for name in ("=HYPERLINK(1)", "@search", "-1+1")] == ["s", "s", "s"]


def test_every_sheet_bears_its_language_and_says_that_the_company_is_invented(company, tmp_path):
    for language, names, words in (
        ("en", "Overview Income Channels Cohorts Cost Cash Check Inputs Definitions Notes", "SYNTHETIC"),
        ("zh", "总览 损益表 渠道 同期群 服务成本 现金 核对 基础数据 指标定义 说明", "合成数据"),
    ):
        book = load_workbook(written(company, tmp_path, language)[0])
        assert book.sheetnames == names.split()
        assert all(str(sheet["A3"].value).startswith(words) for sheet in book)
        tables = [table for sheet in book for table in sheet.tables]
        assert len(tables) == len(set(tables)) > 10
        assert all(sheet.freeze_panes for sheet in list(book)[:-1])


def test_figures_beyond_fifteen_digits_are_said(company, tmp_path):
    book = load_workbook(written(company, tmp_path)[0])
    assert rows_by_label(book["Income"])["Payroll"][0].comment.text == "exactly 19,999,999,999,999.97"
    notes = "\n".join(str(row[0].value) for row in book["Notes"].iter_rows())
    assert "figures have more digits than a spreadsheet holds (15)" in notes
    assert "Income!C30" in notes


def test_the_same_books_give_the_same_file(company, tmp_path):
    first = written(company, tmp_path)[0].read_bytes()
    assert written(company, tmp_path)[0].read_bytes() == first


def test_a_ratio_of_sums_and_a_positive_denominator_become_guards():
    at = {"cash": Ref(1, 2), "in": Ref(2, 2), "out": Ref(3, 2, "Cash")}.__getitem__
    burn = Measured("out") - Measured("in")
    assert as_formula(Measured("cash") / Positive(burn), at) == (
        "=IF(COUNT(C2,'Cash'!C4,C3)<3,\"\",IF('Cash'!C4-C3<=0,\"\",C2/('Cash'!C4-C3)))"
    )
    per_mtok = Measured("cash") * Number(Decimal(1_000_000)) / (Measured("in") + Measured("out"))
    assert as_formula(per_mtok, at).endswith("C2*1000000/SUM(C3,'Cash'!C4)))")


@pytest.mark.parametrize(
    ("value", "language", "suffix"),
    [("999999", "en", "M"), ("999949", "en", "K"), ("99999999", "zh", "亿"), ("9999.994", "zh", "")],
)
def test_large_figures_take_the_step_they_round_up_to(value, language, suffix):
    reached = [step for step in ladder("CNY", language) if abs(Decimal(value)) >= step.least]
    assert (reached[0].format.rstrip('"').rpartition('"')[2] if reached else "") == suffix


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice computes the formulas again")
def test_another_program_computes_the_same(company, day, tmp_path):
    """Without the stored values LibreOffice computes, from the formulas alone, what they were."""
    accounts = {"company": company, "day": day}
    accounts |= {name: account_of_case(name, tmp_path / name) for name in CASES}
    bare, done = tmp_path / "bare", tmp_path / "done"
    bare.mkdir()
    for name, account in accounts.items():
        for language in ("en", "zh") if name in ("company", "day") else ("en",):
            path = tmp_path / f"{name}-{language}.xlsx"
            write_workbook(account, path, language)
            _without_values(path, bare / path.name)
    subprocess.run(
        [
            "soffice", f"-env:UserInstallation=file://{tmp_path / 'profile'}", "--headless", "--convert-to",
            "xlsx:Calc MS Excel 2007 XML", "--outdir", str(done), *map(str, sorted(bare.iterdir())),
        ],
        check=True, capture_output=True, timeout=600,
    )  # fmt: skip
    compared = 0
    for path in sorted(bare.iterdir()):
        formulas = load_workbook(path)
        stored = load_workbook(tmp_path / path.name, data_only=True)
        computed = load_workbook(done / path.name, data_only=True)
        for sheet in formulas:
            for cell in (cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f"):
                kept, again = (
                    "" if (value := each[sheet.title][cell.coordinate].value) is None else value
                    for each in (stored, computed)
                )
                same = kept == again or (
                    "" not in (kept, again) and abs(kept - again) <= 1e-12 * max(1, abs(kept))
                )
                assert same, (path.name, sheet.title, cell.coordinate, cell.value, kept, again)
                compared += 1
    assert compared > 2000


def _without_values(path, bare):
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(bare, "w") as other:
        for name in whole.namelist():
            content = whole.read(name)
            if name.startswith("xl/worksheets/sheet"):
                content = re.sub(rb"(</f>)<v>[^<]*</v>", rb"\1", content)
            other.writestr(name, content)


def test_labels_exist_in_both_languages():
    from breakeven.report.handing.contents import _HOW_TO_READ, _NAMES

    assert all(isinstance(text, Label) and text.en and text.zh for text in (*_HOW_TO_READ, *_NAMES.values()))
