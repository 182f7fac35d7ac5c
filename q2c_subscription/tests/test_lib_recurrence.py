from datetime import date, timedelta
from decimal import Decimal

from odoo.tests import BaseCase

from ..lib.recurrence import UNITS, Interval, monthly, nth_start, period_at


class TestLibRecurrence(BaseCase):
    def test_month_ends_come_back(self):
        starts = [nth_start(date(2026, 1, 31), Interval("month"), number) for number in range(4)]
        self.assertEqual(starts, [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)])

    def test_leap_days(self):
        self.assertEqual(nth_start(date(2024, 2, 29), Interval("year"), 1), date(2025, 2, 28))
        self.assertEqual(nth_start(date(2024, 2, 29), Interval("year"), 4), date(2028, 2, 29))
        self.assertEqual(nth_start(date(2023, 12, 31), Interval("month", 2), 1), date(2024, 2, 29))

    def test_weeks_and_days(self):
        self.assertEqual(nth_start(date(2026, 1, 1), Interval("week", 2), 3), date(2026, 2, 12))
        self.assertEqual(nth_start(date(2026, 1, 1), Interval("day", 10), 1), date(2026, 1, 11))

    def test_the_period_of_a_day_holds_it(self):
        for unit in UNITS:
            for count in (1, 3):
                interval = Interval(unit, count)
                for anchor in (date(2024, 1, 31), date(2024, 2, 29), date(2025, 12, 31)):
                    expected = 0
                    for offset in range(0, 900, 1):
                        day = anchor + timedelta(days=offset)
                        while nth_start(anchor, interval, expected + 1) <= day:
                            expected += 1
                        start, following = period_at(anchor, interval, day)
                        self.assertEqual(
                            (start, following),
                            (nth_start(anchor, interval, expected), nth_start(anchor, interval, expected + 1)),
                            (unit, count, anchor, day),
                        )

    def test_before_the_start_it_is_the_first_period(self):
        self.assertEqual(
            period_at(date(2026, 5, 10), Interval("month"), date(2026, 1, 1)), (date(2026, 5, 10), date(2026, 6, 10))
        )

    def test_monthly_value(self):
        cases = [
            ("1200", Interval("year"), 2, "100.00"),
            ("100", Interval("month", 3), 2, "33.33"),
            ("0.05", Interval("month", 2), 2, "0.03"),
            ("7", Interval("week"), 2, "30.42"),
            ("1", Interval("day"), 2, "30.42"),
            ("1000", Interval("year"), 0, "83"),
            ("-100", Interval("month", 3), 2, "-33.33"),
        ]
        for amount, interval, digits, expected in cases:
            self.assertEqual(monthly(Decimal(amount), interval, digits), Decimal(expected), (amount, interval))

    def test_what_does_not_recur_is_refused(self):
        for unit, count in (("fortnight", 1), ("month", 0), ("month", -1)):
            with self.assertRaises(ValueError):
                Interval(unit, count)
