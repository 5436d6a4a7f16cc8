"""From books to curves, to the view, to the command line; with known true curves behind the books."""

from __future__ import annotations

import csv
import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from tests.account.bookkeeping import book, new_books

from breakeven.account.account import Account, open_account
from breakeven.account.metrics import Missing
from breakeven.cli.main import main
from breakeven.errors import InputError, UsageError
from breakeven.growth.response.books_response import fitted_responses, observed_channels, responses_of
from breakeven.growth.response.curve import ResponseCurve
from breakeven.growth.response.observed import Observed
from breakeven.ledger.books import open_books
from breakeven.report.describe import describe
from breakeven.report.view_model import View
from breakeven.report.views.mmm import exported_view
from breakeven.report.views.response import curve_table, response_view, spend_levels, worth_spend
from breakeven.report.views.response_figures import cost_figure, response_figures, users_figure

from .response_channels import Truth, channel

MONDAY = date(2024, 1, 1)
WEEKS = 40
TRUTH = Truth(typical=600.0, cost=12.0, half=1.0, shape=1.0, carry_over=0.1, dispersion=0.002)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> tuple[Account, Observed, ResponseCurve]:
    """Books of two channels: `douyin` varies and has a known curve, `campus` never varies."""
    books = new_books(
        tmp_path_factory.mktemp("response") / "books", currency="CNY", time_zone="Asia/Shanghai"
    )
    observed, curve = channel(TRUTH, np.random.default_rng(77), periods=WEEKS, spread=0.8)
    spend, users = [], []
    for week in range(WEEKS):
        day = MONDAY + timedelta(days=7 * week)
        for name, amount, count in (
            ("douyin", observed.spend[week], int(observed.users[week])),
            ("campus", 70.0, 4 + week % 3),
        ):
            spend.append(
                {"day": day, "channel": name, "kind": "ads", "amount": f"{amount:.2f}", "currency": "CNY"}
            )
            users += [
                {
                    "user_id": f"{name}-{week}-{n}",
                    "acquired_at": f"{day}T04:00:00Z",
                    "channel": name,
                    "is_paid": "true",
                }
                for n in range(count)
            ]
    covers = (MONDAY, MONDAY + timedelta(days=7 * WEEKS))
    book(books, "ad_spend", spend, covers=covers)
    book(books, "acquisitions", users, covers=covers)
    return open_account(open_books(books.folder)), observed, curve


def test_books_give_back_the_series(company):
    account, observed, _ = company
    found = {one.channel: one for one in observed_channels(account)}
    assert set(found) == {"douyin", "campus"}
    assert found["douyin"].period == "week"
    assert found["douyin"].spend == pytest.approx(observed.spend, abs=0.006)
    assert found["douyin"].users.tolist() == observed.users.tolist()
    assert observed_channels(account, "month")[0].period == "month"


def test_the_true_marginal_cost_lies_in_the_interval(company):
    account, observed, curve = company
    found = fitted_responses(account)
    douyin = found["douyin"]
    assert not isinstance(douyin, Missing)
    assert douyin.curve.not_identified is None
    truth = float(curve.marginal_cost(observed.today)[0])
    assert truth in douyin.marginal_cost(observed.today)
    assert found["campus"].doubt is not None
    assert "never varied" in found["campus"].doubt.en


def test_curves_come_the_same_twice_and_as_many_as_asked(company):
    account, _, _ = company
    first, second = responses_of(account, draws=150), responses_of(account, draws=150)
    assert [one.channel for one in first] == ["douyin", "campus"]
    assert len(first[0].ceiling) == 150
    assert (first[0].ceiling == second[0].ceiling).all()


@pytest.fixture(scope="module")
def view(company) -> View:
    return response_view(company[0], rivals_factor=2.0, value_per_user=Decimal(30), points=True)


def rows(view: View, table: str) -> dict[str, dict]:
    [found] = [one for one in view.tables if one.id == table]
    return {str(row["channel"]): row for row in found.rows}


def test_the_view_says_what_is_known_and_what_is_not(view):
    today = rows(view, "responses")
    assert today["douyin"]["identified"] == "yes"
    assert (
        today["douyin"]["cac_marginal_low"]
        < today["douyin"]["cac_marginal"]
        < today["douyin"]["cac_marginal_high"]
    )
    assert today["douyin"]["cac_average"] < today["douyin"]["cac_marginal"]
    assert today["campus"]["identified"] == "no"
    assert today["campus"]["cac_marginal"] is None
    open_ones = rows(view, "not_identified")
    assert set(open_ones) == {"campus"}
    assert open_ones["campus"]["periods"] > 0
    assert open_ones["campus"]["lost_users"] > 0
    stress = rows(view, "rivals")["douyin"]
    assert today["douyin"]["value"] == 30
    assert today["douyin"]["worth_spend"] > 0
    assert today["campus"]["worth_spend"] is None
    assert stress["users_stressed"] < stress["users"]
    assert stress["assumed"] == "yes"
    assert {warning.code for warning in view.envelope.warnings} >= {"attributed", "rivals_assumed"}


def test_points_say_where_they_leave_what_was_seen(view, company):
    [points] = [one for one in view.tables if one.id == "curves"]
    douyin = [row for row in points.rows if row["channel"] == "douyin"]
    assert douyin[0]["users"] == 0
    assert douyin[0]["cac_average"] is None
    seen = company[1].range
    for row in douyin:
        inside = seen[0] - 0.01 <= float(row["spend"]) <= seen[1] + 0.01
        assert row["extrapolated"] == ("no" if inside else "yes")
    assert [row["users"] for row in douyin] == sorted(row["users"] for row in douyin)


def test_every_word_is_in_both_languages(view):
    for table in view.tables:
        for column in table.columns:
            assert column.label.en
            assert column.label.zh
            assert all(word.zh and word.en for word in column.words.values())


def test_figures_mark_today_and_dash_what_was_never_seen(company):
    account, observed, _ = company
    figures = response_figures(account)
    assert [figure.id for figure in figures] == ["response_users_douyin", "response_cost_douyin"]
    curve = responses_of(account)[0]
    users = users_figure(curve, "CNY")
    [series] = users.series
    levels = spend_levels(curve)
    assert series.partial == {n for n, spend in enumerate(levels) if curve.is_extrapolated(spend)}
    assert levels[users.marks[0].position] == pytest.approx(observed.today, abs=0.01)
    assert series.band is not None
    assert [one.key for one in cost_figure(curve, "CNY").series] == ["average", "marginal"]
    for figure in figures:
        assert describe(figure).en
        assert figure.twin().rows


def test_worth_spend_is_where_the_next_user_costs_that():
    curve = ResponseCurve(
        "a", "month", np.array([1000.0]), np.array([500.0]), np.ones(1), observed=(0.0, 2000.0), today=400.0
    )
    found = worth_spend(curve, 8.0)
    assert float(curve.marginal_cost(found)[0]) == pytest.approx(8.0, rel=0.02)
    assert worth_spend(curve, 0.01) == 0.0
    # Dearest within twice the most observed: (4000 + 500)² / 500,000. What lies beyond was not found.
    assert worth_spend(curve, 40.4) == pytest.approx(4000.0, rel=0.01)
    assert worth_spend(curve, 40.6) is None
    table = curve_table([curve], "CNY", worths={"a": 90.0})
    assert table.rows[0]["worth_spend"] is None
    assert table.rows[0]["worth_extrapolated"] == "beyond"
    words = {column.key: column.words for column in table.columns}["worth_extrapolated"]
    assert words["beyond"].en == "not within 2x observed"


# --- what the books say beside the curve -----------------------------------------------------------------


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Account:
    """28 users a week for 280, without any noise; rewards of 3 a user on users that vary; coupons of both
    kinds; and a channel that costs nothing.
    """
    books = new_books(tmp_path_factory.mktemp("steady") / "books", currency="CNY", time_zone="UTC")
    random = np.random.default_rng(3)
    spend, users = [], []
    for week in range(24):
        day = MONDAY + timedelta(days=7 * week)
        invited, drawn, lured = (int(count) for count in random.poisson((12, 10, 10)))
        for name, kind, amount, count, is_paid in (
            ("film", "ads", 280, 28, "true"),
            ("referral", "referral", 3 * invited, invited, "false"),
            ("welcome", "coupon", 5 * drawn, drawn, "true"),
            ("campaign", "coupon", int(random.integers(20, 200)), lured, "true"),
            ("partner", "", 0, 2, "false"),
        ):
            if kind:
                spend.append({"day": day, "channel": name, "kind": kind, "amount": amount, "currency": "CNY"})
            users += [
                {
                    "user_id": f"{name}-{week}-{n}",
                    "acquired_at": f"{day}T04:00:00Z",
                    "channel": name,
                    "is_paid": is_paid,
                }
                for n in range(count)
            ]
    covers = (MONDAY, MONDAY + timedelta(days=7 * 24))
    book(books, "ad_spend", spend, covers=covers)
    book(books, "acquisitions", users, covers=covers)
    return open_account(open_books(books.folder))


@pytest.fixture(scope="module")
def steady_view(steady) -> View:
    return response_view(steady)


def test_booked_users_and_their_cost_reconcile_with_growth(steady, steady_view):
    film = rows(steady_view, "responses")["film"]
    assert film["users_booked"] == 28
    assert film["cac_booked"] == 10
    assert film["users"] + film["users_base"] == pytest.approx(28, abs=2)
    assert film["users_base"] > 0
    assert film["cac_average"] > film["cac_booked"]
    [curve] = [one for one in responses_of(steady) if one.channel == "film"]
    total = np.median(curve.users(curve.today) + curve.base_users)
    assert float(total) == pytest.approx(28, rel=0.05)


def test_an_experiment_without_noise_is_short(steady_view):
    film = rows(steady_view, "not_identified")["film"]
    # Counting 28 users has a deviation of 5.3, so a few weeks show that they are gone; one does not.
    assert 2 <= film["periods"] <= 6
    assert film["enough"] == "yes"
    assert film["detectable_users"] > 2.12 * 28**0.5


def test_rewards_paid_per_user_won_are_no_response(steady_view):
    why = rows(steady_view, "not_identified")
    for name in ("referral", "welcome"):
        assert why[name]["why"] == "spend follows users here (rewards paid per user won)"
        assert why[name]["experiment"] in ("switch_off", "geo_holdout")
        assert rows(steady_view, "responses")[name]["cac_marginal"] is None
    assert "follows" not in str(why.get("campaign", {}).get("why"))


def test_a_channel_that_the_books_do_not_name_is_refused(steady, tmp_path):
    with pytest.raises(UsageError, match=r"no channel 'nope'.*campaign, film, partner"):
        response_view(steady, only=("nope",))
    partner = response_view(steady, only=("partner",))
    assert rows(partner, "not_identified")["partner"]["why"] == "not identified: nothing was spent on it"
    (tmp_path / "e.csv").write_text(
        "channel,kind,first_day,last_day,spend_change,users_change,low,high\n"
        "film,geo,2024-02-05,2024-02-18,100,5,1,9\nnope,geo,2024-02-05,2024-02-18,100,5,1,9\n"
    )
    with pytest.raises(InputError, match=r"e\.csv:3: the books have no channel 'nope'.*film"):
        observed_channels(steady, experiments=tmp_path / "e.csv")


def test_what_y_counts_is_said_and_is_so(steady, tmp_path):
    exported = exported_view(steady, tmp_path / "mmm.csv")
    with (tmp_path / "mmm.csv").open() as file:
        first = next(iter(csv.DictReader(file)))
    counted = {one.channel: one.users[0] for one in observed_channels(steady)}
    assert float(first["y"]) == sum(counted.values())
    said = {row["holds"]: row.get("users_in_y") for row in exported.tables[0].rows}
    assert (said["film"], said["referral"]) == ("bought", "all")
    note = exported.tables[0].note
    assert note is not None
    assert "partner" in note.en
    assert json.loads((tmp_path / "mmm.json").read_text())["channels"][0]["users_in_y"] == "bought"
    with pytest.raises(UsageError, match="no channel 'nope'"):
        exported_view(steady, tmp_path / "mmm.csv", only=("nope",))


def test_a_week_of_books_says_how_many_it_takes(tmp_path):
    books = new_books(tmp_path / "books", currency="CNY", time_zone="UTC")
    covers = (MONDAY, MONDAY + timedelta(days=7))
    book(
        books, "ad_spend",
        [{"day": MONDAY, "channel": "a", "kind": "ads", "amount": 9, "currency": "CNY"}], covers=covers,
    )  # fmt: skip
    book(
        books, "acquisitions",
        [{"user_id": "u", "acquired_at": f"{MONDAY}T04:00:00Z", "channel": "a", "is_paid": "true"}],
        covers=covers,
    )  # fmt: skip
    view = response_view(open_account(open_books(books.folder)))
    [few] = [one.label for one in view.envelope.warnings if one.code == "too_few_periods"]
    assert "too few weeks: 1 of at least 12" in few.en
    assert [table.note for table in view.tables] == [few]


# --- files beside the books ------------------------------------------------------------------------------


def test_experiments_and_rivals_in_the_books_count(company):
    account, _, _ = company
    folder = account.books.folder
    plain = {one.channel: one for one in observed_channels(account)}
    assert plain["douyin"].calibrations == ()
    (folder / "experiments.csv").write_text(
        "channel,kind,first_day,last_day,spend_change,users_change,low,high\n"
        "douyin,geo,2024-09-02,2024-09-15,1200,30,20,40\n"
    )
    (folder / "rivals.csv").write_text(
        "period_start,channel,spend\n2024-01-01,,5\n2024-06-01,,9\n2024-12-01,,9\n"
    )
    try:
        found = {one.channel: one for one in observed_channels(account)}
        dollars = {one.channel: one for one in observed_channels(open_account(account.books, currency="USD"))}
    finally:
        (folder / "experiments.csv").unlink()
        (folder / "rivals.csv").unlink()
    assert len(found["douyin"].calibrations) == 1
    assert found["campus"].calibrations == ()
    assert found["campus"].rivals is not None
    # An experiment is stated in the books' currency, whatever the question is asked in.
    [in_yuan], [in_dollars] = found["douyin"].calibrations, dollars["douyin"].calibrations
    assert in_dollars.spend_change == pytest.approx(in_yuan.spend_change / 7.1, rel=0.05)
    assert in_dollars.users_change == in_yuan.users_change
    with pytest.raises(InputError):
        observed_channels(account, experiments=Path("absent.csv"))


# --- the command line ------------------------------------------------------------------------------------


def test_the_command_in_both_languages_and_as_json(company, capsys):
    folder = company[0].books.folder
    assert main(["response", str(folder), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["currency"] == "CNY"
    assert main(["response", str(folder), "--lang", "zh", "--channel", "campus"]) == 0
    chinese = capsys.readouterr().out
    assert "支出几乎没有变化" in chinese
    assert "douyin" not in chinese


@pytest.mark.parametrize(
    "arguments", [["--rivals", "0"], ["--rivals", "nan"], ["--value", "-3"], ["--value", "much"]], ids=str
)
def test_numbers_that_mean_nothing_are_refused(company, capsys, arguments):
    assert main(["response", str(company[0].books.folder), *arguments]) == 2
    assert "above 0" in capsys.readouterr().err


def test_a_media_mix_model_there_and_back(company, capsys, tmp_path):
    folder = company[0].books.folder
    assert main(["growth", "export-mmm", str(folder), "-o", str(tmp_path / "mmm.csv")]) == 0
    capsys.readouterr()
    with (tmp_path / "mmm.csv").open() as file:
        data = list(csv.DictReader(file))
    assert len(data) == WEEKS
    assert float(data[0]["y"]) == company[1].users[0] + 4
    (tmp_path / "posterior.csv").write_text(
        "draw,channel,adstock_alpha,saturation_slope,saturation_kappa,saturation_beta\n"
        "0,spend_douyin,0.2,1,0.5,0.8\n1,spend_douyin,0.3,1,0.6,0.9\n"
    )
    read = ["growth", "read-mmm", str(tmp_path / "posterior.csv"), "--layout", str(tmp_path / "mmm.json")]
    assert main([*read, "--json"]) == 0
    assert "douyin" in capsys.readouterr().out
    assert main([*read[:2], str(tmp_path / "mmm.json"), *read[3:]]) == 2
