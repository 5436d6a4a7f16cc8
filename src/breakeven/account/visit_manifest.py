"""What is stored of the users' visits, and what it rests on: the shapes of its files, and their manifest."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow as pa

FORMAT = 1
"""Raise when what is stored changes: a state of another format is built again."""

ORIGIN = ("channel", "campaign", "platform", "country")
VISITS = ("first_day", "repeats", "last_day", "is_active_at_once", "origin")
NOBODY = 0
"""The origin of users whose acquisition nobody recorded."""

_VISIT_FIELDS = [
    ("first_day", pa.date32()),
    ("repeats", pa.int32()),
    ("last_day", pa.date32()),
    ("is_active_at_once", pa.bool_()),
    ("origin", pa.int32()),
]
STATE = pa.schema(
    [
        ("user_id", pa.string()),
        *_VISIT_FIELDS,
        ("version", pa.int32()),
        *((f"old_{name}", kind) for name, kind in _VISIT_FIELDS),
    ]
)
ORIGINS = pa.schema([("origin", pa.int32()), *((name, pa.string()) for name in ORIGIN)])


@dataclass
class VisitManifest:
    """What is stored, and what it rests on. `parts` are the state's files, base first, by version."""

    version: int = 0
    activity: list[str] = field(default_factory=list[str])
    last_day: str = ""
    epoch: int = -1
    user_parts: list[str] = field(default_factory=list[str])
    parts: list[tuple[int, str, int]] = field(default_factory=list[tuple[int, str, int]])
    origins: str = ""
    cells: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])

    @classmethod
    def read(cls, path: Path) -> VisitManifest:
        """The stored manifest; an absent, older or broken one, or one whose files are gone, is empty."""
        try:
            raw = json.loads(path.read_text("utf-8"))
            if raw.pop("format") != FORMAT:
                return cls()
            found = cls(**raw)
            names = [found.origins, *(name for _, name, _ in found.parts)]
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return cls()
        if not all(name and (path.parent / name).exists() for name in names):
            return cls()
        return found

    def write(self, path: Path) -> None:
        """Replace the stored manifest in one step."""
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        temporary.write_text(json.dumps({"format": FORMAT, **asdict(self)}), "utf-8")
        temporary.replace(path)

    def files(self) -> set[str]:
        """Names of all files in use."""
        return {self.origins, *(part[1] for part in self.parts), *(name for _, name in self.cells.values())}

    @property
    def base_version(self) -> int:
        """The version from which the parts tell of every change."""
        return self.parts[0][0] if self.parts else self.version + 1

    def changes_after(self, version: int) -> list[str]:
        """The parts that came after a version."""
        return [name for number, name, _ in self.parts[1:] if number > version]
