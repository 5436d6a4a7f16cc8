"""`breakeven check` as people meet it: exit codes, tolerance, warnings, the way from a line to its rows."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.cli.conftest import plain_environment, run  # noqa: F401 - fixtures

from breakeven.reconcile.line import CAUSES, ERRORS

from .cases import FOLDER, open_case, read_case

MATCHED = "unlogged_and_counted_otherwise"


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Books of worked cases by name, made once."""
    made = {}

    def books_of(name: str):
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            open_case(read_case(FOLDER / f"{name}.yaml"), folder)
            made[name] = folder / "books"
        return made[name]

    return books_of


def test_a_tolerance_is_declared_never_assumed(run, opened):  # noqa: F811
    books = opened("bills_without_detail")
    assert run("check", books).code == 1
    answer = run("check", books, "--json").answer
    assert "check.tolerance" in {w["code"]: w["en"] for w in answer["warnings"]}["no_tolerance"]
    states = {row["line"]: row["state"] for row in answer["rows"]}
    assert states["2024-08/whole"] == "differs"
    looser = run("check", books, "--json", "--tolerance", "0.01")
    assert "no_tolerance" not in {warning["code"] for warning in looser.answer["warnings"]}
    assert {row["line"]: row["state"] for row in looser.answer["rows"]}["2024-08/whole"] == "agrees"
    assert looser.code == 1
    assert run("check", books, "--tolerance", "0.5").code == 0
    assert run("check", books, "--tolerance", "-1").code == 2


def test_what_only_explains_does_not_fail(run, opened):  # noqa: F811
    assert run("check", opened("discount_tax_and_credit")).code == 0
    assert run("check", opened("exchange")).code == 0
    assert run("check", opened("months_cut_in_utc")).code == 0


def test_usage_without_a_price_fails_whatever_the_tolerance(run, opened):  # noqa: F811
    ran = run("check", opened("models_nobody_logged"), "--tolerance", "99", "--json")
    assert ran.code == 1
    [large] = [row for row in ran.answer["rows"] if row["model"] == "large"]
    assert (large["books"], large["state"], large["unpriced_tokens"]) == (None, "unpriced", 10000000)


def test_json_holds_every_cause_and_they_add_up(run, opened):  # noqa: F811
    for row in run("check", opened(MATCHED), "--json").answer["rows"]:
        assert sum(Decimal(row[cause]) for cause in CAUSES) == Decimal(row["difference"])
        assert set(ERRORS) <= set(CAUSES)


def test_the_summary_adds_up_and_shows_the_causes_there_are(run, opened):  # noqa: F811
    header, row = run("check", opened(MATCHED), "--csv", "--no-bom").out.splitlines()
    cells = dict(zip(header.split(","), row.split(","), strict=True))
    assert cells == {
        "period": "2024-08", "vendor": "outside", "books (USD)": "24.00", "bill (USD)": "30.00",
        "difference (USD)": "6.00", "unlogged (USD)": "3.00", "token_count (USD)": "3.00",
        "unexplained (USD)": "0.00", "unpriced_tokens (tokens)": "", "covered (ratio)": "0.032258",
        "state": "differs",
    }  # fmt: skip


def test_two_sources_for_one_bill_are_said_loudly(run, opened):  # noqa: F811
    ran = run("check", opened("billed_by_two_sources"), "--lang", "zh")
    assert ran.code == 1
    assert "focus 的 7.70 USD 是重复的" in ran.out


def test_a_line_leads_to_its_rows(run, opened):  # noqa: F811
    books = opened(MATCHED)
    rows = run("check", books, "--rows", "2024-08/outside/m/output", "--json").answer["rows"]
    found = [
        (row["table"], row.get("source"), row.get("quantity") or row.get("output_tokens")) for row in rows
    ]
    assert found == [
        ("1.bills", "hand", "4.5"),
        ("2.usage", "hand", 4000000),
        ("3.usage", "outside_report", 4500000),
    ]
    assert all(row["file"].endswith(".csv") and row["batch_id"] for row in rows)


@pytest.mark.parametrize(
    ("case", "line", "tables"),
    [
        ("payments_against_the_bank", "2024-07/payout/stripe/USD", ["settlements"] * 2 + ["payments"] * 2),
        ("payments_against_the_bank", "2024-07/bank/stripe/USD", ["settlements"] * 3),
        ("fleet_against_leases", "2024-08/gpu/H800", ["bills", "bills", "capacity"]),
        ("ads_against_invoices", "2024-02/advertising/douyin", ["bills"] * 3 + ["ad_spend"] * 2),
        ("fees_by_channel", "2024-08/payment_fee/alipay", ["bills", "payments"]),
        ("models_nobody_logged", "2024-08/amazon/opus/output", ["bills"]),
    ],
)
def test_lines_of_every_kind_lead_to_rows(run, opened, case, line, tables):  # noqa: F811
    rows = run("check", opened(case), "--rows", line, "--json").answer["rows"]
    assert [row["table"].partition(".")[2] for row in rows] == tables


def test_a_line_that_does_not_exist_names_those_that_do(run, opened):  # noqa: F811
    ran = run("check", opened(MATCHED), "--rows", "2024-08/outside/m/outputs", "--lang", "zh")
    assert ran.code == 2
    assert "没有这一行" in ran.err
    assert "2024-08/outside/m/output" in ran.err


def test_an_invoice_that_is_booked_leads_from_the_statement_to_its_row(run, opened):  # noqa: F811
    rows = run("rows", opened("ads_against_invoices"), "ads_spend", "--json").answer["rows"]
    booked = [row["vendor"] for row in rows if row["table"] == "ads_spend.bills"]
    assert booked == ["kuaishou"]
