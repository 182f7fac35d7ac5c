"""What all endpoints share: reading the call, access, limits, errors, answers."""

import dataclasses
import email.utils
import json
from decimal import Decimal

from aiohttp import web

from .const import DATED_VERSIONS, ENFORCING_VERSIONS
from .errors import ApiError, RateLimit, bad_request, invalid_json, not_found, rate_limit_body
from .source import Source


@dataclasses.dataclass
class Call:
    """One authorised call, its body read."""

    match: dict
    query: object
    text: str
    version: str
    source: Source

    def json(self):
        """Return the body as an object; numbers keep every digit (Decimal)."""
        try:
            body = json.loads(self.text or "{}", parse_float=Decimal)
        except ValueError as error:
            raise invalid_json(error) from None
        if not isinstance(body, dict):
            raise invalid_json("an object was expected")
        return body

    def json_list(self):
        """Return the body as a list."""
        try:
            body = json.loads(self.text or "[]", parse_float=Decimal)
        except ValueError as error:
            raise invalid_json(error) from None
        if not isinstance(body, list):
            raise invalid_json("a list was expected")
        return body

    def inputs(self, limit):
        """Return the ``inputs`` of a batch, at most ``limit`` of them."""
        inputs = self.json().get("inputs")
        if not isinstance(inputs, list) or not all(isinstance(entry, dict) for entry in inputs):
            raise bad_request("inputs must be a list of objects.")
        if len(inputs) > limit:
            raise bad_request(f"The maximum batch size is {limit}, got {len(inputs)}.")
        return inputs

    def names(self, name):
        """Return a query parameter that is a list, given by commas or repeated."""
        return [part.strip() for text in self.query.getall(name, [])
                for part in text.split(",") if part.strip()]

    def limit(self, most, default=10):
        """Return the ``limit`` parameter."""
        try:
            limit = int(self.query.get("limit", default))
        except ValueError:
            raise bad_request("limit must be an integer.") from None
        if not 1 <= limit <= most:
            raise bad_request(f"limit must be between 1 and {most}, was {limit}.")
        return limit

    def flag(self, name):
        """Return a boolean query parameter."""
        return self.query.get(name, "false").lower() == "true"

    @property
    def legacy(self):
        """Tell whether the call came by a v3/v4 path."""
        return self.version not in DATED_VERSIONS


def endpoint(portal, function, scopes=None, search=False):
    """Turn ``function(call) -> (status, JSON body or None)`` into an aiohttp handler.

    :param scopes: ``scopes(match) -> [alternatives]``, or None when any token will do.
    """
    async def handler(request):
        text = (await request.read()).decode("utf-8", "replace")
        try:
            headers, answer = _run(portal, function, scopes, search, request, text)
        except RateLimit as error:
            return web.json_response(rate_limit_body(error.policy), status=429)
        except ApiError as error:
            return web.json_response(error.body(), status=error.status)
        status, body = answer
        if body is None:
            return web.Response(status=status, headers=headers)
        return web.json_response(body, status=status, headers=headers, dumps=dumps)
    return handler


def _run(portal, function, scopes, search, request, text):
    """Check access and limits, then run the endpoint; no await, so it is isolated."""
    match = dict(request.match_info)
    version = match.get("version", "v3")
    try:
        app = portal.auth.check(request, scopes(portal, match) if scopes else None)
    except ApiError:
        request["auth_ok"] = False
        raise
    request["auth_ok"] = True
    # Clients that page by time trust the server's clock, so it must be the one of the records.
    headers = {"Date": email.utils.formatdate(portal.clock.time(), usegmt=True),
               **portal.auth.limit(app, search)}
    source = Source("INTEGRATION", str(app["app_id"]), enforce=version in ENFORCING_VERSIONS)
    return headers, function(Call(match, request.query, text, version, source))


def dumps(body):
    """Return JSON text; Decimals become numbers with all their digits."""
    return json.dumps(body, default=_number)


def _number(value):
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(type(value).__name__)


def object_scopes(right):
    """Return the scopes function of object endpoints (``right``: read or write)."""
    def scopes(portal, match):
        return [f"crm.objects.{_scope_name(portal, match)}.{right}"]
    return scopes


def schema_scopes(right):
    """Return the scopes function of property and pipeline endpoints."""
    def scopes(portal, match):
        name = _scope_name(portal, match)
        found = [f"crm.schemas.{name}.{right}"]
        return found + [f"crm.objects.{name}.read"] if right == "read" else found
    return scopes


def _scope_name(portal, match):
    object_type = portal.schema.type(match.get("type") or match["from_type"])
    return "custom" if object_type.id.startswith("2-") else object_type.name


async def unknown_path(request):
    """Answer any other path."""
    return web.json_response(not_found("resource not found").body(), status=404)
