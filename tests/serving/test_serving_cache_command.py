"""`breakeven serving cache` as a person types it and reads it, and what it says of traces that are none."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from breakeven.cli.main import main
from breakeven.report.svg import draw
from breakeven.report.views.serving_cache import CacheFindings, cache_figure, cache_view
from breakeven.serving.prefix_cache import replay
from breakeven.serving.prefix_cache.trace_lines import read_trace
from breakeven.sources import mooncake

from .cache_traces import requests_of, traces

MONEY = ("--gpu-hours-per-mtok", "0.05", "--gpu-price", "2", "--kv-bytes", "70000")


def line(at=0, tokens=600, output=9, ids=(1, 2), **more):
    return json.dumps(
        {"timestamp": at, "input_length": tokens, "output_length": output, "hash_ids": list(ids), **more}
    )


HOUR = [line(1_000 * i, 1_100, 9, (0, 1 + i % 7, 10 + i)) for i in range(200)]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "BREAKEVEN_LANG", "BREAKEVEN_DEBUG", "BREAKEVEN_BOOKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def running(lines, *arguments, name="trace.jsonl"):
        capsys.readouterr()
        if lines is not None:
            data = lines if isinstance(lines, bytes) else "".join(f"{each}\n" for each in lines).encode()
            (tmp_path / name).write_bytes(data)
        code = main(["serving", "cache", name, *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return running


def rows_of(out, table):
    return [row for row in json.loads(out)["rows"] if row["table"] == table]


def test_hits_alone_need_no_prices(run):
    code, out, _ = run(HOUR, "--capacity", "5", "--policy", "lru", "--policy", "infinite", "--json")
    assert code == 0
    found = rows_of(out, "capacity")
    assert [(row["policy"], row["capacity_blocks"]) for row in found] == [("lru", 5), ("infinite", 208)]
    # 0 is found 199 times; the second blocks come round after seven requests, which five blocks do not hold.
    assert found[0]["hit_blocks"] == "0.331667"
    assert found[1]["hit_blocks"] == str(round((199 + 193) / 600, 6))
    assert "memory_gb" not in found[0] or found[0]["memory_gb"] is None
    assert {each["code"] for each in json.loads(out)["warnings"]} == {"basis", "lower_bound"}


def test_money_and_the_best_size(run):
    code, out, _ = run(HOUR, *MONEY, "--policy", "lru", "--store-price", "0.5", "--json")
    assert code == 0
    best = rows_of(out, "best")[0]
    rows = {row["capacity_blocks"]: row for row in rows_of(out, "capacity")}
    assert float(best["net"]) >= max(float(row["net"]) for row in rows.values())
    # Between two uses of a second block lie the first block and two blocks of six other requests.
    assert best["capacity_blocks"] == 14
    hits = 199 * 512 + 193 * 512
    saved = hits * 0.05 / 1e6 / (199 / 3_600) * 2 * 730
    bill = 14 * 512 * 70_000 / 1e9 * 0.5
    assert float(best["net"]) == pytest.approx(saved - bill, rel=1e-6)


def test_memory_is_a_capacity(run):
    code, out, _ = run(HOUR, *MONEY, "--memory", "0.5GB", "--memory", "1 GiB", "--policy", "lru", "--json")
    assert code == 0
    assert [row["capacity_blocks"] for row in rows_of(out, "capacity")] == [13, 29]


def test_nodes_fetching_and_warm_up(run):
    code, out, _ = run(
        HOUR,
        *MONEY,
        "--nodes",
        "4",
        "--fetch-gb-per-second",
        "0.1",
        "--warm-up",
        "1m",
        "--capacity",
        "40",
        "--json",
    )
    assert code == 0
    nodes = rows_of(out, "nodes")
    assert [row["routing"] for row in nodes] == ["random", "prefix"]
    assert float(nodes[1]["hit_tokens"]) > float(nodes[0]["hit_tokens"])
    fetch = rows_of(out, "fetch")[0]
    assert fetch["pays"] == "no"
    assert float(fetch["least_gb_per_second"]) == pytest.approx(70_000 / (0.05 * 3_600 / 1e6) / 1e9)
    assert json.loads(out)["facts"]["requests"] == 140
    assert "warm_up" in {each["code"] for each in json.loads(out)["warnings"]}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_people_can_read_it(run, language):
    code, out, err = run(HOUR, *MONEY, "--nodes", "2", "--lang", language)
    assert code == 0
    assert err == ""
    wanted = {
        "en": ["Best size", "By capacity", "Time to live", "by prefix", "lasts 3 minutes"],
        "zh": ["最佳容量", "按容量", "存活时间", "按前缀", "记录仅 3 分钟"],
    }[language]
    for words in wanted:
        assert words in out


def test_csv_has_every_table(run):
    code, out, err = run(HOUR, *MONEY, "--csv", "--no-bom")
    assert code == 0
    for table in ("capacity", "best", "reuse", "fetch"):
        assert f"\n{table}," in out
    assert "! a GPU-hour: 2 USD" in err


def test_a_model_on_a_gpu_gives_work_bytes_and_price_with_intervals(run):
    code, out, _ = run(
        HOUR, "--model", "llama-3.1-70b", "--gpu", "h800", "--policy", "lru", "--memory", "8GB", "--json"
    )
    assert code == 0
    found = json.loads(out)
    assert found["facts"]["kv_bytes_per_token"] == str(320 * 1_024)
    row = rows_of(out, "capacity")[0]
    assert row["capacity_blocks"] == int(8e9 // (512 * 320 * 1_024))
    for key in ("gpus_saved", "net"):
        assert float(row[f"{key}_low"]) < float(row[key]) < float(row[f"{key}_high"])
    assert float(row["net"]) == pytest.approx(float(row["saved"]) - float(row["bill"]), abs=0.01)
    best = rows_of(out, "best")[0]
    assert best["capacity_blocks_low"] <= best["capacity_blocks"] <= best["capacity_blocks_high"]
    basis = [each["en"] for each in found["warnings"] if each["code"] == "basis"]
    assert ["(modelled)" in basis[0], "a GPU-hour" in basis[1], "memory" in basis[2]] == [True] * 3


def test_a_model_without_a_gpu_gives_bytes_alone(run):
    code, out, _ = run(HOUR, "--model", "deepseek-v3", "--kv", "fp8", "--policy", "lru", "--json")
    assert code == 0
    assert float(json.loads(out)["facts"]["kv_bytes_per_token"]) == 61 * 576
    assert "gpus_saved" not in json.loads(out)["units"]["capacity"]


def test_a_best_size_of_nothing_and_one_of_all_are_said(run):
    dear = run(HOUR, *MONEY, "--store-price", "1e9", "--json")[1]
    free = run(HOUR, *MONEY, "--store-price", "0", "--json")[1]
    said = [{each["code"] for each in json.loads(out)["warnings"]} for out in (dear, free)]
    assert "no_cache_pays" in said[0]
    assert "best_is_all" in said[1]
    assert rows_of(dear, "best")[0]["capacity_blocks"] == 0


@pytest.mark.parametrize("lines", [[line(tokens=100, ids=())], [line(tokens=0, ids=())], [line()]])
def test_the_smallest_traces_have_an_answer(run, lines):
    code, out, _ = run(lines, "--nodes", "2", "--kv-bytes", "1", "--json")
    assert code == 0
    assert rows_of(out, "reuse") == []  # no span, so no time to live


def test_the_chart_shows_what_the_table_says():
    trace = read_trace(HOUR, "t").trace
    found = CacheFindings("t", trace, replay(trace), ("lru", "lfu", "infinite"), (208,))
    figure = cache_figure(found)
    assert [series.key for series in figure.series] == ["lru", "lfu", "infinite"]
    last = {series.values[-1] for series in figure.series}
    assert last == {cache_view(found).tables[0].rows[0]["hit_tokens"]}
    assert "<svg" in draw(figure, "zh")


def test_currency_of_the_store_follows_the_gpu(run):
    code, out, _ = run(HOUR, *MONEY, "--currency", "CNY", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["currency"] == "CNY"
    assert found["units"]["best"]["net"] == "CNY"
    basis = " ".join(each["en"] for each in found["warnings"] if each["code"] == "basis")
    assert "a GB and month; Google Compute Engine" in basis
    assert "USD x " in basis


def test_what_is_missing_is_said_and_not_zero(run):
    _, out, _ = run(HOUR, "--gpu-hours-per-mtok", "0.05", "--json")
    found = json.loads(out)
    assert "best" not in found["units"]
    assert "saved" not in found["units"]["capacity"]
    said = " ".join(each["en"] for each in found["warnings"])
    assert "savings have no price" in said
    assert "no bill" in said


def test_a_plain_layout_with_texts_as_ids(run):
    plain = [
        json.dumps({"seconds": 0.5 * i, "input_tokens": 1_024, "blocks": ["head", f"tail{i % 2}"]})
        for i in range(6)
    ]
    code, out, _ = run(plain, "--policy", "infinite", "--json")
    assert code == 0
    assert json.loads(out)["facts"]["distinct_blocks"] == 3
    code, _, err = run(plain, "--model", "llama-3.1-70b", "--gpu", "h100")
    assert (code, "no output lengths" in err) == (2, True)


def test_contents_are_chained_into_prefixes(run):
    contents = [line(0, ids=(1, 2)), line(1, ids=(3, 2)), line(2, ids=(1, 2))]
    code, _, err = run(contents)
    assert (code, "stands after two different blocks" in err) == (3, True)
    code, out, _ = run(contents, "--ids", "content", "--policy", "infinite", "--json")
    assert code == 0
    assert rows_of(out, "capacity")[0]["hit_blocks"] == "0.333333"


def test_unsorted_times_are_named_and_sorted_on_request(run):
    mixed = [line(5_000), "", line(3_000)]
    code, _, err = run(mixed)
    assert code == 3
    assert "trace.jsonl:3" in err
    assert "--sort" in err
    code, out, _ = run(mixed, "--sort", "--json")
    assert code == 0
    assert json.loads(out)["facts"]["span_seconds"] == "2"


def test_gzip_is_read_and_a_damaged_one_refused(run):
    packed = gzip.compress("\n".join(HOUR).encode())
    assert run(packed, "--json", name="trace.jsonl.gz")[0] == 0
    code, _, err = run(packed[:-20], name="trace.jsonl.gz")
    assert (code, "ends early" in err) == (3, True)
    code, _, err = run(HOUR, name="only_named.gz")
    assert code == 0, err


@pytest.mark.parametrize(
    ("lines", "arguments", "says", "remedy"),
    [
        ([], (), "no requests", "check the file"),
        (["not json"], (), "no JSON object", "each line is a JSON object"),
        (["[1]"], (), "no JSON object", "each line is a JSON object"),
        (['{"a": 1}'], (), "no block ids", "each line is a JSON object"),
        ([line(), '{"timestamp": 1, "input_length": 5}'], (), "hash_ids is missing", "each line is"),
        ([line(at=-1)], (), "timestamp is -1", "correct the line"),
        ([line(at="0")], (), "timestamp is '0'", "correct the line"),
        ([line(at=0.5)], (), "no whole number of milliseconds", "--time-unit s"),
        ([line(tokens=-5)], (), "input_length is -5", "correct the line"),
        ([line(tokens=6e2)], (), "input_length is 600.0", "correct the line"),
        ([line(output=True)], (), "output_length is True", "correct the line"),
        ([line(ids=(1, -2))], (), "holds -2", "export the trace again"),
        ([line(ids=(1, 2.5))], (), "holds 2.5", "export the trace again"),
        ([line(ids=(1, None))], (), "holds None", "export the trace again"),
        (['{"timestamp": 1, "input_length": 5, "hash_ids": 7}'], (), "not a list", "correct the line"),
        ([line(ids=(1, 2, 3))], (), "make 2 blocks of 512, but there are 3", "--block-tokens 256"),
        ([line(tokens=1_100, ids=(1,))], (), "make 3 blocks of 512, but there are 1", "--block-tokens 2048"),
        ([line(tokens=6_758, ids=range(14))], ("--block-tokens", 16), "make 423 blocks of 16", "tokens 512"),
        ([line(tokens=853, ids=())], (), "there are 0 ids", "lengths in tokens"),
        ([line(ids=(1, 1))], (), "stands at two places", "--ids content"),
        ([line(), line(at=1)], ("--warm-up", "1h"), "leaves no request", "shorter --warm-up"),
        ([line(), line()], MONEY, "same moment", "some minutes"),
        ([line(), line(at=9)], (*MONEY, "--cached-gpu-hours-per-mtok", "1"), "more GPU time", "one first"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("language", ["en", "zh"])
def test_data_that_is_no_trace(run, lines, arguments, says, remedy, language):
    code, out, err = run(lines, *arguments, "--lang", language)
    assert code == 3
    assert out == ""
    if language == "en":
        assert says in err
        assert remedy in err
    else:
        assert all(each not in err for each in ("Next step", "correct", "each line", " add ", "give "))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--capacity", "0"), "no whole number of blocks"),
        (("--capacity", "1.5"), "no whole number of blocks"),
        (("--capacity", "many"), "no whole number of blocks"),
        (("--memory", "1GB"), "needs the bytes"),
        (("--memory", "big", "--kv-bytes", "1"), "is no size"),
        (("--kv-bytes", "0"), "is no size"),
        (("--kv-bytes", "nan"), "is no size"),
        (("--store-price", "-1"), "at least zero"),
        (("--cached-gpu-hours-per-mtok", "1"), "stands alone"),
        (("--gpu", "h800"), "needs a model"),
        (("--warm-up", "soon"), "is no time"),
        (("--nodes", "1"), "--nodes"),
        (("--policy", "fifo"), "--policy"),
    ],
)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_options_that_cannot_be(run, arguments, says, language):
    code, out, err = run(HOUR, *arguments, "--lang", language)
    assert (code, out) == (2, "")
    if language == "en":
        assert says in err


def test_a_file_that_is_not_there_and_a_folder(run, tmp_path):
    assert run(None)[0] == 3
    (tmp_path / "folder").mkdir()
    assert run(None, name="folder")[0] == 3


@given(traces())
def test_what_import_books_as_cached_is_what_an_infinite_cache_serves(trace):
    lines = [line(int(at * 1_000), tokens, 1, ids) for at, tokens, ids in requests_of(trace)]
    found = replay(read_trace(lines, "t", block_tokens=trace.block_tokens).trace, ["infinite"])
    records = [mooncake._record(i, each) for i, each in enumerate(lines, 1)]
    assert all(isinstance(record, mooncake.Request) for record in records)
    cached = mooncake.cached_tokens(records, trace.block_tokens)
    assert sum(cached.values()) == found.curves["infinite"].most_tokens


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
_NEAR = st.fixed_dictionaries(
    {},
    optional={
        "timestamp": st.integers(-1, 9) | _ANY,
        "input_length": st.integers(-1, 1_600) | _ANY,
        "output_length": st.integers(-1, 9) | _ANY,
        "hash_ids": st.lists(st.integers(-1, 5), max_size=4) | _ANY,
    },
).map(json.dumps)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(
    st.lists(_NEAR | st.text(max_size=20), max_size=5).map(
        lambda lines: "\n".join(lines).encode("utf-8", "replace")
    )
    | st.binary(max_size=60)
)
@example(b"\x1f\x8b\x08\x00")
@example(b'{"timestamp": NaN, "input_length": 1, "output_length": 1, "hash_ids": [1]}')
@example(b'{"timestamp": 1e400, "input_length": 1, "output_length": 1, "hash_ids": [1]}')
@example(("[" * 100_000).encode())
def test_no_bytes_make_it_fall_over(run, data):
    """Whatever a file holds, the command answers or says what is wrong with it: never a traceback."""
    code, out, err = run(data, *MONEY, "--sort", "--json")
    assert code in (0, 3), err
    if code == 3:
        assert out == ""
        assert "Traceback" not in err
    else:
        json.loads(out)


def test_bytes_of_a_token_are_a_size_and_impossible_work_is_pointed_out(run):
    money = ("--gpu-hours-per-mtok", "60", "--gpu-price", "2", "--kv-bytes", "70KB", "--json")
    code, out, _ = run(HOUR, *money)
    found = json.loads(out)
    assert code == 0
    assert found["facts"]["kv_bytes_per_token"] == "70000"
    assert any("may be mixed up" in each["en"] for each in found["warnings"])
    assert (found["time_zone"], len(found["as_of"])) == ("UTC", len("2026-01-01"))
    code, out, _ = run(HOUR, *MONEY, "--json")
    assert not any("may be mixed up" in each["en"] for each in json.loads(out)["warnings"])
    code, _, err = run(HOUR, "--kv-bytes", "much")
    assert code == 2
    assert "--kv-bytes 'much' is no size" in err
