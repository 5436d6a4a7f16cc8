"""Speculative decoding: how many tokens one step yields, and how many it must verify.

A draft of `drafts` tokens is checked in one step. If each is accepted with chance a as long as all before it
were, a step yields (1 - a^(drafts + 1)) / (1 - a) tokens (Leviathan, Kalman and Matias, 2023, equation 1).
Where the accepted length was measured, that counts instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from breakeven.errors import InputError


@dataclass(frozen=True)
class Speculation:
    """Drafts per step, and either the chance that one is accepted or the tokens a step was measured to yield.

    Raises `InputError` for drafts below one, chances outside 0 to 1, and lengths outside 1 to drafts + 1.

    >>> round(Speculation(drafts=2, acceptance=0.7).tokens_per_step, 2)
    2.19
    >>> Speculation(drafts=1, accepted_length=1.84).tokens_per_step
    1.84
    """

    drafts: int = 0
    acceptance: float | None = None
    accepted_length: float | None = None
    draft_share: float = 0.02
    """Cost of drafting one token as a share of a step: a multi-token-prediction layer is one of 61 in
    DeepSeek-V3."""

    def __post_init__(self) -> None:
        if self.drafts < 0:
            raise InputError(f"{self.drafts} drafts per step", remedy="give zero or more drafts")
        if self.drafts == 0:
            return
        if self.acceptance is None and self.accepted_length is None:
            raise InputError(
                "drafts without an acceptance",
                remedy="give the chance that a draft is accepted, such as 0.8, or measured tokens per step",
            )
        if self.acceptance is not None and not 0.0 <= self.acceptance <= 1.0:
            raise InputError(f"the acceptance is {self.acceptance:g}", remedy="give a chance from 0 to 1")
        if self.accepted_length is not None and not 1.0 <= self.accepted_length <= self.drafts + 1:
            raise InputError(
                f"a step of {self.drafts} drafts cannot yield {self.accepted_length:g} tokens",
                remedy=f"give tokens per step from 1 to {self.drafts + 1}",
            )

    @property
    def tokens_per_step(self) -> float:
        """Output tokens that one step yields for one sequence."""
        if self.drafts == 0:
            return 1.0
        if self.accepted_length is not None:
            return self.accepted_length
        chance = self.acceptance or 0.0
        if math.isclose(chance, 1.0):
            return float(self.drafts + 1)
        return (1.0 - chance ** (self.drafts + 1)) / (1.0 - chance)

    @property
    def tokens_verified(self) -> int:
        """Tokens of one sequence that pass through the model in one step."""
        return self.drafts + 1

    @property
    def drafting(self) -> float:
        """What a step takes with its drafting, over what it takes without."""
        return 1.0 + self.draft_share * self.drafts


NONE = Speculation()
"""No drafts: one token a step."""
