from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger
from psycopg2 import Error, IntegrityError

from ..lib import clock
from .common import SyncCase

NAME = {"path": "Name", "field": "name", "label": "Name"}
PHONE = {"path": "Phone", "field": "phone", "label": "Phone"}
VAT = {"path": "Vat", "field": "vat", "label": "VAT"}
ASK = {**PHONE, "owner": "shared", "conflict": "ask"}


@tagged("post_install", "-at_install")
class ProposalCase(SyncCase):
    """A customer whose VAT number waits for an approval when it changes."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        groups = "base.group_user,crm_sync_base.group_sync_"
        cls.anna = new_test_user(cls.env, "anna", groups=groups + "approver", email="anna@x.example")
        cls.ben = new_test_user(cls.env, "ben", groups=groups + "approver", email="ben@x.example")
        cls.olga = new_test_user(cls.env, "olga", groups=groups + "operator")
        cls.rule = cls.env["sync.approval.rule"].create(
            {"name": "Tax numbers", "field_ids": [(4, cls.env.ref("base.field_res_partner__vat").id)]}
        )

    def arrive(self, external_id="a1", **data):
        """Let the source say something and process it; return the partner."""
        self.remote.put("Account", external_id, **{"Name": "Alpha", **data})
        self.notify("Account", external_id)
        self.run_lane()
        return self.partner(external_id)

    def partner(self, external_id="a1"):
        binding = self.env["sync.binding"].search(
            [("connection_id", "=", self.connection.id), ("external_id", "=", external_id)]
        )
        return binding._record()

    def proposals(self, **criteria):
        domain = [(name, "=", value) for name, value in criteria.items()]
        return self.env["sync.proposal"].search([("connection_id", "=", self.connection.id), *domain])

    def propose(self, flow=True):
        """Return a partner and the proposal that waits for it."""
        if flow:
            self.flow = self.make_flow([NAME, VAT, PHONE])
        partner = self.arrive(Vat="DE1")
        self.arrive(Vat="DE2", Phone="5")
        return partner, self.proposals(state="pending")


@tagged("post_install", "-at_install")
class TestApproval(ProposalCase):
    def test_a_gated_change_waits_and_the_rest_is_applied(self):
        partner, proposal = self.propose()
        self.assertEqual((partner.vat, partner.phone), ("DE1", "5"))
        self.assertEqual(proposal.sudo().values, {"vat": ["DE1", "DE2"]})
        self.assertEqual((proposal.rule_id, proposal.group_id), (self.rule, self.rule.group_id))
        self.assertEqual(proposal.expires_at, proposal.requested_at + timedelta(days=14))
        self.assertIn("DE1 → DE2", proposal.digest)
        self.assertEqual(proposal.record_name, "Alpha")

    def test_new_records_need_no_approval(self):
        self.make_flow([NAME, VAT])
        self.assertEqual(self.arrive(Vat="DE1").vat, "DE1")
        self.assertFalse(self.proposals())

    def test_a_decision_that_cannot_be_noted_keeps_nothing_from_expiring(self):
        _partner, proposal = self.propose()
        proposal.sudo().expires_at = fields.Datetime.now() - timedelta(minutes=1)
        cron = self.env.ref("crm_sync_base.ir_cron_proposal")
        triggers = [("cron_id", "=", cron.id)]
        self.env["ir.cron.trigger"].search(triggers).unlink()
        with (
            patch.object(type(proposal), "_note_decisions", autospec=True, side_effect=ZeroDivisionError),
            mute_logger("odoo.addons.crm_sync_base.models.ir_cron"),
        ):
            self.env["sync.proposal"]._cron_tend()
        self.assertEqual(proposal.state, "expired")
        self.assertTrue(self.env["ir.cron.trigger"].search([*triggers, ("call_at", ">", fields.Datetime.now())]))

    def test_approved_is_applied_as_an_ordinary_change(self):
        partner, proposal = self.propose()
        proposal.with_user(self.anna).action_approve()
        self.assertEqual(partner.vat, "DE2")
        self.assertEqual((proposal.state, proposal.decided_by_id), ("applied", self.anna))
        change = proposal.change_ids
        self.assertEqual((change.verdict, change.values), ("applied", {"vat": ["DE1", "DE2"]}))
        self.assertEqual((change.create_uid, change.mapping_id), (self.anna, self.flow.mapping_id))
        self.assertEqual(change.correlation_id, proposal.correlation_id)
        self.env["sync.proposal"]._cron_tend()
        self.assertIn("DE1 → DE2", partner.message_ids[0].body)
        self.assertIn("anna", partner.message_ids[0].body)
        notes = len(partner.message_ids)
        self.env["sync.proposal"]._cron_tend()
        self.assertEqual(len(partner.message_ids), notes, "it is noted once")
        # The next document finds what was approved.
        self.arrive(Vat="DE2", Phone="6")
        self.assertFalse(self.proposals(state="pending"))
        self.assertEqual(partner.phone, "6")

    def test_rejected_stays_rejected(self):
        partner, proposal = self.propose()
        proposal.with_user(self.anna)._reject("Wrong company")
        self.assertEqual((partner.vat, proposal.state, proposal.decision), ("DE1", "rejected", "Wrong company"))
        self.arrive(Vat="DE2", Phone="7")
        self.assertFalse(self.proposals(state="pending"), "the same change is not proposed again")
        self.assertEqual((partner.vat, partner.phone), ("DE1", "7"))
        self.arrive(Vat="DE3")
        self.assertEqual(self.proposals(state="pending").sudo().values, {"vat": ["DE1", "DE3"]})

    def test_the_author_cannot_decide(self):
        _partner, proposal = self.propose()
        proposal_id = proposal.id
        self.env.flush_all()
        self.cr.execute("ALTER TABLE sync_proposal DISABLE TRIGGER sync_proposal_guard")
        self.cr.execute("UPDATE sync_proposal SET author_id = %s WHERE id = %s", [self.anna.id, proposal_id])
        self.cr.execute("ALTER TABLE sync_proposal ENABLE TRIGGER sync_proposal_guard")
        self.env.invalidate_all()
        as_anna = proposal.with_user(self.anna)
        self.assertFalse(as_anna.may_decide)
        for attempt in (as_anna.action_approve, as_anna.action_open_reject, lambda: as_anna._reject("no")):
            with self.assertRaisesRegex(AccessError, "yourself"):
                attempt()
        # Not through somebody whom he asked to stand in for him, either.
        self.env.user.tz = "UTC"
        self.env["sync.approval.delegation"].create(
            {"user_id": self.anna.id, "delegate_id": self.ben.id, "date_end": clock.now()}
        )
        self.env["res.groups"].browse(self.rule.group_id.id).user_ids -= self.ben
        with self.assertRaises(AccessError):
            proposal.with_user(self.ben)._assert_may_decide()
        # The database has the last word, whatever the code says.
        for columns in (
            "state = 'applied', decided_at = now(), decided_by_id = author_id",
            "state = 'rejected', decided_at = now()",
            f"state = 'applied', decided_at = now(), decided_by_id = {self.ben.id}, on_behalf_of_id = author_id",
        ):
            with self.subTest(columns), self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"):
                with self.cr.savepoint():
                    self.cr.execute(f"UPDATE sync_proposal SET {columns} WHERE id = %s", [proposal_id])

    def test_who_edited_a_document_is_its_author(self):
        editor = new_test_user(
            self.env, "editor_and_approver",
            groups="base.group_user,crm_sync_base.group_sync_operator,crm_sync_base.group_sync_approver",
        )
        self.make_flow([NAME, VAT])
        self.arrive(Vat="DE1")
        self.remote.put("Account", "a1", Name="Alpha", Vat="DE1")
        self.notify("Account", "a1")
        job = self.jobs(external_id="a1", state="pending")
        self.env.flush_all()
        self.run_lane()
        document = job._document()
        kept = type(job._kept())(type(document)("a1", {**document.data, "Vat": "DE9"}, document.version + "~2"), ())
        spec = {**job._replay_spec(), "source": "edited", "document_token": job._kept_as_token(kept)}
        job.with_user(editor).sudo()._enqueue([spec])
        self.run_lane()
        proposal = self.proposals(state="pending")
        self.assertEqual(proposal.author_id, editor)
        with self.assertRaisesRegex(AccessError, "yourself"):
            proposal.with_user(editor).action_approve()
        proposal.with_user(self.ben).action_approve()
        self.assertEqual(self.partner().vat, "DE9")

    def test_only_approvers_decide(self):
        _partner, proposal = self.propose()
        with self.assertRaisesRegex(AccessError, "only members"):
            proposal.with_user(self.olga).action_approve()
        for user in (self.anna, self.olga, self.env.ref("base.user_admin")):
            with self.subTest(user.login), self.assertRaises(AccessError):
                proposal.with_user(user).write({"state": "applied"})
            with self.subTest(user.login), self.assertRaises(AccessError):
                proposal.with_user(user).unlink()

    def test_a_decision_is_final_for_everybody(self):
        _partner, proposal = self.propose()
        proposal.with_user(self.anna).action_approve()
        self.env.flush_all()
        with self.assertRaisesRegex(UserError, "anna"):
            proposal.with_user(self.ben).action_approve()
        for statement in (
            "UPDATE sync_proposal SET decided_by_id = 1 WHERE id = %s",
            "UPDATE sync_proposal SET state = 'pending', decided_by_id = NULL WHERE id = %s",
            "UPDATE sync_proposal SET values = '{}' WHERE id = %s",
            "UPDATE sync_proposal SET author_id = 1 WHERE id = %s",
            "DELETE FROM sync_proposal WHERE id = %s",
        ):
            with self.subTest(statement), self.assertRaises(Error), mute_logger("odoo.sql_db"):
                with self.cr.savepoint():
                    self.cr.execute(statement, [proposal.id])

    def test_a_change_in_odoo_meanwhile_is_shown_before_it_is_overwritten(self):
        partner, proposal = self.propose()
        partner.vat = "DE5"
        proposal.with_user(self.anna).action_approve()
        self.assertEqual((partner.vat, proposal.state), ("DE5", "pending"))
        self.assertEqual(proposal.sudo().values, {"vat": ["DE5", "DE2"]})
        self.assertTrue(proposal.refreshed_at)
        proposal.with_user(self.anna).action_approve()
        self.assertEqual(partner.vat, "DE2")

    def test_nothing_left_to_change(self):
        partner, proposal = self.propose()
        partner.vat = "DE2"
        proposal.with_user(self.anna).action_approve()
        self.assertEqual(proposal.state, "replaced")

    def test_a_later_word_of_the_source_replaces_the_earlier(self):
        _partner, first = self.propose()
        self.arrive(Vat="DE3", Phone="5")
        self.assertEqual(first.state, "replaced")
        second = self.proposals(state="pending")
        self.assertEqual(second.sudo().values, {"vat": ["DE1", "DE3"]})
        self.arrive(Vat="DE3", Phone="6")
        self.assertEqual(self.proposals(state="pending"), second, "it says the same: the same proposal waits")
        self.arrive(Vat="DE1", Phone="6")
        self.assertEqual(second.state, "replaced", "the source came back to Odoo's value")
        self.assertFalse(self.proposals(state="pending"))

    def test_one_that_cannot_be_applied_stops_no_other(self):
        self.make_flow([NAME, {"path": "Tz", "field": "tz", "label": "Zone"}])
        self.rule.field_ids = self.env.ref("base.field_res_partner__tz")
        for external_id in ("a1", "a2", "a3"):
            self.arrive(external_id, Name=external_id)
            self.arrive(external_id, Name=external_id, Tz="Mars/Base" if external_id == "a2" else "Europe/Paris")
        proposals = self.proposals(state="pending")
        self.assertEqual(len(proposals), 3)
        result = proposals.with_user(self.anna).action_approve()
        self.assertEqual(result["params"]["type"], "warning")
        self.assertEqual([self.partner(one).tz for one in ("a1", "a2", "a3")], ["Europe/Paris", False, "Europe/Paris"])
        waiting = self.proposals(state="pending")
        self.assertEqual(waiting.external_id, "a2")
        self.assertTrue(waiting.trouble)

    def test_a_threshold_lets_small_matters_pass(self):
        self.rule.threshold = 100
        self.make_flow([NAME, VAT])
        amounts = {}
        self.patch(type(self.env["res.partner"]), "_sync_amounts", lambda records: amounts)
        for external_id in ("big", "small", "unknown"):
            partner = self.arrive(external_id, Name=external_id, Vat="DE1")
            if external_id != "unknown":
                amounts[partner.id] = (1000 if external_id == "big" else 99, self.env.company.currency_id.name)
            self.arrive(external_id, Name=external_id, Vat="DE2")
        self.assertEqual(self.partner("small").vat, "DE2")
        self.assertEqual(set(self.proposals(state="pending").mapped("external_id")), {"big", "unknown"})
        self.assertEqual(self.proposals(external_id="big").amount, 1000)

    def test_a_protected_field_is_proposed(self):
        self.make_flow([NAME, {**PHONE, "policy": "protected", "protected_domain": "[('active', '=', True)]"}])
        partner = self.arrive(Phone="1")
        self.arrive(Phone="2")
        proposal = self.proposals(state="pending")
        self.assertEqual((partner.phone, proposal.rule_id.id), ("1", False))
        proposal.with_user(self.anna).action_approve()
        self.assertEqual(partner.phone, "2")

    def test_nobody_decides_in_time(self):
        partner, proposal = self.propose()
        proposal.sudo().expires_at = clock.now() - timedelta(hours=1)
        proposal.with_user(self.anna).action_approve()
        self.assertEqual((partner.vat, proposal.state), ("DE1", "expired"))
        self.assertIn("No live flow", proposal.told)

    def test_approvers_get_one_task_for_all_that_waits(self):
        _partner, first = self.propose()
        self.arrive("a2", Name="Beta", Vat="DE1")
        self.arrive("a2", Name="Beta", Vat="DE2")
        Proposal = self.env["sync.proposal"]
        Proposal._cron_tend()
        Proposal._cron_tend()
        waiting = self.proposals(state="pending")
        tasks = waiting.activity_ids.filtered(lambda task: task.user_id in self.anna + self.ben)
        self.assertEqual((len(tasks), tasks.mapped("res_id")), (2, first.ids * 2))
        first.with_user(self.anna).action_approve()
        Proposal._cron_tend()
        tasks = self.proposals().activity_ids.filtered(lambda task: task.user_id == self.anna)
        self.assertEqual(tasks.res_id, (waiting - first).id, "the next one that waits")
        (waiting - first).with_user(self.ben)._reject("No")
        self.assertFalse(self.proposals().activity_ids)

    def test_somebody_stands_in(self):
        cfo = self.env["res.groups"].create(
            {"name": "CFO", "implied_ids": [(4, self.env.ref("crm_sync_base.group_sync_approver").id)],
             "user_ids": [(4, self.anna.id)]}
        )
        self.rule.group_id = cfo
        partner, proposal = self.propose()
        with self.assertRaises(AccessError):
            proposal.with_user(self.ben).action_approve()
        delegation = self.env["sync.approval.delegation"].with_user(self.anna).create(
            {"delegate_id": self.ben.id, "date_end": clock.now() + timedelta(days=3)}
        )
        with self.assertRaises(AccessError):
            delegation.with_user(self.ben).date_end = clock.now() + timedelta(days=9)
        proposal.with_user(self.ben).action_approve()
        self.assertEqual((partner.vat, proposal.on_behalf_of_id), ("DE2", self.anna))

    def test_rules_that_make_no_sense_are_refused(self):
        Rule = self.env["sync.approval.rule"]
        partner = self.env["ir.model"]._get_id("res.partner")
        for vals in (
            {"category": "custom"},
            {"category": "tax", "domain": "[('vat', '!=', False)]"},
            {"category": "tax", "model_id": partner, "domain": "[('nope', '=', 1)]"},
            {"category": "tax", "group_id": self.env.ref("base.group_user").id},
        ):
            with self.subTest(vals), self.assertRaises(ValidationError):
                Rule.create({"name": "x", **vals})

    def test_a_dry_run_proposes_nothing(self):
        self.flow = self.make_flow([NAME, VAT])
        self.arrive(Vat="DE1")
        self.flow.action_dry_run()
        self.arrive(Vat="DE2")
        self.assertFalse(self.proposals())

    def test_old_decisions_are_forgotten_by_their_own_retention(self):
        _partner, proposal = self.propose()
        proposal.with_user(self.anna).action_approve()
        change = proposal.change_ids
        self.env.flush_all()
        Proposal = self.env["sync.proposal"]
        Proposal._gc_proposals()
        self.assertTrue(proposal.exists())
        self.cr.execute("ALTER TABLE sync_proposal DISABLE TRIGGER sync_proposal_guard")
        self.cr.execute("UPDATE sync_proposal SET decided_at = '2001-01-01'")
        self.cr.execute("ALTER TABLE sync_proposal ENABLE TRIGGER sync_proposal_guard")
        Proposal._gc_proposals()
        self.assertFalse(proposal.exists())
        self.assertTrue(change.exists())


@tagged("post_install", "-at_install")
class TestConflict(ProposalCase):
    def conflict(self, **outbound):
        """Change a phone number on both sides; return the partner and what waits."""
        self.make_flow([NAME, ASK])
        if outbound:
            self.make_flow([{**ASK, "direction": "outbound"}], direction="outbound", handler="outbound", **outbound)
        partner = self.arrive(Phone="1")
        partner.phone = "9"
        self.arrive(Phone="2")
        return partner, self.proposals(state="pending")

    def wizard(self, proposal, **choices):
        action = proposal.with_user(self.olga).action_open_choose()
        wizard = self.env[action["res_model"]].with_user(self.olga).with_context(**action["context"]).create({})
        for line in wizard.line_ids:
            line.write(choices)
        return wizard

    def test_both_values_are_shown_with_time_and_origin(self):
        partner, proposal = self.conflict()
        self.assertEqual((partner.phone, proposal.kind), ("9", "conflict"))
        line = self.wizard(proposal).line_ids
        self.assertEqual((line.ours, line.theirs, line.choice), ("9", "2", "ours"))
        self.assertTrue(proposal.held_at)
        self.assertEqual(proposal.held_by, self.env.user.name)

    def test_the_source_is_right(self):
        partner, proposal = self.conflict()
        self.wizard(proposal, choice="theirs").action_choose()
        self.assertEqual((partner.phone, proposal.state, proposal.decided_by_id), ("2", "applied", self.olga))
        self.arrive(Phone="3")
        self.assertEqual(partner.phone, "3", "both agreed: the next change of one side goes on")

    def test_odoo_is_right_and_the_source_is_told(self):
        partner, proposal = self.conflict(name="Out")
        pushed = len(self.remote.written)
        self.wizard(proposal, choice="ours").action_choose()
        self.assertEqual((partner.phone, proposal.state), ("9", "rejected"))
        self.assertEqual(proposal.told, "By the flow Out")
        self.run_lane()
        self.assertEqual(len(self.remote.written), pushed + 1)
        self.arrive(Phone="2", Name="Beta")
        self.assertEqual((partner.phone, partner.name), ("9", "Beta"), "the source said nothing new of it")
        self.assertFalse(self.proposals(state="pending"))

    def test_both_are_wrong(self):
        partner, proposal = self.conflict()
        self.wizard(proposal, choice="edited", edited="5").action_choose()
        self.assertEqual((partner.phone, proposal.change_ids.values), ("5", {"phone": ["9", "5"]}))
        self.assertTrue(proposal.told)

    def test_odoo_changes_again_while_somebody_decides(self):
        partner, proposal = self.conflict()
        wizard = self.wizard(proposal, choice="theirs")
        partner.phone = "10"
        result = wizard.action_choose()
        self.assertIn("meanwhile", result["params"]["message"])
        self.assertEqual((partner.phone, proposal.state), ("10", "pending"))
        again = self.wizard(proposal, choice="theirs")
        self.assertEqual(again.line_ids.ours, "10")
        again.action_choose()
        self.assertEqual(partner.phone, "2")

    def test_a_field_that_is_not_part_of_it_cannot_be_smuggled_in(self):
        partner, proposal = self.conflict()
        wizard = self.wizard(proposal, choice="edited", edited="x", field_name="name")
        with self.assertRaises(UserError):
            wizard.action_choose()
        self.assertEqual(partner.name, "Alpha")
