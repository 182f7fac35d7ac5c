from odoo import _, api, fields, models
from odoo.tools import format_datetime

from ..lib import clock


class SyncJobWaiting(models.Model):
    """The job ledger asked: why is this one not running?"""

    _inherit = "sync.job"

    waiting_for = fields.Char(
        compute="_compute_waiting_for", help="Why a waiting job does not run right now."
    )

    @api.depends("state", "eta", "depends_on_id.state", "flow_id.paused", "flow_id.mode", "connection_id.state")
    def _compute_waiting_for(self):
        """Say it in the order in which a person would have to act."""
        waiting = self.filtered(lambda job: job.state == "pending")
        (self - waiting).waiting_for = False
        if not waiting:
            return
        holds, blocked = self._what_holds_back()
        busy = waiting._busy_lanes()
        for job in waiting:
            job.waiting_for = (
                next(filter(None, job._in_the_way(holds, blocked)), None)
                or job._not_due()
                or job._behind(busy)
                or _("Waits for a free lane.")
            )

    @api.model
    def _obstacles(self, domain):
        """Return, in words, what would keep the jobs that a domain finds waiting if they were run now.

        One job of each flow, kind and priority is asked, however many there are.
        """
        groups = self._read_group(domain, ["flow_id", "kind", "priority"], ["id:max"])
        jobs = self.browse([group[-1] for group in groups])
        holds, blocked = self._what_holds_back()
        reasons = zip(*(job._in_the_way(holds, blocked) for job in jobs), strict=True)
        return list(dict.fromkeys(reason for same in reasons for reason in same if reason))

    @api.model
    def _what_holds_back(self):
        """Return the holds in force and the `Blocked` calls."""
        return self.env["sync.hold"].sudo()._at(clock.now()), self.env["sync.endpoint"].sudo()._blocked()

    def _in_the_way(self, holds, blocked):
        """Return what keeps this job from being run, in the order in which a person would act."""
        return (
            self._disconnected(),
            self._switched_off(),
            self._held_by(holds),
            self._outside_window(),
            self._refused_by(blocked),
        )

    def _disconnected(self):
        connection = self.connection_id.sudo()
        if connection.state == "connected" and connection.active:
            return ""
        why = connection.paused_reason or _("nobody has connected it yet")
        return _("%(name)s is not connected: %(why)s", name=connection.name, why=why)

    def _switched_off(self):
        flow = self.flow_id.sudo()
        if flow.mode == "off" or not flow.active:
            return _("The flow %s is switched off: its records wait until it is not.", flow.name)
        return _("The flow %s is paused.", flow.name) if flow.paused else ""

    def _held_by(self, holds):
        """Return which hold (kill switch, maintenance) applies, or an empty text."""
        for hold in holds:
            if hold.scope == "all" or self.connection_id == hold.connection_id or self.flow_id == hold.flow_id:
                return _("Held back: %s", hold.name)
        return ""

    def _outside_window(self):
        """Return when the window of its flow opens, or an empty text while it is open."""
        opening = self.flow_id.sudo()._outside_window_until(clock.now())
        return _("Waits for its window, which opens at %s.", format_datetime(self.env, opening)) if opening else ""

    def _refused_by(self, blocked):
        """Return until when the provider takes no calls of this kind, or an empty text."""
        refused = [
            row.until
            for row in blocked
            if row.flow_id == self.flow_id.id and row.kind == self.kind and self.priority >= row.priority_from
        ]
        if not refused:
            return ""
        return _(
            "%(connection)s fails or has no calls left, so it is left alone; it is asked again at %(moment)s.",
            connection=self.connection_id.sudo().name,
            moment=self._local(max(refused)),
        )

    def _local(self, moment):
        """Return a moment as the reader's clock shows it."""
        shown = fields.Datetime.context_timestamp(self, moment.replace(microsecond=0))
        today = shown.date() == fields.Date.context_today(self)
        return shown.strftime("%H:%M" if today else "%Y-%m-%d %H:%M")

    def _not_due(self):
        if self.depends_on_id.sudo().state in ("pending", "running", "failed"):
            return _("Waits for: %s", self.depends_on_id.sudo().name)
        if self.eta <= clock.now():
            return ""
        moment = format_datetime(self.env, self.eta)
        return _("Tries again at %s.", moment) if self.attempts else _("Planned for %s.", moment)

    def _behind(self, busy):
        return _("Another job of this record is running.") if self.lane_key in busy else ""

    def _busy_lanes(self):
        """Return the lane keys of these jobs that a running job holds (one query)."""
        self.env.cr.execute(
            "SELECT lane_key FROM sync_job WHERE state = 'running' AND lane_key = ANY(%s)",
            [self.mapped("lane_key")],
        )
        return {row[0] for row in self.env.cr.fetchall()}
