"""Saved pages become one record per line: digits kept, what is cut off refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakeven.errors import InputError
from breakeven.sources.json_pages import documents, pages
from breakeven.sources.json_text import JSONText

BUCKETS = [
    {
        "start": 1,
        "results": [{"a": 1, "of": {"b": [1, {"c": "}"}]}}, {"a": 2, "text": 'with "quotes", {braces}'}],
    },
    {"results": [{"a": 3}], "start": 2},
    {"start": 3, "results": []},
]
RECORDS = [
    {"start": 1, "a": 1, "of": {"b": [1, {"c": "}"}]}},
    {"start": 1, "a": 2, "text": 'with "quotes", {braces}'},
    {"start": 2, "a": 3},
]
PAGES = [
    {"data": BUCKETS[:1], "has_more": True, "next_page": "p2"},
    {"has_more": False, "next_page": None, "data": BUCKETS[1:]},
]


def prepared(tmp_path: Path, content: str | bytes, prepare=None) -> Path:
    path = tmp_path / "answer.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    folder = tmp_path / "prepared"
    folder.mkdir(exist_ok=True)
    return (prepare or pages())(path, folder).path


def records(tmp_path: Path, content: str | bytes, prepare=None) -> list:
    return [json.loads(line) for line in prepared(tmp_path, content, prepare).read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    "content",
    [
        "\n".join(json.dumps(page) for page in PAGES),
        "\n".join(json.dumps(page, indent=2) for page in PAGES),
        json.dumps(PAGES),
        "\n".join(json.dumps(bucket) for bucket in BUCKETS),
        json.dumps(BUCKETS),
        json.dumps({"data": BUCKETS}).encode("utf-16"),
        b"\xef\xbb\xbf" + json.dumps({"data": BUCKETS}, indent=1).replace("\n", "\r\n").encode(),
    ],
)
def test_pages_buckets_arrays_and_lines_hold_the_same_records(tmp_path, content):
    assert records(tmp_path, content) == RECORDS


_TEXTS = st.text(st.sampled_from('ab{}[]"\\,: \n字'), max_size=6)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | _TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXTS, inner, max_size=2),
    max_leaves=4,
)
_RECORDS = st.lists(st.dictionaries(st.sampled_from(["a", "b", "{", 'q"']), _VALUES, max_size=3), max_size=5)


@given(_RECORDS, st.sampled_from([None, 1]))
def test_any_record_comes_out_as_it_went_in(tmp_path_factory, found, indent):
    if found:
        page = json.dumps({"data": [{"start": 7, "results": found}]}, indent=indent, ensure_ascii=False)
        expected = [{"start": 7} | record for record in found]
        assert records(tmp_path_factory.mktemp("pages"), page) == expected


@given(_RECORDS)
def test_the_quick_way_agrees_with_the_careful_one(found):
    from io import StringIO

    content = json.dumps(found)
    text = JSONText(StringIO(content), Path("x"))
    text.next()
    quick = text.records()
    if quick is not None:
        assert [json.loads(record) for record in quick] == found


def test_a_file_longer_than_a_piece_is_read_whole(tmp_path):
    many = [
        {"start": i, "results": [{"n": i * 1000 + j, "pad": "x" * 50} for j in range(200)]}
        for i in range(100)
    ]
    found = records(tmp_path, json.dumps({"data": many}))
    assert [record["n"] for record in found] == [i * 1000 + j for i in range(100) for j in range(200)]


def test_digits_beyond_a_binary_float_are_kept(tmp_path):
    page = (
        '{"data": [{"results": [{"amount": {"value": 0.10000000000000000001}, "note": "\\"value\\": 1.5"}]}]}'
    )
    [record] = records(tmp_path, page, pages(exact=("value",)))
    assert record == {"amount": {"value": "0.10000000000000000001"}, "note": '"value": 1.5'}


def test_a_page_that_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"the last page says that more follow.*next page is p2.*append"):
        records(tmp_path, json.dumps(PAGES[0]))
    with pytest.raises(InputError, match=r"the last page says that more follow.*next page is 2"):
        records(tmp_path, json.dumps({"data": [{"a": 1}], "meta": {"page": 1, "totalPages": 2}}))


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.999])
def test_a_truncated_download_is_refused(tmp_path, kept):
    whole = json.dumps({"data": BUCKETS}, indent=1)
    with pytest.raises(InputError, match=r"answer.json:\d+: (no valid JSON|the file ends in the middle)"):
        records(tmp_path, whole[: int(len(whole) * kept)])


def test_what_is_no_json_is_located(tmp_path):
    broken = (
        json.dumps(PAGES[1], indent=1)
        .replace('"a": 3', '"a" 3')
        .replace('"has_more": false', '"has_more": no')
    )
    with pytest.raises(InputError, match=r"answer.json:2: no valid JSON"):
        records(tmp_path, broken)


@pytest.mark.parametrize(
    "content", ["[" * 100_000, '{"a":' * 100_000, '{"a": ' + "9" * 5000 + "}", '{"data": [1,,2]}']
)
def test_absurd_json_is_refused(tmp_path, content):
    with pytest.raises(InputError, match=r"no valid JSON|ends in the middle"):
        records(tmp_path, content)


def test_an_export_without_records_says_so(tmp_path):
    with pytest.raises(InputError, match=r"holds no records.*1 buckets without a result.*\"start\": 3"):
        records(tmp_path, json.dumps({"data": BUCKETS[2:]}))


def test_json_lines_and_tables_are_left_as_they_are(tmp_path):
    for content in ('{"id": 1}\n{"id": 2}\n', "a,b\n1,2\n"):
        assert prepared(tmp_path, content, documents()) == tmp_path / "answer.json"
    assert records(tmp_path, '[{"id": 1}, {"id": 2, "data": 5}]', documents()) == [
        {"id": 1},
        {"id": 2, "data": 5},
    ]
