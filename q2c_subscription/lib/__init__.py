"""Pure logic of subscriptions: no Odoo, no database."""
