"""How fast `breakeven collect` takes spans while it is killed and restarted, client and books beside it.

A client sends spans as OpenTelemetry's exporters do, a hundred in a request, and sends a request again until
it is acknowledged. Meanwhile the service is killed (`kill -9`) and started again. In the end every
acknowledged span must be in the books, and none twice.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.lines import Figure
from benchmarks.process import ROOT, environment, measure
from breakeven.report.view_model import Label

BATCH, CONNECTIONS, KILLS = 100, 8, 5
FULL_SECONDS = 60.0
_RATE = 9_000  # what the client offers each second; the target is what must come through
_AGAIN_S = 0.05


def run(bench: Bench) -> tuple[list[Figure], dict[str, Any]]:
    """The group's rows. Small runs are short: they show that it works, not how fast it is."""
    seconds = FULL_SECONDS if bench.users > 10_000 else 4.0
    kills = KILLS if seconds == FULL_SECONDS else 1
    bench.say(f"taking spans for {seconds:.0f} s, killed and restarted {kills} times")
    load = os.getloadavg()[0]
    said = measure(take_spans, books=bench.scratch("collect"), seconds=seconds, kills=kills).said
    beside = Label(
        f"{said['acknowledged']:,} spans acknowledged in {said['seconds']:.0f} s, each in the books once; "
        f"the service killed {kills} times, back after {said['restart_s']:.2f} s; load before {load:.1f}",
        f"{said['seconds']:.0f} 秒内确认 {said['acknowledged']:,} 个跨度，全部入账且仅一次；"
        f"服务被强杀 {kills} 次，{said['restart_s']:.2f} 秒后恢复；此前负载 {load:.1f}",
    )
    slow = Label(
        f"of {said['requests']:,} answered requests; median {said['median_ms']:.1f} ms, most "
        f"{said['most_ms']:.0f} ms",
        f"{said['requests']:,} 个已应答请求；中位数 {said['median_ms']:.1f} 毫秒，"
        f"最长 {said['most_ms']:.0f} 毫秒",
    )
    figures = [
        Figure("collect_rate", said["events_per_s"], beside),
        Figure("collect_p99", said["p99_ms"], slow),
    ]
    return figures, {**said, "load_before": load}


def take_spans(books: str, seconds: float, kills: int, rate: int = _RATE) -> dict[str, Any]:
    """Run service and client, and hold that what was acknowledged is in the books once."""
    from breakeven.ledger.books import create_books

    create_books(books, name="collect")
    port = _free_port()
    service = _Service(Path(books), port)
    service.start()
    client = Client(port, rate)
    asyncio.run(_drive(client, service, seconds, kills))
    service.stop()
    held, distinct, missing = _found(books, client)
    if missing or held != distinct:
        raise AssertionError(
            f"{missing} acknowledged spans are not in the books; {held - distinct} are there twice"
        )
    took = sorted(client.took_s)
    return {
        "seconds": client.seconds,
        "requests": len(took),
        "acknowledged": len(took) * BATCH,
        "events_per_s": len(took) * BATCH / client.seconds,
        "median_ms": took[len(took) // 2] * 1000,
        "p99_ms": took[int(len(took) * 0.99)] * 1000,
        "most_ms": took[-1] * 1000,
        "refused": client.refused,
        "broken": client.broken,
        "restart_s": max(service.starts_s),
        "held": held,
    }


async def _drive(client: Client, service: _Service, seconds: float, kills: int) -> None:
    began = time.perf_counter()
    sending = asyncio.create_task(client.run(seconds))
    for number in range(kills):
        await asyncio.sleep(max(0.0, began + (number + 1) * seconds / (kills + 1) - time.perf_counter()))
        service.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(service.start)
    await sending


class _Service:
    """The service as a process of its own."""

    def __init__(self, books: Path, port: int) -> None:
        self.books, self.port = books, port
        self.starts_s: list[float] = []
        self.process: subprocess.Popen[str] = None  # type: ignore[assignment]

    def start(self) -> None:
        """Start it and wait until it listens."""
        began = time.perf_counter()
        if self.process is not None:
            self.process.wait()
            self.process.stdout.close()
        command = ["-m", "breakeven.cli.main", "collect", str(self.books), "--port", str(self.port)]
        self.process = subprocess.Popen(
            [sys.executable, *command, "--book-every", "10", "--json"],
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        if not self.process.stdout.readline():
            raise AssertionError("the service did not start")
        self.starts_s.append(time.perf_counter() - began)

    def stop(self) -> None:
        """Ask it to book everything and end."""
        self.process.terminate()
        with self.process.stdout:
            code = self.process.wait(300)
        if code:
            raise AssertionError(f"the service ended with code {code}")


class Client:
    """Sends batches at a steady rate over a few connections; what is not acknowledged is sent again."""

    def __init__(self, port: int, rate: int) -> None:
        self.port, self.rate = port, rate
        self.template, self.places = spans_request()
        self.head = (
            f"POST /v1/traces HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/x-protobuf\r\n"
            f"Content-Length: {len(self.template)}\r\n\r\n"
        ).encode()
        self.sent = 0
        self.refused = self.broken = 0
        self.took_s: list[float] = []
        self.acknowledged: list[int] = []
        self.seconds = 0.0

    async def run(self, seconds: float) -> None:
        """Send for a while; ends when everything that was begun is acknowledged."""
        began = time.perf_counter()
        await asyncio.gather(*(self._connection(began, seconds) for _ in range(CONNECTIONS)))
        self.seconds = time.perf_counter() - began

    def body(self, number: int) -> bytes:
        """A request's body: the template with spans of its own number."""
        body = bytearray(self.template)
        for index, place in enumerate(self.places):
            struct.pack_into(">Q", body, place, number * BATCH + index + 1)
        return bytes(body)

    async def _connection(self, began: float, seconds: float) -> None:
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while time.perf_counter() - began < seconds:
            due = self.sent * BATCH / self.rate - (time.perf_counter() - began)
            if due > 0:
                await asyncio.sleep(min(due, 0.05))
                continue
            number, self.sent = self.sent, self.sent + 1
            request = self.head + self.body(number)
            while True:
                try:
                    streams = streams or await asyncio.open_connection("127.0.0.1", self.port)
                    sent_at = time.perf_counter()
                    status = await _exchange(*streams, request)
                except (OSError, asyncio.IncompleteReadError):
                    self.broken += 1
                    if streams:
                        streams[1].close()
                    streams = None
                    await asyncio.sleep(_AGAIN_S)
                    continue
                if status == 200:
                    self.took_s.append(time.perf_counter() - sent_at)
                    self.acknowledged.append(number)
                    break
                self.refused += 1
                await asyncio.sleep(_AGAIN_S)
        if streams:
            streams[1].close()
            with suppress(OSError):
                await streams[1].wait_closed()


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    writer.write(request)
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


def spans_request() -> tuple[bytes, list[int]]:
    """A request with a hundred spans as the SDK encodes them, and where each span's id stands in it."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    provider, memory = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("benchmark")
    for number in range(BATCH):
        with tracer.start_as_current_span("chat gpt-4o") as span:
            span.set_attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "openai",
                    "gen_ai.request.model": "gpt-4o",
                    "gen_ai.response.model": "gpt-4o-2024-08-06",
                    "gen_ai.response.id": f"chatcmpl-{number:029}",
                    "gen_ai.response.finish_reasons": ["stop"],
                    "gen_ai.usage.input_tokens": 1000 + number,
                    "gen_ai.usage.cache_read.input_tokens": 512,
                    "gen_ai.usage.output_tokens": 100,
                    "gen_ai.request.temperature": 0.7,
                    "server.address": "api.openai.com",
                    "server.port": 443,
                    "user.id": f"user-{number}",
                }
            )
    finished = memory.get_finished_spans()
    body = encode_spans(finished).SerializeToString()
    places = [body.index(span.get_span_context().span_id.to_bytes(8, "big")) for span in finished]
    return body, places


def _found(books: str, client: Client) -> tuple[int, int, int]:
    """Rows in the books, different ones among them, and acknowledged spans that are not there."""
    from breakeven.engine.duckdb import DuckDBEngine
    from breakeven.ledger.books import open_books

    with DuckDBEngine() as engine:
        open_books(books).view(engine, "usage", matched=False)
        numbers = "CAST('0x' || right(source_id, 16) AS BIGINT) - 1"
        [(held, distinct)] = engine.rows("SELECT count(*), count(DISTINCT source_id) FROM usage")
        rows = engine.rows(f"SELECT ({numbers}) // {BATCH} AS batch, count(*) FROM usage GROUP BY 1")
    complete = {int(batch) for batch, count in rows if count == BATCH}
    return held, distinct, BATCH * sum(number not in complete for number in client.acknowledged)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


if __name__ == "__main__":
    folder, duration, times = sys.argv[1:4]
    print(json.dumps(take_spans(folder, float(duration), int(times)), indent=1))
