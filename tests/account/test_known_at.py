"""What we believed then, and what is true now: the same usage under the prices known on a day."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from breakeven.account.account import open_account
from breakeven.account.metrics import Missing

from .bookkeeping import book, new_books, write_card

pytestmark = pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
CARD = """
provider: outside
side: buy
currency: USD
source: the provider's page
checked_on: 2024-06-01
models:
  m:
    prices:
      - {valid_from: 2024-03-01, known_from: 2024-03-05, per_mtok: {uncached_input: 10, output: 10}}
      # In May the provider said that the price had been 8 from noon of 10 March on.
      - {valid_from: 2024-03-10T12:00, known_from: 2024-05-02, per_mtok: {uncached_input: 8, output: 8}}
"""


@pytest.fixture(scope="module")
def books(tmp_path_factory):
    books = new_books(tmp_path_factory.mktemp("books") / "b")
    write_card(books, "outside", CARD)
    use = {"provider": "outside", "model": "m", "uncached_input_tokens": 1_000_000, "output_tokens": 0}
    times = ("2024-03-10T11:59:59Z", "2024-03-10T12:00:00Z")
    book(books, "usage", [{"at": at, **use} for at in times])
    return books


@pytest.mark.parametrize(
    ("known_at", "cost"),
    [
        (None, 18),
        (date(2024, 6, 1), 18),
        (date(2024, 5, 2), 18),
        (date(2024, 5, 1), 20),
        (date(2024, 3, 5), 20),
    ],
)
def test_the_price_known_on_a_day(books, known_at, cost):
    assert open_account(books, known_at=known_at).value("inference_api_cost", 0) == Decimal(cost)


def test_before_anybody_knew_there_was_no_price(books):
    account = open_account(books, known_at=date(2024, 3, 4))
    assert isinstance(account.value("inference_api_cost", 0), Missing)
    assert account.value("unpriced_tokens", 0) == 2_000_000


def test_asking_for_then_leaves_now_as_it_was(books):
    """A belief without the noon cut and one with it need different rollups: both are right in turn."""
    for known_at, cost in ((date(2024, 4, 1), 20), (None, 18), (date(2024, 4, 1), 20), (None, 18)):
        assert open_account(books, known_at=known_at).value("inference_api_cost", 0) == Decimal(cost)
