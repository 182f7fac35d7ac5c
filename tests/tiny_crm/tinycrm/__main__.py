"""Command line: ``python -m tinycrm --port 8090 --state FILE.sqlite``."""

import argparse
import asyncio
import contextlib
import secrets
import time

from aiohttp import web

from .api import Api
from .store import Store
from .ui import Ui
from .webhooks import Deliveries


def build(file=":memory:"):
    """Return the application of one account."""
    store = Store(file, time.time)
    if not store.setting("account"):
        store.keep("account", {"id": f"acc_{secrets.token_hex(4)}", "name": "Tiny Ltd", "plan": "trial"})
        store.keep("credentials", {"client_id": "odoo", "client_secret": secrets.token_urlsafe(24)})
    api = Api(store)
    ui = Ui(store, api)
    deliveries = Deliveries(store, time.time)

    @web.middleware
    async def whole_or_not_at_all(request, handler):
        # Read before: from here on nothing waits, so no other request comes in between.
        await request.read()
        store.db.execute("BEGIN")
        done = False
        try:
            response = await handler(request)
            done = response.status < 400
            return response
        finally:
            store.db.execute("COMMIT" if done else "ROLLBACK")
            deliveries.wake()

    async def deliver(app):
        worker = asyncio.ensure_future(deliveries.run())
        yield
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker
        store.db.close()

    app = web.Application(middlewares=[whole_or_not_at_all, api.middleware, ui.middleware])
    app.router.add_routes([*api.routes(), *ui.routes()])
    app.cleanup_ctx.append(deliver)
    return app


def main():
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tinycrm", description=__doc__)
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--state", default=":memory:", help="SQLite file; without it nothing survives")
    options = parser.parse_args()
    web.run_app(build(options.state), host="127.0.0.1", port=options.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
