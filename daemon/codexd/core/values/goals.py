"""The goal of a thread: what is to be reached over many turns, how far it is, and what it may cost."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

# The values are those of Codex's wire.
GoalStatus = Literal["active", "paused", "blocked", "usageLimited", "budgetLimited", "complete"]
# Codex's figure: a goal is part of requests.
OBJECTIVE_CHARACTERS_MAX: Final = 4000
# No thread uses as many; what is larger is no budget.
BUDGET_TOKENS_MAX: Final = 2**40


class Goal(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A goal, and what its turns have used."""

    objective: str
    status: GoalStatus = "active"
    token_budget: int | None = None
    created_ms: int = 0  # Unix, as is the next
    updated_ms: int = 0
    tokens_used: int = 0  # new input and output
    ms_used: int = 0  # of requests and of calls

    @property
    def tokens_left(self) -> int | None:
        return None if self.token_budget is None else max(self.token_budget - self.tokens_used, 0)

    @property
    def is_spent(self) -> bool:
        """Whether its budget is used up."""
        return self.tokens_left == 0

    @property
    def counts(self) -> bool:
        """Whether what is used is counted: also in the turn in which its budget was spent."""
        return self.status in ("active", "budgetLimited")
