import re
import uuid
from dataclasses import replace

from odoo import _, api, fields, models
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ..lib import paths
from ..lib.declarations import Write, WriteResult
from ..lib.errors import NotReady, Recovery, SyncError, Transient
from ..lib.fingerprint import fingerprint
from ..lib.outcome import Outcome
from ..lib.outgoing import Outgoing


class SyncHandlerOutbound(models.AbstractModel):
    """Odoo records → provider: render, persist the intent, call, store the result."""

    _name = "sync.handler.outbound"
    _inherit = "sync.handler"
    _description = "Outbound Handler"

    def _run(self, flow, jobs):
        flow.connection_id._assert_live()
        self._take_over(jobs)
        repeated = jobs.filtered("intent")
        outcomes = {}
        if not all(self._is_planned_only(flow, job) for job in jobs):
            self._assert_active_mapping()
        writes = self._intents(flow, jobs, outcomes)
        if not writes:
            return outcomes
        # The intent and its key must survive whatever happens during the call.
        self.env["sync.lane"]._commit()
        results = self._call(flow, jobs, list(writes.values()))
        called = jobs.filtered(lambda job: job.id in writes)
        intents = {job.id: job.intent for job in called}
        for job in called:
            outcomes[job.id] = self._finish(flow, job, writes[job.id], results.get(job.id))
        written = called.filtered(lambda job: not outcomes[job.id].error)
        self._remember(flow, [(job, intents[job.id], results[job.id]) for job in written])
        for job in called & repeated:
            outcomes[job.id] = self._look_again(flow, job, outcomes[job.id])
        return outcomes

    # === Calls whose outcome is not known ===#

    def _take_over(self, jobs):
        """Continue the unfinished calls of earlier jobs that did the same work (one query).

        A job that gave up, was killed too often or was replaced may have reached the
        provider: only the very same call under the very same key does it once.
        """
        without = {job.idempotency_key: job for job in jobs if not job.intent}
        jobs.flush_model(["intent"])
        self.env.cr.execute(
            """
            SELECT id FROM sync_job
             WHERE idempotency_key = ANY(%s) AND intent IS NOT NULL AND NOT (id = ANY(%s))
             ORDER BY id
            """,
            [list(without), jobs.ids],
        )
        earlier = jobs.browse([row[0] for row in self.env.cr.fetchall()])
        for other in earlier:
            job = without[other.idempotency_key]
            if not job.intent:
                job.write({"intent": other.intent, "intent_at": other.intent_at})
        earlier.write({"intent": False})

    def _look_again(self, flow, job, outcome):
        """After a repeated call: the record may have changed since that was put together.

        A change while the job waits leads to no job of its own, it is only counted.
        """
        if outcome.error:
            known = outcome.error.recovery is Recovery.PERSON
            return Outcome(later=0.0, summary=outcome.error.message) if known else outcome
        return outcome if self._is_current(flow, job) else Outcome(later=0.0, summary=outcome.summary)

    def _is_current(self, flow, job):
        """Whether the provider has been told what the record says now."""
        records = self._as_service(flow)[flow.model].browse(job.res_id).exists()
        record = records.filtered_domain(flow._odoo_domain())
        binding = self.env["sync.binding"]._for_records(flow.connection_id, flow.remote_object, record)
        try:
            known = binding.get(record.id)
            if not record or not known:
                return not record
            return known.fingerprint_out == self._permitted(flow, record, known, self._render(flow, record))[1]
        except SyncError:
            return False  # the next attempt says so

    # === Render ===#

    def _is_planned_only(self, flow, job):
        """Whether a job calls nobody: pages hand over what is to be sent, dry runs only say it."""
        return job.kind == "page" or (flow.mode == "dry_run" and not self._carries_out(job))

    def _intents(self, flow, jobs, outcomes):
        """Return `{job id: Write}` for what must be called; settle the others.

        A job that was interrupted repeats the very same intent under its key.
        """
        writes = {job.id: self._write(job, job.intent) for job in jobs if job.intent}
        items = [Outgoing(job, job.res_id) for job in jobs if not job.intent]
        self._prepare(flow, items)
        self._hold_to_plan(flow, items)
        self._store_plans(flow, [one for one in items if self._is_planned_only(flow, one.job)])
        for item in items:
            job = item.job
            if not item.intent:
                outcomes[job.id] = item.outcome
            elif self._is_planned_only(flow, job):
                outcomes[job.id] = Outcome(
                    summary=_("Dry run: would be written to the provider"), res_model=flow.model, res_id=item.res_id
                )
            else:
                # Whoever repeats it repeats it to the letter: the story is part of it.
                intent = {**item.intent, "story": job.correlation_id}
                job.write({"intent": intent, "intent_at": fields.Datetime.now()})
                writes[job.id] = self._write(job, intent)
        self._note_overwritten(flow, [one for one in items if one.intent and one.job.id in writes])
        return writes

    def _prepare(self, flow, items):
        """Render records and compare them with what the provider was told (constant queries).

        :param items: `Outgoing`s; each has an intent or an outcome afterwards.
        """
        records = self._as_service(flow)[flow.model].browse([item.res_id for item in items]).exists()
        # Taken from one recordset, they are read together.
        by_id = {record.id: record for record in records}
        wanted = set(flow._sendable(records)._ids)
        bindings = self.env["sync.binding"]._for_records(flow.connection_id, flow.remote_object, records)
        left_over = self._left_over(records, bindings)
        for item in items:
            item.record, item.binding = by_id.get(item.res_id), bindings.get(item.res_id)
            if item.res_id in left_over:
                item.outcome = Outcome(summary=_("Left over after a merge; the other record is written"))
            elif item.res_id in wanted:
                self._prepare_one(flow, item)
            else:
                item.outcome = Outcome(summary=_("Nothing to write"))

    def _prepare_one(self, flow, item):
        try:
            result = self._intent(flow, item.job, item.record, item.binding)
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception as error:  # noqa: BLE001 (stored on the job)
            result = Outcome(error=item.job._as_sync_error(error, item.record.display_name))
        if isinstance(result, Outcome):
            item.outcome = result
        else:
            item.intent = result

    def _left_over(self, records, bindings):
        """Return the ids of records that must not come into being at the provider again."""
        unbound = records.browse([one for one in records._ids if one not in bindings])
        return self.env["sync.binding.former"]._left_over_of(unbound) if unbound else set()

    def _intent(self, flow, job, record, binding):
        """Return what to write (JSON-like), or an `Outcome`.

        The dictionary has external_id, values, fingerprint and key.
        """
        needed = bool((job.payload or {}).get("needed"))
        if not binding and not flow._may_create(needed):
            verdict = "not_needed" if flow.create_policy == "on_demand" else "skipped"
            return Outcome(summary=_("Not known at the provider; nothing to do"), verdict=verdict)
        values, print_ = self._permitted(flow, record, binding, self._render(flow, record))
        if binding and binding.fingerprint_out == print_ and not self._must_send(flow, values):
            return Outcome(
                summary=_("Unchanged at the provider"), res_model=record._name, res_id=record.id,
                verdict="unchanged",
            )
        if binding and not values:
            return Outcome(
                summary=_("Nothing of it is ours to change at the provider"),
                res_model=record._name, res_id=record.id, verdict="unchanged",
            )
        return {
            "external_id": binding.external_id if binding else None,
            "values": values,
            "fingerprint": print_,
            "key": self._idempotency_key(job),
        }

    def _need(self, flow, code, record, job):
        """Have another outbound flow write a record first, because this one needs it.

        :param code: of the flow, in the same connection.
        :return: the outcome with which the job waits for it.
        :raises NotReady: when that flow ran and did not write it.
        """
        other = self.env["sync.flow.template"]._flow(flow.connection_id, code)
        before = job.depends_on_id
        if before.state == "done" and before.flow_id == other and before.res_id == record.id:
            raise NotReady(
                _(
                    "%(record)s was not written to the provider: %(result)s",
                    record=record.display_name,
                    result=before.summary,
                ),
                hint=_("Look at the flow %s: its condition and mode decide.", other.name),
            )
        (needed,) = self.env["sync.job"]._enqueue(
            [
                {
                    "flow": other,
                    "kind": "push",
                    "idempotency_key": f"out:{other.id}:{record.id}",
                    "lane_key": f"out:{flow.connection_id.id}:{record._name}:{record.id}",
                    "priority": job.priority,
                    "remote_object": other.remote_object,
                    "model": record._name,
                    "res_id": record.id,
                    "payload": {"needed": True},
                    "correlation_id": job.correlation_id,
                    "parent_id": job.id,
                    "name": f"{record.display_name} → {other._remote().label}",
                }
            ]
        )
        return Outcome(
            later=0.0,
            depends_on=needed["id"],
            summary=_("Waits until %s is known at the provider", record.display_name),
        )

    def _idempotency_key(self, job):
        """Return the key of a new call; its repetitions find it in the stored intent.

        Providers refuse a known key with other values, so what a job renders after an
        earlier call of its own has another one.
        """
        database = self.env["sync.connection"]._database_uuid() or ""
        key = f"q2c-{database[:8]}-{job.id}"
        return f"{key}-{uuid.uuid4().hex[:8]}" if job.intent_at else key

    @api.model
    def _job_of_key(self, key):
        """Return the job whose call carried an idempotency key.

        :return: an empty recordset for a key that is not of this database.
        """
        jobs = self.env["sync.job"].sudo()
        database = self.env["sync.connection"]._database_uuid() or ""
        match = re.fullmatch(rf"q2c-{re.escape(database[:8])}-(\d+)(-[0-9a-f]+)?", key or "")
        return jobs.browse(int(match[1])).exists() if match and len(match[1]) < 10 else jobs

    def _write(self, job, intent):
        values = {}
        for path, value in intent["values"].items():
            paths.put(values, path, value)
        return Write(
            key=job.id,
            external_id=intent["external_id"],
            values=values,
            idempotency_key=intent["key"],
            correlation_id=intent.get("story") or job.correlation_id or "",
        )

    # === Call and result ===#

    def _call(self, flow, jobs, writes):
        """Call the provider in its own batch size.

        :return: `{job id: WriteResult}`.
        """
        size = flow._remote().write_batch
        results = {}
        for start in range(0, len(writes), size):
            for result in self._call_batch(flow, jobs, writes[start : start + size]):
                results[result.key] = result
        return results

    def _call_batch(self, flow, jobs, writes):
        """Call the provider once; what an earlier batch achieved stays known if it fails."""
        try:
            with self._guard(flow, "push", jobs, subject=fingerprint([w.key for w in writes])) as ticket:
                results = flow._connector()._push(flow.connection_id, flow.remote_object, writes)
        except SyncError as error:
            return [WriteResult(write.key, write.external_id, error=error) for write in writes]
        return [replace(result, error=ticket.softened(result.error)) for result in results]

    def _finish(self, flow, job, write, result):
        """Store the result of one write; a lost answer counts as not known."""
        if result is None:
            return Outcome(error=Transient(_("%s: the provider's answer is incomplete.", job.name)))
        if result.error:
            if result.error.recovery is Recovery.PERSON:
                # Refused for good: the next attempt renders the record afresh. Any other
                # failure says nothing of an earlier call whose answer may have been lost.
                job.intent = False
            return Outcome(error=result.error)
        return self._succeed(flow, job, write, result)

    def _succeed(self, flow, job, write, result):
        """Return the outcome of a write that took effect; `_remember` keeps the rest."""
        job.intent = False
        return Outcome(
            summary=_("Updated at the provider") if write.external_id else _("Created at the provider"),
            res_model=flow.model,
            res_id=job.res_id,
            mapping_id=flow._planning_mapping().id or None,
            verdict="update" if write.external_id else "create",
        )

    def _remember(self, flow, written):
        """Keep bindings and changes of the writes that took effect; a query for each kind.

        :param written: `[(job, intent, WriteResult)]`.
        """
        records = self.env[flow.model].browse([job.res_id for job, _intent, _result in written])
        Binding = self.env["sync.binding"]
        bindings = Binding._for_records(flow.connection_id, flow.remote_object, records)
        told, new, changes = [], [], []
        for record, (job, intent, result) in zip(records, written):
            binding = bindings.get(record.id)
            if binding:
                told.append((binding.id, intent["fingerprint"]))
            else:
                new.append(self._new_binding(flow, job, intent, result))
            external_id = result.external_id or intent["external_id"]
            changes.append(self._change(flow, job, record, intent, external_id, "applied"))
        Binding._told_many(told)
        Binding._bind_many(new)
        self.env["sync.change"]._record_many(changes)

    def _new_binding(self, flow, job, intent, result):
        return {
            "connection": flow.connection_id,
            "remote_object": flow.remote_object,
            "external_id": result.external_id,
            "model": flow.model,
            "res_id": job.res_id,
            "fingerprint_out": intent["fingerprint"],
            "correlation_id": job.correlation_id,
        }

    def _change(self, flow, job, record, intent, external_id, verdict):
        """Return the row of the change ledger."""
        return {
            "job": job,
            "flow": flow,
            "mapping_id": flow._planning_mapping().id or None,
            "direction": "outbound",
            "operation": "update" if intent["external_id"] else "create",
            "verdict": verdict,
            "model": record._name,
            "res_id": record.id,
            "record_name": record.display_name,
            "remote_object": flow.remote_object,
            "external_id": external_id,
            "values": {path: [None, value] for path, value in intent["values"].items()},
        }
