from odoo import _, api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain

MAX_JOBS = 200_000  # in one run; a longer period is replayed in parts
ENDED = Domain("state", "in", ("done", "failed")) & Domain("kind", "!=", "poll")
NOTHING = Domain.FALSE


class SyncReplayWizard(models.TransientModel):
    """Says what would be replayed, and from what, before it starts."""

    _name = "sync.replay.wizard"
    _inherit = "sync.selection.mixin"
    _description = "Replay"

    scope = fields.Selection(
        [
            ("selection", "The selected jobs"),
            ("filter", "Everything that the filter shows"),
            ("period", "Everything of a period"),
        ],
        default="period",
        required=True,
    )
    connection_id = fields.Many2one("sync.connection", ondelete="cascade")
    flow_ids = fields.Many2many(
        "sync.flow", string="Flows", help="Empty: all flows of the connection.",
        domain="[('connection_id', '=?', connection_id)]",
    )
    date_from = fields.Datetime(
        string="Ended From",
        default=lambda self: fields.Datetime.subtract(fields.Datetime.now(), hours=1),
    )
    date_to = fields.Datetime(string="Until", default=fields.Datetime.now)
    with_failed = fields.Boolean(string="Failed", default=True)
    with_done = fields.Boolean(string="Done", default=False)
    source = fields.Selection(
        [
            ("current", "The current state at the other system"),
            ("stored", "The documents as they were fetched then"),
        ],
        string="Work From",
        default="current",
        required=True,
    )
    job_count = fields.Integer(compute="_compute_counts")
    document_count = fields.Integer(compute="_compute_counts")
    without_count = fields.Integer(compute="_compute_counts")
    left_out_count = fields.Integer(compute="_compute_counts")
    obstacles = fields.Text(compute="_compute_counts")

    # === What it is about ===#

    def _asked(self):
        """Return the domain of what was pointed at, whether it can be replayed or not."""
        if self.scope != "period":
            return self._pointed_at()
        states = [state for state in ("done", "failed") if self[f"with_{state}"]]
        if not (self.date_from and self.date_to and states):
            return NOTHING
        domain = Domain("done_at", ">=", self.date_from) & Domain("done_at", "<=", self.date_to)
        domain &= Domain("state", "in", states) & Domain("kind", "!=", "poll")
        if self.flow_ids:
            return domain & Domain("flow_id", "in", self.flow_ids.ids)
        if self.connection_id:
            domain &= Domain("connection_id", "=", self.connection_id.id)
        return domain

    @api.depends(
        "scope", "connection_id", "flow_ids", "date_from", "date_to", "with_failed", "with_done", "source"
    )
    def _compute_counts(self):
        Job = self.env["sync.job"]
        for wizard in self:
            asked = wizard._asked()
            count = Job.search_count(asked & ENDED)
            stored = Job.search_count(asked & ENDED & Domain("has_document", "=", True))
            wizard.job_count = count
            wizard.document_count = stored
            wizard.without_count = count - stored
            wizard.left_out_count = Job.search_count(asked) - count
            wizard.obstacles = "\n".join(Job._obstacles(asked & ENDED))

    # === Open ===#

    @api.model
    def _action_for_selection(self):
        """Return the action that asks about the list's selection, or its whole filter.

        :raises AccessError: for who may not work on jobs.
        """
        self.env["sync.job"].check_access("write")
        return self._of_list()._action(_("Replay"))

    # === Start ===#

    def action_start(self):
        """Start the replay and show it.

        :raises UserError: when there is nothing to replay, or too much at once.
        """
        self.ensure_one()
        jobs = self.env["sync.job"].search(self._asked() & ENDED, order="id", limit=MAX_JOBS + 1)
        if not jobs:
            raise UserError(_("There is nothing to replay: no job of these has ended."))
        if len(jobs) > MAX_JOBS:
            raise UserError(_("More than %s jobs: replay them in parts.", MAX_JOBS))
        run = self.env["sync.run"]._start_replay(jobs, self.source, self._run_name(jobs))
        return {
            "type": "ir.actions.act_window",
            "res_model": "sync.run",
            "res_id": run.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    def _run_name(self, jobs):
        if self.scope != "period":
            return _("Replay of one job") if len(jobs) == 1 else _("Replay of %s jobs", len(jobs))
        start, end = (
            fields.Datetime.context_timestamp(self, moment).strftime("%Y-%m-%d %H:%M")
            for moment in (self.date_from, self.date_to)
        )
        return _("Replay: %(start)s to %(end)s", start=start, end=end)
