from odoo import _, fields, models


class SyncPackageImportWizard(models.TransientModel):
    """Takes the file of a package; nothing is changed by it."""

    _name = "sync.package.import.wizard"
    _description = "Import Configuration"

    file = fields.Binary(required=True, attachment=False)
    file_name = fields.Char()
    note = fields.Text(string="What It Is For")

    def action_import(self):
        """Read the file and show what it would change."""
        self.ensure_one()
        package_id = self.env["sync.package"].import_configuration(
            self.file, self.file_name or "", self.note or ""
        )
        return {
            "type": "ir.actions.act_window",
            "name": _("Configuration Package"),
            "res_model": "sync.package",
            "res_id": package_id,
            "view_mode": "form",
        }
