"""The spool and the callback's logic without LiteLLM: durable when told so, bounded, never in the way."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from breakeven.sources import litellm_callback, spool
from breakeven.sources.litellm_callback import Recorder
from breakeven.sources.litellm_rows import AnswerReader, counts_of, failed_row, logged_row
from breakeven.sources.spool import OPEN, Spool, complete_segments

COUNTS = ("prompt_tokens", "cached", "written", "completion_tokens")
PAYLOAD = {
    "id": "chatcmpl-1",
    "litellm_call_id": "c1",
    "status": "success",
    "startTime": 1722852000.5,
    "endTime": 1722852001.5,
    "completionStartTime": 1722852000.9,
    "model": "openai/gpt-4o",
    "custom_llm_provider": "openai",
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "cache_hit": None,
    "messages": [{"role": "user", "content": "SECRET"}],
    "response": {"choices": [{"message": {"content": "SECRET"}}]},
    "metadata": {
        "user_api_key_user_id": "anna",
        "usage_object": {"prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 40}},
    },
}


@pytest.fixture
def made(tmp_path):
    found = Spool(tmp_path / "spool", "test", segment_bytes=10_000)
    yield found
    found.close()


def lines(folder):
    return [json.loads(line) for path in sorted(folder.iterdir()) for line in path.read_text().splitlines()]


def test_a_record_is_on_disk_when_its_future_says_so(made):
    assert made.add({"id": "a"}).result(timeout=10) is True
    assert lines(made.folder) == [{"id": "a"}]
    assert [path.suffix for path in made.folder.iterdir()] == [OPEN]
    assert made.folder.stat().st_mode & 0o077 == 0


def test_full_segments_are_closed_and_the_last_one_at_the_end(made):
    for number in range(100):
        made.add({"id": number, "filling": "x" * 300}).result(timeout=10)
    made.close()
    assert not list(made.folder.glob(f"*{OPEN}"))
    assert len(list(made.folder.glob("*.jsonl"))) >= 3
    assert [row["id"] for row in lines(made.folder)] == list(range(100))
    assert made.add({"id": "late"}).result(timeout=10) is False


def test_a_full_disk_costs_rows_not_requests_and_says_how_many(made, monkeypatch):
    written = os.write

    def full(file, data):
        written(file, bytes(data)[:7])  # some of it still fits
        raise OSError(errno.ENOSPC, "No space left on device")

    made.add({"id": "before"}).result(timeout=10)
    monkeypatch.setattr(spool.os, "write", full)
    assert [made.add({"id": f"lost {n}"}).result(timeout=10) for n in range(3)] == [False] * 3
    monkeypatch.setattr(spool.os, "write", written)
    assert made.add({"id": "after"}).result(timeout=10) is True
    found = lines(made.folder)
    assert [row["id"] for row in found[:2]] == ["before", "after"]
    assert found[2]["not_written"] == 3
    assert made.not_written == 3


def test_memory_is_bounded(tmp_path, monkeypatch):
    small = Spool(tmp_path, "test", most_waiting=5)
    monkeypatch.setattr(Spool, "_write_all", lambda self: None)  # a disk that hangs
    futures = [small.add({"id": n}) for n in range(8)]
    assert [one.done() and one.result() is False for one in futures] == [False] * 5 + [True] * 3
    assert small.add({"id": "x" * 100_000}).result() is False


def test_what_a_crash_cut_off_is_left_out_and_open_segments_can_be_read(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": 1}\n')
    (tmp_path / f"b.jsonl{OPEN}").write_text('{"id": 2}\n{"id": 3')
    (tmp_path / f"c.jsonl{OPEN}").write_text('{"id"')
    into = tmp_path / "copies"
    into.mkdir()
    found = complete_segments(tmp_path, into)
    assert [path.read_text() for path in found] == ['{"id": 1}\n', '{"id": 2}\n']
    assert (tmp_path / f"b.jsonl{OPEN}").read_text().endswith('{"id": 3')


def test_a_forked_child_writes_a_file_of_its_own(made):
    made.add({"id": "parent"}).result(timeout=10)
    child = os.fork()
    if child == 0:
        os._exit(0 if made.add({"id": "child"}).result(timeout=10) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(list(made.folder.iterdir())) == 2
    assert sorted(row["id"] for row in lines(made.folder)) == ["child", "parent"]


def test_a_row_holds_no_words():
    row = logged_row(PAYLOAD)
    assert "SECRET" not in json.dumps(row)
    assert (row["model"], row["provider"], row["prompt_tokens"], row["cached"]) == (
        "gpt-4o",
        "openai",
        100,
        40,
    )
    assert row["user"] == "anna"


def test_a_row_is_spooled_again_only_when_it_says_more(made):
    recorder = Recorder(made)
    first = recorder.record(logged_row(PAYLOAD))
    assert recorder.record(logged_row(PAYLOAD | {"endTime": 1722852009.0})) is first
    more = recorder.record(logged_row(PAYLOAD | {"completion_tokens": 21}))
    assert more is not first
    assert more.result(timeout=10) is True
    told = lines(made.folder)
    assert [row["completion_tokens"] for row in told] == [20, 21]
    assert len({row["id"] for row in told}) == 1
    assert told[0]["revision"] < told[1]["revision"]


def test_waiting_for_a_disk_that_hangs_ends(monkeypatch, tmp_path):
    monkeypatch.setattr(Spool, "_write_all", lambda self: None)
    monkeypatch.setattr(litellm_callback, "_MOST_SECONDS", 0.05)
    asyncio.run(asyncio.wait_for(Recorder(Spool(tmp_path, "test")).durable(logged_row(PAYLOAD)), 5))


def test_two_answers_under_one_provider_id_are_two_rows():
    ids = {logged_row(PAYLOAD | {"litellm_call_id": call})["id"] for call in ("c1", "c2")}
    assert len(ids) == 2


def test_a_cached_answer_bears_the_id_of_the_first_and_another_call():
    row = logged_row(PAYLOAD | {"id": "chatcmpl-1_cache_hit1722852000.25", "cache_hit": True})
    assert (row["answer"], row["cache_hit"]) == ("chatcmpl-1", True)


def test_a_refused_request_is_told_even_without_a_payload():
    row = failed_row({"litellm_call_id": "c9", "model": "nonsuch", "metadata": {"user_api_key_team_id": "t"}})
    assert row is not None
    assert (row["status"], row["prompt_tokens"], row["team"]) == ("failure", 0, "t")
    assert failed_row({}) is None


def chunk(**fields):
    return SimpleNamespace(id="chatcmpl-7", model="gpt-4o", **fields)


def test_a_stream_tells_its_counts_and_its_end():
    reader = AnswerReader()
    usage = SimpleNamespace(model_dump=lambda: {"prompt_tokens": 9, "completion_tokens": 4})
    assert not reader.read(chunk(choices=[SimpleNamespace(finish_reason=None)]))
    assert reader.read(chunk(choices=[SimpleNamespace(finish_reason="stop")]))
    reader.read(chunk(choices=[], usage=usage))
    row = reader.row({"litellm_call_id": "c1"}, {"custom_llm_provider": "openai", "model": "gpt-4o"})
    assert (row["answer"], row["prompt_tokens"], row["completion_tokens"]) == ("chatcmpl-7", 9, 4)


def test_anthropics_own_stream_is_read_too():
    reader = AnswerReader()
    usage = {"input_tokens": 10, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 30}
    message = {"id": "msg_1", "model": "claude", "usage": usage | {"output_tokens": 1}}
    start = {"type": "message_start", "message": message}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 50}}
    assert not reader.read(f"event: message_start\ndata: {json.dumps(start)}\n\n".encode())
    assert reader.read(f"event: message_delta\ndata: {json.dumps(end)}\n\n".encode())
    row = reader.row({"litellm_call_id": "c1"}, {"custom_llm_provider": "anthropic"})
    assert [row[name] for name in ("prompt_tokens", "cached", "written", "completion_tokens")] == [
        100,
        60,
        30,
        50,
    ]


@pytest.mark.parametrize(
    "odd", [None, 7, b"\xff", "data: {", object(), {"choices": 3}, SimpleNamespace(usage=1)]
)
def test_odd_chunks_never_stop_a_stream(odd):
    reader = AnswerReader()
    reader.read(odd)
    assert reader.row({}, {}) is None


def test_counts_of_a_usage_without_numbers_are_zero():
    assert set(counts_of({"prompt_tokens": None, "completion_tokens": "x"}).values()) == {0}


def test_without_litellm_it_imports_and_says_what_is_missing(tmp_path):
    code = "import breakeven.sources.litellm_callback as c, sys; sys.modules['litellm'] = None; c.handler"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False,
        env=os.environ | {"BREAKEVEN_SPOOL": str(tmp_path)},
    )  # fmt: skip
    assert "install `litellm[proxy]`" in run.stderr
    environment = {name: value for name, value in os.environ.items() if name != "BREAKEVEN_SPOOL"}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert "set BREAKEVEN_SPOOL" in run.stderr


def test_the_callback_needs_only_the_standard_library():
    """A proxy's environment need not hold our dependencies."""
    code = (
        "import sys\n"
        "for name in ('duckdb', 'pyarrow', 'deltalake', 'ibis', 'click'): sys.modules[name] = None\n"
        "import breakeven.sources.litellm_callback"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
