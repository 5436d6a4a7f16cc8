"""Whatever happens to a file on its way, no source crashes on it and every record is accounted for."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .mutations import account_for, damaged
from .samples import HERE

FOLDERS = sorted(path.parent for path in HERE.glob("*/expected.jsonl"))


# The damage is the same in every run, so that a run tells of the change and not of chance;
# tests/fuzz/fuzz_sources.py looks for more.


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_sample_itself_is_accounted_for(folder, workplace):
    [sample] = folder.glob("sample.*")
    account_for(folder.name, sample, sample.read_bytes(), workplace)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
@given(seed=st.integers(0, 2**32))
@settings(
    max_examples=3,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_damaged_file_never_crashes_a_source(folder, workplace, seed):
    [sample] = folder.glob("sample.*")
    account_for(folder.name, sample, damaged(sample.read_bytes(), Random(seed)), workplace)


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
@given(seed=st.integers(0, 2**32))
@settings(
    max_examples=20,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_much_damage_never_crashes_a_source(folder, workplace, seed):
    [sample] = folder.glob("sample.*")
    account_for(folder.name, sample, damaged(sample.read_bytes(), Random(seed)), workplace)
