from odoo import api, fields, models

KINDS = [
    ("poll", "Poll"),
    ("replay", "Replay"),
    ("reconcile", "Reconciliation"),
    ("load", "First Load"),  # a whole object, or a part of it, into Odoo
    ("dry_run", "Dry Run"),  # the same, planned only
    ("execution", "Approved Plan"),  # what a dry run planned, and nothing else
    ("undo", "Undo"),  # takes back what another run changed
]


class SyncRun(models.Model):
    """One bounded pass: a poll, a first load, a dry run, a replay, a reconciliation."""

    _name = "sync.run"
    _description = "Run"
    _order = "id desc"

    name = fields.Char(required=True)
    kind = fields.Selection(KINDS, default="poll", required=True, index=True)
    state = fields.Selection(
        [("running", "Running"), ("done", "Done"), ("failed", "Failed"), ("cancelled", "Cancelled")],
        default="running",
        required=True,
        index=True,
    )
    flow_id = fields.Many2one("sync.flow", ondelete="cascade", index=True)
    connection_id = fields.Many2one("sync.connection", ondelete="cascade", index=True)
    company_id = fields.Many2one("res.company", index=True)
    cursor_start = fields.Char(readonly=True)
    cursor = fields.Char(readonly=True)
    seen_count = fields.Integer(string="Seen", readonly=True)
    new_count = fields.Integer(string="Enqueued", readonly=True)
    known_count = fields.Integer(string="Known", readonly=True)
    started_at = fields.Datetime(default=fields.Datetime.now, readonly=True)
    done_at = fields.Datetime(readonly=True)
    duration = fields.Float(string="Seconds", compute="_compute_duration")
    message = fields.Char(readonly=True)

    @api.depends("started_at", "done_at")
    def _compute_duration(self):
        for run in self:
            end = run.done_at or fields.Datetime.now()
            run.duration = (end - run.started_at).total_seconds() if run.started_at else 0.0

    def action_cancel(self):
        """Stop after the page that is under way; what was applied stays."""
        self.filtered(lambda run: run.state == "running").write(
            {"state": "cancelled", "done_at": fields.Datetime.now()}
        )

    def action_open_jobs(self):
        """Open the jobs that this run led to."""
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_job")
        return dict(action, domain=[("run_id", "in", self.ids)])

    def action_open_changes(self):
        """Open what this run changed, or would change."""
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_change")
        return dict(action, domain=[("run_id", "in", self.ids)])
