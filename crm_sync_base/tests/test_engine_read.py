from odoo.tests import tagged

from ..lib.errors import AuthFailed, DataInvalid, Transient
from .common import ACCOUNT_RULES, SyncCase

PARENT = {
    "path": "ParentId", "field": "parent_id", "transform": "reference", "argument": "Account", "label": "Parent",
}


@tagged("post_install", "-at_install")
class TestEngineRead(SyncCase):
    """One record that the provider cannot serve, or that nobody can read, among good ones."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow([*ACCOUNT_RULES, PARENT])

    def setUp(self):
        super().setUp()
        self.ids = [f"a{number}" for number in range(16)]
        for external_id in self.ids:
            self.remote.put("Account", external_id, Name=f"Account {external_id}")

    def states(self):
        """Return `{external id: state}` of the flow's record jobs."""
        jobs = self.jobs(flow_id=self.flow.id, kind="record")
        return {job.external_id: job.state for job in jobs}

    def test_a_refused_record_fails_alone(self):
        self.remote.poisoned["a11"] = DataInvalid("The provider refuses it.")
        self.notify("Account", *self.ids)
        self.run_lane()
        self.assertEqual(self.states(), {one: "failed" if one == "a11" else "done" for one in self.ids})
        self.assertIn("refuses it", self.jobs(external_id="a11").error_message)
        self.assertLessEqual(self.remote.calls["read"], 9)

    def test_a_document_that_cannot_be_parsed_fails_alone(self):
        self.remote.poisoned["a3"] = KeyError("properties")
        self.notify("Account", *self.ids)
        self.run_lane()
        states = self.states()
        self.assertEqual(states.pop("a3"), "pending", "tried again: it may be our fault")
        self.assertEqual(set(states.values()), {"done"})
        job = self.jobs(external_id="a3")
        self.assertEqual((job.error_code, job.attempts), ("bug", 1))
        self.assertIn("unexpected KeyError", job.error_message)
        self.assertNotIn("properties", job.error_message)

    def test_a_record_that_breaks_the_provider_is_alone_at_the_second_attempt(self):
        self.remote.poisoned["a3"] = Transient("The provider answered 500.")
        self.notify("Account", *self.ids)
        self.lane._run_once()
        self.assertEqual(set(self.states().values()), {"pending"})
        self.assertEqual(self.remote.calls["read"], 1, "an outage is not multiplied")
        self.jobs(flow_id=self.flow.id).action_retry()
        self.run_lane()
        self.assertEqual(self.states(), {one: "pending" if one == "a3" else "done" for one in self.ids})

    def test_refused_access_is_nobodys_poison(self):
        self.remote.poisoned["a3"] = AuthFailed("The token is refused.")
        self.notify("Account", *self.ids)
        self.run_lane()
        self.assertEqual(self.remote.calls["read"], 1)
        self.assertEqual(self.connection.state, "paused")

    def test_of_a_page_only_the_poisoned_record_gets_a_job(self):
        self.flow.page_size = 100
        for number in range(60):
            self.remote.put("Account", f"b{number:02}", Name=f"B {number}")
        self.remote.poisoned["b42"] = DataInvalid("The provider refuses it.")
        self.flow.write({"poll": True})
        self.env["sync.flow"].browse(self.flow.id)._schedule_poll()
        self.jobs(flow_id=self.flow.id, kind="poll").action_retry()
        self.run_lane()
        self.assertEqual(set(self.jobs(flow_id=self.flow.id, kind="page").mapped("state")), {"done"})
        self.assertEqual(self.states(), {"b42": "failed"})
        self.assertEqual(self.env["sync.binding"].search_count([("connection_id", "=", self.connection.id)]), 75)

    def test_a_poisoned_prerequisite_blocks_who_needs_it(self):
        self.remote.put("Account", "child", Name="Child", ParentId="top")
        self.remote.put("Account", "free", Name="Free")
        self.remote.put("Account", "top", Name="Top")
        self.remote.poisoned["top"] = DataInvalid("The provider refuses Top.")
        self.notify("Account", "child", "free")
        self.run_lane()
        self.assertEqual(self.states(), {"child": "failed", "free": "done"})
        self.assertIn("refuses Top", self.jobs(external_id="child").error_message)

    def test_a_prerequisite_that_fails_for_the_moment_is_tried_again(self):
        self.remote.put("Account", "child", Name="Child", ParentId="top")
        self.remote.put("Account", "top", Name="Top")
        self.remote.poisoned["top"] = Transient("The provider answered 500.")
        self.notify("Account", "child")
        self.run_lane()
        self.jobs(external_id="child").action_retry()
        self.run_lane()
        self.assertEqual(self.states(), {"child": "pending"}, "no person can do anything about it")
        self.remote.poisoned.clear()
        self.jobs(external_id="child").action_retry()
        self.run_lane()
        self.assertEqual(self.states(), {"child": "done"})
