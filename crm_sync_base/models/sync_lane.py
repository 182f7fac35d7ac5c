import logging
import time

import psycopg2
from odoo import SUPERUSER_ID, _, api, fields, models, modules
from odoo.exceptions import ValidationError
from odoo.modules.registry import Registry
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ..lib import clock, correlation
from ..lib.alarm import Alarm
from ..lib.coalescer import Coalescer
from ..lib.errors import Recovery, SyncError
from ..service import cron_guard

_logger = logging.getLogger(__name__)

DEFAULT_LANES = 2
MAX_LANES = 32
RUN_SECONDS = 30  # a lane gives its cron worker back after this time, work or no work
CLAIM_RACES = 5  # claims lost in a row to other lanes before a lane gives way
WAKE_PAUSE = 0.1  # seconds; so often at most a process wakes the lanes
BEAT_SECONDS = 10  # so often a working lane leaves a sign of life
AGAIN_SECONDS = 5  # after a run that had to be given up
BESIDE_SECONDS = 20  # between two looks at what other lanes run, by one that has nothing to do


def _wake_lanes(dbname):
    """Wake the lanes of a database, in a transaction of its own."""
    with Registry(dbname).cursor() as cr:
        # Every statement sees what is committed by then, and none fails because a
        # lane has just deleted its trigger.
        cr.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        env = api.Environment(cr, SUPERUSER_ID, {})
        env["ir.cron"]._sync_keep_on()
        env["sync.lane"]._wake_now()


_waker = Coalescer(_wake_lanes, WAKE_PAUSE)
_alarm = Alarm(_waker.request)


class SyncLane(models.Model):
    """A lane runs jobs. It is one scheduled action, so lanes run in parallel on
    any number of cron workers and hosts, and never one lane twice at a time."""

    _name = "sync.lane"
    _description = "Lane"
    _order = "sequence, id"

    name = fields.Char(required=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    express = fields.Boolean(
        help="Takes urgent jobs only, so that one worker is always free for them."
    )
    cron_id = fields.Many2one("ir.cron", required=True, ondelete="cascade", readonly=True)
    beat_at = fields.Datetime(string="Last Sign of Life", readonly=True)
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

    # === CRUD ===#

    def write(self, vals):
        result = super().write(vals)
        if "active" in vals:
            self.cron_id.active = vals["active"]
            self._wake()
        return result

    def unlink(self):
        crons = self.cron_id
        result = super().unlink()
        crons.unlink()
        return result

    # === How many ===#

    @api.model
    def _ensure_lanes(self):
        """Create the lanes of a new database."""
        if not self.with_context(active_test=False).search_count([], limit=1):
            self._set_count(DEFAULT_LANES)

    @api.model
    def _set_count(self, count):
        """Have so many lanes switched on; of several, the first is for urgent jobs only.

        More lanes than the server has workers for scheduled actions are of no use.

        :raises ValidationError: for a number that makes no sense.
        """
        if not 1 <= count <= MAX_LANES:
            raise ValidationError(_("There can be 1 to %s lanes.", MAX_LANES))
        lanes = self.with_context(active_test=False).search([])
        for number in range(len(lanes) + 1, count + 1):
            name = _("Lane %s", number)
            lane = self.create({"name": name, "cron_id": self._create_cron(name).id})
            lane.cron_id.code = f"model.browse({lane.id})._cron_run()"
            lanes += lane
        for position, lane in enumerate(lanes):
            lane.write({"active": position < count, "express": position == 0 and count > 1})

    def _create_cron(self, name):
        return self.env["ir.cron"].create(
            {
                "name": _("Synchronisation: %s", name),
                "model_id": self.env["ir.model"]._get_id("sync.lane"),
                "state": "code",
                "code": "pass",
                # Triggers start it; this is for the day on which all else failed.
                "interval_number": 1,
                "interval_type": "hours",
                "priority": 0,
                "user_id": self.env.ref("base.user_root").id,
            }
        )

    # === Wake-up ===#

    def _register_hook(self):
        super()._register_hook()
        cron_guard.watch(self.env.cr.dbname, _waker.request)

    @api.model
    def _wake(self):
        """Let the lanes run as soon as this transaction is committed.

        It happens in the background, so that nobody waits for it, and once for all
        transactions of a busy moment. Should this process die in between, the
        watchdog, armed in this very transaction, does it a little later.
        """
        callbacks = self.env.cr.postcommit
        if "sync_wake" not in callbacks.data:
            callbacks.data["sync_wake"] = True
            dbname = self.env.cr.dbname
            callbacks.add(lambda: _waker.request(dbname))
            self.env["sync.watchdog"]._arm()

    @api.model
    def _wake_now(self):
        """Insert a trigger for each lane that has none pending, and notify.

        A trigger row that a running lane has deleted, but not yet committed, is
        locked and therefore skipped: it will not start that lane again. Triggers count
        whole seconds, as Odoo's own: it compares them with a truncated clock when it
        deletes them, and one that outlived its run would hide the next. It notifies in
        any case: who inserted what is pending may have died before telling, and Odoo's
        workers look for what is due a minute after they were told last, which must not be
        before the watchdog's trigger.
        """
        self.env.cr.execute(
            """
            WITH lane AS (
                 SELECT c.id FROM sync_lane l JOIN ir_cron c ON c.id = l.cron_id AND c.active
                  WHERE l.active
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

    @api.model
    def _wake_at(self, moment):
        """Wake the lanes at a later moment; a restart in between changes nothing.

        The trigger row is what lasts. Odoo looks at those of the future only once a
        minute, so an alarm of this process sees to the second.
        """
        self.env.cr.execute(
            """
            INSERT INTO ir_cron_trigger (cron_id, call_at)
            SELECT c.id, date_trunc('second', %(moment)s) + interval '1 second'
              FROM sync_lane l JOIN ir_cron c ON c.id = l.cron_id
             WHERE l.active AND NOT EXISTS (
                   SELECT 1 FROM ir_cron_trigger t
                    WHERE t.cron_id = c.id AND t.call_at > timezone('utc', now())
                      AND t.call_at <= %(moment)s::timestamp + interval '1 second')
            """,
            {"moment": moment},
        )
        _alarm.after(self.env.cr.dbname, (moment - clock.now()).total_seconds())

    def _wake_for_next(self):
        """Nothing is due now: have the lanes woken when something will be.

        And while others are at work: one that has died with its host starts anew as soon as
        somebody wakes it, and gives back what it ran.
        """
        moments = [
            self.env["sync.job"]._next_eta(),
            self.env["sync.hold"]._next_end(),
            self.env["sync.flow"]._next_opening(),
            *(row.until for row in self.env["sync.endpoint"]._blocked()),
        ]
        ahead = [moment for moment in moments if moment and moment > clock.now()]
        if ahead:
            self._wake_at(min(ahead))
        if self.env["sync.job"]._are_any_running():
            _alarm.after(self.env.cr.dbname, BESIDE_SECONDS)

    # === Run ===#

    def _cron_run(self):
        """Run due jobs until none is left or the time is up (entry of the cron)."""
        self.ensure_one()
        end = time.monotonic() + RUN_SECONDS
        name = self.name  # it cannot be read any more when the database is gone
        try:
            self._forget_timeouts()
            self._beat()
            self.env["sync.job"]._recover(self)
            self._commit()
            while time.monotonic() < end:
                if self._run_once():
                    continue
                self._wake_for_next()
                self._commit()
                # Nobody comes for what became due while we looked for when.
                if not self._run_once():
                    return
        except Exception as error:
            # Odoo switches a scheduled action off that fails too often. What was
            # claimed here returns with the next run.
            if self.env.cr._cnx.closed:  # by a database that went away, or a server that stops
                _logger.warning("Synchronisation: %s lost its database and gives up this run: %s", name, error)
            else:
                _logger.exception("Synchronisation: %s gives up this run", name)
            self._give_up()
            return
        # Time is up with work left: a notification to ourselves starts the next
        # run as soon as this one has ended.
        self._wake()

    def _forget_timeouts(self):
        """Keep Odoo from skipping this lane after three runs that did not come to an end.

        It would take them for a scheduled action that is too slow. Here a worker died,
        and which job was to blame is counted on the jobs.
        """
        progress = self.env.context.get("ir_cron_progress_id")
        self.env["ir.cron.progress"].browse(progress or []).timed_out_counter = 0

    def _give_up(self):
        """Return what this lane had claimed, over a new connection if need be."""
        if modules.module.current_test:
            return
        try:
            self.env.cr.rollback()
        except psycopg2.Error:
            _logger.info("Synchronisation: the connection to the database is lost")
        try:
            with self.env.registry.cursor() as cr:
                jobs = api.Environment(cr, SUPERUSER_ID, {})["sync.job"]
                jobs.search([("lane_id", "=", self.id), ("state", "=", "running")])._mine()._release()
        except psycopg2.Error as error:
            _logger.warning("Synchronisation: jobs wait for the database: %s", str(error).strip())
        _alarm.after(self.env.cr.dbname, AGAIN_SECONDS)

    def _run_once(self):
        """Claim one batch and run it.

        :return: how many jobs were run, or events taken in; 0 when nothing is due.
        """
        taken, claimed = self._claim()
        if not claimed:
            return taken
        jobs = claimed._mine()
        if not jobs or jobs._are_stopped():
            jobs._give_back()
            self._commit()
            return len(claimed)
        alone = jobs._have_last_chance()
        flow = jobs.flow_id
        handler = flow._handler(jobs[0].kind)
        try:
            with correlation.working_on(jobs.mapped("correlation_id")):
                outcomes = handler._run(flow, jobs)
            done = jobs.filtered(lambda job: job.id in outcomes)
            if done._mine() != done:  # a handler that commits has a new snapshot by now
                raise psycopg2.errors.SerializationFailure("another run of this lane has these jobs")
            jobs._settle(outcomes)
            self._commit()
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            # Somebody else changed the same rows: nothing happened, run it again.
            self._rollback()
            jobs._mine()._give_back(delay=0.1)
            self._commit()
        except Exception as error:
            self._rollback()
            if not isinstance(error, SyncError):
                _logger.exception("Synchronisation: batch of %s failed", flow.display_name)
            self._fail_batch(jobs._mine(), error)
            self._commit()
        if alone:
            self._wake()  # the others have found nothing to do meanwhile
            self._commit()  # a claim begins a transaction
        return len(claimed)

    def _fail_batch(self, jobs, error):
        if isinstance(error, SyncError) and error.recovery is Recovery.HOLD:
            jobs._hold_back(error)
            return
        for job in jobs:
            job._fail(error)

    def _claim(self):
        """Take in what webhooks brought and claim a batch, trying again when another lane was faster.

        :return: how many events were taken in, and the claimed jobs.
        """
        for _attempt in range(CLAIM_RACES):
            try:
                self._begin_claim()
                taken = self.env["sync.event"]._take_in()
                with self.env.cr.savepoint(flush=False):
                    jobs = self.env["sync.job"]._claim(self)
                if jobs:
                    self._beat()
                self._commit()
                return taken, jobs
            except (psycopg2.errors.UniqueViolation, *PG_CONCURRENCY_EXCEPTIONS_TO_RETRY):
                self._rollback()
        return 0, self.env["sync.job"]

    def _begin_claim(self):
        """Make this transaction, which has only begun, fit for claiming.

        It passes over jobs that other lanes take; with a snapshot of its own, as Odoo's
        transactions have, it would fail on each of them. And it walks the indexes in
        order: statistics are always older than a queue, and a plan made from them may
        read, check and sort all that waits to take fifty.
        """
        if not modules.module.current_test:
            self.env.cr.execute(self._SQL_BEGIN_CLAIM)

    _SQL_PLAIN_PLANS = """
        SET LOCAL enable_seqscan = off;
        SET LOCAL enable_bitmapscan = off;
        SET LOCAL enable_hashjoin = off;
        SET LOCAL enable_mergejoin = off;
        SET LOCAL enable_sort = off;
    """
    _SQL_BEGIN_CLAIM = f"SET TRANSACTION ISOLATION LEVEL READ COMMITTED; {_SQL_PLAIN_PLANS}"

    def _beat(self):
        """Leave a sign of life, now and then."""
        now = clock.now()
        if not self.beat_at or (now - self.beat_at).total_seconds() >= BEAT_SECONDS:
            self.beat_at = now

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
