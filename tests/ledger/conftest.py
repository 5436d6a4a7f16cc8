"""Fresh books for every test."""

from __future__ import annotations

import shutil

import pytest

from breakeven.ledger.books import open_books

from .bench import new_books


@pytest.fixture(scope="session")
def empty_books(tmp_path_factory):
    return new_books(tmp_path_factory.mktemp("template") / "books").folder


@pytest.fixture
def books(tmp_path, empty_books):
    shutil.copytree(empty_books, tmp_path / "books")
    return open_books(tmp_path / "books")


@pytest.fixture
def fresh_books(tmp_path, empty_books):
    """Other books, to compare with."""
    shutil.copytree(empty_books, tmp_path / "fresh")
    return open_books(tmp_path / "fresh")
