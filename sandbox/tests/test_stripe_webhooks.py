"""Webhooks: signatures, retries, duplicates, order, rolled secrets."""

import http.server
import json
import threading
import time

import pytest
import stripe

from .stripe_support import VERSION, Driver


class Receiver:
    """An HTTP server that keeps what it was sent and answers as it is told."""

    def __init__(self):
        self.got = []
        self.answers = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.answers.pop(0) if receiver.answers else 200
                receiver.got.append((dict(self.headers), body, status))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/stripe/webhook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, count, seconds=10):
        """Wait for so many requests; returns their events."""
        deadline = time.monotonic() + seconds
        while len(self.got) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(self.got) >= count, f"{len(self.got)} of {count} webhooks arrived"
        return [json.loads(body) for _headers, body, _status in self.got]

    def stays_at(self, count):
        """Nothing more arrives."""
        time.sleep(0.3)
        assert len(self.got) == count


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture
def account(sandbox):
    return Driver(sandbox, autocard="none")


def listen(account, receiver, *types):
    """:return: a webhook endpoint, with its secret."""
    return account.api.webhook_endpoints.create({
        "url": receiver.url, "enabled_events": list(types) or ["*"], "api_version": VERSION})


def verified(receiver, index, secret):
    """The official library accepts this delivery. :return: the event."""
    headers, body, _status = receiver.got[index]
    return stripe.Webhook.construct_event(body, headers["Stripe-Signature"], secret)


def test_the_official_library_accepts_a_delivery(account, receiver):
    endpoint = listen(account, receiver, "customer.created")
    customer = account.customer(name="Société €")
    event, = receiver.wait(1)
    assert verified(receiver, 0, endpoint.secret).data.object.name == "Société €"
    assert (event["type"], event["data"]["object"]["id"]) == ("customer.created", customer.id)
    assert (event["api_version"], event["livemode"], event["object"]) == (
        VERSION, False, "event")
    assert event["request"]["id"].startswith("req_")
    headers, body, _status = receiver.got[0]
    assert headers["User-Agent"].startswith("Stripe/1.0") and body.startswith(b"{\n  ")
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body + b" ", headers["Stripe-Signature"],
                                       endpoint.secret)
    shown = account.api.webhook_endpoints.retrieve(endpoint.id)
    assert "secret" not in shown, "it is shown once only"
    assert account.api.events.retrieve(event["id"]).pending_webhooks == 0


def test_only_wanted_events_reach_enabled_endpoints(account, receiver):
    endpoint = listen(account, receiver, "product.created")
    account.customer()
    account.api.products.create({"name": "x"})
    assert [event["type"] for event in receiver.wait(1)] == ["product.created"]
    account.api.webhook_endpoints.update(endpoint.id, {"disabled": True})
    account.api.products.create({"name": "y"})
    account.api.webhook_endpoints.update(endpoint.id, {"disabled": False})
    account.api.webhook_endpoints.delete(endpoint.id)
    account.api.products.create({"name": "z"})
    receiver.stays_at(1)


def test_the_cause_of_an_event_is_named(account, receiver):
    listen(account, receiver, "customer.created")
    account.api.customers.create({"email": "x@b.example"}, {"idempotency_key": "odoo-1"})
    account.act("charges", amount=500, currency="usd")
    assert receiver.wait(1)[0]["request"]["idempotency_key"] == "odoo-1"
    caused = account.api.events.list({"type": "charge.succeeded"}).data[0]
    assert caused.request.id is None, "what happens outside has no request"


def test_a_refused_delivery_is_sent_again_signed_anew(account, receiver):
    endpoint = listen(account, receiver, "customer.created")
    receiver.answers = [500, 302, 200]
    account.customer()
    events = receiver.wait(3)
    receiver.stays_at(3)
    assert len({event["id"] for event in events}) == 1
    for index in range(3):
        verified(receiver, index, endpoint.secret)
    # 1 minute and 5 minutes, compressed 1:1000 by the test process.
    delivery = account.admin("GET", "webhooks", params={"vendor": "stripe"})[-1]
    assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 302, 200]
    assert delivery["attempts"][2]["at"] - delivery["attempts"][1]["at"] >= 0.3


def test_an_undelivered_event_can_be_found_and_sent_again(account, receiver):
    account.configure(retry_policy="test")
    listen(account, receiver, "customer.created")
    receiver.answers = [500]
    account.customer()
    receiver.wait(1)
    failed = account.api.events.list({"delivery_success": False}).data
    assert [(event.type, event.pending_webhooks) for event in failed] == [
        ("customer.created", 1)]
    delivery = account.admin("GET", "webhooks", params={"vendor": "stripe"})[-1]
    account.admin("POST", f"webhooks/{delivery['id']}/resend")
    receiver.wait(2)
    account.sandbox.wait_deliveries("stripe", 1)
    assert account.api.events.list({"delivery_success": False}).data == []


def test_a_rolled_secret_signs_beside_the_new_one(account, receiver):
    endpoint = listen(account, receiver, "customer.created")
    rolled = account.act(f"webhook_endpoints/{endpoint.id}/roll", expires_in=3600)
    account.customer()
    receiver.wait(1)
    assert receiver.got[0][0]["Stripe-Signature"].count("v1=") == 2
    for secret in (endpoint.secret, rolled["secret"]):
        verified(receiver, 0, secret)
    account.admin("POST", "clock", json={"advance": 3601})
    account.customer()
    receiver.wait(2)
    assert receiver.got[1][0]["Stripe-Signature"].count("v1=") == 1
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(
            receiver.got[1][1].decode(), receiver.got[1][0]["Stripe-Signature"],
            endpoint.secret, tolerance=None)


@pytest.mark.parametrize(("kind", "params", "arrive"), [
    ("webhook_duplicate", {"copies": 3}, 3), ("webhook_drop", {}, 0)])
def test_duplicates_and_losses(account, receiver, kind, params, arrive):
    listen(account, receiver, "customer.created")
    account.sandbox.fault("stripe", kind, times=1, **params)
    account.customer()
    events = receiver.wait(arrive)
    receiver.stays_at(arrive)
    assert len({event["id"] for event in events}) <= 1
    assert account.event_types().count("customer.created") == 1, "it can still be polled"


def test_disorder(account, receiver):
    listen(account, receiver, "payment_intent.created", "payment_intent.succeeded")
    account.sandbox.fault("stripe", "webhook_reorder", times=1, ms=400)
    account.act("charges", amount=500, currency="usd")
    assert [event["type"] for event in receiver.wait(2)] == [
        "payment_intent.succeeded", "payment_intent.created"]


def test_a_bad_signature(account, receiver):
    endpoint = listen(account, receiver, "customer.created")
    account.sandbox.fault("stripe", "webhook_bad_signature", times=1)
    account.customer()
    receiver.wait(1)
    with pytest.raises(stripe.SignatureVerificationError):
        verified(receiver, 0, endpoint.secret)


@pytest.mark.parametrize(("params", "param"), [
    ({"enabled_events": ["no.such.event"]}, "enabled_events[0]"),
    ({"enabled_events": ["*", "payout.paid"]}, "enabled_events"),
    ({"url": "ftp://x"}, "url"), ({"api_version": "2019-05-16"}, "api_version"),
])
def test_bad_endpoints_are_refused(account, receiver, params, param):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        account.api.webhook_endpoints.create(
            {"url": receiver.url, "enabled_events": ["*"], **params})
    assert caught.value.param == param


def test_undelivered_webhooks_survive_a_kill(own_sandbox, tmp_path, receiver):
    sandbox = own_sandbox("--seed", "empty", "--retry-scale", "0.001",
                          state=tmp_path / "state.sqlite")
    account = Driver(sandbox, profile="empty")
    endpoint = listen(account, receiver, "customer.created")
    receiver.answers = [503, 503]
    account.customer()
    receiver.wait(2)
    sandbox.stop(kill=True)
    sandbox.start()
    receiver.wait(3)
    verified(receiver, 2, endpoint.secret)
