"""The only place that talks to Stripe's API.

One call, one answer or one error of the suite's hierarchy; no retries of its own,
because only the engine knows whether a job may run again and when.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from odoo.addons.crm_sync_base.lib import correlation
from odoo.addons.crm_sync_base.lib.errors import AuthFailed, Bug, PolicyBlocked, SyncError
from odoo.addons.crm_sync_base.lib.meter import Meter

from . import const, failure, form

_logger = logging.getLogger(__name__)

PAGE_SIZE = 100
LOOPBACK = ("127.0.0.1", "localhost", "::1")
#: Key prefix -> live mode.
_KEY_MODES = {"sk_live_": True, "rk_live_": True, "sk_test_": False, "rk_test_": False}
_CORRECT_URL = "Correct the base URL of the connection."


def key_mode(key: str) -> bool:
    """Return whether an API key belongs to live mode.

    :raises AuthFailed: it is no secret or restricted key (the key is not repeated).
    """
    for prefix, livemode in _KEY_MODES.items():
        if key.startswith(prefix) and len(key) > len(prefix):
            return livemode
    kinds = {"pk_": "a publishable key", "whsec_": "a webhook secret"}
    found = next((name for prefix, name in kinds.items() if key.startswith(prefix)), "no API key of Stripe's")
    raise AuthFailed(
        f"The connection's key is {found}.", hint="Enter a key that starts with rk_ (restricted) or sk_ (secret)."
    )


class _Bearer(requests.auth.AuthBase):
    """Sets the key for each request; unlike a header it is not overridden by a .netrc file."""

    def __init__(self, key: str):
        self._key = key

    def __call__(self, request):
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a list, newest first; `next_after` continues it, None at its end."""

    data: list[dict[str, Any]]
    next_after: str | None


class StripeClient:
    """A client of one account.

    Answers are the decoded JSON documents; numbers with a fraction are Decimal.

    :param key: secret (`sk_`) or restricted (`rk_`) key.
    :param livemode: what the connection is for; None takes what the key says.
    :param base_url: without a path of its own except that of a stand-in; https
        unless it is on this machine.
    :param timeout: seconds for connecting and for each read.
    :param session: a `requests.Session` to reuse connections with.
    :param clock: source of the time, for tests.
    :param meter: is told of each call, and may refuse the next one.
    :raises AuthFailed: the key is none.
    :raises PolicyBlocked: key and connection differ in mode, or the URL is not safe.
    """

    def __init__(
        self,
        key: str,
        *,
        livemode: bool | None = None,
        base_url: str = const.BASE_URL,
        version: str = const.API_VERSION,
        timeout: float = 30.0,
        session: requests.Session | None = None,
        clock: Callable[[], float] = time.time,
        meter: Meter | None = None,
    ):
        self.livemode = key_mode(key)
        if livemode is not None and livemode != self.livemode:
            raise PolicyBlocked(
                f"A {_mode(self.livemode)} key is set on a {_mode(livemode)} connection.",
                hint="Production connections need a live key, sandbox connections a test key.",
            )
        _check_url(base_url)
        self.base_url = base_url.rstrip("/")
        self._auth = _Bearer(key)
        self._version = version
        self._timeout = timeout
        self._session = session or requests.Session()
        self._clock = clock
        self._meter = meter or Meter()

    def __repr__(self) -> str:
        return f"StripeClient({self.base_url!r}, livemode={self.livemode})"

    # -- calls ------------------------------------------------------------------------

    def get(
        self, path: str, params: Mapping[str, Any] | None = None, *, expand: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Read one object or one page.

        :param path: `/v1/charges/ch_1`; build it with :func:`path_of`.
        :param expand: members to answer as objects instead of ids, at most 4 levels.
        :raises SyncError: any of `failure.py`.
        """
        return self._call("GET", path, params, expand)

    def post(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str,
        expand: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Create or change an object, at most once for each key within a day.

        :param idempotency_key: 1 to 255 characters, the same for every repetition of
            the same operation with the same values, and kept before the call.
        :raises Bug: there is no usable key; nothing was sent.
        """
        if not idempotency_key or len(idempotency_key) > const.IDEMPOTENCY_KEY_LENGTH:
            raise Bug(f"A write to Stripe needs an idempotency key of 1 to {const.IDEMPOTENCY_KEY_LENGTH} characters.")
        return self._call("POST", path, params, expand, idempotency_key)

    def delete(self, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Delete or cancel an object; doing it twice is an error answer, not a second effect."""
        return self._call("DELETE", path, params, ())

    # -- lists ------------------------------------------------------------------------

    def page(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        after: str | None = None,
        limit: int = PAGE_SIZE,
        expand: Sequence[str] = (),
    ) -> ListPage:
        """Read one page, newest first.

        :param after: id of the last object of the page before.
        """
        sent = {**(params or {}), "limit": limit}
        if after:
            sent["starting_after"] = after
        answer = self._call("GET", path, sent, expand)
        data = answer.get("data")
        if not isinstance(data, list):
            raise failure.lost("the answer is not a list", is_write=False)
        more = bool(answer.get("has_more")) and bool(data)
        return ListPage(data, data[-1].get("id") if more else None)

    def iterate(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        limit: int = PAGE_SIZE,
        expand: Sequence[str] = (),
        freeze: bool = True,
    ) -> Iterator[dict[str, Any]]:
        """Read a whole list, page by page, newest first.

        :param freeze: leave out what is created while we read, so that the list has an
            end on a busy account. Switch off for lists that have no `created` filter.
        :raises Bug: Stripe repeats a page.
        """
        params = self._frozen(params or {}) if freeze else params
        after, seen = None, set()
        while True:
            found = self.page(path, params, after=after, limit=limit, expand=expand)
            yield from found.data
            if found.next_after is None:
                return
            if found.next_after in seen:
                raise Bug("Stripe repeated a page of a list.")
            seen.add(found.next_after)
            after = found.next_after

    def _frozen(self, params: Mapping[str, Any]) -> dict[str, Any]:
        created = params.get("created", {})
        if not isinstance(created, Mapping) or "lte" in created or "lt" in created:
            return dict(params)
        return {**params, "created": {**created, "lte": int(self._clock())}}

    # -- one request --------------------------------------------------------------------

    def _call(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        expand: Sequence[str],
        key: str | None = None,
    ) -> dict[str, Any]:
        fields = form.encode({**(params or {}), **({"expand": list(expand)} if expand else {})})
        headers = {"Stripe-Version": self._version, "Accept": "application/json", **correlation.headers()}
        if key:
            headers["Idempotency-Key"] = key
        is_body = method == "POST"
        self._meter.before()
        status = 0
        try:
            answer = self._send(
                method,
                self.base_url + path,
                params=None if is_body else fields,
                data=fields if is_body else None,
                headers=headers,
            )
            status = answer.status_code
            document = self._document(method, answer)
        except SyncError as error:
            self._meter.after(status, error)
            raise
        self._meter.after(status)
        return document

    def _send(self, method: str, url: str, **keywords: Any) -> requests.Response:
        """Send, or say that no answer came; the text of the cause may hold the URL only."""
        started = time.monotonic()
        try:
            answer = self._session.request(
                method, url, auth=self._auth, timeout=self._timeout, allow_redirects=False, **keywords
            )
        except requests.RequestException as error:
            # `from None`: the original's traceback would carry the request with its key.
            raise failure.lost(_reason(error), is_write=method != "GET") from None
        _logger.debug(
            "Stripe %s %s: %s in %.0f ms, %s, stories %s",
            method, urlsplit(url).path, answer.status_code,
            (time.monotonic() - started) * 1000, answer.headers.get("Request-Id"),
            ",".join(correlation.stories()) or "-",
        )
        return answer

    def _document(self, method: str, answer: requests.Response) -> dict[str, Any]:
        """Return the answer's document, or raise what it means."""
        is_write = method != "GET"
        try:
            body = answer.json(parse_float=Decimal)
        except ValueError:
            body = None
        if answer.status_code >= 300:
            raise failure.from_answer(answer.status_code, answer.headers, body, is_write=is_write)
        if not isinstance(body, dict):
            raise failure.lost("the answer cannot be read", is_write=is_write)
        if body.get("livemode", self.livemode) != self.livemode:
            raise PolicyBlocked(
                f"Stripe answered with a {_mode(not self.livemode)} object to a {_mode(self.livemode)} key.",
                hint="Check the base URL of the connection.",
            )
        return body


def path_of(*parts: str) -> str:
    """Return `/v1/a/b` from its parts, each escaped.

    :raises Bug: a part is empty (it would address the list instead of the object).
    """
    if not all(parts):
        raise Bug("A part of a path at Stripe is empty.")
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    is_local = (parts.hostname or "") in LOOPBACK
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
        raise PolicyBlocked("The base URL of a Stripe connection must start with https.", hint=_CORRECT_URL)
    if parts.username or parts.password or parts.query or parts.fragment:
        raise PolicyBlocked("The base URL of a Stripe connection must be a plain address.", hint=_CORRECT_URL)


def _reason(error: requests.RequestException) -> str:
    """Return why there was no answer, without any value from the request."""
    if isinstance(error, requests.Timeout):
        return "it took too long"
    if isinstance(error, requests.exceptions.SSLError):
        return "the secure connection failed"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the answer broke off"
    return "the connection failed"


def _mode(livemode: bool) -> str:
    return "live mode" if livemode else "test mode"
