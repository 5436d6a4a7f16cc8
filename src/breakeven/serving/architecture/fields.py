"""Fields of a model's description, read so that a wrong one is named with where to find the right one."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, cast

from breakeven.errors import InputError

_WHERE_TO_FIND = "copy it from the config.json beside the weights on huggingface.co"
LARGEST_SIZE = 100_000_000
"""No width, vocabulary or count of layers is larger; a larger one is a slip."""


@dataclass(frozen=True)
class Fields:
    """A mapping with the name of where it came from. All methods raise `InputError` that names the field."""

    values: Mapping[str, object]
    where: str

    def has(self, *names: str) -> bool:
        """Whether one of these is there and not null."""
        return any(self.values.get(name) is not None for name in names)

    def first(self, *names: str) -> object:
        """The value of the first of these names that is there; None for none."""
        for name in names:
            if self.values.get(name) is not None:
                return self.values[name]
        return None

    def count(self, *names: str, default: int | None = None, least: int = 1) -> int:
        """A whole number of at least `least` under the first of these names that is there."""
        value = self.first(*names)
        if value is None:
            if default is None:
                self.missing(names[0])
            return default
        return self.counted(value, names[0], least=least)

    def counted(self, value: object, name: str, *, least: int = 1) -> int:
        """A value of the field `name` as a whole number."""
        number = value if isinstance(value, int) and not isinstance(value, bool) else None
        if isinstance(value, float) and value.is_integer():
            number = int(value)
        if number is None or not least <= number <= LARGEST_SIZE:
            self.refuse_value(name, value, f"write a whole number from {least} to {LARGEST_SIZE}")
        return number

    def number(self, name: str, default: float | None = None) -> float:
        """A finite number that is not negative."""
        value = self.values.get(name)
        if value is None:
            if default is None:
                self.missing(name)
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse_value(name, value, "write a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not (math.isfinite(number) and 0 <= number <= 1e18):
            self.refuse_value(name, value, "write a number of at least 0")
        return number

    def flag(self, name: str, *, default: bool = False) -> bool:
        """True or false."""
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.refuse_value(name, value, "write true or false")
        return value

    def text(self, name: str, default: str = "") -> str:
        """Text."""
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            self.refuse_value(name, value, "write text")
        return value

    def entries(self, name: str) -> Sequence[object]:
        """A list; empty where there is none."""
        value = self.values.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            self.refuse_value(name, value, "write a list")
        return cast("list[object]", value)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        found = self.entries(name)
        if not all(isinstance(one, str) for one in found):
            self.refuse_value(name, found, "write a list of texts")
        return tuple(cast("Sequence[str]", found))

    def inside(self, name: str) -> Fields:
        """The mapping under a name; empty where there is none."""
        value = self.values.get(name)
        if value is None:
            return Fields({}, f"{self.where}: {name}")
        return Fields(mapping_of(value, f"{self.where}: {name}"), f"{self.where}: {name}")

    def missing(self, name: str) -> NoReturn:
        """Refuse for a field that is not there."""
        raise InputError(f"{name} is missing", where=self.where, remedy=_WHERE_TO_FIND)

    def refuse_value(self, name: str, value: object, remedy: str) -> NoReturn:
        """Refuse a field's value."""
        said = reprlib.repr(value)  # a YAML file of a few lines can hold a value of a million
        raise InputError(f"{name} cannot be {said}", where=self.where, remedy=remedy)

    def contradiction(self, what: str) -> NoReturn:
        """Refuse fields that cannot all be right."""
        raise InputError(
            what, where=self.where, cause="the file was edited, or is of another model", remedy=_WHERE_TO_FIND
        )


def mapping_of(value: object, where: str) -> Mapping[str, object]:
    """A value that must be a mapping from names. Raises `InputError`."""
    if not isinstance(value, Mapping) or not all(
        isinstance(key, str) for key in cast("Mapping[object, object]", value)
    ):
        raise InputError(
            "this is not a mapping of fields",
            where=where,
            remedy="write one field with its value on each line",
        )
    return cast("Mapping[str, object]", value)
