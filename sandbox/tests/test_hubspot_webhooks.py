"""Webhooks: events, batches, signatures, retries and faults, with a receiver of our own."""

import json
import time

import pytest
from hubspot.utils.signature import Signature

from sandbox.hubspot.events import sign

from .hubspot_driver import HubSpotDriver, Receiver


@pytest.fixture
def receiver():
    with Receiver.running() as running:
        yield running


@pytest.fixture
def hs(fresh_sandbox, receiver):
    driver = HubSpotDriver(fresh_sandbox)
    driver.settings(rate_limits=False)
    driver.admin("PUT", "webhooks", {"app": "private", "target_url": receiver.url})
    return driver


def events(receiver, count, timeout=10):
    """Wait until ``count`` events have come; return all that came."""
    deadline = time.monotonic() + timeout
    while True:
        found = [event for _path, _headers, body in receiver.requests for event in json.loads(body)]
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def of_type(found, name):
    return [event for event in found if event["subscriptionType"] == name]


def test_winning_a_deal_is_announced_once_per_property(hs, receiver):
    demo = hs.admin("GET", "demo")
    hs.admin("POST", f"deals/{demo['deal_id']}/win")
    found = events(receiver, 2)
    changed = {event["propertyName"]: event for event in of_type(found, "deal.propertyChange")}
    assert set(changed) == {"dealstage", "closedate"}, "calculated properties are not subscribed to"
    stage = changed["dealstage"]
    assert stage["objectId"] == int(demo["deal_id"]) and stage["propertyValue"] == "closedwon"
    assert stage["portalId"] == hs.known["portal_id"] and stage["appId"] == hs.known["private_app_id"]
    assert stage["changeSource"] == "CRM_UI" and stage["attemptNumber"] == 0
    assert {"eventId", "subscriptionId", "occurredAt", "sourceId"} <= set(stage)


def test_signature_holds_for_the_configured_url_and_raw_body(hs, receiver):
    hs.create("companies", name="Société Générale €")
    events(receiver, 2)
    _path, headers, body = receiver.requests[0]
    assert "Société Générale €".encode() in body, "text is not escaped on the wire"
    good = {"client_secret": hs.known["private_app_secret"], "request_body": body.decode(),
            "http_uri": receiver.url, "http_method": "POST", "signature_version": "v3",
            "timestamp": headers["X-HubSpot-Request-Timestamp"]}
    assert Signature.is_valid(headers["X-HubSpot-Signature-v3"], **good)
    assert not Signature.is_valid(headers["X-HubSpot-Signature-v3"], **{**good, "client_secret": "x"})
    assert Signature.is_valid(
        headers["X-HubSpot-Signature"], good["client_secret"], good["request_body"],
        signature_version="v1")


def test_published_signature_vectors(shared_data):
    vectors = json.loads(shared_data("hubspot/webhook-signature-vectors.json").read_text())["vectors"]
    checked = [v for v in vectors if v["signature_version"] == "v3"]
    assert checked
    for vector in checked:
        assert sign(vector["client_secret"], vector["http_method"], vector["http_uri"],
                    vector["request_body"].encode(), vector["timestamp"]) == vector["signature"]


def test_some_escapes_of_the_url_are_undone_before_signing():
    raw = "https://erp.example/hook?to=a%2Fb%3Ac&name=x%20y"
    assert sign("s", "POST", raw, b"[]", "1") == Signature.get_signature(
        "s", "[]", "v3", "https://erp.example/hook?to=a/b:c&name=x%20y", "POST", "1")


def test_creation_deletion_and_api_source(hs, receiver):
    contact = hs.create("contacts", email="hook@example.com")
    hs.call("DELETE", hs.objects(f"contacts/{contact}"))
    found = events(receiver, 3)
    assert {e["subscriptionType"] for e in found} == {
        "contact.creation", "contact.propertyChange", "contact.deletion"}
    assert {e["changeSource"] for e in found} == {"INTEGRATION"}
    assert {e["sourceId"] for e in found} == {str(hs.known["private_app_id"])}


def test_association_changes_come_from_both_sides(hs, receiver):
    company, contact = hs.create("companies", name="A"), hs.create("contacts", email="a@example.com")
    events(receiver, 4)
    receiver.requests.clear()
    hs.good("PUT", f"/crm/objects/{{v}}/contacts/{contact}/associations/default/companies/{company}")
    hs.call("DELETE", f"/crm/objects/{{v}}/contacts/{contact}/associations/companies/{company}")
    found = events(receiver, 4)
    told = [(e["subscriptionType"], e["associationType"], e["fromObjectId"], e["associationRemoved"],
             e["isPrimaryAssociation"]) for e in found]
    for removed in (False, True):
        assert ("contact.associationChange", "CONTACT_TO_COMPANY", int(contact), removed, not removed) in told
        assert ("company.associationChange", "COMPANY_TO_CONTACT", int(company), removed, not removed) in told


def test_merge_event_names_all_ids(hs, receiver):
    first, second = hs.create("companies", name="A"), hs.create("companies", name="B")
    merged = hs.good("POST", hs.objects("companies/merge"), {
        "primaryObjectId": first, "objectIdToMerge": second})
    event = of_type(events(receiver, 5), "company.merge")[0]
    assert event["primaryObjectId"] == int(first) and event["mergedObjectIds"] == [int(second)]
    assert event["newObjectId"] == event["objectId"] == int(merged["id"])


def test_quotes_have_only_generic_events(hs, receiver):
    hs.create("quotes", hs_title="Q", hs_expiration_date="2027-01-01")
    hs.create("products", name="P")
    assert {e["subscriptionType"] for e in events(receiver, 2)} == {
        "product.creation", "product.propertyChange"}
    receiver.requests.clear()
    hs.admin("PUT", "webhooks", {"target_url": receiver.url, "subscriptions": [
        {"eventType": "object.creation"}]})
    quote = hs.create("quotes", hs_title="Q", hs_expiration_date="2027-01-01")
    found = events(receiver, 1)
    assert [(e["objectTypeId"], e["objectId"]) for e in found] == [("0-14", int(quote))]


def test_at_most_100_events_a_request(hs, receiver):
    ids = [{"properties": {"email": f"m{n}@example.com", "firstname": "M"}} for n in range(100)]
    hs.good("POST", hs.objects("contacts/batch/create"), {"inputs": ids})
    found = events(receiver, 300)
    assert len(found) == 300
    sizes = [len(json.loads(body)) for _p, _h, body in receiver.requests]
    assert max(sizes) == 100


def test_failures_are_retried_with_counted_attempts_and_a_new_signature(hs, receiver):
    receiver.answers = [500, 404, 204]
    hs.create("products", name="Retry")
    for _attempt in range(100):
        if len(receiver.requests) >= 3:
            break
        hs.sandbox.admin("POST", "webhooks/flush")
        time.sleep(0.05)
    attempts = [json.loads(body)[0]["attemptNumber"] for _p, _h, body in receiver.requests]
    assert attempts == [0, 1, 2]
    timestamps = {headers["X-HubSpot-Request-Timestamp"] for _p, headers, _b in receiver.requests}
    assert len(timestamps) > 1


def test_ten_retries_then_hubspot_gives_up(hs, receiver):
    receiver.answers = [500] * 20
    hs.create("products", name="Lost")
    for _attempt in range(400):
        if hs.sandbox.admin("GET", "webhooks", params={"vendor": "hubspot", "state": "failed"}):
            break
        hs.sandbox.admin("POST", "webhooks/flush")
        time.sleep(0.02)
    assert len(receiver.requests) == 11


def test_faults_duplicate_and_bad_signature(hs, receiver):
    hs.sandbox.fault("hubspot", "webhook_duplicate", copies=3, times=1)
    hs.create("products", name="Thrice")
    found = events(receiver, 6)
    assert len(found) == 6 and len({e["eventId"] for e in found}) == 2
    receiver.requests.clear()
    hs.sandbox.fault("hubspot", "webhook_bad_signature", times=1)
    hs.create("products", name="Forged")
    events(receiver, 2)
    _path, headers, body = receiver.requests[0]
    assert headers["X-HubSpot-Signature-v3"] != sign(
        hs.known["private_app_secret"], "POST", receiver.url, body,
        headers["X-HubSpot-Request-Timestamp"])


def test_fault_reorder_lets_later_changes_overtake(hs, receiver):
    first = hs.create("products", name="First")
    events(receiver, 2)
    receiver.requests.clear()
    hs.sandbox.fault("hubspot", "webhook_reorder", ms=400, times=1)
    hs.update("products", first, name="Second")
    time.sleep(0.2)
    hs.update("products", first, name="Third")
    assert [e["propertyValue"] for e in events(receiver, 2)] == ["Third", "Second"]


def test_oauth_app_has_its_own_url_and_secret(hs, receiver):
    hs.admin("PUT", "webhooks", {"app": "private", "target_url": None})
    hs.admin("PUT", "webhooks", {"app": "oauth", "target_url": receiver.url})
    hs.create("products", name="P")
    found = events(receiver, 2)
    assert {e["appId"] for e in found} == {hs.known["oauth_app_id"]}
    _path, headers, body = receiver.requests[0]
    assert headers["X-HubSpot-Signature-v3"] == sign(
        hs.known["client_secret"], "POST", receiver.url, body, headers["X-HubSpot-Request-Timestamp"])


def test_nothing_is_announced_for_a_write_that_failed(hs, receiver):
    hs.bad(400, "POST", hs.objects("companies/batch/create"), {"inputs": [
        {"properties": {"name": "Undone"}}, {"properties": {"unicorn": "1"}}]})
    hs.create("products", name="Marker")
    assert {e["subscriptionType"].split(".")[0] for e in events(receiver, 2)} == {"product"}
