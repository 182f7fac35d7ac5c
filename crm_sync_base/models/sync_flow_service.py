from datetime import timedelta

from markupsafe import Markup
from odoo import _, api, fields, models
from odoo.tools import SQL

from ..lib import clock
from ..lib.service_level import AT_RISK, BREACHED, MET, NO_DATA, Attainment, worst

DAYS = 30  # that attainment looks back
HUNDRED = 100

STATES = [
    (MET, "Kept"),
    (AT_RISK, "At Risk"),  # less than a quarter of the error budget is left
    (BREACHED, "Broken"),
    (NO_DATA, "No Figures"),
]


class SyncFlowService(models.Model):
    """What a flow promises, and how well the promise has been kept lately."""

    _name = "sync.flow"
    _inherit = ["sync.flow", "sync.reminder.mixin"]

    max_latency = fields.Integer(
        string="Arrives Within (s)",
        default=0,
        tracking=True,
        help="From the moment Odoo hears of a change to the end of its job, every attempt "
        "included. 0: nothing is promised. A new value starts a new count.",
    )
    sla_since = fields.Datetime(
        string="Counted Since", readonly=True, copy=False, help="When the latency was promised."
    )
    sla_latency_target = fields.Float(string="In Time (%)", default=95.0, tracking=True)
    sla_success_target = fields.Float(
        string="Without Anybody's Help (%)",
        default=99.0,
        tracking=True,
        help="Jobs that end well, however often they tried. 0: nothing is promised.",
    )
    sla_recovery_hours = fields.Float(
        string="Exceptions Closed Within (h)", tracking=True, help="0: nothing is promised."
    )
    sla_recovery_target = fields.Float(string="Closed in Time (%)", default=90.0, tracking=True)
    sla_latency = fields.Float(
        string="Came in Time (%)", compute="_compute_attainment", digits=(16, 2)
    )
    sla_success = fields.Float(
        string="Went Well (%)", compute="_compute_attainment", digits=(16, 2)
    )
    sla_recovery = fields.Float(
        string="Were Closed in Time (%)", compute="_compute_attainment", digits=(16, 2)
    )
    sla_state = fields.Selection(
        STATES,
        string="Service Level",
        compute="_compute_attainment",
        search="_search_sla_state",
        help="Of the last 30 days, as of this moment. At risk: less than a quarter of the "
        "failures that the targets allow is left.",
    )
    sla_text = fields.Text(string="Attainment", compute="_compute_attainment")

    _sla_targets = models.Constraint(
        "CHECK (sla_latency_target > 0 AND sla_latency_target <= 100"
        " AND sla_success_target >= 0 AND sla_success_target <= 100"
        " AND sla_recovery_target > 0 AND sla_recovery_target <= 100"
        " AND COALESCE(max_latency, 0) >= 0 AND COALESCE(sla_recovery_hours, 0) >= 0)",
        "Targets are between 0 and 100 %, times are not negative.",
    )

    # === Keep the count honest ===#

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if vals.get("max_latency"):
                vals["sla_since"] = fields.Datetime.now()
        return super().create(vals_list)

    def write(self, vals):
        """A promise does not hold for the time before it was made."""
        changed = self.browse()
        if "max_latency" in vals:
            changed = self.filtered(lambda flow: flow.max_latency != (vals["max_latency"] or 0))
        result = super().write(vals)
        if changed:
            super(SyncFlowService, changed).write({"sla_since": fields.Datetime.now()})
        return result

    # === Attainment ===#

    def _compute_attainment(self):
        attainments = self._attainments()
        for flow in self:
            mine = attainments[flow.id]
            for name in ("latency", "success", "recovery"):
                flow[f"sla_{name}"] = (mine[name].percent if name in mine else None) or 0.0
            flow.sla_state = worst(mine.values())
            flow.sla_text = "\n".join(flow._attainment_text(name, one) for name, one in mine.items())

    def _attainments(self):
        """Return `{flow id: {"latency", "success", "recovery": Attainment}}` (three queries).

        What is not promised is left out.
        """
        since = clock.now() - timedelta(days=DAYS)
        success = self._count_metric(since, "m.done", "TRUE")
        latency = self._count_metric(since, "m.on_time", "m.minute >= date_trunc('minute', f.sla_since)")
        recovery = self._count_recovered(since)
        result = {}
        for flow in self:
            mine = result[flow.id] = {}
            if flow.max_latency:
                mine["latency"] = Attainment(flow.sla_latency_target, *latency.get(flow.id, (0, 0)))
            if flow.sla_success_target:
                mine["success"] = Attainment(flow.sla_success_target, *success.get(flow.id, (0, 0)))
            if flow.sla_recovery_hours:
                mine["recovery"] = Attainment(
                    flow.sla_recovery_target, *recovery.get(flow.id, (0, 0))
                )
        return result

    def _count_metric(self, since, good, condition):
        """Return `{flow id: (good ones, all)}` of the jobs that people wait for.

        Polls and the pages of a first load are nothing that anybody was promised.
        """
        self.env["sync.metric"].flush_model()
        self.flush_model(["sla_since"])
        self.env.cr.execute(
            SQL(
                """
                SELECT m.flow_id, COALESCE(sum(%(good)s), 0)::int, sum(m.done + m.failed)::int
                  FROM sync_metric m JOIN sync_flow f ON f.id = m.flow_id
                 WHERE m.flow_id = ANY(%(flows)s) AND m.kind IN ('record', 'push', 'step')
                   AND m.minute >= %(since)s AND %(condition)s
                 GROUP BY m.flow_id
                """,
                good=SQL(good),
                condition=SQL(condition),
                flows=self.ids,
                since=since,
            )
        )
        return {flow_id: (good, total) for flow_id, good, total in self.env.cr.fetchall()}

    def _count_recovered(self, since):
        """Return `{flow id: (closed in time, all whose time is over or that are closed)}`."""
        self.env["sync.exception"].flush_model()
        self.flush_model(["sla_recovery_hours"])
        self.env.cr.execute(
            """
            SELECT flow_id, count(*) FILTER (WHERE hours <= target)::int, count(*)::int
              FROM (SELECT e.flow_id, e.closed_at, f.sla_recovery_hours AS target,
                           EXTRACT(EPOCH FROM COALESCE(e.closed_at, %(now)s) - e.first_seen) / 3600 AS hours
                      FROM sync_exception e JOIN sync_flow f ON f.id = e.flow_id
                     WHERE e.flow_id = ANY(%(flows)s) AND COALESCE(e.closed_at, %(now)s) >= %(since)s
                       AND e.closed_by IS DISTINCT FROM 'moved') cards
             WHERE closed_at IS NOT NULL OR hours > target
             GROUP BY flow_id
            """,
            {"flows": self.ids, "since": since, "now": clock.now()},
        )
        return {flow_id: (good, total) for flow_id, good, total in self.env.cr.fetchall()}

    def _attainment_text(self, name, one):
        """Return one promise and what became of it, as a sentence."""
        promise = {
            "latency": _("%(target)g %% within %(time)s", target=one.target, time=_span(self.max_latency)),
            "success": _("%g %% without anybody's help", one.target),
            "recovery": _(
                "%(target)g %% of exceptions closed within %(hours)g h",
                target=one.target,
                hours=self.sla_recovery_hours,
            ),
        }[name]
        if not one.total:
            return _("%s: nothing happened yet.", promise)
        return _(
            "%(promise)s: %(percent).2f %% of %(total)s; %(left)s",
            promise=promise,
            percent=one.percent,
            total=one.total,
            left=_("%.0f %% of the error budget is left.", max(one.budget_left, 0.0))
            if one.state != BREACHED
            else _("the error budget is used up."),
        )

    @api.model
    def _search_sla_state(self, operator, value):
        if operator != "in":
            return NotImplemented
        flows = self.search([])
        return [("id", "in", flows.filtered(lambda flow: flow.sla_state in value).ids)]

    @api.model
    def _remind_of_broken_levels(self):
        """Give the owner of a flow a task, once, when it does not keep what it promises.

        The task closes by itself when the promise is kept again.
        """
        flows = self.search([("mode", "=", "live")])
        broken = flows.filtered(lambda flow: flow.sla_state == BREACHED)
        for flow in broken:
            flow._remind(
                _("%s does not keep its service level", flow.name),
                Markup("<br/>").join(flow.sla_text.split("\n")),
                fields.Date.today(),
                flow._person_for("transient"),
            )
        (flows - broken)._forget_reminder()

    def action_open_service_level(self):
        """Open the figures behind the attainment, day by day."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_metric")
        return dict(
            action,
            name=_("Service Level of %s", self.name),
            domain=[("flow_id", "=", self.id), ("kind", "in", ("record", "push", "step"))],
            context={"graph_groupbys": ["minute:day"], "graph_measure": "on_time"},
        )


def _span(seconds):
    """Return seconds as people say them."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
