"""`serving record`: what is written, what it changes, what it refuses; and the traffic of the books."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.account.bookkeeping import book, new_books
from tests.cli.conftest import Ran, plain_environment, run

from breakeven.account.account import open_account
from breakeven.errors import InputError
from breakeven.ledger.books import Books, open_books
from breakeven.ledger.class_costs import PLACE, read_class_costs
from breakeven.report.views.serving_frontier import books_frontier
from breakeven.serving.architecture import architecture
from breakeven.serving.books_record import most_gpus
from breakeven.serving.books_traffic import books_traffic
from breakeven.serving.hardware import accelerator
from breakeven.serving.serve import serve
from breakeven.serving.target import Derate, Target

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
MEASURED = ("--gpu-seconds-uncached", "0.001", "--gpu-seconds-output", "0.004")


def request(hour: int, inputs: int, outputs: int, **more: Any) -> dict[str, Any]:
    return {
        "at": f"2024-03-05T{hour:02}:30:00Z", "user_id": "u1", "product": "app", "provider": "self",
        "model": "large", "requests": 1, "uncached_input_tokens": inputs, "cached_input_tokens": 0,
        "cache_write_tokens": 0, "output_tokens": outputs, **more,
    }  # fmt: skip


@pytest.fixture
def books(tmp_path: Path) -> Books:
    """A day of 16 GPUs; every hour one request, at noon three; half of a long one is cached."""
    books = new_books(tmp_path / "books", serving={"own_providers": ["self"]})
    row = {"pool": "main", "gpu": "H800", "count": 16, "price_per_gpu_hour": "3.6", "currency": "USD"}
    book(books, "capacity", [{"at": "2024-03-05T00:00:00Z", **row}])
    rows = [request(hour, 1_000, 100) for hour in range(24)]
    rows += [request(12, 1_500, 300, cached_input_tokens=1_500), request(12, 1_000, 100)]
    book(books, "usage", rows)
    return open_books(books.folder)


__all__ = ["plain_environment", "run"]


@pytest.fixture
def record(run: Any, books: Books) -> Callable[..., Ran]:
    """Run `serving record` on the books for the model of their usage."""
    return lambda *arguments: run("serving", "record", books.folder, "--model", "large", *arguments)


def said(ran: Ran) -> str:
    assert ran.code == 0, ran.err
    return ran.out


def rows(ran: Ran, table: str) -> list[dict[str, Any]]:
    return [row for row in ran.answer["rows"] if row.get("table") == table]


def test_measured_seconds_are_recorded_once_and_views_follow(run, record, books):
    cost = ("cost", books.folder, "--by", "model", "--no-users")
    assert "idle fleet" not in said(run(*cost))
    how = (*MEASURED, "--derate-decode", "0.8", "--note", "week 9")
    assert "from 2024-03-05: recorded" in said(record(*how))
    assert "was recorded already" in said(record(*how))
    [entry] = read_class_costs(books.folder).entries
    assert (entry.source, entry.valid_from, entry.note) == ("measured", date(2024, 3, 5), "week 9")
    assert entry.benchmark_seconds("cache_write") == entry.benchmark_seconds("uncached_input")
    after = said(run(*cost))
    assert "idle fleet" in after
    assert "Own fleet: the bill against class costs" in after


def test_a_dry_run_writes_nothing(record, books):
    assert "not recorded (--dry-run)" in said(record(*MEASURED, "--dry-run"))
    assert not (books.folder / PLACE).exists()


def test_the_effect_sums_to_the_same_bill_before_and_after(record):
    """26,500 uncached and 2,800 output tokens keep one GPU busy for 37.7 seconds of the 384 hours."""
    ran = record(*MEASURED, "--json", "--dry-run")
    effect = {row["model"]: row for row in rows(ran, "record_effect")}
    assert (effect["(total)"]["before"], effect["(total)"]["after"]) == ("1382.40", "1382.40")
    assert effect["self/large"]["before"] == "1382.40"
    assert effect["self/large"]["after"] == "0.04"
    assert effect["(idle fleet)"]["after"] == "1382.36"
    [work] = rows(ran, "fleet_work")
    assert (work["gpu_hours"], work["state"], work["unexplained"]) == ("384.0", "fits", "0.00")
    parts = [Decimal(work[name]) for name in ("at_benchmark", "derate", "idle", "unexplained")]
    assert sum(parts) == Decimal(work["bill"])


def test_more_work_than_the_bill_is_said_and_stays_unexplained(record):
    ran = record("--gpu-seconds-uncached", "50", "--gpu-seconds-output", "50", "--json", "--dry-run")
    [work] = rows(ran, "fleet_work")
    assert work["state"] == "over"
    assert Decimal(work["unexplained"]) < 0
    assert Decimal(work["idle"]) == 0
    [warning] = [each for each in ran.answer["warnings"] if each["code"] == "class_costs_over_bill"]
    assert "it would fit at 1.06 of benchmark speed" in json.dumps(warning)


def test_withdrawn_the_declared_weights_count_again(record, books):
    said(record(*MEASURED))
    assert open_account(open_books(books.folder)).value("idle_fleet_cost", 0) > 0
    said(record("--withdraw"))
    assert read_class_costs(books.folder).of("self", "large", date(2024, 3, 5)) is None
    assert open_account(open_books(books.folder)).fleet_splits[0].basis == "weights"


@pytest.mark.slow
def test_a_modelled_entry_occupies_gpus_for_what_serve_says_in_production(record, books):
    derate = Derate(0.5, 0.8)
    arguments = ("--as", "qwen3-32b", "--gpu", "h800", "--derate-prefill", "0.5", "--derate-decode", "0.8")
    said(record(*arguments))
    [entry] = read_class_costs(books.folder).entries
    traffic = replace(books_traffic(open_account(books), "self", "large"), requests_per_second=None)
    served = serve(
        architecture("qwen3-32b"), accelerator("h800"), traffic, Target(), derate=derate, most_gpus=16
    )
    for name in ("uncached_input", "cached_input", "output"):
        each = getattr(served.work, name)
        for which in ("value", "low", "high"):
            assert float(entry.busy_seconds(name, which)) == pytest.approx(getattr(each, which), rel=1e-6)
    assert entry.benchmark_seconds("output") == entry.busy_seconds("output") * 4 / 5
    assert entry.busy_seconds("cache_write") == entry.busy_seconds("uncached_input")
    assert "qwen3-32b" in entry.note
    assert (entry.architecture, entry.gpu) == ("qwen3-32b", "h800")
    assert (entry.ttft_seconds, entry.tpot_seconds) == (Decimal("2.0"), Decimal("0.05"))
    account = open_account(open_books(books.folder))
    figure = books_frontier(account)
    assert figure is not None
    line, point = figure.series
    [mark] = figure.marks
    assert figure.categories[mark.position].en == "50"
    assert [position for position, value in enumerate(point.values) if value is not None] == [mark.position]
    assert float(point.values[mark.position]) == pytest.approx(float(line.values[mark.position]), rel=1e-3)
    assert list(line.values) == sorted(line.values, key=lambda value: value is not None and -value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "which model on which GPU?"),
        (("--gpu-seconds-output", "0.1"), "GPU-seconds need --gpu-seconds-uncached"),
        ((*MEASURED, "--provider", "outside"), "is not one of the own providers"),
        ((*MEASURED, "--pool", "gone"), "capacity has no pool 'gone'"),
        ((*MEASURED, "--model", "small"), "no usage of 'small' on own GPUs"),
        (("--gpu-seconds-uncached", "400", "--gpu-seconds-output", "1"), "400 GPU-seconds for one token"),
        (("--gpu-seconds-uncached", "x", "--gpu-seconds-output", "1"), "is no time"),
        ((*MEASURED, "--withdraw"), "--withdraw takes class costs back"),
        (("--as", "qwen3-32b", "--gpu", "h8000"), "h8000"),
    ],
)
def test_what_it_refuses_it_names_with_a_remedy(record, books, arguments, says):
    ran = record(*arguments)
    assert ran.code in (2, 3)
    assert says in ran.err
    assert "Next step" in ran.err
    assert not (books.folder / PLACE).exists()
    chinese = record(*arguments, "--lang", "zh").err
    assert says not in chinese or says == "h8000"


def test_books_without_own_providers_are_told_where_to_name_them(run, tmp_path):
    books = new_books(tmp_path / "others")
    book(books, "usage", [request(3, 1_000, 10)])
    ran = run("serving", "record", books.folder, "--model", "large", *MEASURED)
    assert "own_providers" in ran.err
    assert ran.code == 2


def test_the_traffic_of_the_books(books):
    traffic = books_traffic(open_account(books), "self", "large")
    assert traffic.input_tokens == pytest.approx((25 * 1_000 + 3_000) / 26)
    assert traffic.cached_share == pytest.approx(1_500 / 28_000)
    assert traffic.output_tokens == pytest.approx((25 * 100 + 300) / 26)
    assert traffic.requests_per_second == pytest.approx(26 / 86_400)
    assert traffic.hourly[12] == pytest.approx(3 * 24 / 26)
    assert traffic.input_spread == pytest.approx(5 / 14)
    assert traffic.length_correlation == pytest.approx(1.0)


def test_traffic_that_is_not_known_is_refused(books):
    with pytest.raises(InputError, match="do not say what traffic"):
        books_traffic(open_account(books), "self", "small")


def test_the_gpus_of_a_pool_bound_the_layouts(books):
    account = open_account(books)
    assert most_gpus(account, "main") == most_gpus(account, "") == 16
    assert most_gpus(account, "gone") is None


def test_idle_cost_is_a_line_of_the_statement(run, record, books):
    said(record(*MEASURED))
    assert "Idle fleet, in serving cost" in said(run("income", books.folder))
    account = open_account(open_books(books.folder))
    parts = [account.value(name, 0) for name in ("served_fleet_cost", "idle_fleet_cost", "gpu_cost")]
    assert parts[0] + parts[1] == parts[2] == Decimal("1382.40")
