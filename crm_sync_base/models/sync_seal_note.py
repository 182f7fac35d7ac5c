from odoo import api, fields, models

from ..lib import chain, clock, spans


class SyncSealNote(models.Model):
    """Changes that were recorded and wait for their seal.

    Written in the transaction that records them, a row for each batch, so that writers
    neither wait for one another nor for the sealer; the engine vouches for it with the
    key. Only the sealer reads and deletes notes.
    """

    _name = "sync.seal.note"
    _description = "Changes to Seal"
    _log_access = False

    spans = fields.Text(required=True, readonly=True)
    noted_at = fields.Datetime(required=True, readonly=True)
    proof = fields.Char(readonly=True)

    @api.model
    def _note(self, ids):
        """Have changes sealed, if this transaction is committed (one statement).

        :param ids: of applied changes that were just recorded.
        """
        text, moment = spans.dump(spans.of_ids(ids)), clock.now()
        Key = self.env["sync.seal.key"]
        if not Key._present()[1]:
            Key._ensure()  # the first time, and when the encryption key was lost
        _key, secret = Key._present()
        proof = chain.proof(secret, chain.note(text, moment)) if secret else None
        self.env.cr.execute(
            "INSERT INTO sync_seal_note (spans, noted_at, proof) VALUES (%s, %s, %s)", [text, moment, proof]
        )
        self.env["sync.metric.mark"]._arm("crm_sync_base.ir_cron_seal")

    @api.model
    def _take(self, limit):
        """Return `(note ids, spans, unvouched)` of the oldest notes, at most so many changes.

        :return: `unvouched` counts the changes whose note does not come from the engine.
        """
        keys = self.env["sync.seal.key"]._secrets().values()
        self.env.cr.execute("SELECT id, spans, noted_at, proof FROM sync_seal_note ORDER BY id LIMIT 1000")
        notes, taken, count, unvouched = [], [], 0, 0
        for note_id, text, moment, proof in self.env.cr.fetchall():
            noted = spans.load(text)
            if notes and count + spans.size(noted) > limit:
                break
            notes.append(note_id)
            taken += noted
            count += spans.size(noted)
            if not any(chain.proves(secret, chain.note(text, moment), proof) for secret in keys):
                unvouched += spans.size(noted)
        return notes, spans.merged(taken), unvouched

    @api.model
    def _note_everything(self):
        """Note the changes of a ledger that was there before its seals (for migrations)."""
        self.env.cr.execute(
            """
            INSERT INTO sync_seal_note (spans, noted_at)
            SELECT string_agg(id::text, ' ' ORDER BY id), timezone('utc', now())
              FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM sync_change
                     WHERE verdict = 'applied') numbered
             GROUP BY place / 1000
             ORDER BY place / 1000
            """
        )
