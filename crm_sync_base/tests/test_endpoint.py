from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import patch

from odoo import SUPERUSER_ID, api, modules
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from ..lib import clock
from ..lib.declarations import RateState
from ..lib.errors import AuthFailed, BudgetSpent, CircuitOpen, DataInvalid, RateLimited, Transient
from ..models import sync_connector
from .common import ACCOUNT_RULES, PROVIDER, SECRET, SyncCase

DOWN = Transient("Nobody answers.")


@tagged("post_install", "-at_install")
class TestEndpoint(SyncCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(ACCOUNT_RULES, batch_size=1, poll=False)
        cls.endpoint = cls.connection.endpoint_ids

    def setUp(self):
        super().setUp()
        # The test CRM's client reports no calls, some of these tests do.
        sync_connector._clients.__dict__.pop("meters", None)

    def records(self, count, first=0):
        """Make remote records and a job for each; return the jobs."""
        ids = [f"a{number}" for number in range(first, first + count)]
        for external_id in ids:
            self.remote.put("Account", external_id, Name=external_id)
        jobs = self.notify("Account", *ids)
        return self.env["sync.job"].browse([job["id"] for job in jobs])

    def fail_reads(self, *errors):
        self.remote.faults["read"] = list(errors)

    def break_it(self):
        """Let the provider fail until the breaker opens; return the jobs that it met."""
        self.fail_reads(*[DOWN] * self.endpoint.failure_limit)
        jobs = self.records(self.endpoint.failure_limit, first=100)
        self.run_lane()
        self.assertEqual(self.endpoint.state, "open")
        jobs.eta = clock.now() + timedelta(hours=1)
        return jobs

    def pass_time(self):
        """Let the open time of the breaker be over."""
        self.endpoint.until = clock.now() - timedelta(seconds=1)
        self.endpoint.blocked_until = self.endpoint.bulk_blocked_until = False

    # === Rows ===#

    def test_a_connection_has_the_endpoints_that_its_provider_declares(self):
        self.assertEqual(self.endpoint.mapped("code"), ["api"])
        self.assertEqual((self.endpoint.state, self.endpoint.condition), ("closed", "fine"))
        self.connection.action_connect()
        self.assertEqual(self.connection.endpoint_ids, self.endpoint, "once")

    def test_a_missing_endpoint_comes_with_the_first_call(self):
        self.endpoint.unlink()
        self.records(1)
        self.run_lane()
        self.assertEqual(self.connection.endpoint_ids.code, "api")

    def test_a_healthy_endpoint_costs_one_query(self):
        connector = self.connection._connector()
        with self.assertQueryCount(1), connector._guard(self.connection, "api"):
            pass

    # === Breaker ===#

    def test_it_opens_and_stops_claims_of_this_connection_only(self):
        other = self.connection.copy({"name": "Other", "state": "connected"})
        other.database_uuid = self.connection.database_uuid
        other_flow = self.env["sync.flow.template"]._create_flow(
            other,
            {
                "code": "other",
                "name": "Other flow",
                "direction": "inbound",
                "handler": "inbound",
                "remote_object": "Account",
                "model": "res.partner",
                "mode": "live",
                "rules": ACCOUNT_RULES,
                "poll": False,
            },
        )
        self.break_it()
        waiting = self.records(3)
        calls = self.remote.calls["read"]
        (theirs,) = self.env["sync.job"]._enqueue_documents(other, "Account", ["a1"])
        self.run_lane()
        self.assertEqual(set(waiting.mapped("state")), {"pending"})
        self.assertEqual(set(waiting.mapped("attempts")), {0}, "not even claimed")
        self.assertEqual(self.env["sync.job"].browse(theirs["id"]).state, "done")
        self.assertEqual(self.remote.calls["read"], calls + 1)
        blocked = self.env["sync.endpoint"]._blocked()
        self.assertEqual({row.flow_id for row in blocked}, {self.flow.id})
        self.assertNotIn(other_flow.id, {row.flow_id for row in blocked})
        self.assertIn("failed too often", self.connection.endpoint_trouble)
        self.assertFalse(other.endpoint_trouble)

    def test_who_comes_all_the_same_is_refused_without_an_attempt(self):
        self.break_it()
        job = self.records(1)
        self.endpoint.blocked_until = self.endpoint.bulk_blocked_until = False  # claimed a moment before
        self.run_lane()
        self.assertEqual((job.state, job.attempts, job.error_code), ("pending", 0, "circuit_open"))
        self.assertGreater(job.eta, clock.now())
        self.assertIn(DOWN.message, job.error_message)

    def test_probes_close_it_and_what_was_held_comes_back_spread(self):
        self.break_it()
        held = self.records(6)
        held.write({"error_code": "circuit_open", "eta": clock.now() + timedelta(hours=1)})
        probes = self.records(2, first=50)
        self.pass_time()
        self.lane._run_once()
        self.assertEqual((self.endpoint.state, self.endpoint.successes), ("half_open", 1))
        self.lane._run_once()
        self.assertEqual(self.endpoint.state, "closed")
        self.assertEqual(set(probes.mapped("state")), {"done"})
        self.assertEqual(self.endpoint.condition, "draining")
        etas = held.mapped("eta")
        self.assertLess(max(etas), clock.now() + timedelta(seconds=60), "not an hour later")
        self.assertEqual(len(set(etas)), len(etas), "not all at once")
        self.assertTrue(any("answers again" in body for body in self.endpoint.message_ids.mapped("body")))

    def test_the_backlog_does_not_start_at_once(self):
        self.break_it()
        self.records(20)
        self.pass_time()
        done = self.run_lane()
        self.assertLess(done, 20, "after the probes, batches start one after the other")
        self.assertEqual(self.endpoint.state, "closed")
        self.assertTrue(self.env["sync.endpoint"]._blocked())

    def test_a_probe_that_fails_costs_its_job_nothing(self):
        self.break_it()
        job = self.records(1)
        self.pass_time()
        self.fail_reads(DOWN)
        self.run_lane()
        self.assertEqual((job.state, job.attempts, job.error_code), ("pending", 0, "circuit_open"))
        self.assertEqual((self.endpoint.state, self.endpoint.trips), ("open", 2))

    def test_an_outage_of_any_length_gives_nothing_to_a_person(self):
        jobs = self.break_it()
        # A retry is due after any time from none at all, so one may have had two already.
        attempts = jobs.mapped("attempts")
        for _round in range(20):
            self.pass_time()
            jobs.filtered(lambda job: job.state == "pending").eta = clock.now()
            self.fail_reads(*[DOWN] * 10)
            self.run_lane()
        self.assertEqual(set(jobs.mapped("state")), {"pending"})
        self.assertEqual(jobs.mapped("attempts"), attempts)
        self.assertFalse(jobs.exception_id)

    def test_bad_data_and_refused_access_do_not_count(self):
        self.fail_reads(*[DataInvalid("Wrong.")] * 10)
        self.records(10)
        self.run_lane()
        self.assertEqual((self.endpoint.state, self.endpoint.failures), ("closed", 0))
        self.fail_reads(AuthFailed("Refused."))
        self.records(1, first=20)
        self.run_lane()
        self.assertEqual((self.connection.state, self.endpoint.failures), ("paused", 0))

    def test_what_people_see_of_a_failure(self):
        self.break_it()
        self.assertEqual(self.endpoint.last_error, DOWN.message)
        self.assertEqual(self.endpoint.condition, "open")
        notes = [body for body in self.endpoint.message_ids.mapped("body") if DOWN.message in body]
        self.assertEqual(len(notes), 1)

    # === Budget ===#

    def test_retry_after_holds_all_workers(self):
        self.fail_reads(RateLimited("Slow down.", retry_after=40))
        self.records(5)
        self.run_lane()
        self.assertEqual(self.remote.calls["read"], 1)
        self.assertEqual(self.endpoint.condition, "silent")
        self.assertAlmostEqual((self.endpoint.resume_at - clock.now()).total_seconds(), 40, delta=5)
        self.assertEqual(self.env["sync.job"].search_count([("state", "=", "done"), ("flow_id", "=", self.flow.id)]), 0)
        (row,) = [row for row in self.env["sync.endpoint"]._blocked() if row.kind == "record"]
        self.assertAlmostEqual((row.until - clock.now()).total_seconds(), 40, delta=5)
        self.endpoint.resume_at = clock.now()
        self.endpoint._reopen()
        self.run_lane()
        self.assertEqual(self.remote.calls["read"], 5, "all but the one that waits for its own sake")

    def test_a_day_that_is_over_costs_no_attempt_however_often_it_is_asked(self):
        job = self.records(1)
        for _look in range(12):
            self.fail_reads(RateLimited("The allocation is used up.", retry_after=900))
            self.endpoint.resume_at = False
            self.endpoint._reopen()
            job.eta = clock.now()
            self.run_lane()
        self.assertEqual((job.state, job.attempts, job.error_code), ("pending", 0, "budget_spent"))
        self.assertEqual(job.error_message, "The allocation is used up.")

    def test_the_reserve_is_kept_for_urgent_jobs(self):
        self.spend_day(950)
        urgent = self.records(1)
        self.remote.put("Account", "b1", Name="b1")
        specs = {"flow": self.flow, "kind": "page", "payload": {"ids": ["b1"]}, "name": "page"}
        (page,) = self.env["sync.job"]._enqueue(
            [dict(specs, idempotency_key="page", lane_key="page", priority=70)]
        )
        page = self.env["sync.job"].browse(page["id"])
        self.run_lane()
        self.assertEqual((urgent.state, page.state, page.attempts), ("done", "pending", 0))
        self.assertEqual(self.endpoint.condition, "reserve")
        self.assertEqual(self.endpoint.daily_percent, 95.0)
        self.spend_day(100)
        self.run_lane()
        self.assertEqual(page.state, "done")

    def test_a_spent_day_stops_urgent_jobs_too(self):
        self.spend_day(1000)
        job = self.records(1)
        self.run_lane()
        self.assertEqual((job.state, self.endpoint.condition), ("pending", "spent"))
        with self.assertRaises(BudgetSpent):
            self.call(urgent=True)

    def spend_day(self, used):
        """Let the provider tell how much of a day of 1,000 calls is used."""
        with self.guard(manual=True):
            meter = self.connection._connector()._meter(self.connection)
            meter.after(200)
            meter.on_usage(used, 1000)

    @contextmanager
    def guard(self, **options):
        with self.connection._connector()._guard(self.connection, "api", **options) as ticket:
            yield ticket

    def call(self, **options):
        with self.guard(**options):
            pass

    def test_what_headers_say_is_kept(self):
        with self.guard():
            meter = self.connection._connector()._meter(self.connection)
            meter.after(200)
            meter.on_rate(RateState(12, 190, 10.0, daily_remaining=400_000, daily_limit=650_000))
        self.assertEqual((self.endpoint.rate_limit, self.endpoint.rate_told), (190, True))
        self.assertEqual((self.endpoint.daily_used, self.endpoint.daily_left), (250_000, 400_000))
        with self.assertRaises(BudgetSpent):
            self.call(urgent=False, calls=60)
        self.call(urgent=True, calls=10)

    def test_our_own_limit_counts_calls(self):
        self.endpoint.write({"daily_limit": 3, "reserve_percent": 0})
        for _call in range(3):
            self.call()
        with self.assertRaises(BudgetSpent):
            self.call()
        self.assertEqual(self.endpoint.daily_used, 3)
        self.endpoint.daily_limit = 10
        self.call()

    # === Override ===#

    def test_held_open_until_it_is_given_back(self):
        wizard = self.env["sync.endpoint.override"].create(
            {"endpoint_ids": self.endpoint.ids, "override": "open", "reason": "Maintenance until noon"}
        )
        wizard.action_confirm()
        job = self.records(1)
        self.run_lane()
        self.assertEqual((job.state, job.attempts, self.remote.calls["read"]), ("pending", 0, 0))
        self.assertEqual(self.endpoint.condition, "held_open")
        self.assertEqual(self.endpoint.override_user_id, self.env.user)
        self.assertIn("Maintenance until noon", self.endpoint.message_ids[:1].body)
        with self.assertRaisesRegex(CircuitOpen, "Maintenance until noon"):
            self.call()
        self.endpoint.action_automatic()
        self.run_lane()
        self.assertEqual(job.state, "done")

    def test_held_closed_lets_calls_pass(self):
        self.break_it()
        self.endpoint._override("closed", "We know better")
        job = self.records(1)
        self.run_lane()
        self.assertEqual((job.state, self.endpoint.condition), ("done", "held_closed"))

    def test_try_now(self):
        self.break_it()
        job = self.records(1)
        self.endpoint.action_try_now()
        self.run_lane()
        self.assertEqual(job.state, "done")

    def test_a_person_who_checks_the_connection_is_let_through(self):
        self.break_it()
        self.connection.action_connect()
        self.assertEqual(self.endpoint.state, "closed", "login and set-up were answered")

    # === Access ===#

    def test_who_may_do_what(self):
        self.break_it()
        user = new_test_user(self.env, "endpoint_user", groups="crm_sync_base.group_sync_user")
        operator = new_test_user(self.env, "endpoint_operator", groups="crm_sync_base.group_sync_operator")
        manager = new_test_user(self.env, "endpoint_manager", groups="crm_sync_base.group_sync_manager")
        self.assertEqual(self.endpoint.with_user(user).condition, "open")
        with self.assertRaises(AccessError):
            self.endpoint.with_user(user).action_try_now()
        self.endpoint.with_user(operator).action_try_now()
        with self.assertRaises(AccessError):
            self.endpoint.with_user(operator)._override("open", "because")
        self.endpoint.with_user(manager)._override("open", "because")
        self.assertEqual(self.endpoint.override_user_id, manager)
        with self.assertRaises(AccessError):
            self.env["sync.endpoint"].with_user(manager).create(
                {"name": "x", "code": "x", "connection_id": self.connection.id}
            )

    def test_other_companies_are_none_of_my_business(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env,
            "endpoint_stranger",
            groups="crm_sync_base.group_sync_manager",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        self.assertFalse(self.env["sync.endpoint"].with_user(stranger).search([("id", "=", self.endpoint.id)]))


@tagged("post_install", "-at_install")
class TestEndpointOutbound(SyncCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rules = [dict(rule, direction="outbound") for rule in ACCOUNT_RULES[:2]]
        cls.flow = cls.make_flow(
            rules, direction="outbound", handler="outbound", domain="[('ref', '=like', 'gate%')]"
        )

    def push(self, count):
        partners = self.env["res.partner"].create(
            [{"name": f"P{n}", "ref": f"gate{n}"} for n in range(count)]
        )
        self.env.cr.precommit.run()
        return self.jobs(flow_id=self.flow.id).filtered(lambda job: job.res_id in partners.ids)

    def test_a_refusal_keeps_the_intent(self):
        jobs = self.push(1)
        self.remote.faults["push"] = [DOWN]
        self.run_lane()
        intent = jobs.intent
        self.assertTrue(intent, "nobody knows whether it took effect")
        self.connection.endpoint_ids._override("open", "test")
        self.connection.endpoint_ids.blocked_until = self.connection.endpoint_ids.bulk_blocked_until = False
        jobs.eta = clock.now()
        self.run_lane()
        self.assertEqual((jobs.error_code, jobs.intent), ("circuit_open", intent))
        self.connection.endpoint_ids.action_automatic()
        jobs.eta = clock.now()
        self.run_lane()
        self.assertEqual((jobs.state, len(self.remote.written)), ("done", 1))

    def test_what_the_first_call_achieved_stays_known_when_the_second_fails(self):
        jobs = self.push(3)
        declared = self.connection._connector()._object("Account")
        single = type(declared)("Account", "Account", can_push=True, write_batch=1)
        connector = type(self.connection._connector())
        push, calls = connector._push, []

        def second_fails(model, connection, object_name, writes):
            calls.append(writes)
            if len(calls) == 2:
                raise DOWN
            return push(model, connection, object_name, writes)

        with (
            patch.object(connector, "_object", lambda *_args: single),
            patch.object(connector, "_push", second_fails),
        ):
            self.lane._run_once()
        self.assertEqual(sorted(jobs.mapped("state")), ["done", "done", "pending"])
        self.assertEqual(len(self.remote.written), 2)


@tagged("post_install", "-at_install")
class TestEndpointShared(SyncCase):
    """Several workers: real transactions, real commits."""

    def setUp(self):
        super().setUp()
        self.patch(modules.module, "current_test", False)
        with self.worker() as env:
            connection = env["sync.connection"].create(
                {
                    "name": "Shared",
                    "provider": PROVIDER,
                    "base_url": "http://127.0.0.1:9",
                    "api_version": "1",
                }
            )
            connection._store_credentials({"token": SECRET})
            self.shared_id = connection.id
        self.addCleanup(self.forget)
        with self.worker() as env:
            env["sync.endpoint"]._ensure_for(self.connection_of(env))

    def forget(self):
        with self.worker() as env:
            self.connection_of(env).unlink()

    @contextmanager
    def worker(self):
        """Give the environment of a worker, whose transaction is committed at the end."""
        with self.registry.cursor() as cr:
            yield api.Environment(cr, SUPERUSER_ID, {})

    def connection_of(self, env):
        return env["sync.connection"].browse(self.shared_id)

    def call(self, env, error=None):
        connection = self.connection_of(env)
        with connection._connector()._guard(connection, "api", urgent=True):
            if error:
                raise error

    def endpoint(self, env):
        return self.connection_of(env).endpoint_ids

    def test_what_one_worker_learnt_survives_its_rollback_and_stops_the_others(self):
        with self.worker() as first, self.worker() as second:
            self.endpoint(first).state  # noqa: B018 (both have a snapshot from before)
            self.assertEqual(self.endpoint(second).state, "closed")
            for _failure in range(5):
                with self.assertRaises(Transient):
                    self.call(first, DOWN)
            first.cr.rollback()
            with self.assertRaises(CircuitOpen):
                self.call(second)
        with self.worker() as third:
            self.assertEqual(self.endpoint(third).state, "open")

    def test_workers_do_not_wait_for_each_other(self):
        with self.worker() as first, self.worker() as second:
            # The first is in the middle of a long transaction that called and failed.
            with self.assertRaises(Transient):
                self.call(first, DOWN)
            self.call(second)
            with self.worker() as env:
                self.assertEqual(self.endpoint(env).failures, 0)

    def test_probes_are_shared(self):
        with self.worker() as env:
            self.endpoint(env).write({"state": "open", "until": clock.now() - timedelta(seconds=1)})
        with self.worker() as first, self.worker() as second, self.worker() as third, self.worker() as fourth:
            connector = self.connection_of(first)._connector()
            tickets = [
                env["sync.endpoint"]._admit(self.connection_of(env), "api", urgent=True)
                for env in (first, second, third)
            ]
            self.assertTrue(all(ticket.probe for ticket in tickets))
            with self.assertRaises(CircuitOpen):
                fourth["sync.endpoint"]._admit(self.connection_of(fourth), "api", urgent=True)
            meter = connector._meter(self.connection_of(first))
            for env, ticket in zip((first, second), tickets):
                meter.start()
                env["sync.endpoint"]._settle(ticket, meter.stop())
        with self.worker() as env:
            self.assertEqual(self.endpoint(env).state, "closed")

    def test_the_provider_s_wish_for_silence_is_shared(self):
        with self.worker() as first, self.worker() as second:
            with self.assertRaises(RateLimited):
                self.call(first, RateLimited("Slow down.", retry_after=50))
            with self.assertRaises(BudgetSpent) as refused:
                self.call(second)
            self.assertGreater(refused.exception.retry_after, 40)

    def test_a_row_that_somebody_holds_costs_a_note_but_not_the_work(self):
        with (
            self.worker() as person,
            self.worker() as lane,
            patch("odoo.addons.crm_sync_base.models.sync_endpoint_gate.LOCK_SECONDS", 1),
            self.assertLogs("odoo.addons.crm_sync_base.models.sync_endpoint_gate", "WARNING"),
        ):
            self.endpoint(person).rate_seconds = 2.0
            person.flush_all()
            with self.assertRaises(Transient):
                self.call(lane, DOWN)
