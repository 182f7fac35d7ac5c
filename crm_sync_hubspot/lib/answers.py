"""What an answer other than 2xx means: one of the base library's error classes.

HubSpot's error bodies are `{status, category, subCategory, message, errors, context,
correlationId}`, each of them optional (documentation: "Error handling"). Messages may
quote values, so only names and codes are passed on, never HubSpot's sentences.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from odoo.addons.crm_sync_base.lib.errors import (
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
from odoo.addons.crm_sync_base.lib.rest import code_of, retry_after

from .const import RATE_LIMIT_WAITS

_EXISTING_ID = re.compile(r"Existing ID:\s*(\d+)")

#: A record's id; anything else may be the value of a unique property, hence personal.
_RECORD_ID = re.compile(r"\d{1,20}")

#: Seconds to wait on 423, which the documentation asks to be two at least.
_LOCKED_WAIT = 2.0


class Expired(AuthFailed):
    """The access token's time is over: a new one can be fetched."""


class Exists(Conflict):
    """A record with the same unique value exists; `existing_id` is its id, or empty."""

    existing_id = ""


def decoded(content: bytes) -> dict[str, Any]:
    """Return an error's body; anything unreadable counts as empty."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def error_of(status: int, headers: Mapping[str, str], body: Mapping[str, Any]) -> SyncError:
    """Return the error of an answer.

    :param status: HTTP status.
    :param headers: looked up without regard to case (as `requests` gives them).
    :param body: decoded JSON, `{}` when there was none.
    """
    if status == 429:
        return _rate_limited(headers, body)
    if status in (401, 403):
        return _refused(status, body)
    if status == 423:
        return Transient("HubSpot has locked the record for the moment.", retry_after=_LOCKED_WAIT)
    if status == 477:
        return Transient(
            "HubSpot is moving the account to another data centre.",
            retry_after=retry_after(headers) or 60.0,
        )
    if status == 408 or status >= 500:
        return Transient(f"HubSpot answered {status}.", retry_after=retry_after(headers))
    if status == 404:
        return _gone(body)
    if status == 409:
        return _exists(body)
    if status in (400, 413, 414, 422):
        return invalid(body)
    return Bug(f"HubSpot answered {status}, which was not expected.{_reference(body)}")


def entry_error(entry: Mapping[str, Any], record_id: str = "") -> SyncError:
    """Return the error of one entry of a 207 answer's `errors`; it has no status of its own.

    :param record_id: of the record that it is about, for an entry that is about several.
    """
    category = entry.get("category")
    if category == "OBJECT_NOT_FOUND":
        return _gone(entry, record_id)
    if category == "CONFLICT":
        return _exists(entry)
    if category in ("RATE_LIMITS", "RATE_LIMIT"):
        return _rate_limited({}, entry)
    if category in ("INTERNAL_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT"):
        return Transient("HubSpot could not process the record for the moment.")
    return invalid(entry)


def invalid(body: Mapping[str, Any]) -> DataInvalid:
    """Return the error of values that HubSpot does not take; all of them are named."""
    problems = _problems(body)
    what = ", ".join(problems) or code_of(body.get("subCategory")) or code_of(body.get("category"))
    return DataInvalid(
        f"HubSpot does not accept the data: {what or 'no reason given'}.{_reference(body)}",
        hint="Correct the value, the mapping, or the rules for required properties in HubSpot.",
        problems=problems,
        fingerprint=f"hubspot invalid {what}",
    )


def _gone(body: Mapping[str, Any], record_id: str = "") -> RemoteGone:
    """Return the error of a record that is not there, with its id where it is known."""
    context = body.get("context") if isinstance(body.get("context"), dict) else {}
    asked = [record_id] if record_id else context.get("ids") or context.get("id") or ()
    named = str(asked[0]) if isinstance(asked, (list, tuple)) and len(asked) == 1 else ""
    return RemoteGone(
        f"HubSpot does not have the record{' ' + named if _RECORD_ID.fullmatch(named) else ''}.",
        hint="Look into HubSpot's recycle bin, restore it there and retry; if it was merged, just retry.",
        problems=_problems(body),
        fingerprint="hubspot record gone",
    )


def _exists(body: Mapping[str, Any]) -> Exists:
    found = _EXISTING_ID.search(str(body.get("message") or ""))
    error = Exists(
        f"HubSpot has such a record already{': ' + found[1] if found else ''}.",
        hint="Link the existing record instead of creating a second one.",
        fingerprint="hubspot conflict",
    )
    error.existing_id = found[1] if found else ""
    return error


def _rate_limited(headers: Mapping[str, str], body: Mapping[str, Any]) -> RateLimited:
    policy = code_of(body.get("policyName")).upper()
    wait = retry_after(headers)
    if wait is None:
        wait = RATE_LIMIT_WAITS.get(policy, RATE_LIMIT_WAITS["TEN_SECONDLY_ROLLING"])
    return RateLimited(
        f"HubSpot's limit of calls is reached ({policy or 'no policy named'}).",
        retry_after=max(wait, 0.1),
        fingerprint=f"hubspot rate limit {policy}",
    )


def _refused(status: int, body: Mapping[str, Any]) -> SyncError:
    category = code_of(body.get("category"))
    if category == "EXPIRED_AUTHENTICATION":
        return Expired("HubSpot's access token has expired.")
    if status == 401:
        return AuthFailed(
            "HubSpot refuses the access token.",
            hint="Enter a valid service key or private-app token, or connect the app again.",
        )
    scopes = _scopes(body)
    return PolicyBlocked(
        f"The HubSpot app lacks a permission: {', '.join(scopes) or category or 'not named'}.",
        hint="Grant the scope to the app in HubSpot, then connect again.",
        problems=scopes,
    )


def _scopes(body: Mapping[str, Any]) -> list[str]:
    scopes: list[str] = []
    for detail in body.get("errors") or ():
        context = detail.get("context") if isinstance(detail, dict) else None
        for names in (context or {}).values():
            scopes += [code_of(name) for name in names if code_of(name)]
    return scopes


def _problems(body: Mapping[str, Any]) -> list[str]:
    """Return `property: CODE` for each detail of an error."""
    found = []
    for detail in body.get("errors") or ():
        if not isinstance(detail, dict):
            continue
        context = detail.get("context") or {}
        names = context.get("propertyName") or context.get("properties") or []
        code = code_of(detail.get("code")) or code_of(detail.get("subCategory")) or "not accepted"
        found += [f"{code_of(name)}: {code}" for name in names] or [code]
    if not found:
        context = body.get("context") if isinstance(body.get("context"), dict) else {}
        found = [f"{code_of(name)}: missing" for name in context.get("properties") or ()]
    return found


def _reference(body: Mapping[str, Any]) -> str:
    """Return how HubSpot's support finds the call."""
    reference = str(body.get("correlationId") or "")
    return f" (HubSpot's reference {reference})" if re.fullmatch(r"[0-9a-fA-F-]{36}", reference) else ""
