from odoo import _, api, fields, models
from odoo.exceptions import UserError


class SyncFlowTemplate(models.AbstractModel):
    """Creates the flows that a connector ships, from its declarations.

    Running it again adds what is missing and leaves what people changed alone.
    """

    _name = "sync.flow.template"
    _description = "Shipped Flows"

    @api.model
    def _install(self, connection):
        """Create the shipped flows of a connection that it does not have yet.

        :return: all flows of the connection.
        """
        known = set(connection.with_context(active_test=False).flow_ids.mapped("code"))
        for template in connection._connector()._flow_templates(connection):
            if template["code"] not in known and template["model"] in self.env:
                self._create_flow(connection, dict(template))
        return connection.flow_ids

    def _create_flow(self, connection, template):
        rules = template.pop("rules", [])
        steps = template.pop("steps", [])
        model = self.env["ir.model"]._get(template.pop("model"))
        flow = self.env["sync.flow"].create(
            {
                "connection_id": connection.id,
                "model_id": model.id,
                "step_ids": [
                    fields.Command.create({"action": action, "sequence": 10 * number})
                    for number, action in enumerate(steps, 1)
                ],
                **template,
            }
        )
        if rules:
            # Shipped rules need no review: nobody here wrote them.
            mapping = self.env["sync.mapping"].sudo().create(
                {"flow_id": flow.id, "note": _("Shipped with the connector."), "shipped": True}
            )
            for sequence, rule in enumerate(rules, 1):
                self._create_rule(connection, mapping, rule, sequence * 10)
            mapping.action_activate()
        return flow

    def _create_rule(self, connection, mapping, spec, sequence, parent=None):
        spec = dict(spec)
        children = spec.pop("children", [])
        table = spec.pop("value_map", None)
        rule = self.env["sync.mapping.rule"].create(
            {
                "mapping_id": mapping.id,
                "parent_id": parent.id if parent else False,
                "sequence": sequence,
                "name": spec.pop("label", False),
                "remote_path": spec.pop("path", False),
                "field_name": spec.pop("field"),
                "value_map_id": table and self._value_map(connection, table).id,
                **spec,
            }
        )
        for number, child in enumerate(children, 1):
            self._create_rule(connection, mapping, child, number * 10, rule)

    def _value_map(self, connection, name):
        """Return the connection's value map of that name; new ones are empty."""
        found = self.env["sync.value.map"].search(
            [("connection_id", "=", connection.id), ("name", "=", name)], limit=1
        )
        return found or self.env["sync.value.map"].create(
            {"connection_id": connection.id, "name": name}
        )

    @api.model
    def _flow(self, connection, code):
        """Return a shipped flow by its code.

        :raises UserError: when the connection does not have it.
        """
        flow = connection.flow_ids.filtered(lambda flow: flow.code == code)[:1]
        if not flow:
            raise UserError(_("%(name)s has no flow %(code)s.", name=connection.name, code=code))
        return flow
