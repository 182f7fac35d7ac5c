import base64

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ..lib import package


class SyncPackageExport(models.Model):
    """Export: what is here becomes a signed file."""

    _inherit = "sync.package"

    # === Keys ===#

    @api.model
    def _signing_key(self):
        """Return this database's private key; it is kept encrypted, like credentials.

        :raises UserError: when no encryption key is configured.
        """
        settings, vault = self.env["sync.settings"], self.env["sync.connection"]._vault()
        token = settings._text("package_key")
        if token:
            return vault.decrypt(token)
        key = package.new_key()
        settings._set("package_key", vault.encrypt(key))
        settings._set("package_public_key", package.public_key(key))
        return key

    @api.model
    def _own_public_key(self):
        """Return the public part of this database's key, empty before its first export."""
        return self.env["sync.settings"]._text("package_public_key")

    # === Export ===#

    @api.model
    def export_configuration(self, connection_ids=None, note=""):
        """Export what belongs to connections as a signed package, and keep a copy.

        :param connection_ids: ids; empty: every connection of the present company.
        :return: `{"id", "name", "data"}`, the data being base64 of the file.
        :raises AccessError: for who is no integration manager.
        :raises UserError: names what cannot be carried to another database.
        """
        self._assert_manager()
        Connection = self.env["sync.connection"]
        chosen = Connection.browse(connection_ids).exists() if connection_ids else Connection.search(
            [("company_id", "=", self.env.company.id)]
        )
        if not chosen:
            raise UserError(_("There is no connection whose configuration could be exported."))
        chosen.check_access("read")
        if len(chosen.company_id) > 1:
            raise UserError(_("Export the connections of one company at a time."))
        content = {
            **self.env["sync.package.content"].sudo()._collect(chosen),
            "exported_at": fields.Datetime.to_string(fields.Datetime.now()),
            "note": note or "",
        }
        kept = self._keep(content, _("Export of %s", ", ".join(chosen.mapped("name"))), chosen.company_id)
        return {"id": kept.id, "name": kept.file_name, "data": kept.file.decode()}

    @api.model
    def _keep(self, content, name, company):
        """Sign a content and keep it as an exported package.

        :return: the package.
        """
        text = package.seal(content, self._signing_key())
        moment = fields.Datetime.context_timestamp(self, fields.Datetime.now())
        opened = package.open_sealed(text)
        return self.sudo().with_context(bin_size=False).create(
            {
                "name": name,
                "direction": "export",
                "state": "exported",
                "company_id": company.id,
                "note": content["note"],
                "file": base64.b64encode(text.encode()),
                "file_name": f"configuration-{moment:%Y%m%d-%H%M%S}.json",
                "checksum": opened.checksum,
                "signer_key": opened.public_key,
                "content": opened.content,
                "requested_by_id": self.env.uid,
            }
        )
