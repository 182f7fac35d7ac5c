from odoo.tests import BaseCase, tagged

from ..lib.progress import progress


@tagged("post_install", "-at_install")
class TestProgress(BaseCase):
    def test_half_way(self):
        state = progress(1000, 500, 100, 10, complete=True)
        self.assertEqual((state.percent, state.rate, state.seconds_left), (50.0, 10.0, 50.0))

    def test_nobody_knows_while_more_may_turn_up(self):
        self.assertIsNone(progress(1000, 500, 100, 10, complete=False).seconds_left)

    def test_nothing_has_happened_yet(self):
        state = progress(0, 0, 0, 0, complete=True)
        self.assertEqual((state.percent, state.rate, state.seconds_left), (0.0, 0.0, None))

    def test_more_than_all_is_all(self):
        self.assertEqual(progress(10, 12, 12, 1, complete=True).percent, 100.0)

    def test_standing_still(self):
        self.assertIsNone(progress(10, 5, 0, 60, complete=True).seconds_left)
