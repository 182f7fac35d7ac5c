from decimal import Decimal

from odoo import _, api, fields, models
from odoo.addons.crm_sync_base.lib.errors import AmountMismatch

from ..lib import facts, settlement, totals
from ..lib.facts import DealFacts
from ..lib.totals import Totals

FULLY_INVOICED = ("invoiced", "upselling")  # values of `invoice_status`: nothing more will come


def _selection(table):
    return list(table.items())


class SaleOrder(models.Model):
    """What a sales order knows of the deal it came from, and what the CRM is told of it."""

    _name = "sale.order"
    _inherit = ["sale.order", "sync.record.mixin"]

    # === The source quote: kept exactly as it was written, never computed with floats ===#
    q2c_source_name = fields.Char(string="Deal", copy=False, readonly=True, help="Name of the deal in the CRM.")
    q2c_source_reference = fields.Char(
        string="Source Quote", copy=False, readonly=True, index=True, help="Number of the quote in the CRM."
    )
    q2c_contact_id = fields.Many2one(
        "res.partner",
        string="Deal Contact",
        copy=False,
        readonly=True,
        help="The person at the customer with whom the deal was made.",
    )
    q2c_currency_id = fields.Many2one(
        "res.currency",
        string="Source Currency",
        copy=False,
        readonly=True,
        help="Currency of the source quote. The order gets a pricelist in this currency.",
    )
    q2c_tax_ids = fields.Many2many(
        "account.tax",
        "q2c_sale_order_tax_rel",
        "order_id",
        "tax_id",
        string="Source Taxes",
        copy=False,
        readonly=True,
        help="Taxes of the source quote for those lines that bring none of their own.",
    )
    q2c_source_untaxed = fields.Char(string="Source Untaxed Amount", copy=False, readonly=True)
    q2c_source_tax = fields.Char(string="Source Taxes Amount", copy=False, readonly=True)
    q2c_source_total = fields.Char(string="Source Total", copy=False, readonly=True)
    q2c_source_fingerprint = fields.Char(
        copy=False,
        readonly=True,
        help="Of the customer, lines and totals that the source last had: tells a new revision "
        "from an update of other fields.",
    )
    q2c_totals_state = fields.Selection(
        [("equal", "Equal"), ("different", "Different")],
        string="Totals",
        compute="_compute_q2c_totals_state",
        store=True,
        help="Whether the totals equal those of the source quote, to the last unit.",
    )

    # === Status: stored, so that a change goes back to the CRM ===#
    q2c_order_status = fields.Selection(
        _selection(settlement.ORDER_STATUS),
        string="Order Progress",
        compute="_compute_q2c_order_status",
        store=True,
    )
    q2c_invoice_names = fields.Char(
        string="Invoice Numbers", compute="_compute_q2c_settlement", store=True, help="Of posted invoices."
    )
    q2c_invoice_status = fields.Selection(
        _selection(settlement.INVOICE_STATUS),
        string="Invoice Progress",
        compute="_compute_q2c_settlement",
        store=True,
        help="Of the invoices that exist, whether or not they cover the whole order.",
    )
    q2c_payment_status = fields.Selection(
        _selection(settlement.PAYMENT_STATUS),
        string="Payment Progress",
        compute="_compute_q2c_settlement",
        store=True,
        index=True,
        help="Of the order as a whole: paid means that nothing more is expected.",
    )
    q2c_amount_invoiced = fields.Monetary(
        string="Invoiced",
        compute="_compute_q2c_settlement",
        store=True,
        help="Posted invoices less posted credit notes, taxes included.",
    )
    q2c_amount_paid = fields.Monetary(
        string="Paid",
        compute="_compute_q2c_settlement",
        store=True,
        help="What is settled of the posted invoices, less what was paid back.",
    )
    q2c_last_payment_date = fields.Date(
        string="Last Payment", compute="_compute_q2c_settlement", store=True
    )

    # === Computes ===#

    @api.depends(
        "amount_untaxed",
        "amount_tax",
        "amount_total",
        "currency_id",
        "q2c_source_untaxed",
        "q2c_source_tax",
        "q2c_source_total",
    )
    def _compute_q2c_totals_state(self):
        for order in self:
            source = order._q2c_source_totals()
            if source == Totals():
                order.q2c_totals_state = False
            else:
                different = totals.differences(order._q2c_totals(), source)
                order.q2c_totals_state = "different" if different else "equal"

    @api.depends("state", "order_line.product_uom_qty", "order_line.qty_delivered", "order_line.display_type")
    def _compute_q2c_order_status(self):
        for order in self:
            lines = order.order_line.filtered(lambda line: not line.display_type and not line.is_downpayment)
            order.q2c_order_status = settlement.order_status(
                order.state,
                [(Decimal(repr(line.product_uom_qty)), Decimal(repr(line.qty_delivered))) for line in lines],
            )

    @api.depends(
        "amount_total",
        "currency_id",
        "invoice_status",
        "order_line.invoice_lines.price_total",
        "order_line.invoice_lines.move_id.name",
        "order_line.invoice_lines.move_id.state",
        "order_line.invoice_lines.move_id.move_type",
        "order_line.invoice_lines.move_id.payment_state",
        "order_line.invoice_lines.move_id.amount_total",
        "order_line.invoice_lines.move_id.amount_residual",
        "order_line.invoice_lines.move_id.matched_payment_ids.state",
    )
    def _compute_q2c_settlement(self):
        for order in self:
            moves = order._q2c_invoices()
            posted = moves.filtered(lambda move: move.state == "posted").sorted("id")
            invoices = [order._q2c_invoice(move) for move in moves]
            order.q2c_invoice_names = ", ".join(posted.mapped("name")) or False
            order.q2c_invoice_status = settlement.invoice_status(invoices)
            order.q2c_payment_status = settlement.payment_status(
                order._q2c_exact(order.amount_total), order.invoice_status in FULLY_INVOICED, invoices
            )
            order.q2c_amount_invoiced = float(settlement.invoiced(invoices))
            order.q2c_amount_paid = float(settlement.paid(invoices))
            order.q2c_last_payment_date = max(posted._q2c_payment_dates(), default=False)

    # === Totals ===#

    def _q2c_exact(self, amount):
        """Return an amount of this order as `Decimal`, exact to its currency's unit."""
        return totals.from_float(amount, self.currency_id.decimal_places)

    def _sync_amount_at_risk(self):
        """Return what the order is worth."""
        self.ensure_one()
        return self._q2c_exact(self.amount_total), self.currency_id.name

    def _q2c_totals(self):
        """Return the order's own totals."""
        return Totals(*(self._q2c_exact(self[f"amount_{part}"]) for part in totals.PARTS))

    def _q2c_source_totals(self):
        """Return the totals of the source quote, as far as it gives them."""
        return Totals(*(totals.read(self[f"q2c_source_{part}"]) for part in totals.PARTS))

    def _q2c_assert_source_totals(self):
        """Refuse totals that are not exactly the source's.

        :raises AmountMismatch: with both amounts of every part that differs.
        """
        self.ensure_one()
        different = totals.differences(self._q2c_totals(), self._q2c_source_totals())
        if not different:
            return
        problems = [self._q2c_say(difference) for difference in different]
        problems += self._q2c_line_problems()
        raise AmountMismatch(
            _(
                "%(order)s: the totals do not equal the source quote's — %(problems)s",
                order=self.q2c_source_name or self.q2c_source_reference or self.name,
                problems="; ".join(problems),
            ),
            problems=problems,
            hint=_(
                "Compare prices, discounts and taxes of the lines, and whether taxes are rounded "
                "per line or on the total, in Odoo and at the source; then retry."
            ),
        )

    def _q2c_say(self, difference):
        """Return one difference in words, with both amounts and the currency."""
        digits = self.currency_id.decimal_places
        return _(
            "%(part)s: %(ours)s in Odoo, %(theirs)s at the source (%(currency)s)",
            part=self._fields[f"amount_{difference.part}"]._description_string(self.env),
            ours=totals.spell(difference.ours, digits),
            theirs=totals.spell(difference.theirs, digits),
            currency=self.currency_id.name,
        )

    def _q2c_line_problems(self):
        """Return which lines are the reason, where the source gave their amounts."""
        digits = self.currency_id.decimal_places
        problems = []
        for line in self.order_line:
            theirs = totals.read(line.q2c_source_subtotal)
            ours = self._q2c_exact(line.price_subtotal)
            if theirs is not None and ours != theirs:
                problems.append(
                    _(
                        "line %(line)s: %(ours)s in Odoo, %(theirs)s at the source",
                        line=line.product_id.display_name or line.name,
                        ours=totals.spell(ours, digits),
                        theirs=totals.spell(theirs, digits),
                    )
                )
        return problems

    # === Invoices ===#

    def _q2c_invoices(self):
        """Return the invoices and credit notes of this order, cancelled ones left out."""
        return self.order_line.invoice_lines.move_id.filtered(
            lambda move: move.move_type in ("out_invoice", "out_refund") and move.state != "cancel"
        )

    def _q2c_invoice(self, move):
        """Return what one invoice means to this order, in the order's currency.

        An invoice that covers several orders counts by this order's lines.
        """
        total = self._q2c_of_move(move, move.amount_total)
        open_ = self._q2c_of_move(move, move._q2c_amount_open())
        part, whole = self._q2c_share(move)
        one = totals.unit(self.currency_id.decimal_places)
        return settlement.Invoice(
            posted=move.state == "posted",
            is_refund=move.move_type == "out_refund",
            total=settlement.share(total, part, whole, one),
            open=settlement.share(open_, part, whole, one),
            payment_state=move.payment_state,
        )

    def _q2c_of_move(self, move, amount):
        """Return an amount of an invoice, signed and in the order's currency."""
        if move.currency_id != self.currency_id:
            amount = move.currency_id._convert(
                amount, self.currency_id, move.company_id, move.invoice_date or move.date
            )
        exact = self._q2c_exact(amount)
        return -exact if move.move_type == "out_refund" else exact

    def _q2c_share(self, move):
        """Return (this order's part, the whole) of an invoice, by its lines' totals."""
        lines = move.invoice_line_ids.filtered(lambda line: line.display_type == "product")
        foreign = lines.filtered(lambda line: line.sale_line_ids and self not in line.sale_line_ids.order_id)
        whole = sum((self._q2c_exact(line.price_total) for line in lines), Decimal(0))
        other = sum((self._q2c_exact(line.price_total) for line in foreign), Decimal(0))
        return whole - other, whole

    def _q2c_assert_invoiced_totals(self):
        """Refuse invoices that do not make up the order exactly.

        :raises AmountMismatch: with both totals.
        """
        self.ensure_one()
        asked = settlement.invoiced(self._q2c_invoice(move) for move in self._q2c_invoices())
        total = self._q2c_exact(self.amount_total)
        if asked == total:
            return
        digits = self.currency_id.decimal_places
        raise AmountMismatch(
            _(
                "%(order)s: its invoices come to %(invoiced)s, the order to %(total)s (%(currency)s)",
                order=self.name,
                invoiced=totals.spell(asked, digits),
                total=totals.spell(total, digits),
                currency=self.currency_id.name,
            ),
            hint=_("Compare the lines, taxes and rounding of the order with a draft invoice, then retry."),
        )

    # === Taking it back ===#

    def _q2c_cancel_obstacles(self):
        """Return, in words, what was built on the confirmed order and forbids cancelling it.

        Modules that build more on an order (a project, a delivery) add theirs.
        """
        self.ensure_one()
        obstacles = []
        if self.locked:
            obstacles.append(_("it is locked"))
        moves = self._q2c_invoices().filtered(lambda move: move.move_type == "out_invoice")
        drafts = moves.filtered(lambda move: move.state == "draft")
        if drafts:
            obstacles.append(_("it has draft invoices (%s)", len(drafts)))
        open_ = moves.filtered(lambda move: move.state == "posted" and not move._q2c_is_credited())
        if open_:
            obstacles.append(_("posted invoices are not credited (%s)", ", ".join(open_.mapped("name"))))
        if any(line.qty_delivered for line in self.order_line):
            obstacles.append(_("something of it was delivered"))
        return obstacles

    # === Facts ===#

    def _q2c_facts(self):
        """Return what Odoo itself says of the deal, as a `DealFacts`.

        A module that knows more of it, the charges say, replaces what it adds.
        """
        self.ensure_one()
        own = self._q2c_totals()
        return DealFacts(
            system=_("Odoo"),
            reference=self.name,
            in_force=self.state != "cancel",
            customer=self.partner_id.commercial_partner_id.name or "",
            currency=self.currency_id.name,
            line_count=len(self.order_line.filtered(lambda line: not line.display_type and not line.is_downpayment)),
            untaxed=own.untaxed,
            tax=own.tax,
            total=own.total,
            order_number=self.name,
            order_status=self.q2c_order_status or "",
            invoice_numbers=facts.codes(self.q2c_invoice_names),
            invoice_status=self.q2c_invoice_status or "",
            amount_invoiced=self._q2c_exact(self.q2c_amount_invoiced),
            amount_paid=self._q2c_exact(self.q2c_amount_paid),
            payment_status=self.q2c_payment_status or "",
        )
