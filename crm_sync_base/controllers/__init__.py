from . import monitoring
from . import runbook
from . import webhook
