"""Exports of spans in every form they lie on disk, and the reader of protobuf against the real library."""

from __future__ import annotations

import base64
import gzip
import json
import tempfile
from pathlib import Path

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from breakeven.errors import InputError, UsageError
from breakeven.ledger.books import create_books
from breakeven.sources.intake import import_from
from breakeven.sources.opentelemetry import SOURCE
from breakeven.sources.otlp import (
    ATTRIBUTES,
    NotSpansError,
    is_call,
    spans_of_json,
    spans_of_protobuf,
)

from .samples import booked, in_books

SAMPLE = Path(__file__).parent / "opentelemetry" / "sample.jsonl"
LINES = SAMPLE.read_text().splitlines()


def protobuf(line: str) -> bytes:
    """The same export as the library writes it in protobuf, whose JSON has ids in base 64."""
    document = json.loads(line)
    for one in document["resourceSpans"]:
        for scope in one["scopeSpans"]:
            for span in scope["spans"]:
                for name in ("traceId", "spanId", "parentSpanId"):
                    span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return ParseDict(document, ExportTraceServiceRequest()).SerializeToString()


def with_lengths(bodies: list[bytes]) -> bytes:
    return b"".join(len(body).to_bytes(4, "big") + body for body in bodies)


FORMS = {
    "one document": json.dumps(
        {"resourceSpans": [json.loads(line)["resourceSpans"][0] for line in LINES]}, indent=2
    ).encode(),
    "an array": json.dumps([json.loads(line) for line in LINES], indent=1).encode(),
    "an array in a line": json.dumps([json.loads(line) for line in LINES]).encode(),
    "a byte order mark": b"\xef\xbb\xbf" + "\n".join(LINES).encode(),
    "protobuf": b"".join(map(protobuf, LINES)),  # messages put behind each other are merged
    "protobuf with lengths": with_lengths([protobuf(line) for line in LINES]),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("packed", [False, True])
def test_every_form_is_booked_alike(tmp_path, form, packed):
    path = tmp_path / "export"
    path.write_bytes(gzip.compress(FORMS[form]) if packed else FORMS[form])
    assert booked("opentelemetry", path) == booked("opentelemetry", SAMPLE)


@pytest.mark.parametrize("form", ["one document", "an array", "protobuf", "protobuf with lengths"])
def test_a_download_that_was_cut_off_is_refused(tmp_path, form):
    path = tmp_path / "export"
    path.write_bytes(FORMS[form][: len(FORMS[form]) * 2 // 3])
    with pytest.raises(InputError, match="cut off"):
        booked("opentelemetry", path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"resourceLogs": []}\n', "not an OpenTelemetry export of spans"),
        (b'{"resourceSpans": []}\n', "the file holds no spans"),
        (b'[{"id": 1}]', "not an OpenTelemetry export of spans"),
        (b"source_id,at\na,b\n", "not an OpenTelemetry export of spans"),
        (b'{"resourceSpans": 3}', "not an OpenTelemetry export of spans"),
        (b"{" * 100_000, "not valid JSON"),
    ],
)
def test_another_file_is_refused(tmp_path, content, said):
    path = tmp_path / "export"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        booked("opentelemetry", path)


def test_a_broken_line_is_quarantined_in_its_place(tmp_path):
    path = tmp_path / "export.jsonl"
    path.write_text(f"{LINES[0]}\n{LINES[1][:-9]}\n3\n{LINES[2]}\n")
    found = booked("opentelemetry", path)
    assert sum("table" in line for line in found) == 2
    told = [(line["row"], line["reason"]) for line in found if "quarantined" in line]
    assert told == [(5, "not a JSON object"), (6, "not a JSON object")]


def test_skipped_spans_are_counted(tmp_path):
    books = create_books(tmp_path / "books", name="t")
    [result] = import_from(books, SOURCE, SAMPLE, {})
    assert (result.rows_read, result.ingested, result.quarantined, result.skipped) == (8, 5, 3, 3)
    assert result.skipped_as == "spans that called no model"


def test_options(tmp_path):
    path = tmp_path / "export.jsonl"
    attributes = {
        "gen_ai.response.model": "m",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 1,
    }
    attributes |= {"gen_ai.usage.cache_read.input_tokens": 25}
    listed = [
        {"key": name, "value": {"intValue" if isinstance(value, int) else "stringValue": value}}
        for name, value in attributes.items()
    ]
    ids = {"traceId": "1" * 32, "spanId": "2" * 16}
    span = ids | {"startTimeUnixNano": "1724112000000000000", "attributes": listed}
    path.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}) + "\n")
    assert [line["quarantined"] for line in booked("opentelemetry", path)] == ["provider"]
    [row] = booked("opentelemetry", path, provider="self", product="api", input_includes_cached="false")
    assert (row["provider"], row["product"], row["uncached_input_tokens"], row["cached_input_tokens"]) == (
        "self",
        "api",
        10,
        25,
    )
    for wrong in ({"product": "desk"}, {"input_includes_cached": "perhaps"}, {"unknown": "x"}):
        with pytest.raises(UsageError):
            booked("opentelemetry", path, **wrong)


def test_the_names_of_today_count_before_older_ones():
    def value(text):
        return {"stringValue": text}

    attributes = [
        {"key": name, "value": value(f"{field} {rank}")}
        for field, names in ATTRIBUTES.items()
        for rank, name in reversed(list(enumerate(names)))
    ]
    for order in (attributes, attributes[::-1]):
        [record] = spans_of_json({"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": order}]}]}]})
        assert record == {field: f"{field} 0" for field in ATTRIBUTES}


@pytest.mark.parametrize("operation", ["invoke_agent", "create_agent", "execute_tool", "invoke_workflow"])
def test_what_stands_around_calls_is_none_whatever_it_counts(operation):
    assert not is_call({"operation": operation, "response_model": "m", "input": "9", "output_tokens": "9"})


def test_a_frameworks_chain_is_no_call_and_its_model_is():
    assert not is_call({"kind": "workflow", "request_model": "m", "input": "9"})
    assert is_call({"kind": "LLM", "request_model": "m"})
    assert not is_call({"input": "9", "output_tokens": "9"})


@settings(max_examples=5, deadline=None)
@given(st.data())
def test_any_cut_order_and_repetition_of_deliveries_gives_the_same_books(data):
    """Exports arrive cut at other places, in another order, some twice: the books do not change."""
    spans = [
        {"resourceSpans": [{"resource": one["resource"], "scopeSpans": [{"spans": [span]}]}]}
        for line in LINES[:3]
        for one in json.loads(line)["resourceSpans"]
        for scope in one["scopeSpans"]
        for span in scope["spans"]
    ]
    order = data.draw(st.permutations(spans + data.draw(st.lists(st.sampled_from(spans), max_size=3))))
    cut = data.draw(st.integers(1, len(order) - 1))
    with tempfile.TemporaryDirectory() as folder:
        books = create_books(Path(folder) / "books", name="t")
        for number, part in enumerate((order[:cut], order[cut:])):
            path = Path(folder) / f"{number}.jsonl"
            path.write_text("".join(json.dumps(one) + "\n" for one in part))
            import_from(books, SOURCE, path, {})
        first_five = [row for row in booked("opentelemetry", SAMPLE) if "table" in row]
        assert in_books(books) == first_five


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SINGLES = st.one_of(
    TEXTS.map(lambda text: {"stringValue": text}),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: {"intValue": str(number)}),
    st.booleans().map(lambda flag: {"boolValue": flag}),
    st.just({"arrayValue": {"values": [{"stringValue": "x"}]}}),
)
NAMES = st.one_of(st.sampled_from([name for names in ATTRIBUTES.values() for name in names]), TEXTS)
SPANS = st.fixed_dictionaries({
    "traceId": st.binary(min_size=16, max_size=16).map(bytes.hex),
    "spanId": st.binary(min_size=8, max_size=8).map(bytes.hex),
    "parentSpanId": st.just("00" * 8),
    "startTimeUnixNano": st.integers(1, 2**64 - 1).map(str),
    "status": st.fixed_dictionaries({"code": st.sampled_from([0, 1, 2])}),
    "attributes": st.lists(st.fixed_dictionaries({"key": NAMES, "value": SINGLES}), max_size=8),
})  # fmt: skip


@given(st.lists(SPANS, max_size=4))
def test_protobuf_reads_as_the_library_writes_it(spans):
    export = {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": spans}]}]}
    line = json.dumps(export)
    from_protobuf = list(spans_of_protobuf(protobuf(line)))
    for record in from_protobuf:
        record.pop("end", None)
    assert from_protobuf == list(spans_of_json(json.loads(line)))


def test_a_time_of_any_length_but_its_own_is_none():
    """Field 7 is a time of eight bytes; as a text of megabytes it would be a number nobody can write."""
    span = _message(2, _message(7, b"\xff" * 10_000))
    body = _message(1, _message(2, span))
    assert list(spans_of_protobuf(body)) == [{}]


def _message(number, content):
    length = len(content)
    return bytes([number << 3 | 2, length & 127 | 128, length >> 7]) + content


@given(st.binary(max_size=300), st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
def test_no_bytes_make_the_reader_fail_otherwise(noise, place, bite):
    whole = bytearray(protobuf(LINES[0]))
    place %= len(whole)
    whole[place : place + len(bite)] = bite
    for body in (noise, bytes(whole), bytes(whole[:place])):
        try:
            for record in spans_of_protobuf(body):
                assert all(isinstance(value, str) for value in record.values())
        except NotSpansError:
            pass
