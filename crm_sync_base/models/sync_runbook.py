from markupsafe import Markup
from odoo import api, models, tools
from odoo.tools.misc import file_open

from ..lib import markdown
from ..lib.errors import ERROR_CLASSES


class SyncRunbook(models.AbstractModel):
    """The runbooks that the module brings, one for each kind of error."""

    _name = "sync.runbook"
    _description = "Runbook"

    @api.model
    def _html(self, error_code):
        """Return the runbook of a kind of error as HTML, empty when there is none."""
        html = self._rendered(error_code) if error_code in ERROR_CLASSES else ""
        return Markup(html)  # noqa: S704 (our own files; the converter escapes all text)

    @api.model
    @tools.ormcache("error_code")
    def _rendered(self, error_code):
        try:
            with file_open(f"crm_sync_base/runbooks/{error_code}.md") as stream:
                return markdown.to_html(stream.read())
        except FileNotFoundError:
            return ""
