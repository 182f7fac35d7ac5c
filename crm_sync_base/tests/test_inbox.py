from datetime import timedelta
from unittest.mock import patch

import psycopg2
from odoo.tests import tagged

from ..lib import clock
from ..lib.declarations import Notification, Receipt, WebhookRequest
from ..lib.errors import DataInvalid
from ..models import sync_event_inbox
from .common import ACCOUNT_RULES, SyncCase


@tagged("post_install", "-at_install")
class TestInbox(SyncCase):
    """What webhooks brought waits for a lane."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(ACCOUNT_RULES)
        cls.Event = cls.env["sync.event"]

    def deliver(self, *notes, remote_object="Account", body=b"{}"):
        """Store one delivery as the controller does; notes are `(source id, external id)`."""
        notifications = tuple(Notification(source, remote_object, key, "changed") for source, key in notes)
        receipt = Receipt("accepted", 200, notifications=notifications)
        request = WebhookRequest(body, {"content-type": "application/json"}, "https://odoo.example/hook")
        self.Event._store_accepted(self.connection, [(request, receipt)])
        self.Event.invalidate_model()

    def event(self, source_id):
        return self.Event.search([("connection_id", "=", self.connection.id), ("source_id", "=", source_id)])

    def jobs_waiting(self):
        return self.jobs(flow_id=self.flow.id, state="pending").mapped("external_id")

    def test_a_delivery_waits_and_is_taken_in_once(self):
        self.deliver(("e1", "a1"), ("e2", "a2"))
        self.assertFalse(self.jobs_waiting())
        self.assertEqual(self.Event._take_in(), 2)
        self.assertEqual(set(self.jobs_waiting()), {"a1", "a2"})
        self.assertEqual(self.Event._take_in(), 0)
        event = self.event("e1")
        self.assertEqual((event.waiting, event.job_id.external_id), (False, "a1"))
        self.assertEqual(event.correlation_id, event.job_id.correlation_id)

    def test_a_repetition_while_it_waits_is_counted_and_no_more(self):
        for _repeat in range(3):
            self.deliver(("e1", "a1"))
        self.assertEqual(self.Event._take_in(), 1)
        self.deliver(("e1", "a1"))
        self.assertEqual(self.Event._take_in(), 0)
        event = self.event("e1")
        self.assertEqual((event.delivery_count, event.duplicate_count), (4, 3))
        self.assertEqual(len(self.jobs(external_id="a1")), 1)

    def test_the_same_event_twice_in_one_delivery(self):
        self.deliver(("e1", "a1"), ("e1", "a1"))
        event = self.event("e1")
        self.assertEqual((event.delivery_count, event.duplicate_count), (2, 1))

    def test_ten_changes_of_a_record_are_one_job(self):
        for number in range(10):
            self.deliver((f"e{number}", "a1"))
        self.Event._take_in()
        job = self.jobs(external_id="a1")
        self.assertEqual(len(job), 1)
        self.assertEqual(len(job.event_ids), 10)

    def test_the_content_of_a_delivery_whose_first_event_was_known(self):
        self.deliver(("e1", "a1"), body=b'{"first": 1}')
        self.deliver(("e1", "a1"), ("e2", "a2"), ("e3", "a3"), body=b'{"second": 2}')
        self.assertIn("first", self.event("e1").payload)
        for source_id in ("e2", "e3"):
            self.assertIn("second", self.event(source_id).payload)
            self.assertIn("application/json", self.event(source_id).header_text)

    def test_lanes_never_wait_for_each_other_in_a_circle(self):
        """Whatever order they came in, jobs are enqueued in that of their lane keys, over all systems."""
        others = [self.connection.copy({"name": f"Other {number}"}) for number in range(12)]
        template = self.env["sync.flow.template"]
        for connection in (*others[6:], self.connection, *others[:6]):
            for name in ("Contact", "Account"):
                if (connection, name) != (self.connection, "Account"):
                    template._create_flow(connection, {
                        "code": f"{name}_{connection.id}", "name": name, "direction": "inbound", "handler": "inbound",
                        "remote_object": name, "model": "res.partner", "mode": "live", "poll": False,
                        "rules": ACCOUNT_RULES,
                    })
                notes = tuple(Notification(f"{name}{key}", name, key, "changed") for key in ("b", "c", "a"))
                request = WebhookRequest(b"{}", {}, "https://odoo.example/hook")
                self.Event._store_accepted(connection, [(request, Receipt("accepted", 200, notifications=notes))])
        self.assertEqual(self.Event._take_in(), 13 * 6)
        jobs = self.env["sync.job"].search([("state", "=", "pending"), ("kind", "=", "record")], order="id")
        keys = jobs.mapped("lane_key")
        self.assertEqual(len(keys), 13 * 6)
        self.assertEqual(keys, sorted(keys))

    def test_what_is_about_nothing_of_ours_is_taken_in_along(self):
        """Together with the others: nothing is wrong with any of them."""
        self.deliver(("e1", ""), remote_object="")
        self.deliver(("e2", "a2"))
        calls = []
        enqueue = type(self.Event)._enqueue_events
        with patch.object(type(self.Event), "_enqueue_events",
                          lambda events, *args: calls.append(args) or enqueue(events, *args)):
            self.assertEqual(self.Event._take_in(), 2)
        self.assertEqual(len(calls), 1)
        self.assertEqual(self.jobs_waiting(), ["a2"])
        self.assertFalse(self.Event.search([("waiting", "=", True)]))

    def test_taking_in_more_costs_no_more_queries(self):
        def queries(first, count):
            self.deliver(*((f"e{number}", f"a{number}") for number in range(first, first + count)))
            self.env.flush_all()
            before = self.env.cr.sql_log_count
            self.assertEqual(self.Event._take_in(), count)
            return self.env.cr.sql_log_count - before

        queries(0, 1)
        self.assertEqual(queries(10, 5), queries(20, 200))

    def test_a_run_takes_in_everything_that_waits(self):
        """Also what leads to no job at all, and more than fits into one go."""
        self.patch(sync_event_inbox, "BATCH", 3)
        self.deliver(*((f"e{number}", f"a{number}") for number in range(8)), remote_object="Weather")
        self.lane._cron_run()
        self.assertFalse(self.Event.search([("waiting", "=", True)]))
        self.assertFalse(self.jobs(connection_id=self.connection.id))

    def test_an_event_of_which_no_job_can_be_made_stops_no_other(self):
        enqueue = type(self.env["sync.job"])._enqueue_documents
        errors = {"bad": DataInvalid("Nobody knows what this is."), "worse": ZeroDivisionError("jane@x.example")}

        def refuse(jobs, connection, remote_object, external_ids, *args):
            for external_id in external_ids:
                if external_id in errors:
                    raise errors[external_id]
            return enqueue(jobs, connection, remote_object, external_ids, *args)

        self.deliver(("e1", "a1"), ("e2", "bad"), ("e3", "worse"), ("e4", "a4"))
        with (
            patch.object(type(self.env["sync.job"]), "_enqueue_documents", refuse),
            self.assertLogs(sync_event_inbox.__name__, "ERROR") as log,
        ):
            self.assertEqual(self.Event._take_in(), 4)
        self.assertNotIn("jane", "".join(log.output))
        self.assertEqual(set(self.jobs_waiting()), {"a1", "a4"})
        self.assertEqual(self.event("e2").reason, "Nobody knows what this is.")
        self.assertIn("ZeroDivisionError", self.event("e3").reason)
        cards = self.env["sync.exception"].search([("connection_id", "=", self.connection.id)])
        self.assertEqual(set(cards.mapped("error_code")), {"data_invalid", "bug"})
        self.event("e2").action_resend()
        self.assertIn("bad", self.jobs_waiting())

    def test_a_desk_that_fails_stops_no_lane(self):
        self.deliver(("e1", "bad"))
        with (
            patch.object(type(self.env["sync.job"]), "_enqueue_documents", side_effect=DataInvalid("Nobody knows it.")),
            patch.object(type(self.env["sync.exception"]), "_raise", side_effect=ZeroDivisionError),
            self.assertLogs(sync_event_inbox.__name__, "ERROR") as log,
        ):
            self.assertEqual(self.Event._take_in(), 1)
        self.assertIn("event e1", log.output[0])
        self.assertEqual((self.event("e1").waiting, self.event("e1").reason), (False, "Nobody knows it."))

    def test_trouble_with_the_database_leaves_them_waiting(self):
        self.deliver(("e1", "a1"))

        def fail(*_args):
            raise psycopg2.errors.DiskFull("no space left")

        with (
            patch.object(type(self.env["sync.job"]), "_enqueue_documents", fail),
            self.assertRaises(psycopg2.OperationalError),
        ):
            self.Event._take_in()
        self.assertTrue(self.event("e1").waiting)

    def test_what_waits_is_work_for_the_watchdog_and_for_health(self):
        Watchdog = self.env["sync.watchdog"]
        self.assertFalse(Watchdog._next_due())
        self.deliver(("e1", "a1"))
        self.event("e1").received_at = then = clock.now() - timedelta(minutes=20)
        self.env.flush_all()
        self.assertEqual(Watchdog._next_due(), then)
        self.assertTrue(self.env["sync.watchdog"]._overlooked_since())

    def test_what_waits_is_never_forgotten(self):
        self.deliver(("e1", "a1"), ("e2", "a2"))
        self.Event.search([]).received_at = clock.now() - timedelta(days=1000)
        self.event("e1").waiting = False
        self.env.flush_all()
        self.env["sync.retention"]._gc_events()
        self.assertFalse(self.event("e1"))
        self.assertTrue(self.event("e2").waiting)
