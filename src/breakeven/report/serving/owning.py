"""What owning GPUs comes to: figures with stated defaults, both ways of owning, and sources of figures."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from breakeven.errors import UsageError
from breakeven.report.view_model import Label
from breakeven.report.views.serving_assumptions import ASSUMED, GIVEN, Assumption
from breakeven.report.views.serving_figures import significant
from breakeven.serving.buy_or_rent import Owned, Purchase, hosting_per_gpu, power_per_gpu
from breakeven.serving.hardware import Accelerator

DOLLARS = {
    "hosting": 200.0,
    "power_price": 0.08,
    "space": 60.0,
    "staff": 15_000.0,
    "hardware_staff": 15_000.0,
}
"""Assumed money, in dollars alone: in another currency it must be given."""


@dataclass(frozen=True)
class Owning:
    """What is known of owning; None is not given. Money is in the currency of the answer.

    `life` in years, `hosting` and `space` per kW and month, `power_price` per kWh, people per month; the cost
    of capital is of a year, `resale` of the purchase.

    >>> Owning().money("staff", "USD")
    15000.0
    """

    purchase_price: float | None = None
    server_multiple: float = 1.5
    life: float = 4.0
    cost_of_capital: float = 0.1
    resale: float = 0.0
    all_in_watts: float | None = None
    hosting: float | None = None
    power_price: float | None = None
    pue: float = 1.3
    space: float | None = None
    staff: float | None = None
    hardware_staff: float | None = None

    def __post_init__(self) -> None:
        if self.pue < 1:
            raise UsageError(
                f"--pue {self.pue:g} cannot be",
                remedy="it is all power over that of the computers, 1 or more",
            )
        for name in ("purchase_price", "all_in_watts"):
            value: float | None = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(
                    f"--{_flag(name)} {value:g} is not above zero", remedy="leave it out, or correct it"
                )

    def money(self, name: str, currency: str) -> float:
        """A figure given, or its default in dollars. Raises `UsageError` in other currencies."""
        given: float | None = getattr(self, name)
        if given is not None:
            if given < 0:
                raise UsageError(f"--{_flag(name)} below zero cannot be", remedy="write 0 or more")
            return given
        if currency != "USD":
            raise UsageError(
                f"--{_flag(name)} has a default in dollars alone",
                remedy=f"give --{_flag(name)} in {currency}",
            )
        return DOLLARS[name]

    def watts(self, accelerator: Accelerator) -> float:
        """Power of a GPU with its share of the server. Raises `UsageError` where nobody published it."""
        watts = self.all_in_watts or accelerator.all_in_watts
        if watts is None:
            raise UsageError(
                f"nobody published the power of {accelerator.name} with its share of the server",
                remedy="give --all-in-watts",
            )
        return watts

    def price_to_buy(self, accelerator: Accelerator, currency: str) -> float:
        """Money for a GPU. Raises `UsageError` where nobody published it in the currency."""
        if self.purchase_price is not None:
            return self.purchase_price
        shipped = accelerator.purchase
        if shipped is None or shipped.currency != currency:
            raise UsageError(
                f"no price to buy {accelerator.name} in {currency} ships", remedy="give --purchase-price"
            )
        return float(shipped.amount)

    def owned(self, accelerator: Accelerator, currency: str) -> Owned:
        """In somebody's hall, which has power within its price."""
        running = hosting_per_gpu(self.watts(accelerator), self.money("hosting", currency))
        return Owned(self._capital(accelerator, currency) + running, self.money("staff", currency), "owned")

    def on_premises(self, accelerator: Accelerator, currency: str) -> Owned:
        """In one's own: power, space, and people for the hardware."""
        watts = self.watts(accelerator)
        running = power_per_gpu(watts, self.pue, self.money("power_price", currency))
        running += hosting_per_gpu(watts, self.money("space", currency))
        people = self.money("staff", currency) + self.money("hardware_staff", currency)
        return Owned(self._capital(accelerator, currency) + running, people, "on_premises")

    def _capital(self, accelerator: Accelerator, currency: str) -> float:
        return Purchase(
            self.price_to_buy(accelerator, currency),
            self.server_multiple,
            self.life,
            self.cost_of_capital,
            self.resale,
        ).monthly_per_gpu

    def assumptions(self, accelerator: Accelerator, currency: str) -> list[Assumption]:
        """Every figure that is known, with its source."""
        bought, shipped = self.purchase_price, accelerator.purchase
        rows: list[Assumption] = []
        if bought is not None:
            rows.append(
                Assumption(_WORDS["purchase_price"], significant(bought, 6), f"{currency}/GPU", GIVEN)
            )
        elif shipped is not None and shipped.currency == currency:
            where = f"{shipped.source}, {shipped.as_of}"
            rows.append(
                Assumption(_WORDS["purchase_price"], shipped.amount, f"{currency}/GPU", Label(where, where))
            )
        for name, unit in (("server_multiple", "multiple"), ("life", "count"), ("pue", "count")):
            rows.append(Assumption(_WORDS[name], significant(getattr(self, name)), unit, ASSUMED))
        for name in ("cost_of_capital", "resale"):
            rows.append(Assumption(_WORDS[name], significant(getattr(self, name)), "ratio", ASSUMED))
        watts = self.all_in_watts or accelerator.all_in_watts
        if watts is not None:
            published = Label(accelerator.source, accelerator.source)
            rows.append(
                Assumption(
                    _WORDS["all_in_watts"],
                    Decimal(round(watts)),
                    "W",
                    GIVEN if self.all_in_watts else published,
                )
            )
        for name, unit in _MONEY_UNITS.items():
            value = getattr(self, name)
            if value is not None or currency == "USD":
                source = ASSUMED if value is None else GIVEN
                found = self.money(name, currency)
                rows.append(Assumption(_WORDS[name], significant(found, 6), unit.format(currency), source))
        return rows


def _flag(name: str) -> str:
    return name.replace("_", "-")


_WORDS = {
    "purchase_price": Label("To buy a GPU", "购卡价格"),
    "server_multiple": Label("GPU with server and network, over the GPU", "购置总成本 ÷ 显卡"),
    "life": Label("Life, years", "折旧年限"),
    "pue": Label("PUE", "PUE"),
    "cost_of_capital": Label("Cost of capital a year", "年资金成本"),
    "resale": Label("Resale at the end, of the purchase", "期末残值占购置比例"),
    "all_in_watts": Label("Power of a GPU with its share of the server", "含服务器分摊的单卡功耗"),
    "hosting": Label("Hosting, a kW and month, power within", "托管费（每 kW 每月，含电）"),
    "power_price": Label("Power on premises, a kWh", "自建机房电价（每 kWh）"),
    "space": Label("Hall and cooling on premises, a kW and month", "自建机房场地与散热（每 kW 每月）"),
    "staff": Label("People who run the model, a month", "部署运维人力（每月）"),
    "hardware_staff": Label("People for the hardware on premises, a month", "自建机房硬件人力（每月）"),
}
_MONEY_UNITS = {
    "hosting": "{0}/kW",
    "power_price": "{0}/kWh",
    "space": "{0}/kW",
    "staff": "{0}",
    "hardware_staff": "{0}",
}
