from decimal import Decimal

from odoo.tests import BaseCase

from ..lib.charge_facts import charge_facts, collected, transaction_ids


def charge(id_="ch_1", amount=10000, currency="usd", fee=320, settled=None, **members):
    """Return a succeeded charge whose balance transaction is expanded."""
    settled = settled or currency
    return {
        "id": id_, "amount": amount, "amount_captured": amount, "amount_refunded": 0, "currency": currency,
        "status": "succeeded", "metadata": {"odoo_invoice": "INV/1"},
        "balance_transaction": {
            "id": f"txn_{id_}", "amount": amount, "fee": fee, "net": amount - fee, "currency": settled,
            "type": "charge", "reporting_category": "charge", "source": id_,
        },
        **members,
    }


class TestChargeFacts(BaseCase):
    def test_charges_of_a_deal_are_added(self):
        facts = charge_facts([
            charge(), charge("ch_2", 5050, fee=175, amount_refunded=2000, metadata={"odoo_invoice": "INV/2"}),
        ])
        self.assertEqual(facts, {
            "currency": "USD", "charged_invoices": frozenset({"INV/1", "INV/2"}),
            "amount_charged": Decimal("150.50"), "amount_refunded": Decimal("20.00"),
            "fee": Decimal("4.95"), "fee_currency": "USD",
        })

    def test_what_was_not_collected_does_not_count(self):
        refused = charge("ch_2", status="failed", amount_captured=0, balance_transaction=None)
        authorised = charge("ch_3", amount_captured=0, balance_transaction=None)
        self.assertEqual([one["id"] for one in collected([charge(), refused, authorised])], ["ch_1"])
        self.assertEqual(charge_facts([charge(), refused, authorised]), charge_facts([charge()]))
        self.assertEqual(charge_facts([refused])["amount_charged"], 0)
        self.assertNotIn("currency", charge_facts([refused]))

    def test_amounts_of_several_currencies_are_not_added(self):
        facts = charge_facts([charge(), charge("ch_2", currency="eur", settled="usd")])
        self.assertEqual(facts["currency"], "EUR, USD")
        self.assertNotIn("amount_charged", facts)
        self.assertEqual((facts["fee"], facts["fee_currency"]), (Decimal("6.40"), "USD"))
        self.assertNotIn("fee", charge_facts([charge(), charge("ch_2", currency="eur")]))

    def test_a_currency_without_decimals(self):
        facts = charge_facts([charge(amount=1200, currency="jpy", fee=40)])
        self.assertEqual((str(facts["amount_charged"]), str(facts["fee"])), ("1200", "40"))

    def test_until_all_is_settled_no_fee_is_known(self):
        pending = charge("ch_2", balance_transaction="txn_ch_2")
        facts = charge_facts([charge(), pending])
        self.assertEqual(facts["amount_charged"], Decimal("200.00"))
        self.assertNotIn("fee", facts)
        self.assertEqual(transaction_ids([charge(), pending, charge("ch_3", balance_transaction=None)]),
                         ["txn_ch_1", "txn_ch_2"])

    def test_a_charge_made_by_hand_names_no_invoice(self):
        self.assertEqual(charge_facts([charge(metadata={})])["charged_invoices"], frozenset())
