{
    "name": "CRM Sync on Job Queue",
    "summary": "Runs the sync engine's lanes on the runner and channels of OCA's queue_job",
    "version": "19.0.1.0.0",
    "category": "Sales/Quote to Cash",
    "author": "Q2C Sync contributors",
    "website": "https://github.com/q2c-sync/q2c-sync",
    "license": "LGPL-3",
    "depends": ["crm_sync_base", "queue_job"],
    "data": [
        "data/queue_job_data.xml",
        "views/sync_lane_views.xml",
    ],
    "post_init_hook": "post_init_hook",
    "uninstall_hook": "uninstall_hook",
    "auto_install": True,
    "installable": True,
}
