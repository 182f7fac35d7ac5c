from . import q2c_subscription
from . import q2c_subscription_line
from . import sale_order
from . import sync_trace
