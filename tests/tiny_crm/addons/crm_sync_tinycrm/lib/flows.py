"""The flows that the connector ships, as declarations."""

from __future__ import annotations

from typing import Any

_COMPANY_RULES = [
    {"path": "name", "field": "name", "required": True, "label": "Name"},
    {"field": "is_company", "transform": "constant", "argument": "true", "label": "Company"},
    {"path": "vat", "field": "vat", "label": "VAT Number", "is_key": True},
    {"path": "phone", "field": "phone", "label": "Phone"},
    {"path": "street", "field": "street", "label": "Street"},
    {"path": "city", "field": "city", "label": "City"},
    {"path": "zip", "field": "zip", "label": "Postal Code"},
    {"path": "country", "field": "country_id", "transform": "country", "label": "Country"},
]

#: A person whom another system brought is found by the e-mail address. Whose value counts
#: is said field by field: of the phone number Odoo is the system of record, and tells Tiny
#: CRM (flow `phones`); what is empty in Odoo is filled.
_PERSON_RULES = [
    {"path": "name", "field": "name", "required": True, "label": "Name", "policy": "create_only"},
    {"path": "company", "field": "parent_id", "transform": "reference", "argument": "company", "label": "Company",
     "policy": "fill_empty"},
    {"path": "email", "field": "email", "label": "E-mail", "is_key": True},
    {"path": "phone", "field": "phone", "label": "Phone", "owner": "odoo", "conflict": "fill_empty"},
    {"path": "job", "field": "function", "label": "Job", "policy": "fill_empty"},
]


def _out(field: str, path: str, label: str, **more: Any) -> dict[str, Any]:
    return {"field": field, "path": path, "label": label, "direction": "outbound", "owner": "odoo", **more}


_PHONE_RULES = [_out("phone", "phone", "Phone")]

_LINE_RULES = [
    {"path": "sku", "field": "product_id", "transform": "lookup", "argument": "default_code", "required": True,
     "label": "Product"},
    {"path": "name", "field": "name", "label": "Description"},
    {"path": "quantity", "field": "product_uom_qty", "transform": "number", "required": True, "label": "Quantity"},
    {"path": "price", "field": "price_unit", "transform": "number", "required": True, "label": "Price"},
    {"path": "discount", "field": "discount", "transform": "number", "label": "Discount %"},
    {"path": "tax", "field": "tax_ids", "transform": "value_map", "value_map": "Taxes", "label": "Tax"},
]

_DEAL_RULES = [
    {"path": "company", "field": "partner_id", "transform": "reference", "argument": "company", "required": True,
     "label": "Company"},
    {"path": "person", "field": "q2c_contact_id", "transform": "reference", "argument": "person", "label": "Person"},
    {"path": "name", "field": "q2c_source_name", "label": "Deal Name"},
    {"path": "number", "field": "q2c_source_reference", "label": "Deal Number"},
    {"path": "currency", "field": "q2c_currency_id", "transform": "lookup", "argument": "name", "required": True,
     "label": "Currency"},
    {"path": "net", "field": "q2c_source_untaxed", "transform": "number", "required": True, "label": "Net"},
    {"path": "tax", "field": "q2c_source_tax", "transform": "number", "label": "Tax"},
    {"path": "total", "field": "q2c_source_total", "transform": "number", "required": True, "label": "Total"},
    {"path": "lines", "field": "order_line", "transform": "lines", "argument": "id", "child_object": "deal_line",
     "required": True, "label": "Line", "children": _LINE_RULES},
]

#: field of the deal that Odoo writes → (field of the order, label); made on connecting
STATUS = {
    "odoo_order": ("name", "Odoo Order"),
    "odoo_order_status": ("q2c_order_status", "Odoo Order Status"),
    "odoo_invoice": ("q2c_invoice_names", "Odoo Invoice"),
    "odoo_invoice_status": ("q2c_invoice_status", "Odoo Invoice Status"),
    "odoo_amount_paid": ("q2c_amount_paid", "Odoo Amount Paid"),
    "odoo_payment_status": ("q2c_payment_status", "Odoo Payment Status"),
    "odoo_progress": ("q2c_progress", "Odoo Progress"),
}
AMOUNTS = {"odoo_amount_paid"}

_STATUS_RULES = [
    _out(field, path, label, transform="number" if path in AMOUNTS else "direct")
    for path, (field, label) in STATUS.items()
]

#: Companies and people come when a deal needs them; deals when they are won.
FLOWS: tuple[dict[str, Any], ...] = (
    {"code": "companies", "name": "Companies → Customers", "remote_object": "company", "model": "res.partner",
     "create_policy": "on_demand", "sequence": 10, "rules": _COMPANY_RULES},
    {"code": "people", "name": "People → Contacts", "remote_object": "person", "model": "res.partner",
     "create_policy": "on_demand", "sequence": 20, "rules": _PERSON_RULES},
    {"code": "deals", "name": "Won Deals → Sales Orders", "remote_object": "deal", "model": "sale.order",
     "handler": "sale_order", "remote_scope": "[('stage', '=', 'won')]", "priority": 5, "is_document": True,
     "criticality": "3", "sequence": 40, "steps": ["confirm", "invoice"], "rules": _DEAL_RULES},
    {"code": "deal_status", "name": "Order and Payment Status → Deals", "remote_object": "deal",
     "model": "sale.order", "direction": "outbound", "handler": "outbound", "create_policy": "never",
     "poll": False, "priority": 10, "is_document": True, "sequence": 50, "rules": _STATUS_RULES},
    {"code": "phones", "name": "Phone Numbers → People", "remote_object": "person", "model": "res.partner",
     "direction": "outbound", "handler": "outbound", "create_policy": "never", "poll": False, "sequence": 60,
     "domain": "[('is_company', '=', False)]", "rules": _PHONE_RULES},
)
