from decimal import Decimal

from odoo.addons.crm_sync_base.tests.deals import DealStory
from odoo.tests import tagged

from .common import TinyCase

LINES = (
    {"sku": "Q2C-PLAT", "name": "Platform", "quantity": "10", "price": "99.00", "discount": "10"},
    {"sku": "Q2C-ONB", "name": "Onboarding", "quantity": "1", "price": "2500.00"},
    {"sku": "Q2C-SUP", "name": "Support", "quantity": "12", "price": "49.50"},
)
TAX = {"tax": "Sales Tax 15%", "tax_rate": "15"}


@tagged("post_install", "-at_install")
class TestTinyDeals(DealStory, TinyCase):
    """Won deals from quote to cash: the suite that every CRM's deals inherit."""

    deal_object = "deal"
    currency = "EUR"
    known_defects = {
        "unmapped_product": ["UNMAPPED-1"],
        "unknown_currency": ["CHF"],
        "missing_tax": ["Regional Levy 7.5%"],
        "no_company": ["Company"],
    }

    def make_deal(self, win=True, defects=(), lines=LINES, company=None, person=None):
        """Create a deal, and win it, as a sales user would; return its id."""
        company = company or self.add("company", name="Lovelace & Sons", city="Berlin", country="Germany")
        person = person or self.add("person", name="Ada King", company=company, email=f"ada{company}@example.com")
        rows = [{"id": str(number), **TAX, **line} for number, line in enumerate(lines, 1)]
        if "unmapped_product" in defects:
            rows[0]["sku"] = "UNMAPPED-1"
        if "missing_tax" in defects:
            rows[0].update(tax="Regional Levy 7.5%", tax_rate="7.5")
        deal = self.add(
            "deal", name="Engines", number="D-1", stage="open", person=person, lines=rows,
            company=None if "no_company" in defects else company,
            currency="CHF" if "unknown_currency" in defects else self.currency,
        )
        if "wrong_total" in defects:
            self.change("deal", deal, total="9999.99")
        if win:
            self.change("deal", deal, stage="won")
        return deal

    def make_deal_of_one_customer(self):
        """Create and win a deal whose customer has a name and postcode like no other; return its id."""
        company = self.add("company", name="Babbage Mill Works", zip="10117", city="Berlin", country="Germany")
        return self.make_deal(company=company)

    def same_customer(self, deal_id):
        """Return company and person of a deal."""
        deal = self.look("deal", deal_id)
        return {"company": deal["company"], "person": deal["person"]}

    def remote_status(self, deal_id):
        """Return what the deal says of order and payment."""
        return {name: value for name, value in self.look("deal", deal_id).items() if name.startswith("odoo_")}

    def source_totals(self, deal_id):
        """Return net, tax and total of a deal."""
        deal = self.look("deal", deal_id)
        return Decimal(deal["net"]), Decimal(deal["tax"]), Decimal(deal["total"])
