import json

from odoo import api, fields, models
from odoo.fields import Domain


class SyncSelectionMixin(models.AbstractModel):
    """A wizard about what a list shows: the selected records, or all that its filter finds."""

    _name = "sync.selection.mixin"
    _description = "Selection of a List"

    scope = fields.Selection(
        [("selection", "The selected jobs"), ("filter", "Everything that the filter shows")],
        default="selection",
        required=True,
    )
    has_filter = fields.Boolean()
    selected = fields.Json(readonly=True)
    filter_domain = fields.Char(readonly=True)

    def _pointed_at(self):
        """Return the domain of the selection or of the filter, whichever the scope says."""
        self.ensure_one()
        if self.scope == "filter":
            return Domain(json.loads(self.filter_domain or "[]"))
        return Domain("id", "in", self.selected or [])

    @api.model
    def _of_list(self, ids=()):
        """Return a new wizard about the list that it is called from.

        :param ids: records to take where the list says none.
        """
        ids = self.env.context.get("active_ids") or list(ids)
        domain = self.env.context.get("active_domain")
        # The web client hands over so many ids at most, however many are selected.
        limit = int(self.env["ir.config_parameter"].sudo().get_param("web.active_ids_limit", 20_000))
        return self.create(
            {
                "scope": "filter" if domain is not None and len(ids) >= limit else "selection",
                "selected": ids,
                "has_filter": domain is not None,
                "filter_domain": json.dumps(domain or [], default=str),
            }
        )

    @api.model
    def _of_domain(self, domain):
        """Return a new wizard about all that a domain finds."""
        return self.create({"scope": "filter", "filter_domain": json.dumps(list(domain), default=str)})

    def _action(self, name):
        """Return the action that asks."""
        return {
            "type": "ir.actions.act_window",
            "name": name,
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
        }
