from odoo import fields, models


class SyncExceptionAssignWizard(models.TransientModel):
    """Asks whose exceptions shall be."""

    _name = "sync.exception.assign.wizard"
    _description = "Assign Exceptions"

    exception_ids = fields.Many2many("sync.exception", string="Exceptions", required=True)
    user_id = fields.Many2one(
        "res.users",
        string="Owner",
        required=True,
        default=lambda self: self.env.user,
        domain=lambda self: [
            ("all_group_ids", "in", self.env.ref("crm_sync_base.group_sync_user").ids)
        ],
    )

    def action_assign(self):
        """Give the exceptions to the person, who is told."""
        self.ensure_one()
        self.exception_ids._assign(self.user_id)
        return {"type": "ir.actions.act_window_close"}
