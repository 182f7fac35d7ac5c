from decimal import Decimal

from odoo.addons.crm_sync_base.tests.deals import DealStory
from odoo.tests import tagged

from ..lib.ids import to15
from .common import SalesforceCase


@tagged("post_install", "-at_install")
class TestSalesforceDeals(DealStory, SalesforceCase):
    """Won opportunities over real HTTP, whole and with defects."""

    deal_object = "Opportunity"
    currency = "USD"
    known_defects = {
        "unmapped_product": ["UNMAPPED"],
        "unknown_currency": ["XTS"],
        "unknown_tax": ["Moon Levy 7.77%"],
    }

    def make_deal(self, **spec):
        """Create and win an opportunity; return its id."""
        spec.setdefault("currency", self.currency)
        spec.setdefault("account", {"Name": "Story Account", "BillingCountry": "United States",
                                    "BillingCity": "Yakima", "BillingState": "WA",
                                    "ShippingStreet": "1 Dock Road", "ShippingCity": "Seattle",
                                    "ShippingCountry": "United States"})
        return self.admin.post("/salesforce/deals", {"win": True, **spec})["opportunity_id"]

    def make_deal_of_one_customer(self):
        """Create and win an opportunity of an account with a postcode; return its id."""
        return self.make_deal(account={
            "Name": "Recognised Account", "BillingCountry": "United States", "BillingCity": "Yakima",
            "BillingState": "WA", "BillingPostalCode": "98901", "ShippingStreet": "1 Dock Road",
            "ShippingCity": "Seattle", "ShippingCountry": "United States",
        })

    def same_customer(self, deal_id):
        """Return the account of an opportunity."""
        return {"account": self.admin.get(f"/salesforce/records/Opportunity/{deal_id}")["AccountId"]}

    def remote_status(self, deal_id):
        """Return what the opportunity says of order and payment."""
        record = self.admin.get(f"/salesforce/records/Opportunity/{deal_id}")
        return {key: value for key, value in record.items() if key.startswith("Odoo_")}

    def source_totals(self, deal_id):
        """Return net, tax and total of the synced quote."""
        opportunity = self.admin.get(f"/salesforce/records/Opportunity/{deal_id}")
        quote = self.admin.get(f"/salesforce/records/Quote/{opportunity['SyncedQuoteId']}")
        return tuple(Decimal(str(quote[name] or 0)) for name in ("TotalPrice", "Tax", "GrandTotal"))

    def test_the_short_spelling_of_the_id_is_the_same_order(self):
        deal_id = self.make_deal()
        first = self.deliver(deal_id)
        self.env["sync.job"]._enqueue_documents(self.connection, "Opportunity", [to15(deal_id)])
        self.run_lane()
        bindings = self.env["sync.binding"].search(
            [("connection_id", "=", self.connection.id), ("remote_object", "=", "Opportunity")]
        )
        self.assertEqual(bindings.filtered(lambda b: b.res_id == first.id).external_id, deal_id)
        self.assertEqual(self.env["sale.order"].search([("partner_id", "=", first.partner_id.id)]), first)

    def test_company_contact_and_delivery_address(self):
        order = self.deliver(self.make_deal())
        company = order.partner_id
        self.assertEqual((company.city, company.state_id.code, company.country_id.code), ("Yakima", "WA", "US"))
        self.assertEqual(order.partner_shipping_id.parent_id, company)
        self.assertEqual((order.partner_shipping_id.type, order.partner_shipping_id.city), ("delivery", "Seattle"))

    def test_a_missing_tax_is_a_difference_that_is_shown(self):
        deal_id = self.make_deal(defects=["missing_tax"])
        order = self.deliver(deal_id)
        self.assertTrue(not order or order.amount_tax == 0.0)

    # === What Salesforce says of the deal ===#

    def patch(self, object_name, record_id, **values):
        """Change a record as a sales user would."""
        self.admin.request("PATCH", f"/salesforce/records/{object_name}/{record_id}", values)

    def test_facts_are_those_of_the_moment(self):
        deal_id = self.make_deal()
        order = self.deliver(deal_id)
        quote_id = self.admin.get(f"/salesforce/records/Opportunity/{deal_id}")["SyncedQuoteId"]
        before = self.facts_of(order)
        self.patch("Quote", quote_id, Tax=1.23)
        self.patch("Opportunity", deal_id, Odoo_Invoice__c=None, Odoo_Amount_Paid__c=None, StageName="Closed Lost")
        after = self.facts_of(order)
        self.assertEqual(after["tax"], Decimal("1.23"))
        self.assertEqual(after["total"], before["untaxed"] + Decimal("1.23"))
        self.assertEqual((after["invoice_numbers"], after["amount_paid"]), (frozenset(), Decimal(0)))
        self.assertEqual((before["in_force"], after["in_force"]), (True, False))

    def test_an_opportunity_in_the_bin_is_deleted(self):
        deal_id = self.make_deal()
        order = self.deliver(deal_id)
        self.patch("Opportunity", deal_id, SyncedQuoteId=None)
        self.admin.delete(f"/salesforce/records/Opportunity/{deal_id}")
        self.assertTrue(self.connector._deal_facts(self.connection, order).deleted)
