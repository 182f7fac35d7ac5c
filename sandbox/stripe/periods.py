"""Billing periods: calendar arithmetic on epoch seconds, UTC."""

from __future__ import annotations

import calendar
from datetime import datetime, timedelta, timezone

_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}


def add(start: int, interval: str, count: int) -> int:
    """:return: `count` intervals after `start`.

    A month that lacks the day ends on its last day (31 January + 1 month = 28 or
    29 February), as the vendor documents for billing cycle anchors.
    """
    moment = datetime.fromtimestamp(start, timezone.utc)
    if interval in _DAYS:
        return int((moment + timedelta(days=_DAYS[interval] * count)).timestamp())
    months = moment.year * 12 + moment.month - 1 + _MONTHS[interval] * count
    year, month = divmod(months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return int(moment.replace(year=year, month=month + 1, day=day).timestamp())
