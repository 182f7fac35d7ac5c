from decimal import ROUND_HALF_UP, Decimal

from odoo import _, api, fields, models
from odoo.addons.crm_sync_base.lib.errors import NotReady
from odoo.exceptions import UserError

from ..lib import prices


class SaleOrderPrice(models.Model):
    """A deal's prices are held against the pricelist, which owns them."""

    _inherit = "sale.order"

    q2c_price_approval_ids = fields.One2many("q2c.price.approval", "order_id", string="Price Approvals")
    q2c_prices_to_approve = fields.Boolean(compute="_compute_q2c_prices_to_approve")

    @api.depends("state", "order_line.price_subtotal", "q2c_price_approval_ids.state")
    def _compute_q2c_prices_to_approve(self):
        """Whether prices deviate that nobody was asked to approve."""
        for order in self:
            flow = order.state in ("draft", "sent") and order._origin._q2c_price_flow()
            breaches = flow and order._origin._q2c_price_breaches(flow.price_tolerance)
            order.q2c_prices_to_approve = bool(breaches) and not order._origin._q2c_approval(breaches)

    def action_confirm(self):
        # A person does not go past the approval, either.
        for order in self:
            try:
                order._q2c_assert_prices(order._q2c_price_flow())
            except NotReady as error:
                raise UserError(_("%(problem)s\n%(hint)s", problem=error.message, hint=error.hint)) from None
        return super().action_confirm()

    def _q2c_price_breaches(self, percent):
        """Return the lines whose price differs from the pricelist by more than the tolerance.

        :param float percent: tolerance.
        :return: `lib.prices.PricedLine`, in the order of the lines.
        """
        self.ensure_one()
        lines = self.order_line.filtered(lambda line: line.product_id and not line.display_type)
        return prices.breaches([self._q2c_priced(line) for line in lines], Decimal(str(percent)))

    def _q2c_priced(self, line):
        listed = self.pricelist_id._get_product_price(
            line.product_id, line.product_uom_qty, currency=self.currency_id, uom=line.product_uom_id,
            date=self.date_order,
        )
        quantity = Decimal(str(line.product_uom_qty))
        net = Decimal(str(line.price_unit)) * (100 - Decimal(str(line.discount))) / 100
        return prices.PricedLine(
            _("%(product)s × %(quantity)s", product=line.product_id.display_name, quantity=f"{quantity.normalize():f}"),
            self._q2c_rounded(net * quantity),
            self._q2c_rounded(Decimal(str(listed)) * quantity),
        )

    def _q2c_rounded(self, amount):
        return amount.quantize(Decimal(1).scaleb(-self.currency_id.decimal_places), ROUND_HALF_UP)

    def _q2c_look_at_prices(self, flow):
        """Ask for an approval of the prices, if the flow wants them compared and they differ."""
        if flow.check_prices:
            breaches = self._q2c_price_breaches(flow.price_tolerance)
            self.env["q2c.price.approval"]._ask(self, flow, breaches)

    def _q2c_assert_prices(self, flow):
        """Refuse prices that nobody has approved.

        :raises NotReady: says which lines differ by how much, and who decides.
        """
        if not flow.check_prices:
            return
        breaches = self._q2c_price_breaches(flow.price_tolerance)
        if not breaches:
            return
        known = self._q2c_approval(breaches)
        if known.state == "approved":
            return
        raise NotReady(
            self._q2c_price_message(breaches, known),
            hint=_(
                "A finance approver decides under Governance → Prices to Approve; the order goes on by itself then. "
                "If nothing waits there, press Ask for Price Approval on the order. Or correct the prices."
            ),
            fingerprint="prices",
        )

    def _q2c_approval(self, breaches):
        """Return the approval that was asked for exactly these prices, or an empty recordset."""
        Approval = self.env["q2c.price.approval"].sudo()
        print_ = Approval._print(breaches)
        return self.sudo().q2c_price_approval_ids.filtered(
            lambda one: one.fingerprint == print_ and one.state != "replaced"
        )[:1]

    def _q2c_price_message(self, breaches, approval):
        differences = "; ".join(
            _("%(line)s: %(stated)s instead of %(listed)s", line=line.label, stated=line.stated, listed=line.listed)
            for line in breaches
        )
        terms = {"order": self.name, "currency": self.currency_id.name, "differences": differences}
        if approval.state == "rejected":
            return _(
                "%(order)s is not confirmed: %(who)s has rejected its prices (%(why)s). "
                "In %(currency)s: %(differences)s",
                who=approval.decided_by_id.name, why=approval.decision, **terms,
            )
        return _(
            "%(order)s is not confirmed: its prices differ from the pricelist and wait for an approval. "
            "In %(currency)s: %(differences)s", **terms,
        )

    def action_q2c_ask_price_approval(self):
        """Ask for an approval of the present prices by hand.

        :raises UserError: when there is nothing to approve.
        """
        self.ensure_one()
        self.check_access("write")
        flow = self._q2c_price_flow()
        breaches = self._q2c_price_breaches(flow.price_tolerance) if flow else ()
        if not breaches:
            raise UserError(_("The prices of %s are within what its flow tolerates.", self.name))
        approval = self.env["q2c.price.approval"]._ask(self, flow, breaches)
        return approval.sudo(False)._get_records_action()

    def _q2c_price_flow(self):
        """Return the flow that brings this order and compares its prices, or an empty recordset."""
        bindings = self.env["sync.binding"].sudo().search([("model", "=", self._name), ("res_id", "=", self.id)])
        return self.env["sync.flow"].sudo().search(
            [
                ("connection_id", "in", bindings.connection_id.ids),
                ("remote_object", "in", bindings.mapped("remote_object")),
                ("handler", "=", "sale_order"),
                ("check_prices", "=", True),
            ],
            limit=1,
        )

    def _q2c_retry_steps(self):
        """Run what has failed on these orders again."""
        jobs = self.env["sync.job"].sudo().search(
            [("model", "=", self._name), ("res_id", "in", self.ids), ("kind", "=", "step"), ("state", "=", "failed")]
        )
        if jobs:
            jobs._retry()
