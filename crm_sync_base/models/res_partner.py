from odoo import fields, models


class ResPartner(models.Model):
    """Customers show what they are called elsewhere, and arrive in batches."""

    _name = "res.partner"
    _inherit = ["res.partner", "sync.record.mixin"]

    sync_identity_ids = fields.One2many(
        "sync.binding", "res_id", string="Identities", domain=[("model", "=", "res.partner")], readonly=True,
        copy=False, groups="crm_sync_base.group_sync_user,crm_sync_base.group_sync_auditor",
    )
    sync_left_over = fields.Char(
        string="Left Over of", compute="_compute_sync_left_over",
        groups="crm_sync_base.group_sync_user,crm_sync_base.group_sync_auditor",
        help="The partner that goes on, when the record of this one was merged away elsewhere.",
    )

    def _compute_sync_left_over(self):
        formers = self.env["sync.binding.former"].sudo().search(
            [("model", "=", "res.partner"), ("former_res_id", "in", self.ids)], order="id"
        )
        names = {former.former_res_id: former.record_name for former in formers}
        for partner in self:
            partner.sync_left_over = names.get(partner.id, False)

    def action_open_sync_formers(self):
        """Open the merge that left this partner over."""
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_binding_former")
        return dict(action, domain=[("model", "=", self._name), ("former_res_id", "in", self.ids)], context={})

    def _sync_read_ahead(self):
        """Core hands values down to contacts one by one, and looks at each one's contacts and users."""
        contacts = self.child_ids
        contacts.fetch(["child_ids", "user_ids"])

    def _sync_create(self, vals_list):
        """Create partners; what contacts take over from their parents is copied for all at once.

        Core's `create` copies address and commercial fields record by record, with
        some ten queries each (`_fields_sync`). Here they are in the values already,
        and one query tells who differs from its parent nevertheless: those, and only
        those, go core's own way. The result is the same.
        """
        if not self._sync_inherited_stored():
            return self.create(vals_list)
        filled = self._sync_fill_inherited(vals_list)
        partners = self.with_context(_partners_skip_fields_sync=True).create(filled)
        partners = partners.with_env(self.env)
        differing = partners._sync_differing()
        for partner, vals in zip(partners, vals_list):
            if partner.id in differing or "child_ids" in vals:
                partner._fields_sync(self._add_missing_default_values(vals))
        return partners

    def _sync_inherited_stored(self):
        """Return whether all that contacts take over are columns, which one query can compare."""
        names = [*self._address_fields(), *self._commercial_fields()]
        return all(self._fields[name].store and self._fields[name].column_type for name in names)

    def _sync_fill_inherited(self, vals_list):
        """Return the values of new partners with what they take over from their parents.

        Fields that depend on the company or on groups are left to core.
        """
        commercial = [
            name
            for name in self._commercial_fields()
            if not self._fields[name].company_dependent and not self._fields[name].groups
        ]
        # Taken from one recordset, the parents are read together.
        parents = self.browse({vals["parent_id"] for vals in vals_list if vals.get("parent_id")})
        inherited = {
            parent.id: (
                parent._get_address_values(),
                parent.commercial_partner_id._sync_set_values(commercial),
            )
            for parent in parents
        }
        result = []
        for vals in vals_list:
            vals = dict(vals)
            address, of_company = inherited.get(vals.get("parent_id"), ({}, {}))
            if vals.get("type", "contact") == "contact":
                vals.update(address)
            if not vals.get("is_company"):
                vals.update(of_company)
            result.append(vals)
        return result

    def _sync_set_values(self, names):
        """Return the values, as `write` takes them, of those fields that are not empty."""
        return self._convert_fields_to_values([name for name in names if self[name]])

    def _sync_differing(self):
        """Return the ids of the partners that differ from their parents where core wants no difference."""

        def columns(table, names):
            # Core's own field names, no text of anybody else's.
            return ", ".join(f'{table}."{name}"' for name in names)

        address, commercial = self._address_fields(), self._commercial_fields()
        self.flush_recordset()
        self.env.cr.execute(
            f"""
            SELECT p.id
              FROM res_partner p
              JOIN res_partner parent ON parent.id = p.parent_id
              JOIN res_partner company ON company.id = p.commercial_partner_id
             WHERE p.id = ANY(%s)
               AND (
                    p.type = 'contact'
                AND ({columns("p", address)}) IS DISTINCT FROM ({columns("parent", address)})
                 OR company.id <> p.id
                AND ({columns("p", commercial)}) IS DISTINCT FROM ({columns("company", commercial)})
               )
            """,  # pylint: disable=sql-injection
            [list(self._ids)],
        )
        return {row[0] for row in self.env.cr.fetchall()}
