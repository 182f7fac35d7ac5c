"""Records: creation, update, archiving, merging, and how they look in answers.

A record's document: ``{id, properties: {name: text}, created, updated (epoch ms),
archived, archived_at, merged_into?}``. Properties that were never set are absent.
"""

import datetime
from decimal import Decimal

from . import values
from .commerce import line_amounts, rounded, totals
from .const import LINE_ITEM_PARENTS, QUOTE_EDITABLE, QUOTE_PUBLISHED
from .errors import (
    ApiError,
    bad_request,
    contact_exists,
    invalid_properties,
    missing_required,
    not_found,
)
from .source import Source

MERGED, EMAIL = "hubspot/_merged", "hubspot/_email"

#: Properties of a product that a line item made from it takes over.
_FROM_PRODUCT = (
    "name", "description", "price", "hs_sku", "hs_cost_of_goods_sold",
    "recurringbillingfrequency", "hs_recurring_billing_period", "tax")

_CALCULATED = Source("CALCULATED", "calculation")


def moment(milliseconds):
    """Return epoch milliseconds as aware UTC datetime, exact."""
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return epoch + datetime.timedelta(milliseconds=milliseconds)


class Records:
    """All records of the portal."""

    def __init__(self, portal):
        self._portal, self._store = portal, portal.store
        for object_type in portal.schema.types():
            self.prepare_type(object_type)

    def prepare_type(self, object_type):
        """Add the indexes of an object type."""
        kind = object_type.kind
        if self._store.has_index(kind, "live"):
            return
        self._store.add_sorted(kind, "live", lambda doc: None if doc["archived"] else int(doc["id"]))
        self._store.add_sorted(
            kind, "archived", lambda doc: int(doc["id"]) if doc["archived"] else None)
        self._store.add_sorted(
            kind, "modified", lambda doc: None if doc["archived"] else doc["updated"])
        if object_type.name == "contacts":
            self._store.add_lookup(kind, "email", _email_key)

    # -- reading ------------------------------------------------------------

    def get(self, object_type, record_id, archived=False, follow_merge=True):
        """Return a record by id, or None.

        :param archived: return it only when archived (as HubSpot's parameter works).
        :param follow_merge: the id of a merged record leads to the surviving one.
        """
        doc = self._store.get(object_type.kind, record_id)
        if doc is not None and doc.get("merged_into"):
            if not follow_merge:
                return None
            return self.get(object_type, doc["merged_into"], archived)
        if doc is None or doc["archived"] != archived:
            return None
        return doc

    def find(self, object_type, record_id, id_property=None, archived=False, follow_merge=True):
        """Return a record by id, e-mail or unique property; None when there is none."""
        if not id_property or id_property == "hs_object_id":
            return self.get(object_type, record_id, archived, follow_merge)
        if object_type.name == "contacts" and id_property == "email":
            return self.contact_by_email(record_id)
        definition = self._portal.schema.definition(object_type, id_property)
        if definition is None or not definition["hasUniqueValue"]:
            raise bad_request(f"{id_property} is not a unique identifier property.")
        found = self._store.lookup(object_type.kind, f"unique:{id_property}", record_id)
        return found[0] if found else None

    def required(self, object_type, record_id, id_property=None, archived=False):
        """Return a record or raise 404."""
        doc = self.find(object_type, record_id, id_property, archived)
        if doc is None:
            raise not_found()
        return doc

    def contact_by_email(self, email):
        """Return the live contact with a primary or additional e-mail address, or None."""
        contacts = self._portal.schema.type("contacts")
        found = self._store.lookup(contacts.kind, "email", email.lower())
        if found:
            return found[0]
        secondary = self._store.get(EMAIL, email.lower())
        return self.get(contacts, secondary["contact"]) if secondary else None

    def page(self, object_type, after, limit, archived=False):
        """Return ``(records, more)`` with ids above ``after``, in order of ids."""
        index, found, low, window = "archived" if archived else "live", [], after + 1, limit + 1
        newest = self._newest_id(object_type)
        while len(found) <= limit and low <= newest:
            found += self._store.range(object_type.kind, index, low, low + window)
            low, window = low + window + 1, window * 4
        return found[:limit], len(found) > limit

    def _newest_id(self, object_type):
        doc = self._store.get("hubspot/_sequence", object_type.kind)
        return object_type.base + (doc["value"] if doc else 0)

    def all_values(self, object_type, doc):
        """Return every set property of a record, system ones included."""
        shown = dict(doc["properties"])
        shown["hs_object_id"] = doc["id"]
        shown[object_type.created] = values.instant(moment(doc["created"]))
        shown[object_type.modified] = values.instant(moment(doc["updated"]))
        if object_type.name == "contacts":
            company = self._portal.associations.primary(object_type.id, doc["id"], "0-2")
            if company:
                shown["associatedcompanyid"] = company
        return shown

    def view(self, object_type, doc, properties=None):
        """Return a record in the API's shape.

        :param properties: names wanted; None gives the defaults, ``"*"`` all that are set.
            Names that do not exist are left out without a word, as HubSpot does.
        """
        shown = self.all_values(object_type, doc)
        if properties != "*":
            names = {*(properties or object_type.defaults),
                     "hs_object_id", object_type.created, object_type.modified}
            shown = {
                name: shown.get(name) for name in sorted(names)
                if name in shown or self._portal.schema.definition(object_type, name)
            }
        answer = {
            "id": doc["id"], "properties": shown, "archived": doc["archived"],
            "createdAt": values.instant(moment(doc["created"])),
            "updatedAt": values.instant(moment(doc["updated"])),
        }
        if doc["archived"]:
            answer["archivedAt"] = values.instant(moment(doc["archived_at"]))
        return answer

    # -- creating and updating ----------------------------------------------

    def create(self, object_type, properties, source, associations=(), record_id=None):
        """Create a record with its associations, whole or not at all.

        :param associations: ``[{to: {id}, types: [{associationCategory, associationTypeId}]}]``.
        :raises ApiError: 400 invalid values or missing required ones, 409 duplicate contact.
        """
        with self._store.atomic():
            properties = self._with_product(object_type, properties)
            kept = {name: text for name, text in
                    self._check(object_type, properties, {}, source).items() if text != ""}
            self._check_required(object_type, kept, source)
            self._check_unique(object_type, kept, None)
            record_id = record_id or self._next_id(object_type)
            now = self._portal.now_ms()
            kept = self._defaults(object_type, kept, source)
            doc = self._put(object_type, {
                "id": record_id, "properties": self._derived(object_type, kept, {}),
                "created": now, "updated": now, "archived": False, "archived_at": None}, None)
            self._portal.events.created(object_type, doc, source)
            for entry in associations:
                self._portal.associations.create_from_input(object_type, record_id, entry, source)
            return self._store.get(object_type.kind, record_id)

    def update(self, object_type, record_id, properties, source, id_property=None,
               follow_merge=True):
        """Change a record's properties; a write that changes nothing leaves no trace.

        :raises ApiError: 404 unknown record, 400 invalid values, 409 duplicate contact.
        """
        doc = self.find(object_type, record_id, id_property, follow_merge=follow_merge)
        if doc is None:
            raise not_found()
        before = doc["properties"]
        written = self._check(object_type, properties, before, source)
        changes = {name: text for name, text in written.items() if before.get(name, "") != text}
        if not changes:
            return doc
        with self._store.atomic():
            self._check_lock(object_type, before, changes)
            self._check_rules(object_type, {**before, **changes}, source)
            self._check_unique(object_type, changes, doc["id"])
            return self._apply(object_type, doc, changes, source)

    def _apply(self, object_type, doc, changes, source):
        """Store changed properties with what follows from them, and announce them."""
        before = doc["properties"]
        if source.user_id:
            changes = {**changes, "hs_updated_by_user_id": source.user_id}
        after = self._derived(object_type, {**before, **changes}, before)
        new = self._put(object_type, {
            **doc, "properties": after, "updated": max(self._portal.now_ms(), doc["updated"])}, doc)
        changed = {name: text for name, text in after.items() if before.get(name, "") != text}
        changed.update({name: "" for name in before if name not in after})
        self._portal.events.changed(object_type, new, changed, source)
        if object_type.name == "line_items":
            self.refresh_parents(new["id"])
        return new

    def set_calculated(self, object_type, record_id, changes):
        """Store values that HubSpot itself calculated (or that the admin API forces)."""
        doc = self._store.get(object_type.kind, record_id)
        changes = {k: v for k, v in changes.items() if doc["properties"].get(k, "") != v}
        if not changes:
            return doc
        new = self._put(object_type, {
            **doc, "properties": {**doc["properties"], **changes},
            "updated": max(self._portal.now_ms(), doc["updated"])}, doc)
        self._portal.events.changed(object_type, new, changes, _CALCULATED)
        return new

    def _put(self, object_type, doc, before):
        self._portal.search.noted(object_type, before, doc)
        self._index_emails(object_type, doc, before)
        return self._store.put(object_type.kind, doc["id"], doc)

    def _index_emails(self, object_type, doc, before):
        """Keep the look-up of additional e-mail addresses."""
        if object_type.name != "contacts":
            return
        old = set(_emails(before)) if before and not before["archived"] else set()
        new = set(_emails(doc)) if not doc["archived"] else set()
        for email in old - new:
            self._store.delete(EMAIL, email)
        for email in new - old:
            self._store.put(EMAIL, email, {"contact": doc["id"]})

    def _next_id(self, object_type):
        return str(object_type.base + self._store.next_number(object_type.kind))

    # -- checks -------------------------------------------------------------

    def _check(self, object_type, properties, before, source):
        """Return normalised texts of all values; one 400 names every problem."""
        if not isinstance(properties, dict):
            raise bad_request("properties must be an object")
        problems, kept = [], {}
        for name, raw in properties.items():
            definition = self._portal.schema.definition(object_type, name)
            if definition is None:
                problems.append((name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist'))
                continue
            if definition["modificationMetadata"]["readOnlyValue"]:
                problems.append((name, "READ_ONLY_VALUE",
                                 f'"{name}" is a read only property; its value cannot be set.'))
                continue
            try:
                kept[name] = values.normalise(
                    definition, raw, self._external_options(definition, properties, before),
                    before.get(name, ""))
            except values.Invalid as error:
                problems.append((name, error.code, error.message))
        if problems:
            raise invalid_properties(problems)
        return kept

    def _external_options(self, definition, properties, before):
        """Return the allowed values of an enumeration whose options live elsewhere, or None."""
        if not definition["externalOptions"]:
            return None
        name, portal = definition["name"], self._portal
        if name == "hubspot_owner_id":
            return portal.directory.owner_ids()
        if name == "pipeline":
            return {pipeline["id"] for pipeline in portal.pipelines.list("deals")}
        if name == "dealstage":
            wanted = properties.get("pipeline") or before.get("pipeline")
            return {stage["id"] for pipeline in portal.pipelines.list("deals")
                    if wanted in (None, pipeline["id"]) for stage in pipeline["stages"]}
        if name == "hs_tax_rate_group_id":
            return {rate["id"] for rate in portal.directory.tax_rates()}
        return portal.settings.currencies

    def _check_required(self, object_type, kept, source):
        missing = []
        for entry in object_type.required:
            alternatives = entry if isinstance(entry, tuple) else (entry,)
            if not any(kept.get(name) for name in alternatives):
                missing.extend(alternatives)
        if missing:
            raise missing_required(object_type.label, missing)
        self._check_rules(object_type, kept, source)

    def _check_rules(self, object_type, after, source):
        """Hold the portal admin's validation rules, for versions that enforce them."""
        if not source.enforce:
            return
        missing = [
            name for rule in self._portal.settings["validation_rules"]
            if rule["object"] == object_type.name
            and all(after.get(key, "") == value for key, value in rule.get("when", {}).items())
            for name in rule["required"] if not after.get(name)
        ]
        if missing:
            raise bad_request(
                "Property validation failed: required properties are missing.",
                context={"properties": missing}, sub_category="crm.validation.CONDITIONAL_REQUIRED",
                errors=[{"message": f"{name} is required", "code": "REQUIRED_FIELD",
                         "context": {"propertyName": [name]}} for name in missing])

    def _check_unique(self, object_type, kept, own_id):
        if object_type.name == "contacts" and kept.get("email"):
            other = self.contact_by_email(kept["email"])
            if other is not None and other["id"] != own_id:
                raise contact_exists(other["id"])
        for name in self._portal.schema.unique_names(object_type):
            if not kept.get(name):
                continue
            for other in self._store.lookup(object_type.kind, f"unique:{name}", kept[name]):
                if other["id"] != own_id:
                    raise bad_request(
                        f"Cannot set {name}={kept[name]} on {own_id or 'a new record'}."
                        f" {other['id']} already has that value.",
                        errors=[{"message": f"{other['id']} already has that value.",
                                 "code": "CONFLICTING_UNIQUE_VALUE",
                                 "context": {"propertyName": [name]}}])

    @staticmethod
    def _check_lock(object_type, before, changes):
        """A published quote can only be changed together with its return to an editable state."""
        if object_type.name == "quotes" and before.get("hs_locked") == "true":
            if changes.get("hs_status") not in QUOTE_EDITABLE:
                raise bad_request(
                    "Quote is locked: set hs_status to DRAFT, PENDING_APPROVAL or REJECTED to edit it.")

    # -- values that follow from others ----------------------------------------

    def _with_product(self, object_type, properties):
        """A line item made from a product takes over what the caller does not give."""
        if object_type.name != "line_items" or not isinstance(properties, dict):
            return properties
        product_id = properties.get("hs_product_id")
        if not product_id:
            return properties
        products = self._portal.schema.type("products")
        product = self.get(products, values.text_of(product_id))
        if product is None:
            raise invalid_properties([
                ("hs_product_id", "INVALID_PRODUCT", f"Product {product_id} does not exist")])
        taken = {name: product["properties"][name] for name in _FROM_PRODUCT
                 if product["properties"].get(name)}
        return {**taken, **properties}

    def _defaults(self, object_type, kept, source):
        company_currency = self._portal.settings["company_currency"]
        defaults = {
            "deals": {"deal_currency_code": company_currency},
            "line_items": {"quantity": "1", "hs_line_item_currency_code": company_currency},
            "quotes": {"hs_status": "DRAFT", "hs_currency": company_currency, "hs_language": "en",
                       "hs_template_type": "CUSTOMIZABLE_QUOTE_TEMPLATE"},
            "invoices": {"hs_invoice_status": "draft"},
        }.get(object_type.name, {})
        people = {"hs_created_by_user_id": source.user_id, "hs_updated_by_user_id": source.user_id}
        return {**defaults, **(people if source.user_id else {}), "hs_object_source": source.change_source,
                "hs_object_source_id": source.source_id, **kept}

    def _derived(self, object_type, kept, before):
        """Return the properties with HubSpot's calculated ones brought up to date."""
        if object_type.name == "deals":
            return {**kept, **self._deal_values(kept)}
        if object_type.name == "line_items":
            return {**kept, **self.line_values(kept)}
        if object_type.name == "quotes":
            return {**kept, **self._quote_values(kept)}
        if object_type.name == "companies" and not kept.get("website") and kept.get("domain"):
            return {**kept, "website": kept["domain"]}
        return kept

    def _deal_values(self, kept):
        _pipeline, stage = self._portal.pipelines.stage("deals", kept["dealstage"])
        metadata = stage["metadata"] if stage else {"isClosed": "false", "probability": "0.0"}
        closed = metadata["isClosed"] == "true"
        # Real answers carry the binary double that is nearest to the stage's probability.
        probability = format(Decimal(float(metadata["probability"])), "f")
        won = closed and Decimal(metadata["probability"]) == 1
        found = {
            "hs_is_closed": str(closed).lower(), "hs_is_closed_won": str(won).lower(),
            "hs_is_closed_lost": str(closed and not won).lower(),
            "hs_deal_stage_probability": probability,
        }
        home = self._portal.settings["company_currency"]
        currency = kept.get("deal_currency_code") or home
        rate = "1.0" if currency == home else self._portal.settings["exchange_rates"].get(currency)
        known = bool(rate and kept.get("amount"))
        in_home = str(rounded(Decimal(kept["amount"]) * Decimal(rate), home)) if known else ""
        return {**found, "hs_exchange_rate": rate or "", "amount_in_home_currency": in_home,
                "hs_closed_amount": (kept.get("amount") or "0") if won else "0"}

    def line_values(self, kept):
        """Return a line item's calculated properties as texts."""
        rate = self._portal.directory.tax_rate(kept.get("hs_tax_rate_group_id"))
        percentage = rate["percentage"] if rate else None
        currency = kept.get("hs_line_item_currency_code") or self._portal.settings["company_currency"]
        found = {name: str(value) for name, value in line_amounts(kept, currency, percentage).items()}
        found["hs_tax_rate"] = format(percentage, "f") if rate else ""
        found["hs_tax_label"] = rate["label"] if rate else ""
        return found

    def _quote_values(self, kept):
        locked = kept.get("hs_status") in QUOTE_PUBLISHED
        found = {"hs_locked": str(locked).lower(), "hs_quote_amount": kept.get("hs_quote_amount", "0.00")}
        if locked and not kept.get("hs_quote_number"):
            number = self._store.next_number("hubspot/quote_number")
            day = self._portal.clock.now().strftime("%Y%m%d")
            found["hs_quote_number"] = f"{day}-{number:06d}"
        return found

    def refresh_parents(self, line_id):
        """Bring the amount of a line item's quote up to date (deals keep what was written)."""
        for quote_id in self._portal.associations.targets("0-8", line_id, "0-14"):
            self.refresh_quote(quote_id)

    def refresh_quote(self, quote_id):
        """Set a quote's amount to the sum of its lines, taxes included."""
        quotes, lines = self._portal.schema.type("quotes"), self._portal.schema.type("line_items")
        docs = [self.get(lines, line_id)
                for line_id in self._portal.associations.targets("0-14", quote_id, "0-8")]
        _net, _tax, total = totals([doc["properties"] for doc in docs if doc])
        self.set_calculated(quotes, quote_id, {"hs_quote_amount": str(total)})

    # -- archiving, restoring, merging --------------------------------------

    def archive(self, object_type, record_id, source):
        """Put a record into the recycle bin; unknown ids are no error."""
        doc = self.get(object_type, record_id)
        if doc is None:
            return
        with self._store.atomic():
            now = self._portal.now_ms()
            self._put(object_type, {**doc, "archived": True, "archived_at": now, "updated": now}, doc)
            self._portal.events.lifecycle(object_type, "deletion", doc["id"], source)
            if object_type.name == "quotes":
                lines = self._portal.schema.type("line_items")
                for line_id in self._portal.associations.targets("0-14", doc["id"], "0-8"):
                    self.archive(lines, line_id, source)

    def restore(self, object_type, record_id, source):
        """Take a record out of the recycle bin (only people can)."""
        doc = self.get(object_type, record_id, archived=True)
        if doc is None:
            raise not_found()
        with self._store.atomic():
            new = self._put(object_type, {
                **doc, "archived": False, "archived_at": None, "updated": self._portal.now_ms()}, doc)
            self._portal.events.lifecycle(object_type, "restore", doc["id"], source)
            return new

    def merge(self, object_type, primary_id, loser_id, source):
        """Merge two records; returns the surviving one.

        Contacts keep the primary's id; other objects get a record with a new id. Old ids
        still lead to the survivor in single reads and updates, not in batches.
        """
        primary, loser = self.get(object_type, primary_id), self.get(object_type, loser_id)
        if primary is None or loser is None:
            raise not_found()
        if primary["id"] == loser["id"]:
            raise bad_request("A record cannot be merged with itself.")
        with self._store.atomic():
            return self._merge(object_type, primary, loser, source)

    def _merge(self, object_type, primary, loser, source):
        survivor_id = self._next_id(object_type) if object_type.merge_makes_new else primary["id"]
        gone = [doc for doc in (primary, loser) if doc["id"] != survivor_id]
        merged = {**loser["properties"], **{k: v for k, v in primary["properties"].items() if v}}
        history = merged.get("hs_merged_object_ids", "").split(";") + [doc["id"] for doc in gone]
        merged["hs_merged_object_ids"] = ";".join(dict.fromkeys(filter(None, history)))
        if object_type.name == "contacts":
            merged.update(_merged_emails(primary, loser, merged))
        now = self._portal.now_ms()
        for doc in gone:
            self._put(object_type, {**doc, "archived": True, "archived_at": now,
                                    "merged_into": survivor_id}, doc)
        survivor = self._put(object_type, {
            "id": survivor_id, "properties": merged, "created": primary["created"], "updated": now,
            "archived": False, "archived_at": None},
            primary if survivor_id == primary["id"] else None)
        for doc in gone:
            self._portal.associations.move(object_type, doc["id"], survivor_id)
        self._portal.events.merged(object_type, primary["id"], [loser["id"]], survivor_id, len(merged), source)
        return survivor

    def purge_contact(self, record_id, id_property, source):
        """Delete a contact for good (GDPR)."""
        contacts = self._portal.schema.type("contacts")
        doc = self.find(contacts, record_id, id_property)
        if doc is None:
            raise not_found()
        with self._store.atomic():
            self._put(contacts, {**doc, "archived": True, "archived_at": self._portal.now_ms()}, doc)
            self._store.delete(contacts.kind, doc["id"])
            self._portal.associations.forget(contacts, doc["id"])
            self._portal.events.lifecycle(contacts, "privacyDeletion", doc["id"], source)

    def check_line_parent(self, line_id, parent_type_id, parent_id):
        """Refuse a second parent for a line item."""
        for type_id in LINE_ITEM_PARENTS:
            for other in self._portal.associations.targets("0-8", line_id, type_id):
                if (type_id, other) != (parent_type_id, parent_id):
                    raise ApiError(
                        400, "VALIDATION_ERROR",
                        f"Line item {line_id} belongs to {type_id}/{other} already;"
                        " a line item has one parent only.",
                        sub_category="crm.associations.LINE_ITEM_HAS_PARENT")


def _emails(doc):
    return [part.lower() for part in doc["properties"].get("hs_additional_emails", "").split(";") if part]


def _email_key(doc):
    email = doc["properties"].get("email")
    return email.lower() if email and not doc["archived"] else None


def _merged_emails(primary, loser, merged):
    """The loser's address becomes an additional one of the survivor."""
    addresses = _emails(primary) + _emails(loser)
    if loser["properties"].get("email"):
        addresses.append(loser["properties"]["email"].lower())
    own = (merged.get("email") or "").lower()
    kept = [address for address in dict.fromkeys(addresses) if address != own]
    return {
        "hs_additional_emails": ";".join(kept),
        "hs_calculated_merged_vids": f"{loser['id']}:{loser['updated']}",
    }
