from ast import literal_eval

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain

from ..lib.readiness import Check
from ..lib.scope import ScopeError, parse_scope


class SyncReadinessRule(models.Model):
    """One thing that must hold before a document of a flow becomes a record.

    All that do not hold are reported at once, with what the mapping says besides; of a
    document that is not ready nothing is written.
    """

    _name = "sync.readiness.rule"
    _inherit = ["sync.flow.part.mixin"]
    _description = "Readiness Rule"
    _order = "flow_id, sequence, id"

    flow_id = fields.Many2one("sync.flow", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one(related="flow_id.company_id", store=True, index=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    name = fields.Char(
        string="What Is Missing", required=True, translate=True,
        help="The sentence that people read when it does not hold, e.g. “the contract is not signed”.",
    )
    kind = fields.Selection(
        [
            ("present", "The remote field has a value"),
            ("condition", "The remote record meets a condition"),
            ("record", "The Odoo record that it names meets a condition"),
        ],
        default="present",
        required=True,
    )
    path = fields.Char(string="Remote Field", help="Dotted path in the remote record.")
    condition = fields.Char(string="Remote Condition", help="e.g. [('Amount', '>', 0), ('Signed', '=', True)]")
    field_name = fields.Char(string="Odoo Field", help="Of the flow's model: the link to the record, e.g. partner_id.")
    domain = fields.Char(string="Odoo Condition", help="On the linked record, e.g. [('vat', '!=', False)]")
    always = fields.Boolean(string="Also for Updates", help="Else it is asked only before a record is created.")

    @api.constrains("kind", "path", "condition", "field_name", "domain", "flow_id")
    def _check_complete(self):
        for rule in self:
            try:
                rule._assert_complete()
            except (ScopeError, SyntaxError, TypeError, ValueError) as error:
                raise ValidationError(
                    _("%(rule)s cannot be read: %(error)s", rule=rule.name, error=error)
                ) from None

    def _assert_complete(self):
        """Raise when the rule says nothing that can be looked at."""
        if self.kind == "present" and not self.path:
            raise ValueError(_("name the remote field"))
        if self.kind == "condition" and not parse_scope(self.condition or ""):
            raise ValueError(_("write the condition"))
        if self.kind == "record":
            field = self.env[self.flow_id.model]._fields.get(self.field_name or "")
            if field is None or field.type != "many2one":
                raise ValueError(_("“%s” is no link to another record", self.field_name or ""))
            Domain(literal_eval(self.domain or "[]")).validate(self.env[field.comodel_name])

    def _compile(self):
        """Return the rule as a pure value."""
        self.ensure_one()
        return Check(
            message=self.name,
            kind=self.kind,
            path=self.path or "",
            conditions=parse_scope(self.condition or ""),
            target=self.field_name or "",
            domain=self.domain or "[]",
            always=self.always,
        )
