"""The shipped constants moved to somebody's own measurements, with the error before and after."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from breakeven.report.view_model import View
from breakeven.report.views.serving_calibrate import calibration_view
from breakeven.serving.calibration.own_points import read_points
from breakeven.serving.calibration.refit import refit
from breakeven.serving.calibration.refitted import write_offsets
from breakeven.serving.constants import shipped_constants


def calibrate_answer(points: Path, written: Path | None = None) -> View:
    """Refit on the points of a CSV, and write what was found to `written`, if a file is named."""
    everything = read_points(points)
    constants = shipped_constants()
    found = refit([point for point in everything if not point.doubt], constants)
    if written is not None:
        today = datetime.now(tz=UTC).date().isoformat()
        write_offsets(written, [one.offset for one in found], points.name, today)
    return calibration_view(found, everything, constants, points.name)
