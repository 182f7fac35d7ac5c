from dataclasses import replace

from odoo import SUPERUSER_ID, http, modules
from odoo.http import request
from psycopg2.extensions import ISOLATION_LEVEL_READ_COMMITTED, TRANSACTION_STATUS_IDLE

from ..lib.declarations import Receipt, WebhookRequest
from ..lib.group_commit import GroupCommit

HARD_LIMIT = 4_000_000  # bytes; a connection may set a lower one

_together = GroupCommit()


class SyncWebhookController(http.Controller):
    """Receive, verify, store, answer. No remote call, no business code."""

    @http.route(
        "/crm_sync/webhook/<string:token>",
        type="http",
        auth="none",  # the signature decides; nobody has to be looked up first
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
        request.update_env(user=SUPERUSER_ID)
        delivery = self._delivery()
        if modules.module.current_test:
            (receipt,) = self._receive_all(token, [delivery])
        else:
            receipt = _together.submit(
                (request.env.cr.dbname, token), delivery, lambda deliveries: self._commit_all(token, deliveries)
            )
        return request.make_response(
            receipt.body,
            headers=[("Content-Type", receipt.content_type)],
            status=receipt.http_status,
        )

    def _delivery(self):
        http_request = request.httprequest
        query = http_request.query_string.decode("latin-1")
        return WebhookRequest(
            body=http_request.get_data(),
            headers={name.lower(): value for name, value in http_request.headers.items()},
            url=f"?{query}" if query else "",
            remote_address=http_request.remote_addr or "",
        )

    def _commit_all(self, token, deliveries):
        """Receive and commit deliveries of this and of other threads, which wait for it.

        Providers deliver the same thing at the same moment. In Odoo's own isolation
        level the slower process fails and is run again, with an error in the log; here it
        waits for the other and finds its rows.

        :return: a receipt for each.
        """
        cr = request.env.cr
        # Nothing was written so far. It is set for the transaction that begins next, so it
        # costs no round trip; every cursor sets its own.
        if cr.connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
            cr.rollback()
        cr.connection.isolation_level = ISOLATION_LEVEL_READ_COMMITTED
        try:
            receipts = self._receive_all(token, deliveries)
            # The others answer when this is done.
            cr.commit()  # pylint: disable=invalid-commit
        except BaseException:
            cr.rollback()
            raise
        return receipts

    def _receive_all(self, token, deliveries):
        """Judge deliveries to one address and store them.

        :return: a receipt for each.
        """
        connection = request.env["sync.connection"]._by_webhook_token(token)
        if not connection:
            return [Receipt("unknown_endpoint", 404, body=b"unknown endpoint", content_type="text/plain")] * len(
                deliveries
            )
        address = connection._webhook_address()
        deliveries = [replace(delivery, url=address + delivery.url) for delivery in deliveries]
        judged = [(delivery, self._judge(connection, delivery)) for delivery in deliveries]
        Event = request.env["sync.event"].sudo()
        Event._store_accepted(connection, [pair for pair in judged if pair[1].accepted])
        for delivery, receipt in judged:
            if not receipt.accepted:
                Event._store_refused(connection, delivery, receipt)
        return [receipt for _delivery, receipt in judged]

    def _judge(self, connection, delivery):
        if len(delivery.body) > connection.webhook_max_bytes:
            return Receipt("oversized", 413, reason="larger than this connection accepts")
        if connection.state == "draft":
            return Receipt("inactive", 403, reason="the connection was never activated")
        return connection._connector()._receive(connection, delivery)
