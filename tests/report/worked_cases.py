"""The worked cases of the account, as accounts: what is handed on must say the same."""

from __future__ import annotations

from pathlib import Path

from tests.account.cases import FOLDER, open_case, read_case

from breakeven.account.account import Account

CASES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def account_of_case(name: str, folder: Path) -> Account:
    """The account of one case, its books under a folder."""
    return open_case(read_case(FOLDER / f"{name}.yaml"), folder)
