from . import test_lib_lifecycle
from . import test_lib_recurrence
from . import test_subscription
