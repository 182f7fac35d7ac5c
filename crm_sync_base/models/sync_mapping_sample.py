from itertools import islice

from odoo import _, api, models
from odoo.exceptions import UserError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ..lib import paths, planner
from ..lib.declarations import Document
from ..lib.errors import SyncError
from ..lib.masking import MASK, is_secret
from ..lib.transforms import Money, TransformProblem

EXAMPLES = 8
LONGEST = 120  # characters of a value that are shown


class SyncMappingSample(models.AbstractModel):
    """Live values: what rules make of one record that somebody chose."""

    _inherit = "sync.mapping.editor"

    # === Which record ===#

    @api.model
    def examples(self, flow_id, text=""):
        """Return records to look at, `[{external_id, res_id, label}]`, the latest first.

        Records that are bound come first; of an inbound flow that never ran, some that
        the provider has.

        :raises UserError: the provider cannot be asked; says why.
        """
        flow = self._editable(flow_id)
        found = self._bound_examples(flow, text)
        if found:
            return found
        if flow.direction == "outbound":
            records = self.env[flow.model].browse(
                [row[0] for row in self.env[flow.model].name_search(text, limit=EXAMPLES)]
            )
            return [{"external_id": "", "res_id": one.id, "label": one.display_name} for one in records]
        if text:
            return [{"external_id": text, "res_id": 0, "label": _("Remote record %s", text)}]
        return self._remote_examples(flow)

    def _editable(self, flow_id):
        flow = self._flow(flow_id)
        self.env["sync.mapping"].check_access("write")
        return flow

    def _bound_examples(self, flow, text):
        domain = [
            ("connection_id", "=", flow.connection_id.id),
            ("remote_object", "=", flow.remote_object),
            ("model", "=", flow.model),
        ]
        if text:
            ids = [row[0] for row in self.env[flow.model].name_search(text, limit=100)]
            domain += ["|", ("external_id", "=", text), ("res_id", "in", ids)]
        bindings = self.env["sync.binding"].search(domain, order="id desc", limit=EXAMPLES)
        records = self.env[flow.model].browse(bindings.mapped("res_id")).exists()
        names = {one.id: one.display_name for one in records._filtered_access("read")}
        return [
            {"external_id": one.external_id, "res_id": one.res_id, "label": names[one.res_id]}
            for one in bindings
            if one.res_id in names
        ]

    def _remote_examples(self, flow):
        connector, connection = flow._connector(), flow.connection_id.sudo()
        if not flow._remote().can_poll:
            return []
        try:
            connection._assert_live()
            with connection._guard_check():
                page = connector._poll(connection, flow.sudo(), "")
                ids = [ref.external_id for ref in islice(page.refs, EXAMPLES)]
                documents = connector._read(connection, flow.remote_object, ids) if ids else []
        except SyncError as error:
            raise UserError(f"{error.message}\n{error.hint}".strip()) from error
        return [
            {
                "external_id": one.external_id,
                "res_id": 0,
                "label": connector._label(flow.remote_object, one) or one.external_id,
            }
            for one in documents
            if not one.deleted
        ]

    # === What comes of it ===#

    @api.model
    def sample(self, flow_id, example, rules, parent=False):
        """Return what rules make of a record, `{key: {before, after, problem}}`, texts.

        :param example: as `examples` gave it.
        :raises UserError: the record cannot be read; says why.
        """
        flow = self._editable(flow_id)
        drafts = self._draft_rules(flow, rules, parent)
        result = {}
        incoming = {key: rule for key, rule in drafts.items() if rule.direction != "outbound"}
        if incoming and example.get("external_id"):
            document = self._document(flow, example["external_id"], incoming.values(), parent)
            result.update(self._incoming(flow, incoming, document))
        outgoing = {key: rule for key, rule in drafts.items() if rule.direction == "outbound"}
        if outgoing and example.get("res_id") and not parent:
            result.update(self._outgoing(flow, outgoing, example["res_id"]))
        return result

    def _draft_rules(self, flow, rules, parent):
        """Return `{key: sync.mapping.rule}` of rules that are complete; nothing is stored."""
        Rule = self.env["sync.mapping.rule"]
        mapping = self.env["sync.mapping"].new({"flow_id": flow.id})
        above = Rule.new({"mapping_id": mapping.id, **self._known(parent)}) if parent else Rule
        drafts = {}
        for values in rules:
            rule = Rule.new({"mapping_id": mapping.id, "parent_id": above.id, **self._known(values)})
            model = self.env.get(rule._odoo_base())
            name = (rule.field_name or "").split(".")[0]
            if model is not None and name in model._fields and rule.transform != "lines":
                drafts[str(values["key"])] = rule
        return drafts

    def _known(self, values):
        """Return the values that are fields of a rule; the editor sends no others."""
        names = self.env["sync.mapping.rule"]._fields.keys() - {"id", "mapping_id", "parent_id", "child_ids"}
        return {name: value for name, value in (values or {}).items() if name in names}

    def _document(self, flow, external_id, rules, parent):
        """Read the record with all that the rules want of it; of a collection, its first line."""
        own = set().union(*(rule._remote_paths() for rule in rules))
        wanted = [parent["remote_path"]] if parent else sorted(own)
        connection = flow.connection_id.sudo()
        reader = flow.with_context(sync_read_paths=tuple(wanted))._connector()
        try:
            connection._assert_live()
            with connection._guard_check():
                documents = reader._read(connection, flow.remote_object, [external_id])
        except SyncError as error:
            raise UserError(f"{error.message}\n{error.hint}".strip()) from error
        document = next((one for one in documents if not one.deleted), None)
        if document is None:
            raise UserError(_("The record %s is not there any more; choose another one.", external_id))
        if not parent:
            return document
        lines = paths.get(document.data, parent["remote_path"])
        first = lines[0] if isinstance(lines, list) and lines else {}
        return Document(external_id, first, document.version)

    def _incoming(self, flow, rules, document):
        result, drafts = {}, {}
        for key, rule in rules.items():
            raw = paths.get(document.data, rule.remote_path) if rule.remote_path else None
            raw = None if raw is paths.MISSING else raw
            result[key] = {"before": self._shown(rule.remote_path, raw), "after": "", "problem": ""}
            drafts[key] = planner.evaluate((rule._compile(),), document.external_id, document.data)
        self._resolve(flow, drafts)
        for key, draft in drafts.items():
            if draft.problems:
                result[key]["problem"] = "; ".join(problem.message for problem in draft.problems)
            elif draft.values:
                field = self.env[rules[key]._odoo_base()]._fields[rules[key].field_name]
                result[key]["after"] = self._shown(rules[key].remote_path, self._named(field, *draft.values.values()))
        return result

    def _resolve(self, flow, drafts):
        """Put looked-up records in place: a query for each kind."""
        handler = flow._handler("record")
        env = handler._as_service(flow)
        pending = {target for draft in drafts.values() for target in draft.pending()}
        lookups = {target for target in pending if isinstance(target, tuple)}
        answers = handler._answer_lookups(env, lookups)
        answers.update(self._bound(flow, pending - lookups))
        for draft in drafts.values():
            planner.resolve(draft, answers)

    def _bound(self, flow, references):
        """Return `{reference: Found}`; nothing is brought along for a sample."""
        answers, by_object = {}, {}
        for reference in references:
            by_object.setdefault(reference.remote_object, []).append(reference)
        for name, mine in by_object.items():
            normalize = flow._connector()._object(name).normalize_id
            known = self.env["sync.binding"]._lookup(
                flow.connection_id, name, [normalize(one.external_id) for one in mine]
            )
            for one in mine:
                binding = known.get(normalize(one.external_id))
                problem = _("%s is not in Odoo yet", one.external_id)
                answers[one] = planner.Found(binding.res_id) if binding else planner.Found(problem=problem)
        return answers

    def _named(self, field, value):
        """Return a value with the names of records instead of their ids."""
        if not field.comodel_name or not value:
            return value
        ids = value if isinstance(value, tuple) else (value,)
        records = self.env[field.comodel_name].browse([one for one in ids if isinstance(one, int)])
        return ", ".join(records._filtered_access("read").mapped("display_name")) or str(value)

    def _outgoing(self, flow, rules, res_id):
        record = self.env[flow.model].browse(res_id).exists()
        record.check_access("read")
        handler = flow._handler("push")
        result = {}
        for key, rule in rules.items() if record else ():
            row = result[key] = {"before": "", "after": "", "problem": ""}
            try:
                row["before"] = self._shown(rule.field_name, self._odoo_value(record, rule.field_name))
                row["after"] = self._shown(rule.field_name, handler._render_rule(flow, record, rule))
            except (TransformProblem, SyncError) as problem:
                row["problem"] = str(problem)
            except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                raise
            except (KeyError, TypeError, ValueError) as error:
                row["problem"] = _("This rule cannot be worked out yet (%s).", type(error).__name__)
        return result

    def _odoo_value(self, record, path):
        for name in path.split("."):
            record = record[:1][name] if isinstance(record, models.BaseModel) else record
        return ", ".join(record.mapped("display_name")) if isinstance(record, models.BaseModel) else record

    def _shown(self, name, value):
        """Return a value as short text; what nobody has to see is masked."""
        if value is None or value is False or value == "":
            return ""
        if isinstance(value, Money):
            value = f"{value.amount} {value.currency}"
        if is_secret(name or ""):
            return MASK
        text = str(value)
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
