from odoo.tests import BaseCase, tagged

from ..lib.service_level import AT_RISK, BREACHED, MET, NO_DATA, Attainment, worst


@tagged("post_install", "-at_install")
class TestServiceLevel(BaseCase):
    def test_nothing_happened(self):
        self.assertIsNone(Attainment(95, 0, 0).percent)
        self.assertEqual(Attainment(95, 0, 0).state, NO_DATA)

    def test_the_error_budget(self):
        self.assertEqual(Attainment(95, 100, 100).budget_left, 100)
        self.assertEqual(Attainment(95, 98, 100).state, MET)
        self.assertAlmostEqual(Attainment(95, 98, 100).budget_left, 60)
        self.assertEqual(Attainment(95, 96, 100).state, AT_RISK)
        self.assertEqual(Attainment(95, 95, 100).budget_left, 0)
        self.assertEqual(Attainment(95, 95, 100).state, AT_RISK)
        self.assertEqual(Attainment(95, 94, 100).state, BREACHED)
        self.assertLess(Attainment(95, 94, 100).budget_left, 0)

    def test_a_promise_without_exception(self):
        self.assertEqual(Attainment(100, 10, 10).state, MET)
        self.assertEqual(Attainment(100, 9, 10).state, BREACHED)
        self.assertEqual(Attainment(100, 9, 10).budget_left, -100)

    def test_the_worst_one_counts(self):
        self.assertEqual(worst([]), NO_DATA)
        self.assertEqual(worst([Attainment(95, 0, 0), Attainment(95, 1, 1)]), MET)
        self.assertEqual(worst([Attainment(95, 0, 1), Attainment(95, 1, 1)]), BREACHED)
