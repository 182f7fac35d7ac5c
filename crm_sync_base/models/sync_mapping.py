from odoo import _, api, fields, models
from odoo.exceptions import UserError


class SyncMapping(models.Model):
    """One version of a flow's field mapping."""

    _name = "sync.mapping"
    _description = "Mapping Version"
    _inherit = ["mail.thread"]
    _order = "flow_id, version desc"

    flow_id = fields.Many2one("sync.flow", required=True, ondelete="cascade", index=True)
    connection_id = fields.Many2one(related="flow_id.connection_id")
    company_id = fields.Many2one(related="flow_id.company_id", store=True, index=True)
    version = fields.Integer(required=True, default=1, readonly=True, copy=False)
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("review", "In Review"),
            ("active", "Active"),
            ("retired", "Retired"),
        ],
        default="draft",
        required=True,
        tracking=True,
        copy=False,
    )
    note = fields.Text(string="What Changed", copy=False)
    rule_ids = fields.One2many(
        "sync.mapping.rule", "mapping_id", string="Rules", domain=[("parent_id", "=", False)], copy=True
    )

    _version_unique = models.UniqueIndex("(flow_id, version)", "A version number is used once.")
    _one_active = models.UniqueIndex(
        "(flow_id) WHERE state = 'active'", "Only one version of a mapping is active."
    )

    @api.depends("flow_id.name", "version")
    def _compute_display_name(self):
        for mapping in self:
            mapping.display_name = _("%(flow)s v%(version)s", flow=mapping.flow_id.name, version=mapping.version)

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            latest = self.search([("flow_id", "=", vals.get("flow_id"))], order="version desc", limit=1)
            if "version" not in vals:
                vals["version"] = latest.version + 1
        return super().create(vals_list)

    def copy_data(self, default=None):
        """A copy is the next draft of the same flow."""
        return [dict(vals, state="draft") for vals in super().copy_data(default)]

    def action_to_review(self):
        """Ask somebody else to look at these drafts."""
        self.filtered(lambda mapping: mapping.state == "draft").state = "review"

    def action_open(self):
        """Open this version on a page of its own."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
        }

    def action_activate(self):
        """Make this version the one in use and retire the one before."""
        for mapping in self:
            if not mapping.rule_ids and mapping.flow_id._needs_mapping():
                raise UserError(_("%s has no rules yet.", mapping.display_name))
            mapping.flow_id.mapping_ids.filtered(lambda m: m.state == "active").state = "retired"
            mapping.flow_id.mapping_ids.flush_recordset(["state"])
            mapping.state = "active"
        self.env["sync.flow"]._outbox_changed()

    def action_new_version(self):
        """Open a draft copy of this version."""
        self.ensure_one()
        draft = self.copy()
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": draft.id,
            "view_mode": "form",
        }

    def _compiled(self):
        """Return the inbound rules as pure values, in order."""
        self.ensure_one()
        rules = self.rule_ids.filtered(lambda rule: rule.direction in ("inbound", "both"))
        return tuple(rule._compile() for rule in rules)

    def _outbound_rules(self):
        """Return the outbound rules as records, in order."""
        return self.rule_ids.filtered(lambda rule: rule.direction in ("outbound", "both"))
