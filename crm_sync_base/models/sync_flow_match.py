from odoo import _, fields, models


class SyncFlow(models.Model):
    """Flows look for records that are there already: their match ladder."""

    _inherit = "sync.flow"

    match_step_ids = fields.One2many(
        "sync.match.step",
        "flow_id",
        string="Match Ladder",
        copy=True,
        help="How a remote record that is not bound yet finds its Odoo record. Without any step, "
        "the ladder of the Odoo model is used.",
    )
    match_open_count = fields.Integer(compute="_compute_match_open_count")

    def _compute_match_open_count(self):
        counts = dict(
            self.env["sync.match"]._read_group(
                [("flow_id", "in", self.ids), ("state", "=", "open")], ["flow_id"], ["__count"]
            )
        )
        for flow in self:
            flow.match_open_count = counts.get(flow, 0)

    def _match_ladder(self):
        """Return the rungs by which this flow's unbound documents find their records."""
        self.ensure_one()
        if self.match_step_ids:
            return tuple(step._rung() for step in self.match_step_ids.sorted("sequence"))
        return self.env[self.model]._sync_match_ladder()

    def action_customise_ladder(self):
        """Give these flows steps of their own, which start as those of the Odoo model."""
        for flow in self.filtered(lambda flow: not flow.match_step_ids):
            flow.match_step_ids = [
                fields.Command.create(
                    {
                        "sequence": 10 * number,
                        "kind": rung.kind,
                        "field_name": rung.field,
                        "second_field": rung.second,
                        "bind_score": rung.bind,
                        "review_score": rung.review,
                    }
                )
                for number, rung in enumerate(flow._match_ladder(), 1)
            ]

    def action_open_matches(self):
        """Open what of these flows waits for a decision on which record it is."""
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_match")
        return dict(
            action,
            name=_("Matches to Review"),
            domain=[("flow_id", "in", self.ids)],
            context={"search_default_open": 1},
        )
