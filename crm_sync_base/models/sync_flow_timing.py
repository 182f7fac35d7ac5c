from odoo import _, api, fields, models
from odoo.addons.base.models.res_partner import _tz_get

from ..lib import clock, timing
from ..lib.timing import Window


class SyncFlowTiming(models.Model):
    """When a flow works: as things happen, or in batches within a window."""

    _inherit = "sync.flow"

    timing = fields.Selection(
        [("real_time", "As it happens"), ("batch", "In batches")],
        default="real_time",
        required=True,
        tracking=True,
        help="In batches: what changes is gathered, once for each record, and processed together.",
    )
    batch_interval = fields.Integer(
        string="A Batch Every (minutes)", default=60, required=True, tracking=True
    )
    window_start = fields.Float(
        string="Window Opens", default=0.0, required=True, tracking=True, help="Local time of the zone below."
    )
    window_end = fields.Float(
        string="Window Closes",
        default=0.0,
        required=True,
        tracking=True,
        help="Nothing of this flow starts outside of the window. Equal times: it is open all day.",
    )
    window_days = fields.Selection(
        [("all", "Every day"), ("workdays", "Monday to Friday"), ("weekend", "Saturday and Sunday")],
        default="all",
        required=True,
        help="The days on which the window opens; a night belongs to the evening before.",
    )
    window_tz = fields.Selection(
        _tz_get,
        string="Time Zone",
        required=True,
        default=lambda self: self.env.user.tz or "UTC",
    )
    timing_text = fields.Char(string="When", compute="_compute_timing_text")

    _window_hours = models.Constraint(
        "CHECK (window_start >= 0 AND window_start < 24 AND window_end >= 0 AND window_end < 24)",
        "A window opens and closes between 0:00 and 23:59.",
    )
    _batch_interval_positive = models.Constraint(
        "CHECK (batch_interval > 0)", "There is at least a minute between two batches."
    )

    @api.depends("timing", "batch_interval", "window_start", "window_end", "window_days", "window_tz")
    def _compute_timing_text(self):
        for flow in self:
            flow.timing_text = _("as it happens") if flow.timing == "real_time" else flow._batch_text()

    def _batch_text(self):
        """Return when batches run, as people say it."""
        every = _("every %s minutes", self.batch_interval)
        if self.batch_interval % 60 == 0:
            hours = self.batch_interval // 60
            every = _("every hour") if hours == 1 else _("every %s hours", hours)
        days = {
            "all": _("every day"),
            "workdays": _("Monday to Friday"),
            "weekend": _("Saturday and Sunday"),
        }[self.window_days]
        if self.window_start == self.window_end:
            return every if self.window_days == "all" else f"{every}, {days}"
        return _(
            "%(every)s, %(days)s %(start)s–%(end)s (%(zone)s)",
            every=every,
            days=days,
            start=_clock_time(self.window_start),
            end=_clock_time(self.window_end),
            zone=self.window_tz,
        )

    # === Engine ===#

    @api.model
    def _timing_fields(self):
        """Return the fields that decide when work may start."""
        return {"timing", "batch_interval", "window_start", "window_end", "window_days", "window_tz"}

    def write(self, vals):
        result = super().write(vals)
        if self._timing_fields() & vals.keys():
            # What has been gathered so far is due under the new terms.
            self.env["sync.lane"]._wake()
        return result

    def _window(self):
        """Return the window of a batch flow as a value; other flows have none."""
        return Window(self.window_start, self.window_end, self.window_days, self.window_tz)

    def _outside_window_until(self, moment):
        """Return when the window opens again, or None when work may start at a moment."""
        if self.timing != "batch" or self._window().contains(moment):
            return None
        return self._window().opens_at(moment)

    def _next_poll_at(self, previous):
        if self.timing != "batch":
            return super()._next_poll_at(previous)
        return timing.next_batch(previous or clock.now(), self.batch_interval)

    @api.model
    def _next_opening(self):
        """Return when the next window opens for which work waits, or None (one query)."""
        self.flush_model()
        self.env.cr.execute(
            """
            SELECT f.id FROM sync_flow f
             WHERE f.active AND f.mode <> 'off' AND f.timing = 'batch'
               AND EXISTS (SELECT 1 FROM sync_job j WHERE j.flow_id = f.id AND j.state = 'pending')
            """
        )
        now = clock.now()
        flows = self.browse([row[0] for row in self.env.cr.fetchall()])
        openings = [flow._outside_window_until(now) for flow in flows]
        return min(filter(None, openings), default=None)


def _clock_time(hours):
    """Return 22.5 as 22:30."""
    minutes = round(hours * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
