import logging
import time

from odoo import _, api, fields, models, modules
from odoo.exceptions import AccessError

from ..lib import chain, clock, spans
from ..lib.chain import Finding, Seal
from ..lib.trouble import DATABASE_TROUBLE

_logger = logging.getLogger(__name__)

SEALS = 500  # that are looked at in one step, unless their changes are many
ROWS = 20_000  # changes that are looked at in one step
LATE_SECONDS = 86_400.0
FINDINGS = 1000  # that are kept one by one; the others are counted
HEADS = 500  # earlier verifications whose last seal must still be there
RACES = 5

_FACTS = "number, kind, spans, columns, root, previous, sealed_at, first_at, last_at, cutoff, unvouched"


class SyncSealCheck(models.Model):
    """One verification of the change ledger against its chain of seals.

    Every change is read and its digest computed anew, step by step in the background;
    what was established so far is kept on the record, so that a restart goes on.
    """

    _name = "sync.seal.check"
    _description = "Verification"
    _order = "id desc"
    _rec_name = "started_at"

    state = fields.Selection(
        [
            ("running", "Running"),
            ("intact", "Intact"),
            ("tampered", "Tampered With"),
            ("failed", "Failed"),
        ],
        default="running",
        required=True,
        readonly=True,
    )
    user_id = fields.Many2one(
        "res.users", string="Asked For By", readonly=True, ondelete="restrict", default=lambda self: self.env.uid
    )
    started_at = fields.Datetime(readonly=True, default=lambda self: clock.now())
    done_at = fields.Datetime(string="Ended", readonly=True)
    seal_count = fields.Integer(string="Seals", readonly=True, help="In the chain, when the verification began.")
    change_count = fields.Integer(string="Changes Verified", readonly=True)
    removed_count = fields.Integer(
        string="Changes Removed", readonly=True, help="By retention, as announced in the chain."
    )
    waiting_count = fields.Integer(
        string="Not Sealed Yet", readonly=True, help="Changes of the last moments, which wait for their seal."
    )
    head_number = fields.Integer(string="Last Seal No.", readonly=True)
    head_hash = fields.Char(string="Last Seal", readonly=True, help="Note it down: later seals build on it.")
    is_keyed = fields.Boolean(readonly=True, help="Whether a seal was made with a key so far.")
    work_seconds = fields.Float(readonly=True)
    rate = fields.Integer(string="Changes per Second", compute="_compute_progress")
    progress = fields.Float(compute="_compute_progress", aggregator=None)
    finding_ids = fields.One2many("sync.seal.finding", "check_id", string="Findings", readonly=True)
    finding_count = fields.Integer(string="Findings Found", readonly=True)
    message = fields.Text(string="Result", compute="_compute_message")

    # === Computes ===#

    @api.depends("state", "head_number", "seal_count", "change_count", "work_seconds")
    def _compute_progress(self):
        for check in self:
            share = check.head_number / check.seal_count if check.seal_count else 1.0
            check.progress = min(100.0 * share, 99.0) if check.state == "running" else 100.0
            check.rate = check.change_count / check.work_seconds if check.work_seconds else 0

    @api.depends("state", "finding_count", "change_count", "head_number", "waiting_count", "removed_count")
    def _compute_message(self):
        for check in self:
            check.message = check._verdict()

    def _verdict(self):
        if self.state == "running":
            return _(
                "Verified so far: %(changes)s changes, up to seal %(seal)s of %(seals)s.",
                changes=self.change_count, seal=self.head_number, seals=self.seal_count,
            )
        if self.state == "failed":
            return _("The verification could not be finished; the server's log says why. Verify again.")
        if self.state == "tampered":
            return _(
                "Findings: %s. The change ledger is not what the synchronisation wrote. Do not rely on the entries "
                "listed here, compare them with a backup, and find out who can write to the database.",
                self.finding_count,
            )
        text = _(
            "Every change is as it was recorded: %(changes)s in all, up to seal %(seal)s.",
            changes=self.change_count, seal=self.head_number,
        )
        if self.removed_count:
            text += " " + _("Removed by the retention rule, as announced: %s.", self.removed_count)
        if self.waiting_count:
            text += " " + _("Of the last moments, these wait for their seal: %s.", self.waiting_count)
        return text

    # === Start ===#

    @api.model
    def action_verify(self):
        """Start a verification and show it.

        :raises AccessError: for who is neither auditor nor integration manager.
        """
        if not self.env.su and not self.env.user.has_groups(
            "crm_sync_base.group_sync_auditor,crm_sync_base.group_sync_manager"
        ):
            raise AccessError(_("Auditors and integration managers verify the audit trail."))
        check = self._begin()
        self.env.ref("crm_sync_base.ir_cron_verify").sudo()._trigger()
        return check._form()

    @api.model
    def _begin(self):
        """Create a verification of the chain as it is now; nothing is read yet."""
        number, _hash = self.env["sync.seal"].sudo()._head()
        check = self.sudo().create({"seal_count": number, "head_hash": chain.GENESIS, "user_id": self.env.uid})
        return check.sudo(False)

    def _form(self):
        return {
            "type": "ir.actions.act_window",
            "name": _("Verification"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    # === Work ===#

    @api.model
    def _cron_verify(self):
        """Continue the verifications that run (entry of the cron); once a week, begin one."""
        if not self.search_count([("started_at", ">", fields.Datetime.subtract(clock.now(), days=7))], limit=1):
            self._begin()
        lost = 0
        while check := self.search([("state", "=", "running")], order="id", limit=1):
            try:
                check._step()
                if not check._commit_step():
                    return
                lost = 0
            except DATABASE_TROUBLE:
                self.env["sync.lane"]._rollback()
                lost += 1
                if lost >= RACES:
                    self.env["sync.metric.mark"]._arm("crm_sync_base.ir_cron_verify")
                    return
            except Exception as error:
                # Odoo switches a scheduled action off that fails too often.
                self.env["sync.lane"]._rollback()
                _logger.exception("Synchronisation: verification %s failed", check.id)
                check.write({"state": "failed", "done_at": clock.now()})
                if not check._commit_step():
                    raise error from None

    def _commit_step(self):
        """Commit, and return whether there is time for more."""
        if modules.module.current_test:
            return True
        remaining = self.search_count([("state", "=", "running")])
        return bool(self.env["ir.cron"]._commit_progress(1, remaining=remaining))

    def _run_all(self):
        """Verify to the end in one go, for scripts."""
        while self.state == "running":
            self._step()

    def _step(self):
        """Verify the next seals; after the last one, look for what no seal covers."""
        self.ensure_one()
        started = time.monotonic()
        rows = self._next_seals()
        if rows:
            self._check_seals(rows)
        else:
            self._conclude()
        self.work_seconds += time.monotonic() - started
        self.flush_recordset()

    def _next_seals(self):
        """Return `[(Seal, hash, key, proof, digests)]` of the next seals, at most `ROWS` changes."""
        self.env.cr.execute(
            # pylint: disable=sql-injection
            f"""
            SELECT {_FACTS}, hash, coalesce(key, ''), coalesce(proof, ''), digests, change_count
              FROM (SELECT *, sum(greatest(change_count, 0)) OVER (ORDER BY number) AS upto
                      FROM (SELECT * FROM sync_seal WHERE number > %s ORDER BY number LIMIT %s) ahead) counted
             WHERE upto - greatest(change_count, 0) < %s
             ORDER BY number
            """,
            [self.head_number, SEALS, ROWS],
        )
        return [
            (Seal(row[0], row[1], row[2] or "", row[3] or "", *row[4:11]), row[11], row[12], row[13], bytes(row[14]))
            for row in self.env.cr.fetchall()
        ]

    def _check_seals(self, rows):
        keys = self.env["sync.seal.key"]._secrets()
        purged_before = self.env["sync.seal"]._purged_before()
        known = self._known_heads()
        found = self._read_changes([row[0] for row in rows])
        findings, verified, removed = [], 0, 0
        number, previous, keyed = self.head_number, self.head_hash, self.is_keyed
        for seal, hash_, key, proof, digests in rows:
            findings += chain.check_link(seal, hash_, number + 1, previous, LATE_SECONDS)
            findings += chain.check_proof(seal, hash_, key, proof, keys, keyed)
            if known.get(seal.number, hash_) != hash_:
                findings.append(Finding(chain.SEAL_ALTERED, seal.number))
            purgeable = bool(purged_before and seal.last_at and seal.last_at < purged_before)
            rows_found = chain.check_rows(seal, digests, found.get(seal.columns), purgeable)
            findings += rows_found.findings
            verified += rows_found.present
            removed += rows_found.removed
            number, previous, keyed = seal.number, hash_, keyed or bool(key)
        self._store(findings)
        self.write(
            {
                "head_number": number,
                "head_hash": previous,
                "is_keyed": keyed,
                "change_count": self.change_count + verified,
                "removed_count": self.removed_count + removed,
            }
        )

    def _read_changes(self, seals):
        """Return `{columns: {id: digest}}` of what the seals cover; one query for each set of columns."""
        Change = self.env["sync.change"]
        wanted = {}
        for seal in seals:
            wanted.setdefault(seal.columns, []).extend(spans.load(seal.ids))
        found = {}
        for columns, covered in wanted.items():
            names = columns.split(",") if columns else []
            if not covered:
                found[columns] = {}
            elif not Change._missing_columns(names):
                found[columns] = Change._digests(spans.merged(covered), names)
        return found

    def _known_heads(self):
        """Return `{seal number: hash}` as earlier verifications saw them."""
        earlier = self.search(
            [("id", "<", self.id), ("state", "in", ("intact", "tampered")), ("head_number", ">", 0)],
            order="id desc", limit=HEADS,
        )
        return {check.head_number: check.head_hash for check in earlier}

    def _conclude(self):
        """Look for changes that no seal covers, and for seals that are not there any more."""
        findings = [
            Finding(chain.CUT, number) for number in self._known_heads() if number > self.head_number
        ]
        if self.seal_count > self.head_number:
            findings.append(Finding(chain.CUT, self.seal_count))
        # Seals, notes and changes of one snapshot: what is in none of them was not written by the engine.
        self.env.cr.execute("SELECT spans FROM sync_seal UNION ALL SELECT spans FROM sync_seal_note")
        known = spans.merged(span for (text,) in self.env.cr.fetchall() for span in spans.load(text))
        strangers = self.env["sync.change"]._applied_outside(known, FINDINGS + 1)
        findings += [Finding(chain.INSERTED, 0, one) for one in strangers]
        self.env.cr.execute("SELECT spans FROM sync_seal_note")
        waiting = sum(spans.size(spans.load(text)) for (text,) in self.env.cr.fetchall())
        self._store(findings)
        broken = self.finding_count
        if broken:
            # An alarm that does not depend on anybody's opening the page.
            _logger.error("Synchronisation: verification %s of the audit trail has %s findings", self.id, broken)
        self.write(
            {
                "state": "tampered" if broken else "intact",
                "waiting_count": waiting,
                "done_at": clock.now(),
            }
        )

    def _store(self, findings):
        """Keep findings; remarks are kept, but do not count."""
        room = max(FINDINGS - len(self.finding_ids), 0)
        self.env["sync.seal.finding"].create(
            [
                {"check_id": self.id, "kind": kind, "number": number, "change_number": change_id}
                for kind, number, change_id in findings[:room]
            ]
        )
        self.finding_count += sum(finding.kind not in chain.REMARKS for finding in findings)
