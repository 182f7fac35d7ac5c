import unittest

from ..lib import const, walk

NOW = 1_800_000_000
DAY = 24 * 3600


class TestLibWalk(unittest.TestCase):
    def test_the_first_poll_sees_all_events_that_there_are(self):
        place = walk.resume("", NOW)
        self.assertEqual((place.source, place.until, place.after), (walk.EVENTS, NOW, ""))
        self.assertEqual(place.since, NOW - const.EVENT_DAYS * DAY)

    def test_a_later_poll_starts_a_little_before_the_end_of_the_last(self):
        cursor, done = walk.advance(walk.resume("", NOW), None)
        self.assertTrue(done)
        place = walk.resume(cursor, NOW + 300.7)
        self.assertEqual(place.created, {"gte": NOW - const.POLL_OVERLAP, "lte": NOW + 300})

    def test_an_interrupted_walk_keeps_its_period(self):
        cursor, done = walk.advance(walk.resume(str(NOW - 600), NOW), "evt_5")
        self.assertFalse(done)
        place = walk.resume(cursor, NOW + 5000)
        self.assertEqual(place.after, "evt_5")
        self.assertEqual(place.created, {"gte": NOW - 600 - const.POLL_OVERLAP, "lte": NOW})

    def test_a_long_gap_lists_objects_then_events(self):
        old = NOW - 60 * DAY
        place = walk.resume(str(old), NOW)
        self.assertEqual(place.source, walk.OBJECTS)
        cursor, done = walk.advance(place, None)
        self.assertFalse(done)
        events = walk.resume(cursor, NOW)
        self.assertEqual((events.source, events.after, events.until), (walk.EVENTS, "", NOW))
        self.assertEqual(events.since, NOW - const.EVENT_DAYS * DAY)
        self.assertEqual(walk.advance(events, None), (str(NOW), True))
