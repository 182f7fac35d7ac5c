from . import sync_credential_wizard
from . import sync_credential_wizard_line
from . import sync_exception_ignore_wizard
from . import sync_endpoint_override
from . import sync_saga_handle_wizard
from . import sync_replay_wizard
from . import sync_job_discard_wizard
