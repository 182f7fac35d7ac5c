from . import q2c_price_reject_wizard
