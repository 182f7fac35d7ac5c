from unittest.mock import patch

from odoo.addons.crm_sync_base.lib.errors import DataInvalid
from odoo.tests import new_test_user

from .common import DealCase


class TestSagaTrace(DealCase):
    """The trace of a deal whose steps failed, were undone, or were done by hand."""

    def setUp(self):
        super().setUp()
        self.add_steps("confirm", "invoice")
        self.flow.owner_id = self.owner = new_test_user(
            self.env, "trace_owner",
            groups="base.group_user,sales_team.group_sale_manager,crm_sync_base.group_sync_operator",
            company_id=self.company.id,
        )
        self.deal()
        Steps = type(self.env["sync.flow.step"])
        broken = patch.object(Steps, "_run_invoice", side_effect=DataInvalid("The tax is wrong.", hint="Correct it."))
        with broken:
            self.sync()
        self.saga = self.env["sync.saga"].search([("flow_id", "=", self.flow.id)])
        self.failed = self.jobs(state="failed")

    def trace(self, query=None, user=None):
        trace = self.env["sync.trace"].with_user(user) if user else self.env["sync.trace"]
        return trace.get_trace(query or self.saga.correlation_id)

    def told(self, **criteria):
        return [
            line for line in self.trace()["lines"]
            if all(line[name] == value for name, value in criteria.items())
        ]

    def test_the_failed_step_is_told_with_its_exception_steps_and_task(self):
        [trouble] = self.trace()["troubles"]
        self.assertEqual((trouble["model"], trouble["id"]), ("sync.job", self.failed.id))
        self.assertEqual((trouble["message"], trouble["hint"]), ("The tax is wrong.", "Correct it."))
        self.assertEqual(trouble["code"], "Data to correct")
        exception, steps, task = trouble["care"]
        self.assertIn("New", exception)
        self.assertEqual(steps, "Steps: 2 / 3 done, what is done stays")
        self.assertIn(self.owner.name, task)
        self.assertEqual(
            [(link["model"], link["id"]) for link in trouble["links"]],
            [("sync.exception", self.failed.exception_id.id), ("sync.saga", self.saga.id)],
        )

    def test_a_story_without_trouble_has_none(self):
        self.saga.action_retry()
        self.run_lane()
        self.assertEqual(self.trace()["troubles"], [])
        again = [line for line in self.told(kind="job") if "Again" in line["tags"]]
        self.assertEqual(len(again), 1)

    def test_compensations_are_told_as_such(self):
        self.saga.action_undo_all()
        self.run_lane()
        [line] = self.told(subkind="undo")
        self.assertEqual((line["kind"], line["state"]), ("job", "done"))
        self.assertIn("cancelled", line["detail"])
        self.assertIn("Undone, 1 undone", self.trace()["troubles"][0]["care"][1])

    def test_a_refused_compensation_is_a_trouble_of_its_own(self):
        self.order()._create_invoices().action_post()
        self.saga.action_undo_all()
        self.run_lane()
        trouble = self.trace()["troubles"][-1]
        self.assertEqual((trouble["model"], trouble["id"]), ("sync.saga.step", self.saga.open_step_id.id))
        self.assertIn("are not credited", trouble["message"])
        self.assertEqual([link["model"] for link in trouble["links"]], ["sync.exception", "sync.saga", "sync.job"])

    def test_what_people_did_is_a_line(self):
        wizard = self.env["sync.saga.handle.wizard"].with_user(self.owner).create(
            {"step_id": self.saga.open_step_id.id, "note": "Invoiced by hand"}
        )
        wizard.action_handle()
        [line] = self.told(kind="person")
        self.assertIn("done by hand", line["title"])
        self.assertIn("Invoiced by hand", line["detail"])
        self.assertEqual(self.trace()["troubles"], [])

    def test_readers_of_every_kind_see_it(self):
        for group in ("user", "auditor"):
            user = new_test_user(
                self.env, f"trace_{group}", groups=f"base.group_user,crm_sync_base.group_sync_{group}",
                company_id=self.company.id,
            )
            with self.subTest(group):
                [trouble] = self.trace(user=user)["troubles"]
                self.assertIn(self.owner.name, trouble["care"][2])

    def test_the_id_of_an_event_and_the_key_of_a_call_lead_to_the_story(self):
        self.env["sync.event"]._insert(
            self.connection,
            [{"source_id": "evt_1", "job_id": self.failed.id, "correlation_id": self.saga.correlation_id}],
        )
        self.env["sync.event"]._insert(self.connection, [{"source_id": "evt_2", "job_id": self.failed.id}])
        key = self.env["sync.handler.outbound"]._idempotency_key(self.failed)
        expected = self.trace()["lines"]
        for query in ("evt_1", "evt_2", key):
            with self.subTest(query):
                self.assertEqual(self.trace(query)["lines"], expected)

    def test_edits_of_the_stored_document_are_for_those_who_may_see_them(self):
        values = {"Email": ["a@example.com", "b@example.com"]}
        self.env["sync.job.edit"]._record(self.failed, self.failed, values, "Typo")
        [line] = self.told(subkind="change")
        self.assertIn("Typo", line["detail"])
        user = new_test_user(
            self.env, "trace_plain", groups="base.group_user,crm_sync_base.group_sync_user", company_id=self.company.id
        )
        kinds = [line["kind"] for line in self.trace(user=user)["lines"]]
        self.assertNotIn("person", kinds)
