"""init, import, log, undo, quarantine and sources: the same facts for people and for scripts."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pytest

from breakeven.errors import InputError
from breakeven.ledger.books import open_books
from breakeven.sources import registry

TRACE = Path(__file__).parents[1] / "sources" / "mooncake" / "sample.jsonl"


def files(ran):
    return [row for row in ran.answer["rows"] if row["record"] == "file"]


def test_init_writes_the_settings_it_was_told(run, tmp_path):
    done = run(
        "init",
        tmp_path / "b",
        "--name",
        "Acme",
        "--currency",
        "cny",
        "--time-zone",
        "Asia/Shanghai",
        "--json",
    )
    assert done.code == 0
    assert done.answer["rows"] == [
        {"name": "Acme", "folder": str(tmp_path / "b"), "currency": "CNY", "time_zone": "Asia/Shanghai"}
    ]
    settings = open_books(tmp_path / "b").settings
    assert (settings.name, settings.currency, settings.time_zone) == ("Acme", "CNY", "Asia/Shanghai")


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (["--currency", "RMB"], 3, "unknown currency 'RMB'"),
        (["--time-zone", "Mars/Olympus"], 2, "unknown time zone"),
    ],
)
def test_init_refuses_what_does_not_exist_and_leaves_nothing(run, tmp_path, flags, code, words):
    done = run("init", tmp_path / "b", *flags)
    assert done.code == code
    assert words in done.err
    assert not (tmp_path / "b").exists()


def test_init_does_not_overwrite_books(run, books):
    before = (books / "breakeven.toml").read_bytes()
    assert run("init", books, "--currency", "USD").code == 2
    assert (books / "breakeven.toml").read_bytes() == before


def test_import_accounts_for_every_row(run, books, activity):
    done = run("import", books, activity, "--json")
    assert done.code == 0
    [file] = files(done)
    assert (file["state"], file["ledger_table"]) == ("imported", "activity")
    assert (file["rows_read"], file["ingested"], file["duplicates"], file["quarantined"]) == (4, 2, 1, 1)
    [problem] = [row for row in done.answer["rows"] if row["record"] == "problem"]
    assert (problem["file"], problem["row"], problem["field"]) == ("activity.csv", 3, "day")
    assert {warning["code"] for warning in done.answer["warnings"]} == {"quarantined"}


def test_import_twice_is_import_once(run, books, activity):
    run("import", books, activity)
    [file] = files(run("import", books, activity, "--json"))
    assert (file["state"], file["ingested"], file["duplicates"], file["quarantined"]) == ("known", 0, 3, 1)


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ["imported", "Quarantined", "First problems"]), ("zh", ["已导入", "隔离", "前几个问题"])],
)
def test_import_tells_people_in_their_language(run, books, activity, language, words):
    done = run("import", books, activity, "--lang", language)
    assert all(word in done.out for word in words)
    assert f"breakeven quarantine {books}" in done.out


def test_a_dry_run_changes_nothing(run, books, activity):
    done = run("import", books, activity, "--dry-run", "--json")
    [file] = files(done)
    assert (file["state"], file["ingested"]) == ("dry_run", 2)
    assert run("log", books, "--json").answer["rows"] == []
    assert run("quarantine", books, "--json").answer["rows"] == []


def test_a_file_that_cannot_be_read_does_not_stop_the_others(run, books, activity, tmp_path):
    (tmp_path / "empty.csv").touch()
    (tmp_path / "other.csv").write_text("hello\n1\n")
    names = [tmp_path / "empty.csv", tmp_path / "none.csv", tmp_path / "other.csv", activity]
    done = run("import", books, *names, "--json")
    assert done.code == 3
    assert {file["file"]: file["state"] for file in files(done)} == {
        str(activity): "imported",
        **{str(name): "unreadable" for name in names[:3]},
    }
    assert all(str(name) in done.err for name in names[:3])
    assert done.err.count("Error: ") == 3


def test_folders_and_patterns_are_taken_apart(run, books, activity, tmp_path):
    folder = tmp_path / "exports"
    (folder / "sub").mkdir(parents=True)
    shutil.copy(activity, folder / "one.csv")
    (folder / "sub" / "two.csv").write_text("source_id,user_id,day\nb1,u9,2024-03-05\n")
    (folder / "read me.md").write_text("no data")
    (folder / ".hidden.csv").write_text("no data")
    done = run("import", books, folder, "--json")
    assert [Path(file["file"]).name for file in files(done)] == ["one.csv", "two.csv"]
    again = run("import", books, tmp_path / "exp*" / "**" / "*.csv", "--json")
    assert {file["state"] for file in files(again) if "hidden" not in file["file"]} == {"known"}
    assert run("import", books, tmp_path / "*.xlsx").code == 3
    assert run("import", books, books / "prices").code == 3


def test_several_files_have_a_total(run, books, activity, tmp_path):
    (tmp_path / "two.csv").write_text("source_id,user_id,day\nb1,u9,2024-03-05\n")
    done = run("import", books, activity, tmp_path / "two.csv", "--csv", "--no-bom")
    table = next(part for part in done.out.split("\n\n") if part.startswith("table,file"))
    total = list(csv.DictReader(io.StringIO(table)))[-1]
    assert [total[name] for name in total if name.startswith(("rows_read", "ingested"))] == ["5", "3"]


def test_rows_without_ids(run, books, tmp_path):
    (tmp_path / "a.csv").write_text("user_id,day\nu1,2024-03-01\nu2,2024-03-02\n")
    assert run("import", books, tmp_path / "a.csv").code == 3
    [file] = files(run("import", books, tmp_path / "a.csv", "--row-ids", "--json"))
    assert (file["ledger_table"], file["ingested"]) == ("activity", 2)


def test_a_mapping_file_names_columns_and_table(run, books, tmp_path):
    (tmp_path / "m.yaml").write_text(
        "table: activity\nsource: crm\ncolumns: {user_id: uid, day: date, source_id: row}\n"
    )
    (tmp_path / "a.csv").write_text("uid,date,mood\nu1,2024-03-01,good\n")
    done = run("import", books, tmp_path / "a.csv", "--mapping", tmp_path / "m.yaml", "--json")
    [file] = files(done)
    assert (file["ingested"], file["ignored_columns"]) == (1, "mood")
    assert [warning["code"] for warning in done.answer["warnings"]] == ["ignored_columns"]


def test_times_without_a_zone_need_one(run, books, tmp_path):
    (tmp_path / "a.csv").write_text("source_id,user_id,acquired_at\n1,u1,2024-03-01 09:00:00\n")
    [file] = files(run("import", books, tmp_path / "a.csv", "--dry-run", "--json"))
    assert file["quarantined"] == 1
    [file] = files(run("import", books, tmp_path / "a.csv", "--time-zone", "Asia/Shanghai", "--json"))
    assert (file["ingested"], file["quarantined"]) == (1, 0)


def test_covers_says_more_than_the_rows(run, books, activity):
    run("import", books, activity, "--covers", "2024-03")
    [period] = open_books(books).coverage().periods["activity"]
    assert period.label == "2024-03"


def test_import_through_a_source(run, books):
    done = run("import", books, TRACE, "--source", "mooncake", "--option", "model=k1", "--json")
    [file] = files(done)
    assert (file["ledger_table"], file["ingested"], file["quarantined"]) == ("usage", 7, 3)
    assert "source_notes" in {warning["code"] for warning in done.answer["warnings"]}
    [batch] = run("log", books, "--json").answer["rows"]
    assert (batch["file"], batch["source"]) == ("sample.jsonl", "mooncake")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--source", "mooncake", "--row-ids"], "reads its own layout"),
        (["--source", "mooncake", "--table", "bills"], "fills usage, not bills"),
        (["--source", "mooncake", "--option", "modle=x"], "no option 'modle'"),
        (["--source", "mooncake", "--option", "model"], "has no value"),
        (["--source", "ours", "--option", "model=x"], "--option needs a source"),
        (["--covers", "someday"], "cannot read period"),
        (["--time-zone", "Nowhere"], "unknown time zone"),
        (["--json", "--csv"], "exclude each other"),
    ],
)
def test_contradictory_requests_are_refused_before_anything_is_read(run, books, flags, words):
    done = run("import", books, TRACE, *flags)
    assert (done.code, done.out) == (2, "")
    assert words in done.err


def test_the_log_shows_what_stands(run, books, activity):
    run("import", books, activity)
    [row] = run("log", books, "--json").answer["rows"]
    assert (row["state"], row["rows_read"], row["first_day"], row["last_day"]) == (
        "stands",
        4,
        "2024-03-01",
        "2024-03-02",
    )
    assert run("log", books, "--table", "usage", "--json").answer["rows"] == []
    assert run("log", books, "--as-of", "2024-01-01", "--json").answer["rows"] == []
    assert "有效" in run("log", books, "--lang", "zh").out


def test_undo_takes_a_batch_out_and_names_what_to_import_again(run, books, activity, tmp_path):
    run("import", books, activity)
    (tmp_path / "copy.csv").write_text(activity.read_text() + "a9,u9,2024-03-09,1\n")
    run("import", books, tmp_path / "copy.csv")
    first = run("log", books, "--json").answer["rows"][0]["batch_id"]
    done = run("undo", books, first[:8], "--json")
    assert done.code == 0
    assert done.answer["rows"] == [
        {"batch_id": first, "ledger_table": "activity", "file": "activity.csv", "rows_removed": 2}
    ]
    [warning] = done.answer["warnings"]
    assert "copy.csv" in warning["en"]
    assert "copy.csv" in warning["zh"]
    assert [row["state"] for row in run("log", books, "--json").answer["rows"]] == ["undone", "stands"]
    assert run("undo", books, first).code == 2


def test_quarantine_shows_where_why_and_what_next(run, books, activity):
    run("import", books, activity)
    [row] = run("quarantine", books, "--json").answer["rows"]
    assert (row["file"], row["row"], row["field"]) == ("activity.csv", 3, "day")
    assert row["reason"]
    assert row["remedy"]
    assert "2024-03-32" in row["raw"]
    assert "隔离区" in run("quarantine", books, "--lang", "zh").out
    assert run("quarantine", books, row["batch_id"][:6], "--json").answer["rows"] == [row]
    assert run("quarantine", books, "nothing").code == 2


def test_a_short_list_says_that_it_is_short(run, books, tmp_path):
    lines = "".join(f"{i},u{i},never\n" for i in range(60))
    (tmp_path / "a.csv").write_text("source_id,user_id,day\n" + lines)
    run("import", books, tmp_path / "a.csv")
    assert "50 of 60 rows are shown" in run("quarantine", books).out
    assert len(run("quarantine", books, "--json").answer["rows"]) == 60
    short = run("quarantine", books, "--csv", "--limit", "2")
    assert short.out.startswith("\ufeffbatch_id,")
    assert "2 of 60 rows are shown" in short.err


def test_sources_are_listed_in_both_languages(run):
    assert {"azure", "mooncake"} <= {row["name"] for row in run("sources", "--json").answer["rows"]}
    assert "by-context" in run("sources", "mooncake").out
    assert "由共享前缀块" in run("sources", "mooncake", "--lang", "zh").out
    near = run("sources", "moncake")
    assert near.code == 2
    assert "mooncake" in near.err
    assert run("sources", "--csv", "--no-bom").out.startswith("name,")


def test_a_broken_source_is_named_beside_the_good_ones(run, monkeypatch):
    from breakeven.cli import sources

    def finding(name):
        if name == "azure":
            raise InputError("the source 'azure' cannot be loaded")
        return registry.find_source(name)

    monkeypatch.setattr(sources, "find_source", finding)
    answer = run("sources", "--json").answer
    assert "azure" not in {row["name"] for row in answer["rows"]}
    assert "cannot be loaded" in answer["warnings"][0]["en"]
