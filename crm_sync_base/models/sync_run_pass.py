from ast import literal_eval
from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain

from ..lib import clock
from ..lib.fingerprint import fingerprint
from ..lib.priorities import BULK
from ..lib.progress import progress

#: kinds of runs that walk over records and keep a line of each
PASSES = ("load", "dry_run", "execution", "undo")
#: of these, those whose jobs mean nothing without their run
BOUND = ("dry_run", "execution", "undo")
WINDOW = 60  # seconds by which the speed is measured
MANAGER = "crm_sync_base.group_sync_manager"


class SyncRunPass(models.Model):
    """First loads and dry runs: a whole object, page by page, record by record."""

    _inherit = "sync.run"

    dry_run = fields.Boolean(readonly=True, help="Everything is planned, nothing is written.")
    remote_scope = fields.Char(
        string="Only Records With", readonly=True,
        help="A condition besides that of the flow, e.g. [('BillingCountry', '=', 'Germany')].",
    )
    odoo_scope = fields.Char(
        string="Only Odoo Records With", readonly=True, help="Outbound: a condition besides that of the flow.",
    )
    listed = fields.Boolean(readonly=True, help="All records are known; before, there may be more.")
    line_ids = fields.One2many("sync.run.line", "run_id", string="Records", readonly=True)
    create_count = fields.Integer(string="Create", compute="_compute_lines")
    update_count = fields.Integer(string="Update", compute="_compute_lines")
    unchanged_count = fields.Integer(string="Unchanged", compute="_compute_lines")
    bind_count = fields.Integer(string="Recognised", compute="_compute_lines")
    not_needed_count = fields.Integer(string="Not Needed Yet", compute="_compute_lines")
    ask_count = fields.Integer(
        string="Waits for Approval", compute="_compute_lines",
        help="How many proposals the run raises, or would raise: approvals, and conflicts that a person decides.",
    )
    skipped_count = fields.Integer(string="Not Wanted", compute="_compute_lines")
    blocked_count = fields.Integer(string="Blocked", compute="_compute_lines")
    conflict_count = fields.Integer(string="Conflict", compute="_compute_lines")
    differs_count = fields.Integer(string="Changed Since the Plan", compute="_compute_lines")
    withdraw_count = fields.Integer(string="Taken Back", compute="_compute_lines")
    restore_count = fields.Integer(string="Brought Back", compute="_compute_lines")
    left_count = fields.Integer(string="Left as It Is", compute="_compute_lines")
    proposed_count = fields.Integer(string="Reversal Prepared", compute="_compute_lines")
    looked_at_count = fields.Integer(string="Looked At", compute="_compute_lines")
    rate = fields.Float(string="Records a Second", compute="_compute_speed", digits=(12, 1))
    time_left = fields.Char(compute="_compute_speed")

    # === Computes ===#

    def _compute_lines(self):
        """Count the lines of each run by verdict (one query)."""
        groups = self.env["sync.run.line"]._read_group(
            [("run_id", "in", self.ids)], ["run_id", "verdict"], ["__count", "asks:sum"]
        )
        counts = {(run.id, verdict): count for run, verdict, count, _asks in groups}
        verdicts = [
            name for name, _label in self.env["sync.run.line"]._fields["verdict"].selection
            if f"{name}_count" in self._fields
        ]  # fmt: skip
        for run in self:
            run.looked_at_count = sum(count for (run_id, _verdict), count in counts.items() if run_id == run.id)
            run.ask_count = sum(asks for one, _verdict, _count, asks in groups if one.id == run.id)
            for name in verdicts:
                run[f"{name}_count"] = counts.get((run.id, name), 0)

    def _compute_results(self):  # pylint: disable=missing-return
        super()._compute_results()
        for run in self.filtered(lambda run: run.kind in PASSES):
            run.progress = 100.0 if run.state == "done" else run._progress().percent

    def _compute_speed(self):
        """Say how fast a run is and when it will be over, while it runs."""
        for run in self:
            speed = run._progress() if run.kind in PASSES and run.state == "running" else None
            run.rate = speed.rate if speed else 0.0
            run.time_left = run._time_text(speed) if speed else False

    def _progress(self):
        """Return the run's `Progress`."""
        self.ensure_one()
        now = clock.now()
        lines = self.env["sync.run.line"]
        own = [("run_id", "=", self.id), ("needed", "=", False)]
        recent = lines.search_count([*own, ("create_date", ">", now - timedelta(seconds=WINDOW))])
        started = self.started_at or now
        window = min(WINDOW, max((now - started).total_seconds(), 1.0))
        known = self.listed or bool(self.total_count)
        return progress(self._total(), lines.search_count(own), recent, window, complete=known)

    def _total(self):
        """Return how many records belong to the run, as far as that is known."""
        return self.seen_count if self.listed else max(self.total_count, self.seen_count)

    def _time_text(self, speed):
        """Return the time that is left in words."""
        if speed.seconds_left is None:
            return _("More records are being listed.") if not self.listed else ""
        minutes = round(speed.seconds_left / 60)
        if minutes < 1:
            return _("Less than a minute left")
        if minutes < 120:
            return self.env._("About %s minutes left", minutes)
        return self.env._("About %s hours left", round(minutes / 60))

    def _keeps_jobs(self):
        """Whether jobs of this run can only be run again as part of it."""
        return self.kind in BOUND

    # === Start ===#

    @api.model
    def _start_pass(self, flow, *, dry_run, remote_scope="", odoo_scope="", external_ids=()):
        """Start to load, or to send, the records of a flow, or to plan that.

        :param remote_scope: a condition besides that of the flow.
        :param odoo_scope: the same of an outbound flow, as a domain.
        :param external_ids: these records only (of an outbound flow, ids in Odoo); empty: all.
        :return: the run.
        :raises AccessError: for operators who want more than a dry run, and anybody below.
        :raises UserError: when the flow cannot do it now.
        """
        self._check_may_start(flow, dry_run)
        ids = list(dict.fromkeys(external_ids))
        what = _("Dry run") if dry_run else _("First load")
        run = self.sudo().create(
            {
                "name": _("%(what)s: %(flow)s", what=what, flow=flow.name),
                "kind": "dry_run" if dry_run else "load",
                "dry_run": dry_run,
                "flow_id": flow.id,
                "connection_id": flow.connection_id.id,
                "company_id": flow.company_id.id,
                "remote_scope": remote_scope or False,
                "odoo_scope": odoo_scope or False,
                "listed": bool(ids),
                "seen_count": len(ids),
            }
        )
        run._enqueue_pages(ids) if ids else run._enqueue_listing()
        run._look_again()
        return run.sudo(False)

    @api.model
    def _check_may_start(self, flow, dry_run):
        """Refuse what the user may not do, and what the flow cannot do.

        :raises AccessError: for who may not.
        :raises UserError: with what to do first.
        """
        self.env["sync.job"].check_access("create")
        if not dry_run and not self.env.user.has_group(MANAGER):
            raise AccessError(_("Only integration managers may write records; a dry run is free to all operators."))
        flow.check_access("read")
        if flow.mode == "off":
            raise UserError(_("%s is off. Switch it to dry run first: then it plans and writes nothing.", flow.name))
        if not flow.mapping_id and flow._needs_mapping():
            raise UserError(_("%s has no active mapping. Activate a mapping version first.", flow.name))
        if not dry_run and flow.mode != "live":
            raise UserError(
                _("%s only plans so far. Start a dry run and approve it, or go live first.", flow.name)
            )

    def _enqueue_listing(self):
        """Have the records listed, from the run's cursor on."""
        flow = self.flow_id
        if flow.direction == "inbound" and not flow._remote().can_poll:
            raise UserError(
                _("%s cannot be listed at the provider: name the records by their ids.", flow._remote().label)
            )
        key = f"load:{self.id}"
        self.env["sync.job"].sudo()._enqueue(
            [
                {
                    "flow": flow,
                    "kind": "load",
                    "idempotency_key": key,
                    "lane_key": key,
                    "priority": flow.priority + BULK,
                    "run_id": self.id,
                    "remote_object": flow.remote_object,
                    "name": _("List records: %s", flow._remote().label),
                }
            ]
        )

    def _enqueue_pages(self, external_ids):
        """Enqueue page jobs for these records; the condition of the run goes with them."""
        flow = self.flow_id
        payloads = []
        for start in range(0, len(external_ids), flow.page_size):
            payload = {"ids": external_ids[start : start + flow.page_size]}
            if self.remote_scope:
                payload["scope"] = self.remote_scope
            payloads.append(payload)
        keys = [f"page:{flow.id}:{self.id}:{fingerprint(payload['ids'])}" for payload in payloads]
        self.env["sync.job"].sudo()._enqueue(
            [
                {
                    "flow": flow,
                    "kind": "page",
                    "idempotency_key": key,
                    "lane_key": key,
                    # Listing first: then it is known how much there is to do.
                    "priority": flow.priority + BULK + 1,
                    "payload": payload,
                    "remote_object": flow.remote_object,
                    "run_id": self.id,
                    "name": _("%(count)s × %(object)s", count=len(payload["ids"]), object=flow._remote().label),
                }
                for key, payload in zip(keys, payloads, strict=True)
            ]
        )

    # === End ===#

    @api.model
    def _background_kinds(self):
        return (*super()._background_kinds(), *PASSES)

    def _finish(self):
        """End a run of which nothing waits any more; what failed is said."""
        if self.kind not in PASSES:
            return super()._finish()
        if self.failed_count:
            message = _(
                "%s of its jobs failed: see the exception desk, then resume the run.", self.failed_count
            )
            return self._end("failed", message)
        if not self.listed:
            # While its listing works, that is a job that waits or runs.
            return self._end(
                "failed", _("Its records were not all listed, because that job was given up: resume the run.")
            )
        given_up = self._left_jobs()
        if given_up:
            return self._end(
                "failed",
                _("One of its jobs was given up: resume the run to do its work after all.")
                if len(given_up) == 1
                else _("%s of its jobs were given up: resume the run to do their work after all.", len(given_up)),
            )
        return self._end("done", self.message)

    def _odoo_domain(self):
        """Return the domain of the records that this run of an outbound flow is about."""
        flow = self.flow_id
        domain = Domain(flow._odoo_domain()) & Domain(literal_eval(self.odoo_scope or "[]"))
        if "company_id" in self.env[flow.model]._fields:
            domain &= Domain("company_id", "in", [False, flow.company_id.id])
        return domain

    def _look_if_last(self, jobs):
        """Have it noticed right after the commit that the run is over, if no job but these waits.

        Jobs that run at this moment, in the same batch or elsewhere, do the same: whoever
        commits last is seen by the last look. Nothing is left to a moment in the future,
        because Odoo looks at those once a minute only, and somebody is watching the bar.
        """
        waiting = [("run_id", "=", self.id), ("state", "=", "pending"), ("id", "not in", jobs.ids)]
        if self.listed and not self.env["sync.job"].search_count(waiting, limit=1):
            self._look_again(seconds=0)

    # === Cancel, resume ===#

    def action_cancel(self):
        """Stop after what is under way; what waits is taken back, what was applied stays."""
        passes = self.filtered(lambda run: run.kind in PASSES and run.state == "running")
        result = super().action_cancel()
        if passes:
            passes._take_back_pages()
        return result

    def _take_back_pages(self):
        self.check_access("write")
        self.env.flush_all()
        self.env.cr.execute(
            """
            UPDATE sync_job SET state = 'cancelled', done_at = %s, summary = %s
             WHERE run_id = ANY(%s) AND state = 'pending'
               AND (kind IN ('page', 'load', 'undo')
                    -- What somebody else asked for, too, or may have reached the provider, goes on.
                    OR kind = 'push' AND coalesced = 0 AND intent IS NULL)
            """,
            [clock.now(), _("The run was cancelled"), self.ids],
        )
        self.env["sync.job"].invalidate_model()
        for run in self:
            run.sudo().message = _("Cancelled by %s. It can be resumed.", self.env.user.name)

    def action_resume(self):
        """Go on where a cancelled or failed run stopped.

        :raises AccessError: as for starting one.
        :raises UserError: when nothing is left to do, or the flow cannot do it now.
        """
        for run in self:
            run._resume()
        return True

    def _resume(self):
        if self.kind not in PASSES or self.state not in ("cancelled", "failed"):
            raise UserError(_("%s has not been interrupted.", self.name))
        self.check_access("write")
        self._check_may_resume()
        left = self._left_jobs()
        self.sudo().write({"state": "running", "done_at": False, "message": False})
        left._enqueue([self._resume_spec(job) for job in left])
        if not self.listed:
            self._enqueue_listing()
        self._look_again()

    def _left_jobs(self):
        """Return the jobs that failed or were given up, and whose work nobody has asked for since."""
        Job = self.sudo().env["sync.job"]
        given_up = Domain("state", "=", "cancelled") & Domain("kind", "in", ("page", "push", "undo"))
        failed = Domain("state", "=", "failed") & Domain("kind", "in", ("page", "record", "push", "undo"))
        left = Job.search(Domain("run_id", "=", self.id) & (failed | given_up), order="id")
        same = [("idempotency_key", "in", left.mapped("idempotency_key"))]
        latest = dict(Job._read_group(same, ["idempotency_key"], ["id:max"]))
        return left.filtered(lambda job: latest[job.idempotency_key] == job.id)

    @staticmethod
    def _resume_spec(job):
        """Return the job that does what was cancelled or failed.

        What was taken back before it was sent is still the run's; a failure that is tried
        again is a person's, who wants the present state.
        """
        spec = job._replay_spec()
        if job.kind == "push" and job.state == "cancelled":
            spec["replay_of_id"] = False
        return spec

    def _check_may_resume(self):
        self._check_may_start(self.flow_id, self.dry_run)

    # === Actions ===#

    def _action_lines(self, verdicts=(), name=""):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_run_line")
        domain = [("run_id", "=", self.id)]
        if verdicts:
            domain.append(("verdict", "in", verdicts))
        return dict(action, domain=domain, context={}, name=name or self.name, display_name=name or self.name)

    def action_open_lines(self):
        """Open the records of this run, with the verdict that the button asks for."""
        verdict = self.env.context.get("verdict")
        return self._action_lines((verdict,) if verdict else ())

    def action_open_asks(self):
        """Open the records of this run of which something waits for a person's decision, or would."""
        action = self._action_lines()
        return dict(action, domain=[*action["domain"], ("asks", ">", 0)])
