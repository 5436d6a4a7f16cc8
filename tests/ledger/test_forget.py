"""Forgetting a person: nothing of them is left in the folder, and no total of the books changes."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from breakeven.account.account import open_account
from breakeven.cli.main import main
from breakeven.engine.duckdb import DuckDBEngine
from breakeven.errors import BooksError
from breakeven.ledger.books import open_books
from breakeven.ledger.forget import forget
from breakeven.ledger.matching import FORGOTTEN
from breakeven.ledger.pseudonyms import KEY_FILE, pseudonyms_of

from .bench import held, new_books, take, write
from .sightings import counted, deliver, sighting
from .test_pseudonyms import files_with, parquet_with

ALICE = "alice"


@pytest.fixture
def books(tmp_path):
    books = new_books(tmp_path / "books", settings={"matching": {"precedence": ["gateway"]}})
    users = [{"source_id": f"u-{name}", "acquired_at": f"2024-03-0{day}T01:02:03Z",
              "user_id": name, "channel": channel, "is_paid": "true"}
            for name, day, channel in ((ALICE, 1, "ads"), ("bob", 1, "a"), (ALICE, 2, "search"))]  # fmt: skip
    users[2]["source_id"] = "again"
    take(books, "acquisitions", write(tmp_path / "users.csv", users))
    days = [{"source_id": f"{name}/{day}", "user_id": name, "day": f"2024-03-{day:02}"}
            for name in (ALICE, "bob") for day in (1, 2, 9, 20)]  # fmt: skip
    take(books, "activity", write(tmp_path / "days.csv", days))
    payments = [
        {"source_id": f"pay-{name}", "at": "2024-03-20T10:11:12Z", "user_id": name, "kind": "subscription",
         "amount": "30", "currency": "CNY", "fee": "0.3", "tax": "0", "service_start": "2024-03-20T10:11:12Z",
         "service_end": "2024-04-20T10:11:12Z"} for name in (ALICE, "bob")]  # fmt: skip
    take(books, "payments", write(tmp_path / "payments.csv", payments))
    deliver(
        books,
        tmp_path,
        [
            sighting("gateway", "1", "20T10:11:12", "resp-1", user_id=ALICE),
            # The same request in the spans, which do not know who it was.
            sighting("spans", "1", "20T10:11:13", "resp-1", user_id=""),
            sighting("gateway", "2", "20T10:20:00", "resp-2", user_id="bob"),
            sighting("spans", "2", "20T10:20:00", "resp-2", user_id=ALICE),
            sighting("gateway", "3", "21T10:00:00", user_id="bob"),
            sighting("gateway", "4", "22T10:00:00", account_id=ALICE, user_id="bob", product="api"),
            sighting("gateway", "5", "23T10:00:00", user_id="bob"),
        ],
        "usage",
    )
    # Row 3 was Alice's and is Bob's; row 5 was Bob's and is Alice's.
    deliver(books, tmp_path, [sighting("gateway", "3", "21T10:00:00", user_id=ALICE)], "was")
    deliver(books, tmp_path, [sighting("gateway", "3", "21T10:00:00", user_id="bob", output_tokens=3)], "is")
    deliver(books, tmp_path, [sighting("gateway", "5", "23T10:00:00", user_id=ALICE)], "now")
    bad = [
        {"source_id": "bad", "user_id": ALICE, "day": "never"},
        {"source_id": "x", "user_id": "b", "day": "?"},
    ]
    take(books, "activity", write(tmp_path / "bad.csv", bad))
    return books


def totals(folder):
    """All that the account is made from; whose an account is has no part in it."""
    rollups = open_account(open_books(folder)).rollups
    return {
        name: sorted(repr({**row, "account_id": None}) for row in rows.to_pylist())
        for name, rows in rollups.items()
    }


def test_every_figure_stays_and_nothing_of_the_person_is_left(books, tmp_path):
    before = totals(books.folder)
    assert parquet_with(books.folder, ALICE)
    found = forget(books, ALICE)
    assert totals(books.folder) == before
    assert files_with(books.folder, ALICE) == []
    assert parquet_with(books.folder, ALICE) == []
    # Rows that went: her own, replaced ones too, and the spans' sighting of her request.
    assert found.rows == {"acquisitions": 2, "activity": 4, "usage": 7, "payments": 1}
    assert found.quarantined == 1
    assert [problem.raw != "" for problem in open_books(books.folder).quarantined()] == [False, True]


def test_what_stands_in_her_place(books):
    found = forget(books, ALICE)
    stand_ins = [
        row
        for row in held(books, "usage", 'source_id, user_id, account_id, response_id, CAST("at" AS VARCHAR)')
        if FORGOTTEN in row[0]
    ]
    assert stand_ins == [
        (f"{found.name}-000000001", found.name, None, None, "2024-03-20 10:00:00"),
        (f"{found.name}-000000002", "bob", found.name, None, "2024-03-22 10:00:00"),
        (f"{found.name}-000000003", found.name, None, None, "2024-03-23 10:00:00"),
    ]
    # Bob's rows are as they were, the corrected one in its latest version.
    assert [name for name in counted(books) if FORGOTTEN not in name] == ["gateway/2", "gateway/3"]
    assert held(books, "usage", "output_tokens, version").count((3, 3)) == 1
    assert held(books, "acquisitions", "user_id, channel") == [
        ("bob", "a"),
        (found.name, "ads"),
    ]


def test_nobody_changes_nothing(books):
    before = books.stamp()
    assert forget(books, "nobody").is_nobody
    assert books.stamp() == before


def test_a_dry_run_counts_and_changes_nothing(books):
    before = (books.stamp(), held(books, "usage"), parquet_with(books.folder, ALICE))
    found = forget(books, ALICE, dry_run=True)
    assert (found.rows["usage"], found.quarantined) == (7, 1)
    assert (books.stamp(), held(books, "usage"), parquet_with(books.folder, ALICE)) == before


def test_twice_is_once(books):
    forget(books, ALICE)
    stamp = books.stamp()
    assert forget(books, ALICE).is_nobody
    assert books.stamp() == stamp


def test_moments_before_are_refused_and_later_ones_read(books):
    earlier = books.batches()[-1].at
    forget(books, ALICE)
    with pytest.raises(BooksError, match="can no longer be read"):
        open_books(books.folder, as_of=earlier).files("usage")
    assert open_books(books.folder, as_of=datetime.now(UTC)).files("usage")


def test_the_log_tells_of_it_without_the_name(books):
    found = forget(books, ALICE)
    entries = [one.facts for one in books.store("usage").history() if one.facts["kind"] == "forget"]
    assert entries == [{"kind": "forget", "name": found.name, "rows": 7}]


def test_undo_still_takes_out_a_batch_with_its_stand_ins(books, tmp_path):
    forget(books, ALICE)
    batch = next(one for one in books.batches() if one.facts["file"] == "payments.csv")
    _, removed, _ = books.undo(batch.batch_id)
    assert (removed, held(books, "payments")) == (2, [])


def test_pseudonymised_books_forget_by_the_plain_id(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY_FILE, str(tmp_path / "key"))
    books = new_books(tmp_path / "books", settings={"privacy": {"pseudonymise": True}})
    rows = [{"source_id": f"{name}/1", "user_id": name, "day": "2024-03-01"} for name in (ALICE, "bob")]
    take(books, "activity", write(tmp_path / "1.csv", rows))
    found = forget(books, ALICE)
    key = pseudonyms_of(books.folder, books.settings)
    assert found.rows["activity"] == 1
    assert parquet_with(books.folder, key.of(ALICE)) == files_with(books.folder, key.of(ALICE)) == []
    assert set(held(books, "activity", "user_id")) == {found.name, key.of("bob")}


def test_ids_in_the_logs_of_older_books_go_too(books, tmp_path):
    """Books of version 1 noted the extremes of every column in the log."""
    [log] = (books.folder / "activity" / "_delta_log").glob("*1.json")
    action = json.loads(log.read_text().splitlines()[1])
    stats = json.loads(action["add"]["stats"])
    stats["minValues"]["user_id"] = ALICE
    action["add"]["stats"] = json.dumps(stats)
    log.write_text("\n".join([log.read_text().splitlines()[0], json.dumps(action)]))
    times = log.stat().st_mtime_ns
    forget(open_books(books.folder), ALICE)
    assert files_with(books.folder, ALICE) == []
    assert log.stat().st_mtime_ns == times
    assert json.loads(json.loads(log.read_text().splitlines()[1])["add"]["stats"])["numRecords"] == 2


def test_many_days_go_in_one_commit(tmp_path):
    books = new_books(tmp_path / "books")
    first = date(2022, 1, 1).toordinal()
    days = [{"source_id": f"{who}{n}", "user_id": who, "day": str(date.fromordinal(first + n))}
            for n in range(500) for who in (ALICE, "bob")]  # fmt: skip
    take(books, "activity", write(tmp_path / "days.csv", days))
    version = books.store("activity").open().version()
    found = forget(books, ALICE)
    assert found.rows["activity"] == 500
    assert books.store("activity").open().version() == version + 1
    with DuckDBEngine() as engine:
        books.view(engine, "activity")
        [counts] = engine.rows("SELECT count(*), count(DISTINCT user_id), count(DISTINCT day) FROM activity")
    assert counts == (1000, 2, 500)


@pytest.mark.parametrize("order", [("books", ALICE), (ALICE, "books"), (ALICE,)])
def test_the_command_takes_books_and_user_in_either_order(books, monkeypatch, capsys, order):
    monkeypatch.chdir(books.folder.parent if len(order) == 2 else books.folder)
    assert main(["forget", *order]) == 2
    assert main(["forget", *order, "--dry-run", "--json"]) == 0
    counts = {row["place"]: row["rows"] for row in json.loads(capsys.readouterr().out)["rows"]}
    assert counts["usage"] == 7
    assert main(["forget", *order, "--yes", "--lang", "zh"]) == 0
    assert "已遗忘" in capsys.readouterr().out
    assert main(["forget", *order, "--yes"]) == 0
    assert "Nothing of this person" in capsys.readouterr().out
