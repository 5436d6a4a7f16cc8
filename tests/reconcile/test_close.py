"""Closing by hand: what is frozen, what comes later as an entry and for which cause, what is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from tests.account.bookkeeping import book, write_card

from breakeven.account import catalogue
from breakeven.account.metrics import Missing, Named, Node
from breakeven.errors import BooksError, UsageError
from breakeven.ledger.books import open_books
from breakeven.ledger.closings import Closings
from breakeven.ledger.settings import FILE_NAME
from breakeven.reconcile.close import (
    close_month,
    late_commits,
    prepare,
    reopen_month,
    restate_month,
    verify,
)
from breakeven.reconcile.closing_conditions import Condition

from .closing_books import (
    AUGUST,
    FX,
    JULY,
    SEPTEMBER,
    bill,
    card,
    close,
    entries,
    frozen_bytes,
    gift,
    opened,
    stated,
    two_months,
    usage,
    whole,
)

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")


@pytest.fixture
def books(tmp_path):
    return two_months(tmp_path / "books")


@pytest.fixture
def closed(books):
    """July and August are closed."""
    close(books, JULY, AUGUST)
    return books


def failing(conditions) -> dict[str, Condition]:
    return {condition.id: condition for condition in conditions if condition.state == "fail"}


# --- What is frozen ---------------------------------------------------------------------------------------


def test_a_closing_states_every_metric_and_what_it_rests_on(closed):
    closing = Closings(closed.folder).revision(AUGUST)
    figures = {metric["id"]: metric for metric in closing.statement["metrics"]}
    assert figures.keys() == catalogue.METRICS.keys()
    said = {name: figures[name]["value"] for name in ("revenue", "inference_api_cost", "cloud_cost")}
    assert said == {"revenue": "20.00", "inference_api_cost": "2.00", "cloud_cost": "31.00"}
    assert figures["operating_result"]["value"] == "-13.00"
    assert (figures["mau"]["value"], figures["mau"]["why_en"]) == (None, "no activity data covers 2024-08")
    assert closing.basis["tables"]["usage"] == 1
    assert {one["name"] for one in closing.basis["cards"] if one["layer"] == "prices"} == {"outside.yaml"}
    assert any(one["layer"] == "shipped" for one in closing.basis["cards"])


def test_a_closed_month_verifies_byte_for_byte(closed):
    for month in (JULY, AUGUST):
        verdict = verify(open_books(closed.folder), month)
        assert (verdict.is_intact, verdict.is_same, verdict.differences) == (True, True, ())


def test_the_statement_holds_no_path_and_no_clock(closed):
    text = Closings(closed.folder).revision(JULY).read("statement.json").decode()
    assert str(closed.folder) not in text
    assert str(datetime.now(UTC).year) not in text


# --- What comes later ------------------------------------------------------------------------------------


def test_late_usage_is_an_entry_in_the_open_month(closed):
    before = frozen_bytes(closed)
    book(closed, "usage", [usage("2024-07-20", 4)])
    assert frozen_bytes(closed) == before
    assert stated(closed, "inference_api_cost") == {"2024-07": "3.00", "2024-08": "2.00"}
    assert entries(closed, "inference_api_cost", "uncached_input_tokens", "requests") == [
        ("2024-07", "inference_api_cost", "late_facts", "3.00", "7.00", "4.00"),
        ("2024-07", "requests", "late_facts", "1", "2", "1"),
        ("2024-07", "uncached_input_tokens", "late_facts", "3000000", "7000000", "4000000"),
    ]
    [late] = late_commits(open_books(closed.folder), Closings(closed.folder).revision(JULY))
    assert (late["table"], late["kind"], late["rows"]) == ("usage", "import", 1)


def test_the_open_month_shows_its_own_figures_and_the_entries(closed):
    book(closed, "usage", [usage("2024-07-20", 4)])
    book(closed, "usage", [usage("2024-09-10", 5)], covers=whole(SEPTEMBER))
    assert stated(closed, "inference_api_cost") == {"2024-07": "3.00", "2024-08": "2.00", "2024-09": "9.00"}
    account = opened(closed)
    assert account.live_value("inference_api_cost", 2) == Decimal("5.00")
    assert account.total("inference_api_cost") == Decimal("14.00") == Decimal(3 + 4 + 2 + 5)
    assert account.value("tokens", 2) == 9_000_000


def test_a_late_payment_and_a_late_refund(closed):
    refund = gift("2024-08-09", "3", kind="refund")
    book(closed, "payments", [gift("2024-07-31", "7"), refund])
    assert entries(closed, "gift_revenue", "refunds", "cash_in") == [
        ("2024-07", "gift_revenue", "late_facts", "10.00", "17.00", "7.00"),
        ("2024-07", "cash_in", "late_facts", "10.00", "17.00", "7.00"),
        ("2024-08", "refunds", "late_facts", "0.00", "-3.00", "-3.00"),
        ("2024-08", "cash_in", "late_facts", "20.00", "17.00", "-3.00"),
    ]
    assert stated(closed, "revenue") == {"2024-07": "10.00", "2024-08": "20.00"}


def test_a_corrected_row_is_an_entry_of_the_difference(tmp_path):
    books = two_months(tmp_path / "books")
    book(books, "usage", [usage("2024-07-09", 1, source_id="fix-me")])
    close(books, JULY)
    book(books, "usage", [usage("2024-07-09", 6, source_id="fix-me")])
    assert entries(books, "inference_api_cost") == [
        ("2024-07", "inference_api_cost", "late_facts", "4.00", "9.00", "5.00")
    ]
    verdict = verify(open_books(books.folder), JULY)
    assert verdict.is_same


def test_a_batch_that_is_undone_is_an_entry_too(books):
    batch = book(books, "usage", [usage("2024-07-09", 1)])
    close(books, JULY)
    open_books(books.folder).undo(batch)
    assert entries(books, "inference_api_cost") == [
        ("2024-07", "inference_api_cost", "late_facts", "4.00", "3.00", "-1.00")
    ]
    [late] = late_commits(open_books(books.folder), Closings(books.folder).revision(JULY))
    assert late["kind"] == "undo"
    assert verify(open_books(books.folder), JULY).is_same


def test_one_late_bill_that_spans_two_closed_months(closed):
    """62 days of July and August at 1 a day: 31 each."""
    book(closed, "bills", [bill("62", "2024-07-01", "2024-09-01", "payroll")])
    assert entries(closed, "payroll_cost") == [
        ("2024-07", "payroll_cost", "late_facts", "0.00", "31.00", "31.00"),
        ("2024-08", "payroll_cost", "late_facts", "0.00", "31.00", "31.00"),
    ]


def test_a_changed_price_card_changes_nothing_closed(closed):
    before = frozen_bytes(closed)
    write_card(closed, "outside", card("1.5"))
    assert frozen_bytes(closed) == before
    assert stated(closed, "inference_api_cost") == {"2024-07": "3.00", "2024-08": "2.00"}
    assert entries(closed, "inference_api_cost") == [
        ("2024-07", "inference_api_cost", "prices", "3.00", "4.50", "1.50"),
        ("2024-08", "inference_api_cost", "prices", "2.00", "3.00", "1.00"),
    ]
    assert verify(open_books(closed.folder), JULY).is_same


def test_late_usage_and_a_new_price_are_told_apart(closed):
    """One more Mtok at the frozen price of 1, then all four Mtok dearer by 0.5."""
    book(closed, "usage", [usage("2024-07-20", 1)])
    write_card(closed, "outside", card("1.5"))
    assert entries(closed, "inference_api_cost")[:2] == [
        ("2024-07", "inference_api_cost", "late_facts", "3.00", "4.00", "1.00"),
        ("2024-07", "inference_api_cost", "prices", "4.00", "6.00", "2.00"),
    ]


def test_a_price_that_changes_within_the_day_needs_rollups_of_its_own(closed):
    """The grid of prices differs now; what the frozen card says is still computed on the frozen grid."""
    book(closed, "usage", [usage("2024-07-20", 1)])
    night = card("1").replace(
        "output: 2}", 'output: 2}, windows: [{name: noon, from: "11:00", to: "13:00", multiplier: 3}]'
    )
    write_card(closed, "outside", night)
    assert entries(closed, "inference_api_cost") == [
        ("2024-07", "inference_api_cost", "late_facts", "3.00", "4.00", "1.00"),
        ("2024-07", "inference_api_cost", "prices", "4.00", "12.00", "8.00"),
        ("2024-08", "inference_api_cost", "prices", "2.00", "6.00", "4.00"),
    ]


def test_a_shipped_card_may_go_without_changing_what_is_closed(tmp_path, monkeypatch):
    from breakeven.account import frozen
    from breakeven.pricing import price_book

    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "outside-shipped.yaml").write_text(card("1"))
    for module in (frozen, price_book):
        monkeypatch.setattr(module, "SHIPPED_FOLDER", shipped)
    books = two_months(tmp_path / "books")
    (books.folder / "prices" / "outside.yaml").unlink()
    close(books, JULY)
    (shipped / "outside-shipped.yaml").write_text(card("2"))
    assert stated(books, "inference_api_cost", period=None)["2024-07"] == "3.00"
    assert entries(books, "inference_api_cost") == [
        ("2024-07", "inference_api_cost", "prices", "3.00", "6.00", "3.00")
    ]
    assert verify(open_books(books.folder), JULY).is_same


def test_changed_exchange_rates_are_an_entry(tmp_path):
    books = two_months(tmp_path / "books")
    write_card(books, "outside", card("10", "CNY"))
    rates = books.folder / "fx.csv"
    rates.write_text(FX + "2024-07-15,CNY,USD,0.1,bank\n2024-08-15,CNY,USD,0.1,bank\n")
    close(books, JULY, AUGUST)
    assert stated(books, "inference_api_cost") == {"2024-07": "3.00", "2024-08": "2.00"}
    rates.write_text(FX + "2024-07-15,CNY,USD,0.2,bank\n2024-08-15,CNY,USD,0.1,bank\n")
    assert stated(books, "inference_api_cost") == {"2024-07": "3.00", "2024-08": "2.00"}
    assert entries(books, "inference_api_cost") == [
        ("2024-07", "inference_api_cost", "prices", "3.00", "6.00", "3.00")
    ]
    assert verify(open_books(books.folder), JULY).is_same


def test_a_changed_setting_is_an_entry(closed):
    """With `outside` declared as our own fleet, its usage is no longer bought."""
    path = closed.folder / FILE_NAME
    path.write_text(path.read_text().replace("own_providers = []", 'own_providers = ["outside"]'))
    assert stated(closed, "inference_api_cost") == {"2024-07": "3.00", "2024-08": "2.00"}
    assert ("2024-07", "inference_api_cost", "prices", "3.00", "0.00", "-3.00") in entries(closed)
    assert verify(open_books(closed.folder), JULY).is_same


def test_a_changed_time_zone_is_an_entry(tmp_path):
    """A bill knows only days, funding knows moments: noon of 31 August UTC is September in Auckland."""
    books = two_months(tmp_path / "books")
    fund = {"at": "2024-08-31T13:00:00Z", "kind": "equity", "amount": "100", "currency": "USD"}
    book(books, "funding", [fund])
    close(books, JULY, AUGUST)
    path = books.folder / FILE_NAME
    path.write_text(path.read_text().replace('time_zone = "UTC"', 'time_zone = "Pacific/Auckland"'))
    assert stated(books, "funding_cash")["2024-08"] == "100.00"
    assert entries(books, "funding_cash") == [
        ("2024-08", "funding_cash", "prices", "100.00", "0.00", "-100.00")
    ]


def test_a_changed_metric_tree_changes_nothing_closed(closed, monkeypatch):
    metrics = catalogue.METRICS
    tree = metrics["gross_profit"].node
    assert isinstance(tree, Node)
    other = replace(metrics["gross_profit"], node=metrics["revenue"].node)
    monkeypatch.setitem(metrics, "gross_profit", other)
    assert stated(closed, "gross_profit") == {"2024-07": "7.00", "2024-08": "-13.00"}
    verdict = verify(open_books(closed.folder), JULY)
    assert (verdict.is_same, verdict.same_definitions) == (False, False)
    assert ("metrics.gross_profit.value", "7.00", "10.00") in verdict.differences


def test_a_changed_definition_of_a_measure_is_an_entry_of_its_own(closed, monkeypatch):
    from breakeven.account import booking

    book(closed, "payments", [gift("2024-07-20", "1")])
    plain = booking._payments

    def doubled(account):
        values = plain(account)
        return values | {"gift_revenue": [amount * 2 for amount in values["gift_revenue"]]}

    monkeypatch.setattr(booking, "_payments", doubled)
    # A release with other code has another digest of its definitions; here only the tree can show it.
    monkeypatch.setitem(catalogue.METRICS, "revenue", replace(catalogue.METRICS["revenue"], unit="money/x"))
    assert stated(closed, "gift_revenue") == {"2024-07": "10.00", "2024-08": "20.00"}
    assert entries(closed, "gift_revenue") == [
        ("2024-07", "gift_revenue", "definitions", "10.00", "20.00", "10.00"),
        ("2024-07", "gift_revenue", "late_facts", "20.00", "22.00", "2.00"),
        ("2024-08", "gift_revenue", "definitions", "20.00", "40.00", "20.00"),
    ]


def test_a_metric_defined_later_is_computed_from_what_was_frozen(closed, monkeypatch):
    revenue = catalogue.METRICS["revenue"]
    new = replace(revenue, id="twice", node=Named("revenue", revenue.node) + Named("revenue", revenue.node))
    monkeypatch.setitem(catalogue.METRICS, "twice", new)
    book(closed, "payments", [gift("2024-07-20", "1")])
    assert stated(closed, "twice") == {"2024-07": "20.00", "2024-08": "40.00"}


def test_a_figure_that_is_lost_stays_as_closed_and_says_so(closed):
    (closed.folder / "prices" / "outside.yaml").unlink()
    assert stated(closed, "inference_api_cost") == {"2024-07": "3.00", "2024-08": "2.00"}
    lost = entries(closed, "inference_api_cost")
    assert lost[0] == ("2024-07", "inference_api_cost", "prices", "3.00", "None", "0")


def test_distinct_users_are_frozen_and_never_booked(books):
    rows = [{"user_id": "u1", "day": "2024-07-03"}]
    book(books, "activity", rows, covers=whole(JULY))
    close(books, JULY)
    book(books, "activity", [{"user_id": "u2", "day": "2024-07-04"}])
    assert stated(books, "mau")["2024-07"] == "1"
    assert entries(books, "mau") == []
    assert entries(books, "user_days") == [("2024-07", "user_days", "late_facts", "1", "2", "1")]


def test_forgetting_a_person_leaves_closed_months_as_they_are(closed):
    from breakeven.ledger.forget import forget

    before = frozen_bytes(closed)
    assert not forget(open_books(closed.folder), "u1").is_nobody
    assert frozen_bytes(closed) == before
    assert stated(closed, "gift_revenue") == {"2024-07": "10.00", "2024-08": "20.00"}
    assert entries(closed) == []
    # The files that named the person are gone, and with them the proof; the statement stands.
    verdict = verify(open_books(closed.folder), JULY)
    assert (verdict.is_intact, verdict.is_same) == (True, False)
    assert isinstance(verdict.failure, BooksError)


def test_two_processes_close_a_month_once(books):
    script = "from breakeven.cli.main import main; import sys; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", script, "close", str(books.folder), "2024-07"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    for process in both:
        process.communicate()
    assert sorted(process.returncode for process in both)[0] == 0
    assert [entry.action for entry in Closings(books.folder).log()] == ["close"]
    assert verify(open_books(books.folder), JULY).is_same


# --- Booked once -----------------------------------------------------------------------------------------


@pytest.fixture
def booked(closed):
    """August and July are closed; 4 late Mtok of July are booked in September, which is closed too."""
    book(closed, "usage", [usage("2024-07-20", 4)])
    book(closed, "usage", [usage("2024-09-10", 5)], covers=whole(SEPTEMBER))
    book(closed, "payments", [gift("2024-09-10", "1")], covers=whole(SEPTEMBER))
    book(closed, "bills", [bill("30", "2024-09-01", "2024-10-01")], covers=whole(SEPTEMBER))
    close(closed, SEPTEMBER)
    return closed


def test_an_entry_is_booked_once(booked):
    assert stated(booked, "inference_api_cost")["2024-09"] == "9.00"
    assert entries(booked) == []
    statement = Closings(booked.folder).revision(SEPTEMBER).statement
    assert [entry["amount"] for entry in statement["adjustments"] if entry["metric"] == "requests"] == ["1"]
    assert verify(open_books(booked.folder), SEPTEMBER).is_same
    book(booked, "usage", [usage("2024-07-21", 1)])
    assert entries(booked, "inference_api_cost") == [
        ("2024-07", "inference_api_cost", "late_facts", "7.00", "8.00", "1.00")
    ]


def test_a_restated_month_takes_back_what_was_booked_for_it(booked):
    prepared = prepare(open_books(booked.folder), JULY, again=True)
    restate_month(prepared, reason="usage of the 20th was missing")
    assert stated(booked, "inference_api_cost")["2024-07"] == "7.00"
    assert entries(booked, "inference_api_cost") == [
        ("2024-07", "inference_api_cost", "restated", "11.00", "7.00", "-4.00")
    ]
    closings = Closings(booked.folder)
    first = {m["id"]: m["value"] for m in closings.revision(JULY, 1).statement["metrics"]}
    assert first["inference_api_cost"] == "3.00"
    assert closings.revision(JULY).revision == 2
    last = closings.log()[-1]
    assert (last.action, last.reason, last.former) == (
        "restate", "usage of the 20th was missing", closings.revision(JULY, 1).digest
    )  # fmt: skip
    # Restating September too clears the entry it had booked.
    restate_month(prepare(open_books(booked.folder), SEPTEMBER, again=True), reason="follows July")
    assert stated(booked, "inference_api_cost") == {"2024-07": "7.00", "2024-08": "2.00", "2024-09": "5.00"}
    assert entries(booked) == []
    assert closings.damages() == []
    assert verify(open_books(booked.folder), JULY, 1).is_same


def test_reopening_is_for_the_last_month_and_is_logged(booked):
    opened_books = open_books(booked.folder)
    with pytest.raises(UsageError, match="only the last closed month can be reopened, and that is 2024-09"):
        reopen_month(opened_books, JULY, reason="no")
    with pytest.raises(UsageError, match="a reason is required"):
        reopen_month(opened_books, SEPTEMBER, reason=" ")
    entry = reopen_month(opened_books, SEPTEMBER, reason="a bill was missing", by="Li")
    assert (entry.action, entry.reason, entry.by, entry.digest) == ("reopen", "a bill was missing", "Li", "")
    # What September had booked is due again, in September.
    assert stated(booked, "inference_api_cost")["2024-09"] == "9.00"
    assert entries(booked, "inference_api_cost")[0][2:] == ("late_facts", "3.00", "7.00", "4.00")
    close(booked, SEPTEMBER)
    assert Closings(booked.folder).revision(SEPTEMBER).revision == 2
    assert [e.action for e in Closings(booked.folder).log()] == ["close", "close", "close", "reopen", "close"]


def test_a_restatement_needs_a_closed_month_and_a_reason(books):
    with pytest.raises(UsageError, match="2024-07 is not closed"):
        prepare(books, JULY, again=True)
    close(books, JULY)
    with pytest.raises(UsageError, match="a reason is required"):
        restate_month(prepare(open_books(books.folder), JULY, again=True), reason="")


# --- Refusals --------------------------------------------------------------------------------------------


def test_all_conditions_are_told_at_once(tmp_path):
    books = two_months(tmp_path / "books")
    book(books, "usage", [usage("2024-08-09", 1, model="nobody-knows")])
    path = books.folder / FILE_NAME
    path.write_text(path.read_text().replace('["ad_spend"]', "[]"))
    prepared = prepare(open_books(books.folder), AUGUST, today=date(2024, 8, 20))
    failed = failing(prepared.conditions)
    assert failed.keys() == {"over", "order", "coverage", "unpriced"}
    assert failed["over"].remedy_en == "close it from 2024-09-01 on"
    assert failed["order"].found_en == "earlier months with data are open: 2024-07"
    assert failed["coverage"].subject == "ad_spend"
    assert failed["coverage"].found_en == "acquisition spend: 0 of 31 days are covered; missing 2024-08"
    assert failed["unpriced"].found_en == (
        "1,000,000 of 3,000,000 bought tokens have no price: outside/nobody-knows 1,000,000"
    )
    assert failed["unpriced"].limit == Decimal("0.01")
    assert round(failed["unpriced"].measured, 4) == Decimal("0.3333")
    with pytest.raises(UsageError, match="cannot be closed"):
        close_month(prepared)
    assert not (books.folder / "closed").exists()


def test_limits_are_the_declared_ones(tmp_path):
    limits = {"close": {"coverage": "0.5", "unpriced": "0.4", "unexplained": "1"}}
    books = two_months(tmp_path / "books", **limits)
    book(books, "usage", [usage("2024-07-09", 1, model="nobody-knows")])
    prepared = prepare(books, JULY)
    assert not prepared.is_refused
    assert prepared.statement["unpriced"] == {
        "tokens_to_buy": 4_000_000,
        "tokens_without_price": 1_000_000,
        "models": [{"provider": "outside", "model": "nobody-knows", "tokens": 1_000_000}],
    }


def test_days_without_data_are_named(tmp_path):
    books = two_months(tmp_path / "books", close={"coverage": "1"})
    for batch in books.batches():
        if batch.table == "usage":
            books.undo(batch.batch_id)
    rows = [usage("2024-07-01", 1), usage("2024-07-10", 1)]
    book(books, "usage", rows)
    book(books, "usage", [usage("2024-07-12", 1)])
    failed = failing(prepare(open_books(books.folder), JULY).conditions)
    assert failed["coverage"].found_en == (
        "usage: 11 of 31 days are covered; missing 2024-07-11, 2024-07-13..2024-07-31"
    )


def test_an_unexplained_bill_is_refused_and_named(tmp_path, monkeypatch):
    from breakeven.reconcile import close as closing
    from breakeven.reconcile.line import Line

    books = two_months(tmp_path / "books")
    parts = {"unexplained": Decimal(1), "unlogged": Decimal("0.25")}
    lines = [
        Line(0, "inference_api", "outside", Decimal("2.75"), Decimal("4.00"), parts=parts),
        Line(0, "inference_api", "other", Decimal("96.00"), Decimal("96.00")),
    ]
    monkeypatch.setattr(closing, "compare", lambda account: lines)
    prepared = prepare(books, JULY)
    failed = failing(prepared.conditions)
    assert failed.keys() == {"unexplained"}
    [note] = [condition for condition in prepared.conditions if condition.state == "note"]
    assert note.id == "errors"
    assert note.found_en.endswith("inference_api outside 0.25 USD")
    assert (failed["unexplained"].measured, failed["unexplained"].subject) == (Decimal("0.01"), "outside")
    assert failed["unexplained"].found_en == (
        "1 USD of 100.00 billed are not explained: inference_api outside +1 USD"
    )


def test_a_missing_exchange_rate_is_refused(tmp_path):
    books = two_months(tmp_path / "books")
    book(books, "payments", [gift("2024-07-09", "5", currency="AED")])
    failed = failing(prepare(open_books(books.folder), JULY).conditions)
    assert failed.keys() == {"values"}
    assert failed["values"].found_en.startswith("Gift revenue has no value: no source publishes AED")


def test_rows_in_quarantine_are_a_note(books, tmp_path):
    path = tmp_path / "payments.csv"
    path.write_text(
        "source_id,at,user_id,kind,amount,currency\n"
        "a,2024-07-09T00:00:00Z,u1,gift,1,USD\nb,2024-07-32T00:00:00Z,u1,gift,1,USD\n"
    )
    [result] = books.ingest("payments", [path], "hand")
    assert result.quarantined == 1
    prepared = prepare(open_books(books.folder), JULY)
    [note] = [condition for condition in prepared.conditions if condition.id == "quarantine"]
    assert (note.state, note.subject) == ("note", "payments.csv (payments: 1)")
    assert not prepared.is_refused
    assert prepared.statement["quarantined"] == [{"table": "payments", "file": "payments.csv", "rows": 1}]


def test_a_closed_month_is_not_closed_twice(closed):
    assert failing(prepare(open_books(closed.folder), JULY).conditions).keys() == {"not_closed"}


def test_who_comes_second_is_refused(books):
    first, second = prepare(books, JULY), prepare(open_books(books.folder), JULY)
    close_month(first)
    with pytest.raises(UsageError, match="closed by somebody else meanwhile"):
        close_month(second)
    assert len(Closings(books.folder).log()) == 1


# --- Other questions -------------------------------------------------------------------------------------


def test_other_currencies_prices_and_parts_of_a_month_are_live_and_say_so(closed):
    from breakeven.report.views.income import income_view

    book(closed, "usage", [usage("2024-07-20", 4)])

    def codes(account):
        return {warning.code for warning in income_view(account).envelope.warnings}

    euros = opened(closed, currency="EUR")
    assert euros.value("uncached_input_tokens", 0) == 7_000_000
    assert "closed_months_live" in codes(euros)
    known = opened(closed, known_at=date(2024, 12, 1))
    assert known.value("inference_api_cost", 0) == Decimal("7.00")
    assert "closed_months_live" in codes(known)
    from breakeven.periods import Period

    part = opened(closed, period=Period.parse("2024-07-15..2024-07-25"))
    assert part.value("inference_api_cost", 0) == Decimal("4.00")
    assert "closed_in_part" in codes(part)
    whole_month = opened(closed)
    assert {"closed", "adjustments"} <= codes(whole_month)


def test_books_as_of_a_moment_before_the_closing_are_open(closed):
    book(closed, "usage", [usage("2024-07-20", 4)])
    moments = [entry.at for entry in Closings(closed.folder).log()]
    before = open_books(closed.folder, as_of=moments[0] - timedelta(milliseconds=1))
    from breakeven.account.account import open_account

    assert open_account(before).closed is None
    between = open_account(open_books(closed.folder, as_of=moments[0] + timedelta(microseconds=1)))
    assert between.closed is not None
    assert list(between.closed.closings) == [JULY]


def test_the_breakdown_of_a_closed_month_is_live_and_sums_to_the_live_figure(closed):
    from breakeven.account.margin import cost_by

    book(closed, "usage", [usage("2024-07-20", 4)])
    account = opened(closed)
    lines = cost_by(account, "model", buckets=[0])
    assert (
        sum(line.bought for line in lines) == account.live_value("inference_api_cost", 0) == Decimal("7.00")
    )
    assert account.value("inference_api_cost", 0) == Decimal("3.00")


# --- The stored files ------------------------------------------------------------------------------------


def test_copied_books_show_and_verify_the_same_elsewhere(closed, tmp_path):
    there = tmp_path / "elsewhere" / "copied"
    shutil.copytree(closed.folder, there, ignore=shutil.ignore_patterns(".cache"))
    script = "from breakeven.cli.main import main; import sys; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", script]
    shown = []
    for folder, zone, language in (
        (closed.folder, "UTC", "C.UTF-8"),
        (there, "Asia/Shanghai", "zh_CN.UTF-8"),
    ):
        environment = {**os.environ, "TZ": zone, "LANG": language, "LC_ALL": language, "COLUMNS": "40"}
        environment.pop("BREAKEVEN_LANG", None)
        asked = (["--json"], ["--lang", "zh"])
        shown.append(
            [
                subprocess.run(
                    [*command, "close", str(folder), "2024-08", "--show", *how],
                    env=environment, capture_output=True, check=True,
                ).stdout
                for how in asked
            ]
        )  # fmt: skip
    assert shown[0] == shown[1]
    assert shown[0][0] == Closings(closed.folder).revision(AUGUST).read("statement.json")
    assert verify(open_books(there), AUGUST).is_same


@pytest.mark.parametrize("name", ["statement.json", "basis.json", "statement.zh.txt"])
def test_a_changed_file_is_found(closed, name):
    path = Closings(closed.folder).revision(JULY).folder / name
    path.write_bytes(path.read_bytes().replace(b"3", b"4"))
    [damage] = Closings(closed.folder).damages()
    assert damage.where == "closed/2024-07/1"
    if name != "basis.json":
        assert not verify(open_books(closed.folder), JULY).is_intact


def test_a_changed_kept_content_is_found(closed):
    closings = Closings(closed.folder)
    kept = closings.folder / "kept" / closings.revision(JULY).basis["settings"]
    kept.write_text("name = 'other'\n")
    assert [damage.where for damage in closings.damages()] == ["closed/2024-07/1", "closed/2024-08/1"]
    verdict = verify(open_books(closed.folder), JULY)
    assert isinstance(verdict.failure, BooksError)


def test_a_changed_or_missing_line_of_the_log_is_found(closed):
    path = closed.folder / "closed" / "log.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0].replace(b'"reason": ""', b'"reason": "x"') + lines[1])
    assert [damage.where for damage in Closings(closed.folder).damages()] == ["closed/log.jsonl:2"]
    path.write_bytes(lines[1])
    assert Closings(closed.folder).damages()[0].where == "closed/log.jsonl:1"
    path.write_bytes(b"nonsense\n")
    assert "cannot be read" in Closings(closed.folder).damages()[0].en


def test_what_a_crash_leaves_behind_does_not_count(books):
    prepared = prepare(books, JULY)
    folder = books.folder / "closed"
    for left in (folder / "2024-07" / "1.part", folder / "2024-07" / "1"):
        left.mkdir(parents=True)
        (left / "statement.json").write_text("half")
    (folder / "log.jsonl").write_bytes(b'{"action": "clo')
    assert Closings(books.folder).in_force() == {}
    close_month(prepared)
    assert Closings(books.folder).damages() == []
    assert verify(open_books(books.folder), JULY).is_same
    assert json.loads((folder / "log.jsonl").read_bytes().splitlines()[0])["action"] == "close"


@pytest.mark.parametrize("dies_in", ["rename", "append"])
def test_a_crash_leaves_no_half_closing(books, monkeypatch, dies_in):
    prepared = prepare(books, JULY)

    def dies(*arguments, **named):
        raise KeyboardInterrupt

    target = (Path, "rename") if dies_in == "rename" else (Closings, "_append")
    with monkeypatch.context() as patch:
        patch.setattr(*target, dies)
        with pytest.raises(KeyboardInterrupt):
            close_month(prepared)
    assert Closings(books.folder).in_force() == {}
    assert opened(books).closed is None
    close(books, JULY)
    assert verify(open_books(books.folder), JULY).is_same


def test_a_new_measure_has_no_value_in_a_month_closed_before_it(closed, monkeypatch):
    statement = Closings(closed.folder).revision(JULY).folder / "statement.json"
    said = json.loads(statement.read_text())
    said["metrics"] = [metric for metric in said["metrics"] if metric["id"] not in ("visits", "gift_revenue")]
    statement.write_text(json.dumps(said))
    value = opened(closed).value("gift_revenue", 0)
    assert isinstance(value, Missing)
    assert value.en == "Gift revenue was defined after 2024-07 was closed"
