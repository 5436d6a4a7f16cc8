"""Accelerators from YAML: those that ship, by name or alias, and a user's own file.

name: my-gpu                          # the five numbers that a prediction needs
peak_flops: {bf16: 989 TFLOPS, fp8: 1979 TFLOPS}      # dense, not "with sparsity"
memory: 80 GB
bandwidth: 3.35 TB/s
link: 450 GB/s                        # one direction, and over how many GPUs
link_domain_gpus: 8
generation: hopper
network: 400 Gbit/s                   # the rest may be left away
power: 700 W
prices:
  - {amount: 2.00, currency: USD, commitment: on_demand, source: our contract, as_of: 2026-11-01}

Figures carry their units; a bare number is in FLOP/s, bytes, bytes per second or watts.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import cast

from breakeven.errors import InputError
from breakeven.money import EXACT, MINOR_UNITS
from breakeven.pricing.card_values import amount, count, one_of, words
from breakeven.pricing.located_yaml import Located, read_yaml
from breakeven.serving.architecture.precision import PRECISIONS, Precision
from breakeven.serving.hardware.accelerator import GENERATIONS, Accelerator, Generation
from breakeven.serving.hardware.gpu_price import (
    COMMITMENTS,
    STATISTICS,
    Commitment,
    GpuPrice,
    PurchasePrice,
    Statistic,
)
from breakeven.serving.hardware.quantity import BANDWIDTH, LINK, MEMORY, NETWORK, PEAK, POWER, quantity

SHIPPED = Path(__file__).with_name("shipped")
_REQUIRED = ("name", "peak_flops", "memory", "bandwidth", "link", "link_domain_gpus", "generation")
_KEYS = (
    *_REQUIRED, "aliases", "title", "as_of", "source", "network", "power", "all_in_power", "note", "note_zh",
    "prices", "purchase",
)  # fmt: skip
_PRICE_KEYS = ("amount", "currency", "commitment", "source", "as_of")
_PRICE_EXTRAS = ("statistic", "gpus", "hours", "note", "note_zh")
_MILLIONTH = Decimal("0.000001")


def accelerators() -> Mapping[str, Accelerator]:
    """Every accelerator that ships, by name.

    >>> [name for name, one in accelerators().items() if one.generation == "blackwell"]
    ['b200', 'b300', 'gb200', 'gb300']
    """
    return _shipped()[0]


def accelerator(name: str) -> Accelerator:
    """One that ships, by name or alias, in any case. Raises `InputError` for an unknown name.

    >>> accelerator("h200_sxm").name, accelerator("NVIDIA GB200").name
    ('h200', 'gb200')
    """
    found = _shipped()[1].get(_plain(name))
    if found is None:
        near = difflib.get_close_matches(_plain(name), list(_shipped()[1]), n=1, cutoff=0.6)
        raise InputError(
            f"there is no accelerator {name!r}",
            remedy=f"did you mean {near[0]!r}?"
            if near
            else f"use one of {', '.join(accelerators())}, or the path of a YAML file",
        )
    return found


def read_accelerator(name_or_path: str) -> Accelerator:
    """One that ships, or the one that a YAML file describes (anything that ends in .yaml or .yml).

    Raises `InputError` with `file:line` for a figure that is missing, out of range or without its unit.
    """
    if Path(name_or_path).suffix.lower() in (".yaml", ".yml"):
        return from_yaml(read_yaml(Path(name_or_path)))
    return accelerator(name_or_path)


def from_yaml(root: Located) -> Accelerator:
    """An accelerator from YAML already read."""
    fields = root.fields(_KEYS, required=_REQUIRED)
    domain = count(fields["link_domain_gpus"])
    if not 1 <= domain <= 1024:
        fields["link_domain_gpus"].fail(
            f"a scale-up domain of {domain} GPUs cannot be",
            remedy="write 8 for a server, 72 for an NVL72 rack",
        )
    power = quantity(fields["power"], POWER) if "power" in fields else None
    all_in = quantity(fields["all_in_power"], POWER) if "all_in_power" in fields else None
    if power is not None and all_in is not None and all_in < power:
        fields["all_in_power"].fail(
            "the power of a GPU with its server is below that of the GPU alone",
            remedy="all_in_power counts the GPU and its share of server, network and cooling",
        )
    return Accelerator(
        name=fields["name"].text(),
        peak_flops=_peaks(fields["peak_flops"]),
        memory_bytes=quantity(fields["memory"], MEMORY),
        bandwidth_bytes_per_second=quantity(fields["bandwidth"], BANDWIDTH),
        link_bytes_per_second=quantity(fields["link"], LINK),
        link_domain_gpus=domain,
        generation=cast("Generation", one_of(fields["generation"], GENERATIONS)),
        source=fields["source"].text() if "source" in fields else root.file,
        as_of=fields["as_of"].text() if "as_of" in fields else "",
        network_bytes_per_second=quantity(fields["network"], NETWORK) if "network" in fields else None,
        power_watts=power,
        all_in_watts=all_in,
        prices=tuple(map(_price, fields["prices"].items())) if "prices" in fields else (),
        purchase=_purchase(fields["purchase"]) if "purchase" in fields else None,
        aliases=words(fields["aliases"]) if "aliases" in fields else (),
        title=fields["title"].text() if "title" in fields else fields["name"].text(),
        **_notes(fields),
    )


def _peaks(node: Located) -> Mapping[Precision, float]:
    fields = node.fields(PRECISIONS, ("bf16",))
    found: dict[Precision, float] = {
        name: quantity(fields[name], PEAK) for name in PRECISIONS if name in fields
    }
    for narrow in found:
        if found.get(narrow, found["bf16"]) < found["bf16"]:
            node.fail(
                f"the peak in {narrow} is below the one in bf16",
                cause="a dense figure stands beside one with sparsity, or units differ",
                remedy="write dense figures: half of what a sheet calls 'with sparsity'",
            )
    return MappingProxyType(found)


def _price(node: Located) -> GpuPrice:
    """A price as published: for `gpus` GPUs (1) over `hours` hours (1)."""
    fields = node.fields(
        (*_PRICE_KEYS, "statistic", "gpus", "hours", "note", "note_zh"), required=_PRICE_KEYS
    )
    units = 1
    for name in ("gpus", "hours"):
        if name in fields:
            units *= _at_least_one(fields[name])
    published = _money(fields["amount"])
    per_unit = EXACT.divide(published, Decimal(units))
    # A division may never end; a millionth is far below what any price is quoted to.
    if units > 1:
        per_unit = per_unit.quantize(_MILLIONTH, ROUND_HALF_EVEN, EXACT).normalize()
    return GpuPrice(
        amount=per_unit,
        currency=_currency(fields["currency"]),
        commitment=cast("Commitment", one_of(fields["commitment"], COMMITMENTS)),
        statistic=cast("Statistic", one_of(fields["statistic"], STATISTICS))
        if "statistic" in fields
        else "quoted",
        source=fields["source"].text(),
        as_of=fields["as_of"].text(),
        **_notes(fields),
    )


def _purchase(node: Located) -> PurchasePrice:
    keys = ("amount", "currency", "source", "as_of")
    fields = node.fields(keys, required=keys)
    return PurchasePrice(
        _money(fields["amount"]),
        _currency(fields["currency"]),
        fields["source"].text(),
        fields["as_of"].text(),
    )


def _notes(fields: dict[str, Located]) -> dict[str, str]:
    """A note in English, and in Chinese where it has one of its own."""
    note = fields["note"].text() if "note" in fields else ""
    return {"note": note, "note_zh": fields["note_zh"].text() if "note_zh" in fields else note}


def _money(node: Located) -> Decimal:
    value = amount(node)
    if value == 0:
        node.fail("a price of zero cannot be", remedy="leave a price that nobody published away")
    return value


def _at_least_one(node: Located) -> int:
    value = count(node)
    if value == 0:
        node.fail("a price per zero of something cannot be", remedy="write 1 or more")
    return value


def _currency(node: Located) -> str:
    if node.text() not in MINOR_UNITS:
        node.fail(f"unknown currency {node.text()!r}", remedy="use an ISO 4217 code such as CNY or USD")
    return node.text()


def _plain(name: str) -> str:
    """A name as it is looked up: lower case, dashes, without the vendor.

    >>> _plain("NVIDIA H200_SXM")
    'h200-sxm'
    """
    plain = "-".join(name.strip().lower().replace("_", " ").replace("-", " ").split())
    return plain.removeprefix("nvidia-").removeprefix("huawei-")


@cache
def _shipped() -> tuple[Mapping[str, Accelerator], Mapping[str, Accelerator]]:
    """By name in the order of listing, and by every name it answers to."""
    found = [from_yaml(read_yaml(path)) for path in sorted(SHIPPED.glob("*.yaml"))]
    found.sort(key=lambda one: (GENERATIONS.index(one.generation), one.peak("bf16"), one.memory_bytes))
    answers: dict[str, Accelerator] = {}
    for one in found:
        for name in (one.name, *one.aliases):
            if answers.setdefault(_plain(name), one) is not one:
                raise InputError(f"two accelerators answer to {name!r}", where=str(SHIPPED))
    return MappingProxyType({one.name: one for one in found}), MappingProxyType(answers)
