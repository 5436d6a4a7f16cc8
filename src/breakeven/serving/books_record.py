"""From an answer of this room to an entry of the books: class costs at benchmark speed, with their derate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from math import ceil, isfinite

from breakeven.account.account import Account
from breakeven.errors import InputError, UsageError
from breakeven.ledger.class_costs import ClassCostEntry, GpuSeconds
from breakeven.periods import next_month
from breakeven.serving.estimate import Estimate
from breakeven.serving.hardware import accelerator
from breakeven.serving.served import Served

_HOURS = 24


@dataclass(frozen=True)
class Recorded:
    """Whom an entry is for: the names that usage has, the pool that serves it, and from which day on."""

    provider: str
    model: str
    pool: str
    valid_from: date


def recorded_model(
    account: Account, provider: str | None, model: str, pool: str, valid_from: date | None
) -> Recorded:
    """The model as the books know it. Raises `UsageError` for one that they do not, or that others serve.

    Without a day it holds from the first open month on, so that closed months stay as they were stated; where
    none is closed, from the first day with usage.
    """
    own = account.books.settings.own_providers
    if not own:
        raise UsageError(
            "these books name no own providers, so nothing is served on own GPUs",
            remedy='add to breakeven.toml: [serving] own_providers = ["the provider\'s name in usage"]',
        )
    if provider is not None and provider not in own:
        raise UsageError(
            f"{provider!r} is not one of the own providers",
            remedy=f"use {', '.join(own)}, or see breakeven.toml",
        )
    served = sorted(
        {
            (str(cost.key[0]), str(cost.key[1]))
            for cost in account.usage.by("provider", "model")
            if cost.is_own
        }
    )
    found = [name for name in served if name[1] == model and provider in (None, name[0])]
    if not found:
        names = ", ".join("/".join(name) for name in served)
        raise UsageError(
            f"no usage of {model!r} on own GPUs",
            remedy=f"use one of {names}"
            if names
            else f"import usage of {', '.join(own)}, or see breakeven.toml",
        )
    if len(found) > 1:
        raise UsageError(
            f"several own providers serve {model!r}", remedy=f"name one: --provider {found[0][0]}"
        )
    pools = {row.pool for row in account.fleet}
    if pool and not pools:
        raise UsageError(
            f"there is no pool {pool!r}, since these books record no capacity",
            remedy="leave --pool out, or import capacity",
        )
    if pool and pool not in pools:
        raise UsageError(
            f"capacity has no pool {pool!r}",
            remedy=f"use one of {', '.join(sorted(pools))}, or leave it out",
        )
    return Recorded(*found[0], pool, valid_from or _first_day(account))


def _first_day(account: Account) -> date:
    if account.closed is not None and account.closed.closings:
        return next_month(max(account.closed.closings))
    usage = account.coverage.periods.get("usage", ())
    return min((period.first for period in usage), default=account.buckets.span.first)


def entry_before(account: Account, whom: Recorded) -> ClassCostEntry | None:
    """What holds for the model on the day from which a new entry will; None where nothing does."""
    return account.class_costs.of(whom.provider, whom.model, whom.valid_from)


def must_hold(account: Account, whom: Recorded) -> None:
    """Raises `UsageError` where there is nothing to withdraw; withdrawing twice is known, and no failure."""
    known = account.class_costs.from_day(whom.provider, whom.model, whom.valid_from)
    if entry_before(account, whom) is not None or (known is not None and known.is_withdrawn):
        return
    later = sorted(
        entry.valid_from
        for entry in account.class_costs.entries
        if (entry.provider, entry.model) == (whom.provider, whom.model) and not entry.is_withdrawn
    )
    raise UsageError(
        f"no class cost of {whom.provider}/{whom.model} holds on {whom.valid_from}: nothing to withdraw",
        remedy=f"withdraw it from the day it holds: --from {later[0]}" if later else "record one first",
    )


def other_gpus(account: Account, pool: str, gpu: str) -> tuple[str, ...]:
    """What capacity says a pool (without a name: the whole fleet) has, where none of it is that GPU.

    Nothing where one of them is, or nobody said. GPUs that ship go by their aliases too.
    """
    held = {row.gpu for row in account.fleet if row.gpu and (not pool or row.pool == pool)}
    if not gpu or _known_gpu(gpu) in {_known_gpu(name) for name in held}:
        return ()
    return tuple(sorted(held))


def _known_gpu(name: str) -> str:
    try:
        return accelerator(name).name
    except InputError:
        return name.strip().lower()


def most_gpus(account: Account, pool: str) -> int | None:
    """The most GPUs that a pool (without a name: any one pool) held on average over a day; None unknown."""
    hours: dict[tuple[date, str], Fraction] = {}
    for row in account.fleet:
        if not pool or row.pool == pool:
            hours[row.day, row.pool] = hours.get((row.day, row.pool), Fraction(0)) + row.gpu_hours
    return max((ceil(held / _HOURS) for held in hours.values()), default=0) or None


def entry_of_served(whom: Recorded, served: Served, known_at: datetime, constants: str) -> ClassCostEntry:
    """The entry of a modelled answer. What is written to a cache is computed like other input."""
    work, derate = served.work, served.derate

    def seconds(each: Estimate, share: float) -> GpuSeconds:
        # The answer is derated; the entry keeps benchmark speed and the derate apart.
        return GpuSeconds.of(each.value * share, each.low * share, each.high * share)

    uncached = seconds(work.uncached_input, derate.prefill)
    traffic = served.traffic
    note = (
        f"{served.model}, {served.precision}, {served.layout}; {traffic.input_tokens:.0f} in "
        f"({traffic.cached_share:.0%} cached), {traffic.output_tokens:.0f} out; TTFT "
        f"{served.target.ttft_seconds:g} s, TPOT {served.target.tpot_seconds:g} s"
    )
    target = served.target
    return ClassCostEntry(
        known_at, whom.valid_from, whom.provider, whom.model,
        {
            "uncached_input": uncached,
            "cached_input": seconds(work.cached_input, derate.prefill),
            "cache_write": uncached,
            "output": seconds(work.output, derate.decode),
        },
        whom.pool, served.gpu, Decimal(str(derate.prefill)), Decimal(str(derate.decode)), constants=constants,
        source="modelled", note=note, architecture=served.model,
        ttft_seconds=_promise(target.ttft_seconds), tpot_seconds=_promise(target.tpot_seconds),
    )  # fmt: skip


def _promise(seconds: float) -> Decimal | None:
    """A promise in seconds; None where there is none."""
    return Decimal(str(seconds)) if isfinite(seconds) else None


def entry_of_seconds(
    whom: Recorded, uncached: Decimal, cached: Decimal, cache_write: Decimal | None, output: Decimal,
    derates: tuple[Decimal, Decimal], known_at: datetime, *, gpu: str, source: str, note: str,
) -> ClassCostEntry:  # fmt: skip
    """The entry of GPU-seconds per token that somebody measured or declares."""
    seconds = {
        "uncached_input": uncached, "cached_input": cached,
        "cache_write": uncached if cache_write is None else cache_write, "output": output,
    }  # fmt: skip
    return ClassCostEntry(
        known_at, whom.valid_from, whom.provider, whom.model,
        {name: GpuSeconds.exact(each) for name, each in seconds.items()},
        whom.pool, gpu, *derates, source=source, note=note,
    )  # fmt: skip


def entry_of_withdrawal(whom: Recorded, known_at: datetime, note: str) -> ClassCostEntry:
    """An entry that takes class costs back: from its day on declared weights count again."""
    return ClassCostEntry(
        known_at, whom.valid_from, whom.provider, whom.model, {}, source="withdrawn", note=note
    )
