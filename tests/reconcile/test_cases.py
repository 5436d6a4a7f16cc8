"""The worked cases: each cause by itself, mixtures, and the stories of others' books."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from breakeven.reconcile.compare import compare

from .cases import FOLDER, open_case, read_case, stated

CASES = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path, tmp_path: Path):
    case = read_case(path)
    tolerance = Decimal(case.get("tolerance", "0"))
    lines = compare(open_case(case, tmp_path))
    assert {line.id: stated(line, tolerance) for line in lines} == case["lines"]
    for line in lines:
        if line.difference is not None:
            assert sum(line.parts.values(), Decimal(0)) == line.difference, line.id
