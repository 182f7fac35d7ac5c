from odoo import _, api, models
from odoo.exceptions import UserError

ODOO, SHARED = "odoo", "shared"


class SyncMatrix(models.AbstractModel):
    """The system-of-record matrix: who owns which field, read from the rules and written to them.

    It stores nothing. A change goes into a draft of every mapping that touches the field,
    and holds when those are reviewed and active.
    """

    _name = "sync.matrix"
    _description = "System of Record"

    # === Read ===#

    @api.model
    def get_matrix(self):
        """Return the whole matrix under the reader's rules, in a number of queries that does not grow.

        :return: `{"systems": [{"id", "name"}], "objects": [{"model", "name", "rows": […]}],
            "conflicts": [[value, label]], "can_edit"}`; see `_row`.
        """
        self.env["sync.mapping"].check_access("read")
        mappings = self.env["sync.mapping"].search(
            [("state", "in", ("active", "draft", "review")), ("flow_id.active", "=", True)]
        )
        rules = mappings.rule_ids
        objects = {}
        for rule in rules:
            if rule.mapping_id.flow_id.model in self.env:
                rows = objects.setdefault(rule.mapping_id.flow_id.model, {})
                rows.setdefault(rule.field_name, []).append(rule)
        violations = self._violation_counts()
        gated = self._gated()
        return {
            "systems": [{"id": one.id, "name": one.name} for one in mappings.flow_id.connection_id],
            "objects": [
                {
                    "model": model,
                    "name": self.env[model]._description,
                    "rows": [
                        self._row(model, name, found, violations, gated)
                        for name, found in sorted(rows.items())
                        if any(rule.mapping_id.state == "active" for rule in found)
                    ],
                }
                for model, rows in sorted(objects.items(), key=lambda item: self.env[item[0]]._description)
            ],
            "conflicts": self.env["sync.mapping.rule"]._fields["conflict"]._description_selection(self.env),
            "can_edit": self.env["sync.mapping"].has_access("write"),
        }

    def _row(self, model, name, rules, violations, gated):
        """Return one field: who owns it now, what every system does with it, what is in preparation."""
        active = [rule for rule in rules if rule.mapping_id.state == "active"]
        waiting = [rule for rule in rules if rule.mapping_id.state != "active"]
        owner = self._owner(active)
        prepared = self._owner(self._with_drafts(active, waiting))
        cells = {}
        for rule in active:
            cells.setdefault(rule.mapping_id.connection_id.id, []).append(self._cell(rule))
        return {
            "field": name,
            "label": self._label(model, name),
            "owner": owner,
            "prepared": prepared if prepared != owner else False,
            "drafts": [
                {"id": mapping.id, "name": mapping.display_name}
                for mapping in {rule.mapping_id: None for rule in waiting if self._differs(rule, active)}
            ],
            "conflict": next((rule.conflict for rule in active if rule.conflict != "owner"), "owner"),
            "cells": cells,
            "violations": violations.get((model, name), 0),
            "gate": gated.get((model, name), ""),
        }

    def _cell(self, rule):
        def label(field):
            return dict(rule._fields[field]._description_selection(self.env))[rule[field]]

        return {
            "reads": rule.direction in ("inbound", "both"),
            "writes": rule.direction in ("outbound", "both"),
            "remote": rule._label(),
            "flow": rule.mapping_id.flow_id.name,
            "mapping": rule.mapping_id.id,
            "policy": label("policy") if rule.policy != "always" else "",
        }

    def _owner(self, rules):
        """Return "odoo", "shared" or the id of the connection that owns a field."""
        owners = {rule.owner for rule in rules}
        if SHARED in owners:
            return SHARED
        remote = {rule.mapping_id.connection_id.id for rule in rules if rule.owner == "remote"}
        return remote.pop() if len(remote) == 1 else (ODOO if not remote else SHARED)

    def _with_drafts(self, active, waiting):
        """Return the rules as they would be with the versions in preparation."""
        flows = {rule.mapping_id.flow_id: rule for rule in waiting}
        return [flows.get(rule.mapping_id.flow_id, rule) for rule in active]

    def _differs(self, rule, active):
        return any(
            (rule.owner, rule.conflict) != (other.owner, other.conflict)
            for other in active
            if other.mapping_id.flow_id == rule.mapping_id.flow_id
        )

    def _label(self, model, path):
        holder, labels = self.env[model], []
        for name in path.split("."):
            field = holder._fields.get(name)
            if field is None:
                return path
            labels.append(field._description_string(self.env))
            holder = self.env[field.comodel_name] if field.comodel_name else holder
        return " / ".join(labels)

    def _violation_counts(self):
        groups = self.env["sync.violation"]._read_group([], ["model", "field_name"], ["count:sum"])
        return {(model, name): count for model, name, count in groups}

    def _gated(self):
        """Return `{(model, field): name of the approval rule}`."""
        found = {}
        for rule in self.env["sync.approval.rule"].search([]):
            for model, names in rule._fields_by_model().items():
                for name in names:
                    found.setdefault((model, name), rule.name)
        return found

    # === Write ===#

    @api.model
    def set_owner(self, model, field, owner, conflict=None):
        """Prepare another owner of a field, in a draft of every mapping that touches it.

        :param owner: "odoo", "shared", or the id of the connection that shall own it.
        :param conflict: conflict rule of the field; None leaves it.
        :return: `[{"id", "name"}]` of the drafts, which wait for somebody to ask for a review.
        :raises AccessError: for who may not change mappings.
        :raises UserError: when no active mapping has the field.
        """
        self.env["sync.mapping"].check_access("write")
        rules = self.env["sync.mapping.rule"].search(
            [("field_name", "=", field), ("parent_id", "=", False), ("mapping_id.state", "=", "active"),
             ("mapping_id.flow_id.model", "=", model), ("mapping_id.flow_id.active", "=", True)]
        )
        if not rules:
            raise UserError(_("No active mapping has the field %s.", self._label(model, field)))
        drafts = self.env["sync.mapping"]
        for mapping in rules.mapping_id:
            draft = self._draft(mapping)
            self._write_owner(draft.rule_ids.filtered(lambda rule: rule.field_name == field), owner, conflict)
            drafts |= draft
        return [{"id": draft.id, "name": draft.display_name} for draft in drafts]

    def _draft(self, mapping):
        """Return the draft that is in preparation already, or a new one of the active version.

        :raises UserError: while a version is being reviewed: what is reviewed does not change.
        """
        prepared = mapping.flow_id.mapping_ids.filtered(lambda one: one.state in ("draft", "review"))
        review = prepared.filtered(lambda one: one.state == "review")[:1]
        if review:
            raise UserError(
                _("%s is being reviewed. Wait for the review, or take it back to draft.", review.display_name)
            )
        return prepared.sorted("version")[-1:] or mapping.copy({"note": _("Prepared in the system-of-record matrix.")})

    def _write_owner(self, rules, owner, conflict):
        for rule in rules:
            if owner in (ODOO, SHARED):
                mine = owner
            else:
                # Of the other systems, Odoo passes on what the owner says.
                mine = "remote" if rule.mapping_id.connection_id.id == owner else ODOO
            wanted = conflict or rule.conflict
            if mine == SHARED and wanted == "owner":
                wanted = "ask"
            rule.write({"owner": mine, "conflict": wanted})
