"""From a folder and an address to a running service, and from a signal to an empty spool."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from breakeven.collect.booker import Booker
from breakeven.collect.booking import Booked, Options, book_waiting
from breakeven.collect.committer import Committer
from breakeven.collect.limits import MIB, Limits
from breakeven.collect.service import Service
from breakeven.collect.spool import FOLDER, Spool
from breakeven.collect.tokens import Senders
from breakeven.errors import UsageError
from breakeven.ledger.lock import cannot_write, hold

_LOOK_S = 0.5
_GRACE_S = 15


@dataclass(frozen=True)
class Settings:
    """Where and how to serve. Port 0 takes one that is free."""

    books: Path
    host: str = "127.0.0.1"
    port: int = 4318
    senders: Senders = field(default_factory=lambda: Senders(()))
    limits: Limits = field(default_factory=Limits)
    options: Options = field(default_factory=dict[str, dict[str, str]])
    book_every_s: float = 300
    segment_bytes: int = 64 * MIB


def drain(books: Path, options: Options) -> list[Booked]:
    """Book what lies in the spool, and serve nothing. Raises `UsageError` while a service runs."""
    with _alone(books):
        Spool(books, most_segment_bytes=1, most_age_s=0)  # recovers what a crash left open
        return list(book_waiting(books, options))


def serve(settings: Settings, listening: Callable[[str, int], None]) -> bool:
    """Serve until SIGTERM or SIGINT, then book what is in the spool; False when some of it still waits.

    `listening` is called with the address once events are taken. Raises `UsageError` for an address that
    needs tokens or is taken, or when another service has these books.
    """
    _refuse_open_address(settings)
    with _alone(settings.books):
        listener = _listener(settings.host, settings.port)
        with listener:
            signals: list[int] = []
            well = asyncio.run(_serve(settings, listener, listening, signals))
        if signal.SIGINT in signals:
            raise KeyboardInterrupt
        return well


@contextmanager
def _alone(books: Path) -> Generator[None]:
    """Hold the spool; the lock ends with the process, however that dies."""

    def refuse() -> None:
        raise UsageError(
            "another `breakeven collect` runs on these books",
            remedy="stop it first, or send to it: one service takes events for one set of books",
        )

    folder = books / FOLDER
    with ExitStack() as held:
        try:
            folder.mkdir(exist_ok=True)
            held.enter_context(hold(folder / "lock", waiting=refuse))
        except OSError as error:
            raise cannot_write(books, error) from error
        yield


def _refuse_open_address(settings: Settings) -> None:
    if settings.senders:
        return
    try:
        local = settings.host == "localhost" or ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise UsageError(
            f"without tokens only this machine may send, and {settings.host} is open to others",
            remedy="give --tokens FILE, or leave out --host",
        )


def _listener(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {host}:{port}",
            cause=error.strerror or str(error),
            remedy="choose another --port or --host",
        ) from error
    listener.setblocking(False)
    return listener


async def _serve(
    settings: Settings,
    listener: socket.socket,
    listening: Callable[[str, int], None],
    signals: list[int],
) -> bool:
    import uvicorn

    from breakeven.collect.connection import protocol

    spool = Spool(settings.books, most_segment_bytes=settings.segment_bytes, most_age_s=settings.book_every_s)
    committer = Committer(spool)
    service = Service(settings.books, committer, settings.senders, settings.limits)
    booker = Booker(settings.books, settings.options, service.metrics)
    config = uvicorn.Config(
        service,  # pyright: ignore[reportArgumentType] - an ASGI application by its call
        http=protocol(settings.limits.head_s),
        loop="asyncio",
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=settings.limits.connections,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = uvicorn.Server(config)
    # The server hands a signal on once it has stopped; there is still work to do then.
    handlers = {
        number: signal.signal(number, lambda number, _: signals.append(number))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    booking = asyncio.create_task(booker.run())
    looking = asyncio.create_task(_look(service, server))
    said = asyncio.create_task(_say(server, listener, listening))
    try:
        await server.serve([listener])
    finally:
        service.stopping = True
        for task in (looking, said):
            task.cancel()
        await committer.stop()
        for number, handler in handlers.items():
            signal.signal(number, handler)  # a second signal ends at once; what waits is safe on disk
        well = await _finish(booking, booker)
    return well


async def _finish(booking: asyncio.Task[None], booker: Booker) -> bool:
    """Let the round that runs come to its end, then book what is left."""
    booker.stopping = True
    with suppress(asyncio.CancelledError):
        await booking
    return await booker.finish()


async def _look(service: Service, server: Any) -> None:
    while True:
        await asyncio.sleep(_LOOK_S)
        service.stopping = bool(server.should_exit)
        service.look()


async def _say(server: Any, listener: socket.socket, listening: Callable[[str, int], None]) -> None:
    while not server.started:
        await asyncio.sleep(0.01)
    host, port = listener.getsockname()[:2]
    listening(host, port)
