"""What is kept of a body at the door, and what never is."""

from __future__ import annotations

import json

import pytest

from breakeven.collect.doors import PROTOBUF, open_events, open_rows, open_spans
from breakeven.collect.limits import Limits
from breakeven.collect.refusal import Refused

from .running import EVENT, EVENTS, LINES, event

JSON = "application/json"
SECRET = "tell nobody"


def lines(delivery):
    return [json.loads(line) for line in delivery.lines.splitlines()]


def span(number=1, **attributes):
    given = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", **attributes}
    return {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": SECRET,
        "startTimeUnixNano": "1710900000000000000",
        "endTimeUnixNano": "1710900001000000000",
        "attributes": [
            {"key": k, "value": {"stringValue": v}} for k, v in attributes.items() | given.items()
        ],
        "events": [
            {
                "name": "gen_ai.user.message",
                "attributes": [{"key": "content", "value": {"stringValue": SECRET}}],
            }
        ],
        "status": {"message": SECRET},
    }


def export(*spans):
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}).encode()


def test_no_prompt_leaves_a_span():
    body = export(
        span(**{"gen_ai.input.messages": SECRET, "gen_ai.prompt": SECRET, "gen_ai.completion": SECRET})
    )
    delivery = open_spans(body, JSON, 10)
    assert delivery.accepted == 1
    assert SECRET not in delivery.lines.decode()


def test_no_prompt_leaves_an_event_or_a_row():
    data = {
        "model": "m",
        "input_tokens": 1,
        "prompt": SECRET,
        "messages": [SECRET],
        "provider": {"deep": SECRET},
    }
    kept = open_events(json.dumps(event(1, data=data, extension=SECRET)).encode(), EVENT, {}, 10)
    assert (kept.accepted, kept.malformed) == (1, 1)
    assert lines(kept)[0]["unfit"] == "provider"
    row = {"source_id": "1", "user_id": "u", "day": "2024-03-20", "prompt": SECRET, "sessions": [SECRET]}
    rows = open_rows(json.dumps(row).encode(), LINES, "activity", 10)
    assert lines(rows) == [{"user_id": "u", "day": "2024-03-20", "source_id": "1", "unfit": "sessions"}]
    for delivery in (kept, rows):
        assert SECRET not in delivery.lines.decode()


def test_a_long_text_is_no_name():
    kept = open_events(json.dumps(event(1, subject="x" * 5000)).encode(), EVENT, {}, 10)
    assert len(lines(kept)[0]["subject"]) == 1000
    assert kept.malformed == 1
    [record] = lines(open_spans(export(span(**{"user.id": "y" * 5000})), JSON, 10))
    assert record["overlong"] == "user_id"


def test_spans_that_are_no_calls_are_counted_and_not_kept():
    tool = span(2, **{"gen_ai.operation.name": "execute_tool"})
    web = {
        "traceId": "a" * 32,
        "spanId": "b" * 16,
        "attributes": [{"key": "http.method", "value": {"stringValue": "GET"}}],
    }
    nameless = {**span(3), "spanId": "0" * 16}
    delivery = open_spans(export(span(1), tool, web, nameless), JSON, 10)
    assert (delivery.accepted, delivery.skipped, delivery.rejected) == (1, 2, 1)
    assert delivery.why.startswith("1 spans without")
    assert len(lines(delivery)) == 1


def test_events_come_single_in_batches_in_lines_and_in_headers():
    many = [event(1), event(2), event(3, data={"method": "GET"})]
    for body, kind in (
        (json.dumps(many), EVENTS),
        (json.dumps(many), JSON),
        ("\n".join(map(json.dumps, many)) + "\n\n", LINES),
    ):
        delivery = open_events(body.encode(), kind, {}, 10)
        assert (delivery.accepted, delivery.skipped) == (2, 1)
        assert [one["id"] for one in lines(delivery)] == ["e1", "e2"]
    headers = {b"ce-specversion": b"1.0", b"ce-id": b"e%201", b"ce-source": b"shop", b"ce-type": b"usage"}
    [binary] = lines(open_events(json.dumps(event(1)["data"]).encode(), JSON, headers, 10))
    assert (binary["id"], binary["data"]["model"]) == ("e 1", "moonshot-v1-8k")
    assert binary["arrived_us"].isdigit()


def test_a_bad_event_keeps_its_place_among_good_ones():
    body = json.dumps([event(1), "no event", None, event(2, data="no object"), event(3)])
    delivery = open_events(body.encode(), EVENTS, {}, 10)
    assert (delivery.accepted, delivery.malformed) == (5, 3)
    assert [one.get("unfit", "") for one in lines(delivery)] == [
        "",
        "not a JSON object",
        "not a JSON object",
        "data",
        "",
    ]
    rows = open_rows(b'{"source_id":"1"}\n{"source_id":\n[]\n', LINES, "usage", 10)
    assert (rows.accepted, rows.malformed) == (3, 2)


def test_an_event_may_come_with_its_data_as_text():
    kept = open_events(
        json.dumps(event(1, data=json.dumps({"model": "m", "tokens": 3}))).encode(), EVENT, {}, 10
    )
    assert lines(kept)[0]["data"] == {"model": "m", "tokens": "3"}


DEEP = b"[" * 100_000
HOSTILE = [
    DEEP,
    b"{" + b'"a":{' * 50_000,
    b'{"a":' + b"9" * 10_000 + b"}",
    b"\xff\xfe{}",
    b"",
    b"nul",
    b'{"a":1}x',
    b'"\\ud8',
]


@pytest.mark.parametrize("body", HOSTILE, ids=lambda body: repr(body[:10]))
def test_hostile_bodies_are_refused(body):
    for opened in (
        lambda: open_spans(body, JSON, 10),
        lambda: open_events(body, EVENT, {}, 10),
        lambda: open_rows(body, JSON, "usage", 10),
    ):
        with pytest.raises(Refused) as caught:
            opened()
        assert caught.value.status == 400


@pytest.mark.parametrize(
    "document",
    [
        [],
        3,
        {"resourceSpans": 3},
        {"resourceSpans": [3]},
        {"resourceSpans": [{"resource": [1]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": ["x"]}]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": [3]}]}]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": [{"key": [], "value": {}}]}]}]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": [{"key": "user.id", "value": 3}]}]}]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"status": "x"}]}]}]},
    ],
)
def test_json_of_another_shape_is_refused(document):
    with pytest.raises(Refused) as caught:
        open_spans(json.dumps(document).encode(), JSON, 10)
    assert caught.value.status == 400


def test_numbers_of_any_size_are_only_text():
    kept = open_events(
        json.dumps(event(1, data={"model": "m", "input_tokens": 10**400, "tokens": 1e308})).encode(),
        EVENT,
        {},
        9,
    )
    assert lines(kept)[0]["data"]["tokens"] == "1e+308"
    assert len(lines(kept)[0]["data"]["input_tokens"]) == 401


@pytest.mark.parametrize(
    ("opened", "status"),
    [
        (lambda: open_spans(b"", "text/plain", 10), 415),
        (lambda: open_events(b"", "application/x-www-form-urlencoded", {}, 10), 415),
        (lambda: open_events(b"x", "text/plain", {b"ce-id": b"1"}, 10), 415),
        (lambda: open_rows(b"", EVENT, "usage", 10), 415),
        (lambda: open_events(json.dumps([event(i) for i in range(4)]).encode(), EVENTS, {}, 3), 413),
        (lambda: open_rows(b"{}\n" * 5, LINES, "usage", 3), 413),
        (lambda: open_spans(export(*map(span, range(1, 6))), JSON, 3), 413),
        (lambda: open_spans(b"\x0a\xff\xff", PROTOBUF, 3), 400),
        (lambda: open_spans(b"\x0b", PROTOBUF, 3), 400),
        (lambda: open_spans(b"\x08" + b"\xff" * 11, PROTOBUF, 3), 400),
    ],
)
def test_other_forms_and_too_much_of_them(opened, status):
    with pytest.raises(Refused) as caught:
        opened()
    assert caught.value.status == status


def test_limits_have_defaults():
    assert Limits().body_bytes < Limits().unpacked_bytes
