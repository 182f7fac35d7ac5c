{
    "name": "CRM Sync Tiny CRM",
    "summary": "The worked example of the connector guide: companies, people and won deals in, order status back",
    "version": "19.0.1.0.0",
    "category": "Sales/Quote to Cash",
    "author": "Q2C Sync contributors",
    "website": "https://github.com/q2c-sync/q2c-sync",
    "license": "LGPL-3",
    "depends": ["crm_sync_base", "q2c_sale"],
    "external_dependencies": {"python": ["requests"]},
}
