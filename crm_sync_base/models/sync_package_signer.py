import base64

from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from ..lib import package


class SyncPackageSigner(models.Model):
    """The key of another environment, whose packages are accepted here."""

    _name = "sync.package.signer"
    _description = "Trusted Environment"
    _inherit = ["mail.thread"]
    _order = "name, id"

    name = fields.Char(string="Environment", required=True, tracking=True)
    active = fields.Boolean(default=True, tracking=True)
    public_key = fields.Char(required=True, tracking=True)
    fingerprint = fields.Char(
        compute="_compute_fingerprint",
        help="Compare it with what the other environment shows under Export Configuration, "
        "over another way than the one on which the file came.",
    )

    _public_key_unique = models.UniqueIndex("(public_key)", "This key is trusted already.")

    @api.depends("public_key")
    def _compute_fingerprint(self):
        for signer in self:
            try:
                signer.fingerprint = package.fingerprint(signer.public_key) if signer.public_key else False
            except ValueError:
                signer.fingerprint = False

    @api.constrains("public_key")
    def _check_public_key(self):
        for signer in self:
            try:
                right = len(base64.b64decode(signer.public_key, validate=True)) == 32
            except ValueError:
                right = False
            if not right:
                raise ValidationError(_("This is no public key of an environment."))
