"""Calibration on a user's own points: what is read, what is refused, what three points change."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest

from breakeven.cli.main import main
from breakeven.errors import BreakevenError, InputError, UsageError
from breakeven.pricing.located_yaml import MAX_FILE_BYTES
from breakeven.report.views.serving_calibration import factor_bounds
from breakeven.serving.architecture import architecture
from breakeven.serving.calibration.own_points import read_points
from breakeven.serving.calibration.priors import BASES, prior
from breakeven.serving.calibration.refit import refit
from breakeven.serving.calibration.refitted import read_offsets, write_offsets, written_offsets
from breakeven.serving.closed_loop import closed_loop
from breakeven.serving.constants import Offset, read_constants, shipped_constants
from breakeven.serving.hardware import accelerator
from breakeven.serving.layout import Layout
from breakeven.serving.rates import RATES
from breakeven.serving.serve import deployment_of

HEAD = "model,gpu,gpus,precision,engine,input_tokens,output_tokens,concurrency,ttft_ms,tpot_ms"
SHAPES = ((1024, 1024, 8), (1024, 1024, 64), (8192, 1024, 32), (1024, 4096, 16))


def rows(decode: float = 1.0, prefill: float = 1.0, count: int = 4) -> list[str]:
    """What a deployment would measure whose decode and prefill take so much longer than predicted."""
    found: list[str] = []
    for prompt, output, concurrency in SHAPES[:count]:
        loop = closed_loop(
            architecture("llama-3.1-70b"), accelerator("h100"), Layout(4), concurrency, prompt, output,
            precision="fp8", engine="vllm",
        )  # fmt: skip
        heavy = prompt > output
        ttft = float(loop.ttft_seconds) * 1e3 * prefill
        tpot = float(loop.tpot_seconds) * 1e3 * (np.sqrt(decode * prefill) if heavy else decode)
        found.append(f"llama-3.1-70b,h100,4,fp8,vllm,{prompt},{output},{concurrency},{ttft:.4f},{tpot:.4f}")
    return found


def written(folder: Path, *lines: str, head: str = HEAD) -> Path:
    path = folder / "points.csv"
    path.write_text("\n".join((head, *lines)) + "\n", "utf-8")
    return path


def test_points_that_agree_change_nothing(tmp_path: Path):
    (found,) = refit(read_points(written(tmp_path, *rows())), shipped_constants())
    assert (found.offset.decode, found.offset.prefill) == pytest.approx((0.0, 0.0), abs=1e-5)
    assert np.abs(found.before).max() == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("kv_precision", ["", "bf16", "fp8"])
@pytest.mark.parametrize(
    ("model", "gpu", "gpus", "precision", "engine"),
    [
        ("llama-3.1-70b", "h100", 4, "fp8", "vllm"),
        ("deepseek-r1", "b200", 8, "fp4", "trtllm"),
        ("qwen3-32b", "h200", 2, "", ""),
    ],
)
@pytest.mark.parametrize("slower", [1.0, 1.3])
def test_points_of_the_model_itself_come_back(
    tmp_path: Path,
    model: str,
    gpu: str,
    gpus: int,
    precision: str,
    engine: str,
    kv_precision: str,
    slower: float,
):
    """What a row leaves out is what `serving cost` assumes: made from its answer, points change nothing."""
    deployment = deployment_of(
        architecture(model), accelerator(gpu), precision=precision or None, kv_precision=kv_precision or None,
        engine=engine,
    )  # fmt: skip
    lines: list[str] = []
    for prompt, output, concurrency in SHAPES:
        loop = closed_loop(
            deployment.architecture, deployment.accelerator, Layout(gpus), concurrency, prompt, output,
            precision=deployment.precision, kv_precision=deployment.kv_precision, engine=engine,
        )  # fmt: skip
        ttft, tpot = (slower * 1e3 * float(one) for one in (loop.ttft_seconds, loop.tpot_seconds))
        lines.append(
            f"{model},{gpu},{gpus},{precision},{engine},{prompt},{output},{concurrency},"
            f"{ttft:.6f},{tpot:.6f},{kv_precision}"
        )
    (found,) = refit(read_points(written(tmp_path, *lines, head=HEAD + ",kv_precision")), shipped_constants())
    assert np.abs(np.expm1(found.before)) == pytest.approx(slower - 1, abs=1e-4)
    for offset, spread in (
        (found.offset.decode, found.offset.decode_spread),
        (found.offset.prefill, found.offset.prefill_spread),
    ):
        middle, low, high = factor_bounds(offset, spread)
        assert middle == pytest.approx(slower, rel=1e-4 if slower == 1 else 0.03)
        assert low < slower < high


def test_three_points_find_a_slower_decode(tmp_path: Path):
    (found,) = refit(read_points(written(tmp_path, *rows(decode=1.3, count=3))), shipped_constants())
    assert found.offset.decode == pytest.approx(np.log(1.3), abs=0.09)
    assert np.median(np.abs(found.after)) < np.median(np.abs(found.before)) / 2


def test_more_points_leave_less_doubt(tmp_path: Path):
    three = refit(read_points(written(tmp_path, *rows(count=3))), shipped_constants())[0].offset
    four = refit(read_points(written(tmp_path, *rows(count=4))), shipped_constants())[0].offset
    assert four.decode_spread < three.decode_spread < 0.35


def test_a_calibration_file_moves_predictions_and_narrows_intervals(tmp_path: Path):
    found = refit(read_points(written(tmp_path, *rows(decode=1.3))), shipped_constants())
    path = tmp_path / "calibration.yaml"
    write_offsets(path, [one.offset for one in found], "points.csv", "2026-04-17")
    constants = read_constants(path)
    assert len(read_offsets(path)) == 1
    at = architecture("llama-3.1-70b"), accelerator("h100")
    moved = closed_loop(*at, Layout(4), 64, 1024, 1024, precision="fp8", engine="vllm", constants=constants)
    stays = closed_loop(*at, Layout(4), 64, 1024, 1024, precision="fp8", engine="vllm")
    assert float(moved.tpot_seconds) > 1.15 * float(stays.tpot_seconds)
    own = constants.estimate(1.0, "throughput", *at, engine="vllm", precision="fp8")
    shipped = shipped_constants().estimate(1.0, "throughput", *at, engine="vllm", precision="fp8")
    assert own.high - own.low < shipped.high - shipped.low
    # another engine's deployments keep the shipped constants
    assert constants.spread("decode", *at, engine="sglang") == shipped_constants().spread("decode", *at)


def test_fewer_than_three_are_refused_with_how_many_are_missing(tmp_path: Path):
    with pytest.raises(UsageError, match=r"has 2 points; 3 are needed.*measure 1 more"):
        refit(read_points(written(tmp_path, *rows(count=2))), shipped_constants())


GOOD = "llama-3.1-70b,h100,4,fp8,vllm,1024,1024,64,300,20"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (GOOD.replace("300,20", "0.3,0.02"), "seconds in place of milliseconds"),
        (GOOD.replace("300,20", "300000,20000"), "microseconds"),
        (GOOD.replace("1024,1024", "0.001,0.001"), "thousands or millions"),
        (GOOD.replace("1024,1024", "102400000,1024"), "does not fit"),
        (GOOD.replace(",4,", ",1,").replace("fp8", "bf16"), "does not fit 1 h100"),
        (GOOD.replace("llama-3.1-70b", "lama-3.1-70b"), "there is no model"),
        (GOOD.replace("h100", "h1000"), "there is no accelerator"),
        (GOOD.replace("vllm", "tgi"), "there is no serving engine"),
        (GOOD.replace("fp8", "fp7"), "there is no precision"),
        (GOOD.replace("300", "fast"), "ttft_ms cannot be 'fast'"),
        (GOOD.replace("64,300", "-1,300"), "concurrency cannot be '-1'"),
        (GOOD.replace("64,300", "1e308,300"), "concurrency is '1e308', more than any benchmark has"),
        (GOOD.replace("300", "1e300"), "ttft_ms is '1e300', more than any"),
        (GOOD.replace("300,20", "300,1e300"), "tpot_ms is 1e"),
        (GOOD.replace("300,20", "300,1e-300"), "seconds in place of milliseconds"),
        (GOOD.replace("300,20", "1e-300,20"), "ttft_ms is '1e-300', less than any"),
        (GOOD.replace("1024,1024", "1e308,1024"), "input_tokens is '1e308'"),
        (GOOD.replace("1024,1024", "1024,1e308"), "output_tokens is '1e308'"),
        (GOOD.replace(",4,", ",1e308,"), "gpus is '1e308'"),
        (GOOD.replace(",4,", ",2.5,"), "gpus is 2.5"),
    ],
)
def test_bad_rows_say_what_and_where(tmp_path: Path, line: str, says: str):
    with pytest.raises(BreakevenError, match=says) as caught:
        read_points(written(tmp_path, *rows(count=1), line))
    assert "points.csv:3" in str(caught.value)


def test_three_rows_with_an_impossible_one_end_with_exit_code_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    points = written(tmp_path, *rows(count=2), GOOD.replace("64,300", "1e308,300"))
    assert main(["serving", "calibrate", str(points)]) == 3
    assert "points.csv:4" in capsys.readouterr().err
    assert main(["serving", "calibrate", str(points), "--lang", "zh"]) == 3
    assert "concurrency 为 '1e308'，超出任何基准测试" in capsys.readouterr().err


def test_throughput_that_contradicts_the_times_is_refused(tmp_path: Path):
    head = HEAD + ",output_tokens_per_second_per_gpu"
    read_points(written(tmp_path, GOOD + ",790", head=head))
    with pytest.raises(InputError, match="all GPUs together"):
        read_points(written(tmp_path, GOOD + ",3160", head=head))


def test_files_that_hold_no_points(tmp_path: Path):
    with pytest.raises(InputError, match="columns are missing: gpu"):
        read_points(written(tmp_path, "a", head="model"))
    with pytest.raises(InputError, match="there are no points"):
        read_points(written(tmp_path))
    with pytest.raises(InputError, match="cannot be read"):
        read_points(tmp_path / "nothing.csv")
    (tmp_path / "other.yaml").write_text("a: 1\n")
    with pytest.raises(InputError, match="not a calibration"):
        read_constants(tmp_path / "other.yaml")


def test_the_command_shows_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    points, calibration = written(tmp_path, *rows(decode=1.2)), tmp_path / "c.yaml"
    assert main(["serving", "calibrate", str(points), "-o", str(calibration), "--json"]) == 0
    answer = capsys.readouterr().out
    assert '"decode_factor"' in answer
    assert json.loads(answer)
    assert read_offsets(calibration)[0].points == 4
    assert main(["serving", "calibrate", str(points), "--lang", "zh"]) == 0
    assert "校准后误差中位数" in capsys.readouterr().out


ENTRY = Offset("llama-3.1-70b", "h100", "vllm", "fp8", 0.2624, 0.0, 0.06, 0.1, 4)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("decode: 0.2624", "decode: .nan", "decode is '.nan', not a number"),
        ("decode: 0.2624", "decode: 900", "decode is '900', not a number from"),
        ("decode_spread: 0.06", "decode_spread: -1", "decode_spread is '-1', not a number from"),
        ("prefill: 0.0", "prefill: [1]", "expected a text or a number"),
        ("points: 4", "points: many", "points is 'many'"),
        ("  decode_spread: 0.06\n", "", "the key 'decode_spread' is missing"),
        ("decode:", "decodes:", "unknown key 'decodes'"),
        ("model: llama-3.1-70b", "model: [a]", "model is not a name"),
        ("as_of: '2026-04-17'\n", "", "the key 'as_of' is missing"),
        ("kind: ", "kin: ", "not a calibration"),
        ("offsets:", "offsets: 3\nother:", "unknown key 'other'"),
        ("offsets:", "offsets: [", "not valid YAML"),
    ],
)
def test_a_damaged_calibration_is_refused_with_file_and_field(tmp_path: Path, old: str, new: str, says: str):
    path = tmp_path / "c.yaml"
    whole = written_offsets([ENTRY], "points.csv", "2026-04-17")
    assert old in whole
    path.write_text(whole.replace(old, new), "utf-8")
    with pytest.raises(InputError, match=re.escape(says)) as caught:
        read_offsets(path)
    assert "c.yaml:" in str(caught.value)


def test_files_without_end_are_not_read_to_it(tmp_path: Path):
    huge = tmp_path / "huge.yaml"
    huge.write_bytes(b"# " + b"x" * MAX_FILE_BYTES)
    packed = tmp_path / "huge.csv.gz"
    packed.write_bytes(gzip.compress(b"x" * (MAX_FILE_BYTES + 1)))
    for path in (huge, Path("/dev/zero")):
        with pytest.raises(InputError, match="larger than"):
            read_offsets(path)
    for path in (packed, Path("/dev/zero")):
        with pytest.raises(InputError, match="larger than"):
            read_points(path)
    packed.write_bytes(packed.read_bytes()[:40])
    with pytest.raises(InputError, match=r"cannot be read|larger than"):
        read_points(packed)


COST = [
    "serving",
    "cost",
    "--model",
    "llama-3.1-70b",
    "--gpu",
    "h100",
    "--precision",
    "fp8",
    "--gpu-price",
    "2",
]


def test_an_answer_says_whether_the_calibration_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "c.yaml"
    write_offsets(path, [ENTRY], "points.csv", "2026-04-17")
    used = [*COST, "--engine", "vllm", "--layout", "TP4", "--calibration", str(path)]
    assert main([*used, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    basis = {row["what"]: row["value"] for row in answer["rows"] if row["table"] == "basis"}
    assert basis["Calibration"] == (
        "points.csv, 4 points, 2026-04-17: decode times × 1.30 (1.20 to 1.40), "
        "prefill times × 1.00 (0.88 to 1.14)"
    )
    assert basis["Interval rests on"] == "calibrated with your own measurements"
    assert "calibration_unused" not in {one["code"] for one in answer["warnings"]}
    assert main([*used, "--lang", "zh"]) == 0
    assert "points.csv，4 个点，2026-04-17：解码时间 × 1.30" in capsys.readouterr().out


def test_an_answer_warns_of_a_calibration_of_something_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "c.yaml"
    write_offsets(path, [ENTRY], "points.csv", "2026-04-17")
    assert main([*COST, "--layout", "TP4", "--calibration", str(path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    (said,) = (one for one in answer["warnings"] if one["code"] == "calibration_unused")
    assert said["en"] == (
        "the calibration (points.csv, 2026-04-17) is not used: nothing in it is of llama-3.1-70b on h100, "
        "no engine named, fp8. It holds llama-3.1-70b on h100, vllm, fp8"
    )
    basis = {row["what"] for row in answer["rows"] if row["table"] == "basis"}
    assert "Calibration" not in basis
    assert main([*COST, "--layout", "TP4", "--calibration", str(path), "--lang", "zh"]) == 0
    assert "未使用：其中没有" in capsys.readouterr().out


def test_every_constant_ships_with_unit_error_and_what_identified_it():
    shipped = shipped_constants()
    assert set(BASES) <= set(shipped.constants)
    for name, constant in shipped.constants.items():
        assert constant.standard_error > 0, name
        assert constant.identified_by, name
        assert abs(constant.value - prior(name).value) < 4 * prior(name).spread + 0.5, name
    assert {name for name in BASES if name in RATES} <= set(shipped.constants)


def test_intervals_widen_with_what_is_unknown():
    shipped = shipped_constants()

    def width(model: str, gpu: str) -> float:
        found = shipped.estimate(1.0, "throughput", architecture(model), accelerator(gpu))
        assert found.low < found.value < found.high
        return float(np.log(found.high / found.low))

    known = width("llama-3.1-70b", "h100")
    assert known < width("qwen3-8b", "h100") < width("qwen3-8b", "h20")
    assert known < width("llama-3.1-70b", "h20") < width("qwen3-8b", "h20")
