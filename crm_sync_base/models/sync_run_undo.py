from odoo import _, api, fields, models
from odoo.exceptions import AccessError, UserError

from ..lib.clock import now
from ..lib.priorities import BULK
from .sync_run_pass import MANAGER

UNDO_BATCH = 200  # records in one job


class SyncRunUndo(models.Model):
    """Undo: what a run changed goes back, in a run of its own that can be undone, too."""

    _inherit = "sync.run"

    undoes_id = fields.Many2one(
        "sync.run", readonly=True, ondelete="restrict", index="btree_not_null"
    )
    undo_ids = fields.One2many("sync.run", "undoes_id", string="Undone By", readonly=True)
    undo_count = fields.Integer(compute="_compute_undo")
    can_undo = fields.Boolean(compute="_compute_undo", help="It is over and changed something in Odoo.")

    _undo_once = models.UniqueIndex(
        "(undoes_id) WHERE undoes_id IS NOT NULL AND state = 'running'", "This run is being undone already."
    )

    def _compute_undo(self):
        changed = {
            run for [run] in self.env["sync.change"].sudo()._read_group(
                [("run_id", "in", self.ids), ("verdict", "=", "applied"), ("direction", "=", "inbound")], ["run_id"]
            )
        }  # fmt: skip
        for run in self:
            run.undo_count = len(run.undo_ids)
            run.can_undo = run.state != "running" and run in changed

    # === Start ===#

    def _start_undo(self, dry_run=False):
        """Start to take back what this run changed.

        :param dry_run: only say what would go back and what not.
        :return: the run that does it.
        :raises AccessError: for everybody below integration managers.
        :raises UserError: when there is nothing to take back, or it is being done.
        """
        self.ensure_one()
        self._check_may_undo()
        records = self._changed_records()
        if not records:
            raise UserError(_("%s changed nothing in Odoo: there is nothing to undo.", self.name))
        name = _("Dry run of undoing: %s", self.name) if dry_run else _("Undo: %s", self.name)
        run = self.sudo().create(
            {
                "name": name,
                "kind": "undo",
                "dry_run": dry_run,
                "undoes_id": self.id,
                "flow_id": self.flow_id.id,
                "connection_id": self.connection_id.id,
                "company_id": self.company_id.id,
                "listed": True,
                "seen_count": len(records),
            }
        )
        run._enqueue_undo(records)
        run._look_again()
        return run.sudo(False)

    def _check_may_undo(self):
        if not self.env.user.has_group(MANAGER):
            raise AccessError(_("Only integration managers may undo a run."))
        self.check_access("write")
        if self.state == "running":
            raise UserError(_("%s is still running. Cancel it first.", self.name))
        if self.undo_ids.filtered(lambda run: run.state == "running"):
            raise UserError(_("%s is being undone already.", self.name))
        if self.flow_id.direction == "outbound" and self._outbound_count(self):
            raise UserError(
                _(
                    "%(run)s wrote to %(system)s: what was sent there cannot be taken back from Odoo. Correct the "
                    "records in Odoo and send them again, or restore them in the other system; “Changes” lists them.",
                    run=self.name,
                    system=self.connection_id.name,
                )
            )

    def _changed_records(self):
        """Return `[(flow id, ids of its changes)]` of each record that this run changed (one query).

        All changes of a record stay together, and the record that was changed last comes first.
        """
        self.env["sync.change"].flush_model()
        self.env.cr.execute(
            """
            SELECT flow_id, array_agg(id ORDER BY id DESC) FROM sync_change
             WHERE run_id = %s AND verdict = 'applied' AND direction = 'inbound'
               AND flow_id IN (SELECT id FROM sync_flow) AND res_id IS NOT NULL
             GROUP BY flow_id, model, res_id
             ORDER BY max(id) DESC
            """,
            [self.id],
        )
        return self.env.cr.fetchall()

    def _enqueue_undo(self, records):
        by_flow = {}
        for flow_id, changes in records:
            by_flow.setdefault(flow_id, []).append(changes)
        specs = []
        for flow in self.env["sync.flow"].sudo().browse(by_flow):
            lists = by_flow[flow.id]
            for start in range(0, len(lists), UNDO_BATCH):
                batch = lists[start : start + UNDO_BATCH]
                key = f"undo:{self.id}:{flow.id}:{start}"
                specs.append(
                    {
                        "flow": flow,
                        "kind": "undo",
                        "idempotency_key": key,
                        "lane_key": key,
                        "priority": flow.priority + BULK,
                        # A person waits for it; no window of the flow puts it off.
                        "eta": now(),
                        "payload": {"changes": [change for changes in batch for change in changes]},
                        "remote_object": flow.remote_object,
                        "run_id": self.id,
                        "name": _("Undo %(count)s × %(object)s", count=len(batch), object=flow._remote().label),
                    }
                )
        self.env["sync.job"].sudo()._enqueue(specs)

    def _check_may_resume(self):
        if self.kind != "undo":
            return super()._check_may_resume()
        return self.undoes_id._check_may_undo()

    # === Actions ===#

    def action_undo(self):
        """Ask before what this run changed is taken back."""
        self.ensure_one()
        self._check_may_undo()
        wizard = self.env["sync.run.undo.wizard"].create({"run_id": self.id})
        return {
            "type": "ir.actions.act_window",
            "name": _("Undo a Run"),
            "res_model": wizard._name,
            "res_id": wizard.id,
            "view_mode": "form",
            "target": "new",
        }

    def action_undo_for_real(self):
        """After the dry run of an undo: ask whether to do it."""
        return self.undoes_id.action_undo()

    def action_open_undone(self):
        """Open the run that this one undoes."""
        return self.undoes_id._action_form()

    def action_open_undos(self):
        """Open the runs that undo this one."""
        self.ensure_one()
        if len(self.undo_ids) == 1:
            return self.undo_ids._action_form()
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_run")
        return dict(action, domain=[("undoes_id", "=", self.id)], context={})

    @api.model
    def _outbound_count(self, run):
        """Return how many changes of a run went to the other system."""
        return self.env["sync.change"].search_count(
            [("run_id", "=", run.id), ("verdict", "=", "applied"), ("direction", "=", "outbound")]
        )
