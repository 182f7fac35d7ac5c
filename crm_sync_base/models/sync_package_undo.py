from odoo import _, fields, models
from odoo.exceptions import UserError


class SyncPackageUndo(models.Model):
    """Taking back: what a package replaced is a package, too, and goes the same way."""

    _inherit = "sync.package"

    def _keep_replaced(self, records):
        """Keep the configuration that this package replaces, signed with this database's key.

        :param records: as they were, in the package's own words.
        :return: the package, empty when nothing was replaced.
        """
        self.ensure_one()
        if not self.line_ids or not records:
            return self.browse()
        content = {
            "connections": self.content["connections"],
            "records": records,
            "exported_at": fields.Datetime.to_string(fields.Datetime.now()),
            "note": _("Takes back: %s", self.name),
        }
        return self._keep(content, _("Before %s", self.name), self.company_id)

    def action_take_back(self):
        """Bring what this package replaced, to be approved by somebody else as any package.

        :return: the action that opens it.
        :raises AccessError: for who is no integration manager.
        :raises UserError: when it was not applied, or changed nothing.
        """
        self.ensure_one()
        self._assert_manager()
        self.check_access("read")
        former = self.sudo().replaced_id
        if not former:
            raise UserError(_("%s changed nothing that could be taken back.", self.name))
        brought = self.browse(
            self.with_company(self.company_id).import_configuration(
                former.with_context(bin_size=False).file, _("Take back %s", self.name), former.note
            )
        )
        brought.sudo().file_name = former.file_name
        # It goes where this one went, whatever the connections are called by now.
        targets = {one.key: one.connection_id for one in self.sudo().connection_ids}
        for one in brought.sudo().connection_ids:
            one.connection_id = targets.get(one.key)
        brought._check()
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": brought.id,
            "view_mode": "form",
        }
