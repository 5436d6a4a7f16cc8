"""A bad row is named by file, row, field, reason and remedy; the good rows around it are kept."""

# ruff: noqa: DTZ001 - readers get UTC without a zone, and naive times are what some tests are about
from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from breakeven.ledger.mapping import ColumnRule, Mapping

from .bench import ROWS, held, json_lines, rows, take, told, write

NOW = datetime.now().astimezone()
TOO_LARGE = 9_223_372_036_854_775_807

BAD_CELLS = [
    ("usage", "uncached_input_tokens", -1, "negative"),
    ("usage", "uncached_input_tokens", TOO_LARGE, "absurd: above 1,000,000,000,000,000"),
    ("usage", "uncached_input_tokens", "1e3", "not a whole number"),
    ("usage", "uncached_input_tokens", "12.5", "not a whole number"),
    ("usage", "uncached_input_tokens", "1,000", "not a whole number"),
    ("usage", "uncached_input_tokens", "1_000", "not a whole number"),
    ("usage", "uncached_input_tokens", "99999999999999999999", "not a whole number"),
    ("usage", "uncached_input_tokens", "NaN", "not a whole number"),
    ("usage", "output_tokens", "Infinity", "not a whole number"),
    ("usage", "uncached_input_tokens", "", "missing"),
    ("usage", "uncached_input_tokens", 10**9, "absurd: over 100 million tokens per request"),
    ("usage", "reasoning_tokens", 31, "the part exceeds the whole: more reasoning tokens than output tokens"),
    ("usage", "source_id", "", "missing"),
    ("usage", "model", "", "missing"),
    ("usage", "at", "2024-03-20 10:00:00", "not a time with its offset from UTC"),
    ("usage", "at", "2024-02-30T10:00:00Z", "not a time with its offset from UTC"),
    ("usage", "at", "2024-03-20T25:00:00Z", "not a time with its offset from UTC"),
    ("usage", "at", "yesterday", "not a time with its offset from UTC"),
    ("usage", "at", "infinity", "not a time with its offset from UTC"),
    ("usage", "at", "1970-01-01T00:00:00Z", "an impossible time: before 2010 or in the future"),
    ("usage", "at", "294247-01-10T03:00:54Z", "an impossible time: before 2010 or in the future"),
    (
        "usage",
        "at",
        f"{NOW + timedelta(days=9):%Y-%m-%dT%H:%M:%S}Z",
        "an impossible time: before 2010 or in the future",
    ),
    ("payments", "amount", "-5", "negative"),
    ("payments", "amount", "NaN", "not a plain decimal number of at most nine decimals"),
    ("payments", "amount", "inf", "not a plain decimal number of at most nine decimals"),
    ("payments", "amount", "1e5", "not a plain decimal number of at most nine decimals"),
    ("payments", "amount", "1,234.50", "not a plain decimal number of at most nine decimals"),
    ("payments", "amount", "5.0000000001", "not a plain decimal number of at most nine decimals"),
    ("payments", "amount", "100000000000000", "absurd: above 10,000,000,000,000"),
    ("payments", "tax", "6", "the part exceeds the whole: more tax than amount"),
    ("payments", "currency", "RMB", "unknown currency"),
    ("payments", "currency", "cny", "unknown currency"),
    ("payments", "currency", "", "missing"),
    ("payments", "kind", "present", "not one of the known words"),
    ("activity", "day", "2024-02-30", "not a day"),
    ("activity", "day", "20/03/2024", "not a day"),
    ("activity", "day", "2024-3-2", "not a day"),
    ("activity", "day", "infinity", "not a day"),
    ("activity", "day", "1969-12-31", "an impossible time: before 2010 or in the future"),
]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_bad_cell_costs_its_row_and_no_other(books, tmp_path, form):
    for table in ROWS:
        cases = [case for case in BAD_CELLS if case[0] == table]
        records = rows(table, 2 * len(cases) + 1)
        for place, (_, name, value, _) in enumerate(cases):
            records[2 * place + 1] |= {name: value}
        result = take(books, table, write(tmp_path / f"{table}.{form}", records))
        assert told(result) == [(2 * i + 2, name, reason) for i, (_, name, _, reason) in enumerate(cases)]
        assert (result.ingested, result.quarantined) == (len(cases) + 1, len(cases))
        assert held(books, table) == sorted(record["source_id"] for record in records[::2])
        for problem, (_, _, value, _) in zip(result.problems, cases, strict=True):
            assert str(value) in problem.raw


def test_a_rebate_is_negative_spend_and_nothing_else_of_it_may_be(books, tmp_path):
    spend = {"day": "2024-03-20", "channel": "bilibili", "kind": "ads", "amount": "5000", "currency": "CNY",
             "impressions": 9, "clicks": 1}  # fmt: skip
    changed = [{}, {"amount": "-1200"}, {"clicks": -1}, {"impressions": -1}, {"amount": "-100000000000000"}]
    records = [{**spend, "source_id": f"s{i}", **change} for i, change in enumerate(changed)]
    result = take(books, "ad_spend", write(tmp_path / "spend.csv", records))
    assert told(result) == [
        (3, "clicks", "negative"),
        (4, "impressions", "negative"),
        (5, "amount", "below -10,000,000,000,000"),
    ]
    assert held(books, "ad_spend") == ["s0", "s1"]
    assert "kind" not in str(result.problems[2])
    refused = take(books, "payments", write(tmp_path / "pay.csv", rows("payments", 1, amount="-5")))
    assert "amounts are positive; `kind` says refund" in str(refused.problems[0])


def test_the_books_list_what_was_quarantined(books, tmp_path):
    good, bad = rows("payments", 2), rows("payments", 1, first=3, currency="RMB")
    result = take(books, "payments", write(tmp_path / "pay.csv", good + bad))
    assert list(books.quarantined()) == list(result.problems)
    [problem] = books.quarantined(result.batch_id)
    assert str(problem) == (
        "pay.csv:3: currency: unknown currency. Next: use an ISO 4217 code such as CNY or USD."
    )
    assert list(books.quarantined("0" * 16)) == []


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        (pa.float64(), float("nan"), "not a whole number"),
        (pa.float64(), float("inf"), "not a whole number"),
        (pa.float32(), float("-inf"), "not a whole number"),
        (pa.float64(), 1.5, "not a whole number"),
        (pa.float64(), 1e300, "not a whole number"),
        (pa.uint64(), 2**63, "not a whole number"),
        (pa.int8(), -3, "negative"),
        (pa.int64(), None, "missing"),
        (pa.string(), "many", "not a whole number"),
        (pa.decimal128(20, 2), Decimal(3), None),
        (pa.decimal128(20, 2), Decimal("3.5"), "not a whole number"),
        (pa.float64(), 3.0, None),
        (pa.uint64(), 3, None),
        (pa.int16(), 3, None),
    ],
)
def test_counts_of_any_parquet_type(books, tmp_path, kind, value, reason):
    table = pa.Table.from_pylist(rows("usage", 3))
    one = (
        "1"
        if pa.types.is_string(kind)
        else Decimal(1)
        if pa.types.is_decimal(kind)
        else kind.to_pandas_dtype()(1)
    )
    numbers = pa.array([one, value, one], kind)
    place = table.schema.get_field_index("uncached_input_tokens")
    pq.write_table(table.set_column(place, "uncached_input_tokens", numbers), tmp_path / "u.parquet")
    result = take(books, "usage", tmp_path / "u.parquet")
    assert told(result) == ([(2, "uncached_input_tokens", reason)] if reason else [])
    assert held(books, "usage") == (["u1", "u3"] if reason else ["u1", "u2", "u3"])


def test_money_of_any_parquet_type_stays_exact(books, tmp_path):
    # A double means the shortest decimal that reads back to it: never 123456789.900000006.
    amounts = {
        "float": pa.array([123456789.9, float("nan"), float("inf"), 0.1 + 0.2, -1.0]),
        "wide": pa.array(["1.500000000000", "1.000000000001"]).cast(pa.decimal128(30, 12)),
        "int": pa.array([7]),
        "same": pa.array([7.5, float("nan"), 7.5]),
    }
    for name, values in amounts.items():
        table = pa.Table.from_pylist(
            [{**row, "source_id": f"{name}{i}"} for i, row in enumerate(rows("payments", len(values)))]
        )
        table = table.drop_columns(["tax"]).set_column(
            table.schema.get_field_index("amount"), "amount", values
        )
        pq.write_table(table, tmp_path / f"{name}.parquet")
    seen = {name: take(books, "payments", tmp_path / f"{name}.parquet") for name in amounts}
    decimal = "not a plain decimal number of at most nine decimals"
    assert told(seen["float"]) == [(2, "amount", decimal), (3, "amount", decimal), (5, "amount", "negative")]
    assert told(seen["same"]) == [(2, "amount", decimal)]
    assert told(seen["wide"]) == [(2, "amount", decimal)]
    assert held(books, "payments", "CAST(amount AS VARCHAR)") == [
        "0.300000000",
        "1.500000000",
        "123456789.900000000",
        "7.000000000",
        "7.500000000",
        "7.500000000",
    ]


def test_parquet_times_with_and_without_a_zone(books, tmp_path):
    table = pa.Table.from_pylist(rows("usage", 1)).drop_columns(["at"])
    for unit in ("s", "ms", "us", "ns"):
        at = pa.array(
            [datetime(2024, 3, 20, 2)], pa.timestamp(unit, tz="UTC" if unit != "s" else "Asia/Shanghai")
        )
        row = table.set_column(0, "source_id", pa.array([unit]))
        pq.write_table(row.append_column("at", at), tmp_path / f"{unit}.parquet")
        assert take(books, "usage", tmp_path / f"{unit}.parquet").ingested == 1
    assert set(held(books, "usage", '"at"')) == {datetime(2024, 3, 20, 2)}


CLOCK_CHANGES = [
    ("America/New_York", "2024-03-10 02:30:00", True),  # skipped
    ("America/New_York", "2024-03-10 01:59:59", False),
    ("America/New_York", "2024-03-10 03:00:00", False),
    ("America/New_York", "2024-11-03 01:30:00", True),  # repeated
    ("America/New_York", "2024-11-03 00:59:59", False),
    ("America/New_York", "2024-11-03 02:00:00", False),
    ("America/New_York", "2024-11-03T01:30:00-05:00", False),  # with its offset it is one instant
    ("Australia/Lord_Howe", "2024-04-07 01:45:00", True),  # repeated half an hour
    ("Australia/Lord_Howe", "2024-04-07 01:15:00", False),
    ("Australia/Lord_Howe", "2024-10-06 02:15:00", True),  # skipped half an hour
    ("Asia/Shanghai", "2024-03-10 02:30:00", False),
    ("UTC", "2024-03-10 02:30:00", False),
    ("America/New_York", "294247-01-10 03:00:54", True),
]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_local_times_that_a_clock_change_skips_or_repeats(books, tmp_path, form):
    for place, (zone, local, bad) in enumerate(CLOCK_CHANGES):
        if form == "parquet" and ("T" in local or local.startswith("294247")):
            continue
        record = {**ROWS["usage"], "source_id": f"{form}{place}"}
        at = datetime.fromisoformat(local) if form == "parquet" else local
        result = take(
            books,
            "usage",
            write(tmp_path / f"{place}.{form}", [record | {"at": at}]),
            mapping=Mapping(time_zone=zone),
        )
        assert result.quarantined == bad, (zone, local)
        if bad:
            [(row, name, reason)] = told(result)
            assert (row, name) == (1, "at")
            assert "the clock change skips or repeats" in reason


def test_local_times_become_the_right_instants(books, tmp_path):
    record = rows("usage", 1, at="2024-07-01 00:30:00")
    take(books, "usage", write(tmp_path / "u.csv", record), mapping=Mapping(time_zone="America/New_York"))
    # 00:30 in New York is 04:30 UTC and, in the books' Shanghai, 12:30 of the same day.
    assert held(books, "usage", '"at", CAST(day AS VARCHAR)') == [(datetime(2024, 7, 1, 4, 30), "2024-07-01")]


@pytest.mark.parametrize(
    ("whole", "cached", "problem"),
    [
        (100, 20, None),
        (100, 100, None),
        (100, 101, ("input_tokens", "the parts exceed the whole: more cached than input tokens")),
        (TOO_LARGE, -5, ("input_tokens", "absurd: above 1,000,000,000,000,000")),
        (-1, 0, ("input_tokens", "negative")),
        (100, TOO_LARGE, ("cached_input_tokens", "absurd: above 1,000,000,000,000,000")),
        ("x", 0, ("input_tokens", "not a whole number")),
        (None, 0, ("input_tokens", "missing")),
    ],
)
def test_parts_above_the_whole_are_never_clamped(books, tmp_path, whole, cached, problem):
    mapping = Mapping(
        columns={"input_tokens": ColumnRule("prompt_tokens"), "cached_input_tokens": ColumnRule("cached")},
        input_includes_cached=True,
    )
    record = {**ROWS["usage"], "prompt_tokens": whole, "cached": cached}
    other = {**record, "source_id": "r2", "prompt_tokens": 7, "cached": 3}
    path = tmp_path / "u.jsonl"
    path.write_text(json_lines([record, other]))
    result = take(books, "usage", path, mapping=mapping)
    assert told(result) == ([(1, *problem)] if problem else [])
    kept = [("r2", 4, 3)] if problem else [("r1", whole - cached, cached), ("r2", 4, 3)]
    assert held(books, "usage", "source_id, uncached_input_tokens, cached_input_tokens") == kept
