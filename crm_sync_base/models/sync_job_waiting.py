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
        holds = self.env["sync.hold"].sudo()._at(clock.now())
        busy = waiting._busy_lanes()
        blocked = self.env["sync.endpoint"].sudo()._blocked()
        for job in waiting:
            job.waiting_for = (
                job._switched_off()
                or job._held_by(holds)
                or job._outside_window()
                or job._refused_by(blocked)
                or job._not_due()
                or job._behind(busy)
                or _("Waits for a free lane.")
            )

    def _switched_off(self):
        """Return what somebody must switch on, or an empty text."""
        connection, flow = self.connection_id.sudo(), self.flow_id.sudo()
        if connection.state != "connected" or not connection.active:
            return _("The connection %s is not connected or paused.", connection.name)
        if flow.mode == "off" or not flow.active:
            return _("The flow %s is switched off.", flow.name)
        return _("The flow %s is paused.", flow.name) if flow.paused else ""

    def _held_by(self, holds):
        for hold in holds:
            if hold.scope == "all" or self.connection_id == hold.connection_id or self.flow_id == hold.flow_id:
                return _("Held: %s", hold.name)
        return ""

    def _outside_window(self):
        """Return when the window of its flow opens, or an empty text while it is open."""
        opening = self.flow_id.sudo()._outside_window_until(clock.now())
        return _("Waits for its window, which opens at %s.", format_datetime(self.env, opening)) if opening else ""

    def _refused_by(self, blocked):
        """Return until when the provider takes no calls of this kind, or an empty text."""
        for row in blocked:
            if row.flow_id == self.flow_id.id and row.kind == self.kind and self.priority >= row.priority_from:
                moment = format_datetime(self.env, row.until) if row.until else _("further notice")
                return _("The provider takes no calls of this kind until %s.", moment)
        return ""

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
