from odoo.tests import BaseCase

from ..lib.lifecycle import EARNING, STATES, TRANSITIONS, is_final, may_follow


class TestLibLifecycle(BaseCase):
    def test_the_table_is_closed(self):
        self.assertEqual(set(TRANSITIONS), set(STATES))
        for following in TRANSITIONS.values():
            self.assertLessEqual(following, set(STATES))
        self.assertLessEqual(EARNING, set(STATES))

    def test_nothing_revives_a_cancelled_one(self):
        for state in STATES:
            self.assertEqual(may_follow("cancelled", state), state == "cancelled", state)
        self.assertEqual([state for state in STATES if is_final(state)], ["cancelled"])

    def test_everything_can_be_cancelled_and_stay(self):
        for state in STATES:
            self.assertTrue(may_follow(state, "cancelled"))
            self.assertTrue(may_follow(state, state))

    def test_nothing_becomes_a_draft_again(self):
        self.assertFalse(any(may_follow(state, "draft") for state in STATES if state != "draft"))
        self.assertFalse(may_follow("draft", "paused"))

    def test_an_unknown_state_is_no_state(self):
        with self.assertRaises(KeyError):
            may_follow("active", "zombie")
