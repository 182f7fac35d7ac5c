from odoo import _, api, models
from odoo.addons.crm_sync_base.lib import paths
from odoo.addons.crm_sync_base.lib.declarations import Document
from odoo.addons.crm_sync_base.lib.errors import DataInvalid

from ..lib import facts
from ..lib.facts import DealFacts


class SyncConnector(models.AbstractModel):
    """What the sales side asks of a connector: what does your system say of this deal?"""

    _inherit = "sync.connector"

    # === Interface ===#

    @api.model
    def _deal_role(self):
        """Return one of `facts.ROLES`: what the provider is to a deal; "" when nothing."""
        return ""

    def _deal_facts(self, connection, order) -> DealFacts | None:
        """Return what the provider says of a deal right now, read over the wire.

        It calls the provider, so nobody may hold a lock on business records.

        :param order: one `sale.order`, readable in full.
        :return: None when the provider knows nothing of the order.
        :raises SyncError: when the provider cannot be asked or its answer makes no sense.
        """
        return None

    # === For connectors ===#

    def _bound_document(self, connection, object_name, record):
        """Return the present document that a record is bound to, or None when it is to none.

        :raises SyncError: as `_read`, and when the connection must not be used.
        """
        binding = self.env["sync.binding"]._for_records(connection, object_name, record).get(record.id)
        if not binding:
            return None
        connection._assert_live()
        external_id = binding.external_id
        found = {document.external_id: document for document in self._read(connection, object_name, [external_id])}
        return found.get(external_id) or Document(external_id, {}, deleted=True)

    def _told_flows(self, connection, object_name):
        """Return the live flows that tell the provider about sales orders."""
        return self.env["sync.flow"].search(
            [
                ("connection_id", "=", connection.id),
                ("remote_object", "=", object_name),
                ("model", "=", "sale.order"),
                ("direction", "=", "outbound"),
                ("mode", "=", "live"),
            ]
        )

    def _told_paths(self, connection, object_name):
        """Return the remote paths that hold what the provider was told of an order."""
        rules = self._told_flows(connection, object_name).mapping_id._outbound_rules()
        return {rule.remote_path for rule in rules if rule.field_name in facts.TOLD}

    def _told_facts(self, connection, object_name, order, data):
        """Return the facts in what the provider was told, as its document repeats them.

        What no live flow tells is not known there; nor is a field that the document lacks.

        :param data: the document's data.
        :return: keyword arguments of `DealFacts`.
        :raises DataInvalid: when somebody wrote what is no amount into a field for one.
        """
        values = {}
        for flow in self._told_flows(connection, object_name):
            if order.filtered_domain(flow._odoo_domain()):
                values |= self._told_values(flow, data)
        try:
            return facts.told(values)
        except ValueError as error:
            raise DataInvalid(_("%(system)s: %(error)s", system=connection.name, error=error)) from None

    def _told_values(self, flow, data):
        """Return `{field of the order: value in the document}`, value maps undone."""
        values = {}
        for rule in flow.mapping_id._outbound_rules():
            value = paths.get(data, rule.remote_path)
            if rule.value_map_id:
                value = rule.value_map_id._counterparts().get(value, value)
            if value is not paths.MISSING:
                values[rule.field_name] = value
        return values
