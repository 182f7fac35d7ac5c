from odoo import api, fields, models

from ..lib import totals

LONGEST = 255  # what CRMs take for a line of text


class SaleOrderProgress(models.Model):
    """Where a deal stands, in words: for whoever sold it, in Odoo and in the CRM."""

    _inherit = "sale.order"

    q2c_progress = fields.Char(
        string="Where It Stands",
        compute="_compute_q2c_progress",
        store=True,
        help="In the company's language. Live flows tell the CRM, so that whoever sold the deal can read it there.",
    )

    @api.depends(
        "name", "currency_id", "q2c_order_status", "q2c_invoice_names", "q2c_invoice_status",
        "q2c_payment_status", "q2c_amount_invoiced", "q2c_amount_paid",
    )
    def _compute_q2c_progress(self):
        for order in self:
            spoken = order.with_context(lang=order.company_id.partner_id.lang or self.env.lang)
            text = " ".join(filter(None, spoken._q2c_progress_parts()))
            order.q2c_progress = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"

    def _q2c_progress_parts(self):
        """Return the sentences that say how far the order came; a module that builds more on it adds its own."""
        self.ensure_one()
        return [self._q2c_say_order(), self._q2c_say_money()]

    def _q2c_say_order(self):
        _ = self.env._
        sentences = {
            "quotation": _("Quotation %s is being prepared.", self.name),
            "sent": _("Quotation %s was sent.", self.name),
            "confirmed": _("Order %s is confirmed.", self.name),
            "partly_delivered": _("Order %s is partly delivered.", self.name),
            "delivered": _("Order %s is delivered.", self.name),
            "cancelled": _("Order %s was cancelled.", self.name),
        }
        return sentences.get(self.q2c_order_status, "")

    def _q2c_say_money(self):
        _ = self.env._
        if self.q2c_invoice_status in ("none", False):
            return "" if self.q2c_order_status in ("quotation", "sent", "cancelled") else _("Nothing is invoiced yet.")
        if self.q2c_invoice_status == "draft":
            return _("The invoice is being prepared.")
        facts = {
            "invoices": self.q2c_invoice_names,
            "invoiced": self._q2c_spell(self.q2c_amount_invoiced),
            "paid": self._q2c_spell(self.q2c_amount_paid),
        }
        sentences = {
            "not_paid": _("%(invoiced)s are invoiced (%(invoices)s), nothing is paid yet.", **facts),
            "partly_paid": _("%(paid)s of %(invoiced)s are paid (%(invoices)s).", **facts),
            "paid": _("%(invoiced)s are invoiced and paid (%(invoices)s).", **facts),
            "reversed": _("The invoices were reversed (%(invoices)s).", **facts),
        }
        return sentences.get(self.q2c_payment_status, "")

    def _q2c_spell(self, amount):
        """Return an amount of the order with its currency."""
        return f"{totals.spell(self._q2c_exact(amount), self.currency_id.decimal_places)} {self.currency_id.name}"
