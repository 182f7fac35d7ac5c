"""One HTTP call: access token, timeouts, classification of failures, rate headers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

import requests
from odoo.addons.crm_sync_base.lib import correlation
from odoo.addons.crm_sync_base.lib.clock import server_time
from odoo.addons.crm_sync_base.lib.declarations import RateState
from odoo.addons.crm_sync_base.lib.errors import PolicyBlocked, RateLimited, SyncError, Transient
from odoo.addons.crm_sync_base.lib.meter import Meter

from .answers import Expired, decoded, error_of

#: Seconds to connect, and to wait for each next part of the answer.
TIMEOUT = 30.0

#: A search over the limit of five a second is repeated that often before it is given back.
_SEARCH_REPEATS = 3


class Token(Protocol):
    """A source of access tokens, see `tokens.py`."""

    def current(self) -> str:
        """Return the token for the next call."""

    def renew(self, refused: str) -> bool:
        """Replace a token that was refused; tell whether there is another to try."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer. Numbers in `body` are int or Decimal, never float."""

    status: int
    body: Any
    server_time: datetime | None  #: naive UTC, from the Date header

    @property
    def partial(self) -> bool:
        """Whether some inputs of a batch failed (207)."""
        return self.status == 207


class Transport:
    """Makes calls; raises only the base library's errors.

    :param base_url: without a slash at the end.
    :param on_rate: called with what the headers say of the remaining calls. Searches and
        many other answers carry no such headers: silence means nothing.
    :param meter: is told of each call, and may refuse the next one.
    :param pause: waits some seconds; for tests.
    """

    def __init__(
        self,
        base_url: str,
        token: Token,
        *,
        session: requests.Session | None = None,
        timeout: float = TIMEOUT,
        on_rate: Callable[[RateState], None] | None = None,
        meter: Meter | None = None,
        pause: Callable[[float], None] = time.sleep,
    ):
        self.base_url, self._token = base_url.rstrip("/"), token
        self.session, self._timeout = session or requests.Session(), timeout
        self._on_rate, self._meter, self._pause = on_rate, meter or Meter(), pause

    def call(self, method: str, path: str, body: Any = None, params: dict[str, Any] | None = None) -> Answer:
        """Call once; an access token that has just expired is renewed and tried again.

        :param body: JSON-ready, or None.
        :raises SyncError: see `answers.error_of`; Transient when the line or the answer broke.
        """
        token = self._token.current()
        try:
            return self._once(token, method, path, body, params)
        except Expired:
            if not self._token.renew(token):
                raise
        return self._once(self._token.current(), method, path, body, params)

    def search(self, path: str, body: dict[str, Any]) -> Answer:
        """Call a search; its own limit (five a second, whole account) is waited out here.

        Handing the job back for a second's wait would cost more than the wait.
        """
        for repeat in range(_SEARCH_REPEATS):
            try:
                return self.call("POST", path, body)
            except RateLimited as error:
                if repeat == _SEARCH_REPEATS - 1 or (error.retry_after or 0) > 1:
                    raise
                self._pause(1.05)
        raise AssertionError("unreachable")

    def _once(self, token: str, method: str, path: str, body: Any, params: dict[str, Any] | None) -> Answer:
        self._meter.before()
        try:
            response = self._send(token, method, path, body, params)
        except Transient as error:
            self._meter.after(0, error)
            raise
        try:
            answer = self._judge(response)
        except SyncError as error:
            self._meter.after(response.status_code, error)
            raise
        self._meter.after(response.status_code)
        return answer

    def _judge(self, response: requests.Response) -> Answer:
        """Return what was answered, or raise what it means."""
        self._report_rate(response.headers)
        if 300 <= response.status_code < 400:
            # Following it would hand the token to whoever is at the other end.
            raise PolicyBlocked("HubSpot's address redirects elsewhere; calls do not follow.",
                                hint="Check the base URL of the connection.")
        if response.status_code >= 400:
            raise error_of(response.status_code, response.headers, decoded(response.content))
        return Answer(response.status_code, _body(response), server_time(response.headers))

    def _send(
        self, token: str, method: str, path: str, body: Any, params: dict[str, Any] | None
    ) -> requests.Response:
        headers = {"Accept": "application/json", **correlation.headers()}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body, ensure_ascii=False, separators=(",", ":"), default=_plain).encode()
        try:
            return self.session.request(
                method, self.base_url + path, params=params, data=data, headers=headers,
                auth=_bearer(token), timeout=self._timeout, allow_redirects=False)
        except requests.RequestException as error:
            # `from None`: the original carries URL and headers, hence maybe personal data.
            raise Transient(f"HubSpot cannot be reached ({type(error).__name__}).") from None

    def _report_rate(self, headers: Any) -> None:
        if self._on_rate is None:
            return
        state = rate_state(headers)
        if state is not None:
            self._on_rate(state)


def _bearer(token: str) -> Callable[[Any], Any]:
    """Return the `auth` of a request; a bare header would give way to a `.netrc` entry."""

    def authorise(request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return authorise


def rate_state(headers: Any) -> RateState | None:
    """Return the remaining calls of the short window, None when the headers are absent.

    Those of the day come with the calls of private apps only.
    """
    try:
        interval = headers.get("X-HubSpot-RateLimit-Interval-Milliseconds")
        daily = headers.get("X-HubSpot-RateLimit-Daily")
        daily_remaining = headers.get("X-HubSpot-RateLimit-Daily-Remaining")
        return RateState(
            remaining=int(headers["X-HubSpot-RateLimit-Remaining"]),
            limit=int(headers["X-HubSpot-RateLimit-Max"]),
            reset_seconds=int(interval) / 1000 if interval else None,
            daily_remaining=int(daily_remaining) if daily_remaining else None,
            daily_limit=int(daily) if daily else None,
        )
    except (KeyError, ValueError):
        return None


def _body(response: requests.Response) -> Any:
    if not response.content:
        return None
    try:
        return json.loads(response.content, parse_float=Decimal)
    except (ValueError, RecursionError):
        raise Transient("HubSpot's answer is cut off or not JSON.") from None


def _plain(value: Any) -> str:
    """Write Decimals as text: HubSpot keeps the digits of a number given as a string."""
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} is not JSON")
