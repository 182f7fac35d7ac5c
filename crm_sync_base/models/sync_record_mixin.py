from odoo import _, api, fields, models


class SyncRecordMixin(models.AbstractModel):
    """The *Synchronisation* button of business forms: bindings, jobs and trace."""

    _name = "sync.record.mixin"
    _description = "Synchronised Record"

    sync_binding_count = fields.Integer(
        compute="_compute_sync_binding_count",
        groups="crm_sync_base.group_sync_user",
    )

    # === Steps ===#

    sync_saga_id = fields.Many2one(
        "sync.saga", string="Steps", compute="_compute_sync_saga", groups="crm_sync_base.group_sync_user"
    )
    sync_saga_state = fields.Selection(
        "_selection_sync_saga_state", string="State of the Steps", compute="_compute_sync_saga",
        groups="crm_sync_base.group_sync_user",
    )
    sync_saga_timeline = fields.Json(
        string="Steps so Far", compute="_compute_sync_saga", groups="crm_sync_base.group_sync_user"
    )
    sync_saga_message = fields.Text(
        string="Trouble", compute="_compute_sync_saga", groups="crm_sync_base.group_sync_user"
    )

    @api.model
    def _selection_sync_saga_state(self):
        return self.env["sync.saga"]._fields["state"]._description_selection(self.env)

    def _compute_sync_saga(self):
        """Find the saga of each record: the one that needs a person, else the newest."""
        sagas = self.env["sync.saga"].sudo().search(
            [("model", "=", self._name), ("res_id", "in", self.ids)], order="id"
        )
        found = {}
        for story in sagas.sorted(lambda story: (story.state == "person", story.id)):
            found[story.res_id] = story
        for record in self:
            story = found.get(record.id, sagas.browse())
            record.sync_saga_id = story
            record.sync_saga_state = story.state
            record.sync_saga_timeline = story.timeline
            record.sync_saga_message = story.message

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

    def action_open_sync_saga(self):
        """Open the steps that this record went through, and what undoing them means."""
        self.ensure_one()
        return self.sync_saga_id._form()

    def action_open_sync_trace(self):
        """Open the whole story of this record, from the CRM to the payout."""
        self.ensure_one()
        correlations = self._sync_correlations()
        return self.env["sync.trace"]._action(correlations.get(self.id) or self.display_name)
