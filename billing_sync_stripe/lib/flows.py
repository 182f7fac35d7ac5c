"""The flows that the connector ships, as declarations."""

from __future__ import annotations

from typing import Any

from .const import REFERENCE


def _out(field: str, path: str, label: str) -> dict[str, Any]:
    return {"field": field, "path": path, "label": label, "direction": "outbound"}


_CUSTOMER_RULES = [
    {**_out("name", "name", "Name"), "required": True},
    _out("email", "email", "Email"),
    _out("phone", "phone", "Phone"),
    _out("street", "address.line1", "Address Line 1"),
    _out("street2", "address.line2", "Address Line 2"),
    _out("zip", "address.postal_code", "Postal Code"),
    _out("city", "address.city", "City"),
    _out("state_id.code", "address.state", "State"),
    _out("country_id.code", "address.country", "Country"),
    _out("id", f"metadata.{REFERENCE}", "Odoo Reference"),
]

#: Odoo's own definition of a commercial partner.
COMMERCIAL = "['|', ('is_company', '=', True), ('parent_id', '=', False)]"

#: Open customer invoices of won deals.
TO_CHARGE = (
    "[('move_type', '=', 'out_invoice'), ('state', '=', 'posted'), "
    "('payment_state', 'in', ('not_paid', 'partial')), ('amount_residual', '>', 0), "
    "('line_ids.sale_line_ids.order_id.q2c_source_total', '!=', False)]"
)

FLOWS: tuple[dict[str, Any], ...] = (
    {"code": "customers", "name": "Companies → Customers", "remote_object": "customer",
     "model": "res.partner", "direction": "outbound", "handler": "outbound", "poll": False,
     "create_policy": "on_demand", "domain": COMMERCIAL, "priority": 10, "sequence": 10,
     "rules": _CUSTOMER_RULES},
    {"code": "charges", "name": "Invoices → Charges", "remote_object": "payment_intent",
     "model": "account.move", "direction": "outbound", "handler": "stripe_charge", "poll": False,
     "domain": TO_CHARGE, "watched_fields": "state", "priority": 10, "batch_size": 10,
     "is_document": True, "criticality": "3", "sequence": 20},
    {"code": "payments", "name": "Charges → Payments", "remote_object": "charge",
     "model": "account.payment", "handler": "stripe_payment", "priority": 5,
     "is_document": True, "criticality": "3", "sequence": 30},
    {"code": "payouts", "name": "Payouts → Payouts", "remote_object": "payout",
     "model": "stripe.payout", "handler": "stripe_payout", "is_document": True,
     "criticality": "2", "sequence": 40},
)
