"""Associations: directional, typed, and without effect on a record's last-modified date."""

from .const import (
    ASSOCIATION_TYPES,
    HUBSPOT_DEFINED,
    INTEGRATOR_DEFINED,
    LABELLED_TYPES,
    USER_DEFINED,
)
from .errors import ApiError, bad_request, not_found

KIND, LABEL = "hubspot/_association", "hubspot/_association_label"


class Associations:
    """Associations between records; each is kept once per direction.

    A document: ``{from_type, from_id, to_type, to_id, types: [[category, type id]]}``.
    """

    def __init__(self, portal):
        self._portal, self._store = portal, portal.store
        self._store.add_lookup(KIND, "pair", lambda d: (d["from_type"], d["from_id"], d["to_type"]))
        self._store.add_lookup(KIND, "from", lambda d: (d["from_type"], d["from_id"]))

    # -- reading ------------------------------------------------------------

    def entries(self, from_type, from_id, to_type):
        """Return the association documents to live records, oldest first."""
        target = self._portal.schema.type(to_type)
        return [
            doc for doc in self._store.lookup(KIND, "pair", (from_type, from_id, to_type))
            if not self._store.get(target.kind, doc["to_id"])["archived"]
        ]

    def targets(self, from_type, from_id, to_type):
        """Return the ids of associated live records."""
        return [doc["to_id"] for doc in self.entries(from_type, from_id, to_type)]

    def primary(self, from_type, from_id, to_type):
        """Return the id of the primary associated record, or None."""
        wanted = self.primary_id(from_type, to_type)
        for doc in self.entries(from_type, from_id, to_type):
            if [HUBSPOT_DEFINED, wanted] in doc["types"]:
                return doc["to_id"]
        return None

    def from_record(self, object_type, record_id):
        """Return all association documents of a record."""
        return self._store.lookup(KIND, "from", (object_type.id, record_id))

    # -- types --------------------------------------------------------------

    def default_id(self, from_type, to_type):
        """Return the id of a pair's unlabelled type; 400 when the pair cannot be associated."""
        if (from_type, to_type) in ASSOCIATION_TYPES:
            return ASSOCIATION_TYPES[from_type, to_type][0]
        if from_type.startswith("2-") or to_type.startswith("2-"):
            return self._custom_id(from_type, to_type)
        raise bad_request(f"No association type is defined between {from_type} and {to_type}.")

    def _custom_id(self, from_type, to_type):
        """Pairs with a custom object get an id of their own when first used."""
        key = f"{from_type}/{to_type}"
        doc = self._store.get("hubspot/_association_type", key)
        if doc is None:
            number = 1000 + self._store.next_number("hubspot/association_type")
            doc = self._store.put("hubspot/_association_type", key, {"id": number})
        return doc["id"]

    @staticmethod
    def primary_id(from_type, to_type):
        """Return the id of a pair's ``Primary`` type, or None."""
        return ASSOCIATION_TYPES.get((from_type, to_type), (None, None))[1]

    def labels(self, from_type, to_type):
        """Return all types of a pair: ``[{category, typeId, label}]``."""
        default = self.default_id(from_type, to_type)
        found = [{"category": HUBSPOT_DEFINED, "typeId": default, "label": None}]
        primary = self.primary_id(from_type, to_type)
        if primary:
            found.append({"category": HUBSPOT_DEFINED, "typeId": primary, "label": "Primary"})
        for type_id, label in LABELLED_TYPES.get((from_type, to_type), {}).items():
            found.append({"category": HUBSPOT_DEFINED, "typeId": type_id, "label": label})
        return found + [
            {"category": USER_DEFINED, "typeId": doc["type_id"], "label": doc["label"]}
            for doc in self._store.scan(LABEL)
            if (doc["from_type"], doc["to_type"]) == (from_type, to_type)
        ]

    def create_label(self, from_type, to_type, label, inverse_label):
        """Define a label in both directions; returns the new types ``[{category, typeId, label}]``."""
        created = []
        for source, target, text in ((from_type, to_type, label), (to_type, from_type, inverse_label)):
            self.default_id(source, target)
            type_id = 2 * self._store.next_number("hubspot/association_label") - 1
            self._store.put(LABEL, str(type_id), {
                "from_type": source, "to_type": target, "type_id": type_id, "label": text})
            created.append({"category": USER_DEFINED, "typeId": type_id, "label": text})
        return created

    def _inverse(self, from_type, to_type, category, type_id):
        """Return the ``[category, type id]`` of the other direction."""
        if category == USER_DEFINED:
            return [category, type_id + 2 if type_id % 4 == 1 else type_id - 2]
        if type_id == self.primary_id(from_type, to_type):
            return [category, self.primary_id(to_type, from_type)]
        return [category, self.default_id(to_type, from_type)]

    def label_of(self, from_type, to_type, category, type_id):
        """Return the label of a type, None for the unlabelled one."""
        for entry in self.labels(from_type, to_type):
            if (entry["category"], entry["typeId"]) == (category, type_id):
                return entry["label"]
        return None

    # -- writing ------------------------------------------------------------

    def create_from_input(self, object_type, record_id, entry, source):
        """Associate as the ``associations`` of a create say: ``{to: {id}, types: […]}``."""
        try:
            target_id, types = str(entry["to"]["id"]), entry["types"]
            specs = [(t["associationCategory"], int(t["associationTypeId"])) for t in types]
        except (KeyError, TypeError, ValueError):
            raise bad_request("Each association needs to.id and types.") from None
        for category, type_id in specs:
            to_type = self._target_of(object_type.id, category, type_id)
            self.create(object_type.id, record_id, to_type, target_id, [(category, type_id)], source)

    def _target_of(self, from_type, category, type_id):
        """Return the object type to which a type id of ``from_type`` leads."""
        for target in self._portal.schema.types():
            try:
                known = self.labels(from_type, target.id)
            except ApiError:
                continue
            if any((k["category"], k["typeId"]) == (category, type_id) for k in known):
                return target.id
        raise bad_request(f"Association type {category} {type_id} does not exist for {from_type}.")

    def create(self, from_type, from_id, to_type, to_id, specs, source):
        """Associate two records.

        The first company of a contact or deal becomes its primary one by itself; naming
        the primary type takes the mark away from the company that had it.

        :param specs: ``[(category, type id)]``; empty means the unlabelled default.
        :raises ApiError: 404 when a record is missing, 400 for a type of another pair.
        """
        self._check(from_type, from_id, to_type, to_id, specs)
        before = self._store.get(KIND, _key(from_type, from_id, to_type, to_id))
        primary = (HUBSPOT_DEFINED, self.primary_id(from_type, to_type))
        default = (HUBSPOT_DEFINED, self.default_id(from_type, to_type))
        plain = [default] + [spec for spec in specs if spec not in (primary, default)]
        self._add(from_type, from_id, to_type, to_id, [list(spec) for spec in plain])
        self._add(to_type, to_id, from_type, from_id,
                  [self._inverse(from_type, to_type, *spec) for spec in plain])
        if primary[1] is not None:
            child = (from_type, from_id, to_id) if to_type == "0-2" else (to_type, to_id, from_id)
            self._settle_primary(*child, wanted=primary in specs)
        if before != self._store.get(KIND, _key(from_type, from_id, to_type, to_id)):
            self._announce(from_type, from_id, to_type, to_id, source, removed=False)
        self._after_change(from_type, from_id, to_type, to_id)

    def _settle_primary(self, child_type, child_id, company_id, wanted):
        """Make a company the primary one of a contact or deal, if asked or if there is none."""
        present = self.primary(child_type, child_id, "0-2")
        if present == company_id or (present and not wanted):
            return
        if present:
            self._demote(child_type, child_id, "0-2")
        self._add(child_type, child_id, "0-2", company_id,
                  [[HUBSPOT_DEFINED, self.primary_id(child_type, "0-2")]])
        self._add("0-2", company_id, child_type, child_id,
                  [[HUBSPOT_DEFINED, self.primary_id("0-2", child_type)]])

    def _check(self, from_type, from_id, to_type, to_id, specs):
        known = {(e["category"], e["typeId"]) for e in self.labels(from_type, to_type)}
        for type_id, record_id in ((from_type, from_id), (to_type, to_id)):
            if self._portal.records.get(self._portal.schema.type(type_id), record_id) is None:
                raise not_found(f"No record {record_id} of type {type_id} exists.")
        for category, type_id in specs:
            if category not in (HUBSPOT_DEFINED, USER_DEFINED, INTEGRATOR_DEFINED):
                raise bad_request(f"Invalid association category {category}.")
            if (category, type_id) not in known:
                raise bad_request(f"Association type {type_id} is not valid from {from_type} to {to_type}.")
        if from_type == "0-8":
            self._portal.records.check_line_parent(from_id, to_type, to_id)
        if to_type == "0-8":
            self._portal.records.check_line_parent(to_id, from_type, from_id)

    def _add(self, from_type, from_id, to_type, to_id, types):
        key = _key(from_type, from_id, to_type, to_id)
        before = self._store.get(KIND, key)
        kept = before["types"] if before else []
        merged = kept + [entry for entry in types if entry not in kept]
        self._store.put(KIND, key, {
            "from_type": from_type, "from_id": from_id, "to_type": to_type, "to_id": to_id,
            "types": merged})

    def _demote(self, from_type, from_id, to_type):
        """Take the primary mark away from the present primary record."""
        mark = [HUBSPOT_DEFINED, self.primary_id(from_type, to_type)]
        back = [HUBSPOT_DEFINED, self.primary_id(to_type, from_type)]
        for doc in self.entries(from_type, from_id, to_type):
            if mark in doc["types"]:
                self._keep_types(doc, [t for t in doc["types"] if t != mark])
                inverse = self._store.get(KIND, _key(to_type, doc["to_id"], from_type, from_id))
                self._keep_types(inverse, [t for t in inverse["types"] if t != back])

    def _keep_types(self, doc, types):
        key = _key(doc["from_type"], doc["from_id"], doc["to_type"], doc["to_id"])
        self._store.put(KIND, key, {**doc, "types": types})

    def remove(self, from_type, from_id, to_type, to_id, source):
        """Remove every association between two records; nothing to remove is no error."""
        if self._store.delete(KIND, _key(from_type, from_id, to_type, to_id)) is None:
            return
        self._store.delete(KIND, _key(to_type, to_id, from_type, from_id))
        self._announce(from_type, from_id, to_type, to_id, source, removed=True)
        self._after_change(from_type, from_id, to_type, to_id)

    def _announce(self, from_type, from_id, to_type, to_id, source, removed):
        if not self._portal.events.listening(source):
            return
        child = (from_type, from_id, to_id) if to_type == "0-2" else (to_type, to_id, from_id)
        is_primary = not removed and "0-2" in (from_type, to_type) and (
            self.primary(child[0], child[1], "0-2") == child[2])
        for a_type, a_id, b_type, b_id in (
                (from_type, from_id, to_type, to_id), (to_type, to_id, from_type, from_id)):
            self._portal.events.associated(
                self._portal.schema.type(a_type), a_id, self._portal.schema.type(b_type), b_id,
                removed, is_primary, source)

    def _after_change(self, from_type, from_id, to_type, to_id):
        """Lines that come or go change the amount of their quote."""
        if (from_type, to_type) == ("0-14", "0-8"):
            self._portal.records.refresh_quote(from_id)
        elif (from_type, to_type) == ("0-8", "0-14"):
            self._portal.records.refresh_quote(to_id)

    def move(self, object_type, old_id, new_id):
        """Give the associations of a merged record to the survivor."""
        for doc in self.from_record(object_type, old_id):
            inverse = self._store.get(KIND, _key(doc["to_type"], doc["to_id"], object_type.id, old_id))
            self._store.delete(KIND, _key(object_type.id, old_id, doc["to_type"], doc["to_id"]))
            self._store.delete(KIND, _key(doc["to_type"], doc["to_id"], object_type.id, old_id))
            types = doc["types"]
            primary = [HUBSPOT_DEFINED, self.primary_id(object_type.id, doc["to_type"])]
            if primary in types and self.primary(object_type.id, new_id, doc["to_type"]):
                types = [entry for entry in types if entry != primary]
            self._add(object_type.id, new_id, doc["to_type"], doc["to_id"], types)
            self._add(doc["to_type"], doc["to_id"], object_type.id, new_id, inverse["types"])

    def forget(self, object_type, record_id):
        """Remove all associations of a purged record."""
        for doc in self.from_record(object_type, record_id):
            self._store.delete(KIND, _key(object_type.id, record_id, doc["to_type"], doc["to_id"]))
            self._store.delete(KIND, _key(doc["to_type"], doc["to_id"], object_type.id, record_id))


def _key(from_type, from_id, to_type, to_id):
    return f"{from_type}/{from_id}/{to_type}/{to_id}"
