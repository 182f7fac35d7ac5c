from odoo import _, api, fields, models


class SyncBindingFormer(models.Model):
    """A remote record that is now the same as another one: where it leads to.

    Merged at the provider, it is gone there, and what it was bound to may be left over in
    Odoo. Merged in Odoo, it is still there, but only the other one is followed. Whoever
    names it is led to the binding of the record that survived.
    """

    _name = "sync.binding.former"
    _description = "Merged Record"
    _order = "id desc"
    _rec_name = "external_id"

    binding_id = fields.Many2one(
        "sync.binding", string="Survived By", required=True, readonly=True, ondelete="cascade", index=True
    )
    connection_id = fields.Many2one("sync.connection", required=True, readonly=True, ondelete="cascade")
    company_id = fields.Many2one(related="connection_id.company_id", store=True, index=True)
    remote_object = fields.Char(required=True, readonly=True)
    external_id = fields.Char(string="Former Id", required=True, readonly=True)
    merged_where = fields.Selection(
        [("remote", "At the Provider"), ("odoo", "In Odoo")], required=True, readonly=True
    )
    merged_at = fields.Datetime(required=True, readonly=True, default=fields.Datetime.now)
    user_id = fields.Many2one(
        "res.users", string="Merged By", readonly=True, ondelete="set null", help="In Odoo; else the engine's user."
    )
    model = fields.Char(readonly=True)
    former_res_id = fields.Many2oneReference(
        string="Left Over", model_field="model", readonly=True,
        help="The Odoo record of the one that was merged away, as long as there are two.",
    )
    former_name = fields.Char(string="Left Over in Odoo", compute="_compute_names")
    record_name = fields.Char(string="Now", compute="_compute_names")
    correlation_id = fields.Char(readonly=True)

    _remote_unique = models.UniqueIndex(
        "(connection_id, remote_object, external_id)", "A former id leads to one record."
    )
    _left_over = models.Index("(model, former_res_id) WHERE former_res_id IS NOT NULL")

    @api.depends("model", "former_res_id", "binding_id")
    @api.depends_context("uid", "allowed_company_ids")
    def _compute_names(self):
        for former in self:
            former.record_name = former.binding_id.record_name
        for model, rows in self.grouped("model").items():
            names = {}
            if model in self.env:
                ids = list(filter(None, rows.mapped("former_res_id")))
                records = self.env[model].browse(ids).exists()
                names = {record.id: record.display_name for record in records._filtered_access("read")}
            for former in rows:
                former.former_name = names.get(former.former_res_id, "")

    # === Engine ===#

    @api.model
    def _of(self, connection, remote_object, external_ids):
        """Return `{external id: former}` of those that were merged (one query)."""
        found = self.search(
            [
                ("connection_id", "=", connection.id),
                ("remote_object", "=", remote_object),
                ("external_id", "in", list(external_ids)),
            ]
        )
        return {former.external_id: former for former in found}

    @api.model
    def _left_over_of(self, records):
        """Return the ids of those records that are left over after a merge (one query)."""
        found = self.search([("model", "=", records._name), ("former_res_id", "in", records.ids)])
        return set(found.mapped("former_res_id"))

    @api.model
    def _remember(self, bindings, survivor, where, left_over=False, correlation_id=False):
        """Let bindings lead to another one from now on, with all that led to them; they are deleted.

        :param survivor: the `sync.binding` that stays.
        :param where: "remote" or "odoo".
        :param left_over: whether their Odoo records are still there.
        """
        vals_list = [
            {
                "binding_id": survivor.id,
                "connection_id": binding.connection_id.id,
                "remote_object": binding.remote_object,
                "external_id": binding.external_id,
                "merged_where": where,
                "user_id": self.env.uid,
                "model": binding.model,
                "former_res_id": binding.res_id if left_over else False,
                "correlation_id": correlation_id,
            }
            for binding in bindings
        ]
        self.search([("binding_id", "in", bindings.ids)]).write({"binding_id": survivor.id})
        bindings.unlink()
        return self.create(vals_list)

    # === Actions ===#

    def action_open_record(self):
        """Open the record that survived."""
        self.ensure_one()
        return self.binding_id.action_open_record()

    def action_open_left_over(self):
        """Open the record that is left over."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": self.model,
            "res_id": self.former_res_id,
            "view_mode": "form",
        }

    def action_merge_in_odoo(self):
        """Open Odoo's own dialog that merges the two partners, the surviving one chosen."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": _("Merge %s", self.record_name),
            "res_model": "base.partner.merge.automatic.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {
                "active_model": self.model,
                "active_ids": [self.former_res_id, self.binding_id.res_id],
                "default_dst_partner_id": self.binding_id.res_id,
            },
        }
