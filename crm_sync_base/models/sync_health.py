from datetime import timedelta

from odoo import _, api, models
from odoo.exceptions import UserError

from ..lib import clock
from ..lib.vault import VaultError


class SyncHealth(models.AbstractModel):
    """Whether this installation does its work: for load balancers and uptime monitors.

    What the providers' systems do is none of its business: a failing provider, a paused
    connection or a maintenance window does not make a healthy server unhealthy.
    """

    _name = "sync.health"
    _description = "Health"

    @api.model
    def _check(self):
        """Look at what must work, in a few cheap queries.

        :return: `(healthy, {"status": "ok" or "failing", "checks": {name: bool},
            "reasons": [text]})`; nothing in it is secret.
        """
        problems = {
            "database": None,  # we would not be here
            "encryption_key": self._key_problem(),
            "lanes": self._lanes_problem(),
        }
        reasons = [problem for problem in problems.values() if problem]
        return not reasons, {
            "status": "failing" if reasons else "ok",
            "checks": {name: problem is None for name, problem in problems.items()},
            "reasons": reasons,
        }

    @api.model
    def _key_problem(self):
        """Say that stored credentials cannot be read here, if so."""
        try:
            self.env["sync.connection"]._vault()
        except (OSError, UserError, VaultError):
            return _("The encryption key is missing or is not one.")
        return None

    @api.model
    def _lanes_problem(self):
        """Say that due work is not picked up, if so.

        A long queue is none of it, nor a provider that takes no calls: as long as some
        lane shows a sign of life, what can be done is done.
        """
        seconds = self.env["sync.settings"]._number("health_seconds")
        since = self.env["sync.watchdog"]._overlooked_since()
        if since is None or since > clock.now() - timedelta(seconds=seconds):
            return None
        return _("Jobs have been due for more than %s seconds and no lane picks them up.", seconds)
