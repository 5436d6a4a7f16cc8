"""Demand from a file, a profile and the books: the same hours whoever tells of them, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.account.bookkeeping import book, new_books

from breakeven.errors import BreakevenError, InputError
from breakeven.periods import Period, time_zone
from breakeven.report.phrases import chinese
from breakeven.serving.class_work import ClassWork
from breakeven.serving.estimate import Estimate
from breakeven.serving.fleet.books_demand import books_demand
from breakeven.serving.fleet.demand import HourlyDemand
from breakeven.serving.fleet.demand_file import read_demand
from breakeven.serving.fleet.latency_curve import LatencyCurve
from breakeven.serving.fleet.measured_work import read_served_models
from breakeven.serving.fleet.month import fleet_month
from breakeven.serving.fleet.profile import Profile, read_profile
from breakeven.serving.fleet.served_model import ServedModel
from breakeven.serving.fleet.supply import Rules, Supply

HEAD = "at,model,uncached_input_tokens,cached_input_tokens,output_tokens\n"
START = datetime(2026, 3, 1, tzinfo=UTC)
WORK = ClassWork(Estimate.exact(0.0), Estimate.exact(0.0), Estimate.exact(1e-3))


def refused(call, *words: str) -> None:
    """The call fails with all of these words, and a Chinese reader can read why and what to do."""
    with pytest.raises(BreakevenError) as failure:
        call()
    text = str(failure.value)
    assert all(word in text for word in words), text
    for part in (failure.value.what, failure.value.remedy):
        assert part
        assert any("\u4e00" <= char <= "\u9fff" for char in chinese(part)), part


def written(tmp_path, rows: str):
    path = tmp_path / "demand.csv"
    path.write_text(HEAD + rows, "utf-8")
    return path


def test_a_file_of_hours(tmp_path):
    rows = (
        "2026-03-01T08:00:00+08:00, a, 1, 2, 3\n2026-03-01T00:00Z, b, 4, 5, 6\n"
        "2026-03-01T01:00Z, a, 7, 8, 9\n2026-03-01T01:00Z, b, 0, 0, 0\n"
    )
    found = read_demand(written(tmp_path, rows))
    assert (found.start, found.models) == (START, ("a", "b"))
    assert found.tokens.tolist() == [[[1, 2, 3], [4, 5, 6]], [[7, 8, 9], [0, 0, 0]]]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("2026-03-01T00:00Z,a,1,1,1\n2026-03-01T02:00Z,a,1,1,1\n", ("01:00Z of a is missing", ":3")),
        ("2026-03-01T00:00Z,a,1,1,1\n2026-03-01T00:00Z,a,1,1,1\n", ("repeated", ":3")),
        ("2026-03-01T01:00Z,a,1,1,1\n2026-03-01T00:00Z,a,1,1,1\n", ("not sorted",)),
        ("2026-03-01T00:00Z,a,1,1,1\n2026-03-01T01:30Z,a,1,1,1\n", ("whole number of hours",)),
        ("2026-03-01T00:00:00,a,1,1,1\n", ("no time zone", ":2")),
        ("yesterday,a,1,1,1\n", ("cannot read the time",)),
        ("2026-03-01T00:00Z,a,-1,1,1\n", ("uncached_input_tokens", "'-1'")),
        ("2026-03-01T00:00Z,a,1,,1\n", ("cached_input_tokens", "''")),
        ("2026-03-01T00:00Z,a,1,1,inf\n", ("output_tokens",)),
        ("2026-03-01T00:00Z,a,0,0,0\n", ("no traffic",)),
        ("2026-03-01T00:00Z,a,1,1,1\n2026-03-01T01:00Z,b,1,1,1\n", ("others from",)),
        ("", ("no hours",)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_bad_files_are_refused(tmp_path, rows, words):
    refused(lambda: read_demand(written(tmp_path, rows)), *words)


def test_a_file_without_a_column_is_refused(tmp_path):
    path = tmp_path / "demand.csv"
    path.write_text("at,model,output_tokens\n2026-03-01T00:00Z,a,1\n", "utf-8")
    refused(lambda: read_demand(path), "'uncached_input_tokens' is missing")
    path.write_text("at,uncached_input_tokens,output_tokens\n2026-03-01T00:00Z,2,1\n", "utf-8")
    assert read_demand(path, "v3").tokens.tolist() == [[[2, 0, 1]]]


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-03-30", 24)])
def test_days_on_which_clocks_change(day, hours):
    profile = Profile.of("Europe/Berlin", list(range(1, 25)))
    found = profile.demand({"a": (0.0, 0.0, 24.0)}, Period.parse(day))
    assert found.hours == hours
    local, days = found.local_hours(time_zone("Europe/Berlin"))
    assert set(days) == {date.fromisoformat(day)}
    # Each hour has the factor of the hour the clock shows: 2 o'clock is absent in March, twice in October.
    np.testing.assert_allclose(found.tokens[:, 0, 2], (local + 1) / 12.5)
    assert (local == 2).sum() == {23: 0, 24: 1, 25: 2}[hours]


def test_a_zone_of_half_hours_has_whole_hours():
    found = Profile.of("Asia/Kolkata", [1.0] * 24).demand({"a": (0.0, 0.0, 24.0)}, Period.parse("2026-03-01"))
    assert found.start == datetime(2026, 2, 28, 18, 30, tzinfo=UTC)
    assert found.local_hours(time_zone("Asia/Kolkata"))[0].tolist() == list(range(24))


@given(
    st.lists(st.floats(0, 9), min_size=24, max_size=24).filter(any),
    st.lists(st.floats(0.1, 9), min_size=7, max_size=7),
)
def test_an_average_week_has_seven_average_days(hours, weekdays):
    found = Profile.of("UTC", hours, weekdays).demand(
        {"a": (10.0, 5.0, 1.0)}, Period.parse("2026-03-02..2026-03-08")
    )
    np.testing.assert_allclose(found.total_tokens, [[70.0, 35.0, 7.0]], rtol=1e-9)


def test_profiles_that_cannot_be_used(tmp_path):
    path = tmp_path / "p.yaml"

    def said(text: str):
        path.write_text(text, "utf-8")
        return lambda: read_profile(path)

    ones = "[" + ", ".join(["1"] * 24) + "]"
    refused(said(f"hours: {ones}\n"), "names no time zone")
    refused(said("time_zone: UTC\nhours: [1, 2]\n"), "2 hours")
    refused(said(f"time_zone: UTC\nhours: {ones.replace('1', '0')}\n"), "zero")
    refused(said(f"time_zone: UTC\nhours: {ones}\nweekdays: [1, 1, 1, 1, 1, 1, -1]\n"), "negative")
    found = said(f"time_zone: UTC\nhours: {ones}\ntokens_per_day:\n  a: {{output: 1e9}}\n")()
    assert found.tokens_per_day == {"a": (0.0, 0.0, 1e9)}


def test_fleets_that_cannot_be():
    refused(lambda: HourlyDemand(datetime(2026, 3, 1), ("a",), np.ones((1, 1, 3))), "no time zone")  # noqa: DTZ001
    refused(lambda: HourlyDemand(START, ("a",), np.full((1, 1, 3), -1.0)), "uncached_input tokens of a")
    refused(lambda: HourlyDemand(START, ("a",), np.full((1, 1, 3), np.nan)), "hour 0")
    refused(lambda: HourlyDemand(START, ("a", "a"), np.ones((1, 2, 3))), "twice")
    refused(lambda: HourlyDemand(START, ("a",), np.ones((1, 3))), "shape")
    refused(lambda: Rules(headroom=1.0), "headroom")
    refused(lambda: Rules(spare=-1), "negative")
    refused(lambda: Rules(most_changes=0), "may not change")
    refused(lambda: Supply(on_demand=0), "no GPUs")
    refused(lambda: Supply(owned=8, on_demand=0), "what --owned GPUs cost")
    refused(lambda: Supply(owned=-8), "--owned -8 is below zero")
    refused(lambda: Supply(on_demand_price=float("nan")), "not a price")
    refused(lambda: LatencyCurve.of([1, 2], [0.01], 1), "2 concurrencies")
    refused(lambda: LatencyCurve.of([2, 1], [0.01, 0.01], 1), "not sorted")
    refused(lambda: LatencyCurve.of([1, 2], [0.01, 0.0], 1), "above zero")
    refused(lambda: LatencyCurve.of([1, 2, 4], [0.01, 0.01, 0.04], 3), "outside the latency curve, 1 to 2")
    refused(lambda: ServedModel("a", WORK, 0), "0 GPUs per replica")
    nothing = ClassWork(*[Estimate.exact(0.0)] * 3)
    refused(lambda: ServedModel("a", nothing), "takes any GPU time")


def test_demand_above_the_fleet_needs_a_policy():
    demand = HourlyDemand(START, ("a",), np.array([3.6e6, 3.6e7])[:, None, None] * np.array([0, 0, 1.0]))
    few = {"pool": Supply(owned=4, on_demand=0, owned_price=1.0)}
    model = ServedModel("a", WORK)
    refused(
        lambda: fleet_month(demand, [model], few, Rules(0.0)),
        "1 of 2 hours, in hour 1 by 6.0 GPUs of work over 4.0",
        "too few GPUs",
    )
    many = {"pool": Supply(on_demand_price=1.0)}
    refused(lambda: fleet_month(demand, [model], many, Rules(0.0, follows="load")), "too slowly to follow")
    refused(lambda: fleet_month(demand, [model], few, Rules(0.0), "slow"), "how far a can slow down")
    refused(lambda: fleet_month(demand, [ServedModel("b", WORK)], few), "for a token of a is not known")
    refused(lambda: fleet_month(demand, [model], {"other": few["pool"]}), "'pool' has no GPUs")


def test_models_from_a_file(tmp_path):
    path = tmp_path / "models.yaml"

    def said(more: str):
        path.write_text(f"models:\n  v3:\n    gpu_seconds_per_mtok: {{output: 540}}\n{more}", "utf-8")
        return lambda: read_served_models(path)

    [plain] = said("")()
    assert plain.work.output.value == pytest.approx(540e-6)
    assert (plain.gpus_per_replica, plain.prices_per_mtok, plain.request, plain.curve) == (
        1,
        None,
        None,
        None,
    )
    refused(said("    gpus_per_replica: 1.5\n"), "not a number of GPUs", ":4")
    refused(said("    gpus: 8\n"), "unknown key")
    path.write_text("models:\n  v3:\n    gpu_seconds_per_mtok: {output: [5, 6, 7]}\n", "utf-8")
    refused(lambda: read_served_models(path), "not a middle")


@pytest.fixture
def books(tmp_path):
    found = new_books(tmp_path / "books", time_zone="Asia/Shanghai", serving={"own_providers": ["self"]})
    rows = []
    # Two days of Shanghai: 28 February 16:00 to 2 March 16:00 UTC, one request at half past every hour.
    for hour in range(48):
        at = datetime(2026, 2, 28, 16, 30, tzinfo=UTC) + timedelta(hours=hour)
        rows.append(
            {
                "at": at.isoformat(), "provider": "self", "model": "v3", "requests": 1,
                "uncached_input_tokens": 10 + hour, "cached_input_tokens": 5, "cache_write_tokens": 2,
                "output_tokens": 3,
            }
        )  # fmt: skip
    rows.append({**rows[0], "provider": "openai", "output_tokens": 10**6})
    rows.append({**rows[5], "model": "mini", "output_tokens": 7})
    book(found, "usage", rows)
    return found


def test_the_books_by_hour(books):
    found = books_demand(books)
    assert found.start == datetime(2026, 2, 28, 16, tzinfo=UTC)
    assert (found.hours, found.models) == (48, ("mini", "v3"))
    assert found.tokens[:, 1, 0].tolist() == [12 + hour for hour in range(48)]
    assert set(found.tokens[:, 1, 1]) == {5}
    assert found.tokens[:, 0, 2].sum() == found.tokens[5, 0, 2] == 7
    # Nobody else's GPUs serve what was bought.
    assert found.tokens[:, 1, 2].sum() == 48 * 3
    one = books_demand(books, Period.parse("2026-03-02"), ["v3"])
    assert (one.hours, one.models) == (24, ("v3",))
    assert one.tokens[:, 0, 0].tolist() == [36 + hour for hour in range(24)]


def test_books_that_do_not_say(books, tmp_path):
    refused(lambda: books_demand(books, Period.parse("2026-03")), "does not cover all of 2026-03")
    refused(lambda: books_demand(books, models=["other"]), "no such usage")
    empty = new_books(tmp_path / "empty")
    refused(lambda: books_demand(empty), "hold no usage")
    daily = new_books(tmp_path / "daily")
    rows = [
        {"at": f"2026-03-0{day}T00:00:00Z", "provider": "self", "model": "v3", "uncached_input_tokens": 1,
         "output_tokens": 1}
        for day in (1, 2, 3)
    ]  # fmt: skip
    book(daily, "usage", rows)
    refused(lambda: books_demand(daily), "3 hours of 3 days")


def test_input_errors_are_bad_data():
    with pytest.raises(InputError) as failure:
        Supply(on_demand=0)
    assert failure.value.exit_code == 3
