"""The aiohttp application: vendors' routes, the middleware around them, lifecycle."""

import asyncio
import contextlib
import importlib
import logging
import time
from email.utils import formatdate

from aiohttp import web

from . import admin
from .context import VENDORS, Context

_logger = logging.getLogger(__name__)

#: Largest request body taken from a client; the vendors' own limits are lower or equal.
MAX_BODY = 160 * 1024 * 1024

CONTEXT = web.AppKey("context", Context)


def load_vendors(wanted):
    """Return ``{vendor: package}`` for the wanted vendor packages that are present."""
    vendors = {}
    for name in wanted:
        module = f"{__package__}.{name}"
        try:
            vendors[name] = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
    return vendors


def build(config):
    """Return the application, with state loaded and, when it is new, seeded."""
    ctx = Context.create(config)
    vendors = load_vendors(config.vendors)
    app = web.Application(middlewares=[_middleware(ctx)], client_max_size=MAX_BODY)
    app[CONTEXT] = ctx
    for package in vendors.values():
        if hasattr(package, "setup"):
            package.setup(ctx)
    admin.seed(ctx, vendors, config.seed, only_new=True)
    app.router.add_routes(admin.routes(ctx, vendors))
    for name, package in vendors.items():
        app.router.add_routes(_mounted(f"/_admin/{name}", package.admin_routes(ctx)))
        app.router.add_routes(_mounted(f"/{name}", package.routes(ctx)))
    ctx.store.commit()
    app.cleanup_ctx.append(_lifecycle)
    return app


def _mounted(prefix, routes):
    return [web.RouteDef(r.method, prefix + r.path, r.handler, r.kwargs) for r in routes]


async def _lifecycle(app):
    """Run the webhook worker while the application runs; close the store at the end."""
    ctx = app[CONTEXT]
    worker = asyncio.ensure_future(ctx.webhooks.run())
    yield
    worker.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await worker
    ctx.store.close()


def _middleware(ctx):
    @web.middleware
    async def middleware(request, handler):
        vendor = request.path.split("/", 2)[1]
        if vendor not in VENDORS:
            return await _answer(ctx, request, handler)
        started = time.monotonic()
        content = await _content(request) if ctx.faults.looks_inside(vendor) else ""
        rules = ctx.faults.match_call(vendor, request.method, request.path, content)
        status = 0
        try:
            response = await _with_faults(ctx, vendor, rules, request, handler)
            status = response.status
            if not response.prepared:
                response.headers["Date"] = formatdate(ctx.clock.time(), usegmt=True)
            return response
        finally:
            ctx.calls.add(
                at=ctx.clock.time(), vendor=vendor, method=request.method, path=request.path,
                status=status, ms=round((time.monotonic() - started) * 1000, 2),
                idempotency_key=request.headers.get("Idempotency-Key"),
                correlation=request.headers.get("X-Q2C-Correlation-Id"),
                client=request.headers.get("Sforce-Call-Options"),
                auth_ok=request.get("auth_ok"), fault=[rule.kind for rule in rules] or None,
                note=request.get("note"))
    return middleware


async def _content(request):
    """Return path, query and body of a call; the handler can read the body again."""
    return " ".join((request.path, *request.query.values(), (await request.read()).decode(errors="replace")))


async def _answer(ctx, request, handler):
    """Run the handler; what it wrote is on disk before the answer leaves."""
    try:
        return await handler(request)
    except web.HTTPException:
        raise
    except Exception as error:
        _logger.exception("%s %s failed inside the sandbox", request.method, request.path)
        return web.json_response(
            {"sandbox_error": f"{type(error).__name__}: {error}"}, status=500)
    finally:
        ctx.store.commit()


async def _with_faults(ctx, vendor, rules, request, handler):
    """Answer a vendor's call under the fault rules that hit it."""
    kinds = {rule.kind: rule for rule in rules}
    for rule in rules:
        if rule.kind == "latency":
            await asyncio.sleep(rule.params.get("ms", 1000) / 1000)
    if "drop_before" in kinds:
        return _cut(request)
    if "expire_token" in kinds and vendor in ctx.faults.expirers:
        ctx.faults.expirers[vendor](request)
    if "status" in kinds:
        rule = kinds["status"]
        body, headers = ctx.faults.error_body(vendor, rule, request)
        await request.read()
        return _error_response(rule.params["status"], body, headers)
    response = await _answer(ctx, request, handler)
    if "drop_after" in kinds:
        return _cut(request)
    if "truncate" in kinds:
        return await _truncate(request, response)
    return response


def _error_response(status, body, headers):
    if isinstance(body, str):
        return web.Response(status=status, text=body, headers=headers)
    return web.json_response(body, status=status, headers=headers)


def _cut(request):
    """Cut the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499)


async def _truncate(request, response):
    """Send the announced length but only half of the body, then cut the connection."""
    body = response.body or b""
    partial = web.StreamResponse(status=response.status, headers={
        "Content-Type": response.headers.get("Content-Type", "application/json"),
        "Content-Length": str(max(len(body), 2)),
    })
    await partial.prepare(request)
    with contextlib.suppress(ConnectionError):
        await partial.write(body[:len(body) // 2] or b" ")
    if request.transport is not None:
        request.transport.close()
    return partial
