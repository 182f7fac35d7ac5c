from odoo import models

from ..lib.outcome import Outcome


class SyncHandler(models.AbstractModel):
    """Interface of a handler: it runs a claimed batch of one flow."""

    _name = "sync.handler"
    _description = "Handler Interface"

    def _run(self, flow, jobs) -> dict[int, Outcome]:
        """Run claimed jobs of one flow and kind.

        Remote reads come first, before any lock on business records. The caller
        commits effects and results together. A serialization failure must get
        through to the caller.

        :return: `{job id: Outcome}`.
        """
        raise TypeError(f"{self._name} is only an interface")

    def _as_service(self, flow):
        """Return the environment of the connection's service user and company."""
        connection = flow.connection_id
        return (
            self.with_user(connection.user_id)
            .with_company(connection.company_id)
            .with_context(tracking_disable=True, mail_notrack=True, mail_create_nolog=True)
            .env
        )
