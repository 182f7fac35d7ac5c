"""What an error answer of Stripe's means for the job that asked.

Stripe's own messages are not passed on whole: they may repeat what was sent, and
that may be personal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from odoo.addons.crm_sync_base.lib.errors import (
    AuthFailed,
    Conflict,
    DataInvalid,
    PaymentDeclined,
    PolicyBlocked,
    RateLimited,
    RemoteGone,
    SyncError,
    Transient,
)

#: Seconds to wait when Stripe asks us to slow down without saying for how long.
DEFAULT_WAIT = 2.0
#: Reason of a 429 that concerns one object only.
ONE_RESOURCE = "resource-specific"
#: Longest wait that we take from a header.
LONGEST_WAIT = 3600.0

_SECRET = re.compile(r"\b(?:sk|rk|pk|whsec)_\S+")
_EMAIL = re.compile(r"\S+@\S+")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_ID = re.compile(r"['\"]?[a-z]{2,12}_[A-Za-z0-9_]{6,}['\"]?\Z")


@dataclass(frozen=True, slots=True)
class Failure:
    """The facts of an error answer, for those who decide what happens next.

    :param status: HTTP status, 0 when there was no answer.
    :param replayed: the answer belongs to an earlier request with the same
        idempotency key: asking again will not change it for a day.
    :param outcome_unknown: a write may or may not have happened.
    """

    status: int
    type: str = ""
    code: str = ""
    decline_code: str = ""
    param: str = ""
    request_id: str = ""
    charge: str = ""
    payment_intent: str = ""
    replayed: bool = False
    outcome_unknown: bool = False


def of(error: BaseException) -> Failure | None:
    """Return the facts behind an error that the client raised, else None."""
    return getattr(error, "stripe_failure", None)


def lost(reason: str, *, is_write: bool) -> SyncError:
    """Return the error for a call without a (whole) answer.

    :param is_write: the effect may have happened; repeating the call with the same
        idempotency key is safe for a day.
    """
    error = Transient(f"Stripe gave no answer: {reason}.", fingerprint="stripe: no answer")
    return _with(error, Failure(status=0, outcome_unknown=is_write))


def from_answer(status: int, headers: Mapping[str, str], body: Any, *, is_write: bool) -> SyncError:
    """Return the error for an answer with a status of 300 or more.

    :param headers: names in any case (a case-insensitive mapping).
    :param body: the decoded JSON, or None when it could not be read.
    """
    failure = _read(status, headers, body, is_write)
    message = _message(failure, body)
    error = _classify(failure, message, headers)
    return _with(error, failure)


def _with(error: SyncError, failure: Failure) -> SyncError:
    error.stripe_failure = failure
    return error


def _read(status: int, headers: Mapping[str, str], body: Any, is_write: bool) -> Failure:
    raw = body.get("error") if isinstance(body, dict) else None
    raw = raw if isinstance(raw, dict) else {}
    intent = raw.get("payment_intent")
    texts = {name: _short(raw.get(name)) for name in ("type", "code", "decline_code", "param", "charge")}
    return Failure(
        status=status,
        request_id=_short(headers.get("Request-Id")),
        payment_intent=_short(intent.get("id")) if isinstance(intent, dict) else "",
        replayed=headers.get("Idempotent-Replayed") == "true",
        outcome_unknown=is_write and status >= 500,
        **texts,
    )


def _short(value: Any) -> str:
    return value[:255] if isinstance(value, str) else ""


def _classify(failure: Failure, message: str, headers: Mapping[str, str]) -> SyncError:
    """Choose the class. `Stripe-Should-Retry` overrides our own judgement."""
    should_retry = {"true": True, "false": False}.get(headers.get("Stripe-Should-Retry", ""))
    if failure.status == 429:
        return _slow_down(failure, message, headers)
    if failure.status >= 500:
        return _server_error(failure, message, should_retry)
    if should_retry or failure.status in (409, 424):
        return Transient(message, retry_after=_wait(headers))
    return _client_error(failure, message)


def _slow_down(failure: Failure, message: str, headers: Mapping[str, str]) -> SyncError:
    """Too many calls, or too many for one object: that is no reason to stop the others.

    `Stripe-Rate-Limited-Reason` names the limit: of all calls, of an endpoint, each by
    rate or concurrency, or of one resource (docs.stripe.com/rate-limits).
    """
    reason = headers.get("Stripe-Rate-Limited-Reason", "")
    if failure.code == "lock_timeout" or reason == ONE_RESOURCE:
        return Transient(message, retry_after=_wait(headers) or 1.0)
    wait = _wait(headers) or DEFAULT_WAIT
    if not re.fullmatch(r"[a-z-]{1,40}", reason):
        return RateLimited(message, retry_after=wait)
    return RateLimited(
        f"{message} Limit: {reason}.", retry_after=wait, fingerprint=f"stripe: rate limit {reason}"
    )


def _server_error(failure: Failure, message: str, should_retry: bool | None) -> SyncError:
    """A kept 500 is repeated for a day: only a look at the account can help."""
    if failure.replayed or should_retry is False:
        return Conflict(
            message,
            hint="Look in Stripe's dashboard whether the effect happened, then retry or resolve by hand.",
        )
    return Transient(message)


def _client_error(failure: Failure, message: str) -> SyncError:
    if failure.status == 401:
        return AuthFailed(message, hint="Enter a valid secret or restricted key on the connection.")
    if failure.status == 403:
        return PolicyBlocked(message, hint="Grant the permission to the restricted key in Stripe.")
    if failure.status == 402:
        return PaymentDeclined(message, hint="Ask the customer for another means of payment.")
    if failure.type == "idempotency_error":
        return Conflict(message, hint="The same operation was sent with other values; check it in Stripe's dashboard.")
    if failure.code == "resource_missing" or failure.status == 404:
        return RemoteGone(
            message,
            hint="Look in Stripe's dashboard whether it was deleted, or is of another account or mode; then retry.",
        )
    if 300 <= failure.status < 400:
        return PolicyBlocked(message, hint="Correct the base URL of the connection; redirects are not followed.")
    return DataInvalid(message, hint="Correct the value in Odoo, or the settings of the connection, then retry.")


def _wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of `Retry-After`, within reason."""
    value = headers.get("Retry-After", "")
    return min(float(value), LONGEST_WAIT) if re.fullmatch(r"\d{1,6}(\.\d+)?", value) else None


def _message(failure: Failure, body: Any) -> str:
    """Return what to tell people: facts first, then Stripe's sentence without values."""
    what = failure.decline_code or failure.code or failure.type or "error"
    parts = [f"Stripe answered {failure.status} ({what}"]
    if failure.param:
        parts.append(f", parameter {failure.param}")
    parts.append(")")
    raw = body.get("error") if isinstance(body, dict) else None
    said = raw.get("message") if isinstance(raw, dict) else None
    if isinstance(said, str) and failure.status != 401:
        parts.append(": " + scrub(said)[:300])
    text = "".join(parts)
    return text if text.endswith(".") else text + "."


def scrub(text: str) -> str:
    """Return a sentence of Stripe's without keys, mail addresses and quoted values.

    Ids of Stripe's objects stay: they are needed to find the record and say nothing
    about a person.
    """
    text = _SECRET.sub("…", text)
    text = _QUOTED.sub(lambda match: match.group() if _ID.match(match.group()) else "'…'", text)
    return _EMAIL.sub("…", text)
