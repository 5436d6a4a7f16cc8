"""The requests of a day in the app and on the web: when, what for, by which model, how large, how ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from breakeven.sources.synthetic import company
from breakeven.sources.synthetic.activity import ActiveDay
from breakeven.sources.synthetic.clock import DAY_US, SECOND_US, STARTS_US, within_hours
from breakeven.sources.synthetic.plan import CompanyPlan
from breakeven.sources.synthetic.population import Population, Visits
from breakeven.sources.synthetic.priority import PriorityWindows
from breakeven.sources.synthetic.randomness import (
    SIXTEEN_BITS,
    Purpose,
    below,
    choice_table,
    sixteen_bits,
    stream,
)
from breakeven.sources.synthetic.write import chosen, numbered, taken

_NEW_TOKENS = (110, 900, 5_200, 16_000)
"""Median tokens of a first question with its material, by feature (the order of `company.FEATURES`)."""
_CONTEXT_TOKENS = (520, 1_500, 6_000, 18_000)
"""Median tokens that each earlier turn adds to the context."""
_OUTPUT_TOKENS = (260, 420, 520, 640)
_MOST_TOKENS, _MOST_CONTEXT_TOKENS = 100_000, 120_000
_TURNS_REMEMBERED = 8
_CACHED_SHARE = 0.8
_SMALL_CONTEXT, _LARGE_CONTEXT = 6_000, 24_000


def _log_normal_table(medians: tuple[int, ...], spread: float) -> NDArray[np.int64]:
    """For each choice, 65,536 equally likely values of a log-normal amount, one after another."""
    middle = (np.arange(SIXTEEN_BITS) + 0.5) / SIXTEEN_BITS
    # Winitzki's inverse error function: good to 0.2 %, and free of a dependency.
    squared = np.log1p(-((2 * middle - 1) ** 2))
    half = 2 / (np.pi * 0.147) + squared / 2
    normal = np.sign(middle - 0.5) * np.sqrt(2 * (np.sqrt(half**2 - squared / 0.147) - half))
    values = np.outer(medians, np.exp(spread * normal)).round()
    return values.clip(1, _MOST_TOKENS).astype(np.int64).ravel()


_NEW, _CONTEXT = _log_normal_table(_NEW_TOKENS, 0.8), _log_normal_table(_CONTEXT_TOKENS, 0.5)
_OUTPUT = _log_normal_table(_OUTPUT_TOKENS, 0.7)
_FEATURE = choice_table(company.FEATURE_SHARES)


@dataclass(frozen=True)
class Requests:
    """The requests of a day as arrays; text as codes into the lists of `company`."""

    at_us: NDArray[np.int64]
    user_position: NDArray[np.int64]
    product: NDArray[np.int8]
    feature: NDArray[np.int8]
    model: NDArray[np.int8]
    tier: NDArray[np.int8]
    status: NDArray[np.int8]
    uncached: NDArray[np.int64]
    cached: NDArray[np.int64]
    cache_write: NDArray[np.int64]
    output: NDArray[np.int64]
    reasoning: NDArray[np.int64]
    latency_ms: NDArray[np.int64]
    ttft_ms: NDArray[np.int64]

    @property
    def row_count(self) -> int:
        """How many requests."""
        return len(self.at_us)


def more_requests(plan: CompanyPlan, visits: Visits) -> float:
    """Requests that a session of a user of heaviness 1 needs after its first to give `requests_per_user`."""
    missing = plan.requests_per_user * plan.users - visits.expected_sessions
    return max(0.0, missing / visits.weighted_sessions)


def draw_requests(
    plan: CompanyPlan,
    people: Population,
    day: int,
    active: ActiveDay,
    more_per_session: float,
    windows: PriorityWindows,
) -> Requests:
    """All requests of a day in the app and on the web, user by user."""
    random = stream(plan.seed, Purpose.USAGE, day)
    date = plan.days[day]
    user = np.repeat(np.arange(len(active.users)), active.sessions)
    bits = sixteen_bits(random, len(user), 4)
    start = STARTS_US[bits[:, 0]] + bits[:, 1]
    more = more_per_session * people.heaviness[active.users]
    turns = 1 + random.poisson(more[user])
    on_web = (people.platform[active.users] == company.PLATFORMS.index("web"))[user]
    product = np.where(bits[:, 3] < below(0.9), on_web, ~on_web).astype(np.int8)
    peak = within_hours(start, company.PEAK_HOURS)
    day_start_us = plan.day_start_us(date)
    tier = (windows.covers(active.users, user, start + day_start_us) & peak).astype(np.int8)

    session = np.repeat(np.arange(len(user)), turns)
    first_row = np.cumsum(turns) - turns
    turn = np.arange(len(session)) - first_row[session]
    offset_us = np.minimum(start[session] + turn * (77 * SECOND_US), DAY_US - 1)
    feature = _FEATURE[bits[:, 2]][session]
    rows = sixteen_bits(random, len(session), 8)
    at_place = feature.astype(np.int32) << 16

    new = _NEW[at_place + rows[:, 0]]
    context = np.minimum(turn, _TURNS_REMEMBERED) * _CONTEXT[at_place + rows[:, 1]]
    context = np.minimum(context, _MOST_CONTEXT_TOKENS)
    # A prefix is found again in whole blocks of 64 tokens, and only if it is still in the cache.
    cached = np.where(rows[:, 2] < below(_CACHED_SHARE), context & ~np.int64(63), 0)
    cache_write = np.where((turn == 0) & (feature >= company.FEATURES.index("file")), new // 2, 0)
    uncached = new - cache_write + context - cached
    model = _models(new + context, feature == 0, tier[session] == 0, peak[session], rows[:, 3])
    status = _statuses(plan, day, offset_us, rows[:, 4])
    output = np.where(status == 0, _OUTPUT[at_place + rows[:, 5]], 0)
    if date == company.OUTAGE:
        worked = status != company.STATUSES.index("overloaded")
        uncached, cached, cache_write = uncached * worked, cached * worked, cache_write * worked
    ttft_ms = 180 + (uncached >> 4) + (rows[:, 6] >> 8)
    latency_ms = np.where(status == 0, ttft_ms + output * 21 + (rows[:, 7] >> 7), 30 + (rows[:, 7] >> 9))
    return Requests(
        day_start_us + offset_us, user[session], product[session], feature, model, tier[session], status,
        uncached, cached, cache_write, output, np.where(feature == 3, output >> 3, 0), latency_ms, ttft_ms,
    )  # fmt: skip


def _models(
    input_tokens: NDArray[np.int64],
    chat: NDArray[np.bool_],
    standard: NDArray[np.bool_],
    peak: NDArray[np.bool_],
    bits: NDArray[np.uint16],
) -> NDArray[np.int8]:
    """The smallest model whose context fits; some standard chat overflows to the outside provider."""
    size = (input_tokens > _SMALL_CONTEXT).astype(np.int8) + (input_tokens > _LARGE_CONTEXT)
    share = np.where(peak, below(company.OVERFLOW_SHARE_AT_PEAK), below(company.OVERFLOW_SHARE))
    outside = (size == 0) & chat & standard & (bits < share)
    return np.where(outside, np.int8(company.OUTSIDE_MODEL), size)


def _statuses(
    plan: CompanyPlan, day: int, offset_us: NDArray[np.int64], bits: NDArray[np.uint16]
) -> NDArray[np.int8]:
    failed = (bits < below(company.ERROR_SHARE)).astype(np.int8)
    if plan.days[day] == company.OUTAGE:
        over = within_hours(offset_us, company.OUTAGE_HOURS) & (bits < below(company.OUTAGE_FAILED_SHARE))
        failed[over] = company.STATUSES.index("overloaded")
    return failed


def usage_columns(requests: Requests, day_label: str, user_ids: pa.Array) -> dict[str, pa.Array]:
    """The canonical `usage` columns of a day's requests."""
    rows = requests.row_count
    nobody = pa.array([], pa.string())
    refused = requests.status == company.STATUSES.index("overloaded")
    return {
        "at": pa.array(requests.at_us).view(pa.timestamp("us", tz="UTC")),
        "user_id": taken(requests.user_position, user_ids),
        "account_id": taken(None, nobody, rows),
        "product": chosen(requests.product, company.PRODUCTS),
        "feature": chosen(requests.feature, company.FEATURES),
        "provider": chosen(
            requests.model == company.OUTSIDE_MODEL, (company.OWN_PROVIDER, company.OUTSIDE_PROVIDER)
        ),
        "model": chosen(requests.model, company.MODELS),
        "service_tier": chosen(requests.tier, company.SERVICE_TIERS),
        "requests": pa.array(np.ones(rows, dtype=np.int64)),
        "uncached_input_tokens": pa.array(requests.uncached),
        "cached_input_tokens": pa.array(requests.cached),
        "cache_write_tokens": pa.array(requests.cache_write),
        "output_tokens": pa.array(requests.output),
        "reasoning_tokens": pa.array(requests.reasoning),
        "status": chosen(requests.status, company.STATUSES),
        "latency_ms": pa.array(requests.latency_ms, mask=refused),
        "ttft_ms": pa.array(requests.ttft_ms, mask=requests.status != 0),
        "source_id": numbered(f"use{day_label}-", np.arange(rows)),
    }
