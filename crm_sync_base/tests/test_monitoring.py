import json
import os
import re
from datetime import timedelta
from pathlib import Path
from unittest import skipUnless
from unittest.mock import patch

from odoo import http
from odoo.exceptions import AccessError
from odoo.tests import HttpCase, new_test_user, tagged
from prometheus_client.parser import text_string_to_metric_families

from ..lib import clock
from ..lib.errors import DataInvalid
from ..lib.metrics import METRICS, names
from .test_metric import NOON, MetricCase

DOCS = Path(__file__).resolve().parents[2] / "docs"
DASHBOARD, TABLE = DOCS / "grafana" / "q2c.json", DOCS / "metrics.md"


class MonitoringCase(MetricCase):
    def setUp(self):
        super().setUp()
        self.env["sync.settings"]._set("metrics_enabled", "True")
        self.token = self.env["sync.metric.access"]._rotate()

    def scrape(self):
        """Return `{(series, sorted labels): value}` as a scraper understands it."""
        body, _content_type = self.env["sync.metric.export"]._exposition()
        return self.parse(body.decode())

    @staticmethod
    def parse(text):
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    @staticmethod
    def total(samples, name, **labels):
        """Sum the series of a name that carry these labels."""
        wanted = set(labels.items())
        return sum(value for (series, given), value in samples.items() if series == name and wanted <= set(given))


@tagged("post_install", "-at_install")
class TestMetricsExport(MonitoringCase):
    """The values that are exported, against the ledgers."""

    def test_values_equal_the_ledgers(self):
        self.ended(NOON, wait=0.2, run=0.04)
        self.ended(NOON, wait=3.0, run=0.3, attempts=3)
        self.ended(NOON, self.other, state="failed", error_code="bug", crashes=3)
        self.received(NOON, repeated=2)
        self.received(NOON, "bad_signature", http_status=401)
        self.received(NOON, origin="poll", http_status=None, gap="missed")
        for rolled_up in (False, True):
            if rolled_up:
                self.roll_up()
            with self.subTest(rolled_up=rolled_up):
                self.env.cr.precommit.run()
                self.check_values()

    def check_values(self):
        samples = self.scrape()
        flow = {"connection": "Test CRM", "flow": self.flow.code, "kind": "record"}
        finished = "q2c_jobs_finished_total"
        self.assertEqual(self.total(samples, finished, **flow, result="done", error_class=""), 2)
        self.assertEqual(self.total(samples, finished, result="failed", error_class="bug"), 1)
        self.assertEqual(self.total(samples, "q2c_job_retries_total", **flow), 2)
        self.assertEqual(self.total(samples, "q2c_job_crashes_total", flow=self.other.code), 3)
        self.assertEqual(self.total(samples, "q2c_job_wait_seconds_count", **flow), 2)
        self.assertEqual(self.total(samples, "q2c_job_wait_seconds_bucket", **flow, le="0.25"), 1)
        self.assertAlmostEqual(self.total(samples, "q2c_job_wait_seconds_sum", **flow), 3.2)
        self.assertAlmostEqual(self.total(samples, "q2c_job_run_seconds_sum", **flow), 0.34)
        self.assertEqual(self.total(samples, "q2c_job_turnaround_seconds_count"), 3)
        self.assertEqual(self.total(samples, "q2c_events_total"), 3)
        self.assertEqual(self.total(samples, "q2c_events_total", verdict="bad_signature"), 1)
        self.assertEqual(self.total(samples, "q2c_event_duplicates_total"), 2)
        self.assertEqual(self.total(samples, "q2c_webhook_signature_failures_total"), 1)
        self.assertEqual(self.total(samples, "q2c_webhook_answers_total", status="200"), 3)
        self.assertEqual(self.total(samples, "q2c_webhook_answers_total", status="401"), 1)
        self.assertEqual(self.total(samples, "q2c_event_gaps_total"), 1)

    def test_counters_never_fall_when_minutes_are_purged(self):
        self.ended(NOON)
        self.roll_up()
        self.env["sync.settings"]._set("keep_metrics_days", "1")
        self.env["sync.retention"]._gc_metrics()
        self.assertFalse(self.rows(minute=NOON))
        self.assertEqual(self.total(self.scrape(), "q2c_jobs_finished_total"), 1)

    def test_the_present(self):
        self.env["sync.job"].search([("state", "in", ("pending", "running", "failed"))]).unlink()
        self.notify("Account", "a1", "a2", "a3")
        due, later, again = self.jobs(state="pending")
        due.eta = clock.now() - timedelta(seconds=100)
        later.eta = clock.now() + timedelta(hours=1)
        again.write({"attempts": 1, "error_code": "transient", "eta": clock.now() + timedelta(minutes=1)})
        samples = self.scrape()
        for state in ("waiting", "scheduled", "retrying"):
            self.assertEqual(self.total(samples, "q2c_jobs", flow=self.flow.code, state=state), 1, state)
        self.assertEqual(self.total(samples, "q2c_jobs", state="retrying", error_class="transient"), 1)
        oldest = self.total(samples, "q2c_jobs_oldest_waiting_seconds", flow=self.flow.code)
        self.assertTrue(100 <= oldest < 110, oldest)
        self.flow.paused = True
        samples = self.scrape()
        self.assertEqual(self.total(samples, "q2c_jobs_oldest_waiting_seconds", flow=self.flow.code), 0)
        self.assertEqual(self.total(samples, "q2c_flow_running", flow=self.flow.code), 0)
        self.assertEqual(self.total(samples, "q2c_flow_running", flow=self.other.code), 1)

    def test_exceptions_by_class_and_age(self):
        raised = self.env["sync.exception"]._raise_for_connection(self.connection, DataInvalid("Closed."))
        raised.write({"first_seen": clock.now() - timedelta(hours=30), "deadline": clock.now() - timedelta(hours=6)})
        samples = self.scrape()
        self.assertEqual(self.total(samples, "q2c_exceptions_open", error_class="data_invalid", age="under_1w"), 1)
        self.assertGreaterEqual(self.total(samples, "q2c_exceptions_overdue"), 1)

    def test_connections_lanes_and_holds(self):
        self.env["sync.hold"].create({"name": "Stop"})
        self.env["sync.lane"]._set_count(3)
        samples = self.scrape()
        self.assertEqual(self.total(samples, "q2c_lanes", state="idle"), 3)
        self.assertEqual(self.total(samples, "q2c_holds_active", scope="all"), 1)
        self.assertEqual(self.total(samples, "q2c_connection_up", connection="Test CRM"), 1)
        self.connection.action_pause()
        self.assertEqual(self.total(self.scrape(), "q2c_connection_up", connection="Test CRM"), 0)

    def test_breakers_and_budgets(self):
        endpoint = self.env["sync.endpoint"].search([("connection_id", "=", self.connection.id)], limit=1)
        endpoint.write({"daily_limit": 1000, "daily_used": 400, "daily_at": clock.now(), "daily_told": True})
        of = {"connection": "Test CRM", "endpoint": endpoint.code}
        samples = self.scrape()
        self.assertEqual(self.total(samples, "q2c_breaker_state", **of, state="closed"), 1)
        self.assertEqual(self.total(samples, "q2c_budget_limit_calls", **of, window="day"), 1000)
        self.assertEqual(self.total(samples, "q2c_budget_remaining_calls", **of, window="day"), 600)
        endpoint.write({"state": "half_open"})
        self.assertEqual(self.total(self.scrape(), "q2c_breaker_state", **of, state="half_open"), 1)
        endpoint.write({"override": "open"})
        samples = self.scrape()
        self.assertEqual(self.total(samples, "q2c_breaker_state", **of, state="open"), 1)
        self.assertEqual(self.total(samples, "q2c_breaker_state", **of), 1)
        self.assertEqual(self.total(samples, "q2c_breaker_override", **of), 1)

    def test_two_connections_of_one_name_are_two_series(self):
        self.connection.copy({"name": "Test CRM"})
        connections = {dict(labels)["connection"] for (name, labels) in self.scrape() if name == "q2c_connection_up"}
        self.assertGreaterEqual(connections, {"Test CRM"})
        self.assertTrue(any(re.fullmatch(r"Test CRM#\d+", name) for name in connections), connections)

    def test_the_number_of_queries_does_not_grow(self):
        self.ended(NOON)
        self.received(NOON)
        self.roll_up()
        self.scrape()
        counts = []
        for size in (1, 60):
            for number in range(size):
                self.ended(NOON + timedelta(minutes=number), state=("done", "failed")[number % 2], error_code="bug")
                self.received(NOON + timedelta(minutes=number))
                self.notify("Account", f"q{number}")
            self.roll_up()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.scrape()
            counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(counts[0], counts[1])
        self.assertLess(counts[0], 30)

    def test_no_scrape_reads_the_length_of_a_ledger(self):
        self.make_history(20_000)
        self.env.cr.execute("ANALYZE sync_job, sync_event, sync_metric, sync_metric_mark")
        self.ended(clock.now())
        self.received(clock.now())
        self.env.cr.precommit.run()
        before = self.rows_read()
        self.scrape()
        self.env["sync.health"]._check()
        read = {table: count - before[table] for table, count in self.rows_read().items()}
        self.assertLess(max(read.values()), 2_000, read)

    def make_history(self, size):
        self.env.cr.execute(
            """
            INSERT INTO sync_job (name, kind, state, flow_id, connection_id, idempotency_key, lane_key, eta,
                   done_at, create_date, attempts, priority, crashes, coalesced)
            SELECT 'h', 'record', 'done', %(flow)s, %(connection)s, 'h' || n, 'h' || n, moment, moment, moment,
                   1, 20, 0, 0
              FROM (SELECT n, timestamp '2026-01-01' + n * interval '1 minute' AS moment
                      FROM generate_series(1, %(size)s) n) history;
            INSERT INTO sync_event (source_id, connection_id, origin, verdict, received_at)
            SELECT 'h' || n, %(connection)s, 'webhook', 'accepted', timestamp '2026-01-01' + n * interval '1 minute'
              FROM generate_series(1, %(size)s) n;
            INSERT INTO sync_metric (minute, connection_id, flow_id, kind, done)
            SELECT timestamp '2026-01-01' + n * interval '1 minute', %(connection)s, %(flow)s, 'record', 1
              FROM generate_series(1, %(size)s) n
            """,
            {"flow": self.flow.id, "connection": self.connection.id, "size": size},
        )

    def rows_read(self):
        """Return how many rows this transaction has read of each table, by scan or index."""
        tables = ("sync_job", "sync_event", "sync_metric", "sync_metric_mark")
        self.env.cr.execute(
            "SELECT relname, seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = ANY(%s)",
            [list(tables)],
        )
        return {**dict.fromkeys(tables, 0), **dict(self.env.cr.fetchall())}

    def test_only_the_digest_of_the_token_is_stored(self):
        self.env.cr.execute("SELECT value FROM ir_config_parameter WHERE key LIKE 'crm_sync_base.%'")
        self.assertNotIn(self.token, [row[0] for row in self.env.cr.fetchall()])

    def test_only_administrators_replace_the_token(self):
        manager = new_test_user(
            self.env, "token_manager", groups="base.group_user,crm_sync_base.group_sync_manager"
        )
        with self.assertRaises(AccessError):
            self.env["sync.metric.access"].with_user(manager)._rotate()


@tagged("post_install", "-at_install")
class TestMonitoring(MonitoringCase, HttpCase):
    """What a scraper and a load balancer get over real HTTP."""

    def get(self, path, token=None, **headers):
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return self.url_open(path, headers=headers)

    def test_metrics_with_the_token(self):
        self.ended(NOON)
        self.env.cr.precommit.run()
        answer = self.get("/crm_sync/metrics", self.token)
        self.assertEqual(answer.status_code, 200)
        self.assertTrue(answer.headers["Content-Type"].startswith("text/plain; version="))
        self.assertEqual(answer.headers["Cache-Control"], "no-store")
        self.assertNotIn("session_id", answer.cookies)
        self.assertEqual(self.total(self.parse(answer.text), "q2c_jobs_finished_total"), 1)

    def test_metrics_without_a_valid_token(self):
        digest = self.env["sync.settings"]._text("metrics_token_digest")
        wrong = (None, "wrong", digest, self.token[:-1], self.token + "x", "")
        for token in wrong:
            with self.subTest(token):
                answer = self.get("/crm_sync/metrics", token)
                self.assertEqual(answer.status_code, 401)
                self.assertIn("Bearer", answer.headers["WWW-Authenticate"])
                self.assertNotIn("q2c_", answer.text)
        answer = self.url_open("/crm_sync/metrics", headers={"Authorization": f"Basic {self.token}"})
        self.assertEqual(answer.status_code, 401)

    def test_a_replaced_token_is_refused(self):
        former, self.token = self.token, self.env["sync.metric.access"]._rotate()
        self.assertEqual(self.get("/crm_sync/metrics", former).status_code, 401)
        self.assertEqual(self.get("/crm_sync/metrics", self.token).status_code, 200)

    def test_no_token_was_ever_created(self):
        self.env["sync.settings"]._set("metrics_token_digest", False)
        for token in (None, self.token, "-", "False"):
            self.assertEqual(self.get("/crm_sync/metrics", token).status_code, 401)

    def test_switched_off(self):
        self.env["sync.settings"]._set("metrics_enabled", False)
        self.assertEqual(self.get("/crm_sync/metrics", self.token).status_code, 404)

    def test_databases_that_are_not_served(self):
        for path in ("/crm_sync/metrics", "/crm_sync/health"):
            answer = self.get(f"{path}?db=postgres", self.token)
            self.assertEqual(answer.status_code, 404, path)
            self.assertEqual(self.get(f"{path}?db={self.env.cr.dbname}", self.token).status_code, 200)

    def test_a_database_without_the_suite_is_not_found(self):
        controllers = "odoo.addons.crm_sync_base.controllers.monitoring"
        with (
            patch.object(http, "db_list", return_value=[self.env.cr.dbname, "elsewhere"]),
            patch(f"{controllers}.Registry") as registry,
            patch(f"{controllers}.api", **{"Environment.return_value": {}}),
        ):
            answer = self.get("/crm_sync/health?db=elsewhere", **{"X-Odoo-Database": self.env.cr.dbname})
        self.assertEqual(answer.status_code, 404)
        registry.assert_called_with("elsewhere")

    # === Health ===#

    def test_healthy(self):
        answer = self.get("/crm_sync/health")
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(answer.json()["status"], "ok")
        self.assertEqual(answer.json()["checks"], {"database": True, "encryption_key": True, "lanes": True})

    def test_lanes_that_pick_nothing_up(self):
        self.notify("Account", "a1")
        self.jobs(external_id="a1").eta = clock.now() - timedelta(hours=1)
        self.silence_lanes(hours=3)
        answer = self.get("/crm_sync/health")
        self.assertEqual(answer.status_code, 503)
        self.assertFalse(answer.json()["checks"]["lanes"])
        self.assertIn("300 seconds", answer.json()["reasons"][0])
        self.env["sync.settings"]._set("health_seconds", "20000")
        self.assertEqual(self.get("/crm_sync/health").status_code, 200)
        self.env["sync.settings"]._set("health_seconds", "300")
        self.env["sync.lane"].search([], limit=1).beat_at = clock.now()
        self.assertEqual(self.get("/crm_sync/health").status_code, 200, "a long queue is being worked off")

    def test_quiet_lanes_without_work_are_healthy(self):
        self.env["sync.job"].search([("state", "=", "pending")]).unlink()
        self.silence_lanes(hours=3)
        self.assertEqual(self.get("/crm_sync/health").status_code, 200)

    def test_work_that_is_held_on_purpose_is_healthy(self):
        self.notify("Account", "a1")
        self.jobs(external_id="a1").eta = clock.now() - timedelta(hours=1)
        self.silence_lanes(hours=3)
        self.env["sync.hold"].create({"name": "Maintenance"})
        self.assertEqual(self.get("/crm_sync/health").status_code, 200)

    def test_a_missing_key(self):
        with patch.dict(os.environ, {"CRM_SYNC_KEY": "", "CRM_SYNC_KEY_FILE": ""}):
            answer = self.get("/crm_sync/health")
        self.assertEqual(answer.status_code, 503)
        self.assertFalse(answer.json()["checks"]["encryption_key"])

    def test_a_missing_key_file(self):
        with patch.dict(os.environ, {"CRM_SYNC_KEY": "", "CRM_SYNC_KEY_FILE": "/nowhere/key"}):
            answer = self.get("/crm_sync/health")
        self.assertEqual(answer.status_code, 503)
        self.assertNotIn("nowhere", answer.text)


@tagged("post_install", "-at_install")
class TestMonitoringDocs(MetricCase):
    """What is written about the metrics is true."""

    @skipUnless(DASHBOARD.exists(), "the docs are not beside this module")
    def test_every_metric_of_the_dashboard_is_exported(self):
        dashboard = json.loads(DASHBOARD.read_text())
        text = json.dumps(dashboard)
        used = set(re.findall(r"\bq2c_[a-z0-9_]+", text)) - {"q2c_"}
        self.assertTrue(used)
        self.assertFalse(used - names(), "in the dashboard, but not exported")
        families = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in used}
        self.assertFalse({metric.name for metric in METRICS} - families, "exported, but in no panel")

    @skipUnless(DASHBOARD.exists(), "the docs are not beside this module")
    def test_labels_of_the_dashboard_exist(self):
        labels = {metric.name: set(metric.labels) for metric in METRICS}
        known = {label for given in labels.values() for label in given} | {"le", "job", "instance"}
        panels = json.loads(DASHBOARD.read_text())["panels"]
        for panel in panels:
            for target in panel.get("targets", ()):
                used = set(re.findall(r"[{,]\s*([a-z_]+)\s*(?:=~|!~|!=|=)", target["expr"]))
                for group in re.findall(r"\bby\s*\(([^)]*)\)", target["expr"]):
                    used.update(filter(None, (name.strip() for name in group.split(","))))
                self.assertFalse(used - known, target["expr"])

    @skipUnless(TABLE.exists(), "the docs are not beside this module")
    def test_the_table_is_complete(self):
        text = TABLE.read_text()
        for metric in METRICS:
            [row] = [line for line in text.splitlines() if line.startswith(f"| `{metric.name}`")]
            cells = [cell.strip() for cell in row.strip("|").split("|")]
            self.assertEqual(cells[1], metric.type)
            self.assertEqual(cells[2], ", ".join(metric.labels))
            self.assertEqual(cells[3], metric.help)
