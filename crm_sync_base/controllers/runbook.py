from odoo import http
from odoo.exceptions import AccessError
from odoo.http import request


class RunbookController(http.Controller):
    """Shows runbooks, so that a link to one works on every installation."""

    @http.route("/crm_sync/runbook/<string:code>", type="http", auth="user", readonly=True)
    def runbook(self, code):
        """Show the runbook of a kind of error.

        :param code: of the error class, e.g. "mapping_missing".
        """
        try:
            request.env["sync.exception"].check_access("read")
        except AccessError:
            return request.not_found()
        html = request.env["sync.runbook"]._html(code)
        if not html:
            return request.not_found()
        return request.render("crm_sync_base.runbook_page", {"runbook": html})
