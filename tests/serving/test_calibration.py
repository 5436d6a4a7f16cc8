"""Calibration on a user's own points: what is read, what is refused, what three points change."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from breakeven.cli.main import main
from breakeven.errors import BreakevenError, InputError, UsageError
from breakeven.serving.architecture import architecture
from breakeven.serving.calibration.own_points import read_points
from breakeven.serving.calibration.priors import BASES, prior
from breakeven.serving.calibration.refit import refit
from breakeven.serving.calibration.refitted import read_offsets, write_offsets
from breakeven.serving.closed_loop import closed_loop
from breakeven.serving.constants import read_constants, shipped_constants
from breakeven.serving.hardware import accelerator
from breakeven.serving.layout import Layout
from breakeven.serving.rates import RATES

HEAD = "model,gpu,gpus,precision,engine,input_tokens,output_tokens,concurrency,ttft_ms,tpot_ms"
SHAPES = ((1024, 1024, 8), (1024, 1024, 64), (8192, 1024, 32), (1024, 4096, 16))


def rows(decode: float = 1.0, prefill: float = 1.0, count: int = 4) -> list[str]:
    """What a deployment would measure whose decode and prefill take so much longer than predicted."""
    found: list[str] = []
    for prompt, output, concurrency in SHAPES[:count]:
        loop = closed_loop(
            architecture("llama-3.1-70b"), accelerator("h100"), Layout(4), concurrency, prompt, output,
            precision="fp8", kv_precision="fp8", engine="vllm",
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
    assert abs(found.offset.decode) < 0.01
    assert abs(found.offset.prefill) < 0.02


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
    write_offsets(path, [one.offset for one in found], "points.csv")
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
        (GOOD.replace("300", "fast"), "ttft_ms is 'fast'"),
        (GOOD.replace("64,300", "-1,300"), "concurrency is '-1'"),
    ],
)
def test_bad_rows_say_what_and_where(tmp_path: Path, line: str, says: str):
    with pytest.raises(BreakevenError, match=says) as caught:
        read_points(written(tmp_path, *rows(count=1), line))
    assert "points.csv:3" in str(caught.value)


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
