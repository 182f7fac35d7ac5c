"""The account's first data: invented companies, contacts, products and deals."""

from decimal import Decimal

from . import story as stories
from .const import HUBSPOT_DEFINED
from .source import SEED

#: Shared by all three systems of the demo: code, name, USD, EUR, GBP, more properties.
PRODUCTS = (
    ("Q2C-PLAT", "Platform licence", "12000.00", "11040.00", "9480.00",
     {"recurringbillingfrequency": "annually", "hs_recurring_billing_period": "P12M"}),
    ("Q2C-ONB", "Onboarding service", "3500.00", "3220.00", "2765.00", {}),
    ("Q2C-SUP", "Premium support", "249.90", "229.90", "197.40",
     {"recurringbillingfrequency": "monthly", "hs_recurring_billing_period": "P12M"}),
)

OWNERS = (
    ("71000001", "sam.seller@example.com", "Sam", "Seller", False),
    ("71000002", "dana.dealer@example.com", "Dana", "Dealer", False),
    ("71000003", "gone.colleague@example.com", "Gone", "Colleague", True),
)

COMPANIES = (
    ("Nordlicht Logistik GmbH", "nordlicht-logistik.example", "Am Sandtorkai 14", "Hamburg",
     "20457", "Germany", "LOGISTICS_AND_SUPPLY_CHAIN"),
    ("Weidenhof Molkerei AG", "weidenhof-molkerei.example", "Dorfstraße 3", "Kempten",
     "87435", "Germany", "FOOD_PRODUCTION"),
    ("Atelier Brumaire SARL", "atelier-brumaire.example", "12 rue des Tanneurs", "Lyon",
     "69002", "France", "RETAIL"),
    ("Fjordkraft Energi AS", "fjordkraft-energi.example", "Strandgaten 7", "Bergen",
     "5013", "Norway", "RENEWABLES_ENVIRONMENT"),
    ("Polder Machines BV", "polder-machines.example", "Kanaalweg 88", "Utrecht",
     "3526 KM", "Netherlands", "MACHINERY"),
    ("Clinica Belmar SL", "clinica-belmar.example", "Avenida del Puerto 41", "Valencia",
     "46021", "Spain", "HOSPITAL_HEALTH_CARE"),
    ("Kestrel Robotics Ltd", "kestrel-robotics.example", "5 Foundry Lane", "Leeds",
     "LS10 1JR", "United Kingdom", "MACHINERY"),
    ("Silver Birch Software Inc", "silverbirch-software.example", "400 Harbor Street", "Portland",
     "97204", "United States", "COMPUTER_SOFTWARE"),
    ("Torre Alta Vini Srl", "torrealta-vini.example", "Via dei Colli 9", "Verona",
     "37121", "Italy", "FOOD_PRODUCTION"),
    ("Lindqvist Möbler AB", "lindqvist-mobler.example", "Fabriksgatan 22", "Göteborg",
     "411 06", "Sweden", "RETAIL"),
    ("Hafenblick Hotels GmbH", "hafenblick-hotels.example", "Hafenpromenade 1", "Rostock",
     "18057", "Germany", "RETAIL"),
    ("Alpenwerk Präzision AG", "alpenwerk.example", "Industriestrasse 60", "Winterthur",
     "8404", "Switzerland", "MACHINERY"),
    ("Cobalt Harbor Shipping LLC", "cobalt-harbor.example", "77 Pier Road", "Baltimore",
     "21230", "United States", "LOGISTICS_AND_SUPPLY_CHAIN"),
    ("Verde Campo Foods Lda", "verdecampo.example", "Rua do Mercado 18", "Porto",
     "4050-292", "Portugal", "FOOD_PRODUCTION"),
    ("Sternwarte Analytics GmbH", "sternwarte-analytics.example", "Observatoriumsweg 2", "Jena",
     "07743", "Germany", "COMPUTER_SOFTWARE"),
    ("Marais Blanc Cosmétiques SA", "marais-blanc.example", "3 quai de la Fosse", "Nantes",
     "44000", "France", "RETAIL"),
    ("Granite Peak Outfitters Inc", "granitepeak.example", "910 Summit Avenue", "Boulder",
     "80302", "United States", "RETAIL"),
    ("Oosterwind Offshore NV", "oosterwind.example", "Havenlaan 30", "Antwerp",
     "2030", "Belgium", "RENEWABLES_ENVIRONMENT"),
    ("Pellinore Medical Ltd", "pellinore-medical.example", "21 Castle Street", "Bristol",
     "BS1 3XD", "United Kingdom", "HOSPITAL_HEALTH_CARE"),
    ("Zvezda Print d.o.o.", "zvezda-print.example", "Tržaška cesta 5", "Ljubljana",
     "1000", "Slovenia", "MACHINERY"),
)

PEOPLE = (
    ("Annika", "Petersen"), ("Jonas", "Wolff"), ("Katrin", "Huber"), ("Matthias", "Egger"),
    ("Claire", "Fontaine"), ("Luc", "Morel"), ("Ingrid", "Solberg"), ("Henrik", "Dahl"),
    ("Femke", "de Vries"), ("Bram", "Janssen"), ("Lucía", "Navarro"), ("Pablo", "Ibáñez"),
    ("Harriet", "Shaw"), ("Owen", "Clarke"), ("Megan", "Rowe"), ("Tyler", "Brooks"),
    ("Giulia", "Ferrari"), ("Marco", "Rinaldi"), ("Elsa", "Lindqvist"), ("Nils", "Berg"),
    ("Britta", "Lorenz"), ("Uwe", "Krause"), ("Reto", "Ammann"), ("Sandra", "Bühler"),
    ("Caleb", "Winters"), ("Renee", "Ashford"), ("Inês", "Carvalho"), ("Tiago", "Moreira"),
    ("Miriam", "Vogel"), ("Falk", "Sander"), ("Odile", "Rousseau"), ("Yann", "Le Goff"),
    ("Dakota", "Hill"), ("Jesse", "Monroe"), ("Sofie", "Peeters"), ("Wout", "Claes"),
    ("Imogen", "Hart"), ("Rupert", "Lane"), ("Maja", "Zupan"), ("Luka", "Kovač"),
)

#: Index of the company, deal name, stage, currency.
DEALS = (
    (1, "Weidenhof pilot", "appointmentscheduled", "EUR"),
    (2, "Brumaire boutiques roll-out", "qualifiedtobuy", "EUR"),
    (3, "Fjordkraft field teams", "presentationscheduled", "EUR"),
    (4, "Polder service platform", "decisionmakerboughtin", "EUR"),
    (6, "Kestrel support renewal", "contractsent", "GBP"),
    (7, "Silver Birch expansion", "contractsent", "USD"),
    (8, "Torre Alta starter", "closedlost", "EUR"),
)

#: The deal that the demo wins.
DEMO_DEAL = "Nordlicht Logistik: platform and support 2027"

DEMO = "hubspot/_demo"


def seed(portal, profile):
    """Fill an empty account; ``empty`` leaves out companies, contacts, products and deals."""
    portal.search.forget()
    portal.auth.forget_calls()
    portal.auth.seed()
    portal.pipelines.seed()
    for owner in OWNERS:
        portal.directory.add_owner(*owner)
    portal.directory.add_tax_rate(stories.SALES_TAX, "Sales Tax 15%", Decimal(15))
    portal.directory.add_tax_rate(stories.UNMAPPED_TAX, "Regional Levy 7.5%", Decimal("7.5"))
    portal.directory.add_tax_rate(stories.ZERO_TAX, "Tax exempt 0%", Decimal(0))
    if profile == "demo":
        _demo(portal)


def _demo(portal):
    """Create the demo's data."""
    products(portal)
    companies = [_company(portal, number, row) for number, row in enumerate(COMPANIES)]
    contacts = _contacts(portal, companies)
    story = stories.Story(portal)
    for index, name, stage, currency in DEALS:
        story.create_deal({
            "name": name, "stage": stage, "currency": currency, "company_id": companies[index],
            "contact_id": contacts[2 * index], "owner_id": OWNERS[index % 2][0],
            "publish": stage == "contractsent", "closedate": "2027-03-31"}, SEED)
    ids = story.create_deal({
        "name": DEMO_DEAL, "stage": "contractsent", "currency": "EUR", "company_id": companies[0],
        "contact_id": contacts[0], "owner_id": OWNERS[0][0], "closedate": "2027-01-31"}, SEED)
    portal.store.put(DEMO, "demo", ids)


def products(portal):
    """Create the three products; returns their ids."""
    object_type = portal.schema.type("products")
    return [
        portal.records.create(object_type, {
            "name": name, "hs_sku": code, "price": usd, "hs_price_usd": usd, "hs_price_eur": eur,
            "hs_price_gbp": gbp, "hs_product_type": "service", "hs_status": "active",
            "description": f"{name} ({code})", **more}, SEED)["id"]
        for code, name, usd, eur, gbp, more in PRODUCTS
    ]


def _company(portal, number, row):
    name, domain, address, city, zip_code, country, industry = row
    return portal.records.create(portal.schema.type("companies"), {
        "name": name, "domain": domain, "address": address, "city": city, "zip": zip_code,
        "country": country, "industry": industry, "phone": f"+49 30 55501{number:02d}",
        "numberofemployees": str(20 + 15 * number), "lifecyclestage": "opportunity",
        "hubspot_owner_id": OWNERS[number % 2][0]}, SEED)["id"]


def _contacts(portal, companies):
    """Create two contacts for each company; returns their ids in that order."""
    object_type, ids = portal.schema.type("contacts"), []
    for number, (first, last) in enumerate(PEOPLE):
        domain = COMPANIES[number // 2][1]
        link = {"to": {"id": companies[number // 2]}, "types": [
            {"associationCategory": HUBSPOT_DEFINED, "associationTypeId": 1}]}
        ids.append(portal.records.create(object_type, {
            "firstname": first, "lastname": last, "email": f"contact{number + 1}@{domain}",
            "jobtitle": "Head of Operations" if number % 2 == 0 else "Finance Manager",
            "phone": f"+49 30 55502{number:02d}", "lifecyclestage": "opportunity"},
            SEED, [link])["id"])
    return ids


def bulk(portal, companies, contacts_per_company, source, prefix):
    """Create many companies with contacts fast; returns ``(companies, contacts)`` made.

    :param prefix: starts the names and domains, so that a second run makes others.
    """
    company_type, contact_type = portal.schema.type("companies"), portal.schema.type("contacts")
    made = 0
    for number in range(companies):
        domain = f"{prefix}{number}.example"
        company = portal.records.create(company_type, {
            "name": f"{prefix.capitalize()} Company {number}", "domain": domain,
            "address": f"{number % 200 + 1} Market Street", "city": "Springfield",
            "zip": f"{10_000 + number % 80_000}", "country": "United States",
            "phone": f"+1 555 {number % 10_000_000:07d}"}, source)
        for person in range(contacts_per_company):
            contact = portal.records.create(contact_type, {
                "firstname": f"First{person}", "lastname": f"Last{number}",
                "email": f"person{person}@{domain}", "jobtitle": "Buyer"}, source)
            portal.associations.create("0-1", contact["id"], "0-2", company["id"], [], source)
            made += 1
    return companies, made
