"""What a token costs to serve, asked in a notebook: the answers of the commands, and the same refusals."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest
from tests.account.bookkeeping import book, new_books

import breakeven
from breakeven.cli.main import main
from breakeven.cli.serving_options import COMMITMENTS, ENGINES
from breakeven.errors import InputError, UsageError
from breakeven.notebook import serving
from breakeven.report.tabular import to_json
from breakeven.serving.prefix_cache.store_price import store_prices
from breakeven.serving.traffic import Traffic

pytestmark = pytest.mark.filterwarnings("ignore")
ASKED = ("llama-3.1-70b", "h100")


@pytest.fixture(scope="module")
def served():
    return breakeven.Serving(*ASKED, traffic="4000/1000@5rps", ttft_ms=3_000, tpot_ms=60, gpu_price="2.50")


def command(capsys, *words):
    capsys.readouterr()
    assert main(["serving", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def flat(found):
    """Every number of a JSON answer, as text."""
    if isinstance(found, dict):
        return [text for value in found.values() for text in flat(value)]
    if isinstance(found, list):
        return [text for value in found for text in flat(value)]
    return [str(found)]


# --- the same answers as the commands -------------------------------------------------------------------


def test_the_cost_is_that_of_the_command(served, capsys):
    told = command(
        capsys, "cost", "--model", ASKED[0], "--gpu", ASKED[1], "--traffic", "4000/1000@5rps", "--ttft", "3s",
        "--tpot", "60ms", "--gpu-price", "2.50",
    )  # fmt: skip
    found = set(flat(told))
    for row in served.cost().rows:
        assert {str(row["value"]), str(row["low"]), str(row["high"])} <= found
        assert row["low"] < row["value"] < row["high"]
    assert served.cost().view.envelope.currency == "USD"


def test_the_comparison_is_that_of_the_command(served, capsys):
    told = command(
        capsys, "compare", "--model", ASKED[0], "--gpu", ASKED[1], "--gpu", "h200", "--traffic",
        "4000/1000@5rps", "--ttft", "3s", "--tpot", "60ms", "--gpu-price", "2.50",
    )  # fmt: skip
    answer, found = served.compare(gpus=["h200"]), set(flat(told))
    assert {row["gpu"] for row in answer.rows} == {"h100", "h200"}
    for row in (*answer.rows, *answer.table("frontier").rows):
        assert {str(value) for value in row.values() if isinstance(value, Decimal)} <= found


def test_the_price_of_a_long_prompt_is_that_of_the_command(served, capsys):
    told = command(
        capsys, "context", "--model", ASKED[0], "--gpu", ASKED[1], "--tokens", "8k,100k", "--tpot", "60ms",
        "--gpu-price", "2.50",
    )  # fmt: skip
    answer, found = served.context(tokens=[8_000, 100_000]), set(flat(told))
    assert len(answer.rows) == 4, "two lengths, two precisions of the cache"
    for row in answer.rows:
        assert {str(value) for value in row.values() if isinstance(value, Decimal)} <= found


def test_the_fleet_is_that_of_the_command(served, capsys):
    told = command(
        capsys, "fleet", "--model", ASKED[0], "--gpu", ASKED[1], "--traffic", "4000/1000@5rps",
        "--ttft", "3s", "--tpot", "60ms", "--owned", "64", "--owned-price", "1.50",
        "--on-demand-price", "3", "--time-zone", "UTC", "--period", "2026-03",
    )  # fmt: skip
    answer = served.fleet(owned=64, owned_price="1.50", on_demand_price=3, time_zone="UTC", period="2026-03")
    for row in answer.table("cost").rows:
        assert {str(value) for value in row.values() if isinstance(value, Decimal)} <= set(flat(told))


def test_the_breakeven_price_is_that_of_the_command(served, capsys):
    told = command(
        capsys, "breakeven-price", "--model", ASKED[0], "--gpu", ASKED[1], "--traffic", "4000/1000@5rps",
        "--ttft", "3s", "--tpot", "60ms", "--gpu-price", "2.50", "--price-in", "0.50",
        "--price-cached", "0.10", "--price-out", "1.50", "--free-share", "0.2",
    )  # fmt: skip
    answer, found = served.breakeven_price("0.50", "1.50", "0.10", free_share=0.2), set(flat(told))
    for row in (*answer.rows, *answer.table("money").rows, *answer.table("levers").rows):
        assert {str(value) for value in row.values() if isinstance(value, Decimal)} <= found


def test_the_cache_is_that_of_the_command(capsys, tmp_path):
    trace = tmp_path / "trace.jsonl"
    lines = [
        {"timestamp": 1_000 * second, "input_length": 1_024, "output_length": 64,
         "hash_ids": [0, second % 3 + 1]}
        for second in range(120)
    ]  # fmt: skip
    trace.write_text("\n".join(json.dumps(line) for line in lines))
    told = command(
        capsys, "cache", str(trace), "--model", ASKED[0], "--gpu", ASKED[1], "--gpu-price", "2.50",
        "--capacity", "2", "--capacity", "4",
    )  # fmt: skip
    answer = breakeven.Serving(*ASKED, gpu_price="2.50").cache(trace, capacities=[4, 2])
    assert answer.rows
    for row in answer.rows:
        assert {str(value) for value in row.values() if isinstance(value, Decimal)} <= set(flat(told))
    yuan = breakeven.Serving(*ASKED, gpu_price=18, currency="CNY").cache(trace)
    assert any("European Central Bank" in said.label.en for said in yuan.view.envelope.warnings)
    priced = breakeven.Serving(*ASKED, gpu_price=18, currency="CNY").cache(
        trace, store="ssd", store_price="1.5"
    )
    assert any("SSD: 1.5 CNY" in said.label.en for said in priced.view.envelope.warnings)


CLASSES = """\
requests_per_month: 20000000
classes:
  - {name: talk, share: 0.6, input_tokens: 1500, output_tokens: 300, value_of_good: 0.004,
     quality: {small: 0.94, large: 0.94}}
  - {name: code, share: 0.4, input_tokens: 6000, output_tokens: 1200, loss_of_bad: 0.9,
     quality: {small: 0.5, large: 0.8}}
"""
PROMISED = (
    "--model", ASKED[0], "--gpu", ASKED[1], "--traffic", "4000/1000@5rps", "--ttft", "3s", "--tpot", "60ms",
    "--gpu-price", "2.50",
)  # fmt: skip


@pytest.mark.parametrize(
    ("words", "ask"),
    [
        (["cost", *PROMISED], lambda served: served.cost()),
        (["compare", *PROMISED, "--gpu", "h200"], lambda served: served.compare(gpus=["h200"])),
        (
            ["breakeven-price", *PROMISED, "--sold-as", "deepseek/deepseek-r1", "--at", "2025-03-01"],
            lambda served: served.breakeven_price(sold_as="deepseek/deepseek-r1", at=date(2025, 3, 1)),
        ),
        (
            ["breakeven-price", *PROMISED, "--price-in", "1", "--price-out", "2", "--instead", "qwen3-32b"],
            lambda served: served.breakeven_price(1, 2, instead=["qwen3-32b"]),
        ),
        (
            ["buy-or-rent", *PROMISED, "--price-in", "0.15", "--price-out", "0.60", "--life", "5"],
            lambda served: served.buy_or_rent(price_in="0.15", price_out="0.60", life=5.0),
        ),
        (
            ["buy-or-rent", *PROMISED, "--requests", "2e7", "--resale", "10%", "--peak", "2"],
            lambda served: served.buy_or_rent(2e7, resale=0.1, peak=2.0),
        ),
    ],
)  # fmt: skip
def test_the_whole_answer_is_that_of_the_command(served, capsys, words, ask):
    assert json.loads(to_json(ask(served).view)) == command(capsys, *words)


def test_a_small_model_beside_a_large_one_is_that_of_the_command(capsys, tmp_path):
    classes = tmp_path / "classes.yaml"
    classes.write_text(CLASSES)
    told = command(
        capsys, "small-or-large", str(classes), "--small", "qwen3-32b", "--large", ASKED[0],
        "--gpu", ASKED[1], "--ttft", "none", "--tpot", "100ms",
    )  # fmt: skip
    large = breakeven.Serving(*ASKED, ttft_ms=None, tpot_ms=100)
    assert json.loads(to_json(large.small_or_large(classes, "qwen3-32b").view)) == told


def test_own_measurements_move_the_answers(capsys, tmp_path):
    points, written = tmp_path / "points.csv", tmp_path / "calibration.yaml"
    head = "model,gpu,gpus,precision,engine,input_tokens,output_tokens,concurrency,ttft_ms,tpot_ms"
    rows = [
        f"llama-3.1-70b,h100,4,fp8,vllm,2000,500,{n},{150 * n**0.5:.0f},{18 + n / 2}" for n in (4, 16, 32)
    ]
    points.write_text("\n".join([head, *rows]))
    answer = breakeven.Serving(*ASKED).calibrate(points, output=written)
    assert json.loads(to_json(answer.view)) == command(capsys, "calibrate", str(points))
    asked = {"traffic": "4000/1000", "engine": "vllm", "precision": "fp8", "gpu_price": "2.50"}
    moved = breakeven.Serving(*ASKED, **asked, calibration=written)
    told = command(
        capsys, "cost", "--model", ASKED[0], "--gpu", ASKED[1], "--traffic", "4000/1000", "--engine", "vllm",
        "--precision", "fp8", "--gpu-price", "2.50", "--calibration", str(written),
    )  # fmt: skip
    assert json.loads(to_json(moved.cost().view)) == told
    assert moved.cost().rows != breakeven.Serving(*ASKED, **asked).cost().rows


def test_a_trace_is_traffic(capsys, tmp_path):
    trace = tmp_path / "day.csv"
    rows = [f"2024-05-10 00:00:{second:02}.0000000,{1000 + second},{100 + second}" for second in range(60)]
    trace.write_text("\n".join(["TIMESTAMP,ContextTokens,GeneratedTokens", *rows]))
    told = command(
        capsys, "cost", "--model", ASKED[0], "--gpu", ASKED[1], "--gpu-price", "2.50", "--traffic", str(trace)
    )
    read = breakeven.Serving(*ASKED, traffic=trace, gpu_price="2.50")
    assert json.loads(to_json(read.cost().view)) == told
    assert read.served.traffic.input_tokens == pytest.approx(1029.5)


def test_an_answer_is_text_html_and_a_table(served):
    answer = served.cost(lang="zh")
    assert "每百万词元成本" in repr(answer)
    assert "<table" in answer._repr_html_()
    arrow = served.cost().to_arrow()
    assert arrow.schema.field("value").metadata == {b"unit": b"USD/Mtok"}
    assert arrow.num_rows == 4


def test_a_shipped_price_says_where_it_is_from():
    served = breakeven.Serving("qwen3-32b", "h100", traffic="4000/1000")
    rows = served.cost().table("basis").rows
    said = next(row["value"] for row in rows if row["what"] == "GPU-hour")
    assert said.startswith("2.95 USD, on demand: ")
    yuan = breakeven.Serving("qwen3-32b", "h100", traffic="4000/1000", currency="cny")
    assert yuan.price.currency == "CNY"
    assert yuan.price.amount > 4 * served.price.amount
    assert "USD x" in yuan.price.said.en


def test_a_promise_may_be_left_out():
    free = breakeven.Serving("qwen3-32b", "h100", traffic="4000/1000", ttft_ms=None, tpot_ms=None)
    bound = breakeven.Serving("qwen3-32b", "h100", traffic="4000/1000", tpot_ms=20)
    assert free.cost().rows[2]["value"] < bound.cost().rows[2]["value"]


def test_production_costs_more_than_a_benchmark(served):
    derated = breakeven.Serving(*ASKED, "4000/1000@5rps", 3_000, 60, gpu_price="2.50", derate_decode=0.5)
    assert derated.cost().rows[2]["value"] > served.cost().rows[2]["value"]


# --- refusals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"engine": "llama"}, "engine cannot be 'llama'"), ({"mode": "both"}, "mode cannot be 'both'"),
        ({"commitment": "leased"}, "commitment cannot be 'leased'"),
        ({"lang": "fr"}, "there is no language 'fr'"),
    ],
)  # fmt: skip
def test_what_no_option_takes_is_refused_at_once(wrong, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        breakeven.Serving(*ASKED, **wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"ttft_ms": 2}, "ttft_ms cannot be 2"), ({"tpot_ms": 0.05}, "tpot_ms cannot be 0.05"),
        ({"gpu_price": "free"}, "gpu_price cannot be 'free'"), ({"gpu_price": 0}, "gpu_price cannot be 0"),
        ({"traffic": "lots"}, "cannot read the traffic 'lots'"),
    ],
)  # fmt: skip
def test_units_mixed_up_are_refused(wrong, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        breakeven.Serving(*ASKED, **wrong).cost()


def test_a_fleet_needs_a_rate_and_one_model(served):
    assert served.fleet().rows
    with pytest.raises(UsageError, match="how much traffic there is is not known"):
        breakeven.Serving(*ASKED, traffic="4000/1000").fleet(time_zone="UTC")
    with pytest.raises(UsageError, match=r"tokens cannot be '1M'"):
        served.context(tokens="1M")


def test_gpus_priced_in_several_currencies_are_not_compared():
    served = breakeven.Serving("qwen3-32b", "h100", traffic="4000/1000")
    with pytest.raises(UsageError, match="the GPUs' prices are in CNY and USD"):
        served.compare(gpus=["a800"])


def test_the_words_are_those_of_the_options():
    assert set(get_args(serving.Store)) == {*store_prices()}
    assert set(get_args(serving.Engine)) == {"", *ENGINES}
    assert set(get_args(serving.Commitments)) == set(COMMITMENTS)


def test_refusals_name_arguments():
    with pytest.raises(UsageError, match="give one with gpu_price, or choose another commitment"):
        breakeven.Serving("qwen3-32b", "h20", traffic="4000/1000").cost()
    with pytest.raises(UsageError, match="give requests, or a traffic with a rate"):
        breakeven.Serving(*ASKED, traffic="4000/1000").buy_or_rent()
    with pytest.raises(UsageError, match="sold_as and price_in exclude each other"):
        breakeven.Serving(*ASKED).breakeven_price("0.5", "1.5", sold_as="deepseek/deepseek-r1")


# --- books ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    made = new_books(tmp_path_factory.mktemp("own") / "books", serving={"own_providers": ["self"]})
    gpu = {"pool": "main", "gpu": "h100", "count": 8, "price_per_gpu_hour": "2.5", "currency": "USD"}
    days = range(1, 32)
    book(made, "capacity", [{"at": f"2024-03-{day:02}T00:00:00Z", **gpu} for day in days])
    usage = [
        {"at": f"2024-03-{day:02}T{hour:02}:30:00Z", "user_id": "u", "product": "app", "provider": "self",
         "model": "large", "requests": 10, "uncached_input_tokens": 30_000, "cached_input_tokens": 10_000,
         "cache_write_tokens": 0, "output_tokens": 10_000 * (1 + hour // 12)}
        for day in days for hour in range(24)
    ]  # fmt: skip
    book(made, "usage", usage, covers=(date(2024, 3, 1), date(2024, 3, 31)))
    return breakeven.open_books(made.folder)


def test_books_say_what_own_tokens_cost(books):
    answer = books.serving()
    assert "serving_fleet_chart" in answer.tables
    assert "serving record BOOKS" in answer.view.tables[0].note.en
    [month] = answer.table("serving_fleet_chart").rows
    assert month["undivided.value"] == Decimal("14880.00")  # 8 GPUs, 31 days, 2.50 an hour


def test_traffic_and_demand_of_the_books_go_into_an_answer(books):
    traffic = books.traffic("large")
    assert isinstance(traffic, Traffic)
    assert (traffic.input_tokens, traffic.output_tokens) == (4_000.0, 1_500.0)
    assert traffic.cached_share == 0.25
    demand = books.demand("large")
    assert demand.models == ("large",)
    assert demand.hours == 31 * 24
    fleet = breakeven.Serving(*ASKED, traffic=traffic).fleet(demand, time_zone="UTC", owned=16, owned_price=2)
    assert fleet.tables[0] == "summary"
    assert len(fleet.table("hours").rows) == 24


def test_books_refuse_what_they_do_not_have(books):
    with pytest.raises(UsageError, match="no usage of 'small' on own GPUs"):
        books.traffic("small")
    with pytest.raises(InputError, match="the books hold no such usage"):
        books.demand("small")
    with pytest.raises(UsageError, match="models cannot be 7"):
        books.demand(7)


# --- how it is packed -----------------------------------------------------------------------------------


def test_asking_for_the_class_imports_no_model_and_no_frames():
    code = (
        "import sys, breakeven; breakeven.Serving('a', 'b');"
        "print(sorted({'ibis', 'scipy', 'polars', 'breakeven.serving.serve'} & {*sys.modules}))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_the_page_works_as_written(books):
    root = Path(__file__).parents[1] / "docs" / "how-to"
    pages = [(root / f"notebook{suffix}.md").read_text("utf-8") for suffix in ("", ".zh")]
    examples = [re.findall(r"```python\n(.*?)```", page, re.DOTALL)[-1] for page in pages]
    assert examples[0] == examples[1]
    names = {"breakeven": breakeven, "books": books}
    exec(examples[0].replace('"assistant-8k"', '"large"'), names)
    assert names["per_mtok"]["output"] > 0
    assert names["fleet"].rows
