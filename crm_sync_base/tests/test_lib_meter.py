from odoo.tests import BaseCase, tagged

from ..lib.declarations import RateState
from ..lib.errors import (
    AuthFailed,
    BudgetSpent,
    Bug,
    CircuitOpen,
    DataInvalid,
    PolicyBlocked,
    RateLimited,
    RemoteGone,
    Transient,
)
from ..lib.meter import GIVE_UP, Ended, Meter, judge


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@tagged("post_install", "-at_install")
class TestMeter(BaseCase):
    def setUp(self):
        super().setUp()
        self.clock = Clock()
        self.meter = Meter(self.clock)
        self.meter.start()

    # === What counts ===#

    def test_only_remote_trouble_counts(self):
        trouble = [
            (Transient("x"), None, Ended.DOWN),
            (Transient("x"), 0, Ended.DOWN),
            (Transient("x"), 503, Ended.DOWN),
            (Transient("x"), 500, Ended.BROKEN),
            (RateLimited("x"), 429, Ended.THROTTLED),
            (RateLimited("x"), 403, Ended.THROTTLED),
        ]
        fine = [
            (None, 200),
            (DataInvalid("x"), 400),
            (DataInvalid("x"), None),
            (AuthFailed("x"), 401),
            (RemoteGone("x"), 404),
            (Transient("two writes wait for one record"), 429),
            (Transient("locked"), 423),
        ]
        for error, status, ended in trouble:
            self.assertIs(judge(error, status), ended, (error, status))
        for error, status in fine:
            self.assertIs(judge(error, status), Ended.FINE, (error, status))

    def test_what_is_our_own_fault_says_nothing(self):
        for error in (Bug("x"), PolicyBlocked("x"), CircuitOpen("x"), BudgetSpent("x"), ValueError()):
            self.assertIsNone(judge(error))
            meter = Meter(self.clock)
            meter.start()
            self.assertEqual(meter.stop(error).calls, 0)

    # === Counting ===#

    def test_a_client_reports_its_calls(self):
        self.meter.after(200)
        self.meter.after(500, Transient("first"))
        self.meter.after(200)
        self.meter.after(0, Transient("second"))
        self.meter.after(0, Transient("third"))
        tally = self.meter.stop(Transient("third"))
        self.assertEqual((tally.calls, tally.failed, tally.streak), (5, 3, 2))
        self.assertEqual((tally.down, tally.fine, tally.message), (True, False, "third"))

    def test_without_a_report_the_caller_s_result_is_the_call(self):
        self.assertTrue(self.meter.stop().fine)
        self.meter.start()
        tally = self.meter.stop(Transient("x"))
        self.assertEqual((tally.calls, tally.streak, tally.down), (1, 1, True))

    def test_a_client_that_reports_and_made_no_call_made_none(self):
        self.meter.after(200)
        self.meter.stop()
        self.meter.start()
        self.assertEqual(self.meter.stop().calls, 0)

    def test_an_answer_that_turned_out_to_be_useless_counts_once(self):
        self.meter.after(200)
        tally = self.meter.stop(Transient("half an answer"))
        self.assertEqual((tally.calls, tally.failed, tally.streak), (1, 1, 1))

    def test_each_count_starts_from_nothing(self):
        self.meter.after(0, Transient("x"))
        self.meter.stop()
        self.meter.start()
        self.meter.after(200)
        self.assertEqual(self.meter.stop().failed, 0)

    def test_headers(self):
        self.meter.after(200)
        self.meter.on_rate(RateState(20, 190, 10.0, daily_remaining=400, daily_limit=1000))
        tally = self.meter.stop()
        self.assertEqual((tally.rate.remaining, tally.daily), (20, (600, 1000)))
        self.meter.start()
        self.meter.on_usage(908, 15000)
        self.assertEqual(self.meter.stop().daily, (908, 15000))

    # === Within a batch ===#

    def test_a_batch_gives_up_when_nobody_answers(self):
        for _call in range(GIVE_UP):
            self.meter.before()
            self.meter.after(0, Transient("x"))
        with self.assertRaises(CircuitOpen):
            self.meter.before()

    def test_a_batch_stops_when_it_is_asked_to_wait(self):
        self.meter.after(429, RateLimited("x", retry_after=30))
        with self.assertRaises(BudgetSpent) as refused:
            self.meter.before()
        self.assertEqual(refused.exception.retry_after, 30)
        self.clock.now += 31
        self.meter.before()

    def test_the_wait_is_counted_from_the_answer(self):
        self.meter.after(429, RateLimited("x", retry_after=30))
        self.clock.now += 10
        self.assertEqual(self.meter.stop().wait, 20)

    def test_outside_of_a_guard_it_refuses_nothing(self):
        self.meter.stop()
        for _call in range(10):
            self.meter.after(0, Transient("x"))
        self.meter.before()
