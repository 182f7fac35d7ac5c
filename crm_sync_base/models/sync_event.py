import uuid
from datetime import datetime, timezone

from odoo import _, api, fields, models

from ..lib import masking
from ..lib.declarations import VERDICTS
from ..lib.vault import VaultError


class SyncEvent(models.Model):
    """The event ledger: what reached us, once."""

    _name = "sync.event"
    _description = "Event"
    _order = "id desc"
    _rec_name = "source_id"

    connection_id = fields.Many2one("sync.connection", ondelete="cascade", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True, index=True)
    provider = fields.Selection(related="connection_id.provider")
    source_id = fields.Char(required=True, readonly=True, help="Unique at the provider.")
    origin = fields.Selection(
        [("webhook", "Webhook"), ("poll", "Poll")], default="webhook", required=True, readonly=True
    )
    event_type = fields.Char(readonly=True)
    remote_object = fields.Char(readonly=True)
    external_id = fields.Char(readonly=True, index=True)
    verdict = fields.Selection(
        list(VERDICTS.items()), default="accepted", required=True, readonly=True
    )
    reason = fields.Char(readonly=True)
    occurred_at = fields.Datetime(readonly=True, help="When it happened, says the provider.")
    received_at = fields.Datetime(readonly=True, index=True)
    delivery_count = fields.Integer(default=1, readonly=True)
    remote_address = fields.Char(readonly=True)
    payload_token = fields.Text(readonly=True, groups="base.group_system")
    payload = fields.Text(compute="_compute_payload", help="Secrets and personal data are masked.")
    job_id = fields.Many2one("sync.job", readonly=True, ondelete="set null", index=True)
    correlation_id = fields.Char(readonly=True, index=True)

    _source_unique = models.UniqueIndex(
        "(connection_id, source_id)", "This event was received already."
    )

    def _compute_payload(self):
        vault = None
        for event in self:
            token = event.sudo().payload_token
            if not token:
                event.payload = False
                continue
            try:
                vault = vault or self.env["sync.connection"]._vault()
                event.payload = masking.mask_text(vault.decrypt(token))
            except VaultError as error:
                event.payload = _("The payload cannot be read: %s", error)

    @api.model
    def _store_refused(self, connection, request, receipt):
        """Keep a refused delivery for people to see; it leads to nothing."""
        body = request.body[:20_000].decode("utf-8", "replace")
        self._insert(
            connection,
            [
                {
                    "source_id": f"refused:{uuid.uuid4().hex}",
                    "verdict": receipt.verdict,
                    "reason": receipt.reason,
                    "payload_token": self.env["sync.connection"]._vault().encrypt(body),
                    "remote_address": request.remote_address,
                }
            ],
        )

    @api.model
    def _store_accepted(self, connection, request, receipt):
        """Store a delivery's notifications and enqueue what they lead to.

        The same notification a second time is counted and does nothing more.
        """
        token = self.env["sync.connection"]._vault().encrypt(request.body.decode("utf-8", "replace"))
        known = self._known(connection, receipt.notifications)
        fresh = [note for note in receipt.notifications if note.source_id not in known]
        fresh = list({note.source_id: note for note in fresh}.values())
        jobs = self.env["sync.job"]._enqueue_notifications(connection, fresh)
        self._insert(
            connection,
            [
                {
                    "source_id": note.source_id,
                    "event_type": note.event_type,
                    "remote_object": note.remote_object or None,
                    "external_id": note.external_id or None,
                    "occurred_at": note.occurred_at,
                    # One delivery, one copy: the first notification carries it.
                    "payload_token": token if position == 0 else None,
                    "remote_address": request.remote_address,
                    "job_id": job and job["id"],
                    "correlation_id": job and job["correlation_id"],
                }
                for position, (note, job) in enumerate(zip(fresh, jobs))
            ],
        )

    @api.model
    def _known(self, connection, notifications):
        """Return the source ids seen before, and count the repetition."""
        ids = [note.source_id for note in notifications]
        if not ids:
            return set()
        self.env.cr.execute(
            """
            UPDATE sync_event SET delivery_count = delivery_count + 1
             WHERE connection_id = %s AND source_id = ANY(%s)
            RETURNING source_id
            """,
            [connection.id, ids],
        )
        return {row[0] for row in self.env.cr.fetchall()}

    @api.model
    def _received(self, connection, source_ids):
        """Return which of these source ids are in the ledger already (one query)."""
        if not source_ids:
            return set()
        self.env.cr.execute(
            "SELECT source_id FROM sync_event WHERE connection_id = %s AND source_id = ANY(%s)",
            [connection.id, source_ids],
        )
        return {row[0] for row in self.env.cr.fetchall()}

    @api.model
    def _insert(self, connection, rows):
        """Insert event rows in one statement; a source id that is known is skipped."""
        if not rows:
            return
        # With its fraction, so that the trace keeps the order of a busy second.
        now = datetime.now(timezone.utc).replace(tzinfo=None)
        columns = (
            "source_id",
            "event_type",
            "remote_object",
            "external_id",
            "occurred_at",
            "verdict",
            "reason",
            "payload_token",
            "remote_address",
            "job_id",
            "correlation_id",
            "origin",
        )
        defaults = {"verdict": "accepted", "origin": "webhook"}
        self.env.cr.execute_values(
            # pylint: disable=sql-injection
            f"""INSERT INTO sync_event (connection_id, company_id, received_at, create_date,
                    delivery_count, {", ".join(columns)}) VALUES %s
                ON CONFLICT DO NOTHING""",
            [
                (
                    connection.id or None,
                    connection.company_id.id or None,
                    now,
                    now,
                    1,
                    *(row.get(column, defaults.get(column)) for column in columns),
                )
                for row in rows
            ],
        )

    def action_open_jobs(self):
        """Open the jobs that the events led to."""
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_job")
        action["domain"] = [("id", "in", self.job_id.ids)]
        return action

    def action_open_trace(self):
        """Open the whole story that this event belongs to."""
        self.ensure_one()
        return self.env["sync.trace"]._action(self.correlation_id or self.external_id)

    def action_resend(self):
        """Process the event again, from the provider's current state."""
        for event in self.filtered(lambda e: e.verdict == "accepted" and e.remote_object):
            job = self.env["sync.job"]._enqueue_documents(
                event.connection_id,
                event.remote_object,
                [event.external_id],
                {event.external_id: event.correlation_id},
            )
            if job:
                event.job_id = job[0]["id"]
        self.env["sync.lane"]._wake()
