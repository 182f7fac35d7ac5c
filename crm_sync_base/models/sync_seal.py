import logging

import psycopg2
from odoo import _, api, fields, models, modules
from odoo.exceptions import UserError
from odoo.orm.models import NO_ACCESS

from ..lib import chain, clock, spans
from ..lib.chain import Seal
from ..lib.trouble import DATABASE_TROUBLE

_logger = logging.getLogger(__name__)

ROWS = 10_000  # changes that one seal covers at most, unless one transaction recorded more
RACES = 5  # transactions lost in a row before the sealer gives way for a moment
LOCK = 0x53EA1  # of the advisory lock that the sealer holds: two would make two second seals

COLUMNS = (
    "number", "kind", "spans", "columns", "root", "previous", "sealed_at", "first_at", "last_at", "cutoff",
    "unvouched", "hash", "key", "proof", "digests",
)


class SyncSeal(models.Model):
    """One link of the chain of seals over the change ledger; see `lib/chain.py`.

    Changes are sealed after their transaction, by one sealer, a minute at most behind
    them. Seals are append-only like the changes themselves.
    """

    _name = "sync.seal"
    _description = "Seal"
    _order = "number desc"
    _rec_name = "number"
    _log_access = False

    number = fields.Integer(required=True, readonly=True, aggregator=None)
    kind = fields.Selection(
        [("rows", "Changes Sealed"), ("purge", "Old Changes Removed")], required=True, readonly=True
    )
    sealed_at = fields.Datetime(required=True, readonly=True)
    change_count = fields.Integer(string="Changes", readonly=True)
    first_at = fields.Datetime(string="From", readonly=True)
    last_at = fields.Datetime(string="To", readonly=True)
    cutoff = fields.Datetime(
        string="Removed Before", readonly=True, help="Changes of seals that end before it are not kept any more."
    )
    unvouched = fields.Integer(
        string="Without Proof", readonly=True, help="Changes for which the engine's key did not vouch."
    )
    spans = fields.Text(string="Change Numbers", readonly=True)
    columns = fields.Text(readonly=True)
    root = fields.Char(string="Digest of the Changes", readonly=True)
    previous = fields.Char(string="Previous Seal", readonly=True)
    hash = fields.Char(string="Seal", readonly=True)
    key = fields.Char(readonly=True, help="Name of the key that it was made with.")
    proof = fields.Char(readonly=True, help="Made of the seal with the key.")
    is_proven = fields.Boolean(string="Made With the Key", compute="_compute_is_proven")
    digests = fields.Binary(attachment=False, readonly=True, groups=NO_ACCESS)

    _number_unique = models.UniqueIndex("(number)", "A seal has one successor.")
    _purges = models.Index("(cutoff) WHERE kind = 'purge'")

    @api.depends("hash", "key", "proof")
    def _compute_is_proven(self):
        keys = self.env["sync.seal.key"].sudo()._secrets()
        for seal in self:
            secret = keys.get(seal.key)
            seal.is_proven = bool(secret) and chain.proves(secret, seal.hash, seal.proof)

    def init(self):
        """Make the trigger that keeps seals as they are."""
        self.env.cr.execute(_TRIGGERS)

    def write(self, vals):  # pylint: disable=method-required-super
        """Refuse: a seal stays as it was made."""
        raise UserError(_("Seals cannot be altered."))

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(_("Seals cannot be deleted."))

    def action_open_changes(self):
        """Open the changes that this seal covers."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_audit")
        covered = spans.load(self.spans)
        domain = ["|"] * (len(covered) - 1)
        for low, high in covered:
            domain += ["&", ("id", ">=", low), ("id", "<=", high)]
        return dict(action, domain=domain or [("id", "=", 0)], context={})

    # === Sealing ===#

    @api.model
    def _cron_seal(self):
        """Seal what was recorded (entry of the cron, triggered by what is recorded)."""
        lost, sealed = 0, 0
        while True:
            try:
                count = self._seal()
                sealed += count
                if not count:
                    break
                if not self._commit_sealed(count):
                    # Odoo takes it for done, and has forgotten what it was started by.
                    self.env["sync.metric.mark"]._arm("crm_sync_base.ir_cron_seal")
                    break
                lost = 0
            except (psycopg2.errors.UniqueViolation, *DATABASE_TROUBLE):
                self.env["sync.lane"]._rollback()
                lost += 1
                if lost >= RACES:
                    self.env["sync.metric.mark"]._arm("crm_sync_base.ir_cron_seal")
                    break
        if sealed:
            # Outside the database, where nobody who can only write to it can alter it.
            head = self._head()
            _logger.info("Synchronisation: changes are sealed up to seal %s, %s", *head[:2])

    def _commit_sealed(self, count):
        """Commit, and return whether there is time for more."""
        if modules.module.current_test:
            return True
        return bool(self.env["ir.cron"]._commit_progress(count))

    @api.model
    def _seal(self):
        """Seal the oldest changes that wait for it.

        :return: how many; 0 when none waits or another sealer is at it.
        """
        self.env.flush_all()
        self.env.cr.execute("SELECT pg_try_advisory_xact_lock(%s, 0)", [LOCK])
        if not self.env.cr.fetchone()[0]:
            return 0
        self.env["sync.seal.key"]._ensure()
        notes, covered, unvouched = self.env["sync.seal.note"]._take(ROWS)
        if not notes:
            return 0
        columns = self.env["sync.change"]._sealed_columns()
        found = self.env["sync.change"]._digests(covered, columns)
        first_at, last_at = self.env["sync.change"]._period(covered)
        digests = chain.pack(spans.ids(covered), found)
        self._append(
            kind=chain.ROWS,
            ids=spans.dump(covered),
            columns=",".join(columns),
            digests=digests,
            first_at=first_at,
            last_at=last_at,
            unvouched=unvouched,
        )
        self.env.cr.execute("DELETE FROM sync_seal_note WHERE id = ANY(%s)", [notes])
        return spans.size(covered)

    @api.model
    def _head(self):
        """Return (number, hash) of the last seal."""
        self.env.cr.execute("SELECT number, hash FROM sync_seal ORDER BY number DESC LIMIT 1")
        return self.env.cr.fetchone() or (0, chain.GENESIS)

    @api.model
    def _append(self, *, digests, **facts):
        """Append a seal to the chain; the caller holds the lock."""
        number, previous = self._head()
        seal = Seal(
            number=number + 1, previous=previous, root=chain.root(digests), sealed_at=clock.now(), **facts
        )
        key, secret = self.env["sync.seal.key"]._present()
        hash_ = seal.hash()
        values = {
            **{name: getattr(seal, name) for name in Seal.__dataclass_fields__ if name != "ids"},
            "spans": seal.ids,
            "hash": hash_,
            "key": key or None,
            "proof": chain.proof(secret, hash_) if secret else None,
            "digests": psycopg2.Binary(digests),
        }
        self.env.cr.execute(
            # pylint: disable=sql-injection
            f"INSERT INTO sync_seal ({', '.join(COLUMNS)}, change_count) VALUES ({'%s, ' * len(COLUMNS)}%s)",
            [*(values[name] for name in COLUMNS), seal.count],
        )

    # === Retention ===#

    @api.model
    def _announce_purge(self, cutoff):
        """Say in the chain that changes of seals which end before a moment are removed.

        :return: whether there is anything to remove.
        """
        self.env.cr.execute("SELECT pg_try_advisory_xact_lock(%s, 0)", [LOCK])
        if not self.env.cr.fetchone()[0]:
            return False
        announced = self._purged_before()
        self.env.cr.execute(
            "SELECT EXISTS (SELECT FROM sync_seal WHERE kind = 'rows' AND last_at < %s AND last_at >= %s)",
            [cutoff, announced or "-infinity"],
        )
        if self.env.cr.fetchone()[0]:
            self._append(kind=chain.PURGE, ids="", columns="", digests=b"", cutoff=cutoff)
        return True

    @api.model
    def _purged_before(self):
        """Return the moment before which changes may be gone, or None."""
        self.env.cr.execute("SELECT max(cutoff) FROM sync_seal WHERE kind = 'purge'")
        return self.env.cr.fetchone()[0]


_TRIGGERS = """
    CREATE OR REPLACE FUNCTION sync_seal_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'Seals of the change ledger cannot be altered or deleted.'
            USING ERRCODE = 'restrict_violation';
    END $$;
    DROP TRIGGER IF EXISTS sync_seal_append_only ON sync_seal;
    CREATE TRIGGER sync_seal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON sync_seal
        FOR EACH STATEMENT EXECUTE FUNCTION sync_seal_append_only();
"""
