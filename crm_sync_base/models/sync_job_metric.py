from odoo import api, models
from odoo.tools import SQL

from ..lib import clock, histogram

ENDED = ("done", "failed", "cancelled")


class SyncJobMetric(models.Model):
    """The job ledger as a source of figures: what ended is marked, then counted."""

    _inherit = "sync.job"

    # === Mark ===#

    def write(self, vals):
        ends = vals.get("state") in ENDED or "done_at" in vals
        before = self.mapped("done_at") if ends else []
        result = super().write(vals)
        if ends:
            self._mark([*before, *self.mapped("done_at")])
        return result

    def _settle_done(self, pairs):
        start = clock.now()
        result = super()._settle_done(pairs)
        if pairs:
            self._mark([start, clock.now()])
        return result

    def _requeue_one_by_one(self, rows, now):
        result = super()._requeue_one_by_one(rows, now)
        self._mark([now])
        return result

    @api.model
    def _mark(self, moments):
        self.env["sync.metric.mark"]._mark(filter(None, moments))

    # === Count ===#

    @api.model
    def _count_ended(self, minutes):
        """Count the jobs that ended in these minutes.

        A job counts as failed also when a later one succeeded for it since: figures of
        the past do not change. Its wait is from when it was due to when it started
        last; its total from when it was enqueued to its end, every attempt included.
        Polls are planned ahead, so their total says nothing.

        :return: rows as `lib.rollup.of_jobs` takes them.
        """
        self.env.cr.execute(self._sql_count_ended(minutes))
        return self.env.cr.dictfetchall()

    @api.model
    def _sql_count_ended(self, minutes):
        # Sums are rounded to the clock's tick: in another order they would differ by less.
        return SQL(
            """
            WITH ended AS (
                SELECT m.minute, j.connection_id, j.flow_id, j.kind, j.attempts, j.crashes, j.coalesced,
                       j.state = 'done' AS done,
                       j.state = 'failed' OR (j.state = 'cancelled' AND j.exception_id IS NOT NULL) AS failed,
                       j.error_code AS code, j.wait_seconds AS wait, j.run_seconds AS run,
                       CASE WHEN j.kind <> 'poll'
                            THEN GREATEST(0, EXTRACT(EPOCH FROM j.done_at - j.create_date)::float8)
                        END AS total,
                       EXTRACT(EPOCH FROM j.done_at - j.create_date) <= f.max_latency AS in_time,
                       CASE WHEN j.kind IN ('record', 'push') THEN 1
                            WHEN jsonb_typeof(j.payload -> 'ids') = 'array' THEN jsonb_array_length(j.payload -> 'ids')
                        END AS records
                  FROM unnest(%(minutes)s::timestamp[]) AS m (minute)
                  JOIN sync_job j ON j.done_at >= m.minute AND j.done_at < m.minute + interval '1 minute'
                  JOIN sync_flow f ON f.id = j.flow_id
            ), ran AS (
                SELECT minute, connection_id, flow_id, kind, attempts, crashes, coalesced, done, failed,
                       done AND in_time AS on_time,
                       CASE WHEN failed THEN code END AS error_code,
                       CASE WHEN done THEN records END AS records,
                       CASE WHEN done OR failed THEN wait END AS wait,
                       CASE WHEN done OR failed THEN run END AS run,
                       CASE WHEN done OR failed THEN total END AS total
                  FROM ended
            ), placed AS (
                SELECT *, %(wait)s AS wait_place, %(run)s AS run_place, %(total)s AS total_place FROM ran
            )
            SELECT minute, connection_id, flow_id, kind, error_code,
                   CASE GROUPING(wait_place, run_place, total_place)
                        WHEN 3 THEN 'wait' WHEN 5 THEN 'run' WHEN 6 THEN 'total' END AS part,
                   COALESCE(wait_place, run_place, total_place) AS place,
                   count(*) AS jobs,
                   count(*) FILTER (WHERE done) AS done,
                   count(*) FILTER (WHERE failed) AS failed,
                   count(*) FILTER (WHERE NOT done AND NOT failed) AS replaced,
                   sum(records) AS records,
                   sum(GREATEST(attempts - 1, 0)) AS retried,
                   sum(crashes) AS crashed,
                   sum(coalesced) AS coalesced,
                   count(*) FILTER (WHERE on_time) AS on_time,
                   round(sum(wait)::numeric, 6) AS wait_seconds,
                   round(sum(run)::numeric, 6) AS run_seconds,
                   round(sum(total)::numeric, 6) AS total_seconds
              FROM placed
             GROUP BY minute, connection_id, flow_id, kind, error_code,
                      GROUPING SETS ((), (wait_place), (run_place), (total_place))
            """,
            minutes=minutes,
            wait=_place("wait"),
            run=_place("run"),
            total=_place("total"),
        )


def _place(column):
    """Return the place of a duration in the histogram, as SQL."""
    # What is longer than a bound by less than a clock's tick equals it.
    return SQL("width_bucket(%s - 5e-7, %s::float8[])", SQL.identifier(column), list(histogram.BOUNDS))
