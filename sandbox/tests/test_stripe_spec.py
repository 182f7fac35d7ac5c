"""The stand-in against the published specification, where it is present."""

import functools
import json

import pytest

from sandbox.stripe import OPERATIONS, const
from sandbox.stripe.params import Arr, Map, Obj, Range, Str

from .stripe_support import Driver

SPEC = "stripe/stripe-openapi-spec3-2026-05-27.dahlia.with-examples.json"


@functools.lru_cache(maxsize=1)
def load(path):
    return json.loads(path.read_text())


def published(spec, operation):
    """{name: schema} of an operation's parameters."""
    described = spec["paths"][operation.path][operation.method.lower()]
    found = {p["name"]: p["schema"] for p in described.get("parameters", [])
             if p["in"] == "query"}
    content = described.get("requestBody", {}).get("content", {})
    form = content.get("application/x-www-form-urlencoded", {}).get("schema", {})
    return {**found, **form.get("properties", {})}, set(form.get("required", []))


def objects(schema):
    """The object alternatives of a schema."""
    options = schema.get("anyOf", [schema])
    return [one for one in options if one.get("type") == "object"]


def compare(where, ours, schema):
    """Raise when a declared parameter is not what the specification says."""
    if isinstance(ours, (Map, Range)):
        return
    if isinstance(ours, Obj):
        known = {}
        for option in objects(schema):
            known.update(option.get("properties", {}))
        for name, member in ours.members.items():
            assert name in known, f"{where}[{name}] is not in the specification"
            compare(f"{where}[{name}]", member, known[name])
    if isinstance(ours, Arr):
        arrays = [one for one in schema.get("anyOf", [schema]) if one.get("type") == "array"]
        assert arrays, f"{where} is not a list in the specification"
        compare(where + "[]", ours.item, arrays[0]["items"])
    if isinstance(ours, Str) and ours.choices:
        options = [one for one in schema.get("anyOf", [schema]) if "enum" in one]
        allowed = {value for one in options for value in one["enum"]}
        assert not allowed or set(ours.choices) <= allowed, where


@pytest.mark.parametrize(
    "operation", OPERATIONS, ids=lambda op: f"{op.method} {op.path}")
def test_every_parameter_is_in_the_specification(shared_data, operation):
    spec = load(shared_data(SPEC))
    assert operation.path in spec["paths"], "no such path"
    known, required = published(spec, operation)
    # A DELETE takes its expand in the query although the specification is silent.
    ours = {name: param for name, param in operation.declared().items()
            if name != "expand" or operation.method != "DELETE"}
    for name, param in ours.items():
        assert name in known or name == "expand", f"{name} is not in the specification"
        if name in known:
            compare(name, param, known[name])
    # The specification leaves out parameters that the API insists on; never the reverse.
    assert required <= {name for name, param in ours.items() if param.required}


def test_every_event_type_is_in_the_specification(shared_data):
    spec = load(shared_data(SPEC))
    schema = published(spec, next(
        op for op in OPERATIONS
        if (op.method, op.path) == ("POST", "/v1/webhook_endpoints")))[0]
    assert set(schema["enabled_events"]["items"]["enum"]) >= const.EVENT_TYPES


def test_snapshots_in_events_have_the_objects_shape(sandbox, shared_data):
    shared_data("stripe/stripe-response-schemas-2026-05-27.dahlia.json")
    account = Driver(sandbox)
    charge = account.charge(10000)
    account.api.refunds.create({"charge": charge.id, "amount": 500})
    account.act(f"charges/{charge.id}/dispute")
    customer = account.customer()
    account.api.subscriptions.create({
        "customer": customer.id,
        "items": [{"price": account.api.prices.list(
            {"lookup_keys": ["Q2C-PLAT-usd"]}).data[0].id}]})
    account.act("payouts/run")
    events = account.raw("GET", "/v1/events?limit=100").json()["data"]
    assert len({event["type"] for event in events}) > 20
    for event in events:
        account.judge.check_object(event)
        account.judge.check_object(event["data"]["object"])
