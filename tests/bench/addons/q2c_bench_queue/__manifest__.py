{
    "name": "Bench Queue",
    "summary": "Jobs that do nothing, and the least that a queue of them can cost",
    "version": "19.0.1.0.0",
    "category": "Hidden",
    "author": "Q2C Sync contributors",
    "license": "LGPL-3",
    "depends": ["crm_sync_base"],
    "data": ["security/ir.model.access.csv", "data/ir_cron.xml"],
    "installable": True,
}
