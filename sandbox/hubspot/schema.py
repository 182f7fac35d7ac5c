"""Object types, property definitions and property groups of the portal."""

import re

from ..clock import iso
from . import values
from .const import STANDARD_TYPES, UNIQUE_PROPERTY_LIMIT, ObjectType
from .errors import ApiError, bad_request, not_found
from .properties import GROUPS, parse_row, standard_definitions

PROPERTY, GROUP, CUSTOM_TYPE = "hubspot/_property", "hubspot/_property_group", "hubspot/_schema"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")

#: Field types that go with each property type.
FIELD_TYPES = {
    "bool": {"booleancheckbox", "calculation_equation"},
    "date": {"date"},
    "datetime": {"date"},
    "enumeration": {"booleancheckbox", "checkbox", "radio", "select", "calculation_equation"},
    "number": {"number", "calculation_equation"},
    "phone_number": {"phonenumber"},
    "string": {"file", "html", "phonenumber", "text", "textarea", "calculation_equation"},
}

_STANDARD = standard_definitions()


class Schema:
    """What the portal's objects look like. Lookups are cheap: bulk writes use them per value."""

    def __init__(self, store, clock, settings):
        self._store, self._clock, self._settings = store, clock, settings
        self._aliases = {}
        for object_type in STANDARD_TYPES:
            for alias in (object_type.id, object_type.name, object_type.singular):
                self._aliases[alias] = object_type
        for doc in store.scan(CUSTOM_TYPE):
            self._register(doc)

    # -- object types -------------------------------------------------------

    def types(self):
        """Return all object types."""
        return list({found.id: found for alias in self._aliases if (found := self._known(alias))}.values())

    def type(self, alias):
        """Return the ``ObjectType`` of a plural, singular or id; 400 when unknown."""
        found = self._known(alias) or self._known(alias.lower())
        if found is None:
            raise bad_request(f"Unable to infer object type from: {alias}")
        return found

    def _known(self, alias):
        """Return the type of an alias; custom ones that a reset took away are unknown."""
        found = self._aliases.get(alias)
        if found is not None and found.id.startswith("2-") and not self._store.get(CUSTOM_TYPE, found.id):
            return None
        return found

    def _register(self, doc):
        object_type = ObjectType(
            doc["objectTypeId"], doc["name"], doc["name"], None,
            tuple(doc["secondaryDisplayProperties"]) + (doc["primaryDisplayProperty"],),
            required=tuple(doc["requiredProperties"]), created="hs_createdate", base=900_000_000)
        for alias in (object_type.id, object_type.name, doc["fullyQualifiedName"]):
            self._aliases[alias] = object_type
        return object_type

    def create_type(self, body):
        """Create a custom object type (``2-N``) from the schemas API's body."""
        name = body.get("name") or ""
        if not _NAME.fullmatch(name) or self._known(name):
            raise bad_request(f"'{name}' is not a valid or not a free object name.")
        if not body.get("primaryDisplayProperty"):
            raise bad_request("primaryDisplayProperty is required.")
        number = self._store.next_number("hubspot/custom_type")
        type_id = f"2-{11_000_000 + number}"
        now = iso(self._clock.now())
        doc = self._store.put(CUSTOM_TYPE, type_id, {
            "id": type_id[2:], "objectTypeId": type_id, "name": name,
            "fullyQualifiedName": f"p{self._settings['portal_id']}_{name}",
            "labels": body.get("labels", {}), "archived": False, "createdAt": now, "updatedAt": now,
            "primaryDisplayProperty": body["primaryDisplayProperty"],
            "secondaryDisplayProperties": body.get("secondaryDisplayProperties", []),
            "searchableProperties": body.get("searchableProperties", []),
            "requiredProperties": body.get("requiredProperties", []),
            "associations": [], "allowsSensitiveProperties": False})
        object_type = self._register(doc)
        self._add_system_properties(object_type)
        for definition in body.get("properties", []):
            self.create(object_type, {"groupName": self.default_group(object_type), **definition})
        return object_type

    def _add_system_properties(self, object_type):
        rows = {
            "hs_object_id": "!number/number Record ID",
            "hs_createdate": "!datetime/date Object create date/time",
            "hs_lastmodifieddate": "!datetime/date Object last modified date/time",
            "hubspot_owner_id": "@enumeration/select Owner",
        }
        for name, row in rows.items():
            definition = parse_row(name, row, self.default_group(object_type))
            self._store.put(PROPERTY, f"{object_type.name}/{name}", definition)

    def describe_type(self, object_type):
        """Return a custom type's schema in the API's shape."""
        doc = self._store.get(CUSTOM_TYPE, object_type.id)
        if doc is None:
            raise not_found(f"Unable to find object schema for {object_type.name}")
        return {**doc, "properties": self.definitions(object_type)}

    def custom_types(self):
        """Return the custom object types."""
        return [self._aliases[doc["objectTypeId"]] for doc in self._store.scan(CUSTOM_TYPE)]

    # -- property definitions -----------------------------------------------

    def definition(self, object_type, name):
        """Return a property's definition, or None when unknown or archived."""
        standard = _STANDARD.get(object_type.name, {}).get(name)
        if standard is not None:
            return standard
        custom = self._store.get(PROPERTY, f"{object_type.name}/{name}")
        return None if custom is None or custom.get("archived") else custom

    def definitions(self, object_type, archived=False):
        """Return all definitions of a type, standard ones first."""
        standard = [] if archived else list(_STANDARD.get(object_type.name, {}).values())
        prefix = object_type.name + "/"
        return standard + [
            doc for key, doc in self._store.items(PROPERTY)
            if key.startswith(prefix) and bool(doc.get("archived")) == archived
        ]

    def required_definition(self, object_type, name):
        """Return a definition or raise 404."""
        found = self.definition(object_type, name)
        if found is None:
            raise not_found(f"No property {name} exists for object type {object_type.label}.")
        return found

    def unique_names(self, object_type):
        """Return the names of custom properties whose values are unique."""
        prefix = object_type.name + "/"
        return [
            doc["name"] for key, doc in self._store.items(PROPERTY)
            if key.startswith(prefix) and doc.get("hasUniqueValue")
            and doc["name"] != "hs_object_id" and not doc.get("archived")
        ]

    def create(self, object_type, body):
        """Create a custom property from the API's body; returns the definition."""
        name = str(body.get("name") or "")
        self._check_new(object_type, name, body)
        now = iso(self._clock.now())
        definition = {
            "name": name, "label": body["label"], "description": body.get("description", ""),
            "groupName": body["groupName"], "type": body["type"], "fieldType": body["fieldType"],
            "options": _options(body), "displayOrder": body.get("displayOrder", -1),
            "calculated": False, "externalOptions": False,
            "hasUniqueValue": bool(body.get("hasUniqueValue")), "hidden": bool(body.get("hidden")),
            "hubspotDefined": False, "formField": bool(body.get("formField")),
            "dataSensitivity": "non_sensitive", "archived": False, "createdAt": now, "updatedAt": now,
            "modificationMetadata": {
                "archivable": True, "readOnlyDefinition": False, "readOnlyValue": False,
                "readOnlyOptions": False},
        }
        self._store.put(PROPERTY, f"{object_type.name}/{name}", definition)
        if definition["hasUniqueValue"]:
            self.index_unique(object_type, name)
        return definition

    def _check_new(self, object_type, name, body):
        if not _NAME.fullmatch(name) or name.startswith("hs_"):
            raise bad_request(
                f"'{name}' is not a valid property name: lower-case letters, digits and"
                " underscores, starting with a letter and not with hs_.")
        if self.definition(object_type, name) is not None:
            raise ApiError(409, "OBJECT_ALREADY_EXISTS", f"A property named '{name}' already exists.",
                           sub_category="Properties.PROPERTY_ALREADY_EXISTS")
        missing = [key for key in ("label", "type", "fieldType", "groupName") if not body.get(key)]
        if missing:
            raise bad_request(f"Required fields are missing: {', '.join(missing)}")
        if body["fieldType"] not in FIELD_TYPES.get(body["type"], ()):
            raise bad_request(
                f"Invalid combination of type '{body['type']}' and fieldType '{body['fieldType']}'.")
        self._required_group(object_type, body["groupName"])
        if body.get("hasUniqueValue"):
            self._check_unique(object_type, body)

    def _check_unique(self, object_type, body):
        if body["type"] not in ("string", "number"):
            raise bad_request("Only string and number properties can have unique values.")
        if len(self.unique_names(object_type)) >= UNIQUE_PROPERTY_LIMIT:
            raise ApiError(400, "VALIDATION_ERROR",
                           f"{object_type.label} has {UNIQUE_PROPERTY_LIMIT} unique properties already.",
                           sub_category="Properties.UNIQUE_PROPERTY_LIMIT_EXCEEDED")

    def index_unique(self, object_type, name):
        """Keep an index over a unique property's values."""
        def key(doc):
            return None if doc["archived"] else doc["properties"].get(name) or None
        self._store.add_lookup(object_type.kind, f"unique:{name}", key)

    def index_all_unique(self):
        """Build the indexes of all unique properties (start of the process)."""
        for object_type in self.types():
            for name in self.unique_names(object_type):
                self.index_unique(object_type, name)

    def update(self, object_type, name, body):
        """Change label, group, options and the like of a custom property."""
        definition = self.required_definition(object_type, name)
        if definition["hubspotDefined"]:
            raise bad_request(f"{name} is defined by HubSpot and cannot be changed.")
        changes = {
            key: body[key] for key in
            ("label", "description", "groupName", "displayOrder", "hidden", "formField", "fieldType")
            if key in body
        }
        if "options" in body:
            changes["options"] = _options(body)
        if "groupName" in changes:
            self._required_group(object_type, changes["groupName"])
        return self._store.put(PROPERTY, f"{object_type.name}/{name}", {
            **definition, **changes, "updatedAt": iso(self._clock.now())})

    def archive(self, object_type, name):
        """Archive a custom property; its values are no longer served."""
        definition = self.required_definition(object_type, name)
        if definition["hubspotDefined"]:
            raise bad_request(f"{name} is defined by HubSpot and cannot be archived.")
        self._store.put(PROPERTY, f"{object_type.name}/{name}", {
            **definition, "archived": True, "archivedAt": iso(self._clock.now())})

    # -- groups -------------------------------------------------------------

    def default_group(self, object_type):
        """Return the name of the group that a type has from the start."""
        return GROUPS.get(object_type.name, f"{object_type.name}_information")

    def groups(self, object_type):
        """Return a type's groups."""
        name = self.default_group(object_type)
        standard = {"name": name, "label": name.capitalize(), "displayOrder": 0, "archived": False}
        prefix = object_type.name + "/"
        return [standard] + [
            doc for key, doc in self._store.items(GROUP) if key.startswith(prefix)]

    def _required_group(self, object_type, name):
        for group in self.groups(object_type):
            if group["name"] == name:
                return group
        raise bad_request(f"Property group '{name}' does not exist for {object_type.label}.")

    def group(self, object_type, name):
        """Return a group or raise 404."""
        for group in self.groups(object_type):
            if group["name"] == name:
                return group
        raise not_found(f"Property group '{name}' was not found.")

    def create_group(self, object_type, body):
        """Create a property group."""
        name = str(body.get("name") or "")
        if not _NAME.fullmatch(name) or not body.get("label"):
            raise bad_request("A property group needs a valid name and a label.")
        if any(group["name"] == name for group in self.groups(object_type)):
            raise ApiError(409, "OBJECT_ALREADY_EXISTS", f"A property group named '{name}' already exists.")
        return self._store.put(GROUP, f"{object_type.name}/{name}", {
            "name": name, "label": body["label"], "displayOrder": body.get("displayOrder", -1),
            "archived": False})


def _options(body):
    """Check and complete the options of a property's body."""
    options = body.get("options") or []
    if body.get("type") == "bool" and not options:
        options = [{"label": "Yes", "value": "true"}, {"label": "No", "value": "false"}]
    seen = set()
    for option in options:
        if not option.get("label") or values.text_of(option.get("value")) == "":
            raise bad_request("Each option needs a label and a value.")
        if option["value"] in seen:
            raise bad_request(f"Option value '{option['value']}' occurs twice.")
        seen.add(option["value"])
    return [
        {"label": option["label"], "value": values.text_of(option["value"]),
         "displayOrder": option.get("displayOrder", position), "hidden": bool(option.get("hidden")),
         "description": option.get("description", "")}
        for position, option in enumerate(options)
    ]
