"""How many calls may still be made? Token bucket and daily budget. Values in, values out.

The short window is a token bucket: it holds `limit` calls and fills evenly within
`seconds`. The day has a number of calls, which the provider tells in its answers or
which was set by hand. Of both, a share is kept for urgent work. Moments are naive UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from .meter import Tally

#: Seconds after which what a provider said of its day is too old to refuse calls by:
#: the day may have ended (Salesforce counts the last 24 hours, HubSpot up to midnight
#: of the account's time zone, which it does not tell). One batch asks anew.
STALE = 900.0
#: relative changes below these are not worth a write to the database
RATE_STEP = 0.1
DAILY_STEP = 0.005
#: the figures that people see are not older
REFRESH = 300.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """The short window.

    :param limit: calls in `seconds`; 0 without a limit.
    :param told: whether the provider says in its answers how many remain.
    :param level: calls that could be made at `at`; below zero when too many were.
    """

    limit: int = 0
    seconds: float = 1.0
    told: bool = False
    level: float = 0.0
    at: datetime | None = None

    def level_at(self, now: datetime) -> float:
        """Return how many calls can be made now."""
        if self.at is None:
            return float(self.limit)
        filled = (now - self.at).total_seconds() * self.limit / self.seconds
        return min(self.level + max(filled, 0.0), float(self.limit))

    def wait(self, calls: int, kept: float, now: datetime) -> float:
        """Return the seconds until so many calls can be made with `kept` left over."""
        if not self.limit:
            return 0.0
        # More than a full bucket will never be in it: then a full one will do.
        wanted = min(calls + kept, float(self.limit))
        missing = wanted - self.level_at(now)
        return max(missing, 0.0) * self.seconds / self.limit


@dataclass(frozen=True, slots=True)
class Daily:
    """The day.

    :param limit: calls a day; 0 without a limit.
    :param told: whether the provider says in its answers how many were made; otherwise
        we count our own.
    :param used: calls that were made, as of `at`.
    :param resets_at: when our own count starts anew.
    """

    limit: int = 0
    told: bool = False
    used: int = 0
    at: datetime | None = None
    resets_at: datetime | None = None

    def used_at(self, now: datetime) -> int:
        """Return how many calls count now."""
        over = not self.told and self.resets_at is not None and now >= self.resets_at
        return 0 if over else self.used

    def wait(self, calls: int, kept: float, now: datetime) -> float:
        """Return the seconds until so many calls can be made with `kept` left over."""
        if not self.limit or self.limit - self.used_at(now) >= min(calls + kept, self.limit):
            return 0.0
        if self.told:
            return max(STALE - (now - self.at).total_seconds(), 0.0) if self.at else 0.0
        return max((self.resets_at - now).total_seconds(), 0.0) if self.resets_at else 0.0


@dataclass(frozen=True, slots=True)
class Budget:
    """What may still be called at one endpoint.

    :param reserve: share (0 to 1) of both budgets that only urgent work may use.
    :param resume_at: the provider asked for silence until then.
    """

    bucket: Bucket = field(default_factory=Bucket)
    daily: Daily = field(default_factory=Daily)
    reserve: float = 0.1
    resume_at: datetime | None = None

    def wait(self, now: datetime, *, urgent: bool, calls: int = 1) -> float:
        """Return the seconds until a batch may call, 0 when it may now."""
        silence = (self.resume_at - now).total_seconds() if self.resume_at else 0.0
        share = 0.0 if urgent else self.reserve
        return max(
            silence,
            self.bucket.wait(calls, self.bucket.limit * share, now),
            self.daily.wait(calls, self.daily.limit * share, now),
            0.0,
        )


def spend(budget: Budget, tally: Tally, now: datetime) -> Budget:
    """Return the budget after some calls, which may have brought news from the provider."""
    resume_at = budget.resume_at if budget.resume_at and budget.resume_at > now else None
    if tally.wait:
        asked = now + timedelta(seconds=tally.wait)
        resume_at = max(resume_at or asked, asked)
    return replace(
        budget,
        bucket=_drawn(budget.bucket, tally, now),
        daily=_counted(budget.daily, tally, now),
        resume_at=resume_at,
    )


def _drawn(bucket: Bucket, tally: Tally, now: datetime) -> Bucket:
    if tally.rate is not None and tally.rate.limit > 0:
        return Bucket(
            limit=tally.rate.limit,
            seconds=tally.rate.reset_seconds or bucket.seconds,
            told=True,
            level=float(tally.rate.remaining),
            at=now,
        )
    if not bucket.limit:
        return bucket
    return replace(bucket, level=bucket.level_at(now) - tally.calls, at=now)


def _counted(daily: Daily, tally: Tally, now: datetime) -> Daily:
    if tally.daily is not None:
        used, limit = tally.daily
        return Daily(limit=limit, told=True, used=used, at=now)
    if not daily.limit:
        return daily
    if daily.told:
        return replace(daily, used=daily.used + tally.calls)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    fresh = daily.resets_at is None or now >= daily.resets_at
    return replace(
        daily,
        used=daily.used_at(now) + tally.calls if daily.resets_at else tally.calls,
        at=now,
        resets_at=midnight if fresh else daily.resets_at,
    )


def worth_keeping(before: Budget, after: Budget, now: datetime) -> bool:
    """Return whether a change is worth a write to the database.

    Figures that the provider tells with every answer may lag a little; our own counts
    must be complete.
    """
    return (
        before.resume_at != after.resume_at
        or _bucket_moved(before.bucket, after.bucket, now)
        or _day_moved(before.daily, after.daily, now)
    )


def _bucket_moved(before: Bucket, after: Bucket, now: datetime) -> bool:
    if (before.limit, before.seconds, before.told) != (after.limit, after.seconds, after.told):
        return True
    if not after.told:
        return before != after
    return abs(before.level_at(now) - after.level) >= RATE_STEP * after.limit


def _day_moved(before: Daily, after: Daily, now: datetime) -> bool:
    if (before.limit, before.told) != (after.limit, after.told):
        return True
    if not after.told or before.at is None:
        return before != after
    moved = abs(after.used - before.used)
    aged = (now - before.at).total_seconds() >= REFRESH
    return aged or moved >= max(DAILY_STEP * after.limit, 1)
