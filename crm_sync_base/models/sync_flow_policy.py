from odoo import api, fields, models

#: errors that the person who runs the systems must deal with; all others are for the
#: one who knows the business
TECHNICAL = {
    "transient",
    "rate_limited",
    "circuit_open",
    "budget_spent",
    "auth_failed",
    "misconfigured",
    "worker_killed",
    "lane_stalled",
    "schema_changed",
    "bug",
}


class SyncFlowPolicy(models.Model):
    """What a flow does when one of its steps fails, and who is asked."""

    _inherit = "sync.flow"

    on_step_failure = fields.Selection(
        [("wait", "Wait for a person"), ("undo", "Undo what was done")],
        string="If a Step Fails",
        default="wait",
        required=True,
        tracking=True,
        help="Wait: what is done stays, a retry goes on at the failed step. "
        "Undo: the steps before it are taken back, the last one first; "
        "what cannot be taken back by itself is given to a person.",
    )

    is_story_step = fields.Boolean(
        compute="_compute_is_story_step", help="What it does is a step of the record's story."
    )

    @api.depends("handler", "direction")
    def _compute_is_story_step(self):
        for flow in self:
            outbound = flow.direction == "outbound" and flow.handler
            flow.is_story_step = bool(outbound and flow._handler("push")._is_story_step())

    def _person_for(self, error_code, exception=None):
        """Return who is asked about a class of errors of this flow.

        Whoever works on the exception already; else the business owner, or for
        technical errors the technical one; else who set the flow up.

        :param exception: the `sync.exception` of the failure, if there is one.
        """
        self.ensure_one()
        owners = [self.owner_id, self.technical_owner_id]
        if error_code in TECHNICAL:
            owners.reverse()
        working = exception.user_id if exception and exception.state == "acknowledged" else owners[0]
        candidates = working, *owners, self.connection_id.create_uid
        # Whoever asks need not see the other companies of those who may be asked.
        human = [
            user
            for user in candidates
            if user.active
            and user._is_internal()
            and (self.company_id or user.company_id) in user.sudo().company_ids
        ]
        return human[0] if human else self.env.ref("base.user_admin")
