"""The fields of Stripe's objects that mappings can use; Stripe has no call that tells them."""

from __future__ import annotations

from . import const

#: type -> kind of value
KINDS = {
    "string": "text", "integer": "integer", "boolean": "boolean", "timestamp": "datetime", "reference": "reference",
}

#: object -> ((path, label, type, writable), …)
FIELDS: dict[str, tuple[tuple[str, str, str, bool], ...]] = {
    "customer": (
        ("id", "Id", "string", False),
        ("name", "Name", "string", True),
        ("email", "Email", "string", True),
        ("phone", "Phone", "string", True),
        ("description", "Description", "string", True),
        ("address.line1", "Address Line 1", "string", True),
        ("address.line2", "Address Line 2", "string", True),
        ("address.postal_code", "Postal Code", "string", True),
        ("address.city", "City", "string", True),
        ("address.state", "State", "string", True),
        ("address.country", "Country", "string", True),
        ("tax_exempt", "Tax Exemption", "string", True),
        (f"metadata.{const.REFERENCE}", "Odoo Reference", "string", True),
        ("created", "Created", "timestamp", False),
    ),
    "payment_intent": (
        ("id", "Id", "string", False),
        ("amount", "Amount", "integer", True),
        ("currency", "Currency", "string", True),
        ("customer", "Customer", "reference", True),
        ("payment_method", "Payment Method", "reference", True),
        ("status", "Status", "string", False),
        ("latest_charge", "Latest Charge", "reference", False),
        ("description", "Description", "string", True),
    ),
    "charge": (
        ("id", "Id", "string", False),
        ("amount", "Amount", "integer", False),
        ("amount_captured", "Amount Captured", "integer", False),
        ("amount_refunded", "Amount Refunded", "integer", False),
        ("currency", "Currency", "string", False),
        ("customer", "Customer", "reference", False),
        ("payment_intent", "Payment Intent", "reference", False),
        ("balance_transaction", "Balance Transaction", "reference", False),
        ("status", "Status", "string", False),
        ("disputed", "Disputed", "boolean", False),
        ("created", "Created", "timestamp", False),
    ),
    "payout": (
        ("id", "Id", "string", False),
        ("amount", "Amount", "integer", False),
        ("currency", "Currency", "string", False),
        ("status", "Status", "string", False),
        ("automatic", "Automatic", "boolean", False),
        ("reconciliation_status", "Reconciliation", "string", False),
        ("arrival_date", "Arrival", "timestamp", False),
        ("created", "Created", "timestamp", False),
    ),
    "refund": (
        ("id", "Id", "string", False),
        ("amount", "Amount", "integer", True),
        ("currency", "Currency", "string", False),
        ("charge", "Charge", "reference", True),
        ("status", "Status", "string", False),
        ("reason", "Reason", "string", True),
        ("created", "Created", "timestamp", False),
    ),
}
