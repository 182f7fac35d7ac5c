"""The admin API under ``/_admin``: health, reset, seed, clock, faults, call and webhook logs."""

import json

from aiohttp import web

from .faults import FaultError

PROFILES = ("demo", "empty")
_SEEDED = "_framework/seeded"


def seed(ctx, vendors, profile, only_new=False, vendor=None):
    """Fill the vendors' data.

    :param profile: ``demo`` (the same story in both CRMs) or ``empty`` (what an empty
        account has: organisation, users, currencies).
    :param only_new: leave vendors alone that were seeded before (restart).
    :param vendor: only this one.
    """
    for name, package in vendors.items():
        if vendor not in (None, name):
            continue
        if only_new and ctx.store.get(_SEEDED, name):
            continue
        package.seed(ctx, profile)
        ctx.store.put(_SEEDED, name, {"profile": profile})


def routes(ctx, vendors):
    """Return the vendor-independent admin routes."""
    admin = Admin(ctx, vendors)
    return [
        web.get("/_admin/health", admin.health),
        web.get("/_admin/credentials", admin.credentials),
        web.post("/_admin/reset", admin.reset),
        web.post("/_admin/seed", admin.seed),
        web.get("/_admin/documents", admin.documents),
        web.get("/_admin/clock", admin.get_clock),
        web.post("/_admin/clock", admin.set_clock),
        web.get("/_admin/faults", admin.list_faults),
        web.post("/_admin/faults", admin.add_fault),
        web.delete("/_admin/faults", admin.clear_faults),
        web.delete("/_admin/faults/{id}", admin.clear_faults),
        web.get("/_admin/calls", admin.calls),
        web.delete("/_admin/calls", admin.clear_calls),
        web.get("/_admin/webhooks", admin.webhooks),
        web.delete("/_admin/webhooks", admin.clear_webhooks),
        web.post("/_admin/webhooks/flush", admin.flush_webhooks),
        web.post("/_admin/webhooks/{id}/resend", admin.resend),
    ]


class Admin:
    """Handlers; each answers JSON."""

    def __init__(self, ctx, vendors):
        self.ctx, self.vendors = ctx, vendors

    async def health(self, request):
        """Tell that the process runs, which vendors it has and how many documents."""
        counts = {kind: self.ctx.store.count(kind) for kind in self.ctx.store.kinds()
                  if not kind.startswith("_")}
        return web.json_response({
            "status": "ok", "vendors": sorted(self.vendors), "clock": self.ctx.clock.describe(),
            "documents": counts})

    async def credentials(self, request):
        """Return each vendor's credentials and base URL."""
        answer = {}
        for name, package in self.vendors.items():
            answer[name] = {"base_url": self.ctx.base_url(request, name)}
            if hasattr(package, "credentials"):
                answer[name].update(package.credentials(self.ctx))
        return web.json_response(answer)

    async def reset(self, request):
        """Forget everything (or one vendor's data), faults and logs; then seed.

        Body ``{vendor?, profile?}``; the profile defaults to the one of the command line.
        """
        body = await _json(request)
        vendor = self._vendor(body)
        self.ctx.faults.clear(vendor)
        self.ctx.webhooks.clear(vendor)
        if vendor is None:
            self.ctx.calls.clear()
        self.ctx.store.reset(vendor)
        return self._seed(body.get("profile", self.ctx.config.seed), vendor)

    async def seed(self, request):
        """Seed on top of what is there. Body ``{vendor?, profile?}``."""
        body = await _json(request)
        return self._seed(body.get("profile", "demo"), self._vendor(body))

    def _vendor(self, body):
        vendor = body.get("vendor")
        if vendor is not None and vendor not in self.vendors:
            _bad(f"unknown vendor {vendor!r}")
        return vendor

    def _seed(self, profile, vendor):
        if profile not in PROFILES:
            _bad(f"unknown profile {profile!r}; known: {list(PROFILES)}")
        seed(self.ctx, self.vendors, profile, vendor=vendor)
        return web.json_response({"seeded": profile, "vendor": vendor})

    async def documents(self, request):
        """Return all documents of a ``?kind=`` (``salesforce/Account``) as they are stored.

        For who must compare everything; decimal numbers come as text.
        """
        kind = request.query.get("kind", "")
        if not kind or kind.startswith("_"):
            _bad("kind is missing; health names them")
        text = json.dumps({"documents": self.ctx.store.scan(kind)}, default=str)
        return web.Response(text=text, content_type="application/json")

    async def get_clock(self, request):
        """Return the sandbox's time."""
        return web.json_response(self.ctx.clock.describe())

    async def set_clock(self, request):
        """Body: one of ``{offset: s}``, ``{freeze: epoch | true}``, ``{advance: s}``, ``{reset: true}``."""
        body = await _json(request)
        clock = self.ctx.clock
        if "offset" in body:
            clock.shift(body["offset"])
        elif "freeze" in body:
            clock.freeze(None if body["freeze"] is True else body["freeze"])
        elif "advance" in body:
            clock.advance(body["advance"])
        elif body.get("reset"):
            clock.reset()
        else:
            _bad("expected offset, freeze, advance or reset")
        self.ctx.webhooks.wake()
        return web.json_response(clock.describe())

    async def list_faults(self, request):
        """Return the active fault rules."""
        return web.json_response([rule.describe() for rule in self.ctx.faults.list()])

    async def add_fault(self, request):
        """Add a rule, see ``faults.py``."""
        try:
            rule = self.ctx.faults.add(await _json(request))
        except (FaultError, TypeError) as error:
            _bad(str(error))
        return web.json_response(rule.describe(), status=201)

    async def clear_faults(self, request):
        """Remove all rules, ``?vendor=`` ones, or one by id."""
        rule_id = request.match_info.get("id")
        self.ctx.faults.clear(request.query.get("vendor"), int(rule_id) if rule_id else None)
        return web.json_response([rule.describe() for rule in self.ctx.faults.list()])

    async def calls(self, request):
        """Return counts, and the last ``limit`` entries.

        Query: ``vendor``, ``since`` (sequence number, exclusive), ``path_regex``,
        ``method``, ``limit`` (default 100). ``last_seq`` in the answer is the next ``since``.
        """
        query = request.query
        entries = self.ctx.calls.select(
            query.get("vendor"), int(query.get("since", 0)),
            query.get("path_regex"), query.get("method"))
        limit = int(query.get("limit", 100))
        return web.json_response({
            **self.ctx.calls.summary(entries), "last_seq": self.ctx.calls.last_seq,
            "calls": entries[-limit:] if limit else []})

    async def clear_calls(self, request):
        """Empty the call log."""
        self.ctx.calls.clear()
        return web.json_response({})

    async def webhooks(self, request):
        """Return deliveries with their attempts. Query: ``vendor``, ``state``."""
        query = request.query
        return web.json_response(self.ctx.webhooks.list(query.get("vendor"), query.get("state")))

    async def clear_webhooks(self, request):
        """Forget deliveries, all or of one ``?vendor=``."""
        self.ctx.webhooks.clear(request.query.get("vendor"))
        return web.json_response({})

    async def flush_webhooks(self, request):
        """Make every pending delivery due now."""
        self.ctx.webhooks.flush()
        return web.json_response({})

    async def resend(self, request):
        """Send a delivery once more."""
        doc = self.ctx.webhooks.resend(request.match_info["id"])
        if doc is None:
            raise web.HTTPNotFound(text="no such delivery")
        return web.json_response(doc)


async def _json(request):
    """Return the body as a dict; an empty body is {}."""
    if not request.can_read_body:
        return {}
    try:
        body = await request.json()
    except ValueError:
        _bad("the body is not JSON")
    if not isinstance(body, dict):
        _bad("the body is not a JSON object")
    return body


def _bad(message):
    raise web.HTTPBadRequest(text=message)
