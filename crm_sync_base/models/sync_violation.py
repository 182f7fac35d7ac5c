import json

from odoo import api, fields, models

from ..lib import clock
from .sync_retention import BATCH


class SyncViolation(models.Model):
    """A system tried to change a field that it does not own, or was overruled after it had.

    One row for each field of a record, however often it happens, with both values of the
    last time: Odoo's and the other system's.
    """

    _name = "sync.violation"
    _inherit = ["sync.story.mixin", "sync.diff.mixin"]
    _description = "Ownership Violation"
    _order = "last_at desc, id desc"
    _rec_name = "record_name"

    flow_id = fields.Many2one("sync.flow", readonly=True, required=True, ondelete="cascade")
    connection_id = fields.Many2one("sync.connection", readonly=True, ondelete="cascade", index=True)
    company_id = fields.Many2one("res.company", readonly=True, index=True)
    model = fields.Char(readonly=True, required=True)
    res_id = fields.Many2oneReference(string="Record", model_field="model", readonly=True, required=True)
    record_name = fields.Char(readonly=True)
    field_name = fields.Char(readonly=True, required=True)
    label = fields.Char(string="Field", readonly=True)
    offender = fields.Selection(
        [("remote", "The other system"), ("odoo", "Odoo")], string="Changed By", readonly=True, required=True
    )
    edited_by = fields.Char(
        string="Person", readonly=True, exportable=False,
        help="Who made the change. In Odoo it is known of fields whose changes Odoo tracks; of "
        "others it is told who changed the record last.",
    )
    outcome = fields.Selection(
        [("kept", "The owner's value was kept"), ("restored", "The owner's value was restored"),
         ("asked", "A person is asked"), ("accepted", "It was accepted: the newer or only value")],
        string="What Happened", readonly=True, required=True,
    )
    count = fields.Integer(string="Times", readonly=True)
    first_at = fields.Datetime(readonly=True)
    last_at = fields.Datetime(readonly=True)
    correlation_id = fields.Char(readonly=True)

    _once = models.UniqueIndex("(flow_id, res_id, field_name, offender, outcome)", "It is noted already.")
    _of_field = models.Index("(model, field_name)")

    @api.model
    def _note_many(self, rows):
        """Note violations of a batch (one query).

        :param rows: dictionaries with flow, res_id, record_name, field_name, label,
            offender, outcome, values (`{field: [Odoo's, the other system's]}`), edited_by and
            correlation_id.
        """
        if not rows:
            return
        now = clock.now()
        self.env.cr.execute_values(
            """
            INSERT INTO sync_violation AS v (flow_id, connection_id, company_id, model, res_id, record_name,
                   field_name, label, offender, outcome, values, edited_by, count, first_at, last_at,
                   correlation_id)
            VALUES %s
            ON CONFLICT (flow_id, res_id, field_name, offender, outcome)
            DO UPDATE SET count = v.count + 1, last_at = EXCLUDED.last_at, correlation_id = EXCLUDED.correlation_id,
                          values = EXCLUDED.values, edited_by = EXCLUDED.edited_by
            """,
            [
                (row["flow"].id, row["flow"].connection_id.id, row["flow"].company_id.id, row["flow"].model,
                 row["res_id"], row["record_name"], row["field_name"], row["label"], row["offender"],
                 row["outcome"], json.dumps(row["values"], default=str), row["edited_by"] or None, 1, now, now,
                 row["correlation_id"])
                # By one order, so that two batches wait for each other in one direction only.
                for row in sorted(rows, key=lambda row: (row["flow"].id, row["res_id"], row["field_name"]))
            ],
            page_size=1000,
        )
        self.invalidate_model(flush=False)

    @api.autovacuum
    def _gc_violations(self):
        """Forget what has not happened again for as long as jobs are kept.

        :return: (how many, whether there are more).
        """
        old = self.search([("last_at", "<", self.env["sync.retention"]._cutoff("keep_jobs_days"))], limit=BATCH)
        gone = len(old)
        old.unlink()
        return gone, gone == BATCH
