from odoo import _, fields, models
from odoo.exceptions import UserError


class SyncPackageConnection(models.Model):
    """Which connection here plays the part of one of a package."""

    _name = "sync.package.connection"
    _description = "Connection of a Package"
    _order = "package_id, id"

    package_id = fields.Many2one("sync.package", required=True, ondelete="cascade", index=True, readonly=True)
    company_id = fields.Many2one(related="package_id.company_id", store=True, index=True)
    key = fields.Char(required=True, readonly=True)
    provider = fields.Char(string="System", readonly=True)
    name = fields.Char(string="In the Package", readonly=True)
    connection_id = fields.Many2one(
        "sync.connection",
        string="Here",
        ondelete="cascade",
        domain="[('provider', '=', provider), ('company_id', '=', company_id)]",
    )

    def write(self, vals):
        """Another target is another plan, of whoever chose it.

        :raises UserError: for a connection of another system or company, or when it is decided.
        """
        if self.env.su or "connection_id" not in vals:
            return super().write(vals)
        if vals.keys() != {"connection_id"} or any(one.package_id.state not in ("blocked", "review") for one in self):
            raise UserError(_("Only the connections of a package that waits can be chosen."))
        result = super().write(vals)
        for one in self:
            chosen = one.connection_id
            if chosen and (chosen.provider != one.provider or chosen.company_id != one.company_id):
                raise UserError(_("“%(name)s” is a %(provider)s connection of %(company)s; choose one like it.",
                                  name=one.name, provider=one.provider, company=one.company_id.name))
        self.package_id.sudo().write({"requested_by_id": self.env.uid})
        self.package_id._check()
        return result
