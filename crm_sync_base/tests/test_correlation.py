from unittest.mock import patch

from ..lib import correlation
from .common import ACCOUNT_RULES, SyncCase


class TestCorrelation(SyncCase):
    """While a lane works on jobs, every call knows their stories."""

    def setUp(self):
        super().setUp()
        self.flow = self.make_flow(ACCOUNT_RULES)
        self.seen = []

    def watch(self, name):
        """Note the stories at each call of a method of the connector."""
        connector = self.registry["sync.connector.testcrm"]
        call = getattr(connector, name)

        def noted(*args, **kwargs):
            self.seen.append(correlation.stories())
            return call(*args, **kwargs)

        watched = patch.object(connector, name, noted)
        watched.start()
        self.addCleanup(watched.stop)

    def test_a_batch_reads_in_the_name_of_all_its_stories(self):
        self.watch("_read")
        for name in ("a1", "a2"):
            self.remote.put("Account", name, Name=name)
        jobs = self.notify("Account", "a1", "a2")
        self.run_lane()
        self.assertEqual(self.seen, [tuple(job["correlation_id"] for job in jobs)])
        self.assertEqual(correlation.stories(), (), "and forgets them")

    def test_a_push_carries_the_story_of_its_record(self):
        self.watch("_push")
        rules = [{"path": "Name", "field": "name", "direction": "outbound", "label": "Name"}]
        self.make_flow(rules, direction="outbound", handler="outbound", domain="[('ref', '=', 'told')]")
        self.env["res.partner"].create({"name": "Beta", "ref": "told"})
        self.run_lane()
        job = self.jobs(kind="push", state="done")
        self.assertEqual(self.seen, [(job.correlation_id,)])

    def test_an_error_leaves_no_story_behind(self):
        self.remote.faults["read"] = [ValueError("broken")]
        self.notify("Account", "a1")
        self.run_lane()
        self.assertEqual(correlation.stories(), ())

    def test_our_own_key_leads_back_to_its_job(self):
        handler = self.env["sync.handler.outbound"]
        self.remote.put("Account", "a1", Name="Alpha")
        self.notify("Account", "a1")
        job = self.jobs(state="pending", external_id="a1")
        key = handler._idempotency_key(job)
        self.assertEqual(handler._job_of_key(key), job)
        self.assertEqual(handler._job_of_key(f"{key}-1790000000"), job, "of a later attempt")
        for foreign in ("", None, f"x{key}", key.replace("q2c-", "q2c-0"), f"{key}x", "q2c-1-2-3-4"):
            self.assertFalse(handler._job_of_key(foreign), foreign)
