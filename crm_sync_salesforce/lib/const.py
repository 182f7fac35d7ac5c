"""Tables of the vendor: versions, limits, error codes, the objects that we know."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from odoo.addons.crm_sync_base.lib.errors import (
    AuthFailed,
    Bug,
    Conflict,
    DataInvalid,
    RateLimited,
    RemoteGone,
    SyncError,
    Transient,
)

#: Summer '26; versions below 31 are retired (HTTP 410), newer ones only add
API_VERSION = "67.0"
OLDEST_API_VERSION = 31

#: (last version, the day from which it is refused), by Salesforce's published end of life:
#: 21–30 went with Summer '25, 31–40 go with Summer '28; a release's first days are in June
SUNSETS = ((30, date(2025, 6, 1)), (40, date(2028, 6, 1)))

#: hosts that may be called; the sandbox and My Domain hosts included
HOSTS = ("*.my.salesforce.com", "login.salesforce.com", "test.salesforce.com")

AUDIENCE_PRODUCTION = "https://login.salesforce.com"
AUDIENCE_SANDBOX = "https://test.salesforce.com"

#: records of one sObject collection call
COLLECTION_SIZE = 200
#: ids of one SOQL IN list at most; as many as fit into a query of `soql.MAX_ENCODED`, with some thirty fields
READ_SIZE = 500
#: records of one page of a poll; also the most that the vendor returns in one page
PAGE_SIZE = 2000
#: seconds; a lost answer of a write is found out after this
TIMEOUT = 60.0

#: seconds that a change may take from its SystemModstamp to being visible:
#: the stamp is taken when a transaction starts, readers see it after its commit
OVERLAP_SECONDS = 600

#: wait when the daily allocation is used up, and when too many calls run at once
DAILY_LIMIT_WAIT = 900.0
CONCURRENT_LIMIT_WAIT = 30.0


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """What an `errorCode` means to the engine and to a person."""

    error: type[SyncError]
    sentence: str
    hint: str = ""


_MAPPING = "Check the field mapping of the flow."
_RIGHTS = "Give the integration user access to the object and its fields."

#: ``errorCode`` (REST) and ``statusCode`` (collections) → rule. Codes are those of the
#: partner WSDL; retryable ones as in the REST API Developer Guide, "Status Codes".
ERROR_RULES: dict[str, ErrorRule] = {
    "UNABLE_TO_LOCK_ROW": ErrorRule(Transient, "Another process holds the record in Salesforce"),
    "SERVER_UNAVAILABLE": ErrorRule(Transient, "Salesforce is unavailable for the moment"),
    "QUERY_TIMEOUT": ErrorRule(Transient, "The query took Salesforce too long"),
    "REQUEST_RUNNING_TOO_LONG": ErrorRule(Transient, "The request took Salesforce too long"),
    "UNKNOWN_EXCEPTION": ErrorRule(Transient, "Salesforce failed unexpectedly"),
    "INVALID_QUERY_LOCATOR": ErrorRule(Transient, "A query's cursor expired while it was read"),
    "INVALID_REPLICATION_DATE": ErrorRule(Transient, "Salesforce no longer keeps changes that old"),
    "PROCESSING_HALTED": ErrorRule(Transient, "An earlier part of the same call failed"),
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": ErrorRule(
        Transient, "Another record of the same call failed"),
    "REQUEST_LIMIT_EXCEEDED": ErrorRule(
        RateLimited, "The API allocation of the Salesforce org is used up",
        "Spread the flows over the day or ask for a larger allocation."),
    "INVALID_SESSION_ID": ErrorRule(AuthFailed, "Salesforce does not accept the session"),
    "API_DISABLED_FOR_ORG": ErrorRule(
        AuthFailed, "The API is not enabled for this org or user", "Enable API access."),
    "API_CURRENTLY_DISABLED": ErrorRule(AuthFailed, "The API is disabled for this user"),
    "PASSWORD_LOCKOUT": ErrorRule(AuthFailed, "The integration user is locked out"),
    "INVALID_OPERATION_WITH_EXPIRED_PASSWORD": ErrorRule(
        AuthFailed, "The integration user's password has expired"),
    "NOT_FOUND": ErrorRule(RemoteGone, "The record does not exist in Salesforce"),
    "ENTITY_IS_DELETED": ErrorRule(RemoteGone, "The record was deleted in Salesforce"),
    "DUPLICATES_DETECTED": ErrorRule(
        Conflict, "A duplicate rule of Salesforce found a similar record",
        "Merge the records in Salesforce, or link the existing one."),
    "DUPLICATE_VALUE": ErrorRule(
        Conflict, "A unique field has this value on another record already",
        "Find out which of the two records is the right one."),
    "DUPLICATE_EXTERNAL_ID": ErrorRule(
        Conflict, "Several records have this external id", "Make the external id unique."),
    "PRECONDITION_FAILED": ErrorRule(Conflict, "The record was changed meanwhile"),
    "ENTITY_IS_LOCKED": ErrorRule(
        DataInvalid, "The record is locked by an approval", "Finish or recall the approval."),
    "REQUIRED_FIELD_MISSING": ErrorRule(DataInvalid, "A required field is missing", _MAPPING),
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": ErrorRule(
        DataInvalid, "A validation rule of Salesforce refuses the record"),
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": ErrorRule(
        DataInvalid, "A picklist does not have this value", "Add the value, or map it."),
    "STRING_TOO_LONG": ErrorRule(DataInvalid, "A text is too long for its field", _MAPPING),
    "NUMBER_OUTSIDE_VALID_RANGE": ErrorRule(DataInvalid, "A number is too large for its field"),
    "INVALID_EMAIL_ADDRESS": ErrorRule(DataInvalid, "An e-mail address is not valid"),
    "JSON_PARSER_ERROR": ErrorRule(DataInvalid, "A value has the wrong type for its field", _MAPPING),
    "INVALID_CROSS_REFERENCE_KEY": ErrorRule(
        DataInvalid, "A referenced record does not exist or cannot be seen", _RIGHTS),
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": ErrorRule(
        DataInvalid, "The integration user may not see a referenced record", _RIGHTS),
    "INSUFFICIENT_ACCESS_OR_READONLY": ErrorRule(
        DataInvalid, "The integration user may not change the record", _RIGHTS),
    "INACTIVE_OWNER_OR_USER": ErrorRule(
        DataInvalid, "The owner is inactive", "Give the record an active owner."),
    "MALFORMED_ID": ErrorRule(DataInvalid, "An id is not one of its object's", _MAPPING),
    "INVALID_FIELD": ErrorRule(
        DataInvalid, "A field does not exist, or the integration user may not see it",
        f"{_MAPPING} {_RIGHTS}"),
    "INVALID_FIELD_FOR_INSERT_UPDATE": ErrorRule(
        DataInvalid, "A field cannot be written", f"{_MAPPING} {_RIGHTS}"),
    "INVALID_TYPE": ErrorRule(
        DataInvalid, "An object does not exist in this org, or is not visible", _RIGHTS),
    "FIELD_INTEGRITY_EXCEPTION": ErrorRule(DataInvalid, "A value contradicts a related record"),
    "STANDARD_PRICE_NOT_DEFINED": ErrorRule(DataInvalid, "The product has no standard price"),
    "INVALID_CURRENCY_ISO": ErrorRule(DataInvalid, "The currency is not active in Salesforce"),
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": ErrorRule(
        DataInvalid, "An Apex trigger of Salesforce refuses the record"),
    "CANNOT_EXECUTE_FLOW_TRIGGER": ErrorRule(
        DataInvalid, "A flow of Salesforce failed on the record"),
    "MIXED_DML_OPERATION": ErrorRule(DataInvalid, "Setup and business records cannot be mixed"),
    "MALFORMED_QUERY": ErrorRule(Bug, "Salesforce does not understand a query of ours"),
    "INVALID_QUERY_FILTER_OPERATOR": ErrorRule(Bug, "A query of ours compares what cannot be compared"),
    "EXCEEDED_ID_LIMIT": ErrorRule(Bug, "A call of ours has too many records"),
    "METHOD_NOT_ALLOWED": ErrorRule(Bug, "Salesforce does not offer this call"),
    "MISSING_ARGUMENT": ErrorRule(Bug, "A call of ours lacks an argument"),
}

#: codes whose message is written by the org's administrator and holds no record data
SPOKEN_CODES = frozenset({"FIELD_CUSTOM_VALIDATION_EXCEPTION"})

#: OAuth ``error`` or description of the token endpoint that pass by themselves
OAUTH_TRANSIENT = frozenset({"server_error", "temporarily_unavailable", "unknown_error"})
OAUTH_RATE_LIMITED = frozenset({"login rate exceeded"})

#: description of the token endpoint for an assertion whose time is not now
OAUTH_EXPIRED = "expired authorization code"
#: seconds; clocks that differ by less are not why an assertion is refused
MIN_SKEW = 30.0

#: description of the token endpoint → what a person should do
OAUTH_HINTS: dict[str, str] = {
    OAUTH_EXPIRED: "Check the clock of this server: the assertion is valid for three minutes.",
    "audience is invalid": "A sandbox needs the audience https://test.salesforce.com.",
    "user hasn't approved this consumer": "Pre-authorise the integration user for the app, and check the user name.",
    "invalid assertion": "Upload the certificate that belongs to the private key.",
    "client identifier invalid": "Check the consumer key.",
    "invalid client credentials": "Check the consumer secret.",
    "user is inactive": "Activate the integration user.",
}


@dataclass(frozen=True, slots=True)
class ObjectData:
    """What the connector reads of an object, and how."""

    name: str
    label: str
    prefix: str  #: first three characters of its ids
    #: fields and parent paths; those that an org lacks are left out
    fields: tuple[str, ...]
    #: child relationship → fields of its records
    children: dict[str, tuple[str, ...]] = field(default_factory=dict)
    has_bin: bool = True  #: deleted records stay visible as IsDeleted
    mergeable: bool = False  #: a loser of a merge points to MasterRecordId
    can_push: bool = False
    priority: int = 20


def _address(prefix: str) -> tuple[str, ...]:
    parts = ("Street", "City", "State", "PostalCode", "Country", "CountryCode", "StateCode")
    return tuple(prefix + part for part in parts)


#: who changed a record last, read in the same query
CHANGED_BY = "LastModifiedBy.Email"

_AUDIT = ("Id", "CreatedDate", "LastModifiedDate", "LastModifiedById", CHANGED_BY, "SystemModstamp")
_PRODUCT = ("Product2Id", "Product2.ProductCode", "Product2.Name", "Product2.QuantityUnitOfMeasure")
_LINE = (
    "Id", "PricebookEntryId", *_PRODUCT, "Quantity", "UnitPrice", "ListPrice", "Discount", "Subtotal",
    "TotalPrice", "ServiceDate", "SortOrder", "Description", "CurrencyIsoCode",
)
_QUOTE_TOTALS = (
    "Subtotal", "Discount", "TotalPrice", "Tax", "ShippingHandling", "GrandTotal", "LineItemCount",
    "CurrencyIsoCode", "Tax_Name__c",
)
QUOTE_LINE_FIELDS = (*_LINE, "LineNumber", "QuoteId")
WRITE_BACK_FIELDS = (
    "Odoo_Order__c", "Odoo_Order_Status__c", "Odoo_Invoice__c", "Odoo_Invoice_Status__c",
    "Odoo_Amount_Paid__c", "Odoo_Payment_Status__c",
)

OBJECTS: dict[str, ObjectData] = {data.name: data for data in (
    ObjectData(
        "Account", "Account", "001",
        (*_AUDIT, "IsDeleted", "MasterRecordId", "Name", "Type", "ParentId", "Phone", "Website",
         "AccountNumber", "Industry", "Description", "OwnerId", "Owner.Name", "Owner.Email",
         "Owner.IsActive", "IsPersonAccount", "CurrencyIsoCode", "Tax_Id__c", "Payment_Terms__c",
         *_address("Billing"), *_address("Shipping")),
        mergeable=True, can_push=True, priority=30),
    ObjectData(
        "Contact", "Contact", "003",
        (*_AUDIT, "IsDeleted", "MasterRecordId", "AccountId", "Salutation", "FirstName", "LastName",
         "Name", "Title", "Email", "Phone", "MobilePhone", "HasOptedOutOfEmail", "Description",
         "OwnerId", "CurrencyIsoCode", *_address("Mailing"), *_address("Other")),
        mergeable=True, can_push=True, priority=30),
    ObjectData(
        "Opportunity", "Opportunity", "006",
        (*_AUDIT, "IsDeleted", "Name", "AccountId", "Account.Name", "StageName", "IsWon", "IsClosed",
         "Amount", "Probability", "CurrencyIsoCode", "CloseDate", "Type", "Description", "OwnerId",
         "Owner.Name", "Owner.Email", "Pricebook2Id", "Pricebook2.Name", "SyncedQuoteId",
         "HasOpportunityLineItem", *WRITE_BACK_FIELDS),
        children={
            "OpportunityLineItems": _LINE,
            "OpportunityContactRoles": ("ContactId", "Contact.Email", "Role", "IsPrimary"),
        },
        can_push=True, priority=10),
    ObjectData(
        "Quote", "Quote", "0Q0",
        (*_AUDIT, "IsDeleted", "QuoteNumber", "Name", "OpportunityId", "AccountId", "ContactId",
         "Status", "ExpirationDate", "IsSyncing", "Pricebook2Id", *_QUOTE_TOTALS, "BillingName",
         "ShippingName", *_address("Billing"), *_address("Shipping")),
        children={"QuoteLineItems": (*_LINE, "LineNumber")}, priority=10),
    ObjectData(
        "Product2", "Product", "01t",
        (*_AUDIT, "IsDeleted", "Name", "ProductCode", "StockKeepingUnit", "Description", "Family",
         "IsActive", "IsArchived", "QuantityUnitOfMeasure"),
        can_push=True, priority=40),
    ObjectData(
        "PricebookEntry", "Price Book Entry", "01u",
        (*_AUDIT, "IsDeleted", "Pricebook2Id", "Pricebook2.Name", "Pricebook2.IsStandard",
         *_PRODUCT, "UnitPrice", "CurrencyIsoCode", "IsActive"),
        priority=40),
    ObjectData("Pricebook2", "Price Book", "01s", (*_AUDIT, "IsDeleted", "Name", "IsActive", "IsStandard")),
    ObjectData("User", "User", "005", (*_AUDIT, "Name", "Email", "Username", "IsActive"), has_bin=False),
    ObjectData(
        "OpportunityStage", "Opportunity Stage", "01J",
        (*_AUDIT, "ApiName", "MasterLabel", "IsActive", "IsClosed", "IsWon", "SortOrder"), has_bin=False),
    ObjectData(
        "CurrencyType", "Currency", "01L",
        (*_AUDIT, "IsoCode", "DecimalPlaces", "ConversionRate", "IsActive", "IsCorporate"), has_bin=False),
)}
