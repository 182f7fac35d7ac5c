import threading
from contextlib import contextmanager

from odoo import _, api, models, tools
from odoo.exceptions import UserError

from ..lib.declarations import (
    Document,
    EndpointClass,
    Page,
    Receipt,
    RemoteAccount,
    RemoteField,
    RemoteObject,
    WebhookRequest,
    Write,
    WriteResult,
)
from ..lib.meter import Meter
from ..lib.ownership import moment_of

_clients = threading.local()  # clients are not shared between threads


class SyncConnector(models.AbstractModel):
    """The connector interface: what a provider's module implements.

    A connector is stateless. It inherits this model under the name
    `sync.connector.<provider>`, where `<provider>` is the value that the module
    adds to `sync.connection.provider`, and gets the connection as an argument.
    Remote calls raise the classes of `lib/errors.py` and nothing else. The
    engine calls them outside of any lock on business records.
    """

    _name = "sync.connector"
    _description = "Connector Interface"

    # === Declarations ===#

    @api.model
    def _objects(self) -> tuple[RemoteObject, ...]:
        """Return the declarations of the remote objects that are known by name."""
        return ()

    @api.model
    def _object(self, name) -> RemoteObject:
        """Return the declaration of one object; unknown ones get the defaults."""
        return self._declared().get(name) or RemoteObject(name=name, label=name)

    @api.model
    @tools.ormcache("self.env.lang")
    def _declared(self):
        """Return `{name: declaration}`: every delivery asks for one, each makes all."""
        return {declared.name: declared for declared in self._objects()}

    @api.model
    def _credential_fields(self):
        """Return the credentials that this provider wants.

        :return: `{key: {"label": str, "required": bool, "multiline": bool,
            "help": str}}`; the values live encrypted on the connection.
        """
        return {}

    @api.model
    def _default_hosts(self):
        """Return the host names (or `*.` suffixes) that calls may go to."""
        return ()

    @api.model
    def _connection_defaults(self):
        """Return `base_url` and `api_version` of a new connection."""
        return {}

    @api.model
    def _api_sunset(self, version):
        """Return the date (`date`) after which the provider refuses an API version.

        None where it has published none.
        """
        return None

    @api.model
    def _flow_templates(self, connection):
        """Return the flows that the connector ships.

        :return: a list of dictionaries: code, name, direction, remote_object, model,
            handler, any other field of `sync.flow`, `steps` (actions in order) and
            `rules`. A rule has path, field, label and any field of
            `sync.mapping.rule`; `value_map` is a table's name, `children` are the
            rules of each line. Later modules extend the list.
        """
        return []

    @api.model
    def _endpoints(self, connection) -> tuple[EndpointClass, ...]:
        """Return the parts of the API that fail, and are limited, each on its own."""
        return (EndpointClass("api", _("API")),)

    @api.model
    def _endpoint(self, object_name, operation):
        """Return the code of the endpoint that an operation on an object calls.

        :param operation: read, poll or push.
        """
        return "api"

    def _not_supported(self):
        """Return the sentence for a call that this provider does not offer."""
        return _("%s does not support this.", self._description)

    # === Client ===#

    def _client(self, connection):
        """Return this thread's client of a connection.

        It is built anew when credentials or settings change, so that HTTP sessions
        and access tokens are reused between batches. It outlives transactions: a
        client must not hold on to records.
        """
        held = _clients.__dict__.setdefault("held", {})
        key = (self.env.cr.dbname, connection.id)
        settings = (
            connection.sudo().secret_tokens,
            connection.base_url,
            connection._version_to_call(),
            connection._host_policy(),
        )
        if key not in held or held[key][0] != settings:
            held[key] = (settings, self._build_client(connection))
        return held[key][1]

    def _build_client(self, connection):
        """Return a new client of the provider's library, made of plain values only.

        Give it this thread's `_meter(connection)`, to which it reports its calls.
        """
        raise UserError(self._not_supported())

    def _meter(self, connection):
        """Return this thread's meter of a connection's calls."""
        meters = _clients.__dict__.setdefault("meters", {})
        return meters.setdefault((self.env.cr.dbname, connection.id), Meter())

    @contextmanager
    def _guard(self, connection, endpoint, *, urgent=False, calls=1, subject="", manual=False):
        """Make remote calls inside: asks breaker and budget before, tells them after.

        What was learnt is kept even if the caller's transaction is rolled back.

        :param endpoint: code of the endpoint, see `_endpoint`.
        :param urgent: it may use the reserve of the budget.
        :param calls: about how many calls it makes.
        :param subject: what it asks for, in any form that is equal for equal questions.
        :param manual: a person asks: never refused, and its result counts.
        :return: a context manager that gives a `Ticket`.
        :raises CircuitOpen: the provider fails, or somebody holds all calls.
        :raises BudgetSpent: no calls are left for it.
        """
        endpoints = self.env["sync.endpoint"].sudo()
        meter = self._meter(connection)
        if meter.active:
            # Inside of another one, which sees to it.
            yield endpoints._unwatched(connection)
            return
        ticket = endpoints._admit(connection, endpoint, urgent=urgent, calls=calls, manual=manual)
        meter.start()
        try:
            yield ticket
        except Exception as error:
            self._conclude(connection, ticket, meter.stop(error), subject)
            softened = ticket.softened(error)
            if softened is not error:
                raise softened from error
            raise
        except BaseException:
            meter.stop()  # the worker is being stopped: nothing is known
            raise
        self._conclude(connection, ticket, meter.stop(), subject)

    def _conclude(self, connection, ticket, tally, subject):
        self.env["sync.endpoint"].sudo()._settle(ticket, tally, subject)
        if tally.clock is not None:
            connection._note_clock(tally.clock)

    # === Remote calls ===#

    def _authenticate(self, connection) -> RemoteAccount:
        """Prove the credentials and say whose account it is.

        :raises AuthFailed: when they are refused.
        """
        raise UserError(self._not_supported())

    def _read(self, connection, object_name, external_ids) -> list[Document]:
        """Return the current state of records, in as few calls as possible.

        A record that no longer exists comes back with `deleted=True`; one that
        was merged away also says into which. The order is free.
        """
        raise UserError(self._not_supported())

    def _poll(self, connection, flow, cursor) -> Page:
        """Return one page of what changed since a cursor (empty: from the start).

        The cursor must overlap enough that a record which became visible late is
        not missed; the engine drops what it already knows.
        """
        raise UserError(self._not_supported())

    def _count(self, connection, flow) -> int:
        """Return how many remote records meet a flow's condition now, in one call.

        :raises UserError: the provider cannot count at all, or not by this condition.
        """
        raise UserError(_("%s cannot say how many records there are.", connection.name))

    def _can_ask(self, object_name, path, operator, value) -> bool:
        """Whether the provider itself can be asked for the records that meet a condition.

        Then `_poll` asks it, by `flow._remote_conditions()`. It may bring too many: every
        condition is checked again in Odoo.
        """
        return False

    def _push(self, connection, object_name, writes: list[Write]) -> list[WriteResult]:
        """Create or update records; one result for each write, in any order.

        A failure of one record is its `WriteResult.error`; an exception means
        that the outcome of *all* is unknown or that none happened.
        """
        raise UserError(self._not_supported())

    def _describe_objects(self, connection) -> list[RemoteObject]:
        """Return the objects of the account, those included that somebody made there.

        A provider that has no custom objects declares what there is.
        """
        return list(self._objects())

    def _describe(self, connection, object_name) -> list[RemoteField]:
        """Return the fields of a remote object, and the keys that its documents add to them.

        :raises RemoteGone: the account has no such object.
        """
        raise UserError(self._not_supported())

    def _creates_by_key(self, object_name) -> bool:
        """Whether a record is created only under a unique value that we fill.

        So it is where the provider knows no idempotency keys: a call whose answer was
        lost finds by that value what it made.
        """
        return False

    def _setup(self, connection):
        """Prepare the remote account: own fields, webhook endpoints. Repeatable."""

    # === Webhooks ===#

    def _receive(self, connection, request: WebhookRequest) -> Receipt:
        """Judge a delivery. Pure: no remote call, no business code."""
        raise UserError(self._not_supported())

    # === Documents ===#

    def _label(self, object_name, document: Document) -> str:
        """Return what people call the record of a document, without an id."""
        return ""

    def _changed_at(self, object_name, document: Document):
        """Return when the record of a document was last changed there.

        :return: naive UTC, or None when the provider does not say it. By default what
            its version says.
        """
        return moment_of(document.version)

    def _amount(self, connection, object_name, document: Document):
        """Return the money that waits when a document cannot be synchronised.

        :return: (`Decimal`, ISO 4217 code), or None when it has no value of its own.
            What cannot be read may raise `ValueError`, `ArithmeticError` or `SyncError`.
        """
        return None

    def _record_url(self, connection, object_name, external_id):
        """Return where a person can open the remote record, or False."""
        return False
