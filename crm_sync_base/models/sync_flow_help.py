from odoo import _, api, fields, models

from ..lib.errors import Recovery
from ..lib.failure_policy import treatments
from ..lib.sla import Target, choose


class SyncFlowHelp(models.Model):
    """Retry, replay and exceptions of a flow, rendered from what the engine acts on."""

    _inherit = "sync.flow"

    failure_help = fields.Html(
        string="When Something Fails", compute="_compute_failure_help", sanitize=False
    )

    @api.depends(
        "max_attempts", "base_wait", "max_wait", "crash_wait", "on_step_failure", "criticality", "batch_size",
        "owner_id", "technical_owner_id", "connection_id",
    )
    def _compute_failure_help(self):
        for flow in self:
            flow.failure_help = self.env["ir.qweb"]._render(
                "crm_sync_base.flow_failure_help",
                {
                    "flow": flow,
                    "rows": flow._failure_rows() if flow.connection_id else [],
                    "runbook": self.env["sync.runbook"],
                },
            )

    def _failure_rows(self):
        """Return what happens with each kind of error in this flow.

        :return: `[{"code", "kind", "what", "hours", "who"}]`; hours is None where no person
            is asked.
        """
        labels = self.env["sync.job"]._error_labels()
        targets = self._deadline_targets()
        rows = []
        for treatment in treatments(self._retry_policy()):
            asked = treatment.recovery is not Recovery.HOLD
            found = choose(targets, treatment.code, self.criticality or "")
            hours = found.hours if found else float(self.env["sync.settings"]._number("sla_hours"))
            rows.append(
                {
                    "code": treatment.code,
                    "kind": labels.get(treatment.code, treatment.code),
                    "what": self._treatment_text(treatment),
                    "hours": hours if asked else None,
                    "who": self._person_for(treatment.code).name if asked else "",
                }
            )
        return rows

    def _deadline_targets(self):
        """Return the deadlines that hold for this flow's company, as values (one query)."""
        targets = self.env["sync.exception.sla"].sudo().search(
            [("company_id", "in", (False, self.company_id.id))]
        )
        return [
            Target(one.id, one.hours, one.error_code or "", one.criticality or "") for one in targets
        ]

    def _treatment_text(self, treatment):
        """Return what the engine does, as a sentence."""
        if treatment.recovery is Recovery.PERSON:
            return _("Not tried again by itself: a person is asked at once.")
        if treatment.recovery is Recovery.PAUSE:
            return _("The connection is paused once; its jobs wait and no attempt is counted.")
        if treatment.recovery is Recovery.HOLD:
            return _("Waits until calls are taken again; no attempt is counted.")
        waits = ", ".join(_span(seconds) for seconds in treatment.waits)
        if not waits:
            return _("Tried once, then a person is asked.")
        if treatment.recovery is Recovery.WAIT:
            return _(
                "Waits as long as the provider asks for, at least at random up to %(waits)s; "
                "after %(attempts)s attempts a person is asked.",
                waits=waits,
                attempts=treatment.attempts,
            )
        return _(
            "Tried again after a random wait of up to %(waits)s; after %(attempts)s attempts a "
            "person is asked.",
            waits=waits,
            attempts=treatment.attempts,
        )


def _span(seconds):
    """Return a wait, rounded to what matters."""
    if seconds < 120:
        return f"{seconds:g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
