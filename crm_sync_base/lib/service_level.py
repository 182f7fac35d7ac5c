"""Service levels: what was promised, what was kept, what may still go wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

HUNDRED = 100.0
LOW = 25.0  #: percent of the error budget left, below which it is at risk

MET, AT_RISK, BREACHED, NO_DATA = "met", "at_risk", "breached", "no_data"
_WORST_FIRST = (BREACHED, AT_RISK, MET, NO_DATA)


@dataclass(frozen=True, slots=True)
class Attainment:
    """How often a promise was kept.

    :param target: percent that was promised, above 0 and up to 100.
    :param good: how often it was kept.
    :param total: how often it could have been kept.
    """

    target: float
    good: int
    total: int

    @property
    def percent(self) -> float | None:
        """Percent that was kept, None when there was nothing to keep."""
        return HUNDRED * self.good / self.total if self.total else None

    @property
    def budget_left(self) -> float:
        """Percent of the failures that the target allows which were not used up yet.

        Negative when more failed than the promise allows; a promise of 100 % allows
        none.
        """
        missed = self.total - self.good
        allowed = self.total * (HUNDRED - self.target) / HUNDRED
        if not missed:
            return HUNDRED
        return HUNDRED * (allowed - missed) / allowed if allowed else -HUNDRED

    @property
    def state(self) -> str:
        """Met, at risk (the error budget is nearly used up), breached, or no data."""
        if not self.total:
            return NO_DATA
        if HUNDRED * self.good < self.target * self.total:
            return BREACHED
        return AT_RISK if self.budget_left < LOW else MET


def worst(attainments: Iterable[Attainment]) -> str:
    """Return the state of several promises together: that of the worst one."""
    states = {attainment.state for attainment in attainments}
    return next((state for state in _WORST_FIRST if state in states), NO_DATA)
