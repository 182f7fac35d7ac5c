"""When a flow may work: at once, or in batches within a window of local time.

Moments are naive UTC, as everywhere in the engine. `SQL_OPEN` is `Window.contains` in
the database's words, for the claim; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

DAY_HOURS = 24
EPOCH = datetime(1970, 1, 1)
WEEK = 8  # days to look ahead: a whole week and the rest of today

#: which weekdays (Monday is 0) each choice stands for
DAYS: dict[str, frozenset[int]] = {
    "all": frozenset(range(7)),
    "workdays": frozenset(range(5)),
    "weekend": frozenset({5, 6}),
}


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of the day, in local time, within which work may start.

    :param start: hour at which it opens, 22.5 for half past ten in the evening.
    :param end: hour at which it closes; before `start` it is on the next day, and equal
        to it the window is open all day.
    :param days: key of `DAYS`: the days on which it *opens*.
    :param zone: name of the time zone.
    """

    start: float = 0.0
    end: float = 0.0
    days: str = "all"
    zone: str = "UTC"

    @property
    def hours(self) -> float:
        """How long it stays open."""
        return (self.end - self.start) % DAY_HOURS or float(DAY_HOURS)

    def contains(self, moment: datetime) -> bool:
        """Return whether work may start at a moment."""
        shifted = self._local(moment) - timedelta(hours=self.start)
        elapsed = shifted - datetime.combine(shifted.date(), time())
        return elapsed < timedelta(hours=self.hours) and shifted.weekday() in DAYS[self.days]

    def opens_at(self, moment: datetime) -> datetime:
        """Return when it opens next, strictly after a moment."""
        today = datetime.combine(self._local(moment).date(), time())
        for ahead in range(-1, WEEK + 1):
            day = today + timedelta(days=ahead)
            opening = self._utc(day + timedelta(hours=self.start))
            if opening > moment and day.weekday() in DAYS[self.days]:
                return opening
        raise AssertionError("every window opens within a week")

    def _local(self, moment: datetime) -> datetime:
        aware = moment.replace(tzinfo=timezone.utc).astimezone(ZoneInfo(self.zone))
        return aware.replace(tzinfo=None)

    def _utc(self, local: datetime) -> datetime:
        aware = local.replace(tzinfo=ZoneInfo(self.zone)).astimezone(timezone.utc)
        return aware.replace(tzinfo=None)


def next_batch(moment: datetime, minutes: int) -> datetime:
    """Return the next moment at which a batch is due, strictly after `moment`.

    Batches are due at whole multiples of the interval, so that everything that is
    gathered meanwhile is due together, whoever asked for it and on whichever worker.
    """
    interval = timedelta(minutes=minutes)
    return EPOCH + ((moment - EPOCH) // interval + 1) * interval


#: whether the window of the flow `f` is open at %(now)s
SQL_OPEN = """
    EXISTS (SELECT 1
              FROM (SELECT timezone(f.window_tz, timezone('UTC', %(now)s::timestamp))
                           - make_interval(secs => f.window_start * 3600) AS shifted) local
             WHERE EXTRACT(EPOCH FROM local.shifted::time)
                   < COALESCE(NULLIF(mod((f.window_end - f.window_start + 24)::numeric, 24), 0), 24) * 3600
               AND (f.window_days = 'all'
                    OR (f.window_days = 'workdays') = (EXTRACT(ISODOW FROM local.shifted) < 6)))
"""
