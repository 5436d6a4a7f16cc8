"""Gamma-Gamma: what a customer's transaction is worth on average, from the few that were seen.

Fader and Hardie (2013), The Gamma-Gamma Model of Monetary Value; from Fader, Hardie and Lee (2005), RFM and
CLV: Using Iso-Value Curves for Customer Base Analysis, Journal of Marketing Research 42(4). A transaction is
gamma distributed with shape p and a personal rate ν; ν is gamma distributed (shape q, rate gamma). The mean z
of x transactions has the density

    Γ(px+q) / (Γ(px) Γ(q)) · γ^q z^(px-1) x^(px) / (γ + xz)^(px+q)

It takes for granted that how much somebody pays says nothing about how often, and `correlation` says whether.
Amounts are whole minor units in the cells; gamma is in units of the currency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma, gammaln

from breakeven.account.metrics import Missing
from breakeven.growth.cells import Cells
from breakeven.growth.maximum_likelihood import NO_CUSTOMERS
from breakeven.growth.model import Floats, Scale
from breakeven.growth.visits.suitability import TOO_FEW

VALUE_COLUMNS = ("transactions", "total_minor")
"""A customer who paid: in how many transactions, and what they add up to in minor units of one currency."""

NOT_ABOVE_ZERO = Missing(
    "some customers' transactions add up to nothing or less (refunds above revenue): this model knows only "
    "what is above zero; leave them out and state them beside it",
    "部分客户的交易合计为零或负数（退款超过收入）：该模型只适用于正数金额；请将其排除并单独列示",
)
NO_TRANSACTIONS = Missing(
    "some customers have no transactions, so they have no mean value",
    "部分客户没有交易，因而没有平均金额",
)
ALL_PAY_ONCE = Missing(
    "nobody paid twice, so how far one customer's transactions differ among themselves is not known",
    "没有客户支付过两次，无从得知同一客户各次交易之间的差异",
)
ALL_PAY_THE_SAME = Missing(
    "everybody pays the same: there is a price, and nothing to model",
    "所有客户的平均金额相同：这就是一个固定价格，无需建模",
)
NO_MEAN = Missing(
    "customers differ so much that the mean of all is without limit (q is not above 1)",
    "客户之间差异过大，总体均值不存在（q 不大于 1）",
)

_CLEAR = 0.1
"""A correlation of at least this size, and twice its error, is worth a warning."""

_EDGES = {
    ("q", True): Missing(
        "customers do not differ in what they pay, as far as seen", "就已有数据看，客户的支付金额没有差异"
    ),
    ("gamma", True): Missing(
        "customers do not differ in what they pay, as far as seen", "就已有数据看，客户的支付金额没有差异"
    ),
    ("p", True): Missing(
        "one customer's transactions do not differ among themselves, as far as seen",
        "就已有数据看，同一客户的各次交易金额没有差异",
    ),
}


@dataclass(frozen=True)
class GammaGamma:
    """Value of a transaction. Parameters are (p,) for one answer, or (draw, p) for one of each draw.

    >>> GAMMA_GAMMA.mean_value(np.array([6.0, 4.0, 15.0]))
    30.0
    """

    minor_per_unit: int = 100
    name: ClassVar[str] = "Gamma-Gamma"

    @property
    def parameters(self) -> Mapping[str, Scale]:
        """Shape p of a transaction; shape q and rate gamma (currency units) over customers."""
        return {"p": "positive", "q": "positive", "gamma": "positive"}

    def refusal(self, cells: Cells) -> Missing | None:
        """Totals not above zero, nobody who paid twice, everybody paying the same, or too few customers."""
        if cells.columns != VALUE_COLUMNS:
            raise ValueError(f"values have the columns {VALUE_COLUMNS}, not {cells.columns}")
        held = cells.where(cells.counts > 0)
        if held.size == 0:
            return NO_CUSTOMERS
        if (held["transactions"] < 1).any():
            return NO_TRANSACTIONS
        if (held["total_minor"] <= 0).any():
            return NOT_ABOVE_ZERO
        if (held["transactions"] == 1).all():
            return ALL_PAY_ONCE
        first = held.rows[0]
        if (held["total_minor"] * first[0] == held["transactions"] * first[1]).all():
            return ALL_PAY_THE_SAME if held.size > 1 else TOO_FEW
        return TOO_FEW if held.size < len(self.parameters) else None

    def notes(self, cells: Cells) -> tuple[Missing, ...]:
        """Whether those who pay more often pay more or less: then use and value are not independent."""
        correlation = self.correlation(cells)
        if correlation is None or abs(correlation) < max(_CLEAR, 2 / np.sqrt(cells.size)):
            return ()
        return (
            Missing(
                f"number and value of transactions are correlated ({correlation:.2f}), and this model takes "
                "them to be independent: multiplying the two misstates what heavy users are worth",
                f"交易次数与金额相关（{correlation:.2f}），而该模型假定两者独立：直接相乘会误估重度用户的价值",
            ),
        )

    def correlation(self, cells: Cells) -> float | None:
        """Pearson's correlation of a customer's number of transactions and their mean value.

        None where all have the same number or the same value.
        """
        counts, often, mean = cells.counts.astype(float), cells["transactions"], self._means(cells)
        often = often - np.sum(counts * often) / counts.sum()
        mean = mean - np.sum(counts * mean) / counts.sum()
        spread = np.sqrt(np.sum(counts * often**2) * np.sum(counts * mean**2))
        return float(np.sum(counts * often * mean) / spread) if spread > 0 else None

    def edge(self, parameter: str, *, is_high: bool) -> Missing | None:
        """What it means when a parameter has no finite best value."""
        return _EDGES.get((parameter, is_high))

    def starts(self, cells: Cells) -> list[Floats]:
        """From the mean value, with customers who differ much and little."""
        mean = float(np.sum(cells.counts * self._means(cells))) / cells.size
        return [np.array([5.0, 4.0, 3.0 * mean / 5.0]), np.array([1.0, 10.0, 9.0 * mean])]

    def log_likelihoods(self, parameters: Floats, cells: Cells) -> Floats:
        """Each cell's density of the mean value, for one customer of it, per unit of the currency."""
        p, q, gamma = (float(one) for one in parameters)
        often, mean = cells["transactions"].astype(float), self._means(cells)
        shape, total = p * often, mean * often
        return (
            gammaln(shape + q)
            - gammaln(shape)
            - gammaln(q)
            - np.log(mean)
            - q * np.log1p(total / gamma)
            - shape * np.log1p(gamma / total)
        )

    def gradients(self, parameters: Floats, cells: Cells) -> Floats:
        """Derivatives of `log_likelihoods` by each parameter: (parameter, cell)."""
        p, q, gamma = (float(one) for one in parameters)
        often = cells["transactions"].astype(float)
        shape, total = p * often, self._means(cells) * often
        both = digamma(shape + q)
        return np.stack(
            [
                often * (both - digamma(shape) - np.log1p(gamma / total)),
                both - digamma(q) - np.log1p(total / gamma),
                (q * total / gamma - shape) / (gamma + total),
            ]
        )

    def mean_value(self, parameters: Floats) -> float | Missing:
        """The mean transaction over all customers, in currency units: pγ / (q-1)."""
        p, q, gamma = (float(one) for one in parameters)
        return p * gamma / (q - 1) if q > 1 else NO_MEAN

    def conditional_value(self, parameters: Floats, cells: Cells) -> Floats | Missing:
        """The mean transaction of a customer of each cell, in currency units: p (γ + xz) / (px + q - 1).

        Between the customer's own mean and that of all; the more transactions were seen, the nearer to the
        own. A cell may be a customer without transactions (0, 0), who gets the mean of all.
        """
        found = np.asarray(parameters, dtype=float)
        p, q, gamma = found[..., 0, None], found[..., 1, None], found[..., 2, None]
        total = cells["total_minor"] / self.minor_per_unit
        weight = p * cells["transactions"] + q - 1
        if (weight <= 0).any():
            return NO_MEAN
        return p * (gamma + total) / weight

    def simulate(self, parameters: Floats, ages: ArrayLike, random: np.random.Generator) -> Cells:
        """Customers with these numbers of transactions, one of each; totals are rounded to a minor unit."""
        p, q, gamma = (float(one) for one in parameters)
        often = np.asarray(ages, dtype=np.int64)
        rates = np.maximum(random.gamma(q, 1.0 / gamma, len(often)), 1e-300)
        total = random.gamma(p * often, 1.0, len(often)) / rates * self.minor_per_unit
        whole = np.clip(np.rint(total), 1, 2**53).astype(np.int64)
        return Cells.group(VALUE_COLUMNS, np.stack([often, whole], axis=1))

    def _means(self, cells: Cells) -> Floats:
        often = np.maximum(cells["transactions"], 1)
        return cells["total_minor"] / self.minor_per_unit / often


GAMMA_GAMMA = GammaGamma()
