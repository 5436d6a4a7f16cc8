"""`breakeven serving record`: let the books allocate their own GPUs by class costs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import Output, books_argument, output_options, period_option
from breakeven.cli.output import emit, progress
from breakeven.cli.serving_options import Asked, serving_options
from breakeven.errors import UsageError

if TYPE_CHECKING:
    from breakeven.account.account import Account
    from breakeven.ledger.class_costs import ClassCostEntry
    from breakeven.periods import Period
    from breakeven.serving.books_record import Recorded


def _day(context: click.Context, parameter: click.Parameter, value: str | None) -> date | None:  # noqa: ARG001
    from breakeven.cli.options import day

    return None if value is None else day(value)


def _seconds(context: click.Context, parameter: click.Parameter, value: str | None) -> Decimal | None:  # noqa: ARG001
    if value is None:
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number < 0:
        raise UsageError(
            f"{parameter.opts[0]} {value!r} is no time",
            remedy="write GPU-seconds of one token, such as 0.0004",
        )
    if number > _LONGEST_SECONDS:
        raise UsageError(
            f"{parameter.opts[0]} {value!r} is {number:g} GPU-seconds for one token",
            cause="seconds of a million tokens, or of a request", remedy="write GPU-seconds of one token",
        )  # fmt: skip
    return number


_LONGEST_SECONDS = 60


@command(
    "record",
    en="Record in BOOKS what tokens of an own model cost to serve: the fleet's cost is then borne by the\n"
    "GPU time that tokens take, and the rest is idle. The traffic is that of the books. Shows what changes.",
    zh="在 BOOKS 中登记自有模型各类词元的服务成本：此后自有算力成本按词元占用的 GPU 时间承担，\n"
    "其余列为空闲。流量取自账簿，并显示登记前后的变化。",
)
@books_argument()
@option("--model", required=True, metavar="NAME", en="The model's name in usage.", zh="用量中的模型名。")
@option("--provider", metavar="NAME", en="Its provider in usage.", zh="用量中的服务商名。")
@option("--as", "architecture", metavar="NAME", en="What it is: a shipped model, config.json or spec.",
        zh="模型架构：内置模型名、config.json 或规格文件。")  # fmt: skip
@option(
    "--gpu",
    metavar="NAME",
    en="What serves it: a shipped GPU or a spec.",
    zh="所用显卡：内置显卡名或规格文件。",
)
@option("--pool", default="", metavar="NAME", en="The pool of capacity that serves it; any unless given.",
        zh="提供服务的资源池；默认不限。")  # fmt: skip
@option("--from", "valid_from", metavar="DAY", callback=_day,
        en="Holds from this day on; the first open month unless given.",
        zh="自该日起生效；默认自首个未结账月份起。")  # fmt: skip
@option("--traffic", "other_traffic", metavar="WHAT", en="Instead of the books' traffic, as in serving cost.",
        zh="代替账簿中的流量，写法同 serving cost。")  # fmt: skip
@option("--gpu-seconds-uncached", "uncached", metavar="SECONDS", callback=_seconds,
        en="Measured: GPU-seconds of a token of input.", zh="实测：每个输入词元的 GPU 秒数。")  # fmt: skip
@option("--gpu-seconds-cached", "cached", metavar="SECONDS", callback=_seconds,
        en="Of a cached one; 0 unless given.", zh="每个命中缓存的输入词元；默认为 0。")  # fmt: skip
@option("--gpu-seconds-cache-write", "cache_write", metavar="SECONDS", callback=_seconds,
        en="Of one written to a cache; as input.", zh="每个写入缓存的词元；默认同输入。")  # fmt: skip
@option("--gpu-seconds-output", "output_seconds", metavar="SECONDS", callback=_seconds,
        en="Of a token of output.", zh="每个输出词元。")  # fmt: skip
@option(
    "--declared",
    is_flag=True,
    en="These seconds are declared, not measured.",
    zh="上述秒数为声明值而非实测。",
)
@option("--withdraw", is_flag=True, en="From --from on, by declared weights again.",
        zh="自 --from 起恢复按声明权重分摊。")  # fmt: skip
@option("--note", default="", metavar="TEXT", en="Why, or from where.", zh="说明原因或来源。")
@option("--dry-run", is_flag=True, en="Only show what would change.", zh="只显示变化，不写入。")
@period_option
@serving_options(without=("model", "gpu", "traffic", "price"), reads_data=True)
@output_options
def record(
    books: Path, model: str, provider: str | None, pool: str, valid_from: date | None, dry_run: bool,
    period: Period | None,
    asked: Asked, output: Output, **given: Any,
) -> None:  # fmt: skip
    """Compute or take class costs, show what they change, and record them."""
    from breakeven.account.account import open_account
    from breakeven.ledger.books import open_books
    from breakeven.ledger.class_costs import checked, record_class_cost
    from breakeven.report.views.serving_record import serving_record_view, with_entry
    from breakeven.serving.books_record import entry_before, other_gpus, recorded_model

    with progress() as say:
        before = open_account(open_books(books), period=period, progress=say)
        whom = recorded_model(before, provider, model, pool, valid_from)
        say("computing")
        entry = checked(_entry(before, whom, asked, given), str(books))
        after = with_entry(before, entry)
        former, others = entry_before(before, whom), other_gpus(before, entry.pool, entry.gpu)
        view_of_dry_run = serving_record_view(before, after, entry, "dry_run", former, others)
    if dry_run:
        emit(view_of_dry_run, output)
        return
    outcome = "recorded" if record_class_cost(books, entry) else "known"
    emit(serving_record_view(before, after, entry, outcome, former, others), output)


def _entry(account: Account, whom: Recorded, asked: Asked, given: dict[str, Any]) -> ClassCostEntry:
    """What is to be recorded: a withdrawal, seconds as given, or the model's answer."""
    from breakeven.serving.books_record import entry_of_seconds, entry_of_withdrawal, must_hold

    now = datetime.now(UTC)
    measured = [given[name] for name in ("uncached", "cached", "cache_write", "output_seconds")]
    has_seconds = any(each is not None for each in measured)
    if given["withdraw"]:
        if has_seconds or given["architecture"]:
            raise UsageError(
                "--withdraw takes class costs back, and takes no others", remedy="leave the rest out"
            )
        must_hold(account, whom)
        return entry_of_withdrawal(whom, now, given["note"])
    if has_seconds:
        uncached, cached, cache_write, output = measured
        if uncached is None or output is None or given["architecture"]:
            raise UsageError(
                "GPU-seconds need --gpu-seconds-uncached and --gpu-seconds-output, and no --as",
                remedy="give both, or let the model compute them with --as and --gpu",
            )
        derates = (Decimal(str(asked.derate_prefill)), Decimal(str(asked.derate_decode)))
        return entry_of_seconds(
            whom, uncached, cached or Decimal(0), cache_write, output, derates, now, gpu=given["gpu"] or "",
            source="declared" if given["declared"] else "measured", note=given["note"],
        )  # fmt: skip
    if not given["architecture"] or not given["gpu"]:
        raise UsageError(
            "which model on which GPU?",
            remedy="give --as and --gpu, such as --as deepseek-v3 --gpu h800, or measured --gpu-seconds-...",
        )
    return _modelled(
        account, whom, replace(asked, models=(given["architecture"],), gpus=(given["gpu"],)), given, now
    )


def _modelled(
    account: Account, whom: Recorded, asked: Asked, given: dict[str, Any], now: datetime
) -> ClassCostEntry:
    """The answer of `serving cost` for the books' traffic, whatever its rate: the books find what is idle."""
    from breakeven.report.serving.traffic_files import read_traffic
    from breakeven.serving.books_record import entry_of_served, most_gpus
    from breakeven.serving.books_traffic import books_traffic

    text = given["other_traffic"]
    traffic = read_traffic(text) if text else books_traffic(account, whom.provider, whom.model)
    most = asked.replica_gpus or most_gpus(account, whom.pool)
    served = replace(asked, replica_gpus=most).served(traffic=replace(traffic, requests_per_second=None))
    constants = asked.constants()
    entry = entry_of_served(whom, served, now, constants.as_of or constants.provenance)
    return replace(entry, note=f"{entry.note}; {given['note']}") if given["note"] else entry
