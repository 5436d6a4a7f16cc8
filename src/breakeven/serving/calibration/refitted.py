"""The file that `serving calibrate` writes: what a user's measurements changed, for `serving cost
--calibration`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import cast

import yaml

from breakeven.errors import InputError
from breakeven.serving.constants import Offset

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KIND = "breakeven serving calibration 1"


def written_offsets(offsets: Sequence[Offset], source: str) -> str:
    """The file's text.

    >>> offset = Offset("llama-3.1-70b", "h100", "vllm", "fp8", 0.1, -0.05, 0.06, 0.1, 3)
    >>> "decode: 0.1" in written_offsets([offset], "points.csv")
    True
    """
    data = {
        "kind": _KIND,
        "source": source,
        "meaning": "logarithms added to predicted times; spreads: standard deviations left",
        "offsets": [
            {
                name: round(value, 5) if isinstance(value, float) else value
                for name, value in asdict(one).items()
            }
            for one in offsets
        ],
    }
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def write_offsets(path: Path, offsets: Sequence[Offset], source: str) -> None:
    """Write the file. Raises `InputError` where it cannot be."""
    try:
        path.write_text(written_offsets(offsets, source), "utf-8")
    except OSError as error:
        raise InputError("the calibration cannot be written", where=str(path), cause=str(error)) from error


def read_offsets(path: Path) -> tuple[Offset, ...]:
    """The offsets of a file. Raises `InputError` for a file that cannot be read or is not such a file."""
    try:
        data = yaml.load(path.read_text("utf-8"), _LOADER)  # noqa: S506 - a safe loader
    except OSError as error:
        raise InputError("the calibration cannot be read", where=str(path), cause=str(error)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError("the calibration is not YAML", where=path.name, remedy=_REMEDY) from error
    if not isinstance(data, dict) or cast("dict[str, object]", data).get("kind") != _KIND:
        raise InputError("the file is not a calibration", where=path.name, remedy=_REMEDY)
    names = [field.name for field in fields(Offset)]
    found: list[Offset] = []
    for number, entry in enumerate(
        cast("list[dict[str, object]]", cast("dict[str, object]", data).get("offsets", []))
    ):
        if set(entry) != set(names):
            raise InputError(
                f"offset {number + 1} does not have the fields {', '.join(names)}",
                where=path.name,
                remedy=_REMEDY,
            )
        values = [str(entry[name]) for name in names[:4]]
        numbers = [entry[name] for name in names[4:]]
        if not all(isinstance(one, int | float) for one in numbers):
            raise InputError(
                f"offset {number + 1} has a field that is no number", where=path.name, remedy=_REMEDY
            )
        figures = [float(cast("float", one)) for one in numbers]
        found.append(
            Offset(
                values[0], values[1], values[2], values[3],
                figures[0], figures[1], figures[2], figures[3], int(figures[4]),
            )
        )  # fmt: skip
    return tuple(found)


_REMEDY = "write one with `breakeven serving calibrate points.csv -o calibration.yaml`"
