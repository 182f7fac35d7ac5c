"""Error answers in the shape of the vendor's v1 API.

Every error body is `{"error": {type, code, message, param, doc_url, ...}}`
(the `error` schema of the published specification). Messages follow the
vendor's wording where it is publicly known, because people search for them.
"""

from __future__ import annotations

from typing import Any

DOC_URL = "https://stripe.com/docs/error-codes/"


class StripeError(Exception):
    """An answer with an HTTP status >= 400.

    :param status: HTTP status.
    :param type_: one of api_error, card_error, idempotency_error,
        invalid_request_error.
    :param message: what the vendor would say.
    :param code: the vendor's short code, or None when it gives none.
    :param param: name of the request parameter at fault (`items[0][price]`).
    :param stored: True when the answer is remembered under the request's
        idempotency key. Only answers of a request that began to execute are;
        refused parameters are not (API reference, "Idempotent requests").
    :param undo: True when nothing that the request did stays. A refused card
        leaves a failed charge behind, so 402 alone keeps its effects.
    :param extra: further members of the error object (charge, decline_code...).
    """

    def __init__(
        self,
        status: int,
        type_: str,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        stored: bool = False,
        headers: dict[str, str] | None = None,
        undo: bool | None = None,
        **extra: Any,
    ):
        super().__init__(message)
        self.undo = status != 402 if undo is None else undo
        self.status = status
        self.type = type_
        self.message = message
        self.code = code
        self.param = param
        self.stored = stored
        self.headers = headers or {}
        self.extra = extra

    def body(self, request_id: str = "") -> dict[str, Any]:
        """:return: the JSON document of the answer."""
        error: dict[str, Any] = {"message": self.message, "type": self.type}
        if self.code:
            error["code"] = self.code
            error["doc_url"] = DOC_URL + self.code.replace("_", "-")
        if self.param:
            error["param"] = self.param
        if request_id:
            error["request_log_url"] = (
                f"https://dashboard.stripe.com/test/logs/{request_id}"
            )
        error.update(self.extra)
        return {"error": dict(sorted(error.items()))}


def invalid_request(message: str, **details: Any) -> StripeError:
    """A refused parameter: HTTP 400, never remembered for replay."""
    return StripeError(400, "invalid_request_error", message, **details)


def unexpected_state(message: str, code: str | None = None, **extra: Any):
    """A request that is well formed but does not fit the object's state.

    It began to execute, so the answer is replayed under its key.
    """
    return StripeError(
        400, "invalid_request_error", message, code=code, stored=True, **extra
    )


def resource_missing(kind: str, id_: str, param: str | None = None) -> StripeError:
    """No such object: 404 when the id is in the path, 400 when it is a parameter."""
    return StripeError(
        400 if param else 404,
        "invalid_request_error",
        f"No such {kind}: '{id_}'",
        code="resource_missing",
        param=param or "id",
    )


def unknown_url(method: str, path: str) -> StripeError:
    """The path is not one of the API."""
    return StripeError(
        404,
        "invalid_request_error",
        f"Unrecognized request URL ({method}: {path}). Please see "
        "https://stripe.com/docs or we can help at https://support.stripe.com/.",
    )


def not_implemented(what: str, param: str | None = None) -> StripeError:
    """The vendor can do it, this stand-in cannot, and says so."""
    return invalid_request(
        f"The sandbox does not implement {what}; the real API does.", param=param
    )


def invalid_api_key(key: str) -> StripeError:
    """Wrong key; only its last four characters are repeated, as the vendor does."""
    hidden = key[:8] + "*" * max(len(key) - 12, 0) + key[-4:] if len(key) > 12 else "*"
    return StripeError(
        401, "invalid_request_error", f"Invalid API Key provided: {hidden}"
    )


def missing_api_key() -> StripeError:
    """No `Authorization` header at all."""
    return StripeError(
        401,
        "invalid_request_error",
        "You did not provide an API key. You need to provide your API key in the "
        "Authorization header, using Bearer auth (e.g. 'Authorization: Bearer "
        "YOUR_SECRET_KEY').",
        headers={"WWW-Authenticate": 'Basic realm="Stripe"'},
    )


def permission_denied(resource: str, permission: str) -> StripeError:
    """A restricted key without the permission that the request needs."""
    return StripeError(
        403,
        "invalid_request_error",
        f"The provided key does not have the required permissions for this "
        f"endpoint on this account. Having the '{permission}' permission would "
        f"allow this request to continue ({resource}).",
    )


def rate_limited(reason: str = "global-rate") -> StripeError:
    """Too many requests; the vendor names the limit in a header."""
    return StripeError(
        429,
        "invalid_request_error",
        "Request rate limit exceeded. Learn more about rate limits here: "
        "https://stripe.com/docs/rate-limits.",
        code="rate_limit",
        headers={
            "Stripe-Rate-Limited-Reason": reason,
            "Stripe-Should-Retry": "true",
            "Retry-After": "1",
        },
    )


def lock_timeout() -> StripeError:
    """Two writes wait for the same object: HTTP 429 with its own code."""
    return StripeError(
        429,
        "invalid_request_error",
        "This object cannot be accessed right now because another API request or "
        "Stripe process is currently accessing it. If you see this error "
        "intermittently, retry the request.",
        code="lock_timeout",
        headers={"Stripe-Should-Retry": "true"},
    )


def server_error() -> StripeError:
    """Something broke on the vendor's side while the request executed."""
    return StripeError(
        500,
        "api_error",
        "An unknown error occurred. Please contact support@stripe.com.",
        stored=True,
    )


def idempotency_mismatch(key: str) -> StripeError:
    """The same key came with other parameters."""
    return StripeError(
        400,
        "idempotency_error",
        "Keys for idempotent requests can only be used with the same parameters "
        f"they were first used with. Try using a key other than '{key}' if you "
        "meant to execute a different request.",
    )


def idempotency_other_endpoint(key: str, now: str, first: str) -> StripeError:
    """The same key came with another endpoint."""
    return StripeError(
        400,
        "idempotency_error",
        "Keys for idempotent requests can only be used for the same endpoint they "
        f"were first used for ('{now}' vs '{first}'). Try using a key other than "
        f"'{key}' if you meant to execute a different request.",
    )


def idempotency_in_use(key: str) -> StripeError:
    """The first request with this key is still executing."""
    return StripeError(
        409,
        "idempotency_error",
        "There is currently another in-progress request using this Idempotent Key "
        "(that probably means you submitted twice, and the other request is still "
        f"going through): {key}. Please try again later.",
        code="idempotency_key_in_use",
        headers={"Stripe-Should-Retry": "true"},
    )
