from odoo import _, api, fields, models

from ..lib import package


class SyncPackageExportWizard(models.TransientModel):
    """Asks of which connections the configuration is exported."""

    _name = "sync.package.export.wizard"
    _description = "Export Configuration"

    connection_ids = fields.Many2many(
        "sync.connection",
        string="Connections",
        default=lambda self: self.env["sync.connection"].search([("company_id", "=", self.env.company.id)]),
        domain=lambda self: [("company_id", "=", self.env.company.id)],
        required=True,
    )
    note = fields.Text(string="What It Is For")
    fingerprint = fields.Char(string="Signed With", compute="_compute_fingerprint")

    @api.depends_context("uid")
    def _compute_fingerprint(self):
        """The other environment compares it before it trusts this one."""
        self.env["sync.package"]._assert_manager()
        key = package.public_key(self.env["sync.package"].sudo()._signing_key())
        for wizard in self:
            wizard.fingerprint = package.fingerprint(key)

    def action_export(self):
        """Export, and open what was exported; its file can be downloaded there."""
        self.ensure_one()
        made = self.env["sync.package"].export_configuration(self.connection_ids.ids, self.note or "")
        return {
            "type": "ir.actions.act_window",
            "name": _("Configuration Package"),
            "res_model": "sync.package",
            "res_id": made["id"],
            "view_mode": "form",
        }
