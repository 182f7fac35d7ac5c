"""Errors in HubSpot's body shape."""

import json
import uuid


class ApiError(Exception):
    """An answer other than 2xx.

    :param status: HTTP status.
    :param category: e.g. ``VALIDATION_ERROR``.
    :param errors: details ``{message, code?, context?}``.
    :param context: ``{name: [values]}``.
    """

    def __init__(self, status, category, message, errors=(), context=None, sub_category=None):
        super().__init__(message)
        self.status, self.category, self.message = status, category, message
        self.errors, self.context, self.sub_category = list(errors), context or {}, sub_category

    def body(self):
        """Return the JSON body of the answer."""
        body = {
            "status": "error", "message": self.message,
            "correlationId": str(uuid.uuid4()), "category": self.category,
        }
        if self.sub_category:
            body["subCategory"] = self.sub_category
        if self.context:
            body["context"] = self.context
        if self.errors:
            body["errors"] = self.errors
        return body

    def batch_entry(self, trace_id=None):
        """Return the entry of a 207 answer's ``errors``."""
        context = dict(self.context)
        if trace_id is not None:
            context["objectWriteTraceId"] = [trace_id]
        entry = {
            "status": "error", "category": self.category, "message": self.message,
            "context": context, "errors": self.errors, "links": {},
        }
        if self.sub_category:
            entry["subCategory"] = self.sub_category
        return entry


def bad_request(message, **keywords):
    """A 400 for a request that is wrong in itself."""
    return ApiError(400, "VALIDATION_ERROR", message, **keywords)


def invalid_json(detail):
    """A 400 for a body that cannot be read."""
    return bad_request(f"Invalid input JSON: {detail}")


def not_found(message="resource not found"):
    """A 404 for a record, property or pipeline."""
    return ApiError(404, "OBJECT_NOT_FOUND", message)


def invalid_properties(problems):
    """A 400 for property values; ``problems`` are ``(name, code, message)``.

    HubSpot puts the details twice: as JSON text inside the message and as ``errors``.
    """
    results = [
        {"isValid": False, "message": text, "error": code, "name": name,
         "localizedErrorMessage": text}
        for name, code, text in problems
    ]
    errors = [
        {"message": text, "code": code, "context": {"propertyName": [name]}}
        for name, code, text in problems
    ]
    return bad_request(f"Property values were not valid: {json.dumps(results)}", errors=errors)


def missing_required(label, names):
    """A 400 for a create that leaves required properties out."""
    return bad_request(
        f"Error creating {label}. Some required properties were not set.",
        context={"properties": list(names)},
        errors=[{"message": f"Required property missing: {name}", "code": "MISSING_REQUIRED_PROPERTY",
                 "context": {"propertyName": [name]}} for name in names])


def contact_exists(existing_id):
    """The 409 for a second contact with the same e-mail address."""
    return ApiError(409, "CONFLICT", f"Contact already exists. Existing ID: {existing_id}")


def missing_scopes(scopes):
    """The 403 of a token that lacks a scope."""
    return ApiError(
        403, "MISSING_SCOPES",
        "This app hasn't been granted all required scopes to make this call."
        " Read more about required scopes in the developer documentation.",
        errors=[{"message": "One or more of the following scopes are required.",
                 "context": {"requiredGranularScopes": list(scopes)}}])


def rate_limit_body(policy):
    """Return the body of a 429; it has a shape of its own."""
    return {
        "status": "error", "message": f"You have reached your {policy.lower()} limit.",
        "errorType": "RATE_LIMIT", "policyName": policy, "correlationId": str(uuid.uuid4()),
    }


class RateLimit(Exception):
    """Too many calls; ``policy`` is SECONDLY, TEN_SECONDLY_ROLLING or DAILY."""

    def __init__(self, policy):
        super().__init__(policy)
        self.policy = policy


def fault_shape(status, params, request):
    """Return ``(body, headers)`` of an injected error status (see ``faults.py``).

    Parameters of a rule: ``policy`` for 429, ``category`` and ``message`` for others.
    """
    if status == 429:
        return rate_limit_body(params.get("policy", "TEN_SECONDLY_ROLLING")), {}
    category, message = _FAULTS.get(status, ("INTERNAL_ERROR", "internal error"))
    error = ApiError(status, params.get("category", category), params.get("message", message))
    return error.body(), {}


_FAULTS = {
    400: ("VALIDATION_ERROR", "Invalid input"),
    401: ("INVALID_AUTHENTICATION", "Authentication credentials not found."),
    403: ("MISSING_SCOPES", "This app hasn't been granted all required scopes to make this call."),
    404: ("OBJECT_NOT_FOUND", "resource not found"),
    409: ("CONFLICT", "conflict"),
    423: ("LOCKED", "The resource is locked by a running operation."),
    477: ("MIGRATION_IN_PROGRESS", "The account is being moved between data centres."),
    502: ("BAD_GATEWAY", "Bad gateway"),
    503: ("SERVICE_UNAVAILABLE", "Service temporarily unavailable"),
    504: ("TIMEOUT", "Gateway timeout"),
}
