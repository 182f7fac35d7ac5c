{
    "name": "Quote to Cash: Sales",
    "summary": "Won deals become sales orders with equal totals; their status goes back to the CRM",
    "version": "19.0.1.0.0",
    "category": "Sales/Quote to Cash",
    "author": "Q2C Sync contributors",
    "website": "https://github.com/q2c-sync/q2c-sync",
    "license": "LGPL-3",
    "depends": ["crm_sync_base", "crm", "sale_management", "account"],
    "data": [
        "data/sync_approval_data.xml",
        "views/sale_order_views.xml",
        "views/account_move_views.xml",
        "views/account_payment_views.xml",
        "views/product_product_views.xml",
    ],
    "installable": True,
}
