from odoo import _, api, models
from odoo.exceptions import UserError

from ..lib.errors import SyncError
from ..lib.mapping_check import ERROR, KIND_LABELS, Facts, RuleFacts, check, mandatory_ring, ring
from ..lib.schema import walk


class SyncMappingEditor(models.AbstractModel):
    """What the mapping editor asks the server, for rules that may not be saved yet.

    A rule comes as a dictionary: key (whatever the editor finds it by), and fields of
    `sync.mapping.rule`. A collection whose lines are edited is named by `parent`: the
    values remote_path, field_name and child_object of its rule, or False.
    """

    _name = "sync.mapping.editor"
    _description = "Mapping Editor"

    # === What can be chosen ===#

    @api.model
    def load(self, flow_id, parent=False):
        """Return what is mapped to what: names, labels, whether the fields are known.

        :return: system, object, object_label, model, model_label, direction, read_at
            (ISO 8601, UTC, without a zone; False before the first reading), can_edit.
        """
        flow = self._flow(flow_id)
        remote, model = self._bases(flow, parent)
        known = self._object(flow.connection_id, remote)
        return {
            "system": flow.connection_id.name,
            "object": remote,
            "object_label": known.label or flow._connector()._object(remote).label,
            "model": model,
            "model_label": self.env["ir.model"].sudo()._get(model).name or model,
            "direction": flow.direction,
            "read_at": known.read_at and known.read_at.isoformat(timespec="seconds"),
            "is_gone": known.is_gone,
            "can_edit": self.env["sync.mapping"].has_access("write"),
        }

    @api.model
    def fields_of(self, flow_id, side, name):
        """Return the fields of an object or model, for a picker.

        :param side: remote or odoo.
        :return: dictionaries name, label, kind, kind_label, type, required, writable,
            custom, unique, references, relationship.
        """
        flow = self._flow(flow_id)
        shape = self._remote_shape(flow, name) if side == "remote" else self._odoo_shape(name)
        return [
            {
                "name": one.name,
                "label": one.label,
                "kind": one.kind,
                "kind_label": KIND_LABELS.get(one.kind, one.type),
                "type": one.type,
                "required": one.required,
                "writable": one.writable,
                "custom": one.custom,
                "unique": one.unique,
                "references": one.references,
                "relationship": one.relationship,
            }
            for one in sorted(shape.values(), key=lambda one: (one.label.lower(), one.name))
        ]

    @api.model
    def objects_of(self, connection_id):
        """Return the objects of a connection, `[{name, label, custom}]`, reading them when nobody has yet."""
        connection = self.env["sync.connection"].browse(connection_id)
        connection.check_access("read")
        Object = self.env["sync.schema.object"]
        domain = [("connection_id", "=", connection.id), ("is_gone", "=", False)]
        found = Object.search(domain)
        if not found and self._may_ask(connection):
            self._read(connection, ())
            found = Object.search(domain)
        return [{"name": one.name, "label": one.label, "custom": one.is_custom} for one in found]

    @api.model
    def refresh(self, flow_id, parent=False):
        """Ask the provider what the object looks like now; returns the same as `load`.

        :raises UserError: it cannot be asked; says why.
        """
        self.env["sync.mapping"].check_access("write")
        flow = self._flow(flow_id)
        remote, _model = self._bases(flow, parent)
        self._read(flow.connection_id, [remote])
        return self.load(flow_id, parent)

    def _flow(self, flow_id):
        flow = self.env["sync.flow"].browse(flow_id)
        flow.check_access("read")
        self.env["sync.mapping"].check_access("read")
        return flow

    def _object(self, connection, name):
        return self.env["sync.schema.object"].search(
            [("connection_id", "=", connection.id), ("name", "=", name)], limit=1
        )

    def _may_ask(self, connection):
        return connection.state == "connected" and self.env["sync.mapping"].has_access("write")

    def _read(self, connection, names):
        try:
            self.env["sync.schema.watch"].sudo()._read_connection(connection.sudo(), names, manual=True)
        except SyncError as error:
            raise UserError(f"{error.message}\n{error.hint}".strip()) from error

    def _remote_shape(self, flow, name):
        known = self._object(flow.connection_id, name)
        if not known.read_at and self._may_ask(flow.connection_id):
            # A provider that does not answer must not keep anybody from typing a path.
            try:
                self._read(flow.connection_id, [name])
            except UserError:
                return {}
            known = self._object(flow.connection_id, name)
        return known._shape()

    def _odoo_shape(self, name):
        return self.env["sync.schema.odoo"]._shape(name) if name in self.env else {}

    def _bases(self, flow, parent):
        """Return the remote object and the Odoo model whose fields are mapped."""
        if not parent:
            return flow.remote_object, flow.model
        field = self.env[flow.model]._fields.get(parent.get("field_name") or "")
        remote = parent.get("child_object")
        if not remote:
            schema = self.env["sync.schema.object"]._schema(flow.connection_id)
            found = walk(schema, flow.remote_object, parent.get("remote_path") or "").field
            remote = found.references if found is not None else ""
        return remote, (field.comodel_name or "") if field is not None else ""

    # === What is doubtful ===#

    @api.model
    def check(self, flow_id, rules, parent=False):
        """Return what is doubtful about rules, see `lib.mapping_check`.

        :return: dictionaries level, code, message, rule, side, field; errors first.
        """
        return self._findings(self._flow(flow_id), [self._rule_facts(rule) for rule in rules], parent)

    def _findings(self, flow, facts, parent=False):
        """Return the same of a flow that may not exist yet, for the facts of its rules."""
        remote, model = self._bases(flow, parent)
        connector = flow._connector()
        brought = self.env["sync.flow"].sudo().search(
            [("connection_id", "=", flow.connection_id.id), ("direction", "=", "inbound")]
        )
        findings = check(
            facts,
            Facts(
                remote=self.env["sync.schema.object"]._schema(flow.connection_id),
                odoo=self._odoo_schema(model, facts),
                remote_object=remote,
                model=model,
                direction="inbound" if parent else flow.direction,
                creates=flow._creates(),
                creates_by_key=connector._creates_by_key(remote),
                brought=set(brought.mapped("remote_object")),
                defaults=self._given(flow, parent),
            ),
        )
        rows = [
            {
                "level": one.level,
                "code": one.code,
                "message": one.message,
                "rule": one.rule,
                "side": one.side,
                "field": one.field,
            }
            for one in findings
        ]
        return rows if parent else [*self._ring_findings(flow, facts), *rows]

    @api.model
    def _errors(self, flow, facts, collections=()):
        """Return what cannot work in a mapping, as sentences; whatever is only doubtful is left out.

        :param facts: of its rules.
        :param collections: `[(parent, facts of the rules of its lines)]`.
        """
        rows = self._findings(flow, facts)
        for parent, lines in collections:
            rows += self._findings(flow, lines, parent)
        return [row["message"] for row in rows if row["level"] == ERROR]

    def _given(self, flow, parent):
        """Return the Odoo fields that somebody else fills: the link of a line to its record."""
        if not parent:
            return ()
        field = self.env[flow.model]._fields.get(parent.get("field_name") or "")
        return (field.inverse_name,) if field is not None and field.type == "one2many" else ()

    def _rule_facts(self, rule):
        table = self.env["sync.value.map"].browse(rule.get("value_map_id") or ())
        table.check_access("read")
        known = frozenset(table.line_ids.mapped("remote_value")) if table else None
        return RuleFacts.of_values(str(rule["key"]), rule, known)

    def _odoo_schema(self, model, facts):
        """Return the shapes of a model and of those that the rules' paths lead through."""
        wanted, schema = {model}, {}
        while wanted - schema.keys():
            for name in wanted - schema.keys():
                schema[name] = self._odoo_shape(name)
            for one in facts:
                way = walk(schema, model, one.target) if one.target else None
                if way is not None and way.missing in self.env:
                    wanted.add(way.missing)
                if way is not None and way.field is not None and way.field.references in self.env:
                    wanted.add(way.field.references)
        return schema

    # === Rings ===#

    def _ring_findings(self, flow, facts):
        """Return findings for values that wander in a circle, and records that need each other."""
        others = self.env["sync.flow"].sudo().search(
            [("company_id", "=", flow.company_id.id), ("id", "!=", flow._origin.id)]
        )
        known = {(edge, other) for other in others for edge in self._edges(other, other.mapping_id._facts_of_rules())}
        own = {edge: one for one in facts for edge in self._edges(flow, [one])}
        edges = {edge for edge, _other in known} | own.keys()
        found = []
        for edge, one in own.items():
            nodes = ring(edge, edges)
            if nodes:
                found.append(self._finding("error", "ring", one.key, self._ring_text(one, nodes)))
        return found + self._mandatory_findings(flow, facts, others)

    def _edges(self, flow, facts):
        """Yield (from, to) for each value that a rule carries."""
        for one in facts:
            if not one.path or not one.target or one.transform in ("constant", "lines", "reference"):
                continue
            remote = (flow.connection_id.name, flow.remote_object, one.path)
            odoo = ("Odoo", *self._odoo_node(flow.model, one.target))
            if one.comes_in:
                yield remote, odoo
            if one.goes_out:
                yield odoo, remote

    def _odoo_node(self, model, path):
        """Return the model and name of the field at which a path ends."""
        *parents, last = path.split(".")
        for part in parents:
            field = self.env[model]._fields.get(part) if model in self.env else None
            model = (field.comodel_name or "") if field is not None else ""
        return model, last

    def _ring_text(self, one, nodes):
        way = " → ".join(": ".join((node[0], ".".join(node[1:]))) for node in nodes)
        return _("%(rule)s: the value goes round in a circle, so each change starts the next: %(way)s.",
                 rule=one.name, way=way)

    def _mandatory_findings(self, flow, facts, others):
        """Return a finding when this object and others all need each other to exist first."""
        if flow.direction != "inbound":
            return []
        needs = {}
        mappings = [(other.remote_object, other.mapping_id._facts_of_rules()) for other in others
                    if other.connection_id == flow.connection_id and other.direction == "inbound"]
        for name, rules in [*mappings, (flow.remote_object, facts)]:
            wanted = {one.argument for one in rules if one.transform == "reference" and one.required and one.argument}
            needs.setdefault(name, set()).update(wanted)
        way = mandatory_ring(needs, flow.remote_object)
        if not way:
            return []
        text = _("Records need each other before any of them can exist: %s. Make one of the links optional.",
                 " → ".join(way))
        guilty = next((one.key for one in facts if one.transform == "reference" and one.argument == way[1]), "")
        return [self._finding("error", "mandatory_ring", guilty, text)]

    def _finding(self, level, code, rule, message):
        return {"level": level, "code": code, "message": message, "rule": rule, "side": "", "field": ""}
