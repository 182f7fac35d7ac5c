from odoo import SUPERUSER_ID, _, api, fields, models

PENDING = "crm_sync_flow_versions"


class SyncFlowHistory(models.Model):
    """A flow keeps what its settings were."""

    _inherit = "sync.flow"

    version_ids = fields.One2many("sync.flow.version", "flow_id", string="Versions", readonly=True)
    settings_version = fields.Integer(compute="_compute_settings_version")

    @api.depends("version_ids")
    def _compute_settings_version(self):
        for flow in self:
            flow.settings_version = flow.version_ids[:1].number

    @api.model_create_multi
    def create(self, vals_list):
        flows = super().create(vals_list)
        flows._settings_changed()
        return flows

    def write(self, vals):
        governed = vals.keys() & set(self.env["sync.portable"]._names(self))
        if governed:
            self._keep_first_version()
        result = super().write(vals)
        if governed:
            self._settings_changed()
        return result

    def _keep_first_version(self):
        """Flows that are older than their history begin it with what they are before a change."""
        pending = self.env.cr.precommit.data.get(PENDING, {})
        for flow in self.with_user(SUPERUSER_ID):
            if flow.id not in pending and not flow.version_ids:
                flow.env["sync.flow.version"]._keep(flow, _("What it was when its history began"))

    def _settings_changed(self, note=""):
        """Have the settings kept right before the commit: one version, however many writes led to it."""
        precommit = self.env.cr.precommit
        pending = precommit.data.get(PENDING)
        if pending is None:
            pending = precommit.data[PENDING] = {}
            precommit.add(self._keep_versions)
        for flow in self:
            pending[flow.id] = (self.env.uid, note or pending.get(flow.id, (0, ""))[1])

    def _keep_versions(self):
        """Store a version of each flow whose settings have changed in this transaction."""
        pending = self.env.cr.precommit.data.pop(PENDING, {})
        for flow in self.browse(pending).sudo().exists():
            user_id, note = pending[flow.id]
            mine = flow.with_user(user_id).sudo()
            mine.env["sync.flow.version"]._keep(mine, note)
