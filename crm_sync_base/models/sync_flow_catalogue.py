from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ..lib.errors import SyncError


class SyncFlowCatalogue(models.Model):
    """The flow as a row of the integration catalogue: what, from where, to where, when."""

    _name = "sync.flow"
    _inherit = ["sync.flow", "mail.activity.mixin"]

    # What a flow does must not change without a trace.
    name = fields.Char(tracking=True)
    code = fields.Char(copy=False)  # a copy is another flow
    remote_object = fields.Char(tracking=True)
    model_id = fields.Many2one(tracking=True)
    direction = fields.Selection(tracking=True)
    connection_id = fields.Many2one(tracking=True)
    remote_scope = fields.Char(tracking=True)
    domain = fields.Char(tracking=True)
    create_policy = fields.Selection(tracking=True)
    poll = fields.Boolean(tracking=True)
    poll_interval = fields.Integer(tracking=True)
    priority = fields.Integer(string="Precedence", tracking=True)
    owner_id = fields.Many2one(tracking=True)
    technical_owner_id = fields.Many2one(tracking=True)
    criticality = fields.Selection(tracking=True)
    runbook_url = fields.Char(tracking=True)
    watched_fields = fields.Char(tracking=True)
    is_document = fields.Boolean(tracking=True)
    batch_size = fields.Integer(tracking=True)
    page_size = fields.Integer(tracking=True)
    max_attempts = fields.Integer(tracking=True)
    base_wait = fields.Float(tracking=True)
    max_wait = fields.Float(tracking=True)
    crash_wait = fields.Float(tracking=True)

    source_label = fields.Char(string="From", compute="_compute_ends")
    target_label = fields.Char(string="To", compute="_compute_ends")
    trigger_text = fields.Char(string="Started By", compute="_compute_trigger_text")
    mapping_version = fields.Integer(
        string="Version", compute="_compute_mapping_version", help="Of the mapping that is in use."
    )
    readiness_ids = fields.One2many(
        "sync.readiness.rule", "flow_id", string="Readiness Rules", copy=True
    )
    scope_text = fields.Char(string="Only When", compute="_compute_scope_text")
    scope_count = fields.Integer(
        string="Odoo Records in Scope",
        compute="_compute_scope_count",
        help="Outbound: the records that meet the condition at this moment.",
    )
    remote_count = fields.Integer(
        string="Remote Records in Scope", readonly=True, copy=False, help="As of the last count."
    )
    remote_count_at = fields.Datetime(string="Counted At", readonly=True, copy=False)
    remote_count_text = fields.Char(string="In Scope", compute="_compute_remote_count_text")

    # === From where to where, started by what ===#

    @api.depends("mapping_ids.state", "mapping_ids.version")
    def _compute_mapping_version(self):
        for flow in self:
            flow.mapping_version = flow.mapping_id.version

    @api.depends("direction", "connection_id.name", "remote_object", "model_id.name")
    def _compute_ends(self):
        for flow in self:
            remote = " · ".join(filter(None, [flow.connection_id.name, flow._remote_label()]))
            local = _("Odoo · %s", flow.model_id.sudo().name or "")
            inbound = flow.direction == "inbound"
            flow.source_label, flow.target_label = (remote, local) if inbound else (local, remote)

    def _remote_label(self):
        """Return how people call the remote object."""
        if not self.connection_id or not self.remote_object:
            return ""
        return self._remote().label

    @api.depends("direction", "poll", "poll_interval", "timing", "watched_fields", "mapping_id")
    def _compute_trigger_text(self):
        for flow in self:
            flow.trigger_text = flow._inbound_trigger() if flow.direction == "inbound" else flow._outbound_trigger()

    def _inbound_trigger(self):
        """Return what starts an inbound flow."""
        if not self.poll:
            return _("webhooks")
        if self.timing == "batch":
            return _("webhooks, and a look at each batch")
        return _("webhooks, and a look every %s minutes", self.poll_interval)

    def _outbound_trigger(self):
        """Return which changes start an outbound flow."""
        names = [name.strip() for name in (self.watched_fields or "").split(",")]
        if not any(names):
            names = [rule.field_name.split(".")[0] for rule in self.mapping_id._outbound_rules()]
        fields_ = self.env[self.model]._fields if self.model in self.env else {}
        labels = [fields_[name]._description_string(self.env) for name in dict.fromkeys(names) if name in fields_]
        return _("a change of %s", ", ".join(labels)) if labels else _("other records that need it")

    # === Scope ===#

    @api.depends("direction", "remote_scope", "domain")
    def _compute_scope_text(self):
        for flow in self:
            text = flow.remote_scope if flow.direction == "inbound" else flow.domain
            flow.scope_text = "" if text in (False, "[]") else text

    @api.depends("direction", "domain", "model")
    def _compute_scope_count(self):
        """Count as the service user sees it: that is whose records the flow sends."""
        for flow in self:
            flow.scope_count = 0
            if flow.direction == "outbound" and flow.model in self.env:
                env = flow._handler("push").sudo()._as_service(flow)
                flow.scope_count = env[flow.model].search_count(flow._odoo_domain())

    @api.depends("remote_count", "remote_count_at")
    def _compute_remote_count_text(self):
        for flow in self:
            flow.remote_count_text = (
                _("%s records", flow.remote_count) if flow.remote_count_at else _("not counted yet")
            )

    def action_count_remote(self):
        """Ask the provider how many records meet the flow's condition now.

        :raises AccessError: for who may not work on jobs.
        :raises UserError: when it cannot tell, or cannot be reached.
        """
        self.env["sync.job"].check_access("create")
        for flow in self.filtered(lambda flow: flow.direction == "inbound"):
            connection, connector = flow.connection_id, flow._connector()
            try:
                connection._assert_live()
                with connector._guard(
                    connection, connector._endpoint(flow.remote_object, "poll"), manual=True
                ):
                    count = connector._count(connection, flow)
            except SyncError as error:
                raise UserError(f"{error.message}\n{error.hint}".strip()) from error
            flow.sudo().write({"remote_count": count, "remote_count_at": fields.Datetime.now()})
        return True

    # === Printed ===#

    def action_print_catalogue(self):
        """Print the catalogue of these flows, or of all that the reader may see."""
        flows = self or self.search([])
        if not flows:
            raise UserError(_("There is no flow to print yet."))
        return self.env.ref("crm_sync_base.report_sync_flow_catalogue").report_action(flows, config=False)

    def _catalogue_groups(self):
        """Return the flows for the printed catalogue, by connection and in order.

        :return: `[(connection, flows)]`.
        """
        flows = self.sorted(lambda flow: (flow.connection_id.sequence, flow.connection_id.name, flow.sequence))
        return [
            (connection, flows.filtered(lambda flow, one=connection: flow.connection_id == one))
            for connection in flows.connection_id
        ]

    def _ownership(self):
        """Return who owns which field, for the printed matrix.

        :return: `[{"model", "rows": [{"field", "cells": [{"flow", "remote", "direction",
            "owner", "policy", "conflict"}]}]}]`: a row for each mapped Odoo field.
        """
        tables = {}
        for flow in self:
            rules = flow.mapping_id.rule_ids.filtered(lambda rule: not rule.parent_id)
            for rule in rules:
                rows = tables.setdefault(flow.model_id, {})
                rows.setdefault(rule.field_name, []).append(flow._ownership_cell(rule))
        return [
            {
                "model": model.name,
                "rows": [
                    {"field": self._field_label(model.model, name), "name": name, "cells": cells}
                    for name, cells in sorted(rows.items())
                ],
            }
            for model, rows in tables.items()
        ]

    def _ownership_cell(self, rule):
        """Return what one rule says of a field, in words."""

        def label(name):
            if name not in rule._fields or not rule[name]:
                return ""
            return dict(rule._fields[name]._description_selection(self.env)).get(rule[name], "")

        return {
            "flow": self.name,
            "remote": rule._label(),
            "direction": label("direction"),
            "owner": label("owner"),
            "policy": label("policy"),
            "conflict": label("conflict"),
        }

    def _field_label(self, model, path):
        """Return what people call the field at the end of a dotted path."""
        labels = []
        for name in path.split("."):
            field = self.env[model]._fields.get(name) if model in self.env else None
            if field is None:
                return path
            labels.append(field._description_string(self.env))
            model = field.comodel_name or ""
        return " › ".join(labels)
