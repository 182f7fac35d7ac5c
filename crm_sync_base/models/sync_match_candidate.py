from odoo import _, api, fields, models
from odoo.exceptions import UserError

FACTS = ("vat", "email", "phone", "website", "street", "zip", "city", "country_id", "ref", "default_code", "barcode")


class SyncMatchCandidate(models.Model):
    """An Odoo record that a remote record could be, how alike they are, and why."""

    _name = "sync.match.candidate"
    _description = "Match Candidate"
    _order = "match_id, score desc, id"

    match_id = fields.Many2one("sync.match", required=True, readonly=True, ondelete="cascade", index=True)
    company_id = fields.Many2one(related="match_id.company_id", store=True, index=True)
    state = fields.Selection(related="match_id.state")
    model = fields.Char(required=True, readonly=True)
    res_id = fields.Many2oneReference(string="Odoo Record", model_field="model", required=True, readonly=True)
    record_name = fields.Char(compute="_compute_record")
    details = fields.Char(compute="_compute_record", help="What the record says, as far as the reader may see it.")
    score = fields.Integer(string="Score (%)", readonly=True)
    reasons = fields.Json(readonly=True, help="[[code, score or null]], see `lib.matching.Reason`.")
    why = fields.Char(string="Because Of", compute="_compute_why")
    taken_by = fields.Char(
        readonly=True, help="The remote record that it is bound to already: probably a duplicate at the source."
    )

    _candidate_unique = models.UniqueIndex("(match_id, res_id)", "A record is a candidate once.")

    @api.depends("model", "res_id")
    @api.depends_context("uid", "allowed_company_ids", "lang")
    def _compute_record(self):
        names = self.env["sync.match"]._names({(one.model, one.res_id) for one in self})
        for candidate in self:
            known = (candidate.model, candidate.res_id) in names
            candidate.record_name = names.get((candidate.model, candidate.res_id), "")
            candidate.details = candidate._details() if known else ""

    def _details(self):
        """Return what people tell records of one name apart by."""
        record = self.env[self.model].browse(self.res_id)
        known = [record._fields[name] for name in FACTS if name in record._fields]
        names = [field.name for field in known if record._has_field_access(field, "read")]
        values = [record[name] for name in names]
        texts = [value.display_name if isinstance(value, models.BaseModel) else value for value in values]
        return " · ".join(str(text) for text in texts if text)

    @api.depends("reasons", "taken_by")
    @api.depends_context("lang")
    def _compute_why(self):
        labels = self._reason_labels()
        for candidate in self:
            texts = [
                labels[code] if score in (None, 100) else f"{labels[code]} ({score} %)"
                for code, score in candidate.reasons or ()
                if code in labels
            ]
            if candidate.taken_by:
                texts.append(_("bound to %s already", candidate.taken_by))
            candidate.why = ", ".join(texts)

    @api.model
    def _reason_labels(self):
        """Return `{code of a reason: what people are told}`."""
        return {
            "key": _("same identifier"),
            "tax_id": _("same tax number"),
            "email": _("same e-mail address"),
            "domain": _("same domain"),
            "name": _("name alike"),
            "area": _("same postcode"),
            "parent": _("same company"),
            "name_differs": _("but another name"),
            "tax_differs": _("but another tax number"),
            "country_differs": _("but another country"),
            "form_differs": _("but another legal form"),
            "parent_differs": _("but not in the same company"),
            "area_differs": _("but another postcode"),
            "area_unknown": _("postcode not known on both sides"),
            "shared_mailbox": _("but a mailbox that many share"),
            "archived": _("but archived in Odoo"),
        }

    def action_bind(self):
        """Say that this is the record; the remote record is bound to it when it runs again.

        :raises UserError: when it is bound to another remote record of that kind.
        """
        self.ensure_one()
        if self.taken_by:
            raise UserError(
                _(
                    "%(record)s is bound to %(other)s already, and an Odoo record has one counterpart of a kind. "
                    "Merge the two at the source, or leave this one out.",
                    record=self.record_name,
                    other=self.taken_by,
                )
            )
        return self.match_id._decide_bind(self.res_id)

    def action_open_record(self):
        """Open the candidate."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": self.model,
            "res_id": self.res_id,
            "view_mode": "form",
        }
