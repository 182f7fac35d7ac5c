from odoo import api, fields, models


class SyncDiffMixin(models.AbstractModel):
    """Values of a record before and after, shown as the change ledger shows them.

    Models that inherit it have `model` and `res_id`.
    """

    _name = "sync.diff.mixin"
    _description = "Values Before and After"

    values = fields.Json(
        readonly=True, groups="base.group_system", help="{field: [before, after]}, as they are."
    )
    diff = fields.Json(string="Fields", compute="_compute_diff")
    digest = fields.Char(string="Change", compute="_compute_diff")

    @api.depends("values", "model", "res_id")
    @api.depends_context("uid", "lang", "allowed_company_ids")
    def _compute_diff(self):
        """Show the change as the change ledger does, masked for the same readers."""
        Change = self.env["sync.change"]
        # Looked at together, the records and names in them are read together.
        changes = Change.concat(
            *(
                Change.new(
                    {"direction": "inbound", "model": one.model, "res_id": one.res_id,
                     "values": one.sudo().values}
                )
                for one in self
            )
        )
        for one, change in zip(self, changes, strict=True):
            one.diff = change.diff
            one.digest = change.digest
