import random
from datetime import datetime, timedelta
from itertools import pairwise

from odoo.tests import BaseCase, tagged

from ..lib.breaker import Breaker, BreakerPolicy, State, Verdict, admit, record
from ..lib.meter import Tally

START = datetime(2026, 3, 1, 12)
POLICY = BreakerPolicy()
FINE = Tally(calls=1)
DOWN = Tally(calls=1, failed=1, streak=1, down=True)
BROKEN = Tally(calls=1, failed=1, streak=1)


def at(seconds):
    return START + timedelta(seconds=seconds)


def after(*tallies, breaker=None, subjects=None, step=0.1):
    """Return the breaker after tallies, one every `step` seconds."""
    breaker = breaker or Breaker()
    for number, tally in enumerate(tallies):
        subject = subjects[number] if subjects else str(number)
        breaker = record(breaker, tally, at(number * step), POLICY, subject=subject)
    return breaker


def opened(trips=1):
    """Return a breaker that has just opened (at START) for the nth time."""
    breaker = after(*[DOWN] * POLICY.failures, step=0)
    for _more in range(trips - 1):
        probing = admit(breaker, breaker.until, POLICY).breaker
        breaker = record(probing, DOWN, breaker.until, POLICY, probe=True)
    return breaker


@tagged("post_install", "-at_install")
class TestBreaker(BaseCase):
    # === Opening ===#

    def test_failures_in_a_row_open_it(self):
        self.assertIs(after(*[DOWN] * (POLICY.failures - 1)).state, State.CLOSED)
        self.assertIs(after(*[DOWN] * POLICY.failures).state, State.OPEN)

    def test_an_answer_in_between_starts_the_row_anew(self):
        breaker = after(*[DOWN] * (POLICY.failures - 1), FINE, DOWN)
        self.assertEqual((breaker.state, breaker.failures), (State.CLOSED, 1))

    def test_a_row_that_began_inside_of_a_batch_counts_from_there(self):
        mixed = Tally(calls=10, failed=2, streak=2, down=True)
        self.assertEqual(after(DOWN, DOWN, mixed).failures, 2)

    def test_a_record_that_cannot_be_served_does_not_open_it(self):
        breaker = after(*[BROKEN] * 50, subjects=["poison"] * 50, step=5)
        self.assertEqual((breaker.state, breaker.failures), (State.CLOSED, 1))

    def test_several_records_that_cannot_be_served_open_it(self):
        self.assertIs(after(*[BROKEN] * POLICY.failures).state, State.OPEN)

    def test_nobody_there_opens_it_even_for_one_record(self):
        breaker = after(*[DOWN] * POLICY.failures, subjects=["one"] * POLICY.failures)
        self.assertIs(breaker.state, State.OPEN)

    def test_half_of_many_calls_open_it_though_never_in_a_row(self):
        self.assertIs(after(*[DOWN, FINE] * 20).state, State.OPEN)

    def test_half_of_few_calls_do_not(self):
        self.assertIs(after(*[DOWN, FINE] * 5).state, State.CLOSED)

    def test_failures_of_long_ago_do_not_count(self):
        breaker = after(*[DOWN, FINE] * 40, step=POLICY.window / 10)
        self.assertIs(breaker.state, State.CLOSED)

    def test_a_healthy_endpoint_stays_the_very_same_value(self):
        healthy = Breaker()
        self.assertIs(record(healthy, FINE, START, POLICY), healthy, "nothing to write")
        self.assertIs(admit(healthy, START, POLICY).breaker, healthy)

    def test_trouble_that_has_passed_is_forgotten(self):
        breaker = record(after(DOWN), FINE, at(POLICY.window + 1), POLICY)
        self.assertEqual(breaker, Breaker())

    # === Open ===#

    def test_open_means_waiting_until_its_time_is_over(self):
        breaker = opened()
        answer = admit(breaker, at(1), POLICY)
        self.assertIs(answer.verdict, Verdict.WAIT)
        self.assertEqual(at(1) + timedelta(seconds=answer.wait), breaker.until)
        self.assertEqual(breaker.blocked_until(POLICY), breaker.until)

    def test_open_time_doubles_up_to_a_limit_with_jitter(self):
        lengths = []
        for trips in range(1, 7):
            waits = set()
            for seed in range(20):
                probing = Breaker(state=State.HALF_OPEN, trips=trips - 1, until=at(99), passed=1)
                tripped = record(probing, DOWN, START, POLICY, probe=True, rand=random.Random(seed))
                waits.add((tripped.until - START).total_seconds())
            self.assertGreater(len(waits), 10, "all the databases of a provider do not come back at once")
            lengths.append(min(waits))
        for first, second in pairwise(lengths[:3]):
            self.assertAlmostEqual(second / first, 2, delta=0.5)
        self.assertLess(max(lengths), POLICY.open_most * 1.25)

    def test_what_waits_goes_on_within_a_minute(self):
        """Open time and jitter, and the spread of held jobs on top (lib/retry.py)."""
        self.assertLess(POLICY.open_most * 1.25 * 1.5, 60)

    def test_calls_that_were_under_way_change_nothing(self):
        breaker = opened()
        self.assertIs(record(breaker, FINE, at(1), POLICY), breaker)
        self.assertIs(record(breaker, DOWN, at(1), POLICY), breaker)

    def test_a_person_is_let_through_and_counts(self):
        answer = admit(opened(), at(1), POLICY, manual=True)
        self.assertIs(answer.verdict, Verdict.PROBE)
        self.assertEqual(record(answer.breaker, FINE, at(2), POLICY, probe=True).successes, 1)

    # === Half open ===#

    def half_open(self):
        breaker = opened()
        return admit(breaker, breaker.until, POLICY).breaker

    def test_few_probes_pass(self):
        breaker = opened()
        verdicts = []
        for _batch in range(10):
            answer = admit(breaker, at(20), POLICY)
            verdicts.append(answer.verdict)
            breaker = answer.breaker
        self.assertEqual(verdicts.count(Verdict.PROBE), POLICY.probes)
        self.assertEqual(verdicts[:POLICY.probes], [Verdict.PROBE] * POLICY.probes)
        self.assertEqual(breaker.blocked_until(POLICY), breaker.until, "lanes need not try")

    def test_probes_that_are_answered_close_it(self):
        breaker = self.half_open()
        for _probe in range(POLICY.needed):
            self.assertIs(breaker.state, State.HALF_OPEN)
            breaker = record(breaker, FINE, at(21), POLICY, probe=True)
        self.assertEqual((breaker.state, breaker.closed_at), (State.CLOSED, at(21)))

    def test_a_probe_that_meets_nobody_opens_it_at_once(self):
        breaker = record(self.half_open(), DOWN, at(21), POLICY, probe=True)
        self.assertEqual((breaker.state, breaker.trips), (State.OPEN, 2))

    def test_one_bad_record_among_the_probes_does_not_keep_it_open(self):
        breaker = record(self.half_open(), BROKEN, at(21), POLICY, probe=True)
        for _probe in range(POLICY.needed):
            answer = admit(breaker, at(22), POLICY)
            self.assertIs(answer.verdict, Verdict.PROBE)
            breaker = record(answer.breaker, FINE, at(23), POLICY, probe=True)
        self.assertIs(breaker.state, State.CLOSED)

    def test_most_probes_broken_open_it_again(self):
        breaker = self.half_open()
        for _probe in range(2):
            breaker = record(admit(breaker, at(21), POLICY).breaker, BROKEN, at(22), POLICY, probe=True)
        self.assertIs(breaker.state, State.OPEN)

    def test_a_probe_that_made_no_call_gives_its_place_back(self):
        breaker = self.half_open()
        self.assertEqual(record(breaker, Tally(), at(21), POLICY, probe=True).passed, 0)

    def test_probes_that_died_with_their_worker_are_replaced(self):
        breaker = self.half_open()
        for _batch in range(POLICY.probes):
            breaker = admit(breaker, at(20), POLICY).breaker
        later = breaker.until + timedelta(seconds=1)
        self.assertIs(admit(breaker, later, POLICY).verdict, Verdict.PROBE)

    # === Drain ===#

    def closed(self):
        breaker = self.half_open()
        for _probe in range(POLICY.needed):
            breaker = record(breaker, FINE, START, POLICY, probe=True)
        return breaker

    def starts(self, seed):
        """Return when batches start that follow each other as soon as they may."""
        breaker, moment, moments = self.closed(), START, []
        rand = random.Random(seed)
        while moment < at(POLICY.drain):
            moments.append((moment - START).total_seconds())
            breaker = admit(breaker, moment, POLICY, rand=rand).breaker
            moment = max(breaker.blocked_until(POLICY) or moment, moment + timedelta(seconds=0.1))
        return moments

    def test_the_backlog_starts_slowly_and_gets_faster(self):
        moments = self.starts(1)
        third = POLICY.drain / 3
        first = len([m for m in moments if m < third])
        last = len([m for m in moments if m >= 2 * third])
        self.assertLess(first, 15)
        self.assertGreater(last, 2 * first)
        self.assertNotEqual(self.starts(1), self.starts(2), "jittered")

    def test_after_the_drain_nothing_is_left_of_it(self):
        breaker = admit(self.closed(), START, POLICY).breaker
        self.assertTrue(breaker.next_at)
        self.assertIsNone(admit(breaker, at(POLICY.drain + 1), POLICY).breaker.next_at)

    def test_a_relapse_waits_longer_a_fresh_fault_does_not(self):
        relapse = after(*[DOWN] * 5, breaker=self.closed())
        self.assertEqual(relapse.trips, 2)
        calm = self.closed()
        for _failure in range(5):
            calm = record(calm, DOWN, at(POLICY.calm + 1), POLICY)
        self.assertEqual(calm.trips, 1)
