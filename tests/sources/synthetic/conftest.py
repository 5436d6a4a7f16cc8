"""A tiny company, generated once for all tests of the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from breakeven.sources.synthetic.files import keep_in
from breakeven.sources.synthetic.generate import Truth, write_company
from breakeven.sources.synthetic.plan import CompanyPlan
from breakeven.sources.synthetic.prices import write_cards


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    """Three hundred users over six months: March has the outage, May the price cut, August the API."""
    folder = tmp_path_factory.mktemp("tiny")
    work = tmp_path_factory.mktemp("work")
    truth = write_company(CompanyPlan(users=300, seed=5), work, keep_in(folder, "parquet"))
    write_cards(folder / "prices")
    assert list(work.iterdir()) == [], "a chunk was left behind"
    return folder, truth


@pytest.fixture(scope="session")
def hundredth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """A hundredth of the published size, with fewer requests so that it is quick; files are thrown away."""
    plan = CompanyPlan(users=134_576, requests_per_user=9.0)
    return write_company(plan, tmp_path_factory.mktemp("hundredth"), lambda table, path: None)
