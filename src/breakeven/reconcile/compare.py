"""Books against bills: every comparison that the books allow, each with the causes of its difference."""

from __future__ import annotations

from breakeven.account.account import Account
from breakeven.reconcile.ads import ads
from breakeven.reconcile.draft import post_lines
from breakeven.reconcile.fees import fees
from breakeven.reconcile.fleet import allocation, fleet
from breakeven.reconcile.inference import inference
from breakeven.reconcile.line import Line
from breakeven.reconcile.settlements import settlement_lines

CATEGORIES = (
    "inference_api", "gpu", "gpu_allocation", "advertising", "payment_fee", "payout", "bank",
)  # fmt: skip
"""What is compared, in the order in which it is shown."""


def compare(account: Account) -> list[Line]:
    """Every comparison, by bucket, category, vendor, model and token class.

    The parts of a line sum to its difference exactly. Only rollups and small tables are read.
    """
    periods = [period.label for period in account.buckets.periods]
    lines: list[Line] = []
    for drafts in (inference(account), fleet(account), ads(account), fees(account)):
        lines += post_lines(drafts, account.currency, periods)
    lines += allocation(account, periods)
    lines += settlement_lines(account)
    return sorted(lines, key=lambda line: (line.bucket, CATEGORIES.index(line.category)))
