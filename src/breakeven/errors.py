"""What can go wrong, said so that a reader can act: what, where, likely cause, next step.

Two kinds exist and they never mix. A *data problem* (a bad row) is a value that is collected and
quarantined; see `breakeven.ledger.problems`. A `BreakevenError` stops the command.
"""

from __future__ import annotations


class BreakevenError(Exception):
    """A failure a person can act on; each subclass carries the exit code of the command line.

    >>> print(InputError("no such column 'at'", where="usage.csv:1", remedy="name it in a mapping"))
    usage.csv:1: no such column 'at'. Next: name it in a mapping.
    """

    exit_code = 3

    def __init__(self, what: str, *, where: str = "", cause: str = "", remedy: str = "") -> None:
        self.what, self.where, self.cause, self.remedy = what, where, cause, remedy
        text = f"{where}: {what}" if where else what
        if cause:
            text += f". Likely cause: {cause}"
        if remedy:
            text += f". Next: {remedy}"
        super().__init__(text if text.endswith("?") else text.rstrip(".") + ".")


class InputError(BreakevenError):
    """A file, card or setting that cannot be used as it is (exit 3)."""


class NoRecords(InputError):  # noqa: N818 - says what happened
    """A file without a single record: an empty export, or the wrong one (exit 3)."""


class UsageError(BreakevenError):
    """The command was called with something it cannot take (exit 2)."""

    exit_code = 2


class CheckFailed(BreakevenError):  # noqa: N818 - says what happened
    """The books differ from the bills beyond the stated tolerance (exit 1)."""

    exit_code = 1


class SourceUnreachable(BreakevenError):  # noqa: N818 - says what happened
    """A system we read did not answer (exit 4)."""

    exit_code = 4


class BooksError(BreakevenError):
    """The books folder itself is missing, newer than this program, read-only or full (exit 3)."""
