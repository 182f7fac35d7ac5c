{
    "name": "Quote to Cash: Subscriptions",
    "summary": "The subscription contract: lifecycle, periods, plan lines and monthly value",
    "version": "19.0.1.0.0",
    "category": "Sales/Quote to Cash",
    "author": "Q2C Sync contributors",
    "website": "https://github.com/q2c-sync/q2c-sync",
    "license": "LGPL-3",
    "depends": ["q2c_sale"],
    "data": [
        "security/ir.model.access.csv",
        "security/q2c_subscription_rules.xml",
        "data/ir_sequence.xml",
        "views/q2c_subscription_views.xml",
        "views/sale_order_views.xml",
    ],
    "installable": True,
}
