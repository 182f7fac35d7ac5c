from odoo.tests import tagged

from .common import HubspotCase


@tagged("post_install", "-at_install")
class TestHubspotConditions(HubspotCase):
    """The condition of a run is given to the search as far as it can be, and checked here."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        flows = cls.env["sync.flow.template"]._install(cls.connection)
        cls.flow = flows.filtered(lambda flow: flow.remote_object == "companies" and flow.direction == "inbound")
        cls.flow.action_dry_run()

    def listed(self, scope):
        """Plan the companies that meet a condition; return (how many were listed, how many are wanted)."""
        run = self.env["sync.run"]._start_pass(self.flow, dry_run=True, remote_scope=scope)
        self.run_lane()
        return run.seen_count, len(run.line_ids.filtered(lambda line: line.verdict != "skipped"))

    def test_what_can_be_asked_is_asked(self):
        client = self.connection._connector()._build_client(self.connection)
        for name, city in (("Cond One", "Cond Town"), ("Cond Two", "Cond Town"), ("Cond Three", "Cond City")):
            client.create("companies", {"name": name, "city": city})
        everything, wanted = self.listed("")
        self.assertGreaterEqual(everything, 3)
        self.assertEqual(everything, wanted)
        self.assertEqual(self.listed("[('city', '=', 'Cond Town')]"), (2, 2))
        self.assertEqual(self.listed("[('city', '=', 'Cond Town'), ('name', '=', 'Cond Two')]"), (1, 1))
        self.assertEqual(self.listed("[('city', '!=', 'Cond Town')]"), (everything, everything - 2))
