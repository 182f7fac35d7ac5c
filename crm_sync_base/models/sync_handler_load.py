import time

from odoo import _, models
from odoo.exceptions import UserError

from ..lib.errors import SyncError
from ..lib.outcome import Outcome
from .sync_handler_poll import POLL_SECONDS


class SyncHandlerLoad(models.AbstractModel):
    """Lists the records of a whole object and hands them over in pages."""

    _name = "sync.handler.load"
    _inherit = "sync.handler"
    _description = "First Load Handler"

    def _run(self, flow, jobs):
        return {job.id: self._list(flow, job) for job in jobs}

    def _list(self, flow, job):
        """Walk the object from the run's cursor; each page commits with its cursor.

        A worker that dies leaves the cursor of its last page behind, and the next one
        goes on there. The flow's own cursor, with which it looks for changes, is another.
        """
        flow.connection_id._assert_live()
        run = job.run_id
        end = time.monotonic() + POLL_SECONDS
        done = run.state != "running"
        if not (done or run.cursor or run.total_count):
            run.total_count = self._expected(flow, job)
        while not done and time.monotonic() < end:
            start = run.cursor or ""  # not named "cursor": a translation would take that for the database's
            with self._guard(flow, "poll", job, subject=f"load {run.id} {start}"):
                page = flow._connector()._poll(flow.connection_id, flow, start)
            done = page.done or not page.refs
            ids = list(dict.fromkeys(ref.external_id for ref in page.refs))
            run._enqueue_pages(ids)
            run.write({"cursor": page.cursor, "listed": done, "seen_count": run.seen_count + len(ids)})
            # Whoever cancels the run meanwhile wins: this transaction is run again and sees it.
            self.env["sync.lane"]._commit()
            run.invalidate_recordset(["state"])
            done = done or run.state != "running"
        summary = _("%s listed", run.seen_count)
        if not done:
            return Outcome(later=0.0, summary=summary)
        run._look_again(seconds=1)
        return Outcome(summary=summary)

    def _expected(self, flow, job):
        """Return how many records there will be, 0 where the provider cannot tell."""
        try:
            with self._guard(flow, "poll", job, subject=f"count {flow.id}"):
                return flow._connector()._count(flow.connection_id, flow)
        except (SyncError, UserError):
            return 0  # listing them will say what is wrong, if anything is
