import random
from unittest import TestCase

from ..lib import histogram


class TestHistogram(TestCase):
    def test_a_duration_belongs_to_the_first_bound_that_is_not_smaller(self):
        self.assertEqual(histogram.bucket(0.0), 0)
        self.assertEqual(histogram.bucket(0.01), 0)
        self.assertEqual(histogram.bucket(0.0100001), 1)
        self.assertEqual(histogram.bucket(1.0), histogram.BOUNDS.index(1.0))
        self.assertEqual(histogram.bucket(3600.5), len(histogram.BOUNDS))

    def test_merging_is_counting_together(self):
        rand = random.Random(7)
        one = [rand.expovariate(1) for _ in range(500)]
        two = [rand.expovariate(0.01) for _ in range(300)]
        merged = histogram.merge(histogram.of(one), None, histogram.of(two))
        self.assertEqual(merged, histogram.of([*one, *two]))
        self.assertEqual(histogram.subtract(merged, histogram.of(two)), histogram.of(one))

    def test_cumulative_ends_with_everything(self):
        pairs = histogram.cumulative(histogram.of([0.001, 0.3, 9999]))
        self.assertEqual(pairs[0], (0.01, 1))
        self.assertEqual(dict(pairs)[0.5], 2)
        self.assertEqual(pairs[-1], (float("inf"), 3))

    def test_a_percentile_lies_in_the_bucket_of_the_true_one(self):
        rand = random.Random(11)
        for _round in range(20):
            durations = sorted(rand.lognormvariate(0, 2) for _ in range(rand.randint(1, 400)))
            counts = histogram.of(durations)
            for share in (0.5, 0.95, 0.99):
                true = durations[max(0, -int(-share * len(durations) // 1) - 1)]
                place = histogram.bucket(true)
                lower = histogram.BOUNDS[place - 1] if place else 0.0
                upper = histogram.BOUNDS[min(place, len(histogram.BOUNDS) - 1)]
                self.assertTrue(min(lower, upper) <= histogram.quantile(counts, share) <= upper)

    def test_interpolation_is_even(self):
        counts = histogram.of([0.6, 0.7, 0.8, 0.9])  # all between 0.5 and 1
        self.assertAlmostEqual(histogram.quantile(counts, 0.5), 0.75)
        self.assertAlmostEqual(histogram.quantile(counts, 1.0), 1.0)

    def test_nothing_has_no_percentiles(self):
        self.assertIsNone(histogram.quantile(histogram.empty(), 0.5))
        self.assertIsNone(histogram.quantile(None, 0.5))

    def test_what_is_longer_than_all_bounds_counts_as_the_last(self):
        self.assertEqual(histogram.quantile(histogram.of([86400.0]), 0.5), histogram.BOUNDS[-1])
