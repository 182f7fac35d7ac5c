from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ..lib import clock, saga

STATES = [
    (saga.RUNNING, "Under Way"),  # a step waits for its job, or its job runs
    (saga.COMPLETE, "Complete"),
    (saga.NEEDS_PERSON, "Needs a Person"),  # a step failed, or its compensation was refused
    (saga.GOING_BACK, "Being Undone"),
    (saga.TAKEN_BACK, "Undone"),
    (saga.CLOSED, "Closed by Hand"),
]
OVER = (saga.COMPLETE, saga.TAKEN_BACK, saga.CLOSED)


class SyncSaga(models.Model):
    """The way of one record through the follow-up steps of its flow.

    Each step is a job and a transaction of its own. What each of them did, and what
    undoing it means, is stored in the transaction that did it, so a crash leaves
    either both or neither.
    """

    _name = "sync.saga"
    _description = "Saga"
    _inherit = ["mail.thread", "mail.activity.mixin", "sync.story.mixin"]
    _order = "id desc"

    name = fields.Char(string="Record", readonly=True)
    state = fields.Selection(
        STATES, default=saga.RUNNING, required=True, readonly=True, index=True
    )
    backward = fields.Boolean(readonly=True, help="Its steps are being undone, or were.")
    flow_id = fields.Many2one("sync.flow", required=True, readonly=True, ondelete="cascade", index=True)
    connection_id = fields.Many2one("sync.connection", readonly=True, ondelete="cascade", index=True)
    company_id = fields.Many2one("res.company", readonly=True, index=True)
    model = fields.Char(required=True, readonly=True)
    res_id = fields.Many2oneReference(string="Odoo Record", model_field="model", required=True, readonly=True)
    correlation_id = fields.Char(string="Correlation Id", readonly=True, index=True)
    pass_count = fields.Integer(
        string="Passes", readonly=True, help="How often the record came this way: once for each change at its source."
    )
    started_at = fields.Datetime(string="Started", readonly=True)
    done_at = fields.Datetime(string="Ended", readonly=True)
    step_ids = fields.One2many("sync.saga.step", "saga_id", string="Steps", readonly=True)
    open_step_id = fields.Many2one(
        "sync.saga.step", string="Waits For", readonly=True, ondelete="set null", index="btree_not_null",
        help="The step that needs a person.",
    )
    error_code = fields.Selection(related="open_step_id.error_code", string="Kind of Error", store=True)
    message = fields.Text(string="What Happened", compute="_compute_message")
    hint = fields.Text(string="What to Do", compute="_compute_message")
    timeline = fields.Json(compute="_compute_timeline")
    progress = fields.Char(compute="_compute_timeline", help="Steps that are done, and steps in all.")

    _one_of_record = models.UniqueIndex(
        "(flow_id, model, res_id)", "There is one saga for each record and flow."
    )
    _record = models.Index("(model, res_id)")
    _ended = models.Index("(done_at) WHERE done_at IS NOT NULL")

    # === Computes ===#

    @api.depends("name", "flow_id")
    def _compute_display_name(self):
        for story in self:
            story.display_name = f"{story.flow_id.display_name}: {story.name or ''}"

    @api.depends("open_step_id", "open_step_id.state")
    def _compute_message(self):
        for story in self:
            step = story.open_step_id
            story.message = step._trouble() if step else False
            story.hint = step.error_hint if step.state == saga.FAILED else step.undo_hint

    @api.depends("step_ids.state")
    def _compute_timeline(self):
        for story in self:
            steps = story._lines()
            story.timeline = [step._timeline_entry() for step in steps]
            passed = steps.filtered(lambda step: step.state in (saga.DONE, saga.HANDLED))
            story.progress = f"{len(passed)} / {len(steps)}"

    # === Begin ===#

    @api.model
    def _begin(self, step, records, parents):
        """Let records enter, or go on with, the steps of a flow.

        A record whose steps are being undone does not enter: a person decides first.

        :param step: the `sync.flow.step` to start with.
        :param parents: `{record id: job}`, whose story goes on.
        :return: `{record id: sync.saga.step}` of the steps to run now.
        """
        fresh, known = self._upsert(step.flow_id, records, parents)  # which locks them
        (fresh + known)._plan_steps()
        starts = {line.saga_id.res_id: line for line in fresh.step_ids if line.step_id == step}
        for story in known:
            line = story._enter(step, parents[story.res_id])
            if line:
                starts[story.res_id] = line
        return starts

    def _upsert(self, flow, records, parents):
        """Create the sagas of records, in one statement.

        :return: (new ones, those that there were).
        """
        now = clock.now()
        self.env.flush_all()
        rows = self.env.cr.execute_values(
            """
            INSERT INTO sync_saga (flow_id, connection_id, company_id, model, res_id, name, state,
                   backward, pass_count, correlation_id, started_at, create_date, create_uid)
            VALUES %s
            ON CONFLICT (flow_id, model, res_id)
            DO UPDATE SET pass_count = sync_saga.pass_count + 1, name = EXCLUDED.name
            RETURNING id, xmax = 0
            """,
            [
                (
                    flow.id,
                    flow.connection_id.id,
                    flow.company_id.id or None,
                    record._name,
                    record.id,
                    record.display_name,
                    saga.RUNNING,
                    False,
                    1,
                    parents[record.id].correlation_id or None,
                    now,
                    now,
                    self.env.uid,
                )
                for record in records
            ],
            page_size=1000,
            fetch=True,
        )
        found = self.sudo().browse([saga_id for saga_id, _fresh in rows])
        found.invalidate_recordset()
        fresh = found.browse([saga_id for saga_id, is_new in rows if is_new])
        return fresh, found - fresh

    def _lock(self):
        """Let nobody else move these sagas before this transaction is over.

        Whoever began before it ended does not see its steps, and must begin again: that is
        why the rows are written, too.
        """
        self.env.cr.execute("SELECT id FROM sync_saga WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [self.ids])
        self.env.cr.execute("UPDATE sync_saga SET state = state WHERE id = ANY(%s)", [self.ids])

    def _plan_steps(self):
        """Give sagas a line for each step of their flow that they have none for yet.

        The record itself is the first line: what the flow wrote before any step.
        """
        rows = []
        for story in self:
            known = story.step_ids.step_id
            if not story.step_ids:
                rows.append(story._record_line())
            wanted = story.flow_id.step_ids.filtered("active") - known
            rows += [step._saga_line(story) for step in wanted]
        if rows:
            self.env["sync.saga.step"].create(rows)
        # A step that was taken out of the flow before its turn does not run.
        gone = self.step_ids.filtered(
            lambda line: line.kind == "step" and line.state == saga.PENDING and not line.effective
            and not line.step_id.active
        )
        gone.write({"state": saga.SKIPPED})

    def _record_line(self):
        description = self.env[self.model]._description
        return {
            "saga_id": self.id,
            "kind": "record",
            "sequence": -1,
            "name": description,
            "state": saga.DONE,
            "summary": self.name,
            "compensation": _("Stays in Odoo. Undoing a later step may cancel it; nothing is deleted."),
            "done_at": clock.now(),
        }

    def _enter(self, step, job):
        """Return the line to run now, None when the steps are being undone."""
        self.ensure_one()
        if self.backward and self.state not in OVER:
            self.message_post(body=_("%s came again while its steps were being undone; they were not run.", self.name))
            return None
        line = self.step_ids.filtered(lambda line: line.step_id == step)
        if self.state in OVER:
            later = self.step_ids.filtered(lambda other: other.kind == "step" and other.sequence >= line.sequence)
            later._await()
            self.write({"backward": False, "done_at": False, "correlation_id": job.correlation_id})
        elif self._is_first(line):
            # A change at the source while a step waits: what is done stays done.
            line = line.browse(saga.next_forward(self._facts()) or line.id)
        line._await()
        self._refresh()
        return line

    def _is_first(self, line):
        runnable = self._lines().filtered(lambda other: other.kind == "step" and other.state != saga.SKIPPED)
        return line == runnable[:1]

    # === Forward ===#

    def _advance(self, line, job):
        """Go on after a step: start the next one, or be complete."""
        self.ensure_one()
        self._plan_steps()
        if not self.backward:
            key = saga.next_forward(self._facts())
            following = line.browse(key or [])
            if following.state == saga.PENDING:
                record = self.env[self.model].browse(self.res_id)
                following._enqueue_run(record, job)
        self._refresh()

    def _lines(self):
        """Return the steps in the order in which they run."""
        return self.step_ids.sorted(lambda line: (line.sequence, line.id))

    def _facts(self):
        """Return the steps as `lib/saga.py` wants them."""
        return [
            saga.Step(line.id, position, line.state, line.effective, line.kind == "step")
            for position, line in enumerate(self._lines())
        ]

    def _refresh(self):
        """Bring the saga's own state in line with its steps."""
        for story in self:
            state = saga.state_of(story._facts(), backward=story.backward)
            wanted = saga.PERSON if story.backward else saga.FAILED
            waiting = story._lines().filtered(lambda line, wanted=wanted: line.state == wanted)
            vals = {
                "state": state,
                "open_step_id": waiting[-1:].id if state == saga.NEEDS_PERSON else False,
                "done_at": (story.done_at or clock.now()) if state in OVER else False,
            }
            story.write({name: value for name, value in vals.items() if story._fields[name].convert_to_write(
                story[name], story) != value})

    # === Backward ===#

    def _take_back(self, why, job=None):
        """Undo what was done, the last step first; each compensation is a job.

        :param why: the reason, for the log of the saga.
        :param job: the job whose failure is the reason.
        """
        for story in self:
            story._stop_waiting()
            story.backward = True
            for key, state in saga.without_effect(story._facts()).items():
                story.step_ids.browse(key)._settle_without_effect(state)
            story.message_post(body=why)
            story._continue_back(job)

    def _go_on_back(self, job):
        """Take back what a saga that is undone, or being undone, has got since; else only be up to date.

        A step of another flow that was under way when somebody pressed *Undo All* joins afterwards.
        """
        if self.backward:
            self._continue_back(job)
        else:
            self._refresh()

    def _continue_back(self, job=None):
        """Start the next compensation, if its turn has come."""
        self.ensure_one()
        key = saga.next_backward(self._facts())
        if key is not None:
            self.step_ids.browse(key)._enqueue_undo(job)
        self._refresh()

    def _close_job(self, job, note):
        """Take a failed job, and its exception if it was the last one, off the desk."""
        if job.state == "failed":
            exception = job.exception_id
            job.write(
                {
                    "state": "cancelled",
                    "summary": _("Handled by %(user)s: %(note)s", user=self.env.user.name, note=note),
                }
            )
            exception._close_if_empty()

    def _stop_waiting(self):
        """Take the step jobs of this saga that have not started out of the queue."""
        jobs = self.env["sync.job"].sudo().search(
            [
                ("kind", "=", "step"),
                ("state", "=", "pending"),
                ("flow_id", "=", self.flow_id.id),
                ("model", "=", self.model),
                ("res_id", "=", self.res_id),
            ]
        )
        jobs.write({"state": "cancelled", "done_at": clock.now(), "summary": _("Its saga is undone instead")})

    # === Engine ===#

    @api.model
    def _on_failed(self, job):
        """Note that a job of a saga gave up, and act on it as the flow says."""
        line = self.env["sync.saga.step"]._of_job(job)
        if not line:
            return
        story = line.saga_id
        story._lock()
        if job._undoes():
            line._refuse_undo(job.error_message, job.error_hint, job)
        else:
            line._note_failure(job, job.error_message, job.error_hint)
        story._go_on_back(job)
        # The flow that failed decides: a declined card need not cost the customer his order.
        policy = (line.flow_id or story.flow_id).on_step_failure
        if not job._undoes() and not story.backward and policy == "undo":
            story._take_back(_("%s failed; the flow undoes what was done.", line.name), job)

    @api.model
    def _on_discarded(self, jobs):
        """Note that a person gave up steps, or compensations, that waited: it is theirs to say what follows."""
        for job in jobs:
            line = self.env["sync.saga.step"]._of_job(job)
            if not line:
                continue
            line.saga_id._lock()
            hint = _("Try again, or do it by hand and mark it as handled.")
            if job._undoes():
                line._refuse_undo(job.summary, hint, job)
            else:
                line._note_failure(job, job.summary, hint)
            line.saga_id._go_on_back(job)

    @api.model
    def _on_pushed(self, jobs):
        """Let what other flows did by themselves join the sagas of the same stories.

        :param jobs: push jobs that succeeded, of flows whose handler says that they
            are steps of a story.
        """
        for job in jobs:
            line = self.env["sync.saga.step"]._join(job)
            if line:
                line.saga_id._lock()
                line._note_joined(job)
                line.saga_id._go_on_back(job)

    # === Actions ===#

    def action_retry(self):
        """Go on at the step that waits: run it again, or try again to undo it.

        :return: what would keep it waiting, told in passing; True where nothing does.
        """
        self.check_access("write")
        stories = self.sudo()
        stories._lock()
        for story in stories.filtered(lambda story: story.state == saga.NEEDS_PERSON):
            story.open_step_id._try_again()
            story._refresh()
        Job = self.env["sync.job"]
        obstacles = Job._obstacles(
            [("id", "in", stories.step_ids._all_jobs().ids), ("state", "=", "pending")]
        )
        if not obstacles:
            return True
        return Job._notice(
            _("It goes on as soon as it can. %s", " ".join(obstacles)),
            then={"type": "ir.actions.client", "tag": "soft_reload"},
            kind="warning",
        )

    def action_undo_all(self):
        """Undo every step that was done, the last one first.

        :raises UserError: when there is nothing that could be undone.
        """
        self.check_access("write")
        stories = self.sudo()
        stories._lock()
        if not any(saga.to_undo(story._facts()) for story in stories):
            raise UserError(_("None of the steps left anything behind that could be undone."))
        fresh = stories.filtered(lambda story: not story.backward)
        fresh._take_back(_("%s asked to undo everything.", self.env.user.name))
        return True

    def action_start_again(self):
        """Run the steps again from the first one, after they were undone or closed."""
        self.check_access("write")
        for story in self.sudo().filtered(lambda story: story.state in OVER):
            record = self.env[story.model].sudo().browse(story.res_id).exists()
            first = story.flow_id.step_ids.filtered("active")[:1]
            if not record or not first:
                raise UserError(_("%s cannot be started again: its record or its steps are gone.", story.display_name))
            parent = story.step_ids.job_id.sorted("id")[-1:]
            first._enqueue_for(record, {record.id: parent})
        return True

    def action_handle(self):
        """Ask what was done by hand about the step that waits."""
        self.ensure_one()
        return self.open_step_id.action_handle()

    def _form(self):
        return {
            "type": "ir.actions.act_window",
            "res_model": "sync.saga",
            "res_id": self.id,
            "view_mode": "form",
        }

    def action_open_jobs(self):
        """Open every job that ran or undid a step of this saga."""
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_job")
        action["domain"] = [("id", "in", self.step_ids._all_jobs().ids)]
        action["context"] = {}
        return action

    def action_open_exception(self):
        """Open the exception that the failed step waits for.

        :raises UserError: when there is none.
        """
        self.ensure_one()
        exception = self.open_step_id.exception_id
        if not exception:
            raise UserError(_("No exception waits for this saga."))
        return {
            "type": "ir.actions.act_window",
            "res_model": "sync.exception",
            "res_id": exception.id,
            "view_mode": "form",
        }
