"""Counts of what was taken, refused and booked, in the text form that Prometheus reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

_HELP: dict[str, tuple[str, str]] = {
    "requests_total": ("counter", "Requests answered, by endpoint and status."),
    "accepted_events_total": ("counter", "Events acknowledged: on disk when the answer went out."),
    "malformed_events_total": ("counter", "Of the accepted events those that will end in quarantine."),
    "skipped_events_total": ("counter", "Events that tell of no model call; acknowledged and not kept."),
    "rejected_events_total": ("counter", "Events answered as rejected and not kept."),
    "rejected_requests_total": ("counter", "Requests refused as a whole, by reason."),
    "received_bytes_total": ("counter", "Bytes of accepted bodies, unpacked."),
    "commits_total": ("counter", "Group commits."),
    "commit_seconds_total": ("counter", "Time spent in group commits."),
    "queue_requests": ("gauge", "Requests that wait for a commit."),
    "held_bytes": ("gauge", "Bytes of bodies being read."),
    "spool_bytes": ("gauge", "Bytes acknowledged and not booked yet."),
    "spool_segments": ("gauge", "Closed segments that wait to be booked."),
    "spool_lag_seconds": ("gauge", "Age of the oldest segment that is not booked yet."),
    "disk_free_bytes": ("gauge", "Free room on the disk of the books."),
    "booked_rows_total": ("counter", "Rows booked, by table."),
    "duplicate_rows_total": ("counter", "Rows that were in the books already, by table."),
    "quarantined_rows_total": ("counter", "Rows that could not be booked, by table."),
    "import_failures_total": ("counter", "Segments that could not be booked and wait for the next attempt."),
    "ready": ("gauge", "1 while events are taken."),
}
_PREFIX = "breakeven_collect_"


class Metrics:
    """Counters by name and labels.

    >>> metrics = Metrics()
    >>> metrics.add("booked_rows_total", 3, table="usage")
    >>> metrics.text().splitlines()[-1]
    'breakeven_collect_booked_rows_total{table="usage"} 3'
    """

    def __init__(self) -> None:
        self._counts: dict[str, dict[tuple[tuple[str, str], ...], float]] = defaultdict(dict)

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Count; labels are words of ours, never of a sender's."""
        key = tuple(sorted(labels.items()))
        self._counts[name][key] = self._counts[name].get(key, 0) + amount

    def total(self, name: str) -> float:
        """A count over all its labels."""
        return sum(self._counts[name].values()) if name in self._counts else 0

    def text(self, now: Mapping[str, float] | None = None) -> str:
        """The exposition, with what is true at this moment."""
        lines: list[str] = []
        for name, (kind, about) in _HELP.items():
            known = {(): now[name]} if now and name in now else self._counts.get(name, {})
            if not known:
                continue
            lines += [f"# HELP {_PREFIX}{name} {about}", f"# TYPE {_PREFIX}{name} {kind}"]
            for labels, value in known.items():
                said = ",".join(f'{label}="{text}"' for label, text in labels)
                lines.append(f"{_PREFIX}{name}{'{' + said + '}' if said else ''} {value:.10g}")
        return "\n".join(lines) + "\n"
