"""Stand-in Salesforce (being built)."""
from aiohttp import web
async def _versions(request):
    return web.json_response([{"version": "67.0"}])
def routes(ctx): return [web.get("/services/data", _versions)]
def admin_routes(ctx): return []
def seed(ctx, profile): pass
