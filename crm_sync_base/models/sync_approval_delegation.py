from odoo import _, api, fields, models
from odoo.exceptions import ValidationError


class SyncApprovalDelegation(models.Model):
    """While somebody is away, somebody else decides in his place."""

    _name = "sync.approval.delegation"
    _description = "Approval Delegation"
    _order = "date_start desc, id desc"

    user_id = fields.Many2one(
        "res.users", string="Instead Of", required=True, ondelete="cascade", index=True,
        default=lambda self: self.env.user,
    )
    delegate_id = fields.Many2one(
        "res.users", string="Decides", required=True, ondelete="cascade", index=True
    )
    date_start = fields.Date(string="From", required=True, default=fields.Date.context_today)
    date_end = fields.Date(string="Until", required=True)
    note = fields.Char(string="Reason")

    _span = models.Constraint("CHECK (date_end >= date_start)", "It ends before it begins.")
    _other = models.Constraint("CHECK (user_id <> delegate_id)", "Nobody stands in for himself.")

    @api.depends("user_id", "delegate_id")
    def _compute_display_name(self):
        for one in self:
            one.display_name = _(
                "%(delegate)s for %(user)s", delegate=one.delegate_id.name, user=one.user_id.name
            )

    @api.constrains("delegate_id")
    def _check_delegate(self):
        for one in self:
            if not one.delegate_id.has_group("crm_sync_base.group_sync_approver"):
                raise ValidationError(
                    _("%s is no finance approver. Only approvers can stand in for one another.",
                      one.delegate_id.name)
                )

    @api.model
    def _stand_in_for(self, user):
        """Return the users in whose place somebody may decide today (one query)."""
        today = fields.Date.context_today(self.with_user(user))
        return self.sudo().search(
            [("delegate_id", "=", user.id), ("date_start", "<=", today), ("date_end", ">=", today)]
        ).user_id
