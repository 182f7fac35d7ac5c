from odoo import _, api, models

from ..lib import mapping_check
from ..lib.errors import SchemaChanged
from ..lib.remedy import OPEN, Remedy
from ..lib.schema import (
    FAILS,
    HARMLESS,
    WRONG,
    Use,
    becomes_mandatory,
    severity,
    walk,
    worst,
)

ODOO = "odoo"
REMOTE = "remote"


class SyncSchemaImpact(models.AbstractModel):
    """Which flows a change hits, and what is done about it.

    A flow that would write something wrong is held: nothing of it is claimed until its
    mapping no longer relies on what changed, or a person settles the change. All flows
    that are hit get one card on the exception desk.
    """

    _inherit = "sync.schema.watch"

    # === What flows use ===#

    @api.model
    def _flows(self, connection):
        """Return the flows with an active mapping, of a connection or (for Odoo) of all."""
        domain = [("connection_id", "=", connection.id)] if connection else []
        flows = self.env["sync.flow"].sudo().search(domain)
        return flows.filtered("mapping_id")

    @api.model
    def _used_objects(self, connection):
        """Return the names of the remote objects that flows work with, mapped or not."""
        flows = self.env["sync.flow"].sudo().search([("connection_id", "=", connection.id)])
        rules = flows.mapping_id._all_rules()
        children = {rule.child_object for rule in rules if rule.child_object}
        return {*flows.mapped("remote_object"), *children}

    @api.model
    def _used_models(self):
        """Return the names of the models that flows read or write."""
        names = set()
        for flow in self.env["sync.flow"].sudo().search([]):
            if flow.model not in self.env:
                continue
            names.add(flow.model)
            for rule in flow.mapping_id._all_rules():
                names |= rule._models_on_the_way()
        return names

    def _reached(self, connection, shapes):
        """Return the objects that the paths of active mappings lead through, as far as is known."""
        names = set()
        for flow in self._flows(connection):
            for rule in flow.mapping_id._all_rules():
                start = rule._remote_base(shapes)
                facts = rule._facts()
                for path in {facts.path, *facts.read_paths} - {""} if start else ():
                    names |= self._objects_on(walk(shapes, start, path))
        return names

    def _objects_on(self, way):
        """Return the objects that a path leads through, as far as is known."""
        names = {name for name, _field in way.steps}
        if way.missing and "." not in way.missing:
            names.add(way.missing)
        if way.field is not None and way.field.kind == "lines" and way.field.references:
            names.add(way.field.references)
        return names

    def _uses(self, connection, before, after):
        """Return `{(object, field): [Use]}` of what the active mappings rely on.

        :param before: schema in which the paths still lead somewhere.
        :param after: schema as it is now.
        """
        uses = {}
        odoo = self.env["sync.schema.object"]._schema() if connection else after
        for flow in self._flows(connection):
            for rule in flow.mapping_id._all_rules():
                found = self._uses_of(flow, rule, connection, before, after, odoo)
                for key, use in found:
                    uses.setdefault(key, []).append(use)
        return uses

    def _uses_of(self, flow, rule, connection, before, after, odoo):
        """Yield `((object, field), Use)` of one rule, on the side that is compared."""
        facts = rule._facts()
        if connection:
            start, paths, side = rule._remote_base(before), {facts.path, *facts.read_paths}, REMOTE
            reads, writes = facts.comes_in, facts.goes_out
        else:
            start, paths, side = rule._odoo_base(), {facts.target}, ODOO
            reads, writes = facts.goes_out, facts.comes_in
        for path in sorted(paths - {""}) if start else ():
            # What an argument names is only spelled out or looked at: any type will do.
            fits = self._fits(rule, facts, path, after, odoo) if connection and path == facts.path else True
            steps = walk(before, start, path).steps
            for number, key in enumerate(steps, 1):
                last = number == len(steps)
                yield key, Use(
                    flow.id, facts.name, side, reads, writes, flow._creates(), last, fits if last else None
                )

    def _fits(self, rule, facts, path, after, odoo):
        """Return whether the remote field, as it is now, suits the rule; None when that is not known."""
        now = walk(after, rule._remote_base(after), path).field
        other = walk(odoo, rule._odoo_base(), facts.target).field
        return not mapping_check.mismatches(facts, now, other) if now and other else None

    # === Hits ===#

    def _hits(self, connection, name, difference, field, uses, mandatory):
        """Return `{flow id: (severity, [what people call the rules])}` of one difference.

        :param field: the field as it is now, None when it is gone.
        :param mandatory: `{object name: [(flow, mapped names)]}` of flows that create there.
        """
        hits = {}
        if not difference.field:
            if difference.kind == "object_removed":
                return {flow.id: (WRONG, []) for flow in self._flows_of_object(connection, name)}
            return hits
        for use in uses.get((name, difference.field), ()):
            level = severity(difference, use)
            known, rules = hits.get(use.flow, (HARMLESS, []))
            hits[use.flow] = (worst([known, level]), [*rules, use.rule])
        if becomes_mandatory(difference, field):
            for flow, mapped in mandatory.get(name, ()):
                if difference.field not in mapped:
                    hits[flow.id] = (FAILS, [])
        return {flow: hit for flow, hit in hits.items() if hit[0] != HARMLESS}

    def _flows_of_object(self, connection, name):
        flows = self._flows(connection)
        if connection:
            return flows.filtered(lambda flow: flow.remote_object == name)
        return flows.filtered(lambda flow: flow.model == name)

    def _creators(self, connection):
        """Return `{object: [(flow, names of the fields that it fills)]}` of flows that create records."""
        direction = "outbound" if connection else "inbound"
        found = {}
        for flow in self._flows(connection):
            if flow.direction != direction or not flow._creates():
                continue
            facts = [rule._facts() for rule in flow.mapping_id.rule_ids]
            if connection:
                name, mapped = flow.remote_object, {one.path for one in facts if one.goes_out}
            else:
                name, mapped = flow.model, {one.target for one in facts if one.comes_in}
            found.setdefault(name, []).append((flow, mapped))
        return found

    # === Acting ===#

    def _act_on(self, connection, changes, before):
        """Record changes, hold flows, raise exceptions; then settle what was put right.

        :param changes: `[(object name, Difference)]`; `before`: the schema until now.
        """
        if changes:
            self._record(connection, changes, before)
        self._settle_fixed(connection)

    def _record(self, connection, changes, before):
        Object = self.env["sync.schema.object"].sudo()
        after = Object._schema(connection)
        uses, creators = self._uses(connection, before, after), self._creators(connection)
        objects = {
            one.name: one for one in Object.search([("connection_id", "=", connection.id or False)])
        }
        rows, hits_of = [], []
        for name, difference in changes:
            field = after.get(name, {}).get(difference.field)
            hits = self._hits(connection, name, difference, field, uses, creators)
            rows.append(self._change_vals(objects[name], difference, hits))
            hits_of.append(hits)
        records = self.env["sync.schema.change"].sudo().create(rows)
        for change, hits in zip(records, hits_of, strict=True):
            self._hold(change, [flow for flow, (level, _rules) in hits.items() if level == WRONG])
        self._raise_for(records.filtered(lambda change: change.state == "open").flow_ids)

    def _change_vals(self, record, difference, hits):
        level = worst(level for level, _rules in hits.values())
        rules = dict.fromkeys(rule for _level, names in hits.values() for rule in names)
        return {
            "object_id": record.id,
            "kind": difference.kind,
            "field_name": difference.field or False,
            "field_label": difference.label or False,
            "before": difference.before[:250] or False,
            "after": difference.after[:250] or False,
            "severity": level,
            "flow_ids": [(6, 0, list(hits))],
            "rules": ", ".join(rules) or False,
            "state": "open" if hits else "none",
        }

    def _hold(self, change, flow_ids):
        """Keep flows from writing something wrong."""
        self.env["sync.hold"].sudo().create(
            [
                {
                    "name": _("%s Nothing is written until the mapping is put right.", change._sentence()),
                    "scope": "flow",
                    "flow_id": flow_id,
                    "schema_change_id": change.id,
                }
                for flow_id in flow_ids
            ]
        )

    def _raise_for(self, flows):
        """Put one card on the desk for each flow that is hit."""
        for flow in flows:
            changes = self.env["sync.schema.change"].sudo().search(
                [("flow_ids", "in", flow.ids), ("state", "=", "open")]
            )
            held = changes.hold_ids.filtered(lambda hold, flow=flow: hold.active and hold.flow_id == flow)
            error = SchemaChanged(
                _("%(flow)s relies on something that has changed: %(what)s",
                  flow=flow.name, what=changes[:1]._sentence()),
                hint=self._hint(bool(held)),
                problems=[change._sentence() for change in changes],
                fingerprint="schema",
                remedies=[Remedy(OPEN, model="sync.mapping", res_id=flow.mapping_id.id)],
            )
            self.env["sync.exception"]._raise(flow, flow.connection_id, error)

    @api.model
    def _hint(self, is_held):
        if is_held:
            return _(
                "The flow is stopped, its records wait. Make a new version of the mapping without what "
                "changed and activate it: the flow goes on by itself."
            )
        return _("Look at the mapping; settle the change when all is well.")

    def _close_exception(self, flow):
        """Close the card of a flow of which nothing is left to do."""
        self.env["sync.exception"].sudo().search(
            [
                ("flow_id", "=", flow.id),
                ("error_code", "=", SchemaChanged.code),
                ("state", "in", ("new", "acknowledged")),
            ]
        )._resolve_by_itself(_("what changed at the other end no longer matters."))

    # === Put right ===#

    @api.model
    def _settle_fixed(self, connection):
        """Settle open changes that nothing relies on any more, and lift their holds."""
        Change = self.env["sync.schema.change"].sudo()
        waiting = Change.search([("connection_id", "=", connection.id or False), ("state", "=", "open")])
        if not waiting:
            return
        Object = self.env["sync.schema.object"].sudo()
        now = Object._schema(connection)
        uses = self._uses(connection, self._with_gone(connection, now), now)
        creators = self._creators(connection)
        for change in waiting:
            self._settle_one(connection, change, now, uses, creators)

    def _settle_one(self, connection, change, now, uses, creators):
        name, difference = change.object_id.name, change._difference()
        field = now.get(name, {}).get(difference.field)
        hits = {}
        if self._still_so(change, field):
            hits = self._hits(connection, name, difference, field, uses, creators)
        if not hits:
            change._settle()
            return
        wrong = {flow for flow, (level, _rules) in hits.items() if level == WRONG}
        change.hold_ids.filtered(lambda hold: hold.active and hold.flow_id.id not in wrong).action_lift()
        settled = change.flow_ids.filtered(lambda flow: flow.id not in hits)
        if settled:
            change.flow_ids -= settled
            for flow in settled:
                if not change.search_count([("flow_ids", "in", flow.ids), ("state", "=", "open")], limit=1):
                    self._close_exception(flow)

    def _still_so(self, change, field):
        """Whether what a change says is still the case."""
        if change.kind == "object_removed":
            return change.object_id.is_gone
        if change.kind == "removed":
            return field is None
        if field is None:
            return False  # a later change says that it is gone
        return {
            "type": field.type == change.after,
            "reference": field.references == (change.after or ""),
            "required": field.required,
            "added": field.required,
            "read_only": not field.writable,
            "shorter": str(field.length) == change.after,
        }.get(change.kind, True)

    def _with_gone(self, connection, now):
        """Return the schema with the fields that are gone put back as they were."""
        gone = self.env["sync.schema.field"].sudo().search(
            [("connection_id", "=", connection.id or False), ("is_gone", "=", True)]
        )
        schema = {name: dict(shape) for name, shape in now.items()}
        for field in gone:
            schema.setdefault(field.object_id.name, {}).setdefault(field.name, field._to_value())
        return schema
