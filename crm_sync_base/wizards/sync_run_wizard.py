import re
from ast import literal_eval

from odoo import _, api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..lib.scope import ScopeError, parse_scope
from ..models.sync_run_pass import MANAGER


class SyncRunWizard(models.TransientModel):
    """Starts a first load or a dry run: of what, which part of it, and for real or not.

    A flow that writes to the other system sends Odoo's records in the same way.
    """

    _name = "sync.run.wizard"
    _description = "Start a Run"

    flow_ids = fields.Many2many(
        "sync.flow", string="Flows", required=True,
        domain="[('connection_id.state', '=', 'connected')]",
    )
    loads = fields.Boolean(compute="_compute_direction", help="Some of the flows bring records into Odoo.")
    sends = fields.Boolean(compute="_compute_direction", help="Some of the flows write to another system.")
    model = fields.Char(compute="_compute_direction", help="Of the records that are sent.")
    one_flow = fields.Boolean(compute="_compute_facts")
    part = fields.Selection(
        [
            ("all", "All records"),
            ("scope", "Records that meet a condition"),
            ("ids", "Some records, by their ids"),
        ],
        string="Records", default="all", required=True,
    )
    remote_scope = fields.Char(
        string="Condition", help="E.g. [('BillingCountry', '=', 'Germany')]; besides the flow's own condition."
    )
    odoo_scope = fields.Char(string="Odoo Condition", default="[]", help="Besides the flow's own condition.")
    external_ids = fields.Text(
        string="Ids",
        help="Of the other system, or of Odoo for records that are sent; one a line, or separated by commas or spaces.",
    )
    mode = fields.Selection(
        [("dry_run", "Dry run: plan everything, write nothing"), ("load", "For real: write it")],
        string="What to Do", default="dry_run", required=True,
    )
    may_load = fields.Boolean(compute="_compute_facts")
    obstacle = fields.Text(compute="_compute_facts", help="Why it cannot start.")
    scope_note = fields.Char(compute="_compute_scope_note", help="Who looks at the condition.")
    waits_reason = fields.Char(compute="_compute_facts")
    will_switch = fields.Char(compute="_compute_facts", help="Flows that are switched on to plan.")

    @api.model
    def default_get(self, names):
        """Take over the flows that were selected."""
        result = super().default_get(names)
        if self.env.context.get("active_model") == "sync.flow":
            result["flow_ids"] = [fields.Command.set(self.env.context.get("active_ids") or [])]
        return result

    @api.depends("flow_ids")
    def _compute_direction(self):
        for wizard in self:
            sending = wizard.flow_ids.filtered(lambda flow: flow.direction == "outbound")
            wizard.sends = bool(sending)
            wizard.loads = bool(wizard.flow_ids - sending)
            wizard.model = sending.model if len(sending) == 1 else False

    @api.depends("flow_ids", "part", "remote_scope")
    def _compute_scope_note(self):
        """Say whether the other system is asked for the records, or all of them are read."""
        for wizard in self:
            wizard.scope_note = wizard._scope_note() if wizard.part == "scope" and wizard.loads else False

    def _scope_note(self):
        try:
            conditions = parse_scope(self.remote_scope or "")
        except ScopeError:
            return False
        refused = [
            path for path, operator, value in conditions
            if not all(
                flow._connector()._can_ask(flow.remote_object, path, operator, value) for flow in self.flow_ids._origin
            )
        ]  # fmt: skip
        if not refused:
            return bool(conditions) and _("Only records that meet the condition are read.")
        if len(refused) == len(conditions):
            return _("All records are read, and filtered here: the other system cannot be asked for this condition.")
        return self.env._(
            "The other system cannot be asked for %s: what meets the rest is read, and filtered here.",
            ", ".join(refused),
        )

    @api.depends("flow_ids", "mode", "part")
    def _compute_facts(self):
        manager = self.env.user.has_group(MANAGER)
        for wizard in self:
            flows = wizard.flow_ids._origin
            off = flows.filtered(lambda flow: flow.mode == "off")
            paused = flows.filtered(lambda flow: flow.paused or flow.connection_id.state != "connected")
            wizard.one_flow = len(flows) <= 1
            wizard.may_load = manager
            wizard.obstacle = "\n".join(wizard._obstacles(flows, manager)) or False
            wizard.will_switch = ", ".join(off.mapped("name")) if manager and wizard.mode == "dry_run" else False
            wizard.waits_reason = (
                _("Paused or not connected, so the run waits: %s", ", ".join(paused.mapped("name")))
                if paused else False
            )  # fmt: skip

    def _obstacles(self, flows, manager):
        """Yield what must be done before these flows can run."""
        Run = self.env["sync.run"]
        for flow in flows:
            if flow.mode == "off" and self.mode == "dry_run" and manager:
                continue
            try:
                Run._check_may_start(flow, self.mode == "dry_run")
            except UserError as error:
                yield str(error)
        if self.part != "ids":
            for flow in flows.filtered(lambda flow: flow.direction == "inbound" and not flow._remote().can_poll):
                yield _("%s cannot be listed at the provider: name the records by their ids.", flow._remote().label)

    def action_start(self):
        """Start one run for each flow and show them.

        :raises ValidationError: for a condition or a list of ids that cannot be read.
        """
        self.ensure_one()
        scopes = self._checked_scopes()
        ids = self._checked_ids()
        if self.mode == "dry_run":
            # Whoever may not switch flows is refused here, by Odoo.
            self.flow_ids.filtered(lambda flow: flow.mode == "off").action_dry_run()
        Run = self.env["sync.run"]
        runs = Run.browse()
        for flow in self.flow_ids.sorted(lambda flow: (flow.sequence, flow.id)):
            dry_run = self.mode == "dry_run"
            normalize = flow._remote().normalize_id if flow.direction == "inbound" else int
            runs += Run._start_pass(flow, dry_run=dry_run, external_ids=[normalize(one) for one in ids], **scopes)
        if len(runs) == 1:
            return runs._action_form()
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_run")
        return dict(action, domain=[("id", "in", runs.ids)], context={})

    def _checked_scopes(self):
        """Return the condition as `_start_pass` takes it."""
        if self.part != "scope":
            return {}
        if self.loads and self.sends:
            raise ValidationError(_("Conditions on Odoo's records and on those of the other system differ: "
                                    "choose flows of one direction."))
        return {"odoo_scope": self._checked_odoo_scope()} if self.sends else {"remote_scope": self._checked_scope()}

    def _checked_odoo_scope(self):
        try:
            domain = literal_eval(self.odoo_scope or "[]")
            for flow in self.flow_ids:
                self.env[flow.model]._search(domain)
        except (ValueError, SyntaxError, TypeError, KeyError) as error:
            raise ValidationError(_("The condition cannot be read: %s", error)) from None
        if not domain:
            raise ValidationError(_("State the condition, or choose all records."))
        return self.odoo_scope

    def _checked_scope(self):
        try:
            conditions = parse_scope(self.remote_scope or "")
        except ScopeError as error:
            raise ValidationError(_("The condition cannot be read: %s", error)) from None
        if not conditions:
            raise ValidationError(_("State the condition, or choose all records."))
        return self.remote_scope

    def _checked_ids(self):
        if self.part != "ids":
            return []
        if len(self.flow_ids) > 1:
            raise ValidationError(_("Ids belong to one object: choose one flow."))
        ids = [one for one in re.split(r"[\s,;]+", self.external_ids or "") if one]
        if not ids:
            raise ValidationError(_("Name at least one record by its id at the other system."))
        if self.sends and not all(one.isascii() and one.isdigit() for one in ids):
            raise ValidationError(_("Records that are sent are named by their ids in Odoo, which are numbers."))
        return ids
