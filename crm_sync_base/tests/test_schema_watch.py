from unittest.mock import patch

import psycopg2
from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ..lib.declarations import RemoteField
from ..lib.errors import Transient
from .common import SyncCase

WATCH = "odoo.addons.crm_sync_base.models.sync_schema_watch"


def text(name, **values):
    """Return a text field of the test CRM."""
    return RemoteField(name, name, "string", **{"kind": "text", **values})


@tagged("post_install", "-at_install")
class TestSchemaWatch(SyncCase):
    """What objects look like is kept; what changes is found, and hits the right flows."""

    def setUp(self):
        super().setUp()
        self.watch = self.env["sync.schema.watch"]
        self.shape(text("Name"), text("Email"), text("City"))
        self.flow = self.make_flow(
            [{"path": "Name", "field": "name", "label": "Name"}, {"path": "Email", "field": "email", "label": "E-mail"}]
        )
        self.watch._read_connection(self.connection)

    def shape(self, *described, name="Account"):
        """Let an object of the test CRM look like this."""
        self.remote.fields[name] = described

    def look(self, *described):
        """Change the account object, then let the watch look; returns the new changes."""
        if described:
            self.shape(*described)
        before = self.env["sync.schema.change"].search([])
        self.watch._read_connection(self.connection)
        return self.env["sync.schema.change"].search([]) - before

    def holds(self, flow=None):
        """Return the holds of the watch that are in force."""
        flow = flow or self.flow
        return self.env["sync.hold"].search([("flow_id", "=", flow.id), ("schema_change_id", "!=", False)])

    def cards(self):
        """Return the open exception cards of changed schemas."""
        return self.env["sync.exception"].search(
            [("error_code", "=", "schema_changed"), ("state", "in", ("new", "acknowledged"))]
        )

    # === Reading ===#

    def test_the_first_look_changes_nothing(self):
        account = self.env["sync.schema.object"].search(
            [("connection_id", "=", self.connection.id), ("name", "=", "Account")]
        )
        self.assertEqual(set(account.field_ids.mapped("name")), {"Name", "Email", "City"})
        self.assertTrue(account.is_tracked)
        self.assertFalse(account.change_ids)

    def test_only_used_objects_are_described(self):
        deal = self.env["sync.schema.object"].search(
            [("connection_id", "=", self.connection.id), ("name", "=", "Deal")]
        )
        self.assertFalse(deal.read_at)
        deal.action_read_fields()
        self.assertEqual(deal.field_ids.mapped("name"), ["Name"])
        self.assertTrue(deal.is_tracked, "watched from now on")

    def test_objects_behind_relationships_are_read_too(self):
        owner = RemoteField(
            "OwnerId", "Owner", "reference", kind="reference", references="Person", relationship="Owner"
        )
        self.shape(text("Name"), name="Person")
        self.shape(text("Name"), owner)
        self.make_flow([{"path": "Owner.Name", "field": "name"}])
        self.watch._read_connection(self.connection)
        person = self.env["sync.schema.object"].search([("name", "=", "Person")])
        self.assertTrue(person.read_at)

    def test_a_second_look_finds_nothing_and_writes_no_field(self):
        stamps = self.env["sync.schema.field"].search([]).mapped("write_date")
        self.assertFalse(self.look())
        self.assertEqual(self.env["sync.schema.field"].search([]).mapped("write_date"), stamps)

    def test_a_custom_object_has_the_name_that_people_know(self):
        self.shape(text("Serial"), name="Machine__c")
        flow = self.make_flow([{"path": "Serial", "field": "ref"}], remote_object="Machine__c")
        self.assertEqual(flow._remote().label, "Machine__c")
        self.watch._read_connection(self.connection)
        self.assertEqual(flow._remote().label, "My Machine__c")

    def test_an_answer_without_fields_is_not_believed(self):
        with self.assertRaises(Transient):
            self.shape()
            self.watch._read_connection(self.connection)
        self.assertFalse(self.holds())

    def test_a_provider_that_is_down_changes_nothing(self):
        self.remote.faults["describe"] = [Transient("down")]
        with mute_logger(WATCH):
            self.assertFalse(self.watch._try(self.connection))
        self.assertFalse(self.env["sync.schema.change"].search([]))
        self.assertTrue(self.watch._try(self.connection))

    # === A field that is read and gone ===#

    def test_a_field_that_is_gone_stops_the_flow(self):
        (change,) = self.look(text("Name"), text("City"))
        self.assertEqual((change.kind, change.field_name, change.severity), ("removed", "Email", "wrong"))
        self.assertEqual((change.flow_ids, change.rules), (self.flow, "E-mail"))
        self.assertEqual(len(self.holds()), 1)
        self.assertIn("Email", self.holds().name)
        (card,) = self.cards()
        self.assertEqual(card.flow_id, self.flow)
        self.assertIn("Email", card.message)

    def test_nothing_is_written_while_the_flow_is_stopped(self):
        partner = self.bound_partner()
        self.look(text("Name"), text("City"))
        self.remote.put("Account", "a1", Name="Acme 2")
        self.notify("Account", "a1")
        self.run_lane()
        self.assertEqual((partner.name, partner.email), ("Acme", "ann@acme-machines.test"))
        self.assertEqual(self.jobs(flow_id=self.flow.id, state="pending").external_id, "a1")

    def bound_partner(self):
        """Return the partner of an account that was synchronised."""
        self.remote.put("Account", "a1", Name="Acme", Email="ann@acme-machines.test")
        self.notify("Account", "a1")
        self.run_lane()
        return self.env["res.partner"].search([("name", "=", "Acme")])

    def test_another_flow_does_not_bring_its_records_along(self):
        deals = self.make_flow(
            [
                {"path": "Name", "field": "name"},
                {"path": "Account", "field": "parent_id", "transform": "reference", "argument": "Account"},
            ],
            remote_object="Deal",
        )
        self.look(text("Name"), text("City"))
        self.remote.put("Account", "a1", Name="Acme")
        self.remote.put("Deal", "d1", Name="Big", Account="a1")
        self.notify("Deal", "d1")
        self.run_lane()
        job = self.jobs(flow_id=deals.id)
        self.assertEqual(job.state, "failed")
        self.assertIn("is stopped", job.error_message)
        self.assertFalse(self.env["res.partner"].search([("name", "=", "Acme")]))

    def test_it_goes_on_when_the_field_is_back(self):
        self.look(text("Name"), text("City"))
        back = self.look(text("Name"), text("City"), text("Email"))
        self.assertEqual(back.mapped("kind"), ["added"])
        self.assertFalse(self.holds())
        self.assertFalse(self.cards())
        settled = self.env["sync.schema.change"].search([("kind", "=", "removed")])
        self.assertEqual((settled.state, settled.settled_by), ("done", self.env["res.users"]))

    def test_it_goes_on_with_a_mapping_that_does_without(self):
        self.look(text("Name"), text("City"))
        draft = self.flow.mapping_id.copy()
        draft.rule_ids.filtered(lambda rule: rule.field_name == "email").unlink()
        self.approve(draft)
        self.assertEqual(self.flow.mapping_id, draft)
        self.assertFalse(self.holds())
        self.assertFalse(self.cards())

    def test_a_new_version_that_still_relies_on_it_goes_nowhere(self):
        self.look(text("Name"), text("City"))
        with self.assertRaisesRegex(UserError, "has no field Email"):
            self.approve(self.flow.mapping_id.copy())
        self.assertTrue(self.holds())
        self.assertTrue(self.cards())

    def test_one_flow_put_right_leaves_the_other_stopped(self):
        other = self.make_flow([{"path": "Email", "field": "email"}])
        self.look(text("Name"), text("City"))
        draft = other.mapping_id.copy()
        draft.rule_ids.remote_path = "City"
        self.approve(draft)
        self.assertFalse(self.holds(other))
        self.assertTrue(self.holds())
        self.assertEqual(self.cards().flow_id, self.flow)

    def test_a_person_may_settle_it(self):
        (change,) = self.look(text("Name"), text("City"))
        manager = new_test_user(self.env, "schema_manager", groups="base.group_user,crm_sync_base.group_sync_manager")
        change.with_user(manager).action_settle()
        self.assertEqual((change.state, change.settled_by), ("done", manager))
        self.assertFalse(self.holds())
        self.assertFalse(self.cards())
        self.assertFalse(self.look(), "it is not found again")

    def test_others_may_not(self):
        (change,) = self.look(text("Name"), text("City"))
        for group in ("user", "operator", "auditor"):
            groups = f"base.group_user,crm_sync_base.group_sync_{group}"
            user = new_test_user(self.env, f"schema_{group}", groups=groups)
            with self.assertRaises(AccessError):
                change.with_user(user).action_settle()
            with self.assertRaises(AccessError):
                change.with_user(user).write({"state": "done"})
        self.assertTrue(self.holds())

    def test_a_field_that_only_an_argument_names_counts_too(self):
        flow = self.make_flow([{"field": "ref", "transform": "template", "argument": "{Name} {City}"}])
        self.watch._read_connection(self.connection)
        change = self.look(text("Name"), text("Email"))
        self.assertEqual((change.field_name, change.flow_ids), ("City", flow))
        self.assertTrue(self.holds(flow))

    # === Other differences ===#

    def test_what_nobody_uses_stops_nothing(self):
        changes = self.look(text("Name"), text("Email"))
        self.assertEqual(changes.mapped("state"), ["none"])
        self.assertFalse(self.holds() or self.cards())

    def test_a_type_that_does_not_fit_stops_the_flow(self):
        self.watch._read_odoo()
        (change,) = self.look(text("Name"), RemoteField("Email", "Email", "boolean", kind="boolean"), text("City"))
        self.assertEqual((change.kind, change.severity), ("type", "wrong"))
        self.assertTrue(self.holds())

    def test_a_type_that_fits_is_only_worth_a_look(self):
        self.watch._read_odoo()
        (change,) = self.look(text("Name"), RemoteField("Email", "Email", "textarea", kind="text"), text("City"))
        self.assertEqual((change.kind, change.severity), ("type", "look"))
        self.assertFalse(self.holds())
        self.assertTrue(self.cards())

    def test_an_object_that_is_gone_stops_its_flow(self):
        self.shape(text("Serial"), name="Machine__c")
        flow = self.make_flow([{"path": "Serial", "field": "ref"}], remote_object="Machine__c")
        self.watch._read_connection(self.connection)
        del self.remote.fields["Machine__c"]
        (change,) = self.look()
        self.assertEqual((change.kind, change.flow_ids, change.severity), ("object_removed", flow, "wrong"))
        self.assertTrue(self.holds(flow))
        self.assertFalse(self.holds())
        self.shape(text("Serial"), name="Machine__c")
        self.look()
        self.assertFalse(self.holds(flow))

    def test_what_is_written_and_refused_is_told_but_goes_on(self):
        out = self.make_flow(
            [{"path": "City", "field": "city", "direction": "outbound"}], direction="outbound", handler="outbound"
        )
        changes = self.look(text("Name"), text("Email"), text("City", writable=False))
        self.assertEqual((changes.severity, changes.flow_ids), ("fails", out))
        self.assertFalse(self.holds(out))
        self.assertEqual(self.cards().flow_id, out)

    def test_a_new_mandatory_field_is_told_to_flows_that_create(self):
        mapped = [{"path": "City", "field": "city", "direction": "outbound"}]
        creating = self.make_flow(mapped, direction="outbound", handler="outbound")
        self.make_flow(mapped, direction="outbound", handler="outbound", create_policy="never")
        changes = self.look(text("Name"), text("Email"), text("City"), text("VAT", required=True))
        self.assertEqual((changes.kind, changes.severity, changes.flow_ids), ("added", "fails", creating))

    # === Odoo's own side ===#

    def test_a_field_of_odoo_that_is_gone_stops_the_flow(self):
        model = self.env["ir.model"]._get("res.partner")
        custom = self.env["ir.model.fields"].create(
            {"name": "x_grade", "model_id": model.id, "ttype": "char", "field_description": "Grade"}
        )
        flow = self.make_flow([{"path": "City", "field": "x_grade"}])
        self.watch._read_odoo()
        partner = self.env["sync.schema.object"].search([("connection_id", "=", False), ("name", "=", "res.partner")])
        self.assertTrue(partner.field_ids.filtered(lambda field: field.name == "x_grade").is_custom)
        custom.unlink()
        self.watch._read_odoo()
        change = self.env["sync.schema.change"].search([("field_name", "=", "x_grade")])
        self.assertEqual((change.kind, change.flow_ids, change.severity), ("removed", flow, "wrong"))
        self.assertTrue(self.holds(flow))

    def test_odoo_is_described_in_the_same_words(self):
        shape = self.env["sync.schema.odoo"]._shape("res.partner")
        self.assertEqual((shape["name"].kind, shape["email"].label), ("text", "Email"))
        self.assertEqual((shape["country_id"].kind, shape["country_id"].references), ("reference", "res.country"))
        self.assertEqual(shape["child_ids"].kind, "lines")
        self.assertFalse(shape["id"].writable)
        self.assertFalse(shape["commercial_partner_id"].writable)
        self.assertIn(("contact", "Contact"), shape["type"].choices)

    # === The nightly action ===#

    def run_cron(self, left=60.0):
        """Run the scheduled action in this transaction; returns the moments at which it is to run again.

        :param left: seconds that Odoo says it has left, whenever it asks.
        """
        cron = self.env.ref("crm_sync_base.ir_cron_schema_watch")

        def commit(model, *_args, **_options):
            model.env.flush_all()
            return left

        self.env.flush_all()
        with patch.object(type(self.env["ir.cron"]), "_commit_progress", commit), mute_logger(WATCH):
            self.watch._cron_watch()
        return self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)]).mapped("call_at")

    def test_each_night_everything_is_read(self):
        self.shape(text("Name"))
        self.assertFalse(self.run_cron())
        self.assertTrue(self.holds())
        self.assertTrue(self.env["sync.schema.object"].search([("name", "=", "res.partner")]).read_at)

    def test_a_provider_that_is_down_is_asked_again_within_the_hour(self):
        self.remote.faults["describe"] = [Transient("down")]
        (again,) = self.run_cron()
        self.assertLess(again, fields.Datetime.add(fields.Datetime.now(), hours=1, minutes=1))
        self.assertTrue(
            self.env["sync.schema.object"].search([("name", "=", "res.partner")]).read_at, "the others are read"
        )

    def test_a_night_that_is_too_short_for_all_goes_on_where_it_was(self):
        read = []
        Watch = type(self.watch)
        with (
            patch.object(Watch, "_read_connection", lambda _self, one: read.append(one.name)),
            patch.object(Watch, "_read_odoo", lambda _self: read.append("Odoo")),
        ):
            for _round in range(2):
                self.run_cron(left=0.0)
        self.assertEqual(read, [self.connection.name, "Odoo"])

    def test_a_connection_that_fails_unexpectedly_hides_no_other_and_is_read_again(self):
        with patch.object(type(self.watch), "_read_connection", side_effect=psycopg2.errors.DiskFull("no space")):
            (again,) = self.run_cron()
        self.assertLess(again, fields.Datetime.add(fields.Datetime.now(), hours=1, minutes=1))
        self.assertTrue(self.env["sync.schema.object"].search([("name", "=", "res.partner")]).read_at)
        self.assertLess(self.connection.schema_due_at, fields.Datetime.add(fields.Datetime.now(), hours=1, minutes=1))
