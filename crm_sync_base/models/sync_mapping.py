from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import plaintext2html

from ..lib import lifecycle

#: who is asked to review what somebody else wrote
REVIEWERS = ("crm_sync_base.group_sync_manager", "crm_sync_base.group_sync_approver")

REMINDER = "mail.mail_activity_data_todo"

#: what only the moves of the life cycle write
EVIDENCE = {
    "author_ids", "shipped", "submitted_by_id", "submitted_at", "reviewer_id", "reviewed_at",
    "activated_at", "activated_by_id", "retired_at", "origin_id",
}

#: what stays as it is once a version has left the draft
CONTENT = {"flow_id", "version", "note"}


class SyncMapping(models.Model):
    """One version of a flow's field mapping.

    A version is written as a draft, reviewed by somebody who did not write it, active,
    retired. Only drafts change, so that what was reviewed is what runs, and jobs that
    name a version mean one thing for ever. `init` has the database hold to it, too.
    """

    _name = "sync.mapping"
    _description = "Mapping Version"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "flow_id, version desc"

    flow_id = fields.Many2one("sync.flow", required=True, ondelete="cascade", index=True)
    connection_id = fields.Many2one(related="flow_id.connection_id")
    company_id = fields.Many2one(related="flow_id.company_id", store=True, index=True)
    version = fields.Integer(required=True, default=1, readonly=True, copy=False)
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("review", "In Review"),
            ("active", "Active"),
            ("retired", "Retired"),
        ],
        default="draft",
        required=True,
        tracking=True,
        copy=False,
    )
    note = fields.Text(string="What Changed", copy=False)
    rule_ids = fields.One2many(
        "sync.mapping.rule", "mapping_id", string="Rules", domain=[("parent_id", "=", False)], copy=True
    )
    rule_count = fields.Integer(compute="_compute_rule_count")
    origin_id = fields.Many2one(
        "sync.mapping", string="Based On", readonly=True, copy=False, ondelete="set null"
    )

    # === Evidence ===#
    shipped = fields.Boolean(
        readonly=True, copy=False, help="Came with a module; needs no review, because nobody here wrote it."
    )
    author_ids = fields.Many2many(
        "res.users", "sync_mapping_author_rel", "mapping_id", "user_id", string="Written By",
        readonly=True, copy=False, help="Everybody who wrote any of it: none of them may approve it.",
    )
    submitted_by_id = fields.Many2one("res.users", string="Review Asked By", readonly=True, copy=False)
    submitted_at = fields.Datetime(string="Review Asked At", readonly=True, copy=False)
    reviewer_id = fields.Many2one("res.users", string="Reviewed By", readonly=True, copy=False, tracking=True)
    reviewed_at = fields.Datetime(readonly=True, copy=False)
    activated_at = fields.Datetime(string="Active Since", readonly=True, copy=False)
    activated_by_id = fields.Many2one("res.users", readonly=True, copy=False)
    retired_at = fields.Datetime(readonly=True, copy=False)
    preview_count = fields.Integer(string="Previews", compute="_compute_preview_count")
    can_roll_back = fields.Boolean(compute="_compute_can_review")
    can_review = fields.Boolean(compute="_compute_can_review", search="_search_can_review")

    _version_unique = models.UniqueIndex("(flow_id, version)", "A version number is used once.")
    _one_active = models.UniqueIndex(
        "(flow_id) WHERE state = 'active'",
        "Another version of this mapping became active at the same moment, and only one can be. Look at what is "
        "different from it, then approve again if this one shall replace it.",
    )

    @api.depends("flow_id.name", "version")
    def _compute_display_name(self):
        for mapping in self:
            mapping.display_name = _("%(flow)s v%(version)s", flow=mapping.flow_id.name, version=mapping.version)

    @api.depends("rule_ids")
    def _compute_rule_count(self):
        for mapping in self:
            mapping.rule_count = len(mapping.rule_ids)

    def _compute_preview_count(self):
        counts = dict(
            self.env["sync.mapping.preview"].sudo()._read_group(
                [("mapping_id", "in", self.ids)], ["mapping_id"], ["__count"]
            )
        )
        for mapping in self:
            mapping.preview_count = counts.get(mapping, 0)

    @api.depends("state", "author_ids", "shipped", "reviewer_id")
    @api.depends_context("uid")
    def _compute_can_review(self):
        """Whether the reader may approve it now: it waits, and he did not write it."""
        for mapping in self:
            mapping.can_review = mapping.state == "review" and not mapping._refusal("active")
            mapping.can_roll_back = mapping.state == "retired" and not mapping._refusal("active")

    def _search_can_review(self, operator, value):
        if operator != "in":
            return NotImplemented
        reviewers = [("state", "=", "review"), ("author_ids", "not in", self.env.uid)]
        domain = reviewers if self._may_review() else [(0, "=", 1)]
        return domain if True in value else ["!", *([] if len(domain) == 1 else ["&"]), *domain]

    # === CRUD: only drafts change ===#

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            self._refuse_evidence(vals)
            if vals.get("state", lifecycle.DRAFT) != lifecycle.DRAFT:
                raise UserError(_("A mapping version begins as a draft."))
            latest = self.search([("flow_id", "=", vals.get("flow_id"))], order="version desc", limit=1)
            if "version" not in vals:
                vals["version"] = latest.version + 1
        mappings = super().create(vals_list)
        mappings._note_author()
        return mappings

    def write(self, vals):
        self._refuse_evidence(vals)
        if vals.keys() & (CONTENT | {"state"}):
            self.check_access("write")
        if vals.keys() & CONTENT:
            self._assert_draft()
        if "state" not in vals:
            return super().write(vals)
        return self._move(vals["state"], {name: vals[name] for name in vals if name != "state"})

    @api.ondelete(at_uninstall=False)
    def _unlink_only_unused(self):
        """Versions that were in use are kept: jobs and changes refer to them."""
        for mapping in self:
            if mapping.state in (lifecycle.ACTIVE, lifecycle.RETIRED):
                raise UserError(
                    _("%s was in use and is kept, because jobs and changes refer to it.", mapping.display_name)
                )

    def copy_data(self, default=None):
        """A copy is the next draft of the same flow."""
        return [dict(vals, state="draft") for vals in super().copy_data(default)]

    def _refuse_evidence(self, vals):
        """Nobody writes by hand who wrote, reviewed or shipped a version."""
        if not self.env.su and (named := EVIDENCE & vals.keys()):
            raise AccessError(
                _("Who wrote and who reviewed a mapping is not written by hand (%s).", ", ".join(sorted(named)))
            )

    def _assert_draft(self):
        """Refuse changes of what was handed to a reviewer or was in use.

        :raises UserError: naming the version and what to do instead.
        """
        for mapping in self:
            if mapping.state == lifecycle.REVIEW:
                raise UserError(
                    _("%s is being reviewed and stays as it is. Take it back to draft to change it.",
                      mapping.display_name)
                )
            if mapping.state != lifecycle.DRAFT:
                raise UserError(
                    _("%s was in use and stays as it is, because jobs refer to it. Press New Version to "
                      "change the mapping.", mapping.display_name)
                )

    def _note_author(self):
        """Remember that the user has a part in these versions."""
        for mapping in self.sudo():
            if self.env.uid not in mapping.author_ids.ids:
                mapping.author_ids = [fields.Command.link(self.env.uid)]

    # === Moves ===#

    def _may_review(self):
        return any(self.env.user.has_group(group) for group in REVIEWERS)

    def _refusal(self, state):
        """Return why the user may not move this version to a state, see `lib.lifecycle`."""
        self.ensure_one()
        mapping = self.sudo()
        return lifecycle.refusal(
            mapping.state,
            state,
            actor=self.env.uid,
            authors=mapping.author_ids.ids,
            may_review=self._may_review(),
            shipped=mapping.shipped,
            reviewed=bool(mapping.reviewer_id),
        )

    def _assert_move(self, state):
        """Raise for a move that the user may not make, saying why and what to do."""
        for mapping in self:
            name = mapping.display_name
            labels = dict(self._fields["state"]._description_selection(self.env))
            message = {
                lifecycle.NO_SUCH_MOVE: _(
                    "%(name)s is “%(before)s” and cannot become “%(after)s”.",
                    name=name, before=labels[mapping.state], after=labels.get(state, state),
                ),
                lifecycle.NOT_REVIEWED: _(
                    "%s has not been reviewed. Ask somebody else for a review first.", name
                ),
                lifecycle.OWN_WORK: _(
                    "You wrote some of %s yourself. Somebody else has to approve it.", name
                ),
                lifecycle.NOT_A_REVIEWER: _(
                    "%s is approved by an integration manager or a finance approver.", name
                ),
            }.get(mapping._refusal(state))
            if message:
                raise UserError(message)

    def _move(self, state, vals, replaced=False):
        """Make a move of the life cycle, with the evidence that belongs to it.

        :param replaced: another version takes over in the same transaction.
        """
        self._assert_move(state)
        if state == lifecycle.RETIRED and not replaced:
            self._assert_idle()
        # The database looks at the rules and the state of the moment, see `init`.
        self.env["sync.mapping.rule"].flush_model()
        moment = fields.Datetime.now()
        for mapping in self:
            evidence = {}
            if state == lifecycle.REVIEW:
                mapping._assert_rules()
                mapping._assert_sound()
                evidence = {"submitted_by_id": self.env.uid, "submitted_at": moment}
            elif state == lifecycle.RETIRED:
                evidence = {"retired_at": moment}
            elif state == lifecycle.ACTIVE:
                mapping._assert_rules()
                mapping._retire_current()
                evidence = {"activated_at": moment, "activated_by_id": self.env.uid, "retired_at": False}
                if mapping.state == lifecycle.REVIEW:
                    evidence.update(reviewer_id=self.env.uid, reviewed_at=moment)
            # Past our own `write`, which keeps people from moving a version themselves.
            super(SyncMapping, mapping.sudo()).write(  # pylint: disable=super-method-mismatch
                {**vals, **evidence, "state": state}
            )
            mapping.flush_recordset()
            mapping._remind_reviewers()
        self.env["sync.flow"]._outbox_changed()
        return True

    def _assert_rules(self):
        if not self.rule_ids and self.flow_id._needs_mapping():
            raise UserError(_("%s has no rules yet.", self.display_name))

    def _assert_sound(self):
        """Nobody is asked to review what cannot work; what is only doubtful is his to judge.

        :raises UserError: lists everything, as the mapping editor does.
        """
        if errors := self._errors():
            raise UserError(
                _("%(mapping)s cannot work as it is:\n%(errors)s\nCorrect this, then ask for the review again.",
                  mapping=self.display_name, errors="\n".join(f"- {one}" for one in errors))
            )

    def _assert_idle(self):
        """A flow that works does not lose its mapping without getting another one."""
        for mapping in self:
            if mapping.flow_id.mode != "off":
                raise UserError(
                    _("%s is in use. Activate another version instead, or switch the flow off first.",
                      mapping.display_name)
                )

    def _retire_current(self):
        """Retire the flow's active version; the index allows one."""
        current = self.flow_id.sudo().mapping_ids.filtered(lambda m: m.state == lifecycle.ACTIVE)
        if current:
            current._move(lifecycle.RETIRED, {}, replaced=True)

    def _remind_reviewers(self):
        """Ask those who may review it, as long as it waits for them."""
        mapping = self.sudo()
        mapping.activity_unlink([REMINDER])
        if mapping.state != lifecycle.REVIEW:
            return
        for user in mapping._reviewers():
            mapping.activity_schedule(
                REMINDER, user_id=user.id, summary=_("Review %s", mapping.display_name), note=mapping.note or False
            )

    def _reviewers(self):
        """Return whom to ask: the flow's owners, else a few of those who may review it."""
        flow = self.flow_id
        groups = self.env["res.groups"].union(*[self.env.ref(name) for name in REVIEWERS])
        may = self.env["res.users"].search(
            [("all_group_ids", "in", groups.ids), ("share", "=", False), ("id", "not in", self.author_ids.ids)]
        ).filtered(lambda user: not flow.company_id or flow.company_id in user.company_ids)
        return (may & (flow.technical_owner_id | flow.owner_id)) or may[:3]

    # === Actions ===#

    def action_to_review(self):
        """Ask somebody else to look at these drafts; from now on they stay as they are."""
        self.filtered(lambda mapping: mapping.state == "draft").write({"state": "review"})

    def action_to_draft(self):
        """Take versions that wait for a review back, to change them."""
        self.write({"state": "draft"})

    def action_send_back(self):
        """Ask what the author should change before this version can be approved."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": _("Send %s Back", self.display_name),
            "res_model": "sync.mapping.send.back.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_mapping_id": self.id},
        }

    def _send_back(self, reason):
        """Refuse a version in a review: it is a draft again, and who asked for the review has a task.

        :raises AccessError: for who may not review.
        :raises UserError: when it waits for no review any more.
        """
        self.ensure_one()
        if not self.env.su and not self._may_review():
            raise AccessError(_("Mappings are reviewed by integration managers and finance approvers."))
        self.check_access("read")
        if self.state != lifecycle.REVIEW:
            raise UserError(_("%s does not wait for a review any more.", self.display_name))
        mapping = self.sudo()  # a finance approver sends it back without being allowed to edit
        mapping.write({"state": lifecycle.DRAFT})
        mapping.activity_schedule(
            REMINDER, user_id=(mapping.submitted_by_id or mapping.create_uid).id, note=plaintext2html(reason),
            summary=_("%(who)s sent %(version)s back", who=self.env.user.name, version=mapping.display_name),
        )
        mapping.message_post(body=_("Sent back by %(who)s: %(reason)s", who=self.env.user.name, reason=reason))

    def action_open(self):
        """Open this version on a page of its own."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
        }

    def action_activate(self):
        """Approve these versions: each replaces the active one of its flow.

        :raises UserError: for who wrote any of it, or may not review.
        """
        if not self.env.su and not self._may_review():
            raise AccessError(_("Mappings are approved by integration managers and finance approvers."))
        self.check_access("read")
        seen = self.env.context.get("seen_content")
        if seen and [seen] != [mapping._content_print() for mapping in self]:
            raise UserError(
                _("%s was changed since you opened it. Look at what is different now, then approve it.",
                  ", ".join(self.mapped("display_name")))
            )
        # A finance approver approves without being allowed to edit.
        self.sudo().write({"state": "active"})

    def action_roll_back(self):
        """Make an earlier version the active one again, as it was."""
        self.ensure_one()
        self.write({"state": "active"})

    def action_preview(self):
        """Prepare a preview of what this version would change."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": _("Preview of %s", self.display_name),
            "res_model": "sync.mapping.preview",
            "view_mode": "form",
            "target": "current",
            "context": {"default_mapping_id": self.id},
        }

    def action_open_previews(self):
        """Open the previews of this version."""
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_mapping_preview")
        return dict(action, domain=[("mapping_id", "in", self.ids)], context={"default_mapping_id": self.id})

    def action_new_version(self):
        """Open a draft copy of this version."""
        self.ensure_one()
        self.check_access("write")
        draft = self.copy()
        draft.sudo().origin_id = self
        return draft.action_open()

    # === Engine ===#

    def _compiled(self):
        """Return the inbound rules as pure values, in order."""
        self.ensure_one()
        rules = self.rule_ids.filtered(lambda rule: rule.direction in ("inbound", "both"))
        return tuple(rule._compile() for rule in rules)

    def _outbound_rules(self):
        """Return the outbound rules as records, in order."""
        return self.rule_ids.filtered(lambda rule: rule.direction in ("outbound", "both"))
