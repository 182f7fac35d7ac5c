from datetime import datetime, timedelta

from odoo.tests import BaseCase, tagged

from ..lib.breaker import Breaker, BreakerPolicy, State, Verdict
from ..lib.budget import STALE, Bucket, Budget, Daily, spend, worth_keeping
from ..lib.declarations import RateState
from ..lib.gate import FAR, Gate, Override, Reason, blocked, decide, settle
from ..lib.meter import Tally

START = datetime(2026, 3, 1, 12)
POLICY = BreakerPolicy()


def at(seconds):
    return START + timedelta(seconds=seconds)


@tagged("post_install", "-at_install")
class TestBudget(BaseCase):
    # === Short window ===#

    def test_without_a_limit_nothing_waits(self):
        budget = spend(Budget(), Tally(calls=10_000), START)
        self.assertEqual(budget.wait(START, urgent=False, calls=500), 0)

    def test_a_bucket_empties_and_fills(self):
        budget = spend(Budget(Bucket(limit=10, seconds=10)), Tally(calls=10), START)
        self.assertEqual(budget.wait(START, urgent=True), 1.0)
        self.assertEqual(budget.wait(at(1), urgent=True), 0.0)
        self.assertEqual(budget.bucket.level_at(at(100)), 10, "it never holds more than its limit")

    def test_an_overdraft_is_waited_out(self):
        budget = spend(Budget(Bucket(limit=10, seconds=10)), Tally(calls=25), START)
        self.assertEqual(budget.wait(START, urgent=True), 16.0)

    def test_more_than_a_bucket_holds_waits_for_a_full_one_only(self):
        budget = Budget(Bucket(limit=5, seconds=1))
        self.assertEqual(budget.wait(START, urgent=False, calls=50), 0)

    def test_the_reserve_is_for_urgent_work(self):
        bucket = Bucket(limit=100, seconds=10, level=15, at=START)
        budget = Budget(bucket, reserve=0.2)
        self.assertEqual(budget.wait(START, urgent=True, calls=10), 0)
        self.assertEqual(budget.wait(START, urgent=False, calls=10), 1.5)

    def test_what_the_provider_says_wins(self):
        budget = Budget(Bucket(limit=5, seconds=1, level=5, at=START))
        told = spend(budget, Tally(calls=1, rate=RateState(20, 190, 10.0)), START)
        self.assertEqual(told.bucket, Bucket(190, 10.0, True, 20.0, START))

    # === Day ===#

    def test_daily_reserve(self):
        budget = Budget(daily=Daily(limit=1000, told=True, used=920, at=START), reserve=0.1)
        self.assertEqual(budget.wait(START, urgent=True), 0)
        self.assertEqual(budget.wait(START, urgent=False), STALE)

    def test_what_was_told_of_the_day_gets_too_old_to_refuse_by(self):
        """Salesforce's day is rolling, the end of HubSpot's is not told: somebody must ask."""
        budget = Budget(daily=Daily(limit=1000, told=True, used=1000, at=START))
        self.assertGreater(budget.wait(at(STALE - 1), urgent=True), 0)
        self.assertEqual(budget.wait(at(STALE), urgent=True), 0)
        again = spend(budget, Tally(calls=1, daily=(1000, 1000)), at(STALE))
        self.assertTrue(worth_keeping(budget, again, at(STALE)), "else everybody would ask")
        self.assertGreater(again.wait(at(STALE + 1), urgent=True), 0)

    def test_our_own_count_starts_anew_at_midnight(self):
        budget = spend(Budget(daily=Daily(limit=10)), Tally(calls=6), START)
        budget = spend(budget, Tally(calls=4), at(60))
        self.assertEqual(budget.daily.used, 10)
        midnight = datetime(2026, 3, 2)
        self.assertEqual(budget.wait(START, urgent=True), 12 * 3600)
        self.assertEqual(budget.wait(midnight, urgent=True), 0)
        budget = spend(budget, Tally(calls=1), midnight)
        self.assertEqual((budget.daily.used, budget.daily.resets_at), (1, datetime(2026, 3, 3)))

    # === The provider's word ===#

    def test_the_provider_asks_for_silence(self):
        budget = spend(Budget(), Tally(calls=1, failed=1, streak=1, throttled=True, wait=30), START)
        self.assertEqual(budget.wait(at(10), urgent=True), 20)
        self.assertEqual(budget.wait(at(30), urgent=True), 0)

    def test_a_shorter_wait_does_not_shorten_a_longer_one(self):
        budget = spend(Budget(resume_at=at(60)), Tally(calls=1, wait=5), START)
        self.assertEqual(budget.resume_at, at(60))

    # === Writes ===#

    def test_small_moves_of_told_figures_are_not_written(self):
        before = Budget(Bucket(190, 10, True, 190, START), Daily(100_000, True, 1000, START))
        little = spend(before, Tally(calls=3, rate=RateState(185, 190, 10.0), daily=(1003, 100_000)), at(1))
        self.assertFalse(worth_keeping(before, little, at(1)))
        much = spend(before, Tally(calls=3, rate=RateState(40, 190, 10.0)), at(1))
        self.assertTrue(worth_keeping(before, much, at(1)))
        used = spend(before, Tally(calls=3, daily=(1600, 100_000)), at(1))
        self.assertTrue(worth_keeping(before, used, at(1)))
        aged = spend(before, Tally(calls=3, daily=(1003, 100_000)), at(400))
        self.assertTrue(worth_keeping(before, aged, at(400)), "people look at it")

    def test_our_own_counts_are_always_written(self):
        before = Budget(Bucket(limit=1000, seconds=1))
        self.assertTrue(worth_keeping(before, spend(before, Tally(calls=1), START), START))


@tagged("post_install", "-at_install")
class TestGate(BaseCase):
    OPEN = Breaker(state=State.OPEN, until=at(20), trips=1)

    def decide(self, gate, **options):
        return decide(gate, START, POLICY, **{"urgent": True, **options})

    def test_a_healthy_gate_costs_nothing(self):
        gate = Gate()
        self.assertIs(settle(gate, Tally(calls=3), START, POLICY), gate)
        self.assertEqual(blocked(gate, START, POLICY), (None, None))

    def test_held_open(self):
        gate = Gate(override=Override.OPEN)
        answer = self.decide(gate)
        self.assertEqual((answer.verdict, answer.reason), (Verdict.WAIT, Reason.HELD))
        self.assertEqual(blocked(gate, START, POLICY), (FAR, FAR))
        self.assertIs(self.decide(gate, manual=True).verdict, Verdict.GO)

    def test_held_closed_ignores_the_breaker_but_not_the_budget(self):
        gate = Gate(self.OPEN, override=Override.CLOSED)
        self.assertIs(self.decide(gate).verdict, Verdict.GO)
        self.assertEqual(blocked(gate, START, POLICY), (None, None))
        silent = Gate(self.OPEN, Budget(resume_at=at(30)), Override.CLOSED)
        self.assertIs(self.decide(silent).reason, Reason.SPENT)

    def test_an_open_breaker_blocks_everything(self):
        gate = Gate(self.OPEN)
        self.assertIs(self.decide(gate).reason, Reason.FAILING)
        self.assertEqual(blocked(gate, START, POLICY), (at(20), at(20)))

    def test_a_spent_reserve_blocks_bulk_only(self):
        gate = Gate(budget=Budget(daily=Daily(1000, True, 950, START)))
        self.assertIs(self.decide(gate).verdict, Verdict.GO)
        self.assertIs(self.decide(gate, urgent=False).reason, Reason.SPENT)
        self.assertEqual(blocked(gate, START, POLICY), (None, at(STALE)))

    def test_an_instant_is_waited_on_the_spot(self):
        gate = Gate(budget=Budget(Bucket(5, 1.0, level=0, at=START)))
        self.assertEqual(blocked(gate, START, POLICY), (None, None))
        self.assertGreater(self.decide(gate).wait, 0)

    def test_calls_that_crossed_a_request_for_silence_are_no_new_trouble(self):
        throttled = Tally(calls=1, failed=1, streak=1, throttled=True, wait=10)
        gate = Gate()
        for _batch in range(2 * POLICY.failures):
            gate = settle(gate, throttled, START, POLICY)
        self.assertEqual((gate.breaker.state, gate.breaker.failures), (State.CLOSED, 1))

    def test_a_provider_that_never_takes_calls_opens_the_breaker(self):
        throttled = Tally(calls=1, failed=1, streak=1, throttled=True, wait=10)
        gate = Gate()
        for number in range(POLICY.failures):
            gate = settle(gate, throttled, at(number * 11), POLICY, subject=str(number))
        self.assertIs(gate.breaker.state, State.OPEN)

    def test_the_provider_is_named_silent_until(self):
        gate = settle(Gate(), Tally(calls=1, failed=1, streak=1, throttled=True, wait=30), START, POLICY)
        self.assertEqual(blocked(gate, START, POLICY), (at(30), at(30)))
