"""Stand-in Salesforce: OAuth, REST API v31–v67, SOQL, outbound messages."""

import base64
import binascii

from aiohttp import web
from yarl import URL

from .admin import Admin
from .errors import SalesforceError, not_found
from .org import Org
from .outbound import OutboundSender
from .rest import Endpoint, json_response
from .seed import seed
from .sessions import USERNAME, OAuthError, bearer

VENDOR = "salesforce"

__all__ = ["admin_routes", "credentials", "routes", "seed", "setup"]

_FAULT_CODES = {
    400: ("MALFORMED_ID", "Id is not well-formed"),
    401: ("INVALID_SESSION_ID", "Session expired or invalid"),
    403: ("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded."),
    429: ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
    500: ("UNKNOWN_EXCEPTION", "An unexpected error occurred. Please include the ErrorId 1234567890-12345"),
    503: ("SERVER_UNAVAILABLE", "This service is temporarily unavailable. Please try again.")}


def setup(ctx):
    """Register sender and fault hooks."""
    org = Org.of(ctx)
    ctx.webhooks.register(VENDOR, OutboundSender(org))
    ctx.faults.shapes[VENDOR] = fault_shape
    ctx.faults.expirers[VENDOR] = org.sessions.expire


def fault_shape(status, params, request):
    """Return an injected error in the shape of the endpoint that it hits."""
    code, message = _FAULT_CODES.get(status, ("UNKNOWN_EXCEPTION", "injected"))
    code, message = params.get("code", code), params.get("message", message)
    if "/services/oauth2/" in request.path:
        return {"error": code.lower(), "error_description": message}, {}
    return [{"message": message, "errorCode": code}], {}


def credentials(ctx):
    """Return what a client needs to connect."""
    org = Org.of(ctx)
    return {**org.sessions.app, "username": USERNAME, "api_version": "67.0",
            "audience": "https://test.salesforce.com", "organization_id": org.organization["Id"]}


def admin_routes(ctx):
    """Return the admin routes."""
    return Admin(Org.of(ctx)).routes()


def routes(ctx):
    """Return the vendor's routes."""
    org = Org.of(ctx)
    endpoint, oauth = Endpoint(ctx, org), OAuth(ctx, org)
    data = "/services/data/{version:v[^/]+}"
    return [
        web.post("/services/oauth2/token", oauth.token),
        web.get("/services/oauth2/authorize", oauth.authorize),
        web.route("*", "/services/oauth2/userinfo", oauth.userinfo),
        web.post("/services/oauth2/revoke", oauth.revoke),
        web.get("/id/{org}/{user}", oauth.userinfo),
        web.get("/services/data", endpoint.versions), web.get("/services/data/", endpoint.versions),
        web.route("*", data, endpoint.data), web.route("*", data + "/{tail:.*}", endpoint.data),
        web.route("*", "/{tail:.*}", _nothing_here)]


async def _nothing_here(request):
    error = not_found()
    return json_response(error.body(), error.status)


class OAuth:
    """The OAuth endpoints."""

    def __init__(self, ctx, org):
        self.ctx, self.org = ctx, org

    def _base(self, request):
        return self.ctx.base_url(request, VENDOR)

    async def token(self, request):
        """Answer a token request."""
        form = dict(await request.post())
        try:
            reply = self.org.sessions.grant(form, _basic(request), self._base(request))
        except OAuthError as error:
            request["auth_ok"] = False
            return json_response(error.body(), error.status)
        request["auth_ok"] = True
        return json_response(reply, headers={"Cache-Control": "no-store"})

    async def authorize(self, request):
        """Approve at once and send the browser back with a code."""
        target = request.query.get("redirect_uri", "")
        if not target.startswith(("http://", "https://")):
            return web.Response(status=400, text="redirect_uri_mismatch")
        try:
            answer = {"code": self.org.sessions.authorize(dict(request.query))}
        except OAuthError as error:
            answer = error.body()
        if "state" in request.query:
            answer["state"] = request.query["state"]
        return web.Response(
            status=302, headers={"Location": str(URL(target).update_query(answer))})

    async def userinfo(self, request):
        """Return who the token belongs to; a bad token is a plain 403, as the vendor does."""
        try:
            user_id = self.org.sessions.check(request)
        except SalesforceError:
            return web.Response(status=403, text="Bad_OAuth_Token")
        return json_response(self.org.sessions.userinfo(user_id, self._base(request)))

    async def revoke(self, request):
        """End a token."""
        form = dict(await request.post())
        if self.org.sessions.revoke(form.get("token") or bearer(request) or ""):
            return web.Response(status=200)
        return json_response(
            {"error": "unsupported_token_type", "error_description": "this token type is not supported"},
            400)


def _basic(request):
    """Return ``(id, secret)`` of an Authorization: Basic header, or None."""
    scheme, _space, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _colon, secret = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name, secret
