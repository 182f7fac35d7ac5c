"""The list of events, and the endpoints to which they are sent."""

from __future__ import annotations

from . import const
from .account import Account, random_text
from .errors import invalid_request
from .fields import CREATED, METADATA, metadata
from .listing import page
from .operation import Operation
from .params import Arr, Bool, Str

MAX_ENDPOINTS = 16


def retrieve_event(account: Account, params: dict, id_: str) -> dict:
    """`GET /v1/events/{id}`, for 30 days."""
    doc = account.need("event", id_)
    return doc if doc["created"] >= _oldest(account) else account.need("event", "")


def list_events(account: Account, params: dict) -> dict:
    """`GET /v1/events`: of the last 30 days, newest first.

    `type` may end in `*`; `delivery_success=false` keeps events with a delivery
    that was not accepted yet.
    """
    if "type" in params and "types" in params:
        raise invalid_request(
            "You may only specify one of these parameters: type, types.", param="types"
        )
    oldest = _oldest(account)
    wanted = params.get("types") or ([params["type"]] if "type" in params else None)
    success = params.get("delivery_success")

    def where(doc: dict) -> bool:
        return (
            doc["created"] >= oldest
            and (not wanted or _is_one_of(doc["type"], wanted))
            and (success is None or (account.pending_webhooks(doc) == 0) == success)
        )

    return page(account, "event", params, "/v1/events", where=where)


def _oldest(account: Account) -> int:
    return account.now() - const.EVENT_DAYS * const.DAY


def _is_one_of(type_: str, wanted: list[str]) -> bool:
    return any(
        type_ == one or (one.endswith("*") and type_.startswith(one[:-1]))
        for one in wanted
    )


# -- endpoints ----------------------------------------------------------------------


def create_endpoint(account: Account, params: dict) -> dict:
    """`POST /v1/webhook_endpoints`: the only answer that shows the secret."""
    _check_events(params["enabled_events"])
    _check_url(params["url"])
    if len(account.newest("webhook_endpoint")) >= MAX_ENDPOINTS:
        raise invalid_request(
            f"You have reached the maximum of {MAX_ENDPOINTS} test webhook endpoints."
        )
    secret = "whsec_" + random_text(32)
    doc = account.insert(
        "webhook_endpoint",
        {
            "api_version": params.get("api_version"),
            "application": None,
            "created": account.now(),
            "description": params.get("description"),
            "enabled_events": params["enabled_events"],
            "livemode": False,
            "metadata": metadata({}, params),
            "status": "enabled",
            "url": params["url"],
            "_secrets": [{"value": secret, "until": None}],
        },
    )
    return {**doc, "secret": secret}


def _check_events(types: list[str]) -> None:
    for n, type_ in enumerate(types):
        if type_ != "*" and type_ not in const.EVENT_TYPES:
            raise invalid_request(
                f"The event type {type_} is unknown to the sandbox.",
                param=f"enabled_events[{n}]",
            )
    if "*" in types and len(types) > 1:
        raise invalid_request(
            "The '*' event type cannot be combined with others.", param="enabled_events"
        )


def _check_url(url: str) -> None:
    """The vendor insists on https for live mode only; http serves rehearsals."""
    if not url.startswith(("https://", "http://")):
        raise invalid_request("Invalid URL: URL must be complete and https or http",
                              code="url_invalid", param="url")


def update_endpoint(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/webhook_endpoints/{webhook_endpoint}`."""
    doc = account.need("webhook_endpoint", id_)
    if "enabled_events" in params:
        _check_events(params["enabled_events"])
    if "url" in params:
        _check_url(params["url"])
    names = ("description", "enabled_events", "url")
    changes = {name: params[name] for name in names if name in params}
    if "disabled" in params:
        changes["status"] = "disabled" if params["disabled"] else "enabled"
    changes["metadata"] = metadata(doc["metadata"], params)
    return account.save(doc, **changes)


def delete_endpoint(account: Account, params: dict, id_: str) -> dict:
    """`DELETE /v1/webhook_endpoints/{webhook_endpoint}`; its deliveries stop."""
    account.need("webhook_endpoint", id_)
    account.store.delete("stripe/webhook_endpoint", id_)
    return {"id": id_, "object": "webhook_endpoint", "deleted": True}


def retrieve_endpoint(account: Account, params: dict, id_: str) -> dict:
    """`GET /v1/webhook_endpoints/{webhook_endpoint}`, without the secret."""
    return account.need("webhook_endpoint", id_)


def list_endpoints(account: Account, params: dict) -> dict:
    """`GET /v1/webhook_endpoints`."""
    return page(account, "webhook_endpoint", params, "/v1/webhook_endpoints", ranges=())


def roll_secret(account: Account, doc: dict, expires_in: int) -> str:
    """Make a new secret; the old one signs as well for a while.

    :param expires_in: seconds that the old secret stays valid, at most a day.
    :return: the new secret.
    """
    until = account.now() + min(expires_in, const.DAY)
    secret = "whsec_" + random_text(32)
    old = [{**one, "until": until} for one in doc["_secrets"] if one["until"] is None]
    account.save(doc, _secrets=[{"value": secret, "until": None}, *old])
    return secret


def live_secrets(account: Account, doc: dict) -> list[str]:
    """:return: the secrets that sign now, the newest first."""
    now = account.now()
    return [one["value"] for one in doc["_secrets"]
            if one["until"] is None or one["until"] > now]


_TYPES = Arr(Str())
_ALL, _ONE = "/v1/webhook_endpoints", "/v1/webhook_endpoints/{webhook_endpoint}"
OPERATIONS = [
    Operation("GET", "/v1/events", list_events, "list:event", {
        "created": CREATED,
        "delivery_success": Bool(),
        "type": Str(),
        "types": Arr(Str(), 20),
    }),
    Operation("GET", "/v1/events/{id}", retrieve_event, "event"),
    Operation("POST", _ALL, create_endpoint, "webhook_endpoint", {
        "api_version": Str(choices=(const.API_VERSION,)),
        "description": Str(blank=True),
        "enabled_events": Arr(Str(), required=True),
        "metadata": METADATA,
        "url": Str(required=True),
    }),
    Operation("GET", _ALL, list_endpoints, "list:webhook_endpoint"),
    Operation("GET", _ONE, retrieve_endpoint, "webhook_endpoint"),
    Operation("POST", _ONE, update_endpoint, "webhook_endpoint", {
        "description": Str(blank=True),
        "disabled": Bool(),
        "enabled_events": _TYPES,
        "metadata": METADATA,
        "url": Str(),
    }),
    Operation("DELETE", _ONE, delete_endpoint, "webhook_endpoint"),
]
