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
    with pytest.raises(UsageError, match="no accelerator"):
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
        (("--sold-as", "deepseek/deepseek-r1", "--at", "2026-11-01", "--currency", "USD"), "has no price of"),
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
    assert {each["code"] for each in found["warnings"]} >= {"amount_left_out"}
    said = next(each["en"] for each in found["warnings"] if "loss_of_bad" in each["en"])
    assert said == "loss_of_bad is not given for talk: a bad answer's loss counts as 0"
    with pytest.raises(UsageError, match="same model"):
        run("small-or-large", path, "--small", "llama-3.1-70b", "--large", "llama-3.1-70b", "--gpu", "h100")
    stays = (
        CLASSES.replace("small: 0.94", "small: 0.0").replace("0.004", "40").replace("small: 0.5", "small: 0")
    )
    path.write_text(stays)
    assert "Do not move any requests" in run(*asked)
    assert "不要移动" in run(*asked, "--lang", "zh")
    path.write_text(CLASSES.replace("0.6", "0.5"))
    with pytest.raises(InputError, match=r"sum to 0\.9") as failure:
        run(*asked)
    assert failure.value.where == f"{path}:2"


def month(*more: str) -> dict:
    return answer(
        "buy-or-rent",
        "--model",
        "qwen3-32b",
        "--gpu",
        "h100",
        "--price-in",
        "0.15",
        "--price-out",
        "0.60",
        "--traffic",
        "700/600",
        "--cached",
        "21%",
        "--requests",
        "200M",
        *more,
    )


def test_no_layout_that_can_be_named_is_cheaper_than_the_one_found():
    """Replicas of prefill and decode are counted apart and share nodes of 8; one more stands by."""
    found = month()
    facts = found["facts"]
    assert facts["layout"].startswith("prefill")
    assert facts["gpus"] - 2 * 8 < facts["useful_gpus"] <= facts["gpus"] - 8
    best = {way: Decimal(row["value"]) for way, row in rows_of(found, "month", "way").items()}
    assert best["reserved"] == facts["gpus"] * 730 * Decimal("2.35") + 15_000
    for named in (("--layout", "TP1"), ("--layout", "TP2"), ("--layout", "TP4"), ("--aggregated",)):
        for way, row in rows_of(month(*named), "month", "way").items():
            assert best[way] <= Decimal(row["value"])


@pytest.mark.parametrize(
    "wrong",
    [
        (*PRICE, "--price-in", "1", "--price-out", "2", "--utilisation", "0"),
        (*PRICE, "--price-in", "1", "--price-out", "2", "--free-share", "100%"),
        (*PRICE, "--price-in", "1", "--price-out", "2", "--derate-decode", "0"),
        (*PRICE, "--price-in", "1", "--price-out", "2", "--currency", "XYZ"),
        ("cost", "--model", "qwen3-32b", "--gpu", "h999"),
        (*RENT, "--pue", "0.9"),
        (*RENT, "--life", "0"),
        (*RENT, "--purchase-price", "0"),
        (*RENT, "--requests", "-5"),
        (*RENT, "--requests", "many"),
        (*RENT, "--peak", "3"),
    ],
)  # fmt: skip
def test_a_wrong_value_of_an_option_is_a_usage_error(wrong):
    with pytest.raises(UsageError) as failure:
        run(*wrong)
    assert failure.value.exit_code == 2


def test_a_wrong_currency_in_a_gpu_file_is_named_without_a_list_of_all(tmp_path):
    gpu = tmp_path / "gpu.yaml"
    gpu.write_text(
        "{name: g, peak_flops: {bf16: 989 TFLOPS}, memory: 80 GB, bandwidth: 3 TB/s, link: 450 GB/s,"
        " link_domain_gpus: 8, generation: hopper,"
        " prices: [{amount: 2, currency: XYZ, commitment: on_demand, source: us, as_of: 2026-01-01}]}"
    )
    with pytest.raises(InputError, match="unknown currency 'XYZ'") as failure:
        run("gpus", str(gpu))
    assert len(str(failure.value)) < 200


def test_a_cached_price_above_the_input_price_is_pointed_out():
    given = ("--price-in", "1", "--price-cached", "2", "--price-out", "4")
    assert "cached_above_input" in {each["code"] for each in answer(*PRICE, *given)["warnings"]}
    assert "cached_above_input" not in {
        each["code"] for each in answer(*PRICE, "--price-in", "1", "--price-out", "4")["warnings"]
    }


def test_units_of_rows_are_not_contradicted_by_those_of_columns():
    found = answer(*PRICE, "--price-in", "1", "--price-out", "4")
    assert rows_of(found, "money", "figure")["revenue"]["unit"] == "USD"
    assert "money" not in found["units"]
    assert found["units"]["prices"]["value"] == "USD/Mtok"


def test_another_name_and_what_a_config_leaves_open_are_said(tmp_path):
    told = answer("cost", "--model", "deepseek-r1", "--gpu", "h200", *FAST)["warnings"]
    assert "deepseek-r1 is served as deepseek-v3 is" in next(e["en"] for e in told if e["code"] == "assumed")
    sizes = {"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
             "vocab_size": 32000, "intermediate_size": 11008}  # fmt: skip
    config = tmp_path / "config.json"
    config.write_text(json.dumps(sizes))
    told = answer("cost", "--model", str(config), "--gpu", "h100", *FAST)["warnings"]
    said = " ".join(each["en"] for each in told if each["code"] == "assumed")
    assert "num_key_value_heads is missing" in said
    assert "torch_dtype is missing" in said
    assert "num_key_value_heads is missing" in run("models", str(config))
    config.write_text(json.dumps({**sizes, "num_key_value_heads": 8, "torch_dtype": "bfloat16"}))
    told = answer("cost", "--model", str(config), "--gpu", "h100", *FAST)["warnings"]
    assert "assumed" not in {each["code"] for each in told}
    for field in ("intermediate_size", "num_hidden_layers", "hidden_size", "vocab_size"):
        config.write_text(json.dumps({key: value for key, value in sizes.items() if key != field}))
        with pytest.raises(InputError, match=f"{field} is missing"):
            run("models", str(config))
