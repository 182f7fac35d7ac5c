import json
import uuid
from collections import Counter
from datetime import datetime, timedelta
from operator import itemgetter
from typing import NamedTuple

from odoo import _, api, fields, models

from ..lib import clock, masking
from ..lib.declarations import VERDICTS
from ..lib.vault import VaultError

#: of changes that a poll found although webhooks normally bring them
GAPS = [
    ("missed", "Missed"),  # no webhook has brought it so far
    ("late", "Late"),  # a webhook brought it after the poll
]
WEBHOOK_DAYS = 30  # an object without a webhook for so long is not expected to have any
GAP_MARGIN = 10  # minutes before the previous look in which a webhook may have come
REPLAY_DEPTH = 20  # replays of replays that are followed

#: what a row of `_insert` may hold, and what it has otherwise
COLUMNS = (
    "source_id",
    "event_type",
    "remote_object",
    "external_id",
    "occurred_at",
    "verdict",
    "reason",
    "http_status",
    "payload_token",
    "remote_address",
    "job_id",
    "correlation_id",
    "origin",
    "gap",
    "headers",
    "delivery",
    "waiting",
)
DEFAULTS = {"verdict": "accepted", "origin": "webhook"}


class Stored(NamedTuple):
    """An event row that was written: inserted, or found and counted."""

    id: int
    source_id: str
    delivery: str | None
    received_at: datetime
    is_new: bool


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
    http_status = fields.Integer(
        string="Answer", readonly=True, aggregator=None, help="HTTP status that its webhook was answered with."
    )
    occurred_at = fields.Datetime(readonly=True, help="When it happened, says the provider.")
    received_at = fields.Datetime(readonly=True, index=True)
    delivery_count = fields.Integer(string="Deliveries", default=1, readonly=True)
    duplicate_count = fields.Integer(
        string="Suppressed Duplicates", readonly=True,
        help="Further deliveries of the same event: counted, without any effect.",
    )
    last_received_at = fields.Datetime(
        string="Last Duplicate", readonly=True, help="When it was delivered once more."
    )
    gap = fields.Selection(
        GAPS,
        readonly=True,
        help="Missed: looking for changes found it, although webhooks normally bring changes "
        "of this object. Late: a webhook brought it, after it had been found.",
    )
    remote_address = fields.Char(readonly=True)
    headers = fields.Json(string="Kept Headers", readonly=True, groups="base.group_system")
    header_text = fields.Text(
        string="Headers", compute="_compute_header_text", exportable=False,
        groups="crm_sync_base.group_sync_operator,crm_sync_base.group_sync_auditor",
        help="Signatures and credentials are masked.",
    )
    delivery = fields.Char(
        readonly=True, help="Events of one delivery share it; the first of them keeps the content."
    )
    payload_token = fields.Text(readonly=True, groups="base.group_system")
    payload = fields.Text(compute="_compute_payload", help="Secrets and personal data are masked.")
    waiting = fields.Boolean(
        string="Not Taken In Yet", readonly=True, help="Accepted; the next lane that looks for work makes jobs of it."
    )
    job_id = fields.Many2one("sync.job", readonly=True, ondelete="set null", index=True)
    job_count = fields.Integer(compute="_compute_job_count")
    correlation_id = fields.Char(readonly=True, index=True)

    _source_unique = models.UniqueIndex(
        "(connection_id, source_id)", "This event was received already."
    )

    _inbox = models.Index("(id) WHERE waiting")
    _delivery = models.Index("(delivery) WHERE delivery IS NOT NULL")
    _gaps = models.Index("(connection_id, remote_object, external_id) WHERE gap IS NOT NULL")
    _refused = models.Index("(received_at) WHERE verdict <> 'accepted'")
    _webhooks = models.Index(
        "(connection_id, remote_object, received_at) WHERE origin = 'webhook' AND verdict = 'accepted'"
    )

    # === Computes ===#

    def _compute_payload(self):
        vault = None
        firsts = self._firsts()
        for event in self:
            token = firsts[event].payload_token
            if not token:
                event.payload = False
                continue
            try:
                vault = vault or self.env["sync.connection"]._vault()
                event.payload = masking.mask_text(vault.decrypt(token))
            except VaultError as error:
                event.payload = _("The payload cannot be read: %s", error)

    def _firsts(self):
        """Return `{event: the event that keeps the content of its delivery}`."""
        shared = list(filter(None, self.mapped("delivery")))
        keepers = self.sudo().search([("delivery", "in", shared), ("payload_token", "!=", False)]) if shared else ()
        first = {event.delivery: event for event in keepers}
        return {event: first.get(event.delivery, event.sudo()) for event in self}

    @api.depends("headers", "delivery")
    def _compute_header_text(self):
        firsts = self._firsts()
        for event in self:
            headers = firsts[event].headers or {}
            event.header_text = "\n".join(f"{name}: {headers[name]}" for name in sorted(headers))

    def _compute_job_count(self):
        for event in self:
            event.job_count = len(event._jobs()) if event.job_id else 0

    def _jobs(self):
        """Return the jobs that the events led to: their first jobs, replays and steps."""
        found = layer = self.job_id
        for _level in range(REPLAY_DEPTH):
            layer = self.env["sync.job"].search(
                [
                    "|",
                    ("replay_of_id", "in", layer.ids),
                    ("parent_id", "in", layer.ids),
                    ("id", "not in", found.ids),
                ]
            )
            if not layer:
                break
            found |= layer
        return found

    # === Engine ===#

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
                    "http_status": receipt.http_status,
                    "payload_token": self.env["sync.connection"]._vault().encrypt(body),
                    "headers": json.dumps(masking.mask_headers(request.headers)),
                    "remote_address": request.remote_address,
                }
            ],
        )

    @api.model
    def _store_accepted(self, connection, deliveries):
        """Store deliveries' notifications, for the lanes to take in (`_take_in`).

        The same notification a second time is counted and does nothing more. One
        statement, because somebody waits for the answer.

        :param deliveries: `[(WebhookRequest, Receipt)]`.
        """
        notes = [(note, number) for number, (_request, receipt) in enumerate(deliveries)
                 for note in receipt.notifications]
        times = Counter(note.source_id for note, _number in notes)
        of_delivery = {}
        for note, number in {note.source_id: (note, number) for note, number in reversed(notes)}.values():
            of_delivery.setdefault(number, []).append(note)
        rows = [
            {**row, "deliveries": times[row["source_id"]]}
            for number, found in of_delivery.items()
            for row in self._delivery_rows(*deliveries[number], found)
        ]
        # By one order: two workers with the same events wait for each other in one
        # direction only.
        rows.sort(key=itemgetter("source_id"))
        stored = self._insert(connection, rows, conflict=self._SQL_COUNT)
        self._keep_content(rows, stored)
        if any(event.is_new for event in stored):
            self.env["sync.lane"]._wake()

    def _keep_content(self, rows, stored):
        """Have a new event of a delivery keep its content if the one that should was known before."""
        known = {event.source_id for event in stored if not event.is_new}
        for keeper in rows:
            if not keeper["delivery"] or "payload_token" not in keeper or keeper["source_id"] not in known:
                continue
            new = [event.id for event in stored if event.is_new and event.delivery == keeper["delivery"]]
            if new:
                self.env.cr.execute(
                    "UPDATE sync_event SET payload_token = %s, headers = %s WHERE id = %s",
                    [keeper["payload_token"], keeper["headers"], new[0]],
                )

    def _delivery_rows(self, request, receipt, notifications):
        """Return the rows of one delivery; the first keeps what all of them share."""
        delivery = uuid.uuid4().hex if len(notifications) > 1 else None
        rows = [
            {
                "source_id": note.source_id,
                "event_type": note.event_type,
                "remote_object": note.remote_object or None,
                "external_id": note.external_id or None,
                "occurred_at": note.occurred_at,
                "http_status": receipt.http_status,
                "delivery": delivery,
                "remote_address": request.remote_address,
                "correlation_id": note.correlation_id or None,
                "waiting": True,
            }
            for note in notifications
        ]
        rows[0]["payload_token"] = self.env["sync.connection"]._vault().encrypt(request.body.decode("utf-8", "replace"))
        rows[0]["headers"] = json.dumps(masking.mask_headers(request.headers))
        return rows

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

    #: What is there already stays as it is.
    _SQL_SKIP = "DO NOTHING"

    #: It was delivered once more. The first delivery of what a poll had found is no repetition: it was late.
    _SQL_COUNT = """
        (connection_id, source_id) DO UPDATE
           SET delivery_count = e.delivery_count + EXCLUDED.delivery_count,
               duplicate_count = COALESCE(e.duplicate_count, 0) + EXCLUDED.delivery_count
                               - CASE WHEN e.gap = 'missed' THEN 1 ELSE 0 END,
               last_received_at = EXCLUDED.received_at,
               gap = CASE WHEN e.gap = 'missed' THEN 'late' ELSE e.gap END
    """

    @api.model
    def _insert(self, connection, rows, conflict=_SQL_SKIP):
        """Insert event rows in one statement.

        :param conflict: what becomes of one whose source id is known.
        :return: a `Stored` of each row that was written.
        """
        if not rows:
            return []
        # With its fraction, so that the trace keeps the order of a busy second.
        now = clock.now()
        written = self.env.cr.execute_values(
            # pylint: disable=sql-injection
            f"""
            WITH stored AS (
                 INSERT INTO sync_event AS e (connection_id, company_id, received_at, create_date,
                        delivery_count, duplicate_count, {", ".join(COLUMNS)})
                 VALUES %s
                 ON CONFLICT {conflict}
                 RETURNING id, source_id, delivery, received_at, xmax = 0 AS is_new
            ), {self._SQL_MARKED}
            SELECT id, source_id, delivery, received_at, is_new FROM stored
            """,
            [
                (
                    connection.id or None,
                    connection.company_id.id or None,
                    now,
                    now,
                    row.get("deliveries", 1),
                    row.get("deliveries", 1) - 1,
                    *(row.get(column, DEFAULTS.get(column)) for column in COLUMNS),
                )
                for row in rows
            ],
            page_size=1000,
            fetch=True,
        )
        return [Stored(*row) for row in written]

    # === Gaps ===#

    @api.model
    def _watch_gaps(self, flow, remote_object):
        """Return whether a poll's finding of this flow would be a gap (one query).

        Only where webhooks normally bring such changes: the flow is watched, and the last
        accepted one about this object came within the last weeks, but some came before
        the previous look already. So neither a first load nor the first look after webhooks
        were set up counts.
        """
        if not flow.watch_gaps or not flow.last_poll_at:
            return False
        self.flush_model()
        self.env.cr.execute(
            """
            SELECT 1 FROM sync_event
             WHERE connection_id = %s AND remote_object = %s AND origin = 'webhook'
               AND verdict = 'accepted' AND received_at BETWEEN %s AND %s
             LIMIT 1
            """,
            [
                flow.connection_id.id,
                remote_object,
                clock.now() - timedelta(days=WEBHOOK_DAYS),
                flow.last_poll_at,
            ],
        )
        return bool(self.env.cr.fetchone())

    @api.model
    def _brought_by_webhook(self, flow, external_ids):
        """Return which of these records a webhook spoke of since the previous look."""
        since = flow.last_poll_at - timedelta(minutes=max(flow.poll_interval, GAP_MARGIN))
        self.env.cr.execute(
            """
            SELECT DISTINCT external_id FROM sync_event
             WHERE connection_id = %s AND remote_object = %s AND external_id = ANY(%s)
               AND origin = 'webhook' AND verdict = 'accepted'
               AND GREATEST(received_at, last_received_at) >= %s
            """,
            [flow.connection_id.id, flow.remote_object, list(external_ids), since],
        )
        return {row[0] for row in self.env.cr.fetchall()}

    @api.model
    def _gaps_among(self, flow, refs, run):
        """Return the external ids of new refs that a webhook should have brought, and has not.

        A ref from the provider's own list of events is one when that very event did not
        arrive; any other when no webhook spoke of its record since the previous look.

        :param run: of this pass; one that began at the start is a first load.
        """
        if not run.cursor_start or not self._watch_gaps(flow, flow.remote_object):
            return set()
        told = self._brought_by_webhook(
            flow, [ref.external_id for ref in refs if not ref.source_id]
        )
        return {ref.external_id for ref in refs if ref.source_id or ref.external_id not in told}

    @api.model
    def _gap_domain(self):
        """Return the domain of the gaps that matter: what came of them changed something."""
        return [
            ("gap", "=", "missed"),
            "|",
            ("job_id.state", "!=", "done"),
            ("job_id.change_ids", "!=", False),
        ]

    # === Actions ===#

    def action_open_jobs(self):
        """Open the jobs that the events led to."""
        jobs = self._jobs()
        if len(jobs) == 1:
            return jobs._action_form()
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_job")
        return dict(action, domain=[("id", "in", jobs.ids)], context={})

    def action_open_trace(self):
        """Open the whole story that this event belongs to."""
        self.ensure_one()
        return self.env["sync.trace"]._action(self.correlation_id or self.external_id)

    def action_open_delivery(self):
        """Open all events of the same delivery."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_event")
        return dict(action, domain=[("delivery", "=", self.delivery)], context={})
