"""What people do by hand: `/ui`. Tests play them; the connector must never call it."""

from aiohttp import web

from .store import Missing, Refused


class Ui:
    """The handlers of the pages that this CRM does not have."""

    def __init__(self, store, api):
        self.store, self.api = store, api

    def routes(self):
        """Return the routes."""
        return [
            web.get("/ui/credentials", self.credentials),
            web.post("/ui/kinds", self.add_kind),
            web.post("/ui/tokens/expire", self.expire),
            web.put("/ui/webhook", self.pause_webhook),
            web.get("/ui/webhook", self.deliveries),
            web.post("/ui/records/{kind}", self.create),
            web.get("/ui/records/{kind}/{id}", self.read),
            web.patch("/ui/records/{kind}/{id}", self.update),
            web.delete("/ui/records/{kind}/{id}", self.delete),
            web.post("/ui/records/{kind}/{id}/merge", self.merge),
        ]

    @web.middleware
    async def middleware(self, request, handler):
        """Say in words what is wrong with a test."""
        if not request.path.startswith("/ui/"):
            return await handler(request)
        try:
            return await handler(request)
        except (Missing, Refused) as problem:
            return web.json_response({"problem": str(problem), "of": getattr(problem, "problems", [])}, status=400)

    async def credentials(self, request):
        """What the person enters in Odoo."""
        return web.json_response(self.store.setting("credentials"))

    async def add_kind(self, request):
        """Define a kind of records of one's own."""
        given = await request.json()
        self.store.add_kind(given["name"], given["label"], given["fields"])
        return web.json_response({})

    async def expire(self, request):
        """End all sessions."""
        self.api.tokens.clear()
        return web.json_response({})

    async def pause_webhook(self, request):
        """While it is paused, what happens is never delivered."""
        self.store.keep("webhook_paused", (await request.json())["paused"])
        return web.json_response({})

    async def deliveries(self, request):
        """How many events are in each state of delivery."""
        return web.json_response(dict(self.store.all("SELECT delivery, count(*) FROM event GROUP BY 1")))

    async def create(self, request):
        """Create a record: `{"fields", "id"?}`."""
        given = await request.json()
        return web.json_response(self.store.create(request.match_info["kind"], given["fields"], given.get("id")))

    async def read(self, request):
        """Look at a record."""
        return web.json_response(self.store.read(request.match_info["kind"], request.match_info["id"]))

    async def update(self, request):
        """Change a record: `{"fields"}`."""
        fields = (await request.json())["fields"]
        return web.json_response(self.store.update(request.match_info["kind"], request.match_info["id"], fields))

    async def delete(self, request):
        """Delete a record."""
        self.store.delete(request.match_info["kind"], request.match_info["id"])
        return web.json_response({})

    async def merge(self, request):
        """Merge a record into another one: `{"into"}`."""
        into = (await request.json())["into"]
        self.store.read(request.match_info["kind"], into)
        self.store.delete(request.match_info["kind"], request.match_info["id"], merged_into=into)
        return web.json_response({})
