"""The commands about hardware and money: what they print, in both languages, and what they refuse."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from click.testing import CliRunner

from breakeven.cli.serving import serving
from breakeven.errors import InputError, UsageError

FAST = ("--ttft", "none", "--tpot", "100ms")
"""A promise that every layout keeps, so that these tests are about money and not about latency."""
CLASSES = """\
requests_per_month: 20000000
classes:
  - name: talk
    share: 0.6
    input_tokens: 1500
    cached_share: 0.4
    output_tokens: 300
    value_of_good: 0.004
    quality: {small: 0.94, large: 0.94}
  - name: code
    share: 0.4
    input_tokens: 6000
    output_tokens: 1200
    loss_of_bad: 0.9
    quality: {small: 0.5, large: 0.8}
"""


@pytest.fixture(autouse=True)
def english(monkeypatch):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "BREAKEVEN_LANG", "BREAKEVEN_BOOKS"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(serving, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def answer(*arguments: str) -> dict:
    return json.loads(run(*arguments, "--json"))


def rows_of(found: dict, table: str, key: str) -> dict:
    return {row[key]: row for row in found["rows"] if row["table"] == table}


def test_gpus_are_listed_with_their_prices():
    found = answer("gpus")
    gpus = rows_of(found, "gpus", "gpu")
    assert gpus["h20"]["bf16"] == "148"
    assert gpus["a100"]["fp8"] is None
    assert found["units"]["gpus"]["bandwidth"] == "TB/s"
    prices = [row for row in found["rows"] if row["table"] == "gpu_prices"]
    assert {"gpu": "a800", "unit": "CNY/GPU-hour"}.items() <= next(
        row for row in prices if row["gpu"] == "a800"
    ).items()
    assert not [row for row in prices if row["gpu"] == "h20"]


def test_one_gpu_in_either_language():
    assert "NVLink 1,800 GB/s both ways" in run("gpus", "b200_sxm")
    chinese = run("gpus", "b200_sxm", "--lang", "zh")
    assert "显存带宽" in chinese
    assert "NVLink 双向合计" in chinese
    with pytest.raises(InputError, match="no accelerator"):
        run("gpus", "h2000")


PRICE = ("breakeven-price", "--model", "qwen3-32b", "--gpu", "h100", *FAST)


def test_a_list_of_the_price_book_is_exact():
    found = answer(*PRICE, "--sold-as", "deepseek/deepseek-r1", "--at", "2025-03-01", "--currency", "USD")
    prices = rows_of(found, "prices", "class")
    assert [prices[name]["list_price"] for name in ("uncached_input", "cached_input", "output")] == [
        "0.55", "0.14", "2.19",
    ]  # fmt: skip
    level = Decimal(found["facts"]["price_level"])
    assert Decimal(prices["output"]["value"]) == pytest.approx(Decimal("2.19") * level, rel=Decimal("1e-3"))
    assert Decimal(found["facts"]["margin"]) == pytest.approx(
        1 - level, rel=Decimal("1e-2"), abs=Decimal("1e-3")
    )
    money = rows_of(found, "money", "figure")
    assert (
        Decimal(money["margin"]["low"])
        <= Decimal(money["margin"]["value"])
        <= Decimal(money["margin"]["high"])
    )


def test_a_path_of_falling_prices():
    given = (
        "--price-in",
        "5",
        "--price-cached",
        "0.5",
        "--price-out",
        "20",
        "--halves-every",
        "6",
        "--months",
        "12",
    )
    found = answer(*PRICE, *given)
    path = rows_of(found, "drift", "month")
    assert [path[month]["output"] for month in (0, 6, 12)] == ["20", "10", "5"]
    assert path[6]["cached_input"] == "0.25"
    assert found["facts"]["margin_gone_after_months"] is not None


def test_other_models_at_the_same_list():
    found = answer(*PRICE, "--price-in", "1", "--price-out", "2", "--instead", "llama-3.1-8b")
    other = rows_of(found, "instead", "model")["llama-3.1-8b"]
    assert Decimal(other["value"]) > Decimal(found["facts"]["margin"])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "at what price"),
        (("--price-in", "1", "--price-out", "2", "--sold-as", "a/b"), "exclude each other"),
        (("--price-in", "0.0000005", "--price-out", "2"), "not a price anybody asks"),
        (("--sold-as", "deepseek-r1"), "not PROVIDER/MODEL"),
        (("--sold-as", "deepseek/deepseek-r1", "--at", "2026-11-01", "--currency", "USD"), "has no price on"),
        (("--price-in", "1", "--price-out", "2", "--utilisation", "60"), "not a share"),
        (("--price-in", "1", "--price-out", "2", "--halves-every", "soon"), "not a number of months"),
        (
            ("--price-in", "1", "--price-out", "2", "--halves-every", "6", "--falls-like", "a/b"),
            "exclude each other",
        ),
        (("--price-in", "1", "--price-out", "2", "--falls-like", "a/b"), "no history of a/b"),
    ],
)  # fmt: skip
def test_price_questions_that_cannot_be_answered(more, said):
    with pytest.raises(UsageError, match=said):
        run(*PRICE, *more)


RENT = ("buy-or-rent", "--model", "qwen3-32b", "--gpu", "h100", "--requests", "20000000", *FAST)


def test_buy_or_rent():
    found = answer(*RENT, "--price-in", "0.5", "--price-out", "1.5")
    month = rows_of(found, "month", "way")
    assert list(month) == ["api", "on_demand", "reserved", "owned", "on_premises"]
    for row in month.values():
        assert Decimal(row["fixed"]) + Decimal(row["variable"]) == pytest.approx(
            Decimal(row["value"]), rel=Decimal("1e-4")
        )
    cheapest = min(month, key=lambda way: Decimal(month[way]["value"]))
    assert found["facts"]["cheapest"] == cheapest
    pairs = [row for row in found["rows"] if row["table"] == "break_even"]
    assert len(pairs) == 10
    assumed = rows_of(found, "assumptions", "figure")
    assert assumed["Life, years"]["source"] == "assumed"


def test_money_assumed_in_dollars_is_not_assumed_in_yuan():
    found = answer(*RENT, "--gpu-price", "16", "--currency", "CNY", "--staff", "80000")
    assert list(rows_of(found, "month", "way")) == ["on_demand"] or "owned" in rows_of(
        found, "left_out", "way"
    )
    left_out = rows_of(found, "left_out", "way")
    assert "api" in left_out
    chinese = run(*RENT, "--gpu-price", "16", "--currency", "CNY", "--staff", "80000", "--lang", "zh")
    assert "未给出 --api" in chinese
    with pytest.raises(UsageError, match="how many requests"):
        run("buy-or-rent", "--model", "qwen3-32b", "--gpu", "h100", "--traffic", "4000/1000", *FAST)


def test_small_or_large(tmp_path):
    path = tmp_path / "classes.yaml"
    path.write_text(CLASSES)
    asked = (
        "small-or-large",
        path,
        "--small",
        "llama-3.1-8b",
        "--large",
        "llama-3.1-70b",
        "--gpu",
        "h100",
        *FAST,
    )
    found = answer(*asked)
    classes = rows_of(found, "classes", "class")
    assert (classes["talk"]["rank"], classes["talk"]["loss"]) == (1, "0")
    assert Decimal(classes["code"]["loss"]) == 270  # 0.3 x 0.90 for each of a thousand
    assert classes["code"]["moved"] == "0"
    path_rows = rows_of(found, "path", "moved")
    for row in path_rows.values():
        assert Decimal(row["saving"]) - Decimal(row["loss"]) == pytest.approx(
            Decimal(row["net"]), rel=Decimal("1e-4"), abs=Decimal(1)
        )
    assert Decimal(found["facts"]["net"]) >= max(Decimal(row["net"]) for row in path_rows.values()) - 1
    path.write_text(CLASSES.replace("0.6", "0.5"))
    with pytest.raises(InputError, match=r"sum to 0\.9") as failure:
        run(*asked)
    assert failure.value.where == f"{path}:2"
