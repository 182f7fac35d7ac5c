from odoo import api, fields, models

#: what a run did with a record, or what a dry run would do
VERDICTS = [
    ("create", "Create"),
    ("update", "Update"),
    ("unchanged", "Unchanged"),
    ("bind", "Recognised"),  # it is an Odoo record that says the same: only bound
    ("not_needed", "Not Needed Yet"),  # created on demand, and nothing asks for it so far
    ("skipped", "Not Wanted"),  # gone, outdated, or outside of the conditions
    ("blocked", "Blocked"),  # cannot be written as it is
    ("conflict", "Conflict"),  # changed on both sides
    ("differs", "Changed Since the Plan"),  # an approved plan does not fit any more
    # Of an undo, an update is one that goes back.
    ("withdraw", "Taken Back"),  # created by the undone run; archived or cancelled
    ("restore", "Brought Back"),  # set aside by the undone run
    ("left", "Left as It Is"),  # changed since, or protected by a rule
    ("proposed", "Reversal Prepared"),  # a posted entry: a person decides
]
WRITTEN = ("create", "update")
#: what an approved plan carries out, besides asking those who must be asked
CARRIED = (*WRITTEN, "bind")

_COLUMNS = (
    "run_id", "key", "flow_id", "company_id", "remote_object", "external_id", "record_name", "model",
    "res_id", "verdict", "reason", "digest", "needed", "error_code", "job_id", "asks",
)  # fmt: skip


class SyncRunLine(models.Model):
    """One record in a run: what became of it, or would become of it."""

    _name = "sync.run.line"
    _inherit = ["sync.story.mixin"]
    _description = "Record of a Run"
    _order = "id"
    _rec_name = "record_name"

    create_date = fields.Datetime(string="Looked At", readonly=True)
    run_id = fields.Many2one("sync.run", required=True, readonly=True, ondelete="cascade")
    run_kind = fields.Selection(related="run_id.kind")
    key = fields.Char(required=True, readonly=True, help="Identity of the record inside the run.")
    flow_id = fields.Many2one("sync.flow", readonly=True, ondelete="cascade")
    company_id = fields.Many2one("res.company", readonly=True, index=True)
    job_id = fields.Many2one("sync.job", readonly=True, ondelete="set null", index="btree_not_null")
    correlation_id = fields.Char(related="job_id.correlation_id")
    remote_object = fields.Char(readonly=True)
    external_id = fields.Char(string="Remote Id", readonly=True)
    record_name = fields.Char(string="Record", readonly=True)
    model = fields.Char(readonly=True)
    res_id = fields.Many2oneReference(string="Odoo Record", model_field="model", readonly=True)
    verdict = fields.Selection(VERDICTS, required=True, readonly=True)
    reason = fields.Text(readonly=True)
    error_code = fields.Char(readonly=True)
    needed = fields.Boolean(
        string="Brought Along", readonly=True, help="Another record of the run needs it."
    )
    asks = fields.Integer(
        string="Waits for Approval", readonly=True,
        help="How many proposals the record leads to: approvals, and conflicts that a person decides.",
    )
    digest = fields.Char(
        readonly=True, groups="base.group_system", help="Of what was planned: equal plans, equal digests."
    )
    change_id = fields.Many2one(
        "sync.change", compute="_compute_change", help="What it changed, or would change."
    )
    diff = fields.Json(string="Fields", compute="_compute_change")
    summary = fields.Text(string="Differences", compute="_compute_change")
    short = fields.Char(string="What", compute="_compute_change", help="Differences or reason on one line.")

    _key_unique = models.UniqueIndex("(run_id, key)", "A record is one line of a run.")
    _by_verdict = models.Index("(run_id, verdict)")
    _by_time = models.Index("(run_id, create_date)")

    @api.depends_context("uid", "lang", "allowed_company_ids")
    def _compute_change(self):
        """Find what each line changed, one query for all."""
        written = self.filtered(lambda line: line.verdict not in ("unchanged", "bind", "not_needed", "skipped"))
        # What is new at the provider has no id there yet.
        sent = written.filtered(lambda line: line.flow_id.direction == "outbound")
        changes = self.env["sync.change"].search(
            [("run_id", "in", written.run_id.ids), "|",
             "&", ("direction", "=", "inbound"), ("external_id", "in", (written - sent).mapped("external_id")),
             "&", ("direction", "=", "outbound"), ("res_id", "in", sent.mapped("res_id"))],
            order="id",
        )  # fmt: skip
        found = changes.grouped(lambda one: self._change_key(one, one.direction))
        for line in self:
            key = self._change_key(line, line.flow_id.direction)
            mine = found.get(key, changes.browse()) if line in written else changes.browse()
            line.change_id = mine[-1:]
            # A run may change a record more than once: an undo does, if the undone one did.
            line.diff = [row for change in mine for row in change.diff or ()] or False
            line.summary = "\n".join(filter(None, mine.mapped("summary"))) or False
            line.short = " · ".join(filter(None, (*mine.mapped("digest"), line.reason))) or False

    @staticmethod
    def _change_key(record, direction):
        """Return what a line and its change have in common."""
        if direction == "outbound":
            return record.run_id, record.model, record.res_id
        return record.run_id, record.remote_object, record.external_id

    @api.model
    def _upsert(self, rows):
        """Insert or correct lines in one statement.

        What was written stays written, whatever is found when the run comes across the
        record once more; and a record that is brought along is first of all itself.

        :param rows: dictionaries of column values, see `_COLUMNS`.
        """
        unique = {(row["run_id"], row["key"]): row for row in sorted(rows, key=self._weight)}
        if not unique:
            return
        now = fields.Datetime.now()
        self.env.cr.execute_values(
            f"""
            INSERT INTO sync_run_line ({", ".join(_COLUMNS)}, create_date, create_uid) VALUES %s
            ON CONFLICT (run_id, key) DO UPDATE SET
                   verdict = CASE WHEN sync_run_line.verdict = 'create' AND EXCLUDED.verdict = 'update'
                                    OR sync_run_line.verdict IN ('create', 'update', 'bind')
                                       AND EXCLUDED.verdict = 'unchanged'
                                  THEN sync_run_line.verdict ELSE EXCLUDED.verdict END,
                   needed = sync_run_line.needed AND EXCLUDED.needed,
                   reason = EXCLUDED.reason, error_code = EXCLUDED.error_code, job_id = EXCLUDED.job_id,
                   record_name = EXCLUDED.record_name, model = EXCLUDED.model,
                   res_id = COALESCE(EXCLUDED.res_id, sync_run_line.res_id),
                   digest = COALESCE(EXCLUDED.digest, sync_run_line.digest),
                   asks = GREATEST(EXCLUDED.asks, sync_run_line.asks)
             WHERE (NOT EXCLUDED.needed OR sync_run_line.needed OR sync_run_line.verdict = 'not_needed')
                   AND NOT (EXCLUDED.verdict = 'not_needed' AND sync_run_line.verdict IN ('create', 'update', 'bind'))
            """,  # pylint: disable=sql-injection
            # By one order, so that two pages wait for each other in one direction only.
            [
                (*(row.get(name) for name in _COLUMNS), now, self.env.uid)
                for _key, row in sorted(unique.items())
            ],
            page_size=1000,
        )
        self.invalidate_model(flush=False)

    @staticmethod
    def _weight(row):
        """Order the lines of one record: what was set aside gives way, the record itself wins."""
        return row["verdict"] != "not_needed", not row["needed"]

    @api.model
    def _written_keys(self, run_id, keys):
        """Return `{(run id, key)}` of these lines that are to be written (one query)."""
        self.env.cr.execute(
            "SELECT run_id, key FROM sync_run_line WHERE run_id = %s AND key = ANY(%s) AND verdict = ANY(%s)",
            [run_id, list(keys), list(WRITTEN)],
        )
        return set(self.env.cr.fetchall())

    @api.autovacuum
    def _gc_lines(self):
        """Forget the lines of runs that ended long ago, as long as plans are kept; the run stays.

        :return: (how many, whether there are more).
        """
        Retention = self.env["sync.retention"]
        return Retention._delete(self._SQL_OLD, Retention._cutoff("keep_plans_days"))

    _SQL_OLD = """
        DELETE FROM sync_run_line WHERE id IN (
            SELECT l.id FROM sync_run r JOIN sync_run_line l ON l.run_id = r.id
             WHERE r.done_at < %(cutoff)s AND r.state <> 'running' LIMIT %(limit)s)
    """

    def action_open_change(self):
        """Open the change, field by field."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "sync.change",
            "res_id": self.change_id.id,
            "view_mode": "form",
        }
