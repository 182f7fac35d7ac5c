"""The API that clients use: `/oauth/token` and `/v1`."""

import json
import secrets
import time

from aiohttp import web

from .store import Missing, Refused

TOKEN_SECONDS = 900
MOST = 100  # records in one call
#: calls that a window of ten seconds allows
LIMIT, WINDOW = 600, 10


def error(status, code, problems=(), **headers):
    """Return an error in the API's one shape."""
    return web.json_response({"error": {"code": code, "problems": list(problems)}}, status=status, headers=headers)


class Api:
    """The handlers of one account's API."""

    def __init__(self, store):
        self.store = store
        self.tokens = {}  # token → when it expires
        self._window, self._calls = 0, 0

    def routes(self):
        """Return the routes."""
        return [
            web.post("/oauth/token", self.token),
            web.get("/v1/account", self.account),
            web.get("/v1/kinds", self.kinds),
            web.get("/v1/kinds/{kind}/fields", self.fields),
            web.post("/v1/kinds/{kind}/fields", self.add_field),
            web.get("/v1/changes", self.changes),
            web.get("/v1/count", self.count),
            web.post("/v1/records/{kind}/read", self.read),
            web.post("/v1/records/{kind}/write", self.write),
            web.put("/v1/webhook", self.webhook),
        ]

    # === Who calls, and how often ===#

    async def token(self, request):
        """OAuth 2's client credentials (RFC 6749, 4.4)."""
        form = await request.post()
        known = self.store.setting("credentials")
        given = (form.get("client_id"), form.get("client_secret"))
        if given != (known["client_id"], known["client_secret"]):
            return error(401, "invalid_client")
        token = secrets.token_urlsafe(24)
        self.tokens[token] = time.time() + TOKEN_SECONDS
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS})

    @web.middleware
    async def middleware(self, request, handler):
        """Refuse strangers and too many calls; turn what is raised into errors."""
        if not request.path.startswith("/v1/"):
            return await handler(request)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.tokens.get(token, 0) < time.time():
            return error(401, "invalid_token")
        left = self._take()
        if left < 0:
            return error(429, "too_many_calls", **{"Retry-After": str(WINDOW)})
        try:
            response = await handler(request)
        except Missing as missing:
            response = error(404, "not_found", [{"field": str(missing), "code": "unknown"}])
        except Refused as refused:
            response = error(422, "refused", refused.problems)
        except (json.JSONDecodeError, KeyError, TypeError):
            response = error(400, "malformed")
        response.headers["Tiny-Calls-Left"] = str(left)
        response.headers["Tiny-Calls-Limit"] = str(LIMIT)
        return response

    def _take(self):
        """Take one call out of the present window; return how many are left."""
        window = int(time.time() // WINDOW)
        if window != self._window:
            self._window, self._calls = window, 0
        self._calls += 1
        return LIMIT - self._calls

    # === The account and its schema ===#

    async def account(self, request):
        """Whose credentials these are."""
        return web.json_response(self.store.setting("account"))

    async def kinds(self, request):
        """The kinds of records."""
        return web.json_response({"kinds": self.store.kinds()})

    async def fields(self, request):
        """The fields of a kind."""
        return web.json_response({"fields": list(self.store.fields(request.match_info["kind"]).values())})

    async def add_field(self, request):
        """Add a field; repeatable."""
        self.store.add_field(request.match_info["kind"], await request.json())
        return web.json_response({})

    async def webhook(self, request):
        """Set the address that events go to, and the secret that signs them; repeatable."""
        given = await request.json()
        self.store.keep("webhook", {"url": given["url"], "secret": given["secret"]})
        return web.json_response({})

    # === Records ===#

    async def changes(self, request):
        """The records of a kind that changed after a number, each once, in order."""
        kind, after = request.query["kind"], int(request.query.get("after", 0))
        self.store.fields(kind)
        limit = min(int(request.query.get("limit", MOST)), MOST)
        rows = self.store.changes(kind, after, limit + 1)
        found = [
            {"id": record, "revision": revision, "type": what, "event": f"evt_{revision}"}
            for revision, record, what in rows[:limit]
        ]
        following = found[-1]["revision"] if found else after
        return web.json_response({"changes": found, "next": following, "more": len(rows) > limit})

    async def count(self, request):
        """How many records of a kind there are, by the values of fields."""
        asked = dict(request.query)
        return web.json_response({"count": self.store.count(asked.pop("kind"), asked)})

    async def read(self, request):
        """The present state of records; what was never there is not in the answer."""
        kind, wanted = request.match_info["kind"], (await request.json())["ids"]
        if len(wanted) > MOST:
            return error(413, "too_many_records")
        self.store.fields(kind)
        found = []
        for record_id in wanted:
            try:
                found.append(self.store.read(kind, record_id))
            except Missing:
                continue
        return web.json_response({"records": found})

    async def write(self, request):
        """Create and update records, each for itself, each key once."""
        kind, writes = request.match_info["kind"], (await request.json())["writes"]
        if len(writes) > MOST:
            return error(413, "too_many_records")
        self.store.fields(kind)
        return web.json_response({"results": [self._write(kind, one) for one in writes]})

    def _write(self, kind, asked):
        key = asked["key"]
        known = self.store.told(key)
        if known and known[0] != asked:
            return {"key": key, "error": {"code": "key_reused", "problems": []}}
        if known:
            return known[1]
        try:
            if asked.get("id"):
                record = self.store.update(kind, asked["id"], asked["fields"])
            else:
                record = self.store.create(kind, asked["fields"])
        except Missing:
            return {"key": key, "error": {"code": "not_found", "problems": []}}
        except Refused as refused:
            return {"key": key, "error": {"code": "refused", "problems": refused.problems}}
        created = not asked.get("id")
        answer = {"key": key, "id": record["id"], "revision": record["revision"], "created": created}
        self.store.tell(key, asked, answer)
        return answer
