"""What a service does on a disk that fills up: python -m tests.collect.small_disk FOLDER (a small disk)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .running import Collect, event, held, spooled


def main(folder: str) -> int:
    disk = Path(folder)
    books = disk / "books"
    acknowledged: list[str] = []
    with Collect(books, "--keep-free", "0") as service:
        status, number = 204, 0
        while status == 204 and number < 100_000:
            status = service.events(*(event(number + i) for i in range(500)))
            if status == 204:
                acknowledged += [f"shop e{number + i}" for i in range(500)]
            number += 500
        assert status == 503, status
        assert len(acknowledged) > 1000
        # Nothing half of the refused batch stays, so what is in the spool is what was acknowledged.
        lines = sum(path.read_bytes().count(b"\n") for path in spooled(books))
        assert lines == len(acknowledged), (lines, len(acknowledged))
        # Booking fails too, and says so; the events wait.
        service.process.terminate()
        _, said = service.process.communicate(timeout=60)
        assert service.process.returncode == 3, said
        assert "safe in the spool" in said
    if held(books):
        return 1
    # Room again: the same spool, and new events.
    subprocess.run(["mount", "-o", "remount,size=60m", folder], check=True)
    with Collect(books, "--keep-free", "0") as service:
        assert service.events(event(1_000_000)) == 204
        service.stop()
    assert held(books) == sorted([*acknowledged, "shop e1000000"])
    assert spooled(books) == []
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
