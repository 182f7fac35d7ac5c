"""Endpoints of the account: OAuth, account info, tax rates."""

import zoneinfo
from urllib.parse import urlencode

from aiohttp import web

from .api import endpoint
from .auth import TOKEN, OAuthError
from .errors import not_found

_DATED = "{version:\\d{4}-\\d{2}}"


class AccountApi:
    """Handlers of endpoints that do not belong to an object."""

    def __init__(self, portal):
        self.portal = portal

    def routes(self):
        """Return the routes."""
        oauth = [
            web.post(base + path, self._form(function))
            for base in (f"/oauth/{_DATED}", "/oauth/{version:v1|v3}")
            for path, function in (
                ("/token", self.portal.auth.token),
                ("/token/introspect", self.portal.auth.introspect),
                ("/token/revoke", self.portal.auth.revoke_token))
        ]
        return oauth + [
            web.get("/oauth/authorize", self.authorize),
            web.get("/oauth/v1/access-tokens/{token}", self.describe_access),
            web.get("/oauth/v1/refresh-tokens/{token}", self.describe_refresh),
            *self._both("/account-info", "/details", self.details),
            *self._both("/tax-rates", "/tax-rates", self.tax_rates, "v1", _tax_scopes),
            *self._both("/tax-rates", "/tax-rates/{id}", self.tax_rate, "v1", _tax_scopes),
        ]

    def _both(self, prefix, path, function, legacy="v3", scopes=None):
        """Return a GET route for the dated and the legacy version."""
        handler = endpoint(self.portal, function, scopes)
        return [web.get(f"{prefix}/{version}{path}", handler)
                for version in (_DATED, f"{{version:{legacy}}}")]

    # -- OAuth --------------------------------------------------------------

    def _form(self, function):
        """Wrap an OAuth function that takes the form; parameters in the URL do not count."""
        async def handler(request):
            form = await request.post()
            try:
                answer = function(form)
            except OAuthError as error:
                request["auth_ok"] = False
                return web.json_response(error.body, status=400)
            request["auth_ok"] = True
            return web.json_response(answer) if answer is not None else web.Response(status=204)
        return handler

    async def authorize(self, request):
        """Agree at once and send the browser back with a code (in place of HubSpot's screen)."""
        query = request.query
        redirect_uri = query.get("redirect_uri", "")
        try:
            code = self.portal.auth.authorize(
                query.get("client_id"), redirect_uri, query.get("scope", "").split())
        except OAuthError as error:
            return web.json_response(error.body, status=400)
        answer = {"code": code, **({"state": query["state"]} if "state" in query else {})}
        raise web.HTTPFound(f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urlencode(answer)}")

    async def describe_access(self, request):
        """Legacy description of an access token."""
        return self._describe(request, "access")

    async def describe_refresh(self, request):
        """Legacy description of a refresh token."""
        return self._describe(request, "refresh")

    def _describe(self, request, use):
        doc = self.portal.store.get(TOKEN, request.match_info["token"])
        if doc is None or doc["use"] != use:
            return web.json_response(not_found().body(), status=404)
        return web.json_response(self.portal.auth.describe(doc))

    # -- account ------------------------------------------------------------

    def details(self, _call):
        """Return who and where the account is."""
        settings = self.portal.settings
        zone = zoneinfo.ZoneInfo(settings["time_zone"])
        local = self.portal.clock.now().astimezone(zone)
        offset = local.strftime("%z")
        return 200, {
            "portalId": settings["portal_id"], "accountType": settings["account_type"],
            "timeZone": settings["time_zone"], "companyCurrency": settings["company_currency"],
            "additionalCurrencies": settings["additional_currencies"],
            "utcOffset": f"{offset[:3]}:{offset[3:]}",
            "utcOffsetMilliseconds": int(local.utcoffset().total_seconds() * 1000),
            "uiDomain": "app.hubspot.com", "dataHostingLocation": "na1"}

    # -- tax rates ------------------------------------------------------------

    def tax_rates(self, call):
        """Return the account's tax-rate library."""
        active = call.query.get("active")
        return 200, {"results": [
            _tax_rate(rate) for rate in self.portal.directory.tax_rates()
            if active is None or rate["active"] == (active == "true")]}

    def tax_rate(self, call):
        """Return one tax rate."""
        rate = self.portal.directory.tax_rate(call.match["id"])
        if rate is None:
            raise not_found()
        return 200, _tax_rate(rate)


def _tax_scopes(_portal, _match):
    return ["tax_rates.read"]


def _tax_rate(doc):
    """Return a tax rate in the API's shape (the percentage is a JSON number)."""
    return {
        "id": doc["id"], "name": doc["name"], "label": doc["label"], "active": doc["active"],
        "percentageRate": doc["percentage"], "createdAt": doc["createdAt"],
        "updatedAt": doc["updatedAt"]}
