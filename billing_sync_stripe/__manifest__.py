{
    "name": "Billing Sync Stripe",
    "summary": "Stripe connector: invoices charged once, payments and fees booked, payouts reconciled",
    "version": "19.0.1.0.0",
    "category": "Sales/Quote to Cash",
    "author": "Q2C Sync contributors",
    "website": "https://github.com/q2c-sync/q2c-sync",
    "license": "LGPL-3",
    "depends": ["crm_sync_base", "q2c_sale", "q2c_subscription", "account"],
    "external_dependencies": {"python": ["requests"]},
    "data": [
        "security/ir.model.access.csv",
        "security/stripe_rules.xml",
        "views/stripe_payout_views.xml",
        "views/account_payment_views.xml",
        "views/sync_connection_views.xml",
    ],
    "installable": True,
}
