import uuid
from contextlib import contextmanager, suppress
from datetime import timedelta

import psycopg2
from odoo import _, api, fields, models

CHANNEL = "root.crm_sync"
URGENT, NORMAL = 1, 10  # priorities in the job queue; smaller numbers run first
LOST_SECONDS = 10  # what the runner handed out so long ago and nobody began is lost
BUSY_SECONDS = 1  # after which a lane that is still at work is asked again
RUNNER_LOCK = 2293787760715711918  # advisory lock of the runner that serves a database


class SyncLane(models.Model):
    """Lanes run on the job queue while its runner serves this database.

    The job ledger stays the truth: a job of the queue only says "lane N, look for
    work". A lane holds the row lock of its scheduled action while it runs, wherever it
    runs, so the two ways never run it twice at a time, and each may take over from the
    other at any moment.
    """

    _inherit = "sync.lane"

    runner = fields.Selection(
        [("cron", "Scheduled Action"), ("queue_job", "Job Queue")],
        string="Run By",
        compute="_compute_runner",
    )

    def _compute_runner(self):
        self.runner = "queue_job" if self._runner_lives() else "cron"

    @api.model
    def _runner_lives(self):
        """Whether a runner of the job queue serves this database right now.

        It holds an advisory lock for as long as it does. Without it (the server was not
        restarted since the installation, say) jobs of the queue would wait for ever.
        """
        self.env.cr.execute(
            """
            SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
             WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()
               AND l.classid::bigint = %s AND l.objid::bigint = %s AND l.objsubid = 1
            """,
            [RUNNER_LOCK >> 32, RUNNER_LOCK & 0xFFFFFFFF],
        )
        return bool(self.env.cr.fetchone())

    # === Wake-up ===#

    @api.model
    def _wake_now(self):
        """Have each lane that nobody is about to run put on the job queue."""
        if not self._runner_lives():
            super()._wake_now()
            return
        for lane in self.search([]) - self._about_to_run():
            lane._put_on_queue()
        self._have_dead_runs_found()

    @api.model
    def _have_dead_runs_found(self):
        """Let the runner look for runs that died, should one have been at it for long.

        It looks whenever it is told of anything, else once a minute; until then dead
        runs take the channel's places. An unknown job is nothing to it.
        """
        self.env.cr.execute(
            """
            SELECT pg_notify('queue_job', '') WHERE EXISTS (
                   SELECT 1 FROM queue_job
                    WHERE channel = %s AND state IN ('enqueued', 'started')
                      AND date_enqueued < timezone('utc', now()) - make_interval(secs => %s))
            """,
            [CHANNEL, LOST_SECONDS],
        )

    @api.model
    def _wake_at(self, moment):
        """Put the lanes on the job queue for a later moment; a restart changes nothing."""
        if not self._runner_lives():
            super()._wake_at(moment)
            return
        # The queue counts whole seconds.
        at = moment.replace(microsecond=0) + timedelta(seconds=1)
        for lane in self.search([]) - self._about_to_run(at):
            lane._put_on_queue(eta=at)

    @api.model
    def _about_to_run(self, moment=None):
        """Return the lanes that will start after this moment's commits, without being told.

        A job that has started does not count, it may have looked already; neither does
        one that the runner handed out and that was lost on the way.

        :param moment: also those that wait for a moment not later than this one.
        """
        self.env["queue.job"].flush_model()
        self.env.cr.execute(
            """
            SELECT l.id FROM sync_lane l
             WHERE EXISTS (
                   SELECT 1 FROM queue_job q
                    WHERE q.identity_key LIKE 'crm_sync_lane:' || l.id || ':%%' AND (
                          q.state = 'pending'
                          AND (q.eta IS NULL OR q.eta <= coalesce(%(moment)s, timezone('utc', now())))
                       OR q.state = 'enqueued'
                          AND q.date_enqueued > timezone('utc', now()) - make_interval(secs => %(lost)s)))
            """,
            {"moment": moment, "lost": LOST_SECONDS},
        )
        return self.browse([row[0] for row in self.env.cr.fetchall()])

    def _put_on_queue(self, eta=None):
        """Enqueue one run of this lane.

        :param eta: naive UTC moment before which it must not start.
        """
        self.ensure_one()
        self.with_delay(
            channel=CHANNEL,
            priority=URGENT if self.express else NORMAL,
            eta=eta,
            max_retries=0,  # as often as it takes; our own rows count the crashes
            description=_("Synchronisation: %s", self.name),
            # Names the lane, and is new: `_about_to_run` decides whether one is needed.
            identity_key=f"crm_sync_lane:{self.id}:{uuid.uuid4().hex}",
        )._run_on_queue()

    # === Run ===#

    def _run_on_queue(self):
        """Run the lane, as its scheduled action would (entry of the job queue).

        queue_job runs it with "Allow Commit": in a transaction of its own, while
        another one keeps the job locked.
        """
        from odoo.addons.queue_job.exception import RetryableJobError

        self.ensure_one()
        if not self.exists().active:
            return _("The lane is switched off.")
        with self._alone() as alone:
            if not alone:
                # Its run may be past its last look: what has come since is not forgotten.
                raise RetryableJobError(
                    _("The lane is at work."), seconds=BUSY_SECONDS, ignore_retry=True
                )
            self._commit()  # the lock first, then the first look
            self._cron_run()
        return None

    @contextmanager
    def _alone(self):
        """Hold the lock that a run of the scheduled action holds; say whether it was free."""
        lock_cr = self.env.registry.cursor()
        try:
            lock_cr.execute(
                "SELECT id FROM ir_cron WHERE id = %s FOR NO KEY UPDATE SKIP LOCKED", [self.cron_id.id]
            )
            yield bool(lock_cr.fetchone())
        finally:
            # A lock that was lost with its session is no failure of the run.
            with suppress(psycopg2.Error):
                lock_cr.close()
