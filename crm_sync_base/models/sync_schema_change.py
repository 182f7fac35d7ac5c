from odoo import _, api, fields, models

from ..lib import clock
from ..lib.schema import DIFFERENCES, SEVERITIES, WRONG, Difference


class SyncSchemaChange(models.Model):
    """One way in which an object is not what it was, and the flows that it hits."""

    _name = "sync.schema.change"
    _description = "Schema Change"
    _order = "found_at desc, severity_order, id desc"
    _rec_name = "summary"

    object_id = fields.Many2one("sync.schema.object", required=True, ondelete="cascade", index=True, readonly=True)
    connection_id = fields.Many2one(related="object_id.connection_id", store=True, index=True)
    company_id = fields.Many2one(related="object_id.company_id", store=True, index=True)
    found_at = fields.Datetime(required=True, readonly=True, default=lambda self: clock.now())
    kind = fields.Selection(list(DIFFERENCES.items()), string="What", required=True, readonly=True)
    field_name = fields.Char(readonly=True)
    field_label = fields.Char(string="Field", readonly=True)
    before = fields.Char(readonly=True)
    after = fields.Char(string="Now", readonly=True)
    severity = fields.Selection(list(SEVERITIES.items()), required=True, readonly=True, index=True)
    severity_order = fields.Integer(compute="_compute_severity_order", store=True)
    flow_ids = fields.Many2many("sync.flow", string="Flows Hit", readonly=True)
    rules = fields.Char(string="Rules Hit", readonly=True)
    hold_ids = fields.One2many(
        "sync.hold",
        "schema_change_id",
        string="Flows Stopped",
        readonly=True,
        context={"active_test": False},
    )
    state = fields.Selection(
        [("open", "To Do"), ("done", "Settled"), ("none", "Nothing to Do")],
        required=True,
        readonly=True,
        index=True,
    )
    settled_by = fields.Many2one("res.users", readonly=True, help="Empty: it was put right by itself.")
    settled_at = fields.Datetime(readonly=True)
    summary = fields.Char(compute="_compute_summary")

    @api.depends("severity")
    def _compute_severity_order(self):
        order = list(SEVERITIES)
        for change in self:
            change.severity_order = order.index(change.severity)

    @api.depends("kind", "field_label", "field_name", "before", "after", "object_id.label", "connection_id.name")
    def _compute_summary(self):
        for change in self:
            change.summary = change._sentence()

    def _sentence(self):
        """Return what happened, where, in one sentence."""
        where = self.object_id.label or self.object_id.name
        return self._say(self.connection_id.name or _("Odoo"), where, self._difference())

    @api.model
    def _say(self, system, where, difference):
        """Return a difference in one sentence.

        :param system: name of the provider; `where`: label of the object.
        """
        values = {
            "system": system,
            "object": where,
            "field": difference.label or difference.field,
            "before": difference.before,
            "after": difference.after,
        }
        return self._sentences()[difference.kind] % values

    @api.model
    def _sentences(self):
        return {
            "object_added": _("%(system)s has a new object %(object)s."),
            "object_removed": _("%(system)s no longer has the object %(object)s, or does not let us see it."),
            "added": _("%(system)s: %(object)s has a new field %(field)s (%(after)s)."),
            "removed": _("%(system)s: the field %(field)s of %(object)s is gone, or we may no longer see it."),
            "type": _("%(system)s: %(field)s of %(object)s was %(before)s and is %(after)s now."),
            "reference": _("%(system)s: %(field)s of %(object)s linked to %(before)s and links to %(after)s now."),
            "required": _("%(system)s: %(field)s of %(object)s is mandatory now."),
            "optional": _("%(system)s: %(field)s of %(object)s is no longer mandatory."),
            "read_only": _("%(system)s: %(field)s of %(object)s cannot be written any more."),
            "writable": _("%(system)s: %(field)s of %(object)s can be written now."),
            "shorter": _("%(system)s: %(field)s of %(object)s holds %(after)s characters, not %(before)s."),
            "longer": _("%(system)s: %(field)s of %(object)s holds %(after)s characters now."),
            "choice_removed": _("%(system)s: %(field)s of %(object)s no longer has %(before)s."),
            "choice_added": _("%(system)s: %(field)s of %(object)s has new values: %(after)s."),
            "relabelled": _("%(system)s: %(before)s of %(object)s is called %(after)s now."),
        }

    def _difference(self):
        """Return the change as a value."""
        return Difference(
            self.kind, self.field_name or "", self.field_label or "", self.before or "", self.after or ""
        )

    # === Settling ===#

    def action_settle(self):
        """Say that it was looked at: flows that it stopped go on.

        :raises AccessError: for who may not change mappings.
        """
        self.env["sync.mapping"].check_access("write")
        self.filtered(lambda change: change.state == "open").sudo()._settle(self.env.user)

    def _settle(self, user=None):
        """Close changes; user None: nothing uses what changed any more."""
        self.write({"state": "done", "settled_by": user.id if user else False, "settled_at": clock.now()})
        self.hold_ids.filtered("active").action_lift()
        for flow in self.flow_ids:
            waiting = self.search_count([("flow_ids", "in", flow.ids), ("state", "=", "open")], limit=1)
            if not waiting:
                self.env["sync.schema.watch"]._close_exception(flow)

    def action_open_flows(self):
        """Open the flows that are hit."""
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_flow")
        return dict(action, domain=[("id", "in", self.flow_ids.ids)], context={})

    def action_edit_mapping(self):
        """Open the mapping of the first flow that is hit."""
        self.ensure_one()
        mapping = self.flow_ids[:1].mapping_id
        return mapping.action_open() if mapping else self.action_open_flows()

    @api.autovacuum
    def _gc_harmless(self):
        """Forget harmless changes after a year; what hit a flow is kept."""
        cutoff = fields.Datetime.subtract(clock.now(), years=1)
        old = self.search([("found_at", "<", cutoff), ("severity", "!=", WRONG), ("state", "=", "none")], limit=5000)
        old.unlink()
        return len(old), len(old) == 5000
