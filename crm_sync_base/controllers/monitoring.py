from contextlib import contextmanager

import psycopg2
from odoo import SUPERUSER_ID, api, http
from odoo.http import request
from odoo.modules.registry import Registry
from werkzeug.exceptions import NotFound

NO_STORE = ("Cache-Control", "no-store")


class SyncMonitoringController(http.Controller):
    """What monitoring systems read. Nothing is written, nothing is kept in the process.

    The database is the one that Odoo finds for any request: by host name and dbfilter,
    by the X-Odoo-Database header, or because there is only one. `?db=` names another that
    the same dbfilter allows; its own token is asked for.
    """

    @http.route(
        "/crm_sync/metrics", type="http", auth="none", methods=["GET"], save_session=False, readonly=True
    )
    def metrics(self, db=None, **_kwargs):
        """Answer with all metrics in Prometheus' format.

        404 when they are switched off, 401 without the token.
        """
        with self._environment(db) as env:
            Access = env["sync.metric.access"]
            if not Access._is_enabled():
                return self._text("metrics are switched off", 404)
            headers = request.httprequest.headers
            if not Access._accepts(headers.get("Authorization")):
                challenge = [("WWW-Authenticate", 'Bearer realm="crm_sync"')]
                return self._text("a valid bearer token is required", 401, challenge)
            body, content_type = env["sync.metric.export"]._exposition(headers.get("Accept", ""))
        return request.make_response(body, [("Content-Type", content_type), NO_STORE])

    @http.route(
        "/crm_sync/health", type="http", auth="none", methods=["GET"], save_session=False, readonly=True
    )
    def health(self, db=None, **_kwargs):
        """Answer 200 when this installation works, 503 with the reasons when it does not."""
        try:
            with self._environment(db) as env:
                healthy, report = env["sync.health"]._check()
        except psycopg2.Error:
            healthy, report = False, {
                "status": "failing",
                "checks": {"database": False},
                "reasons": ["The database does not answer."],
            }
        return request.make_json_response(report, [NO_STORE], status=200 if healthy else 503)

    @contextmanager
    def _environment(self, db):
        """Give an environment of the database that is meant.

        :raises NotFound: for none, or one that this host does not serve.
        """
        if db and db != request.db:
            if db not in http.db_list(force=True):
                raise NotFound
            with Registry(db).cursor(readonly=True) as cr:
                yield self._served(api.Environment(cr, SUPERUSER_ID, {}))
        elif request.db:
            yield self._served(request.env(user=SUPERUSER_ID, su=True))
        else:
            raise NotFound

    @staticmethod
    def _served(env):
        if "sync.health" not in env:
            raise NotFound
        return env

    @staticmethod
    def _text(text, status, headers=()):
        return request.make_response(
            text, [("Content-Type", "text/plain; charset=utf-8"), NO_STORE, *headers], status=status
        )
