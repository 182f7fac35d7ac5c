from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from ..lib import matching

KINDS = [
    (matching.KEY, "External id or identifying field"),
    (matching.TAX, "Tax number"),
    (matching.EMAIL, "E-mail address"),
    (matching.DOMAIN, "Domain"),
    (matching.NAME, "Name and postcode"),
]


class SyncMatchStep(models.Model):
    """One rung of a flow's match ladder; flows without any use that of the Odoo model."""

    _name = "sync.match.step"
    _inherit = ["sync.flow.part.mixin"]
    _description = "Match Step"
    _order = "flow_id, sequence, id"

    flow_id = fields.Many2one("sync.flow", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one(related="flow_id.company_id", store=True, index=True)
    sequence = fields.Integer(default=10)
    kind = fields.Selection(KINDS, string="Compare", required=True, default=matching.NAME)
    field_name = fields.Char(
        string="Field", help="Technical name of the Odoo field, e.g. vat, email, website or name."
    )
    second_field = fields.Char(
        string="With",
        help="Name and postcode: the field of the postcode. Domain: the e-mail address that "
        "stands in for a missing website. May be empty.",
    )
    bind_score = fields.Integer(
        string="Bind From (%)",
        default=95,
        required=True,
        help="A single record with at least this score is the same record. 101: never without a person.",
    )
    review_score = fields.Integer(
        string="Ask From (%)", default=82, required=True, help="From this score on a person is asked."
    )
    is_mapped = fields.Boolean(
        compute="_compute_is_mapped", help="Whether the active mapping fills the field; else the step finds nothing."
    )

    _scores_in_order = models.Constraint(
        "CHECK (review_score BETWEEN 1 AND bind_score AND bind_score <= 101)",
        "A person is asked from a lower score than records are bound from; 101 is the highest limit.",
    )

    @api.depends("kind", "field_name", "flow_id.mapping_ids.state", "flow_id.mapping_ids.rule_ids.field_name")
    def _compute_is_mapped(self):
        for step in self:
            mapped = step.flow_id.mapping_id.rule_ids.filtered(lambda rule: rule.direction != "outbound")
            names = {step.field_name, step.second_field if step.kind == matching.DOMAIN else step.field_name}
            step.is_mapped = step.kind == matching.KEY or bool(names & set(mapped.mapped("field_name")))

    @api.constrains("kind", "field_name", "second_field", "flow_id")
    def _check_fields(self):
        for step in self:
            if step.kind == matching.KEY:
                continue
            if not step.field_name:
                raise ValidationError(_("%s: say which field is compared.", step.display_name))
            self.env["sync.match.index"]._check(step._model(), step._rung())

    @api.depends("kind", "field_name")
    def _compute_display_name(self):
        labels = dict(self._fields["kind"]._description_selection(self.env))
        for step in self:
            step.display_name = " ".join(filter(None, (labels.get(step.kind), step.field_name)))

    @api.model_create_multi
    def create(self, vals_list):
        steps = super().create(vals_list)
        steps._ensure_indexes()
        return steps

    def write(self, vals):
        result = super().write(vals)
        if {"kind", "field_name", "second_field", "flow_id"} & vals.keys():
            self._ensure_indexes()
        return result

    def _ensure_indexes(self):
        """Have the database keep the keys of these steps."""
        self.flush_recordset()
        for step in self:
            self.env["sync.match.index"]._ensure(step._model(), step._rung())

    def _model(self):
        return self.env[self.flow_id.model]

    def _rung(self):
        """Return the step as a value."""
        self.ensure_one()
        plain = self.kind == matching.KEY
        return matching.Rung(
            self.kind,
            "" if plain else self.field_name or "",
            "" if plain else self.second_field or "",
            self.bind_score,
            self.review_score,
        )
