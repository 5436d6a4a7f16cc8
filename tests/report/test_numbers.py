from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakeven.report.numbers import (
    NO_VALUE,
    compact,
    currencies_of,
    exact,
    tick_labels,
    unit_label,
)

LANGUAGES = st.sampled_from(["en", "zh"])
UNITS = st.sampled_from(["CNY", "USD", "users", "tokens", "CNY/user", "JPY", "ratio"])
AMOUNTS = st.decimals(min_value=Decimal("-1e16"), max_value=Decimal("1e16"), places=6, allow_nan=False)
SUFFIXES = {"": 0, "K": 3, "M": 6, "B": 9, "万": 4, "亿": 8, "万亿": 12, "%": -2}


def read_back(text: str) -> Decimal:
    """What a reader takes a short figure to mean."""
    match = re.fullmatch(r"(-?)[^\d-]*([\d,.]+)(K|M|B|万亿|万|亿|%)?", text)
    assert match, text
    value = Decimal(match[2].replace(",", "")).scaleb(SUFFIXES[match[3] or ""])
    return -value if match[1] else value


@pytest.mark.parametrize(
    ("value", "unit", "en", "zh"),
    [
        (Decimal("99999999"), "CNY", "¥100M", "¥1亿"),
        (999_999, "users", "1M", "100万"),
        (Decimal("999949.99"), "USD", "$1M", "$100万"),
        (Decimal("999499"), "USD", "$999K", "$99.9万"),
        (Decimal("28000000"), "CNY", "¥28M", "¥2,800万"),
        (Decimal("123456789"), "CNY", "¥123M", "¥1.23亿"),
        (Decimal("1234567890123"), "CNY", "¥1,235B", "¥1.23万亿"),
        (Decimal("999999999999"), "CNY", "¥1,000B", "¥1万亿"),
        (Decimal("999.996"), "CNY", "¥1K", "¥1,000"),
        (Decimal("41.03"), "CNY/user", "¥41.03", "¥41.03"),
        (Decimal("-0.001"), "USD", "-$0.001", "-$0.001"),
        (Decimal(61), "CNY/user", "¥61.00", "¥61.00"),
        (Decimal("500.4"), "JPY", "JPY 500", "JPY 500"),
        (Decimal("12000"), "JPY", "JPY 12K", "JPY 1.2万"),
        (Decimal(0), "CNY", "¥0", "¥0"),
        (Decimal("0.164"), "ratio", "16.4%", "16.4%"),
        (None, "CNY", NO_VALUE, NO_VALUE),
    ],
)
def test_the_ladder(value, unit, en, zh):
    assert (compact(value, unit, "en"), compact(value, unit, "zh")) == (en, zh)


@given(AMOUNTS, UNITS, LANGUAGES)
def test_a_unit_is_never_overfull(value, unit, language):
    text = compact(value, unit, language).replace(",", "")
    assert not re.search(r"\d{4,}(\.\d+)?[KM]", text)
    assert not re.search(r"\d{5,}(\.\d+)?[万亿](?!亿)", text)


@given(AMOUNTS, AMOUNTS, UNITS, LANGUAGES)
def test_a_larger_amount_never_reads_smaller(one, other, unit, language):
    low, high = sorted((one, other))
    assert read_back(compact(low, unit, language)) <= read_back(compact(high, unit, language))


@given(AMOUNTS, UNITS, LANGUAGES)
def test_the_short_form_is_near_the_amount(value, unit, language):
    shown = read_back(compact(value, unit, language))
    assert abs(shown - value) <= abs(value) * Decimal("0.006") + {
        "ratio": Decimal("0.0005"),
        "JPY": Decimal("0.5"),
    }.get(unit, 0)


@given(AMOUNTS, UNITS, LANGUAGES)
def test_the_sign_is_kept_and_zero_has_none(value, unit, language):
    shown = compact(value, unit, language)
    assert shown.startswith("-") == (read_back(shown) < 0)
    assert (value < 0) == shown.startswith("-") or read_back(shown) == 0


@given(st.decimals(min_value=Decimal("-1e15"), max_value=Decimal("1e15"), places=2))
def test_posted_money_is_shown_to_the_cent(value):
    assert Decimal(exact(value, "CNY").replace(",", "")) == value


@given(st.integers(min_value=1, max_value=10**9), st.integers(min_value=0, max_value=12))
def test_a_price_keeps_three_significant_digits(digits, places):
    price = Decimal(digits).scaleb(-places)
    shown = Decimal(exact(price, "USD/Mtok").replace(",", ""))
    assert abs(shown - price) <= price * Decimal("0.0005")
    assert len(exact(price, "USD/Mtok").replace(",", "").replace(".", "").lstrip("0")) >= 3


def test_exact_figures():
    assert exact(Decimal("0.55"), "USD/Mtok") == "0.550"
    assert exact(Decimal("0.003625"), "USD/Mtok") == "0.003625"
    assert exact(Decimal(0), "USD") == "0.00"
    assert exact(Decimal("1234.5"), "JPY") == "1,234"
    assert exact(Decimal("6.125"), "visits") == "6.12"
    assert exact("2024-03", "month") == "2024-03"


def test_units_in_words():
    assert [unit_label(unit) for unit in ("count", "text", "months", "tokens/user")] == [
        "",
        "",
        "months",
        "tokens per user",
    ]
    assert unit_label("CNY/Mtok", "zh") == "CNY/百万词元"
    assert currencies_of(["CNY", "CNY/user", "ratio", "text"]) == {"CNY"}


def test_codes_when_two_currencies_meet():
    assert compact(Decimal("-1200000"), "CNY", "zh", code=True) == "-CNY 120万"


@given(
    st.integers(-6, 0),
    st.integers(1, 6),
    st.sampled_from(["1", "2", "2.5", "5"]),
    st.integers(-4, 12),
    LANGUAGES,
)
def test_tick_labels_differ_and_mean_their_ticks(first, last, step, power, language):
    ticks = [Decimal(step).scaleb(power) * i for i in range(first, last + 1)]
    for unit in ("CNY", "ratio"):
        assert [read_back(label) for label in tick_labels(ticks, unit, language)] == ticks
