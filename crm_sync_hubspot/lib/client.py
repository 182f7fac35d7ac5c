"""HubSpot's CRM API as this suite uses it.

A client belongs to one account. It raises the base library's errors only, keeps no state
but the session, and may be used by one thread at a time. Records are as the API returns
them, `{id, properties: {name: text or None}, createdAt, updatedAt, archived}`, except that
`updatedAt` always has milliseconds, so that it sorts in time order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import requests
from odoo.addons.crm_sync_base.lib.errors import Bug, PolicyBlocked, RemoteGone

from . import batches, changes
from .answers import Exists, entry_error
from .batches import Item, ItemResult, chunks
from .const import (
    API_VERSION,
    ASSOCIATION_READ_LIMIT,
    ASSOCIATION_WRITE_LIMIT,
    BATCH_LIMIT,
    HUBSPOT_DEFINED,
    LIST_LIMIT,
    PRIMARY_TYPE_IDS,
    SEARCH_OVERLAP_SECONDS,
    SEARCH_PAGE_LIMIT,
)
from .paths import Paths
from .tokens import LastingToken, OAuthToken, TokenStore, token_request
from .transport import TIMEOUT, Answer, Transport

#: Custom object types of this age are asked for again.
SCHEMA_SECONDS = 3600.0
#: So long the account's users are believed, and so soon a new one is looked for again.
USERS_SECONDS = 900.0
NEW_USER_SECONDS = 60.0
#: Owners that the API gives at once, at most.
OWNERS_PAGE = "500"

#: Error of an associations read that only says that there are none.
_NO_ASSOCIATIONS = "crm.associations.NO_ASSOCIATIONS_FOUND"


@dataclass(frozen=True, slots=True)
class Fetched:
    """The state of one record that was asked for."""

    id: str  #: as asked for
    record: dict[str, Any] = field(default_factory=dict)  #: API shape; empty when it is gone
    archived: bool = False  #: in the recycle bin (`record` has its last state) or gone for good
    merged_into: str = ""  #: id of the record that it was merged into


@dataclass(frozen=True, slots=True)
class Association:
    """One associated record."""

    id: str
    types: tuple[tuple[str, int, str], ...]  #: (category, type id, label)

    def has_type(self, type_id: int, category: str = HUBSPOT_DEFINED) -> bool:
        """Tell whether the association is of a type."""
        return any((c, t) == (category, type_id) for c, t, _label in self.types)


@dataclass(frozen=True, slots=True)
class ChangePage:
    """One page of what changed: `(id, version)` pairs, and the cursor's text."""

    refs: tuple[tuple[str, str], ...]
    cursor: str
    done: bool  #: the pass is over; the cursor starts the next one


class HubSpotClient:
    """Calls to one HubSpot account.

    :param transport: access token, base URL, timeouts, rate callback.
    :param version: API version, see `paths.Paths`.
    """

    def __init__(
        self, transport: Transport, version: str = API_VERSION, clock: Callable[[], float] = time.monotonic,
    ):
        self._transport, self._paths, self._clock = transport, Paths(version), clock
        self._custom_types: tuple[float, list[dict[str, Any]]] | None = None
        self._user_emails: tuple[float, dict[str, str]] | None = None

    @classmethod
    def with_token(cls, base_url: str, token: str, version: str = API_VERSION, **options: Any) -> HubSpotClient:
        """Return a client for a service key or private-app token; options as `Transport`'s."""
        return cls(Transport(base_url, LastingToken(token), **options), version)

    @classmethod
    def with_oauth(
        cls, base_url: str, client_id: str, client_secret: str, store: TokenStore,
        version: str = API_VERSION, **options: Any,
    ) -> HubSpotClient:
        """Return a client for an OAuth app; renewed tokens go to `store`. Options as `Transport`'s."""
        session = options.setdefault("session", requests.Session())
        token = oauth_token(base_url, client_id, client_secret, store, version, session=session)
        return cls(Transport(base_url, token, **options), version)

    # -- account --------------------------------------------------------------

    def account(self) -> dict[str, Any]:
        """Return `{portalId, accountType, timeZone, companyCurrency, additionalCurrencies, uiDomain…}`."""
        return self._get(self._paths.account())

    def owners(self, archived: bool = False) -> Iterator[dict[str, Any]]:
        """Yield owners `{id, email, firstName, lastName, userId, archived…}`.

        :param archived: yield former ones instead; their `userId` is None.
        """
        yield from self._pages(self._paths.owners(), {"archived": _flag(archived), "limit": OWNERS_PAGE})

    def user_emails(self, user_ids: Iterable[str]) -> dict[str, str]:
        """Return `{user id: e-mail}` of those users of the account whom it tells of.

        All owners are read at once, former ones included, and kept for a quarter of an hour;
        for a user who is new to us they are read again, but not within a minute. An app
        without the scope `crm.objects.owners.read` is told of nobody.
        """
        wanted = set(user_ids)
        if not wanted:
            return {}
        known = self._user_emails
        age = self._clock() - known[0] if known else USERS_SECONDS
        if known is None or age >= USERS_SECONDS or (age >= NEW_USER_SECONDS and wanted - known[1].keys()):
            self._user_emails = known = (self._clock(), self._read_user_emails())
        return {user_id: known[1][user_id] for user_id in wanted & known[1].keys()}

    def _read_user_emails(self) -> dict[str, str]:
        try:
            owners = [*self.owners(archived=True), *self.owners()]
        except PolicyBlocked:
            # The app lacks the scope: that costs a name, not the records.
            return {}
        return {
            str(owner["userIdIncludingInactive"]): owner["email"]
            for owner in owners
            if owner.get("userIdIncludingInactive") and owner.get("email")
        }

    def tax_rates(self) -> list[dict[str, Any]]:
        """Return the tax-rate library: `{id, name, label, percentageRate: Decimal, active…}`."""
        rates = list(self._pages(self._paths.tax_rates(), {}))
        return [{**rate, "percentageRate": Decimal(rate["percentageRate"])} for rate in rates]

    def pipelines(self, object_name: str = "deals") -> list[dict[str, Any]]:
        """Return pipelines with their `stages` `{id, label, metadata: {isClosed, probability}}`."""
        return self._get(self._paths.pipelines(object_name))["results"]

    def won_stages(self, object_name: str = "deals") -> set[tuple[str, str]]:
        """Return `{(pipeline id, stage id)}` of won stages.

        Decided by a stage's nature (closed, probability one), never by id or label: custom
        pipelines number their stages.
        """
        return {
            (pipeline["id"], stage["id"])
            for pipeline in self.pipelines(object_name)
            for stage in pipeline["stages"]
            if is_won(stage)
        }

    # -- data model -------------------------------------------------------------

    def properties(self, object_name: str) -> list[dict[str, Any]]:
        """Return the property definitions `{name, label, type, fieldType, options…}`."""
        return self._get(self._paths.properties(object_name))["results"]

    def custom_types(self, *, fresh: bool = False) -> list[dict[str, Any]]:
        """Return the account's custom object types, kept for an hour.

        :param fresh: ask again, whatever is known.
        :return: `{objectTypeId, name, labels: {singular, plural}, primaryDisplayProperty,
            requiredProperties, properties…}`.
        """
        known = self._custom_types
        if fresh or known is None or self._clock() - known[0] > SCHEMA_SECONDS:
            found = self._get(self._paths.schemas())["results"]
            self._custom_types = known = (self._clock(), [one for one in found if not one.get("archived")])
        return known[1]

    def custom_type(self, object_name: str) -> dict[str, Any]:
        """Return a custom object type by its id, name or qualified name; {} when there is none."""
        for found in self.custom_types():
            if object_name in (found["objectTypeId"], found["name"], found.get("fullyQualifiedName")):
                return found
        return {}

    def ensure_properties(
        self, object_name: str, group: tuple[str, str], wanted: Iterable[dict[str, Any]]
    ) -> list[str]:
        """Create the properties that are missing, and options that enumerations lack.

        :param group: name and label of the property group, created when missing.
        :param wanted: definitions `{name, label, type, fieldType, description?, options?,
            hasUniqueValue?}`.
        :return: the names of what was created or changed; a second call returns none.
        :raises PolicyBlocked: an existing property has another type; names all of them.
        """
        existing = {entry["name"]: entry for entry in self.properties(object_name)}
        wanted = list(wanted)
        _check_types(object_name, existing, wanted)
        missing = [entry for entry in wanted if entry["name"] not in existing]
        if missing:
            self._ensure_group(object_name, *group)
            for entry in missing:
                self._create_property(object_name, {"groupName": group[0], **entry})
        grown = [entry for entry in wanted if entry["name"] in existing
                 and self._add_options(object_name, existing[entry["name"]], entry)]
        return [entry["name"] for entry in missing + grown]

    def _ensure_group(self, object_name: str, name: str, label: str) -> None:
        path = self._paths.properties(object_name, "groups")
        if name not in {group["name"] for group in self._get(path)["results"]}:
            self._created(path, {"name": name, "label": label})

    def _create_property(self, object_name: str, definition: dict[str, Any]) -> None:
        self._created(self._paths.properties(object_name), definition)

    def _created(self, path: str, body: dict[str, Any]) -> None:
        """Create a definition; another worker may have been faster, which is as good."""
        try:
            self._transport.call("POST", path, body)
        except Exists:
            return

    def _add_options(self, object_name: str, existing: dict[str, Any], wanted: dict[str, Any]) -> bool:
        """Add the enumeration options that a property lacks; keeps those of other people."""
        known = {option["value"] for option in existing.get("options") or ()}
        added = [option for option in wanted.get("options") or () if option["value"] not in known]
        if not added:
            return False
        path = self._paths.properties(object_name, existing["name"])
        self._transport.call("PATCH", path, {"options": [*existing["options"], *added]})
        return True

    # -- reading ----------------------------------------------------------------

    def read(  # pylint: disable=method-required-super
        self, object_name: str, ids: Iterable[str], properties: Iterable[str], *,
        id_property: str = "", archived: bool = False,
    ) -> dict[str, dict[str, Any]]:
        """Return records by id, 100 a call; ids that lead nowhere are missing from the result.

        All property values are texts or None. The answer is current: unlike searches,
        batch reads do not lag.

        :param id_property: read by a unique property; the result's keys are its values.
        :param archived: read the recycle bin instead.
        """
        path = self._paths.objects(object_name, "batch", "read")
        params = {"archived": _flag(archived)} if archived else None
        wanted, found = sorted(set(properties) | ({id_property} if id_property else set())), {}
        for chunk in chunks(dict.fromkeys(map(str, ids)), BATCH_LIMIT):
            body = {"inputs": [{"id": value} for value in chunk], "properties": wanted,
                    "propertiesWithHistory": []}
            if id_property:
                body["idProperty"] = id_property
            answer = self._transport.call("POST", path, body, params)
            self._check_read(answer)
            for record in map(changes.with_version, answer.body["results"]):
                found[record["properties"][id_property] if id_property else record["id"]] = record
        return found

    @staticmethod
    def _check_read(answer: Answer) -> None:
        """Let missing records pass; raise what else a 207 reports."""
        for entry in (answer.body.get("errors") or ()) if answer.partial else ():
            error = entry_error(entry)
            if not isinstance(error, RemoteGone):
                raise error

    def fetch(self, object_name: str, ids: Iterable[str], properties: Iterable[str]) -> list[Fetched]:
        """Return the state of every record that is asked for: live, archived, merged or gone.

        One batch call for each hundred ids; those that are not live cost a second batch call
        and a call each, because only a single read follows a merge.
        """
        ids, properties = list(dict.fromkeys(map(str, ids))), list(properties)
        live = self.read(object_name, ids, properties)
        missing = [record_id for record_id in ids if record_id not in live]
        bin_ = self.read(object_name, missing, properties, archived=True) if missing else {}
        found = []
        for record_id in ids:
            if record_id in live:
                found.append(Fetched(record_id, live[record_id]))
            else:
                found.append(self._elsewhere(object_name, record_id, properties, bin_.get(record_id)))
        return found

    def _elsewhere(
        self, object_name: str, record_id: str, properties: list[str], archived: dict[str, Any] | None
    ) -> Fetched:
        """Return what became of a record that is not live: merged records end up in the bin, too."""
        try:
            record = self.get(object_name, record_id, properties)
        except RemoteGone:
            return Fetched(record_id, archived or {}, archived=True)
        if record["id"] == record_id:
            return Fetched(record_id, record)  # came back between the calls
        return Fetched(record_id, record, merged_into=record["id"])

    def get(
        self, object_name: str, record_id: str, properties: Iterable[str] = (), *, id_property: str = ""
    ) -> dict[str, Any]:
        """Return one record; the id of a merged record leads to the surviving one.

        :raises RemoteGone: there is none, or it is archived.
        """
        params = {"properties": ",".join(sorted(set(properties)))}
        if id_property:
            params["idProperty"] = id_property
        return changes.with_version(self._get(self._paths.objects(object_name, record_id), params))

    def all_ids(self, object_name: str) -> Iterator[str]:
        """Yield the ids of all live records, 100 a call, in order of ids."""
        path = self._paths.objects(object_name)
        for record in self._pages(path, {"limit": LIST_LIMIT}):
            yield record["id"]

    # -- searching ----------------------------------------------------------------

    def search(self, object_name: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return one page of a search: `{total, results, paging?}`. It may lag behind writes."""
        return self._search(object_name, body).body

    def _search(self, object_name: str, body: dict[str, Any]) -> Answer:
        return self._transport.search(self._paths.objects(object_name, "search"), body)

    def changed(
        self, object_name: str, cursor: str = "", *, limit: int = SEARCH_PAGE_LIMIT,
        overlap_seconds: int = SEARCH_OVERLAP_SECONDS, where: Iterable[dict[str, Any]] = (),
    ) -> ChangePage:
        """Return one page of what changed since a cursor; see `changes` for how and why.

        :param cursor: text of the last page's cursor; empty lists everything.
        :param where: further filters of the search, all of which must hold.
        :raises ValueError: the cursor is none of ours.
        """
        position = changes.Cursor.parse(cursor)
        answer = self._search(object_name, changes.query(object_name, position, limit, where))
        now = datetime.now(timezone.utc).replace(tzinfo=None)
        position = position.begun(answer.server_time, now)
        records = answer.body["results"]
        refs = tuple((record["id"], changes.version_of(record)) for record in records)
        if len(records) < limit:
            return ChangePage(refs, str(position.finished(overlap_seconds)), True)
        return ChangePage(refs, str(position.advanced(records[-1]["id"])), False)

    # -- writing ----------------------------------------------------------------

    def create(  # pylint: disable=method-required-super
        self, object_name: str, properties: dict[str, Any], associations: Iterable[dict[str, Any]] = ()
    ) -> dict[str, Any]:
        """Create one record and return it.

        There is no idempotency key: a call whose answer was lost must not be repeated
        blindly; prefer `upsert` by a unique property.

        :param associations: see `association_input`.
        :raises Exists: a contact with the e-mail address exists; the error has its id.
        """
        body = {"properties": _texts(properties), "associations": list(associations)}
        return changes.with_version(self._transport.call("POST", self._paths.objects(object_name), body).body)

    def batch_create(self, object_name: str, items: Iterable[Item]) -> list[ItemResult]:
        """Create records; one result for each item. Not repeatable, as `create`."""
        return batches.write(list(items), self._sender(object_name, "create"), lambda item: {
            "properties": _texts(item.properties), "associations": list(item.associations)}, created=True)

    def update(self, object_name: str, items: Iterable[Item]) -> list[ItemResult]:
        """Update records by id; one result for each item. Repeating it does no harm.

        Ids of records that were merged away are unknown here (`RemoteGone`).
        """
        return batches.write(list(items), self._sender(object_name, "update"), lambda item: {
            "id": item.id, "properties": _texts(item.properties)}, created=False)

    def upsert(self, object_name: str, id_property: str, items: Iterable[Item]) -> list[ItemResult]:
        """Create or update by a unique property (or a contact's `email`); repeatable.

        :param items: `id` is the property's value.
        """
        return batches.write(list(items), self._sender(object_name, "upsert"), lambda item: {
            "id": item.id, "idProperty": id_property, "properties": _texts(item.properties)},
            id_property=id_property)

    def archive(self, object_name: str, ids: Iterable[str]) -> None:
        """Put records into the recycle bin; unknown ones are no error."""
        path = self._paths.objects(object_name, "batch", "archive")
        for chunk in chunks(ids, BATCH_LIMIT):
            self._transport.call("POST", path, {"inputs": [{"id": str(record_id)} for record_id in chunk]})

    def _sender(self, object_name: str, operation: str) -> Callable[[list[dict[str, Any]]], Answer]:
        path = self._paths.objects(object_name, "batch", operation)
        return lambda inputs: self._transport.call("POST", path, {"inputs": inputs})

    # -- associations -------------------------------------------------------------

    def associations(
        self, from_name: str, to_name: str, ids: Iterable[str]
    ) -> dict[str, list[Association]]:
        """Return the associated records of each id, 1,000 ids a call; every id is a key.

        Associations change without touching a record's last-modified date: whoever needs
        them current reads them anew.
        """
        path = self._paths.associations(from_name, to_name, "batch", "read")
        found: dict[str, list[Association]] = {str(record_id): [] for record_id in ids}
        pending = [{"id": record_id} for record_id in found]
        while pending:
            further: list[dict[str, Any]] = []
            for chunk in chunks(pending, ASSOCIATION_READ_LIMIT):
                answer = self._transport.call("POST", path, {"inputs": chunk})
                _check_associations(answer)
                further += _collect(answer.body["results"], found)
            pending = further
        return found

    def primary_companies(self, from_name: str, ids: Iterable[str]) -> dict[str, str]:
        """Return the id of the primary company of each contact or deal; empty when it has none."""
        primary = PRIMARY_TYPE_IDS[from_name, "companies"]
        return {
            record_id: next((entry.id for entry in entries if entry.has_type(primary)), "")
            for record_id, entries in self.associations(from_name, "companies", ids).items()
        }

    def associate(
        self, from_name: str, to_name: str, pairs: Iterable[tuple[str, str]], type_id: int | None = None
    ) -> None:
        """Associate pairs of ids; repeating it does no harm.

        :param type_id: one of HubSpot's own types; None takes the unlabelled default.
        :raises SyncError: the first refused pair; the others are associated.
        """
        operation = ("batch", "create") if type_id else ("batch", "associate", "default")
        path = self._paths.associations(from_name, to_name, *operation)
        extra = {"types": [{"associationCategory": HUBSPOT_DEFINED, "associationTypeId": type_id}]}
        for chunk in chunks(pairs, ASSOCIATION_WRITE_LIMIT):
            inputs = [{"from": {"id": str(a)}, "to": {"id": str(b)}, **(extra if type_id else {})}
                      for a, b in chunk]
            answer = self._transport.call("POST", path, {"inputs": inputs})
            for entry in (answer.body.get("errors") or ()) if answer.partial else ():
                raise entry_error(entry)

    # -- calls ----------------------------------------------------------------------

    def _get(self, path: str, params: dict[str, Any] | None = None) -> Any:
        return self._transport.call("GET", path, params=params).body

    def _pages(self, path: str, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the results of all pages of a list."""
        after = ""
        while True:
            body = self._get(path, {**params, **({"after": after} if after else {})})
            yield from body["results"]
            following = ((body.get("paging") or {}).get("next") or {}).get("after") or ""
            if not following:
                return
            if following == after:
                raise Bug("HubSpot's list does not get on: the same page follows itself.")
            after = following


def oauth_token(
    base_url: str, client_id: str, client_secret: str, store: TokenStore, version: str = API_VERSION,
    session: requests.Session | None = None, timeout: float = TIMEOUT,
) -> OAuthToken:
    """Return the source of an OAuth app's access tokens, e.g. to exchange a first code."""
    url = base_url.rstrip("/") + Paths(version).token()
    return OAuthToken(client_id, client_secret, store, token_request(session or requests.Session(), url, timeout))


def is_won(stage: dict[str, Any]) -> bool:
    """Tell whether a pipeline stage means won: closed, with probability one."""
    metadata = stage.get("metadata") or {}
    closed = str(metadata.get("isClosed", "")).lower() == "true"
    return closed and Decimal(str(metadata.get("probability") or 0)) == 1


def association_input(to_id: str, type_id: int, category: str = HUBSPOT_DEFINED) -> dict[str, Any]:
    """Return an entry of `associations` for a create."""
    return {"to": {"id": str(to_id)}, "types": [
        {"associationCategory": category, "associationTypeId": type_id}]}


def _texts(properties: dict[str, Any]) -> dict[str, str]:
    """Return values as HubSpot keeps them: text; None clears. Moments are naive UTC.

    :raises TypeError: floats, which cannot say what amount they mean.
    """
    return {name: _text(name, value) for name, value in properties.items()}


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return _flag(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (str, int)):
        return str(value)
    raise TypeError(f"{name}: {type(value).__name__} is no property value")


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _check_types(object_name: str, existing: dict[str, Any], wanted: list[dict[str, Any]]) -> None:
    problems = [
        f"{entry['name']}: {existing[entry['name']]['type']} instead of {entry['type']}"
        for entry in wanted
        if entry["name"] in existing and existing[entry["name"]]["type"] != entry["type"]
    ]
    if problems:
        raise PolicyBlocked(
            f"HubSpot has properties of another type on {object_name}: {'; '.join(problems)}.",
            hint="Rename or delete them in HubSpot, then connect again.", problems=problems)


def _check_associations(answer: Answer) -> None:
    """Let "has none" pass; raise what else a 207 reports."""
    for entry in (answer.body.get("errors") or ()) if answer.partial else ():
        if entry.get("subCategory") != _NO_ASSOCIATIONS:
            error = entry_error(entry)
            if not isinstance(error, RemoteGone):
                raise error


def _collect(results: list[dict[str, Any]], found: dict[str, list[Association]]) -> list[dict[str, Any]]:
    """File one answer's associations; return the inputs whose lists go on."""
    further = []
    for result in results:
        record_id = str(result["from"]["id"])
        found[record_id] += [
            Association(str(target["toObjectId"]), tuple(
                (kind["category"], int(kind["typeId"]), kind.get("label") or "")
                for kind in target["associationTypes"]))
            for target in result["to"]
        ]
        after = ((result.get("paging") or {}).get("next") or {}).get("after")
        if after:
            further.append({"id": record_id, "after": after})
    return further
