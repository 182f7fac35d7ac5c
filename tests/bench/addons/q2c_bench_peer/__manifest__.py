{
    "name": "Bench Peer",
    "summary": "The same nothing as jobs of OCA queue_job",
    "version": "19.0.1.0.0",
    "category": "Hidden",
    "author": "Q2C Sync contributors",
    "license": "LGPL-3",
    "depends": ["queue_job"],
    "data": ["security/ir.model.access.csv"],
    "installable": True,
}
