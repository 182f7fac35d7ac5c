from odoo import _, api, fields, models
from odoo.addons.crm_sync_base.lib.errors import NotReady
from odoo.addons.crm_sync_base.lib.saga import Done, Undo
from odoo.exceptions import UserError


class SyncFlowStep(models.Model):
    """Follow-up steps of an order: confirm it, invoice it."""

    _inherit = "sync.flow.step"

    action = fields.Selection(
        selection_add=[("confirm", "Confirm the order"), ("invoice", "Invoice the order")],
        ondelete={"confirm": "cascade", "invoice": "cascade"},
    )

    @api.model
    def _undo_meanings(self):
        return {
            **super()._undo_meanings(),
            "confirm": _(
                "The order is cancelled, unless something of it was delivered or invoiced. "
                "E-mails that the customer got cannot be taken back."
            ),
            "invoice": _(
                "A draft invoice is deleted. A posted one is never touched: a draft credit note is "
                "prepared, which a person checks and posts. Invoices that were sent stay sent."
            ),
        }

    # === Confirm ===#

    def _run_confirm(self, record, job):
        """Confirm the order, unless it is.

        :raises NotReady: when it was cancelled, or nobody has approved prices that deviate.
        :raises AmountMismatch: when its totals no longer equal the source's.
        """
        order = self._sale_order(record)
        if order.state == "sale":
            return Done(_("%s was confirmed already", order.name), effective=False)
        if order.state == "cancel":
            raise NotReady(
                _("%s cannot be confirmed: it was cancelled in Odoo.", order.name),
                hint=_("Set it back to quotation and retry, or leave it cancelled and ignore this."),
            )
        order._q2c_assert_source_totals()
        order._q2c_assert_prices(self.flow_id)
        order.action_confirm()
        return Done(_("%s confirmed", order.name), (("sale.order", order.id),))

    def _undo_confirm(self, record, line):
        """Cancel the order, if nothing was built on its confirmation since."""
        order = self._sale_order(record)
        if order.state == "cancel":
            return Undo.undone(_("%s was cancelled already", order.name))
        if order.state != "sale":
            return Undo.undone(_("%s is not confirmed any more", order.name))
        obstacles = order._q2c_cancel_obstacles()
        if obstacles:
            return Undo.person(
                _("%(order)s cannot be cancelled: %(why)s", order=order.name, why="; ".join(obstacles)),
                _("Take these back first, then try to undo again; or settle it by hand and mark it as handled."),
            )
        order._action_cancel()
        return Undo.undone(_("%s cancelled", order.name))

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
        effects = [("account.move", move.id) for move in invoices]
        return Done(self._invoiced(order, invoices), tuple(effects))

    def _undo_invoice(self, record, line):
        """Take back the invoices that this step made, and no other.

        Drafts are deleted. What was posted stays as it is; its counterpart is a credit
        note, of which a draft is prepared for a person (posted entries are never
        edited or deleted, and none is posted without anybody's consent).
        """
        made = [res_id for model, res_id in line.effects or [] if model == "account.move"]
        moves = record.env["account.move"].sudo().browse(made).exists()
        drafts = moves.filtered(lambda move: move.state == "draft" and not move.posted_before)
        told = [_("draft deleted: %s", _titles(drafts))] if drafts else []
        drafts.unlink()
        moves -= drafts
        waiting = moves.filtered(lambda move: move.state != "cancel" and not move._q2c_is_credited())
        if waiting:
            return self._ask_for_credit(waiting)
        credited = moves.filtered(lambda move: move.state == "posted")
        if credited:
            told.append(_("credited: %s", _names(credited)))
        return Undo.undone("; ".join(told) or _("No invoice is left of it"))

    def _ask_for_credit(self, moves):
        """Prepare what a person has to post, once for each invoice."""
        reset = moves.filtered(lambda move: move.state == "draft")
        posted = moves - reset
        proposals = posted._q2c_propose_credit()
        texts, hints = [], []
        if posted:
            texts.append(_("%s is posted; a posted invoice is never changed", _names(posted)))
            hints.append(
                _("Check the draft credit note (%s), correct and post it, then try to undo again.", _titles(proposals))
            )
        if reset:
            texts.append(_("%s was reset to draft after it had been posted", _titles(reset)))
            hints.append(_("Post it again or cancel it, then try to undo again."))
        return Undo.person("; ".join(texts), " ".join(hints))

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
            return Done(
                _("%(order)s was invoiced already: %(invoices)s", order=order.name, invoices=_names(posted)),
                effective=False,
            )
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


def _titles(moves):
    return ", ".join(moves.sorted("id").mapped("display_name"))
