import time

from odoo import _, models
from odoo.exceptions import UserError
from odoo.fields import Domain

from ..lib.declarations import Page, Ref
from ..lib.errors import SyncError
from ..lib.outcome import Outcome
from .sync_flow import RUN_SCOPE
from .sync_handler_poll import POLL_SECONDS

LISTED = 1000  # Odoo records that are listed at a time


class SyncHandlerLoad(models.AbstractModel):
    """Lists the records of a whole object, or of an outbound flow, and hands them over in pages."""

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
            page = self._page(flow, job, start)
            done = page.done or not page.refs
            ids = list(dict.fromkeys(ref.external_id for ref in page.refs))
            run._enqueue_pages([int(one) for one in ids] if flow.direction == "outbound" else ids)
            run.write({"cursor": page.cursor, "listed": done, "seen_count": run.seen_count + len(ids)})
            # Whoever cancels the run meanwhile wins: this transaction is run again and sees it.
            self.env["sync.lane"]._commit()
            run.invalidate_recordset(["state"])
            done = done or run.state != "running"
        summary = _("%s listed", run.seen_count)
        if not done:
            return Outcome(later=0.0, summary=summary)
        run._look_again(seconds=0)
        return Outcome(summary=summary)

    def _page(self, flow, job, start):
        """Return the page behind a cursor: of the provider's list, or of Odoo's records."""
        if flow.direction == "outbound":
            return self._odoo_page(flow, job.run_id, start)
        with self._guard(flow, "poll", job, subject=f"load {job.run_id.id} {start}"):
            return flow._connector()._poll(flow.connection_id, self._scoped(flow, job.run_id), start)

    @staticmethod
    def _scoped(flow, run):
        """Return the flow with the condition of the run, as far as the provider can be asked for it."""
        return flow.with_context(**{RUN_SCOPE: run.remote_scope})

    def _odoo_page(self, flow, run, start):
        """Return the next records of the flow's condition, by id: the cursor is the last one.

        What is created meanwhile has a higher id and is listed, too, or is sent by itself.
        """
        domain = Domain.AND([run._odoo_domain(), [("id", ">", int(start or 0))]])
        ids = self._as_service(flow)[flow.model].search(domain, order="id", limit=LISTED).ids
        return Page(tuple(Ref(str(one)) for one in ids), str(ids[-1]) if ids else start, len(ids) < LISTED)

    def _expected(self, flow, job):
        """Return how many records there will be, 0 where the provider cannot tell."""
        if flow.direction == "outbound":
            return self._as_service(flow)[flow.model].search_count(job.run_id._odoo_domain())
        try:
            with self._guard(flow, "poll", job, subject=f"count {flow.id}"):
                return flow._connector()._count(flow.connection_id, self._scoped(flow, job.run_id))
        except (SyncError, UserError):
            return 0  # listing them will say what is wrong, if anything is
