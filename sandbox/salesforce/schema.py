"""The org's schema: standard objects, custom ones from the store, and org-wide switches."""

import dataclasses

from . import fields as f
from .fields import SObject
from .standard import objects as standard_objects

SETTINGS = "salesforce/_settings"
CUSTOM = "salesforce/_custom"

#: Constructors by the type name that ``describe`` uses.
MAKERS = {
    "string": f.text, "textarea": f.long_text, "email": f.email, "phone": f.phone, "url": f.url,
    "picklist": f.picklist, "boolean": f.checkbox, "currency": f.currency, "double": f.number,
    "percent": f.percent, "int": f.integer, "date": f.date, "datetime": f.moment,
    "reference": f.ref}

#: Options that a custom field may set.
_OPTIONS = frozenset({
    "label", "length", "precision", "scale", "nillable", "default", "restricted", "external_id",
    "unique", "required", "readonly", "child"})

DEFAULTS = {
    #: CurrencyIsoCode exists only when this is on.
    "multi_currency": True,
    #: Quote and QuoteLineItem exist only when this is on.
    "quotes_enabled": True,
    "is_sandbox": True,
    #: Seconds without use after which an access token dies.
    "session_timeout": 7200,
    #: Rolling daily allocation of API calls.
    "daily_api_requests": 100000,
    #: Fields that field-level security hides: ``["Account.AnnualRevenue"]``.
    "hidden_fields": [],
    #: Versions of the API from which fields are not described any more: ``{"Account.Fax": 68}``.
    "ended_fields": {},
}


class SchemaError(ValueError):
    """A custom object or field that cannot be created; the message says why."""


class Schema:
    """Objects and fields as the API shows them now."""

    def __init__(self, store):
        self._store = store
        self._base = standard_objects()
        self.rebuild()

    @property
    def settings(self):
        """Return the org-wide switches, see ``DEFAULTS``."""
        return {**DEFAULTS, **(self._store.get(SETTINGS, "org") or {})}

    def configure(self, **changes):
        """Change org-wide switches.

        :raises SchemaError: unknown switch.
        """
        unknown = set(changes) - set(DEFAULTS)
        if unknown:
            raise SchemaError(f"unknown settings: {sorted(unknown)}; known: {sorted(DEFAULTS)}")
        self._store.put(SETTINGS, "org", {**self.settings, **changes})
        self.rebuild()

    def rebuild(self):
        """Compute the visible objects anew (after a change of switches or custom parts)."""
        settings = self.settings
        self.objects = {}
        for name, sobject in {**self._base, **self._custom_objects()}.items():
            if not settings["quotes_enabled"] and name in ("Quote", "QuoteLineItem"):
                continue
            self.objects[name] = self._visible(sobject, settings)
        self._lower = {name.lower(): sobject for name, sobject in self.objects.items()}
        self._prefixes = {sobject.prefix: sobject for sobject in self.objects.values()}
        self._children = {
            (target, field.child_relationship.lower()): (sobject, field)
            for sobject in self.objects.values() for field in sobject.fields.values()
            if field.child_relationship for target in field.reference_to}

    def _visible(self, sobject, settings):
        fields = dict(sobject.fields)
        for doc in self._store.scan(CUSTOM):
            if doc["kind"] == "field" and doc["object"] == sobject.name:
                fields[doc["spec"]["name"]] = make_field(doc["spec"])
        if not settings["multi_currency"]:
            fields.pop("CurrencyIsoCode", None)
        for hidden in settings["hidden_fields"]:
            owner, _dot, name = hidden.partition(".")
            if owner == sobject.name:
                fields.pop(name, None)
        return dataclasses.replace(sobject, fields=fields)

    def as_of(self, sobject, version):
        """Return an object as a version of the API (``67.0``) describes it."""
        ended = {name for name, end in self.settings["ended_fields"].items() if float(version) >= end}
        fields = {name: field for name, field in sobject.fields.items() if f"{sobject.name}.{name}" not in ended}
        return dataclasses.replace(sobject, fields=fields)

    def _custom_objects(self):
        found = {}
        for doc in self._store.scan(CUSTOM):
            if doc["kind"] == "object":
                found[doc["name"]] = SObject(
                    name=doc["name"], prefix=doc["prefix"], label=doc["label"],
                    plural=doc["plural"], custom=True,
                    fields={x.name: x for x in _custom_base(doc)})
        return found

    def get(self, name):
        """Return an object by its name in any case, or None."""
        return self.objects.get(name) or self._lower.get(str(name).lower())

    def of_id(self, record_id):
        """Return the object that an id belongs to, or None."""
        return self._prefixes.get(record_id[:3])

    def child(self, parent, relationship):
        """Return ``(child object, its reference field)`` of a child relationship, or None."""
        return self._children.get((parent, relationship.lower()))

    def children_of(self, name):
        """Return ``[(child object, its reference field)]`` of everything that refers to an object."""
        return [
            (sobject, field) for sobject in self.objects.values()
            for field in sobject.fields.values() if name in field.reference_to]

    def create_object(self, spec):
        """Create a custom object ``{name: X__c, label?, plural?, auto_number?, fields: […]}``.

        :raises SchemaError: bad or taken name, bad field.
        """
        name = spec.get("name", "")
        if not name.endswith("__c") or name in self.objects:
            raise SchemaError(f"custom object name {name!r} is taken or does not end in __c")
        for field in spec.get("fields", []):
            make_field(field)
        taken = {doc["prefix"] for doc in self._store.scan(CUSTOM) if doc["kind"] == "object"}
        prefix = next(free for number in range(1, 100) if (free := f"a{number:02d}") not in taken)
        label = spec.get("label") or f.label_of(name)
        self._store.put(CUSTOM, name, {
            "kind": "object", "name": name, "prefix": prefix, "label": label,
            "plural": spec.get("plural") or label + "s"})
        for field in spec.get("fields", []):
            self._put_field(name, field)
        self.rebuild()
        return self.objects[name]

    def create_field(self, object_name, spec):
        """Create a custom field ``{name: X__c, type, length?, external_id?, …}``.

        :raises SchemaError: unknown object, bad or taken name, unknown type or option.
        """
        sobject = self.objects.get(object_name)
        if sobject is None:
            raise SchemaError(f"no object {object_name!r}")
        if spec.get("name") in sobject.fields:
            raise SchemaError(f"{object_name}.{spec['name']} exists")
        make_field(spec)
        self._put_field(object_name, spec)
        self.rebuild()
        return self.objects[object_name].fields[spec["name"]]

    def change_field(self, object_name, name, **changes):
        """Change a custom field, its type for example; records keep what they hold.

        :raises SchemaError: no such custom field, unknown type or option.
        """
        doc = self._custom_field(object_name, name)
        spec = {**doc["spec"], **changes, "name": name}
        make_field(spec)
        self._put_field(object_name, spec)
        self.rebuild()
        return self.objects[object_name].fields[name]

    def delete_field(self, object_name, name):
        """Delete a custom field; queries that name it fail from now on.

        :raises SchemaError: no such custom field.
        """
        self._custom_field(object_name, name)
        self._store.delete(CUSTOM, f"{object_name}.{name}")
        self.rebuild()

    def delete_object(self, name):
        """Delete a custom object with its fields.

        :raises SchemaError: no such custom object.
        """
        doc = self._store.get(CUSTOM, name)
        if doc is None or doc["kind"] != "object":
            raise SchemaError(f"no custom object {name!r}")
        for key, field in list(self._store.items(CUSTOM)):
            if field["kind"] == "field" and field["object"] == name:
                self._store.delete(CUSTOM, key)
        self._store.delete(CUSTOM, name)
        self.rebuild()

    def _custom_field(self, object_name, name):
        doc = self._store.get(CUSTOM, f"{object_name}.{name}")
        if doc is None or doc["kind"] != "field":
            raise SchemaError(f"no custom field {object_name}.{name}")
        return doc

    def _put_field(self, object_name, spec):
        self._store.put(CUSTOM, f"{object_name}.{spec['name']}", {
            "kind": "field", "object": object_name, "spec": spec})


def _custom_base(doc):
    return [f.text("Name", 80, nillable=True, defaulted=True, name_field=True),
            *f.system(owner=("Group", "User"))]


def make_field(spec):
    """Build a custom field from its JSON description.

    :raises SchemaError: bad name, unknown type or option.
    """
    name, kind = spec.get("name", ""), spec.get("type")
    if not name.endswith("__c"):
        raise SchemaError(f"custom field name {name!r} does not end in __c")
    if kind not in MAKERS:
        raise SchemaError(f"unknown field type {kind!r}; known: {sorted(MAKERS)}")
    options = {key: value for key, value in spec.items() if key in _OPTIONS}
    unknown = set(spec) - _OPTIONS - {"name", "type", "values", "reference_to"}
    if unknown:
        raise SchemaError(f"unknown field options: {sorted(unknown)}")
    if kind == "picklist":
        return f.picklist(name, spec.get("values", ()), **options)
    if kind == "reference":
        return f.ref(name, *spec.get("reference_to", ()), **options)
    return MAKERS[kind](name, **options)
