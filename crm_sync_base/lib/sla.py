"""The clock of the exception desk: which deadline applies, and what moves it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

DEFAULT_HOURS = 24.0  # where no target matches


@dataclass(frozen=True, slots=True)
class Target:
    """Within how many hours a cause is to be resolved.

    :param error_code: the kind of error, or empty for every kind.
    :param criticality: of the flow, or empty for every one.
    """

    id: int
    hours: float
    error_code: str = ""
    criticality: str = ""

    def matches(self, error_code: str, criticality: str) -> bool:
        """Whether the target is meant for such a cause."""
        return self.error_code in ("", error_code) and self.criticality in ("", criticality)


def choose(targets: Iterable[Target], error_code: str, criticality: str) -> Target | None:
    """Return the target of a cause: the most particular one, then the shortest.

    :param criticality: of the flow; empty where there is no flow.
    """
    found = [target for target in targets if target.matches(error_code, criticality)]
    return min(found, key=_rank, default=None)


def _rank(target: Target) -> tuple[int, float, int]:
    said = bool(target.error_code) + bool(target.criticality)
    return (-said, target.hours, target.id)


def deadline(since: datetime, hours: float | None) -> datetime:
    """Return when a cause that was seen at a moment is to be resolved."""
    return since + timedelta(hours=DEFAULT_HOURS if hours is None else hours)


def postponed(deadline: datetime | None, now: datetime, until: datetime) -> datetime:
    """Return the deadline of a cause that sleeps: the time that was left goes on at its end."""
    left = deadline - now if deadline and deadline > now else timedelta()
    return until + left


def resumed(deadline: datetime | None, now: datetime, until: datetime) -> datetime | None:
    """Return the deadline of a cause that is woken before its time."""
    return deadline and max(deadline - (until - now), now)


def hours_between(start: datetime | None, end: datetime | None) -> float:
    """Return the hours from one moment to another, 0 when either is missing."""
    return max((end - start).total_seconds(), 0.0) / 3600 if start and end else 0.0
