from odoo import api, fields, models


class SyncMappingPreviewLine(models.Model):
    """What a mapping version would change for one record."""

    _name = "sync.mapping.preview.line"
    _description = "Mapping Preview of a Record"
    _order = "preview_id desc, id"
    _rec_name = "record_name"

    preview_id = fields.Many2one("sync.mapping.preview", required=True, readonly=True, ondelete="cascade", index=True)
    flow_id = fields.Many2one(related="preview_id.flow_id", store=True, index=True)
    company_id = fields.Many2one(related="preview_id.company_id", store=True, index=True)
    model = fields.Char(related="flow_id.model")
    key = fields.Char(string="Id", readonly=True)
    record_name = fields.Char(string="Name", readonly=True)
    res_id = fields.Many2oneReference(string="Record", model_field="model", readonly=True)
    kind = fields.Selection(
        [
            ("same", "No difference"),
            ("different", "Different"),
            ("blocked", "Would be blocked"),
            ("released", "Would no longer be blocked"),
        ],
        string="Result",
        readonly=True,
        required=True,
        index=True,
    )
    operation = fields.Selection(
        [("create", "Would be created"), ("update", "Would be updated")],
        string="Under This Version",
        readonly=True,
    )
    values = fields.Json(readonly=True, groups="base.group_system", help="{field: [active version, this version]}")
    waiting = fields.Char(
        string="Waits for a Decision", readonly=True, help="Fields whose change would need an approval."
    )
    reason = fields.Text(readonly=True)
    diff = fields.Json(string="Differences", compute="_compute_diff")
    digest = fields.Char(string="What Differs", compute="_compute_diff")

    @api.depends("values", "kind", "reason")
    @api.depends_context("uid", "lang", "allowed_company_ids")
    def _compute_diff(self):
        """The same view as of the change ledger: names and labels, masked for who may not see a record."""
        for line in self:
            flow = line.flow_id
            change = self.env["sync.change"].new(
                {
                    "model": flow.model,
                    "direction": flow.direction,
                    "res_id": line.res_id,
                    "values": line.sudo().values or {},
                }
            )
            line.diff = change.diff or []
            line.digest = change.digest or line.reason
