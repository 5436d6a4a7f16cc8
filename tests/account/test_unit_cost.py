"""The unit cost index: the same tokens at other prices; other tokens are another basket."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from breakeven.account.account import Account, open_account
from breakeven.account.metrics import Missing
from breakeven.account.unit_cost import NO_USAGE, NOTHING_IN_COMMON, unit_cost_index, unit_cost_links
from breakeven.ledger.books import Books
from breakeven.periods import Period

from .bookkeeping import book, new_books, write_card
from .random_books import base_account, small_rollups, with_rollups

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
MARCH, APRIL, MAY = date(2024, 3, 1), date(2024, 4, 1), date(2024, 5, 1)
CARD = """
provider: outside
side: buy
currency: USD
source: test
checked_on: 2024-03-01
models:
  large:
    prices:
      - {valid_from: 2024-01-01, per_mtok: {uncached_input: 10, output: 40}}
      - {valid_from: 2024-04-01, per_mtok: {uncached_input: 5, output: 40}}
  small:
    prices: [{valid_from: 2024-01-01, per_mtok: {uncached_input: 1, output: 2}, per_request: 0.5}]
"""


def use(month: str, model: str, inputs: int, outputs: int, **rest: Any) -> dict[str, Any]:
    return {
        "at": f"{month}-10T00:00:00Z", "provider": "outside", "model": model, "product": "app",
        "uncached_input_tokens": inputs * 10**6, "output_tokens": outputs * 10**6, "cached_input_tokens": 0,
        "cache_write_tokens": 0, "requests": 2, **rest,
    }  # fmt: skip


@pytest.fixture
def books(tmp_path: Path) -> Books:
    serving = {"own_providers": ["self"], "weights": {"uncached_input": 1, "output": 4}}
    found = new_books(tmp_path / "books", serving=serving)
    write_card(found, "outside", CARD)
    return found


def opened(books: Books, *rows: dict[str, Any], period: str = "2024-03..2024-05") -> Account:
    book(books, "usage", rows)
    return open_account(books, period=Period.parse(period))


def test_a_price_cut_by_the_basket_of_the_month_before(books):
    rows = use("2024-03", "large", 3, 1), use("2024-04", "large", 1, 5)
    account = opened(books, *rows, period="2024-03..2024-04")
    # March's basket: 3 x 10 + 1 x 40 = 70 then, 3 x 5 + 1 x 40 = 55 in April.
    assert unit_cost_index(account) == {MARCH: pytest.approx(Decimal(70) / 55), APRIL: 1}
    [link] = unit_cost_links(account)
    assert (link.ratio, link.matched_share) == (Fraction(55, 70), 1)


def test_a_smaller_model_is_no_price_cut(books):
    """All prices stand still; use moves from the dear model to the cheap one."""
    account = opened(
        books,
        use("2024-04", "large", 9, 9), use("2024-04", "small", 1, 1),
        use("2024-05", "large", 1, 1), use("2024-05", "small", 50, 50, requests=90),
    )  # fmt: skip
    assert unit_cost_index(account) == {MARCH: NO_USAGE, APRIL: 1, MAY: 1}


def test_links_chain_over_months_and_over_months_without_use(books):
    account = opened(books, use("2024-03", "large", 2, 0), use("2024-05", "large", 7, 1))
    # March is linked to May directly; only input is in both.
    assert unit_cost_index(account) == {MARCH: 2, APRIL: NO_USAGE, MAY: 1}
    [link] = unit_cost_links(account)
    assert (link.earlier, link.later) == (MARCH, MAY)


def test_nothing_in_common_is_not_guessed(books):
    rows = use("2024-03", "large", 1, 0), use("2024-04", "large", 1, 0), use("2024-05", "small", 1, 1)
    account = opened(books, *rows)
    index = unit_cost_index(account)
    assert index == {MARCH: NOTHING_IN_COMMON, APRIL: NOTHING_IN_COMMON, MAY: 1}
    assert [link.matched_share for link in unit_cost_links(account)] == [1, 0]


def test_use_without_a_price_is_left_out(books):
    account = opened(books, use("2024-03", "unheard-of", 9, 9), use("2024-04", "large", 1, 0),
                     use("2024-04", "unheard-of", 9, 9))  # fmt: skip
    assert unit_cost_index(account) == {MARCH: NO_USAGE, APRIL: 1, MAY: NO_USAGE}


def test_own_tokens_cost_their_share_of_the_fleet(books):
    """The same fleet serves twice the tokens: each costs half. Its kind of tokens does not matter."""
    fleet = {"pool": "main", "gpu": "H800", "count": 1, "currency": "USD"}
    book(books, "capacity", [
        {"at": "2024-03-10T00:00:00Z", "price_per_gpu_hour": 10, **fleet},
        {"at": "2024-04-10T00:00:00Z", "price_per_gpu_hour": 10, **fleet},
    ])  # fmt: skip
    own = {"provider": "self"}
    account = opened(books, use("2024-03", "large", 4, 1, **own), use("2024-04", "large", 8, 2, **own))
    assert unit_cost_index(account) == {MARCH: 2, APRIL: 1, MAY: NO_USAGE}


def test_a_fleet_whose_cost_nobody_recorded_has_no_unit_cost(books):
    account = opened(books, use("2024-03", "large", 4, 1, provider="self"), use("2024-04", "large", 1, 1))
    assert unit_cost_index(account) == {MARCH: NO_USAGE, APRIL: 1, MAY: NO_USAGE}


def test_books_without_use(books):
    account = opened(books, use("2024-05", "large", 1, 1), period="2024-03")
    assert unit_cost_index(account) == {MARCH: NO_USAGE}
    assert unit_cost_links(account) == []


def test_a_generated_company(tiny_company):
    account = tiny_company[0]
    index = unit_cost_index(account)
    assert len(index) == len(account.buckets.periods)
    assert all(isinstance(value, Decimal) and value > 0 for value in index.values())
    assert list(index.values())[-1] == 1


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Account:
    return base_account(tmp_path_factory.mktemp("random"))


@settings(max_examples=25)
@given(rollups=small_rollups())
def test_every_month_has_a_value_or_says_why(base, rollups):
    account = with_rollups(base, {"usage": rollups["usage"]})
    index = unit_cost_index(account)
    assert list(index) == [MARCH, APRIL]
    known = [value for value in index.values() if not isinstance(value, Missing)]
    assert all(value > 0 for value in known)
    assert known[-1:] in ([1], [])
    for link in unit_cost_links(account):
        level = index[link.earlier]
        assert 0 <= link.matched_share <= 1
        assert isinstance(level, Missing) or abs(Fraction(level) * link.ratio - 1) < Fraction(1, 10**20)
