"""The HTTP session under the client: timeouts, no redirects, usage, safe errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import requests
from odoo.addons.crm_sync_base.lib import correlation
from odoo.addons.crm_sync_base.lib.errors import PolicyBlocked, SyncError, Transient

from .const import TIMEOUT

_USAGE = re.compile(r"(?:^|[^-])api-usage=(\d+)/(\d+)")

Usage = Callable[[int, int], None]
CheckUrl = Callable[[str], None]


class Transport(requests.Session):
    """A session in which every call has a timeout and none follows a redirect.

    A redirect would carry the access token to another host.

    :param on_usage: called with (used, allocation) of every answer's ``Sforce-Limit-Info``.
    :param check_url: raises `PolicyBlocked` for an address that may not be called.
    """

    def __init__(
        self, *, timeout: float = TIMEOUT, on_usage: Usage | None = None, check_url: CheckUrl | None = None,
    ):
        super().__init__()
        self._timeout, self._on_usage, self._check_url = timeout, on_usage, check_url
        #: headers of the last answer; the errors of simple-salesforce do not carry them
        self.last_headers: Mapping[str, str] = {}

    def request(self, method: str, url: str, **options: Any) -> requests.Response:  # type: ignore[override]
        """Send one request.

        :raises PolicyBlocked: the address may not be called.
        :raises Transient: no complete answer came.
        """
        self.last_headers = {}
        require_safe(url)
        if self._check_url is not None:
            self._check_url(url)
        options.setdefault("timeout", self._timeout)
        options["allow_redirects"] = False
        options["headers"] = {**_story_headers(), **(options.get("headers") or {})}
        try:
            response = super().request(method, url, **options)
        except requests.RequestException as error:
            raise unanswered(error) from None
        self.last_headers = response.headers
        self._report_usage(response.headers.get("Sforce-Limit-Info", ""))
        return response

    def _report_usage(self, header: str) -> None:
        match = _USAGE.search(header)
        if match and self._on_usage is not None:
            self._on_usage(int(match[1]), int(match[2]))


def _story_headers() -> dict[str, str]:
    """Return the headers that name the stories of a call.

    Salesforce logs the client of the call options as ``CLIENT_NAME`` in its API event log
    files (REST API Developer Guide, "Call Options Header"); it takes one name, so a batch
    is told by its own header only.
    """
    headers = correlation.headers()
    stories = correlation.stories()
    if len(stories) == 1:
        headers["Sforce-Call-Options"] = f"client=q2c/{headers[correlation.HEADER]}"
    elif stories:
        headers["Sforce-Call-Options"] = "client=q2c"
    return headers


def require_safe(url: str) -> None:
    """Refuse an address that would send the token unencrypted over a network.

    :raises PolicyBlocked: neither https nor this machine.
    """
    match = re.match(r"(https?)://(\[[^\]]*\]|[^/:?#@]+)(?::\d+)?(?:[/?#]|$)", url)
    if match and (match[1] == "https" or match[2] in ("127.0.0.1", "localhost", "[::1]")):
        return
    raise PolicyBlocked("Salesforce is called over https only", hint="Correct the base URL of the connection.")


def unanswered(error: requests.RequestException) -> SyncError:
    """Return the error of a call without an answer; its text would show the URL."""
    kind = "took too long" if isinstance(error, requests.Timeout) else "broke off"
    return Transient(f"The connection to Salesforce {kind} ({type(error).__name__})")
