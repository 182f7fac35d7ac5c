"""HubSpot's CRM wire protocol: stateful, strict, versioned in the path.

``records``, ``associations``, ``schema``, ``search``, ``auth`` and ``events`` are the account
without HTTP (put together in ``portal``); the ``*_api`` modules are its endpoints.
"""

from aiohttp import web

from .account_api import AccountApi
from .admin_api import AdminApi
from .api import unknown_path
from .associations_api import AssociationsApi
from .objects_api import ObjectsApi
from .portal import portal_of
from .schema_api import SchemaApi
from .seed import seed as seed_portal


def setup(ctx):
    """Build the account's parts: indexes, webhook sender, fault shapes."""
    portal_of(ctx)


def seed(ctx, profile):
    """Fill the account."""
    seed_portal(portal_of(ctx), profile)


def routes(ctx):
    """Return the API's routes."""
    portal = portal_of(ctx)
    parts = (AccountApi, SchemaApi, AssociationsApi, ObjectsApi)
    found = [route for part in parts for route in part(portal).routes()]
    return [*found, web.route("*", "/{tail:.*}", unknown_path)]


def admin_routes(ctx):
    """Return the admin actions, see ``admin_api.py``."""
    return AdminApi(portal_of(ctx)).routes()


def credentials(ctx):
    """Return what a connector needs to be connected."""
    portal = portal_of(ctx)
    known = portal.auth.known()
    return {
        "portal_id": portal.settings["portal_id"], "api_version": "2026-09",
        "private_app_token": known["private_app_token"],
        "private_app_secret": known["private_app_secret"],
        "private_app_id": known["private_app_id"], "oauth_app_id": known["oauth_app_id"],
        "client_id": known["client_id"], "client_secret": known["client_secret"],
        "refresh_token": known["refresh_token"]}
