"""A small synthetic company, generated and booked once for all tests of the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from breakeven.account.account import Account, open_account
from breakeven.ledger.books import open_books
from breakeven.sources.synthetic.books import write_books
from breakeven.sources.synthetic.plan import CompanyPlan


def booked(plan: CompanyPlan, folder: Path) -> tuple[Account, dict[str, Any]]:
    """The account of a generated company, and its truth."""
    truth = write_books(plan, folder)
    return open_account(open_books(folder)), truth.facts


@pytest.fixture(scope="session")
def tiny_company(tmp_path_factory: pytest.TempPathFactory) -> tuple[Account, dict[str, Any]]:
    return booked(
        CompanyPlan(users=400, seed=5, requests_per_user=6.0), tmp_path_factory.mktemp("tiny") / "books"
    )
