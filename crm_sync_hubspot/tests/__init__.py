from . import test_lib_webhook
from . import test_lib_answers
from . import test_lib_changes
from . import test_lib_client
