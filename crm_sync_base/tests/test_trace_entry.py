from odoo.tests import tagged

from ..lib.declarations import Notification, Receipt, WebhookRequest
from .common import ACCOUNT_RULES, SyncCase


@tagged("post_install", "-at_install")
class TestTraceEntry(SyncCase):
    """Every place from which people open the trace leads to the same whole story."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(ACCOUNT_RULES)

    def test_event_job_change_binding_and_record_lead_to_one_story(self):
        self.remote.put("Account", "a1", Name="Acme")
        receipt = Receipt("accepted", 200, notifications=(Notification("e1", "Account", "a1", "changed"),))
        request = WebhookRequest(b"{}", {"content-type": "application/json"}, "https://odoo.example/hook")
        self.env["sync.event"]._store_accepted(self.connection, [(request, receipt)])
        self.lane._cron_run()
        job = self.jobs(external_id="a1")
        self.assertEqual(job.state, "done", job.error_message)
        event = self.env["sync.event"].search([("source_id", "=", "e1")])
        change = self.env["sync.change"].search([("job_id", "=", job.id)])
        binding = self.env["sync.binding"].search([("external_id", "=", "a1")])
        partner = self.env["res.partner"].browse(job.res_id)
        opened = {record._name: record.action_open_trace() for record in (event, job, change[:1], binding)}
        opened[partner._name] = partner.action_open_sync_trace()
        for model, action in opened.items():
            with self.subTest(model):
                self.assertEqual(action["tag"], "crm_sync_trace")
                story = self.env["sync.trace"].get_trace(action["params"]["query"])
                kinds = {line["kind"] for line in story["lines"]}
                self.assertLessEqual({"event", "job", "change"}, kinds)
                documents = {(document["model"], document["res_id"]) for document in story["documents"]}
                self.assertIn(("res.partner", partner.id), documents)
