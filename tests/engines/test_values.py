"""What an engine reads and computes, value by value: times, decimals, big sums, names, corrections."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from breakeven.account.rollups import _plain as plain
from breakeven.engine.session import Corrections, Engine
from breakeven.errors import InputError

INSTANT = pa.timestamp("us", tz="UTC")
MONEY = pa.decimal128(28, 9)
LARGEST = Decimal("9999999999999999999.999999999")


def view(engine: Engine, folder: Path, **columns: Any) -> Any:
    """A table of these columns, written to one file and named `t`."""
    rows = pa.table(columns)
    pq.write_table(rows, folder / "t.parquet")
    engine.view("t", [str(folder / "t.parquet")], rows.schema, None)
    return engine.table("t")


def rows_of(engine: Engine, expression: Any) -> list[dict[str, Any]]:
    return engine.arrow(expression).to_pylist()


def test_reads_days_from_paths_that_look_like_patterns(engine: Engine, tmp_path: Path) -> None:
    rows = pa.table({"n": pa.array([1, None], pa.int64()), "s": pa.array(["a", None])})
    files: list[str] = []
    for day in ("2024-12-31", "2025-01-01"):
        folder = tmp_path / "books [draft] of 100%" / "table" / f"day={day}"
        folder.mkdir(parents=True)
        files.append(str(folder / "part-0.parquet"))
        pq.write_table(rows, files[-1])
    schema = pa.schema([*rows.schema, pa.field("day", pa.date32())])
    engine.view("t", files, schema, "day")
    found = engine.arrow(engine.table("t"))
    assert found.schema.types == [pa.int64(), pa.string(), pa.date32()]
    assert sorted(map(repr, found.to_pylist())) == sorted(
        repr({"n": n, "s": s, "day": day})
        for day in (date(2024, 12, 31), date(2025, 1, 1))
        for n, s in ((1, "a"), (None, None))
    )


def test_an_empty_table_has_its_columns_and_no_rows(engine: Engine) -> None:
    schema = pa.schema([("at", INSTANT), ("amount", MONEY), ("count", pa.int64()), ("kind", pa.string()),
                        ("good", pa.bool_()), ("version", pa.int32()), ("day", pa.date32())])  # fmt: skip
    engine.view("t", [], schema, "day")
    table = engine.table("t")
    assert plain(engine.arrow(table)).schema.types == [
        pa.date32(), pa.decimal128(38, 9), pa.int64(), pa.string(), pa.bool_(), pa.int64(), pa.date32(),
    ]  # fmt: skip
    assert rows_of(engine, table.aggregate(rows=table.count(), sum=table.amount.sum())) == [
        {"rows": 0, "sum": None}
    ]


def test_a_view_can_be_named_again(engine: Engine, tmp_path: Path) -> None:
    assert rows_of(engine, view(engine, tmp_path, n=[1])) == [{"n": 1}]
    other = tmp_path / "other"
    other.mkdir()
    assert rows_of(engine, view(engine, other, n=[2], s=["b"])) == [{"n": 2, "s": "b"}]


def test_two_engines_keep_their_views_apart(engine_name: str, tmp_path: Path) -> None:
    from breakeven.engine.session import open_engine

    first, second = open_engine(engine_name), open_engine(engine_name)
    other = tmp_path / "other"
    other.mkdir()
    table = view(first, tmp_path, n=[1])
    view(second, other, n=[2])
    second.close()
    assert rows_of(first, table) == [{"n": 1}]
    first.close()


@pytest.mark.parametrize(
    ("instant", "zone", "day"),
    [
        ("2024-11-03T03:59:59.999999", "America/New_York", date(2024, 11, 2)),
        ("2024-11-03T04:00:00", "America/New_York", date(2024, 11, 3)),
        ("2024-11-04T04:59:59.999999", "America/New_York", date(2024, 11, 3)),  # a day of 25 hours
        ("2024-11-04T05:00:00", "America/New_York", date(2024, 11, 4)),
        ("2025-03-10T03:59:59.999999", "America/New_York", date(2025, 3, 9)),  # a day of 23 hours
        ("2025-03-10T04:00:00", "America/New_York", date(2025, 3, 10)),
        ("2024-12-31T15:59:59.999999", "Asia/Shanghai", date(2024, 12, 31)),
        ("2024-12-31T16:00:00", "Asia/Shanghai", date(2025, 1, 1)),
        ("2024-12-31T18:29:59", "Asia/Kolkata", date(2024, 12, 31)),
        ("2024-12-31T18:30:00", "Asia/Kolkata", date(2025, 1, 1)),
        ("2024-12-31T23:59:59.999999", "UTC", date(2024, 12, 31)),
    ],
)
def test_local_days(engine: Engine, tmp_path: Path, instant: str, zone: str, day: date) -> None:
    at = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    table = view(engine, tmp_path, at=pa.array([at, None], INSTANT))
    found = rows_of(engine, table.select(day=engine.local_day(table["at"], zone)))
    assert {row["day"] for row in found} == {day, None}


def test_seconds_of_the_day_do_not_round_up(engine: Engine, tmp_path: Path) -> None:
    """A price that changes at 16:30 does not yet hold one microsecond before."""
    times = ["16:29:59.999999", "16:30:00", "23:59:59.999999", "00:00:00"]
    at = [datetime.fromisoformat(f"2024-12-31T{time}+00:00") for time in times]
    table = view(engine, tmp_path, at=pa.array(at, INSTANT))
    seconds = table["at"].epoch_seconds() % 86_400
    found = rows_of(engine, table.select("at", passed=seconds >= 59_400, last=seconds >= 86_399))
    assert [(row["passed"], row["last"]) for row in sorted(found, key=lambda row: row["at"])] == [
        (False, False), (False, False), (True, False), (True, True),
    ]  # fmt: skip


def test_instants_are_utc_without_a_zone(engine: Engine, tmp_path: Path) -> None:
    at = datetime(2024, 11, 3, 5, 30, 0, 123456, tzinfo=UTC)
    table = view(engine, tmp_path, at=pa.array([at], INSTANT))
    found = rows_of(engine, table.select("at", day=table["at"].date()))
    assert found == [{"at": at.replace(tzinfo=None), "day": date(2024, 11, 3)}]


def test_weeks_and_months_at_the_turn_of_the_year(engine: Engine, tmp_path: Path) -> None:
    days = [date(2024, 12, 29), date(2024, 12, 30), date(2025, 1, 1), date(2025, 1, 5), date(2025, 1, 6)]
    table = view(engine, tmp_path, day=pa.array(days, pa.date32()))
    cut = table.select("day", week=table.day.truncate("W"), month=table.day.truncate("M"))
    found = plain(engine.arrow(cut)).to_pylist()
    assert [(row["week"], row["month"].month) for row in sorted(found, key=lambda row: row["day"])] == [
        (date(2024, 12, 23), 12), (date(2024, 12, 30), 12), (date(2024, 12, 30), 1),
        (date(2024, 12, 30), 1), (date(2025, 1, 6), 1),
    ]  # fmt: skip


def test_sums_of_tokens_beyond_what_a_float_holds(engine: Engine, tmp_path: Path) -> None:
    table = view(engine, tmp_path, tokens=[999_999_999_999_999] * 11, model=["m"] * 11)
    found = rows_of(engine, table.group_by("model").aggregate(tokens=table.tokens.sum().cast("int64")))
    assert found == [{"model": "m", "tokens": 10_999_999_999_999_989}]


def test_a_sum_that_does_not_fit_is_an_error_not_another_number(engine: Engine, tmp_path: Path) -> None:
    table = view(engine, tmp_path, n=[2**62, 2**62])
    with pytest.raises((InputError, pa.ArrowInvalid)):
        engine.arrow(table.aggregate(n=table.n.sum().cast("int64")))


def test_decimals_at_their_limits(engine: Engine, tmp_path: Path) -> None:
    smallest = Decimal("0.000000001")
    amounts = pa.array([LARGEST, LARGEST, smallest, -smallest, smallest, None], MONEY)
    table = view(engine, tmp_path, amount=amounts)
    assert rows_of(engine, table.aggregate(sum=table.amount.sum())) == [
        {"sum": Decimal("19999999999999999999.999999999")}
    ]


def test_sums_of_sums_keep_nine_places(engine: Engine, tmp_path: Path) -> None:
    a_little = Decimal("12345.678901234")
    table = view(engine, tmp_path, amount=pa.array([a_little], MONEY))
    sums = table.aggregate(one=table.amount.sum())
    found = rows_of(engine, sums.select(four=sums.one + sums.one + sums.one + sums.one - sums.one))
    assert found == [{"four": 3 * a_little}]


def test_whole_division_is_exact_up_to_the_largest_request(engine: Engine, tmp_path: Path) -> None:
    whole = [3 * 10**15, 2_999, 3_001, 7 * 10**14 - 1]
    parts = [7, 3, 3, 7 * 10**7]
    table = view(engine, tmp_path, whole=whole, parts=parts)
    found = rows_of(engine, table.select("whole", each=table.whole // table.parts))
    assert {row["whole"]: row["each"] for row in found} == {
        a: a // b for a, b in zip(whole, parts, strict=True)
    }


def test_words_compare_by_their_letters(engine: Engine, tmp_path: Path) -> None:
    table = view(engine, tmp_path, word=pa.array(["OK", "ok ", "Stop", "STOPPED", "月", None]))
    good = ibis.ifelse(table.word.isnull() | table.word.lower().isin(["ok", "stop"]), True, False)
    found = rows_of(engine, table.select("word", good=good))
    assert {row["word"] for row in found if row["good"]} == {"OK", "Stop", None}


def test_rows_of_this_process_join_with_stored_ones(engine: Engine, tmp_path: Path) -> None:
    days = [date(2024, 12, 31), date(2025, 1, 1), date(2025, 1, 2)]
    windows = view(
        engine, tmp_path, user=["a", "b"],
        first=pa.array(days[:2], pa.date32()), end=pa.array(days[1:], pa.date32()),
    )  # fmt: skip
    small = ibis.memtable(
        pa.table(
            {
                "day": pa.array(days, pa.date32()),
                "price": pa.array([LARGEST, Decimal(0), None], MONEY),
                "count": pa.array([2**60, 0, None], pa.int64()),
            }
        )
    )
    pairs = windows.join(small, [small.day >= windows.first, small.day < windows.end])
    found = rows_of(engine, pairs.select("user", "day", "price", "count").order_by("user"))
    assert found == [
        {"user": "a", "day": days[0], "price": LARGEST, "count": 2**60},
        {"user": "b", "day": days[1], "price": Decimal("0E-9"), "count": 0},
    ]


def test_only_the_latest_version_of_a_row_is_read(engine: Engine, tmp_path: Path) -> None:
    def file(name: str, day: str, *rows: tuple[str, str, int, int]) -> str:
        path = tmp_path / f"day={day}" / name
        path.parent.mkdir(exist_ok=True)
        columns = list(zip(*rows, strict=True))
        pq.write_table(
            pa.table(
                {
                    "source": columns[0],
                    "source_id": columns[1],
                    "version": pa.array(columns[2], pa.int32()),
                    "n": columns[3],
                }
            ),
            path,
        )
        return str(path)

    first = file("first", "2024-12-31", ("s", "1", 1, 10), ("s", "2", 1, 20), ("other", "1", 1, 30))
    untouched = file("untouched", "2024-12-30", ("s", "9", 1, 90))
    second = file("second", "2025-01-01", ("s", "1", 2, 11))
    third = file("third", "2024-12-31", ("s", "1", 3, 12))
    schema = pa.schema(
        [("source", pa.string()), ("source_id", pa.string()), ("version", pa.int32()), ("n", pa.int64()),
         ("day", pa.date32())]
    )  # fmt: skip

    def read(files: list[str], corrections: Corrections | None) -> list[int]:
        engine.view("t", files, schema, "day", corrections)
        return sorted(row["n"] for row in rows_of(engine, engine.table("t")))

    corrections = Corrections((second, third), frozenset({first, second, third}))
    files = [first, untouched, second, third]
    assert read(files, corrections) == [12, 20, 30, 90]
    assert read([first], corrections) == [20, 30]
    assert read(files, None) == [10, 11, 12, 20, 30, 90]


def test_a_file_that_is_gone_is_named(engine: Engine, tmp_path: Path) -> None:
    def read() -> pa.Table:
        engine.view("t", [str(tmp_path / "gone.parquet")], pa.schema([("n", pa.int64())]), None)
        return engine.arrow(engine.table("t"))

    with pytest.raises(InputError, match=r"gone\.parquet"):
        read()
