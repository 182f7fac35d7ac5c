"""Access tokens: a lasting one (service key, private app), or OAuth's with renewal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import requests
from odoo.addons.crm_sync_base.lib.errors import AuthFailed, Transient

from .answers import decoded, error_of

#: Renew so many seconds before the end: clocks differ, and calls take their time.
EARLY_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Tokens:
    """What OAuth gave us. `expires_at` is in epoch seconds."""

    refresh_token: str
    access_token: str = ""
    expires_at: float = 0.0

    def __repr__(self) -> str:
        """Say nothing: a representation ends up in logs."""
        return f"<Tokens until {self.expires_at:.0f}>"


class TokenStore(Protocol):
    """Where OAuth tokens live, shared by all processes."""

    def load(self) -> Tokens:
        """Return the present tokens, without waiting for anybody."""

    def exchange(self, renew: Callable[[Tokens], Tokens]) -> Tokens:
        """Run `renew` on the tokens *as they are then*, alone, and keep its result.

        The exclusive lock spans reading, renewing and keeping, so that of many processes
        one talks to HubSpot and the others find its result: a refresh token may be
        replaced with each use. What `renew` raises is passed on and changes nothing.
        """


class MemoryTokenStore:
    """A token store of one process, for tests and scripts."""

    def __init__(self, tokens: Tokens):
        self._tokens, self._lock = tokens, threading.Lock()

    def load(self) -> Tokens:
        """Return the present tokens."""
        return self._tokens

    def exchange(self, renew: Callable[[Tokens], Tokens]) -> Tokens:
        """Renew under the lock."""
        with self._lock:
            self._tokens = renew(self._tokens)
            return self._tokens


class LastingToken:
    """A service key or private-app token: used until it is refused."""

    def __init__(self, token: str):
        self._token = token

    def current(self) -> str:
        """Return the token."""
        if not self._token:
            raise AuthFailed("No HubSpot token is entered.", hint="Enter a service key or private-app token.")
        return self._token

    def renew(self, _refused: str) -> bool:
        """Tell that there is no other token to try."""
        return False


class OAuthToken:
    """An access token that is renewed before its end.

    :param fetch: `fetch(form) -> answer` posts to the token endpoint, see `token_request`.
    :param clock: returns epoch seconds.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        store: TokenStore,
        fetch: Callable[[dict[str, str]], dict[str, Any]],
        clock: Callable[[], float] = time.time,
    ):
        self._client = {"client_id": client_id, "client_secret": client_secret}
        self._store, self._fetch, self._clock = store, fetch, clock

    def current(self) -> str:
        """Return an access token that is good for the next call.

        :raises AuthFailed: the app was uninstalled or its credentials are wrong.
        :raises Transient: HubSpot cannot be reached just now.
        """
        tokens = self._store.load()
        if not self._usable(tokens):
            tokens = self._store.exchange(lambda now: now if self._usable(now) else self._renewed(now))
        return tokens.access_token

    def renew(self, refused: str) -> bool:
        """Replace an access token that was refused before its time, unless somebody did."""
        self._store.exchange(lambda now: now if now.access_token != refused else self._renewed(now))
        return True

    def _usable(self, tokens: Tokens) -> bool:
        return bool(tokens.access_token) and tokens.expires_at - EARLY_SECONDS > self._clock()

    def _renewed(self, tokens: Tokens) -> Tokens:
        answer = self._fetch({"grant_type": "refresh_token", "refresh_token": tokens.refresh_token, **self._client})
        return self._kept(answer, tokens)

    def by_code(self, code: str, redirect_uri: str) -> Tokens:
        """Exchange an authorization code for the first tokens, and keep them.

        :param redirect_uri: exactly the one that the code was asked for with.
        """
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, **self._client}
        return self._store.exchange(lambda now: self._kept(self._fetch(form), now))

    def _kept(self, answer: dict[str, Any], before: Tokens) -> Tokens:
        """Return the tokens of an answer; a refresh token that comes back replaces ours."""
        return replace(
            before,
            access_token=answer["access_token"],
            refresh_token=answer.get("refresh_token") or before.refresh_token,
            expires_at=self._clock() + float(answer.get("expires_in") or 0),
        )


def token_request(
    session: requests.Session, url: str, timeout: float
) -> Callable[[dict[str, str]], dict[str, Any]]:
    """Return the `fetch` of `OAuthToken` for a token endpoint.

    The parameters go into the body, as a form: in a URL they would end up in logs.
    """

    def fetch(form: dict[str, str]) -> dict[str, Any]:
        try:
            # The client's secret is in the form; nothing of a .netrc may be added.
            response = session.post(
                url, data=form, timeout=timeout, allow_redirects=False, auth=lambda request: request)
            content = response.content
        except requests.RequestException as error:
            raise Transient(f"HubSpot's token endpoint cannot be reached ({type(error).__name__}).") from None
        body = decoded(content)
        if response.status_code == 200:
            if not body.get("access_token"):
                raise Transient("HubSpot's token endpoint gave half an answer.")
            return body
        if response.status_code in (400, 401, 403):
            raise _refusal(body)
        raise error_of(response.status_code, response.headers, body)

    return fetch


def _refusal(body: dict[str, Any]) -> AuthFailed:
    """Return why no token was given (`error` is OAuth's, `status` HubSpot's name of it)."""
    if body.get("error") == "invalid_client":
        return AuthFailed(
            "HubSpot does not know the app: client id or client secret are wrong.",
            hint="Copy both again from the app's page in HubSpot.",
        )
    return AuthFailed(
        "HubSpot has withdrawn the app's access to the account.",
        hint="Connect again; someone may have uninstalled the app.",
    )
