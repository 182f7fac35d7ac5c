from datetime import datetime, timedelta

from odoo.tests import BaseCase, tagged

from ..lib.timing import Window, next_batch

FRIDAY = datetime(2026, 3, 27)  # the clocks of Europe go forward on the Sunday after


@tagged("post_install", "-at_install")
class TestTiming(BaseCase):
    def test_a_window_in_the_day(self):
        window = Window(9, 17.5)
        self.assertFalse(window.contains(FRIDAY.replace(hour=8, minute=59)))
        self.assertTrue(window.contains(FRIDAY.replace(hour=9)))
        self.assertTrue(window.contains(FRIDAY.replace(hour=17, minute=29)))
        self.assertFalse(window.contains(FRIDAY.replace(hour=17, minute=30)))

    def test_a_night_belongs_to_the_day_on_which_it_begins(self):
        window = Window(22, 6, "workdays")
        saturday, monday = FRIDAY + timedelta(days=1), FRIDAY + timedelta(days=3)
        self.assertTrue(window.contains(saturday.replace(hour=5)))
        self.assertFalse(window.contains(saturday.replace(hour=23)))
        self.assertFalse(window.contains(monday.replace(hour=5)))
        self.assertEqual(window.opens_at(saturday.replace(hour=7)), monday.replace(hour=22))

    def test_equal_hours_are_the_whole_day(self):
        self.assertEqual(Window(6, 6).hours, 24)
        weekend = Window(0, 0, "weekend")
        self.assertFalse(weekend.contains(FRIDAY.replace(hour=12)))
        self.assertTrue(weekend.contains(FRIDAY + timedelta(days=1)))

    def test_local_time_follows_the_clocks(self):
        window = Window(22, 23, zone="Europe/Vienna")
        self.assertEqual(window.opens_at(FRIDAY), FRIDAY.replace(hour=21))  # winter: UTC+1
        sunday = FRIDAY + timedelta(days=2)
        self.assertEqual(window.opens_at(sunday), sunday.replace(hour=20))  # summer: UTC+2

    def test_an_opening_is_inside_and_the_moment_before_is_not(self):
        for zone in ("UTC", "America/New_York", "Asia/Kathmandu"):
            for days in ("all", "workdays", "weekend"):
                window = Window(21.5, 4, days, zone)
                opening = window.opens_at(FRIDAY)
                self.assertTrue(window.contains(opening), (zone, days))
                self.assertFalse(window.contains(opening - timedelta(seconds=1)), (zone, days))
                self.assertGreater(window.opens_at(opening), opening)

    def test_batches_are_due_together(self):
        self.assertEqual(next_batch(FRIDAY.replace(hour=9, minute=1), 15), FRIDAY.replace(hour=9, minute=15))
        self.assertEqual(next_batch(FRIDAY.replace(hour=9, minute=14), 15), FRIDAY.replace(hour=9, minute=15))
        self.assertEqual(next_batch(FRIDAY.replace(hour=9, minute=15), 15), FRIDAY.replace(hour=9, minute=30))
        self.assertLess(next_batch(datetime.min, 60), datetime(2, 1, 1))
