from datetime import timedelta

from odoo.tests import new_test_user, tagged

from ..lib import clock
from .common import SyncCase

NAME = {"path": "Name", "field": "name", "label": "Name"}
PHONE = {"path": "Phone", "field": "phone", "label": "Phone"}
COMMENT = {"path": "Ref", "field": "ref", "label": "Reference"}
WEBSITE = {"path": "Web", "field": "website", "label": "Website"}


@tagged("post_install", "-at_install")
class TestViolation(SyncCase):
    """Who changes what he does not own is told of it, whichever side he works on."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.paula = new_test_user(cls.env, "paula", groups="base.group_user,base.group_partner_manager")

    def arrive(self, version=None, changed_by="", **data):
        """Let the source say something and process it; return the partner."""
        self.remote.put("Account", "a1", **{"Name": "Alpha", **data})
        self.remote.records["Account"]["a1"]["changed_by"] = changed_by
        if version:
            self.remote.records["Account"]["a1"]["version"] = version
        self.notify("Account", "a1")
        self.run_lane()
        # What is written before the creation is committed is not tracked.
        self.cr.precommit.run()
        binding = self.env["sync.binding"].search(
            [("connection_id", "=", self.connection.id), ("external_id", "=", "a1")]
        )
        return binding._record()

    def edit(self, partner, **values):
        """Change a partner as a person does in Odoo, with what the chatter says of it."""
        partner.with_user(self.paula).write(values)
        self.env.flush_all()
        self.cr.precommit.run()
        self.env.flush_all()

    def violations(self, partner, **criteria):
        domain = [(name, "=", value) for name, value in criteria.items()]
        return self.env["sync.violation"].search([("res_id", "=", partner.id), *domain])

    def test_an_edit_in_odoo_that_is_overwritten_is_noted(self):
        self.make_flow([NAME, PHONE, COMMENT])
        partner = self.arrive(Phone="1", Ref="R1")
        self.edit(partner, phone="9")
        self.arrive(Phone="1", Ref="R2")
        self.assertEqual(partner.phone, "1", "the source owns it")
        found = self.violations(partner)
        self.assertEqual(
            (found.field_name, found.offender, found.outcome, found.count), ("phone", "odoo", "restored", 1)
        )
        self.assertEqual(found.sudo().values, {"phone": ["9", "1"]})
        self.assertIn("9 → 1", found.digest)
        self.assertEqual(found.edited_by, self.paula.name, "Odoo tracks the phone number")
        self.edit(partner, phone="8")
        self.arrive(Phone="2", Ref="R2")
        self.assertEqual((found.count, found.sudo().values), (2, {"phone": ["8", "2"]}))

    def test_who_edits_a_field_that_is_not_tracked_is_told_with_care(self):
        self.make_flow([NAME, COMMENT, PHONE])
        partner = self.arrive(Phone="1", Ref="R1")
        self.edit(partner, ref="R9")
        self.arrive(Phone="2", Ref="R1")
        self.assertEqual(self.violations(partner).edited_by, f"{self.paula.name} (who changed the record last)")

    def test_what_nobody_edited_is_no_violation(self):
        """A new value of the source, an edit of another field, a value that Odoo spells its own way."""
        self.make_flow([NAME, PHONE, WEBSITE])
        partner = self.arrive(Phone="1", Web="alpha.example")
        self.assertEqual(partner.website, "http://alpha.example")
        self.edit(partner, comment="mine")
        self.arrive(Phone="2", Web="alpha.example")
        self.edit(partner, comment="mine, too")
        self.arrive(Phone="3", Web="beta.example")
        self.edit(partner, comment="mine, still")
        self.arrive(Phone="4", Web="http://gamma.example")
        self.edit(partner, comment="mine, again")
        self.arrive(Phone="5", Web="http://delta.example")
        self.assertFalse(self.violations(partner))
        self.edit(partner, website="http://mine.example")
        self.arrive(Phone="5", Web="http://epsilon.example")
        self.assertEqual(self.violations(partner).field_name, "website")

    def test_the_other_way_names_who_did_it_there(self):
        self.make_flow([NAME, {**PHONE, "owner": "odoo"}])
        partner = self.arrive(Phone="1")
        self.arrive(Phone="2", changed_by="carla@crm.example")
        found = self.violations(partner)
        self.assertEqual((found.offender, found.outcome, found.edited_by), ("remote", "kept", "carla@crm.example"))
        self.assertEqual(found.sudo().values, {"phone": ["1", "2"]})

    def test_values_are_masked_for_who_may_not_see_the_record(self):
        self.make_flow([NAME, PHONE])
        partner = self.arrive(Phone="1")
        self.edit(partner, phone="9")
        self.arrive(Phone="2")
        partner.company_id = self.env["res.company"].create({"name": "Elsewhere"})
        auditor = new_test_user(self.env, "viola", groups="crm_sync_base.group_sync_auditor")
        self.assertIn("9 → 2", self.violations(partner).digest)
        self.env.invalidate_all()
        self.assertNotIn("9", self.violations(partner).with_user(auditor).digest)

    def test_newest_looks_at_the_field_where_odoo_tracks_it(self):
        """An edit of another field does not make an older value look newer."""
        self.make_flow([NAME, {**PHONE, "owner": "shared", "conflict": "newest"}])
        now = clock.now()
        minute = timedelta(minutes=1)
        partner = self.arrive(version=now.isoformat() + "Z", Phone="1")
        self.edit(partner, phone="9")
        self.edit(partner, comment="another field")
        # The phone number was changed after ten minutes, something else after thirty.
        self.cr.execute(
            """
            UPDATE mail_message m SET date = %s FROM mail_tracking_value t
             WHERE t.mail_message_id = m.id AND m.model = 'res.partner' AND m.res_id = %s
            """,
            [now + 10 * minute, partner.id],
        )
        self.cr.execute("UPDATE res_partner SET write_date = %s WHERE id = %s", [now + 30 * minute, partner.id])
        self.env.invalidate_all()
        self.arrive(version=(now + 5 * minute).isoformat() + "Z", Phone="2")
        self.assertEqual(partner.phone, "9", "the value of Odoo is newer")
        self.cr.execute("UPDATE res_partner SET write_date = %s WHERE id = %s", [now + 30 * minute, partner.id])
        self.env.invalidate_all()
        self.arrive(version=(now + 20 * minute).isoformat() + "Z", Phone="3")
        self.assertEqual(partner.phone, "3", "the record was changed later, the field was not")

    def test_what_is_overwritten_there_is_noted_where_it_is_read_anyway(self):
        self.make_flow([NAME])
        self.make_flow(
            [{**NAME, "direction": "outbound"}, {**PHONE, "direction": "outbound"},
             {**COMMENT, "direction": "outbound", "policy": "fill_empty"}],
            direction="outbound", handler="outbound", domain="[('name', 'like', 'Alpha')]",
        )
        partner = self.arrive()
        for phone in ("1", "2"):
            self.edit(partner, phone=phone)
            self.run_lane()
            self.remote.records["Account"]["a1"]["data"]["Phone"] = phone
        self.assertFalse(self.violations(partner))
        self.remote.put("Account", "a1", Name="Alpha", Phone="mine")
        self.remote.records["Account"]["a1"]["changed_by"] = "carla@crm.example"
        self.edit(partner, phone="3")
        self.run_lane()
        self.assertEqual(self.remote.written[-1][2]["Phone"], "3")
        found = self.violations(partner)
        self.assertEqual(
            (found.field_name, found.offender, found.outcome, found.edited_by),
            ("phone", "remote", "restored", "carla@crm.example"),
        )
        self.assertEqual(found.sudo().values, {"phone": ["3", "mine"]})
