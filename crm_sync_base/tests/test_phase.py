from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from .common import ACCOUNT_RULES, SyncCase


@tagged("post_install", "-at_install")
class TestPhase(SyncCase):
    def setUp(self):
        super().setUp()
        self.env["sync.phase"].search([]).unlink()
        self.accounts = self.make_flow(ACCOUNT_RULES, mode="off")
        self.deals = self.make_flow(ACCOUNT_RULES, mode="off", remote_object="Deal", is_document=True)
        flows = self.env["sync.flow"].search([("id", "not in", (self.accounts | self.deals).ids)])
        flows.unlink()
        self.env["sync.phase"].action_plan_standard()
        self.masters, self.orders, *_later = self.env["sync.phase"].search([])

    def complete(self, phase):
        phase.item_ids.filtered(lambda item: item.check == "manual").ticked = True
        phase.flow_ids.action_go_live()
        phase.invalidate_recordset()
        phase.item_ids.invalidate_recordset()
        phase.action_sign_off()

    def test_flows_get_their_phase_and_a_second_plan_changes_nothing(self):
        self.assertEqual(self.accounts.phase_id, self.masters)
        self.assertEqual(self.deals.phase_id, self.orders)
        self.deals.phase_id = self.masters
        before = self.env["sync.phase"].search([])
        self.env["sync.phase"].action_plan_standard()
        self.assertEqual(self.env["sync.phase"].search([]), before)
        self.assertEqual(self.deals.phase_id, self.masters)

    def test_a_locked_flow_goes_live_on_no_path(self):
        self.assertEqual(self.orders.state, "locked")
        self.assertIn(self.masters.name, self.deals.phase_locked)
        with self.assertRaisesRegex(UserError, "Every flow is live"):
            self.deals.action_go_live()
        with self.assertRaises(UserError):
            self.deals.write({"mode": "live"})
        with self.assertRaises(UserError):
            self.deals.write({"mode": "live", "phase_id": self.orders.id})
        with self.assertRaises(UserError):
            self.deals.copy({"mode": "live", "phase_id": self.orders.id, "code": "copy"})
        self.deals.action_dry_run()  # planning is allowed at any time
        self.assertEqual(self.deals.mode, "dry_run")

    def test_a_sign_off_wants_the_whole_checklist(self):
        with self.assertRaisesRegex(UserError, "read and found right"):
            self.masters.action_sign_off()
        self.complete(self.masters)
        self.assertEqual(self.masters.state, "done")
        self.assertEqual(self.masters.signed_off_by_id, self.env.user)
        self.deals.action_go_live()
        self.assertEqual(self.deals.mode, "live")

    def test_phases_are_signed_off_in_their_order(self):
        self.orders.item_ids.filtered(lambda item: item.check == "manual").ticked = True
        self.orders.item_ids.filtered(lambda item: item.check != "manual").unlink()
        with self.assertRaisesRegex(UserError, "locked"):
            self.orders.action_sign_off()

    def test_reopening_locks_later_phases_and_leaves_what_is_live(self):
        self.complete(self.masters)
        self.deals.action_go_live()
        self.masters.action_reopen()
        self.env.invalidate_all()
        self.assertEqual(self.orders.state, "locked")
        self.assertEqual(self.deals.mode, "live")
        self.deals.action_pause()
        self.deals.action_resume()  # resuming is not going live
        self.deals.action_dry_run()
        with self.assertRaises(UserError):
            self.deals.action_go_live()

    def test_the_ledgers_answer_what_they_know(self):
        def lacks(check):
            item = self.masters.item_ids.filtered(lambda one: one.check == check)
            item.invalidate_recordset()
            return item.missing or ""

        self.assertIn(self.accounts.name, lacks("dry_run"))
        self.assertIn(self.accounts.name, lacks("live"))
        self.assertFalse(lacks("mapping"))
        self.accounts.action_dry_run()
        self.remote.put("Account", "a1", Name="Acme")
        self.notify("Account", "a1")
        self.run_lane()
        self.assertFalse(lacks("dry_run"))
        self.env["sync.exception"].create(
            {
                "name": "Cause", "flow_id": self.accounts.id, "connection_id": self.connection.id,
                "error_code": "bug", "fingerprint": "phase",
            }
        )
        self.assertIn(self.accounts.name, lacks("no_exception"))

    def test_a_phase_without_flows_is_not_answered_by_nothing(self):
        phase = self.env["sync.phase"].search([("code", "=", "billing")])
        live = phase.item_ids.filtered(lambda item: item.check == "live")
        self.assertFalse(live.is_met)

    def test_what_was_signed_off_stays_as_it_was(self):
        self.complete(self.masters)
        with self.assertRaisesRegex(UserError, "Reopen it"):
            self.masters.item_ids[0].name = "Something else"
        with self.assertRaisesRegex(UserError, "Reopen it"):
            self.masters.item_ids[0].unlink()

    @mute_logger("odoo.addons.base.models.ir_rule", "odoo.addons.base.models.ir_model")
    def test_nobody_writes_a_sign_off_by_hand(self):
        manager = new_test_user(self.env, "phasemanager", "crm_sync_base.group_sync_manager")
        with self.assertRaises(UserError):
            self.masters.with_user(manager).write({"signed_off": True})
        with self.assertRaises(UserError):
            self.env["sync.phase"].with_user(manager).create({"name": "Mine", "signed_off": True})
        with self.assertRaises(UserError):
            self.masters.item_ids[0].with_user(manager).write({"ticked_by_id": self.env.uid})
        item = self.masters.item_ids.filtered(lambda one: one.check == "manual")[:1].with_user(manager)
        item.ticked = True
        self.assertEqual(item.ticked_by_id, manager)
        operator = new_test_user(self.env, "phaseoperator", "crm_sync_base.group_sync_operator")
        with self.assertRaises(AccessError):
            item.with_user(operator).ticked = False
        with self.assertRaises(AccessError):
            self.masters.with_user(operator).action_sign_off()
        with self.assertRaises(AccessError):
            self.masters.with_user(operator).action_reopen()

    def test_another_company_s_phases_are_its_own(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        self.env["sync.phase"].create({"name": "First", "company_id": other.id, "sequence": 1})
        self.assertEqual(self.masters.state, "open")
