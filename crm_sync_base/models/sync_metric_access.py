import hashlib
import hmac
import secrets

from odoo import _, api, fields, models
from odoo.exceptions import AccessError

ENABLED = "metrics_enabled"
DIGEST = "metrics_token_digest"


class SyncMetricAccess(models.AbstractModel):
    """Who may read the metrics: whoever has the token. Only its digest is stored.

    As a record of a form it shows a new token, once: it has no table.
    """

    _name = "sync.metric.access"
    _description = "Metrics Token"

    # The form's first read asks for it.
    id = fields.Id()
    token = fields.Char(readonly=True)

    @api.model
    def _is_enabled(self):
        """Whether metrics are exported at all."""
        return self.env["sync.settings"]._text(ENABLED) == "True"

    @api.model
    def _has_token(self):
        """Whether a token was ever created."""
        return bool(self.env["sync.settings"]._text(DIGEST))

    @api.model
    def _rotate(self):
        """Replace the token; the former one is refused from now on.

        :return: the new token: this is the only moment at which anybody knows it.
        :raises AccessError: for who does not administer this database.
        """
        if not self.env.is_admin() and not self.env.user.has_group("base.group_system"):
            raise AccessError(_("Only administrators can create a metrics token."))
        token = secrets.token_urlsafe(32)
        self.env["sync.settings"]._set(DIGEST, self._digest(token))
        return token

    @api.model
    def _accepts(self, authorization):
        """Whether an Authorization header carries the token; takes the same time for any.

        :param authorization: value of the header, or None.
        """
        scheme, _sep, given = (authorization or "").strip().partition(" ")
        digest = self.env["sync.settings"]._text(DIGEST)
        same = hmac.compare_digest(self._digest(given.strip()), digest or "-")
        return bool(same and digest and scheme.lower() == "bearer")

    @staticmethod
    def _digest(token):
        # 256 random bits need no salt and no slow hash.
        return hashlib.sha256(token.encode()).hexdigest()
