from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from ..lib.declarations import RemoteField
from ..lib.errors import Transient
from .common import SyncCase


def text(name, **values):
    """Return a text field of the test CRM."""
    return RemoteField(name, name.title(), "string", **{"kind": "text", **values})


@tagged("post_install", "-at_install")
class TestMappingEditor(SyncCase):
    """What the mapping editor is told: fields to choose, doubts, live values."""

    def setUp(self):
        super().setUp()
        groups = "base.group_user,crm_sync_base.group_sync_manager"
        self.manager = new_test_user(self.env, "editor_manager", groups=groups)
        self.editor = self.env["sync.mapping.editor"].with_user(self.manager)
        self.remote.fields["Account"] = [
            text("Name"),
            text("VAT", unique=True),
            RemoteField("Size", "Size", "int", kind="integer"),
            RemoteField(
                "OwnerId", "Owner", "reference", kind="reference", references="Person", relationship="Owner"
            ),
            RemoteField("Lines", "Lines", "list", kind="lines", references="Line", relationship="Lines"),
        ]
        self.remote.fields["Person"] = [text("Name"), text("secret_token")]
        self.remote.fields["Line"] = [text("Street")]
        self.flow = self.make_flow([{"path": "Name", "field": "name", "label": "Name"}])

    def rule(self, path, field, transform="direct", key="r1", **values):
        """Return a rule as the editor sends it."""
        return {
            "key": key,
            "remote_path": path,
            "field_name": field,
            "transform": transform,
            "direction": "inbound",
            **values,
        }

    def codes(self, *rules, flow=None, parent=False):
        """Return `{code: rule}` of the doubts about rules."""
        found = self.editor.check((flow or self.flow).id, list(rules), parent)
        return {one["code"]: one["rule"] for one in found}

    # === Fields ===#

    def test_the_fields_of_both_sides_are_offered(self):
        self.assertFalse(self.editor.load(self.flow.id)["read_at"])
        remote = self.editor.fields_of(self.flow.id, "remote", "Account")
        self.assertEqual([one["label"] for one in remote], ["Lines", "Name", "Owner", "Size", "Vat"])
        owner = remote[2]
        self.assertEqual((owner["relationship"], owner["references"]), ("Owner", "Person"))
        self.assertEqual(owner["kind_label"], "linked record")
        self.assertTrue(self.editor.load(self.flow.id)["read_at"], "read because somebody wanted to see it")
        odoo = {one["name"]: one for one in self.editor.fields_of(self.flow.id, "odoo", "res.partner")}
        self.assertEqual(odoo["country_id"]["references"], "res.country")

    def test_linked_objects_are_read_when_they_are_opened(self):
        linked = self.editor.fields_of(self.flow.id, "remote", "Person")
        self.assertEqual([one["name"] for one in linked], ["Name", "secret_token"])

    def test_objects_are_offered_by_their_names(self):
        self.remote.fields["Machine__c"] = [text("Serial")]
        offered = {one["name"]: one for one in self.editor.objects_of(self.connection.id)}
        self.assertEqual((offered["Machine__c"]["label"], offered["Machine__c"]["custom"]), ("My Machine__c", True))
        self.assertIn("Deal", offered)

    def test_a_provider_that_is_down_keeps_nobody_from_working(self):
        self.remote.faults["describe"] = [Transient("down")] * 3
        self.assertEqual(self.editor.fields_of(self.flow.id, "remote", "Account"), [])
        self.assertEqual(self.codes(self.rule("Anything", "name")), {}, "nothing is doubted that nobody knows")
        with self.assertRaisesRegex(UserError, "down"):
            self.editor.refresh(self.flow.id)

    def test_readers_ask_nobody_and_see_no_values(self):
        auditor = new_test_user(self.env, "editor_auditor", groups="base.group_user,crm_sync_base.group_sync_auditor")
        reader = self.editor.with_user(auditor)
        self.assertEqual(reader.fields_of(self.flow.id, "remote", "Account"), [])
        self.assertFalse(self.remote.calls["describe"])
        self.assertFalse(reader.load(self.flow.id)["can_edit"])
        for call in (
            lambda: reader.refresh(self.flow.id),
            lambda: reader.examples(self.flow.id),
            lambda: reader.sample(self.flow.id, {"external_id": "a1"}, []),
        ):
            with self.assertRaises(AccessError):
                call()

    # === Doubts ===#

    def test_doubts_of_rules_that_are_not_saved(self):
        self.editor.refresh(self.flow.id)
        self.assertEqual(self.codes(self.rule("Name", "name")), {})
        self.assertEqual(self.codes(self.rule("Nope", "name")), {"remote_unknown": "r1"})
        self.assertEqual(self.codes(self.rule("Owner.Name", "name")), {})
        self.assertEqual(self.codes(self.rule("Owner.Nope", "name")), {}, "Person was not read yet")
        self.editor.fields_of(self.flow.id, "remote", "Person")
        self.assertEqual(self.codes(self.rule("Owner.Nope", "name")), {"remote_unknown": "r1"})
        self.assertIn("type", self.codes(self.rule("Name", "color", "direct")))
        self.assertIn("no_flow", self.codes(self.rule("OwnerId", "parent_id", "reference", argument="Person")))

    def test_mandatory_fields_of_any_model(self):
        flow = self.make_flow([], model="res.country.state", remote_object="Account")
        self.editor.refresh(flow.id)
        found = self.editor.check(flow.id, [self.rule("Name", "name")])
        self.assertEqual({one["field"] for one in found if one["code"] == "required"}, {"code", "country_id"})

    def test_lines_are_checked_against_their_own_fields(self):
        parent = {"remote_path": "Lines", "field_name": "child_ids", "child_object": False}
        self.editor.refresh(self.flow.id)
        self.editor.fields_of(self.flow.id, "remote", "Line")
        info = self.editor.load(self.flow.id, parent)
        self.assertEqual((info["object"], info["model"]), ("Line", "res.partner"))
        self.assertEqual(self.codes(self.rule("Street", "street"), parent=parent), {})
        self.assertEqual(self.codes(self.rule("Name", "street"), parent=parent), {"remote_unknown": "r1"})

    def test_a_value_that_goes_round_in_a_circle(self):
        out = [{"path": "VAT", "field": "name", "direction": "outbound"}]
        self.make_flow(out, direction="outbound", handler="outbound")
        self.assertNotIn("ring", self.codes(self.rule("VAT", "name")), "to and fro is allowed")
        back = self.make_flow([{"path": "VAT", "field": "ref"}])
        self.make_flow(
            [{"path": "Name", "field": "ref", "direction": "outbound"}], direction="outbound", handler="outbound"
        )
        self.assertTrue(back)
        self.assertEqual(self.codes(self.rule("Name", "name")).get("ring"), "r1")

    def test_records_that_need_each_other(self):
        self.make_flow(
            [
                {
                    "path": "Account",
                    "field": "parent_id",
                    "transform": "reference",
                    "argument": "Account",
                    "required": True,
                }
            ],
            remote_object="Deal",
        )
        needing = self.rule("OwnerId", "parent_id", "reference", argument="Deal", required=True)
        self.assertEqual(self.codes(needing).get("mandatory_ring"), "r1")
        self.assertNotIn("mandatory_ring", self.codes({**needing, "required": False}))

    # === Live values ===#

    def test_the_latest_records_are_offered(self):
        for number in (1, 2):
            self.remote.put("Account", f"a{number}", Name=f"Acme {number}")
        self.notify("Account", "a1", "a2")
        self.run_lane()
        offered = self.editor.examples(self.flow.id)
        self.assertEqual([one["label"] for one in offered], ["Acme 2", "Acme 1"])
        self.assertEqual([one["external_id"] for one in self.editor.examples(self.flow.id, "Acme 1")], ["a1"])
        self.assertEqual(self.editor.examples(self.flow.id, "x9")[0]["external_id"], "x9")

    def test_records_of_the_provider_are_offered_before_anything_ran(self):
        self.remote.put("Account", "a1", Name="Acme")
        self.assertEqual(
            self.editor.examples(self.flow.id), [{"external_id": "a1", "res_id": 0, "label": "Acme"}]
        )

    def test_what_rules_make_of_a_record(self):
        country = self.env.ref("base.be")
        self.remote.put(
            "Account", "a1", Name=" Acme ", Size="12", Country="BE", Odd="much", OwnerId="p1",
            Owner={"Name": "Ann", "secret_token": "hush"},
        )
        rules = [
            self.rule("Name", "name", key="name"),
            self.rule("Size", "color", "integer", key="size"),
            self.rule("Country", "country_id", "lookup", key="country", argument="code"),
            self.rule("Odd", "color", "integer", key="odd"),
            self.rule("Owner.Name", "ref", key="owner"),
            self.rule("Owner.secret_token", "comment", key="secret"),
            self.rule("OwnerId", "parent_id", "reference", key="link", argument="Person"),
            self.rule("Name", "no_such_field", key="broken"),
        ]
        found = self.editor.sample(self.flow.id, {"external_id": "a1"}, rules)
        self.assertEqual((found["name"]["before"], found["name"]["after"]), (" Acme ", "Acme"))
        self.assertEqual((found["size"]["before"], found["size"]["after"]), ("12", "12"))
        self.assertEqual(found["country"]["after"], country.display_name)
        self.assertIn("not a number", found["odd"]["problem"])
        self.assertEqual(found["owner"]["after"], "Ann")
        self.assertEqual(found["secret"]["after"], "•••")
        self.assertIn("not in Odoo yet", found["link"]["problem"])
        self.assertNotIn("broken", found)
        self.assertFalse(self.env["res.partner"].search([("name", "=", "Acme")]), "nothing is written")

    def test_what_an_outbound_rule_makes_of_a_record(self):
        flow = self.make_flow(
            [{"path": "Name", "field": "name", "direction": "outbound"}], direction="outbound", handler="outbound"
        )
        partner = self.env["res.partner"].create({"name": "Out", "country_id": self.env.ref("base.be").id})
        rules = [
            self.rule("Name", "name", key="name", direction="outbound"),
            self.rule("VAT", "country_id.code", key="code", direction="outbound"),
        ]
        self.assertIn(partner.id, [one["res_id"] for one in self.editor.examples(flow.id, "Out")])
        found = self.editor.sample(flow.id, {"external_id": "", "res_id": partner.id}, rules)
        self.assertEqual((found["name"]["after"], found["code"]["after"]), ("Out", "BE"))

    def test_a_record_that_is_gone(self):
        with self.assertRaisesRegex(UserError, "not there any more"):
            self.editor.sample(self.flow.id, {"external_id": "a9"}, [self.rule("Name", "name")])

    def test_a_flow_of_another_company_is_out_of_reach(self):
        company = self.env["res.company"].create({"name": "Other"})
        self.connection.company_id = company
        self.env.flush_all()
        with self.assertRaises(AccessError):
            self.editor.load(self.flow.id)
