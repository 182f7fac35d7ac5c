from odoo import api, models


class SyncFlowPart(models.AbstractModel):
    """What belongs to a flow's settings and is kept in rows of its own: steps, rules, rungs."""

    _name = "sync.flow.part.mixin"
    _description = "Part of a Flow's Settings"

    @api.model_create_multi
    def create(self, vals_list):
        flows = self.env["sync.flow"].browse({vals["flow_id"] for vals in vals_list if vals.get("flow_id")})
        flows._keep_first_version()
        parts = super().create(vals_list)
        parts.flow_id._settings_changed()
        return parts

    def write(self, vals):
        self.flow_id._keep_first_version()
        result = super().write(vals)
        self.flow_id._settings_changed()
        return result

    def unlink(self):
        flows = self.flow_id
        flows._keep_first_version()
        result = super().unlink()
        flows._settings_changed()
        return result
