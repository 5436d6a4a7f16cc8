"""The worked cases under `tests/cases`: rows a finance person can read, and what the account must say."""

from __future__ import annotations

from pathlib import Path

import pytest

from breakeven.account.catalogue import METRICS

from .cases import FOLDER, open_case, read_case, stated

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
CASES = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path, tmp_path: Path):
    case = read_case(path)
    account = open_case(case, tmp_path)
    expected = {
        (period, metric): text for period, lines in case["expect"].items() for metric, text in lines.items()
    }
    unknown = {metric for _, metric in expected} - METRICS.keys()
    assert not unknown, f"{path.name} expects metrics that the catalogue does not have"
    said = {key: stated(account, key[1], key[0], text) for key, text in expected.items()}
    wrong = {
        " ".join(key): f"states {said[key]}, expected {text}"
        for key, text in expected.items()
        if said[key] != text
    }
    assert not wrong


def test_every_metric_has_a_worked_case_with_a_value():
    """A case that only says "no value" does not count."""
    covered = {
        metric
        for path in CASES
        for lines in read_case(path)["expect"].values()
        for metric, text in lines.items()
        if not text.startswith("no value")
    }
    assert METRICS.keys() - covered == set()
