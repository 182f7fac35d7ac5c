from odoo import _, models

from ..lib import paths
from ..lib.planner import Problem, to_error
from ..lib.remedy import MAP_OUT, Remedy
from ..lib.transform_types import as_text
from ..lib.transforms import OUTBOUND, Context, TransformProblem, named_paths

#: transforms that give of a linked record one of its fields; empty: the argument names it
LINK_FIELDS = {"country": "code", "state": "code", "lookup": ""}


class Unmapped(TransformProblem):
    """A value that its value map lacks, named as people know it; `remedy` says how to add it."""

    def __init__(self, message, remedy):
        super().__init__(message, "mapping_missing")
        self.remedy = remedy


class SyncHandlerOutboundRender(models.AbstractModel):
    """Render: what the provider is told of an Odoo record."""

    _inherit = "sync.handler.outbound"

    def _render(self, flow, record):
        """Return `{remote path: value}` of a record.

        :raises SyncError: naming every value that cannot be rendered.
        """
        values, problems = {}, []
        for rule in flow._planning_mapping()._outbound_rules():
            try:
                values[rule.remote_path] = self._render_rule(flow, record, rule)
            except TransformProblem as problem:
                problems.append(Problem(str(problem), problem.code, getattr(problem, "remedy", None)))
        if problems:
            raise to_error(problems, record.display_name, outbound=True)
        return values

    def _render_rule(self, flow, record, rule):
        holder, name = self._holder(record, rule.field_name)
        value = holder[:1][name]
        linked = value if isinstance(value, models.BaseModel) else None
        if linked is not None:
            value = self._render_relation(flow, value, rule)
        elif value is False and holder._fields[name].type != "boolean":
            value = None
        known = self._render_context(record, rule, holder, name)  # a translation takes "context" for Odoo's
        if rule.required and value in (None, "", []):
            raise TransformProblem(_("%s is empty", rule._label()))
        if isinstance(value, list):
            items = [str(self._transformed(rule, item, known, linked)) for item in value]
            return (rule.separator or ", ").join(items) if items else None
        return self._transformed(rule, value, known, linked)

    def _transformed(self, rule, value, known, linked):
        """Return what the provider is told of one value.

        :param linked: the records, one of whose ids it may be; None for a plain value.
        :raises Unmapped: when a value map lacks it.
        """
        try:
            return OUTBOUND[rule.transform](value, known)
        except TransformProblem as problem:
            if problem.code != "mapping_missing" or not rule.value_map_id:
                raise
            label, table = rule._label(), rule.value_map_id.id
            if linked is None:
                name = as_text(value)
                remedy = Remedy(MAP_OUT, label, value=name, map_id=table)
            else:
                name = linked.browse(value).display_name
                remedy = Remedy(MAP_OUT, label, linked._name, map_id=table, res_id=value)
            raise Unmapped(
                _("%(field)s: the value “%(value)s” has no counterpart yet", field=label, value=name), remedy
            ) from None

    def _render_context(self, record, rule, holder, name):
        """Return what a transform may know of the record besides the value."""
        table = rule.value_map_id._counterparts() if rule.value_map_id else None
        document = {}
        for path in named_paths(rule.transform, rule.argument or ""):
            paths.put(document, path, self._plain_value(record, path))
        digits = None
        if holder._fields[name].type == "monetary":
            currency = holder[:1][holder._fields[name].get_currency_field(holder)]
            digits = currency.decimal_places if currency else None
        return Context(rule.argument or "", table, rule._label(), document, digits)

    def _holder(self, record, path):
        """Return the record and the name of the last field of a dotted path."""
        *parents, name = path.split(".")
        for parent in parents:
            record = record[:1][parent]
        return record, name

    def _plain_value(self, record, path):
        """Return a value of a record for templates and formulas; linked records by name.

        :raises TransformProblem: when there is no such field.
        """
        try:
            holder, name = self._holder(record, path)
            value = holder[:1][name]
        except (KeyError, TypeError):
            raise TransformProblem(_("there is no field %s", path)) from None
        if isinstance(value, models.BaseModel):
            return ", ".join(value.mapped("display_name")) or None
        return None if value is False and holder._fields[name].type != "boolean" else value

    def _render_relation(self, flow, records, rule):
        """Return the remote id of a linked record, one of its fields, its name, or ids to map.

        What several records are rendered to is a list, if the rule says how it is written.
        """
        if not records:
            return None
        if rule.transform == "reference":
            return self._remote_id(flow, records[:1], rule)
        if rule.transform == "value_map":
            return records.ids if rule.separator else records[:1].id
        if rule.transform in LINK_FIELDS:
            found = records.mapped(LINK_FIELDS[rule.transform] or rule.argument or "name")
            return found if rule.separator else found[0]
        return ", ".join(records.mapped("display_name"))

    def _remote_id(self, flow, record, rule):
        bindings = self.env["sync.binding"]._for_records(flow.connection_id, rule.argument, record)
        binding = bindings.get(record.id)
        if not binding:
            raise TransformProblem(
                _(
                    "%(field)s: %(record)s is not known at the provider yet",
                    field=rule._label(),
                    record=record.display_name,
                )
            )
        return binding.external_id
