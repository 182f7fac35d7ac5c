import logging
import time

import psycopg2
from odoo import SUPERUSER_ID, _, api, fields, models, modules
from odoo.modules.registry import Registry
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ..lib.coalescer import Coalescer
from ..lib.errors import SyncError

_logger = logging.getLogger(__name__)

DEFAULT_LANES = 2
RUN_SECONDS = 30  # a lane gives its cron worker back after this time, work or no work
CLAIM_RACES = 5  # claims lost in a row to other lanes before a lane gives way
WAKE_PAUSE = 0.05  # seconds; so often at most a process wakes the lanes


def _wake_lanes(dbname):
    """Wake the lanes of a database, in a transaction of its own."""
    with Registry(dbname).cursor() as cr:
        # Every statement sees what is committed by then, and none fails because a
        # lane has just deleted its trigger.
        cr.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        api.Environment(cr, SUPERUSER_ID, {})["sync.lane"]._wake_now()


_waker = Coalescer(_wake_lanes, WAKE_PAUSE)


class SyncLane(models.Model):
    """A lane runs jobs. It is one scheduled action, so lanes run in parallel on
    any number of cron workers and hosts, and never one lane twice at a time."""

    _name = "sync.lane"
    _description = "Lane"
    _order = "sequence, id"

    name = fields.Char(required=True)
    sequence = fields.Integer(default=10)
    cron_id = fields.Many2one("ir.cron", required=True, ondelete="cascade", readonly=True)
    active = fields.Boolean(related="cron_id.active", readonly=False)
    running_count = fields.Integer(compute="_compute_running_count")
    last_run_at = fields.Datetime(related="cron_id.lastcall")

    def _compute_running_count(self):
        counts = dict(
            self.env["sync.job"]._read_group(
                [("lane_id", "in", self.ids), ("state", "=", "running")], ["lane_id"], ["__count"]
            )
        )
        for lane in self:
            lane.running_count = counts.get(lane, 0)

    @api.model
    def _ensure_lanes(self, count=DEFAULT_LANES):
        """Create lanes until there are `count`."""
        for number in range(self.with_context(active_test=False).search_count([]) + 1, count + 1):
            name = _("Lane %s", number)
            lane = self.create({"name": name, "cron_id": self._create_cron(name).id})
            lane.cron_id.code = f"model.browse({lane.id})._cron_run()"

    def _create_cron(self, name):
        return self.env["ir.cron"].create(
            {
                "name": _("Synchronisation: %s", name),
                "model_id": self.env["ir.model"]._get_id("sync.lane"),
                "state": "code",
                "code": "pass",
                "interval_number": 1,
                "interval_type": "minutes",
                "priority": 0,
                "user_id": self.env.ref("base.user_root").id,
            }
        )

    def unlink(self):
        crons = self.cron_id
        result = super().unlink()
        crons.unlink()
        return result

    # === Wake-up ===#

    @api.model
    def _wake(self):
        """Let the lanes run as soon as this transaction is committed.

        The wake-up itself is best effort: the job's row is what counts, and every
        lane looks at it once a minute anyway. It happens in the background, so that
        nobody waits for it, and once for all transactions of a busy moment.
        """
        callbacks = self.env.cr.postcommit
        if "sync_wake" not in callbacks.data:
            callbacks.data["sync_wake"] = True
            dbname = self.env.cr.dbname
            callbacks.add(lambda: _waker.request(dbname))

    @api.model
    def _wake_now(self):
        """Insert a trigger for each lane that has none pending, and notify.

        A trigger row that a running lane has deleted, but not yet committed, is
        locked and therefore skipped: it will not start that lane again. Triggers count
        whole seconds, as Odoo's own: it compares them with a truncated clock when it
        deletes them, and one that outlived its run would hide the next.
        """
        self.env.cr.execute(
            """
            WITH lane AS (
                 SELECT c.id FROM sync_lane l JOIN ir_cron c ON c.id = l.cron_id AND c.active
            ), pending AS (
                 SELECT t.cron_id FROM ir_cron_trigger t
                  WHERE t.cron_id IN (SELECT id FROM lane) AND t.call_at <= timezone('utc', now())
                    FOR KEY SHARE SKIP LOCKED
            )
            INSERT INTO ir_cron_trigger (cron_id, call_at)
            SELECT id, date_trunc('second', timezone('utc', now())) FROM lane
             WHERE id NOT IN (SELECT cron_id FROM pending)
            """
        )
        self.env.cr.postcommit.add(self.env["ir.cron"]._notifydb)

    # === Run ===#

    def _cron_run(self):
        """Run due jobs until none is left or the time is up (entry of the cron)."""
        self.ensure_one()
        end = time.monotonic() + RUN_SECONDS
        try:
            self.env["sync.job"]._recover(self)
            self._commit()
            while time.monotonic() < end:
                if not self._run_once():
                    return
        except Exception:
            # Odoo switches a scheduled action off that fails too often. What was
            # claimed here returns with the next run, as after a killed worker.
            self._rollback()
            _logger.exception("Synchronisation: %s gives up this run", self.name)
        # Time is up with work left: a notification to ourselves starts the next
        # run as soon as this one has ended.
        self._wake()

    def _run_once(self):
        """Claim one batch and run it.

        :return: how many jobs were run; 0 when nothing is due.
        """
        jobs = self._claim()
        if not jobs:
            return 0
        flow = jobs.flow_id
        handler = flow._handler(jobs[0].kind)
        try:
            outcomes = handler._run(flow, jobs)
            jobs._settle(outcomes)
            self._commit()
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            # Somebody else changed the same rows: nothing happened, run it again.
            self._rollback()
            jobs._release(delay=0.1)
            self._commit()
        except Exception as error:
            self._rollback()
            if not isinstance(error, SyncError):
                _logger.exception("Synchronisation: batch of %s failed", flow.display_name)
            for job in jobs.filtered(lambda job: job.state == "running"):
                job._fail(error)
            self._commit()
        return len(jobs)

    def _claim(self):
        """Claim a batch, trying again when another lane was faster."""
        for _attempt in range(CLAIM_RACES):
            try:
                with self.env.cr.savepoint(flush=False):
                    jobs = self.env["sync.job"]._claim(self)
                self._commit()
                return jobs
            except (psycopg2.errors.UniqueViolation, *PG_CONCURRENCY_EXCEPTIONS_TO_RETRY):
                self._rollback()
        return self.env["sync.job"]

    # === Transactions ===#

    def _commit(self):
        """Commit, except inside a test that runs in one transaction."""
        if modules.module.current_test:
            self.env.flush_all()
        else:
            # The engine's own transaction boundaries: claim, intent, result.
            self.env.cr.commit()  # pylint: disable=invalid-commit

    def _rollback(self):
        if not modules.module.current_test:
            self.env.cr.rollback()
        self.env.invalidate_all(flush=False)

    def action_run(self):
        """Run the lane now, in this request, as its scheduled action would."""
        self.ensure_one()
        return self.cron_id.method_direct_trigger()
