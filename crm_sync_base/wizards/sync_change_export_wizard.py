import base64
import logging

from odoo import _, api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain

from ..lib import sheet

_logger = logging.getLogger(__name__)

MAX_CHANGES = 100_000  # in one file
PAGE = 1000  # changes that are read at a time
APPLIED = Domain("verdict", "=", "applied")


class SyncChangeExportWizard(models.TransientModel):
    """Exports applied changes, a line for each field, as the reader sees them on screen."""

    _name = "sync.change.export.wizard"
    _inherit = "sync.selection.mixin"
    _description = "Export of the Audit Trail"

    scope = fields.Selection(
        [
            ("selection", "The selected changes"),
            ("filter", "Everything that the filter shows"),
            ("period", "Everything of a period"),
        ],
        default="period",
        required=True,
    )
    date_from = fields.Datetime(
        string="Changed From", default=lambda self: fields.Datetime.subtract(fields.Datetime.now(), months=1)
    )
    date_to = fields.Datetime(string="Until", default=fields.Datetime.now)
    flow_ids = fields.Many2many("sync.flow", string="Flows", help="Empty: all flows.")
    user_ids = fields.Many2many("res.users", string="People", help="Empty: everybody.")
    file_format = fields.Selection([("xlsx", "Excel (XLSX)"), ("csv", "CSV")], default="xlsx", required=True)
    change_count = fields.Integer(compute="_compute_change_count")
    is_too_much = fields.Boolean(compute="_compute_change_count")
    data = fields.Binary(readonly=True, attachment=False)
    filename = fields.Char(readonly=True)

    @api.depends("scope", "date_from", "date_to", "flow_ids", "user_ids")
    def _compute_change_count(self):
        for wizard in self:
            wizard.change_count = self.env["sync.change"].search_count(wizard._asked())
            wizard.is_too_much = wizard.change_count > MAX_CHANGES

    def _asked(self):
        """Return the domain of the applied changes that were pointed at."""
        if self.scope != "period":
            return self._pointed_at() & APPLIED
        domain = APPLIED
        if self.date_from:
            domain &= Domain("create_date", ">=", self.date_from)
        if self.date_to:
            domain &= Domain("create_date", "<=", self.date_to)
        if self.flow_ids:
            domain &= Domain("flow_id", "in", self.flow_ids.ids)
        if self.user_ids:
            domain &= Domain("user_id", "in", self.user_ids.ids)
        return domain

    @api.model
    def _action_for_selection(self):
        """Return the action that asks about the list's selection, or its whole filter."""
        return self._of_list()._action(_("Export"))

    def action_export(self):
        """Make the file and download it.

        :raises UserError: when there is nothing, or too much for one file.
        """
        self.ensure_one()
        changes = self.env["sync.change"].search(self._asked(), order="id", limit=MAX_CHANGES + 1)
        if not changes:
            raise UserError(_("There is nothing to export: no applied change is in this selection."))
        if len(changes) > MAX_CHANGES:
            raise UserError(_("More than %s changes: export them in parts, by period.", MAX_CHANGES))
        rows = self._rows(changes)
        if self.file_format == "csv":
            content = sheet.to_csv(self._head(), rows)
        else:
            content = sheet.to_xlsx(self._head(), self._few_enough(rows), _("Audit Trail"))
        name = _("audit-trail-%s", fields.Date.context_today(self))
        self.write({"data": base64.b64encode(content), "filename": f"{name}.{self.file_format}"})
        _logger.info("Synchronisation: user %s exported %s changes", self.env.uid, len(changes))
        return {
            "type": "ir.actions.act_url",
            "url": f"/web/content/{self._name}/{self.id}/data/{self.filename}?download=true",
            "target": "download",
        }

    @staticmethod
    def _few_enough(rows):
        for number, row in enumerate(rows):
            if number >= sheet.ROWS:
                raise UserError(_("More than %s lines: choose CSV, or a shorter period.", sheet.ROWS))
            yield row

    def _head(self):
        zone = self.env.user.tz or "UTC"
        return [
            _("No."), _("Changed At (%s)", zone), _("Person"), _("Flow"), _("Mapping Version"), _("Direction"),
            _("Operation"), _("Record"), _("Kind of Record"), _("Remote Id"), _("Field"), _("Before"), _("After"),
            _("Takes Back No."), _("Correlation Id"), _("Company"),
        ]

    def _rows(self, changes):
        """Yield a line for each changed field, masked as on screen; memory stays flat."""
        directions = dict(changes._fields["direction"]._description_selection(self.env))
        operations = dict(changes._fields["operation"]._description_selection(self.env))
        for start in range(0, len(changes), PAGE):
            page = changes.browse(changes._ids[start : start + PAGE])
            for change in page:
                moment = fields.Datetime.context_timestamp(self, change.create_date)
                before = [
                    str(change.id), moment.strftime("%Y-%m-%d %H:%M:%S"), change.user_id.sudo().name or "",
                    change.flow_id.sudo().display_name or "", change.mapping_id.sudo().display_name or "",
                    directions[change.direction], operations[change.operation], change.record_name or "",
                    change.model or "", change.external_id or "",
                ]
                after = [
                    str(change.reverts_id.id or ""), change.correlation_id or "",
                    change.company_id.sudo().name or "",
                ]
                for row in change.diff or ():
                    yield [*before, row["label"], row["before"], row["after"], *after]
            page.invalidate_recordset(flush=False)
