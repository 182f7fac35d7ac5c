from odoo import fields


class LooseMany2one(fields.Many2one):
    """A link that outlives what it points to.

    No foreign key: the database neither refuses to delete the record nor alters the
    row that names it. Models that have such fields forget gone records when they read
    them, see `drop_gone`; the column keeps the id.
    """

    def update_db_foreign_key(self, model, column):
        """Have no foreign key, and remove the one that an earlier version made."""
        model.env.cr.execute(
            # pylint: disable=sql-injection
            f'ALTER TABLE "{model._table}" DROP CONSTRAINT IF EXISTS "{model._table}_{self.name}_fkey"'
        )

    def drop_gone(self, records):
        """Let records that were just read have no link to what does not exist any more."""
        cache = self._get_cache(records.env)
        linked = {cache[one] for one in records._ids if cache.get(one)}
        if not linked:
            return
        gone = linked.difference(records.env[self.comodel_name].browse(linked).exists()._ids)
        if gone:
            orphans = [one for one in records._ids if cache.get(one) in gone]
            self._update_cache(records.browse(orphans), None)
