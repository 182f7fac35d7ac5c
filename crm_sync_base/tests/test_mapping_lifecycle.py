from contextlib import contextmanager

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user
from odoo.tools import mute_logger
from psycopg2.errors import CheckViolation

from .common import ACCOUNT_RULES, SyncCase


class TestMappingLifecycle(SyncCase):
    """Draft, review by somebody else, active, retired; only drafts change."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(ACCOUNT_RULES)
        cls.anna, cls.ben = (
            new_test_user(cls.env, login, groups="base.group_user,crm_sync_base.group_sync_manager")
            for login in ("mapping_anna", "mapping_ben")
        )
        cls.operator, cls.approver = (
            new_test_user(cls.env, f"mapping_{name}", groups=f"base.group_user,crm_sync_base.group_sync_{name}")
            for name in ("operator", "approver")
        )

    def draft(self, user=None):
        """Return a draft that a user copied from the active version."""
        active = self.flow.mapping_id.with_user(user or self.anna)
        return active.browse(active.action_new_version()["res_id"])

    @contextmanager
    def refused_by_database(self):
        """Expect the trigger's refusal."""
        with mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation), self.env.cr.savepoint(flush=False):
            yield

    def test_the_way_of_a_version(self):
        first = self.flow.mapping_id
        self.assertTrue(first.shipped)
        draft = self.draft()
        self.assertEqual((draft.state, draft.version, draft.origin_id), ("draft", 2, first))
        self.assertEqual(draft.author_ids, self.anna)
        draft.action_to_review()
        self.assertEqual(draft.submitted_by_id, self.anna)
        draft.with_user(self.ben).action_activate()
        self.assertEqual((draft.state, draft.reviewer_id, draft.activated_by_id), ("active", self.ben, self.ben))
        self.assertEqual((first.state, self.flow.mapping_id), ("retired", draft.with_user(self.env.user)))
        self.assertTrue(first.retired_at)

    def test_the_rules_of_lines_are_copied_with_their_rule(self):
        rule = {"path": "Contacts", "field": "child_ids", "transform": "lines", "argument": "Id",
                "child_object": "Contact", "children": [{"path": "Name", "field": "name"}]}
        flow = self.make_flow([*ACCOUNT_RULES, rule])
        draft = flow.mapping_id.copy()
        [line] = draft.rule_ids.child_ids
        self.assertEqual(line.mapping_id, draft)
        self.assertEqual(len(flow.mapping_id.rule_ids.child_ids), 1)

    # === Four eyes ===#

    def test_an_author_cannot_approve(self):
        draft = self.draft()
        draft.action_to_review()
        for attempt in (
            draft.action_activate,
            lambda: draft.write({"state": "active"}),
            lambda: draft.sudo().write({"state": "active"}),
        ):
            with self.assertRaisesRegex(UserError, "Somebody else has to approve it"):
                attempt()
        self.assertFalse(draft.can_review)
        self.assertTrue(draft.with_user(self.ben).can_review)
        self.assertIn(draft, draft.with_user(self.ben).search([("can_review", "=", True)]))
        self.assertNotIn(draft, draft.search([("can_review", "=", True)]))

    def test_whoever_wrote_a_single_rule_is_an_author(self):
        draft = self.draft()
        draft.with_user(self.ben).rule_ids[0].name = "Company"
        draft.action_to_review()
        with self.assertRaisesRegex(UserError, "Somebody else"):
            draft.with_user(self.ben).action_activate()

    def test_whoever_deleted_a_rule_is_an_author(self):
        draft = self.draft()
        draft.with_user(self.ben).rule_ids[1].unlink()
        draft.action_to_review()
        with self.assertRaisesRegex(UserError, "Somebody else"):
            draft.with_user(self.ben).action_activate()

    def test_a_draft_is_not_activated_without_a_review(self):
        draft = self.draft()
        with self.assertRaisesRegex(UserError, "has not been reviewed"):
            draft.with_user(self.ben).action_activate()

    def test_finance_approvers_approve_and_do_not_edit(self):
        draft = self.draft()
        with self.assertRaises(AccessError):
            draft.with_user(self.approver).rule_ids[0].name = "Company"
        draft.action_to_review()
        draft.with_user(self.approver).action_activate()
        self.assertEqual((draft.state, draft.reviewer_id), ("active", self.approver))

    def test_operators_approve_nothing(self):
        draft = self.draft()
        draft.action_to_review()
        for attempt in (
            lambda: draft.with_user(self.operator).action_activate(),
            lambda: draft.with_user(self.operator).write({"state": "active"}),
            lambda: draft.with_user(self.operator).write({"state": "draft"}),
        ):
            with self.assertRaises(AccessError):
                attempt()

    def test_evidence_is_not_written_by_hand(self):
        draft = self.draft()
        for vals in ({"shipped": True}, {"reviewer_id": self.ben.id}, {"author_ids": [(5, 0, 0)]}):
            with self.assertRaisesRegex(AccessError, "not written by hand"):
                draft.write(vals)
            with self.assertRaisesRegex(AccessError, "not written by hand"):
                draft.create({"flow_id": self.flow.id, **vals})

    # === Read-only ===#

    def test_only_drafts_change(self):
        draft = self.draft()
        draft.rule_ids[0].name = "Company"
        active = self.flow.mapping_id
        draft.action_to_review()
        for mapping in (draft, active.with_user(self.anna), active):
            for attempt in (
                lambda mapping=mapping: mapping.rule_ids[0].write({"name": "Other"}),
                lambda mapping=mapping: mapping.rule_ids[0].unlink(),
                lambda mapping=mapping: mapping.rule_ids.create(
                    {"mapping_id": mapping.id, "remote_path": "X", "field_name": "comment"}
                ),
                lambda mapping=mapping: mapping.write({"rule_ids": [(1, mapping.rule_ids[0].id, {"name": "X"})]}),
                lambda mapping=mapping: mapping.write({"note": "Other"}),
            ):
                with self.assertRaisesRegex(UserError, "stays as it is"):
                    attempt()

    def test_a_rule_is_not_moved_into_an_active_version(self):
        rule = self.draft().rule_ids[0]
        with self.assertRaisesRegex(UserError, "stays as it is"), self.env.cr.savepoint():
            rule.mapping_id = self.flow.mapping_id

    def test_taken_back_it_changes_again(self):
        draft = self.draft()
        draft.action_to_review()
        draft.action_to_draft()
        draft.rule_ids[0].name = "Company"
        self.assertEqual(draft.rule_ids[0].name, "Company")

    def test_a_reviewer_sends_it_back_and_says_why(self):
        draft = self.draft()
        draft.action_to_review()

        def send_back(user):
            wizard = self.env["sync.mapping.send.back.wizard"].with_user(user)
            wizard.create({"mapping_id": draft.id, "reason": "The <phone> is Finance's."}).action_send_back()

        with self.assertRaises(AccessError):
            send_back(self.operator)
        send_back(self.approver)
        self.assertEqual(draft.state, "draft")
        [task] = draft.activity_ids
        self.assertEqual(task.user_id, self.anna)
        self.assertIn("The &lt;phone&gt; is Finance's.", task.note)
        self.assertIn("The &lt;phone&gt;", draft.message_ids[:1].body)
        with self.assertRaisesRegex(UserError, "does not wait for a review any more"):
            send_back(self.approver)
        draft.rule_ids[0].name = "Company"
        draft.action_to_review()
        self.assertNotIn(self.anna, draft.activity_ids.user_id)

    def test_what_was_in_use_is_not_deleted(self):
        first = self.flow.mapping_id
        self.draft().unlink()
        with self.assertRaisesRegex(UserError, "was in use and is kept"):
            first.unlink()

    def test_a_working_flow_keeps_a_mapping(self):
        first = self.flow.mapping_id
        with self.assertRaisesRegex(UserError, "is in use"):
            first.write({"state": "retired"})
        self.flow.action_switch_off()
        first.write({"state": "retired"})
        self.assertFalse(self.flow.mapping_id)
        first.action_roll_back()
        self.assertEqual(self.flow.mapping_id, first)

    def test_versions_go_with_their_flow(self):
        flow = self.make_flow(ACCOUNT_RULES)
        mapping = flow.mapping_id
        flow.unlink()
        self.assertFalse(mapping.exists())

    # === The database ===#

    def sql(self, query, *params):
        self.env.flush_all()
        self.env.cr.execute(query, params)

    def test_the_database_refuses_what_the_model_would(self):
        active = self.flow.mapping_id
        draft = self.draft()
        draft.action_to_review()
        self.env.flush_all()
        state = "UPDATE sync_mapping SET state = %s WHERE id = %s"
        approved = "UPDATE sync_mapping SET state = 'active', reviewer_id = %s WHERE id = %s"
        rule = active.rule_ids[0].id
        insert = (
            "INSERT INTO sync_mapping_rule (mapping_id, field_name, direction, transform, policy)"
            " VALUES (%s, 'name', 'inbound', 'direct', 'always')"
        )
        for query, params in (
            (state, ("active", draft.id)),
            (approved, (self.anna.id, draft.id)),
            (state, ("draft", active.id)),
            (state, ("review", active.id)),
            ("UPDATE sync_mapping SET reviewer_id = %s WHERE id = %s", (self.ben.id, active.id)),
            ("UPDATE sync_mapping SET note = 'x' WHERE id = %s", (active.id,)),
            ("UPDATE sync_mapping SET shipped = TRUE WHERE id = %s", (draft.id,)),
            ("DELETE FROM sync_mapping WHERE id = %s", (active.id,)),
            ("UPDATE sync_mapping_rule SET remote_path = 'X' WHERE id = %s", (rule,)),
            ("UPDATE sync_mapping_rule SET mapping_id = %s WHERE id = %s", (draft.id, rule)),
            ("DELETE FROM sync_mapping_rule WHERE id = %s", (rule,)),
            (insert, (active.id,)),
            ("INSERT INTO sync_mapping (flow_id, version, state) VALUES (%s, 99, 'active')", (self.flow.id,)),
        ):
            with self.subTest(query), self.refused_by_database():
                self.sql(query, *params)

    def test_the_database_knows_authors_by_their_rules(self):
        draft = self.draft()
        draft.with_user(self.ben).rule_ids[0].name = "Company"
        draft.action_to_review()
        self.sql("DELETE FROM sync_mapping_author_rel WHERE mapping_id = %s", draft.id)
        with self.refused_by_database():
            self.sql(
                "UPDATE sync_mapping SET state = 'active', reviewer_id = %s WHERE id = %s", self.ben.id, draft.id
            )

    # === Review ===#

    def test_who_may_review_is_asked_and_let_go(self):
        self.flow.technical_owner_id = self.ben
        draft = self.draft()
        draft.action_to_review()
        self.assertEqual(draft.activity_ids.user_id, self.ben)
        draft.with_user(self.ben).action_activate()
        self.assertFalse(draft.activity_ids)

    def test_authors_are_not_asked_to_review(self):
        self.flow.technical_owner_id = self.anna
        draft = self.draft()
        draft.action_to_review()
        self.assertTrue(draft.activity_ids)
        self.assertNotIn(self.anna, draft.activity_ids.user_id)

    def test_one_approves_what_one_has_seen(self):
        draft = self.draft()
        draft.action_to_review()
        review = draft.with_user(self.ben)
        seen = review.with_context(seen_content=review.content_print)
        draft.action_to_draft()
        draft.rule_ids[0].remote_path = "Title"
        draft.action_to_review()
        with self.assertRaisesRegex(UserError, "was changed since you opened it"):
            seen.action_activate()
        review.with_context(seen_content=review.content_print).action_activate()
        self.assertEqual(draft.state, "active")

    def test_what_is_different(self):
        draft = self.draft()
        self.assertEqual((draft.compared_id, draft.diff_count), (self.flow.mapping_id, 0))
        name, email = draft.rule_ids[0], draft.rule_ids[1]
        name.write({"remote_path": "Title", "required": False})
        email.unlink()
        draft.rule_ids.create({"mapping_id": draft.id, "remote_path": "Site", "field_name": "website", "name": "Web"})
        rows = {(row["label"], row["before"], row["after"]) for row in draft.diff}
        self.assertIn(("Name (changed) · Remote Path", "Name", "Title"), rows)
        self.assertIn(("Name (changed) · Required", "Yes", "∅"), rows)
        self.assertIn(("Web (new) · Odoo Field", "∅", "website"), rows)
        self.assertIn(("E-mail (removed) · Remote Path", "Email", "∅"), rows)
        self.assertEqual(draft.diff_count, 3)

    def test_the_active_version_is_compared_with_what_it_came_from(self):
        first, draft = self.flow.mapping_id, self.draft()
        draft.rule_ids[0].remote_path = "Title"
        self.approve(draft)
        self.assertEqual((draft.compared_id, draft.diff_count), (first, 1))
        self.assertEqual((first.compared_id, first.diff_count), (draft, 1))

    # === Rolling back ===#

    def test_roll_back(self):
        first, draft = self.flow.mapping_id, self.draft()
        self.assertFalse(draft.can_roll_back)
        self.approve(draft)
        self.assertTrue(first.can_roll_back)
        first.with_user(self.anna).action_roll_back()
        self.assertEqual((first.state, draft.state), ("active", "retired"))
        self.assertEqual((first.activated_by_id, first.retired_at), (self.anna, False))
        draft.action_roll_back()
        self.assertEqual((draft.state, draft.reviewer_id), ("active", self.reviewer()))

    def test_a_version_that_nobody_reviewed_is_not_rolled_back_to(self):
        first, draft = self.flow.mapping_id, self.draft()
        self.approve(draft)
        self.sql("ALTER TABLE sync_mapping DISABLE TRIGGER sync_mapping_guard")
        self.sql("UPDATE sync_mapping SET shipped = FALSE WHERE id = %s", first.id)
        self.sql("ALTER TABLE sync_mapping ENABLE TRIGGER sync_mapping_guard")
        first.invalidate_recordset()
        self.assertFalse(first.can_roll_back)
        with self.assertRaisesRegex(UserError, "has not been reviewed"):
            first.action_roll_back()

    # === Planning with another version ===#

    def test_the_context_chooses_a_version_of_this_flow_only(self):
        draft, other = self.draft(), self.make_flow(ACCOUNT_RULES)
        chosen = self.flow.with_context(sync_mapping_id=draft.id)
        self.assertEqual(chosen._planning_mapping(), draft.with_env(chosen.env))
        self.assertEqual(other.with_context(sync_mapping_id=draft.id)._planning_mapping(), other.mapping_id)
        self.assertEqual(self.flow._planning_mapping(), self.flow.mapping_id)

    def test_nothing_is_applied_with_a_draft(self):
        draft = self.draft()
        self.remote.put("Account", "m1", Name="Acme", VAT="M-1")
        self.notify("Account", "m1")
        self.lane = self.lane.with_context(sync_mapping_id=draft.id)
        self.run_lane()
        job = self.jobs(external_id="m1")
        self.assertEqual((job.state, job.error_code), ("failed", "policy_blocked"))
        self.assertFalse(self.env["res.partner"].search([("ref", "=", "M-1")]))
