"""Create, update, upsert, delete: validation, derived fields, notifications."""

from . import ids, rules
from .errors import (
    SalesforceError,
    cross_reference,
    entity_deleted,
    invalid_field,
    not_found,
    required_missing,
)
from .org import kind
from .values import accept

VALIDATION_RULES = "salesforce/_validation"
RECORD_FAULTS = "salesforce/_record_fault"

_IGNORED = frozenset({"attributes"})


class Records:
    """The one way in for every write, so that derived fields and notifications cannot be missed."""

    def __init__(self, org):
        self.org = org
        #: Records whose injected fault was hit; counted after the undo of the failed write.
        self.spent = []

    def count_spent(self):
        """Use up one application of each injected record fault that was hit."""
        for record_id in self.spent:
            fault = self.org.store.get(RECORD_FAULTS, record_id)
            if fault is not None and fault["times"] <= 1:
                self.org.store.delete(RECORD_FAULTS, record_id)
            elif fault is not None:
                self.org.store.update(RECORD_FAULTS, record_id, times=fault["times"] - 1)
        self.spent = []

    # -- public -------------------------------------------------------------

    def create(self, sobject, body, user_id):
        """Insert one record.

        :param body: JSON object of field values, as the client sent it.
        :returns: the new 18-character id.
        :raises SalesforceError: any rule of the vendor is broken; nothing is written.
        """
        self._allowed(sobject, sobject.createable, "create")
        if "Id" in body:
            raise SalesforceError(
                400, "INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", ["Id"])
        with self.org.store.atomic():
            values = self._accepted(sobject, body, "createable")
            record = self._with_defaults(sobject, values, user_id)
            missing = [f.name for f in sobject.fields.values()
                       if f.required and record.get(f.name) is None]
            if missing:
                raise required_missing(missing)
            record["Id"] = self.org.new_ids(sobject.prefix)[0]
            self._finish(sobject, None, record, values, user_id)
        return record["Id"]

    def update(self, sobject, record_id, body, user_id):
        """Change some fields of one record.

        :raises SalesforceError: unknown or deleted record, or any broken rule.
        """
        self._allowed(sobject, sobject.updateable, "update")
        with self.org.store.atomic():
            old = self.existing(sobject, record_id)
            self._injected(old["Id"])
            body = {key: value for key, value in body.items() if key != "Id"}
            values = self._accepted(sobject, body, "updateable")
            emptied = [name for name, value in values.items()
                       if value is None and not sobject.fields[name].nillable]
            if emptied:
                raise required_missing(emptied)
            self._finish(sobject, old, {**old, **values}, values, user_id)

    def upsert(self, sobject, field, value, body, user_id, update_only=False):
        """Insert or update by an external-id field.

        :returns: ``(id, created)``.
        :raises SalesforceError: 300 when the value is not unique, 404 for ``update_only``
            without a match.
        """
        named = [key for key in body if key.lower() == field.name.lower()]
        if named:
            raise invalid_field(
                f"The {field.name} field should not be specified in the sobject data.", [field.name])
        if field.name == "Id":
            self.update(sobject, value, body, user_id)
            return ids.normalise(value), False
        matches = self.org.by_external(sobject.name, field.name, value)
        if len(matches) > 1:
            raise MultipleChoices(sobject, matches)
        if matches:
            self.update(sobject, matches[0]["Id"], body, user_id)
            return matches[0]["Id"], False
        if update_only:
            raise not_found()
        return self.create(sobject, {**body, field.name: value}, user_id), True

    def delete(self, sobject, record_id, user_id):
        """Put a record and what dies with it into the recycle bin."""
        self._allowed(sobject, sobject.deletable, "delete")
        with self.org.store.atomic():
            record = self.existing(sobject, record_id)
            self._injected(record["Id"])
            self._bin(sobject, record, user_id)

    def undelete(self, sobject, record_id, user_id):
        """Take a record out of the recycle bin (its cascaded children stay there)."""
        record = self.org.get(sobject.name, ids.normalise(record_id))
        if record is None:
            raise not_found()
        self.touch(sobject.name, record["Id"], {"IsDeleted": False}, user_id)

    def existing(self, sobject, record_id):
        """Return a live record by a 15- or 18-character id.

        :raises SalesforceError: MALFORMED_ID, NOT_FOUND, ENTITY_IS_DELETED.
        """
        found = ids.normalise(record_id)
        if found is None or not found.startswith(sobject.prefix):
            raise SalesforceError(400, "MALFORMED_ID", f"malformed id {record_id}")
        record = self.org.get(sobject.name, found)
        if record is None:
            raise not_found()
        if record.get("IsDeleted"):
            raise entity_deleted()
        return record

    def touch(self, name, record_id, changes, user_id):
        """Write derived fields of a record without checks, when they really change.

        Moves SystemModstamp and notifies, as the vendor's own roll-ups do.
        """
        old = self.org.get(name, record_id)
        if all(old.get(key) == value for key, value in changes.items()):
            return old
        return self._write(self.org.schema.get(name), old, {**old, **changes}, user_id)

    # -- steps --------------------------------------------------------------

    def _allowed(self, sobject, allowed, verb):
        if not allowed:
            raise SalesforceError(
                400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" if verb != "delete"
                else "INSUFFICIENT_ACCESS_OR_READONLY",
                f"entity type {sobject.name} does not support {verb}")

    def _accepted(self, sobject, body, right):
        """Return stored values of a client's body, with canonical names."""
        values, refused = {}, []
        for key, value in body.items():
            if key in _IGNORED:
                continue
            field = sobject.field(key)
            if field is None and isinstance(value, dict) and key.lower() in sobject.parents:
                field = sobject.parents[key.lower()]
                value = self._by_foreign_key(field, value)
            if field is None:
                raise invalid_field(
                    f"No such column '{key}' on sobject of type {sobject.name}")
            if not getattr(field, right):
                refused.append(field.name)
                continue
            values[field.name] = accept(field, sobject, value)
            self._check_choice(field, values[field.name])
            self._check_reference(field, values[field.name])
        if refused:
            raise SalesforceError(
                400, "INVALID_FIELD_FOR_INSERT_UPDATE",
                f"Unable to create/update fields: {', '.join(refused)}. Please check the security"
                " settings of this field and verify that it is read/write for your profile or"
                " permission set.", refused)
        return values

    def _by_foreign_key(self, field, value):
        """Return the id that ``{"Account": {"Ext__c": "x"}}`` stands for."""
        value = {key: item for key, item in value.items() if key != "attributes"}
        target = self.org.schema.get(field.reference_to[0])
        if len(value) != 1:
            raise invalid_field(f"{field.relationship} must name exactly one external id")
        (name, external), = value.items()
        key = target.field(name)
        if key is None or not (key.external_id or key.id_lookup):
            raise invalid_field(f"{name} is not an external id of {target.name}")
        if key.name == "Id":
            return external
        matches = self.org.by_external(target.name, key.name, external)
        if len(matches) != 1:
            raise SalesforceError(
                400, "INVALID_FIELD", f"Foreign key external ID: {external} not found for field"
                f" {key.name} in entity {target.name}", [])
        return matches[0]["Id"]

    def _check_choice(self, field, value):
        if field.type == "picklist" and field.restricted and value is not None:
            if value not in self.org.picklist(field):
                raise SalesforceError(
                    400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                    f"{field.label}: bad value for restricted picklist field: {value}",
                    [field.name])

    def _check_reference(self, field, value):
        if field.type != "reference" or value is None:
            return
        target = self.org.schema.of_id(value)
        if target is None or target.name not in field.reference_to:
            raise SalesforceError(
                400, "MALFORMED_ID",
                f"{field.label}: id value of incorrect type: {value}", [field.name])
        record = self.org.get(target.name, value)
        if record is None:
            raise cross_reference(fields=[field.name])
        if record.get("IsDeleted"):
            raise SalesforceError(400, "ENTITY_IS_DELETED", "entity is deleted", [field.name])

    def _with_defaults(self, sobject, values, user_id):
        now = self.org.now()
        record = {
            field.name: field.default for field in sobject.fields.values()
            if field.default is not None}
        record.update(CreatedDate=now, CreatedById=user_id)
        if "OwnerId" in sobject.fields:
            record["OwnerId"] = user_id
        if "CurrencyIsoCode" in sobject.fields:
            record["CurrencyIsoCode"] = self.org.corporate_currency
        record.update({name: value for name, value in values.items() if value is not None})
        return record

    def _finish(self, sobject, old, record, values, user_id):
        """Rules, uniqueness, write, follow-up on related records."""
        rule = rules.of(sobject.name)
        rule.before(self.org, old, record, values, user_id)
        self._check_unique(sobject, record)
        self._check_validation(sobject, record)
        record = self._write(sobject, old, record, user_id)
        rule.after(self.org, old, record, user_id)

    def _write(self, sobject, old, record, user_id):
        now = self.org.now()
        record = {name: value for name, value in record.items() if value is not None}
        record.update(LastModifiedDate=now, LastModifiedById=user_id, SystemModstamp=now)
        self.org.store.put(kind(sobject.name), record["Id"], record)
        self.org.outbound.changed(sobject, old, record)
        return record

    def _check_unique(self, sobject, record):
        for field in sobject.fields.values():
            value = record.get(field.name)
            if not field.unique or value is None:
                continue
            for other in self.org.by_external(sobject.name, field.name, value):
                if other["Id"] != record["Id"]:
                    raise SalesforceError(
                        400, "DUPLICATE_VALUE", f"duplicate value found: {field.name} duplicates"
                        f" value on record with id: {other['Id']}", [])

    def _check_validation(self, sobject, record):
        """Apply the validation rules that an administrator added."""
        for rule in self.org.store.scan(VALIDATION_RULES):
            if rule["object"] != sobject.name:
                continue
            if all(record.get(name) == value for name, value in rule["when"].items()):
                raise SalesforceError(
                    400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", rule["message"],
                    [rule["field"]] if rule.get("field") else [])

    def _injected(self, record_id):
        """Fail as an administrator asked for this record (``record-faults``)."""
        fault = self.org.store.get(RECORD_FAULTS, record_id)
        if fault is None:
            return
        self.spent.append(record_id)
        raise SalesforceError(400, fault["code"], fault["message"], fault.get("fields") or [])

    def _bin(self, sobject, record, user_id):
        rules.of(sobject.name).before_delete(self.org, record)
        now = self.org.now()
        deleted = {**record, "IsDeleted": True, "SystemModstamp": now, "LastModifiedDate": now,
                   "LastModifiedById": user_id}
        self.org.store.put(kind(sobject.name), record["Id"], deleted)
        for child, field in self.org.schema.children_of(sobject.name):
            if field.cascade:
                for doc in self.org.related(child.name, field.name, record["Id"]):
                    self._bin(child, doc, user_id)
        rules.of(sobject.name).after(self.org, record, deleted, user_id)


class MultipleChoices(Exception):
    """An upsert value that matches several records (HTTP 300)."""

    def __init__(self, sobject, matches):
        super().__init__("external id is not unique")
        self.sobject, self.record_ids = sobject, [match["Id"] for match in matches]
