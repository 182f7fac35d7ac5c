import importlib.util

from . import test_lib_charge_facts
from . import test_lib_charge_plan
from . import test_lib_client
from . import test_lib_event
from . import test_lib_failure
from . import test_lib_form
from . import test_lib_money
from . import test_lib_payout_plan
from . import test_lib_signature

if importlib.util.find_spec("hypothesis"):
    from . import test_lib_properties
from . import test_conformance
from . import test_charge
from . import test_payment
from . import test_payout
from . import test_lib_walk
from . import test_lib_payout_entry
from . import test_saga
