"""A Stripe connection with its flows live, in a company with a chart of accounts of its own."""

import json
import time
from urllib.parse import urlencode

from odoo import fields
from odoo.addons.crm_sync_base.lib.declarations import WebhookRequest
from odoo.addons.crm_sync_base.tests.connector_case import SandboxCase
from odoo.addons.q2c_sale.tests.common import CompanyOfItsOwn
from odoo.tests import tagged

from ..lib import const, signature

URL = "https://odoo.example.com/crm_sync/webhook/token"


@tagged("post_install", "-at_install")
class StripeCase(SandboxCase, CompanyOfItsOwn):
    """Every new customer of the sandbox enters a good card, unless a test says otherwise."""

    provider = "stripe"
    api_version = const.API_VERSION

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.connection.action_create_stripe_accounts()
        cls.clearing = cls.connection.stripe_clearing_account_id

    @classmethod
    def credentials(cls):
        """Return the API key; connecting adds the signing secret of its endpoint."""
        known = cls.admin.get("/credentials")["stripe"]
        return {"secret_key": known["secret_key"]}

    @property
    def stripe(self):
        """The client, for what a test does at Stripe itself."""
        return self.connector._client(self.connection)

    # === Flows ===#

    @classmethod
    def go_live(cls, *codes):
        """Install the shipped flows and switch these live."""
        flows = cls.env["sync.flow.template"]._install(cls.connection)
        flows.poll = False  # tests look for changes when they say so
        for code in codes:
            flow = flows.filtered(lambda flow, code=code: flow.code == code)
            flow.action_go_live()
            setattr(cls, f"{code}_flow", flow)
        cls.env.registry.clear_cache()

    def jobs(self, flow=None, **criteria):
        """Return the connection's jobs, oldest first."""
        domain = [("connection_id", "=", self.connection.id)]
        domain += [("flow_id", "=", flow.id)] if flow else []
        domain += [(name, "=", value) for name, value in criteria.items()]
        return self.env["sync.job"].search(domain, order="id")

    def run_due(self):
        """Run everything, what waits for a retry included."""
        self.run_lane()
        self.jobs(state="pending").eta = "2000-01-01"
        self.run_lane()

    def bound(self, remote_object, record=None, external_id=None):
        """Return the connection's bindings of an object, of a record or of an id."""
        domain = [("connection_id", "=", self.connection.id), ("remote_object", "=", remote_object)]
        domain += [("model", "=", record._name), ("res_id", "=", record.id)] if record else []
        domain += [("external_id", "=", external_id)] if external_id else []
        return self.env["sync.binding"].search(domain)

    # === A sale ===#

    def sell(self, amount=100.0, currency=None, total="100.00", partner=None):
        """Return a posted invoice of a won deal over one service without tax.

        :param total: the deal's total at its source; None for an order that is no deal.
        """
        currency = currency or self.company.currency_id
        pricelist = self.env["product.pricelist"].create(
            {"name": currency.name, "currency_id": currency.id, "company_id": self.company.id}
        )
        order = self.env["sale.order"].create(
            {
                "partner_id": (partner or self.customer()).id,
                "pricelist_id": pricelist.id,
                "q2c_source_total": total,
                "order_line": [
                    fields.Command.create(
                        {
                            "product_id": self._service().id,
                            "price_unit": amount,
                            "tax_ids": [fields.Command.clear()],
                        }
                    )
                ],
            }
        )
        order.action_confirm()
        invoice = order._create_invoices()
        invoice.action_post()
        return invoice

    def customer(self, **vals):
        """Return a new customer company."""
        return self.env["res.partner"].create(
            {
                "name": "Aurora Foods",
                "is_company": True,
                "email": "aurora@aurora.example",
                "country_id": self.env.ref("base.us").id,
                **vals,
            }
        )

    def _service(self):
        return self.env["product.product"].create(
            {"name": "Service", "type": "service", "invoice_policy": "order", "company_id": self.company.id}
        )

    @classmethod
    def activate(cls, name, rate):
        """Return an active currency with a rate against the company's."""
        currency = cls.env["res.currency"].with_context(active_test=False).search([("name", "=", name)])
        currency.active = True
        currency.rate_ids.filtered(lambda one: one.company_id == cls.company).unlink()
        cls.env["res.currency.rate"].create(
            {"currency_id": currency.id, "company_id": cls.company.id, "name": "2020-01-01", "rate": rate}
        )
        return currency

    # === The remote side ===#

    def cards(self, kind):
        """Let customers who are created from now on enter a `visa`, a `declined` card or `none`."""
        self.admin.post("/stripe/config", {"autocard": kind})
        self.addCleanup(self.admin.post, "/stripe/config", {"autocard": "visa"})

    def intents(self, invoice):
        """Return the payment intents that carry an invoice's reference, newest first."""
        reference = self.env["sync.handler.stripe_charge"]._reference(invoice)
        return [
            intent
            for intent in self.stripe.iterate("/v1/payment_intents")
            if intent["metadata"].get(const.REFERENCE) == reference
        ]

    def events(self, *types, about=None):
        """Return the events of some types, oldest first; about an object's id."""
        found = self.stripe.iterate("/v1/events", {"types": list(types)}, freeze=False)
        return [one for one in found if about in (None, one["data"]["object"]["id"])][::-1]

    def calls(self, method, path_regex):
        """Return how many calls the sandbox got, over all tests of this class."""
        query = urlencode({"vendor": "stripe", "method": method, "path_regex": path_regex, "limit": 0})
        return self.admin.get(f"/calls?{query}")["total"]

    # === Webhooks ===#

    def request(self, event, secret=None, moment=None):
        """Return a delivery of an event, signed as Stripe signs it."""
        body = json.dumps(event, default=str).encode()
        moment = int(moment or time.time())
        secret = secret or self.connection._credentials()["webhook_secret"]
        header = f"t={moment},v1={signature.sign(body, secret, moment)}"
        return WebhookRequest(body, {signature.HEADER: header}, URL)

    def deliver(self, *events):
        """Do what the webhook controller does with deliveries of events, and what a lane does then.

        :return: the receipts.
        """
        receipts = []
        for event in events:
            request = self.request(event)
            receipt = self.connector._receive(self.connection, request)
            store = self.env["sync.event"].sudo()
            if receipt.accepted:
                store._store_accepted(self.connection, [(request, receipt)])
            else:
                store._store_refused(self.connection, request, receipt)
            receipts.append(receipt)
        self.env["sync.event"].sudo()._take_in()
        return receipts

    def poll(self, flow):
        """Look for changes as the scheduled action does."""
        flow._enqueue_poll()
        self.run_lane()
        return self.jobs(flow, kind="poll")[-1]

    # === Books ===#

    def balance(self, account, currency=None):
        """Return the balance of posted lines of an account; of one currency in that currency."""
        domain = [
            ("account_id", "=", account.id),
            ("parent_state", "=", "posted"),
            ("company_id", "=", self.company.id),
        ]
        if currency is None:
            return round(sum(self.env["account.move.line"].search(domain).mapped("balance")), 2)
        lines = self.env["account.move.line"].search([*domain, ("currency_id", "=", currency.id)])
        return round(sum(lines.mapped("amount_currency")), 2)
