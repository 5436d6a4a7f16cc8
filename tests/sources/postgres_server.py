"""A PostgreSQL of a test's own: in a temporary folder, on a free loopback port, gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PASSWORD = "a b/c@d:e%"  # every sign that a URL has to escape
_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """Where it listens; `url` names a database with its user and password."""

    port: int
    url: str


def programs() -> Path | None:
    """The folder with `initdb` and `pg_ctl`, if PostgreSQL is installed."""
    places = [Path("/usr/lib/postgresql"), Path("/opt/homebrew/opt")]
    for place in places:
        for found in sorted(place.glob("*/bin/initdb"), reverse=True):
            return found.parent
    named = shutil.which("initdb")
    return Path(named).parent if named else None


@contextmanager
def running(programs_folder: Path) -> Iterator[Server]:
    """Start a server with one user, `books`, whose password is awkward; stop it at the end."""
    # PostgreSQL refuses to run as root; Debian's package comes with a user of its own.
    user = {"user": "postgres"} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="breakeven-postgres-"))
    try:
        if user:
            shutil.chown(folder, "postgres")
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]

        def run(program: str, *arguments: str) -> None:
            subprocess.run(
                [str(programs_folder / program), *arguments],
                check=True, timeout=_SECONDS, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
                **user,
            )  # fmt: skip

        data = str(folder / "data")
        run("initdb", "-D", data, "-U", "books", "-A", "scram-sha-256", "--pwfile", str(secret), "-N",
            "--locale=C", "-E", "UTF8")  # fmt: skip
        options = f"-p {port} -k '' -c listen_addresses=127.0.0.1 -c fsync=off"
        run("pg_ctl", "-D", data, "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            yield Server(port, f"postgresql://books:a%20b%2Fc%40d%3Ae%25@127.0.0.1:{port}/postgres")
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
