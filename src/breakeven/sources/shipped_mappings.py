"""Mapping files that ship with us, by name: exports that only need other column names."""

from __future__ import annotations

from pathlib import Path

from breakeven.sources.registry import Words

SHIPPED: dict[str, tuple[Words, Words]] = {
    "bilibili": (
        Words("Bilibili campaign report (必选, 起飞)", "哔哩哔哩必选、起飞投放报表"),
        Words("ad spend per day and plan or creative", "按天与计划或创意的投放花费"),
    ),
    "ocean_engine": (
        Words("Ocean Engine report (巨量引擎)", "巨量引擎投放报表"),
        Words("ad spend per day and account, project or unit", "按天与账户、项目或单元的投放花费"),
    ),
}
"""Name, what it is, and what it covers."""

_FOLDER = Path(__file__).parent / "mappings"


def shipped_mapping(name: str) -> Path | None:
    """The file of a shipped mapping, or None.

    >>> found = shipped_mapping("ocean_engine")
    >>> found.name if found else None
    'ocean_engine.yaml'
    >>> shipped_mapping("our-export.yaml") is None
    True
    """
    return _FOLDER / f"{name}.yaml" if name in SHIPPED else None
