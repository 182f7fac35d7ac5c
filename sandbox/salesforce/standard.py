"""The standard objects of this org: a subset of API v67.0, plus its custom fields."""

from .fields import (
    SObject,
    address,
    checkbox,
    currency,
    date,
    email,
    integer,
    long_text,
    moment,
    number,
    percent,
    phone,
    picklist,
    ref,
    system,
    text,
    url,
)

_USER = ("User",)
_USER_OR_QUEUE = ("Group", "User")
_FORECAST = ("Omitted", "Pipeline", "BestCase", "MostLikely", "Forecast", "Closed")
_FORECAST_NAME = ("Omitted", "Pipeline", "Best Case", "Most Likely", "Commit", "Closed")
_INDUSTRY = (
    "Agriculture", "Banking", "Construction", "Consulting", "Education", "Electronics",
    "Energy", "Engineering", "Finance", "Healthcare", "Hospitality", "Insurance",
    "Machinery", "Manufacturing", "Media", "Retail", "Shipping", "Technology",
    "Telecommunications", "Transportation", "Utilities", "Other")
_SOURCE = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")
_SALUTATION = ("Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", "Mx.")
_QUOTE_STATUS = (
    "Draft", "Needs Review", "In Review", "Approved", "Rejected", "Presented", "Accepted",
    "Denied")
_AUTO = {"readonly": True, "nillable": False, "auto_number": True, "defaulted": True}


def _name():
    """Name parts of a person and the compound name."""
    return [
        text("LastName", 80, required=True), text("FirstName", 40),
        text("Name", 121, readonly=True, nillable=False, name_field=True)]


def _person():
    """Names and salutation of a business partner."""
    return [*_name(), picklist("Salutation", _SALUTATION, length=40)]


def _activity():
    return [date("LastActivityDate", readonly=True), moment("LastViewedDate", readonly=True),
            moment("LastReferencedDate", readonly=True)]


def _line(parent_field):
    """Fields that opportunity and quote lines share."""
    return [
        parent_field,
        ref("PricebookEntryId", "PricebookEntry", updateable=False),
        ref("Product2Id", "Product2", readonly=True),
        number("Quantity", 12, 2, required=True), currency("UnitPrice"),
        percent("Discount", 5, 2), currency("ListPrice", readonly=True),
        currency("Subtotal", readonly=True), date("ServiceDate"),
        integer("SortOrder"), text("Description")]


def _organization():
    return [
        text("Name", 80, name_field=True), *address(""), phone("Phone"),
        picklist("DefaultLocaleSidKey", ("en_US",)), picklist("LanguageLocaleKey", ("en_US",)),
        picklist("TimeZoneSidKey", ("UTC", "America/Los_Angeles", "Europe/Berlin")),
        text("OrganizationType", 40), text("InstanceName", 5), text("NamespacePrefix", 15),
        checkbox("IsSandbox"), checkbox("IsReadOnly"), integer("FiscalYearStartMonth"),
        moment("TrialExpirationDate"), *system(False, currency_code=False)]


def _user():
    return [
        *_name(), text("Username", 80, required=True, unique=True, id_lookup=True),
        email("Email", required=True), text("Alias", 8), text("Title", 80),
        text("CompanyName", 80), text("Department", 80), phone("Phone"), phone("MobilePhone"),
        checkbox("IsActive"), picklist("UserType", ("Standard", "PowerPartner", "Guest")),
        picklist("TimeZoneSidKey", ("UTC", "America/Los_Angeles", "Europe/Berlin")),
        picklist("LocaleSidKey", ("en_US",)), picklist("LanguageLocaleKey", ("en_US",)),
        picklist("DefaultCurrencyIsoCode", (), length=3), ref("ManagerId", "User"),
        text("FederationIdentifier", 512, unique=True), *address(""),
        moment("LastLoginDate", readonly=True), *system(False)]


def _account():
    return [
        text("Name", required=True, name_field=True),
        picklist("Type", ("Prospect", "Customer - Direct", "Customer - Channel",
                          "Channel Partner / Reseller", "Installation Partner",
                          "Technology Partner", "Other")),
        ref("MasterRecordId", "Account", readonly=True),
        ref("ParentId", "Account", child="ChildAccounts"),
        *address("Billing"), *address("Shipping"),
        phone("Phone"), phone("Fax"), text("AccountNumber", 40), url("Website"),
        text("Sic", 20), picklist("Industry", _INDUSTRY), currency("AnnualRevenue", 0),
        integer("NumberOfEmployees"), long_text("Description"),
        picklist("Rating", ("Hot", "Warm", "Cold")), text("Site", 80),
        picklist("AccountSource", _SOURCE), *_activity(), *system(owner=_USER),
        text("Odoo_Partner__c", 64, external_id=True, unique=True),
        text("Tax_Id__c", 32), text("Payment_Terms__c", 64)]


def _contact():
    return [
        ref("MasterRecordId", "Contact", readonly=True),
        ref("AccountId", "Account", child="Contacts", cascade=True), *_person(),
        *address("Other"), *address("Mailing"), phone("Phone"), phone("Fax"),
        phone("MobilePhone"), phone("HomePhone"), ref("ReportsToId", "Contact"),
        email("Email", id_lookup=True), text("Title", 128), text("Department", 80),
        picklist("LeadSource", _SOURCE), date("Birthdate"), long_text("Description"),
        checkbox("HasOptedOutOfEmail"), checkbox("DoNotCall"),
        checkbox("IsEmailBounced", readonly=True), *_activity(), *system(owner=_USER),
        text("Odoo_Partner__c", 64, external_id=True, unique=True)]


def _lead():
    converted = {"readonly": True}
    return [
        ref("MasterRecordId", "Lead", readonly=True), *_person(), text("Title", 128),
        text("Company", required=True), *address(""), phone("Phone"), phone("MobilePhone"),
        phone("Fax"), email("Email"), url("Website"), long_text("Description"),
        picklist("LeadSource", _SOURCE), picklist("Industry", _INDUSTRY),
        picklist("Status", ("Open - Not Contacted", "Working - Contacted",
                            "Closed - Converted", "Closed - Not Converted"),
                 nillable=False, default="Open - Not Contacted"),
        picklist("Rating", ("Hot", "Warm", "Cold")), currency("AnnualRevenue", 0),
        integer("NumberOfEmployees"), checkbox("IsConverted", readonly=True),
        date("ConvertedDate", **converted), ref("ConvertedAccountId", "Account", **converted),
        ref("ConvertedContactId", "Contact", **converted),
        ref("ConvertedOpportunityId", "Opportunity", **converted),
        checkbox("HasOptedOutOfEmail"), checkbox("DoNotCall"), *_activity(),
        *system(owner=_USER_OR_QUEUE)]


def _opportunity():
    return [
        ref("AccountId", "Account", child="Opportunities", cascade=True),
        text("Name", 120, required=True, name_field=True), long_text("Description"),
        picklist("StageName", (), required=True), currency("Amount"),
        percent("Probability", 3, 0, defaulted=True), currency("ExpectedRevenue", readonly=True),
        number("TotalOpportunityQuantity", readonly=True), date("CloseDate", required=True),
        picklist("Type", ("Existing Customer - Upgrade", "Existing Customer - Replacement",
                          "Existing Customer - Downgrade", "New Customer")),
        text("NextStep"), picklist("LeadSource", _SOURCE), checkbox("IsPrivate"),
        checkbox("IsClosed", readonly=True), checkbox("IsWon", readonly=True),
        picklist("ForecastCategory", _FORECAST, length=40, readonly=True, restricted=True),
        picklist("ForecastCategoryName", _FORECAST_NAME, restricted=True, defaulted=True),
        checkbox("HasOpportunityLineItem", readonly=True),
        ref("Pricebook2Id", "Pricebook2", defaulted=True),
        ref("ContactId", "Contact", updateable=False), ref("ContractId", "Contract"),
        ref("SyncedQuoteId", "Quote"), moment("LastStageChangeDate", readonly=True),
        integer("FiscalYear", readonly=True), integer("FiscalQuarter", readonly=True),
        text("Fiscal", 6, readonly=True), *_activity(), *system(owner=_USER),
        text("Odoo_Order__c", 64), text("Odoo_Order_Status__c", 64),
        text("Odoo_Invoice__c", 64), text("Odoo_Invoice_Status__c", 64),
        text("Odoo_Payment_Status__c", 64), currency("Odoo_Amount_Paid__c"),
        text("Odoo_Progress__c", 255),
        text("Odoo_External_Id__c", 64, external_id=True, unique=True)]


def _opportunity_line():
    return [
        *_line(ref("OpportunityId", "Opportunity", child="OpportunityLineItems", cascade=True,
                   required=True, updateable=False)),
        text("Name", 376, readonly=True, name_field=True),
        text("ProductCode", 255, readonly=True), currency("TotalPrice"),
        checkbox("HasSchedule", readonly=True), *system()]


def _opportunity_stage():
    return [
        text("MasterLabel", name_field=True), text("ApiName"), checkbox("IsActive"),
        integer("SortOrder"), checkbox("IsClosed"), checkbox("IsWon"),
        picklist("ForecastCategory", _FORECAST), picklist("ForecastCategoryName", _FORECAST_NAME),
        percent("DefaultProbability", 3, 0), text("Description"),
        *system(False, currency_code=False)]


def _contact_role():
    return [
        ref("OpportunityId", "Opportunity", child="OpportunityContactRoles", cascade=True,
            required=True, updateable=False),
        ref("ContactId", "Contact", child="OpportunityContactRoles", cascade=True, required=True,
            updateable=False),
        picklist("Role", ("Business User", "Decision Maker", "Economic Buyer",
                          "Economic Decision Maker", "Evaluator", "Executive Sponsor",
                          "Influencer", "Technical Buyer", "Other")),
        checkbox("IsPrimary"), *system()]


def _product():
    return [
        text("Name", required=True, name_field=True), text("ProductCode"),
        long_text("Description", 4000), checkbox("IsActive"), text("StockKeepingUnit", 180),
        picklist("Family", ("Software", "Services", "Support", "None")),
        picklist("QuantityUnitOfMeasure", ("Each", "Hour", "Month", "User")), url("DisplayUrl"),
        text("ExternalId"), checkbox("IsArchived", readonly=True), *_activity()[1:], *system(),
        text("Odoo_Product__c", 64, external_id=True, unique=True)]


def _pricebook():
    return [
        text("Name", required=True, name_field=True), checkbox("IsActive"),
        text("Description"), checkbox("IsStandard", readonly=True),
        checkbox("IsArchived", readonly=True), *system(currency_code=False)]


def _pricebook_entry():
    return [
        text("Name", readonly=True, name_field=True),
        ref("Pricebook2Id", "Pricebook2", child="PricebookEntries", required=True,
            updateable=False, cascade=True),
        ref("Product2Id", "Product2", child="PricebookEntries", required=True,
            updateable=False, cascade=True),
        currency("UnitPrice", required=True), checkbox("IsActive"),
        checkbox("UseStandardPrice"), text("ProductCode", 255, readonly=True),
        checkbox("IsArchived", readonly=True), *system()]


def _quote():
    money = {"readonly": True}
    return [
        text("QuoteNumber", 30, **_AUTO), text("Name", required=True, name_field=True),
        ref("OpportunityId", "Opportunity", child="Quotes", cascade=True, required=True,
            updateable=False),
        ref("AccountId", "Account", child="Quotes", readonly=True),
        ref("ContactId", "Contact", child="Quotes"), ref("ContractId", "Contract"),
        ref("Pricebook2Id", "Pricebook2"), picklist("Status", _QUOTE_STATUS, default="Draft"),
        date("ExpirationDate"), checkbox("IsSyncing", readonly=True),
        checkbox("CanCreateQuoteLineItems", default=True, readonly=True),
        currency("Subtotal", **money), percent("Discount", 5, 2, **money),
        currency("TotalPrice", **money), integer("LineItemCount", **money), currency("Tax"),
        currency("ShippingHandling"), currency("GrandTotal", **money), email("Email"),
        phone("Phone"), phone("Fax"), long_text("Description"), text("BillingName"),
        *address("Billing"), text("ShippingName"), *address("Shipping"), text("QuoteToName"),
        *address("QuoteTo"), *_activity()[1:], *system(owner=_USER_OR_QUEUE),
        text("Tax_Name__c", 80), text("Odoo_Order__c", 64),
        text("Odoo_External_Id__c", 64, external_id=True, unique=True)]


def _quote_line():
    return [
        *_line(ref("QuoteId", "Quote", child="QuoteLineItems", cascade=True, required=True,
                   updateable=False)),
        text("LineNumber", 255, name_field=True, **_AUTO), currency("TotalPrice", readonly=True),
        ref("OpportunityLineItemId", "OpportunityLineItem", updateable=False),
        checkbox("HasSchedule", readonly=True), *system()]


def _order():
    return [
        text("OrderNumber", 30, name_field=True, **_AUTO), text("Name", 80),
        ref("AccountId", "Account", child="Orders", required=True),
        ref("OpportunityId", "Opportunity", child="Orders"), ref("QuoteId", "Quote", child="Orders"),
        ref("ContractId", "Contract", child="Orders"), ref("Pricebook2Id", "Pricebook2"),
        ref("OriginalOrderId", "Order"), checkbox("IsReductionOrder"),
        date("EffectiveDate", required=True), date("EndDate"), text("PoNumber", 80),
        date("PoDate"), picklist("Status", ("Draft", "Activated"), required=True),
        picklist("StatusCode", ("Draft", "Activated", "Canceled", "Expired"), readonly=True),
        picklist("Type", ("Initial", "Renewal", "Amendment")), long_text("Description"),
        currency("TotalAmount", readonly=True), moment("ActivatedDate", readonly=True),
        ref("ActivatedById", "User", readonly=True), ref("BillToContactId", "Contact"),
        ref("ShipToContactId", "Contact"), *address("Billing"), *address("Shipping"),
        *_activity()[1:], *system(owner=_USER_OR_QUEUE),
        text("Odoo_External_Id__c", 64, external_id=True, unique=True)]


def _order_item():
    return [
        text("OrderItemNumber", 30, name_field=True, **_AUTO),
        ref("OrderId", "Order", child="OrderItems", cascade=True, required=True,
            updateable=False),
        ref("PricebookEntryId", "PricebookEntry", updateable=False),
        ref("Product2Id", "Product2", readonly=True), ref("QuoteLineItemId", "QuoteLineItem"),
        number("Quantity", 12, 2, required=True), currency("UnitPrice", required=True),
        currency("ListPrice", readonly=True), currency("TotalPrice", readonly=True),
        date("ServiceDate"), date("EndDate"), text("Description"), *system()]


def _contract():
    return [
        text("ContractNumber", 30, name_field=True, **_AUTO), text("Name", 80),
        ref("AccountId", "Account", child="Contracts", required=True, cascade=True),
        ref("Pricebook2Id", "Pricebook2"), ref("SourceOpportunityId", "Opportunity"),
        date("StartDate"), date("EndDate", readonly=True), integer("ContractTerm"),
        picklist("Status", ("Draft", "In Approval Process", "Activated"), nillable=False,
                 default="Draft"),
        picklist("StatusCode", ("Draft", "InApproval", "Activated", "Terminated", "Expired"),
                 readonly=True),
        long_text("Description"), long_text("SpecialTerms", 4000),
        moment("ActivatedDate", readonly=True), ref("ActivatedById", "User", readonly=True),
        *address("Billing"), *address("Shipping"), *_activity(), *system(owner=_USER)]


def _currency_type():
    return [
        text("IsoCode", 3, name_field=True), number("ConversionRate", 18, 9),
        integer("DecimalPlaces"), checkbox("IsActive"), checkbox("IsCorporate"),
        *system(False, currency_code=False)]


def _group():
    return [text("Name", 40, name_field=True), text("DeveloperName", 80),
            picklist("Type", ("Queue", "Regular")), email("Email"),
            *system(False, currency_code=False)]


def _record_type():
    return [text("Name", 80, name_field=True), text("DeveloperName", 80),
            text("SobjectType", 40), checkbox("IsActive"), text("Description"),
            *system(False, currency_code=False)]


_SETUP = {"createable": False, "deletable": False, "has_bin": False}

#: name: (key prefix, plural label, field list, object options)
_OBJECTS = {
    "Organization": ("00D", "Organizations", _organization, {**_SETUP, "updateable": False}),
    "User": ("005", "Users", _user, {"deletable": False, "has_bin": False}),
    "Group": ("00G", "Groups", _group, _SETUP),
    "RecordType": ("012", "Record Types", _record_type, _SETUP),
    "CurrencyType": ("01L", "Currency Types", _currency_type, {**_SETUP, "updateable": False}),
    "Account": ("001", "Accounts", _account, {"mergeable": True}),
    "Contact": ("003", "Contacts", _contact, {"mergeable": True}),
    "Lead": ("00Q", "Leads", _lead, {"mergeable": True}),
    "Opportunity": ("006", "Opportunities", _opportunity, {}),
    "OpportunityLineItem": ("00k", "Opportunity Products", _opportunity_line, {}),
    "OpportunityStage": (
        "01J", "Opportunity Stages", _opportunity_stage, {**_SETUP, "updateable": False}),
    "OpportunityContactRole": ("00K", "Opportunity Contact Roles", _contact_role, {}),
    "Product2": ("01t", "Products", _product, {}),
    "Pricebook2": ("01s", "Price Books", _pricebook, {}),
    "PricebookEntry": ("01u", "Price Book Entries", _pricebook_entry, {}),
    "Quote": ("0Q0", "Quotes", _quote, {}),
    "QuoteLineItem": ("0QL", "Quote Line Items", _quote_line, {}),
    "Order": ("801", "Orders", _order, {}),
    "OrderItem": ("802", "Order Products", _order_item, {}),
    "Contract": ("800", "Contracts", _contract, {}),
}

_LABELS = {
    "Product2": "Product", "Pricebook2": "Price Book", "PricebookEntry": "Price Book Entry",
    "OpportunityLineItem": "Opportunity Product", "OrderItem": "Order Product",
    "QuoteLineItem": "Quote Line Item", "OpportunityStage": "Opportunity Stage",
    "OpportunityContactRole": "Opportunity Contact Role", "CurrencyType": "Currency Type",
    "RecordType": "Record Type"}


def objects():
    """Return ``{name: SObject}`` of the standard objects."""
    return {
        name: SObject(
            name=name, prefix=prefix, label=_LABELS.get(name, name), plural=plural,
            fields={field.name: field for field in make()}, **options)
        for name, (prefix, plural, make, options) in _OBJECTS.items()
    }
