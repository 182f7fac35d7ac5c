"""Endpoints of associations: dated paths and the legacy v4 ones."""

from aiohttp import web

from ..clock import iso
from .api import endpoint, object_scopes
from .const import ASSOCIATION_CREATE_LIMIT, ASSOCIATION_READ_LIMIT, HUBSPOT_DEFINED
from .errors import ApiError, bad_request

_OBJECTS = ("/crm/objects/{version:\\d{4}-\\d{2}}", "/crm/{version:v4}/objects")
_PAIRS = ("/crm/associations/{version:\\d{4}-\\d{2}}", "/crm/{version:v4}/associations")


class AssociationsApi:
    """Handlers ``call -> (status, body)``."""

    def __init__(self, portal):
        self.portal, self.associations = portal, portal.associations

    def routes(self):
        """Return the routes under every base path."""
        read, write = object_scopes("read"), object_scopes("write")
        single = [
            ("GET", "/{type}/{id}/associations/{to_type}", self.list, read),
            ("PUT", "/{type}/{id}/associations/default/{to_type}/{to_id}", self.put_default, write),
            ("PUT", "/{type}/{id}/associations/{to_type}/{to_id}", self.put, write),
            ("DELETE", "/{type}/{id}/associations/{to_type}/{to_id}", self.delete, write),
        ]
        pairs = [
            ("POST", "/{from_type}/{to_type}/batch/read", self.batch_read, read),
            ("POST", "/{from_type}/{to_type}/batch/create", self.batch_create, write),
            ("POST", "/{from_type}/{to_type}/batch/associate/default", self.batch_default, write),
            ("POST", "/{from_type}/{to_type}/batch/archive", self.batch_archive, write),
            ("GET", "/{from_type}/{to_type}/labels", self.labels, read),
            ("POST", "/{from_type}/{to_type}/labels", self.create_label, write),
        ]
        return [
            web.route(method, base + path, endpoint(self.portal, function, scopes))
            for bases, table in ((_OBJECTS, single), (_PAIRS, pairs)) for base in bases
            for method, path, function, scopes in table
        ]

    def _pair(self, call):
        schema = self.portal.schema
        from_alias = call.match.get("type") or call.match["from_type"]
        return schema.type(from_alias), schema.type(call.match["to_type"])

    def _target(self, from_type, to_type, doc):
        return {
            "toObjectId": doc["to_id"],
            "associationTypes": [
                {"category": category, "typeId": type_id,
                 "label": self.associations.label_of(from_type.id, to_type.id, category, type_id)}
                for category, type_id in doc["types"]
            ]}

    # -- single -------------------------------------------------------------

    def list(self, call):
        """Return the associated records of one record."""
        from_type, to_type = self._pair(call)
        self.portal.records.required(from_type, call.match["id"])
        entries = self.associations.entries(from_type.id, call.match["id"], to_type.id)
        page, paging = _page(entries, call.query.get("after"), call.limit(500, 500))
        body = {"results": [self._target(from_type, to_type, doc) for doc in page]}
        return 200, {**body, **paging}

    def put(self, call):
        """Associate with given types (body: a list of specs)."""
        specs = self._specs(call.json_list())
        return self._put(call, specs)

    def put_default(self, call):
        """Associate with the unlabelled type."""
        from_type, to_type = self._pair(call)
        self._put(call, [])
        results = self._defaults(from_type, call.match["id"], to_type, call.match["to_id"])
        return 200, self._batch(results)

    def _put(self, call, specs):
        from_type, to_type = self._pair(call)
        with self.portal.store.atomic():
            self.associations.create(
                from_type.id, call.match["id"], to_type.id, call.match["to_id"], specs, call.source)
        return 200, self._labels_between(
            from_type, call.match["id"], to_type, call.match["to_id"], specs)

    def delete(self, call):
        """Remove all associations between two records."""
        from_type, to_type = self._pair(call)
        self.associations.remove(
            from_type.id, call.match["id"], to_type.id, call.match["to_id"], call.source)
        return 204, None

    # -- batches ------------------------------------------------------------

    def batch_read(self, call):
        """Return the associated records of many; those without any are errors of a 207."""
        from_type, to_type = self._pair(call)
        size = self.portal.settings["association_page"]
        results, errors = [], []
        for entry in call.inputs(ASSOCIATION_READ_LIMIT):
            record_id = str(entry.get("id"))
            entries = self.associations.entries(from_type.id, record_id, to_type.id)
            if not entries:
                errors.append(_nothing(from_type, record_id, to_type).batch_entry())
                continue
            page, paging = _page(entries, entry.get("after"), size)
            results.append({
                "from": {"id": record_id},
                "to": [self._target(from_type, to_type, doc) for doc in page], **paging})
        return self._answer(200, results, errors)

    def batch_create(self, call):
        """Associate many pairs with given types; a bad input makes a 207."""
        from_type, to_type = self._pair(call)

        def one(from_id, to_id, entry):
            specs = self._specs(entry.get("types"))
            self.associations.create(from_type.id, from_id, to_type.id, to_id, specs, call.source)
            return [self._labels_between(from_type, from_id, to_type, to_id, specs)]
        return self._each(call, 201, one)

    def batch_default(self, call):
        """Associate many pairs with the unlabelled type."""
        from_type, to_type = self._pair(call)

        def one(from_id, to_id, _entry):
            self.associations.create(from_type.id, from_id, to_type.id, to_id, [], call.source)
            return self._defaults(from_type, from_id, to_type, to_id)
        return self._each(call, 200, one)

    def batch_archive(self, call):
        """Remove the associations of many pairs; ``to`` is a list here."""
        from_type, to_type = self._pair(call)
        for entry in call.inputs(ASSOCIATION_CREATE_LIMIT):
            from_id, _to = _ends({**entry, "to": {"id": "0"}})
            for target in entry.get("to") or []:
                self.associations.remove(
                    from_type.id, from_id, to_type.id, str(target.get("id")), call.source)
        return 204, None

    def _each(self, call, status, one):
        results, errors = [], []
        for entry in call.inputs(ASSOCIATION_CREATE_LIMIT):
            try:
                from_id, to_id = _ends(entry)
                with self.portal.store.atomic():
                    results += one(from_id, to_id, entry)
            except ApiError as error:
                errors.append(error.batch_entry())
        return self._answer(status, results, errors)

    def _answer(self, status, results, errors):
        body = self._batch(results)
        if not errors:
            return status, body
        return 207, {**body, "numErrors": len(errors), "errors": errors}

    def _batch(self, results):
        now = iso(self.portal.clock.now())
        return {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}

    # -- types --------------------------------------------------------------

    def labels(self, call):
        """Return the association types of a pair."""
        from_type, to_type = self._pair(call)
        return 200, {"results": self.associations.labels(from_type.id, to_type.id)}

    def create_label(self, call):
        """Define a label."""
        from_type, to_type = self._pair(call)
        body = call.json()
        if not body.get("label") or not body.get("name"):
            raise bad_request("A label needs label and name.")
        return 200, {"results": self.associations.create_label(
            from_type.id, to_type.id, body["label"], body.get("inverseLabel") or body["label"])}

    @staticmethod
    def _specs(types):
        if not isinstance(types, list) or not types:
            raise bad_request("types must be a list of association specs.")
        try:
            return [(t["associationCategory"], int(t["associationTypeId"])) for t in types]
        except (KeyError, TypeError, ValueError):
            raise bad_request("Each type needs associationCategory and associationTypeId.") from None

    def _defaults(self, from_type, from_id, to_type, to_id):
        """Return what was created in both directions, as HubSpot reports it."""
        return [
            {"from": {"id": a_id}, "to": {"id": b_id}, "associationSpec": {
                "associationCategory": HUBSPOT_DEFINED,
                "associationTypeId": self.associations.default_id(a.id, b.id)}}
            for a, a_id, b, b_id in (
                (from_type, from_id, to_type, to_id), (to_type, to_id, from_type, from_id))
        ]

    def _labels_between(self, from_type, from_id, to_type, to_id, specs):
        found = [self.associations.label_of(from_type.id, to_type.id, *spec) for spec in specs]
        return {
            "fromObjectTypeId": from_type.id, "fromObjectId": from_id,
            "toObjectTypeId": to_type.id, "toObjectId": to_id,
            "labels": [label for label in found if label]}


def _page(entries, after, size):
    """Return ``(entries of the page, {"paging": …} or {})``; ``after`` is an offset."""
    try:
        start = int(after or 0)
    except ValueError:
        raise bad_request("after is not a valid paging token.") from None
    page, end = entries[start:start + size], start + size
    return page, {"paging": {"next": {"after": str(end)}}} if end < len(entries) else {}


def _ends(entry):
    try:
        return str(entry["from"]["id"]), str(entry["to"]["id"])
    except (KeyError, TypeError):
        raise bad_request("Each input needs from.id and to.id.") from None


def _nothing(from_type, record_id, to_type):
    return ApiError(
        404, "OBJECT_NOT_FOUND", f"No {to_type.singular} is associated with {from_type.singular} {record_id}.",
        context={"fromObjectId": [record_id], "fromObjectType": [from_type.singular],
                 "toObjectType": [to_type.singular]},
        sub_category="crm.associations.NO_ASSOCIATIONS_FOUND")
