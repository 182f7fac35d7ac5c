import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import psycopg2
from odoo import SUPERUSER_ID, _, api, models, modules
from odoo.sql_db import PoolError

from ..lib import clock, gate
from ..lib.breaker import BreakerPolicy, State, Verdict
from ..lib.errors import BudgetSpent, CircuitOpen, RateLimited
from ..lib.gate import Gate, Reason
from ..lib.gate_row import COLUMNS, TERMS, to_gate, to_policy, to_row
from ..lib.meter import Ended, judge
from ..lib.priorities import URGENT

_logger = logging.getLogger(__name__)

LOCK_SECONDS = 2  # nobody waits longer for the row than this
#: seconds; what waits for longer is looked at in between all the same
ASK_AGAIN = 300.0
#: seconds; who asks for a longer silence has no calls left to give
LONG_SILENCE = 60.0
EVERY = -(2**31)  # a priority below all others

#: what the jobs of a kind do at the provider; other kinds do not call it
OPERATIONS = {"record": "read", "page": "read", "poll": "poll", "load": "poll", "push": "push"}


class Blocked(NamedTuple):
    """Jobs of a flow and kind that need not be claimed before a moment."""

    flow_id: int
    kind: str
    priority_from: int  #: only those with this or a larger (less urgent) priority
    until: datetime  #: naive UTC, by this process's clock


@dataclass(frozen=True, slots=True)
class Ticket:
    """A batch's permission to call.

    :param endpoint_id: None when nobody keeps the gate (yet).
    :param probe: its result decides for all others.
    :param gate: the state in which it was let through, at `now` (the database's clock).
    :param started: monotonic seconds of that moment.
    """

    name: str
    endpoint_id: int | None = None
    probe: bool = False
    gate: Gate | None = None
    policy: BreakerPolicy | None = None
    now: datetime | None = None
    started: float = 0.0

    def softened(self, error):
        """Return an error as it counts for a job.

        Everybody knows that the provider fails when a probe is made, and that its day
        may be over when the first batch asks again: the jobs that happened to be the
        probe lose no attempt.
        """
        if isinstance(error, RateLimited) and (error.retry_after or 0.0) >= LONG_SILENCE:
            return BudgetSpent(
                error.message,
                hint=error.hint,
                retry_after=error.retry_after,
                fingerprint="budget spent",
            )
        if not self.probe or judge(error) is not Ended.DOWN:
            return error
        return CircuitOpen(
            _("%(name)s still fails: %(error)s", name=self.name, error=error),
            hint=_("Nothing to do: it is tried again by itself."),
            retry_after=self.policy.open_first,
            fingerprint="circuit open",
        )


class SyncEndpointGate(models.Model):
    """Endpoints as gates: who may call, and what was learnt by it."""

    _inherit = "sync.endpoint"

    # === Look-ups of the engine ===#

    @api.model
    def _ensure_for(self, connection):
        """Create the endpoints that a connection's provider declares.

        Always in a transaction of its own: whoever calls a provider meanwhile looks
        there. Those of a connection that is not committed yet come with its first call.
        """
        declared = connection._connector()._endpoints(connection)
        with self._own_cursor() as cr:
            cr.execute("SET LOCAL lock_timeout = %s", [f"{LOCK_SECONDS}s"])
            for endpoint in declared:
                self._insert(cr, connection, endpoint)

    def _insert(self, cr, connection, endpoint):
        values = {
            **{name: self._fields[name].default(self) for name in ("state", *TERMS)},
            "name": endpoint.label,
            "connection_id": connection.id,
            "provider": connection.provider,
            "company_id": connection.company_id.id,
            "code": endpoint.code,
            "rate_limit": endpoint.rate_limit,
            "rate_seconds": endpoint.rate_seconds,
        }
        cr.execute(
            f"""
            INSERT INTO sync_endpoint ({", ".join(values)}, create_date)
            SELECT {", ".join(["%s"] * len(values))}, timezone('utc', now())
             WHERE EXISTS (SELECT 1 FROM sync_connection WHERE id = %s)
                ON CONFLICT (connection_id, code) DO NOTHING
            """,
            [*values.values(), connection.id],
            log_exceptions=False,
        )

    @api.model
    def _blocked(self):
        """Return what need not be claimed now, because its provider takes no calls.

        Normally one tiny query that finds nothing.

        :return: a list of `Blocked`.
        """
        self.flush_model()
        self.env.cr.execute(
            """
            SELECT connection_id, code, blocked_until, bulk_blocked_until,
                   timezone('utc', clock_timestamp())
              FROM sync_endpoint
             WHERE (blocked_until IS NOT NULL OR bulk_blocked_until IS NOT NULL)
               AND GREATEST(blocked_until, bulk_blocked_until) > timezone('utc', clock_timestamp())
            """
        )
        found = []
        for connection_id, code, every, bulk, now in self.env.cr.fetchall():
            connection = self.env["sync.connection"].sudo().browse(connection_id)
            bulk = bulk if not every or (bulk and bulk > every) else None
            for priority_from, until in ((EVERY, every), (URGENT, bulk)):
                if until and until > now:
                    ahead = min((until - now).total_seconds(), ASK_AGAIN)
                    moment = clock.now() + timedelta(seconds=ahead)
                    found += self._blocked_flows(connection, code, priority_from, moment)
        return found

    def _blocked_flows(self, connection, code, priority_from, until):
        """Return a `Blocked` for each flow and kind of a connection that calls an endpoint."""
        connector = connection._connector()
        flows = self.env["sync.flow"].sudo().search([("connection_id", "=", connection.id)])
        return [
            Blocked(flow.id, kind, priority_from, until)
            for flow in flows
            for kind, operation in OPERATIONS.items()
            if connector._endpoint(flow.remote_object, operation) == code
        ]

    # === Admission ===#

    @api.model
    def _admit(self, connection, code, *, urgent, calls=1, manual=False):
        """Let a batch call, or refuse it.

        :param urgent: it may use the reserve.
        :param calls: how many calls it is about to make.
        :param manual: a person asks: never refused.
        :return: a `Ticket`.
        :raises CircuitOpen: the provider fails, or somebody holds all calls.
        :raises BudgetSpent: no calls are left for it.
        """
        try:
            row, decision = self._ask(connection, code, urgent, calls, manual)
        except (psycopg2.Error, PoolError) as error:
            # Without the gate's word the work goes on: it protects the provider, and
            # must not be what stops everything.
            _logger.warning("Endpoint %s: the gate cannot be asked: %s", code, str(error).strip())
            return self._unwatched(connection)
        if row is None:
            return self._unwatched(connection)
        if decision.verdict is Verdict.WAIT:
            raise self._refusal(connection, row, decision)
        return Ticket(
            f"{connection.name} ({row['name']})",
            row["id"],
            decision.verdict is Verdict.PROBE,
            decision.gate,
            to_policy(row),
            row["now"],
            time.monotonic(),
        )

    @api.model
    def _unwatched(self, connection):
        """Return a ticket of which no note is taken."""
        return Ticket(connection.name)

    def _ask(self, connection, code, urgent, calls, manual):
        """Return the endpoint's row and the gate's decision; (None, None) without a row."""
        terms = {"urgent": urgent, "calls": calls, "manual": manual}
        with self._own_cursor() as cr:
            row = self._row(cr, connection.id, code)
        if row is None:
            self._ensure_for(connection)
            return None, None
        state = to_gate(row)
        decision = gate.decide(state, row["now"], to_policy(row), **terms)
        if decision.reason is Reason.SPENT and decision.wait <= gate.PATIENCE:
            time.sleep(decision.wait)
        elif decision.gate == state:
            return row, decision
        # What changes the state is decided with the row locked.
        return self._change(
            connection.id, code, lambda held, now, policy: gate.decide(held, now, policy, **terms)
        )

    def _refusal(self, connection, row, decision):
        """Return the error for a batch that must wait."""
        wait = min(decision.wait, ASK_AGAIN)
        name = f"{connection.name} ({row['name']})"
        if decision.reason is Reason.HELD:
            return CircuitOpen(
                _("%(name)s: somebody stopped all calls: %(why)s", name=name, why=row["override_reason"]),
                hint=_("Give the breaker back on the endpoint when calls may be made again."),
                retry_after=wait,
                fingerprint="circuit held open",
            )
        if decision.reason is Reason.FAILING:
            return CircuitOpen(
                _("%(name)s fails: %(error)s", name=name, error=row["last_error"] or ""),
                hint=_("Nothing to do: it is tried again by itself."),
                retry_after=wait,
                fingerprint="circuit open",
            )
        return BudgetSpent(
            _("%s: no calls are left for this now.", name),
            hint=_("Nothing to do: it goes on by itself. The endpoint shows what is left."),
            retry_after=wait,
            fingerprint="budget spent",
        )

    # === What was learnt ===#

    @api.model
    def _settle(self, ticket, tally, subject=""):
        """Take note of what a batch met; never fails, whatever becomes of the note.

        :param subject: what it asked for, see `breaker.record`.
        """
        if ticket.endpoint_id is None:
            return
        terms = {"subject": subject, "probe": ticket.probe}
        now = ticket.now + timedelta(seconds=time.monotonic() - ticket.started)
        if not ticket.probe and gate.settle(ticket.gate, tally, now, ticket.policy, **terms) is ticket.gate:
            return

        def learn(held, now, policy):
            after = gate.settle(held, tally, now, policy, **terms)
            return gate.Decision(Verdict.GO, after)

        try:
            self._change(None, None, learn, endpoint_id=ticket.endpoint_id, tally=tally)
        except (psycopg2.Error, PoolError) as error:
            _logger.warning("Endpoint %s: a note is lost: %s", ticket.name, str(error).strip())

    def _change(self, connection_id, code, step, *, endpoint_id=None, tally=None):
        """Change an endpoint's state with its row locked, in a transaction of its own.

        :param step: called with (gate, now, policy), returns a `gate.Decision`.
        :return: the row as it was, and the decision.
        """
        with self._own_cursor() as cr:
            row = self._row(cr, connection_id, code, endpoint_id=endpoint_id, lock=True)
            if row is None:
                return None, None
            before, now, policy = to_gate(row), row["now"], to_policy(row)
            decision = step(before, now, policy)
            if decision.gate != before:
                self._store(cr, row["id"], decision.gate, gate.blocked(decision.gate, now, policy))
            if tally and tally.failed:
                cr.execute(
                    "UPDATE sync_endpoint SET last_failure_at = %s, last_error = %s WHERE id = %s",
                    [now, tally.message[:500], row["id"]],
                )
            if decision.gate.breaker.state is not before.breaker.state:
                self._announce(cr, row, decision.gate, policy, tally)
        return row, decision

    # === Rows ===#

    @contextmanager
    def _own_cursor(self):
        """Give a cursor whose transaction ends here: what is written survives a rollback.

        A test that runs in one transaction stays in it.
        """
        if modules.module.current_test:
            self.flush_model()
            yield self.env.cr
            self.invalidate_model()
            return
        with self.env.registry.cursor() as cr:
            yield cr

    @api.model
    def _row(self, cr, connection_id, code, *, endpoint_id=None, lock=False):
        """Return an endpoint's columns and the database's `now`, or None."""
        if lock and cr is not self.env.cr:
            # Whoever had the row before us is not in our way, but his changes count.
            cr.execute(
                "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = %s",
                [f"{LOCK_SECONDS}s"],
            )
        where = "id = %s" if endpoint_id else "connection_id = %s AND code = %s"
        names = ("id", "connection_id", "name", "override_reason", "last_error", *TERMS, *COLUMNS)
        cr.execute(
            f"""
            SELECT {", ".join(names)}, timezone('utc', clock_timestamp()) AS now
              FROM sync_endpoint WHERE {where} {"FOR UPDATE" if lock else ""}
            """,
            [endpoint_id] if endpoint_id else [connection_id, code],
            log_exceptions=False,
        )
        return cr.dictfetchone()

    @api.model
    def _store(self, cr, endpoint_id, state, moments):
        values = {**to_row(state), "blocked_until": moments[0], "bulk_blocked_until": moments[1]}
        assignments = ", ".join(f"{name} = %s" for name in values)
        cr.execute(
            f"UPDATE sync_endpoint SET {assignments} WHERE id = %s",
            [*values.values(), endpoint_id],
            log_exceptions=False,
        )

    # === What follows from a change ===#

    def _reopen(self):
        """Let what a person has just decided take effect: on claims, and on held jobs."""
        self.flush_recordset()
        for endpoint in self:
            row = self._row(self.env.cr, None, None, endpoint_id=endpoint.id)
            state, policy = to_gate(row), to_policy(row)
            self._store(self.env.cr, endpoint.id, state, gate.blocked(state, row["now"], policy))
            self._release_held(self.env.cr, endpoint.connection_id.id, policy.drain)
        self.invalidate_recordset()
        self.env["sync.lane"]._wake()

    @api.model
    def _release_held(self, cr, connection_id, seconds):
        """Let jobs that were sent back come again, spread over some seconds."""
        cr.execute(
            """
            UPDATE sync_job
               SET eta = LEAST(eta, timezone('utc', clock_timestamp()) + random() * %s * interval '1 second')
             WHERE id IN (SELECT id FROM sync_job
                           WHERE connection_id = %s AND state = 'pending' AND error_code = ANY(%s)
                             FOR UPDATE SKIP LOCKED)
            """,
            [seconds, connection_id, [CircuitOpen.code, BudgetSpent.code]],
        )
        self.env["sync.job"].invalidate_model(["eta"])

    def _announce(self, cr, row, state, policy, tally):
        """The breaker has moved: say so, and let the lanes act upon it."""
        env = api.Environment(cr, SUPERUSER_ID, {}) if cr is not self.env.cr else self.sudo().env
        was, now = State(row["state"]), state.breaker.state
        name = f"{env['sync.connection'].browse(row['connection_id']).name} ({row['name']})"
        _logger.info("Endpoint %s: %s", name, now.value)
        if now is State.CLOSED:
            self._release_held(cr, row["connection_id"], policy.drain)
        env["sync.lane"]._wake()
        body = self._announcement(env, was, now, tally)
        if body:
            try:
                with cr.savepoint():
                    env["sync.endpoint"].browse(row["id"]).message_post(body=body)
            except psycopg2.Error:
                _logger.warning("Endpoint %s: no note of its change could be made", name)

    def _announcement(self, env, was, now, tally):
        """Return what people are told; vain tries in between are not worth a note."""
        if now is State.OPEN and was is State.CLOSED:
            return env._("Opened: %s Jobs wait; it is tried again by itself.", tally.message if tally else "")
        if now is State.CLOSED:
            return env._("Closed: the provider answers again. What has waited starts bit by bit.")
        return None
