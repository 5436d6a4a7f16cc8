"""Each source turns its sample into its expected file. A new source adds a folder here and no code.

`expected.jsonl` holds what the books hold after the import: a line per row with its `table`, then a line per
record that was quarantined.
"""

from __future__ import annotations

import gzip

import pytest
from zstandard import ZstdCompressor

from breakeven.sources.registry import source_names

from .samples import HERE, booked, written

FOLDERS = sorted(path.parent for path in HERE.glob("*/expected.jsonl"))


def test_every_built_in_source_has_a_sample():
    assert {folder.name for folder in FOLDERS} >= set(source_names())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_sample_is_booked_as_expected(folder):
    [sample] = folder.glob("sample.*")
    assert written(booked(folder.name, sample)) == (folder / "expected.jsonl").read_text("utf-8")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_compressed_sample_is_booked_the_same(folder, ending, tmp_path):
    [sample] = folder.glob("sample.*")
    packed = tmp_path / (sample.name + ending)
    content = sample.read_bytes()
    packed.write_bytes(gzip.compress(content) if ending == ".gz" else ZstdCompressor().compress(content))
    assert written(booked(folder.name, packed)) == (folder / "expected.jsonl").read_text("utf-8")
