from datetime import datetime, timedelta

from odoo import api, fields, models

from ..lib import clock, spans
from .sync_saga import OVER
from .sync_settings import KEEP_CHANGES, KEEP_SAGAS

BATCH = 5000  # rows deleted in one go
SAGAS = 500  # with their messages
PURGED_BEFORE = "purged_before"  # minutes before it are not in the ledgers in full any more


class SyncRetention(models.AbstractModel):
    """Forgets technical records that nobody needs any more.

    Never purged here: what waits or failed, with its whole story. What was applied is
    the audit trail: kept for ever unless a term of years is set, and then removed by
    whole seals, as announced in their chain.
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

    @api.autovacuum
    def _gc_plans(self):
        """Forget what dry runs planned long ago.

        :return: (how many, whether there are more).
        """
        return self._delete(self._SQL_PLANS, self._cutoff("keep_plans_days"))

    @api.autovacuum
    def _gc_changes(self):
        """Remove applied changes after the years for which they are kept, seal by seal.

        :return: (how many, whether there are more).
        """
        days = self.env["sync.settings"]._term(KEEP_CHANGES)
        Seal = self.env["sync.seal"]
        if not days or not Seal._announce_purge(clock.now() - timedelta(days=days)):
            return 0, False
        limit = self._batch_size()
        self.env.cr.execute(self._SQL_SEALS, {"cutoff": Seal._purged_before(), "limit": limit})
        covered = []
        for (text,) in self.env.cr.fetchall():
            covered += spans.load(text)
            if spans.size(covered) >= limit:
                break
        self.env.cr.execute(
            """
            DELETE FROM sync_change c USING unnest(%s::int[], %s::int[]) AS span (low, high)
             WHERE c.id BETWEEN span.low AND span.high
            """,
            [[low for low, _high in covered], [high for _low, high in covered]],
        )
        gone = self.env.cr.rowcount
        self.env.invalidate_all(flush=False)
        return gone, gone >= limit

    @api.autovacuum
    def _gc_sagas(self):
        """Forget the follow-up steps of records that ended long ago, with their log.

        What they did can no longer be undone step by step then.

        :return: (how many, whether there are more).
        """
        days = self.env["sync.settings"]._term(KEEP_SAGAS)
        if not days:
            return 0, False
        self.env.flush_all()
        limit = min(self._batch_size(), SAGAS)
        cutoff = clock.now() - timedelta(days=days)
        self.env.cr.execute(self._SQL_SAGAS, {"cutoff": cutoff, "over": list(OVER), "limit": limit})
        stories = self.env["sync.saga"].sudo().browse([row[0] for row in self.env.cr.fetchall()])
        gone = len(stories)
        stories.unlink()
        return gone, gone == limit

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
               AND e.waiting IS NOT TRUE
               AND NOT {_STORY_OPEN % "e"}
             ORDER BY e.received_at LIMIT %(limit)s)
    """

    _SQL_SAGAS = f"""
        SELECT s.id FROM sync_saga s
         WHERE s.done_at < %(cutoff)s AND s.state = ANY(%(over)s)
           AND NOT {_STORY_OPEN % "s"}
         ORDER BY s.done_at LIMIT %(limit)s
    """

    _SQL_METRICS = """
        DELETE FROM sync_metric WHERE id IN (
            SELECT id FROM sync_metric WHERE minute < %(cutoff)s LIMIT %(limit)s)
    """

    _SQL_PLANS = """
        DELETE FROM sync_change WHERE id IN (
            SELECT id FROM sync_change WHERE verdict = 'planned' AND create_date < %(cutoff)s LIMIT %(limit)s)
    """

    # Seals that ended long enough ago and whose changes are still there: all of them are.
    _SQL_SEALS = """
        SELECT spans FROM sync_seal s
         WHERE kind = 'rows' AND last_at < %(cutoff)s
           AND EXISTS (SELECT FROM sync_change c WHERE c.id = split_part(split_part(s.spans, ' ', 1), '-', 1)::int)
         ORDER BY number LIMIT %(limit)s
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
