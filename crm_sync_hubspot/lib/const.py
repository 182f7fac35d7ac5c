"""HubSpot's tables: versions, object types, association types, limits.

Sources: HubSpot's developer documentation (API versions, object type ids, association
type ids, CRM search, batch endpoints, usage guidelines, webhooks).
"""

from __future__ import annotations

import re
from datetime import date, timedelta

#: The version that this module is written against. Versions are dates; each is supported
#: for 18 months. `v3` (until September 2027) still works: see `paths.py`.
API_VERSION = "2026-09"
API_VERSIONS = ("2026-09", "2026-03", "v3")

SUPPORT_MONTHS = 18
LAST_DAYS = {"v3": date(2027, 9, 30)}  # of versions that are not dates


def sunset(version: str) -> date | None:
    """Return the last day on which an API version is supported, None when it has no date."""
    if version in LAST_DAYS:
        return LAST_DAYS[version]
    match = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", version)
    if not match:
        return None
    # The month in which it came, and 18 more: the last day before the next one begins.
    months = int(match[1]) * 12 + int(match[2]) - 1 + SUPPORT_MONTHS
    return date(months // 12, months % 12 + 1, 1) - timedelta(days=1)


DEFAULT_BASE_URL = "https://api.hubapi.com"
AUTHORIZE_URL = "https://app.hubspot.com/oauth/authorize"

#: Object name (as in paths) → object type id.
OBJECT_TYPE_IDS: dict[str, str] = {
    "contacts": "0-1",
    "companies": "0-2",
    "deals": "0-3",
    "tickets": "0-5",
    "products": "0-7",
    "line_items": "0-8",
    "quotes": "0-14",
    "invoices": "0-53",
    "commerce_subscriptions": "0-69",
    "discounts": "0-84",
    "fees": "0-85",
    "commerce_payments": "0-101",
    "orders": "0-123",
    "leads": "0-136",
}
OBJECT_NAMES: dict[str, str] = {type_id: name for name, type_id in OBJECT_TYPE_IDS.items()}

#: Properties without which a record is refused (custom object types say theirs themselves).
REQUIRED: dict[str, tuple[str, ...]] = {"deals": ("dealname", "dealstage"), "line_items": ("name",)}

#: Properties that identify a record without being marked as unique ("CRM API, contacts").
IDENTIFYING: dict[str, tuple[str, ...]] = {"contacts": ("email",)}

#: Property type → kind of value; those that are missing are texts.
KINDS: dict[str, str] = {
    "bool": "boolean", "date": "date", "datetime": "datetime", "enumeration": "choice",
    "number": "number", "json": "other",
}

#: Prefix of classic webhook event types → object name.
EVENT_OBJECTS: dict[str, str] = {
    "contact": "contacts",
    "company": "companies",
    "deal": "deals",
    "ticket": "tickets",
    "product": "products",
    "line_item": "line_items",
}

#: Directional ids of HubSpot's own association types: (from, to) → unlabelled type.
ASSOCIATION_TYPE_IDS: dict[tuple[str, str], int] = {
    ("contacts", "companies"): 279,
    ("companies", "contacts"): 280,
    ("deals", "contacts"): 3,
    ("contacts", "deals"): 4,
    ("deals", "companies"): 341,
    ("companies", "deals"): 342,
    ("deals", "line_items"): 19,
    ("line_items", "deals"): 20,
    ("deals", "quotes"): 63,
    ("quotes", "deals"): 64,
    ("quotes", "line_items"): 67,
    ("line_items", "quotes"): 68,
    ("quotes", "contacts"): 69,
    ("quotes", "companies"): 71,
    ("invoices", "contacts"): 177,
    ("invoices", "companies"): 179,
    ("invoices", "deals"): 175,
    ("invoices", "quotes"): 407,
    ("invoices", "line_items"): 409,
}

#: The type that marks *the* company of a contact or deal, which may have several.
PRIMARY_TYPE_IDS: dict[tuple[str, str], int] = {
    ("contacts", "companies"): 1,
    ("companies", "contacts"): 2,
    ("deals", "companies"): 5,
    ("companies", "deals"): 6,
}

QUOTE_SIGNER_TYPE_ID = 702
QUOTE_BILLING_CONTACT_TYPE_ID = 1226

HUBSPOT_DEFINED = "HUBSPOT_DEFINED"

LIST_LIMIT = 100
BATCH_LIMIT = 100
ASSOCIATION_READ_LIMIT = 1000
ASSOCIATION_WRITE_LIMIT = 2000
SEARCH_PAGE_LIMIT = 200
#: conditions besides those of the cursor: a group of filters has six at most
SEARCH_CONDITIONS = 4

#: Searches may lag behind writes by "a few moments": polls look back so many seconds.
SEARCH_OVERLAP_SECONDS = 300

#: Searches a second, of all apps of an account together (documentation: "Search the CRM").
SEARCHES_PER_SECOND = 5

#: Seconds to wait after a 429 that does not say how long, by the policy that was hit.
#: The daily budget comes back at midnight of the account's time zone: look again hourly.
RATE_LIMIT_WAITS: dict[str, float] = {
    "SECONDLY": 1.0,
    "TEN_SECONDLY_ROLLING": 10.0,
    "DAILY": 3600.0,
}

#: Signed requests older than this are refused (milliseconds).
SIGNATURE_TOLERANCE_MS = 300_000


def modified_property(object_name: str) -> str:
    """Return the name of the property with a record's last change; contacts have their own."""
    return "lastmodifieddate" if object_name == "contacts" else "hs_lastmodifieddate"


def is_custom(object_name: str) -> bool:
    """Tell whether an object is one of the account's own: neither a standard name nor its type id."""
    return object_name not in OBJECT_TYPE_IDS and not object_name.startswith("0-")
