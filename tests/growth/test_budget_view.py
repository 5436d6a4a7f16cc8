"""`breakeven budget` as a person types it and reads it, on generated books."""

from __future__ import annotations

import json
from decimal import Decimal

import numpy as np
import pytest

from breakeven.account.metrics import Missing
from breakeven.cli.main import main
from breakeven.growth.budget.books_offers import NO_CURVE, Plannable, plannable
from breakeven.growth.budget.question import Offer
from breakeven.growth.response.curve import ResponseCurve
from breakeven.ledger.books import open_books
from breakeven.report.views import budget as view
from breakeven.report.views.budget_words import VERDICTS
from breakeven.sources.synthetic.books import write_books
from breakeven.sources.synthetic.plan import CompanyPlan

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
UNKNOWN = Missing("not identified: spend never varied", "无法识别：支出没有变化")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("budget") / "books"
    write_books(CompanyPlan(users=200, seed=5, requests_per_user=3.0), place)
    return place


def curve(name, ceiling, *, today=3000.0, **more):
    random = np.random.default_rng([3, *name.encode()])
    ceilings = ceiling * np.exp(0.1 * random.normal(size=200))
    return ResponseCurve(
        name, "month", ceilings, np.full(200, 4000.0), np.ones(200), today=today,
        observed=(2000.0, 4000.0), **more,
    )  # fmt: skip


def offered(cash=Decimal("50000.00")):
    path = np.cumsum(np.full((100, 12), 5.0), axis=1)
    offers = (
        Offer(curve("douyin", 900), path),
        Offer(curve("bilibili", 300), path),
        Offer(curve("<search>", 200, not_identified=UNKNOWN), path),
    )
    return Plannable(offers, {"brand": (500.0, NO_CURVE)}, cash, "2024-08")


@pytest.fixture
def run(folder, monkeypatch, capsys):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "BREAKEVEN_LANG", "BREAKEVEN_DEBUG", "BREAKEVEN_BOOKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(view, "books_offers", lambda account, **how: offered())

    def running(*arguments):
        capsys.readouterr()
        code = main(["budget", str(folder), *map(str, arguments)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return running


def answer(ran):
    assert ran[0] == 0, ran[2]
    return json.loads(ran[1])


def rows(found, table, key):
    return {row[key]: row for row in found["rows"] if row["table"] == table}


def test_the_plan_in_json(run):
    found = answer(run("--json", "--spend-all"))
    plan = rows(found, "plan", "channel")
    assert list(plan) == ["douyin", "bilibili", "<search>", "brand", "(total)"]
    # Today's spend is the total unless another is named; what has no curve or is not identified stays.
    assert plan["(total)"]["today"] == plan["(total)"]["plan"] == "9500.00"
    assert plan["<search>"]["plan"] == plan["<search>"]["today"] == "3000.00"
    assert (plan["<search>"]["binds"], plan["brand"]["binds"]) == ("fixed", "fixed")
    money = [Decimal(plan[name]["plan"]) for name in ("douyin", "bilibili", "<search>", "brand")]
    assert sum(money) == Decimal("9500.00")
    assert money[0] > 3000 > money[1]
    # Free channels earn the same with their last unit, and λ says how much more than itself.
    summary = rows(found, "summary", "metric")
    assert plan["douyin"]["return_plan"] == plan["bilibili"]["return_plan"] == summary["last_yuan"]["value"]
    assert Decimal(summary["last_yuan"]["value"]) == Decimal(summary["lambda"]["value"]) + 1
    low, gain, high = (Decimal(summary["gain"][key]) for key in ("low", "value", "high"))
    assert 0 < low < gain < high
    assert found["facts"]["verdict"] == "better"
    beyond = Decimal(plan["douyin"]["extrapolated"])
    assert beyond == pytest.approx((money[0] - 4000) / money[0], abs=Decimal("0.00001"))
    assert {warning["code"] for warning in found["warnings"]} >= {"kept", "extrapolated"}


def test_limits_and_what_binds(run):
    asked = ("--at-most", "douyin=4000", "--at-least", "bilibili=1000", "--cash-floor", "42,000",
             "--capacity-users", "100000", "--total", "20000", "--json")  # fmt: skip
    found = answer(run(*asked))
    limits = {(row["limit"], row["channel"]): row for row in found["rows"] if row["table"] == "limits"}
    assert limits["cash_floor", ""]["bound"] == "42000.00"
    assert (limits["cash_floor", ""]["used"], limits["cash_floor", ""]["binds"]) == ("42000.00", "yes")
    assert limits["total", ""]["binds"] == "no"
    assert limits["capacity", ""]["binds"] == "no"
    assert ("outside", "brand") in limits
    assert ("kept", "<search>") in limits


@pytest.mark.parametrize(
    ("objective", "unit"), [("value", "CNY"), ("users", "users"), ("payback", "months")], ids=str
)
def test_each_objective_has_its_unit(run, objective, unit):
    found = answer(run("--objective", objective, "--period", "quarter", "--json"))
    summary = rows(found, "summary", "metric")
    assert summary["gain"]["unit"] == unit
    assert ("payback" in summary) == (objective == "payback")
    assert rows(found, "plan", "channel")["(total)"]["today"] == "28500.00"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_people_read_the_plan(run, language):
    code, out, _ = run("--lang", language)
    assert code == 0
    words = {
        "en": ("kept at today's spend", "better than today's split"),
        "zh": ("维持现有投放", "优于现有比例"),
    }
    for word in words[language]:
        assert word in out
    if language == "zh":
        assert "支出没有变化" in out
        assert "spend never varied" not in out


def test_no_plan_is_an_answer_with_its_reason(run):
    found = answer(run("--total", "1000", "--json"))
    assert found["facts"]["verdict"] == "no_plan"
    # The same amounts as the table of limits: what is kept without a curve is in both.
    assert "take 3,500.00, more than the 1,000.00 that may be spent" in found["rows"][0]["reason"]


@pytest.mark.parametrize("objective", ["value", "users"])
def test_a_channel_that_is_not_identified_has_no_value_at_the_margin(run, objective):
    found = answer(run("--json", "--objective", objective))
    margins = ("marginal_cac_today", "marginal_cac_plan", "return_today", "return_plan")
    row = rows(found, "plan", "channel")["<search>"]
    assert [row[key] for key in margins] == [None] * 4
    assert row["identified"] == "no"
    assert row["cac_today"] is not None
    assert rows(found, "costs", "channel")["<search>"]["marginal_cac_today"] is None
    assert rows(found, "returns", "channel")["<search>"]["return_today"] is None
    assert None not in [rows(found, "plan", "channel")["douyin"][key] for key in margins]


def test_exploring_gives_the_values_marked_and_warned_of(run):
    found = answer(run("--json", "--explore"))
    row = rows(found, "plan", "channel")["<search>"]
    assert row["marginal_cac_today"] is not None
    assert row["identified"] == "no"
    assert {warning["code"] for warning in found["warnings"]} >= {"explored"}
    assert all(warning["zh"] for warning in found["warnings"])


def test_a_channel_whose_users_have_no_known_value_has_costs_but_no_returns(run, monkeypatch):
    why = Missing("no such users", "没有这样的用户")
    unknown = Offer(curve("unworthy", 200), np.zeros((1, 12)), kept=why)
    monkeypatch.setattr(
        view, "books_offers", lambda account, **how: Plannable((*offered().offers, unknown), month="2024-08")
    )
    row = rows(answer(run("--json")), "plan", "channel")["unworthy"]
    assert row["marginal_cac_today"] is not None
    assert (row["value_per_user"], row["return_today"], row["return_plan"]) == (None, None, None)


def test_totals_are_the_same_wherever_they_stand(run):
    found = answer(run("--json", "--total", "8000"))
    total = rows(found, "plan", "channel")["(total)"]["plan"]
    limits = {row["limit"]: row for row in found["rows"] if row["table"] == "limits"}
    assert total == rows(found, "summary", "metric")["spent"]["value"] == limits["total"]["used"]
    channels = [row for name, row in rows(found, "plan", "channel").items() if name != "(total)"]
    assert sum(Decimal(row["plan"]) for row in channels) == Decimal(total)
    assert "500.00 CNY that goes on without a curve" in run()[1]


def test_no_table_of_the_plan_is_wider_than_a_wide_terminal(run):
    for language in ("en", "zh"):
        lines = run("--lang", language)[1].splitlines()
        assert max(len(line) for line in lines if line.startswith("──")) <= 145


def test_the_plan_in_json_keeps_its_keys(run):
    assert list(rows(answer(run("--json")), "plan", "channel")["douyin"]) == [
        "table", "channel", "today", "plan", "change", "users_today", "users_plan", "cac_today", "cac_plan",
        "marginal_cac_today", "marginal_cac_plan", "value_per_user", "return_today", "return_plan", "binds",
        "identified", "extrapolated",
    ]  # fmt: skip


def test_today_is_the_statements_acquisition_spend_of_the_last_whole_month(folder):
    import pyarrow.compute as pc

    from breakeven.account.account import open_account
    from breakeven.account.channel_series import UNATTRIBUTED, channel_series

    account = open_account(open_books(folder))
    rows = account.rollups["ad_spend"]
    without = pc.if_else(pc.equal(rows["channel"], "campus"), None, rows["channel"])
    account.rollups["ad_spend"] = rows.set_column(rows.schema.get_field_index("channel"), "channel", without)
    found = plannable(account, [curve("douyin", 900)], lambda _, channel: (np.ones((5, 12)), np.ones(5)))
    months = [period.first for period in account.buckets.periods]
    last = months.index(channel_series(account, "month").periods[-1].first)
    assert found.spend_today == pytest.approx(float(account.value("acquisition_spend", last)), abs=0.005)
    assert UNATTRIBUTED in found.outside
    assert (found.unknown, found.nothing) == ((), None)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_books_without_a_whole_month_say_so_and_what_to_do(run, folder, monkeypatch, language):
    from dataclasses import replace
    from datetime import timedelta

    from breakeven.account.account import open_account
    from breakeven.account.facts import Buckets
    from breakeven.periods import Period

    account = open_account(open_books(folder))
    first = account.buckets.span.first
    week = replace(account, buckets=Buckets((Period(first, first + timedelta(days=7)),)))
    nothing = plannable(week, [], lambda _, channel: UNKNOWN)
    monkeypatch.setattr(view, "books_offers", lambda account, **how: nothing)
    said = run("--at-least", "douyin=5", "--lang", language)[1]
    wanted = {
        "en": ("no whole calendar month", "import acquisition spend"),
        "zh": ("没有一个完整的自然月", "请导入"),
    }
    for words in wanted[language]:
        assert words in said


def test_books_whose_channels_have_no_curve_name_each(folder):
    from breakeven.account.account import open_account

    found = plannable(open_account(open_books(folder)), [], lambda _, channel: UNKNOWN)
    assert "douyin" in found.outside
    assert "no channel with spend has a response curve" in found.nothing.en


def test_a_cash_floor_without_known_cash(folder, run, monkeypatch):
    nothing = Missing("no funding is recorded", "没有融资记录")
    monkeypatch.setattr(view, "books_offers", lambda account, **how: offered(nothing))
    found = answer(run("--cash-floor", "1", "--json"))
    assert "no funding is recorded" in found["rows"][0]["reason"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--total", "much"), "is not an amount of money"),
        (("--total", "-5"), "is not an amount of money"),
        (("--total", "nan"), "is not an amount of money"),
        (("--at-least", "douyin"), "is not CHANNEL=AMOUNT"),
        (("--at-least", "douyin=1", "--at-least", "douyin=2"), "names douyin twice"),
        (("--at-most", "tv=1"), "there is no channel 'tv'"),
        (("--capacity-users", "5", "--capacity-tokens", "5"), "several serving capacities"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_use_is_refused_in_both_languages(run, arguments, said):
    code, _, err = run(*arguments)
    assert code == 2
    assert said in err
    code, _, err = run(*arguments, "--lang", "zh")
    assert code == 2
    assert said not in err


def test_offers_from_the_books_take_the_last_whole_month_and_name_what_is_left_out(folder):
    from breakeven.account.account import open_account

    account = open_account(open_books(folder))
    curves = [curve("douyin", 900), curve("bilibili", 300)]
    why = Missing("no such users", "没有这样的用户")

    def worth(_, channel):
        return why if channel == "bilibili" else (np.ones((5, 12)), np.ones(5))

    found = plannable(account, curves, worth)
    spent = {line.name: line for line in found.offers}
    assert found.month == "2024-08"
    assert spent["douyin"].kept is None
    assert spent["bilibili"].kept == why
    assert spent["bilibili"].contribution.shape == (1, 12)
    assert spent["douyin"].spend_today(1.0) != 3000.0
    assert "search" in found.outside
    total = sum(float(offer.today or 0) for offer in found.offers) + sum(x for x, _ in found.outside.values())
    assert found.spend_today == pytest.approx(total)
    assert plannable(account, curves, worth, needs_value=False).offers[1].kept is None


def test_the_load_of_a_new_user_is_that_of_the_busiest_day(folder):
    import pyarrow.compute as pc

    from breakeven.account.account import open_account
    from breakeven.growth.budget.capacity import NO_USE, peak_load

    account = open_account(open_books(folder))
    load = peak_load(account, "requests", 99)
    users, by_day = {}, {}
    for row in account.rollups["acquisitions"].to_pylist():
        users[row["channel"]] = users.get(row["channel"], 0) + row["users"]
    for row in account.rollups["usage"].to_pylist():
        if row["cohort"] is not None:
            day = by_day.setdefault(row["day"], {})
            day[row["channel"]] = day.get(row["channel"], 0) + row["requests"]
    busiest = max(by_day.values(), key=lambda found: sum(found.values()))
    assert load[""] == pytest.approx(sum(busiest.values()) / sum(users.values()))
    big = max(users, key=users.get)
    assert load[big] == pytest.approx(busiest[big] / users[big])
    assert {name for name in load if name} == {name for name, count in users.items() if count >= 30}
    assert peak_load(account, "tokens", 99)[""] > load[""]
    account.rollups["usage"] = account.rollups["usage"].filter(pc.field("requests") < 0)
    assert peak_load(account, "requests", 99) == NO_USE


def test_a_capacity_in_requests_binds_in_requests(run, monkeypatch):
    monkeypatch.setattr(view, "peak_load", lambda account, unit, months: {"douyin": 2.0, "": 1.0})
    found = answer(run("--capacity-requests", "600", "--objective", "users", "--json"))
    limits = {row["limit"]: row for row in found["rows"] if row["table"] == "limits"}
    bound = limits["capacity"]
    assert (bound["bound"], bound["used"], bound["unit"], bound["binds"]) == ("600", "600", "requests", "yes")
    assert rows(found, "summary", "metric")["load_price"]["unit"] == "users/request"
    plan = rows(found, "plan", "channel")
    assert Decimal(plan["bilibili"]["plan"]) > Decimal(plan["douyin"]["plan"])


@pytest.mark.slow
def test_the_whole_way_from_books_to_plan(folder, capsys):
    assert main(["budget", str(folder), "--objective", "users", "--explore", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    plan = rows(found, "plan", "channel")
    assert Decimal(plan["(total)"]["plan"]) <= Decimal(plan["(total)"]["today"])
    assert found["facts"]["verdict"] in VERDICTS


def test_spend_that_is_not_known_is_named_beside_todays_total(run, monkeypatch):
    from dataclasses import replace

    monkeypatch.setattr(view, "books_offers", lambda account, **how: replace(offered(), unknown=("tv",)))
    said = [
        warning
        for warning in answer(run("--json"))["warnings"]
        if warning["code"] == "unknown_spend"
        and "not known for tv" in warning["en"]
        and "tv" in warning["zh"]
    ]
    assert len(said) == 1
