from odoo import _, models

from ..lib import outgoing, paths
from ..lib.outcome import Outcome
from ..lib.outgoing import Outgoing
from .sync_run_pass import PASSES


class SyncHandlerOutboundRun(models.AbstractModel):
    """What runs add to the way out: pages, dry runs, approved plans, a line for each record.

    A page is rendered and compared like live work. In a dry run that is all; else each
    record that must be sent gets the job that a change of it would get, and goes its way.
    """

    _inherit = "sync.handler.outbound"

    def _run(self, flow, jobs):
        if jobs[0].kind == "page":
            return {job.id: self._run_page(flow, job) for job in jobs}
        outcomes = super()._run(flow, jobs)
        self._note_results(flow, jobs, outcomes)
        return outcomes

    # === Pages ===#

    def _run_page(self, flow, job):
        """Plan a page of records; hand over what must be sent, unless it is a dry run."""
        flow.connection_id._assert_live()
        run = job.run_id
        items = [Outgoing(job, res_id) for res_id in job.payload["ids"]]
        self._prepare(flow, items)
        if run.dry_run:
            self._store_plans(flow, items)
            self._note_items(flow, items)
            blocked = sum(item.verdict in ("blocked", "conflict") for item in items)
            summary = _("%(planned)s planned, %(blocked)s blocked", planned=len(items) - blocked, blocked=blocked)
        else:
            self._hold_to_plan(flow, items)
            handed = self._hand_over(flow, run, [item for item in items if not item.is_settled])
            self._note_items(flow, [item for item in items if item.is_settled])
            summary = _("%(handed)s to be sent, %(done)s need not be", handed=handed, done=len(items) - handed)
        run._look_if_last(job)
        return Outcome(summary=summary, mapping_id=flow._planning_mapping().id or None)

    def _hand_over(self, flow, run, items):
        """Enqueue the job of each record; what another job does already is said on its line.

        :return: how many jobs of this run there are.
        """
        by_id = {item.res_id: item for item in items}
        covered = self.env["sync.outbox"]._enqueue_for_run(flow, list(by_id), run)
        for res_id, name in covered.items():
            by_id[res_id].intent = None
            by_id[res_id].outcome = Outcome(
                summary=_("“%s” waits to be run already and sends it as it is then", name),
                verdict="differs" if run.kind == "execution" else "skipped",
            )
        return len(items) - len(covered)

    # === Dry runs ===#

    def _store_plans(self, flow, items):
        """Store what would be written, with what the provider has now (a call for each batch)."""
        planned = [item for item in items if item.intent]
        known = [item.intent["external_id"] for item in planned if item.intent["external_id"] and not item.present]
        jobs = self.env["sync.job"].union(*(item.job for item in planned))
        # What cannot be read is planned all the same: then nobody knows what it has now.
        documents = self.env["sync.handler.inbound"]._read_documents(self._reading(flow), known, jobs).found
        rows = []
        for item in planned:
            external_id = item.intent["external_id"]
            document = item.present or documents.get(external_id)
            present = None if document is None else {
                path: None if (value := paths.get(document.data, path)) is paths.MISSING else value
                for path in item.intent["values"]
            }  # fmt: skip
            change = self._change(flow, item.job, item.record, item.intent, external_id, "planned")
            values = outgoing.differences(item.intent["values"], present)
            if not values:
                item.note = _("The provider has all of it already; sending it once makes that known.")
            rows.append({**change, "values": values})
        self.env["sync.change"]._record_many(rows)

    def _reading(self, flow):
        """Return the flow with what it sends among what is read of its object."""
        return flow.with_context(
            sync_read_paths=flow._planning_mapping()._outbound_rules().mapped("remote_path")
        )

    # === Approved plans ===#

    def _hold_to_plan(self, flow, items):
        """Set aside what differs from the plan that was approved, and say in what."""
        held = [item for item in items if item.intent and self._carries_out(item.job)]
        for run in {item.job.run_id for item in held}:
            mine = {self._line_key(flow, item.res_id): item for item in held if item.job.run_id == run}
            planned = run.plan_id._planned(list(mine))
            for key, item in mine.items():
                text = self._difference_from(flow, planned.get(key), item)
                if text:
                    item.intent = None
                    item.outcome = Outcome(
                        summary=_("Changed since the plan, nothing was sent. %s", text), verdict="differs"
                    )

    def _difference_from(self, flow, planned, item):
        """Return in what a record differs from what was planned for it, or an empty text."""
        if planned is None:
            return _("It was not part of the plan.")
        if planned.digest == outgoing.digest(item.intent, flow._planning_mapping().id):
            return ""
        if planned.operation != item.verdict:
            if item.verdict == "update":
                return _("It was to be created, but is known at the provider by now.")
            return _("It was to be updated, but is not known at the provider any more.")
        if planned.mapping_id and planned.mapping_id != flow._planning_mapping().id:
            return _("Another mapping version is active by now.")
        labels = {rule.remote_path: rule._label() for rule in flow._planning_mapping()._outbound_rules()}
        names = [labels.get(path, path) for path in outgoing.altered(planned.values, item.intent)]
        if not names:
            return _("What is sent of it is something else by now.")
        return self.env._("Not as planned any more: %s.", ", ".join(names))

    # === A line for each record ===#

    @staticmethod
    def _line_key(flow, res_id):
        return f"{flow.model}:{res_id}"

    def _note_results(self, flow, jobs, outcomes):
        """Write the lines of those jobs that belong to a run and have ended, well or badly."""
        items = []
        for job in jobs.filtered(lambda job: job.run_id.kind in PASSES and job.id in outcomes):
            if outcomes[job.id].later is None:
                item = Outgoing(job, job.res_id)
                item.outcome = outcomes[job.id]
                items.append(item)
        if not items:
            return
        records = self._as_service(flow)[flow.model].browse([item.res_id for item in items]).exists()
        bindings = self.env["sync.binding"]._for_records(flow.connection_id, flow.remote_object, records)
        by_id = {record.id: record for record in records}
        for item in items:
            item.record, item.binding = by_id.get(item.res_id), bindings.get(item.res_id)
        self._note_items(flow, items)
        for run in jobs.run_id.filtered(lambda run: run.kind in PASSES):
            run._look_if_last(jobs)

    def _note_items(self, flow, items):
        self.env["sync.run.line"]._upsert([self._line(flow, item) for item in items])

    def _line(self, flow, item):
        verdict, outcome = item.verdict, item.outcome
        if verdict in ("skipped", "not_needed") and self._carries_out(item.job):
            verdict = "differs"  # of an approved plan, that is news
        error = outcome.error if outcome else None
        plan = item.intent and item.job.run_id.dry_run
        return {
            "run_id": item.job.run_id.id,
            "key": self._line_key(flow, item.res_id),
            "flow_id": flow.id,
            "company_id": flow.company_id.id or None,
            "remote_object": flow.remote_object,
            "external_id": item.binding.external_id if item.binding else None,
            "record_name": item.record.display_name if item.record else f"{flow.model} {item.res_id}",
            "model": flow.model,
            "res_id": item.res_id,
            "verdict": verdict,
            "reason": item.note or self._line_reason(outcome, verdict),
            "digest": outgoing.digest(item.intent, flow._planning_mapping().id) if plan else None,
            "needed": False,
            "asks": 0,
            "error_code": error.code if error else None,
            "job_id": item.job.id,
        }

    @staticmethod
    def _line_reason(outcome, verdict):
        if outcome is None or verdict in ("create", "update", "unchanged"):
            return None
        return outcome.error.message if outcome.error else outcome.summary
