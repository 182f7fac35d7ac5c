from unittest.mock import patch

import psycopg2
from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user

from ..lib.errors import AuthFailed
from .common import ACCOUNT_RULES, SyncCase


class TestMappingPreview(SyncCase):
    """What a version would change is shown for real records, and nothing is written."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(ACCOUNT_RULES)
        cls.manager, cls.operator = (
            new_test_user(cls.env, f"preview_{name}", groups=f"base.group_user,crm_sync_base.group_sync_{name}")
            for name in ("manager", "operator")
        )

    def setUp(self):
        super().setUp()
        for number in (1, 2, 3):
            account = {"Name": f"Acme {number}", "Email": f"{number}@x.example", "Phone": "+32 2 290 34 90"}
            self.remote.put("Account", f"a{number}", **account)
        self.notify("Account", "a1", "a2", "a3")
        self.run_lane()
        self.mapping = self.flow.mapping_id.copy()

    def preview(self, **vals):
        """Try the draft; returns the preview."""
        Preview = self.env["sync.mapping.preview"].with_user(self.manager)
        preview = Preview.create({"mapping_id": self.mapping.id, **vals})
        preview.action_start()
        self.env["sync.mapping.preview"]._cron_preview()
        return preview

    def add(self, **vals):
        self.mapping.rule_ids.create({"mapping_id": self.mapping.id, **vals})

    def ledger(self):
        """Return everything that a preview must leave alone."""
        self.env.flush_all()
        self.env.cr.execute(
            """
            SELECT (SELECT json_agg(row_to_json(b) ORDER BY id)::text FROM sync_binding b),
                   (SELECT count(*) FROM sync_change), (SELECT count(*) FROM sync_job),
                   (SELECT max(write_date) FROM res_partner), (SELECT count(*) FROM res_partner),
                   (SELECT count(*) FROM sync_proposal)
            """
        )
        return self.env.cr.fetchone()

    def test_the_same_rules_change_nothing(self):
        preview = self.preview()
        self.assertEqual((preview.state, preview.done_count), ("done", 3))
        self.assertEqual((preview.same_count, preview.different_count), (3, 0))

    def test_a_full_disk_delays_a_preview_and_does_not_end_it(self):
        Preview = self.env["sync.mapping.preview"]
        with patch.object(type(Preview), "_try_batch", side_effect=psycopg2.errors.DiskFull("no space left")):
            preview = self.preview()
        self.assertEqual((preview.state, preview.message), ("running", False))
        cron = self.env.ref("crm_sync_base.ir_cron_mapping_preview")
        self.assertTrue(
            self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id), ("call_at", ">", fields.Datetime.now())])
        )
        Preview._cron_preview()
        self.assertEqual((preview.state, preview.done_count), ("done", 3))

    def test_previews_that_take_longer_than_their_time_go_on_soon(self):
        with patch.object(type(self.env["sync.mapping.preview"]), "_commit_batch", return_value=False):
            self.preview()
        cron = self.env.ref("crm_sync_base.ir_cron_mapping_preview")
        self.assertTrue(
            self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id), ("call_at", ">", fields.Datetime.now())])
        )

    def test_a_new_field_is_shown_before_and_after(self):
        self.add(remote_path="Phone", field_name="phone", transform="phone")
        before = self.ledger()
        preview = self.preview()
        self.assertEqual(self.ledger(), before, "nothing was written")
        self.assertEqual(preview.different_count, 3)
        line = preview.line_ids[0]
        self.assertEqual((line.kind, line.operation, line.record_name), ("different", "update", "Account Acme 3"))
        self.assertEqual(line.diff[0]["after"], "+32 2 290 34 90")
        self.assertEqual(line.diff[0]["before"], "∅")
        self.assertIn("Phone: 3", preview.field_counts)

    def test_what_would_be_blocked_says_why(self):
        self.add(remote_path="Score", field_name="function", required=True, name="Score")
        self.remote.put("Account", "a1", Name="Acme 1", Score="high")
        preview = self.preview()
        self.assertEqual((preview.blocked_count, preview.different_count), (2, 1))
        blocked = preview.line_ids.filtered(lambda line: line.kind == "blocked")[:1]
        self.assertIn("Score is empty", blocked.reason)

    def test_what_would_no_longer_be_blocked(self):
        self.remote.put("Account", "a4")  # without the name, which is required
        self.mapping.rule_ids.filtered(lambda rule: rule.field_name == "name").write(
            {"required": False, "transform": "constant", "argument": "Nameless"}
        )
        preview = self.preview(selection="ids", wanted_ids="a4, nobody")
        self.assertEqual((preview.released_count, preview.record_count), (1, 2))
        self.assertEqual(preview.line_ids.operation, "create")
        self.assertFalse(self.env["res.partner"].search([("name", "=", "Nameless")]))

    def test_write_policies_count(self):
        self.add(remote_path="Phone", field_name="phone", policy="fill_empty")
        self.env["res.partner"].search([("name", "=", "Acme 1")]).phone = "123"
        self.assertEqual(self.preview().different_count, 2)

    def test_a_version_of_a_flow_that_is_off_is_tried_on_what_the_source_lists(self):
        flow = self.make_flow([{"path": "Name", "field": "name"}], mode="off", remote_object="Deal")
        self.remote.put("Deal", "d1", Name="One")
        self.remote.put("Deal", "d2", Name="Two")
        self.mapping = flow.mapping_id.copy()
        preview = self.preview(selection="first", limit=1)
        self.assertEqual((preview.state, preview.record_count), ("done", 1), preview.message)
        self.mapping.rule_ids.write({"transform": "text", "argument": "upper"})
        preview.action_start()
        self.env["sync.mapping.preview"]._cron_preview()
        self.assertEqual((preview.different_count, preview.line_ids.diff[0]["after"]), (1, "ONE"))

    def test_what_goes_out_is_rendered_twice(self):
        flow = self.make_flow(
            [{"path": "Name", "field": "name", "direction": "outbound"}], direction="outbound", handler="outbound",
            mode="off", domain="[('email', 'like', '@x.example')]",
        )
        self.mapping = flow.mapping_id.copy()
        self.add(remote_path="Mail", field_name="email", direction="outbound")
        preview = self.preview()
        self.assertEqual((preview.state, preview.different_count), ("done", 3), preview.message)
        self.assertEqual([row["label"] for row in preview.line_ids[0].diff], ["Mail"])
        self.assertFalse(self.remote.written)

    def test_a_preview_of_a_version_that_was_changed_since_is_outdated(self):
        preview = self.preview()
        self.assertFalse(preview.is_outdated)
        self.mapping.rule_ids[0].remote_path = "Title"
        self.assertTrue(preview.is_outdated)

    def test_trouble_at_the_source_ends_it_with_its_message(self):
        self.remote.faults["read"] = [AuthFailed("The token is refused.")]
        preview = self.preview()
        self.assertEqual((preview.state, preview.message), ("failed", "The token is refused."))

    def test_a_record_that_breaks_planning_spoils_no_other(self):
        handler = type(self.env["sync.handler.inbound"])
        conclude = handler._conclude

        def broken(handler, env, unit):
            if unit.external_id == "a2":
                raise KeyError("broken")
            conclude(handler, env, unit)

        self.add(remote_path="Phone", field_name="phone")
        with patch.object(handler, "_conclude", broken):
            preview = self.preview()
        self.assertEqual((preview.state, preview.different_count), ("done", 2), preview.message)

    def test_many_records_are_tried_in_batches(self):
        with patch("odoo.addons.crm_sync_base.models.sync_mapping_preview.BATCH", 2):
            preview = self.preview()
        self.assertEqual((preview.done_count, len(preview.line_ids), self.remote.calls["read"]), (3, 3, 3))

    def test_the_same_number_of_queries_for_more_records(self):
        self.add(remote_path="Phone", field_name="phone")
        self.preview()
        handler = self.env["sync.handler.inbound"]

        def count(*ids):
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            handler._impact_effects(self.flow, self.mapping, list(ids))
            return self.env.cr.sql_log_count - before

        one = count("a1")
        self.assertLessEqual(count("a1", "a2", "a3"), one)

    def test_who_may(self):
        Preview = self.env["sync.mapping.preview"]
        with self.assertRaises(AccessError):
            Preview.with_user(self.operator).create({"mapping_id": self.mapping.id})
        preview = self.preview()
        with self.assertRaises(AccessError):
            preview.with_user(self.operator).action_start()
        self.assertEqual(preview.with_user(self.operator).different_count, 0)
        with self.assertRaises(UserError):
            self.preview(selection="ids", wanted_ids=" , ")
