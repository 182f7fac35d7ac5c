from odoo import _, models

from ..lib.apart import Reading
from ..lib.fingerprint import fingerprint
from ..lib.outcome import Outcome

#: keys of the context under which a batch carries what was read for it
REMOTE_FACTS = "sync_remote_facts"
ASKED_ABOUT = "sync_asked_about"

NOTHING_READ = Reading({}, {})


class SyncHandlerOutboundRules(models.AbstractModel):
    """Ownership on the way out: what a remote record that is known may be given.

    A new remote record takes every value, as a new Odoo record does. What both sides may
    change is never sent over a state of the other side that nobody has looked at: that
    is brought in first, by its own flow, under its own rules.
    """

    _inherit = "sync.handler.outbound"

    # === What must be known ===#

    def _prepare(self, flow, items):
        """Read, for the whole batch, what the rules must know of the other side."""
        rules = flow._planning_mapping()._outbound_rules().filtered(lambda rule: rule._reads_first())
        if not rules:
            return super()._prepare(flow, items)
        facts = self._remote_facts(flow, items)
        asked = self._asked_about(flow, items)
        handler = self.with_context(**{REMOTE_FACTS: facts, ASKED_ABOUT: asked})
        super(SyncHandlerOutboundRules, handler)._prepare(flow, items)
        for item in items:
            item.present = facts.found.get(item.binding.external_id) if item.binding else None
        return None

    def _remote_facts(self, flow, items):
        """Return the `lib.apart.Reading` of the records that are known (a call for each batch)."""
        records = self.env[flow.model].browse([item.res_id for item in items])
        bindings = self.env["sync.binding"]._for_records(flow.connection_id, flow.remote_object, records)
        ids = [binding.external_id for binding in bindings.values()]
        jobs = self.env["sync.job"].union(*(item.job for item in items))
        return self.env["sync.handler.inbound"]._read_documents(self._reading(flow), ids, jobs)

    def _asked_about(self, flow, items):
        """Return `{record id: fields on which a person has yet to decide}` (one query)."""
        waiting = self.env["sync.proposal"].sudo().search(
            [("connection_id", "=", flow.connection_id.id), ("model", "=", flow.model),
             ("res_id", "in", [item.res_id for item in items]), ("kind", "=", "conflict"), ("state", "=", "pending")]
        )
        found = {}
        for one in waiting:
            found.setdefault(one.res_id, set()).update(one.values)
        return found

    # === Who changed there what Odoo owns ===#

    def _note_overwritten(self, flow, items):
        """Note what somebody changed at the other side in fields that Odoo owns and is about to write.

        Seen where the other side is read anyway; nothing is read for it (two queries).
        """
        rules = {rule.remote_path: rule for rule in flow._planning_mapping()._outbound_rules()}
        known = [item for item in items if item.present is not None]
        told = self._last_told(flow, [item.res_id for item in known], list(rules)) if known else {}
        rows = []
        for item in known:
            for path, value in item.intent["values"].items():
                if (item.res_id, path) not in told:
                    continue
                theirs = rules[path]._overwrites(item.present, told[item.res_id, path], value)
                if theirs is not None:
                    rows.append(self._overwritten(flow, item.job, rules[path], [value, theirs], item.present))
        self.env["sync.violation"].sudo()._note_many(rows)

    def _overwritten(self, flow, job, rule, values, document):
        return {
            "flow": flow,
            "res_id": job.res_id,
            "record_name": self.env[flow.model].sudo().browse(job.res_id).display_name,
            "field_name": rule.field_name,
            "label": rule._label(),
            "offender": "remote",
            "outcome": "restored",
            "values": {rule.field_name: values},
            "edited_by": document.changed_by,
            "correlation_id": job.correlation_id or None,
        }

    def _last_told(self, flow, ids, paths):
        """Return `{(record id, path): value}` of what the provider was told last (one query)."""
        self.env.cr.execute(
            """
            SELECT DISTINCT ON (c.res_id, v.key) c.res_id, v.key, v.value -> 1
              FROM sync_change c, jsonb_each(c.values) v
             WHERE c.model = %s AND c.res_id = ANY(%s) AND c.direction = 'outbound' AND c.verdict = 'applied'
               AND c.connection_id = %s AND c.remote_object = %s AND v.key = ANY(%s)
             ORDER BY c.res_id, v.key, c.id DESC
            """,
            [flow.model, ids, flow.connection_id.id, flow.remote_object, paths],
        )
        return {(res_id, path): value for res_id, path, value in self.env.cr.fetchall()}

    # === What may be sent ===#

    def _intent(self, flow, job, record, binding):
        """Besides: let the other side's news come in before shared values go out."""
        failed = binding and self.env.context.get(REMOTE_FACTS, NOTHING_READ).failed.get(binding.external_id)
        if failed:
            raise failed  # nobody knows what would be written over
        if binding and self._has_news(flow, binding):
            if self._is_planned_only(flow, job):
                return Outcome(
                    summary=_("It was changed at the provider, which is looked at first"), verdict="conflict"
                )
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
        document = self.env.context.get(REMOTE_FACTS, NOTHING_READ).found.get(binding.external_id)
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
        document = self.env.context.get(REMOTE_FACTS, NOTHING_READ).found.get(binding.external_id)
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
