from odoo import api, fields, models, modules
from odoo.tools import SQL

from ..lib import histogram
from ..lib.rollup import changes, merge, of_events, of_jobs
from .sync_metric_mixin import KEY_COLUMNS, KEY_INDEX

MINUTES = 60  # counted in one transaction
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class SyncMetric(models.Model):
    """What happened in one minute, by flow and kind of work: kept for graphs.

    Rows are counted from the ledgers by `_roll_up`, never written by anybody else.
    """

    _name = "sync.metric"
    _description = "Throughput"
    _inherit = ["sync.metric.mixin"]
    _order = "minute desc, id desc"
    _rec_name = "minute"
    _log_access = False

    minute = fields.Datetime(required=True, readonly=True)
    company_id = fields.Many2one(
        "res.company", related="connection_id.company_id", store=True, index=True
    )
    failure_rate = fields.Float(
        string="Failed (%)",
        compute="_compute_failure_rate",
        aggregator="avg",
        help="Failed jobs among all that ended.",
    )
    wait_p50 = fields.Float(string="Wait p50 (s)", compute="_compute_percentiles", aggregator="avg")
    wait_p95 = fields.Float(string="Wait p95 (s)", compute="_compute_percentiles", aggregator="avg")
    wait_p99 = fields.Float(string="Wait p99 (s)", compute="_compute_percentiles", aggregator="avg")
    run_p50 = fields.Float(string="Run p50 (s)", compute="_compute_percentiles", aggregator="avg")
    run_p95 = fields.Float(string="Run p95 (s)", compute="_compute_percentiles", aggregator="avg")
    run_p99 = fields.Float(string="Run p99 (s)", compute="_compute_percentiles", aggregator="avg")
    total_p50 = fields.Float(string="In All p50 (s)", compute="_compute_percentiles", aggregator="avg")
    total_p95 = fields.Float(string="In All p95 (s)", compute="_compute_percentiles", aggregator="avg")
    total_p99 = fields.Float(string="In All p99 (s)", compute="_compute_percentiles", aggregator="avg")

    _key_unique = models.UniqueIndex(
        f"(minute, {KEY_INDEX}) NULLS NOT DISTINCT", "There is one row of each kind in a minute."
    )

    # === Computes ===#

    @api.depends("done", "failed")
    def _compute_failure_rate(self):
        for metric in self:
            ended = metric.done + metric.failed
            metric.failure_rate = 100.0 * metric.failed / ended if ended else 0.0

    @api.depends("wait_buckets", "run_buckets", "total_buckets")
    def _compute_percentiles(self):
        for metric in self:
            for name, share in SHARES.items():
                for time in ("wait", "run", "total"):
                    seconds = histogram.quantile(metric[f"{time}_buckets"], share)
                    metric[f"{time}_{name}"] = seconds or 0.0

    # === Groups: percentiles of all that is in a group, not averages of percentiles ===#

    def _read_group_select(self, aggregate_spec, query):
        name = aggregate_spec.partition(":")[0]
        time, _sep, share = name.partition("_")
        if share in SHARES:
            column = self._field_to_sql(self._table, f"{time}_buckets", query)
            return self._sql_quantile(column, SHARES[share])
        if name == "failure_rate":
            done = self._field_to_sql(self._table, "done", query)
            failed = self._field_to_sql(self._table, "failed", query)
            return SQL("100.0 * SUM(%s) / NULLIF(SUM(%s) + SUM(%s), 0)", failed, done, failed)
        return super()._read_group_select(aggregate_spec, query)

    @api.model
    def _sql_quantile(self, column, share):
        """Return as SQL what `histogram.quantile` makes of a group's merged histograms."""
        sums = SQL(", ").join(
            SQL("SUM((%s->>%s)::bigint)", column, place) for place in range(histogram.SIZE)
        )
        return SQL(
            """(
            SELECT lower + (upper - lower) * (%(share)s * total - (upto - n)) / n
              FROM (SELECT n, place,
                           sum(n) OVER (ORDER BY place) AS upto, sum(n) OVER () AS total,
                           (%(lower)s::float8[])[place] AS lower, (%(upper)s::float8[])[place] AS upper
                      FROM unnest(ARRAY[%(sums)s]) WITH ORDINALITY AS bucket (n, place)) filled
             WHERE n > 0 AND upto >= %(share)s * total
             ORDER BY place LIMIT 1)""",
            share=share,
            lower=[0.0, *histogram.BOUNDS],
            upper=[*histogram.BOUNDS, histogram.BOUNDS[-1]],
            sums=sums,
        )

    # === Roll up ===#

    @api.model
    def _cron_roll_up(self):
        """Count every marked minute (entry of the cron)."""
        Mark = self.env["sync.metric.mark"]
        counted = 0
        while minutes := Mark._pending(MINUTES):
            self._roll_up(minutes)
            counted += len(minutes)
            if not self._commit_counted(len(minutes)):
                return
        if counted:
            # Once more when all is quiet: for what was not committed yet just now.
            Mark._arm()

    def _commit_counted(self, minutes):
        """Commit so many minutes, and return whether there is time for more."""
        if modules.module.current_test:
            return True
        remaining = len(self.env["sync.metric.mark"]._pending(MINUTES))
        return bool(self.env["ir.cron"]._commit_progress(minutes, remaining=remaining))

    @api.model
    def _roll_up(self, minutes):
        """Count minutes from the ledgers, and correct what was counted of them before.

        Marks and ledgers are read in one snapshot: a mark that is deleted here belongs
        to rows that are counted here.

        :param minutes: naive moments in UTC, to the minute.
        """
        self.env.flush_all()
        self.env.cr.execute("DELETE FROM sync_metric_mark WHERE minute = ANY(%s)", [minutes])
        since = self.env["sync.retention"]._intact_since()
        minutes = [minute for minute in minutes if minute >= since]
        if not minutes:
            return
        write, delete, totals = changes(self._count(minutes), self._stored(minutes))
        self._forget(delete)
        if write:
            self._store(("minute",), list(write.items()))
            self._set_companies(minutes)
        if totals:
            self.env["sync.metric.total"]._add(totals)
        self.env.invalidate_all(flush=False)

    @api.model
    def _count(self, minutes):
        """Return `{(minute, key): measures}` of minutes, counted from the ledgers."""
        return {
            **of_jobs(self.env["sync.job"]._count_ended(minutes)),
            **of_events(self.env["sync.event"]._count_received(minutes)),
        }

    @api.model
    def _stored(self, minutes):
        """Return `{(minute, key): measures}` of minutes, as they were counted last."""
        return dict(self._fetch(("minute",), "minute = ANY(%s)", [minutes]))

    def _forget(self, rows):
        if rows:
            columns = ", ".join(("minute", *KEY_COLUMNS))
            same = " AND ".join(f"m.{name} IS NOT DISTINCT FROM gone.{name}" for name in KEY_COLUMNS)
            self.env.cr.execute_values(
                # pylint: disable=sql-injection
                f"""DELETE FROM sync_metric m USING (VALUES %s) AS gone ({columns})
                     WHERE m.minute = gone.minute AND {same}""",
                [(minute, *key) for minute, key in rows],
                template="(%s::timestamp, %s::int, %s::int, %s, %s, %s, %s, %s::int)",
            )

    def _set_companies(self, minutes):
        self.env.cr.execute(
            """
            UPDATE sync_metric m SET company_id = c.company_id FROM sync_connection c
             WHERE c.id = m.connection_id AND m.minute = ANY(%s)
               AND m.company_id IS DISTINCT FROM c.company_id
            """,
            [minutes],
        )

    @api.model
    def _totals(self):
        """Return `({key: measures}, marked minutes)`: all there ever was, up to now.

        What is marked and not rolled up yet is counted on the fly, a few minutes at
        most, so that the result equals the ledgers at any moment.
        """
        minutes = self.env["sync.metric.mark"]._pending(MINUTES)
        total = [(key, measures) for (key,), measures in self.env["sync.metric.total"]._fetch((), "TRUE", ())]
        if not minutes:
            return merge(total), 0
        since = self.env["sync.retention"]._intact_since()
        intact = [minute for minute in minutes if minute >= since]
        _write, _delete, ahead = changes(self._count(intact), self._stored(intact))
        return merge([*total, *ahead.items()]), len(minutes)
