from odoo import http
from odoo.http import request


class BenchFloorController(http.Controller):
    """Receives what a webhook receives, with the same kind of route, and stores nothing."""

    @http.route(
        "/bench/floor",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
    )
    def receive(self, **_kwargs):
        """Read the body and answer."""
        request.httprequest.get_data()
        return request.make_response("{}", headers=[("Content-Type", "application/json")])
