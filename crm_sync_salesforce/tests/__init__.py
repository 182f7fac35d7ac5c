from . import test_conformance
from . import test_deals
from . import test_lib_client
from . import test_lib_ids
from . import test_lib_outbound_message
from . import test_lib_soql
from . import test_lib_values
from . import test_catalogue
