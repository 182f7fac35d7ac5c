from odoo.tests import tagged

from .common import SalesforceCase


@tagged("post_install", "-at_install")
class TestSalesforceConditions(SalesforceCase):
    """The condition of a run is asked of Salesforce as far as it can be asked, and checked here."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        flows = cls.env["sync.flow.template"]._install(cls.connection)
        cls.flow = flows.filtered(lambda flow: flow.code == "accounts")
        cls.flow.action_dry_run()
        for name, city, staff in (("One", "Cond Town", 10), ("Two", "Cond Town", 90), ("Three", "Cond City", 50)):
            cls.admin.post(
                "/salesforce/records/Account", {"Name": f"Cond {name}", "BillingCity": city, "NumberOfEmployees": staff}
            )

    def listed(self, scope):
        """Plan the accounts that meet a condition; return (how many were listed, names of the wanted)."""
        run = self.env["sync.run"]._start_pass(self.flow, dry_run=True, remote_scope=scope)
        self.run_lane()
        wanted = run.line_ids.filtered(lambda line: line.verdict != "skipped")
        return run.seen_count, sorted(line.record_name.rpartition(" ")[2] for line in wanted)

    def test_what_can_be_asked_is_asked(self):
        for scope, count, names in (
            ("[('BillingCity', '=', 'Cond Town')]", 2, ["One", "Two"]),
            ("[('BillingCity', 'in', ['Cond City', 'Elsewhere'])]", 1, ["Three"]),
            ("[('BillingCity', '=', 'Cond Town'), ('NumberOfEmployees', '>', 50)]", 1, ["Two"]),
            # Without regard to case there, with regard to it here.
            ("[('BillingCity', '=', 'cond town')]", 2, []),
        ):
            with self.subTest(scope):
                self.assertEqual(self.listed(scope), (count, names))

    def test_the_rest_is_read_and_filtered(self):
        everything, _names = self.listed("")
        count, names = self.listed("[('BillingCity', '!=', 'Cond Town'), ('Name', 'in', ['Cond Two', 'Cond Three'])]")
        self.assertEqual((count, names), (2, ["Three"]))
        self.assertEqual(self.listed("[('BillingCity', '!=', None)]")[0], everything)

    def test_the_wizard_says_which(self):
        wizard = self.env["sync.run.wizard"].create({"flow_ids": self.flow.ids, "part": "scope"})
        for scope, words in (
            ("[('BillingCity', '=', 'X')]", "Only records that meet the condition are read"),
            ("[('BillingCity', '!=', 'X')]", "All records are read, and filtered here"),
            ("[('BillingCity', '!=', 'X'), ('Name', '=', 'Y')]", "cannot be asked for BillingCity"),
        ):
            wizard.remote_scope = scope
            self.assertIn(words, wizard.scope_note)
        wizard.part = "all"
        self.assertFalse(wizard.scope_note)
