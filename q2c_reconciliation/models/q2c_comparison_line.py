from odoo import fields, models

VERDICTS = [
    ("equal", "Equal"),
    ("different", "Different"),
    ("unknown", "Known to One"),
    ("unread", "Not Read"),
]

#: every row that a comparison can have, in the order of `facts.KINDS`
FACTS = [
    ("answer", "Answer"),
    ("record", "Record"),
    ("in_force", "In Force"),
    ("customer", "Customer"),
    ("currency", "Currency"),
    ("line_count", "Number of Lines"),
    ("untaxed", "Untaxed Amount"),
    ("tax", "Taxes"),
    ("total", "Total"),
    ("order_number", "Order Number"),
    ("order_status", "Order Progress"),
    ("invoice_numbers", "Invoice Numbers"),
    ("invoice_status", "Invoice Progress"),
    ("amount_invoiced", "Invoiced"),
    ("amount_paid", "Paid"),
    ("payment_status", "Payment Progress"),
    ("charged_invoices", "Charged Invoices"),
    ("amount_charged", "Charged"),
    ("amount_refunded", "Refunded"),
    ("fee", "Fee"),
    ("payouts", "Payouts"),
    ("payout_status", "Payout Status"),
]


class Q2cComparisonLine(models.Model):
    """One fact of a deal, as each system states it."""

    _name = "q2c.comparison.line"
    _description = "Fact of a Deal Comparison"
    _order = "comparison_id, sequence, id"
    _rec_name = "fact"

    comparison_id = fields.Many2one(
        "q2c.comparison", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="comparison_id.company_id", store=True, index=True)
    sequence = fields.Integer(readonly=True)
    fact = fields.Selection(FACTS, required=True, readonly=True)
    crm_value = fields.Text(string="CRM", readonly=True)
    erp_value = fields.Text(string="Odoo", readonly=True)
    billing_value = fields.Text(string="Billing", readonly=True)
    verdict = fields.Selection(VERDICTS, required=True, readonly=True)
