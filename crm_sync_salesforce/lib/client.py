"""Client of the Salesforce REST API, on top of simple-salesforce.

simple-salesforce speaks the API; what it lacks is added around it: addresses other
than https hosts, timeouts, exact numbers, one new login when a session has died, and
the suite's own errors, whose texts carry neither URLs nor record data.

A client is not shared between threads.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta, timezone
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import quote

import requests
import simple_salesforce
from odoo.addons.crm_sync_base.lib.clock import server_time
from odoo.addons.crm_sync_base.lib.errors import AuthFailed, SyncError, Transient
from odoo.addons.crm_sync_base.lib.meter import Meter
from simple_salesforce import exceptions as sdk

from . import soql, wire
from .auth import Credentials, Token
from .const import (
    API_VERSION,
    COLLECTION_SIZE,
    MIN_SKEW,
    OAUTH_EXPIRED,
    OVERLAP_SECONDS,
    PAGE_SIZE,
    READ_SIZE,
    TIMEOUT,
)
from .cursor import Cursor
from .ids import to18
from .remote_errors import from_body, from_code, from_oauth
from .transport import CheckUrl, Transport, Usage, unanswered

Record = dict[str, Any]
T = TypeVar("T")

#: descriptions of this age are asked for again
DESCRIBE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of one record of a collection call."""

    record_id: str | None = None
    created: bool = False
    error: SyncError | None = None

    @property
    def success(self) -> bool:
        """Whether the record was written."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class UpdatedPage:
    """One page of what changed; `cursor` is where to go on."""

    records: tuple[Record, ...]
    cursor: Cursor
    done: bool


@dataclass(frozen=True, slots=True)
class Organization:
    """The org at the other end."""

    organization_id: str
    name: str
    is_sandbox: bool
    username: str


class SalesforceClient:
    """One org, one integration user.

    :param login_url: where tokens come from: the My Domain address, or the login host.
    :param credentials: see `auth`.
    :param token: a token of an earlier client; asked for when absent or dead.
    :param on_token: called with each new token, to keep it.
    :param on_usage: called with (used, allocation) of the org's API calls.
    :param check_url: raises `PolicyBlocked` for addresses that may not be called.
    :param meter: is told of each call, and may refuse the next one.
    :param clock: returns seconds since the epoch.
    """

    def __init__(
        self, login_url: str, credentials: Credentials, *, version: str = API_VERSION,
        token: Token | None = None, on_token: Callable[[Token], None] | None = None,
        on_usage: Usage | None = None, check_url: CheckUrl | None = None, timeout: float = TIMEOUT,
        clock: Callable[[], float] = time.time, meter: Meter | None = None,
    ):
        self._meter = meter or Meter()
        self._login_url, self._credentials = login_url.rstrip("/"), credentials
        self._version, self._clock, self._on_token = version, clock, on_token
        self._transport = Transport(timeout=timeout, on_usage=on_usage, check_url=check_url)
        self._token = token
        self._ahead = 0.0  # seconds by which Salesforce's clock was ahead of ours at the last login
        self._api: simple_salesforce.Salesforce | None = None
        self._descriptions: dict[str, tuple[float, Record]] = {}

    # === Session ===#

    def login(self) -> Token:
        """Ask for a new token and use it from now on.

        :raises AuthFailed: the credentials are refused.
        """
        try:
            body = self._ask_for_token()
        except AuthFailed as error:
            if not error.fingerprint.endswith(OAUTH_EXPIRED) or abs(self._ahead) < MIN_SKEW:
                raise
            # Our clock is wrong: the assertion is dated by Salesforce's, once.
            body = self._ask_for_token(self._ahead)
        self._token = Token.from_reply(body)
        self._api = None
        if self._on_token is not None:
            self._on_token(self._token)
        return self._token

    def _ask_for_token(self, ahead: float = 0.0) -> Any:
        """Ask for a token, and look at Salesforce's clock.

        :param ahead: seconds by which it is ahead of ours.
        """
        self._meter.before()
        try:
            response = self._transport.post(
                f"{self._login_url}/services/oauth2/token", data=self._credentials.form(self._clock() + ahead))
        except Transient as error:
            raise self._noted(0, error)  # noqa: B904 (the very same error)
        self._look_at_clock(response.headers)
        body = _json(response)
        if response.status_code != 200:
            raise self._noted(response.status_code, from_oauth(response.status_code, body))
        self._meter.after(response.status_code)
        return body

    def _look_at_clock(self, headers: Mapping[str, str]) -> None:
        moment = server_time(headers)
        if moment is not None:
            self._ahead = moment.replace(tzinfo=timezone.utc).timestamp() - self._clock()
            self._meter.on_clock(self._ahead)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _connected(self) -> simple_salesforce.Salesforce:
        """Return the SDK's client on the present token."""
        if self._api is None:
            token = self._token or self.login()
            # The SDK derives https addresses from a host name; ours may have a path
            # or be on this machine, so the base address is set afterwards.
            self._api = simple_salesforce.Salesforce(
                session_id=token.access_token, instance_url="https://salesforce.invalid",
                version=self._version, session=self._transport, parse_float=Decimal,
                object_pairs_hook=None)  # plain dicts
            self._api.base_url = f"{token.instance_url}/services/data/v{self._version}/"
        return self._api

    def _call(self, method: str, path: str, **options: Any) -> Any:
        """Call a resource below the version; log in again once if the session died."""
        try:
            return self._once(method, path, options)
        except AuthFailed as error:
            if not error.fingerprint.endswith("INVALID_SESSION_ID"):
                raise
        self.login()
        return self._once(method, path, options)

    def _once(self, method: str, path: str, options: dict[str, Any]) -> Any:
        api = self._connected()
        self._meter.before()
        try:
            answer = api.restful(path, method=method, **options)
        except sdk.SalesforceError as error:
            failure = from_body(error.status, error.content, self._transport.last_headers)
            raise self._noted(error.status, failure) from None
        except requests.RequestException as error:
            # An answer that is no JSON, or less than half of one.
            raise self._noted(0, unanswered(error)) from None
        except Transient as error:
            raise self._noted(0, error)  # noqa: B904 (the very same error)
        self._meter.after(200)
        return answer

    def _noted(self, status: int, error: SyncError) -> SyncError:
        """Tell the meter how a call ended; returns the error."""
        self._meter.after(status, error)
        return error

    # === Org ===#

    def organization(self) -> Organization:
        """Say which org and user this is.

        :raises AuthFailed: the credentials are refused.
        """
        query = soql.select("Organization", ("Id", "Name", "IsSandbox"), limit=1)
        record = next(self.query_all(query))
        return Organization(
            to18(record["Id"]), record["Name"], bool(record["IsSandbox"]), self._username())

    def _username(self) -> str:
        """Return the integration user's name; needs the ``id`` or ``openid`` scope."""
        assert self._token is not None
        url = f"{self._token.instance_url}/services/oauth2/userinfo"
        response = self._transport.get(
            url, headers={"Authorization": f"Bearer {self._token.access_token}"})
        body = _json(response) if response.status_code == 200 else {}
        return str(body.get("preferred_username") or "") if isinstance(body, dict) else ""

    def limits(self) -> Record:
        """Return the org's limits, ``{"DailyApiRequests": {"Max": …, "Remaining": …}, …}``."""
        return self._call("GET", "limits")

    def describe(self, object_name: str, *, fresh: bool = False) -> Record:
        """Return the description of an object, kept for an hour.

        :param fresh: ask again, whatever is known.
        """
        known = None if fresh else self._descriptions.get(object_name)
        if known is not None and self._clock() - known[0] < DESCRIBE_SECONDS:
            return known[1]
        found = self._call("GET", f"sobjects/{soql.name(object_name)}/describe")
        self._descriptions[object_name] = (self._clock(), found)
        return found

    def describe_global(self) -> list[Record]:
        """Return the short descriptions of all objects."""
        return self._call("GET", "sobjects")["sobjects"]

    def existing_paths(self, object_name: str, paths: Iterable[str]) -> list[str]:
        """Return those paths that this org and user have.

        Fields differ by org: multi-currency, state picklists, custom fields, field-level
        security. One that is missing would make the whole query fail.
        """
        return [path for path in paths if self._exists(object_name, path.split("."))]

    def _exists(self, object_name: str, parts: Sequence[str]) -> bool:
        fields = self.describe(object_name)["fields"]
        if len(parts) == 1:
            return any(field["name"] == parts[0] for field in fields)
        for field in fields:
            if field["relationshipName"] == parts[0]:
                return any(self._exists(target, parts[1:]) for target in field["referenceTo"])
        return False

    def child_object(self, object_name: str, relationship: str) -> str | None:
        """Return the object behind a child relationship, or None."""
        for child in self.describe(object_name)["childRelationships"]:
            if child["relationshipName"] == relationship:
                return child["childSObject"]
        return None

    # === Reading ===#

    def query_all(self, query: str, *, include_deleted: bool = False) -> Iterator[Record]:
        """Yield every record of a query, page by page.

        Child results come complete, as plain lists.

        :raises Transient: a cursor expired on the way: start again.
        """
        resource = "queryAll" if include_deleted else "query"
        options = {"headers": {"Sforce-Query-Options": f"batchSize={PAGE_SIZE}"}}
        page = self._call("GET", resource, params={"q": query}, **options)
        complete = self._with_children if "(SELECT " in query else None
        while True:
            yield from map(complete, page["records"]) if complete else page["records"]
            if page["done"]:
                return
            page = self._call("GET", self._relative(page["nextRecordsUrl"]), **options)

    def count(self, object_name: str, where: str = "") -> int:
        """Return how many live records meet a condition made with `soql`."""
        query = f"SELECT COUNT() FROM {soql.name(object_name)}" + (f" WHERE {where}" if where else "")
        return int(self._call("GET", "query", params={"q": query})["totalSize"])

    def _relative(self, url: str) -> str:
        """Return the part of a ``nextRecordsUrl`` that follows the version."""
        _root, marker, rest = url.partition("/query/")
        if not marker:
            raise Transient("Salesforce's answer names no next page")
        return f"query/{quote(rest, safe='-')}"

    def _with_children(self, record: Record) -> Record:
        for key, value in record.items():
            if isinstance(value, dict) and "records" in value and "done" in value:
                record[key] = self._all_children(value)
        return record

    def _all_children(self, result: Record) -> list[Record]:
        rows = list(result["records"])
        while not result["done"]:
            result = self._call("GET", self._relative(result["nextRecordsUrl"]))
            rows.extend(result["records"])
        return rows

    def read_many(
        self, object_name: str, record_ids: Iterable[str], fields: Sequence[str], *,
        children: dict[str, Sequence[str]] | None = None, include_deleted: bool = True,
    ) -> dict[str, Record]:
        """Return records by 18-character id; ids that do not exist are absent.

        :param record_ids: 15 or 18 characters.
        :param children: child relationship → fields of its records.
        :param include_deleted: also from the recycle bin, marked ``IsDeleted``.
        """
        wanted = list(dict.fromkeys(to18(record_id) for record_id in record_ids))
        listed = [*dict.fromkeys(["Id", *fields])]
        listed += [soql.children(name, columns, order=("Id",)) for name, columns in (children or {}).items()]
        found = self._read_by(object_name, "Id", wanted, listed, include_deleted)
        return {to18(record["Id"]): record for record in found}

    def read_related(
        self, object_name: str, reference: str, parent_ids: Iterable[str], fields: Sequence[str],
    ) -> dict[str, list[Record]]:
        """Return the live records that refer to parents, by the parent's 18-character id."""
        parents = list(dict.fromkeys(to18(parent_id) for parent_id in parent_ids))
        listed = [*dict.fromkeys(["Id", reference, *fields])]
        grouped: dict[str, list[Record]] = {parent: [] for parent in parents}
        for record in self._read_by(object_name, reference, parents, listed, False):
            grouped[to18(record[reference])].append(record)
        return grouped

    def _read_by(
        self, object_name: str, field: str, values: Sequence[str], fields: Sequence[str],
        include_deleted: bool,
    ) -> Iterator[Record]:
        frame = soql.select(object_name, fields, where=soql.contained(field, [""]), order=("Id",))
        room = max(500, soql.MAX_ENCODED - soql.encoded_length(frame))
        for chunk in soql.chunks(values, room, READ_SIZE):
            query = soql.select(object_name, fields, where=soql.contained(field, chunk), order=("Id",))
            yield from self.query_all(query, include_deleted=include_deleted)

    # === Changes ===#

    def updated_page(
        self, object_name: str, cursor: Cursor, *, fields: Sequence[str] = (),
        overlap: timedelta = timedelta(seconds=OVERLAP_SECONDS), page_size: int = PAGE_SIZE,
        include_deleted: bool = True, where: str = "",
    ) -> UpdatedPage:
        """Return one page of the records that changed since a cursor, oldest first.

        Key-set paging on (SystemModstamp, Id): no record is skipped or repeated within a
        pass, however many share an instant, and the position survives any interruption.

        :param overlap: how far a new pass goes back before the end of the last one.
        :param where: a further condition.
        """
        start = cursor.start(overlap)
        listed = [*dict.fromkeys(["Id", "SystemModstamp", *fields])]
        condition = soql.after(start.moment, start.last_id) if start.moment else ""
        query = soql.select(
            object_name, listed, where=soql.all_of(where, condition),
            order=("SystemModstamp", "Id"), limit=page_size)
        records = tuple(self.query_all(query, include_deleted=include_deleted))
        done = len(records) < page_size
        return UpdatedPage(records, _behind(records, cursor, done), done)

    def updated_since(self, object_name: str, cursor: Cursor, **options: Any) -> Iterator[UpdatedPage]:
        """Yield the pages of one pass; options as for `updated_page`."""
        while True:
            page = self.updated_page(object_name, cursor, **options)
            yield page
            if page.done:
                return
            cursor = page.cursor

    # === Writing ===#

    def create_many(
        self, object_name: str, rows: Sequence[Record], *, allow_duplicates: bool = False,
    ) -> list[RowResult]:
        """Insert records; one result for each, in order."""
        return self._collect(
            "POST", "composite/sobjects", object_name, rows, created=True, allow_duplicates=allow_duplicates)

    def update_many(self, object_name: str, rows: Sequence[Record]) -> list[RowResult]:
        """Change records; each names its ``Id``. One result for each, in order."""
        return self._collect("PATCH", "composite/sobjects", object_name, rows)

    def upsert_many(
        self, object_name: str, external_field: str, rows: Sequence[Record], *, allow_duplicates: bool = False,
    ) -> list[RowResult]:
        """Insert or change records by an external-id field that each row names.

        Safe to repeat after a lost answer: the second call finds what the first wrote.
        """
        path = f"composite/sobjects/{soql.name(object_name)}/{soql.name(external_field)}"
        return self._collect("PATCH", path, object_name, rows, allow_duplicates=allow_duplicates)

    def _collect(
        self, method: str, path: str, object_name: str, rows: Sequence[Record], *,
        created: bool = False, allow_duplicates: bool = False,
    ) -> list[RowResult]:
        """Write in calls of 200, each record for itself."""
        headers = {"Sforce-Duplicate-Rule-Header": "allowSave=true"} if allow_duplicates else {}
        results: list[RowResult] = []
        for start in range(0, len(rows), COLLECTION_SIZE):
            records = [{"attributes": {"type": object_name}, **row} for row in rows[start:start + COLLECTION_SIZE]]
            body = wire.dumps({"allOrNone": False, "records": records})
            answer = self._call(method, path, data=body, headers=headers)
            if not isinstance(answer, list) or len(answer) != len(records):
                raise Transient("Salesforce's answer does not have a result for each record")
            results.extend(_row_result(row, created) for row in answer)
        return results


def _row_result(row: Record, created: bool) -> RowResult:
    if row.get("success"):
        return RowResult(to18(row["id"]), bool(row.get("created", created)))
    first = (row.get("errors") or [{}])[0]
    return RowResult(row.get("id"), error=from_code(
        str(first.get("statusCode") or "UNKNOWN_EXCEPTION"), message=str(first.get("message") or ""),
        fields=first.get("fields") or ()))


def _behind(records: Sequence[Record], cursor: Cursor, done: bool) -> Cursor:
    """Return the position behind a page."""
    if not records:
        # The end of a pass; without its record id, the next pass overlaps.
        return Cursor(cursor.moment)
    last = records[-1]
    moment = wire.parse_moment(last["SystemModstamp"])
    if done and cursor.moment is not None:
        moment = max(moment, cursor.moment)
    return Cursor(moment, None if done else to18(last["Id"]))


def _json(response: requests.Response) -> Any:
    with contextlib.suppress(ValueError):
        return response.json()
    return {}
