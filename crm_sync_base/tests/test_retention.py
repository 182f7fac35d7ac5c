from datetime import timedelta

from odoo.tests import tagged

from ..lib import clock
from .test_metric import MetricCase


@tagged("post_install", "-at_install")
class TestRetention(MetricCase):
    def setUp(self):
        super().setUp()
        self.Retention = self.env["sync.retention"]
        self.old = clock.now() - timedelta(days=100)
        self.young = clock.now() - timedelta(days=80)

    def test_jobs_that_are_over_go_others_stay(self):
        gone = self.ended(self.old) + self.ended(self.old, state="cancelled")
        stays = (
            self.ended(self.young)
            + self.ended(self.old, state="failed", error_code="bug")
            + self.pending()
        )
        self.assertEqual(self.Retention._gc_jobs(), (2, False))
        self.assertFalse(gone.exists())
        self.assertEqual(stays.exists(), stays)

    def pending(self):
        self.notify("Account", "waits")
        job = self.jobs(external_id="waits")
        job.eta = self.old
        self.env.cr.execute("UPDATE sync_job SET create_date = %s WHERE id = %s", [self.old, job.id])
        return job

    def test_a_story_that_is_not_over_stays_whole(self):
        first = self.ended(self.old)
        step = self.ended(self.old, state="failed", error_code="bug", kind="step")
        step.write({"correlation_id": first.correlation_id})
        event = self.received(self.old, correlation_id=first.correlation_id, job_id=first.id)
        self.Retention._gc_jobs()
        self.Retention._gc_events()
        self.assertTrue(first.exists())
        self.assertTrue(event.exists())
        step.write({"state": "done"})
        self.Retention._gc_jobs()
        self.Retention._gc_events()
        self.assertFalse((first + step).exists())
        self.assertFalse(event.exists())

    def test_events(self):
        failed = self.ended(self.old, state="failed", error_code="bug")
        gone = (
            self.received(self.old)
            + self.received(self.old, "bad_signature")
            + self.received(self.old, job_id=self.ended(self.young).id)
        )
        stays = self.received(self.young) + self.received(self.old, job_id=failed.id)
        self.assertEqual(self.Retention._gc_events(), (3, False))
        self.assertFalse(gone.exists())
        self.assertEqual(stays.exists(), stays)

    def test_changes_outlive_their_jobs_unaltered(self):
        self.remote.put("Account", "a1", Name="Alpha")
        self.notify("Account", "a1")
        self.run_lane()
        change = self.env["sync.change"].search([("external_id", "=", "a1")])
        job = change.job_id
        job.write({"done_at": self.old})
        self.env.flush_all()
        self.env.cr.execute("SELECT sync_change FROM sync_change WHERE id = %s", [change.id])
        before = self.env.cr.fetchone()
        self.Retention._gc_jobs()
        self.assertFalse(job.exists())
        self.assertEqual((change.verdict, change.job_id.ids), ("applied", []))
        self.env.cr.execute("SELECT sync_change FROM sync_change WHERE id = %s", [change.id])
        self.assertEqual(self.env.cr.fetchone(), before, "not a byte of the row")

    def test_settings_decide(self):
        job, event = self.ended(self.young), self.received(self.young)
        self.env["sync.settings"]._set("keep_jobs_days", "30")
        self.Retention._gc_jobs()
        self.Retention._gc_events()
        self.assertFalse(job.exists())
        self.assertTrue(event.exists())
        self.env["sync.settings"]._set("keep_events_days", "nonsense")
        self.Retention._gc_events()
        self.assertTrue(event.exists())

    def test_in_batches(self):
        for _number in range(5):
            self.ended(self.old)
        self.patch(type(self.Retention), "_batch_size", lambda self: 2)
        self.assertEqual(self.Retention._gc_jobs(), (2, True))
        self.assertEqual(self.Retention._gc_jobs(), (2, True))
        self.assertEqual(self.Retention._gc_jobs(), (1, False))

    def test_what_is_forgotten_was_counted_and_stays_counted(self):
        for _number in range(3):
            self.ended(self.old)
        self.received(self.old)
        self.env.cr.precommit.run()
        self.Retention._gc_jobs()
        self.Retention._gc_events()
        counted = self.rows(minute=self.old.replace(second=0, microsecond=0), kind="record")
        self.assertEqual(counted.done, 3)
        self.env["sync.metric.mark"]._mark([self.old])
        self.roll_up()
        self.assertEqual(counted.exists().done, 3, "a minute that is gone is not counted again")

    def test_minutes(self):
        self.ended(self.old)
        self.ended(self.young)
        self.roll_up()
        self.assertEqual(self.Retention._gc_metrics(), (1, False))
        self.assertEqual(sum(self.rows().mapped("done")), 1)

    def saga(self, state="complete", done_at=None, res_id=1, **vals):
        """Return a saga of a partner that ended (by default long ago)."""
        story = self.env["sync.saga"].create(
            {"flow_id": self.flow.id, "model": "res.partner", "res_id": res_id, "name": "Acme", "state": state,
             "done_at": False if state in ("running", "person") else done_at or self.old, **vals}
        )
        story.step_ids.create({"saga_id": story.id, "kind": "record", "sequence": -1, "name": "Partner"})
        story.message_post(body="Everything was done.")
        return story

    def test_follow_up_steps_are_kept_until_somebody_says_how_long(self):
        stories = self.saga()
        self.assertEqual(self.Retention._gc_sagas(), (0, False))
        self.assertTrue(stories.exists())

    def test_follow_up_steps_that_are_over_go_others_stay(self):
        self.env["sync.settings"]._set("keep_sagas_days", "90")
        gone = self.saga() + self.saga("undone", res_id=2) + self.saga("closed", res_id=3)
        failed = self.ended(self.old, state="failed", error_code="bug")
        stays = (
            self.saga(done_at=self.young, res_id=4)
            + self.saga("person", res_id=5)
            + self.saga("running", res_id=6)
            + self.saga(res_id=7, correlation_id=failed.correlation_id)
        )
        lines, messages = gone.step_ids, gone.message_ids
        self.assertEqual(self.Retention._gc_sagas(), (3, False))
        self.assertFalse(gone.exists() or lines.exists() or messages.exists())
        self.assertEqual(stays.exists(), stays)
        self.assertEqual(self.Retention._gc_sagas(), (0, False))

    def test_odoo_calls_it(self):
        from odoo.addons.base.models.ir_autovacuum import is_autovacuum

        for name in ("_gc_jobs", "_gc_events", "_gc_metrics", "_gc_plans", "_gc_changes", "_gc_sagas"):
            self.assertTrue(is_autovacuum(getattr(self.Retention, name)), name)

    def test_deleting_a_job_looks_nothing_up_row_by_row(self):
        """Every foreign key that points to a purged table has an index to follow it back."""
        self.env.cr.execute(
            """
            SELECT c.conrelid::regclass || '.' || a.attname
              FROM pg_constraint c
              JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
             WHERE c.contype = 'f' AND c.confrelid IN ('sync_job'::regclass, 'sync_event'::regclass,
                                                    'sync_saga'::regclass, 'sync_saga_step'::regclass)
               AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1]
                                  AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) LIKE '%IS NOT NULL%'))
            """
        )
        self.assertFalse([row[0] for row in self.env.cr.fetchall()])
