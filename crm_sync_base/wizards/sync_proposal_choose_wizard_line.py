from odoo import _, fields, models
from odoo.exceptions import UserError

from ..lib.transforms import INBOUND, Context, TransformProblem

#: how what a person types becomes what a field of a type holds
TYPED = {
    "char": "direct",
    "text": "direct",
    "boolean": "boolean",
    "integer": "integer",
    "float": "number",
    "monetary": "number",
    "date": "date",
    "datetime": "datetime",
}


class SyncProposalChooseWizardLine(models.TransientModel):
    """One field of a conflict: the source's value, Odoo's, or another one."""

    _name = "sync.proposal.choose.wizard.line"
    _description = "Field of a Conflict"

    wizard_id = fields.Many2one("sync.proposal.choose.wizard", required=True, ondelete="cascade")
    field_name = fields.Char(required=True)
    label = fields.Char(string="Field")
    ours = fields.Char(string="Odoo Has")
    theirs = fields.Char(string="The Source Says")
    choice = fields.Selection(
        [("theirs", "The source's"), ("ours", "Odoo's"), ("edited", "Another one")],
        string="Right Is", required=True, default="ours",
    )
    edited = fields.Char(string="Other Value")

    def _typed(self):
        """Return what was typed as the field holds it.

        :raises UserError: when it does not fit.
        """
        self.ensure_one()
        model = self.wizard_id.proposal_id.model
        field = self.env[model]._fields[self.field_name]
        if field.type == "selection":
            known = dict(field._description_selection(self.env))
            labels = {label: value for value, label in known.items()}
            value = labels.get(self.edited, self.edited)
            if value not in known:
                raise UserError(_("%(field)s: choose one of %(known)s.", field=self.label, known=", ".join(labels)))
            return value
        if field.type == "many2one":
            found = self.env[field.comodel_name].name_search(self.edited or "", operator="=", limit=2)
            if len(found) != 1:
                raise UserError(
                    _("%(field)s: “%(value)s” is not exactly one record.", field=self.label, value=self.edited)
                )
            return found[0][0]
        if field.type not in TYPED:
            raise UserError(_("%s cannot be typed here: choose one of the two values.", self.label))
        try:
            return INBOUND[TYPED[field.type]](self.edited or "", Context(label=self.label))
        except TransformProblem as problem:
            raise UserError(str(problem)) from None
