from datetime import datetime, timedelta

from odoo import api, fields, models

from ..lib import clock

BATCH = 5000  # rows deleted in one go
PURGED_BEFORE = "purged_before"  # minutes before it are not in the ledgers in full any more


class SyncRetention(models.AbstractModel):
    """Forgets technical records that nobody needs any more.

    Never purged here: what waits or failed, with its whole story, and the change
    ledger: what was planned, approved, applied or reverted is the record of business
    and finance, not a technical log.
    """

    _name = "sync.retention"
    _description = "Retention"

    @api.model
    def _intact_since(self):
        """Return the moment since which the ledgers are complete."""
        return fields.Datetime.to_datetime(self.env["sync.settings"]._text(PURGED_BEFORE) or datetime.min)

    @api.model
    def _cutoff(self, setting):
        """Return the moment before which a ledger's rows may go."""
        return clock.now() - timedelta(days=self.env["sync.settings"]._number(setting))

    @api.model
    def _begin(self, cutoff):
        """Have everything counted that is about to be forgotten, once and for all.

        :return: whether it is; else it has to wait for another day.
        """
        Metric, Mark = self.env["sync.metric"], self.env["sync.metric.mark"]
        minutes = [minute for minute in Mark._pending(BATCH) if minute < cutoff]
        if minutes:
            Metric._roll_up(minutes)
        if cutoff > self._intact_since():
            self.env["sync.settings"]._set(PURGED_BEFORE, cutoff.replace(microsecond=0).isoformat(" "))

    @api.autovacuum
    def _gc_jobs(self):
        """Forget jobs that are done or replaced for long.

        :return: (how many, whether there are more).
        """
        cutoff = self._cutoff("keep_jobs_days")
        self._begin(cutoff)
        return self._delete(self._SQL_JOBS, cutoff)

    @api.autovacuum
    def _gc_events(self):
        """Forget events that arrived long ago and are dealt with.

        :return: (how many, whether there are more).
        """
        cutoff = self._cutoff("keep_events_days")
        self._begin(cutoff)
        return self._delete(self._SQL_EVENTS, cutoff)

    @api.autovacuum
    def _gc_metrics(self):
        """Forget minutes; all-time totals stay.

        :return: (how many, whether there are more).
        """
        return self._delete(self._SQL_METRICS, self._cutoff("keep_metrics_days"))

    # A story in which something waits or failed stays as a whole.
    _STORY_OPEN = """
        EXISTS (SELECT 1 FROM sync_job o
                 WHERE o.correlation_id = %s.correlation_id AND o.state IN ('pending', 'running', 'failed'))
    """

    _SQL_JOBS = f"""
        DELETE FROM sync_job WHERE id IN (
            SELECT j.id FROM sync_job j
             WHERE j.done_at < %(cutoff)s AND j.state IN ('done', 'cancelled')
               AND NOT {_STORY_OPEN % "j"}
             ORDER BY j.done_at LIMIT %(limit)s)
    """

    _SQL_EVENTS = f"""
        DELETE FROM sync_event WHERE id IN (
            SELECT e.id FROM sync_event e LEFT JOIN sync_job j ON j.id = e.job_id
             WHERE e.received_at < %(cutoff)s
               AND (j.id IS NULL OR j.state IN ('done', 'cancelled'))
               AND NOT {_STORY_OPEN % "e"}
             ORDER BY e.received_at LIMIT %(limit)s)
    """

    _SQL_METRICS = """
        DELETE FROM sync_metric WHERE id IN (
            SELECT id FROM sync_metric WHERE minute < %(cutoff)s LIMIT %(limit)s)
    """

    def _delete(self, query, cutoff):
        self.env.flush_all()
        size = self._batch_size()
        self.env.cr.execute(query, {"cutoff": cutoff, "limit": size})
        gone = self.env.cr.rowcount
        self.env.invalidate_all(flush=False)
        return gone, gone == size

    def _batch_size(self):
        return BATCH
