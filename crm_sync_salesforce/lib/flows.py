"""The flows that the connector ships, as declarations.

Virtual object: *Delivery Address* is the shipping block of an account; its id is
the account's. It exists because Odoo keeps a delivery address as a contact.
"""

from __future__ import annotations

from typing import Any

ADDRESS = "DeliveryAddress"

_ACCOUNT_RULES = [
    {"path": "Name", "field": "name", "required": True, "label": "Account Name"},
    {"field": "is_company", "transform": "constant", "argument": "true", "label": "Company"},
    {"path": "ParentId", "field": "parent_id", "transform": "reference", "argument": "Account",
     "label": "Parent Account"},
    {"path": "Website", "field": "website", "label": "Website"},
    {"path": "Phone", "field": "phone", "label": "Phone"},
    {"path": "BillingStreet", "field": "street", "label": "Billing Street"},
    {"path": "BillingCity", "field": "city", "label": "Billing City"},
    {"path": "BillingPostalCode", "field": "zip", "label": "Billing Postal Code"},
    {"path": "BillingState", "field": "state_id", "transform": "state", "argument": "BillingCountry",
     "label": "Billing State"},
    {"path": "BillingCountry", "field": "country_id", "transform": "country", "required": True,
     "label": "Billing Country"},
]

_CONTACT_RULES = [
    {"path": "Name", "field": "name", "required": True, "label": "Contact Name"},
    {"path": "AccountId", "field": "parent_id", "transform": "reference", "argument": "Account",
     "required": True, "label": "Account"},
    {"field": "type", "transform": "constant", "argument": "contact", "label": "Address Type"},
    {"path": "Email", "field": "email", "label": "Email"},
    {"path": "Phone", "field": "phone", "label": "Phone"},
    {"path": "Title", "field": "function", "label": "Title"},
]

_ADDRESS_RULES = [
    {"path": "Name", "field": "name", "required": True, "label": "Account Name"},
    {"path": "Id", "field": "parent_id", "transform": "reference", "argument": "Account",
     "required": True, "label": "Account"},
    {"field": "type", "transform": "constant", "argument": "delivery", "label": "Address Type"},
    {"path": "ShippingStreet", "field": "street", "label": "Shipping Street"},
    {"path": "ShippingCity", "field": "city", "label": "Shipping City"},
    {"path": "ShippingPostalCode", "field": "zip", "label": "Shipping Postal Code"},
    {"path": "ShippingState", "field": "state_id", "transform": "state", "argument": "ShippingCountry",
     "label": "Shipping State"},
    {"path": "ShippingCountry", "field": "country_id", "transform": "country", "required": True,
     "label": "Shipping Country"},
]

_LINE_RULES = [
    {"path": "Product2.ProductCode", "field": "product_id", "transform": "lookup",
     "argument": "default_code", "required": True, "label": "Product"},
    {"path": "Quantity", "field": "product_uom_qty", "transform": "number", "required": True,
     "label": "Quantity"},
    {"path": "UnitPrice", "field": "price_unit", "transform": "number", "required": True,
     "label": "Sales Price"},
    {"path": "Discount", "field": "discount", "transform": "number", "label": "Discount %"},
]

_DEAL_RULES = [
    {"path": "AccountId", "field": "partner_id", "transform": "reference", "argument": "Account",
     "required": True, "label": "Account"},
    {"path": "DeliveryAddressId", "field": "partner_shipping_id", "transform": "reference",
     "argument": ADDRESS, "label": "Shipping Address"},
    {"path": "Quote.ContactId", "field": "q2c_contact_id", "transform": "reference",
     "argument": "Contact", "label": "Quote Contact"},
    {"path": "Name", "field": "q2c_source_name", "label": "Opportunity Name"},
    {"path": "Quote.QuoteNumber", "field": "q2c_source_reference", "required": True,
     "label": "Synced Quote"},
    {"path": "Quote.CurrencyIsoCode", "field": "q2c_currency_id", "transform": "lookup",
     "argument": "name", "required": True, "label": "Currency"},
    {"path": "Quote.TotalPrice", "field": "q2c_source_untaxed", "transform": "number",
     "required": True, "label": "Quote Total Price"},
    {"path": "Quote.Tax", "field": "q2c_source_tax", "transform": "number", "label": "Quote Tax"},
    {"path": "Quote.GrandTotal", "field": "q2c_source_total", "transform": "number",
     "required": True, "label": "Quote Grand Total"},
    {"path": "Quote.Tax_Name__c", "field": "q2c_tax_ids", "transform": "value_map",
     "value_map": "Taxes", "label": "Tax"},
    {"path": "Quote.Lines", "field": "order_line", "transform": "lines", "argument": "Id",
     "child_object": "QuoteLineItem", "required": True, "label": "Quote Line", "children": _LINE_RULES},
]


def _out(field: str, path: str, label: str, transform: str = "direct") -> dict[str, Any]:
    return {"field": field, "path": path, "label": label, "transform": transform, "direction": "outbound"}


_STATUS_RULES = [
    _out("name", "Odoo_Order__c", "Odoo Order"),
    _out("q2c_order_status", "Odoo_Order_Status__c", "Odoo Order Status"),
    _out("q2c_invoice_names", "Odoo_Invoice__c", "Odoo Invoice"),
    _out("q2c_invoice_status", "Odoo_Invoice_Status__c", "Odoo Invoice Status"),
    _out("q2c_amount_paid", "Odoo_Amount_Paid__c", "Odoo Amount Paid", "number"),
    _out("q2c_payment_status", "Odoo_Payment_Status__c", "Odoo Payment Status"),
    _out("q2c_progress", "Odoo_Progress__c", "Odoo Progress"),
]

#: Customers are light: twice the usual page is still a matter of a second or two.
CUSTOMERS_A_PAGE = 1000

#: Masters are created when a deal needs them; deals when they are won.
FLOWS: tuple[dict[str, Any], ...] = (
    {"code": "accounts", "name": "Accounts → Companies", "remote_object": "Account",
     "model": "res.partner", "create_policy": "on_demand", "sequence": 10, "page_size": CUSTOMERS_A_PAGE,
     "rules": _ACCOUNT_RULES},
    {"code": "contacts", "name": "Contacts → Contacts", "remote_object": "Contact",
     "model": "res.partner", "create_policy": "on_demand", "sequence": 20, "page_size": CUSTOMERS_A_PAGE,
     "rules": _CONTACT_RULES},
    {"code": "delivery_addresses", "name": "Shipping Addresses → Delivery Addresses",
     "remote_object": ADDRESS, "model": "res.partner", "create_policy": "on_demand", "poll": False,
     "sequence": 30, "rules": _ADDRESS_RULES},
    {"code": "deals", "name": "Won Opportunities → Sales Orders", "remote_object": "Opportunity",
     "model": "sale.order", "handler": "sale_order", "remote_scope": "[('IsWon', '=', True)]",
     "priority": 5, "is_document": True, "criticality": "3", "sequence": 40,
     "steps": ["confirm", "invoice"], "rules": _DEAL_RULES},
    {"code": "deal_status", "name": "Order and Payment Status → Opportunities",
     "remote_object": "Opportunity", "model": "sale.order", "direction": "outbound",
     "handler": "outbound", "create_policy": "never", "poll": False, "priority": 10,
     "is_document": True, "sequence": 50, "rules": _STATUS_RULES},
)
