"""The fleet split by class costs, per user and in all, is the same on every engine."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.account.cases import FOLDER, open_case, read_case

from breakeven.account.account import Account
from breakeven.account.margin import cost_by
from breakeven.account.user_margin import user_margins
from breakeven.serving.books_traffic import books_traffic


@pytest.fixture(scope="session")
def case_account(tmp_path_factory: pytest.TempPathFactory) -> Account:
    return open_case(read_case(FOLDER / "own_fleet_by_class_costs.yaml"), tmp_path_factory.mktemp("case"))


def test_users_bear_what_keeps_gpus_busy_on_every_engine(case_account, engine_name):
    account = replace(case_account, engine=engine_name)
    for answer in account.cache.glob("users-*.json"):  # what the other engine said is no answer of this one
        answer.unlink()
    margins = user_margins(account, 0)
    assert margins is not None
    # u1 keeps 20 GPU-hours busy, u2 26, at 5 an hour; the API names no user.
    assert (margins.users, margins.cost_pico, margins.heaviest_cost_pico) == (2, 230 * 10**12, 130 * 10**12)
    assert sum(line.fleet for line in cost_by(account, "product")) == Decimal("1200.00")


def test_traffic_is_read_alike_on_every_engine(case_account, engine_name):
    traffic = books_traffic(replace(case_account, engine=engine_name), "self", "large")
    assert traffic.input_tokens == pytest.approx(34e6 / 18)
    assert traffic.output_tokens == pytest.approx(2e6 / 18)
    assert traffic.cached_share == pytest.approx(10 / 34)
    assert traffic.requests_per_second == pytest.approx(18 / 86_400)
    assert (traffic.input_spread, traffic.hourly) == (0.0, ())
