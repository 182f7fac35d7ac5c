from odoo import SUPERUSER_ID, _, api, fields, models
from odoo.exceptions import AccessError, RedirectWarning, UserError

from ..lib.remedy import CHOOSE, CREATE, IDENTIFY, KINDS, MAP, MAP_OUT, MATCH, OPEN


class SyncExceptionFix(models.Model):
    """One thing that is missing for a cause to be gone, and where to put it right."""

    _name = "sync.exception.fix"
    _description = "Suggested Fix"
    _order = "exception_id, sequence, id"

    exception_id = fields.Many2one(
        "sync.exception", required=True, ondelete="cascade", index=True
    )
    company_id = fields.Many2one(related="exception_id.company_id", store=True, index=True)
    sequence = fields.Integer()
    kind = fields.Selection("_selection_kind", required=True, readonly=True)
    label = fields.Char(string="Where", readonly=True)
    model = fields.Char(readonly=True)
    field = fields.Char(readonly=True)
    value = fields.Char(readonly=True)
    map_id = fields.Many2one("sync.value.map", readonly=True, ondelete="cascade")
    res_id = fields.Many2oneReference(string="Record", model_field="model", readonly=True)
    name = fields.Char(string="What Is Missing", compute="_compute_name")
    is_done = fields.Boolean(string="Done", compute="_compute_is_done")
    status = fields.Selection(
        [("missing", "Missing"), ("done", "Done")], compute="_compute_is_done"
    )

    @api.model
    def _selection_kind(self):
        return [(kind, kind) for kind in KINDS]

    @api.depends("kind", "label", "model", "field", "value", "map_id", "res_id")
    def _compute_name(self):
        for fix in self:
            fix.name = fix._sentence()

    def _sentence(self):
        """Return what is missing, in words."""
        what = {
            "label": self.label or self._model_name(),
            "value": self.value,
            "model": self._model_name(),
            "record": self._record_name(),
        }
        if self.kind == MAP:
            return _("%(label)s: say what “%(value)s” is in Odoo", **what)
        if self.kind == MAP_OUT:
            what["record"] = what["record"] or what["model"]  # its name is not for everybody
            return _("%(label)s: say what “%(record)s” is called at the other end", **what)
        if self.kind == IDENTIFY:
            return _("%(label)s: choose or create the %(model)s “%(value)s”", **what)
        if self.kind == CHOOSE:
            return _("%(label)s: several records are “%(value)s”; leave one", **what)
        if self.kind == MATCH:
            return _("%(label)s: say which Odoo records these are", **what)
        if self.kind == CREATE:
            return _("Create a %(model)s for %(label)s", **what)
        return _("Correct %(model)s %(record)s", **what)

    def _model_name(self):
        return self.env[self.model]._description if self.model in self.env else ""

    def _record_name(self):
        if self.kind == MAP_OUT and not self.res_id:
            return self.value
        if not self.res_id or self.model not in self.env:
            return ""
        record = self.env[self.model].browse(self.res_id).exists()
        return record.display_name if record and record.has_access("read") else ""

    # === Done? ===#

    def _compute_is_done(self):
        for fix in self:
            fix.is_done = fix._check_done()
            fix.status = "done" if fix.is_done else "missing"

    def _check_done(self):
        """Return whether what was missing is there now, as far as that can be seen."""
        self.ensure_one()
        if self.kind in (MAP, MAP_OUT):
            return bool(self._map_line())
        if self.model not in self.env:
            return False
        if self.kind == MATCH:
            return not self._undecided()
        Model = self.env[self.model].sudo()
        if self.kind == OPEN:
            record = Model.browse(self.res_id).exists()
            return not record or bool(Model._active_name and record[Model._active_name])
        if self.field not in Model._fields:
            return False
        count = Model.search_count([(self.field, "=", self._stored_value())], limit=2)
        return count == 1 if self.kind == CHOOSE else bool(count)

    def _undecided(self):
        """Return how many matches of the flow wait for a person."""
        return self.env["sync.match"].sudo().search_count([("flow_id", "=", self.res_id), ("state", "=", "open")])

    def _map_line(self):
        """Return the line of the value map that this is about."""
        lines = self.map_id.sudo().line_ids
        if self.kind == MAP:
            return lines.filtered(lambda line: line.remote_value == self.value)[:1]
        local = self.res_id or self.value
        return lines.filtered(lambda line: str(line._local_value()) == str(local))[:1]

    # === Do ===#

    def action_fix(self):
        """Go where this one thing is put right.

        :raises RedirectWarning: with the people who may, when the reader may not.
        """
        self.ensure_one()
        if self.kind in (MAP, MAP_OUT, IDENTIFY):
            return self.env["sync.exception.fix.wizard"]._action(self.exception_id)
        if self.model not in self.env:
            raise UserError(_("What this is about is no longer installed."))
        if self.kind == MATCH:
            return self.env["sync.flow"].browse(self.res_id).action_open_matches()
        self._check_may()
        if self.kind == CHOOSE:
            return {
                "type": "ir.actions.act_window",
                "name": self.name,
                "res_model": self.model,
                "view_mode": "list,form",
                "views": [(False, "list"), (False, "form")],
                "domain": [(self.field, "=", self.value)],
            }
        if self.kind == CREATE:
            return self._action_form(context={f"default_{self.field}": self._stored_value()})
        return self._action_form(res_id=self.res_id)

    def _stored_value(self):
        """Return the value as the field stores it: a record by its id."""
        field = self.env[self.model]._fields.get(self.field)
        return int(self.value) if field is not None and field.relational else self.value

    def _action_form(self, res_id=False, context=None):
        return {
            "type": "ir.actions.act_window",
            "name": self.name,
            "res_model": self.model,
            "res_id": res_id,
            "view_mode": "form",
            "views": [(False, "form")],
            "context": context or {},
        }

    def _choice_domain(self):
        """Return which records may be chosen; modules that know better narrow it.

        A record that the source knows by another value is none of them: see `_identify`.
        """
        self.ensure_one()
        return [(self.field, "in", (False, self.value))] if self.kind == IDENTIFY else []

    def _choice_defaults(self):
        """Return the context with which a missing record is created."""
        self.ensure_one()
        defaults = {f"default_{self.field}": self.value} if self.field else {}
        if self.model in self.env and self.env[self.model]._rec_name:
            defaults.setdefault(f"default_{self.env[self.model]._rec_name}", self.value)
        return defaults

    # === Who may ===#

    def _may_choose(self):
        """Return whether the reader may say which record it is.

        A value map takes any record; for `IDENTIFY` the record itself is written.
        """
        self.ensure_one()
        return self.kind != IDENTIFY or self.env[self.model].has_access("write")

    def _check_may(self):
        """Refuse to open what the reader could only look at, where others may do more."""
        Model = self.env[self.model]
        people = self._who_may()
        if Model.has_access("create" if self.kind == CREATE else "write") or not people:
            return
        action = self.exception_id.action_open_assign()
        action["context"]["default_user_id"] = people[:1].id
        raise RedirectWarning(
            _(
                "%(fix)s: you have no right to do that. These people have: %(people)s.",
                fix=self.name,
                people=", ".join(people.mapped("name")),
            ),
            action,
            _("Assign It to One of Them"),
        )

    def _who_may(self):
        """Return the people of the exception desk who may create and change such records."""
        self.ensure_one()
        rights = self.env["ir.model.access"].sudo().search(
            [("model_id.model", "=", self.model), ("perm_write", "=", True)]
        )
        desk = self.env.ref("crm_sync_base.group_sync_operator").sudo().all_user_ids
        company = self.company_id
        return (rights.group_id.all_user_ids & desk).filtered(
            lambda user: user.active and user.id != SUPERUSER_ID and (not company or company in user.company_ids)
        ).sorted("name")

    def _map(self, remote_value, record=False, value=False):
        """Add the line that the value map lacks; somebody else's line is left alone.

        :param record: "model,id" of the counterpart, or `value` when it is a plain one.
        :raises UserError: when the remote value stands for something else already.
        """
        self.ensure_one()
        if self._map_line():
            return
        remote_value = (remote_value or "").strip()
        taken = self.map_id.line_ids.filtered(lambda line: line.remote_value == remote_value)
        if taken:
            local = taken.record_ref.display_name if taken.record_ref else taken.odoo_value
            raise UserError(
                _(
                    "In %(map)s, “%(value)s” stands for %(local)s already. Enter another value, or change the value "
                    "map first.",
                    map=self.map_id.name,
                    value=remote_value,
                    local=local,
                )
            )
        self.env["sync.value.map.line"].create(
            {
                "map_id": self.map_id.id,
                "remote_value": remote_value,
                "record_ref": record,
                "odoo_value": False if record else value,
            }
        )

    def _identify(self, record):
        """Give a record the value by which the source knows it.

        :raises UserError: when it is known by another one; that must not be lost silently.
        """
        self.ensure_one()
        known = record[self.field]
        if known and str(known) != self.value:
            raise UserError(
                _(
                    "%(record)s is known as “%(known)s” already. Change that on the record itself "
                    "if “%(value)s” is right, or choose another record.",
                    record=record.display_name,
                    known=known,
                    value=self.value,
                )
            )
        if not known:
            record[self.field] = self.value
            if str(record[self.field]) != self.value:
                raise AccessError(_("You may not change %s.", record.display_name))
