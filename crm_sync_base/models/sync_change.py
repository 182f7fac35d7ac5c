import json
from datetime import datetime, timezone

from odoo import api, fields, models


class SyncChange(models.Model):
    """The change ledger: one row for each record changed, field by field."""

    _name = "sync.change"
    _description = "Change"
    _order = "id desc"
    _rec_name = "record_name"

    create_date = fields.Datetime(string="Changed At", readonly=True)
    create_uid = fields.Many2one("res.users", string="Changed By", readonly=True)
    job_id = fields.Many2one("sync.job", readonly=True, ondelete="set null", index=True)
    run_id = fields.Many2one("sync.run", readonly=True, ondelete="set null", index=True)
    flow_id = fields.Many2one("sync.flow", readonly=True, ondelete="set null", index=True)
    mapping_id = fields.Many2one("sync.mapping", readonly=True, ondelete="set null")
    connection_id = fields.Many2one("sync.connection", readonly=True, ondelete="set null", index=True)
    company_id = fields.Many2one("res.company", readonly=True, index=True)
    direction = fields.Selection(
        [("inbound", "Into Odoo"), ("outbound", "Out of Odoo")], readonly=True, required=True
    )
    operation = fields.Selection(
        [("create", "Created"), ("update", "Updated")], readonly=True, required=True
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
    values = fields.Json(readonly=True, help="{field: [before, after]}")
    diff = fields.Json(
        string="Fields", compute="_compute_summary", help="[{field, label, before, after}] for people."
    )
    summary = fields.Text(compute="_compute_summary")
    correlation_id = fields.Char(readonly=True, index=True)

    _record = models.Index("(model, res_id)")

    @api.depends("values", "model")
    def _compute_summary(self):
        for change in self:
            model = self.env.get(change.model) if change.direction == "inbound" else None
            change.diff = [
                {
                    "field": name,
                    "label": self._field_label(model, name),
                    "before": _show(before),
                    "after": _show(after),
                }
                for name, (before, after) in (change.values or {}).items()
            ]
            change.summary = "\n".join(
                f"{row['label']}: {row['before']} → {row['after']}" for row in change.diff or ()
            )

    def _field_label(self, model, name):
        """Return what people call a field; a remote one keeps the provider's name."""
        field = model._fields.get(name) if model is not None else None
        return field._description_string(self.env) if field else name

    @api.model
    def _record_many(self, rows):
        """Insert change rows in one statement.

        :param rows: dictionaries of column values; `job` is the job record, whose
            flow, connection, company, run, mapping and correlation they take over.
        """
        if not rows:
            return
        now = datetime.now(timezone.utc).replace(tzinfo=None)
        columns = (
            "job_id, run_id, flow_id, mapping_id, connection_id, company_id, direction, operation, "
            "verdict, model, res_id, record_name, remote_object, external_id, values, "
            "correlation_id, create_uid, create_date"
        )
        self.env.cr.execute_values(
            f"INSERT INTO sync_change ({columns}) VALUES %s",  # pylint: disable=sql-injection
            [self._row(row, now) for row in rows],
            page_size=1000,
        )

    def _row(self, row, now):
        job = row["job"]
        flow = row.get("flow") or job.flow_id
        return (
            job.id,
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
            job.correlation_id,
            self.env.uid,
            now,
        )

    def action_open_record(self):
        """Open the changed record."""
        self.ensure_one()
        if not self.res_id:
            return False
        return {
            "type": "ir.actions.act_window",
            "res_model": self.model,
            "res_id": self.res_id,
            "view_mode": "form",
        }

    def action_open_trace(self):
        """Open the whole story that this change belongs to."""
        self.ensure_one()
        return self.env["sync.trace"]._action(self.correlation_id)


def _show(value):
    if value in (None, False, "", []):
        return "∅"
    return str(value)
