"""One HubSpot account: the parts of this package put together."""

from . import errors
from .associations import Associations
from .auth import Auth
from .events import Events, HubSpotSender
from .owners import Directory
from .pipelines import Pipelines
from .records import Records
from .schema import Schema
from .search import Search
from .settings import Settings


class Portal:
    """The account's data and rules, without HTTP."""

    def __init__(self, ctx):
        self.ctx, self.store, self.clock = ctx, ctx.store, ctx.clock
        self.settings = Settings(ctx.store, ctx.config.options.get("hubspot"))
        self.schema = Schema(ctx.store, ctx.clock, self.settings)
        self.pipelines = Pipelines(ctx.store, ctx.clock)
        self.directory = Directory(ctx.store, ctx.clock)
        self.search = Search(self)
        self.events = Events(self, ctx.webhooks)
        self.auth = Auth(self, ctx)
        self.records = Records(self)
        self.associations = Associations(self)
        self.schema.index_all_unique()
        ctx.webhooks.register("hubspot", HubSpotSender(ctx.store, ctx.clock))
        ctx.faults.shapes["hubspot"] = errors.fault_shape
        ctx.faults.expirers["hubspot"] = self.auth.expire

    def now_ms(self):
        """Return the sandbox's time in epoch milliseconds."""
        return int(self.clock.time() * 1000)


def portal_of(ctx):
    """Return the portal of a process; made on first use."""
    portal = getattr(ctx, "hubspot_portal", None)
    if portal is None:
        portal = ctx.hubspot_portal = Portal(ctx)
    return portal
