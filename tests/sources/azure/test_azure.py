"""Azure traces: times are UTC, all input is uncached, and the trace can be moved to a priced day."""

from __future__ import annotations

from pathlib import Path

import pytest

from breakeven.errors import InputError, UsageError

from ..samples import HERE, rows_of

SAMPLE = HERE / "azure" / "sample.csv"
TRACE = Path(__file__).parents[4] / "shared" / "data" / "traces" / "azure_llm_2023_conv.csv.gz"


def test_cached_tokens_are_left_to_the_ledger_not_claimed_to_be_zero():
    assert all("cached_input_tokens" not in row for row in rows_of("azure", SAMPLE))


def test_start_moves_the_whole_trace():
    rows = rows_of("azure", SAMPLE, start="2024-02-01T00:00:00Z")
    assert [rows[0]["at"], rows[1]["at"]] == ["2024-02-01T00:00:00+00:00", "2024-02-01T00:00:04.314579+00:00"]


def test_a_start_that_is_no_instant_is_refused():
    with pytest.raises(UsageError, match="start=soon"):
        rows_of("azure", SAMPLE, start="soon")


def test_another_header_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("at,tokens\n1,2\n")
    with pytest.raises(InputError, match=r"t\.csv:1: not an Azure trace"):
        rows_of("azure", tmp_path / "t.csv")


@pytest.mark.shared_data
@pytest.mark.skipif(not TRACE.exists(), reason="the traces lie beside the project, not in it")
def test_the_real_trace_adds_up():
    rows = rows_of("azure", TRACE)
    assert len(rows) == 19_366
    assert sum(row["uncached_input_tokens"] for row in rows) == 22_361_870
    assert sum(row["output_tokens"] for row in rows) == 4_088_665
    assert (rows[0]["at"], rows[-1]["at"]) == (
        "2023-11-16T18:15:46.680590+00:00",
        "2023-11-16T19:14:08.402527+00:00",
    )
