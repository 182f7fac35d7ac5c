from odoo import _, api, fields, models


class SyncHoldSchema(models.Model):
    """Holds that the schema watch set: a flow would write something wrong."""

    _inherit = "sync.hold"

    schema_change_id = fields.Many2one(
        "sync.schema.change",
        string="Because Of",
        ondelete="set null",
        index="btree_not_null",
        readonly=True,
        help="Lifted by itself as soon as the flow's active mapping no longer relies on what changed.",
    )

    @api.model
    def _schema_hold_of(self, flow):
        """Return why the schema watch keeps a flow from writing, empty when it does not.

        Lanes claim nothing of a held flow; this is for records that another flow would
        bring along.
        """
        held = self.sudo().search(
            [("flow_id", "=", flow.id), ("schema_change_id", "!=", False)], limit=1
        )
        return _("the flow %(flow)s is stopped: %(why)s", flow=flow.name, why=held.name) if held else ""
