import re

from odoo import _, api, models
from odoo.exceptions import UserError
from odoo.tools import sql

from ..lib import chain, spans
from .loose_field import LooseMany2one

NOT_SEALED = {"write_uid", "write_date"}  # nobody writes a change
PAGE = 100_000  # ids that are looked at in one query
_COLUMN = re.compile(r"[a-z_][a-z0-9_]*")


class SyncChangeLedger(models.Model):
    """Append-only: what was applied is never altered, by whomever; the database sees to it."""

    _inherit = "sync.change"

    def init(self):
        """Make the triggers, which hold for every role and every way in."""
        self.env.cr.execute(_TRIGGERS)

    # === Append-only ===#

    def write(self, vals):
        """Refuse to alter applied changes.

        :raises UserError: with what to do instead.
        """
        self.check_access("write")
        self._refuse_if_applied(_("altered"))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_planned_only(self):
        self._refuse_if_applied(_("deleted"))

    def _refuse_if_applied(self, how):
        applied = self.sudo().filtered(lambda change: change.verdict == "applied")
        if applied:
            raise UserError(
                _(
                    "The change of %(record)s was applied: it is part of the audit trail and cannot be %(how)s. "
                    "Correct the record itself, or undo the run; either leads to a change of its own.",
                    record=applied[0].record_name or applied[0].model,
                    how=how,
                )
            )

    @api.model
    def _release(self, field, records):
        """Let go of records that are about to be deleted: forget what was only planned.

        :param field: of the change ledger that links to them.
        :raises UserError: when one of them has applied changes.
        """
        changes = self.sudo().search([(field, "in", records.ids), ("verdict", "=", "applied")], limit=1)
        if changes:
            raise UserError(
                _(
                    "%s changed records and cannot be deleted: the audit trail names it. Archive it instead.",
                    changes[field].display_name,
                )
            )
        self.sudo().search([(field, "in", records.ids), ("verdict", "=", "planned")]).unlink()

    # === Links to what may be gone ===#

    def _fetch_query(self, query, fields):
        fetched = super()._fetch_query(query, fields)
        for field in fields:
            if isinstance(field, LooseMany2one):
                field.drop_gone(fetched)
        return fetched

    def _read_group_postprocess_groupby(self, groupby_spec, raw_values):
        field = self._fields.get(groupby_spec)
        if isinstance(field, LooseMany2one):
            raw_values = list(raw_values)
            present = set(self.env[field.comodel_name].browse(filter(None, raw_values)).exists()._ids)
            raw_values = [value if value in present else None for value in raw_values]
        return super()._read_group_postprocess_groupby(groupby_spec, raw_values)

    # === Seals ===#

    @api.model
    def _sealed_columns(self):
        """Return the names of the columns that a new seal covers: all that the ledger has."""
        names = sorted(
            name
            for name, field in self._fields.items()
            if field.store and field.column_type and name not in NOT_SEALED and name != "id"
        )
        return ["id", *names]

    @api.model
    def _missing_columns(self, columns):
        """Return those of some columns that the table does not have."""
        present = sql.table_columns(self.env.cr, self._table)
        return [name for name in columns if name not in present]

    @api.model
    def _digests(self, wanted, columns):
        """Return `{id: digest}` of the changes that are there (one query).

        The canonical text of a change is what PostgreSQL makes of a row: every column in
        its own output form (moments in ISO 8601), quoted, and nothing at all for NULL.
        JSON, with its keys in one order, follows behind: quoting it once more takes as
        long as all the rest.

        :param wanted: spans of ids.
        :param columns: names of existing columns.
        """
        if any(not _COLUMN.fullmatch(name) for name in columns):
            raise ValueError("not a column")
        json = [name for name in columns if name in self._fields and self._fields[name].type == "json"]
        row = ", ".join(f'c."{name}"' for name in columns if name not in json)
        behind = "".join(f""" || coalesce(c."{name}"::text, '')""" for name in json)
        # pylint: disable=sql-injection
        self.env.cr.execute(f"SELECT c.id, ROW({row})::text{behind} {_OF_SPANS}", _bounds(wanted))
        digest = chain.digest
        return {one: digest(text) for one, text in self.env.cr.fetchall()}

    @api.model
    def _period(self, wanted):
        """Return the first and the last moment of the changes of some spans, or (None, None)."""
        self.env.cr.execute(f"SELECT min(c.create_date), max(c.create_date) {_OF_SPANS}", _bounds(wanted))
        return self.env.cr.fetchone()

    @api.model
    def _applied_outside(self, known, limit):
        """Return ids of applied changes that none of the spans covers.

        :param known: merged spans.
        """
        found = []
        for one in spans.outside(self._applied_ids(), known):
            found.append(one)
            if len(found) >= limit:
                break
        return found

    def _applied_ids(self):
        last = 0
        while True:
            self.env.cr.execute(
                "SELECT id FROM sync_change WHERE id > %s AND verdict = 'applied' ORDER BY id LIMIT %s", [last, PAGE]
            )
            rows = self.env.cr.fetchall()
            yield from (row[0] for row in rows)
            if len(rows) < PAGE:
                return
            last = rows[-1][0]


_OF_SPANS = """
    FROM unnest(%s::int[], %s::int[]) AS span (low, high)
    JOIN sync_change c ON c.id BETWEEN span.low AND span.high
"""


def _bounds(wanted):
    """Return spans as the parameters of `_OF_SPANS`."""
    return [[low for low, _high in wanted], [high for _low, high in wanted]]


# Retention may remove what it has announced in the chain of seals; see `sync.retention`.
_TRIGGERS = """
    CREATE OR REPLACE FUNCTION sync_change_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'TRUNCATE' THEN
            RAISE EXCEPTION 'The change ledger is append-only: it cannot be emptied.'
                USING ERRCODE = 'restrict_violation';
        ELSIF TG_OP = 'DELETE' THEN
            IF OLD.verdict = 'applied' AND NOT EXISTS (
                SELECT FROM sync_seal WHERE kind = 'purge' AND cutoff > OLD.create_date
            ) THEN
                RAISE EXCEPTION 'The change ledger is append-only: applied change % cannot be deleted.', OLD.id
                    USING ERRCODE = 'restrict_violation';
            END IF;
            RETURN OLD;
        ELSIF OLD.verdict = 'applied' OR NEW.verdict = 'applied' THEN
            RAISE EXCEPTION 'The change ledger is append-only: change % cannot be altered.', OLD.id
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$;
    DROP TRIGGER IF EXISTS sync_change_append_only ON sync_change;
    CREATE TRIGGER sync_change_append_only BEFORE UPDATE OR DELETE ON sync_change
        FOR EACH ROW EXECUTE FUNCTION sync_change_append_only();
    DROP TRIGGER IF EXISTS sync_change_no_truncate ON sync_change;
    CREATE TRIGGER sync_change_no_truncate BEFORE TRUNCATE ON sync_change
        FOR EACH STATEMENT EXECUTE FUNCTION sync_change_append_only();
"""
