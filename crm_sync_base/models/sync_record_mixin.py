from odoo import _, fields, models


class SyncRecordMixin(models.AbstractModel):
    """The *Synchronisation* button of business forms: bindings, jobs and trace."""

    _name = "sync.record.mixin"
    _description = "Synchronised Record"

    sync_binding_count = fields.Integer(
        compute="_compute_sync_binding_count",
        groups="crm_sync_base.group_sync_user",
    )

    def _compute_sync_binding_count(self):
        counts = dict(
            self.env["sync.binding"]
            .sudo()
            ._read_group(
                [("model", "=", self._name), ("res_id", "in", self.ids)], ["res_id"], ["__count"]
            )
        )
        for record in self:
            record.sync_binding_count = counts.get(record.id, 0)

    def action_open_sync(self):
        """Open everything that was synchronised about this record."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": _("Synchronisation of %s", self.display_name),
            "res_model": "sync.binding",
            "view_mode": "list,form",
            "domain": [("model", "=", self._name), ("res_id", "=", self.id)],
        }

    def action_open_sync_jobs(self):
        """Open the jobs of this record."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": _("Jobs of %s", self.display_name),
            "res_model": "sync.job",
            "view_mode": "list,form",
            "domain": [("model", "=", self._name), ("res_id", "=", self.id)],
        }

    def action_open_sync_trace(self):
        """Open the whole story of this record, from the CRM to the payout."""
        self.ensure_one()
        correlations = self._sync_correlations()
        return self.env["sync.trace"]._action(correlations.get(self.id) or self.display_name)
