"""The flows that the connector ships, and the properties that they write to."""

from __future__ import annotations

from typing import Any

_COMPANY_RULES = [
    {"path": "name", "field": "name", "required": True, "label": "Company Name"},
    {"field": "is_company", "transform": "constant", "argument": "true", "label": "Company"},
    {"path": "domain", "field": "website", "label": "Company Domain"},
    {"path": "phone", "field": "phone", "label": "Phone Number"},
    {"path": "address", "field": "street", "label": "Street Address"},
    {"path": "address2", "field": "street2", "label": "Street Address 2"},
    {"path": "city", "field": "city", "label": "City"},
    {"path": "zip", "field": "zip", "label": "Postal Code"},
    {"path": "state", "field": "state_id", "transform": "state", "argument": "country",
     "label": "State/Region"},
    {"path": "country", "field": "country_id", "transform": "country", "required": True,
     "label": "Country/Region"},
]

_CONTACT_RULES = [
    {"path": "full_name", "field": "name", "required": True, "label": "Contact Name"},
    {"path": "company_id", "field": "parent_id", "transform": "reference", "argument": "companies",
     "label": "Primary Company"},
    {"field": "type", "transform": "constant", "argument": "contact", "label": "Address Type"},
    {"path": "email", "field": "email", "label": "Email"},
    {"path": "phone", "field": "phone", "label": "Phone Number"},
    {"path": "jobtitle", "field": "function", "label": "Job Title"},
]

_LINE_RULES = [
    {"path": "hs_sku", "field": "product_id", "transform": "lookup", "argument": "default_code",
     "required": True, "label": "Product"},
    {"path": "name", "field": "name", "label": "Name"},
    {"path": "quantity", "field": "product_uom_qty", "transform": "number", "required": True,
     "label": "Quantity"},
    {"path": "unit_price", "field": "price_unit", "transform": "number", "required": True,
     "label": "Unit Price"},
    {"path": "discount_percent", "field": "discount", "transform": "number", "label": "Discount %"},
    {"path": "tax_name", "field": "tax_ids", "transform": "value_map", "value_map": "Taxes",
     "label": "Tax Rate"},
]

_DEAL_RULES = [
    {"path": "company_id", "field": "partner_id", "transform": "reference", "argument": "companies",
     "required": True, "label": "Primary Company"},
    {"path": "contact_id", "field": "q2c_contact_id", "transform": "reference", "argument": "contacts",
     "label": "Contact"},
    {"path": "dealname", "field": "q2c_source_name", "label": "Deal Name"},
    {"path": "quote.hs_quote_number", "field": "q2c_source_reference", "label": "Quote Number"},
    {"path": "deal_currency_code", "field": "q2c_currency_id", "transform": "lookup",
     "argument": "name", "required": True, "label": "Currency"},
    {"path": "net", "field": "q2c_source_untaxed", "transform": "number", "required": True,
     "label": "Net Amount"},
    {"path": "tax", "field": "q2c_source_tax", "transform": "number", "label": "Tax Amount"},
    {"path": "total", "field": "q2c_source_total", "transform": "number", "required": True,
     "label": "Quote Amount"},
    {"path": "lines", "field": "order_line", "transform": "lines", "argument": "id",
     "child_object": "line_items", "required": True, "label": "Line Item", "children": _LINE_RULES},
]

#: group and definitions of the deal properties that the suite writes, created on connecting
STATUS_GROUP = ("odoo", "Odoo")
STATUS_PROPERTIES: tuple[dict[str, Any], ...] = tuple(
    {"name": name, "label": label, "type": kind, "fieldType": "number" if kind == "number" else "text",
     "description": "Written by the Odoo synchronisation."}
    for name, label, kind in (
        ("odoo_order", "Odoo Order", "string"),
        ("odoo_order_status", "Odoo Order Status", "string"),
        ("odoo_invoice", "Odoo Invoice", "string"),
        ("odoo_invoice_status", "Odoo Invoice Status", "string"),
        ("odoo_amount_paid", "Odoo Amount Paid", "number"),
        ("odoo_payment_status", "Odoo Payment Status", "string"),
        ("odoo_progress", "Odoo Progress", "string"),
    )
)


def _out(field: str, path: str, label: str) -> dict[str, Any]:
    return {"field": field, "path": path, "label": label, "direction": "outbound"}


_STATUS_RULES = [
    _out("name", "odoo_order", "Odoo Order"),
    _out("q2c_order_status", "odoo_order_status", "Odoo Order Status"),
    _out("q2c_invoice_names", "odoo_invoice", "Odoo Invoice"),
    _out("q2c_invoice_status", "odoo_invoice_status", "Odoo Invoice Status"),
    {**_out("q2c_amount_paid", "odoo_amount_paid", "Odoo Amount Paid"), "transform": "number"},
    _out("q2c_payment_status", "odoo_payment_status", "Odoo Payment Status"),
    _out("q2c_progress", "odoo_progress", "Odoo Progress"),
]

#: Masters are created when a deal needs them; deals when they are won.
FLOWS: tuple[dict[str, Any], ...] = (
    {"code": "companies", "name": "Companies → Companies", "remote_object": "companies",
     "model": "res.partner", "create_policy": "on_demand", "sequence": 10, "rules": _COMPANY_RULES},
    {"code": "contacts", "name": "Contacts → Contacts", "remote_object": "contacts",
     "model": "res.partner", "create_policy": "on_demand", "sequence": 20, "rules": _CONTACT_RULES},
    {"code": "deals", "name": "Won Deals → Sales Orders", "remote_object": "deals",
     "model": "sale.order", "handler": "sale_order", "remote_scope": "[('is_won', '=', True)]",
     "priority": 5, "is_document": True, "criticality": "3", "sequence": 40,
     "steps": ["confirm", "invoice"], "rules": _DEAL_RULES},
    {"code": "deal_status", "name": "Order and Payment Status → Deals", "remote_object": "deals",
     "model": "sale.order", "direction": "outbound", "handler": "outbound", "create_policy": "never",
     "poll": False, "priority": 10, "is_document": True, "sequence": 50, "rules": _STATUS_RULES},
)
