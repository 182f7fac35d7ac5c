"""Won deals of the test CRM, in a company with a chart of accounts of its own."""

from odoo import SUPERUSER_ID, fields
from odoo.addons.account.tests.common import AccountTestInvoicingCommon
from odoo.addons.crm_sync_base.tests.common import ACCOUNT_RULES, SyncCase
from odoo.tests import tagged

LINE_RULES = [
    {
        "path": "Sku",
        "field": "product_id",
        "transform": "lookup",
        "argument": "default_code",
        "label": "Product",
        "required": True,
    },
    {"path": "Text", "field": "name", "label": "Description"},
    {"path": "Qty", "field": "product_uom_qty", "transform": "number", "label": "Quantity"},
    {"path": "Price", "field": "price_unit", "transform": "number", "label": "Unit price"},
    {"path": "Discount", "field": "discount", "transform": "number", "label": "Discount"},
    {"path": "Tax", "field": "tax_ids", "transform": "value_map", "value_map": "Taxes", "label": "Tax"},
    {"path": "Subtotal", "field": "q2c_source_subtotal", "transform": "number", "label": "Subtotal"},
]

DEAL_RULES = [
    {"path": "Name", "field": "q2c_source_name", "label": "Deal name"},
    {"path": "Number", "field": "q2c_source_reference", "label": "Quote number"},
    {"path": "PO", "field": "client_order_ref", "label": "Purchase order"},
    {
        "path": "AccountId",
        "field": "partner_id",
        "transform": "reference",
        "argument": "Account",
        "label": "Customer",
    },
    {
        "path": "Currency",
        "field": "q2c_currency_id",
        "transform": "lookup",
        "argument": "name",
        "label": "Currency",
    },
    {"path": "Untaxed", "field": "q2c_source_untaxed", "transform": "number", "label": "Subtotal"},
    {"path": "TaxAmount", "field": "q2c_source_tax", "transform": "number", "label": "Tax amount"},
    {"path": "Total", "field": "q2c_source_total", "transform": "number", "label": "Grand total"},
    {
        "path": "Lines",
        "field": "order_line",
        "transform": "lines",
        "argument": "Id",
        "child_object": "DealLine",
        "label": "Line",
        "children": LINE_RULES,
    },
]


class CompanyOfItsOwn(AccountTestInvoicingCommon):
    """Accounting set up, then everything runs as the superuser of that company."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        company = cls.company_data["company"]
        cls.env = cls.env(user=SUPERUSER_ID, context=dict(cls.env.context, allowed_company_ids=company.ids))
        cls.company = cls.env["res.company"].browse(company.id)


@tagged("post_install", "-at_install")
class DealCase(SyncCase, CompanyOfItsOwn):
    """A live deal flow with a customer flow before it, and three products.

    `deal` puts a won deal of three lines into the test CRM whose totals are right:
    2 × 1,299.99 less 12.5 % + 10 × 19.95 + 1 × 500.00 = 2,974.48, of which the
    first two are taxed with 15 %: 2,474.48 × 15 % = 371.17.
    """

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.eur = cls._currency("EUR")
        cls.pricelist_eur = cls.env["product.pricelist"].create(
            {"name": "Euro", "currency_id": cls.eur.id, "company_id": cls.company.id}
        )
        cls.tax = cls._tax("Fifteen", 15)
        cls.products = {
            code: cls._product(code, price) for code, price in (("SRV", 9.0), ("KIT", 8.0), ("SUP", 7.0))
        }
        cls.account_flow = cls.make_flow(ACCOUNT_RULES, remote_object="Account")
        cls.flow = cls.make_flow(
            DEAL_RULES,
            remote_object="Deal",
            model="sale.order",
            handler="sale_order",
            is_document=True,
            code="deal",
        )
        cls.taxes = cls.env["sync.value.map"].search(
            [("connection_id", "=", cls.connection.id), ("name", "=", "Taxes")]
        )
        cls.taxes.line_ids = [
            fields.Command.create({"remote_value": "T15", "record_ref": f"account.tax,{cls.tax.id}"})
        ]

    @classmethod
    def _currency(cls, name):
        currency = cls.env["res.currency"].with_context(active_test=False).search([("name", "=", name)])
        currency.active = True
        cls.env["res.currency.rate"].create(
            {"currency_id": currency.id, "company_id": cls.company.id, "name": "2020-01-01", "rate": 0.9}
        )
        return currency

    @classmethod
    def _tax(cls, name, amount, **vals):
        return cls.env["account.tax"].create(
            {
                "name": name,
                "amount": amount,
                "type_tax_use": "sale",
                "company_id": cls.company.id,
                **vals,
            }
        )

    @classmethod
    def _product(cls, code, price, **vals):
        return cls.env["product.product"].create(
            {
                "name": f"Product {code}",
                "default_code": code,
                "type": "service",
                "invoice_policy": "order",
                "list_price": price,
                "taxes_id": [fields.Command.set(cls.company_data["default_tax_sale"].ids)],
                **vals,
            }
        )

    def setUp(self):
        super().setUp()
        self.counted = self.count()

    def count(self):
        """Return how many records there are of all that a deal could leave behind."""
        return {
            model: self.env[model].with_context(active_test=False).search_count([])
            for model in ("sale.order", "sale.order.line", "res.partner", "sync.binding")
        }

    def lines(self):
        """Return the three lines of a right deal, as the CRM's JSON has them."""
        return [
            {"Id": "l1", "Sku": "SRV", "Qty": 2.0, "Price": 1299.99, "Discount": 12.5, "Tax": "T15"},
            {"Id": "l2", "Sku": "KIT", "Qty": 10, "Price": 19.95, "Tax": "T15", "Text": "Kits, blue"},
            {"Id": "l3", "Sku": "SUP", "Qty": 1.0, "Price": 500.0, "Discount": None, "Tax": None},
        ]

    def deal(self, external_id="d1", **data):
        """Put a won deal and its customer into the CRM."""
        self.remote.put("Account", "a1", Name="Aurora Foods", Country="US")
        self.remote.put(
            "Deal",
            external_id,
            **{
                "Name": "Aurora rollout",
                "Number": "Q-1001",
                "AccountId": "a1",
                "Currency": "EUR",
                "Untaxed": 2974.48,
                "TaxAmount": 371.17,
                "Total": 3345.65,
                "Lines": self.lines(),
                **data,
            },
        )

    def sync(self, external_id="d1"):
        """Bring a deal in as a webhook would; returns its newest job."""
        self.notify("Deal", external_id)
        self.run_lane()
        return self.jobs(kind="record", external_id=external_id).sorted("id")[-1:]

    def order(self, external_id="d1"):
        """Return the order that a deal became."""
        binding = self.env["sync.binding"].search(
            [
                ("connection_id", "=", self.connection.id),
                ("remote_object", "=", "Deal"),
                ("external_id", "=", external_id),
            ]
        )
        return self.env["sale.order"].browse(binding.res_id)

    def assertBlocked(self, job, *texts):
        """The job waits for a person and says all of this, and nothing was written."""
        self.assertEqual(job.state, "failed", job.summary)
        for text in texts:
            self.assertIn(text, job.error_message)
        self.assertEqual(self.count(), self.counted)

    def add_steps(self, *actions):
        """Give the deal flow follow-up steps, in order."""
        self.flow.step_ids = [
            fields.Command.create({"action": action, "sequence": number})
            for number, action in enumerate(actions)
        ]

    def pay(self, invoice, amount=None, date="2026-03-01"):
        """Register a payment of an invoice, through its bank journal."""
        values = {"payment_date": date, "journal_id": self.company_data["default_journal_bank"].id}
        if amount is not None:
            values["amount"] = amount
        return self._register_payment(invoice, **values)
