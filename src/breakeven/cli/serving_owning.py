"""Options of what owning GPUs comes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any, cast

import click

from breakeven.cli.bilingual import AnyFunction, option
from breakeven.cli.serving_options import share
from breakeven.report.serving.owning import Owning


def owning_options(function: AnyFunction) -> AnyFunction:
    """Add the options; the command receives `owning`."""

    @wraps(function)
    def gathered(*arguments: Any, **given: Any) -> Any:
        chosen = {field.name: given.pop(field.name) for field in fields(Owning)}
        for name in ("cost_of_capital", "resale"):
            chosen[name] = share(chosen[name], f"--{name.replace('_', '-')}")
        return function(*arguments, owning=Owning(**chosen), **given)

    result = cast("AnyFunction", gathered)
    for add in reversed(_OPTIONS):
        result = cast("AnyFunction", add(result))
    return result


def _amount(flag: str, en: str, zh: str) -> Callable[[Any], Any]:
    return option(f"--{flag}", type=float, metavar="AMOUNT", en=en, zh=zh)


def _plain(flag: str, default: float | str, metavar: str, en: str, zh: str) -> Callable[[Any], Any]:
    kind = float if isinstance(default, float) else str
    return option(f"--{flag}", type=kind, default=default, show_default=True, metavar=metavar, en=en, zh=zh)


_OPTIONS: list[Callable[[Any], Any]] = [
    _amount("purchase-price", "To buy a GPU; the shipped price unless given.", "购卡价格；默认用内置价格。"),
    _plain(
        "server-multiple",
        Owning.server_multiple,
        "X",
        "GPU with server and network, over the GPU.",
        "购置成本相对显卡的倍数。",
    ),
    _plain("life", Owning.life, "YEARS", "Until it is written off.", "折旧年限。"),
    _plain("cost-of-capital", f"{Owning.cost_of_capital:.0%}", "SHARE", "A year.", "年资金成本。"),
    _plain("resale", f"{Owning.resale:g}", "SHARE", "Of the purchase, at the end.", "期末残值占购置的比例。"),
    option(
        "--all-in-watts",
        type=click.FloatRange(min=1),
        metavar="W",
        en="Power of a GPU with its share of the server; as shipped unless given.",
        zh="含服务器分摊的单卡功耗；默认用内置值。",
    ),
    _amount(
        "hosting",
        "Somebody's hall, a kW and month, power within; 200 USD.",
        "托管费（每 kW 每月，含电）；200 USD。",
    ),
    _amount("power-price", "A kWh on premises; 0.08 USD.", "自建机房电价（每 kWh）；0.08 USD。"),
    _plain("pue", Owning.pue, "X", "All power over that of the computers.", "电能利用效率 PUE。"),
    _amount(
        "space",
        "Hall and cooling on premises, a kW and month; 60 USD.",
        "自建机房场地与散热（每 kW 每月）；60 USD。",
    ),
    _amount("staff", "People who run the model, a month; 15,000 USD.", "部署运维人力（每月）；15,000 USD。"),
    _amount(
        "hardware-staff",
        "People for the hardware on premises, a month; 15,000 USD.",
        "自建机房硬件人力（每月）；15,000 USD。",
    ),
]
