"""What the vendor derives or refuses per object: one small class each.

Money is ``Decimal``; a line's total is rounded half up to the currency's digits, and
totals are sums of rounded lines, so a document always adds up.
"""

from datetime import date
from decimal import Decimal

from .errors import SalesforceError, integrity, required_missing
from .values import round_money

ZERO = Decimal(0)
HUNDRED = Decimal(100)


class Rule:
    """Nothing special."""

    def before(self, org, old, new, values, user_id):
        """Complete ``new`` in place or refuse it. ``old`` is None on insert; ``values`` is
        what the client sent."""

    def before_delete(self, org, record):
        """Refuse to delete, or let it pass."""

    def after(self, org, old, new, user_id):
        """Bring related records up to date."""


class Person(Rule):
    """Contact, Lead, User: the compound name."""

    def before(self, org, old, new, values, user_id):
        """Join first and last name."""
        parts = (new.get("FirstName"), new.get("LastName"))
        new["Name"] = " ".join(part for part in parts if part)


class Opportunity(Rule):
    """Stage decides won, closed, probability and forecast; products decide the amount."""

    def before(self, org, old, new, values, user_id):
        """Derive from the stage; ignore a written Amount where lines exist (documented)."""
        self._keep_line_currency(org, old, new)
        if old is None or old.get("StageName") != new["StageName"]:
            self._enter_stage(org, new, values)
        if "ForecastCategoryName" in values and values["ForecastCategoryName"]:
            new["ForecastCategory"] = values["ForecastCategoryName"].replace(" ", "")
        if old is not None and old.get("HasOpportunityLineItem"):
            new["Amount"] = old.get("Amount")
        if "SyncedQuoteId" in values and values["SyncedQuoteId"]:
            quote = org.live("Quote", values["SyncedQuoteId"])
            if quote is None or quote["OpportunityId"] != new["Id"]:
                raise integrity("SyncedQuoteId", "the quote belongs to another opportunity")
        self._derive(new)

    def _keep_line_currency(self, org, old, new):
        if old is None or old.get("CurrencyIsoCode") == new.get("CurrencyIsoCode"):
            return
        if org.related("OpportunityLineItem", "OpportunityId", new["Id"]):
            raise integrity("CurrencyIsoCode", "the currency of a record with products is fixed")

    def _enter_stage(self, org, new, values):
        stage = org.stage(new["StageName"]) or {}
        new["IsClosed"], new["IsWon"] = stage.get("IsClosed", False), stage.get("IsWon", False)
        new["LastStageChangeDate"] = org.now()
        if values.get("Probability") is None:
            new["Probability"] = stage.get("DefaultProbability", ZERO)
        if values.get("ForecastCategoryName") is None:
            new["ForecastCategory"] = stage.get("ForecastCategory", "Pipeline")
            new["ForecastCategoryName"] = stage.get("ForecastCategoryName", "Pipeline")

    def _derive(self, new):
        closing = date.fromisoformat(new["CloseDate"])
        quarter = (closing.month - 1) // 3 + 1
        new.update(FiscalYear=closing.year, FiscalQuarter=quarter,
                   Fiscal=f"{closing.year} {quarter}")
        if new.get("Amount") is not None:
            share = new.get("Probability") or ZERO
            new["ExpectedRevenue"] = round_money(new["Amount"] * share / HUNDRED, 2)

    def after(self, org, old, new, user_id):
        """Replace the lines when another quote is synchronised."""
        before = (old or {}).get("SyncedQuoteId")
        if new.get("IsDeleted") or before == new.get("SyncedQuoteId"):
            return
        if before:
            org.records.touch("Quote", before, {"IsSyncing": False}, user_id)
        if new.get("SyncedQuoteId"):
            org.records.touch("Quote", new["SyncedQuoteId"], {"IsSyncing": True}, user_id)
            sync_lines(org, new["SyncedQuoteId"], user_id)


class Line(Rule):
    """What opportunity, quote and order lines share.

    :param parent: parent object; ``parent_field``: the reference to it.
    """

    parent = parent_field = None

    def before(self, org, old, new, values, user_id):
        """Check the pricebook entry against the parent; copy product data; compute totals."""
        parent = org.get(self.parent, new[self.parent_field])
        if old is None:
            self._take_entry(org, parent, new, user_id)
        self._price(org, old, new, values)

    def _take_entry(self, org, parent, new, user_id):
        entry = org.live("PricebookEntry", new.get("PricebookEntryId"))
        if entry is None:
            raise required_missing(["PricebookEntryId"])
        if not entry.get("IsActive"):
            raise integrity("PricebookEntryId", "pricebook entry has been inactivated")
        if entry.get("CurrencyIsoCode") != parent.get("CurrencyIsoCode"):
            raise integrity(
                "PricebookEntryId", "pricebook entry currency code does not match the parent's")
        if parent.get("Pricebook2Id") is None:
            changes = {"Pricebook2Id": entry["Pricebook2Id"]}
            org.records.touch(self.parent, parent["Id"], changes, user_id)
        elif parent["Pricebook2Id"] != entry["Pricebook2Id"]:
            raise integrity(
                "PricebookEntryId", "pricebook entry is not in the price book of the parent")
        product = org.get("Product2", entry["Product2Id"])
        new.update(
            Product2Id=product["Id"], ListPrice=entry["UnitPrice"],
            CurrencyIsoCode=parent.get("CurrencyIsoCode"))
        self.describe_product(parent, product, new)

    def describe_product(self, parent, product, new):
        """Copy what this kind of line shows of its product."""

    def _price(self, org, old, new, values):
        digits = org.currency_digits(new.get("CurrencyIsoCode"))
        new["Subtotal"] = round_money(new["Quantity"] * new["UnitPrice"], digits)
        discount = new.get("Discount") or ZERO
        new["TotalPrice"] = round_money(
            new["Quantity"] * new["UnitPrice"] * (HUNDRED - discount) / HUNDRED, digits)

    def after(self, org, old, new, user_id):
        """Roll the lines up to the parent."""
        roll_up(org, self.parent, new[self.parent_field], user_id)


class OpportunityLineItem(Line):
    """UnitPrice or TotalPrice is written, never both."""

    parent, parent_field = "Opportunity", "OpportunityId"

    def describe_product(self, parent, product, new):
        """Name the line after opportunity and product."""
        new["Name"] = f"{parent['Name']} {product['Name']}"[:376]
        if product.get("ProductCode"):
            new["ProductCode"] = product["ProductCode"]

    def _price(self, org, old, new, values):
        unit, total = values.get("UnitPrice"), values.get("TotalPrice")
        if unit is not None and total is not None:
            raise SalesforceError(
                400, "INVALID_FIELD_FOR_INSERT_UPDATE",
                "Specify either a unit price or total price, but not both.",
                ["UnitPrice", "TotalPrice"])
        if unit is None and total is None and old is None:
            raise required_missing(["UnitPrice"])
        if total is not None:
            if not new["Quantity"]:
                raise integrity("Quantity", "must not be zero")
            share = (HUNDRED - (new.get("Discount") or ZERO)) / HUNDRED
            new["UnitPrice"] = round_money(total / new["Quantity"] / share, 2)
        super()._price(org, old, new, values)
        if total is not None:
            new["TotalPrice"] = total


class QuoteLineItem(Line):
    """Lines of a quote; a synchronised quote carries them on to the opportunity."""

    parent, parent_field = "Quote", "QuoteId"

    def before(self, org, old, new, values, user_id):
        """Number the line; a unit price is required."""
        if new.get("UnitPrice") is None:
            raise required_missing(["UnitPrice"])
        if old is None:
            number = org.store.next_number("salesforce/QuoteLineItem")
            new["LineNumber"] = f"{number:08d}"
        super().before(org, old, new, values, user_id)

    def after(self, org, old, new, user_id):
        """Roll up, and synchronise."""
        super().after(org, old, new, user_id)
        quote = org.live("Quote", new["QuoteId"])
        if quote is not None and quote.get("IsSyncing"):
            sync_lines(org, quote["Id"], user_id)


class OrderItem(Line):
    """Lines of an order."""

    parent, parent_field = "Order", "OrderId"

    def before(self, org, old, new, values, user_id):
        """Number the line."""
        if old is None:
            number = org.store.next_number("salesforce/OrderItem")
            new["OrderItemNumber"] = f"{number:010d}"
        super().before(org, old, new, values, user_id)

    def _price(self, org, old, new, values):
        digits = org.currency_digits(new.get("CurrencyIsoCode"))
        new["TotalPrice"] = round_money(new["Quantity"] * new["UnitPrice"], digits)


class Quote(Rule):
    """Totals of the lines; account and currency come from the opportunity."""

    def before(self, org, old, new, values, user_id):
        """Take over from the opportunity, then total."""
        if old is None:
            opportunity = org.get("Opportunity", new["OpportunityId"])
            new["QuoteNumber"] = f"{org.store.next_number('salesforce/Quote'):08d}"
            new["CurrencyIsoCode"] = opportunity.get("CurrencyIsoCode")
            new["AccountId"] = opportunity.get("AccountId")
            if not new.get("Pricebook2Id"):
                new["Pricebook2Id"] = opportunity.get("Pricebook2Id")
        elif old.get("OpportunityId") != new.get("OpportunityId"):
            raise integrity("OpportunityId", "a quote cannot move to another opportunity")
        new.update(quote_totals(org, new))

    def before_delete(self, org, record):
        """A synchronised quote has to be unsynchronised first."""
        if record.get("IsSyncing"):
            raise SalesforceError(
                400, "DELETE_FAILED", "Your attempt to delete the quote could not be completed"
                " because it is synchronizing with an opportunity.")


class Product(Rule):
    """Nothing but the guard that keeps referenced products."""

    def before_delete(self, org, record):
        """A product on lines cannot be deleted."""
        for name in ("OpportunityLineItem", "QuoteLineItem", "OrderItem"):
            if org.schema.get(name) and org.related(name, "Product2Id", record["Id"]):
                raise SalesforceError(
                    400, "DELETE_FAILED", "Your attempt to delete the product could not be"
                    " completed because it is associated with transactions.")


class PricebookEntry(Rule):
    """A custom price needs a standard price first, one entry a book, product and currency."""

    def before(self, org, old, new, values, user_id):
        """Check, and copy the product's name and code."""
        product = org.get("Product2", new["Product2Id"])
        new["Name"] = product["Name"]
        new["ProductCode"] = product.get("ProductCode")
        if old is not None:
            return
        same = [
            entry for entry in org.related("PricebookEntry", "Product2Id", product["Id"])
            if entry.get("CurrencyIsoCode") == new.get("CurrencyIsoCode")]
        if any(entry["Pricebook2Id"] == new["Pricebook2Id"] for entry in same):
            raise SalesforceError(
                400, "DUPLICATE_VALUE", "This price definition already exists in this price book")
        if org.get("Pricebook2", new["Pricebook2Id"]).get("IsStandard"):
            return
        books = {book["Id"] for book in org.scan("Pricebook2") if book.get("IsStandard")}
        if not any(entry["Pricebook2Id"] in books for entry in same):
            raise SalesforceError(
                400, "STANDARD_PRICE_NOT_DEFINED",
                "Before creating a custom price, create a standard price.", [])


class Order(Rule):
    """Numbering, status code and activation."""

    _CODES = {"Draft": "Draft", "Activated": "Activated"}

    def before(self, org, old, new, values, user_id):
        """Derive; an order is created as draft, and an activated one keeps its account."""
        if old is None:
            new["OrderNumber"] = f"{org.store.next_number('salesforce/Order'):08d}"
            if new["Status"] != "Draft":
                raise SalesforceError(
                    400, "FAILED_ACTIVATION", "Choose a valid order status and save your changes.",
                    ["Status"])
        new["StatusCode"] = self._CODES.get(new["Status"], "Draft")
        if new["StatusCode"] == "Activated" and (old or {}).get("StatusCode") != "Activated":
            if not org.related("OrderItem", "OrderId", new["Id"]):
                raise SalesforceError(
                    400, "FAILED_ACTIVATION", "An order must have at least one product.")
            new.update(ActivatedDate=org.now(), ActivatedById=user_id)


class Contract(Rule):
    """Numbering, status code, end date."""

    _CODES = {"Draft": "Draft", "In Approval Process": "InApproval", "Activated": "Activated"}

    def before(self, org, old, new, values, user_id):
        """Derive; a contract cannot be born activated."""
        if old is None:
            new["ContractNumber"] = f"{org.store.next_number('salesforce/Contract'):08d}"
            if new["Status"] == "Activated":
                raise SalesforceError(
                    400, "FAILED_ACTIVATION", "Choose a valid contract status and save your"
                    " changes. Ask your salesforce.com administrator for details.", ["Status"])
        new["StatusCode"] = self._CODES.get(new["Status"], "Draft")
        if new.get("StartDate") and new.get("ContractTerm"):
            new["EndDate"] = contract_end(new["StartDate"], new["ContractTerm"])
        if new["StatusCode"] == "Activated" and not new.get("ActivatedDate"):
            new.update(ActivatedDate=org.now(), ActivatedById=user_id)


class ContactRole(Rule):
    """One primary contact role an opportunity."""

    def after(self, org, old, new, user_id):
        """Take the mark off the others."""
        if not new.get("IsPrimary") or new.get("IsDeleted"):
            return
        for role in org.related("OpportunityContactRole", "OpportunityId", new["OpportunityId"]):
            if role["Id"] != new["Id"] and role.get("IsPrimary"):
                org.records.touch("OpportunityContactRole", role["Id"], {"IsPrimary": False}, user_id)


_RULES = {
    "Contact": Person(), "Lead": Person(), "User": Person(), "Opportunity": Opportunity(),
    "OpportunityLineItem": OpportunityLineItem(), "Quote": Quote(),
    "QuoteLineItem": QuoteLineItem(), "Product2": Product(), "PricebookEntry": PricebookEntry(),
    "Order": Order(), "OrderItem": OrderItem(), "Contract": Contract(),
    "OpportunityContactRole": ContactRole()}
_PLAIN = Rule()


def of(name):
    """Return the rule of an object type."""
    return _RULES.get(name, _PLAIN)


def contract_end(start, months):
    """Return the last day (ISO) of a contract: the day before the same day ``months`` later."""
    first = date.fromisoformat(start)
    month = first.month - 1 + months
    year, month = first.year + month // 12, month % 12 + 1
    for day in range(first.day, 27, -1):
        try:
            return date.fromordinal(date(year, month, day).toordinal() - 1).isoformat()
        except ValueError:
            continue
    return date.fromordinal(date(year, month, min(first.day, 28)).toordinal() - 1).isoformat()


def quote_totals(org, quote):
    """Return the derived amounts of a quote from its live lines.

    ``_forced`` amounts (set by the admin API to make a document that does not add up) win.
    """
    lines = org.related("QuoteLineItem", "QuoteId", quote["Id"])
    subtotal = sum((line["Subtotal"] for line in lines), ZERO)
    total = sum((line["TotalPrice"] for line in lines), ZERO)
    discount = round_money((subtotal - total) / subtotal * HUNDRED, 2) if subtotal else ZERO
    grand = total + (quote.get("Tax") or ZERO) + (quote.get("ShippingHandling") or ZERO)
    return {
        "Subtotal": subtotal, "TotalPrice": total, "Discount": discount, "GrandTotal": grand,
        "LineItemCount": len(lines), **(quote.get("_forced") or {})}


def roll_up(org, parent, record_id, user_id):
    """Recompute a document's totals from its lines."""
    record = org.live(parent, record_id)
    if record is None:
        return
    if parent == "Quote":
        org.records.touch(parent, record_id, quote_totals(org, record), user_id)
    elif parent == "Order":
        lines = org.related("OrderItem", "OrderId", record_id)
        total = sum((line["TotalPrice"] for line in lines), ZERO)
        org.records.touch(parent, record_id, {"TotalAmount": total}, user_id)
    else:
        org.records.touch(parent, record_id, _opportunity_totals(org, record), user_id)


def _opportunity_totals(org, record):
    lines = org.related("OpportunityLineItem", "OpportunityId", record["Id"])
    if not lines:
        return {"HasOpportunityLineItem": False}
    amount = sum((line["TotalPrice"] for line in lines), ZERO)
    share = record.get("Probability") or ZERO
    return {
        "HasOpportunityLineItem": True, "Amount": amount,
        "ExpectedRevenue": round_money(amount * share / HUNDRED, 2),
        "TotalOpportunityQuantity": sum((line["Quantity"] for line in lines), ZERO)}


def sync_lines(org, quote_id, user_id):
    """Replace the opportunity's lines by the quote's: the new lines have new ids."""
    quote = org.live("Quote", quote_id)
    opportunity_id = quote["OpportunityId"]
    line_type = org.schema.get("OpportunityLineItem")
    for line in org.related("OpportunityLineItem", "OpportunityId", opportunity_id):
        org.records.delete(line_type, line["Id"], user_id)
    org.records.touch("Opportunity", opportunity_id, {"Pricebook2Id": quote["Pricebook2Id"]}, user_id)
    for line in org.related("QuoteLineItem", "QuoteId", quote_id):
        body = {name: line.get(name) for name in (
            "PricebookEntryId", "Quantity", "UnitPrice", "Discount", "ServiceDate", "Description",
            "SortOrder") if line.get(name) is not None}
        new_id = org.records.create(line_type, {**body, "OpportunityId": opportunity_id}, user_id)
        org.store.update(
            "salesforce/QuoteLineItem", line["Id"], OpportunityLineItemId=new_id)
