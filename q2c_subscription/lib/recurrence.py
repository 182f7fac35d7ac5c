"""Periods and what a price is worth a month, exactly.

Calendar months have no fixed length. Dates are counted from an anchor, so that
a subscription of the 31st is due on 28 February and on 31 March again. Values
of weeks and days are spread over a year of 365 days (52 1/7 weeks).
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

DAYS_A_YEAR = 365

UNITS = {"day": "Days", "week": "Weeks", "month": "Months", "year": "Years"}

#: how many of a unit are in a year
_A_YEAR = {
    "day": Fraction(DAYS_A_YEAR),
    "week": Fraction(DAYS_A_YEAR, 7),
    "month": Fraction(12),
    "year": Fraction(1),
}


@dataclass(frozen=True, slots=True)
class Interval:
    """Every `count` units, e.g. every 3 months."""

    unit: str
    count: int = 1

    def __post_init__(self):
        if self.unit not in UNITS:
            raise ValueError(f"{self.unit!r} is no unit of time")
        if self.count < 1:
            raise ValueError(f"an interval of {self.count} {self.unit} does not recur")

    @property
    def times_a_year(self) -> Fraction:
        """How often it recurs in a year, on average."""
        return _A_YEAR[self.unit] / self.count


def nth_start(anchor: date, interval: Interval, number: int) -> date:
    """Return when the period `number` starts (0: at the anchor itself).

    >>> nth_start(date(2026, 1, 31), Interval("month"), 1)
    datetime.date(2026, 2, 28)
    >>> nth_start(date(2026, 1, 31), Interval("month"), 2)
    datetime.date(2026, 3, 31)
    """
    steps = number * interval.count
    if interval.unit in ("day", "week"):
        return anchor + timedelta(days=steps * (7 if interval.unit == "week" else 1))
    months = anchor.year * 12 + anchor.month - 1 + steps * (12 if interval.unit == "year" else 1)
    year, month = divmod(months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(anchor.day, last))


def period_at(anchor: date, interval: Interval, day: date) -> tuple[date, date]:
    """Return (start, next start) of the period that a day falls into.

    Before the anchor it is the first period.
    """
    if day <= anchor:
        return anchor, nth_start(anchor, interval, 1)
    # The estimate is never off by more than one; the loops make it exact.
    number = int((day - anchor).days * interval.times_a_year / DAYS_A_YEAR)
    while nth_start(anchor, interval, number) > day:
        number -= 1
    while nth_start(anchor, interval, number + 1) <= day:
        number += 1
    return nth_start(anchor, interval, number), nth_start(anchor, interval, number + 1)


def monthly(amount: Decimal, interval: Interval, digits: int) -> Decimal:
    """Return what an amount per interval is worth a month, rounded half up.

    >>> monthly(Decimal(1200), Interval("year"), 2)
    Decimal('100.00')
    """
    exact = Fraction(amount) * interval.times_a_year / 12
    unit = Decimal(1).scaleb(-digits)
    ratio = Decimal(exact.numerator) / Decimal(exact.denominator)
    return ratio.quantize(unit, ROUND_HALF_UP)
