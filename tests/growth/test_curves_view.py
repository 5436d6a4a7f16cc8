"""`breakeven growth curves` as a person types it: models of subscriptions and visits on small books."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from tests.account.bookkeeping import book, new_books

from breakeven.account.account import open_account
from breakeven.cli.main import main
from breakeven.growth.books_cells import ALL, contracts_of, visits_of
from breakeven.growth.books_curves import NO_BACKTEST, contract_curves, visit_curves
from breakeven.growth.cells import CONTRACT_COLUMNS, VISIT_COLUMNS, Cells
from breakeven.growth.maximum_likelihood import Fit, fit
from breakeven.growth.survival import SBG, SURVIVAL_MODELS
from breakeven.growth.visits.bg_bb import BG_BB
from breakeven.growth.visits.bg_nbd import BG_NBD
from breakeven.growth.visits.suitability import NEARLY_EVERY_PERIOD, NOBODY_RETURNED
from breakeven.ledger.books import open_books

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")

FIRST, MONTHS = date(2024, 1, 1), 9
END = date(2024, 9, 30)
BY_CHANNEL = ("--by", "channel")
"""Asked alike by every test: the answer is computed once, and found stored afterwards."""


def first_of(month: int) -> datetime:
    return datetime(2024 + month // 12, month % 12 + 1, 1, tzinfo=UTC)


def payments(random: np.random.Generator) -> list[dict[str, object]]:
    """Forty contracts a month that last as a shifted beta-geometric has it, and three of a year."""
    found = []

    def pay(user: str, plan: str, start: datetime, end: datetime) -> None:
        found.append(
            {"user_id": user, "at": f"{start:%Y-%m-%dT%H:%M:%SZ}", "kind": "subscription", "plan": plan,
             "amount": "10", "currency": "USD", "service_start": f"{start:%Y-%m-%dT%H:%M:%SZ}",
             "service_end": f"{end:%Y-%m-%dT%H:%M:%SZ}"}
        )  # fmt: skip

    for start in range(MONTHS):
        for number in range(40):
            lifetime = int(random.geometric(random.beta(1.0, 2.0)))
            for month in range(start, min(start + lifetime, MONTHS)):
                plan = "plus" if number % 2 else "<b>pro"
                pay(f"u{start}-{number}", plan, first_of(month), first_of(month + 1))
    for number in range(3):
        pay(f"y{number}", "yearly", first_of(number), first_of(number + 12))
    return found


def comings(random: np.random.Generator, users: int, span: int) -> tuple[list, list]:
    """Acquisitions within some days, and the active days of users who come and leave as BG/BB has it."""
    acquired, days = [], []
    for number in range(users):
        day = FIRST + timedelta(days=int(random.integers(0, span)))
        channel = "ad" if number % 3 else None
        acquired.append({"user_id": f"v{number}", "acquired_at": f"{day}T12:00:00Z", "channel": channel})
        leaves, comes = random.beta(0.6, 8.0), random.beta(1.2, 6.0)
        days.append({"user_id": f"v{number}", "day": day})
        while day < END - timedelta(days=1) and random.random() > leaves:
            day += timedelta(days=1)
            if random.random() < comes:
                days.append({"user_id": f"v{number}", "day": day})
    return acquired, days


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Nine months of contracts, and users of three months who come and leave."""
    random = np.random.default_rng(8)
    books = new_books(tmp_path_factory.mktemp("curves") / "books")
    book(books, "payments", payments(random), covers=(FIRST, END))
    users, days = comings(random, 150, 90)
    book(books, "acquisitions", users)
    book(books, "activity", days, covers=(FIRST, END))
    return books.folder


@pytest.fixture(scope="module")
def account(folder):
    return open_account(open_books(folder))


@pytest.fixture
def run(folder, monkeypatch, capsys):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "BREAKEVEN_LANG", "BREAKEVEN_DEBUG", "BREAKEVEN_BOOKS"):
        monkeypatch.delenv(name, raising=False)

    def running(*arguments):
        capsys.readouterr()
        code = main(["growth", "curves", str(folder), *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return running


def table(ran, name):
    assert ran[0] == 0, ran[2]
    return [row for row in json.loads(ran[1])["rows"] if row["table"] == name]


def test_lines_are_those_of_the_books_cells(account):
    lines = contract_curves(account, "plan")
    by_term = {line.term: line for line in lines if line.segment == ALL}
    assert set(by_term) == {"month", "year"}
    cells = contracts_of(account)[ALL]
    assert by_term["month"].cells.rows.tolist() == cells.rows.tolist()
    assert by_term["month"].cells.counts.tolist() == cells.counts.tolist()
    plans = {(line.segment, line.term) for line in lines}
    assert plans == {("", "month"), ("", "year"), ("<b>pro", "month"), ("plus", "month"), ("yearly", "year")}


def test_every_survival_model_or_its_refusal(run):
    rows = [row for row in table(run("--json", *BY_CHANNEL), "contract_models") if row["segment"] == "(all)"]
    months = {row["model"]: row for row in rows if row["term"] == "month"}
    assert list(months) == [model.name for model in SURVIVAL_MODELS]
    [chosen] = [row for row in months.values() if row["choice"] == "chosen"]
    assert chosen["remark"]
    sbg = months["sBG"]
    assert sbg["contracts"] == 360
    assert 0 < sbg["lost"] < 360
    assert float(sbg["aic"]) == pytest.approx(4 - 2 * float(sbg["log_likelihood"]), abs=0.02)
    years = [row for row in rows if row["term"] == "year"]
    assert len(years) == len(SURVIVAL_MODELS)
    for row in years:
        assert row["parameters"] is row["aic"] is row["choice"] is None
        assert row["remark"] == "no contract was lost in the time watched: the data only say that few are"


def test_parameters_are_the_fits(run, account):
    found = fit(SBG, contracts_of(account)[ALL])
    assert isinstance(found, Fit)
    rows = [
        row
        for row in table(run("--json", *BY_CHANNEL), "parameters")
        if (row["segment"], row["term"], row["model"]) == ("(all)", "month", "sBG")
    ]
    assert {row["parameter"]: float(row["value"]) for row in rows} == pytest.approx(
        found.parameters, abs=1e-6
    )
    errors = {row["parameter"]: float(row["standard_error"]) for row in rows}
    assert errors == pytest.approx(found.standard_errors, abs=1e-6)


def test_measured_beside_modelled(run):
    rows = [
        row
        for row in table(run("--json", *BY_CHANNEL), "still_subscribed")
        if (row["segment"], row["term"]) == ("(all)", "month")
    ]
    assert [row["age"] for row in rows] == [1, 2, 3, 6, 12]
    shares = [float(row["modelled"]) for row in rows]
    assert shares == sorted(shares, reverse=True)
    for row in rows:
        low, high = float(row["low"]), float(row["high"])
        assert float(row["next_low"]) < low < float(row["modelled"]) < high < float(row["next_high"])
        if row["age"] <= 6:
            assert (row["reach"], low <= float(row["measured"]) <= high) == ("seen", True)
    assert (rows[-1]["measured"], rows[-1]["reach"]) == (None, "extrapolated")
    # A straight line through the first months forgets that the loyal are left.
    assert float(rows[-1]["straight_line"]) < float(rows[-1]["modelled"])


def test_visits_by_every_model(run, account):
    rows = table(run("--json", *BY_CHANNEL), "visit_models")
    assert {row["segment"] for row in rows} == {"(all)", "ad", "(unattributed)"}
    whole = {row["model"]: row for row in rows if row["segment"] == "(all)"}
    assert list(whole) == ["BG/NBD", "MBG/NBD", "Pareto/NBD", "BG/BB"]
    cells = visits_of(account)[ALL]
    found = fit(BG_BB, cells)
    assert isinstance(found, Fit)
    mean = np.sum(BG_BB.conditional_repeats(found.estimate, cells, 30) * cells.counts) / cells.size
    row = whole["BG/BB"]
    assert row["users"] == cells.size
    # The cohorts' own habits move the total a little from that of the common parameters.
    assert float(row["active_days"]) == pytest.approx(mean, rel=0.25)
    assert float(row["low"]) < float(row["active_days"]) < float(row["high"])
    assert float(row["new_low"]) < float(row["active_days_new"]) < float(row["new_high"])
    assert float(row["active_days_new"]) == pytest.approx(
        BG_BB.expected_repeats(found.estimate, [30])[0], abs=1e-4
    )
    assert 0 < float(row["alive_share"]) < 1


def test_what_speaks_against_a_model_is_kept_with_its_fit():
    daily = Cells.group(VISIT_COLUMNS, [(29, 30, 30), (3, 5, 30), (0, 0, 30), (8, 12, 30)], [20, 15, 30, 10])
    found = fit(BG_NBD, daily)
    assert isinstance(found, Fit)
    assert found.notes == (NEARLY_EVERY_PERIOD,)
    contracts = SBG.fit(SBG.simulate(np.array([1.0, 2.0]), 500, 8, np.random.default_rng(1)))
    assert isinstance(contracts, Fit)
    assert contracts.notes == ()


def test_a_year_is_not_tried_on_the_past(monkeypatch, account):
    from breakeven.growth import books_curves

    rows = [{"term": "year", "start_month": date(2020 + n, 1, 1), "lifetime": life, "is_lost": life < 4 - n,
             "contracts": 30} for n in range(3) for life in range(1, 5 - n)]  # fmt: skip

    class Stored:
        def to_pylist(self):
            return rows

    monkeypatch.setattr(books_curves, "contracts", lambda account, *by: Stored())
    [line] = books_curves.contract_curves(account)
    assert line.reason == NO_BACKTEST
    aic = {name: one.aic for name, one in line.fits.items() if isinstance(one, Fit)}
    assert aic[line.chosen] == min(aic.values())
    assert line.cells.columns == CONTRACT_COLUMNS


def test_one_month_of_users_has_no_bounds(tmp_path):
    books = new_books(tmp_path / "books")
    users, days = comings(np.random.default_rng(3), 80, 20)
    book(books, "acquisitions", users)
    book(books, "activity", days, covers=(FIRST, END))
    lines = visit_curves(open_account(books))
    assert any(isinstance(line.fit, Fit) for line in lines)
    assert {line.cohorts for line in lines if isinstance(line.fit, Fit)} == {1}
    from breakeven.report.views.curves import visit_models_table

    for row in visit_models_table(lines).rows:
        assert row["low"] is row["high"] is row["new_low"] is None
        assert row["remark"]


def test_books_without_either(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("BREAKEVEN_LANG", raising=False)
    books = new_books(tmp_path / "books")
    start = date(2024, 3, 1)
    book(books, "activity", [{"user_id": f"u{n}", "day": start} for n in range(5)],
         covers=(start, start + timedelta(days=9)))  # fmt: skip
    assert main(["growth", "curves", str(books.folder), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert "no_contracts" in {warning["code"] for warning in answer["warnings"]}
    assert {row["remark"] for row in answer["rows"]} == {NOBODY_RETURNED.en}


def test_in_chinese_for_people_and_refused_filters(run):
    code, out, _ = run("--lang", "zh", *BY_CHANNEL)
    assert code == 0
    for words in (
        "订阅：各存续模型",
        "仍在订阅的比例",
        "中位用户仍在的概率",
        "观察期内没有任何合同流失",
        "未归因",
    ):
        assert words in out
    code, _, err = run("--channel", "ad")
    assert (code, "--channel" in err) == (2, True)
    assert run("--horizon", "0")[0] == 2
