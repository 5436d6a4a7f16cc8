"""Why a request is not taken: an HTTP status, a reason for people, a word for metrics."""

from __future__ import annotations


class Refused(Exception):  # noqa: N818 - says what happened
    """A request that is answered with an error; nothing of it was kept.

    `retry_after_s` is said where the same request may succeed later.
    """

    def __init__(self, status: int, reason: str, text: str, retry_after_s: int | None = None) -> None:
        super().__init__(text)
        self.status, self.reason, self.text, self.retry_after_s = status, reason, text, retry_after_s
