import logging
from typing import NamedTuple

from odoo import _, api, models

from ..lib.trouble import DATABASE_TROUBLE

_logger = logging.getLogger(__name__)

BATCH = 500  # events that a lane takes in at a time
LATE_HOURS = 1  # a webhook that does not say when it happened may be so late


class Waiting(NamedTuple):
    """An accepted event of which no job was made yet."""

    id: int
    connection_id: int
    remote_object: str  #: empty when it is about nothing of ours
    external_id: str
    correlation_id: str | None

    def place(self):
        """Return where its job comes among others (see `sync.job._enqueue`)."""
        return f"{self.connection_id}:{self.remote_object}:{self.external_id}"


class SyncEventInbox(models.Model):
    """The event ledger as an inbox: what webhooks brought waits here for a lane.

    Whoever delivers waits for one row to be written and for nothing else; making jobs
    of many events at once costs little more than of one.
    """

    _inherit = "sync.event"

    @api.model
    def _take_in(self):
        """Enqueue what the oldest waiting events lead to (no queries when none waits but one).

        The caller, a lane in a transaction that sees what others commit, commits the
        jobs and that the events do not wait any more together. What other lanes are at
        is passed over.

        :return: how many events were taken in.
        """
        self.env.cr.execute(
            """
            SELECT id, connection_id, COALESCE(remote_object, ''), COALESCE(external_id, ''), correlation_id
              FROM sync_event
             WHERE waiting ORDER BY id LIMIT %s
               FOR NO KEY UPDATE SKIP LOCKED
            """,
            [BATCH],
        )
        events = [Waiting(*row) for row in self.env.cr.fetchall()]
        by_connection = {}
        # By one order, that of lane keys, as everybody enqueues: two lanes with news of the
        # same records wait for each other in one direction only.
        for event in sorted(events, key=Waiting.place):
            by_connection.setdefault(event.connection_id, []).append(event)
        for connection_id, found in by_connection.items():
            self._take_in_of(self.env["sync.connection"].browse(connection_id), found)
        if events:
            self._close_gaps([event.id for event in events])
        return len(events)

    def _take_in_of(self, connection, events):
        """Enqueue what events of one connection lead to; one that cannot be stops no other."""
        try:
            with self.env.cr.savepoint():
                self._enqueue_events(connection, events)
        except DATABASE_TROUBLE:
            raise  # nothing is wrong with any event: they wait
        except Exception as error:  # noqa: BLE001 (told on the event)
            if len(events) > 1:
                for event in events:
                    self._take_in_of(connection, [event])
                return
            self.browse(events[0].id)._refuse(error)

    def _refuse(self, error):
        """Leave an accepted event to a person: no job can be made of it."""
        self.ensure_one()
        job = self.env["sync.job"]
        error = job._as_sync_error(error, _("Event %s", self.source_id))
        trace = job._safe_trace(error)
        if trace:
            _logger.error("No job could be made of event %s:\n%s", self.source_id, trace)
            error.hint = _("The technical details are in the server log. Process the event again, or report them.")
        self.write({"waiting": False, "reason": error.message})
        try:
            with self.env.cr.savepoint():
                self.env["sync.exception"]._raise(self.env["sync.flow"], self.connection_id, error)
        except DATABASE_TROUBLE:
            raise
        except Exception:  # a broken extension, say: the lane must go on
            _logger.exception("No card could be made for event %s; its reason is on it", self.source_id)

    def _enqueue_events(self, connection, events):
        jobs = self.env["sync.job"]._enqueue_notifications(connection, events)
        self.env.cr.execute(
            """
            UPDATE sync_event e
               SET waiting = NULL, job_id = v.job_id, correlation_id = COALESCE(v.correlation_id, e.correlation_id)
              FROM unnest(%s, %s::int[], %s::text[]) AS v (id, job_id, correlation_id)
             WHERE e.id = v.id
            """,
            [
                [event.id for event in events],
                [job and job["id"] for job in jobs],
                [job and job["correlation_id"] for job in jobs],
            ],
        )
        self.browse([event.id for event in events]).invalidate_recordset(flush=False)

    @api.model
    def _close_gaps(self, ids):
        """Note of changes which polls had found before these webhooks spoke of them: late, not missed.

        What happened after the poll is another change.

        :return: the moments at which the polls had found them.
        """
        self.env.cr.execute(
            """
            UPDATE sync_event e SET gap = 'late'
              FROM sync_event a
             WHERE a.id = ANY(%s) AND e.connection_id = a.connection_id
               AND e.remote_object = a.remote_object AND e.external_id = a.external_id
               AND e.gap = 'missed'
               AND e.received_at >= COALESCE(a.occurred_at, a.received_at - make_interval(hours => %s))
            RETURNING e.received_at
            """,
            [ids, LATE_HOURS],
        )
        return [row[0] for row in self.env.cr.fetchall()]

    @api.model
    def _inbox_since(self):
        """Return since when the oldest accepted event waits to be taken in, or None."""
        self.env.cr.execute("SELECT received_at FROM sync_event WHERE waiting ORDER BY id LIMIT 1")
        row = self.env.cr.fetchone()
        return row and row[0]
