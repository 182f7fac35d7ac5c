"""Access: private-app tokens (service keys), OAuth apps, scopes, and the rate limits."""

import collections
import secrets
import time

from .errors import ApiError, RateLimit, missing_scopes
from .events import APP

TOKEN, CODE = "hubspot/_token", "hubspot/_code"

#: What the seeded apps may do.
SCOPES = (
    "oauth", "tax_rates.read", "crm.objects.owners.read",
    *(f"crm.objects.{name}.{right}" for name in (
        "contacts", "companies", "deals", "line_items", "products", "quotes", "invoices", "custom")
      for right in ("read", "write")),
    *(f"crm.schemas.{name}.{right}" for name in (
        "contacts", "companies", "deals", "line_items", "products", "quotes", "invoices", "custom")
      for right in ("read", "write")),
)


class OAuthError(Exception):
    """A refused token request, in the shape of HubSpot's OAuth endpoints."""

    def __init__(self, error, status_name, message):
        super().__init__(message)
        self.body = {
            "status": status_name, "message": message, "error": error, "error_description": message}


class Auth:
    """Tokens of the portal's apps."""

    def __init__(self, portal, ctx):
        self._portal, self._store, self._clock = portal, portal.store, ctx.clock
        self._ctx = ctx
        self._calls = {}
        self._store.add_lookup(TOKEN, "app", lambda doc: doc["app_id"])

    # -- apps ---------------------------------------------------------------

    def known(self):
        """Return the generated credentials: they survive restart and reset."""
        def make():
            return {
                "private_app_token": "pat-na1-" + _uuid(), "private_app_secret": _uuid(),
                "client_id": _uuid(), "client_secret": _uuid(),
                "refresh_token": "na1-" + secrets.token_hex(16),
                "private_app_id": 2_960_417, "oauth_app_id": 5_671_456}
        return self._ctx.secret("hubspot/credentials", make)

    def seed(self):
        """Install both apps and their lasting tokens."""
        known = self.known()
        for app_id, kind, client_id, secret in (
                (known["private_app_id"], "private", None, known["private_app_secret"]),
                (known["oauth_app_id"], "oauth", known["client_id"], known["client_secret"])):
            self._store.put(APP, str(app_id), {
                "app_id": app_id, "kind": kind, "client_id": client_id, "client_secret": secret,
                "scopes": list(SCOPES), "target_url": None, "subscriptions": []})
        self.restore()

    def restore(self):
        """Make the lasting tokens valid again, as if the apps were connected anew."""
        known = self.known()
        self._put_token(known["private_app_token"], "private", known["private_app_id"], None)
        self._put_token(known["refresh_token"], "refresh", known["oauth_app_id"], None)

    def _put_token(self, token, use, app_id, expires):
        return self._store.put(TOKEN, token, {
            "token": token, "use": use, "app_id": app_id, "expires": expires, "user_id": 1_000_001})

    def revoke(self, app_id, use=None):
        """End an app's tokens (all, or of one use: access, refresh, private)."""
        for doc in self._store.lookup(TOKEN, "app", app_id):
            if use in (None, doc["use"]):
                self._store.delete(TOKEN, doc["token"])

    def expire(self, request):
        """End the token that a request carries (fault ``expire_token``).

        An OAuth access token expires; a lasting token is withdrawn until ``restore()``.
        """
        doc = self._store.get(TOKEN, _bearer(request))
        if doc is not None and doc["use"] in ("access", "client_credentials"):
            self._store.update(TOKEN, doc["token"], expires=self._clock.time() - 1)
        elif doc is not None:
            self._store.delete(TOKEN, doc["token"])

    # -- calls --------------------------------------------------------------

    def check(self, request, scopes):
        """Return the app of a call.

        :param scopes: alternatives, one of which the app must have.
        :raises ApiError: 401 wrong or expired token, 403 missing scope.
        """
        doc = self._store.get(TOKEN, _bearer(request))
        if doc is None or doc["use"] not in ("access", "private"):
            raise ApiError(
                401, "INVALID_AUTHENTICATION",
                "Authentication credentials not found. This API supports OAuth 2.0 authentication"
                " and you can find more details in the developer documentation.")
        if doc["expires"] is not None and doc["expires"] <= self._clock.time():
            seconds = int(self._clock.time() - doc["expires"])
            raise ApiError(
                401, "EXPIRED_AUTHENTICATION",
                f"The OAuth token used to make this call expired {seconds} second(s) ago.",
                context={"expire time": [str(int(doc["expires"] * 1000))]})
        app = self._store.get(APP, str(doc["app_id"]))
        if scopes and not set(scopes) & set(app["scopes"]):
            raise missing_scopes(scopes)
        return app

    def limit(self, app, search=False):
        """Count a call; returns the rate-limit headers (searches have none).

        The windows run on real time, not on the sandbox's clock: a frozen clock must not
        lock clients out for ever.

        :raises RateLimit: one of the windows is full.
        """
        settings, now = self._portal.settings, time.monotonic()
        most = settings["private_app_limit" if app["kind"] == "private" else "oauth_app_limit"]
        interval = settings["interval_ms"] / 1000
        used = self._window(("burst", app["app_id"]), now, interval)
        today = self._window(("daily", "portal"), now, 86_400.0)
        if settings["rate_limits"]:
            if search and len(self._window(("search", "portal"), now, 1.0)) >= settings["search_per_second"]:
                raise RateLimit("SECONDLY")
            if len(today) >= settings["daily_limit"]:
                raise RateLimit("DAILY")
            if len(used) >= most:
                raise RateLimit("TEN_SECONDLY_ROLLING")
        self._count(app, now, search)
        if search:
            return {}
        daily = {} if app["kind"] == "oauth" else {
            "X-HubSpot-RateLimit-Daily": str(settings["daily_limit"]),
            "X-HubSpot-RateLimit-Daily-Remaining": str(max(settings["daily_limit"] - len(today), 0))}
        return {
            "X-HubSpot-RateLimit-Max": str(most),
            "X-HubSpot-RateLimit-Remaining": str(max(most - len(used), 0)),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(settings["interval_ms"]),
            "X-HubSpot-RateLimit-Secondly": str(max(most // 10, 1)),
            "X-HubSpot-RateLimit-Secondly-Remaining": str(max(most // 10 - 1, 0)), **daily}

    def _window(self, key, now, seconds):
        """Return the times of the calls within the last ``seconds``."""
        times = self._calls.setdefault(key, collections.deque())
        while times and times[0] <= now - seconds:
            times.popleft()
        return times

    def _count(self, app, now, search):
        self._calls["burst", app["app_id"]].append(now)
        self._calls["daily", "portal"].append(now)
        if search:
            self._calls.setdefault(("search", "portal"), collections.deque()).append(now)

    def forget_calls(self):
        """Empty the rate-limit windows."""
        self._calls.clear()

    # -- OAuth --------------------------------------------------------------

    def authorize(self, client_id, redirect_uri, scopes):
        """Return a one-time authorization code, as if a user had agreed."""
        app = self._oauth_app(client_id)
        code = _uuid()
        self._store.put(CODE, code, {
            "app_id": app["app_id"], "redirect_uri": redirect_uri, "scopes": scopes,
            "expires": self._clock.time() + 600})
        return code

    def _oauth_app(self, client_id):
        for app in self._store.scan(APP):
            if client_id and app["client_id"] == client_id:
                return app
        raise OAuthError("invalid_client", "BAD_CLIENT_ID", "missing or unknown client id")

    def _client(self, form):
        app = self._oauth_app(form.get("client_id"))
        if not secrets.compare_digest(
                (form.get("client_secret") or "").encode(), app["client_secret"].encode()):
            raise OAuthError("invalid_client", "BAD_CLIENT_SECRET", "missing or invalid client secret")
        return app

    def token(self, form):
        """Answer the token endpoint's form (``authorization_code``, ``refresh_token``,
        ``client_credentials``)."""
        grants = {
            "authorization_code": self._by_code, "refresh_token": self._by_refresh,
            "client_credentials": self._by_client}
        grant = grants.get(form.get("grant_type"))
        if grant is None:
            raise OAuthError("unsupported_grant_type", "BAD_GRANT_TYPE", "missing or unknown grant type")
        return grant(self._client(form), form)

    def _by_code(self, app, form):
        doc = self._store.delete(CODE, form.get("code") or "")
        if doc is None or doc["app_id"] != app["app_id"] or doc["expires"] < self._clock.time():
            raise OAuthError("invalid_grant", "BAD_AUTH_CODE", "missing or unknown auth code")
        if doc["redirect_uri"] != form.get("redirect_uri"):
            raise OAuthError("invalid_grant", "MISMATCH_REDIRECT_URI_AUTH_CODE",
                             "redirect uri does not match the one of the auth code")
        refresh = "na1-" + secrets.token_hex(16)
        self._put_token(refresh, "refresh", app["app_id"], None)
        return self._access(app, refresh)

    def _by_refresh(self, app, form):
        refresh = form.get("refresh_token") or ""
        doc = self._store.get(TOKEN, refresh)
        if doc is None or doc["use"] != "refresh" or doc["app_id"] != app["app_id"]:
            raise OAuthError("invalid_grant", "BAD_REFRESH_TOKEN", "missing or invalid refresh token")
        if self._portal.settings["rotate_refresh_tokens"]:
            self._store.delete(TOKEN, refresh)
            refresh = "na1-" + secrets.token_hex(16)
            self._put_token(refresh, "refresh", app["app_id"], None)
        return self._access(app, refresh)

    def _by_client(self, app, _form):
        answer = self._access(app, None)
        answer["token_use"] = "client_credentials"
        self._store.update(TOKEN, answer["access_token"], use="client_credentials")
        return answer

    def _access(self, app, refresh):
        seconds = self._portal.settings["access_token_seconds"]
        token = "CN" + secrets.token_urlsafe(180)
        self._put_token(token, "access", app["app_id"], self._clock.time() + seconds)
        answer = {
            "access_token": token, "expires_in": seconds, "token_type": "bearer",
            "token_use": "access_token", "hub_id": self._portal.settings["portal_id"],
            "scopes": app["scopes"], "user_id": 1_000_001}
        if refresh:
            answer["refresh_token"] = refresh
        return answer

    def introspect(self, form):
        """Describe a token of the calling app."""
        app = self._client(form)
        doc = self._store.get(TOKEN, form.get("token") or "")
        if doc is None or doc["app_id"] != app["app_id"]:
            raise OAuthError("invalid_token", "BAD_TOKEN", "token is unknown")
        return self.describe(doc)

    def describe(self, doc):
        """Return a token's description in the API's shape."""
        app = self._store.get(APP, str(doc["app_id"]))
        answer = {
            "token": doc["token"], "token_type": "bearer", "app_id": app["app_id"],
            "client_id": app["client_id"] or "", "hub_id": self._portal.settings["portal_id"],
            "hub_domain": "sandbox.example.com", "scopes": app["scopes"],
            "user": "sandbox.admin@example.com", "user_id": doc["user_id"], "active": True}
        if doc["use"] == "refresh":
            return {**answer, "token_use": "refresh_token"}
        left = int(doc["expires"] - self._clock.time()) if doc["expires"] else 0
        return {
            **answer, "token_use": "access_token", "expires_in": max(left, 0),
            "active": left > 0, "is_private_distribution": True,
            "signed_access_token": self._signed(app, doc)}

    def _signed(self, app, doc):
        scopes = " ".join(app["scopes"])
        return {
            "appId": app["app_id"], "expiresAt": int((doc["expires"] or 0) * 1000),
            "hubId": self._portal.settings["portal_id"], "hublet": "na1",
            "installingUserId": doc["user_id"], "isPrivateDistribution": True,
            "isServiceAccount": False, "isUserLevel": False, "newSignature": "", "signature": "",
            "scopes": scopes, "scopeToScopeGroupPks": "", "trialScopes": "",
            "trialScopeToScopeGroupPks": "", "userId": doc["user_id"]}

    def revoke_token(self, form):
        """End one token of the calling app; an unknown one is no error."""
        app = self._client(form)
        doc = self._store.get(TOKEN, form.get("token") or "")
        if doc is not None and doc["app_id"] == app["app_id"]:
            self._store.delete(TOKEN, doc["token"])


def _bearer(request):
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _uuid():
    text = secrets.token_hex(16)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
