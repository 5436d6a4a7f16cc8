"""`breakeven serving cost` and `compare`, as a person types them and reads them."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pytest

from breakeven.cli.main import main
from breakeven.cli.serving_options import Asked, duration_seconds
from breakeven.errors import UsageError
from breakeven.report.views.serving_compare import Compared, frontier_figure, serving_compare_view
from breakeven.serving.architecture import architecture
from breakeven.serving.frontier import TPOT_MS, frontier_gpu_seconds
from breakeven.serving.hardware import accelerator
from breakeven.serving.layouts import USUAL_MOST_GPUS
from breakeven.serving.published_day import reached_of_model
from breakeven.serving.serve import deployment_of
from breakeven.serving.target import Target
from breakeven.serving.traffic import Traffic

ASKED = ["serving", "cost", "--model", "llama-3.1-70b", "--precision", "fp8", "--gpu", "h100"]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "BREAKEVEN_LANG", "BREAKEVEN_DEBUG", "BREAKEVEN_BOOKS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    def running(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(list(arguments))
        said = capsys.readouterr()
        return code, said.out, said.err

    return running


def rows(answer: dict[str, Any], table: str, key: str) -> dict[str, dict[str, Any]]:
    return {row[key]: row for row in answer["rows"] if row["table"] == table}


def test_the_answer_in_json(run):
    code, out, err = run(
        *ASKED, "--traffic", "4000/1000@50rps", "--cached", "25%", "--gpu-price", "2.50", "--json"
    )
    assert code == 0, err
    answer = json.loads(out)
    assert (answer["view"], answer["currency"]) == ("serving_cost", "USD")
    cost = rows(answer, "cost", "class")
    assert list(cost) == ["uncached_input", "cached_input", "output", "all"]
    tokens = {name: Decimal(row["tokens_per_request"]) for name, row in cost.items()}
    whole = sum(Decimal(cost[name]["value"]) * tokens[name] for name in list(cost)[:3])
    assert float(whole / tokens["all"]) == pytest.approx(float(cost["all"]["value"]), rel=2e-3)
    assert sum(Decimal(cost[name]["share"]) for name in list(cost)[:3]) == pytest.approx(1, abs=2e-3)
    speed = rows(answer, "speed", "measure")
    assert Decimal(speed["tpot_ms"]["value"]) <= 50
    assert Decimal(speed["cost_per_hour"]["value"]) == Decimal(speed["gpus"]["value"]) * Decimal("2.5")
    assert {warning["code"] for warning in answer["warnings"]} == {"benchmark"}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_people_read(run, language: str):
    code, out, err = run(*ASKED, "--lang", language, "--derate-prefill", "0.51", "--derate-decode", "80%")
    assert code == 0, err
    words = {
        "en": ("Cost per million tokens", "What bounds it", "prefill × 0.51, decode × 0.8", "USD"),
        "zh": ("每百万词元成本", "瓶颈", "预填充 × 0.51，解码 × 0.8", "USD"),
    }
    assert all(word in out for word in words[language])
    assert "benchmark's figures" not in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--traffic", "4000/0"], 3, "requests without output"),
        (["--traffic", "4000/1000@0"], 3, "zero requests per second"),
        (["--ttft", "2"], 2, "2 ms, which no service promises"),
        (["--tpot", "1ms"], 2, "no layout keeps"),
        (["--cached", "40"], 2, "not a share"),
        (["--layout", "eight"], 2, "is not a layout"),
        (["--drafts", "2"], 2, "drafts without an acceptance"),
        (["--gpu-price", "-1"], 2, "not a number above zero"),
    ],
)
def test_what_cannot_be(run, arguments: list[str], code: int, words: str):
    found, _, english = run(*ASKED, *arguments)
    assert (found, words in english) == (code, True), english
    _, _, chinese = run(*ASKED, *arguments, "--lang", "zh")
    assert not any(word in chinese for word in ("Next", "remedy", words))


def test_a_price_in_another_currency_names_its_rate():
    given = Asked(gpu_price=Decimal(7), currency="CNY").price(accelerator("h20"))
    assert (given.amount, given.currency, given.converted) == (Decimal(7), "CNY", "")
    own = Asked().price(accelerator("h100"))
    at_rate = Asked(currency="CNY", exchange_rate=Decimal("7.1")).price(accelerator("h100"))
    assert at_rate.amount == own.amount * Decimal("7.1")
    assert "7.1 (--rate)" in at_rate.converted
    bank = Asked(currency="CNY").price(accelerator("h100"))
    for said in (bank.said.en, bank.said.zh):
        assert not re.search(r"\d\.\d{6}", said), "six digits are enough to read"
    assert float(bank.said.en.split()[0]) == pytest.approx(float(bank.amount), rel=1e-5)
    with pytest.raises(UsageError, match="no on_demand price") as found:
        Asked().price(accelerator("h20"))
    assert "--gpu-price" in found.value.remedy


def test_latencies_have_units():
    assert (duration_seconds("2s", "ttft"), duration_seconds("40", "tpot")) == (2.0, 0.04)
    for text in ("soon", "-3s", "0"):
        with pytest.raises(UsageError):
            duration_seconds(text, "tpot")


def compared(model: str, gpu: str, price: float | None) -> Compared:
    traffic = Traffic("t", 4_000, 1_000)
    deployment = deployment_of(architecture(model), accelerator(gpu), precision="fp8")
    seconds = frontier_gpu_seconds(deployment, traffic, Target())
    return Compared(model, gpu, None, None, price, seconds, 5_000.0)


def test_the_frontier_as_a_chart_and_as_a_table():
    both = [compared("qwen3-8b", "h100", 2.0), compared("qwen3-8b", "l40s", None)]
    figure = frontier_figure(both, "USD")
    assert [one.key for one in figure.series] == ["qwen3-8b · h100"]
    assert len(figure.categories) == len(TPOT_MS)
    assert [row["category"] for row in figure.twin().rows] == [f"{each:g}" for each in TPOT_MS]
    del both[0]
    from breakeven.report.view_model import Envelope

    view = serving_compare_view(both, "USD", Envelope("", "2026-11-22", "UTC", "USD"))
    assert {row["cheapest"] for row in view.tables[1].rows} == {None}


@pytest.mark.slow
def test_compare_marks_the_cheapest_and_says_what_is_not_possible(run):
    code, out, err = run(
        "serving", "compare", "--model", "llama-3.1-70b", "--model", "deepseek-v3",
        "--gpu", "h100", "--gpu", "l40s", "--most-gpus", "8", "--json",
    )  # fmt: skip
    assert code == 0, err
    answer = json.loads(out)
    at_promise = [row for row in answer["rows"] if row["table"] == "compared"]
    priced = [row for row in at_promise if row["value"] is not None]
    assert [row["best"] for row in priced] == ["yes"] + [""] * (len(priced) - 1)
    assert [Decimal(row["value"]) for row in priced] == sorted(Decimal(row["value"]) for row in priced)
    assert any(row["table"] == "refused" for row in answer["rows"])


COMPARE = ["serving", "compare", "--model", "qwen3-32b", "--traffic", "4000/1000@0.05rps"]


def test_with_a_rate_the_bill_decides(run):
    """One GPU of either is enough, and the H100 is cheaper an hour though dearer for each token."""
    code, out, err = run(*COMPARE, "--gpu", "b200", "--gpu", "h100", "--json")
    assert code == 0, err
    found = rows(json.loads(out), "compared", "gpu")
    assert [(gpu, row["best"]) for gpu, row in found.items()] == [("h100", "yes"), ("b200", "")]
    assert Decimal(found["h100"]["cost_per_hour"]) < Decimal(found["b200"]["cost_per_hour"])
    assert Decimal(found["h100"]["value"]) > Decimal(found["b200"]["value"])
    assert "At any rate" in run(*COMPARE, "--gpu", "h100")[1]
    code, out, err = run(
        "serving", "compare", "--model", "qwen3-32b", "--traffic", "4000/1000",
        "--gpu", "h100", "--gpu", "b200", "--json",
    )  # fmt: skip
    found = rows(json.loads(out), "compared", "gpu")
    assert [(gpu, row["best"], row["cost_per_hour"]) for gpu, row in found.items()] == [
        ("b200", "yes", None),
        ("h100", "", None),
    ]


def test_a_gpu_without_a_price_says_how_to_give_one(run):
    code, out, err = run(*COMPARE, "--gpu", "h100", "--gpu", "rtx-4090")
    assert code == 0, err
    line = next(line for line in out.splitlines() if "rtx-4090" in line)
    assert "--gpu-price" in line


def test_a_compared_layout_is_in_the_readers_language(run):
    code, out, err = run(
        "serving", "compare", "--model", "qwen3-32b", "--gpu", "h100", "--disaggregated", "--lang", "zh"
    )
    assert code == 0, err
    assert "预填充 TP" in out
    assert "解码 TP" in out
    assert not re.search(r"prefill|decode TP|百万 tokens", out.replace("--derate-prefill", ""))


def test_the_benchmark_warning_keeps_the_two_measures_apart(run):
    code, out, err = run(*ASKED)
    assert code == 0, err
    ours = reached_of_model()
    assert "0.51 in prefill and 0.80 in decode of its provider's own benchmark" in out
    assert f"{ours.prefill:.2f} and {ours.decode:.2f} of what this model says" in out


def test_an_acceptance_without_drafts_is_refused(run):
    for arguments in (["--acceptance", "0.8"], ["--accepted-length", "1.8"]):
        code, _, english = run(*ASKED, *arguments)
        assert (code, "--drafts" in english) == (2, True)


@pytest.mark.slow
def test_the_nearest_promise_can_be_made_and_is_warned_of(run):
    edge = ["serving", "cost", "--model", "deepseek-v3", "--gpu", "rtx-4090", "--gpu-price", "0.5"]
    edge += ["--traffic", "4000/1000@20rps", "--cached", "25%"]
    code, _, err = run(*edge, "--ttft", "1s")
    assert code == 2
    nearest = re.findall(r"the nearest is ([\d,]+) ms", err)[0]
    code, out, err = run(*edge, "--ttft", nearest.replace(",", "") + "ms")
    assert code == 0, err
    assert f"kept free so that {nearest} ms" in out
    assert "would halve the cost" in out


def test_the_help_says_how_large_a_replica_may_be(run):
    code, out, err = run("serving", "cost", "--help")
    assert code == 0, err
    assert f"{USUAL_MOST_GPUS}, or what the model needs" in " ".join(out.split())
