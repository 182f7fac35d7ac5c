from . import monitoring
from . import run_export
from . import runbook
from . import webhook
