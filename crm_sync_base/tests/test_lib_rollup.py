from unittest import TestCase

from ..lib import histogram
from ..lib.metrics import METRICS, exposition, unique_names
from ..lib.rollup import Key, Measures, changes, merge

JOBS, PUSHES = Key(1, 7, "record"), Key(1, 8, "push")


def measures(done=0, failed=0, waits=()):
    found = Measures()
    found.counts.update(done=done, failed=failed)
    found.buckets["wait"] = histogram.of(waits)
    found.seconds["wait"] = float(sum(waits))
    return found


class TestRollUp(TestCase):
    def test_counting_the_same_again_changes_nothing(self):
        fresh = {("10:00", JOBS): measures(3, 1, [1, 2, 3])}
        self.assertEqual(changes(fresh, fresh), ({}, [], {}))

    def test_late_rows_correct_their_minute_and_the_totals(self):
        stored = {("10:00", JOBS): measures(3, waits=[1]), ("10:01", PUSHES): measures(1)}
        fresh = {("10:00", JOBS): measures(5, 1, [1, 40]), ("10:01", PUSHES): measures(1)}
        write, delete, totals = changes(fresh, stored)
        self.assertEqual(write, {("10:00", JOBS): measures(5, 1, [1, 40])})
        self.assertEqual(delete, [])
        self.assertEqual(totals, {JOBS: measures(2, 1, [40])})

    def test_what_is_gone_is_taken_back(self):
        stored = {("10:00", JOBS): measures(3)}
        write, delete, totals = changes({}, stored)
        self.assertEqual((write, delete), ({}, [("10:00", JOBS)]))
        self.assertEqual(totals[JOBS].counts["done"], -3)

    def test_what_moves_between_minutes_leaves_the_totals_alone(self):
        stored = {("10:00", JOBS): measures(1, waits=[2])}
        _write, _delete, totals = changes({("10:05", JOBS): measures(1, waits=[2])}, stored)
        self.assertEqual(totals, {})

    def test_equal_keys_are_merged(self):
        merged = merge([(JOBS, measures(1, waits=[1])), (PUSHES, measures(2)), (JOBS, measures(3, waits=[5]))])
        self.assertEqual(merged[JOBS], measures(4, waits=[1, 5]))
        self.assertEqual(merged[PUSHES].jobs, 2)


class TestExposition(TestCase):
    def test_every_declared_metric_is_named_even_without_samples(self):
        text = exposition({})[0].decode()
        for metric in METRICS:
            self.assertIn(f"# TYPE {metric.name} {metric.type}", text)

    def test_values_and_histograms(self):
        work = ("CRM", "deal_in", "record")
        body, content_type = exposition(
            {
                "q2c_records_processed_total": {work: 12},
                "q2c_job_run_seconds": {work: (histogram.of([0.02, 0.2, 99]), 99.22)},
            }
        )
        text = body.decode()
        self.assertIn("text/plain", content_type)
        labels = 'connection="CRM",flow="deal_in",kind="record"'
        self.assertIn(f"q2c_records_processed_total{{{labels}}} 12.0\n", text)
        self.assertIn(f'q2c_job_run_seconds_bucket{{{labels},le="0.01"}} 0.0\n', text)
        self.assertIn(f'q2c_job_run_seconds_bucket{{{labels},le="0.25"}} 2.0\n', text)
        self.assertIn(f'q2c_job_run_seconds_bucket{{{labels},le="+Inf"}} 3.0\n', text)
        self.assertIn(f"q2c_job_run_seconds_count{{{labels}}} 3.0\n", text)
        self.assertIn(f"q2c_job_run_seconds_sum{{{labels}}} 99.22\n", text)

    def test_open_metrics_for_whoever_asks(self):
        body, content_type = exposition({}, "application/openmetrics-text; version=1.0.0")
        self.assertIn("openmetrics", content_type)
        self.assertTrue(body.endswith(b"# EOF\n"))

    def test_undeclared_metrics_are_a_mistake(self):
        with self.assertRaises(KeyError):
            exposition({"q2c_surprise": {(): 1}})

    def test_no_two_series_share_a_name(self):
        names = unique_names([(2, "CRM"), (1, "CRM"), (3, None), (4, "")])
        self.assertEqual(names, {1: "CRM", 2: "CRM#2", 3: "#3", 4: "#4"})
