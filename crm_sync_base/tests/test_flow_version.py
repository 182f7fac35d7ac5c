from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from .common import SyncCase

NAME = {"path": "Name", "field": "name", "label": "Name"}


@tagged("post_install", "-at_install")
class TestFlowVersion(SyncCase):
    """Each change of a flow's settings is a numbered version, and each can be restored."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        groups = "base.group_user,crm_sync_base.group_sync_"
        cls.anna = new_test_user(cls.env, "version_anna", groups=groups + "manager")
        cls.ben = new_test_user(cls.env, "version_ben", groups=groups + "manager")
        cls.olga = new_test_user(cls.env, "version_olga", groups=groups + "operator")
        cls.flow = cls.make_flow([NAME], code="accounts", name="Accounts", max_attempts=3)
        cls.cr.precommit.run()

    def change(self, user=None, **vals):
        """Change the flow in a transaction of its own."""
        self.flow.with_user(user or self.anna).write(vals)
        self.cr.precommit.run()

    def versions(self):
        """Return `[(number, digest)]`, the newest first."""
        return [(one.number, one.digest) for one in self.flow.version_ids]

    def test_a_flow_begins_with_a_version(self):
        self.assertEqual(self.versions(), [(1, "")])
        self.assertTrue(self.flow.version_ids.is_current)

    def test_each_transaction_that_changes_something_is_a_version(self):
        self.change(max_attempts=5, remote_scope="[('A', '=', 1)]")
        self.change(user=self.ben, max_attempts=7)
        self.change(max_attempts=7)
        self.assertEqual([number for number, _digest in self.versions()], [3, 2, 1])
        newest, second = self.flow.version_ids[:2]
        self.assertEqual(newest.digest, "Max Attempts: 5 → 7")
        self.assertEqual((newest.create_uid, second.create_uid), (self.ben, self.anna))
        self.assertIn("Remote Condition: ∅ → [('A', '=', 1)]", second.digest)

    def test_what_runs_is_no_setting(self):
        self.change(mode="off")
        self.change(paused=True)
        self.flow.write({"poll_cursor": "x", "last_poll_at": fields.Datetime.now()})
        self.cr.precommit.run()
        self.assertEqual(len(self.flow.version_ids), 1)

    def test_rows_of_a_flow_are_part_of_it(self):
        rule = self.env["sync.readiness.rule"].create(
            {"flow_id": self.flow.id, "name": "no phone", "path": "Phone"}
        )
        self.cr.precommit.run()
        self.assertIn("Readiness › no phone: ∅ → ", self.versions()[0][1])
        rule.path = "Mobile"
        self.cr.precommit.run()
        self.assertIn("Phone → Mobile", self.versions()[0][1])
        self.flow.action_customise_ladder()
        self.cr.precommit.run()
        self.assertIn("Match Ladder", self.versions()[0][1])
        rule.unlink()
        self.cr.precommit.run()
        self.assertEqual(self.flow.version_ids[:1].number, 5)

    def test_flows_that_are_older_than_their_history(self):
        self.flow.version_ids.sudo().unlink()
        self.flow.invalidate_recordset()
        self.change(max_attempts=9)
        self.assertEqual(self.versions(), [(2, "Max Attempts: 3 → 9"), (1, "")])
        newest, first = self.flow.version_ids
        self.assertEqual((newest.create_uid, first.create_uid), (self.anna, self.env.ref("base.user_root")))
        self.assertTrue(first.note)

    def test_a_version_is_restored_as_a_new_one(self):
        rule = self.env["sync.readiness.rule"].create({"flow_id": self.flow.id, "name": "no phone", "path": "Phone"})
        self.cr.precommit.run()
        wanted = self.flow.version_ids[:1]
        self.change(max_attempts=9)
        rule.path = "Mobile"
        extra = self.env["sync.readiness.rule"].create({"flow_id": self.flow.id, "name": "later", "path": "X"})
        self.cr.precommit.run()
        mapping = self.flow.mapping_id
        wanted.with_user(self.ben).action_restore()
        self.cr.precommit.run()
        self.assertEqual((self.flow.max_attempts, rule.path, extra.active), (3, "Phone", False))
        self.assertEqual((self.flow.mode, self.flow.mapping_id), ("live", mapping))
        newest = self.flow.version_ids[:1]
        self.assertEqual((newest.note, newest.create_uid), ("Version 2 restored", self.ben))
        self.assertIn("9 → 3", newest.digest)

    def test_nothing_to_restore(self):
        with self.assertRaisesRegex(UserError, "already"):
            self.flow.version_ids.with_user(self.anna).action_restore()

    def test_a_live_flow_does_not_change_what_it_is_about(self):
        self.change(mode="off")
        self.change(remote_object="Deal")
        self.change(mode="live")
        first = self.flow.version_ids[-1:]
        with self.assertRaisesRegex(UserError, "switch the flow off first"):
            first.with_user(self.anna).action_restore()
        self.change(mode="off")
        first.with_user(self.anna).action_restore()
        self.assertEqual(self.flow.remote_object, "Account")

    def test_only_managers_restore_and_nobody_writes_versions(self):
        self.change(max_attempts=5)
        first = self.flow.version_ids[-1:]
        self.assertTrue(first.with_user(self.olga).number)
        with self.assertRaises(AccessError):
            first.with_user(self.olga).action_restore()
        for user in (self.olga, self.anna):
            as_user = first.with_user(user)
            with self.subTest(user=user.login), mute_logger("odoo.models"):
                with self.assertRaises(AccessError):
                    as_user.write({"number": 9})
                with self.assertRaises(AccessError):
                    as_user.unlink()
                with self.assertRaises(AccessError):
                    as_user.create({"flow_id": self.flow.id, "number": 9})

    def test_other_companies_do_not_see_it(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env, "version_stranger", groups="base.group_user,crm_sync_base.group_sync_manager",
            company_id=company.id, company_ids=[fields.Command.set(company.ids)],
        )
        found = self.env["sync.flow.version"].with_user(stranger).search([("flow_id", "=", self.flow.id)])
        self.assertFalse(found)
