"""`breakeven serving calibrate`: move the shipped constants to a user's own measurements."""

from __future__ import annotations

from pathlib import Path

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import Output, output_options
from breakeven.cli.output import emit


@command(
    "calibrate",
    en="Fit the model to three or more of your own measurements, with the error before and after.\n\n"
    "POINTS is a CSV with the columns model, gpu, gpus (or layout), precision, engine, input_tokens, "
    "output_tokens, concurrency, ttft_ms, tpot_ms, and kv_precision where the cache is not bf16; "
    "aiconfigurator's CSV is taken as it is. "
    "`serving cost --calibration FILE` then uses what -o wrote.",
    zh="用三个以上自己的实测点校准模型，并给出校准前后的误差。\n\n"
    "POINTS 为 CSV，列为 model, gpu, gpus（或 layout）, precision, engine, input_tokens, output_tokens, "
    "concurrency, ttft_ms, tpot_ms；KV 缓存不是 bf16 时另加 kv_precision 列。"
    "aiconfigurator 的实测点 CSV 可直接使用。"
    "-o 写出的文件由 `serving cost --calibration FILE` 使用。",
)
@click.argument("points", type=click.Path(path_type=Path))
@option(
    "-o",
    "--output",
    "written",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    en="Write the calibration to this file.",
    zh="把校准结果写入此文件。",
)
@output_options
def calibrate(points: Path, written: Path | None, output: Output) -> None:
    """Read, refit, write, show."""
    from breakeven.report.serving.calibrate import calibrate_answer

    emit(calibrate_answer(points, written), output)
