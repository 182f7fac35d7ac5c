import unittest

from ..lib.apart import EXTRA_CALLS, read_apart
from ..lib.errors import CircuitOpen, DataInvalid, Transient

IDS = [f"r{number}" for number in range(100)]


class TestLibApart(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.calls = 0

    def reading(self, poisoned, ids=IDS, error=DataInvalid):
        """Read ids of which some are poisoned; count the calls."""

        def call(group):
            self.calls += 1
            if set(group) & set(poisoned):
                raise error("It cannot be read.")
            return {one: one.upper() for one in group}

        return read_apart(ids, call, lambda error: isinstance(error, (DataInvalid, Transient, KeyError)))

    def test_a_good_batch_costs_one_call(self):
        reading = self.reading(())
        self.assertEqual((len(reading.found), reading.failed, self.calls), (100, {}, 1))

    def test_nothing_asked_is_no_call(self):
        self.assertEqual((self.reading((), []), self.calls), (({}, {}), 0))

    def test_one_bad_record_is_found(self):
        for bad in (IDS[0], IDS[57], IDS[99]):
            reading = self.reading([bad])
            self.assertEqual(set(reading.failed), {bad})
            self.assertEqual(len(reading.found), 99)

    def test_what_is_no_error_of_ours_is_found_too(self):
        self.assertEqual(set(self.reading([IDS[3]], error=KeyError).failed), {IDS[3]})

    def test_one_of_two_thousand_is_found_within_the_limit(self):
        ids = [f"r{number}" for number in range(2000)]
        reading = self.reading([ids[1234]], ids)
        self.assertEqual((set(reading.failed), len(reading.found)), ({ids[1234]}, 1999))
        self.assertLessEqual(self.calls, EXTRA_CALLS + 1)

    def test_of_many_bad_ones_no_good_one_fails_for_good(self):
        bad = IDS[::7]
        reading = self.reading(bad)
        self.assertLessEqual(self.calls, EXTRA_CALLS + 1)
        self.assertEqual(set(reading.found) | set(reading.failed), set(IDS))
        for one in set(reading.failed) - set(bad):
            self.assertIsInstance(reading.failed[one], Transient)
        self.assertFalse(set(reading.found) & set(bad))

    def test_a_common_cause_is_raised(self):
        with self.assertRaisesRegex(DataInvalid, "cannot be read"):
            self.reading(IDS)
        self.assertLessEqual(self.calls, EXTRA_CALLS + 1)

    def test_what_is_nobodys_fault_is_raised_at_once(self):
        with self.assertRaises(ValueError):
            self.reading([IDS[1]], error=ValueError)
        self.assertEqual(self.calls, 1)

    def test_one_that_cannot_be_read_now_is_no_bad_record(self):
        # The breaker has to know: nothing was answered.
        with self.assertRaises(Transient):
            self.reading([IDS[0]], [IDS[0]], error=Transient)
        self.assertEqual(set(self.reading([IDS[0]], [IDS[0]]).failed), {IDS[0]})

    def test_a_provider_that_is_down_is_raised_as_such(self):
        answers = iter([Transient("1"), Transient("2"), Transient("3")])

        def call(_group):
            raise next(answers, None) or CircuitOpen("enough")

        with self.assertRaisesRegex(Transient, "1"):
            read_apart(IDS, call, lambda error: isinstance(error, Transient))
