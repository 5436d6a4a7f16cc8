"""With class costs, charges that are handed on sum to the statement; idle time is a charge of its own."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from tests.account.cases import FOLDER, open_case, read_case

from breakeven.account.account import Account
from breakeven.report.handing.charges import LeftOut, charges
from breakeven.report.stored import dumps, loads
from breakeven.report.views.cost import cost_view
from breakeven.report.views.fleet_work import fleet_table

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Account:
    folder: Path = tmp_path_factory.mktemp("case")
    return open_case(read_case(FOLDER / "own_fleet_by_class_costs.yaml"), folder)


def test_effective_cost_of_charges_is_the_serving_cost_with_idle_time_apart(account):
    found = list(charges(account, LeftOut()))
    assert sum((charge.effective for charge in found), Fraction(0)) == account.value("serving_cost", 0)
    [idle] = [charge for charge in found if charge.words.en == "idle fleet"]
    assert idle.effective == account.value("idle_fleet_cost", 0) == 950
    outputs = [charge for charge in found if charge.meter == "output_tokens"]
    assert [charge.effective for charge in outputs] == [125]


def test_the_bill_is_its_parts_and_the_view_reads_back(account):
    table = fleet_table(account)
    assert table is not None
    [row] = table.rows
    parts = [row[name] for name in ("at_benchmark", "derate", "idle", "unexplained")]
    assert parts == [Decimal("225.00"), Decimal("25.00"), Decimal("950.00"), Decimal("0.00")]
    assert row["bill"] == sum(parts)
    assert (row["stated_derate"], row["implied_derate"]) == (Decimal("0.9"), Decimal("0.1875"))
    view = cost_view(account, ("model",), users=False)
    assert loads(dumps(view)) == view
    assert "class costs" in view.tables[2].note.en
