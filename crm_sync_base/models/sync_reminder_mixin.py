from odoo import api, fields, models

TYPE = "crm_sync_base.activity_promise"


class SyncReminderMixin(models.AbstractModel):
    """A task that is given once and closed by itself when its cause is gone."""

    _name = "sync.reminder.mixin"
    _description = "Reminder"

    def _remind(self, summary, note, deadline, user):
        """Give somebody a task on this record, unless it has one of this kind.

        :param deadline: a date; one that has passed counts as today.
        """
        self.ensure_one()
        if not self._reminders():
            self.activity_schedule(
                TYPE,
                date_deadline=max(deadline, fields.Date.today()),
                summary=summary,
                note=note,
                user_id=user.id,
            )

    def _forget_reminder(self):
        """Close the tasks of these records: what they were about is gone."""
        self._reminders().action_feedback()

    def _reminders(self):
        """Return the open tasks of this kind on these records (one query)."""
        return self.env["mail.activity"].sudo().search(
            [
                ("res_model", "=", self._name),
                ("res_id", "in", self.ids),
                ("activity_type_id", "=", self.env.ref(TYPE).id),
            ]
        )

    @api.model
    def _cron_remind(self):
        """Look at the promises of providers and of our own flows, once a day."""
        self.env["sync.connection"]._remind_of_sunsets()
        self.env["sync.flow"]._remind_of_broken_levels()
