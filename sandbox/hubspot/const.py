"""HubSpot's tables: object types, association types, limits, versions.

Sources: HubSpot's CRM API guides (object type ids, association type ids, search and
batch limits) and the usage guidelines (rate limits).
"""

import dataclasses

#: Date versions served; all paths of one version behave alike except where
#: ``ENFORCING_VERSIONS`` says otherwise. ``v3``/``v4`` are the legacy paths.
DATED_VERSIONS = ("2025-09", "2026-03", "2026-09")

#: From this version on, validation rules configured by the portal's admin hold for API writes.
ENFORCING_VERSIONS = ("2026-09",)

LIST_LIMIT = 100
BATCH_LIMIT = 100
ASSOCIATION_READ_LIMIT = 1000
ASSOCIATION_CREATE_LIMIT = 2000

SEARCH_PAGE_LIMIT = 200
SEARCH_TOTAL_LIMIT = 10_000
SEARCH_BODY_LIMIT = 3000
SEARCH_GROUPS, SEARCH_FILTERS_PER_GROUP, SEARCH_FILTERS = 5, 6, 18

UNIQUE_PROPERTY_LIMIT = 10
TEXT_LIMIT = 65_536

ACCESS_TOKEN_SECONDS = 1800

HUBSPOT_DEFINED, USER_DEFINED, INTEGRATOR_DEFINED = (
    "HUBSPOT_DEFINED", "USER_DEFINED", "INTEGRATOR_DEFINED")


@dataclasses.dataclass(frozen=True)
class ObjectType:
    """One CRM object type and what is peculiar to it."""

    id: str
    #: Plural name used in paths.
    name: str
    singular: str
    #: Prefix of classic webhook subscription types, None when there is none.
    event: str | None = None
    #: Properties returned when the caller names none.
    defaults: tuple = ()
    #: Properties that a create must set; inner tuples are alternatives.
    required: tuple = ()
    created: str = "createdate"
    modified: str = "hs_lastmodifieddate"
    #: Merging makes a new record (else the primary keeps its id).
    merge_makes_new: bool = True
    #: Ids start after this number.
    base: int = 0
    #: Properties searched by the free-text ``query``.
    searchable: tuple = ()

    @property
    def kind(self):
        """Kind of the store under which the records are filed."""
        return f"hubspot/{self.name}"

    @property
    def label(self):
        """Upper-case singular, as error messages and association types say it."""
        return self.singular.upper()


STANDARD_TYPES = (
    ObjectType(
        "0-1", "contacts", "contact", "contact", ("email", "firstname", "lastname"),
        modified="lastmodifieddate", merge_makes_new=False, base=151_000,
        searchable=("firstname", "lastname", "email", "phone", "company")),
    ObjectType(
        "0-2", "companies", "company", "company", ("domain", "name"),
        required=(("name", "domain"),), base=20_410_000_000,
        searchable=("website", "phone", "name", "domain")),
    ObjectType(
        "0-3", "deals", "deal", "deal",
        ("amount", "closedate", "dealname", "dealstage", "pipeline"),
        required=("dealname", "dealstage", "pipeline"), base=30_118_000_000,
        searchable=("dealname", "pipeline", "dealstage", "description", "dealtype")),
    ObjectType(
        "0-7", "products", "product", "product", ("description", "name", "price"),
        base=1_760_000_000, searchable=("name", "description", "price", "hs_sku")),
    ObjectType(
        "0-8", "line_items", "line_item", "line_item", ("amount", "name", "price", "quantity"),
        base=27_493_000_000),
    ObjectType(
        "0-14", "quotes", "quote", None,
        ("hs_expiration_date", "hs_quote_amount", "hs_quote_number", "hs_status", "hs_title"),
        required=("hs_title", "hs_expiration_date"), created="hs_createdate",
        base=9_870_000_000, searchable=("hs_title", "hs_quote_number")),
    ObjectType(
        "0-53", "invoices", "invoice", None,
        ("hs_amount_billed", "hs_currency", "hs_invoice_date", "hs_due_date", "hs_invoice_status"),
        required=("hs_currency",), created="hs_createdate", base=410_000_000,
        searchable=("hs_number",)),
)

#: ``(from, to) -> (unlabelled default id, primary id or None)``, directional.
#: Ids that HubSpot publishes; a pair that is missing here cannot be associated.
ASSOCIATION_TYPES = {
    ("0-1", "0-2"): (279, 1), ("0-2", "0-1"): (280, 2),
    ("0-3", "0-1"): (3, None), ("0-1", "0-3"): (4, None),
    ("0-3", "0-2"): (341, 5), ("0-2", "0-3"): (342, 6),
    ("0-3", "0-8"): (19, None), ("0-8", "0-3"): (20, None),
    ("0-14", "0-8"): (67, None), ("0-8", "0-14"): (68, None),
    ("0-14", "0-3"): (64, None), ("0-3", "0-14"): (63, None),
    ("0-14", "0-1"): (69, None), ("0-1", "0-14"): (70, None),
    ("0-14", "0-2"): (71, None), ("0-2", "0-14"): (72, None),
    ("0-53", "0-1"): (177, None), ("0-1", "0-53"): (178, None),
    ("0-53", "0-2"): (179, None), ("0-2", "0-53"): (180, None),
    ("0-53", "0-3"): (175, None), ("0-3", "0-53"): (176, None),
    ("0-53", "0-14"): (407, None), ("0-14", "0-53"): (408, None),
    ("0-53", "0-8"): (409, None), ("0-8", "0-53"): (410, None),
}

#: Further labelled types of a pair: signer and billing contact of a quote.
LABELLED_TYPES = {
    ("0-14", "0-1"): {702: "Contact Signer", 1226: "Billing Contact"},
}

#: Objects of which a line item may have one only, as its parent.
LINE_ITEM_PARENTS = ("0-3", "0-14", "0-53")

#: Quote states in which a quote can be edited; all others lock it.
QUOTE_EDITABLE = ("DRAFT", "PENDING_APPROVAL", "REJECTED")
QUOTE_PUBLISHED = ("APPROVAL_NOT_NEEDED", "APPROVED")
