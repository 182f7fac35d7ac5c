from odoo.exceptions import AccessError, ValidationError
from odoo.tests import Form, TransactionCase, new_test_user, tagged


@tagged("post_install", "-at_install")
class TestSettings(TransactionCase):
    def save(self, **vals):
        settings = self.env["res.config.settings"].create(vals)
        settings.execute()
        return settings

    def number(self, name):
        return self.env["sync.settings"]._number(name)

    def test_what_holds_until_somebody_says_otherwise(self):
        settings = self.env["res.config.settings"].create({})
        self.assertEqual(
            (settings.sync_keep_jobs_days, settings.sync_health_seconds, settings.sync_sla_hours), (90, 300, 24)
        )
        self.assertEqual(settings.sync_lane_count, self.env["sync.lane"].search_count([]))
        self.assertFalse(settings.sync_metrics_enabled)

    def test_numbers_are_kept(self):
        self.save(sync_keep_jobs_days=7, sync_keep_events_days=8, sync_keep_metrics_days=9, sync_health_seconds=60)
        self.assertEqual(
            [self.number(f"keep_{name}_days") for name in ("jobs", "events", "metrics")], [7, 8, 9]
        )
        self.assertEqual(self.number("health_seconds"), 60)
        self.assertEqual(self.env["res.config.settings"].create({}).sync_keep_jobs_days, 7)

    def test_senseless_numbers_are_refused(self):
        for name in ("sync_keep_jobs_days", "sync_health_seconds", "sync_sla_hours"):
            with self.subTest(name), self.assertRaises(ValidationError), self.env.cr.savepoint():
                self.env["res.config.settings"].create({name: 0})
        with self.assertRaises(ValidationError):
            self.save(sync_lane_count=0)

    def test_the_default_deadline(self):
        none = self.env["sync.exception.sla"]
        self.assertEqual(none._hours(), 24)
        self.save(sync_sla_hours=6)
        self.assertEqual(none._hours(), 6)
        self.assertEqual(none.create({"hours": 2})._hours(), 2)

    def test_lanes(self):
        self.save(sync_lane_count=4)
        lanes = self.env["sync.lane"].search([])
        self.assertEqual(len(lanes), 4)
        self.save(sync_lane_count=1)
        self.assertEqual(self.env["sync.lane"].search_count([]), 1)

    def test_a_token_is_shown_once(self):
        action = self.save(sync_metrics_enabled=True).action_sync_metrics_token()
        token = action["context"]["default_token"]
        self.assertTrue(self.env["sync.metric.access"]._accepts(f"Bearer {token}"))
        self.assertTrue(self.env["res.config.settings"].create({}).sync_metrics_has_token)
        self.assertFalse(self.env["sync.metric.access"]._auto, "a form without a table keeps nothing")
        administrator = new_test_user(self.env, "settings_admin", groups="base.group_system")
        Shown = self.env[action["res_model"]].with_user(administrator).with_context(**action["context"])
        Shown.get_views([(False, "form")])
        shown = Shown.onchange({}, [], {"token": {}})
        self.assertEqual(shown["value"]["token"], token)

    def test_only_administrators(self):
        manager = new_test_user(
            self.env, "settings_manager", groups="base.group_user,crm_sync_base.group_sync_manager"
        )
        with self.assertRaises(AccessError):
            self.env["res.config.settings"].with_user(manager).create({})

    def test_the_page_can_be_opened(self):
        with Form(self.env["res.config.settings"]) as form:
            form.sync_keep_jobs_days = 11
        self.assertIn("sync_lane_count", form._view["fields"])
