from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger
from psycopg2.errors import UniqueViolation

from ..lib import worker
from ..lib.vault import Vault, new_key
from .common import ACCOUNT_RULES, SyncCase


@tagged("post_install", "-at_install")
class TestEngineQueue(SyncCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(ACCOUNT_RULES)

    def spec(self, key, **vals):
        return {
            "flow": self.flow,
            "kind": "record",
            "idempotency_key": key,
            "lane_key": vals.pop("lane_key", key),
            "remote_object": "Account",
            "external_id": key,
            "name": key,
            **vals,
        }

    def enqueue(self, *specs):
        jobs = self.env["sync.job"]._enqueue(list(specs))
        return self.env["sync.job"].browse([job["id"] for job in jobs])

    def claim(self):
        return self.env["sync.job"]._claim(self.lane)

    def test_the_same_pending_work_is_one_row(self):
        first = self.enqueue(self.spec("a"))
        again = self.enqueue(self.spec("a"), self.spec("a"))
        self.assertEqual(first, again[:1])
        self.assertEqual(first.coalesced, 1)

    def test_the_same_work_is_inserted_in_the_same_order_whoever_comes(self):
        # Otherwise a delivery and a poll about the same records wait for each other for ever.
        second, first = self.enqueue(self.spec("b"), self.spec("a"))
        self.assertLess(first.id, second.id)
        self.assertEqual(self.enqueue(self.spec("a"), self.spec("b")), first | second)

    def test_the_database_refuses_a_second_pending_row(self):
        job = self.enqueue(self.spec("a"))
        with mute_logger("odoo.sql_db"), self.assertRaises(UniqueViolation), self.env.cr.savepoint():
            job.copy_data()
            self.env.cr.execute(
                """INSERT INTO sync_job (kind, state, flow_id, idempotency_key, lane_key, eta)
                   VALUES ('record', 'pending', %s, 'a', 'x', now())""",
                [self.flow.id],
            )

    def test_the_database_refuses_two_running_jobs_of_a_record(self):
        self.enqueue(self.spec("a", lane_key="same"))
        self.claim()
        with mute_logger("odoo.sql_db"), self.assertRaises(UniqueViolation), self.env.cr.savepoint():
            self.env.cr.execute(
                """INSERT INTO sync_job (kind, state, flow_id, idempotency_key, lane_key, eta)
                   VALUES ('record', 'running', %s, 'b', 'same', now())""",
                [self.flow.id],
            )

    def test_work_that_arrives_while_it_runs_waits_and_runs_after(self):
        self.enqueue(self.spec("a"))
        running = self.claim()
        later = self.enqueue(self.spec("a"))
        self.assertNotEqual(running, later)
        self.assertFalse(self.claim(), "the record is being worked on")
        running._settle_done([])
        running.state = "done"
        self.assertEqual(self.claim(), later)

    def test_one_job_of_a_lane_key_at_a_time_in_order(self):
        jobs = self.enqueue(*[self.spec(f"k{n}", lane_key="same") for n in range(3)])
        self.assertEqual(self.claim(), jobs[0])
        self.assertFalse(self.claim())

    def test_urgent_work_overtakes_a_backlog(self):
        self.enqueue(*[self.spec(f"slow{n}", priority=90) for n in range(200)])
        urgent = self.enqueue(self.spec("urgent", priority=1))
        self.assertEqual(self.claim()[:1], urgent)

    def test_work_of_the_future_waits(self):
        self.enqueue(self.spec("a", eta=fields.Datetime.now() + timedelta(hours=1)))
        self.assertFalse(self.claim())

    def test_the_express_lane_leaves_bulk_to_others(self):
        bulk = self.enqueue(self.spec("page", priority=70))
        self.lane.express = True
        self.assertFalse(self.claim())
        urgent = self.enqueue(self.spec("urgent", priority=20))
        self.assertEqual(self.claim(), urgent)
        self.lane.express = False
        self.assertEqual(self.claim(), bulk)

    def test_work_of_one_record_keeps_its_order_across_flows(self):
        other = self.make_flow(ACCOUNT_RULES)
        older = self.enqueue(self.spec("b", flow=other, lane_key="same"))
        self.enqueue(self.spec("first"), self.spec("a", lane_key="same"))
        self.env.cr.execute("UPDATE sync_job SET priority = 21 WHERE idempotency_key = 'b'")
        self.env.cr.execute("UPDATE sync_job SET priority = 22 WHERE idempotency_key = 'a'")
        self.env.invalidate_all()
        self.assertEqual(self.claim().mapped("idempotency_key"), ["first"])
        self.assertEqual(self.claim(), older)

    def test_a_claim_looks_work_up_by_its_record_whatever_statistics_say(self):
        # Statistics of the moment when hardly anything waited, then a backfill.
        self.enqueue(*(self.spec(f"done {number}") for number in range(300)))
        self.env.cr.execute("UPDATE sync_job SET state = 'done'")
        self.env.cr.execute("ANALYZE sync_job")
        self.enqueue(*(self.spec(f"waits {number}") for number in range(2000)))
        job = self.env["sync.job"]
        terms = job._claim_terms(self.lane, fields.Datetime.now() + timedelta(minutes=1))
        terms.update(flow_id=self.flow.id, kind="record", suspect=False, limit=100)
        self.env.cr.execute(self.lane._SQL_PLAIN_PLANS)
        self.env.cr.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {job._SQL_CANDIDATES}", terms)
        plan = self.env.cr.fetchone()[0][0]["Plan"]
        self.assertEqual(plan["Actual Rows"], 100)
        # Some pages for each record that is taken; reading all that waits takes hundreds.
        self.assertLess(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"], 100 * 20)

    def test_a_paused_flow_does_not_hold_the_record_for_others(self):
        other = self.make_flow(ACCOUNT_RULES, paused=True)
        self.enqueue(self.spec("b", flow=other, lane_key="same"))
        job = self.enqueue(self.spec("a", lane_key="same"))
        self.assertEqual(self.claim(), job)

    def test_paused_flow_and_connection_hold_their_jobs(self):
        self.enqueue(self.spec("a"))
        self.flow.paused = True
        self.assertFalse(self.claim())
        self.flow.paused = False
        self.connection.action_pause()
        self.assertFalse(self.claim())
        self.connection.action_resume()
        self.assertTrue(self.claim())

    def test_several_flows_are_paused_and_resumed_whatever_they_were(self):
        flows = self.flow | self.make_flow(ACCOUNT_RULES, remote_object="Person")
        self.flow.paused = True
        flows.action_pause()
        self.assertEqual(flows.mapped("paused"), [True, True])
        self.flow.paused = False
        flows.action_resume()
        self.assertEqual(flows.mapped("paused"), [False, False])

    def test_a_pause_says_what_is_still_being_finished(self):
        self.enqueue(self.spec("a"))
        self.enqueue(self.spec("b"))
        started = self.claim()
        self.assertEqual(len(started), 2)
        self.flow.paused = True
        self.connection.action_pause()
        self.assertEqual((self.flow.job_running_count, self.connection.running_count), (2, 2))
        started.state = "done"
        self.env.invalidate_all()
        self.assertEqual((self.flow.job_running_count, self.connection.running_count), (0, 0))

    def test_a_job_waits_for_the_one_it_depends_on(self):
        first = self.enqueue(self.spec("first", eta=fields.Datetime.now() + timedelta(hours=1)))
        self.enqueue(self.spec("second", depends_on_id=first.id))
        self.assertFalse(self.claim())
        first.state = "done"
        self.assertEqual(self.claim().external_id, "second")

    def crash(self):
        """Claim, die, start again and let the wait pass; return how many jobs were recovered."""
        jobs = self.claim()
        jobs.worker = "elsewhere:1:1:1"
        recovered = self.env["sync.job"]._recover(self.lane)
        jobs.eta = fields.Datetime.now() - timedelta(seconds=1)
        return recovered

    def test_a_dead_workers_jobs_return_and_run_alone(self):
        jobs = self.enqueue(*[self.spec(f"a{n}") for n in range(4)])
        self.assertEqual(self.crash(), 4)
        self.assertEqual(set(jobs.mapped("state")), {"pending"})
        self.assertEqual(set(jobs.mapped("attempts")), {1}, "the attempt counts")
        self.assertEqual(len(self.claim()), 1, "one of them may have killed the worker")

    def test_one_suspect_at_a_time_of_all_lanes_and_others_meanwhile(self):
        # Who only ran beside the one that kills its worker would be parked with it.
        self.enqueue(*[self.spec(f"a{n}") for n in range(3)])
        self.crash()
        suspect = self.claim()
        self.assertEqual(suspect.crashes, 1)
        self.assertFalse(self.claim(), "another suspect ran beside it")
        fresh = self.enqueue(self.spec("fresh"))
        self.assertEqual(self.claim(), fresh)
        suspect.state = "done"
        self.assertEqual(self.claim().crashes, 1)

    def test_servers_that_die_in_a_row_do_not_find_the_same_jobs_at_work(self):
        # Whoever was interrupted is the oldest, and would begin as soon as a server is back.
        jobs = self.enqueue(*[self.spec(f"a{n}") for n in range(20)])
        now = fields.Datetime.now()
        self.claim().worker = "elsewhere:1:1:1"
        self.env["sync.job"]._recover(self.lane)
        waits = sorted((eta - now).total_seconds() for eta in jobs.mapped("eta"))
        self.assertLess(waits[-1], 12)
        self.assertGreater(waits[-1] - waits[0], 1, "they come back at different moments")
        fresh = self.enqueue(self.spec("fresh"))
        self.env.cr.execute("UPDATE sync_job SET eta = eta + interval '10 s' WHERE id = ANY(%s)", [jobs.ids])
        self.assertEqual(self.claim(), fresh, "others go on meanwhile")

    def crashed_twice(self):
        """Return a job that one more death of its worker would park."""
        job = self.enqueue(self.spec("doubtful"))
        self.crash()
        self.crash()
        self.assertEqual(job.crashes, 2)
        return job

    def test_before_a_job_is_parked_it_runs_with_nothing_beside_it(self):
        doubtful = self.crashed_twice()
        self.env.cr.execute("UPDATE sync_job SET priority = 90 WHERE id = %s", [doubtful.id])
        beside = self.enqueue(self.spec("a"))
        self.assertEqual(self.claim(), beside)
        self.assertFalse(self.claim(), "whoever dies now, the doubtful job would be parked for it")
        fresh = self.enqueue(self.spec("b"))
        self.assertEqual(self.claim(), fresh, "others go on meanwhile")
        (beside | fresh).state = "done"
        self.assertEqual(self.claim(), doubtful)
        self.assertFalse(doubtful._are_stopped())

    def test_nothing_begins_beside_a_job_that_has_its_last_chance(self):
        doubtful = self.crashed_twice()
        self.assertEqual(self.claim(), doubtful)
        other = self.enqueue(self.spec("a"))
        self.assertFalse(self.claim())
        with patch.object(worker, "process", return_value="elsewhere:2:2"):
            self.assertEqual(self.claim(), other, "another process dies by itself")
        doubtful.state = "done"
        self.assertTrue(self.enqueue(self.spec("b")) == self.claim())

    def test_two_claims_at_one_moment_do_not_keep_a_doubtful_job_company(self):
        # Neither saw the other's claim; both look again when theirs is committed.
        doubtful = self.crashed_twice()
        beside = self.enqueue(self.spec("a"))
        (doubtful | beside).write({"state": "running", "worker": worker.identity(), "lane_id": self.lane.id})
        self.env.flush_all()
        self.assertTrue(doubtful._are_stopped())
        self.assertTrue(beside._are_stopped())
        beside.worker = "elsewhere:2:2:2"
        self.env.flush_all()
        self.assertFalse(doubtful._are_stopped())

    def test_a_job_that_keeps_killing_its_worker_is_parked(self):
        job = self.enqueue(self.spec("poison"))
        for _crash in range(3):
            self.crash()
        self.assertEqual((job.state, job.error_code), ("failed", "worker_killed"))
        self.assertEqual(job.exception_id.state, "new")

    def test_news_of_a_record_that_was_parked_has_one_try_and_a_retry_three(self):
        parked = self.enqueue(self.spec("poison"))
        for _crash in range(3):
            self.crash()
        news = self.enqueue(self.spec("poison"))
        self.crash()
        self.assertEqual((news.state, news.crashes), ("failed", 1))
        retry = self.enqueue(self.spec("poison", replay_of_id=parked.id))
        self.crash()
        self.assertEqual((retry.state, retry.crashes), ("pending", 1))

    def test_a_lost_connection_is_no_crash(self):
        job = self.enqueue(self.spec("a"))
        for _loss in range(5):
            self.claim()
            self.env["sync.job"]._recover(self.lane)
        self.assertEqual((job.state, job.crashes), ("pending", 0))

    def test_a_released_job_gives_way_to_newer_work(self):
        self.enqueue(self.spec("a"))
        running = self.claim()
        newer = self.enqueue(self.spec("a"))
        running._release()
        self.assertEqual((running.state, newer.state), ("cancelled", "pending"))

    def test_a_failure_outside_of_a_batch_does_not_fail_the_scheduled_action(self):
        self.enqueue(self.spec("a"))
        with (
            patch.object(type(self.env["sync.job"]), "_settle", side_effect=ZeroDivisionError),
            patch.object(type(self.env["sync.job"]), "_fail", side_effect=ZeroDivisionError),
            mute_logger("odoo.addons.crm_sync_base.models.sync_lane"),
        ):
            self.lane._cron_run()
        self.assertEqual(self.jobs(idempotency_key="a").state, "running")
        self.lane._cron_run()
        self.assertEqual(self.jobs(idempotency_key="a").crashes, 0, "its process did not die")
        self.assertNotEqual(self.jobs(idempotency_key="a").state, "running")

    def test_one_card_for_each_cause(self):
        for number in range(6):
            self.remote.put("Account", f"a{number}", Name=f"N{number}", Country="ZZ")
        self.notify("Account", *[f"a{number}" for number in range(6)])
        self.run_lane()
        cards = self.env["sync.exception"].search([("flow_id", "=", self.flow.id)])
        self.assertEqual(len(cards), 1)
        self.assertEqual(cards.job_count, 6)

    def test_secrets_are_not_readable_in_the_database(self):
        self.env.cr.execute(
            "SELECT secret_tokens FROM sync_connection WHERE id = %s", [self.connection.id]
        )
        self.assertNotIn("testcrm-secret", self.env.cr.fetchone()[0])

    def test_a_copied_database_is_refused(self):
        self.env["ir.config_parameter"].sudo().set_param("database.uuid", "another")
        self.remote.put("Account", "a1", Name="Copy")
        self.notify("Account", "a1")
        self.run_lane()
        job = self.jobs(external_id="a1")
        self.assertEqual((job.state, job.error_code), ("pending", "misconfigured"))
        self.assertEqual(self.connection.state, "paused")
        self.assertEqual(self.remote.calls["read"], 0)

    def test_a_lost_key_pauses_the_connection_once(self):
        self.connection.secret_tokens = Vault(new_key()).encrypt("{}")
        self.notify("Account", "a1", "a2")
        self.make_flow(ACCOUNT_RULES, remote_object="Person")
        self.notify("Person", "p1")
        with patch.object(type(self.env["sync.connector.testcrm"]), "_read", self._read_with_credentials):
            self.run_lane()
        self.assertEqual(self.connection.state, "paused")
        raised = self.env["sync.exception"].search([("connection_id", "=", self.connection.id)])
        self.assertEqual(len(raised), 1)
        self.assertIn("cannot be read", raised.message)

    @staticmethod
    def _read_with_credentials(connector, connection, object_name, external_ids):
        return connection._credentials() and []
