from datetime import date, datetime
from decimal import Decimal

from odoo.tests import BaseCase

from ..lib.transforms import (
    INBOUND,
    OUTBOUND,
    TRANSFORMS,
    Context,
    Lookup,
    Money,
    Reference,
    TransformProblem,
    named_paths,
    problem_of,
)
from ..lib.transforms_money import Currency, settle
from ..lib.transforms_text import items_of


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

    # === The catalogue ===#

    def test_each_transform_does_what_its_example_says(self):
        for transform in TRANSFORMS.values():
            if transform.example:
                raw, argument, result = transform.example
                with self.subTest(transform.code):
                    self.assertEqual(inbound(transform.code, raw, argument=argument), result)
                    self.assertEqual(problem_of(transform.code, argument, "inbound"), "")

    def test_what_is_called_reversible_is(self):
        """What came in goes out and comes in again as the same value."""
        for transform in TRANSFORMS.values():
            if not (transform.reversible and transform.example):
                continue
            _raw, argument, result = transform.example
            if isinstance(result, (Reference, Lookup)):
                continue  # records are rendered by the handler, see `test_transforms`
            with self.subTest(transform.code):
                stored = result.amount if isinstance(result, Money) else result
                if isinstance(result, Money) and result.minor:
                    stored = stored.scaleb(-2)
                out = OUTBOUND[transform.code](stored, Context(argument, label="Field", digits=2))
                self.assertEqual(inbound(transform.code, out, argument=argument), result)

    def test_nothing_says_nothing(self):
        """An empty value is empty on the other side, too, whatever the transform."""
        for code in INBOUND.keys() - {"constant", "template", "expression", "boolean", "state"}:
            argument = (TRANSFORMS[code].example or ("", "", ""))[1]
            with self.subTest(code):
                self.assertIn(inbound(code, None, argument=argument), (None, ""))
                self.assertIn(inbound(code, "", argument=argument), (None, ""))

    def test_every_transform_describes_itself(self):
        for transform in TRANSFORMS.values():
            with self.subTest(transform.code):
                self.assertTrue(transform.label and transform.help)
                self.assertTrue(transform.argument or not transform.needs_argument)
                self.assertFalse(transform.reversible and not (transform.inbound and transform.outbound))

    def test_rules_that_cannot_work_are_told(self):
        for code, argument, direction, words in (
            ("template", "{A}", "both", "one direction only"),
            ("text", "", "outbound", "into Odoo only"),
            ("template", "", "inbound", "needs an argument"),
            ("template", "{A", "inbound", "no counterpart"),
            ("template", "Hello", "inbound", "names no field"),
            ("expression", "1 +", "inbound", "cannot be read"),
            ("text", "shout", "inbound", "is not one of"),
            ("date", "Mars/Base", "inbound", "not a time zone"),
            ("date", "../../etc/passwd", "inbound", "not a time zone"),
            ("date_text", "%Y", "inbound", "does not spell a day"),
            ("scale", "0", "inbound", "not a factor"),
        ):
            with self.subTest(code=code, argument=argument):
                self.assertIn(words, problem_of(code, argument, direction))

    def test_arguments_name_what_must_be_read_too(self):
        self.assertEqual(named_paths("template", "{A.b}[ {c}]{A.b}"), ("A.b", "c"))
        self.assertEqual(named_paths("expression", 'field("A") + 1'), ("A",))
        self.assertEqual(named_paths("phone", "Country"), ("Country",))
        self.assertEqual(named_paths("phone", "=BE"), ())
        self.assertEqual(named_paths("constant", "Country"), ())

    # === Texts ===#

    def test_texts_are_cleaned(self):
        self.assertEqual(inbound("text", "  a \x00 b\u200b\n c "), "a b c")
        self.assertEqual(inbound("text", "Café Ümlaut", argument="plain upper first:6"), "CAFE U")
        self.assertEqual(inbound("text", "<p>a &amp; b<br>c</p><script>x()</script>", argument="nohtml"), "a & b\nc")
        self.assertIsNone(inbound("text", " \u200b "))
        self.assertEqual(inbound("text", "e\u0301"), "é", "one character has one spelling")

    def test_addresses_that_are_none_are_refused(self):
        for code, bad in (("email", "ann at example"), ("email", "a@b"), ("email", "a@x.com; b@x.com"),
                          ("url", "javascript:alert(1)"), ("url", "no spaces.com"), ("url", "http://")):
            with self.subTest(bad), self.assertRaises(TransformProblem):
                inbound(code, bad)
        self.assertEqual(inbound("email", "mailto:Ann@X.example"), "ann@x.example")
        self.assertEqual(inbound("url", "HTTP://Shop.Example.com/a?b=1"), "http://shop.example.com/a?b=1")

    def test_phones_know_their_country(self):
        document = {"Country": "Germany"}
        self.assertEqual(
            inbound("phone", "030 901820", argument="Country", document=document), "+49 30 901820"
        )
        self.assertEqual(inbound("phone", "+32-2-290.34.90"), "+32 2 290 34 90")
        self.assertEqual(OUTBOUND["phone"]("+32 2 290 34 90", Context()), "+3222903490")
        self.assertIn("ext. 7", OUTBOUND["phone"](inbound("phone", "+32 2 290 34 90 ext 7"), Context()))
        for bad, argument in (("030 901820", ""), ("call me", "=DE"), ("1", "=DE"), ("030 901820", "=Narnia")):
            with self.subTest(bad), self.assertRaises(TransformProblem):
                inbound("phone", bad, argument=argument)

    def test_templates_leave_out_what_is_empty(self):
        document = {"Name": "Acme", "Industry": "", "Owner": {"Name": "Ann"}, "Count": 3}
        for argument, expected in (
            ("{Name}[ ({Industry})]", "Acme"),
            ("{Name}[ ({Owner.Name})]", "Acme (Ann)"),
            ("{Industry|none}: {Name}", "none: Acme"),
            ("{{{Name}}} {Count}", "{Acme} 3"),
            ("{Industry} {Missing}", None),
            ("[{Industry} only]", None),
        ):
            with self.subTest(argument):
                self.assertEqual(inbound("template", None, argument=argument, document=document), expected)

    def test_templates_do_not_fill_in_what_values_say(self):
        document = {"A": "{B} [x]", "B": "secret"}
        self.assertEqual(inbound("template", None, argument="{A}", document=document), "{B} [x]")

    # === Lists ===#

    def test_lists(self):
        self.assertEqual(items_of("a; b;;a", ";"), ["a", "b"])
        self.assertEqual(items_of(["a", None, "b"], ""), ["a", "b"])
        self.assertEqual(items_of(0, ";"), [0])
        with self.assertRaisesRegex(TransformProblem, "holds the separator"):
            inbound("join", ["a;b", "c"])

    # === Money ===#

    def test_money_is_exact_or_refused(self):
        known = {"EUR": Currency("EUR", 2), "JPY": Currency("JPY", 0), "KWD": Currency("KWD", 3)}
        for given, record, expected in (
            (Money(Decimal("19.99"), "EUR"), "EUR", Decimal("19.99")),
            (Money(Decimal("19.990"), "EUR"), "EUR", Decimal("19.99")),
            (Money(Decimal(1999), "EUR", minor=True), "EUR", Decimal("19.99")),
            (Money(Decimal(1999), "JPY", minor=True), "JPY", Decimal(1999)),
            (Money(Decimal(1999), "KWD", minor=True), None, Decimal("1.999")),
        ):
            self.assertEqual(settle(given, known.get(record), known, "Amount"), expected)
        for given, record, words in (
            (Money(Decimal("19.999"), "EUR"), "EUR", "more than 2 decimals"),
            (Money(Decimal("0.5"), "JPY"), "JPY", "more than 0 decimals"),
            (Money(Decimal("0.5"), "EUR", minor=True), "EUR", "more than 2 decimals"),
            (Money(Decimal(1), "EUR"), "JPY", "kept in JPY"),
            (Money(Decimal(1), "XXX"), "EUR", "no currency"),
        ):
            with self.subTest(words), self.assertRaisesRegex(TransformProblem, words):
                settle(given, known[record], known, "Amount")

    def test_money_goes_out_with_its_digits(self):
        self.assertEqual(OUTBOUND["money"](1234.5, Context(digits=2)), "1234.50")
        self.assertEqual(OUTBOUND["money"](0.1 + 0.2, Context(digits=2)), "0.30")
        self.assertEqual(OUTBOUND["money_minor"](1234.5, Context(digits=2)), 123450)
        self.assertEqual(OUTBOUND["money_minor"](1234.0, Context(digits=0)), 1234)
        with self.assertRaises(TransformProblem):
            OUTBOUND["money_minor"](1.0, Context())

    def test_amounts_that_are_none(self):
        for bad in ("ten", "NaN", "1e99", "1,5"):
            with self.subTest(bad), self.assertRaises(TransformProblem):
                inbound("money", bad, argument="=EUR")
        with self.assertRaisesRegex(TransformProblem, "currency is empty"):
            inbound("money", "1", argument="Currency", document={"Currency": None})

    # === Time zones ===#

    def test_moments_without_an_offset_are_of_a_place(self):
        zone, moment = "America/New_York", datetime(2026, 1, 1, 15)
        self.assertEqual(inbound("datetime", "2026-01-01T10:00:00", argument=zone), moment)
        self.assertEqual(OUTBOUND["datetime"](moment, Context(zone)), "2026-01-01T10:00:00-05:00")
        self.assertEqual(inbound("datetime", "2026-01-01T10:00:00"), datetime(2026, 1, 1, 10))
