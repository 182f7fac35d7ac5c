import json
from datetime import datetime, timezone

from odoo import _, api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from ..lib import lines
from ..lib.masking import MASK, is_sensitive
from .loose_field import LooseMany2one

LINKS = ("many2one", "many2many", "one2many")
NOTHING = "∅"  # how an empty value is shown
IN_DIGEST = 12  # fields that are shown on one line

# Whether the rows of some lines have a field, see `lib.lines`.
_IN_LINES = '$.*[*][*].values.keyvalue() ? (@.key == $names[*])'


class SyncChange(models.Model):
    """The change ledger: one row for each record changed, field by field.

    Links are loose, because a row is never altered: not even when what it names is deleted.
    """

    _name = "sync.change"
    _inherit = ["sync.story.mixin"]
    _description = "Change"
    _order = "id desc"
    _rec_name = "record_name"

    create_date = fields.Datetime(string="Changed At", readonly=True)
    create_uid = fields.Many2one("res.users", string="Written By", readonly=True, ondelete="restrict")
    user_id = fields.Many2one(
        "res.users", string="Person", readonly=True, ondelete="restrict",
        help="Whose action led to it; the system's own user where nobody's did.",
    )
    job_id = LooseMany2one("sync.job", readonly=True, index=True)
    run_id = LooseMany2one("sync.run", readonly=True, index=True)
    flow_id = LooseMany2one("sync.flow", readonly=True, index=True)
    mapping_id = LooseMany2one("sync.mapping", readonly=True)
    connection_id = LooseMany2one("sync.connection", readonly=True, index=True)
    proposal_id = LooseMany2one("sync.proposal", string="Approved As", readonly=True, index="btree_not_null")
    reverts_id = LooseMany2one("sync.change", string="Takes Back", readonly=True, index="btree_not_null")
    company_id = fields.Many2one("res.company", readonly=True, index=True, ondelete="restrict")
    direction = fields.Selection(
        [("inbound", "Into Odoo"), ("outbound", "Out of Odoo")], readonly=True, required=True
    )
    operation = fields.Selection(
        [
            ("create", "Created"),
            ("update", "Updated"),
            ("withdraw", "Taken Back"),  # archived or cancelled: its creation was undone
            ("restore", "Brought Back"),
        ],
        readonly=True,
        required=True,
    )
    verdict = fields.Selection(
        [("planned", "Planned"), ("applied", "Applied")],
        readonly=True,
        required=True,
        index=True,
    )
    model = fields.Char(readonly=True)
    res_id = fields.Many2oneReference(string="Record", model_field="model", readonly=True)
    record_name = fields.Char(readonly=True)
    remote_object = fields.Char(readonly=True)
    external_id = fields.Char(readonly=True, index=True)
    values = fields.Json(
        readonly=True, groups="base.group_system", help="{field: [before, after]}, as they are."
    )
    diff = fields.Json(
        string="Fields", compute="_compute_summary", help="[{field, label, before, after}] for people."
    )
    summary = fields.Text(compute="_compute_summary", help="A line for each field.")
    digest = fields.Char(compute="_compute_summary", help="All fields on one line, for lists.")
    field_name = fields.Char(
        string="Field", compute="_compute_field_name", search="_search_field_name",
        help="Names of the changed fields, to search by: Odoo's label or name, or the provider's name.",
    )
    correlation_id = fields.Char(readonly=True, index=True)

    _record = models.Index("(model, res_id)")

    # === For people ===#

    @api.depends("values", "model", "res_id")
    @api.depends_context("uid", "lang", "allowed_company_ids")
    def _compute_summary(self):
        """Records by their names, choices by their labels.

        Who may not see a record sees its personal data masked.
        """
        readable = self._readable()
        names = self._names_of_linked()
        for change in self:
            masked = change not in readable
            change.diff = [
                row
                for name, pair in (change.sudo().values or {}).items()
                for row in change._diff_rows(name, pair, names, masked)
            ]
            change.summary = "\n".join(
                f"{row['label']}: {row['before']} → {row['after']}" for row in change.diff or ()
            )
            change.digest = " · ".join(change._shorts())

    @api.depends("values")
    def _compute_field_name(self):
        for change in self:
            change.field_name = ", ".join(change.sudo().values or {})

    @api.model
    def _search_field_name(self, operator, value):
        """Find changes by what they changed, lines included: a field's technical name, or its label in Odoo."""
        if operator not in ("=", "ilike", "in"):
            return NotImplemented
        wanted = [value] if isinstance(value, str) else list(value)
        labels = Domain.OR(Domain("field_description", "ilike", text) for text in wanted)
        named = self.env["ir.model.fields"].sudo().search_fetch(labels, ["name"]).mapped("name")
        names = [*wanted, *set(named)]
        return Domain.custom(
            to_sql=lambda model, alias, query: SQL(
                "(jsonb_exists_any(%(values)s, %(names)s) OR jsonb_path_exists(%(values)s, %(path)s, %(vars)s, true))",
                values=SQL.identifier(alias, "values"), names=names, path=_IN_LINES,
                vars=json.dumps({"names": names}),
            )
        )

    def _field(self, name):
        """Return the Odoo field of a name, or None; outbound names are the provider's."""
        model = self.env.get(self.model) if self.direction == "inbound" else None
        return model._fields.get(name) if model is not None else None

    def _field_label(self, name):
        field = self._field(name)
        return field._description_string(self.env) if field else name

    def _diff_rows(self, name, pair, names, masked):
        """Return the rows of the diff that one value of the ledger makes."""
        if lines.is_pair(pair):
            return self._line_rows(name, pair, names, masked)
        row = {"field": name, "label": self._field_label(name)}
        return [row | self._shown(name, pair, names, masked, self._field(name))]

    def _shorts(self):
        """Return the texts of a digest; of very many the first."""
        rows = self.diff or ()
        texts = [self._short(row) for row in rows[:IN_DIGEST]]
        return [*texts, _("%s more", len(rows) - IN_DIGEST)] if len(rows) > IN_DIGEST else texts

    @staticmethod
    def _short(row):
        """Return one field of a digest; what was empty before goes without saying."""
        before = "" if row["before"] == NOTHING else f"{row['before']} → "
        return f"{row['label']}: {before}{row['after']}"

    def _shown(self, name, pair, names, masked, field):
        """Return `{"before", "after"}` as texts."""
        if masked and is_sensitive(name):
            shown = [MASK if value else NOTHING for value in pair]
        else:
            shown = [self._show(field, value, names) for value in pair]
        return dict(zip(("before", "after"), shown, strict=True))

    def _show(self, field, value, names):
        if value is None or value is False or value in ("", []):
            return NOTHING
        if field is None:
            return str(value)
        if field.type in LINKS:
            ids = value if isinstance(value, list) else [value]
            known = [names.get((field.comodel_name, one)) if type(one) is int else None for one in ids]
            return ", ".join(name or str(one) for name, one in zip(known, ids, strict=True))
        if field.type == "selection":
            return str(dict(field._description_selection(self.env)).get(value, value))
        return _("Yes") if value is True else str(value)

    def _names_of_linked(self):
        """Return `{(model, id): name}` of the records in the values, one query a model."""
        wanted = {}
        for change in self:
            for field, value in change._told_values():
                if field is not None and field.type in LINKS:
                    flat = value if isinstance(value, list) else [value]
                    wanted.setdefault(field.comodel_name, set()).update(
                        one for one in flat if type(one) is int
                    )
        return {
            (model, record.id): record.display_name
            for model, ids in wanted.items()
            for record in self.env[model].browse(ids).exists()._filtered_access("read")
        }

    def _told_values(self):
        """Yield (Odoo field or None, value) of everything that a change tells."""
        for name, pair in (self.sudo().values or {}).items():
            if lines.is_pair(pair):
                yield from self._line_values(name, pair)
            else:
                for value in pair:
                    yield self._field(name), value

    def _readable(self):
        """Return the changes whose record the reader may see (or may see, once it is created)."""
        readable = self.browse()
        for name, changes in self.grouped("model").items():
            if name in self.env and self.env[name].has_access("read"):
                records = self.env[name].browse(filter(None, changes.mapped("res_id")))
                visible = set(records.exists()._filtered_access("read").ids)
                readable += changes.filtered(
                    lambda change, visible=visible: not change.res_id or change.res_id in visible
                )
        return readable

    # === Actions ===#

    def action_open_export(self):
        """Ask how the selected changes are to be exported."""
        return self.env["sync.change.export.wizard"]._action_for_selection()

    @api.model
    def action_verify(self):
        """Verify that all applied changes are as they were recorded."""
        return self.env["sync.seal.check"].action_verify()

    # === Engine ===#

    @api.model
    def _record_many(self, rows):
        """Insert change rows in one statement.

        :param rows: dictionaries of column values; `job` is the job record, whose
            flow, connection, company, run, mapping and correlation they take over;
            `user_id` is whose action it was, when that is not who asked for the job;
            `reverts_id` is the change that is taken back.
        """
        if not rows:
            return
        now = datetime.now(timezone.utc).replace(tzinfo=None)
        columns = (
            "job_id, run_id, flow_id, mapping_id, connection_id, company_id, direction, operation, "
            "verdict, model, res_id, record_name, remote_object, external_id, values, "
            "correlation_id, reverts_id, user_id, create_uid, create_date, proposal_id"
        )
        inserted = self.env.cr.execute_values(
            # pylint: disable=sql-injection
            f"INSERT INTO sync_change ({columns}) VALUES %s RETURNING id, verdict",
            [self._row(row, now) for row in rows],
            page_size=1000,
            fetch=True,
        )
        applied = [change_id for change_id, verdict in inserted if verdict == "applied"]
        if applied:
            self.env["sync.seal.note"]._note(applied)

    def _row(self, row, now):
        job = row["job"]
        flow = row.get("flow") or job.flow_id
        return (
            job.id or None,
            job.run_id.id or None,
            flow.id,
            row.get("mapping_id") or None,
            flow.connection_id.id,
            flow.company_id.id,
            row["direction"],
            row["operation"],
            row.get("verdict", "applied"),
            row["model"],
            row.get("res_id") or None,
            row.get("record_name"),
            row.get("remote_object"),
            row.get("external_id"),
            json.dumps(row["values"], default=str),
            job.correlation_id or None,
            row.get("reverts_id") or None,
            row.get("user_id") or job.create_uid.id or self.env.uid,
            self.env.uid,
            now,
            row.get("proposal_id") or None,
        )
