"""`breakeven collect`: take usage over HTTP as it happens, and book it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from breakeven.cli.bilingual import command, option
from breakeven.cli.options import Output, books_argument, output_options
from breakeven.cli.output import emit, ledger_envelope, utc_text
from breakeven.errors import BooksError, InputError, UsageError
from breakeven.ledger.books import open_books
from breakeven.report.view_model import Column, Envelope, Label, Table, Value, View

if TYPE_CHECKING:
    from breakeven.collect.booking import Booked

_TITLE = Label("Booked from the spool", "由暂存区入账")
_COLUMNS = (
    Column("segment", Label("Segment", "分段")),
    Column("ledger_table", Label("Table", "表")),
    Column("ingested", Label("Booked", "入账"), "count"),
    Column("duplicates", Label("Duplicates", "重复"), "count"),
    Column("quarantined", Label("Quarantined", "隔离"), "count"),
    Column("error", Label("Still waits because", "仍在等待的原因")),
)
_ENDPOINTS = {"otlp": "/v1/traces", "cloudevents": "/api/v1/events", "rows": "/v1/rows/TABLE"}
_SEND = """curl {url}/api/v1/events -H 'Content-Type: application/cloudevents+json'{token} -d \
'{{"specversion":"1.0","id":"1","source":"my-app","type":"usage","subject":"user-1",\
"time":"{time}","data":{{"provider":"openai","model":"gpt-4o","input_tokens":9,"output_tokens":3}}}}'"""


@command(
    "collect",
    en="Take usage over HTTP and book it into BOOKS: OpenTelemetry spans (POST /v1/traces), CloudEvents "
    "(POST /api/v1/events) and rows as JSON lines (POST /v1/rows/TABLE).\n\n"
    "An answer of success means that the event is on disk and will be in the books once, whatever stops in "
    "between. Only this machine may send unless there are tokens. GET /metrics is for Prometheus, /healthz "
    "and /readyz for whoever watches. SIGTERM books what was taken, then ends.",
    zh="通过 HTTP 接收用量并记入 BOOKS：OpenTelemetry 跨度（POST /v1/traces）、\n"
    "CloudEvents（POST /api/v1/events）与 JSON Lines 行（POST /v1/rows/表名）。\n"
    "应答成功即表示事件已落盘，无论中途何处停止，都会入账且只入账一次。\n"
    "没有令牌时只有本机可以发送。GET /metrics 供 Prometheus 采集，/healthz 与 /readyz 供监测。\n"
    "收到 SIGTERM 时先把已接收的入账，再结束。",
)
@books_argument()
@option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    en="Where to listen; other than this machine itself only with --tokens.",
    zh="监听地址；非本机地址须配合 --tokens。",
)
@option(
    "--port",
    type=click.IntRange(0, 65535),
    default=4318,
    show_default=True,
    en="Which port; 0 takes a free one.",
    zh="端口；0 表示任选空闲端口。",
)
@option(
    "--tokens",
    metavar="FILE",
    type=click.Path(path_type=Path),
    en="Who may send: lines `name source token`, the token as it is or as sha256:HASH. The file may not lie "
    "in BOOKS nor be readable by everybody.",
    zh="谁可以发送：每行 `名称 来源 令牌`，令牌写原文或 sha256:哈希。文件不得在 BOOKS 内，也不得人人可读。",
)
@option(
    "--option",
    "given",
    multiple=True,
    metavar="SOURCE.NAME=VALUE",
    en="Tell a source something, e.g. opentelemetry.provider=self; may be repeated.",
    zh="数据源的选项，如 opentelemetry.provider=self；可重复。",
)
@option(
    "--book-every",
    type=click.FloatRange(min=0.1),
    default=300,
    show_default=True,
    metavar="SECONDS",
    en="How long events wait on disk at most before they are booked.",
    zh="事件落盘后至多等待多久入账（秒）。",
)
@option(
    "--segment",
    type=click.FloatRange(min=0.01),
    default=64,
    show_default=True,
    metavar="MIB",
    en="They are booked sooner when this much has come in.",
    zh="累积到此大小即提前入账（MiB）。",
)
@option(
    "--rate",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="EVENTS",
    en="Events a second from one sender; more are answered 429. 0 sets no limit.",
    zh="每个发送者每秒事件数，超出回 429；0 表示不限。",
)
@option(
    "--body-limit",
    type=click.FloatRange(min=0.001),
    default=8,
    show_default=True,
    metavar="MIB",
    en="The largest body; unpacked it may be four times that.",
    zh="请求体上限（MiB）；解压后为其四倍。",
)
@option(
    "--waiting-limit",
    type=click.FloatRange(min=0),
    default=2048,
    show_default=True,
    metavar="MIB",
    en="Above this much not booked yet, events are answered 503.",
    zh="尚未入账的超过此量即回 503（MiB）。",
)
@option(
    "--keep-free",
    type=click.FloatRange(min=0),
    default=256,
    show_default=True,
    metavar="MIB",
    en="Below this much room on the disk of BOOKS, events are answered 503.",
    zh="BOOKS 所在磁盘余量低于此值即回 503（MiB）。",
)
@option(
    "--drain", is_flag=True, en="Book what lies in the spool, then end.", zh="把暂存区中的入账，然后结束。"
)
@output_options
def collect(
    books: Path,
    host: str,
    port: int,
    tokens: Path | None,
    given: Sequence[str],
    book_every: float,
    segment: float,
    rate: int,
    body_limit: float,
    waiting_limit: float,
    keep_free: float,
    drain: bool,
    output: Output,
) -> None:
    """Serve until told to stop, or only book what an earlier service left."""
    from breakeven.collect import server
    from breakeven.collect.limits import MIB, Limits
    from breakeven.collect.tokens import Senders, read_tokens

    opened = open_books(books)
    options = _options(given)
    if drain:
        booked = server.drain(books, options)
        emit(_drained(booked, ledger_envelope(opened)), output)
        if waits := [one.error for one in booked if one.error]:
            raise waits[0]
        return
    if find_spec("uvicorn") is None or find_spec("httptools") is None:
        raise UsageError(
            "the service needs a package that is not here", remedy="install `breakeven[collect]`"
        )
    senders = read_tokens(tokens, books) if tokens else Senders(())
    body_bytes = int(body_limit * MIB)
    settings = server.Settings(
        books,
        host,
        port,
        senders,
        Limits(
            body_bytes=body_bytes,
            unpacked_bytes=4 * body_bytes,
            waiting_bytes=int(waiting_limit * MIB),
            keep_free_bytes=int(keep_free * MIB),
            events_per_s=rate,
        ),
        options,
        book_every,
        int(segment * MIB),
    )

    def listening(host: str, port: int) -> None:
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        _say_where(url, opened.settings.name, output, has_tokens=bool(senders))

    if not server.serve(settings, listening):
        raise BooksError(
            "some of what was taken is not booked yet; it is safe in the spool",
            where=str(books),
            remedy="run `breakeven collect --drain` once the cause is gone",
        )


def _options(given: Sequence[str]) -> dict[str, dict[str, str]]:
    """`SOURCE.NAME=VALUE` by source. Raises `UsageError` for a source or option that does not exist."""
    from breakeven.sources.registry import find_source

    found: dict[str, dict[str, str]] = {"opentelemetry": {}, "cloudevents": {}}
    for text in given:
        path, equals, value = text.partition("=")
        name, _, key = path.partition(".")
        if not equals or name not in found:
            raise UsageError(
                f"--option {text} is not SOURCE.NAME=VALUE",
                remedy="write --option opentelemetry.provider=self, or cloudevents.subject=account_id",
            )
        found[name][key] = value
    for name, chosen in found.items():
        source = find_source(name)
        if source is None or source.layouts is None:
            raise InputError(f"there is no source {name!r}")
        source.layouts(source.options_from(chosen))
    return found


def _say_where(url: str, name: str, output: Output, *, has_tokens: bool) -> None:
    """Where to send, as one line of JSON or for people."""
    if output.format == "json":
        endpoints = {key: url + path for key, path in _ENDPOINTS.items()}
        click.echo(
            json.dumps({"listening": url, "books": name, "tokens": has_tokens, "endpoints": endpoints})
        )
        return
    chinese = output.language == "zh"
    token = " -H 'Authorization: Bearer TOKEN'" if has_tokens else ""
    send = _SEND.format(url=url, token=token, time=utc_text(datetime.now(UTC)))
    click.echo(f"正在 {url} 接收，记入 {name}" if chinese else f"Listening on {url} for {name}")
    click.echo(("发送示例：\n  " if chinese else "Try it:\n  ") + send)
    click.echo("按 Ctrl-C 停止并入账。" if chinese else "Ctrl-C stops, and books what was taken.")


def _drained(booked: Sequence[Booked], envelope: Envelope) -> View:
    rows = tuple(_row(one) for one in booked)
    note = None if rows else Label("Nothing was waiting.", "没有待入账的内容。")
    table = Table("booked", _TITLE, _COLUMNS, rows, note)
    return View("collect", _TITLE, envelope, (table,), json_rows=rows)


def _row(one: Booked) -> dict[str, Value]:
    return {
        "segment": one.segment,
        "ledger_table": one.table,
        "ingested": one.rows,
        "duplicates": one.duplicates,
        "quarantined": one.quarantined,
        "error": str(one.error) if one.error else None,
    }
