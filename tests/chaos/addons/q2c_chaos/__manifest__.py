{
    "name": "Q2C Chaos",
    "summary": "Obeys the chaos scenarios: records that kill their worker, work that takes its time",
    "version": "19.0.1.0.0",
    "author": "Q2C Sync contributors",
    "license": "LGPL-3",
    "category": "Hidden",
    "depends": ["crm_sync_base"],
    "installable": True,
}
