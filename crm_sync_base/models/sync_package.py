import base64
from dataclasses import astuple

from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError

from ..lib import package
from ..lib.package import PackageError

MANAGER = "crm_sync_base.group_sync_manager"
APPROVERS = (MANAGER, "crm_sync_base.group_sync_approver")
WAITING = ("blocked", "review")

#: what only the package's own moves write
EVIDENCE = {
    "direction", "state", "file", "file_name", "checksum", "signer_key", "content", "plan_digest",
    "requested_by_id", "approved_by_id", "applied_at", "problems", "company_id", "replaced_id",
}


class SyncPackage(models.Model):
    """A configuration package: exported here, or brought from another environment.

    An imported one waits until somebody else than who brought it approves it. What it
    would change is computed from the settings of that moment, and computed again when it
    is approved: if they have changed since, nothing is applied.
    """

    _name = "sync.package"
    _description = "Configuration Package"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "id desc"

    name = fields.Char(required=True, readonly=True)
    direction = fields.Selection(
        [("export", "Exported"), ("import", "Imported")], required=True, readonly=True
    )
    state = fields.Selection(
        [
            ("exported", "Exported"),
            ("blocked", "Something Is Missing"),  # it cannot be applied as things are
            ("review", "Waits for Approval"),
            ("applied", "Applied"),
            ("rejected", "Rejected"),
        ],
        required=True,
        readonly=True,
        tracking=True,
        index=True,
    )
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    note = fields.Text(string="What It Is For", tracking=True)
    file = fields.Binary(readonly=True, attachment=True)
    file_name = fields.Char(readonly=True)
    checksum = fields.Char(readonly=True, help="SHA-256 of the content; equal packages have the same.")
    signer_key = fields.Char(readonly=True)
    signer_fingerprint = fields.Char(string="Signed With", compute="_compute_signer")
    signer_name = fields.Char(string="Signed By", compute="_compute_signer")
    signer_known = fields.Boolean(compute="_compute_signer")
    content = fields.Json(readonly=True)
    connection_ids = fields.One2many("sync.package.connection", "package_id", string="Connections")
    line_ids = fields.One2many("sync.package.line", "package_id", string="Differences", readonly=True)
    line_count = fields.Integer(compute="_compute_line_count")
    problems = fields.Text(string="What Is Missing", readonly=True)
    plan_digest = fields.Char(readonly=True)
    checked_at = fields.Datetime(readonly=True, help="When the differences were computed.")
    requested_by_id = fields.Many2one("res.users", string="Brought By", readonly=True, tracking=True)
    approved_by_id = fields.Many2one("res.users", readonly=True, tracking=True)
    applied_at = fields.Datetime(readonly=True)
    can_approve = fields.Boolean(compute="_compute_can_approve")
    replaced_id = fields.Many2one(
        "sync.package", string="What It Replaced", readonly=True, ondelete="restrict", index="btree_not_null",
        help="The configuration as it was before: applying that package takes this one back.",
    )

    _four_eyes = models.Constraint(
        "CHECK (state <> 'applied' OR (approved_by_id IS NOT NULL AND requested_by_id IS NOT NULL"
        " AND approved_by_id <> requested_by_id))",
        "Whoever brought a package cannot approve it.",
    )
    _one_waiting = models.UniqueIndex(
        "(checksum, company_id) WHERE state IN ('blocked', 'review')", "This package waits already."
    )

    # === Computes ===#

    @api.depends("signer_key")
    def _compute_signer(self):
        own = self._own_public_key()
        known = {one.public_key: one.name for one in self.env["sync.package.signer"].sudo().search([])}
        for one in self:
            key = one.signer_key
            one.signer_fingerprint = package.fingerprint(key) if key else False
            one.signer_name = _("this database") if key and key == own else known.get(key, False)
            one.signer_known = bool(one.signer_name)

    @api.depends("line_ids")
    def _compute_line_count(self):
        for one in self:
            one.line_count = len(one.line_ids)

    @api.depends("state", "requested_by_id")
    @api.depends_context("uid")
    def _compute_can_approve(self):
        for one in self:
            one.can_approve = one.state == "review" and not one._refusal()

    # === Evidence is not written by hand ===#

    @api.model_create_multi
    def create(self, vals_list):
        if not self.env.su:
            raise AccessError(_("Packages are exported or imported, not written by hand."))
        return super().create(vals_list)

    def write(self, vals):
        if not self.env.su and (named := EVIDENCE & vals.keys()):
            raise AccessError(_("What a package says and who approved it is not written by hand (%s).",
                                ", ".join(sorted(named))))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_only_rejected(self):
        if any(one.state == "applied" for one in self):
            raise UserError(_("Applied packages are kept: they say who changed the configuration."))

    def _assert_manager(self):
        if not self.env.su and not self.env.user.has_group(MANAGER):
            raise AccessError(_("Configuration packages are the business of integration managers."))

    # === Import ===#

    @api.model
    def import_configuration(self, data, name="", note=""):
        """Read a package and say what it would change; nothing is changed yet.

        :param data: base64 of the file.
        :return: the id of the package; the same one while it waits.
        :raises AccessError: for who is no integration manager.
        :raises UserError: it is no package, or was altered.
        """
        self._assert_manager()
        try:
            opened = package.open_sealed(base64.b64decode(data))
        except (PackageError, ValueError) as error:
            raise UserError(_("%(file)s cannot be used: %(why)s.", file=name or _("The file"), why=error)) from None
        self._assert_shape(opened.content)
        waiting = self.sudo().search(
            [("checksum", "=", opened.checksum), ("state", "in", WAITING), ("company_id", "=", self.env.company.id)]
        )
        if not waiting:
            waiting = self.sudo().create(
                {
                    "name": name or _("Package %s", opened.checksum[:8]),
                    "direction": "import",
                    "state": "blocked",
                    "company_id": self.env.company.id,
                    "note": note or opened.content.get("note"),
                    "file": data,
                    "file_name": name,
                    "checksum": opened.checksum,
                    "signer_key": opened.public_key,
                    "content": opened.content,
                    "requested_by_id": self.env.uid,
                    "connection_ids": [
                        fields.Command.create({**one, "connection_id": self._likely(one).id})
                        for one in opened.content["connections"]
                    ],
                }
            )
        waiting._check()
        return waiting.id

    def _assert_shape(self, content):
        """Refuse a well-signed package whose parts are not what they should be."""
        connections, records = content.get("connections"), content["records"]
        if not isinstance(connections, list) or not all(
            isinstance(one, dict) and one.keys() == {"key", "provider", "name"} for one in connections
        ) or not all(
            isinstance(one, dict) and one.keys() == {"kind", "connection", "key", "name", "values"}
            and isinstance(one["values"], dict) for one in records
        ):
            raise UserError(_("The package is damaged or was made by a suite of another age."))

    def _likely(self, wanted):
        """Return the connection here that most likely plays the part of one of the package."""
        same = self.env["sync.connection"].search(
            [("provider", "=", wanted["provider"]), ("company_id", "=", self.env.company.id)]
        )
        return same.filtered(lambda one: one.name == wanted["name"])[:1] or (same if len(same) == 1 else same[:0])

    # === Check ===#

    def action_check(self):
        """Compute anew what waiting packages would change."""
        self.check_access("write")
        self.sudo().filtered(lambda one: one.state in WAITING)._check()

    def _check(self):
        """Compute differences and what is missing; nothing else is touched."""
        for one in self.sudo():
            plan, problems = one._plan()
            one.line_ids.unlink()
            one.write(
                {
                    "line_ids": [
                        fields.Command.create({"sequence": number, **one._line(difference)})
                        for number, difference in enumerate(plan)
                    ],
                    "problems": "\n".join(problems),
                    "plan_digest": one._digest(plan),
                    "checked_at": fields.Datetime.now(),
                    "state": "blocked" if problems else "review",
                }
            )

    def _plan(self):
        """Return ([`Difference`], [what is missing, as a sentence])."""
        Content = self._content()
        kinds = Content._kinds()
        plan = []
        problems = [
            _("Choose which connection here is “%s”.", one.name) for one in self.connection_ids if not one.connection_id
        ]
        for record in self._ordered():
            place = self._place(record)
            if record["kind"] not in kinds:
                problems.append(
                    _("%(name)s: “%(kind)s” is not installed here.", name=record["name"], kind=record["kind"])
                )
            elif place is not None:
                current = Content._current(record, place)
                after = Content._after(record, current)
                present = Content._record(record["kind"], current, "")["values"] if current else None
                if present:
                    # What an older suite could not say of a record stays as it is.
                    present = {name: value for name, value in present.items() if name in after}
                plan += package.differences({**record, "values": after}, present)
                problems += Content._problems(record, place)
        return plan, problems

    def _content(self):
        """Return the content model, which knows the connections here by the package's names."""
        keys = {one.connection_id.id: one.key for one in self.sudo().connection_ids if one.connection_id}
        Content = self.env["sync.package.content"].sudo().with_company(self.company_id)
        return Content.with_context(package_keys=keys)

    def _ordered(self):
        """Return the records of the package in the order in which they are applied."""
        order = list(self.env["sync.package.content"]._kinds())
        return sorted(
            self.content["records"],
            key=lambda one: order.index(one["kind"]) if one["kind"] in order else len(order),
        )

    def _place(self, record):
        """Return where a record belongs here, None while that is not known."""
        connection = self.connection_ids.filtered(lambda one: one.key == record["connection"]).connection_id
        if record["connection"] and not connection:
            return None
        coming = {
            ("sync.value.map", one["key"])
            for one in self.content["records"]
            if one["kind"] == "value_map" and one["connection"] == record["connection"]
        }
        known = {one.key: one.connection_id for one in self.connection_ids}
        return {"company": self.company_id, "connection": connection, "connections": known, "coming": coming}

    def _line(self, difference):
        return {
            "kind": difference.kind,
            "name": difference.name,
            "operation": difference.operation,
            "path": self.env["sync.package.content"]._path_text(difference.kind, difference.path),
            "before": difference.before,
            "after": difference.after,
        }

    def _digest(self, plan):
        """Return what tells this plan, and where it goes, from any other, in every language."""
        targets = {one.key: one.connection_id.id for one in self.connection_ids}
        return package.digest([targets, [list(astuple(one)) for one in plan]])

    # === Decide ===#

    def _refusal(self):
        """Return why the user may not approve this package, or an empty text."""
        self.ensure_one()
        if not any(self.env.user.has_group(group) for group in APPROVERS):
            return _("Packages are approved by integration managers and finance approvers.")
        if self.sudo().requested_by_id == self.env.user:
            return _("You brought %s yourself: somebody else has to approve it.", self.name)
        if not self.sudo().signer_known:
            return _(
                "%(name)s is signed with the key %(key)s, which nobody here trusts yet. Compare it with what "
                "the other environment shows, then trust it.",
                name=self.name,
                key=self.signer_fingerprint,
            )
        return ""

    def action_approve(self):
        """Approve packages and apply each as a whole, or nothing of it.

        Where the settings have changed since the differences were shown, they are
        computed anew instead, and nothing is applied.

        :raises UserError: for who brought it, or as long as something is missing.
        """
        self.check_access("read")
        stale = self.browse()
        for one in self:
            if one.state != "review":
                raise one._not_waiting()
            if refusal := one._refusal():
                raise UserError(refusal)
            # Nobody else decides about it, or about another package, at the same time.
            self.env.cr.execute("SELECT id FROM sync_package WHERE state IN ('review', 'blocked') FOR UPDATE")
            one.invalidate_recordset(["state", "plan_digest"])
            plan, problems = one.sudo()._plan()
            if one.state != "review" or problems or one.sudo()._digest(plan) != one.sudo().plan_digest:
                one._check()
                stale |= one
                continue
            one._apply()
        if stale:
            return self._notify_stale(stale)
        return True

    def _notify_stale(self, stale):
        message = _(
            "The configuration has changed since the differences were computed. Nothing of %s was applied; "
            "look at the new differences, then approve again.",
            ", ".join(stale.mapped("name")),
        )
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {"type": "warning", "sticky": True, "message": message,
                       "next": {"type": "ir.actions.client", "tag": "soft_reload"}},
        }

    def _apply(self):
        """Apply a checked package in this transaction."""
        one = self.sudo().with_company(self.company_id)
        Content = self._content()
        note = _("From the package %(name)s (%(checksum)s).", name=one.name, checksum=one.checksum[:12])
        replaced = []
        for record in one._ordered():
            place = one._place(record)
            before = Content._as_it_is(record, place)
            applied = Content._apply(record, place, one.requested_by_id, note)
            replaced.append(before or Content._withdrawn(record, applied))
        one.write(
            {
                "state": "applied",
                "approved_by_id": self.env.uid,
                "applied_at": fields.Datetime.now(),
                "replaced_id": one._keep_replaced(list(filter(None, replaced))).id,
            }
        )
        one.env["sync.flow"]._outbox_changed()
        one.env["sync.flow"]._ensure_polls()

    def action_reject(self):
        """Refuse packages; they are kept, and nothing was changed."""
        if not any(self.env.user.has_group(group) for group in APPROVERS):
            raise AccessError(_("Packages are decided by integration managers and finance approvers."))
        self.check_access("read")
        waiting = self.filtered(lambda one: one.state in WAITING)
        if not waiting:
            raise self[:1]._not_waiting()
        waiting.sudo().write({"state": "rejected"})

    def _not_waiting(self):
        """Return what to tell somebody who comes too late to decide."""
        states = dict(self._fields["state"]._description_selection(self.env))
        return UserError(
            _("%(name)s does not wait for a decision any more. It is: %(state)s (%(who)s).",
              name=self.name, state=states.get(self.state, ""), who=self.sudo().write_uid.name)
        )

    def action_trust(self):
        """Trust the key that this package is signed with, for this and for later ones."""
        self.ensure_one()
        self._assert_manager()
        return {
            "type": "ir.actions.act_window",
            "name": _("Trust This Key"),
            "res_model": "sync.package.signer",
            "view_mode": "form",
            "target": "new",
            "context": {"default_public_key": self.signer_key},
        }

    def action_download(self):
        """Download the file."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_url",
            "url": f"/web/content/{self._name}/{self.id}/file/{self.file_name}?download=true",
            "target": "self",
        }
