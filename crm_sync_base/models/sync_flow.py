from ast import literal_eval
from datetime import datetime, timedelta

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from ..lib import clock
from ..lib.declarations import FlowFacts
from ..lib.priorities import POLL
from ..lib.retry import RetryPolicy
from ..lib.scope import ScopeError, parse_scope

OUTBOX_FLOWS = "crm_sync_outbox_flows"

RUN_SCOPE = "sync_run_scope"  # key of the context: the condition of the run that is being listed
#: what decides whether and how often a flow looks for changes
POLL_FIELDS = {"active", "mode", "paused", "poll", "poll_interval"}


class SyncFlow(models.Model):
    """One integration flow: the row of the integration catalogue."""

    _name = "sync.flow"
    _description = "Flow"
    _inherit = ["mail.thread"]
    _order = "sequence, name, id"
    _check_company_auto = True

    # === What ===#
    name = fields.Char(required=True, translate=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    code = fields.Char(help="Stable key, unique in the connection; shipped flows are found by it.")
    # Its company is the connection's: checked against that, a new flow would find no connection.
    connection_id = fields.Many2one("sync.connection", required=True, ondelete="cascade", index=True)
    provider = fields.Selection(related="connection_id.provider", store=True)
    company_id = fields.Many2one(related="connection_id.company_id", store=True, index=True)
    direction = fields.Selection(
        [("inbound", "Into Odoo"), ("outbound", "Out of Odoo")], default="inbound", required=True
    )
    remote_object = fields.Char(required=True, help="The provider's API name of the object.")
    model_id = fields.Many2one("ir.model", string="Odoo Model", required=True, ondelete="cascade")
    model = fields.Char(related="model_id.model", store=True, index=True)
    handler = fields.Selection(
        [("inbound", "Mapped record, inbound"), ("outbound", "Mapped record, outbound")],
        required=True,
        default="inbound",
        help="How the records of this flow are processed.",
    )

    # === When ===#
    mode = fields.Selection(
        [("off", "Off"), ("dry_run", "Dry Run"), ("live", "Live")],
        default="off",
        required=True,
        tracking=True,
        index=True,
        help="Dry run plans and stores every difference but applies nothing.",
    )
    paused = fields.Boolean(tracking=True, help="Jobs wait until the flow is resumed.")
    poll = fields.Boolean(default=True, help="Look for changes at intervals, besides webhooks.")
    poll_interval = fields.Integer(string="Poll Every (minutes)", default=5)
    poll_cursor = fields.Char(readonly=True, copy=False)
    last_poll_at = fields.Datetime(readonly=True, copy=False)
    watch_gaps = fields.Boolean(
        string="Watch for Missed Webhooks",
        default=True,
        help="Changes that looking for changes finds, although webhooks normally bring them, are "
        "marked as gaps. Switch it off where webhooks cover only some of the object's fields.",
    )
    create_policy = fields.Selection(
        [
            ("always", "Create missing records"),
            ("on_demand", "Create only when another record needs it"),
            ("never", "Only update known records"),
        ],
        default="always",
        required=True,
    )
    remote_scope = fields.Char(
        string="Remote Condition",
        help="Only documents for which all of this is true, e.g. [('IsWon', '=', True)]. "
        "Others are left alone.",
    )
    domain = fields.Char(
        string="Odoo Condition", default="[]", help="Outbound: only records in this domain."
    )
    watched_fields = fields.Char(
        help="Outbound: changes of these fields start the flow, separated by commas. "
        "Empty: the fields of its mapping."
    )

    # === Who ===#
    owner_id = fields.Many2one("res.users", string="Business Owner")
    technical_owner_id = fields.Many2one("res.users")
    criticality = fields.Selection(
        [("0", "Low"), ("1", "Normal"), ("2", "High"), ("3", "Vital")], default="1"
    )
    runbook_url = fields.Char(string="Runbook")
    note = fields.Html(string="Description")

    # === How ===#
    priority = fields.Integer(default=20, help="Of its jobs; smaller numbers run first.")
    batch_size = fields.Integer(default=100, help="Jobs that are claimed and processed together.")
    page_size = fields.Integer(default=500, help="Records in one page job of a large poll.")
    max_attempts = fields.Integer(default=8)
    base_wait = fields.Float(string="First Wait (s)", default=5.0)
    max_wait = fields.Float(string="Longest Wait (s)", default=3600.0)
    crash_wait = fields.Float(
        string="Wait after a Worker's Death (s)", default=10.0,
        help="The longest wait of a job whose worker died; after the second death four times as long, so that "
             "servers which die in a row do not take the same jobs with them each time.",
    )
    is_document = fields.Boolean(
        string="Continues the Trace",
        help="Later changes of a record belong to the story in which it was created.",
    )
    step_ids = fields.One2many("sync.flow.step", "flow_id", string="Follow-up Steps", copy=True)
    mapping_ids = fields.One2many("sync.mapping", "flow_id", string="Mapping Versions")
    mapping_id = fields.Many2one("sync.mapping", compute="_compute_mapping_id")

    # === Counters ===#
    job_pending_count = fields.Integer(compute="_compute_job_counts")
    job_running_count = fields.Integer(string="Still Running", compute="_compute_job_counts")
    job_failed_count = fields.Integer(compute="_compute_job_counts")
    binding_count = fields.Integer(compute="_compute_binding_count")

    _code_unique = models.UniqueIndex(
        "(connection_id, code) WHERE code IS NOT NULL", "The code of a flow is unique."
    )
    _batch_positive = models.Constraint(
        "CHECK (batch_size > 0 AND page_size > 0 AND max_attempts > 0 AND poll_interval > 0)",
        "Sizes, attempts and intervals must be positive.",
    )
    _waits_not_negative = models.Constraint(
        "CHECK (base_wait >= 0 AND max_wait >= 0 AND crash_wait >= 0)", "A wait cannot be shorter than nothing.",
    )

    # === Computes ===#

    @api.depends("mapping_ids.state")
    def _compute_mapping_id(self):
        for flow in self:
            flow.mapping_id = flow.mapping_ids.filtered(lambda m: m.state == "active")[:1]

    def _compute_job_counts(self):
        counts = {
            (flow.id, state): count
            for flow, state, count in self.env["sync.job"]._read_group(
                [
                    ("flow_id", "in", self.ids),
                    ("state", "in", ("pending", "running", "failed")),
                    "|",
                    ("kind", "!=", "poll"),
                    ("state", "!=", "pending"),
                ],
                ["flow_id", "state"],
                ["__count"],
            )
        }
        for flow in self:
            flow.job_running_count = counts.get((flow.id, "running"), 0)
            flow.job_pending_count = counts.get((flow.id, "pending"), 0) + flow.job_running_count
            flow.job_failed_count = counts.get((flow.id, "failed"), 0)

    def _compute_binding_count(self):
        for flow in self:
            flow.binding_count = self.env["sync.binding"].search_count(
                [
                    ("connection_id", "=", flow.connection_id.id),
                    ("remote_object", "=", flow.remote_object),
                    ("model", "=", flow.model),
                ]
            )

    @api.onchange("direction")
    def _onchange_direction(self):
        """Mapped records are processed by the handler of their direction."""
        if self.handler in ("inbound", "outbound"):
            self.handler = self.direction

    # === Constraints ===#

    @api.constrains("domain", "remote_scope")
    def _check_conditions(self):
        for flow in self:
            try:
                flow._odoo_domain()
                flow._remote_conditions()
            except (ValueError, SyntaxError, ScopeError) as error:
                raise ValidationError(
                    _("The condition of %(flow)s cannot be read: %(error)s", flow=flow.name, error=error)
                ) from None

    # === CRUD: the hook on business models follows the live outbound flows ===#

    @api.model_create_multi
    def create(self, vals_list):
        flows = super().create(vals_list)
        self._outbox_changed()
        if any(flow.mode != "off" for flow in flows):
            self._ensure_polls()
        return flows

    def write(self, vals):
        result = super().write(vals)
        if self._outbox_fields() & vals.keys():
            self._outbox_changed()
        if POLL_FIELDS & vals.keys():
            self._ensure_polls()
            self.env["sync.lane"]._wake()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_if_nothing_was_changed(self):
        self.env["sync.change"]._release("flow_id", self)

    def unlink(self):
        result = super().unlink()
        self._outbox_changed()
        return result

    @api.model
    def _outbox_fields(self):
        """Return the fields on which `_outbox` depends."""
        return {
            "active",
            "mode",
            "direction",
            "model_id",
            "domain",
            "watched_fields",
            "connection_id",
            "priority",
        }

    # === Engine ===#

    def _handler(self, kind):
        """Return the handler model for a kind of job."""
        own = kind in ("poll", "load", "undo", "step")
        return self.env[f"sync.handler.{kind if own else self.handler}"]

    def _planning_mapping(self):
        """Return the mapping version to plan with: the active one.

        Previews and dry runs plan with another version of this flow, which the context
        names (`sync_mapping_id`). What was planned so is never applied: see
        `sync.handler._assert_active_mapping`.
        """
        self.ensure_one()
        wanted = self.env.context.get("sync_mapping_id")
        if wanted:
            mapping = self.env["sync.mapping"].browse(wanted)
            if mapping in self.mapping_ids:
                return mapping
        return self.mapping_id

    def _connector(self):
        """Return the connector model of this flow's provider."""
        return self.connection_id._connector()

    def _remote(self):
        """Return the declaration of the remote object."""
        return self._connector()._object(self.remote_object)

    def _retry_policy(self):
        """Return the retry policy as a value."""
        return RetryPolicy(self.max_attempts, self.base_wait, self.max_wait, self.crash_wait)

    def _odoo_domain(self):
        return literal_eval(self.domain or "[]")

    def _sendable(self, records):
        """Return those of the records that this outbound flow is about."""
        return records.filtered_domain(self._odoo_domain()).filtered(
            lambda record: "company_id" not in record._fields
            or not record.company_id
            or record.company_id == self.company_id
        )

    def _remote_conditions(self):
        """Return the conditions of the flow, and of the run that the context names."""
        return parse_scope(self.remote_scope or "") + parse_scope(self.env.context.get(RUN_SCOPE) or "")

    def _may_create(self, needed=False):
        """Return whether a missing record may be created, `needed` by another one or not."""
        return self.create_policy == "always" or (needed and self.create_policy == "on_demand")

    def _is_runnable(self):
        return self.mode != "off" and not self.paused

    # === Polling ===#

    def _polled(self):
        """Return the flows of these that look for changes at intervals."""
        return self.filtered(
            lambda flow: flow.active and flow.poll and flow.direction == "inbound"
            and flow._is_runnable() and flow._remote().can_poll
        )

    @api.model
    def _ensure_polls(self):
        """Give each flow that polls, and has no poll waiting or running, its next one."""
        flows = self.search([("poll", "=", True), ("connection_id.state", "=", "connected")])
        known = self.env["sync.job"]._read_group(
            [("kind", "=", "poll"), ("state", "in", ("pending", "running"))], ["flow_id"]
        )
        for flow in (flows - self.browse([flow.id for [flow] in known]))._polled():
            flow._enqueue_poll(flow._next_poll_at(flow.last_poll_at))

    def _schedule_poll(self):
        """Look again when the interval is over: each poll enqueues the one after it."""
        for flow in self._polled():
            flow._enqueue_poll(flow._next_poll_at(clock.now()))

    def _next_poll_at(self, previous):
        return (previous or datetime.min) + timedelta(minutes=self.poll_interval)

    def _enqueue_poll(self, eta=None):
        """Enqueue one poll job for each inbound flow that can be polled.

        :param eta: not before this moment; by default now.
        """
        flows = self.filtered(
            lambda flow: flow.direction == "inbound"
            and flow._is_runnable()
            and flow._remote().can_poll
        )
        self.env["sync.job"]._enqueue(
            [
                {
                    "flow": flow,
                    "kind": "poll",
                    "idempotency_key": f"poll:{flow.id}",
                    "lane_key": f"poll:{flow.id}",
                    "priority": POLL,
                    "eta": max(eta, clock.now()) if eta else None,
                    "name": self.env._("Look for changes of %s", flow._remote().label),
                }
                for flow in flows
            ]
        )

    # === Actions ===#

    def action_poll_now(self):
        """Look for changes of this flow right away, and say so.

        :raises AccessError: for who may not work on jobs.
        """
        self.env["sync.job"].check_access("create")
        self._enqueue_poll()
        self.env["sync.lane"]._wake()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "info",
                "message": _("Changes are being looked for. What is found appears in Ledgers → Changes."),
            },
        }

    def action_send_all(self):
        """Outbound: send every record in the flow's condition that is not equal already.

        :return: the action that shows the run.
        :raises AccessError: for everybody below integration managers.
        :raises UserError: when the flow cannot do it now.
        """
        self.ensure_one()
        return self.env["sync.run"]._start_pass(self, dry_run=False)._action_form()

    def action_go_live(self):
        """Apply what arrives from now on.

        :raises ValidationError: when the flow has no active mapping.
        """
        for flow in self:
            if not flow.mapping_id and flow._needs_mapping():
                raise ValidationError(
                    _("%s has no active mapping. Activate a mapping version first.", flow.name)
                )
        self.mode = "live"

    def _needs_mapping(self):
        """Return whether the handler works from a mapping."""
        return self.handler in ("inbound", "outbound")

    def action_dry_run(self):
        """Plan what arrives from now on, apply nothing."""
        self.mode = "dry_run"

    def action_switch_off(self):
        """Ignore what arrives from now on."""
        self.mode = "off"

    def action_pause(self):
        """Hold the jobs of these flows back; nothing is lost."""
        self.paused = True

    def action_resume(self):
        """Let the jobs of these flows run again."""
        self.paused = False

    def action_edit_mapping(self):
        """Open the mapping version in preparation; without one, begin the next (or the first)."""
        self.ensure_one()
        prepared = self.mapping_ids.filtered(lambda mapping: mapping.state in ("draft", "review"))[:1]
        if prepared:
            return prepared.action_open()
        if self.mapping_id:
            return self.mapping_id.action_new_version()
        return self.env["sync.mapping"].create({"flow_id": self.id}).action_open()

    def action_open_jobs(self):
        """Open the jobs of this flow."""
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_job")
        action["domain"] = [("flow_id", "in", self.ids)]
        return action

    def action_open_runs(self):
        """Open the loads, dry runs, approved plans and undos of this flow, and its polls."""
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_run")
        return dict(action, domain=[("flow_id", "in", self.ids)], context={})

    def action_open_failed_jobs(self):
        """Open the jobs of this flow that wait for a person."""
        return dict(self.action_open_jobs(), context={"search_default_failed": 1})

    def action_open_bindings(self):
        """Open the bindings that this flow keeps."""
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_binding")
        action["domain"] = [
            ("connection_id", "in", self.connection_id.ids),
            ("remote_object", "in", self.mapped("remote_object")),
            ("model", "in", self.mapped("model")),
        ]
        return action

    # === Look-ups of the engine ===#

    @api.model
    def _for_object(self, connection, remote_object):
        """Return the inbound flows that are switched on for a remote object.

        Not cached between transactions, see `_outbox`.
        """
        return self.sudo().search(
            [
                ("connection_id", "=", connection.id),
                ("remote_object", "=", remote_object),
                ("direction", "=", "inbound"),
                ("mode", "!=", "off"),
            ]
        )

    @api.model
    def _facts_for_object(self, connection, remote_object):
        """Return the `FlowFacts` of the flows that `_for_object` finds, in a cheap query."""
        self.flush_model()
        self.env.cr.execute(
            """
            SELECT id, connection_id, company_id, priority, is_document,
                   CASE WHEN timing = 'batch' THEN batch_interval ELSE 0 END
              FROM sync_flow
             WHERE connection_id = %s AND remote_object = %s AND direction = 'inbound'
               AND mode <> 'off' AND active
             ORDER BY sequence, id
            """,
            [connection.id, remote_object],
        )
        return [FlowFacts(*row) for row in self.env.cr.fetchall()]

    def _facts(self):
        """Return what enqueueing must know of this flow."""
        return FlowFacts(
            self.id,
            self.connection_id.id,
            self.company_id.id,
            self.priority,
            self.is_document,
            self.batch_interval if self.timing == "batch" else 0,
        )

    @api.model
    def _outbox(self):
        """Return `{model: ((flow id, watched field names), …)}` of live outbound flows.

        Read once in each transaction that writes. A cache of the process would be
        wrong for as long as it lives when another thread fills it between the
        moment a flow goes live and its commit, and changes would be missed for good.
        """
        data = self.env.cr.precommit.data
        if OUTBOX_FLOWS not in data:
            self.env.cr.execute(self._SQL_OUTBOX)
            result = {}
            for flow_id, model, watched, mapped in self.env.cr.fetchall():
                names = [name.strip() for name in watched.split(",")] if watched else mapped
                result.setdefault(model, []).append((flow_id, frozenset(filter(None, names))))
            data[OUTBOX_FLOWS] = result
        return data[OUTBOX_FLOWS]

    # What starts each outbound flow: its own list, or the fields of its mapping.
    _SQL_OUTBOX = """
        SELECT f.id, f.model, f.watched_fields, array_agg(split_part(r.field_name, '.', 1))
          FROM sync_flow f
          LEFT JOIN sync_mapping m ON m.flow_id = f.id AND m.state = 'active'
          LEFT JOIN sync_mapping_rule r
                 ON r.mapping_id = m.id AND r.parent_id IS NULL AND r.direction IN ('outbound', 'both')
         WHERE f.active AND f.direction = 'outbound' AND f.mode <> 'off'
         GROUP BY f.id
    """

    @api.model
    def _outbox_changed(self):
        """Let this transaction read the live outbound flows anew."""
        self.env["sync.flow"].flush_model()
        self.env["sync.mapping"].flush_model()
        self.env["sync.mapping.rule"].flush_model()
        self.env.cr.precommit.data.pop(OUTBOX_FLOWS, None)

    @api.model
    def _mapped_paths(self, connection, remote_object):
        """Return the remote paths that active mappings and conditions of an object read, arguments included.

        Whoever looks at a draft (`sync_mapping_id` or `sync_read_paths` in the context)
        needs its paths, too.
        """
        flows = self._for_object(connection, remote_object)
        mappings = flows.mapping_id
        asked = {path for flow in flows for path, _operator, _value in flow._remote_conditions()}
        draft = self.env["sync.mapping"].sudo().browse(self.env.context.get("sync_mapping_id") or ())
        if draft.flow_id.connection_id == connection and draft.flow_id.remote_object == remote_object:
            mappings |= draft
        return mappings.rule_ids._remote_paths().union(asked, self.env.context.get("sync_read_paths", ()))
