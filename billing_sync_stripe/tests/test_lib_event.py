import json
from datetime import datetime

from odoo.tests import BaseCase

from ..lib.event import read_event

GOOD = {
    "id": "evt_1",
    "object": "event",
    "api_version": "2026-05-27.dahlia",
    "created": 1_790_000_000,
    "type": "charge.succeeded",
    "livemode": False,
    "account": None,
    "request": {"id": "req_1", "idempotency_key": "odoo-7"},
    "data": {"object": {"id": "ch_1", "object": "charge"}},
}


def read(changes=None, livemode=False, without=()):
    document = {key: value for key, value in {**GOOD, **(changes or {})}.items() if key not in without}
    return read_event(json.dumps(document).encode(), livemode=livemode)


class TestEvent(BaseCase):
    def test_a_snapshot(self):
        reading = read()
        self.assertEqual((reading.verdict, reading.reason), ("accepted", ""))
        event = reading.event
        self.assertEqual((event.id, event.type, event.object_type, event.object_id),
                         ("evt_1", "charge.succeeded", "charge", "ch_1"))
        self.assertEqual(event.created, datetime(2026, 9, 21, 14, 13, 20))
        self.assertEqual((event.request_key, event.api_version), ("odoo-7", "2026-05-27.dahlia"))
        self.assertFalse(event.is_connected_account)

    def test_unknown_types_and_versions_are_accepted(self):
        reading = read({"type": "brand.new", "api_version": "2031-01-01.future", "more": {"x": 1}})
        self.assertEqual((reading.verdict, reading.event.type), ("accepted", "brand.new"))

    def test_objects_without_an_id(self):
        event = read({"data": {"object": {"object": "balance"}}}).event
        self.assertEqual((event.object_type, event.object_id), ("balance", ""))

    def test_missing_parts_that_an_event_may_lack(self):
        event = read(without=("api_version", "account", "request", "data")).event
        self.assertEqual((event.api_version, event.request_key, event.object_id), ("", "", ""))

    def test_connected_accounts_are_marked(self):
        self.assertTrue(read({"account": "acct_2"}).event.is_connected_account)

    def test_the_other_mode_is_refused_but_named(self):
        reading = read({"livemode": True})
        self.assertEqual(reading.verdict, "wrong_account")
        self.assertIn("live mode event reached a test mode", reading.reason)
        self.assertEqual(reading.event.id, "evt_1")
        self.assertEqual(read(livemode=True).verdict, "wrong_account")
        self.assertEqual(read({"livemode": True}, livemode=True).verdict, "accepted")

    def test_thin_events_are_refused_with_advice(self):
        thin = {"id": "evt_1", "object": "v2.core.event", "created": "2026-09-21T14:13:20.000Z", "livemode": False,
                "type": "v1.charge.succeeded", "related_object": {"id": "ch_1", "type": "charge"}}
        reading = read_event(json.dumps(thin).encode(), livemode=False)
        self.assertEqual(reading.verdict, "malformed")
        self.assertIn("Snapshot", reading.reason)

    def test_what_is_no_event(self):
        for name, value in (("id", None), ("id", ""), ("id", "x" * 256), ("type", 7), ("livemode", "false"),
                            ("created", "now"), ("created", True), ("created", 10**20), ("object", "charge")):
            with self.subTest(name=name, value=value):
                reading = read({name: value})
                self.assertEqual((reading.verdict, reading.event), ("malformed", None))
        for name in ("id", "type", "created", "livemode", "object"):
            with self.subTest(without=name):
                self.assertEqual(read(without=(name,)).verdict, "malformed")

    def test_what_is_no_json(self):
        for body in (b"", b"\xff\xfe", b"[]", b'"text"', b"{", b"null", b"[" * 100_000):
            with self.subTest(body=body[:10]):
                self.assertEqual(read_event(body, livemode=False).verdict, "malformed")

    def test_odd_shapes_do_not_crash(self):
        for data in (None, [], "x", {"object": None}, {"object": []}, {"object": {"id": 7, "object": {}}}):
            with self.subTest(data=data):
                self.assertEqual(read({"data": data, "request": "x"}).verdict, "accepted")
