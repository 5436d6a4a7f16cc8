"""FOCUS rows: four honest costs per charge, sums that are the statement's, and the validator's consent."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from tests.account.bookkeeping import book, new_books, write_card

from breakeven.account.account import open_account
from breakeven.account.metrics import Missing
from breakeven.money import post
from breakeven.periods import Period
from breakeven.report.handing.charges import instants
from breakeven.report.handing.columns import Columns
from breakeven.report.handing.focus import COLUMNS, left_out_warning, write_focus
from breakeven.sources.published_day import write_books

from .worked_cases import CASES, account_of_case

pytestmark = pytest.mark.filterwarnings("ignore")
MANDATORY = tuple(
    "BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd BillingPeriodStart"  # noqa: SIM905
    " ChargeCategory ChargeClass ChargeDescription ChargePeriodEnd ChargePeriodStart ContractedCost"
    " EffectiveCost InvoiceIssuerName ListCost PricingQuantity PricingUnit ProviderName PublisherName"
    " ServiceCategory ServiceName".split()
)
NULLABLE = {"BillingAccountName", "ChargeClass", "ChargeDescription", "PricingQuantity", "PricingUnit"}
VALIDATOR = Path(sys.prefix) / "focus" / ("Scripts" if os.name == "nt" else "bin") / "focus-validator"

CARD = """
provider: moonshot
side: buy
currency: CNY
negotiated:
  - multiplier: 0.75
    valid_from: 2024-01-01
    source: contract 7
"""


def rows_of(account, folder, version="1.2"):
    path = folder / "focus.parquet"
    count, left_out = write_focus(account, path, Columns("parquet"), "en", version)
    rows = parquet.read_table(path).to_pylist()
    assert len(rows) == count
    return rows, left_out


@pytest.mark.parametrize("name", CASES)
def test_effective_cost_sums_to_the_statement(name, tmp_path):
    account = account_of_case(name, tmp_path)
    rows, _ = rows_of(account, tmp_path)
    for bucket, period in enumerate(account.buckets.periods):
        first, _ = instants(period, account.books.settings.time_zone)
        mine = [row for row in rows if row["BillingPeriodStart"] == first]
        stated = account.value("serving_cost", bucket)
        total = sum((row["EffectiveCost"] for row in mine), Decimal(0))
        billed = sum((row["BilledCost"] for row in mine), Decimal(0))
        if not isinstance(stated, Missing):
            # Two posted lines make up serving cost, so two roundings of half a cent.
            assert abs(total - stated) <= Decimal("0.01")
            assert post(total, account.currency) == post(billed, account.currency)
        for row in mine:
            assert all(row[column] is not None for column in set(MANDATORY) - NULLABLE)
            if row["ContractedUnitPrice"] is not None:
                product = row["ContractedUnitPrice"] * row["PricingQuantity"]
                assert abs(product - row["ContractedCost"]) < Decimal("1e-9")


@pytest.fixture
def negotiated(tmp_path):
    """A million tokens each way in Shanghai's first hour of March, at three quarters of the list."""
    books = new_books(tmp_path / "books", currency="CNY", time_zone="Asia/Shanghai")
    write_card(books, "contract", CARD)
    used = {"at": "2024-02-29T16:30:00Z", "product": "app", "service_tier": "standard", "requests": 10}
    tokens = {"uncached_input_tokens": 1_000_000, "output_tokens": 2_000_000}
    book(books, "usage", [
        {**used, **tokens, "provider": "moonshot", "model": "moonshot-v1-32k"},
        {**used, **tokens, "provider": "moonshot", "model": "moonshot-unheard-of"},
    ])  # fmt: skip
    month = {"category": "inference_api", "period_start": "2024-03-01", "period_end": "2024-04-01"}
    book(books, "bills", [
        {**month, "vendor": "moonshot", "amount": "54.00", "currency": "CNY", "invoice_id": "M-03"},
        {**month, "vendor": "elsewhere", "amount": "10.00", "currency": "USD", "invoice_id": "E-03"},
    ])  # fmt: skip
    return books


def test_list_contracted_and_billed_of_a_negotiated_price(negotiated, tmp_path):
    account = open_account(negotiated, period=Period.parse("2024-03"))
    rows, left_out = rows_of(account, tmp_path)
    uncached, output, unlogged = sorted(rows, key=lambda row: row["SkuMeter"] or "", reverse=True)[0:3]
    by_meter = {row["SkuMeter"]: row for row in (uncached, output, unlogged)}
    row = by_meter["Output tokens"]
    # 24 CNY a million on the list, 18 by contract.
    assert (row["ListCost"], row["ContractedCost"]) == (48, 36)
    assert (row["BilledCost"], row["EffectiveCost"]) == (36, 36)
    assert (row["ListUnitPrice"], row["ContractedUnitPrice"], row["PricingQuantity"]) == (24, 18, 2)
    assert (row["ConsumedQuantity"], row["ConsumedUnit"]) == (2_000_000, "Tokens")
    assert row["PricingUnit"] == "1000000 Tokens"
    assert row["ProviderName"] == "Moonshot AI"
    assert json.loads(row["Tags"]) == {"service_tier": "standard", "product": "app"}
    # The day is Shanghai's.
    assert f"{row['ChargePeriodStart']:%m-%dT%H}" == "02-29T16"
    # 18 + 36 is what the invoice says, so its rows bear it.
    assert row["InvoiceId"] == "M-03"
    bill = by_meter["As billed"]
    assert (bill["InvoiceId"], bill["ConsumedQuantity"], bill["BillingCurrency"]) == ("E-03", None, "CNY")
    assert left_out.tokens == {("moonshot", "moonshot-unheard-of"): 3_000_000}
    assert "3,000,000 tokens have no price" in left_out_warning(left_out).label.en


def test_an_invoice_of_another_amount_is_not_claimed(negotiated, tmp_path):
    book(negotiated, "bills", [
        {"vendor": "moonshot", "category": "inference_api", "period_start": "2024-03-01",
         "period_end": "2024-04-01", "amount": "0.01", "currency": "CNY", "invoice_id": "M-03"},
    ])  # fmt: skip
    account = open_account(negotiated, period=Period.parse("2024-03"))
    rows, _ = rows_of(account, tmp_path)
    assert {row["InvoiceId"] for row in rows if row["ProviderName"] == "Moonshot AI"} == {None}


def test_the_own_fleet_is_bought_once_and_effective_where_it_served(tmp_path):
    account = open_account(write_books(tmp_path / "day"))
    rows, _ = rows_of(account, tmp_path)
    purchase = [row for row in rows if row["ChargeCategory"] == "Purchase"]
    usage = [row for row in rows if row["ChargeCategory"] == "Usage"]
    # 226.75 nodes of 8 GPUs over 24 hours at 2 USD.
    assert [(row["BilledCost"], row["EffectiveCost"], row["PricingQuantity"]) for row in purchase] == [
        (87072, 0, 43536)
    ]
    assert {row["BilledCost"] for row in usage} == {0}
    assert round(sum(row["EffectiveCost"] for row in usage), 12) == 87072
    assert {row["SkuMeter"] for row in usage} == {
        "Uncached input tokens", "Cached input tokens", "Output tokens",
    }  # fmt: skip


def test_the_columns_of_each_version():
    assert set(MANDATORY) <= set(COLUMNS["1.2"])
    assert {"SkuMeter", "InvoiceId", "PricingCurrency", "PricingCurrencyEffectiveCost"} <= set(COLUMNS["1.2"])
    assert not {"Provider", "ChargeType", "ResourceID"} & set(COLUMNS["1.2"])


def test_csv_keeps_every_digit(negotiated, tmp_path):
    account = open_account(negotiated, period=Period.parse("2024-03"))
    path = tmp_path / "focus.csv"
    write_focus(account, path, Columns("csv", bom=False, guarded=False), "en")
    with path.open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    rows, _ = rows_of(account, tmp_path)
    assert [Decimal(row["EffectiveCost"]) for row in read] == [row["EffectiveCost"] for row in rows]
    assert {row["BillingPeriodStart"] for row in read} == {"2024-02-29T16:00:00Z"}


def validated(path):
    """What the FinOps Foundation's validator says. It looks for its own files in the working folder."""
    packages = next(VALIDATOR.parents[1].glob("[Ll]ib/**/site-packages"))
    done = subprocess.run(
        [VALIDATOR, "--data-file", path, "--validate-version", "1.0"],
        cwd=packages, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not VALIDATOR.exists(), reason="./run test --slow makes the validator's environment")
def test_the_validator_accepts_the_form_of_1_0(negotiated, tmp_path):
    day = open_account(write_books(tmp_path / "day"))
    march = open_account(negotiated, period=Period.parse("2024-03"))
    fleet = account_of_case("own_fleet_by_weights", tmp_path / "fleet")
    for number, account in enumerate((day, march, fleet)):
        path = tmp_path / f"focus-{number}.csv"
        write_focus(account, path, Columns("csv", bom=False, guarded=False), "zh", "1.0")
        assert "Validation succeeded." in validated(path)
    text = path.read_text("utf-8")
    path.write_text(text.replace(",Usage,", ",,"), "utf-8")
    assert "Validation failed!" in validated(path)
