from datetime import timedelta

from odoo import api, fields, models

from ..lib import clock
from ..lib.fingerprint import fingerprint

KEEP = timedelta(days=2)  # longer than any transaction lives
BATCH = 5000


class SyncMatchGuard(models.Model):
    """Who is being created at this moment, by what makes a record unmistakable.

    Two workers may meet the same new customer at the same moment, in two systems or as a
    duplicate in one; neither sees what the other has not committed. Both write the same
    row here first: the second waits, fails as a serialization failure, is run again, and
    finds the record of the first.
    """

    _name = "sync.match.guard"
    _description = "Record Being Created"
    _log_access = False

    key = fields.Char(required=True, readonly=True)
    touched_at = fields.Datetime(required=True, readonly=True, index=True)

    _key_unique = models.UniqueIndex("(key)", "Somebody creates the same record.")

    @api.model
    def _claim(self, model, company, identities):
        """Let nobody else create records of these identities before this transaction ends.

        :param identities: texts, see `lib.matching.identities`; only their hashes are kept.
        """
        # By one order, so that two transactions wait for each other in one direction only.
        keys = sorted({fingerprint([model, company.id, identity]) for identity in identities})
        if keys:
            self.env.cr.execute_values(
                """
                INSERT INTO sync_match_guard (key, touched_at) VALUES %s
                ON CONFLICT (key) DO UPDATE SET touched_at = EXCLUDED.touched_at
                """,
                [(key, clock.now()) for key in keys],
                page_size=5000,
            )

    @api.autovacuum
    def _gc(self):
        """Forget what was created long ago.

        :return: (how many, whether there are more).
        """
        self.env.cr.execute(
            """
            DELETE FROM sync_match_guard WHERE id IN (
                SELECT id FROM sync_match_guard WHERE touched_at < %s LIMIT %s FOR UPDATE SKIP LOCKED)
            """,
            [clock.now() - KEEP, BATCH],
        )
        return self.env.cr.rowcount, self.env.cr.rowcount == BATCH
