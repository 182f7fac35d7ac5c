import json
from datetime import datetime
from typing import NamedTuple

from odoo import _, api, fields, models

from ..lib.errors import Transient


class Bound(NamedTuple):
    """What planning must know of a binding, as plain values."""

    id: int
    external_id: str
    res_id: int
    version: str | None
    fingerprint_in: str | None
    synced_at: datetime | None
    agreed: dict[str, list[str]] | None


class SyncBinding(models.Model):
    """Cross-reference of one remote record and one Odoo record."""

    _name = "sync.binding"
    _inherit = ["sync.story.mixin"]
    _description = "Binding"
    _order = "id desc"
    _rec_name = "external_id"

    connection_id = fields.Many2one("sync.connection", required=True, ondelete="cascade", readonly=True)
    company_id = fields.Many2one(related="connection_id.company_id", store=True, index=True)
    provider = fields.Selection(related="connection_id.provider")
    remote_object = fields.Char(required=True, readonly=True)
    external_id = fields.Char(required=True, readonly=True)
    model = fields.Char(required=True, readonly=True)
    res_id = fields.Many2oneReference(string="Record", model_field="model", required=True, readonly=True)
    record_name = fields.Char(compute="_compute_record_name")
    version = fields.Char(string="Remote Version", readonly=True)
    fingerprint_in = fields.Char(readonly=True, help="Of what was last applied to Odoo.")
    fingerprint_out = fields.Char(readonly=True, help="Of what was last written to the provider.")
    correlation_id = fields.Char(readonly=True, index=True)
    agreed = fields.Json(
        readonly=True,
        groups="base.group_system",
        help="Prints of what both sides said last, of the fields whose rules must know: "
        "{field: [the other system's, Odoo's when they agreed]}.",
    )
    remote_deleted = fields.Boolean(readonly=True)
    synced_at = fields.Datetime(readonly=True)
    former_ids = fields.One2many("sync.binding.former", "binding_id", string="Merged Records", readonly=True)
    former_names = fields.Char(
        string="Formerly", compute="_compute_former_names", help="Ids of records that were merged into this one."
    )
    object_label = fields.Char(string="Kind", compute="_compute_object_label")

    _remote_unique = models.UniqueIndex(
        "(connection_id, remote_object, external_id)",
        "A remote record is bound to one Odoo record.",
    )
    _record_unique = models.UniqueIndex(
        "(connection_id, remote_object, model, res_id)",
        "An Odoo record is bound to one remote record of a kind.",
    )
    _record = models.Index("(model, res_id)")

    def init(self):
        """Leave room in each page: what is seen again is written again, to no index's cost."""
        self.env.cr.execute("ALTER TABLE sync_binding SET (fillfactor = 80)")

    @api.depends("model", "res_id")
    @api.depends_context("uid", "allowed_company_ids")
    def _compute_record_name(self):
        """Records that were deleted, or that the reader may not see, have no name here."""
        for model, bindings in self.grouped("model").items():
            names = {}
            if model in self.env:
                records = self.env[model].browse(bindings.mapped("res_id")).exists()
                names = {rec.id: rec.display_name for rec in records._filtered_access("read")}
            for binding in bindings:
                binding.record_name = names.get(binding.res_id, "")

    @api.depends("former_ids")
    def _compute_former_names(self):
        for binding in self:
            binding.former_names = ", ".join(binding.sudo().former_ids.mapped("external_id"))

    @api.depends("connection_id", "remote_object")
    def _compute_object_label(self):
        """What people call this kind of record at the provider."""
        for binding in self:
            connector = binding.connection_id.sudo()._connector()
            labels = {declared.name: declared.label for declared in connector._objects()}
            binding.object_label = labels.get(binding.remote_object, binding.remote_object)

    def _record(self):
        """Return the bound record, or an empty recordset when it was deleted."""
        self.ensure_one()
        if self.model not in self.env:
            return self.env["sync.binding"]
        return self.env[self.model].browse(self.res_id).exists()

    @api.model
    def _lookup(self, connection, remote_object, external_ids):
        """Return `{external id: binding}` in one query, and one more for ids that were merged away."""
        wanted = set(external_ids)
        bindings = self.search(
            [
                ("connection_id", "=", connection.id),
                ("remote_object", "=", remote_object),
                ("external_id", "in", list(wanted)),
            ]
        )
        found = {binding.external_id: binding for binding in bindings}
        if unknown := wanted - found.keys():
            formers = self.env["sync.binding.former"]._of(connection, remote_object, unknown)
            found |= {external_id: former.binding_id for external_id, former in formers.items()}
        return found

    @api.model
    def _lock(self, connection, remote_object, external_ids):
        """Return `{external id: Bound}` in one query; nobody else changes them until commit."""
        self.flush_model()
        # Whoever waits for another one waits in the same order everywhere.
        self.env.cr.execute(
            """
            SELECT id, external_id, res_id, version, fingerprint_in, synced_at, agreed FROM sync_binding
             WHERE connection_id = %s AND remote_object = %s AND external_id = ANY(%s)
             ORDER BY id
               FOR UPDATE
            """,
            [connection.id, remote_object, list(external_ids)],
        )
        return {row[1]: Bound(*row) for row in self.env.cr.fetchall()}

    @api.model
    def _touch_many(self, rows):
        """Remember which versions were seen and what they said (one query).

        :param rows: `[(binding id, version, fingerprint)]`; an empty version leaves
            the known one.
        """
        if not rows:
            return
        self.flush_model()
        ids, versions, fingerprints = map(list, zip(*rows, strict=True))
        self.env.cr.execute(
            """
            UPDATE sync_binding b
               SET version = COALESCE(NULLIF(v.version, ''), b.version),
                   fingerprint_in = v.fingerprint, synced_at = %(now)s,
                   write_uid = %(uid)s, write_date = %(now)s
              FROM unnest(%(ids)s, %(versions)s::varchar[], %(fingerprints)s::varchar[])
                   AS v (id, version, fingerprint)
             WHERE b.id = v.id
            """,
            {"ids": ids, "versions": versions, "fingerprints": fingerprints,
             "now": fields.Datetime.now(), "uid": self.env.uid},
        )
        self.browse(ids).invalidate_recordset(
            ["version", "fingerprint_in", "synced_at", "write_uid", "write_date"], flush=False
        )

    @api.model
    def _agree_many(self, rows):
        """Remember what both sides say of the fields whose rules must know (one query).

        :param rows: `[(connection id, remote object, external id, {field: [said, held]})]`.
        """
        if not rows:
            return
        self.flush_model()
        self.env.cr.execute_values(
            """
            UPDATE sync_binding b SET agreed = COALESCE(b.agreed, '{}') || v.agreed
              FROM (VALUES %s) AS v (connection_id, remote_object, external_id, agreed)
             WHERE b.connection_id = v.connection_id AND b.remote_object = v.remote_object
               AND b.external_id = v.external_id
            """,
            [(*row[:3], json.dumps(row[3])) for row in rows],
            template="(%s, %s, %s, %s::jsonb)",
            page_size=1000,
        )
        self.invalidate_model(["agreed"], flush=False)

    @api.model
    def _for_lines(self, connection, remote_object, external_ids, record_ids):
        """Return the bindings of these remote lines and of these line records (one query)."""
        return self.search(
            [
                ("connection_id", "=", connection.id),
                ("remote_object", "=", remote_object),
                "|",
                ("external_id", "in", list(external_ids)),
                ("res_id", "in", list(record_ids)),
            ]
        )

    @api.model
    def _forget(self, connection, remote_object, record_ids):
        """Delete the bindings of these records (one query)."""
        self.flush_model()
        self.env.cr.execute(
            """
            DELETE FROM sync_binding
             WHERE connection_id = %s AND remote_object = %s AND res_id = ANY(%s)
            RETURNING id
            """,
            [connection.id, remote_object, list(record_ids)],
        )
        self.browse([row[0] for row in self.env.cr.fetchall()]).invalidate_recordset(flush=False)

    @api.model
    def _stories(self, connection, remote_object, external_ids):
        """Return `{external id: correlation id}` of those that are bound (one query)."""
        self.flush_model(["connection_id", "remote_object", "external_id", "correlation_id"])
        self.env.cr.execute(
            """
            SELECT external_id, correlation_id FROM sync_binding
             WHERE connection_id = %s AND remote_object = %s AND external_id = ANY(%s)
            """,
            [connection.id, remote_object, list(external_ids)],
        )
        return dict(self.env.cr.fetchall())

    @api.model
    def _for_records(self, connection, remote_object, records):
        """Return `{record id: binding}` in one query."""
        bindings = self.search(
            [
                ("connection_id", "=", connection.id),
                ("remote_object", "=", remote_object),
                ("model", "=", records._name),
                ("res_id", "in", records.ids),
            ]
        )
        return {binding.res_id: binding for binding in bindings}

    @api.model
    def _bind_many(self, rows):
        """Create bindings in one statement; the database refuses a second one.

        A batch that another worker was faster with fails as a serialization failure
        (that is what ON CONFLICT means to a transaction that cannot see the other's row):
        it is run again and finds what the other has bound. Rows go in by one order, so
        that two batches wait for each other in one direction only.

        :param rows: dictionaries with connection, remote_object, external_id, model,
            res_id and optionally version, fingerprint_in, fingerprint_out and
            correlation_id.
        :raises Transient: when one was bound already, as this transaction could have seen.
        """
        if not rows:
            return
        rows = sorted(rows, key=lambda row: (row["remote_object"], row["external_id"]))
        now = fields.Datetime.now()
        columns = (
            "connection_id, company_id, remote_object, external_id, model, res_id, version, "
            "fingerprint_in, fingerprint_out, correlation_id, synced_at, create_uid, create_date"
        )
        bound = self.env.cr.execute_values(
            # pylint: disable=sql-injection
            f"INSERT INTO sync_binding ({columns}) VALUES %s ON CONFLICT DO NOTHING RETURNING id",
            [
                (
                    row["connection"].id,
                    row["connection"].company_id.id,
                    row["remote_object"],
                    row["external_id"],
                    row["model"],
                    row["res_id"],
                    row.get("version") or None,
                    row.get("fingerprint_in"),
                    row.get("fingerprint_out"),
                    row.get("correlation_id"),
                    now,
                    self.env.uid,
                    now,
                )
                for row in rows
            ],
            page_size=1000,
            fetch=True,
        )
        if len(bound) < len(rows):
            raise Transient(_("Another job was faster; trying again."))

    @api.model
    def _forget_content(self, ids):
        """Forget what the source was last seen to say: it is compared anew the next time (one query)."""
        if ids:
            self.flush_model()
            self.env.cr.execute("UPDATE sync_binding SET fingerprint_in = NULL WHERE id = ANY(%s)", [list(ids)])
            self.browse(ids).invalidate_recordset(["fingerprint_in"], flush=False)

    @api.model
    def _told_many(self, rows):
        """Remember what the provider was told (one query).

        :param rows: `[(binding id, fingerprint)]`.
        """
        if not rows:
            return
        now = fields.Datetime.now()
        self.flush_model()
        self.env.cr.execute_values(
            """
            UPDATE sync_binding b
               SET fingerprint_out = v.fingerprint, synced_at = v.now, write_uid = v.uid, write_date = v.now
              FROM (VALUES %s) AS v (id, fingerprint, now, uid)
             WHERE b.id = v.id
            """,
            [(*row, now, self.env.uid) for row in rows],
            template="(%s, %s, %s::timestamp, %s)",
            page_size=1000,
        )
        self.browse([row[0] for row in rows]).invalidate_recordset(
            ["fingerprint_out", "synced_at", "write_uid", "write_date"], flush=False
        )

    # === Merges ===#

    def _become(self, external_id, correlation_id):
        """Go on as another remote record, into which this one was merged there."""
        self.ensure_one()
        former = self.external_id
        self.write(
            {
                "external_id": external_id,
                "version": False,
                "fingerprint_in": False,
                "fingerprint_out": False,
                "remote_deleted": False,
            }
        )
        self.env["sync.binding.former"].create(
            {
                "binding_id": self.id,
                "connection_id": self.connection_id.id,
                "remote_object": self.remote_object,
                "external_id": former,
                "merged_where": "remote",
                "user_id": self.env.uid,
                "model": self.model,
                "correlation_id": correlation_id,
            }
        )

    @api.model
    def _merge_records(self, sources, target):
        """Let what is bound to some Odoo records belong to another one, into which they are merged.

        Of two records of one kind at one provider only one can be followed: the
        target's own, else the one that was bound first. The other one leads to it.
        """
        bindings = self.search(
            [("model", "=", target._name), ("res_id", "in", (sources + target).ids)], order="id"
        )
        kinds = bindings.grouped(lambda binding: (binding.connection_id, binding.remote_object))
        for group in kinds.values():
            kept = group.filtered(lambda binding: binding.res_id == target.id)[:1] or group[:1]
            others = group - kept
            if others:
                self.env["sync.binding.former"]._remember(others, kept, "odoo")
            if kept.res_id != target.id:
                kept.write({"res_id": target.id, "fingerprint_out": False})
        leftovers = self.env["sync.binding.former"].search(
            [("model", "=", target._name), ("former_res_id", "in", sources.ids)]
        )
        leftovers.write({"former_res_id": False})

    def action_open_remote(self):
        """Open the record at the provider, when its address is known."""
        self.ensure_one()
        url = self.connection_id._connector()._record_url(
            self.connection_id, self.remote_object, self.external_id
        )
        return {"type": "ir.actions.act_url", "url": url, "target": "new"} if url else False

    def _trace_query(self):
        return self.correlation_id or self.external_id
