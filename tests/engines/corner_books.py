"""A few rows in New York's time, each there to catch an engine that rounds, orders or cuts differently."""

from __future__ import annotations

from pathlib import Path

from tests.account.bookkeeping import book, new_books

from breakeven.account.measures import ModelCuts
from breakeven.ledger.books import Books

CUTS = (
    # From 00:30 and from 16:30 UTC another price; so too above a thousand and above two hundred thousand.
    ModelCuts("outside", ("m",), (1_800, 59_400), (1_000, 200_000)),
    ModelCuts("outside", ("night-only",), (59_400,), ()),
)
LARGE_AMOUNT = "9999999999999.999999999"
LARGE_TOKENS = 999_999_999_999_999


def corner_books(folder: Path) -> Books:
    books = new_books(folder, time_zone="America/New_York")
    _acquisitions(books)
    _usage(books)
    _activity(books)
    _payments(books)
    _ad_spend(books)
    return books


def _acquisitions(books: Books) -> None:
    def row(
        user: str, at: str, channel: str | None, source_id: str, **rest: str | None
    ) -> dict[str, str | None]:
        return {"user_id": user, "acquired_at": at, "channel": channel, "source_id": source_id, **rest}

    book(
        books,
        "acquisitions",
        [
            # The hour from one to two comes twice on this night: half past one again is an hour later.
            row("twice", "2024-11-03T06:30:00Z", "later", "a1"),
            row("twice", "2024-11-03T05:30:00Z", "earlier", "z1"),
            # Same moment: the smaller id counts, whatever the order of the rows.
            row("tied", "2024-12-31T12:00:00Z", "second", "t2"),
            row("tied", "2024-12-31T12:00:00Z", "first", "t1"),
            row("before-midnight", "2024-11-03T03:59:59.999999Z", "search", "m1", is_paid="true"),
            row("midnight", "2024-11-03T04:00:00Z", "search", "m2", is_paid="false"),
            row("long-day", "2024-11-04T04:59:59Z", None, "m3", country="US"),
            row("new-year", "2025-01-01T05:00:00Z", None, "m4", campaign="", platform="ios"),
        ],
    )
    book(books, "acquisitions", [row("tied", "2024-12-31T12:00:00Z", "other", "t1")], source="other")


def _usage(books: Books) -> None:
    def row(at: str, tokens: int = 1, **rest: str | int | None) -> dict[str, str | int | None]:
        plain = {"requests": 1, "cached_input_tokens": 0, "cache_write_tokens": 0, "reasoning_tokens": 0}
        return {
            "at": at, "product": "app", "provider": "outside", "model": "m",
            "uncached_input_tokens": tokens, "output_tokens": 1, **plain, **rest,
        }  # fmt: skip

    cut_times = [
        "2024-12-31T00:00:00Z", "2024-12-31T00:29:59.999999Z", "2024-12-31T00:30:00Z",
        "2024-12-31T16:29:59.999999Z", "2024-12-31T16:30:00Z", "2024-12-31T23:59:59.999999Z",
    ]  # fmt: skip
    statuses = [None, "ok", "OK", "Stop", "200", "error", "timeout", "stopped", "ok "]
    contexts = [
        (1_000, 1), (1_001, 1), (3_000, 3), (3_003, 3), (200_000, 1), (200_001, 1), (5_000, None), (900, 0),
    ]  # fmt: skip
    book(
        books,
        "usage",
        [
            *(row(at, feature="times") for at in cut_times),
            *(row(at, feature="times", model="night-only") for at in cut_times),
            *(row(at, feature="times", model="steady") for at in cut_times),
            *(row("2025-01-01T12:00:00Z", feature="status", status=status) for status in statuses),
            *(
                row("2025-01-01T12:00:00Z", tokens, feature="context", requests=requests)
                for tokens, requests in contexts
            ),
            *(row("2025-01-02T12:00:00Z", LARGE_TOKENS, feature="large", requests=10**7) for _ in range(11)),
            row("2025-01-01T12:00:00Z", feature="who", user_id="tied"),
            row("2025-01-01T12:00:00Z", feature="who", user_id="stranger"),
            row("2025-01-01T12:00:00Z", feature="who", service_tier="batch", cached_input_tokens=None),
            row("2024-11-04T04:59:59Z", feature="who", user_id="midnight"),
            row("2025-01-02T05:00:00Z", product="api", account_id="account", requests=7),
        ],
    )


def _activity(books: Books) -> None:
    def rows(user: str, *days: str, sessions: int | None = 1) -> list[dict[str, str | int | None]]:
        return [{"user_id": user, "day": day, "sessions": sessions} for day in days]

    turn = ("2024-12-29", "2024-12-30", "2024-12-31", "2025-01-01", "2025-01-05", "2025-01-06")
    book(books, "activity", [*rows("tied", *turn), *rows("stranger", "2024-12-31", "2025-01-01")])
    book(
        books,
        "activity",
        [
            *rows("tied", "2024-12-31", sessions=4),
            *rows("midnight", "2025-01-05", sessions=None),
            *rows("twice", "2024-11-03"),
        ],
        source="other",
    )


def _payments(books: Books) -> None:
    def row(
        user: str | None, at: str, amount: str, kind: str = "subscription", **rest: str
    ) -> dict[str, str | None]:
        return {"user_id": user, "at": at, "kind": kind, "amount": amount, "currency": "USD", **rest}

    topup = "2025-01-02T12:00:00Z"
    book(
        books,
        "payments",
        [
            # The day of 25 hours, then the last microsecond before it and the first moment after it.
            row("midnight", "2024-11-03T04:00:00Z", "1", service_start="2024-11-03T04:00:00Z",
                service_end="2024-11-04T04:59:59.999999Z"),
            row("midnight", "2024-11-03T04:00:00Z", "2", service_start="2024-11-03T03:59:59.999999Z",
                service_end="2024-11-04T05:00:00Z"),
            row("tied", "2024-12-31T12:00:00Z", "12", service_start="2024-12-31T05:00:00Z",
                service_end="2025-01-02T05:00:00Z", tax="2", fee="0.5"),
            row("tied", "2025-01-01T12:00:00Z", "5.2", "gift"),
            row("tied", "2025-01-01T12:00:00Z", "5.2", "refund"),
            *(row(None, topup, LARGE_AMOUNT, "api_topup", account_id="account", tax=LARGE_AMOUNT)
              for _ in range(3)),
            row(None, topup, "0.000000001", "api_topup", account_id="account"),
        ],
    )  # fmt: skip


def _ad_spend(books: Books) -> None:
    def row(amount: str, **rest: str | int | None) -> dict[str, str | int | None]:
        return {
            "day": "2025-01-01",
            "channel": "search",
            "kind": "ads",
            "amount": amount,
            "currency": "USD",
            **rest,
        }

    book(
        books,
        "ad_spend",
        [
            row("0.1", impressions=5),
            row("0.2", impressions=None, clicks=2),
            row("0.000000001", channel=None),
            row("1", day="2024-12-31", kind="coupon"),
        ],
    )
