"""The demonstration of ``q2c run``: two deals travel from quote to cash.

Every step is looked up before it is made, so a run that was interrupted (or whose
Odoo was killed) goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from .console import Failure, say, step
from .demo_setup import Setup
from .environment import Environment

T = TypeVar("T")

#: seconds that one step of a deal may take before the demonstration gives up
PATIENCE = 120.0


@dataclass(frozen=True)
class Crm:
    """What the demonstration knows of one CRM.

    :param deal: path of the deal in the sandbox's admin API, with ``{id}``.
    :param fields: names of the fields that Odoo writes: order, invoice, payment status.
    """

    provider: str
    label: str
    remote_object: str
    demo_key: str
    win: str
    deal: str
    fields: tuple[str, str, str]
    properties: Callable[[dict[str, Any]], dict[str, Any]]
    is_won: Callable[[dict[str, Any]], bool]


SALESFORCE = Crm(
    provider="salesforce",
    label="Salesforce",
    remote_object="Opportunity",
    demo_key="opportunity_id",
    win="/_admin/salesforce/opportunities/{id}/win",
    deal="/_admin/salesforce/records/Opportunity/{id}",
    fields=("Odoo_Order__c", "Odoo_Invoice__c", "Odoo_Payment_Status__c"),
    properties=lambda answer: answer,
    is_won=lambda properties: bool(properties["IsWon"]),
)
HUBSPOT = Crm(
    provider="hubspot",
    label="HubSpot",
    remote_object="deals",
    demo_key="deal_id",
    win="/_admin/hubspot/deals/{id}/win",
    deal="/_admin/hubspot/deals/{id}",
    fields=("odoo_order", "odoo_invoice", "odoo_payment_status"),
    properties=lambda answer: answer["deal"]["properties"],
    is_won=lambda properties: properties["dealstage"] == "closedwon",
)


def travel(environment: Environment) -> None:
    """Connect the three systems and let a deal of each CRM travel; print every step.

    :raises Failure: when a step does not happen; names what waits in the exception desk.
    """
    environment.odoo.authenticate()
    with step("Connecting Salesforce, HubSpot and Stripe over HTTP"):
        connections = Setup(environment).run()
    for crm in (SALESFORCE, HUBSPOT):
        Deal(environment, crm, connections[crm.provider]).travel()


def things_to_try(environment: Environment) -> list[tuple[str, str]]:
    """Return three things to do next: a title and how."""
    sandbox = environment.sandbox_url
    exceptions = f"{environment.odoo_url}/odoo/action-crm_sync_base.action_sync_exception"
    return [
        (
            "Win another deal and watch it arrive (Quote to Cash → Overview):",
            f"curl -X POST {sandbox}/_admin/salesforce/deals -d '{{\"win\": true}}'",
        ),
        (
            "Break one: a deal with a product that Odoo does not know:",
            f"curl -X POST {sandbox}/_admin/hubspot/deals -d '{{\"win\": true, \"defects\": [\"unmapped_product\"]}}'",
        ),
        (
            "Mend it on the exception desk: Fix and Retry on its card, Create, Save and Retry:",
            exceptions,
        ),
    ]


class Deal:
    """One deal of one CRM on its way.

    :param connection: id of the CRM's connection in Odoo.
    """

    def __init__(self, environment: Environment, crm: Crm, connection: int):
        self.environment = environment
        self.rpc = environment.rpc
        self.crm = crm
        self.connection = connection
        self.started = time.monotonic()
        self.deal_id = environment.sandbox("GET", f"/_admin/{crm.provider}/demo")[crm.demo_key]

    # -- the story ----------------------------------------------------------

    def travel(self) -> None:
        """Win the deal unless it is won, and follow it until the CRM knows it is paid."""
        say(f"\n{self.crm.label}: a deal travels from quote to cash")
        self._win()
        order = self._order()
        self._customer(order)
        order = self._confirmed(order["id"])
        invoice = self._invoice(order["id"])
        self._charged(invoice["id"])
        self._paid(invoice["id"])
        self._payout(invoice["id"])
        self._told(order, invoice)
        self._done("The whole story", f"{self.environment.odoo_url}/odoo/action-crm_sync_base.action_sync_trace"
                                      f"?query={order['name']}")

    def _win(self) -> None:
        properties = self._remote()
        name = properties.get("Name") or properties.get("dealname")
        if self.crm.is_won(properties):
            self._done(f"“{name}” was won before; following it")
            return
        self.environment.sandbox("POST", self.crm.win.format(id=self.deal_id), {})
        self._done(f"“{name}” is won in {self.crm.label}")

    def _order(self) -> dict[str, Any]:
        domain = [
            ("connection_id", "=", self.connection),
            ("remote_object", "=", self.crm.remote_object),
            ("external_id", "=", self.deal_id),
            ("model", "=", "sale.order"),
        ]
        (binding,) = self._wait("a sales order", lambda: self.rpc(
            "sync.binding", "search_read", domain, ["res_id"], limit=1))
        order = self._read("sale.order", binding["res_id"], "name", "partner_id", "amount_untaxed", "amount_tax",
                           "amount_total", "currency_id", "q2c_source_total")
        self._done(
            f"Sales order {order['name']}: {order['amount_untaxed']:.2f} + {order['amount_tax']:.2f} tax"
            f" = {order['amount_total']:.2f} {order['currency_id'][1]}; the quote says {order['q2c_source_total']}",
            self._url("sale.order", order["id"]),
        )
        return order

    def _customer(self, order: dict[str, Any]) -> None:
        partner_id, name = order["partner_id"]
        people = self.rpc("res.partner", "search_count", [("parent_id", "=", partner_id)])
        self._done(f"Customer {name} with {people} contact(s) and address(es)", self._url("res.partner", partner_id))

    def _confirmed(self, order_id: int) -> dict[str, Any]:
        order = self._wait("the confirmation", lambda: self._if(
            self._read("sale.order", order_id, "name", "state"), lambda found: found["state"] == "sale"))
        self._done(f"{order['name']} is confirmed", self._url("sale.order", order_id))
        return order

    def _invoice(self, order_id: int) -> dict[str, Any]:
        def posted() -> dict[str, Any] | None:
            """Return the posted invoice, once there is one."""
            ids = self._read("sale.order", order_id, "invoice_ids")["invoice_ids"]
            found = self.rpc("account.move", "search_read", [("id", "in", ids), ("state", "=", "posted")],
                             ["name", "amount_total", "currency_id"])
            return found[0] if found else None

        invoice = self._wait("a posted invoice", posted)
        self._done(f"Invoice {invoice['name']} is posted: {invoice['amount_total']:.2f} {invoice['currency_id'][1]}",
                   self._url("account.move", invoice["id"]))
        return invoice

    def _charged(self, invoice_id: int) -> None:
        domain = [("model", "=", "account.move"), ("res_id", "=", invoice_id),
                  ("remote_object", "=", "payment_intent")]
        (binding,) = self._wait("the charge", lambda: self.rpc(
            "sync.binding", "search_read", domain, ["external_id"], limit=1))
        self._done(f"Charged in Stripe as {binding['external_id']}", self._url("sync.binding", binding["id"]))

    def _paid(self, invoice_id: int) -> None:
        fields = ("payment_state", "amount_residual", "matched_payment_ids")
        invoice = self._wait("the payment", lambda: self._if(
            self._read("account.move", invoice_id, *fields), lambda found: found["payment_state"] == "paid"))
        payments = self.rpc("account.payment", "read", invoice["matched_payment_ids"], ["name", "amount"])
        for payment in payments:
            self._done(f"Payment {payment['name']} of {payment['amount']:.2f} is registered and reconciled",
                       self._url("account.payment", payment["id"]))

    def _payout(self, invoice_id: int) -> None:
        payments = self._read("account.move", invoice_id, "matched_payment_ids")["matched_payment_ids"]
        domain = [("payment_id", "in", payments)]

        def line() -> dict[str, Any] | None:
            """Return the payment's line of a payout, once there is one."""
            found = self.rpc("stripe.payout.line", "search_read", domain, ["payout_id", "fee", "net"], limit=1)
            return found[0] if found else None

        if not line():
            self.environment.sandbox("POST", "/_admin/stripe/payouts/run", {})
        found = self._wait("the payout", line)
        payout = self._read("stripe.payout", found["payout_id"][0], "name", "amount", "currency_id")
        self._done(
            f"Payout {payout['name']} of {payout['amount']:.2f} {payout['currency_id'][1]}: of this charge"
            f" {found['net']:.2f} after a fee of {found['fee']:.2f}",
            self._url("stripe.payout", payout["id"]),
        )

    def _told(self, order: dict[str, Any], invoice: dict[str, Any]) -> None:
        order_field, invoice_field, status_field = self.crm.fields

        def told() -> dict[str, Any] | None:
            """Return the record in the CRM, once it names order, invoice and payment."""
            properties = self._remote()
            known = (properties.get(order_field), properties.get(invoice_field), properties.get(status_field))
            return properties if known == (order["name"], invoice["name"], "paid") else None

        properties = self._wait(f"the status in {self.crm.label}", told)
        self._done(f"{self.crm.label} knows: order {properties[order_field]}, invoice {properties[invoice_field]},"
                   f" {properties[status_field]}")

    # -- helpers ------------------------------------------------------------

    def _remote(self) -> dict[str, Any]:
        answer = self.environment.sandbox("GET", self.crm.deal.format(id=self.deal_id))
        return self.crm.properties(answer)

    def _read(self, model: str, record_id: int, *fields: str) -> dict[str, Any]:
        return self.rpc(model, "read", [record_id], list(fields))[0]

    @staticmethod
    def _if(value: T, condition: Callable[[T], bool]) -> T | None:
        return value if condition(value) else None

    def _url(self, model: str, record_id: int) -> str:
        return self.environment.record_url(model, record_id)

    def _done(self, text: str, url: str = "") -> None:
        say(f"  {time.monotonic() - self.started:6.1f} s  {text}")
        if url:
            say(f"            {url}")

    def _wait(self, what: str, look: Callable[[], T | None]) -> T:
        """Look until something is there.

        :raises Failure: after `PATIENCE`, with what the exception desk says.
        """
        end = time.monotonic() + PATIENCE
        pause = 0.05
        while True:
            found = look()
            if found:
                return found
            if time.monotonic() > end:
                raise Failure(f"{self.crm.label}: {what} did not come within {PATIENCE:.0f} s.", self._desk())
            time.sleep(pause)
            pause = min(pause * 1.5, 0.5)

    def _desk(self) -> str:
        """Return what waits in the exception desk, or where to look."""
        waiting = self.rpc("sync.exception", "search_read", [("state", "in", ["new", "acknowledged"])], ["name"])
        if waiting:
            return "The exception desk says: " + "; ".join(row["name"] for row in waiting)
        return "Nothing waits in the exception desk; look at ./q2c logs odoo."
