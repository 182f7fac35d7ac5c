"""One Salesforce org: what all handlers share."""

from . import ids
from .schema import Schema
from .values import stamp

PART = "salesforce"

#: Fields that point to users are not indexed: nobody lists records by them in bulk.
_UNINDEXED_TARGETS = frozenset({"User", "Group"})


def kind(name):
    """Return the store's kind of an object type."""
    return f"salesforce/{name}"


class Org:
    """Store, schema and services of the org; one instance a process, ``Org.of(ctx)``."""

    def __init__(self, ctx):
        from .outbound import OutboundMessages
        from .query import Queries
        from .records import Records
        from .sessions import Sessions
        from .usage import Usage

        self.ctx, self.store, self.clock = ctx, ctx.store, ctx.clock
        self.schema = Schema(ctx.store)
        self.records = Records(self)
        self.outbound = OutboundMessages(self)
        self.queries = Queries(self)
        self.sessions = Sessions(self)
        self.usage = Usage(self)
        for sobject in self.schema.objects.values():
            self.add_indexes(sobject)

    @classmethod
    def of(cls, ctx):
        """Return the org of a sandbox process, made at first use."""
        if PART not in ctx.parts:
            ctx.parts[PART] = cls(ctx)
        return ctx.parts[PART]

    def add_indexes(self, sobject):
        """Index an object type by modification time, references and external ids."""
        target = kind(sobject.name)
        if not self.store.has_index(target, "SystemModstamp"):
            self.store.add_sorted(target, "SystemModstamp", lambda doc: doc["SystemModstamp"])
        for field in sobject.fields.values():
            if self.store.has_index(target, field.name):
                continue
            if field.type == "reference" and not _UNINDEXED_TARGETS & set(field.reference_to):
                self.store.add_lookup(target, field.name, _value_of(field.name))
            elif field.name != "Id" and (field.external_id or field.unique or field.id_lookup):
                self.store.add_lookup(target, field.name, _folded_value_of(field.name))

    # -- reading ------------------------------------------------------------

    def now(self):
        """Return the present instant in the API's notation (whole seconds)."""
        return stamp(self.clock.now())

    def get(self, name, record_id):
        """Return a stored record by 18-character id, also a deleted one, or None."""
        return self.store.get(kind(name), record_id) if record_id else None

    def live(self, name, record_id):
        """Return a stored record that is not deleted, or None."""
        record = self.get(name, record_id)
        return None if record is None or record.get("IsDeleted") else record

    def scan(self, name):
        """Return all live records of an object type."""
        return [doc for doc in self.store.scan(kind(name)) if not doc.get("IsDeleted")]

    def related(self, name, field, record_id):
        """Return the live records whose (indexed) reference field points to an id, by Id."""
        found = self.store.lookup(kind(name), field, record_id)
        return sorted(
            (doc for doc in found if not doc.get("IsDeleted")), key=lambda doc: doc["Id"])

    def by_external(self, name, field, value):
        """Return the live records whose external-id field equals a text, ignoring case."""
        found = self.store.lookup(kind(name), field, str(value).lower())
        return [doc for doc in found if not doc.get("IsDeleted")]

    @property
    def organization(self):
        """Return the Organization record."""
        return self.store.scan(kind("Organization"))[0]

    def currency_digits(self, iso):
        """Return the decimal places of a currency (2 for an unknown one)."""
        for doc in self.store.scan(kind("CurrencyType")):
            if doc["IsoCode"] == iso:
                return doc["DecimalPlaces"]
        return 2

    @property
    def corporate_currency(self):
        """Return the ISO code of the org's corporate currency."""
        return next(c["IsoCode"] for c in self.scan("CurrencyType") if c["IsCorporate"])

    def stage(self, name):
        """Return the OpportunityStage record of a stage name, or None."""
        return next((s for s in self.scan("OpportunityStage") if s["ApiName"] == name), None)

    def picklist(self, field):
        """Return the values of a picklist field, also where they are records."""
        if field.name == "StageName":
            stages = sorted(self.scan("OpportunityStage"), key=lambda s: s["SortOrder"])
            return [stage["ApiName"] for stage in stages if stage["IsActive"]]
        if field.name in ("CurrencyIsoCode", "DefaultCurrencyIsoCode"):
            return sorted(c["IsoCode"] for c in self.scan("CurrencyType") if c["IsActive"])
        return list(field.picklist)

    # -- numbering ----------------------------------------------------------

    def new_ids(self, prefix, count=1):
        """Return that many new ids of a key prefix, ascending."""
        sequences, name = "salesforce/_sequence", f"id-{prefix}"
        last = (self.store.get(sequences, name) or {"value": 0})["value"]
        self.store.put(sequences, name, {"value": last + count})
        return [ids.make(prefix, last + i) for i in range(1, count + 1)]


def _value_of(name):
    return lambda doc: doc.get(name)


def _folded_value_of(name):
    def value(doc):
        found = doc.get(name)
        return None if found is None else str(found).lower()
    return value
