from odoo import _, api, fields, models, tools
from odoo.exceptions import UserError

from ..lib.errors import SyncError


class SyncSchemaObject(models.Model):
    """One kind of record, at a provider or in Odoo, as it looked when it was last read.

    Of a provider, all objects are listed. The fields of those that a flow uses, or that
    somebody wants to see, are read, too (`is_tracked`), and watched from then on.
    """

    _name = "sync.schema.object"
    _description = "Schema: Object"
    _order = "connection_id, is_tracked desc, label, name"
    _rec_names_search = ("label", "name")

    name = fields.Char(string="API Name", required=True, readonly=True)
    label = fields.Char(required=True, readonly=True)
    connection_id = fields.Many2one(
        "sync.connection", ondelete="cascade", index=True, readonly=True, help="Empty: a model of Odoo."
    )
    company_id = fields.Many2one(related="connection_id.company_id", store=True, index=True)
    system = fields.Char(compute="_compute_system")
    is_custom = fields.Boolean(string="Custom", readonly=True)
    can_poll = fields.Boolean(string="Can Be Polled", readonly=True)
    can_push = fields.Boolean(string="Can Be Written", readonly=True)
    is_tracked = fields.Boolean(string="Watched", readonly=True, help="Its fields are read and compared each night.")
    is_gone = fields.Boolean(readonly=True, help="It was there once and is no longer.")
    read_at = fields.Datetime(string="Fields Read", readonly=True)
    field_ids = fields.One2many("sync.schema.field", "object_id", string="Fields", readonly=True)
    change_ids = fields.One2many("sync.schema.change", "object_id", string="Changes", readonly=True)
    field_count = fields.Integer(compute="_compute_counts")
    change_count = fields.Integer(string="Open Changes", compute="_compute_counts")

    _name_unique = models.UniqueIndex(
        "(COALESCE(connection_id, 0), name)", "An object is listed once for each connection."
    )

    # === Computes ===#

    @api.depends("label", "name")
    def _compute_display_name(self):
        for one in self:
            one.display_name = one.label if one.label == one.name else f"{one.label} ({one.name})"

    @api.depends("connection_id.name")
    def _compute_system(self):
        for one in self:
            one.system = one.connection_id.name or _("Odoo")

    def _compute_counts(self):
        present = self.env["sync.schema.field"]._read_group(
            [("object_id", "in", self.ids), ("is_gone", "=", False)], ["object_id"], ["__count"]
        )
        waiting = self.env["sync.schema.change"]._read_group(
            [("object_id", "in", self.ids), ("state", "=", "open")], ["object_id"], ["__count"]
        )
        counts, changes = dict(present), dict(waiting)
        for one in self:
            one.field_count = counts.get(one, 0)
            one.change_count = changes.get(one, 0)

    # === Look-ups ===#

    @api.model
    def _schema(self, connection=None):
        """Return what is known: `{object: {field: RemoteField}}`, tracked objects only.

        :param connection: None (or an empty recordset) for Odoo's own models. A constant
            number of queries.
        """
        domain = [("connection_id", "=", connection.id if connection else False), ("is_gone", "=", False)]
        objects = self.sudo().search([*domain, ("read_at", "!=", False)])
        objects.field_ids.fetch()
        return {one.name: one._shape() for one in objects}

    def _shape(self):
        """Return `{field name: RemoteField}` of what is there now."""
        present = self.field_ids.filtered(lambda field: not field.is_gone)
        return {field.name: field._to_value() for field in present}

    @api.model
    @tools.ormcache("connection_id", "name")
    def _label_of(self, connection_id, name):
        """Return what people call a remote object, or its name."""
        self.flush_model(["label"])
        self.env.cr.execute(
            "SELECT label FROM sync_schema_object WHERE connection_id = %s AND name = %s", [connection_id, name]
        )
        row = self.env.cr.fetchone()
        return row[0] if row else name

    @api.model_create_multi
    def create(self, vals_list):
        self.env.registry.clear_cache()
        return super().create(vals_list)

    def write(self, vals):
        if "label" in vals:
            self.env.registry.clear_cache()
        return super().write(vals)

    # === Actions ===#

    def action_read_fields(self):
        """Read the fields of these objects now, and watch them from now on.

        :raises UserError: the provider cannot be asked; says why.
        """
        self.env["sync.mapping"].check_access("write")
        watch = self.env["sync.schema.watch"].sudo()
        for connection, mine in self.grouped("connection_id").items():
            names = mine.mapped("name")
            try:
                if connection:
                    watch._read_connection(connection, names, manual=True)
                else:
                    watch._read_odoo(names)
            except SyncError as error:
                raise UserError(f"{error.message}\n{error.hint}".strip()) from error

    def action_open_changes(self):
        """Open the changes of these objects."""
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_schema_change")
        return dict(action, domain=[("object_id", "in", self.ids)], context={})
