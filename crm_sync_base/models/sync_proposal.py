from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ..lib import clock

KINDS = [("approval", "Needs Approval"), ("conflict", "Changed on Both Sides")]
STATES = [
    ("pending", "Waiting"),
    ("applied", "Applied"),  # approved, or chosen, and written
    ("rejected", "Rejected"),  # Odoo's value stays
    ("expired", "Expired"),  # nobody decided in time
    ("replaced", "Replaced"),  # the source said something else, or nothing is left to decide
]


class SyncProposal(models.Model):
    """The financial approval log: a change that waits for a person, and what became of it.

    Kept apart from the technical ledgers: own rights, own retention. No group may write
    it; what is decided cannot be changed by anybody, which the database sees to.
    """

    _name = "sync.proposal"
    _description = "Proposal"
    _inherit = ["mail.thread", "mail.activity.mixin", "sync.story.mixin", "sync.diff.mixin"]
    _mail_post_access = "read"  # who may see it may ask about it
    _order = "state_order, requested_at, id"
    _rec_name = "record_name"

    kind = fields.Selection(KINDS, required=True, readonly=True)
    state = fields.Selection(STATES, required=True, readonly=True, default="pending", index=True)
    state_order = fields.Integer(compute="_compute_state_order", store=True)

    # === What ===#
    model = fields.Char(readonly=True, required=True)
    res_id = fields.Many2oneReference(string="Record", model_field="model", readonly=True, required=True)
    record_name = fields.Char(readonly=True)
    prints = fields.Json(readonly=True, groups="base.group_system", help="{field: print of what the source said}")
    amount = fields.Monetary(string="Money Affected", readonly=True, help="In the company's currency.")
    currency_id = fields.Many2one(related="company_id.currency_id")

    # === Where it comes from ===#
    flow_id = fields.Many2one("sync.flow", readonly=True, ondelete="set null", index=True)
    connection_id = fields.Many2one("sync.connection", string="Source", readonly=True, ondelete="set null", index=True)
    company_id = fields.Many2one("res.company", readonly=True, index=True)
    mapping_id = fields.Many2one("sync.mapping", readonly=True, ondelete="set null")
    job_id = fields.Many2one("sync.job", readonly=True, ondelete="set null", index="btree_not_null")
    remote_object = fields.Char(readonly=True)
    external_id = fields.Char(string="Remote Id", readonly=True, index=True)
    correlation_id = fields.Char(readonly=True, index=True)
    rule_id = fields.Many2one("sync.approval.rule", readonly=True, ondelete="set null", index="btree_not_null")
    reason = fields.Char(readonly=True)
    group_id = fields.Many2one("res.groups", string="Who Decides", readonly=True, ondelete="set null")
    author_id = fields.Many2one(
        "res.users", readonly=True, ondelete="restrict",
        help="Who made the change, where that is known. He cannot decide on it.",
    )
    # The person's e-mail, as the source says it; kept, so that an account that gets this
    # address later, or a second one of the same person, is not somebody else.
    author_email = fields.Char(readonly=True, exportable=False, groups="base.group_system")
    author_origin = fields.Char(string="Changed By", compute="_compute_author_origin", exportable=False)
    requested_at = fields.Datetime(readonly=True, required=True)
    said_at = fields.Datetime(string="Changed There At", readonly=True)
    held_at = fields.Datetime(string="Changed in Odoo At", readonly=True)
    held_by = fields.Char(string="Changed in Odoo By", readonly=True)
    refreshed_at = fields.Datetime(string="Odoo's Value Looked at Again", readonly=True)
    age = fields.Char(compute="_compute_age")
    expires_at = fields.Datetime(string="Expires", readonly=True, index="btree_not_null")

    # === What became of it ===#
    decided_by_id = fields.Many2one("res.users", readonly=True, ondelete="restrict")
    on_behalf_of_id = fields.Many2one("res.users", string="In Place Of", readonly=True, ondelete="restrict")
    decided_at = fields.Datetime(readonly=True)
    decision = fields.Char(readonly=True, help="What was decided, and why.")
    trouble = fields.Text(string="Could Not Be Applied", readonly=True)
    noted = fields.Boolean(string="Noted on the Record", readonly=True)
    told = fields.Char(string="The Source Was Told", readonly=True)
    change_ids = fields.One2many("sync.change", "proposal_id", string="Changes", readonly=True)
    may_decide = fields.Boolean(compute="_compute_may_decide")

    # One of a kind waits for each record; a later one replaces it.
    _one_pending = models.UniqueIndex(
        "(flow_id, external_id, kind, rule_id) NULLS NOT DISTINCT WHERE state = 'pending'",
        "This change waits for a decision already.",
    )
    _record = models.Index("(model, res_id)")
    _to_note = models.Index("(id) WHERE state IN ('applied', 'rejected') AND noted IS NOT TRUE")
    _four_eyes = models.Constraint(
        "CHECK (decided_by_id IS NULL OR author_id IS NULL OR "
        "(decided_by_id <> author_id AND on_behalf_of_id IS DISTINCT FROM author_id))",
        "Nobody decides on a change of his own.",
    )
    _decided = models.Constraint(
        "CHECK (state NOT IN ('applied', 'rejected') OR (decided_by_id IS NOT NULL AND decided_at IS NOT NULL))",
        "A decision says whose it is.",
    )

    def init(self):
        """Let the database refuse whatever would change or remove a decision."""
        self.env.cr.execute(self._SQL_GUARD)

    # Links to technical records may be cut when those are forgotten; what was decided,
    # by whom, about what, stays. Only the retention of this very log removes rows.
    _SQL_GUARD = """
        CREATE OR REPLACE FUNCTION sync_proposal_guard() RETURNS trigger AS $$
        BEGIN
            IF TG_OP = 'DELETE' THEN
                IF OLD.state <> 'pending'
                        AND current_setting('crm_sync.retention', true) IS DISTINCT FROM 'proposals' THEN
                    RAISE EXCEPTION 'sync_proposal %: a decision cannot be removed', OLD.id
                        USING ERRCODE = 'restrict_violation';
                END IF;
                RETURN OLD;
            END IF;
            IF NEW.author_id IS DISTINCT FROM OLD.author_id OR NEW.requested_at IS DISTINCT FROM OLD.requested_at THEN
                RAISE EXCEPTION 'sync_proposal %: its author stays', OLD.id USING ERRCODE = 'restrict_violation';
            END IF;
            IF NEW.author_email IS DISTINCT FROM OLD.author_email THEN
                RAISE EXCEPTION 'sync_proposal %: its author stays', OLD.id USING ERRCODE = 'restrict_violation';
            END IF;
            IF NEW.author_email IS NOT NULL AND NEW.decided_by_id IS DISTINCT FROM OLD.decided_by_id AND EXISTS (
                    SELECT 1 FROM res_users u JOIN res_partner p ON p.id = u.partner_id
                     WHERE u.id IN (NEW.decided_by_id, NEW.on_behalf_of_id)
                       AND NEW.author_email IN (lower(u.login), p.email_normalized)) THEN
                RAISE EXCEPTION 'sync_proposal %: nobody decides on a change of his own', OLD.id
                    USING ERRCODE = 'restrict_violation';
            END IF;
            IF OLD.state <> 'pending' AND (
                    NEW.state, NEW.decided_by_id, NEW.on_behalf_of_id, NEW.decided_at, NEW.decision, NEW.values::text,
                    NEW.kind, NEW.model, NEW.res_id, NEW.record_name, NEW.amount, NEW.reason)
                IS DISTINCT FROM (
                    OLD.state, OLD.decided_by_id, OLD.on_behalf_of_id, OLD.decided_at, OLD.decision, OLD.values::text,
                    OLD.kind, OLD.model, OLD.res_id, OLD.record_name, OLD.amount, OLD.reason) THEN
                RAISE EXCEPTION 'sync_proposal %: a decision cannot be changed', OLD.id
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN NEW;
        END $$ LANGUAGE plpgsql;
        DROP TRIGGER IF EXISTS sync_proposal_guard ON sync_proposal;
        CREATE TRIGGER sync_proposal_guard BEFORE UPDATE OR DELETE ON sync_proposal
            FOR EACH ROW EXECUTE FUNCTION sync_proposal_guard();
    """

    # === For people ===#

    @api.depends("state")
    def _compute_state_order(self):
        for proposal in self:
            proposal.state_order = 0 if proposal.state == "pending" else 1

    def _compute_age(self):
        now = clock.now()
        for proposal in self:
            hours = int(((proposal.decided_at or now) - proposal.requested_at).total_seconds() // 3600)
            days, hours = divmod(hours, 24)
            proposal.age = _("%(days)s d %(hours)s h", days=days, hours=hours) if days else _("%s h", hours)

    @api.depends("author_id", "author_email")
    def _compute_author_origin(self):
        """Say who made the change, or that nobody here knows."""
        for proposal in self.sudo():
            name, email = proposal.author_id.name, proposal.author_email
            if name and email:
                proposal.author_origin = f"{name} ({email})"
            elif name:
                proposal.author_origin = _("%s, who edited the document", name)
            elif email:
                proposal.author_origin = _("%s (nobody here has this e-mail address)", email)
            else:
                proposal.author_origin = _("Author unknown at source: any approver may decide")

    @api.depends("state", "group_id", "author_id", "author_email")
    @api.depends_context("uid")
    def _compute_may_decide(self):
        mine = self._decidable_by(self.env.user)
        for proposal in self:
            proposal.may_decide = proposal in mine

    def _decidable_by(self, user):
        """Return those of these that wait and that a user may decide on."""
        deputies = self._principals(user)
        return self.filtered(
            lambda one: one.state == "pending" and not one._is_by(user) and one._principal(deputies) is not None
        )

    def _is_by(self, user):
        """Return whether a user made the change himself, under this account or another one."""
        self.ensure_one()
        email = self.sudo().author_email
        addresses = (user.sudo().email_normalized, (user.sudo().login or "").lower())
        return user == self.author_id or bool(email and email in addresses)

    def _principals(self, user):
        """Return the user and those whom he stands in for today."""
        return user + self.env["sync.approval.delegation"]._stand_in_for(user)

    def _principal(self, users):
        """Return the first of users who may decide on this, or None."""
        self.ensure_one()
        group = self.sudo().group_id
        for user in users:
            if not self._is_by(user) and group and group in user.sudo().all_group_ids:
                return user
        return None

    def action_open_record(self):
        """Open the Odoo record that would change.

        :raises UserError: when it was deleted.
        """
        self.ensure_one()
        if self.model not in self.env or not self.env[self.model].browse(self.res_id).exists():
            raise UserError(_("%s was deleted in Odoo.", self.record_name))
        return {
            "type": "ir.actions.act_window",
            "res_model": self.model,
            "res_id": self.res_id,
            "view_mode": "form",
        }

    def _trace_query(self):
        return self.correlation_id or self.external_id
