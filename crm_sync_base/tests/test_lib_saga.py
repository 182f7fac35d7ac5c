import itertools

from odoo.tests import BaseCase, tagged

from ..lib import saga
from ..lib.saga import DONE, FAILED, HANDLED, KEPT, PENDING, PERSON, SKIPPED, UNDOING, UNDONE, Step

STATES = (PENDING, DONE, FAILED, HANDLED, SKIPPED, UNDOING, UNDONE, KEPT, PERSON)


def steps(*states, effective=True):
    """Return steps 1, 2, … in these states; what did not run left nothing behind."""
    return [
        Step(key, key * 10, state, effective and state not in (PENDING, FAILED, SKIPPED))
        for key, state in enumerate(states, 1)
    ]


@tagged("post_install", "-at_install")
class TestSaga(BaseCase):
    """Pure decisions: what comes next, and what a saga is to be called."""

    def test_forward_runs_each_step_once_and_in_order(self):
        states = [PENDING] * 4
        ran = []
        while (key := saga.next_forward(steps(*states))) is not None:
            ran.append(key)
            states[key - 1] = DONE
        self.assertEqual(ran, [1, 2, 3, 4])

    def test_forward_continues_at_the_failed_step(self):
        self.assertEqual(saga.next_forward(steps(DONE, FAILED, PENDING)), 2)
        self.assertEqual(saga.next_forward(steps(DONE, HANDLED, PENDING)), 3)
        self.assertIsNone(saga.next_forward(steps(DONE, SKIPPED, KEPT)))

    def test_the_order_is_that_of_the_positions_not_of_the_list(self):
        mixed = [Step(1, 30, PENDING), Step(2, 10, DONE, True), Step(3, 20, DONE, True)]
        self.assertEqual(saga.next_forward(mixed), 1)
        self.assertEqual(saga.to_undo(mixed), [3, 2])

    def test_joined_steps_are_never_started_but_are_undone(self):
        joined = [Step(1, 10, DONE, True), Step(2, 20, FAILED, effective=True, starts=False)]
        self.assertIsNone(saga.next_forward(joined))
        self.assertEqual(saga.to_undo(joined), [2, 1])

    def test_backward_takes_back_what_was_done_the_last_first(self):
        states, undone = [DONE, DONE, DONE, FAILED, PENDING], []
        while (key := saga.next_backward(steps(*states))) is not None:
            undone.append(key)
            states[key - 1] = UNDONE
        self.assertEqual(undone, [3, 2, 1])
        self.assertEqual(saga.state_of(steps(*states), backward=True), "undone")

    def test_backward_waits_for_a_person_and_for_a_job_under_way(self):
        self.assertIsNone(saga.next_backward(steps(DONE, PERSON, FAILED)))
        self.assertIsNone(saga.next_backward(steps(DONE, UNDOING, FAILED)))
        self.assertEqual(saga.next_backward(steps(DONE, UNDONE, FAILED)), 1)
        self.assertEqual(saga.state_of(steps(DONE, PERSON, FAILED), backward=True), "person")
        self.assertEqual(saga.state_of(steps(DONE, UNDOING), backward=True), "undoing")
        self.assertEqual(saga.state_of(steps(DONE, UNDONE), backward=True), "undoing")

    def test_what_an_earlier_pass_left_behind_is_undone_though_its_step_waits_again(self):
        again = [Step(1, 10, DONE, True), Step(2, 20, FAILED, True), Step(3, 30, PENDING, True)]
        self.assertEqual(saga.to_undo(again), [3, 2, 1])
        self.assertEqual(saga.without_effect(again), {})

    def test_what_left_nothing_behind_needs_no_compensation(self):
        plain = steps(DONE, FAILED, PENDING, HANDLED, effective=False)
        self.assertEqual(saga.without_effect(plain), {1: KEPT, 3: SKIPPED})
        self.assertEqual(saga.to_undo(plain), [])

    def test_names_of_a_saga(self):
        for states, name in (
            ((DONE, PENDING), "running"),
            ((DONE, FAILED), "person"),
            ((DONE, HANDLED), "complete"),
            ((DONE, HANDLED, SKIPPED), "closed"),
            ((DONE, FAILED, PENDING), "person"),
        ):
            with self.subTest(states):
                self.assertEqual(saga.state_of(steps(*states), backward=False), name)

    def test_every_mixture_of_states_comes_to_an_end(self):
        """From anywhere, both ways end after at most one turn of each step."""
        for states in itertools.product(STATES, repeat=3):
            self.walk(list(states), saga.next_forward, DONE)
            self.walk(list(states), saga.next_backward, UNDONE)

    def walk(self, states, following, result):
        seen = []
        while (key := following(steps(*states))) is not None:
            self.assertNotIn(key, seen, states)
            seen.append(key)
            states[key - 1] = result
        self.assertEqual(seen, sorted(seen, reverse=result == UNDONE))

    def test_a_saga_is_taken_back_only_when_nothing_is_left_behind(self):
        for states in itertools.product(STATES, repeat=3):
            found = steps(*states)
            left = [step for step in found if step.effective and step.state not in (UNDONE, KEPT, SKIPPED)]
            open_ = {PERSON, UNDOING} & set(states)
            with self.subTest(states):
                self.assertEqual(saga.state_of(found, backward=True) == "undone", not left and not open_)

    def test_verdicts(self):
        self.assertEqual(saga.Undo.undone("x").state, UNDONE)
        self.assertEqual(saga.Undo.kept("x").state, KEPT)
        self.assertEqual((saga.Undo.person("x", "do y").state, saga.Undo.person("x", "do y").hint), (PERSON, "do y"))
