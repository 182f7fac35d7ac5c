"""Standard properties of the object types, as compact tables.

A row is ``name: "type/fieldType Label"``; ``!`` in front marks a calculated (read-only)
property, ``[a=Label, b]`` behind gives enumeration options, ``@`` in front of a type
means that the options live elsewhere (owners, stages, tax rates, currencies).
"""

import re

_ROW = re.compile(r"(?P<ro>!?)(?P<ext>@?)(?P<type>\w+)/(?P<field>\w+) (?P<label>[^\[]+?)(?: \[(?P<options>.*)\])?$")

_EVERY = {
    "hs_object_id": "!number/number Record ID",
    "hs_merged_object_ids": "!enumeration/checkbox Merged record IDs",
    "hs_object_source": "!string/text Record source",
    "hs_object_source_id": "!string/text Record source ID",
    "hs_created_by_user_id": "!number/number Created by user ID",
    "hs_updated_by_user_id": "!number/number Updated by user ID",
    "hubspot_owner_id": "@enumeration/select Owner",
}

_ADDRESS = {
    "address": "string/text Street address",
    "city": "string/text City",
    "state": "string/text State/Region",
    "zip": "string/text Postal code",
    "country": "string/text Country/Region",
    "phone": "string/phonenumber Phone number",
    "website": "string/text Website URL",
}

_LIFECYCLE = ("enumeration/radio Lifecycle stage [subscriber=Subscriber, lead=Lead,"
              " marketingqualifiedlead=Marketing qualified lead,"
              " salesqualifiedlead=Sales qualified lead, opportunity=Opportunity,"
              " customer=Customer, evangelist=Evangelist, other=Other]")

_FREQUENCY = ("enumeration/select Billing frequency [weekly=Weekly, biweekly=Every two weeks,"
              " monthly=Monthly, quarterly=Quarterly, per_six_months=Semi-annually,"
              " annually=Annually, per_two_years=Every two years, per_three_years=Every three years,"
              " per_four_years=Every four years, per_five_years=Every five years]")

_RECURRING = {
    "recurringbillingfrequency": _FREQUENCY,
    "hs_recurring_billing_period": "string/text Term",
    "hs_cost_of_goods_sold": "number/number Unit cost",
    "hs_sku": "string/text SKU",
}

TABLES = {
    "contacts": {
        **_EVERY, **_ADDRESS,
        "email": "string/text Email",
        "firstname": "string/text First name",
        "lastname": "string/text Last name",
        "mobilephone": "string/phonenumber Mobile phone number",
        "company": "string/text Company name",
        "jobtitle": "string/text Job title",
        "salutation": "string/text Salutation",
        "hs_language": (
            "enumeration/select Preferred language [en=English, de=German, fr=French, es=Spanish, nl=Dutch]"),
        "lifecyclestage": _LIFECYCLE,
        "hs_lead_status": (
            "enumeration/radio Lead status [NEW=New, OPEN=Open, IN_PROGRESS=In progress,"
            " CONNECTED=Connected, UNQUALIFIED=Unqualified]"),
        "hs_additional_emails": "string/text Additional email addresses",
        "associatedcompanyid": "!number/number Primary associated company ID",
        "hs_calculated_merged_vids": "!enumeration/text Merged contact IDs",
        "createdate": "!datetime/date Create date",
        "lastmodifieddate": "!datetime/date Last modified date",
    },
    "companies": {
        **_EVERY, **_ADDRESS,
        "name": "string/text Company name",
        "domain": "string/text Company domain name",
        "address2": "string/text Street address 2",
        "industry": (
            "enumeration/select Industry [COMPUTER_SOFTWARE=Computer software, MACHINERY=Machinery,"
            " RETAIL=Retail, LOGISTICS_AND_SUPPLY_CHAIN=Logistics and supply chain,"
            " FOOD_PRODUCTION=Food production, RENEWABLES_ENVIRONMENT=Renewables and environment,"
            " HOSPITAL_HEALTH_CARE=Hospital and health care]"),
        "type": (
            "enumeration/select Type [PROSPECT=Prospect, PARTNER=Partner, RESELLER=Reseller, VENDOR=Vendor,"
            " OTHER=Other]"),
        "annualrevenue": "number/number Annual revenue",
        "numberofemployees": "number/number Number of employees",
        "description": "string/textarea Description",
        "lifecyclestage": _LIFECYCLE,
        "hs_additional_domains": "!enumeration/checkbox Additional domains",
        "hs_parent_company_id": "!number/number Parent company",
        "createdate": "!datetime/date Create date",
        "hs_lastmodifieddate": "!datetime/date Last modified date",
    },
    "deals": {
        **_EVERY,
        "dealname": "string/text Deal name",
        "amount": "number/number Amount",
        "dealstage": "@enumeration/radio Deal stage",
        "pipeline": "@enumeration/select Pipeline",
        "closedate": "datetime/date Close date",
        "deal_currency_code": "@enumeration/select Currency",
        "dealtype": (
            "enumeration/radio Deal type [newbusiness=New business, existingbusiness=Existing business]"),
        "description": "string/textarea Deal description",
        "hs_priority": "enumeration/select Priority [low=Low, medium=Medium, high=High]",
        "hs_next_step": "string/text Next step",
        "closed_won_reason": "string/textarea Closed won reason",
        "closed_lost_reason": "string/textarea Closed lost reason",
        "hs_is_closed": "!bool/booleancheckbox Is deal closed?",
        "hs_is_closed_won": "!bool/booleancheckbox Is closed won",
        "hs_is_closed_lost": "!bool/booleancheckbox Is closed lost",
        "hs_deal_stage_probability": "!number/number Deal probability",
        "hs_exchange_rate": "!number/number Exchange rate",
        "amount_in_home_currency": "!number/number Amount in company currency",
        "hs_closed_amount": "!number/number Closed deal amount",
        "createdate": "!datetime/date Create date",
        "hs_lastmodifieddate": "!datetime/date Last modified date",
    },
    "products": {
        **_EVERY, **_RECURRING,
        "name": "string/text Name",
        "description": "string/textarea Product description",
        "price": "number/number Unit price",
        "hs_price_usd": "number/number Unit price (USD)",
        "hs_price_eur": "number/number Unit price (EUR)",
        "hs_price_gbp": "number/number Unit price (GBP)",
        "tax": "number/number Tax",
        "hs_product_type": (
            "enumeration/select Product type [inventory=Inventory, non_inventory=Non-inventory,"
            " service=Service]"),
        "hs_status": "enumeration/select Status [active=Active, inactive=Inactive]",
        "hs_url": "string/text URL",
        "createdate": "!datetime/date Create date",
        "hs_lastmodifieddate": "!datetime/date Last modified date",
    },
    "line_items": {
        **_EVERY, **_RECURRING,
        "name": "string/text Name",
        "description": "string/textarea Description",
        "hs_product_id": "number/number Product ID",
        "quantity": "number/number Quantity",
        "price": "number/number Unit price",
        "discount": "number/number Unit discount",
        "hs_discount_percentage": "number/number Discount percentage",
        "tax": "number/number Tax",
        "hs_tax_rate_group_id": "@enumeration/select Tax rate",
        "hs_line_item_currency_code": "@enumeration/select Currency",
        "hs_recurring_billing_start_date": "date/date Billing start date",
        "hs_recurring_billing_end_date": "!date/date Billing end date",
        "hs_recurring_billing_number_of_payments": "number/number Number of payments",
        "hs_position_on_quote": "number/number Position on quote",
        "hs_pricing_model": (
            "enumeration/select Pricing model [flat=Flat, volume=Volume, graduated=Graduated,"
            " stairstep=Stairstep]"),
        "amount": "!number/number Net price",
        "hs_pre_discount_amount": "!number/number Pre-discount amount",
        "hs_total_discount": "!number/number Total discount",
        "hs_tax_rate": "!number/number Tax rate",
        "hs_tax_label": "!string/text Tax label",
        "hs_tax_amount": "!number/number Tax amount",
        "hs_post_tax_amount": "!number/number Post-tax amount",
        "createdate": "!datetime/date Create date",
        "hs_lastmodifieddate": "!datetime/date Last modified date",
    },
    "quotes": {
        **_EVERY,
        "hs_title": "string/text Quote title",
        "hs_expiration_date": "date/date Expiration date",
        "hs_status": (
            "enumeration/select Quote status [DRAFT=Draft, APPROVAL_NOT_NEEDED=No approval needed,"
            " PENDING_APPROVAL=Pending approval, APPROVED=Approved, REJECTED=Rejected]"),
        "hs_currency": "@enumeration/select Currency",
        "hs_language": "enumeration/select Language [en=English, de=German, fr=French, es=Spanish]",
        "hs_quote_number": "string/text Quote number",
        "hs_template_type": (
            "enumeration/select Template type [CUSTOMIZABLE_QUOTE_TEMPLATE=Customisable, CPQ_QUOTE=CPQ quote]"),
        "hs_terms": "string/textarea Purchase terms",
        "hs_comments": "string/textarea Comments to buyer",
        "hs_sender_firstname": "string/text Sender first name",
        "hs_sender_lastname": "string/text Sender last name",
        "hs_sender_email": "string/text Sender email",
        "hs_sender_company_name": "string/text Sender company",
        "hs_payment_enabled": "bool/booleancheckbox Payment enabled",
        "hs_esign_enabled": "bool/booleancheckbox E-signature enabled",
        "hs_quote_amount": "!number/number Quote amount",
        "hs_locked": "!bool/booleancheckbox Locked",
        "hs_quote_link": "!string/text Quote link",
        "hs_pdf_download_link": "!string/text PDF download link",
        "hs_payment_status": (
            "!enumeration/select Payment status [PENDING=Pending, PROCESSING=Processing, PAID=Paid]"),
        "hs_createdate": "!datetime/date Create date",
        "hs_lastmodifieddate": "!datetime/date Last modified date",
    },
    "invoices": {
        **_EVERY,
        "hs_currency": "@enumeration/select Currency",
        "hs_invoice_status": (
            "enumeration/select Invoice status [draft=Draft, open=Open, paid=Paid, voided=Voided]"),
        "hs_invoice_billable": "bool/booleancheckbox Billable",
        "hs_invoice_date": "datetime/date Invoice date",
        "hs_due_date": "datetime/date Due date",
        "hs_number": "string/text Invoice number",
        "hs_purchase_order_number": "string/text PO number",
        "hs_amount_billed": "!number/number Amount billed",
        "hs_balance_due": "!number/number Balance due",
        "hs_createdate": "!datetime/date Create date",
        "hs_lastmodifieddate": "!datetime/date Last modified date",
    },
}

GROUPS = {
    "contacts": "contactinformation", "companies": "companyinformation",
    "deals": "dealinformation", "products": "productinformation",
    "line_items": "lineiteminformation", "quotes": "quoteinformation",
    "invoices": "invoiceinformation",
}


def options_of(text):
    """Turn ``"a=Label, b"`` into option objects."""
    options = []
    for position, part in enumerate(text.split(", ") if text else ()):
        value, _equals, label = part.partition("=")
        options.append({"value": value, "label": label or value, "displayOrder": position,
                        "hidden": False, "description": ""})
    return options


def parse_row(name, row, group, position=0):
    """Return a property definition in the API's shape from one table row."""
    match = _ROW.match(row)
    read_only = bool(match["ro"])
    return {
        "name": name, "label": match["label"], "description": "", "groupName": group,
        "type": match["type"], "fieldType": match["field"],
        "options": options_of(match["options"]), "displayOrder": position,
        "calculated": read_only, "externalOptions": bool(match["ext"]),
        "hasUniqueValue": name == "hs_object_id", "hidden": False, "hubspotDefined": True,
        "formField": False, "dataSensitivity": "non_sensitive",
        "modificationMetadata": {
            "archivable": False, "readOnlyDefinition": True, "readOnlyValue": read_only,
            "readOnlyOptions": bool(match["ext"]) or read_only},
    }


def standard_definitions():
    """Return ``{object type name: {property name: definition}}``."""
    return {
        type_name: {
            name: parse_row(name, row, GROUPS[type_name], position)
            for position, (name, row) in enumerate(rows.items())
        }
        for type_name, rows in TABLES.items()
    }
