"""HubSpot's API in pure Python: the only Odoo names used are the base library's values."""
