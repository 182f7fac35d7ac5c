from unittest.mock import patch

from odoo.tests import tagged

from ..lib.errors import DataInvalid, Transient
from .common import ACCOUNT_RULES, SyncCase


@tagged("post_install", "-at_install")
class TestEngineOutbound(SyncCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(
            [
                {"path": "Name", "field": "name", "direction": "outbound", "label": "Name"},
                {"path": "Mail", "field": "email", "direction": "outbound", "label": "Mail"},
                {"path": "Country.Code", "field": "country_id.code", "direction": "outbound"},
                {
                    "path": "DisplayPlace",
                    "field": "contact_address_inline",
                    "direction": "outbound",
                },
            ],
            direction="outbound",
            handler="outbound",
            domain="[('is_company', '=', True)]",
        )
        cls.registry_ready = cls.registry.ready

    def company(self, name="Acme", **vals):
        return self.env["res.partner"].create({"name": name, "is_company": True, **vals})

    def test_a_new_record_is_written_once_and_bound(self):
        partner = self.company(email="a@acme.example", country_id=self.env.ref("base.us").id)
        self.run_lane()
        self.assertEqual(len(self.remote.written), 1)
        values = self.remote.written[0][2]
        self.assertEqual(values["Country"], {"Code": "US"})
        self.assertEqual(values["Mail"], "a@acme.example")
        binding = self.env["sync.binding"].search([("res_id", "=", partner.id), ("model", "=", "res.partner")])
        self.assertEqual(binding.external_id, self.remote.written[0][1])
        self.assertTrue(binding.fingerprint_out)

    def test_ten_changes_while_it_waits_are_one_job(self):
        partner = self.company()
        for number in range(10):
            partner.name = f"Name {number}"
            self.env.flush_all()
            self.env.cr.precommit.run()
        self.assertEqual(self.run_lane(), 1)
        self.assertEqual(self.remote.written[0][2]["Name"], "Name 9")

    def test_an_unwatched_field_starts_nothing(self):
        partner = self.company()
        self.run_lane()
        partner.comment = "nobody's business"
        self.assertEqual(self.run_lane(), 0)

    def test_a_record_outside_the_domain_stays_here(self):
        self.env["res.partner"].create({"name": "Person", "is_company": False})
        self.assertEqual(self.run_lane(), 0)

    def test_an_equal_document_is_not_sent_again(self):
        partner = self.company()
        self.run_lane()
        partner.name = "Other"
        self.env.flush_all()
        partner.name = "Acme"
        self.run_lane()
        self.assertEqual(len(self.remote.written), 1)

    def test_stored_computed_fields_start_it_too(self):
        flow = self.make_flow(
            [{"path": "Label", "field": "complete_name", "direction": "outbound"}],
            direction="outbound",
            handler="outbound",
            remote_object="Label",
            domain="[('parent_id', '!=', False)]",
        )
        parent = self.company("Old Parent")
        child = self.env["res.partner"].create({"name": "Child", "parent_id": parent.id})
        self.run_lane()
        self.remote.written.clear()
        parent.name = "New Parent"
        self.run_lane()
        labels = [values for name, _id, values in self.remote.written if name == "Label"]
        self.assertEqual(labels, [{"Label": "New Parent, Child"}])
        self.assertEqual(self.jobs(flow_id=flow.id, state="done")[:1].res_id, child.id)

    def test_a_lost_answer_repeats_the_same_intent_under_the_same_key(self):
        partner = self.company("Charged Once")
        self.remote.lose_answers = 1
        self.run_lane()
        job = self.jobs(flow_id=self.flow.id)
        self.assertEqual(job.state, "pending")
        key = job.intent["key"]
        partner.name = "Renamed Meanwhile"
        self.env.flush_all()
        job.eta = "2000-01-01"
        self.lane._run_once()
        self.assertIn(key, self.remote.keys)
        self.assertEqual([row[2]["Name"] for row in self.remote.written], ["Charged Once"])
        self.run_lane()
        self.assertEqual([row[2]["Name"] for row in self.remote.written], ["Charged Once", "Renamed Meanwhile"])

    def later(self):
        """Let the waits of all jobs pass, then run what is due."""
        self.jobs(state="pending").eta = "2000-01-01"
        self.run_lane()

    def test_a_change_while_a_repeated_call_waits_is_not_lost(self):
        """Found by the model test: the change was counted on the job, which then repeated its old call."""
        partner = self.company("First")
        self.remote.lose_answers = 1
        self.run_lane()
        partner.name = "Second"
        self.env.flush_all()
        self.env.cr.precommit.run()
        self.later()
        self.assertEqual([row[2]["Name"] for row in self.remote.written], ["First", "Second"])
        self.assertEqual(len({row[1] for row in self.remote.written}), 1, "one record at the provider")
        self.assertFalse(self.jobs(flow_id=self.flow.id, state="pending"))

    def test_a_newer_job_takes_over_the_call_of_one_that_it_replaces(self):
        partner = self.company("First")
        self.env.cr.precommit.run()
        push = type(self.env["sync.connector.testcrm"])._push

        def push_and_change(connector, *args):
            # Somebody changes the record while the provider is being called.
            partner.name = "Second"
            self.env.flush_all()
            self.env.cr.precommit.run()
            return push(connector, *args)

        self.remote.lose_answers = 1
        with patch.object(type(self.env["sync.connector.testcrm"]), "_push", push_and_change):
            self.lane._run_once()
        self.later()
        self.assertEqual([row[2]["Name"] for row in self.remote.written], ["First", "Second"])
        self.assertEqual(len({row[1] for row in self.remote.written}), 1, "one record at the provider")

    def test_a_retry_takes_over_the_call_of_the_job_that_gave_up(self):
        self.company("Charged Once")
        self.flow.max_attempts = 1
        self.remote.lose_answers = 1
        self.run_lane()
        failed = self.jobs(flow_id=self.flow.id)
        self.assertEqual((failed.state, bool(failed.intent)), ("failed", True))
        failed.action_retry()
        self.run_lane()
        self.assertEqual(len(self.remote.written), 1)
        self.assertFalse(failed.intent)

    def test_a_repeated_call_that_is_refused_is_rendered_afresh(self):
        partner = self.company("Bad")
        self.remote.faults["push"] = [Transient("The line was cut."), DataInvalid("The name is refused.")]
        self.run_lane()
        partner.name = "Good"
        self.env.flush_all()
        self.env.cr.precommit.run()
        self.later()
        self.later()
        self.assertEqual([row[2]["Name"] for row in self.remote.written], ["Good"])

    def test_a_refusal_for_good_renders_afresh_next_time(self):
        partner = self.company("Bad")
        self.remote.faults["push"] = [DataInvalid("The provider refuses the name.")]
        self.run_lane()
        job = self.jobs(flow_id=self.flow.id)
        self.assertEqual(job.state, "failed")
        partner.with_context(no_outbox=True).name = "Good"
        job.action_retry()
        self.run_lane()
        self.assertEqual(self.remote.written[0][2]["Name"], "Good")

    def test_a_batch_is_one_call(self):
        for number in range(60):
            self.company(f"Batch {number}")
        self.flow.batch_size = 100
        self.run_lane()
        self.assertEqual(self.remote.calls["push"], 1)
        self.assertEqual(len(self.remote.written), 60)

    def test_what_came_in_does_not_go_back(self):
        self.make_flow(ACCOUNT_RULES)
        self.flow.create_policy = "never"
        self.remote.put("Account", "a1", Name="Echo Ltd", Country="US")
        self.notify("Account", "a1")
        self.run_lane()
        binding = self.env["sync.binding"].search([("external_id", "=", "a1")])
        self.assertTrue(binding)
        first = len(self.remote.written)
        binding._record().ref = "no mapped field"
        self.run_lane()
        self.assertEqual(len(self.remote.written), first)

    def test_dry_run_plans_and_calls_nobody(self):
        self.flow.action_dry_run()
        partner = self.company("Planned Only")
        self.run_lane()
        self.assertEqual(self.remote.calls["push"], 0)
        change = self.env["sync.change"].search([("res_id", "=", partner.id), ("direction", "=", "outbound")])
        self.assertEqual((change.verdict, change.values["Name"]), ("planned", [None, "Planned Only"]))
        self.assertFalse(self.jobs(flow_id=self.flow.id).intent)

    def test_what_is_empty_is_sent_as_nothing(self):
        self.company("No Country")
        self.run_lane()
        self.assertEqual(self.remote.written[0][2]["Country"], {"Code": None})
        self.assertIsNone(self.remote.written[0][2]["Mail"])

    def test_a_broken_line_is_tried_again(self):
        self.company("Later")
        self.remote.faults["push"] = [Transient("The line was cut.")]
        self.run_lane()
        job = self.jobs(flow_id=self.flow.id)
        job.eta = "2000-01-01"
        self.run_lane()
        self.assertEqual(job.state, "done")
        self.assertEqual(len(self.remote.written), 1)
