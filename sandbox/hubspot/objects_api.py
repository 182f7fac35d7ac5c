"""Endpoints of records: single, list, batch, search, merge."""

from aiohttp import web

from ..clock import iso
from .api import endpoint, object_scopes
from .const import BATCH_LIMIT, LIST_LIMIT
from .errors import ApiError, bad_request, not_found

#: Paths of the two families: dated and legacy.
BASES = ("/crm/objects/{version:\\d{4}-\\d{2}}", "/crm/{version:v3}/objects")


class ObjectsApi:
    """Handlers ``call -> (status, body)``."""

    def __init__(self, portal):
        self.portal, self.records = portal, portal.records

    def routes(self):
        """Return the routes under every base path."""
        read, write = object_scopes("read"), object_scopes("write")
        table = [
            ("GET", "/{type}", self.list, read, False),
            ("POST", "/{type}", self.create, write, False),
            ("POST", "/{type}/search", self.search, read, True),
            ("POST", "/{type}/merge", self.merge, write, False),
            ("POST", "/{type}/gdpr-delete", self.purge, write, False),
            ("POST", "/{type}/batch/read", self.batch_read, read, False),
            ("POST", "/{type}/batch/create", self.batch_create, write, False),
            ("POST", "/{type}/batch/update", self.batch_update, write, False),
            ("POST", "/{type}/batch/upsert", self.batch_upsert, write, False),
            ("POST", "/{type}/batch/archive", self.batch_archive, write, False),
            ("GET", "/{type}/{id}", self.get, read, False),
            ("PATCH", "/{type}/{id}", self.update, write, False),
            ("DELETE", "/{type}/{id}", self.archive, write, False),
        ]
        return [
            web.route(method, base + path, endpoint(self.portal, function, scopes, search))
            for base in BASES for method, path, function, scopes, search in table
        ]

    def _type(self, call):
        return self.portal.schema.type(call.match["type"])

    # -- single -------------------------------------------------------------

    def list(self, call):
        """Return a page of records in order of ids."""
        object_type, limit = self._type(call), call.limit(LIST_LIMIT)
        try:
            after = int(call.query.get("after") or 0)
        except ValueError:
            raise bad_request("after is not a valid paging token.") from None
        docs, more = self.records.page(object_type, after, limit, call.flag("archived"))
        body = {"results": [self._with_associations(object_type, doc, call) for doc in docs]}
        if more:
            last = docs[-1]["id"]
            body["paging"] = {"next": {"after": last, "link": f"?after={last}"}}
        return 200, body

    def get(self, call):
        """Return one record."""
        object_type = self._type(call)
        doc = self.records.required(
            object_type, call.match["id"], call.query.get("idProperty"), call.flag("archived"))
        return 200, self._with_associations(object_type, doc, call)

    def _with_associations(self, object_type, doc, call):
        answer = self.records.view(object_type, doc, call.names("properties") or None)
        found = {}
        for alias in call.names("associations"):
            target = self.portal.schema.type(alias)
            entries = self.portal.associations.entries(object_type.id, doc["id"], target.id)
            if entries:
                # Legacy habit of the API: the key of line items has a blank.
                found[target.name.replace("_", " ")] = {
                    "results": _association_results(object_type, target, entries)}
        if found:
            answer["associations"] = found
        return answer

    def create(self, call):
        """Create a record."""
        object_type, body = self._type(call), call.json()
        doc = self.records.create(
            object_type, body.get("properties"), call.source, body.get("associations") or ())
        return 201, self.records.view(object_type, doc, "*")

    def update(self, call):
        """Change a record."""
        object_type, body = self._type(call), call.json()
        properties = body.get("properties")
        doc = self.records.update(
            object_type, call.match["id"], properties, call.source, call.query.get("idProperty"))
        return 200, self.records.view(object_type, doc, list(properties))

    def archive(self, call):
        """Put a record into the recycle bin."""
        self.records.archive(self._type(call), call.match["id"], call.source)
        return 204, None

    def merge(self, call):
        """Merge two records."""
        object_type, body = self._type(call), call.json()
        doc = self.records.merge(
            object_type, str(body.get("primaryObjectId")), str(body.get("objectIdToMerge")), call.source)
        return 200, self.records.view(object_type, doc, "*")

    def purge(self, call):
        """Delete a contact for good."""
        if self._type(call).name != "contacts":
            raise not_found()
        body = call.json()
        self.records.purge_contact(str(body.get("objectId")), body.get("idProperty"), call.source)
        return 204, None

    def search(self, call):
        """Search records."""
        return 200, self.portal.search.run(self._type(call), call.json(), len(call.text))

    # -- batches ------------------------------------------------------------

    def batch_read(self, call):
        """Return many records; ids that lead nowhere make a 207."""
        object_type, body = self._type(call), call.json()
        id_property, archived = body.get("idProperty"), call.flag("archived")
        found, missing = {}, []
        for entry in call.inputs(BATCH_LIMIT):
            doc = self.records.find(
                object_type, str(entry.get("id")), id_property, archived, follow_merge=False)
            if doc is None:
                missing.append(str(entry.get("id")))
            else:
                found[doc["id"]] = doc
        results = [self.records.view(object_type, doc, body.get("properties") or None)
                   for doc in found.values()]
        errors = []
        if missing:
            errors.append(_missing_objects(object_type, missing).batch_entry())
        return self._answer(200, results, errors)

    def batch_create(self, call):
        """Create many records."""
        object_type = self._type(call)

        def one(entry):
            doc = self.records.create(
                object_type, entry.get("properties"), call.source, entry.get("associations") or ())
            return self.records.view(object_type, doc, "*")
        return self._each(call, 201, one)

    def batch_update(self, call):
        """Change many records; ids of merged records are unknown here."""
        object_type = self._type(call)
        self._refuse_duplicates(call)

        def one(entry):
            record_id, properties = str(entry.get("id")), entry.get("properties")
            if self.records.find(
                    object_type, record_id, entry.get("idProperty"), follow_merge=False) is None:
                raise _missing_objects(object_type, [record_id])
            doc = self.records.update(
                object_type, record_id, properties, call.source, entry.get("idProperty"),
                follow_merge=False)
            return self.records.view(object_type, doc, list(properties))
        return self._each(call, 200, one)

    def batch_upsert(self, call):
        """Create or change many records by e-mail or a unique property."""
        object_type, inputs = self._type(call), call.inputs(BATCH_LIMIT)
        id_properties = {entry.get("idProperty") for entry in inputs}
        if len(id_properties) > 1 or None in id_properties:
            raise bad_request("Every input must have the same idProperty.")
        if inputs:
            self.records.find(object_type, "", inputs[0]["idProperty"])  # refuses what is not unique
        self._refuse_duplicates(call)

        def one(entry):
            return self._upsert(object_type, entry, call.source)
        # By e-mail HubSpot does not do partial upserts: one bad input fails the batch.
        return self._each(call, 200, one, partial=id_properties != {"email"})

    def _upsert(self, object_type, entry, source):
        id_property, value = entry["idProperty"], str(entry.get("id"))
        properties = entry.get("properties")
        doc = self.records.find(object_type, value, id_property)
        new = doc is None
        if new:
            doc = self.records.create(object_type, {**properties, id_property: value}, source)
        else:
            doc = self.records.update(object_type, doc["id"], properties, source)
        return {**self.records.view(object_type, doc, "*"), "new": new}

    def batch_archive(self, call):
        """Archive many records."""
        object_type = self._type(call)
        for entry in call.inputs(BATCH_LIMIT):
            self.records.archive(object_type, str(entry.get("id")), call.source)
        return 204, None

    @staticmethod
    def _refuse_duplicates(call):
        ids = [str(entry.get("id")) for entry in call.inputs(BATCH_LIMIT)]
        twice = sorted({record_id for record_id in ids if ids.count(record_id) > 1})
        if twice:
            raise bad_request(
                f"Duplicate IDs found in batch input: {twice}. Each id may occur only once.",
                context={"ids": twice})

    def _each(self, call, status, one, partial=True):
        """Run a batch.

        With a unique ``objectWriteTraceId`` on every input the good inputs are written and
        the bad ones reported (207); without, the first bad input fails the whole batch.
        """
        inputs = call.inputs(BATCH_LIMIT)
        traces = [entry.get("objectWriteTraceId") for entry in inputs]
        if not partial or None in traces or len(set(traces)) != len(traces):
            with self.portal.store.atomic():
                return self._answer(status, [one(entry) for entry in inputs], [])
        results, errors = [], []
        for entry, trace in zip(inputs, traces, strict=True):
            try:
                results.append({**one(entry), "objectWriteTraceId": trace})
            except ApiError as error:
                errors.append(error.batch_entry(trace))
        # The order of results is not promised; turning it round keeps clients honest.
        return self._answer(status, results[::-1], errors)

    def _answer(self, status, results, errors):
        now = iso(self.portal.clock.now())
        body = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
        if not errors:
            return status, body
        return 207, {**body, "numErrors": len(errors), "errors": errors}


def _missing_objects(object_type, ids):
    return ApiError(
        404, "OBJECT_NOT_FOUND",
        f"Could not get some {object_type.label} objects, they may be deleted or not exist."
        " Check that ids are valid.", context={"ids": ids})


def _association_results(object_type, target, entries):
    """Return ``[{id, type}]`` of a record's associations, one entry per type as HubSpot does."""
    base = f"{object_type.singular}_to_{target.singular}"
    results = []
    for doc in entries:
        names = [base] if len(doc["types"]) == 1 else [base, base + "_unlabeled"]
        results += [{"id": doc["to_id"], "type": name} for name in names]
    return results
