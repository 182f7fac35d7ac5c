"""The REST API under ``/services/data``: dispatch, and the resources on single objects.

A resource takes a ``Call`` and returns a ``Reply``, so that composite requests run
through the same code as direct ones.
"""

import json
import re
from datetime import timedelta
from decimal import Decimal
from email.utils import format_datetime, parsedate_to_datetime
from urllib.parse import unquote

import orjson
from aiohttp import web

from . import ids
from .composite import Composite
from .describe import describe_global, describe_object
from .errors import SalesforceError, invalid_field, not_found
from .org import kind
from .records import MultipleChoices
from .resource import Call, Reply
from .sobject_collections import Collections
from .values import parse_datetime, show, stamp

OLDEST, NEWEST, RETIRED = 31, 68, 30
MAX_URI = 16384
_RESOURCES = (
    "composite", "limits", "query", "queryAll", "sobjects")


class Rest:
    """Dispatch over all resources."""

    def __init__(self, org):
        self.org = org
        self.resources = []
        for part in (self, Composite(org, self), Collections(org)):
            self.resources += [(m, re.compile(p), f) for m, p, f in part.table()]

    def table(self):
        """Return ``[(method, path pattern, resource)]``; the pattern's groups are arguments."""
        name = r"sobjects/(\w+)"
        return [
            ("GET", r"", self.versions_resources), ("GET", r"limits", self.limits),
            ("GET", r"limits/recordCount", self.record_count),
            ("GET", r"query(All)?", self.query), ("GET", r"query(All)?/([^/]+)", self.query_more),
            ("GET", r"sobjects", self.describe_global), ("GET", name, self.object_info),
            ("POST", name, self.create), ("GET", name + r"/describe", self.describe),
            ("GET", name + r"/(updated|deleted)", self.replication),
            ("GET", name + r"/([^/]+)", self.retrieve),
            ("PATCH", name + r"/([^/]+)", self.update),
            ("DELETE", name + r"/([^/]+)", self.delete),
            ("GET", name + r"/(\w+)/([^/]+)", self.retrieve_by),
            ("PATCH", name + r"/(\w+)/([^/]+)", self.upsert),
            ("DELETE", name + r"/(\w+)/([^/]+)", self.delete_by)]

    def call(self, call):
        """Run one call; errors become replies."""
        try:
            return self._dispatch(call)
        except MultipleChoices as many:
            return Reply(300, [
                f"{call.base}/sobjects/{many.sobject.name}/{record_id}"
                for record_id in many.record_ids])
        except SalesforceError as error:
            return Reply(error.status, error.body())
        finally:
            self.org.records.count_spent()

    def _dispatch(self, call):
        path = call.path.strip("/")
        allowed = []
        for method, pattern, resource in self.resources:
            match = pattern.fullmatch(path)
            if match and method == call.method:
                return resource(call, *(unquote(group) if group else group
                                        for group in match.groups()))
            if match:
                allowed.append(method)
        if allowed:
            raise SalesforceError(
                405, "METHOD_NOT_ALLOWED",
                f"HTTP Method '{call.method}' not allowed. Allowed are {','.join(allowed)}")
        raise not_found()

    # -- whole org ----------------------------------------------------------

    def versions_resources(self, call):
        """List the resources of a version."""
        who = f"{call.instance_url}/id/{self.org.organization['Id']}/{call.user_id}"
        return Reply(body={**{name: f"{call.base}/{name}" for name in _RESOURCES}, "identity": who})

    def limits(self, call):
        """Return the org's limits."""
        return Reply(body=self.org.usage.limits())

    def record_count(self, call):
        """Return approximate counts; objects without records are left out (recorded)."""
        names = call.query.get("sObjects", "")
        wanted = [name for name in names.split(",") if name] or list(self.org.schema.objects)
        counts = [{"count": len(self.org.scan(name)), "name": name}
                  for name in wanted if self.org.schema.get(name)]
        return Reply(body={"sObjects": [entry for entry in counts if entry["count"]]})

    def query(self, call, all_rows):
        """Run SOQL."""
        if "q" not in call.query:
            raise SalesforceError(400, "MALFORMED_QUERY", "unexpected token: <EOF>")
        match = re.search(r"batchSize\s*=\s*(\d+)", call.headers.get("Sforce-Query-Options", ""))
        return Reply(body=self.org.queries.run(
            call.query["q"], call.user_id, call.version,
            int(match[1]) if match else 2000, all_rows == "All"))

    def query_more(self, call, all_rows, locator):
        """Return a further page."""
        return Reply(body=self.org.queries.more(locator, call.user_id, call.version))

    # -- objects ------------------------------------------------------------

    def sobject(self, name):
        """Return an object type of a URL.

        :raises SalesforceError: NOT_FOUND.
        """
        found = self.org.schema.get(name)
        if found is None:
            raise not_found()
        return found

    def describe_global(self, call):
        """Describe all objects in short."""
        return Reply(body=describe_global(self.org.schema, call.base))

    def object_info(self, call, name):
        """Describe one object in short, with recent items (none here)."""
        sobject = self.sobject(name)
        all_objects = describe_global(self.org.schema, call.base)["sobjects"]
        short = next(entry for entry in all_objects if entry["name"] == sobject.name)
        return Reply(body={"objectDescribe": short, "recentItems": []})

    def describe(self, call, name):
        """Describe an object in full; 304 when nothing changed since If-Modified-Since."""
        sobject = self.org.schema.as_of(self.sobject(name), call.version)
        changed = self.org.organization["SystemModstamp"]
        moment = parse_datetime(changed)
        since = _http_date(call.headers.get("If-Modified-Since"))
        headers = {"Last-Modified": format_datetime(moment, usegmt=True)}
        if since is not None and moment <= since:
            return Reply(304, headers=headers)
        return Reply(body=describe_object(
            self.org.schema, sobject, call.base, self.org.picklist, call.instance_url),
            headers=headers)

    def replication(self, call, name, which):
        """List ids of records updated or deleted within a window (whole minutes)."""
        sobject = self.sobject(name)
        start, end = (parse_datetime(call.query.get(key, "").replace(" ", "+"))
                      for key in ("start", "end"))
        if start is None or end is None:
            raise SalesforceError(400, "INVALID_REPLICATION_DATE", "start and end are required")
        start, end = start.replace(second=0), end.replace(second=0)
        if end - start < timedelta(minutes=1):
            raise SalesforceError(
                400, "INVALID_REPLICATION_DATE",
                "startDate must differ from endDate by more than a minute")
        days = 30 if which == "updated" else 15
        if start < self.org.clock.now() - timedelta(days=days):
            raise SalesforceError(
                400, "INVALID_REPLICATION_DATE",
                f"startDate before org replication enabled date ({days} days)")
        found = self.org.store.range(
            kind(sobject.name), "SystemModstamp", low=stamp(start), high=stamp(end))
        if which == "updated":
            return Reply(body={"ids": [doc["Id"] for doc in found if not doc.get("IsDeleted")],
                               "latestDateCovered": stamp(end)})
        return Reply(body={
            "deletedRecords": [{"id": doc["Id"], "deletedDate": doc["SystemModstamp"]}
                               for doc in found if doc.get("IsDeleted")],
            "earliestDateAvailable": stamp(self.org.clock.now() - timedelta(days=15)),
            "latestDateCovered": stamp(end)})

    # -- records ------------------------------------------------------------

    def create(self, call, name):
        """Insert a record."""
        record_id = self.org.records.create(
            self.sobject(name), _object(call.body), call.user_id)
        return Reply(201, {"id": record_id, "success": True, "errors": []}, {
            "Location": f"{call.base}/sobjects/{name}/{record_id}"})

    def retrieve(self, call, name, record_id):
        """Return a record, all fields or those of ``?fields=``."""
        sobject = self.sobject(name)
        found = ids.normalise(record_id)
        if found is None or not found.startswith(sobject.prefix):
            raise not_found(
                f"Provided external ID field does not exist or is not accessible: {record_id}")
        return Reply(body=self.shown(call, sobject, self.org.records.existing(sobject, found)))

    def shown(self, call, sobject, record):
        """Return a record as JSON object."""
        names = call.query.get("fields")
        fields = (self.named_fields(sobject, names.split(",")) if names
                  else sobject.fields.values())
        url = f"{call.base}/sobjects/{sobject.name}/{record['Id']}"
        return {"attributes": {"type": sobject.name, "url": url},
                **{field.name: show(field, record) for field in fields}}

    def named_fields(self, sobject, names):
        """Return fields by name.

        :raises SalesforceError: INVALID_FIELD.
        """
        fields = [sobject.field(name.strip()) for name in names]
        for name, field in zip(names, fields, strict=True):
            if field is None:
                raise invalid_field(f"No such column '{name}' on entity '{sobject.name}'")
        return fields

    def update(self, call, name, record_id):
        """Change a record, unless it was modified after If-Unmodified-Since."""
        sobject = self.sobject(name)
        self._check_unmodified(call, self.org.records.existing(sobject, record_id))
        self.org.records.update(sobject, record_id, _object(call.body), call.user_id)
        return Reply(204)

    def _check_unmodified(self, call, record):
        since = _http_date(call.headers.get("If-Unmodified-Since"))
        if since is not None and parse_datetime(record["LastModifiedDate"]) > since:
            raise SalesforceError(
                412, "PRECONDITION_FAILED", "The record was modified after the given time")

    def delete(self, call, name, record_id):
        """Put a record into the recycle bin."""
        self.org.records.delete(self.sobject(name), record_id, call.user_id)
        return Reply(204)

    # -- by external id -----------------------------------------------------

    def external_field(self, sobject, name):
        """Return an external-id field of a URL.

        :raises SalesforceError: NOT_FOUND.
        """
        field = sobject.field(name)
        if field is None or not (field.external_id or field.id_lookup):
            raise not_found("Provided external ID field does not exist or is not accessible: " + name)
        return field

    def _one_by(self, sobject, field_name, value):
        field = self.external_field(sobject, field_name)
        if field.name == "Id":
            return self.org.records.existing(sobject, value)
        matches = self.org.by_external(sobject.name, field.name, value)
        if not matches:
            raise not_found()
        if len(matches) > 1:
            raise MultipleChoices(sobject, matches)
        return matches[0]

    def retrieve_by(self, call, name, field_name, value):
        """Return a record by external id."""
        sobject = self.sobject(name)
        return Reply(body=self.shown(call, sobject, self._one_by(sobject, field_name, value)))

    def upsert(self, call, name, field_name, value):
        """Insert or update by external id: 201 or 200, 300 when not unique."""
        sobject = self.sobject(name)
        field = self.external_field(sobject, field_name)
        update_only = call.query.get("updateOnly", "").lower() == "true"
        record_id, created = self.org.records.upsert(
            sobject, field, value, _object(call.body), call.user_id, update_only)
        body = {"id": record_id, "success": True, "errors": [], "created": created}
        if float(call.version) < 46 and not created:
            return Reply(204)
        return Reply(201 if created else 200, body)

    def delete_by(self, call, name, field_name, value):
        """Delete a record by external id."""
        sobject = self.sobject(name)
        record = self._one_by(sobject, field_name, value)
        self.org.records.delete(sobject, record["Id"], call.user_id)
        return Reply(204)


def _object(body):
    if not isinstance(body, dict):
        raise SalesforceError(400, "JSON_PARSER_ERROR", "The request body is not a JSON object")
    return body


def _http_date(text):
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None


# -- HTTP -------------------------------------------------------------------


def parse_version(segment):
    """Return ``67.0`` of a path segment ``v67.0``.

    :raises SalesforceError: 410 for a retired version, 404 for an unknown one.
    """
    match = re.fullmatch(r"v(\d+)\.0", segment)
    number = int(match[1]) if match else 0
    if OLDEST <= number <= NEWEST:
        return f"{number}.0"
    if 0 < number <= RETIRED:
        raise SalesforceError(
            410, "GONE", f"API version {number}.0 is retired. Use version {OLDEST}.0 or later.")
    raise not_found()


class Endpoint:
    """The HTTP side of the REST API."""

    def __init__(self, ctx, org):
        self.ctx, self.org, self.rest = ctx, org, Rest(org)

    async def versions(self, request):
        """List the API versions; needs no token."""
        return json_response([
            {"label": f"API {n}.0", "url": f"/services/data/v{n}.0", "version": f"{n}.0"}
            for n in range(OLDEST, NEWEST + 1)])

    async def data(self, request):
        """Answer any call below ``/services/data/vXX.0``."""
        raw = await request.read()
        if len(request.raw_path) > MAX_URI:
            return web.Response(status=414, text="URI Too Long")
        try:
            version = parse_version(request.match_info["version"])
            user_id = self.org.sessions.check(request)
            self.org.usage.count()
            reply = self.rest.call(self._call(request, raw, user_id, version))
        except SalesforceError as error:
            reply = Reply(error.status, error.body())
        if request.get("auth_ok"):
            reply.headers["Sforce-Limit-Info"] = self.org.usage.header()
        return json_response(reply.body, reply.status, reply.headers)

    def _call(self, request, raw, user_id, version):
        body = None
        if raw:
            try:
                body = json.loads(raw, parse_float=Decimal)
            except ValueError as error:
                raise SalesforceError(400, "JSON_PARSER_ERROR", f"Unexpected content: {error}") from error
        path = request.raw_path.split("?")[0].split("/services/data/", 1)[1].partition("/")[2]
        return Call(
            request.method, path, dict(request.query), request.headers, body, user_id, version,
            self.ctx.base_url(request, "salesforce"))


def json_response(body, status=200, headers=None):
    """Return a response as the vendor sends it; no body for None."""
    if body is None:
        return web.Response(status=status, headers=headers)
    return web.Response(
        status=status, headers=headers, body=orjson.dumps(body),
        content_type="application/json", charset="UTF-8")
