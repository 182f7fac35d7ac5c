"""The worked example of the connector guide, and two CRMs that feed one database (M08).

`tests/tiny_crm` holds a CRM of its own, as a process, and the module that connects it. It
is installed from a folder that is on nobody else's path, as any other author's would be.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from cli import paths
from cli.demo_setup import TAX_NAME, Setup
from cli.environment import Environment
from tests.support.servers import Sandbox
from tests.tiny_crm.support import ADDONS, MODULE, ExampleOdoo, FaultProxy, TinyCrm

INTERFACE = paths.ROOT / "crm_sync_base" / "models" / "sync_connector.py"
GUIDE = paths.ROOT / "docs" / "connectors.md"

#: What neither connectors nor their callers have to know.
INTERNAL = {"_conclude", "_declared"}

#: All tests of the module; Odoo's own runner silently leaves inherited ones out if it is not told.
LEAST_TESTS = 58


# === The guide ===#


def quotes() -> list[tuple[str, str]]:
    """Return (file, text) of what the guide quotes from the example."""
    return re.findall(r"^`([\w./]+)`:\n```\w+\n(.*?)^```", GUIDE.read_text(), re.M | re.S)


@pytest.mark.parametrize(("file", "text"), [pytest.param(*one, id=one[0]) for one in quotes()])
def test_the_guide_quotes_the_example_to_the_letter(file: str, text: str) -> None:
    source = Path(ADDONS / MODULE / file).read_text()
    for part in re.split(r"^ *# …\n", text, flags=re.M):
        assert part.rstrip("\n") in source, f"{file} says otherwise than the guide:\n{part}"


def test_the_guide_names_the_whole_interface() -> None:
    guide = GUIDE.read_text()
    assert len(quotes()) > 10
    methods = {node.name for node in ast.walk(ast.parse(INTERFACE.read_text())) if isinstance(node, ast.FunctionDef)}
    assert "_read" in methods
    for name in methods - INTERNAL:
        assert f"`{name}(" in guide, f"{name} is not in the guide"


# === The processes ===#


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A running Tiny CRM."""
    with TinyCrm(tmp_path_factory.mktemp("tinycrm")) as server:
        yield server


@pytest.fixture(scope="module")
def proxy(tiny):
    """What stands between Odoo and Tiny CRM: it counts calls, and fails on request."""
    with FaultProxy(tiny.url) as running:
        yield running


@pytest.fixture(scope="module")
def hubspot(tmp_path_factory):
    """A running HubSpot with the demo's records."""
    with Sandbox(tmp_path_factory.mktemp("sandbox"), ["--vendors", "hubspot"]) as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running Odoo that has the example's module, installed with its tests."""
    with ExampleOdoo(tmp_path_factory.mktemp("odoo")) as running:
        yield running


class World:
    """One database, two CRMs, both connected and all their flows live."""

    def __init__(self, server: ExampleOdoo, tiny: TinyCrm, proxy: FaultProxy, hubspot: Sandbox):
        self.server, self.tiny, self.proxy, self.hubspot = server, tiny, proxy, hubspot
        self.setup = Setup(Environment.of(server.url, hubspot.url, server.database))
        self.setup._catalogue()
        self.hubspot_connection = self.setup._connection("hubspot")
        self.tiny_connection = self._connect_tiny()
        (url,) = server.rpc("sync.connection", "read", [self.hubspot_connection], ["webhook_url"])
        hubspot.admin.request("PUT", "/hubspot/webhooks", {"app": "private", "target_url": url["webhook_url"]})

    def _connect_tiny(self) -> int:
        """Connect as a person does: a name, an address, the credentials, a click."""
        rpc = self.server.rpc
        (connection,) = rpc("sync.connection", "create", [
            {"name": "Tiny CRM", "provider": "tinycrm", "base_url": self.proxy.url}])
        (wizard,) = rpc("sync.credential.wizard", "create", [{"connection_id": connection}])
        given = self.tiny.ui("GET", "/credentials")
        for line in rpc("sync.credential.wizard.line", "search_read", [("wizard_id", "=", wizard)], ["key"]):
            if line["key"] in given:
                rpc("sync.credential.wizard.line", "write", [line["id"]], {"value": given[line["key"]]})
        rpc("sync.credential.wizard", "action_save", [wizard])
        rpc("sync.connection", "action_connect", [connection])
        self.setup._flows(connection)
        rpc("sync.flow", "write", self.flows(connection), {"base_wait": 0.2, "poll_interval": 60})
        # A first look is a first load: only later ones can tell that a webhook is missing.
        self.until(lambda: not self.server.sql(
            "SELECT 1 FROM sync_flow WHERE connection_id = %s AND poll AND poll_cursor IS NULL", (connection,)),
            "the first look at Tiny CRM")
        return connection

    def flows(self, connection: int, *codes: str) -> list[int]:
        """Return the flows of a connection."""
        domain = [("connection_id", "=", connection)] + ([("code", "in", codes)] if codes else [])
        return self.server.rpc("sync.flow", "search", domain)

    def bound(self, connection: int, external_id: str, model: str) -> int | None:
        """Return the record that a remote record is bound to."""
        rows = self.server.sql(
            "SELECT res_id FROM sync_binding WHERE connection_id = %s AND external_id = %s AND model = %s",
            (connection, external_id, model))
        return rows[0][0] if rows else None

    def partner(self, record_id: int, *names: str) -> tuple:
        """Return some columns of a partner."""
        return self.server.sql(f"SELECT {', '.join(names)} FROM res_partner WHERE id = %s", (record_id,))[0]

    def settled(self, external_id: str) -> bool:
        """Whether all that Tiny CRM said of a record was delivered and worked on."""
        waiting = self.tiny.ui("GET", "/webhook").get("waiting", 0)
        return not waiting and not self.server.sql(
            "SELECT 1 FROM sync_job WHERE connection_id = %s AND external_id = %s AND state IN ('pending', 'running')",
            (self.tiny_connection, external_id))

    def until(self, condition, what: str):
        """Wait for something."""
        return self.server.wait_for(condition, what, 60)

    def poll(self, connection: int, code: str) -> None:
        """Look for changes of a flow right now."""
        self.server.rpc("sync.flow", "action_poll_now", self.flows(connection, code))

    def look_after_webhooks(self, code: str) -> bool:
        """Look for changes; tell whether the last look was after the last webhook."""
        self.poll(self.tiny_connection, code)
        ((later,),) = self.server.sql(
            "SELECT f.last_poll_at > max(e.received_at) FROM sync_flow f JOIN sync_event e"
            " ON e.connection_id = f.connection_id AND e.remote_object = f.remote_object AND e.origin = 'webhook'"
            " WHERE f.connection_id = %s AND f.code = %s GROUP BY f.id", (self.tiny_connection, code))
        return later

    def win_deal(self, number: str, customer: str, buyer: str) -> str:
        """Win a deal at Tiny CRM, with a company and a person of its own; return its id."""
        company = self.tiny.add("company", name=customer, city="London", country="United Kingdom")
        person = self.tiny.add("person", name=buyer, company=company, email=f"{number.lower()}@example.com")
        lines = [
            {"id": "1", "sku": "Q2C-PLAT", "quantity": "3", "price": "33.335", "tax": TAX_NAME, "tax_rate": "15"},
            {"id": "2", "sku": "Q2C-SUP", "quantity": "1", "price": "100.00", "tax": TAX_NAME, "tax_rate": "15"},
        ]
        deal = self.tiny.add("deal", name="Engine", number=number, stage="open", company=company, person=person,
                             currency="EUR", lines=lines)
        self.tiny.change("deal", deal, stage="won")
        return deal


@pytest.fixture(scope="module")
def world(server, tiny, proxy, hubspot):
    """All of it, connected."""
    return World(server, tiny, proxy, hubspot)


# === The example alone ===#


def test_the_example_passes_the_tests_that_any_connector_inherits(server) -> None:
    result = re.search(r"(\d+) failed, (\d+) error\(s\) of (\d+) tests", server.report)
    assert result, server.report[-4000:]
    failed, errors, total = map(int, result.groups())
    assert (failed, errors) == (0, 0), server.report[-8000:]
    assert total >= LEAST_TESTS


def test_a_won_deal_arrives_by_webhook_and_the_crm_is_told_though_an_answer_is_lost(world) -> None:
    tiny, server = world.tiny, world.server
    world.proxy.fault("drop_after", times=1, method="POST", path_regex="/deal/write$")
    deal = world.win_deal("T-1", "Babbage Works", "Charles Babbage")
    order_id = world.until(lambda: world.bound(world.tiny_connection, deal, "sale.order"), "the order")
    status = world.until(lambda: (now := tiny.look("deal", deal))["odoo_invoice"] and now, "the invoice's number")
    (order,) = server.rpc("sale.order", "read", [order_id], ["name", "amount_total", "invoice_ids"])
    (invoice,) = server.rpc("account.move", "read", order["invoice_ids"], ["name", "state", "amount_total"])
    assert f"{order['amount_total']:.2f}" == status["total"] == "230.01"
    assert (status["odoo_order"], status["odoo_invoice"]) == (order["name"], invoice["name"])
    assert (invoice["state"], invoice["amount_total"]) == ("posted", order["amount_total"])
    calls = [one for one in world.proxy.calls_since(0)["calls"] if one["path"].endswith("/deal/write")]
    assert calls[0]["status"] == 0
    assert all(one["status"] == 200 for one in calls[1:])
    assert all(one["correlation"] for one in calls), "each call names its story"
    assert server.sql("SELECT count(*) FROM sale_order WHERE q2c_source_reference = 'T-1'") == [(1,)]


def test_a_webhook_that_never_came_is_made_up_for_and_said_so(world) -> None:
    company = world.tiny.add("company", name="Missed & Found", city="London")
    world.server.rpc("sync.flow", "write", world.flows(world.tiny_connection, "companies"), {"create_policy": "always"})
    world.tiny.change("company", company, city="Leeds")
    partner = world.until(lambda: world.bound(world.tiny_connection, company, "res.partner"), "the customer")
    world.until(lambda: world.partner(partner, "city") == ("Leeds",), "the last webhook")
    world.until(lambda: world.look_after_webhooks("companies"), "a look after the webhooks")
    world.tiny.ui("PUT", "/webhook", {"paused": True})
    world.tiny.change("company", company, city="York")
    world.tiny.ui("PUT", "/webhook", {"paused": False})
    world.poll(world.tiny_connection, "companies")
    world.until(lambda: world.partner(partner, "city") == ("York",), "the poll")
    revision = world.tiny.ui("GET", f"/records/company/{company}")["revision"]
    noted = world.server.sql(
        "SELECT origin, gap FROM sync_event WHERE connection_id = %s AND source_id = %s",
        (world.tiny_connection, f"evt_{revision}"))
    assert noted == [("poll", "missed")]


# === Two CRMs, one database ===#


def test_two_crms_know_the_same_person_and_each_field_has_one_owner(world) -> None:
    server, tiny = world.server, world.tiny
    server.rpc("sync.flow", "write", world.flows(world.hubspot_connection, "contacts"), {"create_policy": "always"})
    server.rpc("sync.flow", "write", world.flows(world.tiny_connection, "people"), {"create_policy": "always"})
    contact = world.hubspot.admin.post("/hubspot/records/contacts", {"properties": {
        "firstname": "Grace", "lastname": "Hopper", "email": "grace@example.com", "phone": "+1 202 555 0100"}})["id"]
    world.poll(world.hubspot_connection, "contacts")
    partner = world.until(lambda: world.bound(world.hubspot_connection, contact, "res.partner"), "HubSpot's contact")

    # The same id in the other system is another record's, but here the same person's.
    tiny.add("person", contact, name="G. Hopper", email="grace@example.com", phone="+49 30 1", job="Admiral")
    world.until(lambda: world.bound(world.tiny_connection, contact, "res.partner"), "Tiny CRM's person")
    assert world.bound(world.tiny_connection, contact, "res.partner") == partner
    assert world.partner(partner, "name", "phone", "function") == ("Grace Hopper", "+1 202 555 0100", "Admiral")
    assert server.sql("SELECT count(*) FROM res_partner WHERE email = 'grace@example.com'") == [(1,)]

    # What one CRM changes reaches the other one through Odoo, and does not come back.
    world.hubspot.admin.request(
        "PATCH", f"/hubspot/records/contacts/{contact}", {"properties": {"phone": "+1 202 555 0199"}})
    world.poll(world.hubspot_connection, "contacts")
    world.until(lambda: tiny.look("person", contact)["phone"] == "+1 202 555 0199", "Tiny CRM to know the number")
    assert world.partner(partner, "phone") == ("+1 202 555 0199",)

    # What Tiny CRM does not own it does not change; what it does, it does.
    tiny.change("person", contact, phone="000")
    world.until(lambda: world.settled(contact), "Tiny CRM's change to be looked at")
    assert world.partner(partner, "phone") == ("+1 202 555 0199",)


def test_one_crm_is_down_and_the_other_one_goes_on(world) -> None:
    world.tiny.kill9()
    made = world.hubspot.admin.post("/hubspot/deals", {"win": True, "currency": "EUR"})
    order_id = world.until(
        lambda: world.bound(world.hubspot_connection, made["deal_id"], "sale.order"), "HubSpot's order")
    world.until(lambda: world.server.sql("SELECT 1 FROM sale_order WHERE id = %s AND state = 'sale'", (order_id,)),
                "its confirmation")
    world.tiny.restart()
    deal = world.win_deal("T-2", "Turing Machines", "Alan Turing")
    order = world.until(lambda: world.bound(world.tiny_connection, deal, "sale.order"), "Tiny CRM's order")
    assert order != order_id
    assert world.server.errors() == []
