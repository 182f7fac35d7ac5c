from odoo import _, api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command

from ..lib.errors import RemoteGone, SyncError
from ..lib.schema import FAILS, LOOK, WRONG


class SyncApiTrial(models.TransientModel):
    """Tries another version of a provider's API against the mappings, before it is used."""

    _name = "sync.api.trial"
    _description = "Try an API Version"

    connection_id = fields.Many2one("sync.connection", required=True, readonly=True, ondelete="cascade")
    present = fields.Char(string="In Use", related="connection_id.api_version")
    version = fields.Char(string="Version to Try", required=True)
    tried = fields.Char(readonly=True, help="The version that the result is of.")
    verdict = fields.Selection(
        [("fits", "Everything fits"), ("look", "Worth a look"), ("breaks", "Would break")], readonly=True
    )
    line_ids = fields.One2many("sync.api.trial.line", "trial_id", readonly=True)

    @api.model
    def default_get(self, names):
        """Suggest the newest version that the connector was made for."""
        values = super().default_get(names)
        connection = self.env["sync.connection"].browse(values.get("connection_id"))
        if connection and "version" in names:
            values["version"] = connection._connector()._connection_defaults().get("api_version")
        return values

    def action_try(self):
        """Ask the provider what it looks like under the version, and compare; nothing is changed.

        :raises UserError: the provider refuses the version, or cannot be asked.
        """
        self.ensure_one()
        self.connection_id.check_access("write")
        version = (self.version or "").strip()
        try:
            found = self.env["sync.schema.watch"]._try_version(self.connection_id, version)
        except RemoteGone as error:
            raise UserError(_("%(name)s does not know version %(version)s.",
                              name=self.connection_id._provider_name(), version=version)) from error
        except SyncError as error:
            raise UserError(
                _("Version %(version)s cannot be tried: %(why)s", version=version, why=error.message)
            ) from error
        self.write(
            {
                "tried": version,
                "verdict": self._verdict({one["severity"] for one in found}),
                "line_ids": [Command.clear(), *(Command.create(self._line(one)) for one in found)],
            }
        )
        return self._action()

    def _verdict(self, severities):
        if severities & {WRONG, FAILS}:
            return "breaks"
        return LOOK if LOOK in severities else "fits"

    def _line(self, one):
        change = self.env["sync.schema.change"]
        return {
            "severity": one["severity"],
            "summary": change._say(self.connection_id.name, one["object"], one["difference"]),
            "flow_ids": [Command.set(one["flow_ids"])],
            "rules": ", ".join(one["rules"]) or False,
        }

    def action_use(self):
        """Use the version that was tried from now on.

        :raises UserError: another one was entered since.
        """
        self.ensure_one()
        if not self.tried or self.tried != (self.version or "").strip():
            raise UserError(_("Try this version first."))
        self.connection_id.api_version = self.tried
        return {"type": "ir.actions.act_window_close"}

    def _action(self):
        return {
            "type": "ir.actions.act_window",
            "name": self._description,
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
        }
