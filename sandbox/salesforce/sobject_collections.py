"""``composite/sobjects``: up to 200 records of up to 10 types in one call."""

from . import ids
from .errors import SalesforceError, not_found
from .records import MultipleChoices
from .resource import Reply
from .values import show

MAX_RECORDS, MAX_TYPES, MAX_READ = 200, 10, 2000


class _RollBack(Exception):
    """Ends an all-or-none call; the results are complete already."""


class Collections:
    """Create, update, upsert, delete and read many records."""

    def __init__(self, org):
        self.org = org

    def table(self):
        """Return the resources, see ``Rest.table``."""
        root = r"composite/sobjects"
        return [
            ("POST", root, self.create), ("PATCH", root, self.update),
            ("DELETE", root, self.delete), ("POST", root + r"/(\w+)", self.read),
            ("GET", root + r"/(\w+)", self.read), ("PATCH", root + r"/(\w+)/(\w+)", self.upsert)]

    def create(self, call):
        """Insert records."""
        def one(record):
            record_id = self.org.records.create(self._type(record), _without_type(record), call.user_id)
            return {"id": record_id}
        return self._each(call, one)

    def update(self, call):
        """Change records; each names its ``id``."""
        def one(record):
            key = next((key for key in record if key.lower() == "id"), None)
            if key is None:
                raise SalesforceError(400, "MISSING_ARGUMENT", "Id not specified in an update call")
            body = {k: v for k, v in _without_type(record).items() if k != key}
            self.org.records.update(self._type(record), record[key], body, call.user_id)
            return {"id": ids.normalise(record[key])}
        return self._each(call, one)

    def upsert(self, call, name, field_name):
        """Insert or update records by an external-id field in each body."""
        sobject = self.org.schema.get(name)
        if sobject is None:
            raise not_found()
        field = sobject.field(field_name)
        if field is None or not (field.external_id or field.id_lookup):
            raise SalesforceError(
                400, "INVALID_FIELD", f"Field name provided, {field_name} is not an External ID or"
                f" indexed field for {sobject.name}")

        def one(record):
            body = _without_type(record)
            key = next((key for key in body if key.lower() == field.name.lower()), None)
            value = body.pop(key, None) if key else None
            if value is None and field.name != "Id":
                raise SalesforceError(
                    400, "MISSING_ARGUMENT", f"{field.name} not specified", [])
            if value is None:
                return {"id": self.org.records.create(sobject, body, call.user_id), "created": True}
            record_id, created = self._upsert_one(sobject, field, value, body, call.user_id)
            return {"id": record_id, "created": created}
        return self._each(call, one)

    def _upsert_one(self, sobject, field, value, body, user_id):
        try:
            return self.org.records.upsert(sobject, field, value, body, user_id)
        except MultipleChoices:
            raise SalesforceError(
                400, "DUPLICATE_EXTERNAL_ID", f"{field.name}: more than one record found for"
                f" external id field: {value}") from None

    def delete(self, call):
        """Put the records of ``?ids=`` into the recycle bin."""
        wanted = [part for part in call.query.get("ids", "").split(",") if part]
        self._check_count(wanted)

        def one(record_id):
            sobject = self.org.schema.of_id(record_id)
            if sobject is None:
                raise SalesforceError(400, "MALFORMED_ID", f"malformed id {record_id}")
            self.org.records.delete(sobject, record_id, call.user_id)
            return {"id": ids.normalise(record_id)}
        all_or_none = call.query.get("allOrNone", "").lower() == "true"
        return Reply(body=self._run(wanted, one, all_or_none))

    def read(self, call, name):
        """Return records by id in the order asked; null for what is not there."""
        sobject = self.org.schema.get(name)
        if sobject is None:
            raise not_found()
        wanted, names = self._read_arguments(call)
        fields = [sobject.field(field_name) for field_name in names]
        for field_name, field in zip(names, fields, strict=True):
            if field is None:
                raise SalesforceError(
                    400, "INVALID_FIELD", f"No such column '{field_name}' on entity '{sobject.name}'")
        return Reply(body=[self._shown(call, sobject, fields, record_id) for record_id in wanted])

    def _read_arguments(self, call):
        if call.method == "GET":
            wanted = [part for part in call.query.get("ids", "").split(",") if part]
            names = [part for part in call.query.get("fields", "").split(",") if part]
        else:
            body = call.body if isinstance(call.body, dict) else {}
            wanted, names = body.get("ids") or [], body.get("fields") or []
        if not wanted or not names:
            raise SalesforceError(400, "MISSING_ARGUMENT", "ids and fields are required")
        if len(wanted) > MAX_READ:
            raise SalesforceError(400, "EXCEEDED_ID_LIMIT", f"at most {MAX_READ} ids")
        return wanted, names

    def _shown(self, call, sobject, fields, record_id):
        found = ids.normalise(record_id)
        record = self.org.live(sobject.name, found) if found else None
        if record is None:
            return None
        url = f"{call.base}/sobjects/{sobject.name}/{found}"
        return {"attributes": {"type": sobject.name, "url": url}, "Id": found,
                **{field.name: show(field, record) for field in fields}}

    # -- shared -------------------------------------------------------------

    def _type(self, record):
        name = (record.get("attributes") or {}).get("type")
        sobject = self.org.schema.get(name) if name else None
        if sobject is None:
            raise SalesforceError(
                400, "INVALID_TYPE", f"sObject type '{name}' is not supported.")
        return sobject

    def _check_count(self, items):
        if len(items) > MAX_RECORDS:
            raise SalesforceError(
                400, "EXCEEDED_ID_LIMIT", "record limit reached. cannot submit more than"
                f" {MAX_RECORDS} records in this call")

    def _each(self, call, one):
        """Run ``one`` for each record of the body."""
        body = call.body if isinstance(call.body, dict) else {}
        records = body.get("records")
        if not isinstance(records, list) or not all(isinstance(r, dict) for r in records):
            raise SalesforceError(400, "INVALID_INPUT", "records must be a list of objects")
        self._check_count(records)
        types = {(r.get("attributes") or {}).get("type") for r in records}
        if len(types) > MAX_TYPES:
            raise SalesforceError(400, "LIMIT_EXCEEDED", f"at most {MAX_TYPES} object types")
        return Reply(body=self._run(records, one, body.get("allOrNone", False)))

    def _run(self, items, one, all_or_none):
        results, failed = [], False
        try:
            with self.org.store.atomic():
                for item in items:
                    result = self._result(one, item)
                    failed = failed or not result["success"]
                    results.append(result)
                if failed and all_or_none:
                    raise _RollBack
        except _RollBack:
            results = [result if not result["success"] else _rolled_back() for result in results]
        return results

    def _result(self, one, item):
        try:
            with self.org.store.atomic():
                done = one(item)
        except SalesforceError as error:
            return {"success": False, "errors": [error.row()]}
        result = {"id": done["id"], "success": True, "errors": []}
        return {**result, "created": done["created"]} if "created" in done else result


def _rolled_back():
    return {"success": False, "errors": [{
        "statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK", "message":
        "Record rolled back because not all records were valid and the request was using"
        " AllOrNone header", "fields": []}]}


def _without_type(record):
    return {key: value for key, value in record.items() if key != "attributes"}
