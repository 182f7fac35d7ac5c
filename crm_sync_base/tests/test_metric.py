import random
from datetime import datetime, timedelta

from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from ..lib import clock, histogram
from ..lib.rollup import COUNTS
from .common import ACCOUNT_RULES, SyncCase

NOON = datetime(2026, 3, 2, 12, 0)


class MetricCase(SyncCase):
    """Ledgers with a past that is made up, but goes through the engine's own tables."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(ACCOUNT_RULES)
        cls.other = cls.make_flow(ACCOUNT_RULES, remote_object="Deal")

    def setUp(self):
        super().setUp()
        self.count = 0
        self.roll_up()
        for model in ("sync.metric", "sync.metric.total"):
            self.env[model].search([]).unlink()

    def ended(self, moment, flow=None, *, state="done", wait=1.0, run=0.2, **vals):
        """Add a job that ended at a moment, as the engine leaves it behind."""
        self.count += 1
        key = f"metric-{self.count}"
        spec = {
            "flow": flow or self.flow,
            "kind": "record",
            "idempotency_key": key,
            "lane_key": key,
            "name": key,
            **{name: vals.pop(name) for name in ("kind", "payload") if name in vals},
        }
        job = self.env["sync.job"].browse(self.env["sync.job"]._enqueue([spec])[0]["id"])
        started = moment - timedelta(seconds=run)
        due = started - timedelta(seconds=wait)
        self.env.cr.execute("UPDATE sync_job SET create_date = %s WHERE id = %s", [due, job.id])
        job.write(
            {
                "eta": due,
                "started_at": started,
                "wait_seconds": wait,
                "run_seconds": run,
                "attempts": 1,
                **vals,
            }
        )
        job.write({"state": state, "done_at": moment})
        return job

    def received(self, moment, verdict="accepted", repeated=0, **vals):
        """Add an event that arrived at a moment."""
        self.count += 1
        Event = self.env["sync.event"]
        source = f"metric-{self.count}"
        Event._insert(
            self.connection, [{"source_id": source, "verdict": verdict, "http_status": 200, **vals}]
        )
        event = Event.search([("source_id", "=", source)])
        event.write({"received_at": moment, "duplicate_count": repeated})
        self.env["sync.metric.mark"]._mark([moment])
        return event

    def roll_up(self):
        self.env.cr.precommit.run()
        self.env["sync.metric"]._cron_roll_up()
        self.env.invalidate_all()

    def rows(self, **criteria):
        return self.env["sync.metric"].search([(name, "=", value) for name, value in criteria.items()])

    def direct(self):
        """Count the ledgers directly, in the plainest way there is."""
        counts = dict.fromkeys(COUNTS, 0)
        for job in self.env["sync.job"].search([("done_at", "!=", False)]):
            failed = job.state == "failed" or (job.state == "cancelled" and job.exception_id)
            counts["done"] += job.state == "done"
            counts["failed"] += bool(failed)
            counts["replaced"] += job.state == "cancelled" and not failed
            counts["retried"] += max(job.attempts - 1, 0)
            counts["crashed"] += job.crashes
            counts["coalesced"] += job.coalesced
            took = (job.done_at - job.create_date).total_seconds()
            counts["on_time"] += job.state == "done" and took <= job.flow_id.max_latency
            if job.state == "done":
                counts["records"] += len((job.payload or {}).get("ids", [])) if job.kind == "page" else 1
        for event in self.env["sync.event"].search([]):
            counts["accepted"] += event.verdict == "accepted"
            counts["refused"] += event.verdict != "accepted"
            counts["forged"] += event.verdict in ("bad_signature", "unsigned")
            counts["duplicates"] += event.duplicate_count
            counts["gaps"] += bool(event.gap)
            counts["late"] += event.gap == "late"
        return counts

    def summed(self, model):
        """Sum the columns of the minutes, or of the totals."""
        records = self.env[model].sudo().search([])
        return {name: sum(records.mapped(name)) for name in COUNTS}


@tagged("post_install", "-at_install")
class TestMetric(MetricCase):
    def test_a_minute_by_flow_and_kind(self):
        self.ended(NOON + timedelta(seconds=1), wait=0.2, run=0.04)
        self.ended(NOON + timedelta(seconds=59.9), wait=3.0, run=0.3, attempts=3, crashes=1)
        self.ended(NOON + timedelta(seconds=60), wait=100.0)
        self.ended(NOON, self.other, kind="page", payload={"ids": ["a", "b", "c"]})
        self.roll_up()
        row = self.rows(minute=NOON, flow_id=self.flow.id)
        self.assertEqual((row.done, row.failed, row.retried, row.crashed, row.records), (2, 0, 2, 1, 2))
        self.assertEqual((row.kind, row.connection_id, row.company_id), (
            "record", self.connection, self.connection.company_id
        ))
        self.assertAlmostEqual(row.wait_seconds, 3.2)
        self.assertEqual(row.wait_buckets, histogram.of([0.2, 3.0]))
        self.assertEqual(row.run_buckets, histogram.of([0.04, 0.3]))
        self.assertEqual(row.total_buckets, histogram.of([0.24, 3.3]))
        self.assertEqual(self.rows(minute=NOON + timedelta(minutes=1)).done, 1)
        self.assertEqual(self.rows(minute=NOON, flow_id=self.other.id).records, 3)

    def test_bounds_belong_to_their_bucket_in_the_database_too(self):
        for seconds in (0.01, 0.05, 1.0, 60.0, 3600.0, 3600.1):
            self.ended(NOON, run=seconds, wait=0.0)
        self.roll_up()
        self.assertEqual(
            self.rows(minute=NOON).run_buckets, histogram.of([0.01, 0.05, 1.0, 60.0, 3600.0, 3600.1])
        )

    def test_the_ledgers_are_counted_whatever_the_order(self):
        rand = random.Random(3)
        steps = []
        for number in range(60):
            moment = NOON + timedelta(seconds=rand.randrange(300), milliseconds=rand.randrange(1000))
            if number % 3:
                vals = {
                    "state": rand.choice(["done", "done", "failed", "cancelled"]),
                    "flow": rand.choice([self.flow, self.other]),
                    "wait": rand.expovariate(0.1),
                    "run": rand.expovariate(1),
                    "attempts": rand.randint(1, 4),
                }
                steps.append(lambda moment=moment, vals=vals: self.ended(moment, **vals))
            else:
                vals = {
                    "verdict": rand.choice(["accepted", "accepted", "bad_signature", "stale"]),
                    "repeated": rand.randint(0, 3),
                    "gap": rand.choice([None, None, "missed", "late"]),
                }
                steps.append(lambda moment=moment, vals=vals: self.received(moment, **vals))
        rand.shuffle(steps)
        for number, step in enumerate(steps):
            step()
            if number % 13 == 0:
                self.roll_up()
        self.roll_up()
        self.assertEqual(self.summed("sync.metric"), self.direct())
        self.assertEqual(self.summed("sync.metric.total"), self.direct())
        before = self.rows().read()
        self.env["sync.metric.mark"]._mark_everything()
        self.roll_up()
        self.assertEqual(self.rows().read(), before, "counting again must not change anything")
        self.assertEqual(self.summed("sync.metric.total"), self.direct())

    def test_late_rows_correct_a_minute_that_was_counted(self):
        self.ended(NOON)
        self.roll_up()
        self.ended(NOON + timedelta(hours=1))
        self.roll_up()
        self.ended(NOON + timedelta(seconds=30), state="failed", error_code="data_invalid")
        self.roll_up()
        self.assertEqual(self.rows(minute=NOON, failed=0).done, 1)
        failed = self.rows(minute=NOON, failed=1)
        self.assertEqual((failed.error_code, failed.done), ("data_invalid", 0))

    def test_a_failure_stays_one_when_a_later_job_succeeds(self):
        self.remote.put("Account", "a1")  # no name: fails
        self.notify("Account", "a1")
        self.run_lane()
        self.roll_up()
        self.assertEqual(sum(self.rows(flow_id=self.flow.id).mapped("failed")), 1)
        self.remote.put("Account", "a1", Name="Alpha")
        self.notify("Account", "a1")
        self.run_lane()
        self.assertEqual(self.jobs(external_id="a1").mapped("state"), ["done", "cancelled"])
        self.roll_up()
        rows = self.rows(flow_id=self.flow.id)
        self.assertEqual((sum(rows.mapped("failed")), sum(rows.mapped("done"))), (1, 1))
        self.assertEqual(self.summed("sync.metric"), self.direct())

    def test_everything_the_engine_does_is_marked(self):
        for number in range(5):
            self.remote.put("Account", f"a{number}", Name=f"N{number}")
        self.notify("Account", *[f"a{number}" for number in range(5)])
        self.run_lane()
        self.assertTrue(self.env["sync.metric.mark"].search([]))
        self.roll_up()
        self.assertFalse(self.env["sync.metric.mark"].search([]))
        self.assertEqual(self.summed("sync.metric")["done"], 5)
        self.assertEqual(self.summed("sync.metric"), self.direct())

    def test_jobs_that_give_way_are_counted_as_replaced(self):
        self.notify("Account", "a1")
        running = self.env["sync.job"]._claim(self.lane_of_all())
        self.notify("Account", "a1")
        running._release()
        self.assertEqual(running.state, "cancelled")
        self.roll_up()
        self.assertEqual(self.summed("sync.metric")["replaced"], 1)

    def lane_of_all(self):
        return self.env["sync.lane"].search([("express", "=", False)], limit=1)

    def test_repetitions_count_where_the_event_came_first(self):
        event = self.received(NOON)
        self.roll_up()
        Event = self.env["sync.event"]
        Event._insert(self.connection, [{"source_id": event.source_id}], conflict=Event._SQL_COUNT)
        self.roll_up()
        self.assertEqual(self.rows(minute=NOON, kind="event").duplicates, 1)

    def test_percentiles_of_a_group_are_those_of_all_its_jobs(self):
        rand = random.Random(5)
        waits = {flow: [rand.expovariate(0.2) for _ in range(40)] for flow in (self.flow, self.other)}
        for flow, durations in waits.items():
            for number, wait in enumerate(durations):
                self.ended(NOON + timedelta(minutes=number % 7), flow, wait=wait)
        self.roll_up()
        Metric = self.env["sync.metric"]
        for flow, p95, rate in Metric._read_group([], ["flow_id"], ["wait_p95:avg", "failure_rate:avg"]):
            self.assertAlmostEqual(p95, histogram.quantile(histogram.of(waits[flow]), 0.95))
            self.assertEqual(rate, 0)
        everything = histogram.of([*waits[self.flow], *waits[self.other]])
        [[p50, p99]] = Metric._read_group([], [], ["wait_p50:avg", "wait_p99:avg"])
        self.assertAlmostEqual(p50, histogram.quantile(everything, 0.5))
        self.assertAlmostEqual(p99, histogram.quantile(everything, 0.99))
        row = Metric.search([("flow_id", "=", self.flow.id)], limit=1)
        self.assertAlmostEqual(row.wait_p95, histogram.quantile(row.wait_buckets, 0.95))

    def test_failure_rates(self):
        self.ended(NOON)
        for _number in range(3):
            self.ended(NOON, state="failed", error_code="bug")
        self.roll_up()
        [[rate]] = self.env["sync.metric"]._read_group([], [], ["failure_rate:avg"])
        self.assertEqual(rate, 75.0)

    def test_pivots_and_graphs_can_ask_for_every_measure(self):
        self.ended(NOON)
        self.received(NOON)
        self.roll_up()
        Metric = self.env["sync.metric"]
        measures = [
            f"{name}:{field['aggregator']}"
            for name, field in Metric.fields_get().items()
            if field.get("aggregator") and field["type"] in ("integer", "float") and name != "id"
        ]
        self.assertIn("run_p99:avg", measures)
        sets = Metric.formatted_read_grouping_sets(
            [], [[], ["flow_id"], ["flow_id", "minute:day"]], [*measures, "__count"]
        )
        self.assertEqual([len(groups) for groups in sets], [1, 2, 2])
        groups = Metric.formatted_read_group([], ["minute:hour"], measures, order="wait_p95:avg DESC")
        self.assertEqual(groups[0]["done:sum"], 1)

    def test_the_roll_up_is_armed_once_for_a_minute(self):
        cron = self.env.ref("crm_sync_base.ir_cron_roll_up")
        Trigger = self.env["ir.cron.trigger"]
        Trigger.search([("cron_id", "=", cron.id)]).unlink()
        for _number in range(4):
            self.env["sync.metric.mark"]._mark([clock.now()])
            self.env.cr.precommit.run()
        trigger = Trigger.search([("cron_id", "=", cron.id)])
        self.assertEqual(len(trigger), 1)
        ahead = (trigger.call_at - clock.now()).total_seconds()
        self.assertTrue(0 < ahead <= 91, ahead)

    def test_an_idle_engine_is_left_alone(self):
        cron = self.env.ref("crm_sync_base.ir_cron_roll_up")
        self.roll_up()
        self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)]).unlink()
        self.roll_up()
        self.assertFalse(self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)]))

    def test_nobody_writes_counts_by_hand(self):
        self.ended(NOON)
        self.roll_up()
        for group in ("user", "operator", "manager", "auditor"):
            user = new_test_user(
                self.env, f"metric_{group}", groups=f"base.group_user,crm_sync_base.group_sync_{group}"
            )
            row = self.rows(minute=NOON).with_user(user)
            self.assertEqual(row.done, 1)
            with self.subTest(group):
                with self.assertRaises(AccessError):
                    row.write({"done": 2})
                with self.assertRaises(AccessError):
                    row.unlink()
        stranger = new_test_user(self.env, "metric_stranger", groups="base.group_user")
        with self.assertRaises(AccessError):
            self.rows(minute=NOON).with_user(stranger).read(["done"])

    def test_companies_see_their_own(self):
        self.ended(NOON)
        self.roll_up()
        company = self.env["res.company"].create({"name": "Elsewhere"})
        user = new_test_user(
            self.env, "metric_elsewhere", groups="base.group_user,crm_sync_base.group_sync_operator",
            company_id=company.id, company_ids=[(6, 0, company.ids)],
        )
        self.assertFalse(self.env["sync.metric"].with_user(user).search([("minute", "=", NOON)]))
