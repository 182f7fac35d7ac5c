from odoo.tests import tagged

from ..lib.errors import Transient
from .common import ACCOUNT_RULES, SyncCase


@tagged("post_install", "-at_install")
class TestPollOverlap(SyncCase):
    """A poll that looks back finds again what waits for a person."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(ACCOUNT_RULES, poll=True)

    def setUp(self):
        super().setUp()
        self.remote.put("Account", "good", Name="Good")
        self.remote.put("Account", "bad", Name="")

    def poll(self):
        """Look for changes, as far back as ever."""
        self.flow.poll_cursor = False
        self.flow._schedule_poll()
        self.jobs(flow_id=self.flow.id, kind="poll", state="pending").action_retry()
        self.run_lane()

    def attempts(self, external_id="bad"):
        """Return how many jobs a record has had."""
        return len(self.jobs(flow_id=self.flow.id, kind="record", external_id=external_id))

    def test_what_waits_on_the_desk_is_not_tried_again_by_polls(self):
        for _look in range(4):
            self.poll()
        job = self.jobs(external_id="bad")
        self.assertEqual((len(job), job.state, job.coalesced), (1, "failed", 0))
        self.assertEqual((self.attempts("good"), job.exception_id.job_count), (1, 1))

    def test_a_new_version_is_tried(self):
        self.poll()
        self.remote.put("Account", "bad", Name="", Email="still@bad.example")
        self.poll()
        self.poll()
        self.assertEqual(self.attempts(), 2)
        self.remote.put("Account", "bad", Name="Good at last")
        self.poll()
        self.assertEqual(self.jobs(external_id="bad")[0].state, "done")
        self.assertFalse(self.jobs(external_id="bad", state="failed"))

    def test_a_persons_retry_is_tried(self):
        self.poll()
        self.jobs(external_id="bad").action_retry()
        self.run_lane()
        self.assertEqual(self.attempts(), 2)

    def test_what_a_webhook_brought_first_is_tried_by_one_poll_at_most(self):
        self.notify("Account", "bad")
        self.run_lane()
        for _look in range(3):
            self.poll()
        self.assertEqual(self.attempts(), 2)

    def test_what_passed_by_itself_is_tried_again(self):
        self.flow.max_attempts = 1
        self.remote.poisoned["good"] = Transient("The provider answered 500.")
        self.poll()
        self.assertEqual(self.jobs(external_id="good").state, "failed")
        self.remote.poisoned.clear()
        self.poll()
        self.assertEqual(self.jobs(external_id="good")[0].state, "done")

    def test_the_number_of_queries_does_not_grow(self):
        def queries():
            handler = self.env["sync.handler.poll"]
            refs = self.flow._connector()._poll(self.connection, self.flow, "").refs
            self.env.flush_all()
            before = self.env.cr.sql_log_count
            found = handler._drop_known(self.flow, refs)
            return self.env.cr.sql_log_count - before, found

        self.poll()
        few = queries()
        for number in range(40):
            self.remote.put("Account", f"bad{number}", Name="")
        self.poll()
        self.assertEqual(len(self.jobs(flow_id=self.flow.id, state="failed")), 41)
        self.assertEqual(queries(), few)
        self.assertEqual(few[1], [])
