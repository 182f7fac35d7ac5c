from odoo import _, api, models
from odoo.fields import Domain

from ..lib import clock

RETRY_BATCH = 1000  # jobs that are loaded at a time
#: what can be asked to run: what gave up, and what waits for its time
TO_RUN = Domain("state", "in", ("pending", "failed"))


class SyncJobRetry(models.Model):
    """The job ledger asked to run: what failed once more, what waits right away."""

    _inherit = "sync.job"

    # === Buttons ===#

    def action_retry(self):
        """Run these failed jobs again; where that could not be now, ask first.

        :raises AccessError: for who may not work on jobs.
        """
        return self._ask_and_retry(Domain("id", "in", self.ids))

    def action_run_now(self):
        """Let waiting jobs run as soon as possible, whatever their planned time.

        :raises AccessError: for who may not work on jobs.
        """
        self.filtered(lambda job: job.state == "pending")._retry()
        return True

    def action_open_retry_wizard(self):
        """Ask whether the selection, or everything that the filter shows, shall run now.

        :raises AccessError: for who may not work on jobs.
        """
        self.env["sync.job"].check_access("write")
        return self.env["sync.job.retry.wizard"]._action_for_list(self)

    # === Retry ===#

    @api.model
    def _ask_and_retry(self, domain):
        """Retry what a domain finds, unless something would keep it waiting.

        :return: the action that says how many run, if any, or the dialog that says what
            is in the way and asks.
        :raises AccessError: for who may not work on jobs.
        """
        self.check_access("write")
        domain = Domain(domain) & TO_RUN
        if self._obstacles(domain):
            return self.env["sync.job.retry.wizard"]._action_for(domain)
        count = self._retry_found(domain)
        if not count:
            message = _("There is nothing to run again.")
        else:
            message = _("The record runs again.") if count == 1 else _("%s records run again.", count)
        return self._notice(message, then={"type": "ir.actions.client", "tag": "soft_reload"})

    @api.model
    def _retry_found(self, domain):
        """Retry everything that a domain finds, a batch at a time.

        :return: how many.
        """
        ids = self.search(Domain(domain) & TO_RUN, order="id").ids
        for start in range(0, len(ids), RETRY_BATCH):
            jobs = self.browse(ids[start : start + RETRY_BATCH])
            jobs._retry()
            jobs.invalidate_recordset()
        return len(ids)

    def _retry(self):
        """Run the work of failed jobs again, as new jobs linked to the old ones; waiting ones at once.

        :raises AccessError: for who may not work on jobs; enqueueing itself asks nobody.
        """
        self.check_access("write")
        failed = self.filtered(lambda job: job.state == "failed")
        self._enqueue([job._replay_spec() for job in failed])
        self.filtered(lambda job: job.state == "pending").write({"eta": clock.now()})
        self.env["sync.lane"]._wake()

    def _replay_spec(self):
        return {
            "flow": self.flow_id,
            "kind": self.kind,
            "step": self.step_id,
            "idempotency_key": self.idempotency_key,
            "lane_key": self.lane_key,
            "priority": self.priority,
            "external_id": self.external_id,
            "remote_object": self.remote_object,
            "model": self.model,
            "res_id": self.res_id,
            "payload": self.payload,
            "correlation_id": self.correlation_id,
            "parent_id": self.parent_id.id,
            "run_id": self.run_id.id,
            "replay_of_id": self.id,
            "name": self.name,
        }
