from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ..lib import lifecycle, recurrence


class Q2cSubscription(models.Model):
    """A subscription contract: what a customer gets and pays, again and again."""

    _name = "q2c.subscription"
    _description = "Subscription"
    _inherit = ["mail.thread", "mail.activity.mixin", "sync.record.mixin"]
    _order = "id desc"
    _check_company_auto = True

    # === Parties ===#
    name = fields.Char(required=True, copy=False, default=lambda self: self.env._("New"), index=True)
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    partner_id = fields.Many2one(
        "res.partner", string="Customer", required=True, index=True, tracking=True, check_company=True
    )
    user_id = fields.Many2one("res.users", string="Responsible", tracking=True)
    order_id = fields.Many2one(
        "sale.order",
        string="Sales Order",
        ondelete="restrict",
        index="btree_not_null",
        check_company=True,
        copy=False,
        help="The order in which it was sold.",
    )
    currency_id = fields.Many2one(
        "res.currency",
        required=True,
        default=lambda self: self.env.company.currency_id,
        help="Fixed once the subscription is active.",
    )

    # === Life ===#
    state = fields.Selection(
        list(lifecycle.STATES.items()),
        default="draft",
        required=True,
        tracking=True,
        index=True,
        copy=False,
        group_expand=True,
    )
    date_start = fields.Date(
        string="Start", tracking=True, copy=False, help="Periods are counted from this day."
    )
    current_period_start = fields.Date(copy=False)
    next_period_start = fields.Date(
        string="Next Period", copy=False, tracking=True, help="The first day that is not covered yet."
    )
    current_period_end = fields.Date(
        compute="_compute_current_period_end", store=True, help="The last day that is covered."
    )
    cancelled_at = fields.Datetime(readonly=True, copy=False)
    cancel_reason = fields.Char(copy=False, tracking=True)

    # === Plan ===#
    line_ids = fields.One2many("q2c.subscription.line", "subscription_id", string="Plan", copy=True)
    monthly_value = fields.Monetary(
        compute="_compute_monthly_value", store=True, help="Of all lines, whatever the state."
    )
    mrr = fields.Monetary(
        string="MRR",
        compute="_compute_monthly_value",
        store=True,
        tracking=True,
        help="Monthly recurring revenue: the monthly value while active or past due.",
    )
    note = fields.Html()

    # === Computes ===#

    @api.depends("next_period_start")
    def _compute_current_period_end(self):
        for subscription in self:
            following = subscription.next_period_start
            subscription.current_period_end = following and following - timedelta(days=1)

    @api.depends("line_ids.monthly_value", "state")
    def _compute_monthly_value(self):
        for subscription in self:
            value = sum(subscription.line_ids.mapped("monthly_value"))
            subscription.monthly_value = value
            subscription.mrr = value if subscription.state in lifecycle.EARNING else 0.0

    # === CRUD ===#

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if vals.get("name", _("New")) == _("New"):
                sequence = self.env["ir.sequence"].with_company(vals.get("company_id"))
                vals["name"] = sequence.next_by_code("q2c.subscription") or _("New")
            if vals.get("state") == "cancelled":
                vals.setdefault("cancelled_at", fields.Datetime.now())
        return super().create(vals_list)

    def write(self, vals):
        """Guard the lifecycle: whoever writes, a cancelled subscription stays cancelled.

        :raises UserError: when a state cannot follow the present one.
        """
        if "state" in vals:
            for subscription in self:
                subscription._assert_may_become(vals["state"])
            if vals["state"] == "cancelled" and "cancelled_at" not in vals:
                fresh = self.filtered(lambda subscription: subscription.state != "cancelled")
                super(Q2cSubscription, fresh).write({"cancelled_at": fields.Datetime.now()})
        if "currency_id" in vals:
            self._assert_currency_free(vals["currency_id"])
        return super().write(vals)

    def _assert_may_become(self, state):
        labels = dict(self._fields["state"]._description_selection(self.env))
        if state not in labels:
            raise UserError(
                _("%(name)s cannot become “%(state)s”: there is no such state.", name=self.name, state=state)
            )
        if lifecycle.may_follow(self.state, state):
            return
        if lifecycle.is_final(self.state):
            raise UserError(
                _(
                    "%(name)s is %(before)s for good and cannot become %(after)s. "
                    "Start a new subscription instead.",
                    name=self.name,
                    before=labels[self.state],
                    after=labels[state],
                )
            )
        raise UserError(
            _(
                "%(name)s is %(before)s and cannot become %(after)s.",
                name=self.name,
                before=labels[self.state],
                after=labels[state],
            )
        )

    def _assert_currency_free(self, currency_id):
        for subscription in self:
            if subscription.state != "draft" and subscription.currency_id.id != currency_id:
                raise UserError(_("The currency of %s is fixed: it is no draft any more.", subscription.name))

    @api.ondelete(at_uninstall=False)
    def _unlink_only_drafts(self):
        for subscription in self:
            if subscription.state != "draft":
                raise UserError(_("%s is no draft any more: cancel it instead.", subscription.name))

    # === Actions ===#

    def action_activate(self):
        """Let the subscription run: from its start, or from today.

        :raises UserError: when it has no lines, or was cancelled.
        """
        today = fields.Date.context_today(self)
        for subscription in self:
            if not subscription.line_ids:
                raise UserError(_("%s has no plan yet: add a line.", subscription.name))
            subscription.write({"state": "active", **subscription._period_vals(today)})
        return True

    def action_resume(self):
        """Let a paused subscription run again."""
        return self.action_activate()

    def action_pause(self):
        """Hold the subscription: it earns nothing until it is resumed."""
        return self.write({"state": "paused"})

    def action_cancel(self):
        """End the subscription for good."""
        return self.write({"state": "cancelled"})

    def action_open_order(self):
        """Open the sales order in which it was sold."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "sale.order",
            "res_id": self.order_id.id,
            "view_mode": "form",
        }

    # === Periods ===#

    def _interval(self):
        """Return the shortest interval of the plan: that is how often something is due."""
        return max(
            (line._interval() for line in self.line_ids), key=lambda interval: interval.times_a_year
        )

    def _period_vals(self, day):
        """Return start and period of the day, for what is not known yet.

        A period that a billing system gave is kept while it covers the day.
        """
        start = self.date_start or day
        vals = {} if self.date_start else {"date_start": start}
        if not self.next_period_start or self.next_period_start <= day:
            first, following = recurrence.period_at(start, self._interval(), day)
            vals.update(current_period_start=first, next_period_start=following)
        return vals

    # === Synchronisation ===#

    def _sync_correlations(self):
        """Return `{subscription id: correlation id}`: the sales order's story, else its own."""
        found = super()._sync_correlations()
        stories = self.sudo().order_id._sync_correlations()
        for subscription in self.sudo():
            if subscription.order_id.id in stories:
                found[subscription.id] = stories[subscription.order_id.id]
        return found
