{
    "name": "Bench Floor",
    "summary": "A controller that only answers: the least a webhook can cost",
    "version": "19.0.1.0.0",
    "category": "Hidden",
    "author": "Q2C Sync contributors",
    "license": "LGPL-3",
    "depends": ["base"],
    "installable": True,
}
