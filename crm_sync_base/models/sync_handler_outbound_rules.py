from odoo import _, models

from ..lib.fingerprint import fingerprint
from ..lib.outcome import Outcome

#: keys of the context under which a batch carries what was read for it
REMOTE_FACTS = "sync_remote_facts"
ASKED_ABOUT = "sync_asked_about"


class SyncHandlerOutboundRules(models.AbstractModel):
    """Ownership on the way out: what a remote record that is known may be given.

    A new remote record takes every value, as a new Odoo record does. What both sides may
    change is never sent over a state of the other side that nobody has looked at: that
    is brought in first, by its own flow, under its own rules.
    """

    _inherit = "sync.handler.outbound"

    # === What must be known ===#

    def _intents(self, flow, jobs, outcomes):
        """Read, for the whole batch, what the rules must know of the other side."""
        rules = flow._planning_mapping()._outbound_rules().filtered(lambda rule: rule._reads_first())
        if not rules:
            return super()._intents(flow, jobs, outcomes)
        facts = self._remote_facts(flow, jobs)
        asked = self._asked_about(flow, jobs)
        handler = self.with_context(**{REMOTE_FACTS: facts, ASKED_ABOUT: asked})
        return super(SyncHandlerOutboundRules, handler)._intents(flow, jobs, outcomes)

    def _remote_facts(self, flow, jobs):
        """Return `{external id: Document}` of the records that are known (a call for each batch)."""
        records = self.env[flow.model].browse([job.res_id for job in jobs if not job.intent])
        bindings = self.env["sync.binding"]._for_records(flow.connection_id, flow.remote_object, records)
        ids = [binding.external_id for binding in bindings.values()]
        return self.env["sync.handler.inbound"]._read_documents(flow, ids, jobs) if ids else {}

    def _asked_about(self, flow, jobs):
        """Return `{record id: fields on which a person has yet to decide}` (one query)."""
        waiting = self.env["sync.proposal"].sudo().search(
            [("connection_id", "=", flow.connection_id.id), ("model", "=", flow.model),
             ("res_id", "in", jobs.mapped("res_id")), ("kind", "=", "conflict"), ("state", "=", "pending")]
        )
        found = {}
        for one in waiting:
            found.setdefault(one.res_id, set()).update(one.values)
        return found

    # === What may be sent ===#

    def _intent(self, flow, job, record, binding):
        """Besides: let the other side's news come in before shared values go out."""
        if binding and self._has_news(flow, binding):
            brought = self.env["sync.job"]._enqueue_documents(
                flow.connection_id, flow.remote_object, [binding.external_id]
            )
            if brought:
                return Outcome(
                    later=0.0,
                    depends_on=brought[0]["id"],
                    summary=_("Waits: it was changed at the provider, which is looked at first"),
                )
        return super()._intent(flow, job, record, binding)

    def _has_news(self, flow, binding):
        """Whether the remote record is newer than what was brought in, and shares a field."""
        document = self.env.context.get(REMOTE_FACTS, {}).get(binding.external_id)
        if document is None or not document.version or not binding.version:
            return False
        shared = flow._planning_mapping()._outbound_rules().filtered(lambda rule: rule._is_shared())
        return bool(shared) and document.version > binding.version

    def _permitted(self, flow, record, binding, values):
        """Return those of the rendered values that a known remote record may be given.

        :return: (values, fingerprint of those that are kept equal from now on).
        """
        rules = {rule.remote_path: rule for rule in flow._planning_mapping()._outbound_rules()}
        steady = {path: value for path, value in values.items() if rules[path]._is_steady()}
        if not binding:
            return values, fingerprint(steady)
        document = self.env.context.get(REMOTE_FACTS, {}).get(binding.external_id)
        asked = self.env.context.get(ASKED_ABOUT, {}).get(record.id, ())
        allowed = {
            path: value
            for path, value in values.items()
            if rules[path]._may_send(record, document, asked)
        }
        steady = {path: value for path, value in steady.items() if path in allowed}
        return allowed, fingerprint(steady)

    def _must_send(self, flow, values):
        """Whether values are due although those that are kept equal are equal: empty ones to fill."""
        rules = {rule.remote_path: rule for rule in flow._planning_mapping()._outbound_rules()}
        return any(not rules[path]._is_steady() for path in values)
