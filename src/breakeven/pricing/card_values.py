"""Reading the single values of a rate card: prices, counts, days, instants, hours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from breakeven.errors import UsageError
from breakeven.periods import time_zone
from breakeven.pricing.located_yaml import Located
from breakeven.pricing.windows import DAY_SECONDS

MAX_AMOUNT = Decimal(10) ** 12
MAX_COUNT = 10**18
_NUMBER = re.compile(r"\d{1,13}(\.\d{1,18})?")


def amount(node: Located) -> Decimal:
    """A price or factor, exactly as written: digits with at most 18 decimals, no sign and no exponent."""
    text = node.text()
    if not _NUMBER.fullmatch(text):
        node.fail(
            f"{text!r} is not a price",
            cause="prices are plain digits with a point, at most 18 decimals, and never negative",
            remedy="write it like 0.27",
        )
    value = Decimal(text)
    if value > MAX_AMOUNT:
        node.fail(f"{text} is beyond any price", remedy="prices are per million tokens")
    return value


def count(node: Located) -> int:
    """A whole number of tokens or requests; underscores may group its digits."""
    text = node.text()
    if not re.fullmatch(r"\d[\d_]{0,24}", text) or int(text.replace("_", "")) > MAX_COUNT:
        node.fail(f"{text!r} is not a whole number of tokens or requests", remedy="write it like 200000")
    return int(text.replace("_", ""))


def flag(node: Located) -> bool:
    """`true` or `false`."""
    if node.text() not in ("true", "false"):
        node.fail(f"{node.text()!r} is neither true nor false")
    return node.text() == "true"


def one_of(node: Located, allowed: Sequence[str]) -> str:
    """One of a few words."""
    if node.text() not in allowed:
        node.fail(f"{node.text()!r} is not one of: {', '.join(allowed)}")
    return node.text()


def words(node: Located) -> tuple[str, ...]:
    """A list of distinct names."""
    found = tuple(item.text() for item in node.items())
    if len(set(found)) != len(found):
        node.fail("a name appears twice in this list")
    return found


def zone(node: Located) -> ZoneInfo:
    """An IANA time zone."""
    try:
        return time_zone(node.text())
    except UsageError:
        node.fail(f"unknown time zone {node.text()!r}", remedy="use an IANA name such as Asia/Shanghai")


def day(node: Located) -> date:
    """A calendar day, `2025-02-26`."""
    text = node.text()
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        with suppress(ValueError):
            return date.fromisoformat(text)
    return node.fail(f"{text!r} is not a day", remedy="write it like 2025-02-26")


def instant(node: Located, home: ZoneInfo) -> datetime:
    """A day or a local time of the card's zone, as a UTC instant; an offset or Z may be written instead.

    A local time that the zone skips or repeats is an error: it does not say which instant is meant.
    """
    text = node.text()
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?)?", text):
        node.fail(f"{text!r} is not a day or a time", remedy="write 2025-02-26 or 2025-02-26T16:30")
    try:
        written = datetime.fromisoformat(text)
        if written.tzinfo is not None:
            return written.astimezone(UTC)
        first, second = (written.replace(tzinfo=home, fold=fold).astimezone(UTC) for fold in (0, 1))
    except (ValueError, OverflowError):
        node.fail(f"{text!r} is not a day or a time", remedy="write 2025-02-26 or 2025-02-26T16:30")
    if first != second:
        node.fail(
            f"{text} is skipped or comes twice in {home.key}",
            cause="the clocks change there at that time",
            remedy="write the offset, such as 2025-10-26T02:30+02:00",
        )
    return first


def clock_second(node: Located) -> int:
    """A wall-clock time as seconds of the day; 24:00 is the end of the day."""
    text = node.text()
    if text == "24:00":
        return DAY_SECONDS
    if re.fullmatch(r"\d{2}:\d{2}(:\d{2})?", text):
        with suppress(ValueError):
            at = time.fromisoformat(text)
            return at.hour * 3600 + at.minute * 60 + at.second
    return node.fail(f"{text!r} is not a time of the day", remedy='write it quoted, like "16:30"')
