"""What every vendor package is handed: the shared parts of one sandbox process."""

import dataclasses

from .calls import CallLog
from .clock import Clock
from .faults import Faults
from .store import SECRETS, Store
from .webhooks import Webhooks

VENDORS = ("salesforce", "hubspot", "stripe")


@dataclasses.dataclass
class Config:
    """Start options, as given on the command line."""

    host: str = "127.0.0.1"
    port: int = 8081
    state: str | None = None
    seed: str = "demo"
    #: Factor on the vendors' retry intervals (0.001: an hour becomes 3.6 s).
    retry_scale: float = 1.0
    #: Base URL that clients use, when it differs from what their Host header says.
    public_url: str | None = None
    #: Vendors to serve.
    vendors: tuple = VENDORS
    #: Vendor-specific options ``{vendor: {name: value}}``, from ``--option vendor.name=value``.
    options: dict = dataclasses.field(default_factory=dict)

    def option(self, vendor, name, default=None):
        """Return a vendor-specific option."""
        return self.options.get(vendor, {}).get(name, default)


@dataclasses.dataclass
class Context:
    """The shared parts of one sandbox process."""

    config: Config
    store: Store
    clock: Clock
    faults: Faults
    webhooks: Webhooks
    calls: CallLog
    #: A place for each vendor's own long-lived object: ``ctx.parts["salesforce"] = org``.
    parts: dict = dataclasses.field(default_factory=dict)

    @classmethod
    def create(cls, config):
        """Build all parts from the start options."""
        store = Store(config.state)
        clock, faults = Clock(store), Faults()
        webhooks = Webhooks(store, clock, faults, config.retry_scale)
        return cls(config, store, clock, faults, webhooks, CallLog())

    def secret(self, name, make):
        """Return a value that is made once (``make()`` → JSON value) and survives any reset."""
        kind = SECRETS + "/value"
        doc = self.store.get(kind, name)
        if doc is None:
            doc = self.store.put(kind, name, {"value": make()})
        return doc["value"]

    def base_url(self, request, vendor):
        """Return the URL under which this client reaches a vendor's endpoints, no trailing slash."""
        root = self.config.public_url or f"{request.scheme}://{request.host}"
        return f"{root.rstrip('/')}/{vendor}"
