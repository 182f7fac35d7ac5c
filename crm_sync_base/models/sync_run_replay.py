import logging

from odoo import _, api, fields, models, modules
from odoo.exceptions import LockError, UserError

from ..lib import clock
from ..lib.priorities import BULK
from ..lib.replay import SOURCES
from ..lib.trouble import DATABASE_TROUBLE

_logger = logging.getLogger(__name__)

BATCH = 500  # jobs that are handed over in one transaction
LOOK_SECONDS = 30  # so often it is looked whether all replays have ended
RACES = 5  # transactions lost in a row before a run gives way for a moment


class SyncRunReplay(models.Model):
    """A replay: many jobs run again, handed over batch by batch in the background."""

    _inherit = "sync.run"

    source = fields.Selection(SOURCES, string="Works From", readonly=True)
    total_count = fields.Integer(string="Selected", readonly=True)
    progress = fields.Float(
        compute="_compute_results", aggregator=None, help="How many of the jobs have ended, in percent."
    )
    to_replay = fields.Json(
        readonly=True, prefetch=False, groups="base.group_system",
        help="Ids of the jobs that are still to be handed over.",
    )
    waiting_count = fields.Integer(string="Waiting", compute="_compute_results")
    done_count = fields.Integer(string="Done", compute="_compute_results")
    failed_count = fields.Integer(string="Failed", compute="_compute_results")
    changed_count = fields.Integer(
        string="Changed Something", compute="_compute_results",
        help="Replays that wrote something: before, Odoo or the other system was different.",
    )

    # === Computes ===#

    def _compute_results(self):
        Job = self.env["sync.job"]
        replays = self.filtered(lambda run: run.kind in self._background_kinds())
        counts = {
            (run.id, state): count
            for run, state, count in Job._read_group(
                [("run_id", "in", replays.ids)], ["run_id", "state"], ["__count"]
            )
        }
        changed = dict(
            self.env["sync.change"]._read_group(
                [("run_id", "in", replays.ids)], ["run_id"], ["job_id:count_distinct"]
            )
        )
        for run in self:
            run.waiting_count = counts.get((run.id, "pending"), 0) + counts.get(
                (run.id, "running"), 0
            )
            run.done_count = counts.get((run.id, "done"), 0)
            run.failed_count = counts.get((run.id, "failed"), 0)
            run.changed_count = changed.get(run, 0)
            ended = run.known_count + run.new_count - run.waiting_count
            run.progress = 100.0 * ended / run.total_count if run.total_count else 0.0

    # === Start ===#

    @api.model
    def _start_replay(self, jobs, source, name):
        """Start to replay jobs; a few at once, many in the background.

        :param jobs: whose rights were checked already.
        :param source: "current" or "stored".
        :return: the run.
        """
        jobs.check_access("write")
        flows = jobs.flow_id
        connections = flows.connection_id
        run = self.sudo().create(
            {
                "name": name,
                "kind": "replay",
                "source": source,
                "flow_id": flows.id if len(flows) == 1 else False,
                "connection_id": connections.id if len(connections) == 1 else False,
                "company_id": connections.company_id.id if len(connections.company_id) == 1 else False,
                "total_count": len(jobs),
                "to_replay": sorted(jobs.ids),
            }
        )
        if len(jobs) <= BATCH:
            run._hand_over()
            self._look_again()
        else:
            self.env.ref("crm_sync_base.ir_cron_replay").sudo()._trigger()
        return run.sudo(False)

    @api.model
    def _look_again(self, seconds=LOOK_SECONDS):
        """Start the scheduled action of replays in a moment."""
        self.env.ref("crm_sync_base.ir_cron_replay").sudo()._trigger(
            fields.Datetime.add(fields.Datetime.now(), seconds=seconds)
        )

    # === Hand over ===#

    @api.model
    def _cron_replay(self):
        """Hand over the jobs of running replays until all are, or the time is up.

        Triggered when a replay starts; a worker that dies leaves the trigger behind, and
        the next one goes on after the last batch that was committed. As long as replays
        are under way, it looks now and then whether they have ended.
        """
        if self._hand_over_all():
            self._end_finished()

    def _hand_over_all(self):
        """Hand over what is left of the running replays; return whether all of it was."""
        lost = 0
        while run := self.search(
            [("kind", "=", "replay"), ("state", "=", "running"), ("to_replay", "!=", False)],
            limit=1, order="seen_count, id",
        ):
            try:
                run._hand_over()
                if not self._commit_batch(run):
                    # Odoo may take it for done, and has forgotten what it was started by.
                    self._look_again(seconds=0)
                    return False
                lost = 0
            except (LockError, *DATABASE_TROUBLE):
                self.env["sync.lane"]._rollback()
                lost += 1
                if lost >= RACES:
                    self._look_again(seconds=5)
                    return False
            except Exception as error:
                # Odoo switches a scheduled action off that fails too often.
                self.env["sync.lane"]._rollback()
                _logger.exception("Synchronisation: replay %s failed", run.id)
                run._end("failed", _("Stopped by an unexpected %s.", type(error).__name__))
                self._commit_batch(run)
        return True

    def _end_finished(self):
        """End the running replays of which no job waits any more."""
        running = self.search([("kind", "in", self._background_kinds()), ("state", "=", "running")])
        running.invalidate_recordset(["waiting_count", "failed_count"])
        if running.filtered(lambda run: not run._end_if_finished()):
            self._look_again()

    def _end_if_finished(self):
        """End the run if nothing of it is left to do; return whether it has ended."""
        try:
            with self.env.cr.savepoint():
                if self._has_ended():
                    self._finish()
        except DATABASE_TROUBLE as error:  # somebody cancels it just now, say
            _logger.info("Synchronisation: run %s is looked at again: %s", self.id, type(error).__name__)
        return self.state != "running"

    @api.model
    def _background_kinds(self):
        """Return the kinds of runs that are over when none of their jobs waits any more."""
        return ("replay",)

    def _has_ended(self):
        """Whether nothing of the run is left to do."""
        return not self.waiting_count

    def _finish(self):
        """End a run of which nothing is left to do."""
        self._end("done")

    def _commit_batch(self, run):
        """Commit one batch; return whether there is time for another."""
        if modules.module.current_test:
            self.env.flush_all()
            return True
        remaining = run.total_count - run.seen_count if run.state == "running" else 0
        return self.env["ir.cron"]._commit_progress(BATCH, remaining=remaining) > 0

    def _hand_over(self):
        """Replay the next batch of the selection."""
        self.ensure_one()
        # Against a cancellation at this very moment; jobs may refer to the run meanwhile.
        self.lock_for_update(allow_referencing=True)
        waiting = self.to_replay or []
        batch, rest = waiting[:BATCH], waiting[BATCH:]
        Job = self.env["sync.job"].with_user(self.create_uid).sudo()
        jobs = Job.browse(batch).exists()  # some may have been purged meanwhile
        many = self.total_count > BATCH
        replays = jobs._replay(
            self.source, run=self, priority=BULK if many else None
        )
        self.write(
            {
                "to_replay": rest or False,
                "seen_count": self.seen_count + len(batch),
                "new_count": self.new_count + len(replays),
                "known_count": self.known_count + len(batch) - len(replays),
            }
        )

    def _end(self, state, message=False):
        self.write(
            {
                "state": state,
                "done_at": fields.Datetime.now(),
                "message": message,
                "to_replay": False,
            }
        )

    # === Cancel ===#

    def action_cancel(self):
        """Stop; of a replay, what waits is taken back, too. What was applied stays."""
        result = super().action_cancel()
        replays = self.filtered(lambda run: run.kind == "replay")
        if replays:
            replays._take_back()
        return result

    def _take_back(self):
        """Take back the waiting jobs of replays.

        A job that somebody else asked for meanwhile (a webhook, say) stays: it is
        no longer only this replay's.
        """
        self.check_access("write")
        self.env.flush_all()
        self.env.cr.execute(
            """
            UPDATE sync_job SET state = 'cancelled', done_at = %s, summary = %s
             WHERE run_id = ANY(%s) AND state = 'pending' AND coalesced = 0
               AND replay_of_id IS NOT NULL
            """,
            [clock.now(), _("The replay was cancelled"), self.ids],
        )
        taken = self.env.cr.rowcount
        self.env["sync.job"].invalidate_model()
        for run in self:
            message = _("%(count)s waiting jobs were taken back by %(user)s",
                        count=taken, user=self.env.user.name)
            run.sudo().write({"state": "cancelled", "to_replay": False, "message": message})

    # === Actions ===#

    def action_open_results(self):
        """Open the replays with what they came to before and now."""
        self.ensure_one()
        action = self.action_open_jobs()
        view = self.env.ref("crm_sync_base.view_sync_job_replay_list")
        return dict(
            action,
            name=_("Replays"),
            display_name=_("Replays"),
            views=[(view.id, "list"), (False, "form"), (False, "graph"), (False, "pivot")],
            context={},
        )

    def action_open_failed(self):
        """Open the replays that failed again."""
        self.ensure_one()
        return dict(self.action_open_results(), context={"search_default_failed": 1})

    def action_open_changed(self):
        """Open the replays that changed something.

        :raises UserError: when none did.
        """
        self.ensure_one()
        jobs = self.env["sync.change"].search([("run_id", "=", self.id)]).job_id
        if not jobs:
            raise UserError(_("No replay changed anything: all was as it should be."))
        return dict(self.action_open_results(), domain=[("id", "in", jobs.ids)])
