from odoo import api, fields, models
from odoo.addons.crm_sync_base.lib.errors import NotReady


class StripePayoutLine(models.Model):
    """One balance transaction in a payout."""

    _name = "stripe.payout.line"
    _description = "Content of a Stripe Payout"
    _order = "payout_id, id"

    payout_id = fields.Many2one("stripe.payout", required=True, readonly=True, ondelete="cascade", index=True)
    connection_id = fields.Many2one(related="payout_id.connection_id", store=True)
    company_id = fields.Many2one(related="payout_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="payout_id.currency_id", store=True)
    name = fields.Char(string="Balance Transaction", required=True, readonly=True, index=True)
    category = fields.Char(readonly=True, help="Stripe's reporting category.")
    transaction_type = fields.Char(string="Type", readonly=True)
    source_id = fields.Char(readonly=True, index=True)
    description = fields.Char(readonly=True)
    available_on = fields.Date(readonly=True)
    gross = fields.Monetary(readonly=True)
    fee = fields.Monetary(readonly=True)
    net = fields.Monetary(readonly=True)
    payment_id = fields.Many2one("account.payment", readonly=True, index="btree_not_null")
    fee_move_id = fields.Many2one("account.move", string="Fee Entry", readonly=True)
    invoice_ids = fields.Many2many("account.move", string="Invoices", compute="_compute_invoice_ids")

    _name_unique = models.UniqueIndex(
        "(connection_id, name)", "A balance transaction is in one payout only."
    )

    @api.depends("payment_id")
    def _compute_invoice_ids(self):
        for line in self:
            line.invoice_ids = line.payment_id.reconciled_invoice_ids

    @api.model
    def _store(self, payout, movements):
        """Create the lines of a payout, with what is booked of them already.

        :param movements: `Movement` values of its plan.
        """
        self._meet(payout.connection_id, [movement.source_id for movement in movements])
        lines = self.create(
            [
                {
                    "payout_id": payout.id,
                    "name": movement.id,
                    "category": movement.category,
                    "transaction_type": movement.type,
                    "source_id": movement.source_id,
                    "description": movement.description,
                    "available_on": movement.available_on,
                    "gross": float(movement.gross),
                    "fee": float(movement.fee),
                    "net": float(movement.net),
                }
                for movement in movements
            ]
        )
        lines._attach(payout.connection_id)

    @api.model
    def _meet(self, connection, source_ids):
        """Have a payout and a charge of it that are booked at the same moment see each other.

        Neither sees what the other has not committed, and nobody would attach them later:
        both write the same rows first, the second fails as a serialization failure and is
        run again.

        :param source_ids: Stripe's ids of charges.
        """
        keys = [f"{connection.id}:{source_id}" for source_id in source_ids if source_id]
        self.env["sync.match.guard"].sudo()._claim(self._name, connection.company_id, keys)

    def _attach(self, connection):
        """Link the payments and fee entries that are bound to these transactions."""
        Binding = self.env["sync.binding"].sudo()
        payments = Binding._lookup(connection, "charge", self.mapped("source_id"))
        fees = Binding._lookup(connection, "balance_transaction", self.mapped("name"))
        for line in self:
            vals = {}
            if line.source_id in payments and not line.payment_id:
                vals["payment_id"] = payments[line.source_id].res_id
            if line.name in fees and not line.fee_move_id:
                vals["fee_move_id"] = fees[line.name].res_id
            if vals:
                line.write(vals)

    @api.model
    def _currency(self, code):
        """Return the active currency with an ISO code in either case.

        :raises NotReady: when it is switched off or unknown.
        """
        currency = self.env["res.currency"].search([("name", "=", code.upper())], limit=1)
        if not currency:
            raise NotReady(
                self.env._("The currency %s is switched off in Odoo.", code.upper()),
                hint=self.env._("Activate it, give it a rate, then retry."),
            )
        return currency
