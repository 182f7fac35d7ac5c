import json

from hypothesis import given, settings
from hypothesis import strategies as st
from odoo.tests import BaseCase, tagged

from ..lib import package
from ..lib.package import CREATE, UPDATE, PackageError, differences

KEY = package.new_key()
CONTENT = {"records": [{"kind": "flow", "name": "Accounts", "values": {"priority": 20}}]}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@tagged("post_install", "-at_install")
class TestSeal(BaseCase):
    def refused(self, text, why):
        with self.assertRaisesRegex(PackageError, why):
            package.open_sealed(text)

    def test_it_opens_what_was_sealed(self):
        opened = package.open_sealed(package.seal(CONTENT, KEY))
        self.assertEqual(opened.content, CONTENT)
        self.assertEqual(opened.public_key, package.public_key(KEY))

    @settings(max_examples=60, deadline=None)
    @given(JSON)
    def test_any_content_comes_back_whole(self, value):
        content = {"records": [], "extra": value}
        self.assertEqual(package.open_sealed(package.seal(content, KEY)).content, content)

    @settings(max_examples=120, deadline=None)
    @given(st.data())
    def test_no_byte_can_be_changed(self, data):
        text = package.seal(CONTENT, KEY)
        place = data.draw(st.integers(0, len(text) - 1))
        letter = data.draw(st.characters(min_codepoint=32, max_codepoint=126))
        altered = text[:place] + letter + text[place + 1 :]
        try:
            opened = package.open_sealed(altered)
        except PackageError:
            return
        # Only what JSON does not care about can be another byte.
        self.assertEqual(opened.content, CONTENT)

    def test_another_one_s_signature_on_altered_content(self):
        sealed = json.loads(package.seal(CONTENT, KEY))
        sealed["content"]["records"][0]["values"]["priority"] = 1
        self.refused(json.dumps(sealed), "altered")
        body = {name: sealed[name] for name in ("format", "version", "content")}
        sealed["checksum"] = package.digest(body)
        self.refused(json.dumps(sealed), "signature does not match")

    def test_a_checksum_alone_is_looked_at_too(self):
        sealed = json.loads(package.seal(CONTENT, KEY))
        sealed["checksum"] = "0" * 64
        self.refused(json.dumps(sealed), "checksum")

    def test_what_is_no_package(self):
        self.refused("[]", "not a configuration package")
        self.refused("nonsense", "damaged")
        self.refused("[" * 100_000, "damaged")
        self.refused(package.seal({"no": "records"}, KEY), "damaged")
        later = json.loads(package.seal(CONTENT, KEY))
        later["version"] = 2
        self.refused(json.dumps(later), "version 2")

    def test_keys_are_compared_in_short(self):
        public = package.public_key(KEY)
        self.assertRegex(package.fingerprint(public), r"^([0-9a-f]{4} ){5}[0-9a-f]{4}$")
        self.assertNotEqual(package.fingerprint(public), package.fingerprint(package.public_key(package.new_key())))


@tagged("post_install", "-at_install")
class TestDifferences(BaseCase):
    def rows(self, after, before):
        record = {"kind": "flow", "name": "Accounts", "values": after}
        return [(row.operation, row.path, row.before, row.after) for row in differences(record, before)]

    def test_equal_is_nothing(self):
        values = {"priority": 20, "rules": [{"label": "Name", "path": "Name"}]}
        self.assertEqual(self.rows(values, json.loads(json.dumps(values))), [])

    def test_the_order_of_fields_does_not_depend_on_where_they_were_stored(self):
        """A database keeps objects in an order of its own; the same plan must have the same digest."""
        after, before = {"b": 1, "aa": 2, "steps": [{"label": "x", "bb": 1, "a": 2}]}, {"aa": 1, "b": 2}
        turned = {"steps": [{"a": 2, "label": "x", "bb": 1}], "aa": 2, "b": 1}
        self.assertEqual(self.rows(after, before), self.rows(turned, dict(reversed(before.items()))))

    def test_a_new_record_is_told_without_its_empty_parts(self):
        self.assertEqual(
            self.rows({"priority": 20, "note": False, "active": True}, None),
            [(CREATE, "active", "", "yes"), (CREATE, "priority", "", "20")],
        )

    def test_rows_are_compared_by_what_they_are_called(self):
        before = {"rules": [{"label": "Name", "policy": "always"}, {"label": "City", "policy": "always"}]}
        after = {"rules": [{"label": "Name", "policy": "fill_empty"}, {"label": "Phone", "policy": "always"}]}
        self.assertEqual(
            self.rows(after, before),
            [
                (UPDATE, "rules › Name › policy", "always", "fill_empty"),
                (UPDATE, "rules › Phone", "", "policy: always"),
                (UPDATE, "rules › City", "policy: always", ""),
            ],
        )

    def test_rows_with_one_name_are_told_apart(self):
        before = {"rules": [{"label": "Tax", "path": "a"}, {"label": "Tax", "path": "b"}]}
        after = {"rules": [{"label": "Tax", "path": "a"}, {"label": "Tax", "path": "c"}]}
        self.assertEqual(self.rows(after, before), [(UPDATE, "rules › Tax (2) › path", "b", "c")])

    def test_a_reference_is_one_value(self):
        tax = {"model": "account.tax", "name": "15%"}
        other = {"model": "account.tax", "name": "20%", "xmlid": "account.x"}
        self.assertEqual(self.rows({"tax": other}, {"tax": tax}), [(UPDATE, "tax", "15%", "20%")])
