"""What pricing requests costs: aggregated first, as the account does, against calls one by one."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bench import Bench
from benchmarks.lines import Figure
from benchmarks.process import measure
from breakeven.report.view_model import Label

REQUESTS = 1_000_000
SAMPLE = 3_000
MODELS = (
    ("openai", "gpt-4o"),
    ("anthropic", "claude-sonnet-4-5"),
    ("google", "gemini-2.5-pro"),
    ("deepseek", "deepseek-chat"),
    ("moonshotai", "kimi-k2-0905-preview"),
)
"""Models whose price the package states rightly for the month below; two of them by context length."""
MONTH, DAYS = date(2026, 10, 1), 31
_MICROSECOND = timedelta(microseconds=1)


def run(bench: Bench) -> tuple[list[Figure], dict[str, Any]]:
    """The row of the group."""
    requests = min(REQUESTS, bench.users)
    bench.work.mkdir(parents=True, exist_ok=True)
    file = bench.work / f"requests-{requests}.parquet"
    if not file.exists():
        bench.say(f"writing {requests:,} requests")
        measure(write_requests, file=file, rows=requests)
    bench.say("pricing them, aggregated and one by one")
    said = measure(compare, file=file, sample=min(SAMPLE, requests), repeats=max(bench.repeats, 3)).said
    theirs = said["theirs_seconds_per_request"] * requests
    ours, single = said["ours_seconds"], said["single_seconds_per_request"] * requests
    times = said["rollup_seconds"]
    beside = Label(
        f"{requests:,} requests in {ours:.3f} s (of which {ours - times:.3f} s pricing the rollup's rows); "
        f"genai-prices {theirs:.0f} s, scaled from {said['sample']:,} calls with equal totals; our own price "
        f"of single requests {single:.0f} s, {theirs / single:.1f} times as fast",
        f"{requests:,} 个请求用时 {ours:.3f} 秒（其中汇总行计价 {ours - times:.3f} 秒）；genai-prices "
        f"{theirs:.0f} 秒，由 {said['sample']:,} 次调用折算，总额相等；本项目逐条计价 {single:.0f} 秒，"
        f"快 {theirs / single:.1f} 倍",
    )
    return [Figure("pricing", theirs / ours, beside)], {"requests": requests, **said}


def write_requests(file: str, rows: int) -> dict[str, Any]:
    """Distinct requests of a month, in the ledger's columns; the same for the same number of rows."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from breakeven.ledger.tables import TABLES

    chance = np.random.default_rng(2026)
    first = (
        datetime.combine(MONTH, datetime.min.time(), UTC) - datetime.fromtimestamp(0, UTC)
    ) // _MICROSECOND
    at = first + np.sort(chance.integers(0, DAYS * 86_400_000_000, rows))
    model = chance.integers(0, len(MODELS), rows)
    # Most prompts are short, some pass the marks of 200,000 tokens where prices change.
    whole = np.exp(chance.normal(8.5, 1.6, rows)).astype(np.int64) + 1
    cached = (whole * chance.random(rows) * 0.8).astype(np.int64)
    known = {
        "at": pa.array(at, pa.timestamp("us", tz="UTC")),
        "product": pa.array(["api"] * rows),
        "provider": pa.array([name for name, _ in MODELS]).take(pa.array(model)),
        "model": pa.array([name for _, name in MODELS]).take(pa.array(model)),
        "requests": pa.array(np.ones(rows, dtype=np.int64)),
        "uncached_input_tokens": pa.array(whole - cached),
        "cached_input_tokens": pa.array(cached),
        "cache_write_tokens": pa.array(np.zeros(rows, dtype=np.int64)),
        "output_tokens": pa.array(chance.integers(1, 4_000, rows)),
        "day": pa.array(at // 86_400_000_000, pa.int32()).cast(pa.date32()),
    }
    schema = TABLES["usage"].schema
    table = pa.table(
        [known.get(field.name, pa.nulls(rows, field.type)) for field in schema], names=schema.names
    )
    part = Path(f"{file}.part")
    pq.write_table(table.cast(schema), part)
    part.rename(file)
    return {}


def compare(file: str, sample: int, repeats: int) -> dict[str, Any]:
    """Price all requests our way, and a sample of them one by one in both ways; totals must be equal."""
    import pyarrow.parquet as pq

    from breakeven.pricing.genai_prices import import_genai_prices
    from breakeven.pricing.price_book import PriceBook

    with tempfile.TemporaryDirectory() as folder:
        cards, some = Path(folder) / "prices", Path(folder) / "sample.parquet"
        import_genai_prices(cards, MONTH, providers=sorted({provider for provider, _ in MODELS}))
        book = PriceBook.load([cards], include_shipped=False)
        everything = pq.read_table(file)
        step = max(everything.num_rows // sample, 1)
        chosen = everything.take(list(range(0, everything.num_rows, step))[:sample])
        pq.write_table(chosen, some)
        rows = chosen.to_pylist()
        theirs, theirs_seconds = _each(rows, _their_price())
        ours, single_seconds = _each(rows, lambda row: _our_price(book, row))
        different = [(row, a, b) for row, a, b in zip(rows, theirs, ours, strict=True) if a != b]
        if different:
            raise AssertionError(f"{len(different)} requests differ, the first: {different[0]}")
        together, _, _ = _aggregated(str(some), book)
        if together != sum(map(Fraction, theirs), Fraction(0)):
            raise AssertionError(f"the sample costs {together} together, {sum(theirs)} one by one")
        passes = [_aggregated(file, book) for _ in range(repeats)]
    return {
        "sample": len(rows), "sample_total_usd": str(sum(theirs)), "total_usd": str(_decimal(passes[0][0])),
        "ours_seconds": median(seconds for _, _, seconds in passes),
        "rollup_seconds": median(seconds for _, seconds, _ in passes),
        "ours_first_seconds": passes[0][2],
        "theirs_seconds_per_request": theirs_seconds / len(rows),
        "single_seconds_per_request": single_seconds / len(rows),
    }  # fmt: skip


def _aggregated(file: str, book: Any) -> tuple[Fraction, float, float]:
    """The account's own way: the usage rollup over the file, then the price of its rows.

    Gives the exact total in USD, and the seconds until the rollup was there and until the total was.
    """
    import pyarrow as pa

    from breakeven.account.facts import Buckets, Converter
    from breakeven.account.measures import ROLLUPS, Inputs
    from breakeven.account.people import USERS
    from breakeven.account.usage import CLASSES, PricedUsage, model_cuts
    from breakeven.engine.duckdb import DuckDBEngine
    from breakeven.ledger.tables import TABLES
    from breakeven.periods import Period
    from breakeven.pricing.fx import Rates

    cuts = model_cuts(book)
    with DuckDBEngine() as engine:
        engine.view("users", [], USERS, None)
        engine.view(
            "paid_days", [], pa.schema([("paid_user_id", pa.string()), ("paid_day", pa.date32())]), None
        )
        engine.view("usage", [file], TABLES["usage"].schema, None)
        started = time.perf_counter()
        rollup = engine.arrow(ROLLUPS["usage"].build(Inputs(engine.table, cuts)))
        rolled_up = time.perf_counter() - started
        priced = PricedUsage(
            rollup, cuts, book, Buckets((Period.month(MONTH),)), Converter("USD", Rates()),
            own_providers=(), weights=dict.fromkeys(CLASSES, Fraction(0)),
        )  # fmt: skip
        costs = [cost.bought for cost in priced.by()]
        seconds = time.perf_counter() - started
    return sum((cost for cost in costs if isinstance(cost, Fraction)), Fraction(0)), rolled_up, seconds


def _each(
    rows: Sequence[dict[str, Any]], price: Callable[[dict[str, Any]], Decimal]
) -> tuple[list[Decimal], float]:
    for row in rows[:100]:
        price(row)
    started = time.perf_counter()
    prices = [price(row) for row in rows]
    return prices, time.perf_counter() - started


def _their_price() -> Callable[[dict[str, Any]], Decimal]:
    from genai_prices import Usage, calc_price

    def price(row: dict[str, Any]) -> Decimal:
        usage = Usage(
            input_tokens=row["uncached_input_tokens"] + row["cached_input_tokens"],
            cache_read_tokens=row["cached_input_tokens"],
            output_tokens=row["output_tokens"],
        )
        return calc_price(
            usage, row["model"], provider_id=row["provider"], genai_request_timestamp=row["at"]
        ).total_price

    return price


def _our_price(book: Any, row: dict[str, Any]) -> Decimal:
    from breakeven.pricing.apply import price_at

    return price_at(
        book, "buy", row["provider"], row["model"], row["at"],
        uncached_input_tokens=row["uncached_input_tokens"], cached_input_tokens=row["cached_input_tokens"],
        output_tokens=row["output_tokens"],
    ).total  # fmt: skip


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)
