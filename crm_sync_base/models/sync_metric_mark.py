from datetime import timedelta

from odoo import api, fields, models, modules

from ..lib import clock

MARKS = "sync_metric_marks"
SETTLE_SECONDS = 30  # a run so close may begin before the present transaction is committed

_armed = {}  # (database, cron) → the latest minute for which this process has committed a trigger


class SyncMetricMark(models.Model):
    """A minute of which the ledgers changed, and that is to be counted (again).

    Marks are written in the transaction that changes the ledgers, so none is missing,
    whenever it commits and whatever its host's clock says. Nobody but the roll-up
    reads or deletes them, so nobody waits for anybody.
    """

    _name = "sync.metric.mark"
    _description = "Minute to Count"
    _log_access = False

    minute = fields.Datetime(required=True, readonly=True, index=True)

    @api.model
    def _mark(self, moments):
        """Have the minutes of these moments counted, if this transaction is committed.

        They are written once, at its end.

        :param moments: naive moments in UTC at which something ended or arrived.
        """
        precommit = self.env.cr.precommit
        minutes = precommit.data.setdefault(MARKS, set())
        if not minutes:
            precommit.add(self._write_marks)
        minutes.update(moment.replace(second=0, microsecond=0) for moment in moments)

    @api.model
    def _write_marks(self):
        minutes = sorted(self.env.cr.precommit.data.pop(MARKS, ()))
        if minutes:
            self.env.cr.execute(
                "INSERT INTO sync_metric_mark (minute) SELECT unnest(%s::timestamp[])", [minutes]
            )
            self._arm()

    @api.model
    def _arm(self, xmlid="crm_sync_base.ir_cron_roll_up"):
        """Have the marks counted, or another scheduled action run, at the beginning of the next minute.

        Nothing is locked and nothing but the future is read: no business transaction
        ever waits or fails because of it. A process that has committed a trigger of that
        minute knows that it is there.
        """
        now = clock.now()
        soon = now + timedelta(seconds=SETTLE_SECONDS)
        due = soon.replace(second=0, microsecond=0) + timedelta(minutes=1)
        key = (self.env.cr.dbname, xmlid)
        # Cached, unlike the cron's record.
        cron_id = self.env["ir.model.data"]._xmlid_to_res_id(xmlid)
        if not cron_id or _armed.get(key) == due:
            return
        self.env.cr.execute(
            """
            INSERT INTO ir_cron_trigger (cron_id, call_at)
            SELECT %(cron)s, %(due)s
             WHERE NOT EXISTS (SELECT 1 FROM ir_cron_trigger
                                WHERE cron_id = %(cron)s AND call_at BETWEEN %(soon)s AND %(due)s)
            """,
            {"cron": cron_id, "soon": soon, "due": due},
        )
        if not modules.module.current_test:
            self.env.cr.postcommit.add(lambda: _armed.update({key: due}))

    @api.model
    def _mark_everything(self):
        """Mark every minute that the ledgers know of."""
        self.env.cr.execute(
            """
            INSERT INTO sync_metric_mark (minute)
            SELECT date_trunc('minute', done_at) FROM sync_job WHERE done_at IS NOT NULL
             UNION
            SELECT date_trunc('minute', received_at) FROM sync_event WHERE received_at IS NOT NULL
            """
        )

    @api.model
    def _pending(self, limit):
        """Return the oldest marked minutes, each once."""
        self.env.cr.execute(
            "SELECT DISTINCT minute FROM sync_metric_mark ORDER BY minute LIMIT %s", [limit]
        )
        return [row[0] for row in self.env.cr.fetchall()]
