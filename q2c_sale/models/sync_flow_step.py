from odoo import _, fields, models
from odoo.addons.crm_sync_base.lib.errors import NotReady
from odoo.exceptions import UserError


class SyncFlowStep(models.Model):
    """Follow-up steps of an order: confirm it, invoice it."""

    _inherit = "sync.flow.step"

    action = fields.Selection(
        selection_add=[("confirm", "Confirm the order"), ("invoice", "Invoice the order")],
        ondelete={"confirm": "cascade", "invoice": "cascade"},
    )

    # === Confirm ===#

    def _run_confirm(self, record, job):
        """Confirm the order, unless it is.

        :raises NotReady: when it was cancelled.
        :raises AmountMismatch: when its totals no longer equal the source's.
        """
        order = self._sale_order(record)
        if order.state == "sale":
            return _("%s was confirmed already", order.name)
        if order.state == "cancel":
            raise NotReady(
                _("%s cannot be confirmed: it was cancelled in Odoo.", order.name),
                hint=_("Set it back to quotation and retry, or leave it cancelled and ignore this."),
            )
        order._q2c_assert_source_totals()
        order.action_confirm()
        return _("%s confirmed", order.name)

    # === Invoice ===#

    def _run_invoice(self, record, job):
        """Invoice what can be invoiced, and post it.

        :raises NotReady: when nothing can be invoiced yet, and why.
        :raises AmountMismatch: when the invoices do not make up the order exactly.
        """
        order = self._sale_order(record)
        self._assert_invoiceable(order)
        if not self._lines_to_invoice(order):
            return self._nothing_to_invoice(order)
        invoices = order._create_invoices(final=self._has_returns(order))
        invoices.action_post()
        return self._invoiced(order, invoices)

    def _assert_invoiceable(self, order):
        if order.state != "sale":
            raise NotReady(
                _("%s cannot be invoiced: it is not confirmed.", order.name),
                hint=_("Confirm the order, then retry."),
            )
        drafts = order.invoice_ids.filtered(lambda move: move.state == "draft")
        if drafts:
            raise NotReady(
                _(
                    "%(order)s has draft invoices that somebody started (%(count)s).",
                    order=order.name,
                    count=len(drafts),
                ),
                hint=_("Post them or delete them, then retry."),
            )

    def _lines_to_invoice(self, order):
        lines = order._get_invoiceable_lines(final=self._has_returns(order))
        return lines.filtered(lambda line: not line.display_type)

    def _has_returns(self, order):
        """Whether the order itself takes goods back: its invoice has negative lines."""
        return any(line.product_uom_qty < 0 for line in order.order_line)

    def _nothing_to_invoice(self, order):
        posted = order.invoice_ids.filtered(lambda move: move.state == "posted")
        if posted and order.invoice_status in ("invoiced", "upselling"):
            return _("%(order)s was invoiced already: %(invoices)s", order=order.name, invoices=_names(posted))
        waiting = order.order_line.filtered(
            lambda line: not line.display_type and line.invoice_status not in ("invoiced", "upselling")
        )
        raise NotReady(
            _("%s: nothing can be invoiced yet.", order.name),
            problems=[
                self.env._(
                    "%(line)s is invoiced on delivered quantities: %(delivered)s of %(ordered)s delivered",
                    line=line.product_id.display_name or line.name,
                    delivered=f"{line.qty_delivered:g}",
                    ordered=f"{line.product_uom_qty:g}",
                )
                for line in waiting
            ],
            hint=_("Deliver, or let the product be invoiced on ordered quantities; then retry."),
        )

    def _invoiced(self, order, invoices):
        """Check what was posted and say it in words."""
        total = sum(invoices.mapped("amount_total_in_currency_signed"))
        summary = _(
            "%(invoices)s posted, %(total)s",
            invoices=_names(invoices),
            total=order.currency_id.format(total),
        )
        if order.invoice_status not in ("invoiced", "upselling"):
            return _("%s; the rest of the order follows when it can be invoiced", summary)
        order._q2c_assert_invoiced_totals()
        return summary

    def _sale_order(self, record):
        if record._name != "sale.order":
            raise UserError(
                _("The step “%(step)s” works on sales orders, not on %(model)s.",
                  step=self.display_name, model=record._description)
            )
        return record


def _names(moves):
    return ", ".join(moves.sorted("id").mapped("name"))
