from odoo import _, api, fields, models
from odoo.addons.crm_sync_base.lib.fingerprint import fingerprint
from odoo.exceptions import AccessError, UserError
from odoo.tools import plaintext2html

from ..lib import prices

APPROVERS = "crm_sync_base.group_sync_approver"
ASKED = 3  # approvers who get a task
BATCH = 1000  # decisions forgotten in one go


class Q2cPriceApproval(models.Model):
    """Prices of a deal that differ from the pricelist by more than its flow tolerates.

    The order is not confirmed by its flow before somebody has approved exactly these
    prices. It belongs to the financial log: no group writes it, decisions stay.
    """

    _name = "q2c.price.approval"
    _description = "Price Approval"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "id desc"
    _rec_name = "order_name"

    order_id = fields.Many2one(
        "sale.order", string="Sales Order", readonly=True, ondelete="set null", index="btree_not_null"
    )
    order_name = fields.Char(string="Order", readonly=True)
    flow_id = fields.Many2one("sync.flow", readonly=True, ondelete="set null", index="btree_not_null")
    partner_id = fields.Many2one("res.partner", string="Customer", readonly=True, ondelete="set null")
    company_id = fields.Many2one("res.company", readonly=True, required=True, index=True)
    currency_id = fields.Many2one("res.currency", readonly=True, required=True)
    state = fields.Selection(
        [
            ("pending", "Waiting"),
            ("approved", "Approved"),
            ("rejected", "Rejected"),
            ("replaced", "Replaced"),
        ],
        default="pending",
        required=True,
        readonly=True,
        index=True,
    )
    pricelist = fields.Char(readonly=True)
    tolerance = fields.Float(string="Tolerance (%)", readonly=True)
    amount = fields.Monetary(
        string="Deviation", readonly=True, help="What the differences of all lines come to, whichever way they go."
    )
    lines = fields.Json(readonly=True, help="[[line, amount by the pricelist, amount of the source]]")
    fingerprint = fields.Char(readonly=True)
    diff = fields.Json(string="Prices", compute="_compute_diff")
    salesperson_id = fields.Many2one("res.users", readonly=True, ondelete="restrict")
    requested_at = fields.Datetime(readonly=True, default=fields.Datetime.now)
    decided_by_id = fields.Many2one("res.users", readonly=True, ondelete="restrict")
    decided_at = fields.Datetime(readonly=True)
    decision = fields.Char(string="Reason", readonly=True)
    may_decide = fields.Boolean(compute="_compute_may_decide")

    _one_pending = models.UniqueIndex(
        "(order_id) WHERE state = 'pending'", "The prices of an order wait for one approval at a time."
    )
    _four_eyes = models.Constraint(
        "CHECK (decided_by_id IS NULL OR salesperson_id IS NULL OR decided_by_id <> salesperson_id)",
        "Whoever sells does not approve his own prices.",
    )
    _decided = models.Constraint(
        "CHECK ((state IN ('approved', 'rejected')) = (decided_by_id IS NOT NULL))",
        "A decision has somebody who made it.",
    )

    @api.depends("lines")
    def _compute_diff(self):
        for approval in self:
            approval.diff = [
                {"field": str(number), "label": label, "before": listed, "after": stated}
                for number, (label, listed, stated) in enumerate(approval.lines or ())
            ]

    @api.depends("state", "salesperson_id")
    @api.depends_context("uid")
    def _compute_may_decide(self):
        for approval in self:
            approval.may_decide = approval.state == "pending" and not approval._refusal()

    # === Asking ===#

    @api.model
    def _ask(self, order, flow, breaches):
        """Have somebody look at prices, unless exactly these were looked at before.

        :param breaches: `lib.prices.PricedLine` of the lines that deviate; when there are
            none, what waits is needless.
        :return: the approval of these prices.
        """
        same = order._q2c_approval(breaches)
        outdated = order.sudo().q2c_price_approval_ids.filtered(lambda one: one.state == "pending") - same
        outdated.activity_ids.unlink()
        outdated.write({"state": "replaced"})
        outdated.flush_recordset(["state"])
        if same or not breaches:
            return same
        approval = self.sudo().create(self._values(order, flow, breaches))
        approval._remind_approvers()
        return approval

    def _values(self, order, flow, breaches):
        return {
            "order_id": order.id,
            "order_name": order.name,
            "flow_id": flow.id,
            "partner_id": order.partner_id.id,
            "company_id": order.company_id.id,
            "currency_id": order.currency_id.id,
            "pricelist": order.pricelist_id.name or _("the products' sales prices"),
            "tolerance": flow.price_tolerance,
            "amount": float(prices.worth(breaches)),
            "lines": [[line.label, str(line.listed), str(line.stated)] for line in breaches],
            "fingerprint": self._print(breaches),
            "salesperson_id": order.user_id.id,
        }

    @api.model
    def _print(self, breaches):
        return fingerprint([[line.label, str(line.listed), str(line.stated)] for line in breaches])

    def _remind_approvers(self):
        found = self.env["res.users"].search([
            ("all_group_ids", "in", self.env.ref(APPROVERS).ids), ("share", "=", False),
            ("company_ids", "in", self.company_id.ids), ("id", "!=", self.salesperson_id.id),
        ], limit=ASKED)
        for user in found:
            self.activity_schedule(
                "mail.mail_activity_data_todo", user_id=user.id, summary=_("Approve the prices of %s", self.order_name)
            )

    # === Deciding ===#

    def action_approve(self):
        """Accept these prices; what waited for it goes on by itself."""
        self._decide("approved", "")

    def action_open_reject(self):
        """Ask why the prices are rejected."""
        return {
            "type": "ir.actions.act_window",
            "name": _("Reject Prices"),
            "res_model": "q2c.price.reject.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_approval_ids": [fields.Command.set(self.ids)]},
        }

    def action_open_order(self):
        """Open the order."""
        self.ensure_one()
        return self.order_id._get_records_action()

    def _decide(self, state, reason):
        """Decide on prices, all of these or none.

        :raises AccessError: for who may not, or sells it himself.
        :raises UserError: when somebody else was faster.
        """
        self.check_access("read")
        for approval in self:
            if refusal := approval._refusal():
                raise AccessError(refusal)
        mine = self.sudo()
        mine.lock_for_update(allow_referencing=True)
        mine.invalidate_recordset(["state"])
        for approval in mine.filtered(lambda one: one.state != "pending"):
            raise UserError(_("The prices of %s do not wait for a decision any more.", approval.order_name))
        mine.write(
            {"state": state, "decided_by_id": self.env.uid, "decided_at": fields.Datetime.now(), "decision": reason}
        )
        mine.activity_ids.unlink()
        for approval in mine:
            approval._tell()
        if state == "approved":
            mine.order_id._q2c_retry_steps()

    def _refusal(self):
        """Return why the reader may not decide on it, or an empty text."""
        user = self.env.user
        if not self.env.su and not user.has_group(APPROVERS):
            return _("Prices are approved by finance approvers.")
        if self.sudo().salesperson_id == user:
            return _("You sell %s yourself. Somebody else has to approve its prices.", self.order_name)
        return ""

    def _tell(self):
        texts = {
            "approved": _("%s has approved the prices, which differ from the pricelist.", self.decided_by_id.name),
            "rejected": _("%(who)s has rejected the prices: %(why)s", who=self.decided_by_id.name, why=self.decision),
        }
        self.order_id.message_post(body=plaintext2html(texts[self.state]))

    # === Retention ===#

    @api.autovacuum
    def _gc_decisions(self):
        """Forget decisions after the retention of the financial log.

        :return: (how many, whether there are more).
        """
        cutoff = self.env["sync.retention"]._cutoff("keep_proposals_days")
        old = self.sudo().search(
            [("state", "!=", "pending"), ("requested_at", "<", cutoff), "|",
             ("decided_at", "<", cutoff), ("decided_at", "=", False)], limit=BATCH,
        )  # fmt: skip
        gone = len(old)
        old.unlink()
        return gone, gone == BATCH
