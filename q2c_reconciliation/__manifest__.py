{
    "name": "Quote to Cash: Reconciliation",
    "summary": "Compares one deal across CRM, Odoo and billing system, field by field",
    "version": "19.0.1.0.0",
    "category": "Sales/Quote to Cash",
    "author": "Q2C Sync contributors",
    "website": "https://github.com/q2c-sync/q2c-sync",
    "license": "LGPL-3",
    "depends": ["q2c_sale", "billing_sync_stripe"],
    "data": [
        "security/ir.model.access.csv",
        "security/q2c_reconciliation_rules.xml",
        "wizards/q2c_comparison_wizard_views.xml",
        "views/q2c_comparison_views.xml",
        "views/sale_order_views.xml",
    ],
    "installable": True,
}
