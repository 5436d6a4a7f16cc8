"""The serving chapter: what own tokens cost, who bears the fleet, and nothing for books without one."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from tests.account.bookkeeping import book, new_books

from breakeven.account.account import open_account
from breakeven.account.facts import Buckets
from breakeven.account.own_tokens import own_tokens
from breakeven.account.usage import CLASSES
from breakeven.errors import UsageError
from breakeven.ledger.books import open_books
from breakeven.ledger.class_costs import CLASSES as CLASS_NAMES
from breakeven.ledger.class_costs import ClassCostEntry, ClassCosts, GpuSeconds
from breakeven.periods import Period
from breakeven.report.figures import Bars, Lines
from breakeven.report.html import render_report
from breakeven.report.view_model import Label, Table
from breakeven.report.views.report_page import report_page
from breakeven.report.views.serving_chapter import serving_sections, serving_view
from breakeven.serving.books_day import fleet_day
from breakeven.serving.books_traffic import books_traffic
from breakeven.sources.synthetic.books import write_books
from breakeven.sources.synthetic.plan import CompanyPlan

pytestmark = pytest.mark.filterwarnings("ignore")
KNOWN = datetime(2024, 8, 1, tzinfo=UTC)
MODELS = ("assistant-8k", "assistant-32k", "assistant-128k")


def entry(model, seconds=0.02, low=0.75, high=1.3, **more):
    by_class = {
        name: GpuSeconds.of(seconds * share, seconds * share * low, seconds * share * high)
        for name, share in zip(CLASS_NAMES, (1, 0.1, 1, 5), strict=True)
    }
    return ClassCostEntry(KNOWN, date(2024, 1, 1), "self", model, by_class, gpu="h800", **more)


def with_costs(account, *entries):
    return replace(account, class_costs=ClassCosts(entries))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    place = tmp_path_factory.mktemp("serving") / "books"
    write_books(CompanyPlan(users=200, months=2, seed=5, requests_per_user=25.0), place)
    return open_account(open_books(place))


@pytest.fixture(scope="module")
def recorded(plain):
    return with_costs(plain, *(entry(model) for model in MODELS))


def blocks_of(account):
    [section] = serving_sections(account)
    assert section.id == "serving"
    return {getattr(block, "id", "text"): block for block in section.blocks}


def amounts(figure, key):
    return next(series.values for series in figure.series if series.key == key)


# --- without class costs --------------------------------------------------------------------------------


def test_without_class_costs_the_chapter_says_what_it_assumes_and_what_would_replace_it(plain):
    blocks = blocks_of(plain)
    assert "`breakeven serving record BOOKS" in blocks["text"].en
    assert "serving record BOOKS" in blocks["text"].zh
    assert "serving_class_cost" not in blocks, "there is neither an interval nor GPU time to show"
    fleet = blocks["serving_fleet_chart"]
    assert [series.key for series in fleet.series] == ["undivided"], "idle time is unknown, which is not zero"
    assert fleet.series[0].values == tuple(plain.facts.get("gpu_cost", month) for month in range(2))


def test_weights_are_the_proportion_of_the_bars(plain):
    month = open_account(plain.books, period=Period.parse("2024-04"))
    chart, weights = blocks_of(month)["serving_class_cost_chart"], plain.usage.weights
    for position in range(len(chart.categories)):
        computed = amounts(chart, CLASSES[0])[position]
        for name in CLASSES[1:]:
            ratio = float(weights[name] / weights[CLASSES[0]])
            assert float(amounts(chart, name)[position] / computed) == pytest.approx(ratio, rel=1e-3)


# --- with class costs -----------------------------------------------------------------------------------


def test_served_and_idle_are_the_bill_month_by_month(recorded):
    fleet = blocks_of(recorded)["serving_fleet_chart"]
    assert fleet.stacked
    for month in range(2):
        bill = recorded.facts.get("gpu_cost", month)
        assert amounts(fleet, "served")[month] + amounts(fleet, "idle")[month] == bill
        assert amounts(fleet, "idle")[month] > 0


def test_tokens_bear_what_is_not_idle(recorded):
    borne = sum(one.cost for one in own_tokens(recorded))
    idle = sum(split.idle for split in recorded.fleet_splits)
    assert borne + idle == sum(split.cost for split in recorded.fleet_splits)
    counted = sum(one.tokens for one in own_tokens(recorded))
    assert counted == sum(
        cost.counts[name] for cost in recorded.usage.by("provider") if cost.is_own for name in CLASSES
    )


def test_the_interval_is_that_of_the_gpu_seconds(recorded):
    for one in own_tokens(recorded):
        assert float(one.low / one.cost) == pytest.approx(0.75)
        assert float(one.high / one.cost) == pytest.approx(1.3)
        assert one.bases == {"modelled"}
    table = blocks_of(recorded)["serving_class_cost"]
    row = next(row for row in table.rows if row["token_class"] == "output_tokens")
    assert row["gpu_seconds_per_mtok"] == 100_000
    assert row["cost_low"] < row["cost_per_mtok"] < row["cost_high"]


def test_derated_tokens_take_the_longer_time(plain):
    derated = with_costs(plain, *(entry(model, decode_derate=Decimal("0.8")) for model in MODELS))
    seconds = {
        row["token_class"]: row["gpu_seconds_per_mtok"]
        for row in blocks_of(derated)["serving_class_cost"].rows
    }
    assert seconds["output_tokens"] == 125_000
    assert seconds["uncached_input_tokens"] == 20_000


def test_more_work_than_hours_has_no_interval_and_no_idle_time(plain):
    over = with_costs(plain, *(entry(model, seconds=50.0) for model in MODELS))
    assert all(one.low is None and one.high is None for one in own_tokens(over))
    blocks = blocks_of(over)
    assert amounts(blocks["serving_fleet_chart"], "idle") == (0, 0)
    assert {row["state"] for row in blocks["serving_fleet_hours"].rows} == {"over"}


def test_models_without_class_costs_rest_on_weights_and_say_so(plain):
    mixed = with_costs(plain, entry("assistant-8k"))
    table = blocks_of(mixed)["serving_class_cost"]
    bases = {(row["model"], row["basis"]) for row in table.rows}
    assert bases == {
        ("assistant-8k", "modelled"), ("assistant-32k", "weights"), ("assistant-128k", "weights"),
    }  # fmt: skip
    for row in table.rows:
        assert (row["cost_low"] is None) == (row["basis"] == "weights")
        assert row["cost_per_mtok"] is not None
    assert "assistant-128k, assistant-32k" in blocks_of(mixed)["serving_day"].note.en


def test_a_lease_without_hours_gives_proportions_and_no_idle_time(tmp_path):
    books = new_books(tmp_path / "books", serving={"own_providers": ["self"]})
    lease = {
        "vendor": "cloud", "category": "gpu", "period_start": "2024-03-01", "period_end": "2024-04-01",
        "amount": "600.00", "currency": "USD",
    }  # fmt: skip
    book(books, "bills", [lease], covers=(date(2024, 3, 1), date(2024, 3, 31)))
    used = {"at": "2024-03-05T12:30:00Z", "user_id": "u", "product": "app", "provider": "self", "requests": 1,
            "uncached_input_tokens": 1_000_000, "cached_input_tokens": 0, "cache_write_tokens": 0,
            "output_tokens": 0}  # fmt: skip
    rows = [{**used, "model": "small"}, {**used, "model": "large"}]
    book(books, "usage", rows, covers=(date(2024, 3, 1), date(2024, 3, 31)))
    account = open_account(open_books(books.folder))
    blocks = blocks_of(with_costs(account, entry("small", seconds=0.001), entry("large", seconds=0.002)))
    assert "idle time is not known" in blocks["text"].en
    fleet = blocks["serving_fleet_chart"]
    assert amounts(fleet, "undivided") == (Decimal("600.00"),)
    assert fleet.title.en.endswith("not known")
    costs = {row["model"]: row for row in blocks["serving_class_cost"].rows}
    assert (costs["small"]["cost_per_mtok"], costs["large"]["cost_per_mtok"]) == (200, 400)
    assert costs["small"]["cost_low"] is None, "a share of a bill has no interval of GPU-seconds"
    assert "serving_fleet_hours" not in blocks


def test_hours_and_money_of_the_fleet_are_two_tables(recorded):
    blocks = blocks_of(recorded)
    hours, money = blocks["serving_fleet_hours"], blocks["serving_fleet_money"]
    assert "pool" not in {column.key for column in hours.columns}, "one pool needs no name"
    for row in money.rows:
        assert row["bill"] == row["at_benchmark"] + row["derate"] + row["idle"] + row["unexplained"]
    assert [row["state"] for row in hours.rows] == ["fits", "fits"]


def test_margins_are_at_list_price_and_sum_to_the_bill(recorded):
    table = blocks_of(recorded)["serving_margin"]
    *lines, total = table.rows
    assert table.emphasis == {len(lines)}
    bill = sum(recorded.facts.get("gpu_cost", month) for month in range(2))
    assert sum(row["fleet"] for row in lines) == total["fleet"] == bill
    assert {row["model"] for row in lines} == {*MODELS, "(idle fleet)"}
    for row in lines:
        if row["model"] == "(idle fleet)":
            assert row["margin"] is row["list_per_mtok"] is row["tokens"] is None
        else:
            listed = row["usage_at_list_price"]
            assert row["margin"] == pytest.approx((listed - row["fleet"]) / listed, abs=Decimal("1e-6"))


# --- hours of the day -----------------------------------------------------------------------------------


def one_day(folder):
    """Two GPUs till noon and one after it; at 12:30 a request that keeps one GPU busy for half an hour."""
    books = new_books(folder / "books", serving={"own_providers": ["self"]})
    gpu = {"pool": "main", "gpu": "h800", "price_per_gpu_hour": "3.6", "currency": "USD"}
    days = range(1, 32)
    book(books, "capacity", [
        {"at": f"2024-03-{day:02}T{hour:02}:00:00Z", "count": count, **gpu}
        for day in days for hour, count in ((0, 2), (12, 1))
    ])  # fmt: skip
    usage = [
        {"at": f"2024-03-{day:02}T{hour:02}:30:00Z", "user_id": "u", "product": "app", "provider": "self",
         "model": "large", "requests": 1, "uncached_input_tokens": tokens, "cached_input_tokens": 0,
         "cache_write_tokens": 0, "output_tokens": 0}
        for day in days for hour, tokens in ((12, 1_800_000), (20, 18_000 if day == 31 else 0), (21, 1))
    ]  # fmt: skip
    book(books, "usage", usage, covers=(date(2024, 3, 1), date(2024, 3, 31)))
    return open_account(open_books(books.folder))


def test_the_hours_of_a_day_by_hand(tmp_path):
    account = with_costs(one_day(tmp_path), entry("large", seconds=0.001, low=0.5, high=2.0))
    day = fleet_day(account)
    assert day.month.label == "2024-03"
    assert day.held.tolist() == [2.0] * 12 + [1.0] * 12
    middle, low, high = day.busy
    assert (middle[12], low[12], high[12]) == pytest.approx((0.5, 0.25, 1.0))
    assert middle[20] == pytest.approx(0.005 / 31)
    assert day.busiest[20] == pytest.approx(0.005)
    assert middle[3] == 0.0
    assert day.left_out == ()
    figure = next(block for block in serving_sections(account)[0].blocks if isinstance(block, Lines))
    assert figure.categories[12] == Label("12:00", "12:00")
    assert amounts(figure, "busy")[20] == Decimal("0.000161"), "little is not nothing"
    assert amounts(figure, "held")[:13] == (Decimal(2),) * 12 + (Decimal(1),)


def test_a_day_of_others_or_without_class_costs_is_not_drawn(tmp_path):
    account = one_day(tmp_path)
    assert fleet_day(account) is None
    assert fleet_day(with_costs(account, entry("another"))) is None


# --- whom it is for -------------------------------------------------------------------------------------


def test_books_without_own_gpus_have_no_chapter(plain):
    settings = replace(plain.books.settings, own_providers=())
    account = replace(plain, books=replace(plain.books, settings=settings))
    assert serving_sections(account) == []
    assert "serving" not in {section.id for section in report_page(account).sections}
    with pytest.raises(UsageError, match="no tokens on own GPUs"):
        serving_view(account)


def test_the_page_has_the_chapter_in_both_languages_and_stays_offline(recorded):
    html = render_report(report_page(recorded))
    assert 'id="serving"' in html
    for text in ("What a token costs to serve", "每个词元的服务成本", "Load against fleet", "空闲算力"):
        assert text in html
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert not re.findall(r'(?:src|href)="https?://', html)


def test_the_view_holds_the_same_tables_as_the_chapter(recorded):
    view = serving_view(recorded)
    [section] = serving_sections(recorded)
    drawn = [block for block in section.blocks if isinstance(block, Table | Bars | Lines)]
    assert [table.id for table in view.tables] == [block.id for block in drawn]
    assert view.tables[0].note == section.blocks[0]
    assert view.envelope.synthetic


def test_one_token_costs_its_seconds_at_the_months_price(tmp_path):
    account = with_costs(one_day(tmp_path), entry("large", seconds=0.001))
    [one] = own_tokens(account)
    # 3.60 a GPU-hour is a thousandth a second: a token of a thousandth of a second costs a millionth.
    assert one.cost == Fraction(one.tokens, 10**6)


# --- cost against latency -------------------------------------------------------------------------------


def promised(model, tpot, seconds=0.00002, **more):
    said = {"architecture": "qwen3-32b", "ttft_seconds": Decimal(2), "tpot_seconds": Decimal(tpot)}
    return entry(model, seconds=seconds, **(said | more))


def test_the_frontier_is_at_the_months_price_with_todays_cost_marked(plain):
    account = with_costs(plain, promised("assistant-8k", "0.05"), promised("assistant-32k", "0.035"))
    figure = blocks_of(account)["serving_frontier"]
    assert " ".join(label.en for label in figure.categories) == "10 15 20 30 35 40 50 75 100 150"
    assert {(mark.position, mark.label.en) for mark in figure.marks} == {(4, "today"), (6, "today")}
    first, second = (series for series in figure.series if series.key.endswith("recorded"))
    assert first.key.startswith("assistant-32k"), "models are in the order of their names"
    for series, at in ((first, 4), (second, 6)):
        assert [position for position, value in enumerate(series.values) if value is not None] == [at]
    curve = [value for value in figure.series[0].values if value is not None]
    assert curve == sorted(curve, reverse=True), "a slower promise costs no more"
    assert "2024-04" in figure.note.en
    assert "2024-04" in figure.note.zh


def test_todays_cost_by_hand(plain):
    """Each token of the mix at its recorded seconds, at the price of an hour."""
    account = with_costs(plain, promised("assistant-8k", "0.05"))
    figure = blocks_of(account)["serving_frontier"]
    month = replace(account, buckets=Buckets((account.buckets.periods[-1],)))
    traffic = books_traffic(month, "self", "assistant-8k")
    held = [row for row in account.fleet if row.day >= month.buckets.span.first]
    price = sum(float(row.cost) for row in held) / sum(float(row.gpu_hours) for row in held)
    seconds = 0.00002 * (
        traffic.uncached_input_tokens + 0.1 * traffic.cached_input_tokens + 5 * traffic.output_tokens
    )
    tokens = traffic.input_tokens + traffic.output_tokens
    [value] = [value for value in figure.series[-1].values if value is not None]
    assert float(value) == pytest.approx(seconds / tokens * 1e6 / 3_600 * price, rel=1e-3)


@pytest.mark.parametrize(
    "more", [{"architecture": ""}, {"architecture": "my-own"}, {"gpu": ""}, {"tpot_seconds": None}], ids=str
)
def test_no_frontier_of_what_is_not_known(plain, more):
    one = replace(promised("assistant-8k", "0.05"), **more)
    assert "serving_frontier" not in blocks_of(with_costs(plain, one))
