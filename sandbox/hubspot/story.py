"""Whole deals: company, contact, line items, quote, as a salesperson would enter them."""

from decimal import Decimal

from .const import HUBSPOT_DEFINED
from .errors import bad_request, not_found
from .source import UI

#: Ways in which a deal can be wrong for the receiving side; see ``create_deal``.
DEFECTS = ("unmapped_product", "wrong_total", "unknown_currency", "missing_tax", "no_company")

#: A currency of the account that an accounting system is unlikely to have active.
UNKNOWN_CURRENCY = "CHF"

#: Tax rates of the seeded account.
SALES_TAX, UNMAPPED_TAX, ZERO_TAX = "16912720", "16912721", "16912722"

_DEFAULT_LINES = (
    {"sku": "Q2C-PLAT", "quantity": "1", "discount_percentage": "10"},
    {"sku": "Q2C-ONB", "quantity": "1"},
    {"sku": "Q2C-SUP", "quantity": "12"},
)


class Story:
    """Builds and moves deals through the same code as the API."""

    def __init__(self, portal):
        self._portal, self._records = portal, portal.records
        self._type = portal.schema.type

    def create_deal(self, spec, source=UI):
        """Create a deal with everything that belongs to it, in one transaction.

        :param spec: all optional: ``name, currency, stage, closedate, owner_id, company {…} |
            company_id, contact {…}, lines [{sku, quantity, price?, discount?,
            discount_percentage?, tax_rate?}], quote (False for none), publish, win,
            defects [one of DEFECTS]``. Prices default to the product's in the deal's currency.
        :returns: ``{deal_id, company_id, contact_id, quote_id, line_ids, quote_line_ids}``.
        """
        defects = set(spec.get("defects") or ())
        if defects - set(DEFECTS):
            raise bad_request(f"Unknown defects {sorted(defects - set(DEFECTS))}; known: {DEFECTS}")
        with self._portal.store.atomic():
            currency = UNKNOWN_CURRENCY if "unknown_currency" in defects else spec.get("currency", "EUR")
            lines = self._lines(spec.get("lines") or _DEFAULT_LINES, currency, defects)
            company_id, contact_id = self._customer(spec, defects, source)
            deal = self._deal(spec, currency, lines, company_id, contact_id, source)
            ids = {"deal_id": deal["id"], "company_id": company_id, "contact_id": contact_id,
                   "line_ids": [self._line(line, 20, deal["id"], source) for line in lines],
                   "quote_id": None, "quote_line_ids": []}
            if spec.get("quote", True):
                ids.update(self._quote(spec, currency, lines, ids, source))
            if "wrong_total" in defects:
                self._spoil_total(ids["quote_id"])
            if spec.get("win"):
                self.win(deal["id"], source)
            return ids

    def _lines(self, specs, currency, defects):
        """Return the line items' properties, in order."""
        if "unmapped_product" in defects:
            specs = [*specs, {"sku": self._unmapped_product(), "quantity": "2"}]
        tax = UNMAPPED_TAX if "missing_tax" in defects else SALES_TAX
        return [self._line_properties(spec, currency, tax, position)
                for position, spec in enumerate(specs)]

    def _unmapped_product(self):
        number = self._portal.store.next_number("hubspot/unmapped_product")
        sku = f"UNMAPPED-{number:03d}"
        self._records.create(self._type("products"), {
            "name": f"Special item {number}", "hs_sku": sku, "price": "75.00",
            "hs_price_eur": "70.00"}, UI)
        return sku

    def _line_properties(self, spec, currency, tax, position):
        product = self._product(spec["sku"])
        properties = product["properties"]
        price = spec.get("price") or properties.get(f"hs_price_{currency.lower()}") or properties["price"]
        found = {
            "hs_product_id": product["id"], "quantity": str(spec.get("quantity", "1")),
            "price": str(price), "hs_line_item_currency_code": currency,
            "hs_tax_rate_group_id": spec.get("tax_rate", tax), "hs_position_on_quote": str(position)}
        for name, key in (("discount", "discount"), ("discount_percentage", "hs_discount_percentage"),
                          ("start_date", "hs_recurring_billing_start_date")):
            if spec.get(name):
                found[key] = str(spec[name])
        return found

    def _product(self, sku):
        for doc in self._portal.store.range(self._type("products").kind, "live"):
            if doc["properties"].get("hs_sku") == sku:
                return doc
        raise bad_request(f"No product has the SKU {sku}.")

    def _customer(self, spec, defects, source):
        """Return ``(company id or None, contact id)``; both are created unless given."""
        company_id = spec.get("company_id")
        if not company_id and "no_company" not in defects:
            number = self._portal.store.next_number("hubspot/story")
            company = spec.get("company") or {
                "name": f"Sample Customer {number} GmbH", "domain": f"sample-{number}.example",
                "address": f"Hafenstraße {number}", "city": "Hamburg", "zip": "20457",
                "country": "Germany", "phone": "+49 40 5550100"}
            company_id = self._records.create(self._type("companies"), company, source)["id"]
        contact_id = spec.get("contact_id") or self._contact(spec, company_id, source)
        return company_id, contact_id

    def _contact(self, spec, company_id, source):
        number = self._portal.store.next_number("hubspot/story")
        contact = spec.get("contact") or {
            "firstname": "Jana", "lastname": f"Muster {number}",
            "email": f"jana.muster.{number}@sample.example", "jobtitle": "Head of Operations"}
        associations = [_link(company_id, 279)] if company_id else []
        return self._records.create(self._type("contacts"), contact, source, associations)["id"]

    def _deal(self, spec, currency, lines, company_id, contact_id, source):
        associations = [_link(contact_id, 3)] + ([_link(company_id, 5)] if company_id else [])
        properties = {
            "dealname": spec.get("name") or "New deal", "pipeline": spec.get("pipeline", "default"),
            "dealstage": spec.get("stage", "contractsent"), "deal_currency_code": currency,
            "amount": str(self._net(lines)), "dealtype": "newbusiness"}
        for name, key in (("closedate", "closedate"), ("owner_id", "hubspot_owner_id")):
            if spec.get(name):
                properties[key] = spec[name]
        return self._records.create(self._type("deals"), properties, source, associations)

    def _net(self, lines):
        """Return the deal's amount: the sum of its lines' net prices."""
        amounts = [self._records.line_values(line)["amount"] for line in lines]
        return sum(map(Decimal, amounts), Decimal(0))

    def _line(self, properties, association, parent_id, source):
        return self._records.create(
            self._type("line_items"), properties, source, [_link(parent_id, association)])["id"]

    def _quote(self, spec, currency, lines, ids, source):
        """Create the quote with line items of its own (a line item has one parent)."""
        associations = [_link(ids["deal_id"], 64), _link(ids["contact_id"], 69)]
        if ids["company_id"]:
            associations.append(_link(ids["company_id"], 71))
        quote = self._records.create(self._type("quotes"), {
            "hs_title": f"Quote for {spec.get('name') or 'new deal'}", "hs_currency": currency,
            "hs_expiration_date": "2027-12-31", "hs_status": "DRAFT",
            "hs_sender_firstname": "Sam", "hs_sender_lastname": "Seller"}, source, associations)
        line_ids = [self._line(line, 68, quote["id"], source) for line in lines]
        if spec.get("publish", True):
            self._records.update(
                self._type("quotes"), quote["id"], {"hs_status": "APPROVAL_NOT_NEEDED"}, source)
        return {"quote_id": quote["id"], "quote_line_ids": line_ids}

    def _spoil_total(self, quote_id):
        """Make a quote's total differ by 1.00 from the sum of its lines."""
        quotes = self._type("quotes")
        total = Decimal(self._records.get(quotes, quote_id)["properties"]["hs_quote_amount"])
        self._records.set_calculated(quotes, quote_id, {"hs_quote_amount": str(total + 1)})

    def win(self, deal_id, source=UI, closedate=None):
        """Move a deal to the won stage of its pipeline, with today's close date."""
        return self._move(deal_id, lambda m: m["isClosed"] == "true" and m["probability"] == "1.0",
                          source, closedate or str(self._portal.now_ms()))

    def lose(self, deal_id, source=UI):
        """Move a deal to the lost stage of its pipeline."""
        return self._move(deal_id, lambda m: m["isClosed"] == "true" and m["probability"] == "0.0",
                          source, str(self._portal.now_ms()))

    def _move(self, deal_id, wanted, source, closedate):
        deals = self._type("deals")
        deal = self._records.required(deals, deal_id)
        pipeline = self._portal.pipelines.get("deals", deal["properties"]["pipeline"])
        for stage in pipeline["stages"]:
            if wanted(stage["metadata"]):
                return self._records.update(
                    deals, deal_id, {"dealstage": stage["id"], "closedate": closedate}, source)
        raise bad_request(f"Pipeline {pipeline['id']} has no such stage.")

    def describe(self, deal_id):
        """Return a deal with all that belongs to it, every set property shown."""
        deals = self._type("deals")
        deal = self._records.required(deals, deal_id)
        quote_ids = self._portal.associations.targets("0-3", deal_id, "0-14")
        return {
            "deal": self._records.view(deals, deal, "*"),
            "primary_company_id": self._portal.associations.primary("0-3", deal_id, "0-2"),
            "companies": self._related("0-3", deal_id, "companies"),
            "contacts": self._related("0-3", deal_id, "contacts"),
            "line_items": self._related("0-3", deal_id, "line_items"),
            "quotes": [
                {**quote, "line_items": self._related("0-14", quote["id"], "line_items")}
                for quote in self._related("0-3", deal_id, "quotes")] if quote_ids else [],
        }

    def _related(self, from_type, record_id, name):
        target = self._type(name)
        return [
            self._records.view(target, self._records.get(target, other), "*")
            for other in self._portal.associations.targets(from_type, record_id, target.id)]

    def reopen(self, deal_id, stage_id="contractsent", source=UI):
        """Move a closed deal back to an open stage."""
        if self._portal.pipelines.stage("deals", stage_id)[1] is None:
            raise not_found(f"Stage {stage_id} was not found.")
        return self._records.update(self._type("deals"), deal_id, {"dealstage": stage_id}, source)


def _link(target_id, type_id):
    """Return an association of a create's input."""
    return {"to": {"id": target_id}, "types": [
        {"associationCategory": HUBSPOT_DEFINED, "associationTypeId": type_id}]}
