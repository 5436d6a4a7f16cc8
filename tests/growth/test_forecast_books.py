"""From books to forecasts and back: made on some months, kept, scored when further months were imported."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date, timedelta

import pytest
from tests.account.bookkeeping import book, new_books

from breakeven.account.account import open_account
from breakeven.cli.main import main
from breakeven.growth.activity import fit as activity
from breakeven.growth.choosing.books_retention import activity_triangles
from breakeven.growth.choosing.books_scorecard import BooksNow, books_scorecard
from breakeven.growth.choosing.scorecard import Came, Pending
from breakeven.ledger.books import open_books
from breakeven.ledger.forecasts import PLACE, Forecast, keep_forecasts, kept_forecasts
from breakeven.periods import Period
from breakeven.report.tabular import to_csv, to_json
from breakeven.report.text import render_text
from breakeven.report.views.cohort_forecast import cohort_forecast_view, forecast_triangle_figure
from breakeven.report.views.scorecard import scorecard_view

FIRST = date(2024, 1, 1)
USERS = 60
CHANNELS = ("douyin", "bilibili")


@pytest.fixture(scope="module", autouse=True)
def few_curves():
    """Two curves and the naive one are as good as all for what is tested here, and sooner fitted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activity, "ACTIVITY_CURVES", activity.ACTIVITY_CURVES[:3:2])
        yield


def months(count: int, start: int = 0) -> list[date]:
    return [date(2024 + (start + i) // 12, (start + i) % 12 + 1, 1) for i in range(count)]


def active_users(channel: str, age: int) -> int:
    """Half of the users come back, then ever fewer: fewer still from bilibili."""
    if age == 0:
        return USERS
    return round(USERS * (0.5 if channel == "douyin" else 0.3) * age**-0.5)


def add_month(books, month: date, earlier: list[date]) -> None:
    """A cohort of each channel, and the activity of all cohorts in that month."""
    last = Period.month(month).end - timedelta(days=1)
    won = [
        {"user_id": f"{channel}-{month:%y%m}-{i}", "acquired_at": f"{month}T10:00:00Z", "channel": channel}
        for channel in CHANNELS
        for i in range(USERS)
    ]
    seen = [
        {"user_id": f"{channel}-{cohort:%y%m}-{i}", "day": str(month)}
        for channel in CHANNELS
        for age, cohort in enumerate([month, *reversed(earlier)])
        for i in range(active_users(channel, age))
    ]
    book(books, "acquisitions", won, covers=(month, last))
    book(books, "activity", seen, covers=(month, last))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Books of seven months, whose forecast was asked for after five."""
    folder = tmp_path_factory.mktemp("growth") / "books"
    books = new_books(folder)
    every = months(7)
    for i in range(5):
        add_month(books, every[i], every[:i])
    early = cohort_forecast_view(open_account(open_books(folder)), horizon=4)
    for i in (5, 6):
        add_month(books, every[i], every[:i])
    return folder, early


@pytest.fixture
def seven_months(made):
    """The same books for every test, with the forecasts of May and no others."""
    kept = made[0] / PLACE
    before = kept.read_bytes()
    yield made
    kept.write_bytes(before)


def account(folder):
    return open_account(open_books(folder))


def test_the_triangle_is_what_the_books_hold(seven_months):
    triangle = activity_triangles(account(seven_months[0]))[""]
    assert triangle.months == tuple(months(7))
    assert triangle.users.tolist() == [2 * USERS] * 7
    for row in range(7):
        for age in range(7):
            known = triangle.returned[row, age]
            assert (
                (known == sum(active_users(c, age) for c in CHANNELS)) if row + age < 7 else math.isnan(known)
            )
    split = activity_triangles(account(seven_months[0]), by_channels=True)
    assert set(split) == set(CHANNELS)
    assert (sum(one.users for one in split.values()) == triangle.users).all()


def test_a_forecast_is_kept_and_scored_when_its_month_has_come(seven_months):
    folder, early = seven_months
    kept = kept_forecasts(folder)
    assert {one.facts_to for one in kept} == {date(2024, 5, 31)}
    assert len(kept) == 2 * 5 * 4  # of the chosen model and the naive one: five cohorts, four months each
    told = [row for row in early.json_rows if row.get("kind") == "forecast"]
    assert len(told) == 20
    card = books_scorecard(account(folder))
    chosen = next(one.model for one in kept if one.model != "naive")
    # By July June and July are known: of each of the five cohorts one month ahead, and two.
    assert [(s.model, s.horizon, s.n) for s in card.scores] == sorted(
        [("naive", "1", 5), ("naive", "2", 5), (chosen, "1", 5), (chosen, "2", 5)]
    )
    assert [(line.model, line.month, line.n) for line in card.pending] == sorted(
        (model, month, 5) for model in (chosen, "naive") for month in months(2, 7)
    )
    # By hand: the mean error of what was foretold of June.
    june = [one for one in kept if one.model == chosen and one.age + int(one.cohort[-2:]) == 6]
    came = [sum(active_users(c, one.age) for c in CHANNELS) / (2 * USERS) for one in june]
    expected = sum(abs(one.value - truth) for one, truth in zip(june, came, strict=True)) / 5
    score = next(s for s in card.scores if (s.model, s.horizon) == (chosen, "1"))
    assert score.error == pytest.approx(expected, abs=1e-9)


def test_asking_again_keeps_nothing_new_and_new_facts_do(seven_months):
    folder = seven_months[0]
    before = (folder / PLACE).read_bytes()
    lines = len(before.splitlines())
    cohort_forecast_view(account(folder), horizon=2)
    now = (folder / PLACE).read_bytes()
    assert now.startswith(before)
    assert len(now.splitlines()) == lines + 2 * 7 * 2
    cohort_forecast_view(account(folder), horizon=1)
    assert (folder / PLACE).read_bytes() == now


def test_old_states_of_the_books_are_shown_and_not_kept(seven_months):
    folder = seven_months[0]
    before = (folder / PLACE).read_bytes()
    opened = open_account(open_books(folder))
    past = open_account(open_books(folder, as_of=opened.books.batches()[-1].at))
    assert cohort_forecast_view(past, horizon=1).tables
    assert (folder / PLACE).read_bytes() == before


def test_measured_and_forecast_never_share_a_row(seven_months):
    view = cohort_forecast_view(account(seven_months[0]), horizon=3)
    triangle = view.tables[0]
    assert {row["status"] for row in triangle.rows} == {"measured", "forecast"}
    for measured, forecast in zip(triangle.rows[::2], triangle.rows[1::2], strict=True):
        assert (measured["status"], forecast["status"]) == ("measured", "forecast")
        ages = [f"m{age}" for age in range(10)]
        assert not [age for age in ages if measured[age] is not None and forecast[age] is not None]
        assert sum(forecast[age] is not None for age in ages) == 3
    for row in view.tables[1].rows:
        assert row["low"] <= row["value"] <= row["high"]
        assert row["naive"] is not None
    reached = {(row["age"], row["reach"]) for row in view.tables[1].rows}
    assert (6, "seen") in reached
    assert (7, "extrapolated") in reached
    said = json.loads(to_json(view))
    kinds = {row["kind"] for row in said["rows"] if row["table"] == "retention"}
    assert kinds == {"measured", "forecast"}
    assert {row["table"] for row in said["rows"]} == {"retention", "backtest"}
    for language in ("en", "zh"):
        assert ("forecast" if language == "en" else "预测") in render_text(view, language)
    assert "nan" not in to_csv(view).lower()


def test_channels_are_fitted_by_themselves_and_cohorts_can_be_picked(seven_months):
    view = cohort_forecast_view(account(seven_months[0]), only=("bilibili",), months=("2024-02",), horizon=2)
    assert {row["cohort"] for row in view.tables[0].rows} == {"2024-02 bilibili"}
    [measured, forecast] = view.tables[0].rows
    assert float(measured["m1"]) == pytest.approx(active_users("bilibili", 1) / USERS)
    assert 0.08 < float(forecast["m6"]) < 0.18  # bilibili's own 0.12, not the 0.16 of all
    both = cohort_forecast_view(account(seven_months[0]), by_channels=True, horizon=1)
    assert {str(row["cohort"]).split()[1] for row in both.tables[0].rows} == set(CHANNELS)


def test_the_figure_marks_what_is_forecast(seven_months):
    figure = forecast_triangle_figure(account(seven_months[0]), horizon=2)
    assert figure is not None
    assert len(figure.partial) == 7 * 2
    assert all(figure.cells[row][age] is not None for row, age in figure.partial)
    assert figure.note is not None
    assert "Dashed cells are forecasts" in figure.note.en
    assert "虚线" in figure.note.zh
    assert (6, 0) not in figure.partial
    assert (6, 1) in figure.partial


def test_the_scorecard_shows_backtest_kept_and_pending(seven_months):
    view = scorecard_view(account(seven_months[0]))
    backtest, kept, pending = view.tables
    assert [row["standing"] for row in backtest.rows].count("chosen") == 1
    assert "naive" in {row["standing"] for row in backtest.rows}
    assert (kept.id, pending.id) == ("kept_retention_ratio", "pending")
    assert {row["model"] for row in kept.rows} >= {"naive"}
    assert all((row["naive_error"] is None) == (row["model"] == "naive") for row in kept.rows)
    assert pending.rows
    assert view.facts["kept"] == 40
    for language in ("en", "zh"):
        text = render_text(view, language)
        assert "nan" not in text.lower()
    assert json.loads(to_json(view))["facts"] == {"kept": 40}


def test_the_command_answers_and_heeds_new_forecasts(seven_months, capsys, monkeypatch):
    monkeypatch.delenv("BREAKEVEN_BOOKS", raising=False)
    folder = seven_months[0]
    assert main(["scorecard", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["facts"]["kept"] == 40
    one = kept_forecasts(folder)[0]
    keep_forecasts(folder, [replace(one, model="another")])
    assert main(["scorecard", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["facts"]["kept"] == 41
    assert main(["scorecard", str(folder), "--lang", "zh"]) == 0
    assert "预测记分卡" in capsys.readouterr().out


def test_a_damaged_line_stops_the_scorecard_and_names_the_line(seven_months, capsys):
    folder = seven_months[0]
    before = (folder / PLACE).read_bytes()
    (folder / PLACE).write_bytes(b"oops\n" + before)
    assert main(["scorecard", str(folder)]) == 3
    assert "kept.jsonl:1" in capsys.readouterr().err
    view = cohort_forecast_view(account(folder), horizon=1)
    assert "forecasts_not_kept" in {warning.code for warning in view.envelope.warnings}


def test_a_month_under_way_is_forecast_and_its_cohort_left_out(tmp_path):
    books = new_books(tmp_path / "books")
    every = months(5)
    for i in range(5):
        add_month(books, every[i], every[:i])
    days = (date(2024, 6, 1), date(2024, 6, 10))
    book(books, "acquisitions", [{"user_id": "x", "acquired_at": "2024-06-02T00:00:00Z"}], covers=days)
    book(books, "activity", [{"user_id": "x", "day": "2024-06-02"}], covers=days)
    triangle = activity_triangles(account(tmp_path / "books"))[""]
    assert (triangle.months[-1], triangle.last_month) == (date(2024, 5, 1), date(2024, 5, 1))
    assert triangle.facts_to == date(2024, 5, 31)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_too_few_months_are_an_answer(tmp_path, count):
    books = new_books(tmp_path / "books")
    every = months(count)
    for i in range(count):
        add_month(books, every[i], every[:i])
    view = cohort_forecast_view(account(tmp_path / "books"), horizon=2)
    text = render_text(view)
    if count < 3:
        assert "no_forecast" in {warning.code for warning in view.envelope.warnings}
    assert "nan" not in text.lower()
    assert scorecard_view(account(tmp_path / "books")).tables
    assert render_text(view, "zh")


def test_books_without_users_are_an_answer(tmp_path):
    books = new_books(tmp_path / "books")
    book(books, "activity", [{"user_id": "stray", "day": "2024-01-05"}], covers=(FIRST, date(2024, 2, 29)))
    view = cohort_forecast_view(account(tmp_path / "books"))
    assert view.tables == ()
    assert [w.code for w in view.envelope.warnings][-1] == "no_forecast"
    assert scorecard_view(account(tmp_path / "books")).tables[0].rows == ()


def test_money_is_scored_against_the_ledger(tmp_path):
    """Two users of January pay 30 in January and 10 in March; spend is 20."""
    books = new_books(tmp_path / "books")
    span = (FIRST, date(2024, 3, 31))
    won = [{"user_id": u, "acquired_at": "2024-01-01T00:00:00Z", "channel": "ads"} for u in "ab"]
    book(books, "acquisitions", won, covers=span)
    book(books, "activity", [{"user_id": u, "day": "2024-01-01"} for u in "ab"], covers=span)
    spent = {"day": "2024-01-01", "channel": "ads", "kind": "ads", "amount": "20", "currency": "USD"}
    book(books, "ad_spend", [spent], covers=span)
    gift = {"user_id": "a", "kind": "gift", "currency": "USD"}
    book(books, "payments", [
        {**gift, "at": "2024-01-05T00:00:00Z", "amount": "15"},
        {**gift, "at": "2024-03-05T00:00:00Z", "amount": "10"},
    ], covers=span)  # fmt: skip
    book(books, "usage", [
        {"at": "2024-02-05T00:00:00Z", "provider": "p", "model": "m", "user_id": "stray",
         "uncached_input_tokens": 0, "output_tokens": 0, "requests": 1}
    ], covers=span)  # fmt: skip
    now = BooksNow(account(tmp_path / "books"))
    day = date(2024, 1, 31)
    ltv = Forecast(day, day, "ltv", "m", "ads", "2024-01", 1, 8.0, 7.0, 9.0, 0.8, "USD/user")
    assert now.outcome(ltv) == Came(7.5)
    assert now.outcome(replace(ltv, segment="")) == Came(7.5)
    assert now.outcome(replace(ltv, age=2)) == Came(12.5)
    assert now.outcome(replace(ltv, age=3)) == Pending(date(2024, 4, 1))
    payback = replace(ltv, kind="payback", unit="months", value=3.0, low=2.0, high=None, age=2)
    assert now.outcome(payback) == Came(3.0)
    assert now.outcome(replace(payback, age=1)) == Came(None)
    for other in ({"unit": "CNY/user"}, {"cohort": ""}, {"cohort": "2023-12"}, {"kind": "weather"}):
        assert not isinstance(now.outcome(replace(ltv, **other)), Came | Pending)
