from decimal import Decimal

from odoo.addons.crm_sync_base.tests.deals import DealStory
from odoo.tests import tagged

from .common import HubspotCase


@tagged("post_install", "-at_install")
class TestHubspotDeals(DealStory, HubspotCase):
    """Won deals over real HTTP, whole and with defects."""

    deal_object = "deals"
    currency = "EUR"
    known_defects = {
        "unmapped_product": ["UNMAPPED"],
        "unknown_currency": ["CHF"],
        "missing_tax": ["Regional Levy 7.5%"],
        "no_company": ["Primary Company"],
    }

    def make_deal(self, **spec):
        """Create and win a deal; return its id."""
        spec.setdefault("currency", self.currency)
        return self.admin.post("/hubspot/deals", {"win": True, **spec})["deal_id"]

    def same_customer(self, deal_id):
        """Return the primary company of a deal."""
        return {"company_id": self.admin.get(f"/hubspot/deals/{deal_id}")["primary_company_id"]}

    def remote_status(self, deal_id):
        """Return what the deal says of order and payment."""
        properties = self.admin.get(f"/hubspot/deals/{deal_id}")["deal"]["properties"]
        return {key: value for key, value in properties.items() if key.startswith("odoo_")}

    def source_totals(self, deal_id):
        """Return net, tax and total as the quote has them."""
        quote = self.admin.get(f"/hubspot/deals/{deal_id}")["quotes"][0]
        lines = [line["properties"] for line in quote["line_items"]]
        net = sum(Decimal(line["amount"]) for line in lines)
        tax = sum(Decimal(line["hs_tax_amount"]) for line in lines)
        return net, tax, Decimal(quote["properties"]["hs_quote_amount"])

    def test_a_discount_per_unit_is_taken_off_the_price(self):
        deal_id = self.make_deal(lines=[{"sku": "Q2C-SUP", "quantity": "3", "discount": "10.05"}])
        order = self.deliver(deal_id)
        self.assertEqual(order.amount_untaxed, float(self.source_totals(deal_id)[0]))

    # === What HubSpot says of the deal ===#

    def patch(self, object_name, record_id, **properties):
        """Change a record as a sales user would."""
        self.admin.request("PATCH", f"/hubspot/records/{object_name}/{record_id}", {"properties": properties})

    def test_facts_are_those_of_the_moment(self):
        deal_id = self.make_deal()
        order = self.deliver(deal_id)
        deal = self.admin.get(f"/hubspot/deals/{deal_id}")
        before = self.facts_of(order)
        (line, *_rest) = deal["quotes"][0]["line_items"]
        self.patch("line_items", line["id"], quantity=str(Decimal(line["properties"]["quantity"]) + 1))
        self.patch("companies", deal["primary_company_id"], name="Renamed Ltd")
        self.patch("deals", deal_id, odoo_invoice="", odoo_amount_paid="")
        self.admin.post(f"/hubspot/deals/{deal_id}/lose")
        after = self.facts_of(order)
        self.assertGreater(after["untaxed"], before["untaxed"])
        self.assertEqual(after["customer"], "Renamed Ltd")
        self.assertEqual((after["invoice_numbers"], after["amount_paid"]), (frozenset(), Decimal(0)))
        self.assertEqual((before["in_force"], after["in_force"]), (True, False))

    def test_an_archived_deal_is_deleted(self):
        deal_id = self.make_deal()
        order = self.deliver(deal_id)
        self.admin.delete(f"/hubspot/records/deals/{deal_id}")
        self.assertTrue(self.connector._deal_facts(self.connection, order).deleted)
