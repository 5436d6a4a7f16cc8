"""Mapping files: somebody's own layout becomes the columns of a ledger table, or an error with its line."""

# ruff: noqa: DTZ001 - readers get UTC without a zone, and naive times are what some tests are about
from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from breakeven.errors import InputError, UsageError
from breakeven.ledger.mapping import read_mapping

from .bench import held, json_lines, take, told, write

GATEWAY = """\
table: usage
source: my-gateway
input_includes_cached: true
columns:
  at: {from: created, unit: ms}
  source_id: id
  user_id: user.name
  model: model
  input_tokens: usage.prompt_tokens
  cached_input_tokens: usage.cached
  output_tokens: usage.completion_tokens
  status: outcome
constants: {provider: moonshot, product: api}
values:
  status: {成功: ok, 失败: failed}
"""


def mapping(tmp_path: Path, text: str):
    path = tmp_path / "mapping.yaml"
    path.write_text(text, "utf-8")
    return read_mapping(path)


def test_a_gateway_log(books, tmp_path):
    record = {
        "id": "x1",
        "created": 1710900000123,
        "user": {"name": "u1"},
        "model": "kimi",
        "usage": {"prompt_tokens": 100, "cached": 40, "completion_tokens": 7},
        "outcome": "成功",
    }
    more = [
        {**record, "id": "x2", "usage": {"prompt_tokens": 10, "cached": 11, "completion_tokens": 7}},
        {**record, "id": "x3", "created": "soon"},
        {**record, "id": "x4", "outcome": "失败", "usage": {"prompt_tokens": 10, "completion_tokens": 7}},
    ]
    path = tmp_path / "log.jsonl"
    path.write_text(json_lines([record, *more]), "utf-8")
    result = take(books, "usage", path, source=None, mapping=mapping(tmp_path, GATEWAY))
    assert told(result) == [
        (2, "input_tokens", "the parts exceed the whole: more cached than input tokens"),
        (3, "at", "not a time in ms since 1970"),
    ]
    assert result.ignored_columns == ()
    tokens = "uncached_input_tokens, cached_input_tokens"
    columns = f'source, source_id, "at", user_id, provider, product, {tokens}, status'
    moment = datetime(2024, 3, 20, 2, 0, 0, 123000)
    assert held(books, "usage", columns) == [
        ("my-gateway", "x1", moment, "u1", "moonshot", "api", 60, 40, "ok"),
        ("my-gateway", "x4", moment, "u1", "moonshot", "api", 10, 0, "failed"),
    ]


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        ("s", 1710900000),
        ("s", "1710900000.000001"),
        ("ms", 1710900000000),
        ("us", 1710900000000001),
        ("ns", 1710900000000001999),
    ],
)
def test_units_of_time(books, tmp_path, unit, value):
    microsecond = int(str(value).endswith(("1", "1999")))
    text = (
        f"columns: {{at: {{from: t, unit: {unit}}}}}\nconstants: {{kind: gift, amount: 1, currency: CNY}}\n"
    )
    path = write(tmp_path / "p.csv", [{"source_id": "p1", "t": value}, {"source_id": "p2", "t": 10**25}])
    result = take(books, "payments", path, mapping=mapping(tmp_path, text))
    assert told(result) == [(2, "at", f"not a time in {unit} since 1970")]
    assert held(books, "payments", '"at"') == [datetime(2024, 3, 20, 2, 0, 0, microsecond)]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_scales_are_exact_or_refused(books, tmp_path, form):
    text = """\
columns:
  amount: {from: cents, scale: "0.01"}
constants: {at: "2024-03-20T10:00:00Z", kind: gift, currency: CNY}
"""
    cents = [520, 1, 10**15, 10**19, 0]
    if form == "csv":
        cents += ["1.00000001", "x"]
    path = write(
        tmp_path / f"p.{form}",
        [{"source_id": f"p{i}", "cents": c if form == "csv" else float(c)} for i, c in enumerate(cents)],
    )
    result = take(books, "payments", path, mapping=mapping(tmp_path, text))
    assert [problem.row for problem in result.problems] == ([4, 6, 7] if form == "csv" else [4])
    assert held(books, "payments", "CAST(amount AS VARCHAR)") == [
        "0.000000000",
        "0.010000000",
        "10000000000000.000000000",
        "5.200000000",
    ]


def test_thousands_of_tokens(books, tmp_path):
    text = """\
columns:
  uncached_input_tokens: {from: kilo, scale: "1000"}
constants: {at: "2024-03-20T10:00:00Z", provider: p, model: m, output_tokens: "1"}
"""
    path = write(
        tmp_path / "u.csv", [{"source_id": f"u{i}", "kilo": k} for i, k in enumerate(["1.5", "2", "0.0001"])]
    )
    result = take(books, "usage", path, mapping=mapping(tmp_path, text))
    assert [problem.row for problem in result.problems] == [3]
    assert held(books, "usage", "uncached_input_tokens") == [1500, 2000]


def test_files_without_ids_are_named_by_their_rows(books, tmp_path):
    text = "columns: {source_id: row}\n"
    for form in ("csv", "jsonl", "parquet"):
        path = write(tmp_path / f"a.{form}", [{"user_id": f"u{i}", "day": "2024-03-20"} for i in range(3)])
        for _ in range(2):
            take(books, "activity", path, source=form, mapping=mapping(tmp_path, text))
    assert held(books, "activity", "source, split_part(source_id, ':', 2)") == [
        (form, str(row)) for form in ("csv", "jsonl", "parquet") for row in (1, 2, 3)
    ]


def test_a_delimiter_of_its_own(books, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("source_id^user_id^day\na1^u,1^2024-03-20\n")
    take(books, "activity", path, mapping=mapping(tmp_path, "delimiter: ^\n"))
    assert held(books, "activity", "user_id") == ["u,1"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_common_delimiters_are_found(books, tmp_path, delimiter):
    path = tmp_path / "a.csv"
    path.write_text("source_id,user_id,day\na1,u1,2024-03-20\n".replace(",", delimiter))
    assert take(books, "activity", path).ingested == 1


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("table: usage\ncolum: {}\n", 2, "unknown key 'colum'"),
        ("table: usages\n", 1, "unknown table 'usages'"),
        ("table: usage\ncolumns:\n  att: x\n", 3, "table usage has no column 'att'"),
        ("table: usage\nconstants:\n  amount: 5\n", 3, "table usage has no column 'amount'"),
        ("table: usage\nvalues:\n  state: {a: b}\n", 3, "table usage has no column 'state'"),
        ("columns:\n  at: {form: x}\n", 2, "unknown key 'form'"),
        ("columns:\n  at: {unit: ms}\n", 2, "a column needs `from`"),
        ("columns:\n  at: {from: x, unit: hours}\n", 2, "unknown time unit 'hours'"),
        ("columns:\n  amount: {from: x, scale: tenth}\n", 2, "scale is not a number above 0"),
        ("columns:\n  amount: {from: x, scale: 0.00000000001}\n", 2, "scale"),
        ("columns:\n  amount: {from: x, scale: -1}\n", 2, "scale"),
        ("columns:\n  amount: {from: x, scale: NaN}\n", 2, "scale"),
        ("columns: [at]\n", 1, "expected `name: value` lines"),
        ("columns:\n  at: [x]\n", 2, "expected `name: value` lines"),
        ("source: {a: b}\n", 1, "expected a single value"),
        ("table: usage\ntable: usage\n", 2, "'table' is written twice"),
        ("columns:\n  at: x\n  at: y\n", 3, "'at' is written twice"),
        ("input_includes_cached: maybe\n", 1, "true or false"),
    ],
)
def test_mistakes_are_told_with_their_line(tmp_path, text, line, what):
    with pytest.raises(InputError) as caught:
        mapping(tmp_path, text)
    assert caught.value.where == f"{tmp_path / 'mapping.yaml'}:{line}"
    assert what in caught.value.what


def test_a_mapping_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="no such mapping file"):
        read_mapping(tmp_path / "gone.yaml")
    with pytest.raises(InputError, match="not valid YAML"):
        mapping(tmp_path, "a: [")
    with pytest.raises(UsageError, match="unknown time zone"):
        mapping(tmp_path, "time_zone: Mars/Olympus\n")
    assert mapping(tmp_path, "") == mapping(tmp_path, "# nothing\n")


@pytest.mark.parametrize(
    ("said", "meant"), [("true", True), ("True", True), ("yes", True), ("false", False), ("no", False)]
)
def test_yes_and_no(tmp_path, said, meant):
    assert mapping(tmp_path, f"input_includes_cached: {said}\n").input_includes_cached is meant
