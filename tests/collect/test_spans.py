"""Spans of a real OpenTelemetry SDK, exported over HTTP to the running service."""

from __future__ import annotations

import json

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode

from breakeven.sources.otlp import spans_of_json, spans_of_protobuf

from .running import PROTOBUF, Collect, held, new_books, quarantined

SECRET = "what the user wrote"
CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.cache_read.input_tokens": 400,
    "gen_ai.usage.output_tokens": 50,
    "gen_ai.usage.reasoning.output_tokens": 20,
    "gen_ai.response.time_to_first_chunk": 0.25,
    "openai.response.service_tier": "priority",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.input.messages": SECRET,
    "user.id": "u1",
}
START = 1_710_900_000_000_000_000


def an_agents_run(provider: TracerProvider) -> None:
    """An agent that calls a model twice and a tool once; its own span repeats what the calls used."""
    tracer = provider.get_tracer("test")
    repeated = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.output_tokens": 55,
    }
    with tracer.start_as_current_span("invoke_agent", attributes={**CHAT, **repeated}):
        call = tracer.start_span("chat gpt-4o", start_time=START, attributes=CHAT)
        call.add_event("gen_ai.content.prompt", {"gen_ai.prompt": SECRET})
        call.end(START + 2_500_000_000)
        with tracer.start_as_current_span(
            "execute_tool", attributes={"gen_ai.operation.name": "execute_tool"}
        ):
            pass
        old = {
            "gen_ai.system": "az.ai.openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.usage.prompt_tokens": 200,
            "gen_ai.usage.completion_tokens": 5,
        }
        with tracer.start_as_current_span("openai.chat", attributes=old):
            tracer.start_span("POST", attributes={"http.request.method": "POST"}).end()
        failed = tracer.start_span(
            "chat", attributes={**_only("operation", "provider"), "gen_ai.request.model": "gpt-4o"}
        )
        failed.set_attribute("error.type", "timeout")
        failed.set_status(Status(StatusCode.ERROR, SECRET))
        failed.end()


def _only(*words: str) -> dict[str, object]:
    return {name: value for name, value in CHAT.items() if name.split(".")[1] in words}


BOOKED = [
    # at, user, feature, provider, model, tier, uncached, cached, output, reasoning, status, latency, ttft, id
    ("shop", "azure", "gpt-4o-mini", None, 200, 0, 5, 0, "ok", None),
    ("shop", "openai", "gpt-4o", None, 0, 0, 0, 0, "timeout", None),
    ("shop", "openai", "gpt-4o-2024-08-06", "priority", 600, 400, 50, 20, "ok", "chatcmpl-1"),
]
COLUMNS = (
    "feature, provider, model, service_tier, uncached_input_tokens, cached_input_tokens, output_tokens, "
    "reasoning_tokens, status, response_id"
)


def provider_to(exporter, processor=SimpleSpanProcessor) -> TracerProvider:
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(processor(exporter))
    return provider


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_sdk_exports_to_the_service(tmp_path, compression):
    books = new_books(tmp_path / "books")
    with Collect(books) as service:
        exporter = OTLPSpanExporter(f"http://127.0.0.1:{service.port}/v1/traces", compression=compression)
        provider = provider_to(exporter, BatchSpanProcessor)
        an_agents_run(provider)
        assert provider.force_flush()
        provider.shutdown()
        assert service.metric("accepted_events_total") == 3
        assert service.metric("skipped_events_total") == 3
        for path in (books / ".collect").rglob("*.open"):
            assert SECRET not in path.read_text()
        service.stop()
    assert held(books, COLUMNS) == BOOKED
    columns = 'CAST(epoch_ms("at") AS BIGINT), user_id, latency_ms, ttft_ms'
    assert held(books, columns)[0] == (START // 1_000_000, "u1", 2500, 250)
    assert quarantined(books) == []


def in_json(body) -> bytes:
    """A request in OTLP's JSON: protobuf's own mapping, but ids in hexadecimal, enumerations as numbers."""
    import base64

    document = MessageToDict(body, use_integers_for_enums=True)
    for one in document["resourceSpans"]:
        for scope in one["scopeSpans"]:
            for span in scope["spans"]:
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in span:
                        span[name] = base64.b64decode(span[name]).hex()
    return json.dumps(document).encode()


def test_protobuf_and_json_of_the_same_spans_are_the_same_rows(tmp_path):
    memory = InMemorySpanExporter()
    an_agents_run(provider_to(memory))
    request = encode_spans(memory.get_finished_spans())
    assert list(spans_of_json(json.loads(in_json(request)))) == list(
        spans_of_protobuf(request.SerializeToString())
    )
    books = new_books(tmp_path / "books")
    with Collect(books) as service:
        for body, kind in ((request.SerializeToString(), PROTOBUF), (in_json(request), "application/json")):
            status, answer, headers = service.ask("POST", "/v1/traces", body, {"Content-Type": kind})
            assert (status, headers["content-type"]) == (200, kind)
            assert answer in (b"", b"{}")
        service.stop()
    assert held(books, COLUMNS) == BOOKED


def test_rejected_spans_and_errors_are_told_as_the_protocol_says(tmp_path):
    from google.rpc.status_pb2 import Status as RpcStatus

    memory = InMemorySpanExporter()
    an_agents_run(provider_to(memory))
    request = encode_spans(memory.get_finished_spans())
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.span_id = bytes(8)
    with Collect(new_books(tmp_path / "books")) as service:
        _, body, _ = service.ask(
            "POST", "/v1/traces", request.SerializeToString(), {"Content-Type": PROTOBUF}
        )
        partial = ExportTraceServiceResponse.FromString(body).partial_success
        assert (partial.rejected_spans, partial.error_message) == (
            3,
            "3 spans without a valid trace id and span id",
        )
        said = json.loads(
            service.ask("POST", "/v1/traces", in_json(request), {"Content-Type": "application/json"})[1]
        )
        assert said["partialSuccess"]["rejectedSpans"] == "3"
        status, body, _ = service.ask("POST", "/v1/traces", b"\x0a\xff", {"Content-Type": PROTOBUF})
        assert status == 400
        assert RpcStatus.FromString(body).code == 3
        assert "the body ends early" in RpcStatus.FromString(body).message
        assert service.ask("POST", "/v1/traces", b"", {"Content-Type": PROTOBUF})[:2] == (200, b"")
        assert service.metric("rejected_events_total") == 6
        service.stop()
