from dataclasses import replace

from odoo import _, models

from ..lib import lines, undo
from ..lib.errors import AmountMismatch, PolicyBlocked
from ..lib.ownership import same
from ..lib.planner import Rule


class SyncHandlerUndoLines(models.AbstractModel):
    """Lines go back together, to exactly what they were and to exactly the same totals."""

    _inherit = "sync.handler.undo"

    # === Plan ===#

    def _collection_rules(self, units, known):
        """Return the rules of lines: of the mapping, and of lines that no rule is for any more."""
        fields_of = {}
        for unit in units:
            for name, pair in unit.undoes.lines.items():
                fields_of.setdefault(name, set()).update(lines.names_in(pair))
        found, present = [], self.env[units[0].flow.model]._fields if units else {}
        mapped = {rule.target for rule in known.values() if rule.is_collection}
        for name in sorted((mapped | fields_of.keys()) & set(present)):
            rule = known.get(name, Rule(path="", target=name, label=name))
            of_lines = {child.target: child for child in rule.children}
            names = dict.fromkeys([*of_lines, *sorted(fields_of.get(name, ()))])
            children = tuple(self._rule_for(of_lines.get(one), one) for one in names)
            found.append(replace(rule, children=children))
        return tuple(found)

    def _past_values(self, env, flow, units):
        """Yield (model, field, value) of all that was there before, lines included."""
        for unit in units:
            for name, (before, _after) in unit.undoes.values.items():
                yield flow.model, name, before
            for target, (before, _after) in unit.undoes.lines.items():
                field = env[flow.model]._fields.get(target)
                for one in before if field is not None else ():
                    for name, value in one["values"].items():
                        yield field.comodel_name, name, value

    def _prepare_lines(self, unit, present):
        """Plan the way back of a record's lines.

        :param present: `{model: ids}` of linked records that are still there.
        :return: in words, what is in the way; then nothing of the record goes back.
        """
        for target in unit.line_states:
            if target not in unit.record._fields:
                return self._left_text(unit, {target: undo.GONE})
            plan, left = self._line_way(unit, target, *unit.line_states[target], back=True)
            unit.line_plans[target] = plan
            problem = (
                self._lines_text(unit, target, left)
                or self._gone_text(unit, target, plan, present)
                or self._kept_text(unit, target, plan)
            )
            if problem:
                return problem
        return self._totals_text(unit) if any(unit.line_plans.values()) else ""

    def _lines_not_as_created(self, unit):
        """Return in words which lines of a created record are not what they were created as."""
        texts = []
        for target, (after, _before) in unit.line_states.items():
            _plan, left = self._line_way(unit, target, after, after)
            texts.append(self._lines_text(unit, target, left))
        return " ".join(filter(None, texts))

    def _lines_text(self, unit, target, left):
        """Return in words which lines are not as the change left them, and who changed them last."""
        if not left:
            return ""
        comodel = unit.record.env[unit.record._fields[target].comodel_name]
        told = []
        for one, reason, names in left:
            text = self.env["sync.change"]._line_label(one)
            if reason == lines.GONE:
                text = _("%s is gone", text)
            elif names:
                labels = [comodel._fields[name]._description_string(self.env) for name in names]
                text = f"{text} ({', '.join(labels)})"
            told.append(text)
        writers = unit.record.sudo()[target].sorted("write_date", reverse=True)[:1] or unit.record.sudo()
        return _(
            "%(user)s changed it since: %(fields)s.",
            user=writers.write_uid.name or _("Somebody"),
            fields="; ".join(told),
        )

    def _gone_text(self, unit, target, plan, present):
        """Return in words what lines would be put back to and is gone."""
        comodel = unit.record.env[unit.record._fields[target].comodel_name]
        wanted = [{name: after for name, (_before, after) in changes.items()} for changes in plan.updates.values()]
        wanted += [values for _key, values in plan.creates]
        gone = {
            name
            for values in wanted
            for name, value in values.items()
            if comodel._fields[name].comodel_name
            and not present.get(comodel._fields[name].comodel_name, set()).issuperset(_ids(value))
        }
        labels = ", ".join(comodel._fields[name]._description_string(self.env) for name in sorted(gone))
        return self.env._("What it named is gone: %s.", labels) if gone else ""

    def _kept_text(self, unit, target, plan):
        """Return in words which rules keep a line as it is."""
        rule = self._line_rule(unit, target)
        children = {child.target: child for child in rule.children}
        lines_ = {line.id: line for line in unit.record[target]}
        kept = {
            children[name].label
            for line_id, changes in plan.updates.items()
            for name in changes
            if name in children and not self._line_field_allowed(children[name], lines_[line_id])
        }
        return self.env._("A rule keeps the lines as they are: %s.", ", ".join(sorted(kept))) if kept else ""

    def _totals_text(self, unit):
        """Return in words which totals are not those that the change led to."""
        now = {name: lines.exact(unit.record.sudo()[name]) for name in unit.undoes.totals}
        changed = [name for name, (_before, after) in unit.undoes.totals.items() if now[name] != after]
        return self._who_changed(unit, changed) if changed else ""

    # === Apply ===#

    def _note_planned_lines(self, env, units):
        """What would become of lines was seen when it was tried out."""

    def _assert_lines_back(self, unit):
        """Refuse anything but the lines and totals from before; that undoes the whole record.

        :raises PolicyBlocked: when Odoo made something else of a value.
        :raises AmountMismatch: with both amounts of a total that differs.
        """
        if not any(unit.line_plans.values()):
            return
        for target, plan in unit.line_plans.items():
            wanted = {
                line_id: {name: after for name, (_before, after) in changes.items()}
                for line_id, changes in plan.updates.items()
            }
            new = self._new_lines(unit, target) if plan.creates else ()
            wanted.update({line.id: values for line, (_key, values) in zip(new, plan.creates)})
            self._assert_values(unit, target, wanted)
        for name, (before, _after) in unit.undoes.totals.items():
            now = lines.exact(unit.record.sudo()[name])
            if now != before:
                raise AmountMismatch(
                    _(
                        "%(record)s: %(total)s would be %(now)s, it was %(before)s before the run. Nothing was "
                        "changed.",
                        record=self._subject(unit), total=self._labels(unit, [name]), now=now, before=before,
                    ),
                    hint=_("Compare the lines with those in the change, and correct them by hand."),
                )  # fmt: skip

    def _assert_values(self, unit, target, wanted):
        by_id = {line.id: line for line in unit.record.sudo()[target]}
        for line_id, values in wanted.items():
            line = by_id[line_id]
            other = [name for name, value in values.items() if not same(self._value_of(line, name), value)]
            if other:
                labels = ", ".join(line._fields[name]._description_string(self.env) for name in other)
                raise PolicyBlocked(
                    _("%(record)s: Odoo does not let a line go back: %(line)s (%(fields)s). Nothing was changed.",
                      record=self._subject(unit), line=line._sync_line_name(), fields=labels),
                )  # fmt: skip


def _ids(value):
    if isinstance(value, tuple):
        return value
    return (value,) if value else ()
