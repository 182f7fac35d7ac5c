from datetime import timedelta

from odoo import api, models
from odoo.fields import Domain
from odoo.tools import SQL

from ..lib import clock
from ..lib.priorities import URGENT

LIST = 6  # rows of the short lists
FLOWS = 12
COUNTED = 100_000  # ended jobs of the last hour that are counted; more is "and more"
MEASURED = 10_000  # the latest of them, of which times are told
SHARES = [0.5, 0.95, 0.99]


class SyncConsole(models.AbstractModel):
    """The figures of the *Job Console*, as far as the reader may see them."""

    _name = "sync.console"
    _description = "Job Console"

    @api.model
    @api.readonly
    def get_console(self):
        """Return everything the page shows, in a number of queries that does not grow.

        What each figure counts is what the job list shows under the filters of the same
        name; what a row holds is said at the method that makes it. Moments are ISO in UTC.

        :raises AccessError: when the reader has nothing to do with synchronisation.
        """
        self.env["sync.job"].check_access("read")
        self.env["sync.job"].flush_model()
        now = clock.now()
        unfinished = self._unfinished(now)
        ended = self._ended(now)
        times = self._times(now)
        return {
            "at": _iso(now),
            "figures": self._figures(unfinished, ended),
            "lanes": self._lanes(unfinished, ended),
            "flows": self._flows(unfinished, ended, times),
            "times": times.pop(None, None),
            "oldest": self._oldest(now),
            "retries": self._retries(now),
            "holds": self._holds(now),
        }

    # === Queries, under the reader's rules ===#

    def _select(self, domain, *columns, order=None, limit=None):
        """Return the SQL of some columns of the jobs that the reader may see."""
        query = self.env["sync.job"]._search(Domain(domain), order=order, limit=limit)
        return query.select(*(SQL(column) for column in columns))

    def _unfinished(self, now):
        """Return `[{flow, lane, state, urgent, count, due, retries, planned, since, next}]`.

        A lane is only told of running jobs; `since` is when the oldest became due.
        """
        jobs = self._select(
            [("state", "in", ("pending", "running", "failed"))],
            "sync_job.flow_id", "sync_job.lane_id", "sync_job.state", "sync_job.kind",
            "sync_job.priority", "sync_job.eta", "sync_job.attempts",
        )
        return self.env.execute_query_dict(
            SQL(
                """
                SELECT flow_id AS flow, CASE WHEN state = 'running' THEN lane_id END AS lane, state,
                       priority < %(urgent)s AS urgent, count(*) AS count,
                       count(*) FILTER (WHERE state = 'pending' AND eta <= %(now)s) AS due,
                       count(*) FILTER (WHERE state = 'pending' AND eta > %(now)s AND attempts > 0)
                           AS retries,
                       count(*) FILTER (WHERE state = 'pending' AND eta > %(now)s
                                          AND attempts = 0 AND kind <> 'poll') AS planned,
                       min(eta) FILTER (WHERE state = 'pending' AND eta <= %(now)s) AS since,
                       min(eta) FILTER (WHERE state = 'pending' AND eta > %(now)s AND attempts > 0)
                           AS next
                  FROM (%(jobs)s) j
                 GROUP BY 1, 2, 3, 4
                """,
                urgent=URGENT, now=now, jobs=jobs,
            )
        )

    def _ended_domain(self, now):
        """Return the domain of the work of the last hour; looks for changes are no work."""
        return [
            ("done_at", ">=", now - timedelta(hours=1)),
            ("state", "in", ("done", "failed")),
            ("kind", "!=", "poll"),
        ]

    def _ended(self, now):
        """Return `[{flow, lane, state, hour, minute}]`, counts of the last hour and minute."""
        jobs = self._select(
            self._ended_domain(now),
            "sync_job.flow_id", "sync_job.lane_id", "sync_job.state", "sync_job.done_at",
            limit=COUNTED, order="done_at desc",
        )
        return self.env.execute_query_dict(
            SQL(
                """
                SELECT flow_id AS flow, lane_id AS lane, state, count(*) AS hour,
                       count(*) FILTER (WHERE done_at >= %(minute)s) AS minute
                  FROM (%(jobs)s) j
                 GROUP BY 1, 2, 3
                """,
                minute=now - timedelta(minutes=1), jobs=jobs,
            )
        )

    def _times(self, now):
        """Return `{flow id, or None for all: {"count", "wait", "run"}}`.

        Wait and run are [p50, p95, p99] in seconds of the latest jobs of the last hour.
        """
        jobs = self._select(
            self._ended_domain(now),
            "sync_job.flow_id", "sync_job.wait_seconds", "sync_job.run_seconds",
            limit=MEASURED, order="done_at desc",
        )
        rows = self.env.execute_query(
            SQL(
                """
                SELECT flow_id, count(*),
                       percentile_cont(%(shares)s::float[]) WITHIN GROUP (ORDER BY wait_seconds),
                       percentile_cont(%(shares)s::float[]) WITHIN GROUP (ORDER BY run_seconds)
                  FROM (%(jobs)s) j
                 WHERE run_seconds IS NOT NULL
                 GROUP BY GROUPING SETS ((flow_id), ())
                """,
                shares=SHARES, jobs=jobs,
            )
        )
        return {
            flow: {"count": count, "wait": wait, "run": run} for flow, count, wait, run in rows if count
        }

    # === What is shown ===#

    def _figures(self, unfinished, ended):
        """Return the numbers of the tiles, and when the oldest job became due."""
        since = [row["since"] for row in unfinished if row["since"]]
        next_ = [row["next"] for row in unfinished if row["next"]]
        hour = _sum(ended, "hour")
        return {
            "due": _sum(unfinished, "due"),
            "due_urgent": _sum((row for row in unfinished if row["urgent"]), "due"),
            "planned": _sum(unfinished, "planned"),
            "retries": _sum(unfinished, "retries"),
            "running": _sum((row for row in unfinished if row["state"] == "running"), "count"),
            "failed": _sum((row for row in unfinished if row["state"] == "failed"), "count"),
            "minute": _sum(_of_state(ended, "done"), "minute"),
            "hour": _sum(_of_state(ended, "done"), "hour"),
            "failed_hour": _sum(_of_state(ended, "failed"), "hour"),
            "and_more": hour >= COUNTED,
            "oldest_at": _iso(min(since, default=None)),
            "next_retry_at": _iso(min(next_, default=None)),
        }

    def _lanes(self, unfinished, ended):
        """Return `[{"id", "name", "state", "express", "running", "minute", "hour", "failed",
        "last_run_at"}]`; state is running, idle or off."""
        lanes = self.env["sync.lane"].sudo().with_context(active_test=False).search([])
        return [
            {
                "id": lane.id,
                "name": lane.name,
                "express": lane.express,
                "running": (running := _sum((r for r in unfinished if r["lane"] == lane.id), "count")),
                "state": "off" if not lane.active else "running" if running else "idle",
                "minute": _sum(_of_state(ended, "done", lane=lane.id), "minute"),
                "hour": _sum(_of_state(ended, "done", lane=lane.id), "hour"),
                "failed": _sum(_of_state(ended, "failed", lane=lane.id), "hour"),
                "last_run_at": _iso(lane.beat_at or lane.last_run_at),
            }
            for lane in lanes
        ]

    def _flows(self, unfinished, ended, times):
        """Return the flows with something to tell, the slowest first, then the fullest.

        :return: `[{"id", "name", "connection", "paused", "due", "planned", "retries",
            "running", "failed", "hour", "wait", "run"}]`; wait and run are p95 in seconds,
            or None when nothing ended.
        """
        ids = {row["flow"] for row in [*unfinished, *ended]}
        rows = [
            self._flow(flow, unfinished, ended, times.get(flow.id))
            for flow in self.env["sync.flow"].with_context(active_test=False).search([("id", "in", ids)])
        ]
        rows.sort(key=lambda row: (-(row["run"] or 0), -(row["due"] + row["failed"]), row["id"]))
        return [row for row in rows if any(row[key] for key in _FLOW_KEYS)][:FLOWS]

    def _flow(self, flow, unfinished, ended, times):
        mine = [row for row in unfinished if row["flow"] == flow.id]
        return {
            "id": flow.id,
            "name": flow.name,
            "connection": flow.connection_id.name,
            "paused": not flow._is_runnable() or flow.connection_id.state != "connected",
            "due": _sum(mine, "due"),
            "planned": _sum(mine, "planned"),
            "retries": _sum(mine, "retries"),
            "running": _sum((row for row in mine if row["state"] == "running"), "count"),
            "failed": _sum((row for row in mine if row["state"] == "failed"), "count"),
            "hour": _sum(_of_state(ended, "done", flow=flow.id), "hour"),
            "wait": times["wait"][1] if times else None,
            "run": times["run"][1] if times else None,
        }

    def _oldest(self, now):
        """Return the jobs that have been due for the longest time, and what keeps them."""
        jobs = self.env["sync.job"].search(
            [("state", "=", "pending"), ("eta", "<=", now)], order="eta, id", limit=LIST
        )
        return [dict(self._job(job), at=_iso(job.eta), reason=job.waiting_for) for job in jobs]

    def _retries(self, now):
        """Return the jobs that try again next, when, and why they have to."""
        jobs = self.env["sync.job"].search(
            [("state", "=", "pending"), ("eta", ">", now), ("attempts", ">", 0)],
            order="eta, id", limit=LIST,
        )
        labels = self.env["sync.job"]._error_labels()
        return [
            dict(
                self._job(job),
                at=_iso(job.eta),
                reason=labels.get(job.error_code, ""),
                message=job.error_message or "",
                attempts=job.attempts,
            )
            for job in jobs
        ]

    def _job(self, job):
        return {"id": job.id, "name": job.name, "flow": job.flow_id.name}

    def _holds(self, now):
        """Return the holds that are in force: `[{"id", "name"}]`."""
        return [{"id": hold.id, "name": hold.name} for hold in self.env["sync.hold"]._at(now)]


#: a flow of which all of these are nothing has nothing to tell
_FLOW_KEYS = ("due", "planned", "retries", "running", "failed", "hour")


def _of_state(rows, state, **criteria):
    """Yield the rows of a state that meet all criteria."""
    wanted = {"state": state, **criteria}
    return (row for row in rows if all(row[key] == value for key, value in wanted.items()))


def _sum(rows, key):
    return sum(row[key] for row in rows)


def _iso(moment):
    return moment.isoformat() if moment else ""
