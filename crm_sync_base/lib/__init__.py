"""Pure Python of the sync engine: no Odoo import, typed, Decimal end to end."""
