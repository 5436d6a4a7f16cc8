"""Stripe tells of the same money several times; the books count it once, to the minor unit, in any order."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import permutations

import pytest

from breakeven.errors import InputError, UsageError
from breakeven.ledger.books import create_books
from breakeven.sources.intake import import_from
from breakeven.sources.registry import find_source

from .samples import HERE, booked, in_books

EXPORTS = {
    "stripe_balance": HERE / "stripe_balance" / "sample.jsonl",
    "stripe_invoices": HERE / "stripe_invoices" / "sample.jsonl",
    "stripe_refunds": HERE / "stripe_refunds" / "sample.jsonl",
    "stripe_disputes": HERE / "stripe_disputes" / "sample.json",
    "stripe_subscriptions": HERE / "stripe_subscriptions" / "sample.json",
}
CHARGE = {
    "id": "txn_1", "object": "balance_transaction", "amount": 2000, "fee": 88, "net": 1912,
    "created": 1710928800, "currency": "usd", "reporting_category": "charge", "type": "charge",
    "source": "ch_1", "description": "Pro",
}  # fmt: skip


def imported(folder, names):
    """Rows of new books after importing these samples one after the other; quarantine left out."""
    books = create_books(folder, name="sample", currency="USD")
    for name in names:
        import_from(books, find_source(name), EXPORTS[name], {})
    return [row for row in in_books(books) if "table" in row]


def lines(folder, *records, name="export.jsonl"):
    path = folder / name
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def amounts(rows, kind=None, column="amount"):
    return sum((Decimal(row.get(column, 0)) for row in rows if kind in (None, row.get("kind"))), Decimal(0))


@pytest.mark.parametrize(
    ("currency", "minor", "amount"),
    [("usd", 2000, "20"), ("jpy", 1050, "1050"), ("krw", 9900, "9900"), ("vnd", 20000, "20000"),
     ("kwd", 10500, "10.5"), ("bhd", 1005, "1.005"), ("tnd", 990, "0.99"), ("isk", 300, "3"),
     ("ugx", 250000, "2500"), ("mga", 5000, "5000"), ("twd", 19900, "199"), ("cny", 4905, "49.05")],
)  # fmt: skip
def test_minor_units_are_those_of_the_currency(tmp_path, currency, minor, amount):
    rows = booked(
        "stripe_balance", lines(tmp_path, CHARGE | {"amount": minor, "fee": 0, "currency": currency})
    )
    assert [(row["amount"], row["currency"]) for row in rows] == [(amount, currency.upper())]


def test_the_books_hold_what_the_balance_gained():
    """Row 14 cannot be read and is not counted on either side."""
    records = [json.loads(line) for line in EXPORTS["stripe_balance"].read_text("utf-8").splitlines()[:15]]
    gained = sum(one["net"] for one in records if one["currency"] == "usd" and one["id"] != "txn_14")
    rows = [
        row for row in booked("stripe_balance", EXPORTS["stripe_balance"]) if row.get("currency") == "USD"
    ]
    payments = [row for row in rows if row["table"] == "payments"]
    settlements = [row for row in rows if row["table"] == "settlements"]
    back = amounts(payments, "refund") + amounts(payments, "chargeback")
    kept = amounts(payments, "subscription") - back - amounts(payments, column="fee")
    held = kept - amounts(settlements, "payout") + amounts(settlements, "adjustment")
    assert held == Decimal(gained) / 100 == Decimal("-83.17")


def test_any_order_of_imports_gives_the_same_books(tmp_path):
    orders = list(permutations(EXPORTS))[::29]
    assert len(orders) == 5
    first, *others = [imported(tmp_path / str(number), order) for number, order in enumerate(orders)]
    assert all(other == first for other in others)


def test_an_invoice_and_its_charge_are_the_same_money(tmp_path):
    rows = {row["source_id"]: row for row in imported(tmp_path / "b", ["stripe_invoices", "stripe_balance"])}
    charge, fee = rows["ch_01"], rows["txn_01"]
    assert (charge["amount"], charge["service_end"], charge["plan"]) == ("20", "2024-04-20T10:00:00", "pro")
    assert (fee["amount"], fee["fee"]) == ("0", "0.88")
    assert "in_01:il_01a" not in rows


def test_a_refund_and_a_dispute_count_once(tmp_path):
    alone = imported(tmp_path / "a", ["stripe_balance"])
    both = imported(tmp_path / "b", ["stripe_refunds", "stripe_balance", "stripe_disputes"])
    of_usd = [row for row in both if row["source_id"] in {one["source_id"] for one in alone}]
    assert of_usd == alone


def test_an_invoice_says_what_each_line_came_to():
    """Upgrade: 40.00 and 4.00 tax, less 10.00 and 1.00 tax; the charge was 33.00."""
    rows = {
        row["source_id"]: row
        for row in booked("stripe_invoices", EXPORTS["stripe_invoices"])
        if "table" in row
    }
    paid, back = rows["ch_02"], rows["in_02:il_02a"]
    assert (paid["amount"], paid["tax"], paid["kind"]) == ("44", "4", "subscription")
    assert (back["amount"], back["tax"], back["kind"]) == ("11", "1", "refund")
    assert rows["ch_03"]["amount"] == "15"  # 20.00 less a quarter; 1.36 of tax is within it
    assert (rows["ch_07"]["amount"], rows["ch_08"]["amount"]) == ("21.6", "0")  # two charges, one line
    assert rows["in_10:credit_note"]["kind"] == "refund"


def test_an_unnamed_charge_is_taken_when_no_balance_comes_in():
    rows = booked("stripe_invoices", EXPORTS["stripe_invoices"], charges="elsewhere")
    assert "in_08:il_08a" in {row.get("source_id") for row in rows}
    with pytest.raises(UsageError, match="charges=none"):
        booked("stripe_invoices", EXPORTS["stripe_invoices"], charges="none")


def test_reports_read_like_the_api(tmp_path):
    report = tmp_path / "report.csv"
    report.write_text(
        "balance_transaction_id,created_utc,created,currency,gross,fee,net,reporting_category,source_id,"
        "description,customer_id,payment_metadata[user_id]\n"
        "txn_1,2024-03-20 10:00:00,2024-03-20 11:00:00,usd,20.00,0.88,19.12,charge,ch_1,Pro,cus_1,u1\n"
    )
    dashboard = tmp_path / "dashboard.csv"
    dashboard.write_text(
        "id,Type,Source,Amount,Fee,Net,Currency,Created (UTC),Available On (UTC),Description\n"
        "txn_1,charge,ch_1,20.00,0.88,19.12,usd,2024-03-20 10:00,2024-03-22 00:00,Pro\n"
    )
    of_api = booked("stripe_balance", lines(tmp_path, CHARGE))
    of_report = booked("stripe_balance", report)
    assert booked("stripe_balance", dashboard) == of_api
    assert [row.pop("user_id") for row in of_report] == ["u1", "u1"]
    for row in of_report:
        assert row.pop("account_id") == "cus_1"
    assert [row | {"revision": 20} for row in of_report] == of_api


def test_pages_read_like_lines_and_say_when_more_follow(tmp_path):
    page = {"object": "list", "url": "/v1/balance_transactions", "has_more": False, "data": [CHARGE]}
    whole = tmp_path / "page.json"
    whole.write_text(json.dumps(page, indent=2))
    assert booked("stripe_balance", whole) == booked("stripe_balance", lines(tmp_path, CHARGE))
    whole.write_text(json.dumps(page | {"has_more": True}))
    with pytest.raises(InputError, match="more follow"):
        booked("stripe_balance", whole)
    whole.write_text(json.dumps(page, indent=2)[:-40])
    with pytest.raises(InputError, match="ends in the middle"):
        booked("stripe_balance", whole)


@pytest.mark.parametrize(
    ("name", "renamed"), [("amount", "amount_minor"), ("currency", "ccy"), ("id", "txn")]
)
def test_a_renamed_column_is_refused_not_read_as_absent(tmp_path, name, renamed):
    record = {renamed if key == name else key: value for key, value in CHARGE.items()}
    with pytest.raises(InputError, match=f"it lacks {'gross' if name == 'amount' else ''}"):
        booked("stripe_balance", lines(tmp_path, record))


def test_other_objects_are_refused(tmp_path):
    for name in ("stripe_invoices", "stripe_refunds", "stripe_disputes"):
        with pytest.raises(InputError, match="not Stripe's"):
            booked(name, lines(tmp_path, CHARGE))


@pytest.mark.parametrize("name", ["stripe_balance", "stripe_invoices", "stripe_disputes"])
def test_hostile_bytes_are_quarantined_alone(tmp_path, name):
    sample = tmp_path / "sample.jsonl"
    good = EXPORTS[name].read_bytes()
    if name == "stripe_disputes":
        page = json.loads(good)["data"]
        good = "".join(json.dumps(one) + "\n" for one in page).encode()
    sample.write_bytes(good + b'{"id": "\xff\xfe"}\n' + b"\x00\x1f[]\n")
    before = booked(name, EXPORTS[name])
    after = booked(name, sample)
    assert [row for row in after if "table" in row] == [row for row in before if "table" in row]
    assert len(after) == len(before) + 2


def test_kinds_and_users_are_told_by_options(tmp_path):
    expanded = CHARGE | {"source": {"id": "ch_1", "customer": "cus_1", "metadata": {"uid": "u7"}}}
    [row, _] = booked("stripe_balance", lines(tmp_path, expanded), user_key="uid", gift="pro,加油")
    assert (row["user_id"], row["kind"]) == ("u7", "gift")
    for options in ({"kind": "sale"}, {"user_key": 'a"b'}, {"gift": "{source}"}):
        with pytest.raises(UsageError):
            booked("stripe_balance", lines(tmp_path, CHARGE), **options)
