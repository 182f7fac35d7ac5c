"""Pure Python: nothing here imports Odoo, but the libraries of the base module."""
