import logging
from datetime import timedelta
from textwrap import shorten

import psycopg2
from odoo import SUPERUSER_ID, _, api, fields, models, modules
from odoo.modules.registry import Registry
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ..lib import sla
from ..lib.coalescer import Coalescer
from ..lib.fingerprint import fingerprint
from ..lib.remedy import Remedy
from .sync_exception import OPEN

_logger = logging.getLogger(__name__)

DESK_LOCK = 7_304_519  # key of the advisory lock, in each database
PAUSE = 0.3  # seconds; so often at most a process tidies the desk
SEEN_SECONDS = 10  # "last seen" is exact to so many seconds
LATER_SECONDS = 60  # when the scheduled action makes sure that the desk was tidied
CAUSES = 200  # new causes that are taken up in one transaction
QUIET = {"mail_create_nolog": True, "mail_create_nosubscribe": True, "mail_notrack": True}


def _tend_desk(dbname):
    """Tidy the desk of a database, in a transaction of its own.

    Every statement sees what is committed by then: so the last of two workers that
    end at the same moment finds the card empty, and neither fails because of the other.
    """
    with Registry(dbname).cursor() as cr:
        cr.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        # One at a time: whoever comes second sees what the first has left to do.
        cr.execute("SELECT pg_advisory_xact_lock(%s)", [DESK_LOCK])
        api.Environment(cr, SUPERUSER_ID, {})["sync.exception"]._tend()


_tender = Coalescer(_tend_desk, PAUSE)


class SyncExceptionDesk(models.Model):
    """The exception desk's clerk: puts failed jobs on cards and takes cards off again.

    Jobs fail in transactions that must not wait for one another. They only say what
    their cause is; a transaction of its own, right after theirs, groups them. What a
    dying process leaves undone is done by the next one: the job's row says it all.
    """

    _inherit = "sync.exception"

    # === What the engine calls ===#

    @api.model
    def _raise_for_job(self, job, error):
        """Return the card of a dead job's cause, if it is known already.

        A new cause gets its card a moment after the commit (see `_tend`). `job` has
        what `_failure_vals` gave of `error`.
        """
        card = self._open_card(job.flow_id, job.connection_id, job.error_code, job.error_cause)
        self._tend_soon()
        return card or job.exception_id

    @api.model
    def _raise_for_connection(self, connection, error):
        """Return the one exception of a connection that cannot work."""
        return self._raise(self.env["sync.flow"], connection, error)

    @api.model
    def _raise(self, flow, connection, error):
        """Put a cause on the desk that has no failed job, or say that it is seen again.

        :param flow: a flow or an empty recordset; `connection` likewise.
        :param error: a `SyncError`.
        :return: the card; empty when another transaction puts it there right now.
        """
        desk = self.sudo()
        cause = fingerprint([error.code, error.fingerprint])
        card = desk._open_card(flow, connection, error.code, cause)
        if card:
            card._seen_again(error)
            return card
        try:
            with self.env.cr.savepoint():
                card = desk._create_card(
                    flow,
                    connection,
                    error.code,
                    cause,
                    {
                        "name": error.message,
                        "message": "\n".join(error.problems) or error.message,
                        "hint": error.hint,
                        "remedies": error.remedies,
                    },
                )
                card.flush_recordset()
                return card
        except (psycopg2.errors.UniqueViolation, *PG_CONCURRENCY_EXCEPTIONS_TO_RETRY):
            return self.browse()

    def _seen_again(self, error):
        """Refresh a known card now and then; never wait for whoever works on it."""
        now = fields.Datetime.now()
        if self.last_seen and self.last_seen > now - timedelta(seconds=LATER_SECONDS):
            return
        try:
            with self.env.cr.savepoint():
                if self.try_lock_for_update(allow_referencing=True):
                    self.with_context(**QUIET).write(
                        {"last_seen": now, "message": "\n".join(error.problems) or error.message}
                    )
                    self.flush_recordset()
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            self.invalidate_recordset()

    def _close_if_empty(self):
        """Have cards closed whose records have all gone through since."""
        if self:
            self._tend_soon()

    def _resolve_by_itself(self, why):
        """Close cards because their cause is gone.

        :param why: a sentence.
        """
        self._close("resolved", "self", _("By itself: %s", why))

    # === Cards ===#

    @api.model
    def _open_card(self, flow, connection, error_code, cause):
        return self.sudo().search(
            [
                ("connection_id", "=", connection.id),
                ("flow_id", "=", flow.id),
                ("error_code", "=", error_code),
                ("fingerprint", "=", cause),
                ("state", "in", OPEN),
            ],
            limit=1,
        )

    @api.model
    def _create_card(self, flow, connection, error_code, cause, what):
        """Return a new card.

        :param what: name, message, hint, remedies and perhaps subject and first_seen.
        """
        now = fields.Datetime.now()
        since = what.get("first_seen") or now
        target = self.env["sync.exception.sla"]._for_cause(error_code, flow, connection.company_id)
        before = self.search(
            [
                ("fingerprint", "=", cause),
                ("flow_id", "=", flow.id),
                ("connection_id", "=", connection.id),
            ],
            order="id desc",
            limit=1,
        )
        card = self.with_context(**QUIET).create(
            {
                "name": self._masked(what["name"])[:200],
                "connection_id": connection.id,
                "flow_id": flow.id,
                "company_id": (flow.company_id or connection.company_id).id,
                "error_code": error_code,
                "fingerprint": cause,
                "message": self._masked(what["message"]),
                "hint": what["hint"],
                "subject": self._masked(what.get("subject")),
                "first_seen": since,
                "last_seen": now,
                "deadline": sla.deadline(since, target._hours()),
                "user_id": (flow.owner_id or target.user_id).id,
                "previous_id": before.id,
                "fix_ids": [
                    fields.Command.create({"sequence": number, **remedy.to_json()})
                    for number, remedy in enumerate(what["remedies"])
                ],
            }
        )
        self._arm(card.deadline)
        return card

    # === Tending: own transaction, every statement sees what is committed ===#

    @api.model
    def _tend_soon(self):
        """Tidy the desk right after this transaction, and in any case in a minute."""
        if modules.module.current_test:
            self.env.flush_all()
            self.env["sync.exception"].sudo()._tend()
            return
        callbacks = self.env.cr.postcommit
        if "sync_tend" in callbacks.data:
            return
        callbacks.data["sync_tend"] = True
        dbname = self.env.cr.dbname
        callbacks.add(lambda: _tender.request(dbname))
        self._arm(fields.Datetime.now() + timedelta(seconds=LATER_SECONDS))

    @api.model
    def _tend_now(self):
        """Tidy the desk, in a transaction of its own except inside a test."""
        if modules.module.current_test:
            self._tend()
        else:
            _tend_desk(self.env.cr.dbname)
            # What follows must see what was tidied.
            self.env["sync.lane"]._commit()
            self.env.invalidate_all()

    @api.model
    def _tend(self):
        """Put failed jobs on cards, note when they were last seen, close empty cards.

        It may run anywhere and as often as it likes: all of it follows from the rows.
        """
        self.env.flush_all()
        self._take_back_late_ones()
        self._adopt_jobs()
        self._note_last_seen()
        self._close_empty()

    @api.model
    def _take_back_late_ones(self):
        """A job that failed while its card was being closed needs a new one."""
        self.env.cr.execute(
            """
            UPDATE sync_job j SET exception_id = NULL FROM sync_exception e
             WHERE j.exception_id = e.id AND j.state = 'failed' AND e.state = 'resolved'
               AND e.closed_by IN ('self', 'moved')
               AND e.closed_at > timezone('utc', now()) - interval '1 day'
            """
        )
        if self.env.cr.rowcount:
            self.env["sync.job"].invalidate_model(["exception_id"])

    @api.model
    def _adopt_jobs(self):
        """Group the failed jobs that are on no card yet, each cause in one statement."""
        self.env.cr.execute(
            """
            SELECT flow_id, connection_id, error_code, error_cause, max(id)
              FROM sync_job WHERE state = 'failed' AND exception_id IS NULL
             GROUP BY flow_id, connection_id, error_code, error_cause ORDER BY max(id) LIMIT %s
            """,
            [CAUSES],
        )
        causes = self.env.cr.fetchall()
        for *cause, latest in causes:
            job = self.env["sync.job"].browse(latest)
            card = self._card_of(job)
            if card:
                self._adopt_cause(card, cause)
        if len(causes) == CAUSES:
            self._tend_soon()

    def _adopt_cause(self, card, cause):
        """Put every failed job of a cause on a card."""
        self.env.cr.execute(
            """
            UPDATE sync_job SET exception_id = %s, error_cause = %s
             WHERE id IN (SELECT id FROM sync_job
                           WHERE state = 'failed' AND exception_id IS NULL AND flow_id = %s
                             AND connection_id IS NOT DISTINCT FROM %s
                             AND error_code IS NOT DISTINCT FROM %s
                             AND error_cause IS NOT DISTINCT FROM %s
                             FOR UPDATE SKIP LOCKED)
            """,
            [card.id, card.fingerprint, *cause],
        )
        self.env["sync.job"].invalidate_model(["exception_id", "error_cause"])
        card.invalidate_recordset(["job_ids", "job_count", "amount_at_risk", "sample_ids"])

    @api.model
    def _card_of(self, job):
        """Return the open card of a failed job's cause; make one when there is none."""
        code = job.error_code or "bug"
        cause = job.error_cause or fingerprint([code, job.error_message or job.name])
        card = self._open_card(job.flow_id, job.connection_id, code, cause)
        if card:
            return card
        try:
            with self.env.cr.savepoint():
                card = self._create_card(job.flow_id, job.connection_id, code, cause, self._what(job))
                card.flush_recordset()
                return card
        except psycopg2.errors.UniqueViolation:
            # Another process made it just now, and committed: it can be seen here.
            return self._open_card(job.flow_id, job.connection_id, code, cause)

    @api.model
    def _what(self, job):
        """Return what a card says of a failed job."""
        details = job.error_details or {}
        message = job.error_message or job.name
        problems = details.get("problems") or []
        return {
            "name": _cause(message, job.subject, problems),
            "message": "\n".join(problems) or message,
            "hint": job.error_hint,
            "subject": job.subject or job.name,
            "first_seen": job.done_at and job.done_at.replace(microsecond=0),
            "remedies": [Remedy.from_json(each) for each in details.get("remedies") or ()],
        }

    @api.model
    def _note_last_seen(self):
        self.env.cr.execute(
            """
            UPDATE sync_exception e SET last_seen = date_trunc('second', j.at)
              FROM (SELECT c.id, (SELECT max(done_at) FROM sync_job
                                   WHERE exception_id = c.id AND state = 'failed') AS at
                      FROM sync_exception c WHERE c.state IN ('new', 'acknowledged')) j
             WHERE j.id = e.id AND j.at > e.last_seen + make_interval(secs => %s)
            """,
            [SEEN_SECONDS],
        )
        if self.env.cr.rowcount:
            self.invalidate_model(["last_seen"])

    @api.model
    def _close_empty(self):
        """Close the cards that had jobs and have none left."""
        self.env.cr.execute(
            """
            SELECT e.id FROM sync_exception e
             WHERE e.state IN ('new', 'acknowledged')
               AND EXISTS (SELECT 1 FROM sync_job j WHERE j.exception_id = e.id)
               AND NOT EXISTS (SELECT 1 FROM sync_job j
                                WHERE j.exception_id = e.id AND j.state = 'failed')
               FOR NO KEY UPDATE OF e SKIP LOCKED
            """
        )
        for card in self.browse([row[0] for row in self.env.cr.fetchall()]):
            heir = card._heir()
            if heir:
                card._close(
                    "resolved", "moved", _("Something else is in the way now: %s", shorten(heir.name, 90))
                )
            else:
                card._resolve_by_itself(_("every record went through since."))

    def _heir(self):
        """Return an open card on which a record of this one waits now, if there is one."""
        self.env.cr.execute(
            """
            SELECT later.exception_id
              FROM sync_job mine
              JOIN sync_job later ON later.idempotency_key = mine.idempotency_key
                   AND later.state = 'failed' AND later.exception_id <> mine.exception_id
             WHERE mine.exception_id = %s LIMIT 1
            """,
            [self.id],
        )
        row = self.env.cr.fetchone()
        return self.browse(row[0] if row else ())

    def _close(self, state, closed_by, resolution):
        """Take cards off the desk."""
        cards = self.filtered(lambda card: card.state in OPEN)
        cards.write(
            {
                "state": state,
                "closed_by": closed_by,
                "closed_at": fields.Datetime.now(),
                "resolution": resolution,
                "snooze_until": False,
                "priority": "0",
            }
        )
        cards.activity_ids.filtered(lambda activity: activity.automated).action_feedback(
            feedback=resolution
        )

    # === The clock ===#

    @api.model
    def _arm(self, moment):
        """Have the scheduled action run at a moment, unless it does so before anyway."""
        cron = self.env.ref("crm_sync_base.ir_cron_exception_desk", raise_if_not_found=False)
        if not cron:
            return
        self.env.cr.execute(
            """
            INSERT INTO ir_cron_trigger (cron_id, call_at)
            SELECT %(cron)s, date_trunc('second', %(moment)s::timestamp) + interval '1 second'
             WHERE NOT EXISTS (
                   SELECT 1 FROM ir_cron_trigger
                    WHERE cron_id = %(cron)s AND call_at <= %(moment)s::timestamp + interval '1 second'
                      AND call_at > timezone('utc', now()) + interval '5 seconds')
            """,
            {"cron": cron.id, "moment": moment},
        )

    @api.model
    def _cron_desk(self):
        """Wake what slept, escalate what is late, and see that the desk is tidy.

        It runs at the moments that `_arm` was told, not at intervals.
        """
        try:
            self._tend_now()
        except Exception:
            _logger.exception("Synchronisation: the exception desk is tidied in a minute")
            self._arm(fields.Datetime.now() + timedelta(seconds=LATER_SECONDS))
        self.env.ref("crm_sync_base.ir_cron_exception_desk")._sync_run_parts(self._wake_snoozed, self._escalate_late)
        self._arm_next()

    @api.model
    def _wake_snoozed(self):
        """Return what slept long enough to the desk, as new."""
        for card in self.search(
            [("state", "in", OPEN), ("snooze_until", "<=", fields.Datetime.now())]
        ):
            card.write({"state": "new", "snooze_until": False})
            card.message_post(body=_("Back on the desk: its time to sleep is over."))

    @api.model
    def _escalate_late(self):
        """Escalate, once, what passed its deadline."""
        self.search(
            [
                ("state", "in", OPEN),
                ("deadline", "<=", fields.Datetime.now()),
                ("escalated_at", "=", False),
                ("snooze_until", "=", False),
            ]
        )._escalate(_("It was not resolved in time."))

    @api.model
    def _arm_next(self):
        """Arm the clock for the next deadline or awakening, if there is one."""
        self.flush_model()
        self.env.cr.execute(
            """
            SELECT min(moment) FROM (
                   SELECT min(deadline) AS moment FROM sync_exception
                    WHERE state IN ('new', 'acknowledged') AND escalated_at IS NULL
                      AND snooze_until IS NULL
                UNION ALL
                   SELECT min(snooze_until) FROM sync_exception
                    WHERE state IN ('new', 'acknowledged')) AS next
            """
        )
        moment = self.env.cr.fetchone()[0]
        if moment:
            self._arm(max(moment, fields.Datetime.now() + timedelta(seconds=LATER_SECONDS)))

    # === Escalation ===#

    def _escalate(self, why):
        """Call in who answers for the flow: activity, star, note.

        :param why: a sentence.
        """
        for card in self.filtered(lambda card: card.state in OPEN):
            person = card._escalation_user()
            card.write({"priority": "1", "escalated_at": fields.Datetime.now()})
            card.activity_schedule(
                "crm_sync_base.mail_activity_type_exception",
                user_id=person.id,
                summary=_("Escalated: %s", card.name)[:120],
                note=why,
            )

    def _escalation_user(self):
        """Return who answers for a cause: the flow's technical owner, else a manager."""
        self.ensure_one()
        person = self.flow_id.technical_owner_id or self.flow_id.owner_id
        if person.active:
            return person
        managers = self.env.ref("crm_sync_base.group_sync_manager").sudo().all_user_ids
        managers = managers.filtered(
            lambda user: user.active
            and user.id != SUPERUSER_ID
            and (not self.company_id or self.company_id in user.company_ids)
        )
        return managers.sorted("id")[:1] or self.env.user


def _cause(message, subject, problems):
    """Return a cause without the one record at which it was seen.

    The card stands for every record that has it, and names one of them by itself.
    """
    if not subject or not message.startswith(f"{subject}: "):
        return message
    text = "; ".join(problems) or message[len(subject) + 2 :]
    return text[:1].upper() + text[1:]
