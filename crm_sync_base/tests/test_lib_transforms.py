from datetime import date, datetime
from decimal import Decimal

from odoo.tests import BaseCase

from ..lib.transforms import INBOUND, OUTBOUND, Context, Lookup, Reference, TransformProblem


def inbound(name, value, **context):
    return INBOUND[name](value, Context(label="Field", **context))


class TestTransforms(BaseCase):
    def test_numbers_are_exact(self):
        self.assertEqual(inbound("number", 0.1), Decimal("0.1"))
        self.assertEqual(inbound("number", "19.990"), Decimal("19.990"))
        self.assertIsNone(inbound("number", ""))
        for bad in ("ten", "NaN", "Infinity", "1,5"):
            with self.assertRaises(TransformProblem):
                inbound("number", bad)

    def test_whole_numbers_refuse_fractions(self):
        self.assertEqual(inbound("integer", "3.0"), 3)
        with self.assertRaises(TransformProblem):
            inbound("integer", "3.5")

    def test_moments_of_every_vendor(self):
        expected = datetime(2026, 5, 6, 11, 56, 44)
        for text in (
            "2026-05-06T11:56:44.000+0000",
            "2026-05-06T11:56:44Z",
            "2026-05-06T13:56:44+02:00",
            1778068604,
            "1778068604000",
        ):
            self.assertEqual(inbound("datetime", text), expected)
        with self.assertRaises(TransformProblem):
            inbound("datetime", "yesterday")

    def test_a_day_is_a_day_in_its_own_time_zone(self):
        self.assertEqual(inbound("date", "2026-12-31"), date(2026, 12, 31))
        late = "2026-12-31T23:30:00Z"
        self.assertEqual(inbound("date", late), date(2026, 12, 31))
        self.assertEqual(inbound("date", late, argument="Europe/Brussels"), date(2027, 1, 1))

    def test_booleans_do_not_guess(self):
        self.assertIs(inbound("boolean", "true"), True)
        self.assertIs(inbound("boolean", None), False)
        with self.assertRaises(TransformProblem):
            inbound("boolean", "perhaps")

    def test_an_unmapped_value_is_a_missing_mapping(self):
        with self.assertRaises(TransformProblem) as caught:
            inbound("value_map", "Net 45", value_map={"Net 30": 7})
        self.assertEqual(caught.exception.code, "mapping_missing")
        self.assertEqual(inbound("value_map", "Net 30", value_map={"Net 30": 7}), 7)

    def test_links_are_left_to_the_batch(self):
        self.assertEqual(inbound("reference", "001", argument="Account"), Reference("Account", "001"))
        self.assertEqual(inbound("lookup", "US", argument="code"), Lookup("code", "US"))

    def test_a_state_needs_its_country(self):
        document = {"Address": {"Country": "United States"}}
        found = inbound("state", "CA", argument="Address.Country", document=document)
        self.assertEqual(found.scope, (("country_id.code", "=", "US"),))
        with self.assertRaises(TransformProblem):
            inbound("state", "CA", argument="Address.Nothing", document=document)

    def test_countries_by_code_or_name(self):
        for text in ("GB", "gbr", "United Kingdom"):
            self.assertEqual(inbound("country", text), Lookup("code", "GB"))
        with self.assertRaises(TransformProblem):
            inbound("country", "Atlantis")

    def test_outbound_money_stays_exact(self):
        self.assertEqual(OUTBOUND["direct"](Decimal("10.10"), Context()), "10.10")
        self.assertEqual(OUTBOUND["number"](Decimal(10), Context()), "10")
        self.assertEqual(OUTBOUND["number"](1234.5, Context()), "1234.5")
        self.assertEqual(OUTBOUND["number"](False, Context()), "0")

    def test_a_value_map_reads_both_ways(self):
        context = Context(label="Terms", value_map={"Net 30": 7})
        self.assertEqual(OUTBOUND["value_map"](7, context), "Net 30")
        with self.assertRaises(TransformProblem):
            OUTBOUND["value_map"](8, context)
