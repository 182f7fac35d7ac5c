from collections import defaultdict
from datetime import timezone

from odoo import api, models

from ..lib import clock
from ..lib.metrics import exposition, unique_names
from ..lib.rollup import EVENT

#: (hours, label): how long causes have been on the exception desk
AGES = ((1, "under_1h"), (24, "under_1d"), (168, "under_1w"), (float("inf"), "older"))
NONE = ""  # what a label says where there is nothing to say


class SyncMetricExport(models.AbstractModel):
    """Everything that is exported for Prometheus, read from the database.

    The past comes from the all-time totals, the present from what is unfinished: the
    number of queries is fixed, and none reads the length of a ledger. Nothing is kept
    in the process, so every worker on every host gives the same answer.
    """

    _name = "sync.metric.export"
    _description = "Metrics Export"

    @api.model
    def _exposition(self, accept=""):
        """Return all metrics as text, and its content type.

        :param accept: the Accept header of the scraper.
        """
        return exposition(self._samples(), accept)

    @api.model
    def _samples(self):
        """Return `{metric: {labels: value}}` as `lib.metrics` takes them."""
        self.env.flush_all()
        samples = defaultdict(dict)
        names = self._names()
        self._add_history(samples, names)
        self._add_jobs(samples, names)
        self._add_waiting(samples, names)
        self._add_exceptions(samples)
        self._add_connections(samples, names)
        self._add_holds(samples)
        self._add_endpoints(samples, names)
        self._add_lanes(samples)
        return dict(samples)

    def _rows(self, query, params=None):
        self.env.cr.execute(query, params)
        return self.env.cr.dictfetchall()

    # === Names ===#

    @api.model
    def _names(self):
        """Return `{"connection": {id: name}, "flow": {id: code}, "of": {flow: connection}}`."""
        rows = self._rows("SELECT id, name FROM sync_connection")
        connections = unique_names((row["id"], row["name"]) for row in rows)
        flows, owner = {}, {}
        by_connection = defaultdict(list)
        for row in self._rows("SELECT id, connection_id, code FROM sync_flow"):
            by_connection[row["connection_id"]].append((row["id"], row["code"]))
            owner[row["id"]] = row["connection_id"]
        for pairs in by_connection.values():
            flows.update(unique_names(pairs))
        return {"connection": connections, "flow": flows, "of": owner}

    @staticmethod
    def _flow_labels(names, flow_id):
        connection = names["connection"].get(names["of"].get(flow_id), NONE)
        return connection, names["flow"].get(flow_id, NONE)

    # === History ===#

    def _add_history(self, samples, names):
        totals, pending = self.env["sync.metric"]._totals()
        samples["q2c_rollup_pending_minutes"][()] = pending
        for key, measures in totals.items():
            if key.kind == EVENT:
                self._add_events(samples, names, key, measures.counts)
            else:
                self._add_finished(samples, names, key, measures)

    def _add_events(self, samples, names, key, counts):
        connection = names["connection"].get(key.connection_id, NONE)
        arrived = counts["accepted"] + counts["refused"]
        _plus(samples["q2c_events_total"], (connection, key.origin or NONE, key.verdict or NONE), arrived)
        _plus(samples["q2c_event_duplicates_total"], (connection,), counts["duplicates"])
        _plus(samples["q2c_webhook_signature_failures_total"], (connection,), counts["forged"])
        _plus(samples["q2c_event_gaps_total"], (connection,), counts["gaps"])
        _plus(samples["q2c_event_gaps_late_total"], (connection,), counts["late"])
        if key.http_status:
            answered = arrived + counts["duplicates"]
            _plus(samples["q2c_webhook_answers_total"], (connection, str(key.http_status)), answered)

    def _add_finished(self, samples, names, key, measures):
        counts = measures.counts
        work = (*self._flow_labels(names, key.flow_id), key.kind)
        for result in ("done", "failed", "replaced"):
            if counts[result]:
                labels = (*work, result, key.error_code or NONE)
                _plus(samples["q2c_jobs_finished_total"], labels, counts[result])
        _plus(samples["q2c_records_processed_total"], work, counts["records"])
        _plus(samples["q2c_job_retries_total"], work, counts["retried"])
        _plus(samples["q2c_job_crashes_total"], work, counts["crashed"])
        _plus(samples["q2c_jobs_coalesced_total"], work, counts["coalesced"])
        for time, metric in (("wait", "wait"), ("run", "run"), ("total", "turnaround")):
            histograms = samples[f"q2c_job_{metric}_seconds"]
            before, seconds = histograms.get(work, ([0] * len(measures.buckets[time]), 0.0))
            histograms[work] = (
                [old + new for old, new in zip(before, measures.buckets[time])],
                seconds + measures.seconds[time],
            )

    # === Jobs ===#

    def _add_jobs(self, samples, names):
        for row in self._rows(
            """
            SELECT flow_id, kind,
                   CASE WHEN state <> 'pending' THEN state
                        WHEN attempts > 0 AND error_code IS NOT NULL THEN 'retrying'
                        WHEN eta > %(now)s THEN 'scheduled' ELSE 'waiting' END AS state,
                   CASE WHEN state <> 'running' THEN error_code END AS error_code,
                   count(*) AS jobs
              FROM sync_job WHERE state IN ('pending', 'running', 'failed')
             GROUP BY 1, 2, 3, 4
            """,
            {"now": clock.now()},
        ):
            work = (*self._flow_labels(names, row["flow_id"]), row["kind"])
            _plus(samples["q2c_jobs"], (*work, row["state"], row["error_code"] or NONE), row["jobs"])

    def _add_waiting(self, samples, names):
        """For how long the oldest due job of each flow that may run has been waiting."""
        now = clock.now()
        for row in self._rows(
            # pylint: disable=sql-injection
            f"""
            SELECT o.id AS flow_id, next.eta FROM ({self.env["sync.job"]._SQL_OPEN_FLOWS}) o
              LEFT JOIN LATERAL (
                   SELECT j.eta FROM sync_job j
                    WHERE j.flow_id = o.id AND j.state = 'pending' AND j.depends_on_id IS NULL
                    ORDER BY j.eta LIMIT 1) next ON TRUE
            """,
            {"now": now},
        ):
            waited = (now - row["eta"]).total_seconds() if row["eta"] else 0.0
            labels = self._flow_labels(names, row["flow_id"])
            samples["q2c_jobs_oldest_waiting_seconds"][labels] = max(0.0, waited)

    # === Exceptions ===#

    def _add_exceptions(self, samples):
        now = clock.now()
        late = 0
        for row in self._rows(
            "SELECT error_code, first_seen, deadline FROM sync_exception WHERE state IN ('new', 'acknowledged')"
        ):
            hours = (now - (row["first_seen"] or now)).total_seconds() / 3600
            age = next(label for limit, label in AGES if hours < limit)
            _plus(samples["q2c_exceptions_open"], (row["error_code"] or NONE, age), 1)
            late += bool(row["deadline"] and row["deadline"] < now)
        samples["q2c_exceptions_overdue"][()] = late

    # === Connections, flows, holds ===#

    def _add_connections(self, samples, names):
        for row in self._rows("SELECT id, provider, environment, state FROM sync_connection WHERE active"):
            labels = (names["connection"][row["id"]], row["provider"], row["environment"])
            samples["q2c_connection_up"][labels] = int(row["state"] == "connected")
        for row in self._rows("SELECT id, paused IS NOT TRUE AND mode <> 'off' AS up FROM sync_flow WHERE active"):
            samples["q2c_flow_running"][self._flow_labels(names, row["id"])] = int(row["up"])

    def _add_holds(self, samples):
        for row in self._rows(
            """
            SELECT scope, count(*) AS holds FROM sync_hold
             WHERE active AND date_start <= %(now)s AND (date_end IS NULL OR date_end > %(now)s)
             GROUP BY scope
            """,
            {"now": clock.now()},
        ):
            samples["q2c_holds_active"][row["scope"],] = row["holds"]

    def _add_endpoints(self, samples, names):
        for endpoint in self.env["sync.endpoint"].search([]):
            labels = (names["connection"].get(endpoint.connection_id.id, NONE), endpoint.code)
            # What a person decided is what holds.
            held = {"open": "open", "closed": "closed"}.get(endpoint.override)
            for state in ("closed", "half_open", "open"):
                samples["q2c_breaker_state"][(*labels, state)] = int(state == (held or endpoint.state))
            samples["q2c_breaker_override"][labels] = int(bool(held))
            for window, limit, left in (
                ("short", endpoint.rate_limit, endpoint.rate_left),
                ("day", endpoint.daily_limit, endpoint.daily_left),
            ):
                if limit:
                    samples["q2c_budget_limit_calls"][(*labels, window)] = limit
                    samples["q2c_budget_remaining_calls"][(*labels, window)] = left

    # === Lanes ===#

    def _add_lanes(self, samples):
        samples["q2c_lanes"].update({(state,): 0 for state in ("running", "idle", "off")})
        for row in self._rows(
            """
            SELECT l.id, l.name, l.active AND c.active AS active, GREATEST(l.beat_at, c.lastcall) AS seen,
                   (SELECT count(*) FROM sync_job j WHERE j.lane_id = l.id AND j.state = 'running') AS running
              FROM sync_lane l JOIN ir_cron c ON c.id = l.cron_id
            """
        ):
            state = "off" if not row["active"] else "running" if row["running"] else "idle"
            _plus(samples["q2c_lanes"], (state,), 1)
            lane = f"{row['id']}"
            samples["q2c_lane_running_jobs"][lane,] = row["running"]
            if row["seen"]:
                seen = row["seen"].replace(tzinfo=timezone.utc)
                samples["q2c_lane_last_run_timestamp_seconds"][lane,] = seen.timestamp()


def _plus(values, labels, count):
    values[labels] = values.get(labels, 0) + count
