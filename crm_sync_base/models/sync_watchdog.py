import logging
from datetime import datetime, timedelta

import psycopg2
from odoo import SUPERUSER_ID, _, api, models, modules
from odoo.modules.registry import Registry
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ..lib import clock
from ..lib.alarm import Alarm
from ..lib.errors import LaneStalled

_logger = logging.getLogger(__name__)

LOOK_SECONDS = 45  # between two looks while work waits
SOON_SECONDS = 20  # a look that is nearer may be over before this transaction is committed
GRACE_SECONDS = 5  # a job may be due so long before it counts as overlooked
STALL_SECONDS = 600  # nothing advances for so long: a person must know

_armed = {}  # database → the look that this process knows to be committed, the last of several


def _tell(dbname):
    """Have the workers of scheduled actions look for what is due."""
    try:
        with Registry(dbname).cursor() as cr:
            api.Environment(cr, SUPERUSER_ID, {})["ir.cron"]._notifydb()
    except psycopg2.Error as error:
        # They look by themselves, if later.
        _logger.info("Synchronisation: the watchdog of %s comes late: %s", dbname, error)
    _set_alarm(dbname)  # for a look that was armed while this one was ahead


_alarm = Alarm(_tell)


def _set_alarm(dbname):
    """Have the workers told when the look that this process armed last is due."""
    ahead = (_armed.get(dbname, datetime.min) - clock.now()).total_seconds()
    if ahead > 0:
        _alarm.after(dbname, ahead + 1)


class SyncWatchdog(models.AbstractModel):
    """Sees to it that what waits is picked up, and says so when it is not.

    It looks only while work waits: every transaction that enqueues something arms it,
    and it arms itself again until the queue is empty.
    """

    _name = "sync.watchdog"
    _description = "Watchdog"

    @api.model
    def _arm(self, moment=None):
        """Have the watchdog look at a moment, by default within a minute.

        Nothing is locked and nothing but the future is read, so that no business
        transaction ever waits or fails because of it. A process that has committed or
        seen a trigger knows that it is there.
        """
        cron_id = self.env["ir.model.data"]._xmlid_to_res_id("crm_sync_base.ir_cron_watchdog")
        now = clock.now()
        moment = moment or now + timedelta(seconds=LOOK_SECONDS)
        soon = now + timedelta(seconds=SOON_SECONDS)
        dbname = self.env.cr.dbname
        if not cron_id or soon <= _armed.get(dbname, datetime.min) <= moment:
            return
        self.env.cr.execute(
            """
            WITH ahead AS (
                 SELECT max(call_at) AS call_at FROM ir_cron_trigger
                  WHERE cron_id = %(cron)s AND call_at BETWEEN %(soon)s AND %(moment)s
            ), added AS (
                 INSERT INTO ir_cron_trigger (cron_id, call_at)
                 SELECT %(cron)s, date_trunc('second', %(moment)s::timestamp)
                   FROM ahead WHERE ahead.call_at IS NULL
                 RETURNING call_at
            )
            SELECT COALESCE(ahead.call_at, added.call_at) FROM ahead LEFT JOIN added ON TRUE
            """,
            {"cron": cron_id, "moment": moment, "soon": soon},
        )
        [armed] = self.env.cr.fetchone()
        if not modules.module.current_test:
            self.env.cr.postcommit.add(lambda: self._note_armed(dbname, armed))

    @staticmethod
    def _note_armed(dbname, moment):
        """Know that a look is committed, and tell of it when it is due.

        The trigger is what lasts. Odoo looks at those of the future only once a minute, counted
        from when it was told of something last.
        """
        _armed[dbname] = moment
        _set_alarm(dbname)

    @api.model
    def _cron_watch(self):
        """Repair what keeps work from being picked up; report what cannot be repaired."""
        self.env["ir.cron"]._sync_switch_on()
        self._recover_orphans()
        self.env["sync.flow"]._ensure_polls()
        due = self._next_due()
        now = clock.now()
        if due and due < now - timedelta(seconds=GRACE_SECONDS):
            self.env["sync.lane"]._wake()
        self._report(now)
        if due or self.env["sync.job"].search_count([("state", "=", "running")], limit=1):
            self._arm(max(due or now, now) + timedelta(seconds=LOOK_SECONDS))

    @api.autovacuum
    def _watch_the_watchdog(self):
        """Once a day Odoo's own housekeeping sees to it that the watchdog is on."""
        self.env["ir.cron"]._sync_switch_on()

    @api.model
    def _recover_orphans(self):
        """Return running jobs of lanes that nobody runs: dead, switched off or deleted."""
        Lane = self.env["sync.lane"].with_context(active_test=False)
        Job = self.env["sync.job"]
        for [lane] in Job._read_group([("state", "=", "running")], ["lane_id"]):
            try:
                with self.env.cr.savepoint():
                    cron = lane.cron_id
                    if not cron or cron.try_lock_for_update(allow_referencing=True):
                        Job._recover(Lane.browse(lane.id))
            except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                _logger.debug("%s has just ended a run by itself", lane.name)

    # === Report ===#

    @api.model
    def _report(self, now):
        """Raise one exception for work that does not advance, or resolve it."""
        error = self._stuck(now) or self._overlooked(now)
        Exception_ = self.env["sync.exception"]
        if error:
            Exception_._raise(self.env["sync.flow"], self.env["sync.connection"], error)
            return
        Exception_.search(
            [("error_code", "=", LaneStalled.code), ("state", "in", ("new", "acknowledged"))]
        )._resolve_by_itself(_("Work advances again."))

    def _stuck(self, now):
        """Return an error when a lane has been at the same batch for too long."""
        job = self.env["sync.job"].search(
            [("state", "=", "running"), ("started_at", "<", now - timedelta(seconds=STALL_SECONDS))],
            order="started_at",
            limit=1,
        )
        if not job:
            return None
        return LaneStalled(
            _(
                "%(lane)s has been working on “%(job)s” for %(minutes)s minutes.",
                lane=job.lane_id.name,
                job=job.name,
                minutes=int((now - job.started_at).total_seconds() // 60),
            ),
            hint=_(
                "Look at the server log and at what the database waits for. Restarting the "
                "server returns the job to the queue."
            ),
            fingerprint="stuck",
        )

    def _overlooked(self, now):
        """Return an error when due work waits and no lane shows a sign of life."""
        since = self._overlooked_since()
        if since is None or since > now - timedelta(seconds=STALL_SECONDS):
            return None
        return LaneStalled(
            _("Jobs have been due since %s (UTC) and no lane picks them up.", since.strftime("%H:%M")),
            hint=_(
                "Check that the server runs scheduled actions (max_cron_threads) and that at "
                "least one lane is switched on, under Configuration, Lanes."
            ),
            fingerprint="overlooked",
        )

    @api.model
    def _overlooked_since(self):
        """Return since when work is due while no lane shows a sign of life, None without any.

        A moment just past is nothing to worry about: how long is too long, the reader decides.
        """
        due = self._next_due()
        return max(due, self._last_sign_of_life()) if due else None

    @api.model
    def _next_due(self):
        """Return since when work waits that may run, or the next moment at which some may, or None."""
        moments = (self.env["sync.event"]._inbox_since(), self.env["sync.job"]._next_eta())
        return min(filter(None, moments), default=None)

    @api.model
    def _last_sign_of_life(self):
        """Return when a lane last began or ended anything."""
        self.env.cr.execute(
            """
            SELECT max(GREATEST(l.beat_at, c.lastcall, c.create_date))
              FROM sync_lane l JOIN ir_cron c ON c.id = l.cron_id AND c.active WHERE l.active
            """
        )
        return self.env.cr.fetchone()[0] or clock.now() - timedelta(days=3650)
