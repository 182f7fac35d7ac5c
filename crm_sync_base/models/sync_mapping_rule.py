from ast import literal_eval

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain
from odoo.tools import sql

from ..lib.planner import Rule
from ..lib.transforms import TRANSFORMS, named_paths, problem_of

#: type of a field → how a constant, mapped text or result of a formula becomes what it holds
CASTS = {
    "char": "text",
    "text": "text",
    "html": "text",
    "selection": "text",
    "boolean": "boolean",
    "integer": "integer",
    "float": "number",
    "monetary": "number",
    "date": "date",
    "datetime": "datetime",
}

#: transforms whose result does not know what kind of field it is for
CAST = ("constant", "value_map", "expression")


class SyncMappingRule(models.Model):
    """One line of a mapping: a remote field, an Odoo field, and the rules between."""

    _name = "sync.mapping.rule"
    _description = "Mapping Rule"
    _order = "mapping_id, parent_id, sequence, id"

    mapping_id = fields.Many2one("sync.mapping", required=True, ondelete="cascade", index=True)
    mapping_state = fields.Selection(related="mapping_id.state")
    parent_id = fields.Many2one("sync.mapping.rule", ondelete="cascade", index=True)
    child_ids = fields.One2many("sync.mapping.rule", "parent_id", string="Line Rules", copy=True)
    sequence = fields.Integer(default=10)
    name = fields.Char(string="Label", help="How people call the remote field.")
    remote_path = fields.Char(help="Dotted path in the remote document.")
    field_name = fields.Char(string="Odoo Field", required=True, help="Dotted path, outbound only.")
    direction = fields.Selection(
        [("inbound", "Into Odoo"), ("outbound", "Out of Odoo"), ("both", "Both Ways")],
        default="inbound",
        required=True,
    )
    transform = fields.Selection(
        [(transform.code, transform.label) for transform in TRANSFORMS.values()],
        default="direct",
        required=True,
    )
    transform_help = fields.Char(string="What It Does", compute="_compute_transform_help")
    argument_help = fields.Char(compute="_compute_transform_help")
    is_one_way = fields.Boolean(compute="_compute_transform_help")
    argument = fields.Char(
        help="Its meaning depends on the transform: the value of a constant, the remote object of a "
        "linked record, the field that identifies an Odoo record, a time zone, a formula, the path of "
        "a line's own id."
    )
    separator = fields.Char(
        string="List Separated By",
        help="The remote value is a list in one text, e.g. separated by a semicolon. Each item is "
        "mapped or looked up by itself.",
    )
    child_object = fields.Char(help="Lines: the remote object of a line.")
    value_map_id = fields.Many2one("sync.value.map", ondelete="restrict")
    required = fields.Boolean(help="Without it the record is not created.")
    is_key = fields.Boolean(
        string="Identifies", help="An existing record with the same value is the same record."
    )
    policy = fields.Selection(
        [
            ("always", "Always"),
            ("create_only", "Only on creation"),
            ("fill_empty", "Only when empty"),
            ("protected", "Not while protected"),
        ],
        string="Write Policy",
        default="always",
        required=True,
        help="Not while protected: a change of a record that meets the condition waits for an "
        "approval instead of being written.",
    )
    protected_domain = fields.Char(
        string="Protected When",
        help="Condition on the Odoo record, e.g. [('state', '=', 'sale')]. Empty: always, once the record exists.",
    )
    owner = fields.Selection(
        [("remote", "Other system"), ("odoo", "Odoo"), ("shared", "Both")],
        string="System of Record",
        compute="_compute_owner",
        store=True,
        readonly=False,
        precompute=True,
        required=True,
        help="Whose value is the right one. A new record takes every value, whoever owns it.",
    )
    conflict = fields.Selection(
        [
            ("owner", "Owner wins"),
            ("newest", "Newest wins"),
            ("fill_empty", "Only fill what is empty"),
            ("ask", "Ask a person"),
        ],
        string="If Both Changed",
        default="owner",
        required=True,
        help="What happens when the value was changed on both sides since they last agreed.",
    )

    _shared_has_rule = models.Constraint(
        "CHECK (owner <> 'shared' OR conflict <> 'owner')",
        "A field that both systems own needs a rule for conflicts: newest, only fill, or ask.",
    )

    @api.constrains("field_name", "mapping_id", "direction", "parent_id")
    def _check_field_name(self):
        for rule in self:
            model = rule._target_model()
            name = rule.field_name
            if rule.direction == "outbound":
                model, name = rule._walk(model, name)
            if model is None or name not in model._fields:
                raise ValidationError(
                    _(
                        "%(flow)s: there is no field %(field)s.",
                        flow=rule.mapping_id.flow_id.name,
                        field=rule.field_name,
                    )
                )

    def _walk(self, model, path):
        """Return the model and name of the last field of a dotted path."""
        *parents, last = path.split(".")
        for part in parents:
            field = model._fields.get(part)
            if field is None or not field.comodel_name:
                return None, last
            model = self.env[field.comodel_name]
        return model, last

    def _auto_init(self):
        """Give rules of an older release the owner that they had in effect: who sends."""
        cr = self.env.cr
        if sql.table_exists(cr, self._table) and not sql.column_exists(cr, self._table, "owner"):
            sql.create_column(cr, self._table, "owner", "varchar")
            cr.execute(
                "UPDATE sync_mapping_rule SET owner = CASE WHEN direction = 'outbound' THEN 'odoo' ELSE 'remote' END"
            )
        return super()._auto_init()

    @api.depends("direction")
    def _compute_owner(self):
        """Until somebody says otherwise, whoever sends a value owns it."""
        for rule in self:
            rule.owner = "odoo" if rule.direction == "outbound" else "remote"

    @api.constrains("policy", "protected_domain", "conflict", "owner", "parent_id")
    def _check_ownership(self):
        for rule in self:
            if rule.parent_id and (rule.conflict != "owner" or rule.owner == "shared"):
                raise ValidationError(
                    _("%s: lines follow their document, only “Owner wins” is possible.", rule._label())
                )
            try:
                Domain(rule._protecting()).validate(rule._target_model())
            except (ValueError, SyntaxError, TypeError) as error:
                raise ValidationError(
                    _("%(rule)s: the condition cannot be read: %(error)s", rule=rule._label(), error=error)
                ) from None

    def _protecting(self):
        """Return the domain of the records on which the field is protected; empty: all."""
        return list(literal_eval(self.protected_domain or "[]"))

    @api.depends("transform")
    def _compute_transform_help(self):
        for rule in self:
            transform = TRANSFORMS.get(rule.transform)
            rule.transform_help = transform and transform.help
            rule.argument_help = transform and transform.argument
            rule.is_one_way = bool(transform) and not transform.reversible

    @api.constrains("transform", "value_map_id", "child_ids", "argument", "direction")
    def _check_transform(self):
        for rule in self:
            if rule.transform == "value_map" and not rule.value_map_id:
                raise ValidationError(_("%s needs a value map.", rule._label()))
            if problem := problem_of(rule.transform, rule.argument or "", rule.direction):
                raise ValidationError(
                    _("%(rule)s: %(problem)s", rule=rule._label(), problem=problem)
                )

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if vals.get("parent_id") and not vals.get("mapping_id"):
                vals["mapping_id"] = self.browse(vals["parent_id"]).mapping_id.id
        default = self.env.context.get("default_mapping_id")
        mappings = self.env["sync.mapping"].browse({vals.get("mapping_id") or default for vals in vals_list} - {None})
        mappings._assert_draft()
        rules = super().create(vals_list)
        rules.mapping_id._note_author()
        return rules

    def write(self, vals):
        self._assert_draft()
        result = super().write(vals)
        if vals.get("mapping_id"):
            self._assert_draft()
        return result

    def unlink(self):
        self._assert_draft()
        return super().unlink()

    def copy_data(self, default=None):
        """The rules of lines belong to the version of the copied rule, not to the old one."""
        vals_list = super().copy_data(default)
        for vals in vals_list:
            for command in vals.get("child_ids", ()):
                command[2].pop("mapping_id", None)
        return vals_list

    def _assert_draft(self):
        """Refuse changes outside drafts; who makes one is an author of the version."""
        mappings = self.mapping_id
        mappings._assert_draft()
        mappings._note_author()

    def action_open_lines(self):
        """Open the rules for each line of this collection in a dialog."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": _("Lines: %s", self._label()),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
        }

    def _label(self):
        """Return how people call the remote field."""
        return self.name or self.remote_path or self.field_name

    def _remote_paths(self):
        """Return the remote paths that these rules read, those of their arguments included."""
        found = set()
        for rule in self.filtered(lambda rule: rule.direction != "outbound"):
            found.update(filter(None, [rule.remote_path]))
            found.update(named_paths(rule.transform, rule.argument or ""))
        return found

    def _target_model(self):
        """Return the empty recordset that the Odoo field belongs to."""
        model = self.env[self.mapping_id.flow_id.model]
        if self.parent_id:
            model = self.env[model._fields[self.parent_id.field_name].comodel_name]
        return model

    def _compile(self):
        """Return the rule as a pure value for the planner."""
        self.ensure_one()
        field = self._target_model()._fields[self.field_name]
        lines = self.transform == "lines"
        return Rule(
            path=self.remote_path or "",
            target=self.field_name,
            label=self._label(),
            transform="direct" if lines else self.transform,
            argument=self.argument or "",
            value_map=self.value_map_id._counterparts() if self.value_map_id else None,
            map_id=self.value_map_id.id or 0,
            required=self.required,
            policy=self.policy,
            is_key=self.is_key,
            cast=CASTS.get(field.type, "") if self.transform in CAST else "",
            separator=self.separator or "",
            comodel=field.comodel_name or "",
            is_many=field.type in ("many2many", "one2many") and not lines,
            children=tuple(child._compile() for child in self.child_ids),
            child_key=(self.argument or "") if lines else "",
            child_object=(self.child_object or "") if lines else "",
            protected_domain=tuple(self._protecting()) if self.policy == "protected" else (),
            owner=self.owner,
            conflict=self.conflict,
        )
