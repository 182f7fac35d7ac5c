import unittest
from decimal import Decimal

from ..lib.prices import PricedLine, breaches, worth


def line(stated, listed):
    return PricedLine("Line", Decimal(stated), Decimal(listed))


class TestLibPrices(unittest.TestCase):
    def test_up_to_the_tolerance_is_fine_both_ways(self):
        for stated in ("95.00", "105.00", "100.00"):
            self.assertFalse(line(stated, "100.00").deviates(Decimal(5)), stated)
        for stated in ("94.99", "105.01"):
            self.assertTrue(line(stated, "100.00").deviates(Decimal(5)), stated)

    def test_without_tolerance_a_cent_counts(self):
        self.assertFalse(line("0.10", "0.10").deviates(Decimal(0)))
        self.assertTrue(line("0.11", "0.10").deviates(Decimal(0)))

    def test_what_has_no_price_in_the_list_has_to_be_approved(self):
        self.assertTrue(line("0.01", "0").deviates(Decimal(50)))
        self.assertFalse(line("0", "0").deviates(Decimal(0)))

    def test_returns_are_compared_by_size(self):
        self.assertFalse(line("-102", "-100").deviates(Decimal(2)))
        self.assertTrue(line("-103", "-100").deviates(Decimal(2)))

    def test_what_it_comes_to(self):
        found = breaches([line("90", "100"), line("120", "100"), line("100", "100")], Decimal(1))
        self.assertEqual((len(found), worth(found)), (2, Decimal(30)))
