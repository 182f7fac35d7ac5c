"""Where a poll is: a position in Stripe's lists that survives any restart.

Stripe lists newest first and knows no "changed since", so a poll walks the events of
a closed period from its end to its beginning. The cursor names the period and the
last event that was seen; when the walk has ended it names the period's end, where
the next one starts, a little earlier.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from . import const

DAY = 24 * 3600
EVENTS, OBJECTS = "events", "objects"


@dataclass(frozen=True, slots=True)
class Walk:
    """One walk through a period.

    :param source: `events`, or `objects` when the period began before the oldest
        event that Stripe still has: then the objects made since are listed first.
    :param since: start of the period, seconds since the epoch, included.
    :param until: its end, included.
    :param after: id of the last item that was seen, "" at the start.
    """

    source: str
    since: int
    until: int
    after: str = ""

    @property
    def created(self) -> dict[str, int]:
        """The filter of the list calls."""
        return {"gte": self.since, "lte": self.until}

    def cursor(self) -> str:
        """Return the position as text."""
        return json.dumps([self.source, self.since, self.until, self.after])


def resume(cursor: str, now: float) -> Walk:
    """Return the walk that a cursor stands for.

    :param cursor: "" for the very first poll, which sees what events still tell; the
        end of the walk before; or the position in a walk that was interrupted.
    """
    now = int(now)
    oldest = now - const.EVENT_DAYS * DAY
    if not cursor:
        return Walk(EVENTS, oldest, now)
    if cursor.startswith("["):
        return Walk(*json.loads(cursor))
    since = int(cursor)
    source = OBJECTS if since < now - const.SAFE_EVENT_DAYS * DAY else EVENTS
    return Walk(source, since - const.POLL_OVERLAP, now)


def advance(walk: Walk, last: str | None) -> tuple[str, bool]:
    """Return the cursor after a page, and whether the walk has ended.

    :param last: id of the page's last item when more follow, else None.
    """
    if last:
        return replace(walk, after=last).cursor(), False
    if walk.source == OBJECTS:
        return Walk(EVENTS, max(walk.since, walk.until - const.EVENT_DAYS * DAY), walk.until).cursor(), False
    return str(walk.until), True
