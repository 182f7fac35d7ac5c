"""Whole deals: account, contact, opportunity, quote and lines, complete or with defects."""

from decimal import Decimal

from . import rules
from .values import round_money

#: What can be wrong with a deal on purpose.
DEFECTS = frozenset(
    {"unmapped_product", "wrong_total", "unknown_currency", "missing_tax", "unknown_tax"})

#: ISO 4217 reserves this code for tests; no accounting system has it active.
UNKNOWN_CURRENCY = "XTS"
UNKNOWN_TAX = ("Moon Levy 7.77%", Decimal("7.77"))
PRICEBOOK = "Q2C Price Book"
CLOSED_WON = "Closed Won"
_WRONG_BY = Decimal("10.00")

_DEFAULT_LINES = (
    {"code": "Q2C-PLAT", "quantity": 10, "discount": 10}, {"code": "Q2C-ONB", "quantity": 1},
    {"code": "Q2C-SUP", "quantity": 12})


class DealError(ValueError):
    """A deal description that makes no sense; the message says why."""


class DealBuilder:
    """Creates deals through the normal write path, as a sales user would."""

    def __init__(self, org, user_id):
        self.org, self.user_id = org, user_id

    def create(self, name, **values):
        """Insert a record; returns its id."""
        return self.org.records.create(self.org.schema.get(name), values, self.user_id)

    def update(self, name, record_id, **values):
        """Change a record."""
        self.org.records.update(self.org.schema.get(name), record_id, values, self.user_id)

    def win(self, opportunity_id):
        """Move an opportunity to Closed Won, closing today; returns the record."""
        today = self.org.clock.now().date().isoformat()
        self.update("Opportunity", opportunity_id, StageName=CLOSED_WON, CloseDate=today)
        return self.org.get("Opportunity", opportunity_id)

    # -- a whole deal -------------------------------------------------------

    def build(self, spec):
        """Create a deal.

        :param spec: all keys optional: ``name``; ``account`` (field values, or an id);
            ``contact`` (field values, or null for none); ``currency``; ``lines``
            ``[{code, quantity, unit_price?, discount?, name?}]``; ``tax_rate`` (per cent),
            ``tax_name``; ``shipping``; ``stage``; ``close_date``; ``quote_status``;
            ``sync`` (synchronise the quote, default true); ``win``; ``defects``.
        :returns: ids of all parts and the quote's amounts as text.
        :raises DealError: unknown key or defect.
        """
        spec = self._with_defaults(spec)
        account_id = self._account(spec["account"])
        contact_id = self._contact(spec["contact"], account_id)
        opportunity_id = self._opportunity(spec, account_id, contact_id)
        quote_id = self._quote(spec, opportunity_id, contact_id)
        lines = [self._line(quote_id, spec["currency"], line) for line in spec["lines"]]
        self._tax(spec, quote_id)
        if spec["sync"]:
            self.update("Opportunity", opportunity_id, SyncedQuoteId=quote_id)
        if "wrong_total" in spec["defects"]:
            self._spoil(quote_id)
        if spec["win"]:
            self.win(opportunity_id)
        return self._report(account_id, contact_id, opportunity_id, quote_id, lines)

    def _with_defaults(self, spec):
        number = self.org.store.next_number("salesforce/deal")
        defaults = {
            "name": f"Sandbox deal {number}",
            "account": {
                "Name": f"Sandbox customer {number}", "BillingStreet": f"{number} Harbor Street",
                "BillingCity": "Boston", "BillingState": "MA", "BillingPostalCode": "02110",
                "BillingCountry": "United States"},
            "contact": {"FirstName": "Sandy", "LastName": f"Box {number}",
                        "Email": f"sandy.box{number}@customer{number}.example"},
            "currency": self.org.corporate_currency, "lines": list(_DEFAULT_LINES),
            "tax_rate": 15, "tax_name": "Sales Tax 15%", "shipping": None,
            "stage": "Proposal/Price Quote",
            "close_date": self.org.clock.now().date().isoformat(), "quote_status": "Accepted",
            "sync": True, "win": False, "defects": []}
        unknown = set(spec) - set(defaults)
        defects = set(spec.get("defects", []))
        if unknown or defects - DEFECTS:
            raise DealError(
                f"unknown keys {sorted(unknown)} or defects {sorted(defects - DEFECTS)};"
                f" known: {sorted(defaults)}, {sorted(DEFECTS)}")
        return self._with_defects({**defaults, **spec}, number)

    def _with_defects(self, spec, number):
        if "unknown_currency" in spec["defects"]:
            spec["currency"] = UNKNOWN_CURRENCY
        if "unmapped_product" in spec["defects"]:
            odd = {"code": f"XX-UNMAPPED-{number}", "name": "Product that only the CRM knows",
                   "quantity": 1, "unit_price": "99.00"}
            spec["lines"] = [*spec["lines"], odd]
        if "missing_tax" in spec["defects"]:
            spec["tax_rate"] = spec["tax_name"] = None
        if "unknown_tax" in spec["defects"]:
            spec["tax_name"], spec["tax_rate"] = UNKNOWN_TAX
        return spec

    def _account(self, account):
        if isinstance(account, str):
            return account
        return self.create("Account", **account)

    def _contact(self, contact, account_id):
        if not contact:
            return None
        return self.create("Contact", **{"AccountId": account_id, **contact})

    def _opportunity(self, spec, account_id, contact_id):
        opportunity_id = self.create(
            "Opportunity", Name=spec["name"], AccountId=account_id, StageName=spec["stage"],
            CloseDate=spec["close_date"], CurrencyIsoCode=spec["currency"], Type="New Customer",
            Pricebook2Id=self.pricebook())
        if contact_id:
            self.create(
                "OpportunityContactRole", OpportunityId=opportunity_id, ContactId=contact_id,
                Role="Decision Maker", IsPrimary=True)
        return opportunity_id

    def _quote(self, spec, opportunity_id, contact_id):
        account = self.org.get(
            "Account", self.org.get("Opportunity", opportunity_id)["AccountId"])
        address = {
            target + part: account[source + part]
            for target, source in (("Billing", "Billing"), ("Shipping", "Shipping"))
            for part in ("Street", "City", "State", "PostalCode", "Country")
            if account.get(source + part)}
        return self.create(
            "Quote", Name=spec["name"], OpportunityId=opportunity_id, ContactId=contact_id,
            Pricebook2Id=self.pricebook(), Status=spec["quote_status"],
            ShippingHandling=spec["shipping"], BillingName=account["Name"], **address)

    def _line(self, quote_id, currency, line):
        product_id = self.product(line["code"], line.get("name"))
        entry = self.entry(product_id, currency, line.get("unit_price"))
        price = line.get("unit_price")
        return self.create(
            "QuoteLineItem", QuoteId=quote_id, PricebookEntryId=entry["Id"],
            Quantity=line["quantity"], Discount=line.get("discount"),
            UnitPrice=entry["UnitPrice"] if price is None else price)

    def _tax(self, spec, quote_id):
        if spec["tax_rate"] is None:
            return
        quote = self.org.get("Quote", quote_id)
        digits = self.org.currency_digits(quote.get("CurrencyIsoCode"))
        rate = Decimal(str(spec["tax_rate"]))
        tax = round_money(quote["TotalPrice"] * rate / 100, digits)
        self.update("Quote", quote_id, Tax=tax, Tax_Name__c=spec["tax_name"])

    def _spoil(self, quote_id):
        """Make the quote's totals differ from the sum of its lines."""
        quote = self.org.get("Quote", quote_id)
        forced = {name: quote[name] + _WRONG_BY for name in ("TotalPrice", "GrandTotal")}
        self.org.records.touch("Quote", quote_id, {"_forced": forced, **forced}, self.user_id)

    def _report(self, account_id, contact_id, opportunity_id, quote_id, lines):
        quote = self.org.get("Quote", quote_id)
        amounts = {name: str(quote.get(name, rules.ZERO)) for name in (
            "Subtotal", "TotalPrice", "Tax", "ShippingHandling", "GrandTotal")}
        return {
            "account_id": account_id, "contact_id": contact_id,
            "opportunity_id": opportunity_id, "quote_id": quote_id, "line_ids": lines,
            "currency": quote.get("CurrencyIsoCode"), "amounts": amounts}

    # -- catalogue ----------------------------------------------------------

    def pricebook(self, standard=False):
        """Return the id of the suite's price book (or the standard one), made when missing."""
        for book in self.org.scan("Pricebook2"):
            if book.get("IsStandard", False) == standard and (standard or book["Name"] == PRICEBOOK):
                return book["Id"]
        return self.create("Pricebook2", Name=PRICEBOOK, IsActive=True)

    def product(self, code, name=None, **values):
        """Return the id of a product by its code, made when missing."""
        for product in self.org.scan("Product2"):
            if product.get("ProductCode") == code:
                return product["Id"]
        return self.create(
            "Product2", Name=name or code, ProductCode=code, IsActive=True, **values)

    def entry(self, product_id, currency, price=None):
        """Return a product's entry in the suite's price book, made when missing."""
        book_id = self.pricebook()
        found = self._entry(product_id, book_id, currency)
        if found is None:
            for book in (self.pricebook(standard=True), book_id):
                if self._entry(product_id, book, currency) is None:
                    self.create(
                        "PricebookEntry", Pricebook2Id=book, Product2Id=product_id,
                        CurrencyIsoCode=currency, UnitPrice="100.00" if price is None else price,
                        IsActive=True)
            found = self._entry(product_id, book_id, currency)
        return found

    def _entry(self, product_id, book_id, currency):
        return next((
            entry for entry in self.org.related("PricebookEntry", "Product2Id", product_id)
            if entry["Pricebook2Id"] == book_id and entry.get("CurrencyIsoCode") == currency), None)
