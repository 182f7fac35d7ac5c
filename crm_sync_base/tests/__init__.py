from . import test_lib_transforms
from . import test_lib_planner
from . import test_lib_values
from . import test_engine_inbound
from . import test_engine_outbound
from . import test_engine_queue
from . import test_webhook
