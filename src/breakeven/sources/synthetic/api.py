"""The API business: accounts, their usage by the hour, top-ups in advance and invoices at the month's end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from breakeven.sources.synthetic import company
from breakeven.sources.synthetic.clock import DAY_US, HOUR_US, HOURLY
from breakeven.sources.synthetic.payments import KINDS, NO_PLAN, NO_SERVICE, NOBODY, PaymentBatch, fee_cents
from breakeven.sources.synthetic.plan import CompanyPlan
from breakeven.sources.synthetic.prices import value_of
from breakeven.sources.synthetic.randomness import Purpose, choice_table, stream
from breakeven.sources.synthetic.write import chosen, numbered, taken

_FULL_SIZE_ACCOUNTS, _FEWEST_ACCOUNTS = 4_000, 4
_REQUESTS_PER_DAY = 150.0
_HEAVY_SPREAD = 1.2
_INVOICED_SHARE = 0.25
_TOPUPS_CENTS = np.array([2_000, 10_000, 50_000, 200_000])
_TOPUP_SHARES = (0.4, 0.35, 0.2, 0.05)
_WEEKLY_TOPUP_SHARE = 0.3
_MODEL_SHARES = (0.6, 0.3, 0.1)
_INPUT_TOKENS, _OUTPUT_TOKENS, _CACHED_SHARE = np.array([1_100, 5_000, 21_000]), 380, 0.35
_INVOICED_AT_HOUR = 23
UNITS_PER_CENT = 10**6
"""Values are whole hundred-millionths of a CNY: a price in cents per million tokens, times tokens."""


@dataclass(frozen=True)
class ApiUsage:
    """A day's usage by account and hour, as arrays."""

    at_us: NDArray[np.int64]
    account: NDArray[np.int64]
    model: NDArray[np.int8]
    requests: NDArray[np.int64]
    tokens: NDArray[np.int64]
    """One row per entry, one column per token class."""


class ApiBusiness:
    """Accounts from `company.API_FROM`; remembers what each has used since its last invoice."""

    def __init__(self, plan: CompanyPlan) -> None:
        random = stream(plan.seed, Purpose.API, 1_000_000)
        self._plan = plan
        self.account_count = max(_FEWEST_ACCOUNTS, round(_FULL_SIZE_ACCOUNTS * plan.scale))
        self._heaviness = np.exp(_HEAVY_SPREAD * random.standard_normal(self.account_count))
        self._model = choice_table(_MODEL_SHARES)[random.integers(0, 65_536, self.account_count)]
        self.invoiced = np.arange(self.account_count) % round(1 / _INVOICED_SHARE) == 1
        self._used_units = np.zeros(self.account_count, dtype=object)

    def is_open(self, day: int) -> bool:
        """Whether the API is sold on a day."""
        return self._plan.days[day] >= company.API_FROM

    def draw_usage(self, day: int) -> ApiUsage:
        """The day's usage; adds its list value to what will be invoiced."""
        random = stream(self._plan.seed, Purpose.API, day)
        mean = np.outer(self._heaviness, HOURLY) * (_REQUESTS_PER_DAY / sum(HOURLY))
        counts = random.poisson(mean)
        account, hour = np.nonzero(counts)
        requests = counts[account, hour]
        model = self._model[account]
        inputs = (requests * _INPUT_TOKENS[model] * random.uniform(0.6, 1.5, len(requests))).astype(np.int64)
        cached = (inputs * random.uniform(0, 2 * _CACHED_SHARE, len(requests))).astype(np.int64)
        written = np.where(model == 2, (inputs - cached) // 3, 0)
        output = (requests * _OUTPUT_TOKENS * random.uniform(0.6, 1.5, len(requests))).astype(np.int64)
        at_us = self._start_us(day) + hour * HOUR_US + random.integers(0, HOUR_US, len(requests))
        tokens = np.column_stack([inputs - cached - written, cached, written, output])
        usage = ApiUsage(at_us, account, model, requests, tokens)
        np.add.at(self._used_units, account, self.value_units(day, usage))
        return usage

    def value_units(self, day: int, usage: ApiUsage) -> NDArray[np.object_]:
        """List value of each row of usage, in units, as Python integers."""
        return value_of(self._plan.days[day], usage.model, usage.tokens)

    def draw_payments(self, day: int) -> PaymentBatch:
        """Top-ups of prepaid accounts, and on a month's last day the invoices of the others."""
        random = stream(self._plan.seed, Purpose.API, 2_000_000 + day)
        date = self._plan.days[day]
        first = date == company.API_FROM or day == 0
        share = 1.0 if first else _WEEKLY_TOPUP_SHARE if date.weekday() == 0 else 0.0
        prepaid = np.flatnonzero((random.random(self.account_count) < share) & ~self.invoiced)
        size = choice_table(_TOPUP_SHARES)[random.integers(0, 65_536, len(prepaid))]
        moments = random.integers(HOUR_US, DAY_US, len(prepaid))
        none = np.full(len(prepaid), NO_SERVICE)
        amount = _TOPUPS_CENTS[size]
        # Tax on prepaid money falls due as it is used; the top-up itself carries none.
        topups = _batch("api_topup", prepaid, self._start_us(day) + moments, amount, amount * 0, none, none)
        return PaymentBatch.join([topups, self._invoices(day)])

    def _invoices(self, day: int) -> PaymentBatch:
        date = self._plan.days[day]
        last = day + 1 == len(self._plan.days) or self._plan.days[day + 1].day == 1
        accounts = np.flatnonzero(self.invoiced) if last else np.empty(0, dtype=np.int64)
        net = (self._used_units[accounts] // UNITS_PER_CENT).astype(np.int64)
        accounts, net = accounts[net > 0], net[net > 0]
        if last:
            self._used_units[:] = 0
        tax = (net * company.TAX_PERCENT + 50) // 100
        start = self._plan.day_start_us(max(date.replace(day=1), company.API_FROM))
        end = self._start_us(day) + DAY_US
        at_us = np.full(len(accounts), self._start_us(day) + _INVOICED_AT_HOUR * HOUR_US)
        return _batch(
            "api_invoice",
            accounts,
            at_us,
            net + tax,
            tax,
            np.full_like(at_us, start),
            np.full_like(at_us, end),
        )

    def _start_us(self, day: int) -> int:
        return self._plan.day_start_us(self._plan.days[day])


def _batch(
    kind: str,
    accounts: NDArray[np.int64],
    at_us: NDArray[np.int64],
    gross: NDArray[np.int64],
    tax: NDArray[np.int64],
    start_us: NDArray[np.int64],
    end_us: NDArray[np.int64],
) -> PaymentBatch:
    rows = len(accounts)
    return PaymentBatch(
        at_us, np.full(rows, NOBODY), accounts, np.full(rows, KINDS.index(kind)), np.full(rows, NO_PLAN),
        gross, fee_cents(gross), tax, start_us, end_us,
    )  # fmt: skip


def api_columns(usage: ApiUsage, day_label: str) -> dict[str, pa.Array]:
    """The canonical `usage` columns of a day of the API; a row is an account's hour."""
    rows = len(usage.at_us)
    accounts = numbered("account-", np.arange(usage.account.max(initial=0) + 1))
    none = np.zeros(rows, dtype=np.int8)
    return {
        "at": pa.array(usage.at_us).view(pa.timestamp("us", tz="UTC")),
        "user_id": taken(None, pa.array([], pa.string()), rows),
        "account_id": taken(usage.account, accounts),
        "product": chosen(none, ("api",)),
        "feature": chosen(none, (None,)),
        "provider": chosen(none, (company.OWN_PROVIDER,)),
        "model": chosen(usage.model, company.MODELS),
        "service_tier": chosen(none, (company.SERVICE_TIERS[0],)),
        "requests": pa.array(usage.requests),
        "uncached_input_tokens": pa.array(usage.tokens[:, 0]),
        "cached_input_tokens": pa.array(usage.tokens[:, 1]),
        "cache_write_tokens": pa.array(usage.tokens[:, 2]),
        "output_tokens": pa.array(usage.tokens[:, 3]),
        "reasoning_tokens": pa.array(np.zeros(rows, dtype=np.int64)),
        "status": chosen(none, (company.STATUSES[0],)),
        "latency_ms": pa.nulls(rows, pa.int64()),
        "ttft_ms": pa.nulls(rows, pa.int64()),
        "source_id": numbered(f"api{day_label}-", np.arange(rows)),
    }
