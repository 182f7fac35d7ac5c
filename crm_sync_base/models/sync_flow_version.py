from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError

from ..lib import package


class SyncFlowVersion(models.Model):
    """What a flow's settings were from one moment on: numbered, kept, and possible to restore.

    Stored by the flow itself, once for each transaction that changed something, in the
    words of configuration packages. The mapping has versions of its own; mode and pause
    are no settings but what the flow does at the moment.
    """

    _name = "sync.flow.version"
    _description = "Version of a Flow's Settings"
    _order = "flow_id, number desc"

    flow_id = fields.Many2one("sync.flow", required=True, readonly=True, ondelete="cascade", index=True)
    company_id = fields.Many2one(related="flow_id.company_id", store=True, index=True)
    number = fields.Integer(string="Version", required=True, readonly=True)
    create_date = fields.Datetime(string="Since", readonly=True)
    create_uid = fields.Many2one("res.users", string="Changed By", readonly=True)
    note = fields.Char(readonly=True)
    content = fields.Json(readonly=True, groups="base.group_system")
    changes = fields.Json(readonly=True, groups="base.group_system", help="[[path, before, after]]")
    diff = fields.Json(string="What Changed", compute="_compute_diff")
    digest = fields.Char(string="Change", compute="_compute_diff")
    is_current = fields.Boolean(compute="_compute_is_current")

    _number_unique = models.UniqueIndex("(flow_id, number)", "A flow has this version already.")

    @api.depends("flow_id", "number")
    def _compute_display_name(self):
        for version in self:
            version.display_name = _("%(flow)s, version %(number)s", flow=version.flow_id.name, number=version.number)

    @api.depends("changes")
    @api.depends_context("lang")
    def _compute_diff(self):
        Content = self.env["sync.package.content"]
        for version in self:
            rows = [
                {"field": path, "label": Content._path_text("flow", path), "before": before, "after": after}
                for path, before, after in version.sudo().changes or ()
            ]
            version.diff = rows
            version.digest = " · ".join(
                f"{row['label']}: {row['before'] or '∅'} → {row['after'] or '∅'}" for row in rows
            )

    @api.depends("flow_id.version_ids")
    def _compute_is_current(self):
        for version in self:
            version.is_current = version == version.flow_id.version_ids[:1]

    # === Kept as they are ===#

    @api.model_create_multi
    def create(self, vals_list):
        self._assert_engine()
        return super().create(vals_list)

    def write(self, vals):
        self._assert_engine()
        return super().write(vals)

    def unlink(self):
        self._assert_engine()
        return super().unlink()

    def _assert_engine(self):
        if not self.env.su:
            raise AccessError(_("Versions of a flow are kept by the flow itself, they are not written by hand."))

    # === Engine ===#

    @api.model
    def _keep(self, flow, note=""):
        """Store the present settings of a flow, unless they are those of its last version."""
        content = self._settings(flow)
        last = flow.version_ids[:1]
        if last and last.content == content:
            return
        # Of two who change parts of one flow at the same moment, the second starts again.
        self.env.cr.execute("UPDATE sync_flow SET write_date = write_date WHERE id = %s", [flow.id])
        now = {"kind": "flow", "name": flow.name, "values": content}
        rows = package.differences(now, last.content) if last else ()
        self.create(
            {
                "flow_id": flow.id,
                "number": last.number + 1,
                "note": note,
                "content": content,
                "changes": [[row.path, row.before, row.after] for row in rows],
            }
        )
        flow.invalidate_recordset(["version_ids"])

    def _settings(self, flow):
        """Return what a version holds: what a package would carry of the flow, without its mapping."""
        Content = self.env["sync.package.content"]
        return {**self.env["sync.portable"]._values(flow), **Content._parts_of_flow(flow)}

    # === Restore ===#

    def action_restore(self):
        """Give the flow the settings of this version again; that is a new version.

        Neither mode nor mapping change, so nothing starts that did not run before.

        :raises AccessError: for who may not change flows.
        :raises UserError: lists why the settings do not fit any more.
        """
        self.ensure_one()
        flow = self.flow_id
        flow.check_access("write")
        version = self.sudo().with_company(flow.company_id)
        if version.content == version._settings(version.flow_id):
            raise UserError(_("%s has these settings already.", flow.name))
        Content, place = version.env["sync.package.content"], version._place()
        key = Content._flow_code(version.flow_id)
        record = {"kind": "flow", "connection": "", "key": key, "name": flow.name, "values": version.content}
        if problems := Content._problems(record, place):
            raise UserError(
                _("%(version)s cannot be restored:\n%(problems)s",
                  version=self.display_name, problems="\n".join(problems))
            )
        note = _("Version %s restored", self.number)
        Content._apply(record, place, self.env.user, note)
        flow._settings_changed(note)

    def _place(self):
        """Return where the names in a version are looked up: right here."""
        flow = self.flow_id
        Portable = self.env["sync.portable"]
        connections = self.env["sync.connection"].search([("company_id", "=", flow.company_id.id)])
        return {
            "company": flow.company_id,
            "connection": flow.connection_id,
            "connections": {Portable._connection_key(one): one for one in connections},
            "coming": set(),
        }
