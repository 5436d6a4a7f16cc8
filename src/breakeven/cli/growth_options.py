"""Options that commands on channels share: what a row is, and by which periods curves are fitted."""

from __future__ import annotations

from typing import Any

import click

from breakeven.cli.bilingual import AnyFunction, option


def dimension_option(function: AnyFunction) -> AnyFunction:
    """Add `--by`, given to the command as `dimension`: channel, campaign or creator."""
    added: Any = option(
        "--by",
        "dimension",
        type=click.Choice(["channel", "campaign", "creator"]),
        default="channel",
        en="What a row is.",
        zh="按什么分行。",
    )
    return added(function)


def grain_option(function: AnyFunction) -> AnyFunction:
    """Add `--grain`: week, month, or None for whichever the books have enough of."""
    added: Any = option(
        "--grain",
        type=click.Choice(["week", "month"]),
        en="Weeks or months; weeks unless there are fewer than 20.",
        zh="按周或按月；默认按周，不足 20 周时按月。",
    )
    return added(function)
