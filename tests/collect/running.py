"""A running `breakeven collect`, as a process of its own, and what the books hold after it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import breakeven
from breakeven.engine.duckdb import DuckDBEngine
from breakeven.ledger.books import create_books, open_books

SOURCE = str(Path(breakeven.__file__).parents[1])
EVENT, EVENTS = "application/cloudevents+json", "application/cloudevents-batch+json"
PROTOBUF, LINES = "application/x-protobuf", "application/x-ndjson"


def new_books(folder: Path) -> Path:
    create_books(folder, name="Test", currency="CNY", time_zone="Asia/Shanghai")
    return folder


def event(number: int, **changed: Any) -> dict[str, Any]:
    """A usage event with an id of its own."""
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "shop",
        "type": "usage",
        "subject": f"u{number % 7}",
        "time": "2024-03-20T10:00:00+08:00",
        "data": {"provider": "moonshot", "model": "moonshot-v1-8k", "input_tokens": 100, "output_tokens": 5},
        **changed,
    }


class Collect:
    """Starts with the first event it can take; kill it, stop it, start another on the same books."""

    def __init__(self, books: Path, *options: object, prefix: Iterable[str] = ()) -> None:
        self.books = books
        command = [sys.executable, "-m", "breakeven.cli.main", "collect", str(books), "--port", "0", "--json"]
        self.process = subprocess.Popen(
            [*prefix, *command, *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        said = self.process.stdout.readline()
        assert said, self.process.stderr.read()
        self.said = json.loads(said)
        self.port = int(self.said["listening"].rpartition(":")[2])

    def __enter__(self) -> Collect:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def ask(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        """One request on a connection of its own: status, body, headers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read(), {k.lower(): v for k, v in answer.getheaders()}
        finally:
            connection.close()

    def post(self, path: str, body: bytes | str | object, content_type: str, **headers: str) -> int:
        """Send a body, or a value as JSON; the status."""
        if not isinstance(body, bytes):
            body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        given = {"Content-Type": content_type} | {k.replace("_", "-"): v for k, v in headers.items()}
        return self.ask("POST", path, body, given)[0]

    def events(self, *events: object) -> int:
        return self.post("/api/v1/events", list(events), EVENTS)

    def metric(self, name: str, token: str = "") -> float:
        """A metric over all its labels."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        status, body, _ = self.ask("GET", "/metrics", headers=headers)
        assert status == 200
        lines = [line for line in body.decode().splitlines() if line.startswith(f"breakeven_collect_{name}")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def stop(self) -> str:
        """SIGTERM: it books everything and ends well. What it said on standard error."""
        self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, said
        return said

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BREAKEVEN_", "LC_"))}
    return kept | {"PYTHONPATH": SOURCE, "LANG": "C.UTF-8"}


def breakeven_says(*arguments: object) -> tuple[int, str, str]:
    """Run a command to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "breakeven.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def held(books: Path, columns: str = "source_id", table: str = "usage") -> list[Any]:
    """Sorted values of a table as a reader sees it."""
    opened = open_books(books)
    with DuckDBEngine() as engine:
        opened.view(engine, table, matched=False)
        rows = engine.rows(f"SELECT {columns} FROM {table}")
    return sorted(row[0] if len(row) == 1 else row for row in rows)


def quarantined(books: Path) -> list[tuple[str, str]]:
    return sorted((problem.field, problem.reason) for problem in open_books(books).quarantined())


def spooled(books: Path) -> list[Path]:
    return sorted(path for path in (books / ".collect" / "spool").rglob("*") if path.is_file())
