"""What an org holds at first: settings data always, the demo story on request."""

from datetime import timedelta
from decimal import Decimal

from .deals import UNKNOWN_CURRENCY, DealBuilder
from .org import Org, kind
from .sessions import USERNAME
from .values import stamp

DEMO = "salesforce/_demo"

SALES_USER = "rep.carla@q2c-sandbox.example"

#: ISO code, units per corporate currency, decimal places, corporate.
_CURRENCIES = (
    ("USD", "1", 2, True), ("EUR", "0.92", 2, False), ("GBP", "0.79", 2, False),
    ("JPY", "151.25", 0, False), (UNKNOWN_CURRENCY, "1", 2, False))

#: Stage, probability, closed, won, forecast category (name).
_STAGES = (
    ("Prospecting", 10, False, False, "Pipeline"), ("Qualification", 10, False, False, "Pipeline"),
    ("Needs Analysis", 20, False, False, "Pipeline"),
    ("Value Proposition", 50, False, False, "Pipeline"),
    ("Id. Decision Makers", 60, False, False, "Pipeline"),
    ("Perception Analysis", 70, False, False, "Pipeline"),
    ("Proposal/Price Quote", 75, False, False, "Pipeline"),
    ("Negotiation/Review", 90, False, False, "Pipeline"),
    ("Closed Won", 100, True, True, "Closed"), ("Closed Lost", 0, True, False, "Omitted"))

#: Username, first and last name, active.
_USERS = (
    (USERNAME, "Odoo", "Integration", True), (SALES_USER, "Carla", "Mendes", True),
    ("rep.tomasz@q2c-sandbox.example", "Tomasz", "Wolny", True),
    ("rep.former@q2c-sandbox.example", "Frances", "Former", False))

#: Code, name, family, unit, USD, EUR.
_PRODUCTS = (
    ("Q2C-PLAT", "Platform licence", "Software", "User", "120.00", "110.00"),
    ("Q2C-ONB", "Onboarding service", "Services", "Each", "1500.00", "1400.00"),
    ("Q2C-SUP", "Premium support", "Support", "Month", "45.35", "41.90"))

#: Name, industry, street, city, state, postal code, country.
_ACCOUNTS = (
    ("Northwind Orchards", "Agriculture", "12 Orchard Way", "Yakima", "WA", "98901", "United States"),
    ("Calder Valley Tools", "Manufacturing", "4 Mill Lane", "Halifax", None, "HX1 1AA", "United Kingdom"),
    ("Blue Heron Hotels", "Hospitality", "77 Lakeshore Drive", "Madison", "WI", "53703", "United States"),
    ("Ferro e Figli", "Machinery", "Via del Porto 9", "Genova", None, "16124", "Italy"),
    ("Lindqvist Optik", "Electronics", "Storgatan 21", "Uppsala", None, "753 31", "Sweden"),
    ("Redwood Freight", "Shipping", "1500 Harbor Blvd", "Oakland", "CA", "94607", "United States"),
    ("Maple & Stone Interiors", "Construction", "88 King Street", "Toronto", "ON", "M5H 1J8", "Canada"),
    ("Sunfield Energy", "Energy", "3 Solar Park", "Tucson", "AZ", "85701", "United States"),
    ("Kestrel Analytics", "Technology", "29 Dockside", "Bristol", None, "BS1 5LJ", "United Kingdom"),
    ("Brauhaus Weiler", "Retail", "Marktplatz 2", "Bamberg", None, "96047", "Germany"),
    ("Pinecrest Clinics", "Healthcare", "410 Pine Street", "Boise", "ID", "83702", "United States"),
    ("Delta Cartographers", "Consulting", "6 Rue des Cartes", "Nantes", None, "44000", "France"),
    ("Orion Stage Lighting", "Media", "215 Curtain Road", "Nashville", "TN", "37203", "United States"),
    ("Tidewater Insurance", "Insurance", "900 Bayfront", "Norfolk", "VA", "23510", "United States"),
    ("Casa Verde Paisajismo", "Engineering", "Calle Olmo 14", "Sevilla", None, "41001", "Spain"),
    ("Granite Peak Outfitters", "Retail", "55 Summit Ave", "Bozeman", "MT", "59715", "United States"),
    ("Havel Textil", "Manufacturing", "Nabrezi 18", "Brno", None, "602 00", "Czechia"),
    ("Copperline Telecom", "Telecommunications", "1 Main Plaza", "Phoenix", "AZ", "85004", "United States"),
    ("Willowbrook Academy", "Education", "300 College Road", "Amherst", "MA", "01002", "United States"),
    ("Nordlys Fiskeri", "Agriculture", "Kaigata 5", "Tromso", None, "9008", "Norway"))

_FIRST = ("Alma", "Boris", "Celia", "Dmitri", "Esther", "Farid", "Greta", "Hiro", "Ivana", "Joel",
          "Keira", "Luis", "Mina", "Noor", "Oscar", "Priya", "Quentin", "Rosa", "Stefan", "Tilda")
_LAST = ("Abbott", "Berger", "Costa", "Dalton", "Egede", "Forsyth", "Gallo", "Holm", "Ivers", "Jansen")
_TITLES = ("Managing Director", "Head of Finance", "Purchasing Manager", "IT Manager")

#: Account number, stage, currency, quote status or None for a deal without quote.
_DEALS = (
    (1, "Prospecting", "USD", None), (2, "Qualification", "USD", None),
    (3, "Needs Analysis", "EUR", None), (4, "Value Proposition", "EUR", "Draft"),
    (5, "Id. Decision Makers", "USD", "Draft"), (6, "Perception Analysis", "USD", "Presented"),
    (7, "Proposal/Price Quote", "USD", "Presented"), (8, "Negotiation/Review", "EUR", "Approved"),
    (9, "Closed Lost", "EUR", "Denied"), (10, "Closed Lost", "USD", None),
    (11, "Closed Won", "EUR", "Accepted"))

DEMO_DEAL = {
    "name": "Northwind Orchards: platform rollout", "currency": "USD", "tax_rate": 15,
    "tax_name": "Sales Tax 15%", "stage": "Negotiation/Review", "quote_status": "Accepted",
    "lines": [{"code": "Q2C-PLAT", "quantity": 10, "discount": 10},
              {"code": "Q2C-ONB", "quantity": 1}, {"code": "Q2C-SUP", "quantity": 12}]}


def seed(ctx, profile):
    """Fill an empty org; ``profile`` is ``demo`` or ``empty``."""
    org = Org.of(ctx)
    org.schema.rebuild()
    if not org.store.count(kind("Organization")):
        _Settings(org).write()
    if profile == "demo" and not org.store.count(DEMO):
        _Story(org).write()


def sales_user(org):
    """Return the id of the sales user on whose behalf the admin API changes records."""
    return org.by_external("User", "Username", SALES_USER)[0]["Id"]


class _Settings:
    """Organisation, users, currencies, stages, the standard price book."""

    def __init__(self, org):
        self.org, self.now = org, org.now()
        self.first_user = None

    def put(self, name, prefix, **values):
        """Write a setup record without checks; returns its id."""
        record_id = self.org.new_ids(prefix)[0]
        user_id = self.first_user or record_id
        self.org.store.put(kind(name), record_id, {
            **values, "Id": record_id, "CreatedDate": self.now, "CreatedById": user_id,
            "LastModifiedDate": self.now, "LastModifiedById": user_id,
            "SystemModstamp": self.now})
        return record_id

    def write(self):
        """Write all."""
        for username, first, last, active in _USERS:
            user_id = self._user(username, first, last, active)
            self.first_user = self.first_user or user_id
        self.put(
            "Organization", "00D", Name="Q2C Sandbox Org", OrganizationType="Developer Edition",
            InstanceName="Q2C", IsSandbox=self.org.schema.settings["is_sandbox"],
            IsReadOnly=False, FiscalYearStartMonth=1, TimeZoneSidKey="UTC",
            DefaultLocaleSidKey="en_US", LanguageLocaleKey="en_US", Country="US")
        self.put("Group", "00G", Name="Inbound Leads", DeveloperName="Inbound_Leads", Type="Queue")
        for code, rate, digits, corporate in _CURRENCIES:
            self.put("CurrencyType", "01L", IsoCode=code, ConversionRate=Decimal(rate),
                     DecimalPlaces=digits, IsActive=True, IsCorporate=corporate)
        for order, (name, probability, closed, won, forecast) in enumerate(_STAGES, 1):
            self.put("OpportunityStage", "01J", MasterLabel=name, ApiName=name, IsActive=True,
                     SortOrder=order, IsClosed=closed, IsWon=won, ForecastCategory=forecast,
                     ForecastCategoryName=forecast, DefaultProbability=Decimal(probability))
        self.put("Pricebook2", "01s", Name="Standard Price Book", IsActive=True, IsStandard=True,
                 IsDeleted=False, IsArchived=False)

    def _user(self, username, first, last, active):
        return self.put(
            "User", "005", Username=username, FirstName=first, LastName=last,
            Name=f"{first} {last}", Email=username, Alias=last[:8].lower(), IsActive=active,
            UserType="Standard", TimeZoneSidKey="UTC", LocaleSidKey="en_US",
            LanguageLocaleKey="en_US", DefaultCurrencyIsoCode="USD")


class _Story:
    """Twenty customers, forty contacts, three products, deals in all stages."""

    def __init__(self, org):
        self.org = org
        self.deals = DealBuilder(org, sales_user(org))

    def write(self):
        """Write all and remember the prepared deal."""
        self._products()
        accounts = [self._account(n, row) for n, row in enumerate(_ACCOUNTS)]
        for number, stage, currency, quote_status in _DEALS:
            self._deal(accounts[number], stage, currency, quote_status)
        prepared = self.deals.build(
            {**DEMO_DEAL, "account": accounts[0], "contact": None, "close_date": self._day(14)})
        contact = self.org.related("Contact", "AccountId", accounts[0])[0]["Id"]
        self.deals.create("OpportunityContactRole", OpportunityId=prepared["opportunity_id"],
                          ContactId=contact, Role="Decision Maker", IsPrimary=True)
        self.deals.update("Quote", prepared["quote_id"], ContactId=contact)
        self._lead()
        self.org.store.put(DEMO, "deal", {**prepared, "contact_id": contact})
        self._age()

    def _day(self, offset):
        return (self.org.clock.now().date() + timedelta(days=offset)).isoformat()

    def _products(self):
        for code, name, family, unit, dollars, euros in _PRODUCTS:
            product_id = self.deals.product(
                code, name, Family=family, QuantityUnitOfMeasure=unit, StockKeepingUnit=code)
            self.deals.entry(product_id, "USD", dollars)
            self.deals.entry(product_id, "EUR", euros)

    def _account(self, n, row):
        name, industry, street, city, state, postal, country = row
        domain = "".join(c for c in name.lower() if c.isascii() and c.isalnum()) + ".example"
        address = {"Street": street, "City": city, "State": state, "PostalCode": postal,
                   "Country": country}
        account_id = self.deals.create(
            "Account", Name=name, Industry=industry, Website=f"https://www.{domain}",
            Phone=f"+1 555 01{n:02d}", AccountNumber=f"C-{1000 + n}", Type="Prospect",
            Payment_Terms__c="30 Days",
            **{f"Billing{part}": value for part, value in address.items()},
            **{f"Shipping{part}": value for part, value in address.items()})
        for c in range(2):
            first, last = _FIRST[(2 * n + c) % len(_FIRST)], _LAST[(n + 3 * c) % len(_LAST)]
            self.deals.create(
                "Contact", AccountId=account_id, FirstName=first, LastName=last,
                Email=f"{first}.{last}@{domain}".lower(), Title=_TITLES[(n + c) % len(_TITLES)],
                Phone=f"+1 555 02{2 * n + c:02d}", MailingStreet=street, MailingCity=city,
                MailingState=state, MailingPostalCode=postal, MailingCountry=country)
        return account_id

    def _deal(self, account_id, stage, currency, quote_status):
        account = self.org.get("Account", account_id)
        name = f"{account['Name']}: {stage.lower()}"
        if quote_status:
            self.deals.build({
                "name": name, "account": account_id, "contact": None, "currency": currency,
                "stage": stage, "quote_status": quote_status, "close_date": self._day(45)})
            return
        self.deals.create(
            "Opportunity", Name=name, AccountId=account_id, StageName=stage,
            CloseDate=self._day(60), CurrencyIsoCode=currency, Amount=Decimal("12500.00"))

    def _lead(self):
        self.deals.create(
            "Lead", FirstName="Vera", LastName="Quist", Company="Harbour Light Bakery",
            Email="vera@harbourlight.example", Status="Open - Not Contacted", LeadSource="Web")

    def _age(self):
        """Spread the records' times over the last weeks, so that they are not all of now."""
        now = self.org.clock.now()
        for name in ("Product2", "PricebookEntry", "Account", "Contact", "Opportunity", "Quote",
                     "QuoteLineItem", "OpportunityLineItem", "Lead"):
            records = self.org.store.scan(kind(name))
            for n, record in enumerate(records):
                moment = stamp(now - timedelta(hours=12 + 9 * (len(records) - n)))
                self.org.store.put(kind(name), record["Id"], {
                    **record, "CreatedDate": moment, "LastModifiedDate": moment,
                    "SystemModstamp": moment})


def change_organization(org):
    """Give the org a new id, as a refresh of a sandbox does; returns the new id."""
    old = org.organization
    new_id = org.new_ids("00D")[0]
    org.store.delete(kind("Organization"), old["Id"])
    org.store.put(kind("Organization"), new_id, {**old, "Id": new_id, "SystemModstamp": org.now()})
    return new_id
