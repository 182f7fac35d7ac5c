"""Connects the demo's Odoo to the sandbox, as an administrator would in the browser.

Everything here may run again: what is there already is left alone.
"""

from __future__ import annotations

from typing import Any

from .environment import Environment

#: provider → name, flows that are switched on
PROVIDERS = {
    "salesforce": "Salesforce (sandbox)",
    "hubspot": "HubSpot (sandbox)",
    "stripe": "Stripe (sandbox)",
}

PRODUCTS = (
    ("Q2C-PLAT", "Platform licence"),
    ("Q2C-ONB", "Onboarding service"),
    ("Q2C-SUP", "Premium support"),
)
TAX_NAME = "Sales Tax 15%"
CURRENCIES = ("USD", "EUR")

#: sandbox credential → credential of the connection
_CREDENTIALS = {
    "salesforce": {name: name for name in ("client_id", "username", "private_key", "audience")},
    "hubspot": {"private_app_token": "token", "private_app_secret": "app_secret"},
    "stripe": {"secret_key": "secret_key"},
}

#: message by which Salesforce tells of a won deal
_OUTBOUND_MESSAGE = {
    "id": "04k000000000001AAA",
    "object": "Opportunity",
    "fields": ["Id", "SystemModstamp"],
    "when": {"IsWon": True},
}


class Setup:
    """The demo's configuration.

    :param environment: the running services.
    """

    def __init__(self, environment: Environment):
        self.environment = environment
        self.rpc = environment.rpc

    def run(self) -> dict[str, int]:
        """Configure everything; return the connections' ids by provider."""
        self._catalogue()
        connections = {provider: self._connection(provider) for provider in PROVIDERS}
        self._point_webhooks(connections)
        return connections

    # -- records ------------------------------------------------------------

    def find(self, model: str, domain: list) -> int | None:
        """Return the id of the first record of a domain, archived ones included."""
        ids = self.rpc(model, "search", domain, limit=1, context={"active_test": False})
        return ids[0] if ids else None

    def ensure(self, model: str, domain: list, values: dict[str, Any]) -> int:
        """Return the record of a domain, created with `values` when missing."""
        found = self.find(model, domain)
        return found if found is not None else self.rpc(model, "create", [values])[0]

    # -- catalogue ----------------------------------------------------------

    def _catalogue(self) -> None:
        """Products, a tax and pricelists as the CRMs' deals need them."""
        for code, name in PRODUCTS:
            self.ensure(
                "product.product",
                [("default_code", "=", code)],
                {"default_code": code, "name": name, "type": "service", "invoice_policy": "order"},
            )
        self.tax = self.ensure(
            "account.tax",
            [("name", "=", TAX_NAME), ("type_tax_use", "=", "sale")],
            {"name": TAX_NAME, "amount": 15.0, "amount_type": "percent", "type_tax_use": "sale"},
        )
        company = self.rpc("res.users", "read", [self.environment.odoo.uid], ["company_id"])[0]["company_id"][0]
        for code in CURRENCIES:
            currency = self.find("res.currency", [("name", "=", code)])
            self.rpc("res.currency", "write", [currency], {"active": True})
            self.ensure(
                "product.pricelist",
                [("currency_id", "=", currency), ("company_id", "in", [False, company])],
                {"name": f"Deals in {code}", "currency_id": currency, "company_id": company},
            )

    # -- connections --------------------------------------------------------

    def _connection(self, provider: str) -> int:
        known = self.environment.sandbox("GET", "/_admin/credentials")[provider]
        values = {
            "name": PROVIDERS[provider],
            "provider": provider,
            "base_url": f"{self.environment.sandbox_url}/{provider}",
        }
        connection = self.ensure("sync.connection", [("provider", "=", provider)], values)
        current = self.rpc("sync.connection", "read", [connection], ["state", "base_url"])[0]
        if current["base_url"] != values["base_url"]:
            # The sandbox answers on another port than last time.
            self.rpc("sync.connection", "write", [connection], {"base_url": values["base_url"]})
        if current["state"] == "draft":
            self._enter_credentials(connection, provider, known)
            self._prepare(provider, connection)
        # Connecting again tells the provider our present webhook address.
        self.rpc("sync.connection", "action_connect", [connection])
        if current["state"] == "draft":
            self._flows(connection)
        return connection

    def _enter_credentials(self, connection: int, provider: str, known: dict[str, Any]) -> None:
        """Use the same dialog as a person does."""
        wizard = self.rpc("sync.credential.wizard", "create", [{"connection_id": connection}])[0]
        lines = self.rpc(
            "sync.credential.wizard.line", "search_read", [("wizard_id", "=", wizard)], ["key"]
        )
        names = {ours: theirs for theirs, ours in _CREDENTIALS[provider].items()}
        for line in lines:
            if line["key"] in names:
                value = known[names[line["key"]]]
                self.rpc("sync.credential.wizard.line", "write", [line["id"]], {"value": value})
        self.rpc("sync.credential.wizard", "action_save", [wizard])

    def _prepare(self, provider: str, connection: int) -> None:
        """Do what one provider needs besides credentials."""
        if provider == "stripe":
            self.rpc("sync.connection", "action_create_stripe_accounts", [connection])

    def _flows(self, connection: int) -> None:
        """Install the shipped flows, map the tax, switch everything on."""
        self.rpc("sync.connection", "action_install_flows", [connection])
        for table in self.rpc(
            "sync.value.map", "search", [("connection_id", "=", connection), ("name", "=", "Taxes")]
        ):
            self.ensure(
                "sync.value.map.line",
                [("map_id", "=", table), ("remote_value", "=", TAX_NAME)],
                {"map_id": table, "remote_value": TAX_NAME, "record_ref": f"account.tax,{self.tax}"},
            )
        flows = self.rpc("sync.flow", "search", [("connection_id", "=", connection)])
        self.rpc("sync.flow", "write", flows, {"poll_interval": 1})
        self.rpc("sync.flow", "action_go_live", flows)

    # -- webhooks -----------------------------------------------------------

    def _point_webhooks(self, connections: dict[str, int]) -> None:
        """Enter our webhook addresses at the providers that do not take them by API."""
        urls = {
            provider: self.rpc("sync.connection", "read", [connection], ["webhook_url"])[0]["webhook_url"]
            for provider, connection in connections.items()
        }
        self.environment.sandbox(
            "POST", "/_admin/salesforce/outbound-messages", {**_OUTBOUND_MESSAGE, "url": urls["salesforce"]}
        )
        self.environment.sandbox(
            "PUT", "/_admin/hubspot/webhooks", {"app": "private", "target_url": urls["hubspot"]}
        )
