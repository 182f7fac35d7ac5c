"""A provider's JSON API over HTTP: what every connector's client needs and easily forgets.

Inherit `RestClient`, say how a call is authorised, and call. What comes with it: time
limits, no redirects (they would carry the token to another host), no credentials of a
`.netrc`, exact numbers both ways, the stories of the batch in a header, each call told to
the meter, and failures as the classes of `errors.py` that quote neither URLs nor values.
"""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import requests

from . import correlation
from .documents import to_json
from .errors import (
    AuthFailed,
    Bug,
    Conflict,
    DataInvalid,
    PolicyBlocked,
    RateLimited,
    RemoteGone,
    SyncError,
    Transient,
)
from .meter import Meter

#: seconds to connect, and to wait for each next part of the answer
TIMEOUT = 30.0
#: seconds to wait after a refusal for too many calls that does not say how long
PATIENCE = 10.0
#: a token is fetched anew so many seconds before it expires
MARGIN = 30.0

_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,80}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer; numbers in `body` are int or `Decimal`, header names have any case."""

    status: int
    body: Any
    headers: Mapping[str, str]


class Bearer:
    """An access token that is fetched when it is needed, and anew when it has expired.

    For tokens that may be fetched at any time without making others invalid (OAuth's
    client credentials, say). Where a refresh token is replaced with each use, renewal
    must be kept and be done by one worker alone.

    :param fetch: returns (token, seconds for which it is valid, 0 when nobody knows).
    :param clock: monotonic seconds, for tests.
    """

    def __init__(self, fetch: Callable[[], tuple[str, float]], clock: Callable[[], float] = time.monotonic):
        self._fetch, self._clock = fetch, clock
        self._token, self._until = "", 0.0

    def current(self) -> str:
        """Return the token for the next call.

        :raises SyncError: when there is none to be had.
        """
        if not self._token or (self._until and self._clock() >= self._until):
            self._token, seconds = self._fetch()
            self._until = self._clock() + max(seconds - MARGIN, seconds / 2) if seconds else 0.0
        return self._token

    def forget(self) -> None:
        """Fetch a new token for the next call."""
        self._token = ""


class RestClient:
    """Calls one account's JSON API; for one thread at a time, made of plain values only.

    :param base_url: without a path of its own, or with the one that all calls share.
    :param meter: this thread's meter of the connection, see `sync.connector._meter`.
    :param timeout: seconds to connect, and between the parts of an answer.
    """

    system = "The provider"  #: its name, in messages
    token: Bearer | None = None  #: the access token, where there is one

    def __init__(
        self, base_url: str, *, meter: Meter | None = None,
        session: requests.Session | None = None, timeout: float = TIMEOUT,
    ):
        self.base_url, self._meter = base_url.rstrip("/"), meter or Meter()
        self._session, self._timeout = session or requests.Session(), timeout

    # === What a provider's client says ===#

    def _authorisation(self) -> dict[str, str]:
        """Return the headers that authorise a call; by default those of `token`."""
        return {"Authorization": f"Bearer {self.token.current()}"} if self.token else {}

    def _renew(self) -> bool:
        """After a refusal: tell whether it is worth to call again, with a new token."""
        if self.token:
            self.token.forget()
        return bool(self.token)

    def _observe(self, headers: Mapping[str, str]) -> None:
        """Take note of what an answer's headers say of limits: `self._meter.on_rate(…)`."""

    def _problems(self, body: Any) -> tuple[str, ...]:
        """Return what an error's body objects to: names and codes (`code_of`), no values."""
        return ()

    def _error(self, status: int, headers: Mapping[str, str], body: Any) -> SyncError:
        """Return what an answer that is not 2xx means; `body` is decoded, or None."""
        return error_of(self.system, status, headers, self._problems(body))

    # === Calling ===#

    def call(
        self, method: str, path: str, body: Any = None, *, params: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None, authorised: bool = True,
    ) -> Answer:
        """Call once; with a token that is refused, once more with a new one.

        :param body: JSON-like data, `Decimal` included; None for none.
        :param form: sent instead of a JSON body, for token endpoints.
        :param headers: further ones, an idempotency key say.
        :param authorised: whether to say who we are.
        :raises SyncError: see `error_of`; `Transient` when the line or the answer broke.
        """
        request: dict[str, Any] = {"params": params, "data": form}
        extra = {"Accept": "application/json", **correlation.headers(), **(headers or {})}
        if body is not None:
            request["data"] = to_json(body).encode()
            extra["Content-Type"] = "application/json"
        try:
            return self._once(method, path, request, extra, authorised)
        except AuthFailed:
            if not authorised or not self._renew():
                raise
        return self._once(method, path, request, extra, authorised)

    def _once(
        self, method: str, path: str, request: dict[str, Any], headers: Mapping[str, str], authorised: bool
    ) -> Answer:
        given = {**headers, **(self._authorisation() if authorised else {})}
        self._meter.before()
        status = 0
        try:
            response = self._send(method, path, request, given)
            status = response.status_code
            answer = self._judge(response)
        except SyncError as error:
            self._meter.after(status, error)
            raise
        self._meter.after(status)
        return answer

    def _send(
        self, method: str, path: str, request: dict[str, Any], headers: Mapping[str, str]
    ) -> requests.Response:
        def authorise(prepared: Any) -> Any:
            # A header alone would give way to an entry of a `.netrc`.
            prepared.headers.update(headers)
            return prepared

        try:
            return self._session.request(
                method, self.base_url + path, **request, auth=authorise,
                timeout=self._timeout, allow_redirects=False)
        except requests.RequestException as error:
            # `from None`: the original carries URL and headers, hence maybe personal data.
            raise Transient(f"{self.system} cannot be reached ({type(error).__name__}).") from None

    def _judge(self, response: requests.Response) -> Answer:
        self._observe(response.headers)
        if 300 <= response.status_code < 400:
            raise PolicyBlocked(
                f"{self.system}'s address redirects elsewhere; calls do not follow.",
                hint="Check the base URL of the connection.")
        if response.status_code >= 400:
            raise self._error(response.status_code, response.headers, _decoded(response.content))
        body = _decoded(response.content) if response.content else None
        if response.content and body is None and response.content.strip() != b"null":
            raise Transient(f"{self.system}'s answer is cut off or not JSON.")
        return Answer(response.status_code, body, response.headers)


def error_of(
    system: str, status: int, headers: Mapping[str, str], problems: tuple[str, ...] = ()
) -> SyncError:
    """Return what an HTTP status means (RFC 9110, 15; RFC 6585 for 429).

    :param headers: looked up without regard to case, as `requests` gives them.
    :param problems: what the body objects to, by name and code.
    """
    wait, what = retry_after(headers), ", ".join(problems)
    if status == 401:
        return AuthFailed(f"{system} refuses the credentials.", hint="Enter valid ones, then connect again.")
    if status == 403:
        return PolicyBlocked(
            f"{system} does not allow it: {what or 'no reason given'}.",
            hint="Grant the permission at the provider, then retry.", problems=problems)
    if status in (404, 410):
        return RemoteGone(f"{system} does not have the record.", problems=problems)
    if status == 409:
        return Conflict(f"{system} reports a conflict: {what or 'no reason given'}.", problems=problems)
    if status == 429:
        return RateLimited(
            f"{system}'s limit of calls is reached.", retry_after=PATIENCE if wait is None else max(wait, 0.1),
            fingerprint=f"{system} rate limit")
    if status in (408, 423, 425) or status >= 500:
        return Transient(f"{system} answered {status}.", retry_after=wait)
    if status in (400, 413, 414, 415, 422):
        return DataInvalid(
            f"{system} does not accept the data: {what or 'no reason given'}.",
            hint="Correct the value at its source, or the mapping, then retry.", problems=problems,
            fingerprint=f"{system} invalid {what}")
    return Bug(f"{system} answered {status}, which was not expected.")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the `Retry-After` header in seconds (RFC 9110, 10.2.3: a number or a date), or None."""
    text = (headers.get("Retry-After") or "").strip()
    try:
        if text.lstrip("-").replace(".", "", 1).isdigit():
            return max(float(text), 0.0)
        return max(email.utils.parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None


def code_of(value: Any) -> str:
    """Return a field's name or an error's code; empty for anything else, which may quote data."""
    text = str(value or "")
    return text if _CODE.fullmatch(text) else ""


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None
