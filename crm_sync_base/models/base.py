from odoo import api, models

OUTBOX = "crm_sync_outbox"


class Base(models.AbstractModel):
    """The transactional outbox: changes of watched fields become jobs.

    `_write_multi` is where the ORM flushes, so it sees what `write` changed and
    what was recomputed alike. The jobs are inserted right before the commit, in
    the same transaction: either both last, or neither.
    """

    _inherit = "base"

    def _sync_amount_at_risk(self):
        """Return the money that waits when this record cannot be synchronised.

        :return: (`Decimal`, ISO 4217 code), or None when it has no value of its own.
        """
        return None

    def _sync_amounts(self):
        """Return `{record id: (Decimal, ISO 4217 code)}` of the records whose worth is known.

        Models for which `_sync_amount_at_risk` looks something up answer for all at once.
        """
        amounts = {record.id: record._sync_amount_at_risk() for record in self}
        return {record_id: worth for record_id, worth in amounts.items() if worth}

    def _write_multi(self, vals_list):
        super()._write_multi(vals_list)
        watched = self._sync_watched()
        if watched:
            changed = {
                record_id: vals.keys() for record_id, vals in zip(self._ids, vals_list)
            }
            self._sync_note_changes(watched, changed)

    @api.model
    def _create(self, data_list):
        records = super()._create(data_list)
        watched = records._sync_watched()
        if watched:
            self._sync_note_changes(watched, dict.fromkeys(records._ids))
        return records

    def _sync_watched(self):
        """Return the live outbound flows of this model: ((flow id, field names), …)."""
        if not self.pool.ready or "sync.flow" not in self.pool:
            return ()
        return self.env["sync.flow"]._outbox().get(self._name, ())

    def _sync_note_changes(self, watched, changed):
        """Note changed records until the transaction is about to commit.

        :param changed: `{record id: names of changed fields, or None for a new one}`.
        """
        precommit = self.env.cr.precommit
        noted = precommit.data.get(OUTBOX)
        if noted is None:
            noted = precommit.data[OUTBOX] = {}
            precommit.add(self.env(su=True)["sync.outbox"]._flush)
        for flow_id, names in watched:
            ids = [
                record_id
                for record_id, fields_ in changed.items()
                if fields_ is None or not names.isdisjoint(fields_)
            ]
            if ids:
                noted.setdefault(flow_id, {}).update(dict.fromkeys(ids))

    def _sync_read_ahead(self):
        """Hook: read together what `write` would look up for each of these records by itself."""

    @api.model
    def _sync_create(self, vals_list):
        """Create records that come from a provider, a whole batch at a time.

        Models override this where core's `create` works record by record.
        """
        return self.create(vals_list)

    def _sync_correlations(self):
        """Return `{record id: correlation id}` of the story each record belongs to.

        Models that follow from another document override this.
        """
        self.env.cr.execute(
            """
            SELECT DISTINCT ON (res_id) res_id, correlation_id FROM sync_binding
             WHERE model = %s AND res_id = ANY(%s) AND correlation_id IS NOT NULL
             ORDER BY res_id, id
            """,
            [self._name, list(self._ids)],
        )
        return dict(self.env.cr.fetchall())
