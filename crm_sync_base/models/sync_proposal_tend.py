from markupsafe import Markup
from odoo import _, api, models
from odoo.tools import plaintext2html

from ..lib import clock
from .sync_retention import BATCH

NOTES = 1000  # decisions that are noted on their records in one go


class SyncProposalTend(models.Model):
    """Nothing waits unnoticed, and nothing waits for ever."""

    _inherit = "sync.proposal"

    @api.model
    def _cron_tend(self):
        """Expire what nobody decided in time, and give whoever may decide one task for all that waits."""
        cron = self.env.ref("crm_sync_base.ir_cron_proposal")
        cron._sync_run_parts(self._note_decisions, self._expire_late, self._assign)
        upcoming = self.search(
            [("state", "=", "pending"), ("expires_at", ">", clock.now())], order="expires_at", limit=1
        )
        if upcoming:
            cron._trigger(at=upcoming.expires_at)

    def _note_decisions(self):
        """Leave a note of each decision on its record; whoever decides does not wait for it."""
        decided = self.search(
            [("state", "in", ("applied", "rejected")), ("noted", "=", False)], order="id", limit=NOTES
        )
        for model, proposals in decided.grouped("model").items():
            if model in self.env and "message_ids" in self.env[model]._fields:
                proposals._note_on(self.env[model])
        decided.write({"noted": True})
        if len(decided) == NOTES:
            self._wake()

    def _note_on(self, model):
        """Write the notes on the records of one model (one statement)."""
        states = dict(self._fields["state"]._description_selection(self.env))
        bodies = {}
        for one in self:
            text = _(
                "%(state)s by %(user)s: %(decision)s\n%(change)s",
                state=states[one.state], user=one.decided_by_id.name, decision=one.decision, change=one.digest,
            )
            bodies[one.res_id] = bodies.get(one.res_id, Markup()) + plaintext2html(text)
        records = model.browse(bodies).exists()
        records._message_log_batch({record.id: bodies[record.id] for record in records})

    def _expire_late(self):
        """Close what nobody decided in time."""
        self.search([("state", "=", "pending"), ("expires_at", "<=", clock.now())])._expire()

    def _expire(self):
        """Close these: Odoo's values stay, a new change of the source is proposed anew."""
        if not self:
            return
        self.sudo().write(
            {"state": "expired", "decided_at": clock.now(), "decision": _("Nobody decided in time.")}
        )
        self.sudo().activity_ids.unlink()
        self.sudo()._tell_source()

    def _assign(self):
        """Give each person who may decide a single open task, on the oldest proposal."""
        waiting = self.search([("state", "=", "pending")], order="requested_at, id")
        busy = {
            (activity.user_id, self.browse(activity.res_id)._queue())
            for activity in waiting.activity_ids
        }
        queues = {}
        for one in waiting:
            queues.setdefault(one._queue(), []).append(one)
        for queue, proposals in queues.items():
            for user in proposals[0]._deciders():
                if (user, queue) not in busy:
                    self._ask(user, proposals)

    def _queue(self):
        """Return what one task covers: conflicts by flow, approvals by approvers and company."""
        return (self.kind, self.flow_id if self.kind == "conflict" else self.group_id, self.company_id)

    def _deciders(self):
        """Return the users who are asked: who works on the flow's conflicts, or all approvers."""
        if self.kind == "conflict":
            return self.flow_id._person_for("conflict") if self.flow_id else self.env["res.users"]
        return self.group_id.all_user_ids.filtered(
            lambda user: user.active and user._is_internal() and self.company_id in user.company_ids
            and user != self.env.ref("base.user_root")
        )

    def _ask(self, user, proposals):
        mine = [one for one in proposals if not one._is_by(user)]
        if not mine:
            return
        note = _("%s changes wait for a decision.", len(mine)) if len(mine) > 1 else False
        deadline = (mine[0].expires_at or clock.now()).date()
        mine[0].activity_schedule(
            "mail.mail_activity_data_todo",
            date_deadline=deadline,
            summary=_("Decide: %s", mine[0].reason),
            note=note,
            user_id=user.id,
        )

    # === Retention ===#

    @api.autovacuum
    def _gc_proposals(self):
        """Forget decisions after the retention of this log, which is its own.

        :return: (how many, whether there are more).
        """
        cutoff = self.env["sync.retention"]._cutoff("keep_proposals_days")
        self.env.flush_all()
        self.env.cr.execute("SET LOCAL crm_sync.retention = 'proposals'")
        self.env.cr.execute(
            """
            DELETE FROM sync_proposal WHERE id IN (
                SELECT id FROM sync_proposal
                 WHERE state <> 'pending' AND decided_at < %s ORDER BY decided_at LIMIT %s)
            """,
            [cutoff, BATCH],
        )
        gone = self.env.cr.rowcount
        self.env.cr.execute("SET LOCAL crm_sync.retention = ''")
        self.env.invalidate_all(flush=False)
        return gone, gone == BATCH
