"""OAuth: tokens, their verification, and the identity of their user."""

import base64
import hashlib
import hmac
import json
import secrets

from cryptography.exceptions import InvalidSignature

from . import keys
from .errors import session_invalid
from .values import stamp

SESSION, CODE, REFRESH = "salesforce/_session", "salesforce/_code", "salesforce/_refresh"

USERNAME = "odoo.integration@q2c-sandbox.example"
CLIENT_ID = "3MVG9Q2CSandboxConsumerKey0000000000000000000000000000000000000000000000001"
CLIENT_SECRET = "Q2C0SANDBOX0CONSUMER0SECRET0F0R0L00PBACK0TESTS0ONLY0000000000000"

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LOGIN_HOSTS = ("https://login.salesforce.com", "https://test.salesforce.com")

#: An assertion may be valid for three minutes at most; a few seconds of skew are forgiven.
MAX_ASSERTION_LIFE, SKEW = 180, 5
CODE_LIFE = 900


class OAuthError(Exception):
    """An error answer of the token endpoint: ``{error, error_description}``."""

    def __init__(self, error, description, status=400):
        super().__init__(f"{error}: {description}")
        self.error, self.description, self.status = error, description, status

    def body(self):
        """Return the JSON body."""
        return {"error": self.error, "error_description": self.description}


class Sessions:
    """Access tokens of one org."""

    def __init__(self, org):
        self.org = org
        self._last_use = {}

    # -- app ----------------------------------------------------------------

    @property
    def app(self):
        """Return the one registered app: ``{client_id, client_secret, private_key, certificate}``."""
        pair = self.org.ctx.secret("salesforce.jwt", keys.make_pair)
        return {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **pair}

    def _known_client(self, client_id):
        if client_id != CLIENT_ID:
            raise OAuthError("invalid_client_id", "client identifier invalid")

    def _known_secret(self, secret):
        if not hmac.compare_digest(secret or "", CLIENT_SECRET):
            raise OAuthError("invalid_client", "invalid client credentials")

    def user_named(self, username):
        """Return the active user of a username.

        :raises OAuthError: invalid_grant, inactive_user.
        """
        found = self.org.by_external("User", "Username", username or "")
        if not found:
            raise OAuthError("invalid_grant", "user hasn't approved this consumer")
        if not found[0].get("IsActive"):
            raise OAuthError("inactive_user", "user is inactive")
        return found[0]

    # -- grants -------------------------------------------------------------

    def grant(self, form, basic, base_url):
        """Answer a token request.

        :param form: the form fields.
        :param basic: ``(id, secret)`` of an Authorization: Basic header, or None.
        :raises OAuthError: refused.
        """
        kinds = {
            JWT_GRANT: self._jwt, "client_credentials": self._client_credentials,
            "authorization_code": self._code, "refresh_token": self._refresh}
        handler = kinds.get(form.get("grant_type"))
        if handler is None:
            raise OAuthError("unsupported_grant_type", "grant type not supported")
        if basic:
            form = {**form, "client_id": basic[0], "client_secret": basic[1]}
        return handler(form, base_url)

    def _client_credentials(self, form, base_url):
        self._known_client(form.get("client_id"))
        self._known_secret(form.get("client_secret"))
        return self._token_reply(self.user_named(USERNAME), base_url)

    def _jwt(self, form, base_url):
        claims = self._claims(form.get("assertion") or "")
        self._known_client(claims.get("iss"))
        if str(claims.get("aud")).rstrip("/") not in (*LOGIN_HOSTS, base_url):
            raise OAuthError("invalid_grant", "audience is invalid")
        try:
            expires = float(claims.get("exp"))
        except (TypeError, ValueError):
            raise OAuthError("invalid_grant", "invalid assertion") from None
        now = self.org.clock.time()
        if not now - SKEW < expires <= now + MAX_ASSERTION_LIFE + SKEW:
            raise OAuthError("invalid_grant", "expired authorization code")
        return self._token_reply(self.user_named(claims.get("sub") or claims.get("prn")), base_url)

    def _claims(self, assertion):
        """Return the claims of an assertion whose RS256 signature fits the certificate."""
        parts = assertion.split(".")
        try:
            header, claims, signature = (_unbase64(part) for part in parts)
            header, claims = json.loads(header), json.loads(claims)
            if header.get("alg") != "RS256" or not isinstance(claims, dict):
                raise ValueError("algorithm")
            message = ".".join(parts[:2]).encode()
            keys.verify(self.app["certificate"], message, signature)
        except (ValueError, AttributeError, InvalidSignature):
            raise OAuthError("invalid_grant", "invalid assertion") from None
        return claims

    def authorize(self, query):
        """Approve an authorization request at once; returns the code.

        :raises OAuthError: unknown client, missing PKCE challenge.
        """
        self._known_client(query.get("client_id"))
        if query.get("response_type") != "code":
            raise OAuthError("unsupported_response_type", "response type not supported")
        if query.get("code_challenge_method", "S256") != "S256" or not query.get("code_challenge"):
            raise OAuthError("invalid_request", "missing required code challenge")
        code = "aPrx" + secrets.token_urlsafe(32)
        self.org.store.put(CODE, code, {
            "code_challenge": query["code_challenge"], "redirect_uri": query.get("redirect_uri"),
            "created": self.org.clock.time()})
        return code

    def _code(self, form, base_url):
        self._known_client(form.get("client_id"))
        issued = self.org.store.delete(CODE, form.get("code") or "")
        if issued is None:
            raise OAuthError("invalid_grant", "invalid authorization code")
        digest = hashlib.sha256((form.get("code_verifier") or "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if challenge != issued["code_challenge"]:
            raise OAuthError("invalid_grant", "invalid code verifier")
        if form.get("redirect_uri") != issued["redirect_uri"]:
            raise OAuthError("redirect_uri_mismatch", "redirect_uri must match configuration")
        if self.org.clock.time() - issued["created"] > CODE_LIFE:
            raise OAuthError("invalid_grant", "expired authorization code")
        return self._with_refresh(self.user_named(USERNAME), base_url)

    def _refresh(self, form, base_url):
        """Rotate: the old refresh token dies, the reply has a new one."""
        self._known_client(form.get("client_id"))
        self._known_secret(form.get("client_secret"))
        used = self.org.store.delete(REFRESH, form.get("refresh_token") or "")
        if used is None:
            raise OAuthError("invalid_grant", "expired access/refresh token")
        return self._with_refresh(self.org.get("User", used["user_id"]), base_url)

    def _with_refresh(self, user, base_url):
        token = "5Aep" + secrets.token_urlsafe(48)
        self.org.store.put(REFRESH, token, {"user_id": user["Id"]})
        reply = self._token_reply(user, base_url)
        return {**reply, "refresh_token": token, "scope": "api refresh_token"}

    def _token_reply(self, user, base_url):
        """Open a session. There is no expires_in: the org's session timeout decides."""
        org_id = self.org.organization["Id"]
        token = f"{org_id[:15]}!AQ{secrets.token_urlsafe(48)}"
        now = self.org.clock.time()
        self.org.store.put(SESSION, token, {"user_id": user["Id"], "created": now})
        issued = str(int(now * 1000))
        identity = f"{base_url}/id/{org_id}/{user['Id']}"
        signature = hmac.new(
            CLIENT_SECRET.encode(), (identity + issued).encode(), hashlib.sha256).digest()
        return {
            "access_token": token, "signature": base64.b64encode(signature).decode(),
            "scope": "api", "instance_url": base_url, "id": identity, "token_type": "Bearer",
            "issued_at": issued, "api_instance_url": base_url}

    # -- use ----------------------------------------------------------------

    def check(self, request):
        """Return the user id of a request's token and note the use.

        :raises SalesforceError: INVALID_SESSION_ID.
        """
        token = bearer(request)
        session = self.org.store.get(SESSION, token) if token else None
        request["auth_ok"] = session is not None and self._alive(token, session)
        if not request["auth_ok"]:
            raise session_invalid()
        self._last_use[token] = self.org.clock.time()
        return session["user_id"]

    def _alive(self, token, session):
        last_use = self._last_use.get(token, session["created"])
        timeout = self.org.schema.settings["session_timeout"]
        return self.org.clock.time() - last_use <= timeout

    def expire(self, request=None):
        """End the session of one request, or all sessions."""
        if request is not None:
            self.org.store.delete(SESSION, bearer(request) or "")
            return
        for token, _session in self.org.store.items(SESSION):
            self.org.store.delete(SESSION, token)

    def revoke(self, token):
        """End one session or refresh token; True when it was known."""
        known = [self.org.store.delete(kind, token) for kind in (SESSION, REFRESH)]
        return any(doc is not None for doc in known)

    def userinfo(self, user_id, base_url):
        """Return the OpenID Connect claims of a user."""
        user, org_id = self.org.get("User", user_id), self.org.organization["Id"]
        return {
            "sub": f"{base_url}/id/{org_id}/{user_id}", "user_id": user_id,
            "organization_id": org_id, "preferred_username": user["Username"],
            "nickname": user.get("Alias"), "name": user["Name"], "email": user["Email"],
            "email_verified": True, "given_name": user.get("FirstName"),
            "family_name": user["LastName"], "zoneinfo": user.get("TimeZoneSidKey"),
            "active": user.get("IsActive", False), "user_type": "STANDARD",
            "language": "en_US", "locale": "en_US", "utcOffset": 0,
            "updated_at": stamp(self.org.clock.now()), "is_app_installed": True,
            "urls": {"rest": f"{base_url}/services/data/v{{version}}/"}}


def bearer(request):
    """Return the access token of a request, or None."""
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() in ("bearer", "oauth") else None


def _unbase64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
