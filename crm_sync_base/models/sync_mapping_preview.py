import logging
from decimal import Decimal

from odoo import _, api, fields, models, modules
from odoo.exceptions import LockError, UserError

from ..lib import impact
from ..lib.errors import SyncError
from ..lib.trouble import DATABASE_TROUBLE

_logger = logging.getLogger(__name__)

BATCH = 50  # records that are read and planned together
MOST = 10_000  # records of one preview
KEPT_DAYS = 30
LOOK_SECONDS = 5


def _jsonable(value):
    """Return a planned value as JSON can carry it."""
    if isinstance(value, (tuple, list)):
        return [_jsonable(item) for item in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


class SyncMappingPreview(models.Model):
    """What a mapping version would change, tried on real records; nothing is written.

    A scheduled action reads the records as they are now and plans each with the active
    version and with the other one, by the code that live work runs; see
    `sync.handler._impact_effects`. It has values of records in it and is therefore purged.
    """

    _name = "sync.mapping.preview"
    _description = "Mapping Preview"
    _order = "id desc"

    mapping_id = fields.Many2one("sync.mapping", string="Version", required=True, ondelete="cascade", index=True)
    baseline_id = fields.Many2one("sync.mapping", string="Compared With", readonly=True, ondelete="set null")
    flow_id = fields.Many2one(related="mapping_id.flow_id", store=True, index=True)
    company_id = fields.Many2one(related="flow_id.company_id", store=True, index=True)
    direction = fields.Selection(related="flow_id.direction")
    state = fields.Selection(
        [("draft", "New"), ("running", "Running"), ("done", "Done"), ("failed", "Failed"), ("cancelled", "Cancelled")],
        default="draft",
        required=True,
        readonly=True,
        index=True,
    )
    selection = fields.Selection(
        [
            ("recent", "The most recent records"),
            ("first", "The first records at the source"),
            ("ids", "These records"),
        ],
        string="Try On",
        default="recent",
        required=True,
    )
    limit = fields.Integer(string="Records", default=200)
    wanted_ids = fields.Text(
        string="Ids", help="Ids at the source (outbound: in Odoo), one a line or separated by commas."
    )
    waiting_ids = fields.Json(readonly=True)
    record_count = fields.Integer(string="Chosen", readonly=True)
    done_count = fields.Integer(string="Tried", readonly=True)
    progress = fields.Float(compute="_compute_progress")
    content_print = fields.Char(readonly=True)
    is_outdated = fields.Boolean(compute="_compute_is_outdated")
    message = fields.Char(readonly=True)
    started_at = fields.Datetime(readonly=True)
    done_at = fields.Datetime(readonly=True)
    line_ids = fields.One2many("sync.mapping.preview.line", "preview_id", readonly=True)
    same_count = fields.Integer(compute="_compute_counts")
    different_count = fields.Integer(compute="_compute_counts")
    blocked_count = fields.Integer(compute="_compute_counts")
    released_count = fields.Integer(compute="_compute_counts")
    field_counts = fields.Text(
        string="Fields", compute="_compute_counts", help="How many records differ in which field."
    )

    _limit_sensible = models.Constraint(
        f'CHECK ("limit" BETWEEN 1 AND {MOST})', f"A preview tries between 1 and {MOST} records."
    )

    @api.depends("mapping_id")
    def _compute_display_name(self):
        for preview in self:
            preview.display_name = _("Preview of %s", preview.mapping_id.display_name)

    @api.depends("record_count", "done_count")
    def _compute_progress(self):
        for preview in self:
            preview.progress = 100.0 * preview.done_count / (preview.record_count or 1)

    @api.depends("content_print", "mapping_id.content_print")
    def _compute_is_outdated(self):
        """Whether the version was changed since, so that the figures speak of another one."""
        for preview in self:
            preview.is_outdated = bool(
                preview.content_print and preview.content_print != preview.mapping_id.content_print
            )

    @api.depends("line_ids.kind")
    def _compute_counts(self):
        groups = self.env["sync.mapping.preview.line"]._read_group(
            [("preview_id", "in", self.ids)], ["preview_id", "kind"], ["__count"]
        )
        counts = {(preview.id, kind): count for preview, kind, count in groups}
        for preview in self:
            for kind in (impact.SAME, impact.DIFFERENT, impact.BLOCKED, impact.RELEASED):
                preview[f"{kind}_count"] = counts.get((preview.id, kind), 0)
            preview.field_counts = preview._count_fields()

    def _count_fields(self):
        """Return a line for each field: how many records differ in it (one query)."""
        self.env.flush_all()
        self.env.cr.execute(
            """
            SELECT name, count(*) FROM sync_mapping_preview_line, jsonb_object_keys("values") AS name
             WHERE preview_id = %s GROUP BY name ORDER BY count(*) DESC, name
            """,
            [self.id or 0],
        )
        rows = self.env.cr.fetchall()
        known = self.env[self.flow_id.model]._fields if self.flow_id.direction == "inbound" else {}
        return "\n".join(
            f"{known[name]._description_string(self.env) if name in known else name}: {count}"
            for name, count in rows
        )

    # === Start ===#

    def action_start(self):
        """Try the version on the chosen records, in the background."""
        self.ensure_one()
        self.check_access("write")
        if self.state == "running":
            raise UserError(_("%s is running already.", self.display_name))
        mapping = self.mapping_id
        if not mapping.rule_ids:
            raise UserError(_("%s has no rules yet.", mapping.display_name))
        self.line_ids.sudo().unlink()
        self.write(
            {
                "state": "running",
                "baseline_id": self.flow_id.mapping_id.id,
                "content_print": mapping._content_print(),
                "waiting_ids": self._chosen(),
                "started_at": fields.Datetime.now(),
                "record_count": 0,
                "done_count": 0,
                "done_at": False,
                "message": False,
            }
        )
        self.env.ref("crm_sync_base.ir_cron_mapping_preview").sudo()._trigger()

    def action_cancel(self):
        """Stop after the records that are under way."""
        self.filtered(lambda preview: preview.state == "running").write(
            {"state": "cancelled", "done_at": fields.Datetime.now()}
        )

    def action_open_lines(self):
        """Open what differs, record by record."""
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_mapping_preview_line")
        return dict(action, domain=[("preview_id", "in", self.ids)])

    def _chosen(self):
        """Return the ids of the records to try, or None when the source must be asked for them.

        :raises UserError: when none is named.
        """
        flow = self.flow_id
        if self.selection == "ids":
            ids = [one.strip() for one in (self.wanted_ids or "").replace(",", "\n").splitlines()]
            ids = list(dict.fromkeys(filter(None, ids)))[:MOST]
            if not ids:
                raise UserError(_("Name the records to try the mapping on."))
            return ids
        if flow.direction == "outbound":
            return self.env[flow.model].sudo().search(flow._odoo_domain(), order="id desc", limit=self.limit).ids
        if self.selection == "first":
            return None
        bindings = self.env["sync.binding"].sudo().search(
            [
                ("connection_id", "=", flow.connection_id.id),
                ("remote_object", "=", flow.remote_object),
                ("model", "=", flow.model),
            ],
            order="synced_at desc, id desc",
            limit=self.limit,
        )
        return bindings.mapped("external_id") or None

    # === Work ===#

    @api.model
    def _cron_preview(self):
        """Try what waits, one batch a transaction; a preview that fails stops no other."""
        while preview := self.search([("state", "=", "running")], order="id", limit=1):
            try:
                preview.lock_for_update(allow_referencing=True)
                with self.env.cr.savepoint():
                    preview._try_batch()
            except (LockError, *DATABASE_TROUBLE):
                self.env["sync.lane"]._rollback()
                self._look_again()  # another worker has it, was faster, or dies with it
                break
            except (SyncError, UserError) as error:
                preview._stop(str(error))
            except Exception as error:
                _logger.exception("Synchronisation: mapping preview %s failed", preview.id)
                preview._stop(_("Stopped by an unexpected %s.", type(error).__name__))
            if not self._commit_batch(preview):
                # Odoo may take it for done, and has forgotten what it was started by.
                self._look_again()
                break

    @api.model
    def _look_again(self):
        """Start the scheduled action of previews in a moment."""
        self.env.ref("crm_sync_base.ir_cron_mapping_preview").sudo()._trigger(
            fields.Datetime.add(fields.Datetime.now(), seconds=LOOK_SECONDS)
        )

    def _commit_batch(self, preview):
        """Commit one batch; return whether there is time for another."""
        if modules.module.current_test:
            self.env.flush_all()
            return True
        left = len(preview.waiting_ids or ()) if preview.state == "running" else 0
        return self.env["ir.cron"]._commit_progress(BATCH, remaining=left) > 0

    def _stop(self, message):
        """End with a message that holds no data of records."""
        self.write({"state": "failed", "message": message, "done_at": fields.Datetime.now()})

    def _try_batch(self):
        """Try the version on the next records."""
        handler = self.flow_id._handler("record")
        if self.waiting_ids is None or self.waiting_ids is False:
            self.waiting_ids = handler._impact_choice(self.flow_id, self.mapping_id, self.limit)
        waiting = self.waiting_ids or []
        self.record_count = self.record_count or len(waiting)
        batch, rest = waiting[:BATCH], waiting[BATCH:]
        if batch:
            self._keep(handler._impact_effects(self.flow_id, self.mapping_id, batch))
        self.write({"waiting_ids": rest, "done_count": self.record_count - len(rest)})
        if not rest:
            self.write({"state": "done", "done_at": fields.Datetime.now()})

    def _keep(self, rows):
        """Store what differs for each record.

        :param rows: `[(external id, name, record id or None, Effect now, Effect then)]`.
        """
        lines = []
        for key, name, res_id, now, then in rows:
            found = impact.compare(now, then)
            lines.append(
                {
                    "preview_id": self.id,
                    "key": key,
                    "record_name": name,
                    "res_id": res_id,
                    "kind": found.kind,
                    "operation": then.operation or False,
                    "values": {field: [_jsonable(value) for value in pair] for field, pair in found.values.items()},
                    "waiting": ",".join(sorted(found.waiting)) or False,
                    "reason": found.reason or False,
                }
            )
        self.env["sync.mapping.preview.line"].create(lines)

    @api.autovacuum
    def _gc_previews(self):
        """Purge old previews: they hold values of records."""
        then = fields.Datetime.subtract(fields.Datetime.now(), days=KEPT_DAYS)
        self.search([("create_date", "<", then)], limit=1000).unlink()
