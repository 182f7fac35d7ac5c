"""Connections to the sandbox, made inside Odoo, as a person would make them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

#: credential of the sandbox → credential of the connection
CREDENTIALS: dict[str, dict[str, str]] = {
    "salesforce": {name: name for name in ("client_id", "username", "private_key", "audience")},
    "hubspot": {"private_app_token": "token", "private_app_secret": "app_secret"},
}


def connect(env: Any, provider: str, sandbox_url: str, known: dict[str, Any], live: dict[str, str]) -> Any:
    """Return a connected connection with the shipped flows.

    :param env: Odoo environment
    :param known: the sandbox's credentials of this provider
    :param live: flows to switch on, code → create policy
    """
    env["sync.lane"]._ensure_lanes()
    connection = env["sync.connection"].create(
        {"name": f"Bench {provider}", "provider": provider, "base_url": f"{sandbox_url}/{provider}",
         "api_version": known["api_version"]}
    )
    connection._store_credentials({ours: known[theirs] for theirs, ours in CREDENTIALS[provider].items()})
    connection.action_connect()
    connection.action_install_flows()
    for flow in connection.flow_ids:
        if flow.code in live:
            flow.create_policy = live[flow.code]
            flow.action_go_live()
    env.cr.commit()
    return connection


def connect_for_webhooks(env: Any, **arguments: Any) -> dict[str, str]:
    """Connect and say what a sender of webhooks must know."""
    connection = connect(env, **arguments)
    return {
        "token": connection.webhook_token,
        "account": connection.account_external_id,
        "secret": connection._credentials()["app_secret"],
    }


def live_flows(env: Any, codes: Iterable[str]) -> Any:
    """Return the flows of these codes that are switched on, in their order."""
    return env["sync.flow"].search([("code", "in", list(codes)), ("mode", "=", "live")], order="sequence, id")
