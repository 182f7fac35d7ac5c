import json

from odoo import _, api, models
from odoo.exceptions import AccessError, UserError

from ..lib import clock
from ..lib.matching import BIND, CREATE, REVIEW

SHOWN = 10  # candidates that a person is shown


class SyncMatchDecision(models.Model):
    """The review list at work: what the engine keeps there, and what people decide."""

    _inherit = "sync.match"

    # === What the engine asks and keeps ===#

    @api.model
    def _decisions(self, flow, external_ids):
        """Return `{external id: match}` of documents that were looked for before (one query)."""
        found = self.sudo().search([("flow_id", "=", flow.id), ("external_id", "in", list(external_ids))])
        return {match.external_id: match for match in found}

    @api.model
    def _keep(self, pairs):
        """Store what a batch was matched to, in a number of queries that does not grow.

        :param pairs: `[(unit with a verdict, jobs that wait for it)]`.
        """
        kept = [(unit, jobs) for unit, jobs in pairs if unit.match.action in (REVIEW, BIND)]
        created = [unit for unit, _jobs in pairs if unit.match.action == CREATE and unit.operation == "create"]
        self._close_created(created)
        if not kept:
            return
        now = clock.now()
        rows = self.env.cr.execute_values(
            """
            INSERT INTO sync_match (flow_id, external_id, name, state, connection_id, company_id, remote_object,
                   correlation_id, model, res_id, best_score, candidate_count, facts, automatic, decided_at,
                   created_at, create_uid, create_date, write_uid, write_date)
            VALUES %s
            ON CONFLICT (flow_id, external_id)
            DO UPDATE SET name = EXCLUDED.name, state = EXCLUDED.state, res_id = EXCLUDED.res_id,
                          correlation_id = EXCLUDED.correlation_id, best_score = EXCLUDED.best_score,
                          candidate_count = EXCLUDED.candidate_count, facts = EXCLUDED.facts,
                          automatic = EXCLUDED.automatic, decided_at = EXCLUDED.decided_at,
                          decided_by_id = NULL, write_uid = EXCLUDED.write_uid, write_date = EXCLUDED.write_date
            RETURNING id, flow_id, external_id
            """,
            [self._row(unit, now) for unit, _jobs in sorted(kept, key=lambda pair: pair[0].external_id)],
            page_size=1000,
            fetch=True,
        )
        ids = {(flow_id, external_id): match_id for match_id, flow_id, external_id in rows}
        by_match = {ids[unit.flow.id, unit.external_id]: (unit, jobs) for unit, jobs in kept}
        self._keep_candidates(by_match)
        self._keep_jobs({match_id: jobs for match_id, (unit, jobs) in by_match.items() if unit.error})
        self.browse(by_match).invalidate_recordset(flush=False)

    def _row(self, unit, now):
        best = unit.match.best
        bound = unit.match.action == BIND
        flow = unit.flow
        return (
            flow.id,
            unit.external_id,
            unit.flow._handler("record")._subject(unit),
            "bind" if bound else "open",
            flow.connection_id.id,
            flow.company_id.id or None,
            flow.remote_object,
            unit.job.correlation_id or None,
            flow.model,
            best.key if bound else None,
            best.score,
            len(unit.match.candidates),
            json.dumps(self._facts_of(unit)),
            bound,
            now if bound else None,
            now,
            self.env.uid,
            now,
            self.env.uid,
            now,
        )

    def _facts_of(self, unit):
        """Return `{field: text}` of what was compared."""
        names = [name for rung in unit.flow._match_ladder() for name in (rung.field, rung.second)]
        names += [rule.target for rule in unit.rules if rule.is_key]
        values = {name: unit.draft.values.get(name) for name in dict.fromkeys(names) if name}
        return {name: str(value) for name, value in values.items() if value and isinstance(value, str | int)}

    def _keep_candidates(self, by_match):
        """Replace the candidates of these matches."""
        self.env["sync.match.candidate"].flush_model()
        self.env.cr.execute("DELETE FROM sync_match_candidate WHERE match_id = ANY(%s)", [list(by_match)])
        self.env.cr.execute_values(
            """
            INSERT INTO sync_match_candidate (match_id, company_id, model, res_id, score, reasons, taken_by,
                   create_uid, create_date)
            VALUES %s
            """,
            [
                (
                    match_id,
                    unit.flow.company_id.id or None,
                    unit.flow.model,
                    candidate.key,
                    candidate.score,
                    json.dumps([[reason.code, reason.score] for reason in candidate.reasons]),
                    candidate.taken or None,
                    self.env.uid,
                    clock.now(),
                )
                for match_id, (unit, _jobs) in by_match.items()
                for candidate in unit.match.candidates[:SHOWN]
            ],
            page_size=1000,
        )
        self.env["sync.match.candidate"].invalidate_model(flush=False)

    def _keep_jobs(self, jobs_by_match):
        """Remember which jobs run again once it is decided."""
        rows = [(match_id, job.id) for match_id, jobs in jobs_by_match.items() for job in jobs]
        if rows:
            self.env.cr.execute_values(
                "INSERT INTO sync_match_job_rel (match_id, job_id) VALUES %s ON CONFLICT DO NOTHING", rows,
                page_size=1000,
            )

    def _close_created(self, units):
        """What was in question and is created now is decided: no candidate is left."""
        if units:
            self.env.cr.execute(
                """
                UPDATE sync_match SET state = 'create', automatic = TRUE, decided_at = %s
                 WHERE state = 'open' AND (flow_id, external_id) IN (SELECT * FROM unnest(%s::int[], %s::text[]))
                """,
                [clock.now(), [unit.flow.id for unit in units], [unit.external_id for unit in units]],
            )
            if self.env.cr.rowcount:
                self.invalidate_model(flush=False)

    @api.model
    def _carry_out(self, ids):
        """Let nobody take these answers back any more: what they say is written in this transaction.

        Whoever reopens one at this moment waits, and finds it bound. Who was faster makes
        this transaction fail, and the question is open when it is tried again.
        """
        if ids:
            self.env.cr.execute("UPDATE sync_match SET write_date = %s WHERE id = ANY(%s)", [clock.now(), ids])
            self.browse(ids).invalidate_recordset(["write_date"], flush=False)

    # === What people decide ===#

    def action_bind_best(self):
        """Say that each of these is its best candidate.

        :raises UserError: naming those that have none that is free.
        """
        choices = {match: match.candidate_ids.filtered(lambda one: not one.taken_by)[:1] for match in self}
        missing = [match.name for match, best in choices.items() if not best]
        if missing:
            raise UserError(_("No candidate can be bound to: %s.", ", ".join(missing[:10])))
        for match, best in choices.items():
            match._decide_bind(best.res_id)
        return True

    def action_create(self):
        """Say that these are none of the candidates: they are created."""
        return self._decide("create")

    def action_skip(self):
        """Say that these shall not come into Odoo."""
        return self._decide("skip")

    def action_look_again(self):
        """Look anew for the records that these could be: contacts were merged or corrected."""
        self._check_may_decide()
        self._run_again()
        return True

    def action_reopen(self):
        """Take decisions back that have not been carried out; they are looked at again.

        :raises UserError: for what is bound already.
        """
        self._check_may_decide()
        bound = self.filtered("record_is_bound")
        if bound:
            raise UserError(
                _("%s is bound already. Delete the binding first.", ", ".join(bound.mapped("name")[:10]))
            )
        self.sudo().write(
            {"state": "open", "decided_at": False, "decided_by_id": False, "automatic": False, "res_id": False}
        )
        self._run_again()
        return True

    def action_merge(self):
        """Make the free candidates one record, and bind to that.

        The one with the highest score stays. It is done with the reader's own rights, by
        the model's own way to merge.

        :raises UserError: when they cannot be merged.
        """
        self.ensure_one()
        self._check_may_decide()
        self._lock_open()
        free = self.candidate_ids.filtered(lambda one: not one.taken_by)
        if len(free) < 2:
            raise UserError(_("%s has no two candidates that can be merged.", self.name))
        records = self.env[self.model].with_context(active_test=False).browse(free.mapped("res_id")).exists()
        stays = records[:1]
        for right in ("read", "write", "unlink"):
            records.check_access(right)
        records._sync_merge(stays)
        return self._decide_bind(stays.id)

    def _decide_bind(self, res_id):
        record = self.env[self.model].with_context(active_test=False).browse(res_id).exists()
        if not record:
            raise UserError(_("The record that %s should be was deleted. Choose another one.", self.name))
        record.check_access("read")
        return self._decide("bind", res_id)

    def _decide(self, state, res_id=False):
        """Store a decision and run what waits for it.

        :raises AccessError: for who may not decide.
        :raises UserError: when somebody else was faster.
        """
        self._check_may_decide()
        self._lock_open()
        self.sudo().write(
            {
                "state": state,
                "res_id": res_id,
                "automatic": False,
                "decided_by_id": self.env.uid,
                "decided_at": clock.now(),
            }
        )
        self._run_again()
        return True

    def _check_may_decide(self):
        self.check_access("read")
        if not self.env.user.has_group("crm_sync_base.group_sync_operator"):
            raise AccessError(_("Only operators of the synchronisation decide which record it is."))

    def _lock_open(self):
        """Let nobody else decide these; what is decided is not decided twice."""
        self.env.cr.execute("SELECT id FROM sync_match WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [self.ids])
        self.invalidate_recordset()
        for match in self:
            if match.state != "open":
                raise UserError(_("%(name)s was decided by %(person)s.", name=match.name, person=match._decided_by()))

    def _run_again(self):
        """Run the failed jobs that waited; where none is left, look at the document anew."""
        failed = self.sudo().job_ids.filtered(lambda job: job.state == "failed")
        failed._retry()
        for match in self.sudo():
            if not match.job_ids & failed and match.flow_id.mode != "off":
                self.env["sync.job"].sudo()._enqueue_documents(
                    match.connection_id, match.remote_object, [match.external_id]
                )
