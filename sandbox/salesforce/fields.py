"""Field and object definitions, and one constructor per Salesforce field type."""

import dataclasses
import re


@dataclasses.dataclass(frozen=True)
class Field:
    """What ``describe`` tells about a field, as far as it is not fixed by its type."""

    name: str
    type: str
    label: str = ""
    length: int = 0
    precision: int = 0
    scale: int = 0
    nillable: bool = True
    createable: bool = True
    updateable: bool = True
    defaulted: bool = False
    default: object = None
    picklist: tuple = ()
    restricted: bool = False
    reference_to: tuple = ()
    relationship: str | None = None
    #: Name of the list of these records on the parent, and whether they die with it.
    child_relationship: str | None = None
    cascade: bool = False
    external_id: bool = False
    unique: bool = False
    id_lookup: bool = False
    name_field: bool = False
    filterable: bool = True
    calculated: bool = False
    auto_number: bool = False
    custom: bool = False
    compound: str | None = None

    @property
    def required(self):
        """Tell whether a new record needs a value from the client."""
        return self.createable and not self.nillable and not self.defaulted

    @property
    def sortable(self):
        """Long text and compound fields cannot be sorted by."""
        return self.filterable and self.type != "address"


@dataclasses.dataclass(frozen=True)
class SObject:
    """One object type."""

    name: str
    prefix: str
    label: str
    plural: str
    fields: dict
    createable: bool = True
    updateable: bool = True
    deletable: bool = True
    mergeable: bool = False
    custom: bool = False
    #: Setup objects have no recycle bin.
    has_bin: bool = True

    def field(self, name):
        """Return a field by its name in any case, or None."""
        return self.fields.get(name) or self.by_lower.get(name.lower())

    @property
    def by_lower(self):
        """Fields by lower-case name (computed once)."""
        found = self.__dict__.get("_by_lower")
        if found is None:
            found = {name.lower(): field for name, field in self.fields.items()}
            object.__setattr__(self, "_by_lower", found)
        return found

    @property
    def parents(self):
        """Reference fields by lower-case relationship name (computed once)."""
        found = self.__dict__.get("_parents")
        if found is None:
            found = {
                f.relationship.lower(): f for f in self.fields.values() if f.relationship}
            object.__setattr__(self, "_parents", found)
        return found

    @property
    def name_field(self):
        """Return the field that names a record, or None."""
        return next((f for f in self.fields.values() if f.name_field), None)


def label_of(name):
    """Return a readable label of an API name: ``BillingCity`` → ``Billing City``."""
    bare = re.sub(r"__c$", "", name).replace("_", " ")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", bare)


def _make(name, kind, options):
    options.setdefault("label", label_of(name))
    options.setdefault("custom", name.endswith("__c"))
    if options.pop("required", False):
        options["nillable"] = False
    if options.pop("readonly", False):
        options.update(createable=False, updateable=False)
    if options.get("default") is not None:
        options.setdefault("defaulted", True)
    return Field(name, kind, **options)


def text(name, length=255, **options):
    """A one-line text."""
    return _make(name, "string", {"length": length, **options})


def long_text(name, length=32000, **options):
    """A text that cannot be filtered or sorted by."""
    return _make(name, "textarea", {"length": length, "filterable": length <= 255, **options})


def email(name, **options):
    """An e-mail address."""
    return _make(name, "email", {"length": 80, **options})


def phone(name, **options):
    """A telephone number in free form."""
    return _make(name, "phone", {"length": 40, **options})


def url(name, **options):
    """A web address."""
    return _make(name, "url", {"length": 255, **options})


def picklist(name, values, **options):
    """One of several values; not restricted unless ``restricted=True``."""
    return _make(name, "picklist", {"length": 255, "picklist": tuple(values), **options})


def checkbox(name, default=False, **options):
    """A boolean; never null."""
    return _make(name, "boolean", {
        "nillable": False, "default": default, "defaulted": True, **options})


def currency(name, scale=2, **options):
    """An amount of money in the record's currency."""
    return _make(name, "currency", {"precision": 18, "scale": scale, **options})


def number(name, precision=18, scale=2, **options):
    """A decimal number."""
    return _make(name, "double", {"precision": precision, "scale": scale, **options})


def percent(name, precision=5, scale=2, **options):
    """A percentage: 10 means ten per cent."""
    return _make(name, "percent", {"precision": precision, "scale": scale, **options})


def integer(name, **options):
    """A whole number."""
    return _make(name, "int", {"precision": 0, **options})


def date(name, **options):
    """A calendar day without time zone."""
    return _make(name, "date", options)


def moment(name, **options):
    """An instant."""
    return _make(name, "datetime", options)


def ref(name, *targets, child=None, **options):
    """A reference; the relationship is named after the field without its ``Id``.

    :param child: name of the list on the parent.
    """
    relationship = name[:-3] + "__r" if name.endswith("__c") else re.sub(r"Id$", "", name)
    return _make(name, "reference", {
        "length": 18, "reference_to": targets, "relationship": relationship,
        "child_relationship": child, **options})


def address(prefix):
    """The fields of an address block, and the compound field over them."""
    compound = f"{prefix}Address"

    def part(make, name, *arguments):
        return make(prefix + name, *arguments, compound=compound)

    return [
        part(long_text, "Street", 255), part(text, "City", 40), part(text, "State", 80),
        part(text, "PostalCode", 20), part(text, "Country", 80),
        _make(prefix + "Latitude", "double", {"precision": 18, "scale": 15, "compound": compound}),
        _make(prefix + "Longitude", "double", {"precision": 18, "scale": 15, "compound": compound}),
        picklist(prefix + "GeocodeAccuracy", ("Address", "Street", "Zip", "City", "State"),
                 length=40, restricted=True, compound=compound),
        _make(compound, "address", {"readonly": True}),
    ]


#: Parts of a compound address as they appear in JSON, with the field suffix of each.
ADDRESS_PARTS = (
    ("city", "City"), ("country", "Country"), ("geocodeAccuracy", "GeocodeAccuracy"),
    ("latitude", "Latitude"), ("longitude", "Longitude"), ("postalCode", "PostalCode"),
    ("state", "State"), ("street", "Street"))


def system(deletable=True, owner=None, currency_code=True):
    """The fields that every record has.

    :param owner: objects that may own the record, or None for records without owner.
    :param currency_code: the record has a currency of its own (multi-currency orgs).
    """
    audit = {"readonly": True, "nillable": False, "defaulted": True}
    fields = [_make("Id", "id", {"length": 18, "id_lookup": True, **audit})]
    if deletable:
        fields.append(checkbox("IsDeleted", readonly=True))
    fields += [
        moment("CreatedDate", **audit), ref("CreatedById", "User", **audit),
        moment("LastModifiedDate", **audit), ref("LastModifiedById", "User", **audit),
        moment("SystemModstamp", **audit)]
    if owner:
        fields.append(ref("OwnerId", *owner, nillable=False, defaulted=True))
    if currency_code:
        fields.append(picklist("CurrencyIsoCode", (), length=3, restricted=True, defaulted=True))
    return fields
