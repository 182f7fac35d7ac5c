from . import test_conformance
from . import test_deals
from . import test_lib_answers
from . import test_lib_changes
from . import test_lib_client
from . import test_lib_webhook
from . import test_catalogue
from . import test_custom_objects
