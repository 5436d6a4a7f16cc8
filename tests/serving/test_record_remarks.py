"""What `serving record` says of an entry that somebody may not have meant, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.account.bookkeeping import book, new_books
from tests.cli.conftest import Ran, plain_environment, run

from breakeven.ledger.books import Books, open_books
from breakeven.ledger.class_costs import PLACE, read_class_costs

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
MEASURED = ("--gpu-seconds-uncached", "0.001", "--gpu-seconds-output", "0.004")
__all__ = ["plain_environment", "run"]


def books_with(folder: Path, capacity: dict[str, str]) -> Books:
    """A day of a GPU a pool at 2.1037 an hour, and a request of 1,000 and 100 tokens."""
    books = new_books(folder / "books", serving={"own_providers": ["self"]})
    row = {"at": "2024-03-05T00:00:00Z", "count": 1, "price_per_gpu_hour": "2.1037", "currency": "USD"}
    if capacity:
        book(books, "capacity", [{**row, "pool": pool, "gpu": gpu} for pool, gpu in capacity.items()])
    book(books, "usage", [{
        "at": "2024-03-05T12:00:00Z", "user_id": "u", "product": "app", "provider": "self", "model": "large",
        "requests": 1, "uncached_input_tokens": 1_000, "cached_input_tokens": 0, "cache_write_tokens": 0,
        "output_tokens": 100,
    }])  # fmt: skip
    return open_books(books.folder)


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return books_with(tmp_path, {"main": "H800", "night": "A100"})


@pytest.fixture
def record(run: Any, books: Books) -> Callable[..., Ran]:
    return lambda *arguments: run("serving", "record", books.folder, "--model", "large", *arguments)


def codes(ran: Ran) -> set[str]:
    return {warning["code"] for warning in ran.answer["warnings"]}


@pytest.mark.parametrize(
    ("gpu", "pool", "is_said"),
    [("h800", "main", False), ("h800", "", False), ("h800", "night", True), ("h20", "", True)],
)
def test_another_gpu_than_capacity_has_is_said(record, gpu, pool, is_said):
    where = ("--pool", pool) if pool else ()
    ran = record(*MEASURED, "--gpu", gpu, *where, "--dry-run", "--json")
    assert ("other_gpu" in codes(ran)) == is_said
    if pool == "night":
        assert "the seconds are of h800, but capacity has A100 in pool night" in ran.out
        assert (
            "资源池 night 为 A100" in record(*MEASURED, "--gpu", gpu, *where, "--dry-run", "--lang", "zh").out
        )


def test_a_pool_where_nobody_recorded_capacity(run, tmp_path):
    books = books_with(tmp_path, {})
    how = ("serving", "record", books.folder, "--model", "large", *MEASURED, "--pool", "main")
    ran = run(*how)
    assert ran.code == 2
    assert "these books record no capacity" in ran.err
    assert "use one of" not in ran.err
    assert "账簿中没有算力记录" in run(*how, "--lang", "zh").err


def test_nothing_recorded_is_nothing_to_withdraw(record, books):
    ran = record("--withdraw")
    assert (ran.code, (books.folder / PLACE).exists()) == (2, False)
    assert "no class cost of self/large holds on 2024-03-05: nothing to withdraw" in ran.err
    assert "无可撤回" in record("--withdraw", "--lang", "zh").err
    assert record(*MEASURED, "--from", "2024-03-20").code == 0
    assert "--from 2024-03-20" in record("--withdraw").err
    assert record("--withdraw", "--from", "2024-03-20").code == 0
    assert "was recorded already" in record("--withdraw", "--from", "2024-03-20").out
    assert len(read_class_costs(books.folder).entries) == 2


def test_a_pool_that_a_new_entry_leaves_out_is_said(record, books):
    assert record(*MEASURED, "--pool", "main").code == 0
    ran = record(*MEASURED, "--json")
    assert "pool_dropped" in codes(ran)
    assert "--pool main" in ran.out
    assert read_class_costs(books.folder).of("self", "large", date(2024, 3, 5)).pool == ""
    assert "pool_dropped" not in codes(record(*MEASURED, "--json"))


def test_an_entry_of_later_months_changes_no_figure_shown(record):
    ran = record(*MEASURED, "--from", "2031-01-01", "--json")
    assert "holds_later" in codes(ran)
    assert {row["change"] for row in ran.answer["rows"] if row.get("table") == "record_effect"} == {"0.00"}
    assert "holds_later" not in codes(record(*MEASURED, "--json"))


def test_the_price_of_a_gpu_hour_keeps_its_digits(record):
    said = record(*MEASURED, "--dry-run").out
    assert "Money at 2.1037 USD a GPU-hour" in " ".join(said.split())
    assert "每卡时 2.1037 USD" in record(*MEASURED, "--dry-run", "--lang", "zh").out.replace("\n", "")
