import logging

from odoo import api, fields, models

from ..lib.trouble import DATABASE_TROUBLE

_logger = logging.getLogger(__name__)

OURS = ("model_id.model", "=like", "sync.%")
TROUBLE_SECONDS = 60  # after trouble of the database, a part is tried again
BUG_SECONDS = 3600  # after anything else


class IrCron(models.Model):
    """Scheduled actions of the synchronisation stay on, unless a person switched them off.

    Odoo switches an action off that fails for days. It does so in SQL, past `write`:
    that tells the two apart.
    """

    _inherit = "ir.cron"

    sync_off_by_hand = fields.Boolean(readonly=True, help="A person switched this action off; it stays so.")

    def write(self, vals):
        """Remember who switched an action of the synchronisation off."""
        if "active" in vals:
            ours = self.filtered_domain([OURS])
            super(IrCron, ours).write({"sync_off_by_hand": not vals["active"]})
        return super().write(vals)

    @api.model
    def _sync_switched_off(self):
        """Return the actions of the synchronisation that are switched off.

        A lane that a person switched off is none of them: that is done on the lane.
        """
        lanes = self.env["sync.lane"].sudo().with_context(active_test=False).search([("active", "=", False)])
        return self.sudo().search([OURS, ("active", "=", False), ("id", "not in", lanes.cron_id.ids)])

    @api.model
    def _sync_switch_on(self):
        """Switch on what Odoo has switched off; in a neutralised copy, nothing.

        The action of a lane that is on is on, whoever switched it off.
        """
        if self.env["ir.config_parameter"].sudo().get_param("database.is_neutralized"):
            return
        lanes = self.env["sync.lane"].sudo().search([])
        off = self._sync_switched_off()
        off = off.filtered(lambda cron: not cron.sync_off_by_hand or cron in lanes.cron_id)
        # Odoo refuses to change an action that is being executed; that one is seen to the next time.
        off.try_lock_for_update(allow_referencing=True).write({"active": True})

    @api.model
    def _sync_keep_on(self):
        """Switch on what no job runs without, should Odoo have switched it off: lanes and watchdog.

        One small query that normally finds nothing.
        """
        self.env.cr.execute(
            """
            SELECT 1 FROM ir_cron c
             WHERE NOT c.active AND (
                   EXISTS (SELECT 1 FROM sync_lane l WHERE l.cron_id = c.id AND l.active)
                   OR c.id = %s AND c.sync_off_by_hand IS NOT TRUE)
             LIMIT 1
            """,
            [self.env["ir.model.data"]._xmlid_to_res_id("crm_sync_base.ir_cron_watchdog")],
        )
        if self.env.cr.fetchone():
            self._sync_switch_on()

    def _sync_run_parts(self, *parts):
        """Run the parts of this scheduled action; one that fails stops no other, and is tried again.

        An action that raises has lost the triggers that it was started by: Odoo would look
        at it again when its interval is over, a day later.

        :param parts: methods; each is done as a whole or not at all.
        """
        self.ensure_one()
        again = []
        for part in parts:
            try:
                with self.env.cr.savepoint():
                    part()
            except DATABASE_TROUBLE as error:  # most likely, somebody works on the same records
                _logger.info("Synchronisation: %s is tried again: %s", part.__name__, type(error).__name__)
                again.append(TROUBLE_SECONDS)
            except Exception:
                _logger.exception("Synchronisation: %s failed", part.__name__)
                again.append(BUG_SECONDS)
        if again:
            self._trigger(fields.Datetime.add(fields.Datetime.now(), seconds=min(again)))
