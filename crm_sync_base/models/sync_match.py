from odoo import _, api, fields, models
from odoo.tools import format_date

from ..lib.masking import MASK, is_sensitive

STATES = [
    ("open", "To Decide"),
    ("bind", "Same Record"),  # it is `res_id`, and is bound to it
    ("create", "New Record"),  # it is none of the candidates
    ("skip", "Left Out"),  # it shall not come into Odoo
]


class SyncMatch(models.Model):
    """The review list of matching: one row for each remote record whose record was looked for.

    What is open waits for a person. What was decided, by a person or by a score that left
    no doubt, stays as the reason why a remote record is bound to this Odoo record, and is
    obeyed when the remote record comes again.
    """

    _name = "sync.match"
    _inherit = ["sync.story.mixin"]
    _description = "Match"
    _order = "best_score desc, id desc"

    name = fields.Char(string="Remote Record", readonly=True)
    state = fields.Selection(STATES, default="open", required=True, readonly=True, index=True)
    flow_id = fields.Many2one("sync.flow", required=True, readonly=True, ondelete="cascade", index=True)
    connection_id = fields.Many2one("sync.connection", readonly=True, ondelete="cascade", index=True)
    company_id = fields.Many2one("res.company", readonly=True, index=True)
    remote_object = fields.Char(required=True, readonly=True)
    external_id = fields.Char(required=True, readonly=True)
    correlation_id = fields.Char(readonly=True, index=True)
    model = fields.Char(required=True, readonly=True)
    res_id = fields.Many2oneReference(string="Odoo Record", model_field="model", readonly=True)
    record_name = fields.Char(compute="_compute_record_name")
    best_score = fields.Integer(string="Score (%)", readonly=True, aggregator="avg")
    candidate_ids = fields.One2many("sync.match.candidate", "match_id", string="Candidates", readonly=True)
    candidate_count = fields.Integer(string="Candidates Found", readonly=True)
    why = fields.Char(string="Because Of", compute="_compute_why")
    facts = fields.Json(
        readonly=True, groups="base.group_system", help="{field: value} of what was compared, as the source says it."
    )
    facts_text = fields.Text(string="At the Source", compute="_compute_facts_text")
    job_ids = fields.Many2many(
        "sync.job", "sync_match_job_rel", "match_id", "job_id", string="Jobs that Wait", readonly=True
    )
    job_count = fields.Integer(compute="_compute_job_count")
    automatic = fields.Boolean(readonly=True, help="Decided by its score, without a person.")
    decided_by_id = fields.Many2one("res.users", readonly=True, ondelete="restrict")
    decided_at = fields.Datetime(readonly=True)
    created_at = fields.Datetime(string="Found", readonly=True, default=fields.Datetime.now)
    can_merge = fields.Boolean(compute="_compute_can_merge")
    record_is_bound = fields.Boolean(compute="_compute_record_is_bound", help="The remote record is bound by now.")

    _document_unique = models.UniqueIndex(
        "(flow_id, external_id)", "There is one decision for each remote record and flow."
    )
    _record = models.Index("(model, res_id)")
    _decision_complete = models.Constraint(
        "CHECK (state = 'open' OR (decided_at IS NOT NULL AND (automatic OR decided_by_id IS NOT NULL) "
        "AND (state <> 'bind' OR res_id IS NOT NULL)))",
        "A decision says who made it and when, and which record it is.",
    )

    # === Computes ===#

    @api.depends("model", "res_id")
    @api.depends_context("uid", "allowed_company_ids")
    def _compute_record_name(self):
        """Records that were deleted, or that the reader may not see, have no name here."""
        names = self._names({(match.model, match.res_id) for match in self if match.res_id})
        for match in self:
            match.record_name = names.get((match.model, match.res_id), "")

    @api.model
    def _names(self, targets):
        """Return `{(model, id): name}` of the records that the reader may see, one query a model."""
        by_model = {}
        for model, res_id in targets:
            by_model.setdefault(model, []).append(res_id)
        names = {}
        for model, ids in by_model.items():
            if model in self.env and self.env[model].has_access("read"):
                records = self.env[model].with_context(active_test=False).browse(ids).exists()
                names.update({(model, one.id): one.display_name for one in records._filtered_access("read")})
        return names

    @api.depends("candidate_ids.why")
    def _compute_why(self):
        for match in self:
            match.why = match.candidate_ids[:1].why

    @api.depends("facts", "model")
    @api.depends_context("uid", "lang")
    def _compute_facts_text(self):
        """Personal data is shown to who may read such records in Odoo."""
        for match in self:
            model = self.env.get(match.model)
            masked = model is None or not model.has_access("read")
            rows = [
                (self._field_label(model, name), MASK if masked and is_sensitive(name) else value)
                for name, value in (match.sudo().facts or {}).items()
            ]
            match.facts_text = "\n".join(f"{label}: {value}" for label, value in rows)

    def _field_label(self, model, name):
        field = model._fields.get(name) if model is not None else None
        return field._description_string(self.env) if field else name

    @api.depends("job_ids.state")
    def _compute_job_count(self):
        for match in self:
            match.job_count = len(match.job_ids.filtered(lambda job: job.state == "failed"))

    @api.depends("model", "candidate_ids.taken_by", "state")
    def _compute_can_merge(self):
        for match in self:
            free = match.candidate_ids.filtered(lambda one: not one.taken_by)
            several = match.state == "open" and len(free) > 1 and match.model in self.env
            match.can_merge = several and self.env[match.model]._sync_can_merge()

    def _compute_record_is_bound(self):
        for connection, matches in self.grouped("connection_id").items():
            for name, mine in matches.grouped("remote_object").items():
                bound = self.env["sync.binding"].sudo()._lookup(connection, name, mine.mapped("external_id"))
                for match in mine:
                    match.record_is_bound = match.external_id in bound

    def _decided_by(self):
        """Return who or what decided, and when, in words."""
        self.ensure_one()
        return _(
            "%(person)s on %(date)s",
            person=self.sudo().decided_by_id.name or _("the score"),
            date=format_date(self.env, self.decided_at),
        )

    # === Navigation ===#

    def action_open_remote(self):
        """Open the record at the provider, when its address is known."""
        self.ensure_one()
        url = self.connection_id.sudo()._connector()._record_url(
            self.connection_id.sudo(), self.remote_object, self.external_id
        )
        return {"type": "ir.actions.act_url", "url": url, "target": "new"} if url else False

    def action_open_jobs(self):
        """Open the jobs that wait for this decision."""
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_job")
        return dict(action, domain=[("id", "in", self.job_ids.ids)], context={})

    def _trace_query(self):
        return self.correlation_id or self.external_id
