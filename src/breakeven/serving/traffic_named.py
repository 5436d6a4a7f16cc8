"""Traffic by name, by lengths, or from a profile file: what `--traffic` can be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from breakeven.errors import UsageError
from breakeven.pricing.located_yaml import Located, read_yaml
from breakeven.serving.traffic import Traffic

_SHIPPED = Path(__file__).with_name("traffic.yaml")
_NUMBERS = (
    "input_tokens", "output_tokens", "cached_share", "requests_per_second", "input_spread", "output_spread",
    "length_correlation",
)  # fmt: skip
_FIELDS = ("name", *_NUMBERS, "hourly", "source")
_EXAMPLES = {
    "input_tokens": "4000",
    "output_tokens": "1000",
    "requests_per_second": "50",
    "cached_share": "40%",
}
_LENGTHS = re.compile(r"(?P<input>-?[\d,_.]+[kKmM]?)\s*/\s*(?P<output>-?[\d,_.]+[kKmM]?)")
_RATE = re.compile(r"(?P<number>-?[\d,_.]+)\s*(?P<unit>rps|rpm|rph|rpd|qps|/s)?")
_SECONDS = {"rps": 1, "qps": 1, "/s": 1, "rpm": 60, "rph": 3_600, "rpd": 86_400}
_FACTORS = {"k": 1_000, "m": 1_000_000}
_FORMS = "use a name such as chat, lengths such as 4000/1000@50rps, or the file of a profile or trace"


def traffic_names() -> tuple[str, ...]:
    """The names that ship.

    >>> traffic_names()
    ('chat', 'long', 'reason', 'kimi-hour', 'azure-hour', 'deepseek-day')
    """
    return tuple(_shipped())


def named_traffic(text: str) -> Traffic:
    """A shipped name, or `input/output` tokens of a request; either may end in `@` and a rate.

    `k` is a thousand and `m` a million; rates are per second (`rps`), minute (`rpm`), hour (`rph`) or day
    (`rpd`). Raises `UsageError` for another text, `InputError` for traffic that cannot be.

    >>> named_traffic("4000/1000@90rpm").requests_per_second
    1.5
    >>> named_traffic("8k/1k").input_tokens, named_traffic("chat").output_tokens
    (8000.0, 1024.0)
    """
    shape, at, rate = text.strip().partition("@")
    found = _shipped().get(shape.strip().lower())
    if found is None:
        lengths = _LENGTHS.fullmatch(shape.strip())
        if lengths is None:
            raise UsageError(f"cannot read the traffic {text!r}", remedy=_FORMS)
        found = Traffic(shape.strip(), _tokens(lengths["input"], text), _tokens(lengths["output"], text))
    return found.at_rate(_per_second(rate, text)) if at else found


def read_profile(path: Path) -> Traffic:
    """Traffic from a YAML file with the fields of `Traffic`.

    Raises `InputError` with `file:line` for what is no such file, and for unknown or missing fields.
    """
    return _profile(path.stem, read_yaml(path))


def _profile(name: str, written: Located) -> Traffic:
    fields = written.fields(_FIELDS, required=("input_tokens", "output_tokens"))
    numbers = {field: _number(fields[field], field) for field in _NUMBERS if field in fields}
    hourly = fields["hourly"].items() if "hourly" in fields else ()
    return Traffic(
        fields["name"].text() if "name" in fields else name,
        **numbers,
        hourly=tuple(_number(each, "hourly") for each in hourly),
        source=fields["source"].text() if "source" in fields else written.file,
    )


def _number(written: Located, field: str) -> float:
    text = written.text()
    percent = field == "cached_share" and text.endswith("%")
    try:
        return float(text.rstrip("%").replace("_", "")) / 100 if percent else float(text)
    except ValueError:
        written.fail(
            f"{field} is {text!r}, not a number", remedy=f"write {field}: {_EXAMPLES.get(field, '0.5')}"
        )


def _tokens(text: str, whole: str) -> float:
    factor = _FACTORS.get(text[-1].lower(), 1)
    return _float(text.rstrip("kKmM"), whole) * factor


def _per_second(text: str, whole: str) -> float:
    rate = _RATE.fullmatch(text.strip())
    if rate is None:
        raise UsageError(f"cannot read the rate of {whole!r}", remedy="write it as in 4000/1000@50rps")
    return _float(rate["number"], whole) / _SECONDS[rate["unit"] or "rps"]


def _float(text: str, whole: str) -> float:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        raise UsageError(f"cannot read the traffic {whole!r}", remedy=_FORMS) from None


@cache
def _shipped() -> Mapping[str, Traffic]:
    return {name: _profile(name, written) for name, written in read_yaml(_SHIPPED).names()}
