from decimal import Decimal

from odoo.addons.q2c_sale.lib import facts as f
from odoo.addons.q2c_sale.lib.facts import DealFacts
from odoo.tests import BaseCase

from ..lib.compare import Statement, compare
from ..lib.spelling import Words, spell_row

WORDS = Words(
    unread="not read: %s",
    facts={"payment_status": {"paid": "Bezahlt"}},
    digits={"EUR": 2, "JPY": 0},
)


def spell(*statements):
    """Return `{fact: {role: text}}` of a comparison."""
    comparison = compare(statements)
    return {row.fact: spell_row(comparison, row, WORDS) for row in comparison.rows}


class TestSpelling(BaseCase):
    def test_amounts_have_the_digits_of_their_currency_and_name_it(self):
        texts = spell(
            Statement(f.CRM, "CRM", DealFacts("CRM", currency="EUR", total=Decimal(1200))),
            Statement(f.ERP, "Odoo", DealFacts("Odoo", currency="JPY", total=Decimal(1200))),
            Statement(f.BILLING, "B", DealFacts("B", total=Decimal("0.125"))),
        )
        self.assertEqual(texts["total"], {"crm": "1200.00 EUR", "erp": "1200 JPY", "billing": "0.125"})

    def test_words_flags_and_sets(self):
        facts = DealFacts("Odoo", in_force=False, payment_status="paid", invoice_numbers=f.codes("INV/2, INV/1"))
        other = DealFacts("CRM", payment_status="lost", order_number="", invoice_numbers=frozenset())
        texts = spell(Statement(f.CRM, "CRM", other), Statement(f.ERP, "Odoo", facts))
        self.assertEqual(texts["in_force"], {"crm": "", "erp": "no", "billing": ""})
        self.assertEqual(texts["payment_status"], {"crm": "lost", "erp": "Bezahlt", "billing": ""})
        self.assertEqual(texts["invoice_numbers"]["erp"], "INV/1, INV/2")
        self.assertEqual(texts["invoice_numbers"]["crm"], "(empty)")

    def test_two_systems_of_a_role_have_a_line_each(self):
        texts = spell(
            Statement(f.CRM, "North", DealFacts("North", customer="A")),
            Statement(f.CRM, "South", DealFacts("South", customer="B")),
        )
        self.assertEqual(texts["customer"]["crm"], "North: A\nSouth: B")

    def test_who_was_not_read_says_why(self):
        texts = spell(
            Statement(f.CRM, "CRM", problem="100 % down"),
            Statement(f.ERP, "Odoo", DealFacts("Odoo", customer="A")),
        )
        self.assertEqual(texts["answer"], {"crm": "not read: 100 % down", "erp": "read", "billing": ""})

    def test_who_deleted_the_deal_is_named(self):
        texts = spell(
            Statement(f.CRM, "CRM", DealFacts("CRM", deleted=True)),
            Statement(f.ERP, "Odoo", DealFacts("Odoo", customer="A")),
        )
        self.assertEqual(texts["record"], {"crm": "deleted", "erp": "there", "billing": ""})
