import json
import unittest
from datetime import datetime
from pathlib import Path

from odoo.tests import BaseCase

from ..lib.signature import signature, verify
from ..lib.webhook import MalformedBody, dedupe_key, parse

VECTORS = Path(__file__).resolve().parents[3] / "shared/data/hubspot/webhook-signature-vectors.json"

URL = "https://erp.example.com/crm_sync/webhook/abc"
NOW = 1_790_000_000_000

EVENT = {
    "eventId": 1, "subscriptionId": 12345, "portalId": 62515, "appId": 54321, "occurredAt": 1564113600000,
    "subscriptionType": "deal.propertyChange", "attemptNumber": 0, "objectId": 123,
    "propertyName": "dealstage", "propertyValue": "closedwon", "changeSource": "CRM_UI",
}


def headers(secret="s1", url=URL, body=b"[]", at=NOW):
    return {
        "x-hubspot-signature-v3": signature(secret, "POST", url, body, str(at)),
        "x-hubspot-request-timestamp": str(at),
    }


class TestSignature(BaseCase):

    def judge(self, given=None, secrets=("s1",), url=URL, body=b"[]", now=NOW):
        return verify(secrets, url, body, headers() if given is None else given, now_ms=now)

    def test_published_and_computed_vectors(self):
        if not VECTORS.exists():
            raise unittest.SkipTest("the vendors' signature vectors are not beside this checkout")
        vectors = [v for v in json.loads(VECTORS.read_text())["vectors"] if v["signature_version"] == "v3"]
        self.assertGreaterEqual(len(vectors), 3)
        for vector in vectors:
            body, timestamp = vector["request_body"].encode(), vector["timestamp"]
            self.assertEqual(
                signature(vector["client_secret"], vector["http_method"], vector["http_uri"], body, timestamp),
                vector["signature"], vector["name"])
            given = {"x-hubspot-signature-v3": vector["signature"], "x-hubspot-request-timestamp": timestamp}
            self.assertEqual(
                verify([vector["client_secret"]], vector["http_uri"], body, given, now_ms=int(timestamp)),
                "accepted")

    def test_genuine(self):
        self.assertEqual(self.judge(), "accepted")

    def test_any_of_several_secrets(self):
        self.assertEqual(self.judge(secrets=("new", "", "s1")), "accepted")
        self.assertEqual(self.judge(secrets=("new", "other")), "bad_signature")

    def test_no_secret_never_matches(self):
        empty = headers(secret="")
        self.assertEqual(self.judge(empty, secrets=("",)), "bad_signature")
        self.assertEqual(self.judge(empty, secrets=()), "bad_signature")

    def test_every_part_is_covered(self):
        self.assertEqual(self.judge(body=b"[ ]"), "bad_signature")
        self.assertEqual(self.judge(url=URL + "/"), "bad_signature")
        self.assertEqual(self.judge(url=URL.replace("https", "http")), "bad_signature")
        self.assertEqual(verify(["s1"], URL, b"[]", headers(), method="PUT", now_ms=NOW), "bad_signature")
        moved = {**headers(), "x-hubspot-request-timestamp": str(NOW + 1)}
        self.assertEqual(self.judge(moved), "bad_signature")

    def test_missing_or_senseless_headers(self):
        for given in (
            {}, {**headers(), "x-hubspot-signature-v3": ""}, {**headers(), "x-hubspot-request-timestamp": ""},
            {**headers(), "x-hubspot-request-timestamp": "soon"},
            {**headers(), "x-hubspot-request-timestamp": "-1"},
            {**headers(), "x-hubspot-request-timestamp": "1e400"},
            {**headers(), "x-hubspot-request-timestamp": "٣"},
        ):
            self.assertEqual(self.judge(given), "unsigned", given)

    def test_not_ascii_in_the_signature(self):
        self.assertEqual(self.judge({**headers(), "x-hubspot-signature-v3": "é€"}), "bad_signature")

    def test_time_window(self):
        self.assertEqual(self.judge(now=NOW + 300_000), "accepted")
        self.assertEqual(self.judge(now=NOW + 300_001), "stale")
        self.assertEqual(self.judge(now=NOW - 300_001), "stale")

    def test_stale_and_forged_is_told_as_forged(self):
        self.assertEqual(self.judge(secrets=("x",), now=NOW + 10**7), "bad_signature")

    def test_escapes_that_hubspot_undoes(self):
        raw, undone = URL + "?to=a%2Fb%3ac%2C&n=x%20y", URL + "?to=a/b:c,&n=x%20y"
        self.assertEqual(self.judge(headers(url=undone), url=raw), "accepted")
        self.assertEqual(self.judge(headers(url=undone.replace("%20", " ")), url=raw), "bad_signature")

    def test_old_versions_are_not_accepted(self):
        self.assertEqual(self.judge({"x-hubspot-signature": "abc", "x-hubspot-signature-version": "v1"}), "unsigned")


class TestParse(BaseCase):

    def one(self, **changes):
        event = {name: value for name, value in {**EVENT, **changes}.items() if value is not None}
        return parse(json.dumps([event]).encode()).notifications

    def test_property_change(self):
        (note,) = self.one()
        self.assertEqual((note.remote_object, note.external_id), ("deals", "123"))
        self.assertEqual(note.event_type, "deal.propertyChange")
        self.assertEqual(note.occurred_at, datetime(2019, 7, 26, 4, 0))

    def test_accounts_and_apps(self):
        delivery = parse(json.dumps([EVENT, {**EVENT, "portalId": 7, "eventId": 2}]).encode())
        self.assertEqual(delivery.portal_ids, {"62515", "7"})
        self.assertEqual(delivery.app_ids, {"54321"})
        self.assertEqual(len(delivery.notifications), 2)

    def test_the_key_is_the_same_for_a_retry_and_differs_for_other_events(self):
        key = dedupe_key(EVENT)
        self.assertEqual(key, dedupe_key({**EVENT, "attemptNumber": 3, "subscriptionId": 9}))
        for change in ({"eventId": 2}, {"occurredAt": 1}, {"propertyName": "amount"}, {"objectId": 124},
                       {"portalId": 1}, {"subscriptionType": "deal.creation"}):
            self.assertNotEqual(key, dedupe_key({**EVENT, **change}), change)

    def test_personal_data_is_not_part_of_the_key(self):
        self.assertNotIn("someone@example.com", dedupe_key({**EVENT, "propertyValue": "someone@example.com"}))

    def test_merge_concerns_old_and_new_records(self):
        notes = self.one(subscriptionType="company.merge", objectId=9, newObjectId=9, primaryObjectId=1,
                         mergedObjectIds=[2, 3], propertyName=None)
        self.assertEqual([note.external_id for note in notes], ["9", "1", "2", "3"])
        self.assertEqual({note.remote_object for note in notes}, {"companies"})
        self.assertEqual(len({note.source_id for note in notes}), 4)

    def test_association_change_concerns_its_own_side(self):
        (note,) = self.one(subscriptionType="deal.associationChange", objectId=None, fromObjectId=5,
                           toObjectId=6, associationType="DEAL_TO_COMPANY", associationRemoved=False,
                           isPrimaryAssociation=True, propertyName=None)
        self.assertEqual((note.remote_object, note.external_id), ("deals", "5"))
        removed = {**EVENT, "fromObjectId": 5, "toObjectId": 6, "associationRemoved": True}
        self.assertNotEqual(dedupe_key(removed), dedupe_key({**removed, "associationRemoved": False}))

    def test_generic_and_unknown_events(self):
        for type_id, name in (("0-14", "quotes"), ("2-99", "2-99"), ("0-9999", ""), (None, "")):
            (note,) = self.one(subscriptionType="object.propertyChange", objectTypeId=type_id)
            self.assertEqual(note.remote_object, name)
        (note,) = self.one(subscriptionType="conversation.creation")
        self.assertEqual((note.remote_object, note.external_id), ("", "123"))
        (note,) = self.one(objectId=None)
        self.assertEqual((note.remote_object, note.external_id), ("", ""))

    def test_a_time_that_makes_no_sense_is_left_out(self):
        for value in (None, "x", 10**30):
            self.assertIsNone(self.one(occurredAt=value)[0].occurred_at)

    def test_malformed_bodies(self):
        for body in (b"", b"{}", b"[]", b"[1]", b"[{}]", b"null", b"[" * 5000, b"\xff\xfe",
                     b'[{"subscriptionType": 1, "portalId": 2}]', b'[{"subscriptionType": "deal.creation"}]'):
            with self.assertRaises(MalformedBody, msg=body[:40]):
                parse(body)
