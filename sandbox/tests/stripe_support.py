"""Drive the stand-in with the official client, judging every answer by the schema."""

import json
import re

import jsonschema
import requests
import stripe
from referencing import Registry, Resource

from .conftest import SHARED_DATA

VERSION = "2026-05-27.dahlia"
SCHEMAS = SHARED_DATA / "stripe" / "stripe-response-schemas-2026-05-27.dahlia.json"

#: Members that the real API shows although its published schema leaves them out.
UNPUBLISHED = {("product", "type")}


class Judge:
    """Checks answers against the published response schemas, where they are present."""

    def __init__(self):
        self.checked = 0
        self.bundle = None
        self._validators = {}
        if SCHEMAS.exists():
            self.bundle = json.loads(SCHEMAS.read_text())
            self._registry = Registry().with_resource(
                "urn:bundle", Resource.from_contents(self.bundle))
            self._paths = sorted(self.bundle["responses"], key=lambda p: p.count("{"))

    def check(self, method, path, status, body):
        """Raise an AssertionError when the answer is not what the schema says."""
        if self.bundle is None:
            return
        pointer = self._pointer(method.lower(), path) if status < 300 else "/$defs/error"
        if status >= 300:
            errors = list(self._validator("/$defs/api_errors").iter_errors(body["error"]))
        else:
            errors = list(self._validator(pointer).iter_errors(body))
            self._no_inventions(body)
        assert not errors, f"{method} {path} {status}: " + "; ".join(
            f"{list(error.absolute_path)}: {error.message[:200]}" for error in errors[:3])
        self.checked += 1

    def check_object(self, document):
        """Check one object (an event's snapshot) by its own type."""
        if self.bundle is not None:
            self._validator("/$defs/" + document["object"]).validate(document)
            self._no_inventions(document)

    def _validator(self, pointer):
        if pointer not in self._validators:
            self._validators[pointer] = jsonschema.Draft202012Validator(
                {"$ref": "urn:bundle#" + pointer}, registry=self._registry)
        return self._validators[pointer]

    def _pointer(self, method, path):
        if path == "/v1/account":
            return "/$defs/account"
        for template in self._paths:
            pattern = re.sub(r"\{\w+\}", r"[^/]+", template)
            if re.fullmatch(pattern, path) and method in self.bundle["responses"][template]:
                escaped = template.replace("~", "~0").replace("/", "~1")
                escaped = escaped.replace("{", "%7B").replace("}", "%7D")
                return f"/responses/{escaped}/{method}/schema"
        raise AssertionError(f"{method} {path} is not in the specification")

    def _no_inventions(self, value):
        """No member that the specification does not know (schemas allow extra ones)."""
        if isinstance(value, list):
            for item in value:
                self._no_inventions(item)
        if not isinstance(value, dict):
            return
        kind = value.get("object")
        known = isinstance(kind, str) and self.bundle["$defs"].get(kind, {}).get("properties")
        if known and not value.get("deleted"):
            unknown = {key for key in value if key not in known}
            unknown -= {key for name, key in UNPUBLISHED if name == kind}
            assert not unknown, f"{kind} has unknown members {unknown}"
        for key, item in value.items():
            if key != "metadata":
                self._no_inventions(item)


class JudgedClient(stripe.RequestsClient):
    """The official HTTP client; every answer passes the judge."""

    def __init__(self, judge, prefix):
        super().__init__(timeout=30)
        self.judge, self.prefix = judge, prefix
        self.last_headers = {}

    def request(self, method, url, headers, post_data=None):
        body, status, answered = super().request(method, url, headers, post_data)
        path = url.split("?")[0].split(self.prefix, 1)[1]
        self.judge.check(method, path, status, json.loads(body))
        self.last_headers = answered
        return body, status, answered


class Driver:
    """One account as the official client, plain HTTP and the admin API see it."""

    def __init__(self, sandbox, profile="demo", **config):
        self.sandbox = sandbox
        self.admin = sandbox.admin
        sandbox.admin("POST", "reset", json={"vendor": "stripe", "profile": profile})
        if config:
            self.configure(**config)
        self.keys = sandbox.admin("GET", "credentials")["stripe"]
        self.url = sandbox.url + "/stripe"
        self.judge = Judge()
        self.http = JudgedClient(self.judge, "/stripe")
        self.api = stripe.StripeClient(
            self.keys["secret_key"], base_addresses={"api": self.url},
            stripe_version=VERSION, max_network_retries=0, http_client=self.http).v1

    def configure(self, **config):
        """Change settings of the stand-in."""
        return self.admin("POST", "stripe/config", json=config)

    def act(self, path, **body):
        """Do something outside the API: the buyer, the bank, the dashboard."""
        return self.admin("POST", "stripe/" + path, json=body)

    def raw(self, method, path, data=None, key=None, **headers):
        """One plain HTTP request. :return: the requests response."""
        headers.setdefault("Authorization", f"Bearer {key or self.keys['secret_key']}")
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.request(method, self.url + path, data=data, headers=headers, timeout=30)

    def customer(self, **params):
        """:return: a customer, after the buyer entered a card (if so configured)."""
        made = self.api.customers.create({"email": "buyer@example.com", **params})
        return self.api.customers.retrieve(made.id)

    def charge(self, amount, currency="usd", **params):
        """:return: a charge of a fresh customer, with its balance transaction."""
        customer = self.customer()
        intent = self.api.payment_intents.create({
            "amount": amount, "currency": currency, "customer": customer.id,
            "payment_method": customer.invoice_settings.default_payment_method,
            "off_session": True, "confirm": True,
            "expand": ["latest_charge.balance_transaction"], **params})
        return intent.latest_charge

    def event_types(self, newest_first=False, **filters):
        """:return: types of the events so far."""
        listed = self.api.events.list({"limit": 100, **filters})
        types = [event.type for event in listed.auto_paging_iter()]
        return types if newest_first else types[::-1]
