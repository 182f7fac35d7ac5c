from odoo import _, models
from odoo.exceptions import UserError
from odoo.fields import Domain

from ..lib.replay import REPLAYABLE


class SyncEventResend(models.Model):
    """The event ledger processed again, at a person's word."""

    _inherit = "sync.event"

    def action_resend(self):
        """Process the events again, from the provider's current state, and say what comes of it.

        The first job stays as it is; the new one is its replay.

        :raises AccessError: for who may not work on jobs; enqueueing itself asks nobody.
        :raises UserError: when none of the events can lead to a job.
        """
        self.env["sync.job"].check_access("create")
        wanted = self.filtered(lambda e: e.verdict == "accepted" and e.remote_object)
        if not wanted:
            raise UserError(_("Refused deliveries, and events of no object, cannot be processed again."))
        ended = wanted.filtered(lambda e: e.job_id.state in REPLAYABLE and e.job_id.kind == "record")
        replayed = ended.filtered(lambda e: e.job_id._may_be_replayed())
        replayed.job_id._replay()
        jobs = {event: event._enqueue_again() for event in wanted - ended}
        taken = replayed.union(*(event for event, found in jobs.items() if found))
        obstacles = self._obstacles_of(replayed.job_id.union(*jobs.values()))
        self.env["sync.lane"]._wake()
        told = [
            taken._say_processed(),
            *(wanted - ended - taken)._say_unwanted(),
            (ended - replayed)._say_planned(),
            (self - wanted)._say_refused(),
            _("For now this is in the way: %s", " ".join(obstacles)) if obstacles else "",
        ]
        return self.env["sync.job"]._notice(
            " ".join(filter(None, told)),
            then={"type": "ir.actions.client", "tag": "soft_reload"},
            kind="info" if taken == self and not obstacles else "warning",
        )

    def _enqueue_again(self):
        """Enqueue what an event without an ended job of its own asks for.

        :return: the jobs that do it; none when no flow wants its object.
        """
        jobs = self.env["sync.job"]._enqueue_documents(
            self.connection_id,
            self.remote_object,
            [self.external_id],
            {self.external_id: self.correlation_id},
        )
        if jobs and not self.job_id:
            self.job_id = jobs[0]["id"]
        return self.env["sync.job"].browse([job["id"] for job in jobs])

    def _obstacles_of(self, jobs):
        """Return, in words, what keeps the same work as that of these jobs waiting now that it is enqueued."""
        keys = jobs.sudo().mapped("idempotency_key")
        return jobs._obstacles(Domain("state", "=", "pending") & Domain("idempotency_key", "in", keys))

    # === What became of them: a sentence each, empty without events ===#

    def _say_processed(self):
        if len(self) == 1:
            return _("The event is processed again.")
        return _("%s events are processed again.", len(self)) if self else ""

    def _say_unwanted(self):
        """Return a sentence for each object that no flow takes."""
        return [
            events._say_unwanted_of(events.connection_id, name)
            for (_connection, name), events in self.grouped(lambda e: (e.connection_id, e.remote_object)).items()
        ]

    def _say_unwanted_of(self, connection, name):
        what = {"object": connection._connector()._object(name).label, "connection": connection.sudo().name}
        if len(self) == 1:
            return _("No flow that is switched on takes %(object)s of %(connection)s: 1 event stays as it is.", **what)
        return _(
            "No flow that is switched on takes %(object)s of %(connection)s: %(count)s events stay as they are.",
            count=len(self), **what,
        )  # fmt: skip

    def _say_planned(self):
        if len(self) == 1:
            return _("1 event belongs to a dry run or an approved plan: start that run again.")
        return _("%s events belong to a dry run or an approved plan: start that run again.", len(self)) if self else ""

    def _say_refused(self):
        if len(self) == 1:
            return _("1 event was refused or is about no object: it is left out.")
        return _("%s events were refused or are about no object: they are left out.", len(self)) if self else ""
