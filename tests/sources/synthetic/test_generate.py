"""Same plan, same company, however it is cut; published figures are met; nothing is left behind."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from breakeven.cli.generate import generate
from breakeven.errors import UsageError
from breakeven.ledger.books import open_books
from breakeven.sources.synthetic.books import write_books
from breakeven.sources.synthetic.files import keep_in
from breakeven.sources.synthetic.generate import Truth, write_company
from breakeven.sources.synthetic.plan import CompanyPlan, cost_per_bought_user_cny, spend_cny

SMALL = CompanyPlan(users=400, months=2, seed=11)


def _generate(folder: Path, plan: CompanyPlan, chunk_rows: int) -> tuple[str, dict[str, pa.Table], int]:
    files = folder / "files"
    truth = write_company(plan, folder, keep_in(files, "parquet"), chunk_rows=chunk_rows)
    truth.write(folder / "truth.json")
    chunks = {home.name: sorted(home.iterdir()) for home in sorted(files.iterdir())}
    tables = {
        name: pa.concat_tables([pq.read_table(path) for path in paths]) for name, paths in chunks.items()
    }
    return (folder / "truth.json").read_text("utf-8"), tables, sum(map(len, chunks.values()))


def test_same_plan_same_rows_whatever_the_chunks(tmp_path: Path) -> None:
    one, many = tmp_path / "one", tmp_path / "many"
    one.mkdir()
    many.mkdir()
    truth, tables, files = _generate(one, SMALL, 10_000_000)
    again, tables_again, more_files = _generate(many, SMALL, 500)
    assert truth == again
    assert more_files > files == len(tables)
    for name, table in tables.items():
        assert table.equals(tables_again[name]), name


def test_another_seed_is_another_company(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    first = _generate(tmp_path / "a", SMALL, 10_000)[0]
    (tmp_path / "b").mkdir()
    assert first != _generate(tmp_path / "b", CompanyPlan(users=400, months=2, seed=12), 10_000)[0]


def test_spend_and_cost_of_users_follow_the_published_path(hundredth: Truth) -> None:
    facts = hundredth.facts
    spend = [Decimal(row["value"]) for row in facts["income"] if row["metric"] == "acquisition_spend"]
    for month, (amount, growth) in enumerate(zip(spend, facts["growth"], strict=True)):
        assert float(amount) == pytest.approx(spend_cny(month) / 100, rel=0.001)
        assert growth["paid_new_users"] / growth["new_users"] == pytest.approx(0.70, abs=0.01)
        assert float(amount) / growth["paid_new_users"] == pytest.approx(
            cost_per_bought_user_cny(month), rel=0.05
        )
        assert 5.5 < growth["visits"] / growth["mau"] < 6.5
    assert float(spend[0]) / facts["growth"][0]["paid_new_users"] == pytest.approx(12.5, rel=0.05)
    assert float(spend[5]) / facts["growth"][5]["paid_new_users"] == pytest.approx(30.0, rel=0.05)


def test_july_is_near_the_published_visits_and_visitors(hundredth: Truth) -> None:
    july = hundredth.facts["growth"][4]
    assert july["visits"] == pytest.approx(245_600, rel=0.08)
    assert july["mau"] == pytest.approx(39_900, rel=0.08)


def test_channels_differ_in_cost_and_brand_brings_nobody(hundredth: Truth) -> None:
    facts = hundredth.facts
    cost = {}
    for row in facts["new_users_by_channel"]:
        if row["period"] == "2024-08" and row["channel"] != "organic":
            spent = [r for r in facts["spend"] if r["period"] == "2024-08" and r["channel"] == row["channel"]]
            cost[row["channel"]] = float(sum(Decimal(r["value"]) for r in spent)) / row["users"]
    assert cost["bilibili"] >= 30 > cost["referral"]
    assert "brand" not in cost
    assert any(row["channel"] == "brand" for row in facts["spend"])
    assert {row["kind"] for row in facts["spend"]} == {"ads", "creator", "coupon", "referral", "agency"}


def test_requests_per_user_are_met(hundredth: Truth) -> None:
    in_the_app = sum(row["requests"] for row in hundredth.facts["usage"] if row["product"] != "api")
    assert in_the_app / hundredth.plan.users == pytest.approx(9.0, rel=0.02)


def test_heavy_users_do_not_push_the_mean_up(tmp_path: Path) -> None:
    plan = CompanyPlan(users=20_000, months=1, requests_per_user=30.0)
    truth = write_company(plan, tmp_path, lambda table, path: None)
    assert truth.facts["rows"]["usage"] / plan.users == pytest.approx(30.0, rel=0.05)


@pytest.mark.parametrize(("users", "months"), [(1, 1), (2, 8)])
def test_the_smallest_companies_are_whole(tmp_path: Path, users: int, months: int) -> None:
    files = tmp_path / "files"
    truth = write_company(CompanyPlan(users=users, months=months), tmp_path, keep_in(files, "parquet"))
    assert truth.facts["rows"]["acquisitions"] == users
    assert sum(row["new_users"] for row in truth.facts["growth"]) == users
    read = {home.name: pq.read_table(home).num_rows for home in files.iterdir()}
    assert read == {name: rows for name, rows in truth.facts["rows"].items() if rows}


def test_an_interrupt_leaves_no_chunk_behind(tmp_path: Path) -> None:
    def stop(done: int, whole: int) -> None:
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_company(SMALL, tmp_path, lambda table, path: None, chunk_rows=200, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_books_hold_every_row_and_say_synthetic(tmp_path: Path) -> None:
    folder = tmp_path / "books"
    result = CliRunner().invoke(
        generate, [str(folder), "--users", "60", "--months", "1"], catch_exceptions=False
    )
    assert result.exit_code == 0
    facts = json.loads((folder / "truth.json").read_text("utf-8"))
    books = open_books(folder)
    assert books.settings.synthetic
    assert books.settings.own_providers == ("self",)
    for table, rows in facts["rows"].items():
        assert sum(file.row_count for file in books.files(table)) == rows, table
    assert {path.name for path in (folder / "prices").iterdir()} == {
        "synthetic-sell.yaml",
        "synthetic-outside-buy.yaml",
    }
    with pytest.raises(UsageError, match="not empty"):
        write_books(SMALL, folder)


def test_an_interrupted_company_leaves_no_books(tmp_path: Path) -> None:
    def stop(done: int, whole: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_books(SMALL, tmp_path / "books", progress=stop)
    assert not (tmp_path / "books").exists()


def test_raw_files_as_csv_and_a_line_in_chinese(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    command = ["--raw", str(raw), "--format", "csv", "--users", "50", "--months", "1", "--lang", "zh"]
    result = CliRunner().invoke(generate, command, catch_exceptions=False)
    assert "合成" in result.output
    facts = json.loads((raw / "truth.json").read_text("utf-8"))
    text = (raw / "usage" / "synthetic-usage-00001.csv").read_text("utf-8")
    assert text.count("\n") == facts["rows"]["usage"] + 1
    assert {path.name for path in raw.iterdir()} == {*facts["rows"], "prices", "truth.json"}


def test_either_books_or_raw(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="either"):
        CliRunner().invoke(generate, [], catch_exceptions=False)
