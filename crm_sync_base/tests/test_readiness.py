from odoo.exceptions import ValidationError
from odoo.tests import BaseCase, tagged

from ..lib.readiness import CONDITION, PRESENT, Check, missing
from ..lib.scope import parse_scope
from .common import SyncCase

RULES = [
    {"path": "Name", "field": "name", "required": True, "label": "Name"},
    {"path": "VAT", "field": "ref", "is_key": True, "label": "Tax number"},
    {"path": "Parent", "field": "parent_id", "transform": "lookup", "argument": "ref", "label": "Parent"},
]


@tagged("post_install", "-at_install")
class TestLibReadiness(BaseCase):
    def test_all_that_is_missing_is_said(self):
        checks = (
            Check("no contract", PRESENT, path="Contract.Id"),
            Check("too small", CONDITION, conditions=parse_scope("[('Amount', '>=', 100)]")),
            Check("has a name", PRESENT, path="Name"),
        )
        self.assertEqual(missing(checks, {"Name": "x", "Amount": 5}, exists=False), ["no contract", "too small"])
        self.assertEqual(missing(checks, {"Name": "x", "Amount": "many"}, exists=False), ["no contract", "too small"])
        self.assertEqual(missing(checks, {"Name": " ", "Contract": {"Id": 0}, "Amount": 100}, False), ["has a name"])

    def test_updates_are_asked_only_where_it_says_so(self):
        checks = Check("a", PRESENT, path="A"), Check("b", PRESENT, path="B", always=True)
        self.assertEqual(missing(checks, {}, exists=True), ["b"])


@tagged("post_install", "-at_install")
class TestReadiness(SyncCase):
    def setUp(self):
        super().setUp()
        self.flow = self.make_flow(RULES)
        self.parent = self.env["res.partner"].create({"name": "Group", "ref": "grp", "city": "Vienna"})

    def rule(self, name, **values):
        return self.env["sync.readiness.rule"].create({"flow_id": self.flow.id, "name": name, **values})

    def job(self, external_id="a1"):
        self.notify("Account", external_id)
        self.run_lane()
        return self.jobs(external_id=external_id)[:1]

    def test_what_is_not_ready_creates_nothing_and_says_everything(self):
        self.rule("the contract is not signed", kind="condition", condition="[('Signed', '=', True)]")
        self.rule("there is no contact", path="Contact")
        has_country = "[('country_id', '!=', False)]"
        self.rule("the group has no country", kind="record", field_name="parent_id", domain=has_country)
        self.remote.put("Account", "a1", Name="Acme", VAT="v-1", Parent="grp")
        job = self.job()
        self.assertEqual((job.state, job.error_code), ("failed", "not_ready"))
        for expected in ("not signed", "no contact", "no country"):
            self.assertIn(expected, job.error_message)
        self.assertFalse(self.env["res.partner"].search([("ref", "=", "v-1")]))

    def test_what_is_ready_goes_through(self):
        self.rule("the contract is not signed", kind="condition", condition="[('Signed', '=', True)]")
        self.rule("the group has no city", kind="record", field_name="parent_id", domain="[('city', '!=', False)]")
        self.remote.put("Account", "a1", Name="Acme", VAT="v-1", Parent="grp", Signed=True)
        self.assertEqual(self.job().state, "done")
        self.remote.put("Account", "a1", Name="Acme 2", VAT="v-1", Parent="grp", Signed=False)
        self.assertEqual(self.job().state, "done")  # it exists: an update is not asked
        self.flow.readiness_ids[0].always = True
        self.remote.put("Account", "a1", Name="Acme 3", VAT="v-1", Parent="grp", Signed=False)
        self.assertEqual(self.job().state, "failed")

    def test_one_bad_record_stops_no_other(self):
        self.rule("there is no contact", path="Contact")
        self.remote.put("Account", "a1", Name="Bad", VAT="v-1")
        self.remote.put("Account", "a2", Name="Good", VAT="v-2", Contact="x")
        self.notify("Account", "a1", "a2")
        self.run_lane()
        self.assertEqual(self.jobs(external_id="a1").state, "failed")
        self.assertEqual(self.jobs(external_id="a2").state, "done")

    def test_a_rule_that_says_nothing_is_refused(self):
        for values in (
            {"kind": "present"},
            {"kind": "condition", "condition": "[('A', 'like', 'b')]"},
            {"kind": "record", "field_name": "name", "domain": "[]"},
            {"kind": "record", "field_name": "parent_id", "domain": "[('no_such_field', '=', 1)]"},
        ):
            with self.assertRaises(ValidationError), self.env.cr.savepoint():
                self.rule("x", **values)
