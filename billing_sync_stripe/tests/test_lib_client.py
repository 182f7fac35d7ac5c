"""The client against a real stand-in: over HTTP, with faults."""

import contextlib
import logging
import shutil
import socket
import subprocess
import time
import traceback
import unittest
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import requests
from odoo.addons.crm_sync_base.lib import errors
from odoo.tests import BaseCase

from ..lib import const, failure
from ..lib.charge_plan import plan_charge
from ..lib.client import StripeClient, key_mode, path_of
from ..lib.money import to_minor
from ..lib.payout_plan import plan_payout

try:
    from tests.support.servers import Sandbox
except ImportError:  # installed without the repository's test support
    Sandbox = None

SPEC = (Path(__file__).parents[2] / ".." / "shared" / "data" / "stripe"
        / "stripe-openapi-spec3-2026-05-27.dahlia.with-examples.json")


class TestKeys(BaseCase):
    def test_modes(self):
        for key, livemode in (("sk_live_1", True), ("rk_live_1", True), ("sk_test_1", False), ("rk_test_1", False)):
            self.assertIs(key_mode(key), livemode)

    def test_what_is_no_key(self):
        for key in ("pk_test_1", "whsec_1", "", "sk_test_", "hello"):
            with self.subTest(key=key), self.assertRaises(errors.AuthFailed) as caught:
                key_mode(key)
            if key:
                self.assertNotIn(key, str(caught.exception))

    def test_key_and_connection_must_agree(self):
        for key, livemode in (("sk_live_1", False), ("sk_test_1", True)):
            with self.subTest(key=key), self.assertRaises(errors.PolicyBlocked):
                StripeClient(key, livemode=livemode)

    def test_addresses(self):
        for url in ("http://api.stripe.com", "ftp://127.0.0.1", "https://u:p@api.stripe.com",
                    "https://api.stripe.com?x=1", "api.stripe.com", "http://127.0.0.1.evil.example"):
            with self.subTest(url=url), self.assertRaises(errors.PolicyBlocked):
                StripeClient("sk_test_1", base_url=url)
        StripeClient("sk_test_1", base_url="https://api.stripe.com")
        StripeClient("sk_test_1", base_url="http://127.0.0.1:8081/stripe/")

    def test_paths(self):
        self.assertEqual(path_of("charges", "ch_1"), "/v1/charges/ch_1")
        self.assertEqual(path_of("customers", "a/../b?c"), "/v1/customers/a%2F..%2Fb%3Fc")
        with self.assertRaises(errors.Bug):
            path_of("charges", "")

    def test_the_key_is_not_shown(self):
        self.assertNotIn("sk_test", repr(StripeClient("sk_test_1")))


class StandInCase(BaseCase):
    """Each class has a stand-in of its own, each test an account of its own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if Sandbox is None:
            raise unittest.SkipTest("the sandbox is only in the repository, not in an installed module")
        folder = TemporaryDirectory(prefix="sandbox-")
        cls.addClassCleanup(folder.cleanup)
        cls.sandbox = Sandbox(Path(folder.name), ["--vendors", "stripe"])
        cls.addClassCleanup(cls.sandbox.stop)
        cls.sandbox.start()

    def setUp(self):
        super().setUp()
        self.admin = self.sandbox.admin
        self.admin.post("/reset", {"vendor": "stripe", "profile": "demo"})
        self.addCleanup(self.admin.delete, "/faults")
        self.keys = self.admin.get("/credentials")["stripe"]
        self.client = self.make()

    def make(self, key=None, **options):
        return StripeClient(key or self.keys["secret_key"], base_url=self.sandbox.url + "/stripe", **options)

    def fault(self, kind, **rule):
        self.admin.post("/faults", {"vendor": "stripe", "kind": kind, "times": 1, **rule})

    def customer(self, key="c1", **params):
        made = self.client.post("/v1/customers", {"email": "x@b.example", **params}, idempotency_key=key)
        return self.client.get(path_of("customers", made["id"]))

    def pay(self, amount, currency="USD", key="p1", **params):
        customer = self.customer(key + "-customer")
        return self.client.post(
            "/v1/payment_intents",
            {
                "amount": to_minor(Decimal(amount), currency),
                "currency": currency.lower(),
                "customer": customer["id"],
                "payment_method": customer["invoice_settings"]["default_payment_method"],
                "off_session": True,
                "confirm": True,
                "metadata": {"odoo_ref": "INV/2026/0001"},
                **params,
            },
            idempotency_key=key,
            expand=["latest_charge.balance_transaction"],
        )


class TestClient(StandInCase):
    def test_from_charge_to_payout(self):
        intent = self.pay("1234.56")
        plan = plan_charge(intent["latest_charge"], expected=Decimal("1234.56"), expected_currency="USD")
        self.assertEqual((plan.fee, plan.net), (Decimal("36.10"), Decimal("1198.46")))
        self.client.post("/v1/refunds", {"charge": plan.charge_id, "amount": 10000}, idempotency_key="r1")
        self.admin.post(f"/stripe/charges/{self.pay('50', key='p2')['latest_charge']['id']}/dispute")
        self.admin.post("/stripe/fees", {"amount": 200, "currency": "usd"})
        paid = self.admin.post("/stripe/payouts/run")["payouts"]
        payout = self.client.get(path_of("payouts", paid[0]["id"]))
        inside = list(self.client.iterate(
            "/v1/balance_transactions", {"payout": payout["id"]}, expand=["data.source"], limit=2))
        planned = plan_payout(payout, inside)
        self.assertEqual(sum(line.amount for line in planned.lines), 0)
        self.assertEqual(planned.total(const.REFUND), Decimal(100))
        self.assertEqual(planned.total(const.DISPUTE), Decimal(50))
        self.assertEqual(planned.fee, Decimal("36.10") + Decimal("1.75") + 15 + 2)
        self.assertEqual(planned.unknown, ())
        self.assertEqual({m.source_type for m in planned.movements}, {"charge", "refund", "dispute", ""})

    def test_converted_money_is_planned(self):
        self.admin.post("/stripe/config", {"settlement_currencies": ["usd"]})
        plan = plan_charge(self.pay("100", "EUR")["latest_charge"])
        self.assertEqual((plan.amount, plan.settled, plan.settled_currency),
                         (Decimal(100), Decimal("108.42"), "USD"))
        self.assertEqual(plan.exchange_rate, Decimal("1.0842"))

    def test_fractions_arrive_as_decimals(self):
        rate = self.client.post(
            "/v1/tax_rates", {"display_name": "Tax", "percentage": Decimal("8.875"), "inclusive": False},
            idempotency_key="t1")
        self.assertEqual(rate["percentage"], Decimal("8.875"))
        self.assertIsInstance(rate["percentage"], Decimal)

    def test_writes_need_a_key(self):
        for key in ("", None, "k" * 256):
            with self.subTest(key=key), self.assertRaises(errors.Bug):
                self.client.post("/v1/customers", {}, idempotency_key=key)

    def test_a_repeated_write_has_one_effect(self):
        first, again = self.customer("k"), self.customer("k")
        self.assertEqual(first["id"], again["id"])
        self.assertEqual(len(list(self.client.iterate("/v1/customers"))), 1)
        with self.assertRaises(errors.Conflict):
            self.customer("k", name="Other")

    def test_a_lost_answer(self):
        customer = self.customer()
        for kind in ("drop_after", "truncate"):
            with self.subTest(kind=kind):
                self.fault(kind, method="POST")
                with self.assertRaises(errors.Transient) as caught:
                    self.client.post("/v1/products", {"name": kind}, idempotency_key=kind)
                self.assertTrue(failure.of(caught.exception).outcome_unknown)
                self.client.post("/v1/products", {"name": kind}, idempotency_key=kind)
        names = [p["name"] for p in self.client.iterate("/v1/products")]
        self.assertEqual((names.count("drop_after"), names.count("truncate")), (1, 1))
        self.fault("drop_before")
        with self.assertRaises(errors.Transient) as caught:
            self.client.get(path_of("customers", customer["id"]))
        self.assertFalse(failure.of(caught.exception).outcome_unknown)

    def test_failures_have_their_classes(self):
        for rule, error in (
            ({"status": 429, "retry_after": 4}, errors.RateLimited),
            ({"status": 429, "code": "lock_timeout"}, errors.Transient),
            ({"status": 429, "reason": "resource-specific"}, errors.Transient),
            ({"status": 500}, errors.Transient),
            ({"status": 503, "should_retry": False}, errors.Conflict),
            ({"status": 401}, errors.AuthFailed),
            ({"status": 403}, errors.PolicyBlocked),
            ({"status": 502, "body": "<html>bad gateway</html>"}, errors.Transient),
        ):
            with self.subTest(rule=rule):
                self.fault("status", **rule)
                with self.assertRaises(error) as caught:
                    self.client.get("/v1/balance")
                self.assertEqual(failure.of(caught.exception).status, rule["status"])
                if "retry_after" in rule:
                    self.assertEqual(caught.exception.retry_after, 4.0)

    def test_a_kept_500_is_not_asked_for_again_and_again(self):
        self.admin.post("/stripe/fail_next", {"path_regex": "products$", "after_effect": True})
        with self.assertRaises(errors.Transient):
            self.client.post("/v1/products", {"name": "x"}, idempotency_key="k")
        with self.assertRaises(errors.Conflict) as caught:
            self.client.post("/v1/products", {"name": "x"}, idempotency_key="k")
        self.assertTrue(failure.of(caught.exception).replayed)

    def test_a_refused_card(self):
        self.admin.post("/stripe/config", {"autocard": "declined"})
        with self.assertRaises(errors.PaymentDeclined) as caught:
            self.pay("10")
        facts = failure.of(caught.exception)
        self.assertEqual((facts.code, facts.decline_code), ("card_declined", "generic_decline"))
        charge = self.client.get(path_of("charges", facts.charge))
        self.assertEqual((charge["status"], charge["payment_intent"]), ("failed", facts.payment_intent))

    def test_missing_and_wrong(self):
        with self.assertRaises(errors.RemoteGone):
            self.client.get(path_of("charges", "ch_missing"))
        with self.assertRaises(errors.DataInvalid) as caught:
            self.client.post("/v1/customers", {"emial": "jane@buyer.example"}, idempotency_key="k")
        self.assertEqual(failure.of(caught.exception).param, "emial")
        self.assertNotIn("jane", str(caught.exception))
        with self.assertRaises(errors.AuthFailed):
            self.make("sk_test_wrong").get("/v1/balance")

    def test_the_version_is_pinned(self):
        self.assertEqual(self.keys["api_version"], const.API_VERSION)
        with self.assertRaises(errors.DataInvalid):
            self.make(version="2026-10-28.endive").get("/v1/balance")

    def test_objects_of_the_other_mode_are_refused(self):
        live = self.make("sk_live_1")
        live._auth = self.client._auth
        with self.assertRaises(errors.PolicyBlocked):
            live.get("/v1/balance")

    def test_lists_are_read_to_their_end(self):
        ids = [self.client.post("/v1/products", {"name": str(n)}, idempotency_key=str(n))["id"] for n in range(7)]
        found = [p["id"] for p in self.client.iterate("/v1/products", limit=2)]
        self.assertEqual(found[:7], ids[::-1])
        self.assertEqual(len(found), len(set(found)))
        page = self.client.page("/v1/products", limit=3)
        self.assertEqual((len(page.data), page.next_after), (3, ids[4]))
        self.assertIsNone(self.client.page("/v1/products", after=ids[0], limit=100).next_after)

    def test_what_is_made_while_we_read_waits_for_the_next_time(self):
        self.client.post("/v1/products", {"name": "old"}, idempotency_key="old")
        reading = self.client.iterate("/v1/products", limit=1)
        first = next(reading)
        self.admin.post("/clock", {"advance": 5})
        self.addCleanup(self.admin.post, "/clock", {"reset": True})
        self.client.post("/v1/products", {"name": "new"}, idempotency_key="new")
        names = [first["name"], *(product["name"] for product in reading)]
        self.assertNotIn("new", names)
        self.assertEqual(names[0], "old")
        since = {"created": {"gte": first["created"] + 1}}
        later = self.make(clock=lambda: time.time() + 60)
        self.assertEqual([p["name"] for p in later.iterate("/v1/products", since)], ["new"])

    def test_calls_are_logged_without_what_was_sent(self):
        with self.assertLogs(StripeClient.__module__, logging.DEBUG) as logs:
            self.customer(name="Jane Doe")
        text = "\n".join(logs.output)
        self.assertIn("/v1/customers", text)
        for secret in ("Jane", "b.example", "sk_test"):
            self.assertNotIn(secret, text)


class Broken(requests.Session):
    """A session whose every call fails in a given way."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def send(self, request, **keywords):
        raise self.error


class TestNoAnswer(BaseCase):
    def test_reasons(self):
        for error, words in (
            (requests.ConnectTimeout("sk_test_1"), "too long"),
            (requests.ReadTimeout("sk_test_1"), "too long"),
            (requests.exceptions.SSLError("sk_test_1"), "secure connection"),
            (requests.ConnectionError("sk_test_1"), "connection failed"),
            (requests.exceptions.ChunkedEncodingError("sk_test_1"), "broke off"),
        ):
            client = StripeClient("sk_test_1", base_url="http://127.0.0.1:1", session=Broken(error))
            with self.subTest(error=type(error).__name__), self.assertRaises(errors.Transient) as caught:
                client.post("/v1/customers", {}, idempotency_key="k")
            self.assertIn(words, str(caught.exception))
            self.assertTrue(failure.of(caught.exception).outcome_unknown)
            shown = "".join(traceback.format_exception(caught.exception))
            self.assertNotIn("sk_test", shown.replace('"sk_test_1"', ""))

    def test_nobody_listens(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with self.assertRaises(errors.Transient) as caught:
            StripeClient("sk_test_1", base_url=f"http://127.0.0.1:{port}").get("/v1/balance")
        self.assertFalse(failure.of(caught.exception).outcome_unknown)


class TestSteady(BaseCase):
    """What we send, judged by a strict mock made from the published specification."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not SPEC.exists():
            raise unittest.SkipTest("the vendors' test data are not beside this checkout")
        program = shutil.which("steady")
        if not program:
            raise unittest.SkipTest("steady is not installed (npm install -g @stdy/cli)")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        cls.process = subprocess.Popen(
            [program, "--host", "127.0.0.1", "-p", str(port),
             *(f"--validator-{place}-{shape}-format=brackets" for place in ("form", "query")
               for shape in ("object", "array")), str(SPEC)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.addClassCleanup(cls.process.wait, 10)
        cls.addClassCleanup(cls.process.terminate)
        cls.client = StripeClient("sk_test_1", base_url=f"http://127.0.0.1:{port}")
        deadline = time.monotonic() + 30
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), 1):
                    break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def judge(self, method, path, params=None, expand=()):
        """Send, and fail when the mock refuses; what it answers is an example of Stripe's."""
        # Some examples are in live mode; the request itself was accepted then.
        try:
            with contextlib.suppress(errors.PolicyBlocked):
                if method == "GET":
                    self.client.get(path, params, expand=expand)
                else:
                    self.client.post(path, params, idempotency_key="k", expand=expand)
        except errors.SyncError as error:
            self.fail(f"{method} {path}: {error}")

    def test_requests_are_accepted(self):
        for call in (
            ("POST", "/v1/customers", {
                "email": "x@b.example", "name": "Société €", "metadata": {"odoo_ref": "7", "b": ""},
                "address": {"line1": "Rue 1", "country": "BE"}, "tax_exempt": "none"}),
            ("POST", "/v1/customers/cus_1", {"invoice_settings": {"default_payment_method": "pm_1"}}),
            ("POST", "/v1/payment_intents", {
                "amount": 1000, "currency": "usd", "customer": "cus_1", "payment_method": "pm_1", "confirm": True,
                "off_session": True, "metadata": {"odoo_ref": "INV/1"}, "payment_method_types": ["card"]},
             ["latest_charge.balance_transaction"]),
            ("POST", "/v1/payment_intents/pi_1/confirm", {"payment_method": "pm_1", "off_session": True}),
            ("POST", "/v1/payment_intents/pi_1/cancel", {"cancellation_reason": "abandoned"}),
            ("POST", "/v1/refunds", {"charge": "ch_1", "amount": 5, "reason": "duplicate"}),
            ("POST", "/v1/invoices", {"customer": "cus_1", "currency": "usd", "auto_advance": False}),
            ("POST", "/v1/invoiceitems", {
                "customer": "cus_1", "invoice": "in_1", "quantity": 2, "unit_amount_decimal": Decimal("33.335"),
                "currency": "usd", "tax_rates": ["txr_1"], "period": {"start": 1, "end": 2}}),
            ("POST", "/v1/subscriptions", {
                "customer": "cus_1", "items": [{"price": "price_1", "quantity": 2}, {"price": "price_2"}],
                "default_tax_rates": ["txr_1"], "trial_period_days": 14}),
            ("POST", "/v1/webhook_endpoints", {
                "url": "https://odoo.example/x", "enabled_events": list(const.EVENT_TYPES),
                "api_version": const.API_VERSION}),
            ("GET", "/v1/balance_transactions", {
                "payout": "po_1", "limit": 100, "created": {"gte": 1, "lte": 2}}, ["data.source"]),
            ("GET", "/v1/events", {"types": ["payout.paid", "charge.succeeded"], "delivery_success": False}),
            ("GET", "/v1/charges", {"customer": "cus_1", "starting_after": "ch_1", "limit": 5}, ["data.customer"]),
        ):
            with self.subTest(call[:2]):
                self.judge(*call)

    def test_the_judge_is_strict(self):
        with self.assertRaises(errors.SyncError):
            self.client.post("/v1/customers", {"emial": "x"}, idempotency_key="k")
