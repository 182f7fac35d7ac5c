"""Pure logic of the sales side: no Odoo, no database."""
