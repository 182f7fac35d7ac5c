"""The example's own tests run inside Odoo, see `tests/test_tiny_crm.py`."""

collect_ignore = ["addons"]
