"""Sources are found by name, in this package and in installed ones; a broken one is named, not fatal."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from breakeven.errors import InputError, UsageError
from breakeven.sources import registry
from breakeven.sources.registry import find_source, source_names


@pytest.fixture
def offered(monkeypatch):
    """Pretend that an installed package offers an entry point with this value."""

    def offer(name, source):
        module = ModuleType("their_package")
        module.SOURCE = source
        monkeypatch.setitem(sys.modules, "their_package", module)
        point = EntryPoint(name, "their_package:SOURCE", registry.ENTRY_POINTS)

        def entry_points(*, group, name=None):
            return [point] if group == registry.ENTRY_POINTS and name in (None, point.name) else []

        monkeypatch.setattr(registry, "entry_points", entry_points)

    return offer


def test_a_source_of_another_package_is_found(offered):
    theirs = replace(find_source("azure"), name="gateway")
    offered("gateway", theirs)
    assert find_source("gateway") is theirs
    assert "gateway" in source_names()


def test_something_else_under_that_name_is_named(offered):
    offered("gateway", "not a source")
    with pytest.raises(InputError, match=r"their_package:SOURCE.*not a Source of that name"):
        find_source("gateway")


def test_a_package_that_does_not_load_is_named(offered, monkeypatch):
    offered("gateway", None)
    monkeypatch.setitem(sys.modules, "their_package", None)
    with pytest.raises(InputError, match="'gateway' cannot be loaded"):
        find_source("gateway")


@pytest.mark.parametrize("name", ["our-gateway", "registry", "canonical", "", "os.path", "synthetic"])
def test_other_names_only_label_rows(name):
    assert find_source(name) is None


def test_every_source_speaks_both_languages():
    for name in source_names():
        source = find_source(name)
        words = [source.label, source.notes, *(option.label for option in source.options)]
        assert all(said.en and said.zh and said.en != said.zh for said in words)
        assert source.name == name


def test_an_option_that_is_not_known_is_refused():
    with pytest.raises(UsageError, match=r"no option 'modle'.*model"):
        find_source("azure").options_from({"modle": "x"})
