from datetime import timedelta

from odoo.exceptions import ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger
from psycopg2 import IntegrityError

from ..lib import clock
from .common import SyncCase

NAME = {"path": "Name", "field": "name", "label": "Name"}
PHONE = {"path": "Phone", "field": "phone", "label": "Phone"}


@tagged("post_install", "-at_install")
class TestOwnership(SyncCase):
    """Each rule holds when a document arrives for a record that is there."""

    def arrive(self, version=None, **data):
        """Let the source say something and process it; return the partner."""
        self.remote.put("Account", "a1", **{"Name": "Alpha", **data})
        if version:
            self.remote.records["Account"]["a1"]["version"] = version
        self.notify("Account", "a1")
        self.run_lane()
        binding = self.env["sync.binding"].search(
            [("connection_id", "=", self.connection.id), ("external_id", "=", "a1")]
        )
        return binding._record()

    def summary(self):
        return self.env["sync.job"].search([("external_id", "=", "a1")], limit=1).summary

    def test_odoo_keeps_what_it_owns(self):
        self.make_flow([NAME, {**PHONE, "owner": "odoo"}])
        partner = self.arrive(Phone="1")
        self.assertEqual(partner.phone, "1", "a new record takes every value")
        self.arrive(Phone="2")
        self.assertEqual(partner.phone, "1")
        self.assertIn("Phone (Odoo is its system of record)", self.summary())

    def test_a_shared_field_follows_the_side_that_changed_it(self):
        self.make_flow([NAME, {**PHONE, "owner": "shared", "conflict": "fill_empty"}])
        partner = self.arrive(Phone="1")
        self.arrive(Phone="2")
        self.assertEqual(partner.phone, "2")
        partner.phone = "9"
        self.arrive(Phone="2", Name="Beta")
        self.assertEqual((partner.phone, partner.name), ("9", "Beta"), "only Odoo changed it")
        self.arrive(Phone="3")
        self.assertEqual(partner.phone, "9", "both changed it, and it is filled")

    def test_the_newest_wins(self):
        self.make_flow([NAME, {**PHONE, "owner": "shared", "conflict": "newest"}])
        now = clock.now()
        hour = timedelta(hours=1)
        partner = self.arrive(version=(now - 2 * hour).isoformat() + "Z", Phone="1")
        partner.phone = "9"
        self.arrive(version=(now - hour).isoformat() + "Z", Phone="2")
        self.assertEqual(partner.phone, "9")
        self.assertIn("Phone (newer in Odoo)", self.summary())
        # Another field changes there later: this one says nothing new, so it is left alone.
        self.arrive(version=(now + hour).isoformat() + "Z", Phone="2", Name="Beta")
        self.assertEqual((partner.phone, partner.name), ("9", "Beta"))
        self.arrive(version=(now + 2 * hour).isoformat() + "Z", Phone="3")
        self.assertEqual(partner.phone, "3")

    def test_a_protected_field_is_written_until_its_condition_holds(self):
        rule = {**PHONE, "policy": "protected", "protected_domain": "[('is_company', '=', True)]"}
        self.make_flow([NAME, rule])
        partner = self.arrive(Phone="1")
        self.arrive(Phone="2")
        self.assertEqual(partner.phone, "2")
        partner.is_company = True
        self.arrive(Phone="3", Name="Beta")
        self.assertEqual((partner.phone, partner.name), ("2", "Beta"))
        self.assertIn("Phone (protected)", self.summary())

    def test_lines_obey_their_rules(self):
        lines = {
            "path": "Contacts", "field": "child_ids", "transform": "lines", "argument": "Id",
            "child_object": "Contact", "label": "Contact",
            "children": [
                {**NAME, "policy": "create_only"},
                {**PHONE, "policy": "protected", "protected_domain": "[('active', '=', True)]"},
                {"path": "Email", "field": "email", "policy": "fill_empty", "label": "E-mail"},
                {"path": "Job", "field": "function", "owner": "odoo", "label": "Job"},
                {"path": "City", "field": "city", "label": "City"},
            ],
        }
        self.make_flow([NAME, lines])
        first = {"Id": "c1", "Name": "Ann", "Phone": "1", "Email": "", "Job": "CFO", "City": "Bonn"}
        ann = self.arrive(Contacts=[first]).child_ids
        self.assertEqual((ann.name, ann.phone, ann.function), ("Ann", "1", "CFO"))
        second = {"Id": "c1", "Name": "Anna", "Phone": "2", "Email": "a@x.example", "Job": "CEO", "City": "Kiel"}
        self.arrive(Contacts=[second])
        self.arrive(Contacts=[{**second, "Email": "b@x.example"}])
        self.assertEqual(
            (ann.name, ann.phone, ann.email, ann.function, ann.city),
            ("Ann", "1", "a@x.example", "CFO", "Kiel"),
        )

    def test_rules_that_make_no_sense_are_refused(self):
        for rule in (
            {"policy": "protected", "protected_domain": "[('no_such_field', '=', 1)]"},
            {"policy": "protected", "protected_domain": "__import__('os')"},
        ):
            with self.subTest(rule), self.assertRaises(ValidationError):
                self.make_flow([NAME, {**PHONE, **rule}])
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.cr.savepoint():
            self.make_flow([NAME, {**PHONE, "owner": "shared"}])

    def test_rules_cost_no_queries_for_each_record(self):
        city = {"path": "City", "field": "city", "label": "City"}
        plain = self.growth("p", [NAME, PHONE, city])
        ruled = self.growth("r", [
            NAME, {**PHONE, "owner": "shared", "conflict": "newest"},
            {**city, "policy": "protected", "protected_domain": "[('is_company', '=', True)]"},
        ])
        self.assertLessEqual(ruled, plain)

    def growth(self, prefix, rules):
        """Return how many queries ninety more changed records cost."""
        name = f"{prefix}Account"
        self.make_flow(rules, batch_size=200, remote_object=name)
        counts = []
        for size in (3, 10, 100):  # the first warms up what is read once in a process
            ids = [f"{prefix}{size}-{number}" for number in range(size)]
            for phone in ("1", "2"):
                for external_id in ids:
                    self.remote.put(name, external_id, Name=external_id, Phone=phone, City=phone)
                self.notify(name, *ids)
                self.env.invalidate_all()
                before = self.cr.sql_log_count
                self.run_lane()
            counts.append(self.cr.sql_log_count - before)
        return counts[2] - counts[1]
