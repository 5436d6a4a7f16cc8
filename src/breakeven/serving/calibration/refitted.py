"""The file that `serving calibrate` writes: what a user's measurements changed, for `serving cost
--calibration`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import yaml

from breakeven.errors import InputError
from breakeven.pricing.located_yaml import Located, read_yaml
from breakeven.serving.constants import Offset

_KIND = "breakeven serving calibration 1"
_HEAD = ("kind", "source", "as_of", "meaning", "offsets")
_NAMES = tuple(field.name for field in fields(Offset) if field.name not in ("source", "as_of"))
_BOUNDS = {
    "decode": (-math.log(100), math.log(100)),
    "prefill": (-math.log(100), math.log(100)),
    "decode_spread": (0.0, 2.0),
    "prefill_spread": (0.0, 2.0),
    "points": (1.0, 1e9),
}
"""Times of a hundred times those predicted, or a hundredth, are another unit and no deployment."""
_REMEDY = "write one with `breakeven serving calibrate points.csv -o calibration.yaml`"


def written_offsets(offsets: Sequence[Offset], source: str, as_of: str) -> str:
    """The file's text; `as_of` is the day of the calibration.

    >>> offset = Offset("llama-3.1-70b", "h100", "vllm", "fp8", 0.1, -0.05, 0.06, 0.1, 3)
    >>> "decode: 0.1" in written_offsets([offset], "points.csv", "2026-04-17")
    True
    """
    data = {
        "kind": _KIND,
        "source": source,
        "as_of": as_of,
        "meaning": "logarithms added to predicted times; spreads: standard deviations left",
        "offsets": [
            {
                name: round(value, 5) if isinstance(value, float) else value
                for name, value in asdict(one).items()
                if name in _NAMES
            }
            for one in offsets
        ],
    }
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def write_offsets(path: Path, offsets: Sequence[Offset], source: str, as_of: str) -> None:
    """Write the file. Raises `InputError` where it cannot be, or where times are a hundredfold off."""
    for one in offsets:
        for name in ("decode", "prefill"):
            if not _BOUNDS[name][0] <= getattr(one, name) <= _BOUNDS[name][1]:
                raise InputError(
                    f"{name} times of {one.model} on {one.gpu} are more than a hundred times off",
                    where=source,
                    cause="times in another unit, or of another deployment",
                    remedy="check the points",
                )
    try:
        path.write_text(written_offsets(offsets, source, as_of), "utf-8")
    except OSError as error:
        raise InputError("the calibration cannot be written", where=str(path), cause=str(error)) from error


def read_offsets(path: Path) -> tuple[Offset, ...]:
    """The offsets of a file. Raises `InputError` with file and line for one that cannot be read, is not such
    a file, or holds what no calibration says.
    """
    root = read_yaml(path)
    kind = root.value.get("kind") if isinstance(root.value, dict) else None
    if kind is None or kind.value != _KIND:
        root.fail("the file is not a calibration", remedy=_REMEDY)
    head = root.fields(_HEAD, required=("source", "as_of", "offsets"))
    source, as_of = head["source"].text(), head["as_of"].text()
    return tuple(_offset(entry, source, as_of) for entry in head["offsets"].items())


def _offset(entry: Located, source: str, as_of: str) -> Offset:
    """One entry, checked."""
    found = entry.fields(_NAMES, required=_NAMES)
    model, gpu, engine, precision = (_name(name, found[name]) for name in _NAMES[:4])
    number = {name: _number(name, found[name]) for name in _BOUNDS}
    return Offset(
        model, gpu, engine, precision, number["decode"], number["prefill"],
        number["decode_spread"], number["prefill_spread"], int(number["points"]), source, as_of,
    )  # fmt: skip


def _name(name: str, node: Located) -> str:
    """A name; an empty one stands for all."""
    if not isinstance(node.value, str):
        node.fail(f"{name} is not a name", remedy=_REMEDY)
    return node.value.strip()


def _number(name: str, node: Located) -> float:
    least, most = _BOUNDS[name]
    try:
        value = float(node.text())
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        node.fail(
            f"{name} is {node.text()!r}, not a number from {least:.3g} to {most:.3g}",
            cause="the file was damaged or changed by hand",
            remedy=_REMEDY,
        )
    return value
