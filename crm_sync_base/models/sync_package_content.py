import re

from odoo import _, api, models
from odoo.exceptions import UserError

from ..lib.mapping_check import RuleFacts

#: what a package carries, in the order in which it is applied; a kind that is not
#: installed is left out
KINDS = {
    "value_map": "sync.value.map",
    "flow": "sync.flow",
    "approval_rule": "sync.approval.rule",
    "deadline": "sync.exception.sla",
}


#: rows of a record, matched by what they are called
ROWS = {
    "lines": "sync.value.map.line",
    "steps": "sync.flow.step",
    "readiness": "sync.readiness.rule",
}


class SyncPackageContent(models.AbstractModel):
    """What a configuration package consists of: read it from here, write it there.

    A record is `{"kind", "connection", "key", "name", "values"}`: `key` finds it within its
    connection (empty: within the company), `name` is what people call it.
    """

    _name = "sync.package.content"
    _description = "Content of Configuration Packages"

    @api.model
    def _kinds(self):
        """Return `{kind: model}` of what is installed here."""
        return {kind: model for kind, model in KINDS.items() if model in self.env}

    # === Out ===#

    @api.model
    def _collect(self, connections):
        """Return the content of a package with everything that belongs to these connections.

        :raises UserError: names what cannot be carried.
        """
        connections = connections.sorted(lambda one: (one.provider, one.name))
        keys = {one: self.env["sync.portable"]._connection_key(one) for one in connections}
        if len(set(keys.values())) < len(keys):
            raise UserError(_("Two connections to the same system have the same name: rename one of them."))
        records = []
        for kind, model in self._kinds().items():
            Model = self.env[model].with_context(active_test=False)
            if "connection_id" in Model._fields:
                for connection in connections:
                    found = Model.search([("connection_id", "=", connection.id)])
                    records += [self._record(kind, one, keys[connection]) for one in found]
            else:
                found = Model.search(self._scope(Model, connections.company_id))
                records += [self._record(kind, one, "") for one in found]
        return {
            "connections": [
                {"key": keys[one], "provider": one.provider, "name": one.name} for one in connections
            ],
            "records": sorted(records, key=lambda one: (one["kind"], one["connection"], one["key"])),
        }

    def _record(self, kind, record, connection):
        """Return one record of a package."""
        values = self.env["sync.portable"]._values(record)
        values.update(getattr(self, f"_rows_of_{kind}", lambda _record: {})(record))
        return {
            "kind": kind,
            "connection": connection,
            "key": self._key(kind, record),
            "name": record.with_context(lang=None).display_name,
            "values": values,
        }

    def _key(self, kind, record):
        """Return what finds a record of a kind again, in any database."""
        if kind == "flow":
            return self._flow_code(record)
        if kind == "deadline":
            return f"{record.error_code or '*'}/{record.criticality or '*'}"
        return record.with_context(lang=None)[record._rec_name]

    def _flow_code(self, flow):
        """Return the code of a flow; one that was made by hand gets one from its name."""
        if not flow.code:
            slug = re.sub(r"[^a-z0-9]+", "_", flow.with_context(lang=None).name.lower()).strip("_") or "flow"
            taken = set(flow.connection_id.with_context(active_test=False).flow_ids.mapped("code"))
            numbers = ("", *(f"_{number}" for number in range(2, len(taken) + 3)))
            flow.code = next(slug + number for number in numbers if slug + number not in taken)
        return flow.code

    @api.model
    def _path_text(self, kind, path):
        """Return the path of a difference with the fields as people call them."""
        rows = {"lines": "sync.value.map.line" if kind == "value_map" else "sync.mapping.rule",
                "steps": "sync.flow.step", "rules": "sync.mapping.rule", "readiness": "sync.readiness.rule",
                "ladder": "sync.match.step"}
        names = {"lines": _("Lines"), "steps": _("Follow-up Steps"), "rules": _("Rules"),
                 "readiness": _("Readiness"), "ladder": _("Match Ladder")}
        model, texts, is_label = self._kinds().get(kind), [], False
        for part in path.split(" › "):
            field = self.env[model]._fields.get(part) if model and not is_label else None
            if not is_label and part in rows:
                texts.append(names[part])
                model, is_label = rows[part], True  # what follows is what a row is called
            else:
                texts.append(field._description_string(self.env) if field is not None else part)
                is_label = False
        return " › ".join(texts)

    # --- Rows of a record ---

    def _rows_of_value_map(self, table):
        return {"lines": self._rows(table.line_ids, lambda line: line.remote_value)}

    def _rows_of_flow(self, flow):
        self._assert_no_ids(flow)
        return {**self._parts_of_flow(flow), "rules": self._rules(flow.mapping_id.rule_ids)}

    def _parts_of_flow(self, flow):
        """Return the rows that belong to a flow besides its mapping, which has versions of its own."""
        flow = flow.with_context(active_test=False, lang=None)
        return {
            "steps": self._rows(flow.step_ids, lambda step: step.action),
            "readiness": self._rows(flow.readiness_ids, lambda rule: rule.name),
        }

    def _rows(self, records, label):
        rows = [{"label": label(one) or "", **self.env["sync.portable"]._values(one)} for one in records]
        return sorted(rows, key=lambda row: (row.get("sequence") or 0, row["label"]))

    def _rules(self, rules):
        """Return mapping rules with those of their lines, in order."""
        return [
            {
                "label": f"{rule._label()} → {rule.field_name}",
                **self.env["sync.portable"]._values(rule),
                "lines": self._rules(rule.child_ids),
            }
            for rule in rules.sorted(lambda rule: (rule.sequence, rule.id))
        ]

    def _assert_no_ids(self, flow):
        """Refuse conditions that name records by the ids that they have here.

        :raises UserError: names the flow, the condition and the field.
        """
        model = self.env.get(flow.model)
        for leaf in flow._odoo_domain() if model is not None else ():
            if not isinstance(leaf, (list, tuple)) or not isinstance(leaf[0], str):
                continue
            field = self._field_at(model, leaf[0])
            values = leaf[2] if isinstance(leaf[2], (list, tuple)) else [leaf[2]]
            named = any(isinstance(value, int) and not isinstance(value, bool) for value in values)
            if field is not None and named and (field.comodel_name or field.name == "id"):
                raise UserError(
                    _(
                        "The condition of %(flow)s names a record of “%(field)s” by its id, which means "
                        "something else in another database. Use its name: for instance "
                        "('%(path)s.name', '=', '…').",
                        flow=flow.name,
                        field=field._description_string(self.env),
                        path=leaf[0],
                    )
                )

    def _field_at(self, model, path):
        """Return the field at the end of a dotted path, None where there is none."""
        field = None
        for name in path.split("."):
            field = model._fields.get(name) if model is not None else None
            model = self.env.get(field.comodel_name) if field is not None and field.comodel_name else None
        return field

    # === Here ===#

    @api.model
    def _current(self, record, place):
        """Return the record that a package's record means here, empty when it is new."""
        Model = self.env[self._kinds()[record["kind"]]].with_context(active_test=False)
        if "connection_id" in Model._fields:
            scope = [("connection_id", "=", place["connection"].id)]
        else:
            scope = self._scope(Model, place["company"])
        return Model.search(scope).filtered(
            lambda one: (one.code if record["kind"] == "flow" else self._key(record["kind"], one)) == record["key"]
        )[:1]

    def _scope(self, model, company):
        """Return the domain of what a company's package carries and may change.

        What is common to all companies is nobody's to change for one of them.
        """
        if "company_id" not in model._fields:
            return []
        alone = self.env["res.company"].sudo().search_count([]) == 1
        return [("company_id", "in", (company.id, False) if alone else company.ids)]

    @api.model
    def _as_it_is(self, record, place):
        """Return what is here of a package's record, in the package's words; None when it is new."""
        current = self._current(record, place)
        return self._record(record["kind"], current, record["connection"]) if current else None

    @api.model
    def _withdrawn(self, record, created):
        """Return a record that a package made, as it is when that is taken back: out of use.

        What cannot be put out of use (a value map) stays: None.
        """
        made = self._record(record["kind"], created, record["connection"])
        return {**made, "values": {**made["values"], "active": False}} if "active" in made["values"] else None

    @api.model
    def _after(self, record, current):
        """Return the values that a record will have: what a value map has more here stays."""
        values = dict(record["values"])
        if current and record["kind"] == "value_map":
            known = {row["label"] for row in values["lines"]}
            mine = self._rows_of_value_map(current)["lines"]
            values["lines"] = [*values["lines"], *(row for row in mine if row["label"] not in known)]
        return values

    @api.model
    def _problems(self, record, place):
        """Return why a record cannot be applied here, as sentences."""
        kind, values = record["kind"], dict(record["values"])
        portable = self.env["sync.portable"]
        found = []
        for name, model in ROWS.items():
            for row in values.pop(name, ()):
                found += portable._vals(self.env[model], self._bare(row), place)[1]
        found += self._rule_problems(values.pop("rules", ()), place)
        found += portable._vals(self.env[self._kinds()[kind]], values, place)[1]
        current = self._current(record, place)
        if kind == "flow" and current and current.mode != "off":
            found += self._live_problems(current, values)
        if kind == "flow" and not found:
            found += self._mapping_problems(record, current, place)
        return [f"{record['name']}: {problem}" for problem in dict.fromkeys(found)]

    def _rule_problems(self, rules, place):
        found = []
        for rule in rules:
            found += self.env["sync.portable"]._vals(
                self.env["sync.mapping.rule"], self._bare(rule), place
            )[1]
            found += self._rule_problems(rule.get("lines", ()), place)
        return found

    def _live_problems(self, flow, values):
        """What a flow is about does not change under its jobs."""
        present = self.env["sync.portable"]._values(flow)
        fixed = [name for name in ("direction", "handler", "model_id", "remote_object") if
                 name in values and values[name] != present[name]]
        labels = ", ".join(flow._fields[name]._description_string(self.env) for name in fixed)
        found = [_("switch the flow off first: “%s” changes", labels)] if fixed else []
        if values.get("active") is False and present["active"]:
            found.append(_("switch the flow off first: it is archived"))
        return found

    def _mapping_problems(self, record, current, place):
        """Return what cannot work in the rules: the review of their version would be refused."""
        rules = record["values"].get("rules") or []
        if not rules or (current and rules == self._rules(current.mapping_id.rule_ids)):
            return []
        values = {name: value for name, value in record["values"].items() if name not in (*ROWS, "rules")}
        Flow = self.env["sync.flow"]
        vals = self.env["sync.portable"]._vals(Flow, values, place)[0]
        flow = Flow.new({**vals, **self._identity(record, place)}, origin=current or None)
        lines = [
            (
                {name: rule.get(name) for name in ("remote_path", "field_name", "child_object")},
                [self._rule_facts(line) for line in rule["lines"]],
            )
            for rule in rules if rule.get("lines")
        ]
        return self.env["sync.mapping.editor"]._errors(flow, [self._rule_facts(rule) for rule in rules], lines)

    def _rule_facts(self, rule):
        """Return the facts of a rule of a package; what its value map knows is not looked at."""
        return RuleFacts.of_values(rule["label"], rule, frozenset() if rule.get("value_map_id") else None)

    @staticmethod
    def _bare(row):
        """Return the fields of a row, without its name and its rows."""
        return {name: value for name, value in row.items() if name not in ("label", "lines")}

    # === In ===#

    @api.model
    def _apply(self, record, place, author, note):
        """Make one record what the package says. The caller has checked everything.

        :param author: the user who brought the package: whoever approves it is the
            reviewer of its mappings.
        :param note: of new mapping versions.
        """
        portable = self.env["sync.portable"]
        values = dict(record["values"])
        rows = {name: values.pop(name) for name in (*ROWS, "rules") if name in values}
        Model = self.env[self._kinds()[record["kind"]]].sudo()
        current = self._current(record, place).sudo()
        vals = portable._vals(Model, values, place)[0]
        if not current:
            current = Model.create({**vals, **self._identity(record, place)})
        elif changed := self._changed(current, vals, values):
            current.write(changed)
        for name, content in rows.items():
            getattr(self, f"_apply_{name}")(current, content, place, author, note)
        return current

    def _identity(self, record, place):
        """Return the values by which a new record is found again."""
        identity = {
            "flow": {"code": record["key"], "connection_id": place["connection"].id, "mode": "off"},
            "value_map": {"name": record["key"], "connection_id": place["connection"].id},
        }
        if record["kind"] in identity:
            return identity[record["kind"]]
        Model = self.env[self._kinds()[record["kind"]]]
        return {"company_id": place["company"].id} if "company_id" in Model._fields else {}

    def _changed(self, current, vals, values):
        """Return those values that differ: what is equal is not written again."""
        present = self.env["sync.portable"]._values(current)
        return {name: vals[name] for name in vals if values[name] != present.get(name)}

    def _apply_lines(self, table, rows, place, _author, _note):
        known = {line.remote_value: line for line in table.line_ids}
        for row in rows:
            vals = self.env["sync.portable"]._vals(table.line_ids, self._bare(row), place)[0]
            if row["label"] in known:
                known[row["label"]].write(vals)
            else:
                table.line_ids.create({**vals, "map_id": table.id})

    def _apply_steps(self, flow, rows, place, _author, _note):
        """Steps are matched by their action; what the package lacks is switched off."""
        known = {step.action: step for step in flow.with_context(active_test=False).step_ids}
        for row in rows:
            vals = self.env["sync.portable"]._vals(flow.step_ids, self._bare(row), place)[0]
            step = known.pop(row["label"], None)
            if step:
                step.write(vals)
            else:
                flow.step_ids.create({**vals, "flow_id": flow.id})
        for step in known.values():
            step.active = False

    def _apply_readiness(self, flow, rows, place, _author, _note):
        """Readiness rules are matched by their sentence; what the package lacks is switched off."""
        rules = flow.with_context(active_test=False, lang=None).readiness_ids
        known = {rule.name: rule for rule in rules}
        for row in rows:
            vals = self.env["sync.portable"]._vals(rules, self._bare(row), place)[0]
            rule = known.pop(row["label"], None)
            if rule:
                rule.write(vals)
            else:
                rules.create({**vals, "name": row["label"], "flow_id": flow.id})
        for rule in known.values():
            rule.active = False

    def _apply_rules(self, flow, rows, place, author, note):
        """Other rules are a new version, written by who brought them, approved by who approves."""
        if rows == self._rules(flow.mapping_id.rule_ids) or not rows:
            return
        Mapping = self.env["sync.mapping"].with_user(author).sudo()
        draft = Mapping.create({"flow_id": flow.id, "note": note})
        self._create_rules(draft, rows, place)
        draft.write({"state": "review"})
        self.env["sync.mapping"].sudo().browse(draft.id).write({"state": "active"})

    def _create_rules(self, mapping, rows, place, parent=None):
        Rule = mapping.env["sync.mapping.rule"]
        for row in rows:
            vals = self.env["sync.portable"]._vals(Rule, self._bare(row), place)[0]
            rule = Rule.create({**vals, "mapping_id": mapping.id, "parent_id": parent and parent.id})
            self._create_rules(mapping, row.get("lines", ()), place, rule)
