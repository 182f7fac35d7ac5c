from dataclasses import replace

from odoo import api, models
from odoo.addons.q2c_sale.lib.facts import BILLING, DealFacts

from ..lib import charge_facts
from ..lib.client import path_of
from .sync_handler_stripe_charge import CLOCK_SKEW


class SyncConnectorStripe(models.AbstractModel):
    """What Stripe says of a deal: its charges, their fees and payouts, read live.

    Charges are not only those that Odoo knows. The customer's payment intents are
    listed, too, so that a second charge of an invoice comes to light.
    """

    _inherit = "sync.connector.stripe"

    @api.model
    def _deal_role(self):
        return BILLING

    def _deal_facts(self, connection, order):
        invoices = order._q2c_invoices().filtered(lambda move: move.state == "posted")
        customer = self._known_customer(connection, invoices)
        known = self._known_ids(connection, "charge", order._q2c_charge_payments())
        intents = self._known_ids(connection, "payment_intent", invoices)
        if not (customer or known or intents):
            return None
        connection._assert_live()
        charges = self._charges(connection, [*known, *self._charge_ids(connection, invoices, customer, intents)])
        if not (charges or known or intents):
            return None
        ids = [charge["id"] for charge in charge_facts.collected(charges)]
        return replace(
            DealFacts(connection.name, ", ".join(ids)),
            url=(ids and self._record_url(connection, "charge", ids[0])) or "",
            customer=self._customer_name(connection, customer),
            **charge_facts.charge_facts(charges),
            **self._payout_facts(connection, order, charges),
        )

    # === Customer ===#

    def _known_customer(self, connection, invoices):
        """Return the id of the invoices' customer at Stripe, "" when he is not known there."""
        partner = invoices.commercial_partner_id[:1]
        return next(iter(self._known_ids(connection, "customer", partner)), "")

    def _customer_name(self, connection, customer):
        """Return the customer's name at Stripe; None when there is none, or he was deleted."""
        if not customer:
            return None
        (document,) = self._read(connection, "customer", [customer])
        return None if document.deleted else document.data.get("name") or ""

    # === Charges ===#

    def _known_ids(self, connection, object_name, records):
        """Return the ids that records are bound to, in the order of the bindings."""
        bindings = self.env["sync.binding"]._for_records(connection, object_name, records)
        return [binding.external_id for binding in sorted(bindings.values(), key=lambda one: one.id)]

    def _charge_ids(self, connection, invoices, customer, intent_ids):
        """Return the latest charge of every payment intent of the invoices."""
        reference = self.env["sync.handler.stripe_charge"]._reference
        intents = [document.data for document in self._read(connection, "payment_intent", intent_ids)]
        if customer:
            for invoice in invoices:
                since = invoice.create_date - CLOCK_SKEW
                intents += self._intents_of(connection, customer, reference(invoice), since)
        return [intent["latest_charge"] for intent in intents if intent.get("latest_charge")]

    def _charges(self, connection, charge_ids):
        """Return the charges that still exist at Stripe, each once."""
        documents = self._read(connection, "charge", list(dict.fromkeys(charge_ids)))
        return [document.data for document in documents if not document.deleted]

    # === Payouts ===#

    def _payout_facts(self, connection, order, charges):
        """Return which of the payouts that Odoo knows contain the charges, and how they fare.

        Stripe cannot be asked by which payout a charge left: what Odoo does not know
        yet is not known here either.

        :return: keyword arguments of `DealFacts`.
        """
        payouts = order._q2c_charge_payments().stripe_payout_line_ids.payout_id
        payouts = payouts.filtered(lambda payout: payout.connection_id == connection)
        if not payouts:
            return {}
        own = set(charge_facts.transaction_ids(charge_facts.collected(charges)))
        client = self._client(connection)
        found = {}
        for payout in payouts:
            if own & self._contained(client, payout.name, charges):
                found[payout.name] = client.get(path_of("payouts", payout.name))["status"]
        return {"payouts": frozenset(found), "payout_status": frozenset(found.values())}

    def _contained(self, client, payout_id, charges):
        """Return the ids of the balance transactions of these charges in a payout."""
        ids = set()
        for charge in charges:
            wanted = {"payout": payout_id, "source": charge["id"]}
            ids |= {one["id"] for one in client.page("/v1/balance_transactions", wanted, limit=10).data}
        return ids
