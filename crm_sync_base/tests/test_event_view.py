from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from ..lib.declarations import Notification, Page, Receipt, Ref, WebhookRequest
from .common import ACCOUNT_RULES, SyncCase


@tagged("post_install", "-at_install")
class EventCase(SyncCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(ACCOUNT_RULES)
        cls.users = {
            name: new_test_user(cls.env, f"event_{name}", groups=f"crm_sync_base.group_sync_{name}")
            for name in ("user", "operator", "auditor")
        }

    def deliver(self, *notes, body=b"{}", headers=None, verdict="accepted"):
        """Store a delivery and take it in; notes are `(source id, external id[, when])`."""
        Event = self.env["sync.event"]
        request = WebhookRequest(body, headers or {}, "https://odoo.example/hook", "192.0.2.1")
        notifications = tuple(
            Notification(source, "Account", key, "changed", occurred_at=when[0] if when else None)
            for source, key, *when in notes
        )
        receipt = Receipt(verdict, 200 if verdict == "accepted" else 401, notifications=notifications)
        if receipt.accepted:
            Event._store_accepted(self.connection, [(request, receipt)])
            Event._take_in()
        else:
            Event._store_refused(self.connection, request, receipt)
        Event.invalidate_model()
        return self.events()

    def events(self, **criteria):
        domain = [(name, "=", value) for name, value in criteria.items()]
        return self.env["sync.event"].search([("connection_id", "=", self.connection.id), *domain])


@tagged("post_install", "-at_install")
class TestEventView(EventCase):
    def test_headers_are_kept_without_their_secrets(self):
        event = self.deliver(
            ("e1", "a1"),
            headers={"content-type": "application/json", "x-signature": "abc123", "authorization": "Bearer s3"},
        )
        self.assertIn("content-type: application/json", event.header_text)
        self.assertIn("x-signature: •••", event.header_text)
        self.assertNotIn("abc123", str(event.headers))
        self.assertNotIn("s3", str(event.headers))
        self.assertTrue(event.with_user(self.users["operator"]).header_text)
        with self.assertRaises(AccessError):
            event.with_user(self.users["user"]).read(["header_text"])

    def test_refused_deliveries_keep_theirs_too(self):
        event = self.deliver(body=b'{"email": "a@b.example"}', headers={"x-signature": "zzz"}, verdict="bad_signature")
        self.assertIn("x-signature: •••", event.header_text)
        self.assertNotIn("a@b.example", event.payload)

    def test_each_event_of_a_delivery_shows_its_content(self):
        events = self.deliver(("e1", "a1"), ("e2", "a2"), body=b'{"both": 1}')
        self.assertEqual(len(events), 2)
        for event in events:
            self.assertIn('"both": 1', event.payload)
        self.assertEqual(self.env["sync.event"].search(events[0].action_open_delivery()["domain"]), events)
        single = self.deliver(("e3", "a3"))[:1]
        self.assertFalse(single.delivery)

    def test_duplicates_are_counted(self):
        for _repeat in range(4):
            event = self.deliver(("e1", "a1"))
        self.assertEqual((event.delivery_count, event.duplicate_count), (4, 3))
        self.assertTrue(event.last_received_at)
        [[total]] = self.env["sync.event"]._read_group(
            [("id", "=", event.id)], [], ["duplicate_count:sum"]
        )
        self.assertEqual(total, 3)

    def test_resend_replays_and_keeps_the_first_job(self):
        self.remote.put("Account", "a1", Name="Aurora")
        event = self.deliver(("e1", "a1"))
        first = event.job_id
        self.run_lane()
        told = event.with_user(self.users["operator"]).action_resend()["params"]
        self.assertEqual((told["type"], told["message"]), ("info", "The event is processed again."))
        self.assertEqual(event.job_id, first)
        replay = first.replay_ids
        self.assertEqual((replay.state, replay.correlation_id), ("pending", first.correlation_id))
        self.run_lane()
        self.assertEqual((event.job_count, event._jobs()), (2, first + replay))
        self.assertEqual(self.env["res.partner"].search_count([("name", "=", "Aurora")]), 1)

    def test_resend_many_at_once(self):
        for number in range(3):
            self.remote.put("Account", f"a{number}", Name=f"Account {number}")
        events = self.deliver(*[(f"e{number}", f"a{number}") for number in range(3)])
        self.run_lane()
        self.assertEqual(events.action_resend()["params"]["message"], "3 events are processed again.")
        self.assertEqual(self.run_lane(), 3)

    def test_an_event_that_no_flow_wanted_leads_to_a_job_later(self):
        self.flow.mode = "off"
        event = self.deliver(("e1", "a1"))
        self.assertFalse(event.job_id)
        told = event.action_resend()["params"]
        self.assertFalse(event.job_id)
        self.assertEqual(
            (told["type"], told["message"]),
            ("warning", "No flow that is switched on takes Account of Test CRM: 1 event stays as it is."),
        )
        self.flow.mode = "live"
        event.action_resend()
        self.assertEqual(event.job_id.external_id, "a1")

    def test_resend_says_what_becomes_of_a_mixed_selection(self):
        self.remote.put("Account", "a1", Name="Aurora")
        taken = self.deliver(("e1", "a1"))
        self.run_lane()
        self.flow.mode = "off"
        missed = self.deliver(("e2", "a2"), ("e3", "a3")) - taken
        refused = self.deliver(verdict="bad_signature") - taken - missed
        told = (taken | missed | refused).action_resend()["params"]["message"]
        self.assertIn("The event is processed again. No flow that is switched on takes Account of Test CRM: "
                      "2 events stay as they are. 1 event was refused", told)
        self.assertIn(f"For now this is in the way: The flow {self.flow.name} is switched off", told)

    def test_resend_says_what_keeps_it_waiting(self):
        self.remote.put("Account", "a1", Name="Aurora")
        event = self.deliver(("e1", "a1"))
        fresh = self.deliver(("e2", "a2")) - event
        self.jobs(external_id="a1")._discard("A test")
        self.connection.action_pause()
        for one in (event, fresh):
            told = one.with_user(self.users["operator"]).action_resend()["params"]
            self.assertEqual(told["type"], "warning")
            self.assertIn(
                "The event is processed again. For now this is in the way: Test CRM is not connected", told["message"]
            )
        self.connection.action_connect()
        self.connection.endpoint_ids._override("open", "They are down")
        told = fresh.action_resend()["params"]["message"]
        self.assertIn("For now this is in the way: Test CRM fails or has no calls left", told)

    def test_resend_leaves_what_was_only_planned_to_its_run(self):
        self.remote.put("Account", "a1", Name="Aurora")
        event = self.deliver(("e1", "a1"))
        self.run_lane()
        self.patch(self.registry["sync.run"], "_keeps_jobs", lambda run: True)
        told = event.action_resend()["params"]["message"]
        self.assertEqual(told, "1 event belongs to a dry run or an approved plan: start that run again.")
        self.assertFalse(event.job_id.replay_ids)

    def test_who_may_resend_what(self):
        event = self.deliver(("e1", "a1"))
        for name in ("user", "auditor"):
            with self.subTest(name), self.assertRaises(AccessError):
                event.with_user(self.users[name]).action_resend()
        refused = self.deliver(verdict="bad_signature")[:1]
        with self.assertRaises(UserError):
            refused.action_resend()


@tagged("post_install", "-at_install")
class TestGaps(EventCase):
    def setUp(self):
        super().setUp()
        # Webhooks have been coming for a while, and the flow has looked before.
        self.remote.put("Account", "old", Name="Old")
        self.deliver(("first", "old"))
        self.run_lane()
        self.poll()
        self.age(minutes=30)

    def age(self, minutes):
        """Let time pass."""
        back = timedelta(minutes=minutes)
        for event in self.events():
            event.received_at -= back + timedelta(seconds=5)  # they came before the look
        self.flow.last_poll_at -= back
        self.env.flush_all()

    def poll(self):
        self.flow._enqueue_poll()
        self.run_lane()
        self.env["sync.event"].invalidate_model()

    def gaps(self):
        return self.env["sync.event"].search(self.connection._gap_domain())

    def test_a_change_that_only_looking_found_is_a_gap(self):
        self.remote.put("Account", "a1", Name="Missed")
        self.poll()
        gap = self.gaps()
        self.assertEqual((gap.external_id, gap.gap, gap.origin), ("a1", "missed", "poll"))
        self.assertEqual(self.connection.gap_count, 1)
        action = self.connection.action_open_gaps()
        self.assertEqual(action["domain"], [("connection_id", "=", self.connection.id)])

    def test_a_change_that_a_webhook_brought_is_none(self):
        self.remote.put("Account", "a1", Name="Brought")
        self.deliver(("e1", "a1"))
        self.poll()
        self.assertFalse(self.events(gap="missed"))

    def test_a_webhook_that_comes_after_the_poll_closes_the_gap_as_late(self):
        self.remote.put("Account", "a1", Name="Late")
        self.poll()
        self.deliver(("e1", "a1", fields.Datetime.now() - timedelta(minutes=1)))
        self.assertFalse(self.gaps())
        self.assertEqual(self.events(gap="late").external_id, "a1")

    def test_the_webhook_of_a_later_change_closes_nothing(self):
        self.remote.put("Account", "a1", Name="Missed")
        self.poll()
        self.deliver(("e1", "a1", fields.Datetime.now() + timedelta(minutes=1)))
        self.assertEqual(self.gaps().external_id, "a1")

    def test_a_webhook_without_a_moment_closes_what_was_found_just_now(self):
        self.remote.put("Account", "a1", Name="Late")
        self.remote.put("Account", "a2", Name="Missed")
        self.poll()
        self.events(external_id="a2").received_at -= timedelta(hours=2)
        self.env.flush_all()
        self.deliver(("e1", "a1"), ("e2", "a2"))
        self.assertEqual(self.gaps().external_id, "a2")

    def test_the_providers_own_event_that_did_not_arrive_is_a_gap_until_it_does(self):
        self.remote.put("Account", "a1", Name="Listed")
        listed = Page((Ref("a1", "99999999", source_id="evt_1", event_type="changed"),), "99999999", done=True)
        self.patch(type(self.env["sync.connector.testcrm"]), "_poll", lambda *_args: listed)
        self.poll()
        self.assertEqual(self.gaps().source_id, "evt_1")
        self.deliver(("evt_1", "a1"))
        event = self.events(source_id="evt_1")
        self.assertEqual((event.gap, event.duplicate_count, event.delivery_count), ("late", 0, 2))
        self.deliver(("evt_1", "a1"))
        event.invalidate_recordset()
        self.assertEqual(event.duplicate_count, 1)

    def test_many_missed_changes_at_once_are_counted_one_by_one(self):
        for number in range(60):
            self.remote.put("Account", f"a{number}", Name=f"Missed {number}")
        self.poll()
        self.assertTrue(self.jobs(kind="page", flow_id=self.flow.id))
        self.assertEqual(self.connection.gap_count, 60)

    def test_what_changed_nothing_in_odoo_does_not_matter(self):
        self.flow.last_poll_at += timedelta(minutes=20)
        self.remote.put("Account", "old", Name="Old", Unmapped="changed")
        self.poll()
        self.assertEqual(self.events(gap="missed").external_id, "old")
        self.assertFalse(self.gaps())

    def test_where_webhooks_do_not_come_nothing_is_missed(self):
        cases = {
            "a first load": lambda: self.flow.write({"poll_cursor": False}),
            "not watched": lambda: self.flow.write({"watch_gaps": False, "poll_cursor": "00000001"}),
            "no webhook for weeks": lambda: self.flow.write({"watch_gaps": True}) and self.age(60 * 24 * 31),
        }
        for number, (name, prepare) in enumerate(cases.items()):
            with self.subTest(name):
                prepare()
                self.remote.put("Account", f"a{number}", Name=f"Changed {number}")
                self.poll()
                self.assertFalse(self.events(gap="missed"))
                self.assertTrue(self.jobs(external_id=f"a{number}"))

    def test_gaps_by_connection_and_day(self):
        self.remote.put("Account", "a1", Name="Missed")
        self.poll()
        rows = self.env["sync.event"]._read_group(
            self.connection._gap_domain(), ["connection_id", "received_at:day"], ["__count"]
        )
        self.assertEqual([(row[0], row[2]) for row in rows], [(self.connection, 1)])
