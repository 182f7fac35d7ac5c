"""Matching is pure: entries, ratings and verdicts, without a database."""

import unittest

from ..lib import matching
from ..lib.matching import BIND, CREATE, KEY, PARTNER_LADDER, REVIEW, Candidate, Entry, Reason, Rung

KEY_RUNG, TAX, EMAIL, DOMAIN, NAME = PARTNER_LADDER


def company(name="Acme GmbH", **values):
    facts = {key: values.pop(key) for key in ("country", "country_code", "archived") if key in values}
    return Entry({"name": name, **values}, role="company", **facts)


def person(name="Ann Archer", parent=None, **values):
    return Entry({"name": name, **values}, role="person", parent=parent)


def score(rung, one, other):
    found = matching.rate(PARTNER_LADDER, rung, one, other)
    return found.score if found else 0


def codes(rung, one, other):
    found = matching.rate(PARTNER_LADDER, rung, one, other)
    return {reason.code for reason in found.reasons} if found else set()


class TestNormalForms(unittest.TestCase):
    def test_names_lose_what_says_nothing_of_who_it_is(self):
        same = ("Müller & Söhne GmbH", "MULLER AND SOHNE G.m.b.H.", "  Muller   Sohne ")
        self.assertEqual({matching.name(text).core for text in same}, {"muller sohne"})
        self.assertEqual(matching.name("Acme S.A.").forms, matching.name("ACME SA").forms)
        self.assertEqual(matching.name("The Company").words, ("the", "company"), "something is left")
        self.assertEqual(matching.name("ДОМ ООО").core, "дом ооо")

    def test_tax_numbers_with_and_without_their_country(self):
        self.assertEqual(set(matching.tax_ids("DE 136 695 976", "DE")), {"DE136695976", "136695976"})
        self.assertEqual(set(matching.tax_ids("136.695.976", "de")), {"DE136695976", "136695976"})
        self.assertEqual(matching.tax_ids("/"), ())
        self.assertEqual(matching.tax_ids("FR23334175221"), ("FR23334175221",))

    def test_addresses_and_domains(self):
        self.assertEqual(matching.email('"Ann" <Ann@X.Example>'), "ann@x.example")
        self.assertEqual(matching.email("two@x.example, three@x.example"), "")
        for text in ("https://www.x.example/a?b", "x.example", "Ann@X.example", "http://x.example:80"):
            self.assertEqual(matching.domain(text), "x.example")
        self.assertEqual(matching.domain("someone@gmail.com"), "")
        self.assertEqual(matching.domain("localhost"), "")


class TestSimilarity(unittest.TestCase):
    def test_typos_and_order_are_forgiven(self):
        for one, other in (
            ("Aurora Foods Inc", "Aurora Food Inc."),
            ("Brandt Logistik GmbH", "Logistik Brandt"),
            ("Société Générale", "Societe Generale SA"),
            ("Sun Flower Ltd", "Sunflower Limited"),
        ):
            self.assertGreaterEqual(matching.similarity(one, other), 90, (one, other))

    def test_numbers_must_be_equal(self):
        self.assertLess(matching.similarity("Plant 1", "Plant 2"), 80)
        self.assertLess(matching.similarity("Bulk 1-000123 Ltd", "Bulk 1-000124 Ltd"), 80)

    def test_others_are_others(self):
        for one, other in (("Acme", "Apex"), ("Northwind Traders", "Southwind Bakery"), ("", "Acme")):
            self.assertLess(matching.similarity(one, other), 80, (one, other))

    def test_a_part_of_a_name_is_for_a_person(self):
        self.assertIn(matching.similarity("Acme", "Acme Holding Germany"), range(89))


class TestRungs(unittest.TestCase):
    def test_a_tax_number_is_enough_unless_the_name_is_another(self):
        self.assertEqual(score(TAX, company(vat="DE136695976"), company("Acme", vat="de 136695976")), 100)
        found = matching.rate(
            PARTNER_LADDER, TAX, company("Zebra Toys", vat="DE136695976"), company("Acme", vat="DE136695976")
        )
        self.assertFalse(found.is_sure)
        self.assertIn("name_differs", {reason.code for reason in found.reasons})

    def test_another_tax_number_forbids_to_bind(self):
        one = company(vat="DE136695976", zip="20095")
        other = company(vat="DE811115368", zip="20095")
        found = matching.rate(PARTNER_LADDER, NAME, one, other)
        self.assertFalse(found.is_sure)
        self.assertIn("tax_differs", {reason.code for reason in found.reasons})

    def test_a_contacts_tax_number_is_its_companys(self):
        ann = person(parent=7, vat="DE136695976")
        self.assertEqual(score(TAX, ann, company(vat="DE136695976")), 0)

    def test_an_email_of_the_same_person_in_the_same_company(self):
        ann = person(parent=7, email="ann@x.example")
        self.assertEqual(score(EMAIL, ann, person(parent=7, email="Ann@x.example")), 100)
        self.assertIn("parent_differs", codes(EMAIL, ann, person(parent=8, email="ann@x.example")))
        self.assertIn("name_differs", codes(EMAIL, ann, person("Bo Li", parent=7, email="ann@x.example")))
        shared = person(parent=7, email="info@x.example")
        self.assertIn("shared_mailbox", codes(EMAIL, shared, shared))
        for other in (person(parent=8, email="ann@x.example"), person("Bo Li", parent=7, email="ann@x.example")):
            self.assertLess(score(EMAIL, ann, other), EMAIL.bind)

    def test_a_domain_needs_a_name(self):
        one = company("Acme GmbH", website="https://acme.example")
        self.assertGreaterEqual(score(DOMAIN, one, company("ACME", website="www.acme.example")), DOMAIN.bind)
        self.assertGreaterEqual(score(DOMAIN, one, company("Acme", email="hi@acme.example")), DOMAIN.bind)
        self.assertEqual(score(DOMAIN, one, company("Zebra Toys", website="acme.example")), 0)
        self.assertEqual(score(DOMAIN, person(website="acme.example"), person(website="acme.example")), 0)

    def test_a_name_needs_its_postcode(self):
        one = company("Aurora Foods Inc", zip="LS1 1UR")
        self.assertEqual(score(NAME, one, company("Aurora Foods", zip="ls11ur")), 100)
        self.assertEqual(score(NAME, one, company("Aurora Foods", zip="20095")), 0)
        self.assertLess(score(NAME, one, company("Aurora Foods")), NAME.bind)
        self.assertIn("area_unknown", codes(NAME, one, company("Aurora Foods")))
        self.assertIn("form_differs", codes(NAME, one, company("Aurora Foods GmbH", zip="LS11UR")))
        typo = score(NAME, one, company("Aurora Fods", zip="LS1 1UR"))
        self.assertIn(typo, range(NAME.review, 101))

    def test_contacts_of_one_company_need_no_postcode(self):
        ann = person(parent=7)
        self.assertEqual(score(NAME, ann, person(parent=7)), 100)
        self.assertLess(score(NAME, ann, person(parent=8)), NAME.bind)

    def test_countries_and_archived_records_are_for_a_person(self):
        one = company(zip="1000", country=1)
        self.assertIn("country_differs", codes(NAME, one, company(zip="1000", country=2)))
        self.assertIn("archived", codes(NAME, one, company(zip="1000", country=1, archived=True)))
        self.assertLess(score(NAME, one, company(zip="1000", archived=True)), NAME.bind)

    def test_an_address_is_not_whom_it_belongs_to(self):
        address = Entry({"name": "Acme"}, role="address:delivery", parent=7)
        self.assertEqual(score(KEY_RUNG, address, company("Acme")), 0)


class TestVerdicts(unittest.TestCase):
    def candidate(self, key, score_, taken="", rung=NAME):
        return Candidate(key, score_, (Reason(rung.kind, score_),), rung, taken)

    def test_one_sure_candidate_is_bound(self):
        verdict = matching.weigh([self.candidate(1, 99), self.candidate(2, 85)])
        self.assertEqual((verdict.action, verdict.best.key), (BIND, 1))

    def test_two_sure_ones_are_for_a_person(self):
        verdict = matching.weigh([self.candidate(1, 99), self.candidate(2, 97)])
        self.assertEqual((verdict.action, [one.key for one in verdict.candidates]), (REVIEW, [1, 2]))

    def test_a_duplicate_at_the_source_is_for_a_person(self):
        self.assertEqual(matching.weigh([self.candidate(1, 100, taken="001")]).action, REVIEW)

    def test_no_sure_one_goes_on_climbing(self):
        found = [self.candidate(1, 85)]
        self.assertIsNone(matching.weigh(found))
        self.assertEqual(matching.conclude(found).action, REVIEW)

    def test_what_is_bound_and_only_alike_is_another_one(self):
        self.assertEqual(matching.conclude([self.candidate(1, 85, taken="001")]).action, CREATE)
        self.assertEqual(matching.conclude([]).action, CREATE)

    def test_each_candidate_counts_once(self):
        found = matching.best_first([self.candidate(1, 85), self.candidate(1, 90), self.candidate(2, 90)])
        self.assertEqual([(one.key, one.score) for one in found], [(1, 90), (2, 90)])


class TestIdentities(unittest.TestCase):
    def share(self, one, other):
        return bool(set(matching.identities(PARTNER_LADDER, one)) & set(matching.identities(PARTNER_LADDER, other)))

    def test_whoever_would_be_bound_shares_one(self):
        self.assertTrue(self.share(company(vat="DE136695976", country_code="DE"),
                                   company("Other", vat="136695976", country_code="DE")))
        self.assertTrue(self.share(company(zip="1000"), company("ACME", zip="10 00")))
        self.assertTrue(self.share(company(website="acme.example"), company(email="x@acme.example")))
        self.assertTrue(self.share(person(parent=7, email="a@x.example"), person(parent=7, email="A@x.example")))

    def test_others_do_not(self):
        self.assertFalse(self.share(company(zip="1000"), company(zip="2000")))
        self.assertFalse(self.share(company("Acme"), company("Acme")), "a name alone is nobody's")
        self.assertFalse(self.share(person(email="info@x.example"), person("Bo", email="info@x.example")))
        self.assertFalse(self.share(company("Plant 1", zip="1"), company("Plant 2", zip="1")))


class TestRung(unittest.TestCase):
    def test_thresholds_decide_what_is_sure(self):
        strict = Rung(matching.NAME, "name", "zip", bind=101, review=70)
        found = matching.rate((strict,), strict, company(zip="1000"), company(zip="1000"))
        self.assertEqual((found.score, found.is_sure), (100, False))
        self.assertEqual(found.rung.kind, matching.NAME)
        self.assertEqual(KEY, "key")
