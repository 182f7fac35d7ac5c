from unittest.mock import patch

from freezegun import freeze_time
from odoo.addons.crm_sync_base.lib.errors import RateLimited, Transient
from odoo.addons.q2c_sale.lib import facts, totals
from odoo.addons.q2c_sale.lib.facts import DealFacts
from odoo.addons.q2c_sale.tests.common import DealCase
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, new_test_user
from psycopg2.errors import SerializationFailure


def _role(connector):
    return facts.CRM


def _facts(connector, connection, order):
    """Return what the test CRM says of a deal."""
    deal = connector._bound_document(connection, "Deal", order)
    if deal is None:
        return None
    if deal.deleted:
        return DealFacts(connection.name, deal.external_id, deleted=True)
    data = deal.data
    return DealFacts(
        connection.name,
        deal.external_id,
        f"https://crm.example.com/{deal.external_id}",
        currency=data["Currency"],
        customer="AURORA FOODS",
        untaxed=totals.read(data["Untaxed"]),
        tax=totals.read(data["TaxAmount"]),
        total=totals.read(data["Total"]),
    )


class ComparisonCase(DealCase):
    """The test CRM tells what it knows of a deal."""

    def setUp(self):
        super().setUp()
        connector = self.registry["sync.connector.testcrm"]
        for name, method in (("_deal_role", _role), ("_deal_facts", _facts)):
            self.startPatch(connector, name, method)
        self.add_steps("confirm", "invoice")
        self.deal()
        self.sync()
        self.sale = self.order()

    def startPatch(self, target, name, value):
        """Replace an attribute for this test; it need not exist."""
        patcher = patch.object(target, name, value, create=True)
        patcher.start()
        self.addCleanup(patcher.stop)

    def compare(self):
        """Press the button of the order; return the comparison that it opens."""
        action = self.sale.action_q2c_compare()
        self.assertEqual(action["res_model"], "q2c.comparison")
        return self.env["q2c.comparison"].browse(action["res_id"])

    def row(self, comparison, fact):
        """Return (CRM, Odoo, billing, verdict) of a fact."""
        line = comparison.line_ids.filtered(lambda one: one.fact == fact)
        return tuple(line[name] or "" for name in ("crm_value", "erp_value", "billing_value", "verdict"))


class TestComparison(ComparisonCase):
    """What is found is kept as it was, whatever happens to a system."""

    def test_equal_systems(self):
        comparison = self.compare()
        self.assertEqual((comparison.verdict, comparison.difference_count), ("equal", 0))
        self.assertEqual(comparison.systems, "Test CRM, Odoo")
        self.assertEqual((comparison.crm_name, comparison.crm_reference), ("Test CRM", "d1"))
        self.assertEqual(comparison.crm_url, "https://crm.example.com/d1")
        self.assertEqual(self.row(comparison, "total"), ("3345.65 EUR", "3345.65 EUR", "", "equal"))
        self.assertEqual(self.row(comparison, "customer"), ("AURORA FOODS", "Aurora Foods", "", "equal"))
        self.assertEqual(self.row(comparison, "order_number"), ("", self.sale.name, "", "unknown"))
        self.assertEqual(comparison.correlation_id, self.sale._sync_correlations()[self.sale.id])
        self.assertEqual(comparison.company_id, self.company)

    def test_somebody_changes_the_deal_in_the_crm(self):
        self.deal(Total=3345.66)
        comparison = self.compare()
        self.assertEqual((comparison.verdict, comparison.difference_count), ("different", 1))
        self.assertEqual(self.row(comparison, "total"), ("3345.66 EUR", "3345.65 EUR", "", "different"))

    def test_somebody_changes_the_order_in_odoo(self):
        self.sale.order_line[0].price_unit += 1
        comparison = self.compare()
        self.assertEqual(comparison.verdict, "different")
        differing = comparison.line_ids.filtered(lambda line: line.verdict == "different")
        self.assertEqual(differing.mapped("fact"), ["untaxed", "tax", "total"])

    def test_the_deal_is_deleted_in_the_crm(self):
        self.remote.delete("Deal", "d1")
        comparison = self.compare()
        self.assertEqual(comparison.verdict, "different")
        self.assertEqual(self.row(comparison, "record"), ("deleted", "there", "", "different"))

    def test_an_order_that_no_other_system_knows(self):
        self.sale = self.sale.copy()
        comparison = self.compare()
        self.assertEqual((comparison.verdict, comparison.unread_count), ("incomplete", 0))
        self.assertEqual(comparison.systems, "Odoo")
        self.assertFalse(comparison.correlation_id)

    # === A system that cannot be read ===#

    def assertUnread(self, text):
        comparison = self.compare()
        self.assertEqual((comparison.verdict, comparison.unread_count), ("incomplete", 1))
        crm, odoo, _billing, verdict = self.row(comparison, "answer")
        self.assertEqual((odoo, verdict), ("read", "unread"))
        self.assertTrue(crm.startswith("could not be read: "), crm)
        self.assertIn(text, crm)
        self.assertEqual(self.row(comparison, "total"), ("", "3345.65 EUR", "", "unknown"))

    def test_the_crm_is_down(self):
        self.remote.faults["read"] = [Transient("The connection to the CRM failed.")]
        self.assertUnread("The connection to the CRM failed.")

    def test_the_crm_wants_us_to_wait(self):
        self.remote.faults["read"] = [RateLimited("Too many calls, 7 % left.", retry_after=60)]
        self.assertUnread("7 % left")

    def test_the_connection_is_paused(self):
        self.connection.action_pause()
        calls = self.remote.calls["read"]
        self.assertUnread("Test CRM")
        self.assertEqual(self.remote.calls["read"], calls, "a paused connection is left alone")

    def test_a_bug_hides_nothing_else_and_shows_no_values(self):
        self.remote.faults["read"] = [KeyError("secret@example.com")]
        with self.assertLogs("odoo.addons.q2c_reconciliation", "WARNING") as logs:
            self.assertUnread("KeyError")
        self.assertNotIn("secret@example.com", "".join(logs.output))
        self.assertNotIn("secret@example.com", str(self.env["q2c.comparison.line"].search([]).mapped("crm_value")))

    def test_a_serialization_failure_is_odoos_to_repeat(self):
        self.remote.faults["read"] = [SerializationFailure()]
        with self.assertRaises(SerializationFailure):
            self.compare()

    # === Locks ===#

    def test_nothing_is_written_before_all_systems_were_read(self):
        written = self.env["q2c.comparison"].search_count([])
        seen = []

        def read(connector, connection, order):
            connector.env.cr.execute(
                "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND mode = 'RowExclusiveLock'"
                " AND relation = 'q2c_comparison'::regclass"
            )
            seen.append(connector.env.cr.fetchone()[0])
            self.assertEqual(self.env["q2c.comparison"].search_count([]), written)
            return _facts(connector, connection, order)

        self.startPatch(self.registry["sync.connector.testcrm"], "_deal_facts", read)
        self.compare()
        self.assertEqual(seen, [0], "read once, without a lock to write")
        self.assertEqual(self.env["q2c.comparison"].search_count([]), written + 1)

    # === History ===#

    def test_history_is_kept_and_the_latest_is_marked(self):
        with freeze_time("2026-03-01 10:00:00"):
            first = self.compare()
        self.deal(Total=1)
        with freeze_time("2026-03-01 11:00:00"):
            second = self.env["q2c.comparison"].browse(first.action_compare_again()["res_id"])
        self.assertEqual((first.verdict, second.verdict), ("equal", "different"))
        self.assertEqual((first.is_latest, second.is_latest), (False, True))
        other = self.sale
        self.sale = self.sale.copy()
        third = self.compare()
        found = self.env["q2c.comparison"].search([("is_latest", "=", True), ("company_id", "=", self.company.id)])
        self.assertEqual(found, third | second)
        older = self.env["q2c.comparison"].search([("is_latest", "=", False), ("company_id", "=", self.company.id)])
        self.assertEqual(older, first)
        self.assertEqual(other.q2c_comparison_verdict, "different")
        self.assertEqual(
            self.env["q2c.comparison"].search(other.action_q2c_open_comparisons()["domain"]), second | first
        )

    def test_it_survives_its_order(self):
        self.sale = self.sale.copy()
        name = self.sale.name
        comparison = self.compare()
        self.sale.unlink()
        self.assertEqual((comparison.order_name, bool(comparison.order_id)), (name, False))
        self.assertIn(name, comparison.display_name)
        self.assertTrue(comparison.is_latest)

    def test_jobs_under_way_are_counted(self):
        self.assertEqual(self.compare().pending_count, 0)
        self.notify("Deal", "d1")
        comparison = self.compare()
        self.assertEqual(comparison.pending_count, 1)
        action = comparison.action_open_jobs()
        self.assertIn("pending", self.env["sync.job"].search(action["domain"]).mapped("state"))

    def test_actions_lead_to_order_trace_and_crm(self):
        comparison = self.compare()
        self.assertEqual(comparison.action_open_order()["res_id"], self.sale.id)
        self.assertEqual(comparison.action_open_trace()["params"]["query"], comparison.correlation_id)
        self.assertEqual(comparison.action_open_crm()["url"], comparison.crm_url)

    # === Search by any name ===#

    def ask(self, query):
        """Fill in the dialog and press Compare; return the order that was compared."""
        wizard = Form(self.env["q2c.comparison.wizard"])
        wizard.query = query
        action = wizard.save().action_compare()
        return self.env["q2c.comparison"].browse(action["res_id"]).order_id

    def test_a_deal_is_found_by_each_of_its_numbers(self):
        invoice = self.sale.invoice_ids
        for query in (self.sale.name, f" {self.sale.name.lower()} ", "d1", "Q-1001", "aurora rollout", invoice.name):
            self.assertEqual(self.ask(query), self.sale, query)

    def test_what_is_unknown_or_ambiguous_is_said(self):
        with self.assertRaisesRegex(UserError, "No sales order is known as “nothing”"):
            self.ask("nothing")
        with self.assertRaisesRegex(UserError, "No sales order"):
            self.ask("%")
        other = self.sale.copy({"q2c_source_reference": "Q-1001"})
        with self.assertRaisesRegex(UserError, "belongs to several orders") as caught:
            self.ask("Q-1001")
        self.assertIn(self.sale.name, str(caught.exception))
        self.assertIn(other.name, str(caught.exception))

    # === Rights ===#

    def make_user(self, login, groups):
        """Return a user of the company."""
        return new_test_user(
            self.env, login, groups, company_id=self.company.id, company_ids=[(6, 0, self.company.ids)]
        )

    def test_who_may_see_the_order_may_compare_it(self):
        for login, group in (("sync", "group_sync_user"), ("auditor", "group_sync_auditor")):
            user = self.make_user(login, f"crm_sync_base.{group},sales_team.group_sale_salesman_all_leads")
            action = self.sale.with_user(user).action_q2c_compare()
            comparison = self.env["q2c.comparison"].with_user(user).browse(action["res_id"])
            self.assertEqual((comparison.verdict, comparison.user_id), ("equal", user))
            self.assertTrue(comparison.line_ids)
            with self.assertRaises(AccessError):
                comparison.verdict = "different"
            with self.assertRaises(AccessError):
                comparison.line_ids[0].crm_value = "1"
            with self.assertRaises(AccessError):
                comparison.unlink()

    def test_who_may_not_see_the_order_may_not_compare_it(self):
        user = self.make_user("stranger", "crm_sync_base.group_sync_user")
        with self.assertRaises(AccessError):
            self.sale.with_user(user).action_q2c_compare()
        with self.assertRaises(AccessError):
            self.env["q2c.comparison.wizard"].with_user(user).create({"query": self.sale.name}).action_compare()

    def test_comparisons_of_other_companies_are_not_seen(self):
        comparison = self.compare()
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        user = new_test_user(
            self.env,
            "elsewhere",
            "crm_sync_base.group_sync_manager",
            company_id=elsewhere.id,
            company_ids=[(6, 0, elsewhere.ids)],
        )
        comparison = comparison.with_user(user).with_context(allowed_company_ids=elsewhere.ids)
        self.assertFalse(comparison.search([("id", "=", comparison.id)]))
        self.env.invalidate_all()
        with self.assertRaises(AccessError):
            comparison.line_ids.mapped("crm_value")
