from odoo import http, modules
from odoo.http import request

from ..lib.declarations import Receipt, WebhookRequest
from ..lib.group_commit import GroupCommit

HARD_LIMIT = 4_000_000  # bytes; a connection may set a lower one

_together = GroupCommit()


class SyncWebhookController(http.Controller):
    """Receive, verify, store, answer. No remote call, no business code."""

    @http.route(
        "/crm_sync/webhook/<string:token>",
        type="http",
        auth="public",
        methods=["POST"],
        csrf=False,
        save_session=False,
        max_content_length=HARD_LIMIT,
    )
    def receive(self, token, **_kwargs):
        """Store one delivery and enqueue what it leads to.

        The answer is 2xx only after the commit; a failed one turns into an error that
        makes the provider deliver again.
        """
        self._begin()
        connection = request.env["sync.connection"]._by_webhook_token(token)
        if not connection:
            return request.make_response("unknown endpoint", status=404)
        delivery = self._delivery(connection)
        receipt = self._judge(connection, delivery)
        if receipt.accepted:
            self._store(connection, delivery, receipt)
        else:
            request.env["sync.event"].sudo()._store_refused(connection, delivery, receipt)
        return request.make_response(
            receipt.body,
            headers=[("Content-Type", receipt.content_type)],
            status=receipt.http_status,
        )

    def _begin(self):
        """Start a transaction that reads what others commit meanwhile.

        Providers deliver the same thing at the same moment. In Odoo's own isolation
        level the slower one fails and is run again, with an error in the log; here it
        waits for the other and finds its rows.
        """
        if not modules.module.current_test:
            # Nothing was written so far; one round trip instead of three.
            request.env.cr.execute("COMMIT; BEGIN ISOLATION LEVEL READ COMMITTED")

    def _store(self, connection, delivery, receipt):
        """Commit a delivery, together with those that other threads bring meanwhile."""
        env = request.env
        Event = env["sync.event"].sudo()
        if modules.module.current_test:
            Event._store_accepted(connection, [(delivery, receipt)])
            return

        def commit(deliveries):
            try:
                Event._store_accepted(connection, deliveries)
                # Others wait for it, and answer when it is done.
                env.cr.commit()  # pylint: disable=invalid-commit
            except BaseException:
                env.cr.rollback()
                self._begin()
                raise

        _together.submit((env.cr.dbname, connection.id), (delivery, receipt), commit)

    def _delivery(self, connection):
        http_request = request.httprequest
        query = http_request.query_string.decode("latin-1")
        return WebhookRequest(
            body=http_request.get_data(),
            headers={name.lower(): value for name, value in http_request.headers.items()},
            url=connection._webhook_address() + (f"?{query}" if query else ""),
            remote_address=http_request.remote_addr or "",
        )

    def _judge(self, connection, delivery):
        if len(delivery.body) > connection.webhook_max_bytes:
            return Receipt("oversized", 413, reason="larger than this connection accepts")
        if connection.state == "draft":
            return Receipt("inactive", 403, reason="the connection was never activated")
        return connection._connector()._receive(connection, delivery)
