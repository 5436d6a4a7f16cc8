"""The spool keeps what was acknowledged, whatever fails in between."""

from __future__ import annotations

import errno
import os

import pytest

from breakeven.collect.spool import Spool, Stream, stream_of, waiting_in

ONE, OTHER = Stream("cloudevents", "shop"), Stream("rows.usage", "gateway")


def spool_in(folder, **chosen):
    return Spool(folder, **{"most_segment_bytes": 1 << 20, "most_age_s": 60, **chosen})


def texts(folder):
    return {stream_of(path): path.read_text() for path in waiting_in(folder).closed}


def test_streams_have_segments_of_their_own(tmp_path):
    spool = spool_in(tmp_path)
    assert spool.commit({ONE: b"a\n", OTHER: b"x\n"}) == {}
    assert spool.commit({ONE: b"b\n"}) == {}
    assert waiting_in(tmp_path).size_bytes == 6
    assert waiting_in(tmp_path).closed == ()
    spool.close()
    assert texts(tmp_path) == {ONE: "a\nb\n", OTHER: "x\n"}


def test_a_full_segment_is_closed_and_an_old_one_too(tmp_path):
    spool = spool_in(tmp_path, most_segment_bytes=4)
    spool.commit({ONE: b"aaaa\n"})
    spool.commit({ONE: b"b\n"})
    assert texts(tmp_path) == {ONE: "aaaa\n"}
    spool.close(aged_only=True)
    assert len(waiting_in(tmp_path).closed) == 1
    aged = spool_in(tmp_path, most_age_s=0)
    aged.commit({OTHER: b"c\n"})
    aged.close(aged_only=True)
    assert OTHER in texts(tmp_path)


@pytest.mark.parametrize(
    ("torn", "kept"),
    [
        (b'{"a":1}\n{"b":2}\n{"c"', b'{"a":1}\n{"b":2}\n'),
        (b'{"a":1}\n{"b":2}\n', b'{"a":1}\n{"b":2}\n'),
        (b'{"a":1}\n' + bytes(5000), b'{"a":1}\n'),
        (b'{"a":1}\n{"b"' + bytes(9) + b'\n{"c":3}\n', b'{"a":1}\n'),
        (b'{"a":1}\n' * 200_000 + b'{"b"', b'{"a":1}\n' * 200_000),
    ],
)
def test_what_a_crash_left_is_cut_at_a_complete_record(tmp_path, torn, kept):
    folder = tmp_path / ".collect/spool/cloudevents/shop"
    folder.mkdir(parents=True)
    (folder / "1700000000000-aa.jsonl.open").write_bytes(torn)
    spool_in(tmp_path)
    [path] = waiting_in(tmp_path).closed
    assert path.read_bytes() == kept


@pytest.mark.parametrize("torn", [b"", b'{"a"', bytes(100)])
def test_a_segment_without_a_complete_record_is_none(tmp_path, torn):
    folder = tmp_path / ".collect/spool/cloudevents/shop"
    folder.mkdir(parents=True)
    (folder / "1700000000000-aa.jsonl.open").write_bytes(torn)
    spool_in(tmp_path)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("failing", ["write", "fdatasync"])
def test_what_could_not_be_kept_leaves_no_trace(tmp_path, monkeypatch, failing):
    """A disk that fills up in the middle of a write: nothing half of it stays, later records are whole."""
    spool = spool_in(tmp_path)
    spool.commit({ONE: b"kept\n"})
    write = os.write

    def partly(handle, data):
        if len(data) <= 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, data[:3])

    def never(_handle):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, failing, partly if failing == "write" else never)
        failed = spool.commit({ONE: b"lost\n"})
    assert list(failed) == [ONE]
    assert spool.commit({ONE: b"later\n"}) == {}
    spool.close()
    assert sorted(path.read_text() for path in waiting_in(tmp_path).closed) == ["kept\n", "later\n"]


def test_one_stream_that_fails_does_not_fail_the_others(tmp_path):
    spool = spool_in(tmp_path)
    (tmp_path / ".collect/spool/cloudevents").write_text("in the way")
    assert list(spool.commit({ONE: b"a\n", OTHER: b"x\n"})) == [ONE]
    spool.close()
    assert texts(tmp_path) == {OTHER: "x\n"}
