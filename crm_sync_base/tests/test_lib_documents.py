import json
from datetime import datetime
from decimal import Decimal

from odoo.tests import BaseCase

from ..lib import documents, masking
from ..lib.declarations import Document
from ..lib.documents import ABSENT, EditProblem, Kept
from ..lib.masking import MASK

DATA = {
    "Id": "a1",
    "Name": "Aurora “Foods” \\u0000",
    "Amount": Decimal("1234567890123456789.10"),
    "Count": 3,
    "Active": True,
    "Note": None,
    "a/b~c.d": "odd key",
    "Lines": [{"Price": Decimal("0.10")}, {"Price": Decimal("1E+2")}],
}


class TestDocuments(BaseCase):
    def test_what_is_stored_comes_back_exactly(self):
        kept = Kept(Document("a1", DATA, "00000007"), (("Account", Document("b1", {"x": Decimal("0.10")})),))
        again = documents.load(documents.dump(kept))
        self.assertEqual(again, kept)
        self.assertEqual(str(again.document.data["Amount"]), "1234567890123456789.10")
        self.assertIs(type(again.document.data["Count"]), int)
        self.assertEqual(again.by_key["Account", "b1"].data, {"x": Decimal("0.10")})

    def test_the_text_is_json_for_everybody(self):
        self.assertEqual(json.loads(documents.to_json(DATA))["Lines"][0]["Price"], 0.1)

    def test_what_is_no_json_is_not_kept(self):
        self.assertIsNone(documents.dump(Kept(Document("a1", {"at": datetime(2026, 1, 1)}))))
        self.assertIsNone(documents.dump(Kept(Document("a1", {"x": Decimal("NaN")}))))

    def test_an_edited_version_is_newer_than_what_was_edited_and_older_than_what_follows(self):
        at = datetime(2026, 11, 22, 7, 30)
        for before, after in (("00000009", "00000010"), ("2026-11-22T07:00:00Z", "2026-11-22T07:00:01Z")):
            edited = documents.edited_version(before, at)
            again = documents.edited_version(edited, datetime(2026, 11, 22, 7, 31))
            self.assertLess(before, edited)
            self.assertLess(edited, again)
            self.assertLess(again, after)
        self.assertEqual(documents.edited_version("", at), "")

    def test_leaves_are_found_and_reached_by_their_pointers(self):
        for leaf in documents.leaves(DATA):
            self.assertEqual(documents.at(DATA, leaf.pointer), leaf.value)
        self.assertIs(documents.at(DATA, "/Lines/7/Price"), ABSENT)
        self.assertIs(documents.at(DATA, "/Nowhere/else"), ABSENT)

    def test_values_are_edited_as_what_they_were(self):
        edited = documents.edited(
            DATA, {"/Amount": "5.10", "/Count": "4", "/Active": "false", "/Lines/1/Price": "7",
                   "/a~1b~0c.d": "same key", "/Country/Code": "BE", "/Note": ""}
        )
        self.assertEqual(edited["Amount"], Decimal("5.10"))
        self.assertEqual((edited["Count"], type(edited["Count"])), (4, int))
        self.assertIs(edited["Active"], False)
        self.assertEqual(edited["Lines"][1]["Price"], Decimal(7))
        self.assertEqual(edited["a/b~c.d"], "same key")
        self.assertEqual(edited["Country"], {"Code": "BE"})
        self.assertIsNone(edited["Note"], "what is empty stays as empty as it was")
        self.assertEqual(DATA["Count"], 3, "the original is left alone")

    def test_what_cannot_be_is_refused_with_its_place(self):
        for texts, place in (
            ({"/Amount": "much"}, "Amount"),
            ({"/Active": "perhaps"}, "Active"),
            ({"/Name/First": "A"}, "Name.First"),
            ({"/Lines/9/Price": "1"}, "Lines.9.Price"),
        ):
            with self.subTest(place), self.assertRaisesRegex(EditProblem, place):
                documents.edited(DATA, texts)
        with self.assertRaisesRegex(EditProblem, "line 1"):
            documents.from_json("{'a': 1}")
        with self.assertRaisesRegex(EditProblem, "NaN"):
            documents.from_json('{"a": NaN}')

    def test_differences_are_told_by_place(self):
        after = documents.edited(DATA, {"/Count": "4", "/Country": "BE"})
        self.assertEqual(
            documents.differences(DATA, after), {"Count": [3, 4], "Country": [None, "BE"]}
        )
        self.assertEqual(documents.differences({"a": 1}, {"a": True}), {"a": [1, True]})
        self.assertEqual(documents.differences(DATA, DATA), {})

    def test_secrets_stay_hidden_through_an_edit_and_persons_do_not(self):
        data = {"Email": "a@b.example", "api_key": "sk_1", "nested": {"Password": "x"}}
        veiled = documents.veiled(data)
        self.assertEqual(veiled["Email"], "a@b.example")
        self.assertEqual((veiled["api_key"], veiled["nested"]["Password"]), (MASK, MASK))
        veiled["Email"] = "c@d.example"
        self.assertEqual(
            documents.unveiled(veiled, data),
            {"Email": "c@d.example", "api_key": "sk_1", "nested": {"Password": "x"}},
        )


class TestMasking(BaseCase):
    def test_headers_lose_their_secrets(self):
        shown = masking.mask_headers(
            {
                "authorization": "Bearer abc",
                "stripe-signature": "t=1,v1=abc",
                "x-hubspot-signature-v3": "abc",
                "cookie": "session_id=abc",
                "x-api-key": "abc",
                "content-type": "application/json",
            }
        )
        self.assertNotIn("abc", str(shown))
        self.assertEqual(shown["content-type"], "application/json")

    def test_xml_takes_one_line_for_each_element(self):
        shown = masking.mask_text("<a><b>1</b><Email>x@y.example</Email></a>")
        self.assertEqual(shown.splitlines(), ["<a>", "  <b>1</b>", f"  <Email>{MASK}</Email>", "</a>"])

    def test_hostile_xml_is_shown_as_it_is(self):
        bomb = '<!DOCTYPE a [<!ENTITY b "c"><!ENTITY f SYSTEM "file:///etc/passwd">]><a>&b;&f;</a>'
        self.assertNotIn("root:", masking.mask_text(bomb))
        self.assertEqual(masking.mask_text("<a><b>"), "<a><b>")
