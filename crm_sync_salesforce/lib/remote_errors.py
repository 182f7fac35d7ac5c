"""Turn whatever a call ended with into the one hierarchy of errors.

Messages are made of codes and field names, never of the vendor's text or of URLs: both
may quote record data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from odoo.addons.crm_sync_base.lib.errors import (
    AuthFailed,
    Bug,
    Conflict,
    DataInvalid,
    RateLimited,
    SyncError,
    Transient,
)
from odoo.addons.crm_sync_base.lib.rest import retry_after

from .const import (
    CONCURRENT_LIMIT_WAIT,
    DAILY_LIMIT_WAIT,
    ERROR_RULES,
    OAUTH_HINTS,
    OAUTH_RATE_LIMITED,
    OAUTH_TRANSIENT,
    SPOKEN_CODES,
)

_CODE = re.compile(r"[A-Z][A-Z0-9_]{2,80}")
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,120}")
_NO_COLUMN = re.compile(r"No such column '([A-Za-z0-9_.]{1,120})'")


def from_code(
    code: str, *, message: str = "", fields: Sequence[str] = (), retry_after: float | None = None,
) -> SyncError:
    """Return the error of an ``errorCode``.

    :param message: the vendor's text; only parts that hold no record data are used.
    :param fields: names of the fields concerned.
    """
    rule = ERROR_RULES.get(code)
    error = rule.error if rule else DataInvalid
    sentence = rule.sentence if rule else "Salesforce refused the record"
    named = _field_names(message, fields)
    text = f"{sentence} ({code}{': ' + ', '.join(named) if named else ''})"
    if code in SPOKEN_CODES and message:
        text += f": {message[:200]}"
    if error is RateLimited and retry_after is None:
        retry_after = CONCURRENT_LIMIT_WAIT if "Concurrent" in message else DAILY_LIMIT_WAIT
    return error(
        text, hint=rule.hint if rule else "", retry_after=retry_after,
        fingerprint=":".join(["salesforce", code, *named]))


def _field_names(message: str, fields: Sequence[str]) -> list[str]:
    named = [name for name in fields if isinstance(name, str) and _FIELD.fullmatch(name)]
    return named or _NO_COLUMN.findall(message)


def from_body(status: int, body: Any, headers: Mapping[str, str]) -> SyncError:
    """Return the error of an HTTP answer with status 300 or more.

    :param body: decoded JSON, or text.
    """
    wait = retry_after(headers)
    if status == 300:
        return Conflict(
            "Several records in Salesforce have this external id (HTTP 300)",
            hint=ERROR_RULES["DUPLICATE_EXTERNAL_ID"].hint)
    if status < 400:
        return from_status(status, wait)
    entry = body[0] if isinstance(body, list) and body and isinstance(body[0], dict) else {}
    code = str(entry.get("errorCode") or "")
    if status == 410:
        return AuthFailed(
            "Salesforce has retired this API version (HTTP 410)",
            hint="Choose a newer API version on the connection.")
    if _CODE.fullmatch(code):
        return _with_status(status, from_code(
            code, message=str(entry.get("message") or ""), fields=entry.get("fields") or (),
            retry_after=wait))
    return from_status(status, wait)


def _with_status(status: int, error: SyncError) -> SyncError:
    """A server error is transient, whatever unknown code comes with it."""
    if status >= 500 and isinstance(error, DataInvalid):
        return Transient(error.message, retry_after=error.retry_after, fingerprint=error.fingerprint)
    return error


def from_status(status: int, retry_after: float | None = None) -> SyncError:
    """Return the error of an HTTP status without a usable body."""
    if status == 429:
        return RateLimited("Salesforce asks to slow down (HTTP 429)", retry_after=retry_after or CONCURRENT_LIMIT_WAIT)
    if status in (408, 425) or status >= 500:
        return Transient(f"Salesforce failed (HTTP {status})", retry_after=retry_after)
    if status in (401, 403):
        return AuthFailed(
            f"Salesforce refuses access (HTTP {status})",
            hint="Check that the integration user is active and may use the API, then connect again.")
    if 300 <= status < 400:
        return AuthFailed(
            f"Salesforce redirects to another address (HTTP {status})",
            hint="Use the My Domain address of the org; old host names no longer redirect.")
    return Bug(f"Salesforce refused the request (HTTP {status})")


def from_oauth(status: int, body: Any) -> SyncError:
    """Return the error of the token endpoint."""
    body = body if isinstance(body, dict) else {}
    code, description = str(body.get("error") or ""), str(body.get("error_description") or "")
    if description in OAUTH_RATE_LIMITED or status == 429:
        return RateLimited("Salesforce limits the logins of this user", retry_after=60.0)
    if status >= 500 or code in OAUTH_TRANSIENT:
        return Transient(f"Salesforce could not issue a token (HTTP {status})")
    shown = code if re.fullmatch(r"[a-z_]{1,60}", code) else f"HTTP {status}"
    known = description if description in OAUTH_HINTS else ""
    return AuthFailed(
        f"Salesforce refused the credentials ({shown}{': ' + known if known else ''})",
        hint=OAUTH_HINTS.get(known, "Check the app, its policies and the integration user in Salesforce."),
        fingerprint=f"salesforce login: {known or shown}")
