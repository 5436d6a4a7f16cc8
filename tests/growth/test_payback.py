"""Payback: the account's own month where it is measured, a band where not, and never a silent number."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakeven.account.account import Account, open_account
from breakeven.account.metrics import Missing
from breakeven.account.payback import cohorts
from breakeven.cli.main import main
from breakeven.growth.activity import fit as activity
from breakeven.growth.lifetime_value.books_value import (
    Values,
    arranged,
    triangles_of,
    value_per_new_user,
    values_of,
    with_all_spend,
)
from breakeven.growth.lifetime_value.forecasts_kept import facts_to
from breakeven.growth.lifetime_value.payback import (
    NO_SPEND_KNOWN,
    NOTHING_SPENT,
    Payback,
    band_of,
    month_after,
    months_of,
    payback_of,
)
from breakeven.growth.lifetime_value.triangle import UNATTRIBUTED, Triangle
from breakeven.growth.lifetime_value.value import TOO_SHORT, Value
from breakeven.ledger.books import open_books
from breakeven.ledger.forecasts import PLACE, kept_forecasts
from breakeven.report.text import render_text
from breakeven.report.view_model import Label, Table
from breakeven.report.views.growth import cohorts_view
from breakeven.report.views.growth_chapter import growth_sections
from breakeven.report.views.ltv import idle_spend, ltv_view, remarks
from breakeven.report.views.payback import payback_of_row, payback_table, payback_view

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
DRAWS = 40


def value(cumulative, spend: float, measured: int = 0, cohort: str = "2024-01", refusal=None) -> Value:
    drawn = np.asarray(cumulative, dtype=float)
    share = (np.arange(drawn.shape[1]) < measured).astype(float)
    return Value(
        "ads", cohort, 10.0, spend, drawn.shape[1], 0.0, {}, measured, cumulative=drawn, total=drawn[:, -1],
        measured_share=share, refusal=refusal,
    )  # fmt: skip


def test_the_band_is_of_the_draws():
    drawn = np.linspace(1, 4, 21)[:, None] * np.arange(1, 13)[None, :]
    found = payback_of(value(drawn, 12.0))
    assert isinstance(found, Payback)
    assert (found.early, found.middle, found.late) == (4, 5, 9)
    assert found.share == 1.0
    assert not found.is_measured


def test_not_within_the_horizon_is_an_answer():
    drawn = np.repeat([[1.0, 1.5, 1.75]], 10, axis=0)
    drawn[:2] *= 3
    found = payback_of(value(drawn, 3.0))
    assert isinstance(found, Payback)
    assert (found.middle, found.late) == (None, None)
    assert found.share == pytest.approx(0.2)


def test_a_measured_crossing_is_exact_and_one_beyond_the_horizon_is_none():
    drawn = np.ones((4, 6))
    assert payback_of(value(drawn, 3.0, 6), 4) == Payback(6, 4, 4, 4, 1.0, is_measured=True)
    assert payback_of(value(drawn, 3.0, 6), 9) == Payback(6, None, None, None, 0.0, is_measured=True)


def test_a_month_the_books_do_not_show_is_never_said_to_be_measured():
    """Floats round: a crossing in a month that is measured not to be one moves to the first that is not."""
    found = payback_of(value([[2.0, 3.0, 4.0, 5.0]], 3.0, measured=3))
    assert isinstance(found, Payback)
    assert found.middle == 4


@pytest.mark.parametrize(
    ("spend", "refusal", "reason"),
    [(np.nan, None, NO_SPEND_KNOWN), (0.0, None, NOTHING_SPENT), (3.0, TOO_SHORT, TOO_SHORT)],
    ids=["spend not known", "nothing spent", "too short"],
)
def test_what_has_no_payback_says_why(spend, refusal, reason):
    assert payback_of(value([[1.0]], spend, refusal=refusal)) == reason


@given(st.lists(st.integers(1, 24) | st.just(np.inf), min_size=2, max_size=60))
def test_a_band_lies_around_its_middle_and_holds_most_draws(months):
    drawn = np.array(months, dtype=float)
    early, middle, late = band_of(drawn)
    assert early <= middle <= late
    assert {early, middle, late} <= set(months)
    inside = float(((drawn >= early) & (drawn <= late)).mean())
    quantiles = np.quantile(drawn, [0.1, 0.9], method="inverted_cdf")
    whole = float(((drawn >= quantiles[0]) & (drawn <= quantiles[1])).mean())
    assert abs(inside - 0.8) <= abs(whole - 0.8) + 1e-12


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12), st.floats(0.1, 20))
def test_the_first_crossing_counts(steps, spend):
    cumulative = np.cumsum(steps)
    expected = next((k + 1.0 for k, level in enumerate(cumulative) if level >= spend), np.inf)
    assert months_of(cumulative[None, :], spend)[0] == expected


def test_months_are_counted_from_that_of_acquisition():
    assert month_after(date(2024, 11, 1), 1) == date(2024, 11, 1)
    assert month_after(date(2024, 11, 1), 14) == date(2025, 12, 1)
    assert month_after(date(2024, 11, 1), None) is None


# --- on books --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def few_curves():
    """One curve and the naive one are as good as all for what is tested here, and sooner fitted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activity, "ACTIVITY_CURVES", activity.ACTIVITY_CURVES[:1])
        yield


@pytest.fixture(scope="module")
def both(account: Account) -> Values:
    found = values_of(account, "both", horizon_months=8, discount_rate=0.0, draws=DRAWS)
    assert isinstance(found, Values)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("value") / "books"
    assert main(["generate", str(made), "--users", "400", "--months", "5", "--seed", "2"]) == 0
    return made


@pytest.fixture(scope="module")
def account(folder: Path) -> Account:
    return open_account(open_books(folder))


def test_measured_payback_agrees_with_the_account(account: Account, both: Values):
    values = both
    booked = {
        (one.key.channel or UNATTRIBUTED, f"{one.key.month:%Y-%m}"): one
        for one in cohorts(account, by_channels=True)
    }
    assert {(row.segment, row.cohort) for row in values.rows} == set(booked)
    seen = 0
    for row in values.rows:
        months = booked[row.segment, row.cohort].payback_months
        found = payback_of_row(values, row)
        if isinstance(months, Decimal) and row.spend > 0:
            assert isinstance(found, Payback)
            assert (found.is_measured, found.middle) == (True, int(months))
            seen += 1
        elif isinstance(found, Payback):
            assert found.middle is None or found.middle > row.measured_months
    assert seen or all(isinstance(one.payback_months, Missing) or not one.spend for one in booked.values())


def test_the_measured_part_is_the_account(account: Account, both: Values):
    values = arranged(both.prospects, "channel")
    booked = cohorts(account, by_channels=True)
    for row in values.rows:
        mine = [one for one in booked if (one.key.channel or UNATTRIBUTED) == row.segment]
        known = [at for one in mine for at in one.ages.values() if not at.is_partial]
        assert row.measured_so_far * row.users == pytest.approx(float(sum(at.contribution for at in known)))
        assert row.users == sum(one.users for one in mine)
    assert sum(row.users for row in values.rows) == values.total.users


def test_what_came_back_is_the_cohorts_own_figure_with_a_month_under_way(account: Account, both: Values):
    alone = cohorts(account)
    last = alone[0]
    partial = replace(
        last, ages={**last.ages, max(last.ages): replace(last.ages[max(last.ages)], is_partial=True)}
    )
    month = f"{last.key.month:%Y-%m}"
    booked = {("", month): partial}
    values = replace(both, cohorts=booked)
    row = replace(both.rows[0], segment="", cohort=month)
    truth = float(last.cumulative(max(last.ages))) / last.users
    assert values.came_back(row) == pytest.approx(truth, rel=1e-12)
    monthly = values_of(account, "cohort", horizon_months=3, draws=DRAWS)
    assert isinstance(monthly, Values)
    rows = [(row, payback_of_row(monthly, row)) for row in monthly.rows]
    shown = payback_table(monthly, rows, "cohort", account.currency, Label("", ""))
    told = {row["cohort"]: row["so_far"] for row in shown.rows}
    [cohort_table] = [table for table in cohorts_view(account).tables if table.id == "payback"]
    assert told == {row["cohort"]: row["contribution_per_user"] for row in cohort_table.rows}
    assert both.came_back(replace(row, cohort="1999-01")) is None


def test_the_row_of_all_users_bears_all_spend(account: Account):
    """As `growth` does: also what was spent on channels and in months that brought nobody."""
    blended = account.total("cac_blended")
    assert isinstance(blended, Decimal)
    for by in ("all", "channel"):
        values = values_of(account, by, draws=DRAWS)
        assert isinstance(values, Values)
        assert values.total.spend == pytest.approx(float(blended))
    split = {row.segment: row.spend for row in values.rows}
    dear = with_all_spend(values, blended * 2)
    assert dear.total.spend == pytest.approx(2 * float(blended))
    assert {row.segment: row.spend for row in dear.rows} == split
    monthly = values_of(account, "cohort", draws=DRAWS)
    assert isinstance(monthly, Values)
    own = {f"{one.key.month:%Y-%m}": float(one.spend) / one.users for one in cohorts(account)}
    assert {row.cohort: row.spend for row in monthly.rows} == pytest.approx(own)


def test_unattributed_spend_is_named_in_the_readers_language(account: Account, monkeypatch):
    from breakeven.account.acquisition import by_channel

    lines = [replace(by_channel(account)[0], name=None, new_by_bucket=defaultdict(int))]
    monkeypatch.setattr("breakeven.report.views.ltv.by_channel", lambda _: lines)
    [warning] = idle_spend(account)
    assert "unattributed" in warning.label.en
    assert "未归因" in warning.label.zh
    assert "(unattributed)" not in warning.label.zh


def test_refunds_booked_before_the_revenue_are_not_called_a_net_refund(both: Values):
    row = replace(both.rows[0], measured={**both.rows[0].measured, "revenue": 1.0, "refunds": 2.0})
    [said] = [warning for warning in remarks(both, [row]) if warning.code == "refunds_above_revenue"]
    assert "does not say that more was refunded than paid" in said.label.en
    assert "不表示退款超过付款" in said.label.zh


def test_what_users_cost_and_idle_spend_are_the_statement(account: Account, both: Values):
    """Every yuan of acquisition spend is in a row's CAC, or named as spend that brought nobody."""
    rows = sum(row.spend * row.users for row in both.rows)
    warnings = [warning.label.en for warning in idle_spend(account)]
    idle = sum(float(text.replace(",", "")) for text in re.findall(r"([\d,]+\.\d\d) CNY", " ".join(warnings)))
    total = account.total("acquisition_spend")
    assert isinstance(total, Decimal)
    assert rows + idle == pytest.approx(float(total))


def test_all_and_channels_are_the_same_users(account: Account):
    whole, parts = Triangle.of(cohorts(account)), Triangle.merge(list(triangles_of(account).values()))
    assert whole.users.sum() == parts.users.sum()
    np.testing.assert_allclose(np.nansum(whole.contribution), np.nansum(parts.contribution))


def test_a_new_user_of_a_channel_has_draws_and_an_unknown_channel_a_reason(account: Account, both: Values):
    values = arranged(both.prospects, "channel")
    found = value_per_new_user(account, "organic", values)
    assert isinstance(found, Value)
    assert found.total.shape == (DRAWS,)
    assert found.cumulative.shape == (DRAWS, 8)
    assert isinstance(value_per_new_user(account, "nowhere", values), Missing)


def test_what_is_shown_is_kept_once_and_a_mere_question_is_not(folder: Path, account: Account):
    from breakeven.growth.lifetime_value.unit_cost_path import UnitCostPath

    ltv_view(account, by="cohort", draws=DRAWS, unit_cost_path=UnitCostPath.parse(["2030-01=0.5"]))
    assert kept_forecasts(folder) == []
    ltv_view(account, by="channel", draws=DRAWS)
    payback_view(account, draws=DRAWS)
    kept = kept_forecasts(folder)
    assert {one.kind for one in kept} == {"ltv", "payback"}
    values = values_of(account, draws=DRAWS)
    assert not isinstance(values, Missing)
    assert (
        {one.facts_to for one in kept} == {facts_to(values)} == {account.buckets.span.end - date.resolution}
    )
    ltv_view(account, by="channel", draws=DRAWS)
    assert len(kept_forecasts(folder)) == len(kept)
    for horizon in (12, 9):
        ltv_view(account, by="both", draws=DRAWS + 20, seed=7, horizon_months=horizon)
    later = kept_forecasts(folder)
    assert later[: len(kept)] == kept
    # A shorter horizon is another age at most; what was said of an age stays as it was first said.
    assert {one.age for one in later[len(kept) :]} <= {8}
    assert len({one.identity for one in later}) == len(later)
    foretold = [one for one in kept if one.kind == "ltv"]
    assert all(one.low is not None and one.value is not None and one.high is not None for one in foretold)
    rows = {(row.segment, row.cohort): row for row in arranged(values.prospects, "both").rows}
    first = foretold[0]
    row = rows[first.segment, first.cohort]
    assert first.value == pytest.approx(row.cumulative[:, first.age].mean(), rel=1e-6)


def test_old_states_of_the_books_keep_nothing(folder: Path):
    before = len(kept_forecasts(folder))
    books = open_books(folder)
    versions = books.at_versions(books.present_versions(), books.settings)
    ltv_view(open_account(versions), by="both", draws=DRAWS, seed=99)
    assert len(kept_forecasts(folder)) == before


def test_the_reports_chapter_shows_what_the_commands_show(folder: Path, account: Account):
    """Value at the horizon of `ltv`, payback at its own, and what is not identified with its experiment."""
    blocks = {block.id: block for section in growth_sections(account) for block in section.blocks}
    value, unsettled = blocks["value"], blocks["not_identified"]
    assert isinstance(value, Table)
    assert isinstance(unsettled, Table)
    shown = ltv_view(account, by="channel").tables[0]
    assert (value.title, value.rows) == (shown.title, shown.rows)
    assert "24 months" in blocks["payback"].title.en
    assert [row["channel"] for row in unsettled.rows]
    assert all(row["why"] for row in unsettled.rows)


def test_the_captions_explain_ratios_below_one_too(account: Account):
    tables = [table for table in ltv_view(account, draws=DRAWS).tables if table.id.startswith("survivors")]
    assert len(tables) == 2
    for table in tables:
        assert table.note is not None
        assert "Below 1: they use less" in table.note.en
        assert "小于 1" in table.note.zh


def test_what_cannot_be_kept_is_said(folder: Path, account: Account):
    place = folder / PLACE
    before = place.read_bytes()
    place.write_bytes(b"oops\n" + before)
    try:
        views = [ltv_view(account, draws=DRAWS), payback_view(account, draws=DRAWS)]
    finally:
        place.write_bytes(before)
    for view in views:
        assert "forecasts_not_kept" in {warning.code for warning in view.envelope.warnings}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_both_languages_say_horizon_level_and_interval(account: Account, language):
    text = render_text(ltv_view(account, by="channel", draws=DRAWS, horizon_months=6), language)
    title = {"en": "6-month contribution LTV, discounted 10%/year, 80% interval",
             "zh": "6 个月贡献 LTV，年折现率 10%，80% 区间"}[language]  # fmt: skip
    assert title in text
    assert "nan" not in text.lower().replace("finance", "")
    assert "inf" not in text.lower().replace("inference", "")
    payback = render_text(payback_view(account, by="both", draws=DRAWS), language)
    assert {"en": "not within the horizon", "zh": "不在期限内"}[language] in payback


def test_the_commands_answer_in_json(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert (
        main(
            ["ltv", str(folder), "--by", "channel", "--horizon", "6", "--unit-cost", "2025-01=0.5", "--json"]
        )
        == 0
    )
    said = json.loads(capsys.readouterr().out)
    assert any(warning["code"] == "assumed_unit_cost" for warning in said["warnings"])
    assert main(["payback", str(folder), "--by", "channel", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--unit-cost", "soon=1"],
        ["--unit-cost", "2020-01=0.5"],
        ["--discount", "-1"],
        ["--discount", "10.1"],
        ["--channel", "organic"],
        ["--horizon", "0"],
    ],
    ids=["path", "measured month", "discount", "high discount", "filter of all", "horizon"],
)
def test_bad_use_is_refused(folder: Path, arguments, capsys):
    assert main(["ltv", str(folder), *arguments]) == 2
