from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError

from ..lib.plan import Planned
from .sync_run_line import CARRIED
from .sync_run_pass import MANAGER

EXPORT_BATCH = 500  # lines that are read at a time


class SyncRunPlan(models.Model):
    """A dry run as a plan: approved, it is carried out as it is, or says what changed."""

    _inherit = "sync.run"

    plan_id = fields.Many2one(
        "sync.run", readonly=True, ondelete="restrict", index="btree_not_null",
        help="The dry run that this run carries out.",
    )
    execution_ids = fields.One2many("sync.run", "plan_id", string="Carried Out By", readonly=True)
    execution_id = fields.Many2one("sync.run", string="Carried Out", compute="_compute_execution_id")
    approved_by_id = fields.Many2one("res.users", readonly=True)

    _plan_once = models.UniqueIndex(
        "(plan_id) WHERE plan_id IS NOT NULL", "This plan is being carried out already."
    )

    def _compute_execution_id(self):
        for run in self:
            run.execution_id = run.execution_ids[:1]

    # === Approve ===#

    def action_approve(self):
        """Carry out exactly what this dry run planned, and show it.

        Each record is read and planned again, and written if the plan is the same as
        before; what differs is left alone and listed with what changed.

        :raises AccessError: for everybody below integration managers.
        :raises UserError: when there is nothing to carry out, or it was done already.
        """
        self.ensure_one()
        self._check_may_approve()
        lines = self.env["sync.run.line"].search(
            [("run_id", "=", self.id), ("needed", "=", False), "|", ("verdict", "in", CARRIED), ("asks", ">", 0)]
        )
        if not lines:
            raise UserError(_("%s planned no change: there is nothing to carry out.", self.name))
        run = self.sudo().create(
            {
                "name": _("Approved plan: %s", self.flow_id.name),
                "kind": "execution",
                "plan_id": self.id,
                "approved_by_id": self.env.uid,
                "flow_id": self.flow_id.id,
                "connection_id": self.connection_id.id,
                "company_id": self.company_id.id,
                "listed": True,
                "seen_count": len(lines),
            }
        )
        run._enqueue_pages(lines.mapped("res_id" if self.flow_id.direction == "outbound" else "external_id"))
        run._look_again()
        return run.sudo(False)._action_form()

    def _check_may_approve(self):
        if not self.env.user.has_group(MANAGER):
            raise AccessError(_("Only integration managers may approve a plan."))
        self.check_access("write")
        if self.kind != "dry_run" or self.state != "done":
            raise UserError(_("%s is no finished dry run.", self.name))
        if self.execution_ids:
            raise UserError(_("%s was approved already. Start another dry run.", self.name))
        if self.flow_id.mode == "off":
            raise UserError(_("%s is off. Switch it to dry run or go live first.", self.flow_id.name))
        refusal = self.flow_id._handler("page")._plan_refusal(self.flow_id)
        if refusal:
            raise UserError(refusal)
        if self.flow_id.phase_locked:
            # Writing for real is what the phases of a go-live keep back.
            raise UserError(self.flow_id.phase_locked)

    def _check_may_resume(self):
        if self.kind != "execution":
            return super()._check_may_resume()
        if not self.env.user.has_group(MANAGER):
            raise AccessError(_("Only integration managers may resume an approved plan."))
        return None

    # === What was planned ===#

    def _planned(self, keys):
        """Return `{line key: Planned}` of what this dry run planned (two queries)."""
        self.ensure_one()
        lines = self.env["sync.run.line"].sudo().search(
            [("run_id", "=", self.id), ("key", "in", list(keys)), ("digest", "!=", False)]
        )
        return {
            line.key: Planned(
                line.verdict, line.res_id or None, line.change_id.mapping_id.id or None, line.digest,
                line.change_id.values or {},
            )
            for line in lines
        }  # fmt: skip

    # === Actions ===#

    def _action_form(self):
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    def action_open_execution(self):
        """Open the run that carried this plan out."""
        return self.execution_id._action_form()

    def action_open_plan(self):
        """Open the dry run that this run carries out."""
        return self.plan_id._action_form()

    # === Export ===#

    def action_export(self):
        """Download what this run did, or would do, as a spreadsheet."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_url",
            "url": f"/crm_sync/run/{self.id}/differences.xlsx",
            "target": "download",
        }

    @api.model
    def _export_titles(self):
        return [
            _("Record"), _("Remote Id"), _("Verdict"), _("Field"), _("Before"), _("After"), _("Reason"),
        ]  # fmt: skip

    def _export_rows(self):
        """Yield the rows of the spreadsheet as texts, masked as on the screen.

        Memory stays flat: the lines are read batch by batch.
        """
        self.ensure_one()
        Line = self.env["sync.run.line"]
        verdicts = dict(Line._fields["verdict"]._description_selection(self.env))
        last = 0
        while lines := Line.search([("run_id", "=", self.id), ("id", ">", last)], order="id", limit=EXPORT_BATCH):
            for line in lines:
                head = (line.record_name or "", line.external_id or "", verdicts[line.verdict])
                reason = line.reason or ""
                for row in line.diff or [{"label": "", "before": "", "after": ""}]:
                    yield (*head, row["label"], row["before"], row["after"], reason)
            last = lines[-1].id
            self.env.invalidate_all(flush=False)
