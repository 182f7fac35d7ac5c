from . import test_lib_totals
from . import test_lib_settlement
from . import test_order_totals
from . import test_order_readiness
from . import test_order_revision
from . import test_order_steps
from . import test_order_status
from . import test_order_trace
