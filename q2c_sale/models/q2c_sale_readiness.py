from decimal import Decimal

from odoo import _, api, models
from odoo.addons.crm_sync_base.lib import paths
from odoo.addons.crm_sync_base.lib.planner import Problem
from odoo.addons.crm_sync_base.lib.remedy import CREATE, OPEN, Remedy
from odoo.fields import Domain

from ..lib import totals
from ..lib.totals import Totals

NUMBERS = ("product_uom_qty", "price_unit", "discount")  # of a line, all of them exact
LARGEST_DISCOUNT = 100  # percent
EMPTY = (None, "", paths.MISSING)  # what a document says when it says nothing


class Q2cSaleReadiness(models.AbstractModel):
    """Says everything that keeps a deal from becoming a sales order, at once.

    It works on the planner's draft of a document, before anything is written.
    """

    _name = "q2c.sale.readiness"
    _description = "Readiness of a Deal"

    # === What the mapping left open ===#

    @api.model
    def _normalise(self, flow, unit):
        """Spell the draft's amounts in one way and make every line explicit.

        What a line does not say must not be filled in by a pricelist: no discount
        is 0 %, and the price is marked as one that was agreed.

        :return: a list of `Problem`, for amounts that are none.
        """
        self._leave_to_odoo(unit)
        problems = self._normalise_totals(flow, unit)
        for prefix, line, _item in self._lines(unit):
            problems += self._normalise_line(flow, unit, prefix, line.values)
        return problems

    def _leave_to_odoo(self, unit):
        """Drop what is empty at the source where an order must have it: Odoo fills it in.

        The delivery address, say, is the customer's own then.
        """
        fields_ = self.env["sale.order"]._fields
        for name, value in list(unit.draft.values.items()):
            if value in (None, "") and fields_[name].required:
                del unit.draft.values[name]

    def _normalise_totals(self, flow, unit):
        digits = self._currency(flow, unit).decimal_places
        values, problems = unit.draft.values, []
        for part in totals.PARTS:
            name = f"q2c_source_{part}"
            amount = self._amount(values.get(name), problems, self._label(unit, name))
            values[name] = None if amount is None else totals.spell(amount, digits)
        return problems

    def _normalise_line(self, flow, unit, prefix, values):
        problems = []
        for name in NUMBERS:
            if name in values:
                label = prefix + self._line_label(unit, name)
                values[name] = self._amount(values[name], problems, label)
        if values.get("discount") is None:
            values["discount"] = Decimal(0)
        if values.get("price_unit") is not None:
            # Odoo takes a price for agreed when it is not the one that it computed
            # itself last; else a new quantity would bring the pricelist's price back.
            values["technical_price_unit"] = values["price_unit"] + 1
        if not values.get("name"):
            values.pop("name", None)  # Odoo describes the product in the customer's language
        if not values.get("tax_ids") and "q2c_tax_ids" in unit.draft.values:
            values["tax_ids"] = unit.draft.values["q2c_tax_ids"]
        if "q2c_source_subtotal" in values:
            amount = self._amount(values["q2c_source_subtotal"], problems, prefix + _("Subtotal"))
            digits = self._currency(flow, unit).decimal_places
            values["q2c_source_subtotal"] = None if amount is None else totals.spell(amount, digits)
        return problems

    def _amount(self, value, problems, label):
        try:
            return totals.read(value)
        except ValueError:
            problems.append(
                Problem(_("%(label)s is “%(value)s”, which is not an amount", label=label, value=value), "data_invalid")
            )
            return None

    # === Everything that is missing or wrong ===#

    @api.model
    def _gather(self, flow, units):
        """Read what the checks of a whole batch look at, in one query each.

        :return: the currencies in which the company has a pricelist, for `_problems`.
        """
        rows = [line.values for unit in units for _prefix, line, _item in self._lines(unit)]
        products = {row.get("product_id") for row in rows}
        taxes = {tax for row in rows for tax in row.get("tax_ids") or ()}
        self._fetch("product.product", products, ["active", "company_id", "display_name", "taxes_id"])
        self._fetch("account.tax", taxes, ["active", "type_tax_use", "company_id", "name"])
        return self._pricelists(flow.company_id).currency_id

    def _fetch(self, model, ids, names):
        self.env[model].browse(sorted(one for one in ids if isinstance(one, int))).fetch(names)

    @api.model
    def _problems(self, flow, unit, priced):
        """Return every reason why a normalised draft cannot become an order.

        :param priced: currencies that have a pricelist, as `_gather` returned them.
        :return: a list of `Problem`; what the planner said already is not repeated.
        """
        return [
            *self._customer_problems(unit),
            *self._currency_problems(flow, unit, priced),
            *self._line_rule_problems(unit),
            *self._line_problems(flow, unit),
            *self._tax_problems(flow, unit),
            *self._total_problems(flow, unit),
        ]

    def _customer_problems(self, unit):
        rule = self._rule(unit, "partner_id")
        if not unit.draft.values.get("partner_id") and self._is_silent(rule, unit.document.data):
            yield Problem(_("there is no customer"))

    def _currency_problems(self, flow, unit, priced):
        rule = self._rule(unit, "q2c_currency_id")
        if rule and not unit.draft.values.get("q2c_currency_id"):
            if self._is_silent(rule, unit.document.data):
                yield Problem(_("there is no currency"))
            return
        company, currency = flow.company_id, self._currency(flow, unit)
        if not currency.active:
            yield Problem(
                _("the currency %s is switched off in Odoo: activate it", currency.name),
                "not_ready",
                Remedy(OPEN, model="res.currency", res_id=currency.id),
            )
        elif currency != company.currency_id and currency not in priced:
            yield Problem(
                _(
                    "there is no pricelist in %(currency)s for %(company)s, which an order in that currency needs",
                    currency=currency.name,
                    company=company.name,
                ),
                remedy=Remedy(
                    CREATE, currency.name, "product.pricelist", "currency_id", str(currency.id)
                ),
            )

    def _line_rule_problems(self, unit):
        """A line must be known again, else an update would add it a second time."""
        rule = self._rule(unit, "order_line")
        lines = unit.draft.lines.get("order_line") or ()
        if not lines and (rule is None or not rule.required):
            yield Problem(_("there is not a single line"))
        elif lines and not (rule.child_object and rule.child_key):
            yield Problem(_("the mapping does not say what identifies a line at the source"), "mapping_missing")

    def _line_problems(self, flow, unit):
        for prefix, line, item in self._lines(unit):
            key = self._rule(unit, "order_line").child_key
            if key and paths.get(item, key) in EMPTY:
                yield Problem(_("%sit has no id of its own", prefix), "data_invalid")
            for message, code in self._product_problems(flow, unit, line.values, item):
                yield Problem(prefix + message, code, self._product_remedy(line.values))
            for message in self._number_problems(unit, line.values, item):
                yield Problem(prefix + message, "data_invalid")

    def _product_problems(self, flow, unit, values, item):
        product = values.get("product_id")
        if not product:
            if self._is_silent(self._line_rule(unit, "product_id"), item):
                yield _("there is no product"), "not_ready"
            return
        if not isinstance(product, int):
            return  # is brought along, in the same transaction
        product = self.env["product.product"].browse(product)
        if not product.active:
            yield _("the product %s is archived", product.display_name), "not_ready"
        if product.company_id and product.company_id not in flow.company_id.parent_ids:
            yield _("the product %s belongs to another company", product.display_name), "not_ready"

    def _product_remedy(self, values):
        """Return the product that must be corrected, if it is known which one."""
        product = values.get("product_id")
        if not isinstance(product, int) or not product:
            return None
        return Remedy(OPEN, model="product.product", res_id=product)

    def _number_problems(self, unit, values, item):
        for name in ("product_uom_qty", "price_unit"):
            if values.get(name) is None and self._is_silent(self._line_rule(unit, name), item):
                yield _("there is no %s", self._field("sale.order.line", name).lower())
        for name in NUMBERS:
            value = values.get(name)
            if value is None:
                continue
            field = self.env["sale.order.line"]._fields[name]
            digits = field.get_digits(self.env)
            if not totals.fits(value, digits[1] if digits else None):
                yield _(
                    "%(field)s %(value)s has more digits than Odoo keeps",
                    field=self._field("sale.order.line", name),
                    value=format(value, "f"),
                )
        if values["discount"] > LARGEST_DISCOUNT:
            yield _("the discount is %s %%", format(values["discount"], "f"))

    def _tax_problems(self, flow, unit):
        yield from self._unusable_taxes(flow, unit)
        source = totals.read(unit.draft.values.get("q2c_source_tax"))
        if source and unit.draft.lines.get("order_line") and not self._has_tax(flow, unit):
            yield Problem(
                _("the source has %s of tax, but no line has a tax", format(source, "f")), "mapping_missing"
            )

    def _unusable_taxes(self, flow, unit):
        ids = {tax for _prefix, line, _item in self._lines(unit) for tax in line.values.get("tax_ids") or ()}
        for tax in self.env["account.tax"].browse(sorted(ids)):
            if not tax.active:
                yield Problem(
                    _("the tax %s is switched off in Odoo", tax.name),
                    remedy=Remedy(OPEN, model="account.tax", res_id=tax.id),
                )
            if tax.type_tax_use != "sale":
                yield Problem(_("the tax %s is not for sales", tax.name), "mapping_missing")
            if tax.company_id not in flow.company_id.parent_ids:
                yield Problem(_("the tax %s belongs to another company", tax.name), "mapping_missing")

    def _has_tax(self, flow, unit):
        """Whether a line has a tax, or a problem of its tax was said already."""
        header = self._rule(unit, "q2c_tax_ids")
        if header and not self._is_silent(header, unit.document.data):
            return True
        rule = self._line_rule(unit, "tax_ids")
        for _prefix, line, item in self._lines(unit):
            if line.values.get("tax_ids") or (rule and not self._is_silent(rule, item)):
                return True
            product = line.values.get("product_id")
            if "tax_ids" not in line.values and (not isinstance(product, int) or self._taxed(flow, product)):
                return True
        return False

    def _taxed(self, flow, product_id):
        product = self.env["product.product"].browse(product_id)
        return bool(product.taxes_id._filter_taxes_by_company(flow.company_id))

    def _total_problems(self, flow, unit):
        values = unit.draft.values
        source = Totals(*(totals.read(values.get(f"q2c_source_{part}")) for part in totals.PARTS))
        digits = self._currency(flow, unit).decimal_places
        if source.total is None and self._is_silent(self._rule(unit, "q2c_source_total"), unit.document.data):
            yield Problem(_("there is no total to compare with"))
        for part in totals.misfits(source, digits):
            yield Problem(
                _(
                    "%(field)s %(amount)s has more digits than %(currency)s",
                    field=self._label(unit, f"q2c_source_{part}"),
                    amount=values[f"q2c_source_{part}"],
                    currency=self._currency(flow, unit).name,
                ),
                "data_invalid",
            )
        if not totals.adds_up(source):
            yield Problem(
                _(
                    "the source does not add up: untaxed %(untaxed)s and tax %(tax)s make %(sum)s, "
                    "its total is %(total)s",
                    untaxed=totals.spell(source.untaxed, digits),
                    tax=totals.spell(source.tax, digits),
                    sum=totals.spell(source.untaxed + source.tax, digits),
                    total=totals.spell(source.total, digits),
                ),
                "data_invalid",
            )

    # === Currency and pricelist ===#

    @api.model
    def _currency(self, flow, unit):
        """Return the currency of the deal; the company's when the mapping names none."""
        currency = unit.draft.values.get("q2c_currency_id")
        return self.env["res.currency"].browse(currency) if currency else flow.company_id.currency_id

    @api.model
    def _pricelist(self, company, currency, partner=None):
        """Return a pricelist in a currency: the customer's own, else the first one.

        Odoo takes an order's currency from its pricelist.

        :return: an empty recordset when there is none.
        """
        own = partner and partner.with_company(company).property_product_pricelist
        if own and own.active and own.currency_id == currency:
            return own
        return self._pricelists(company).filtered(lambda pricelist: pricelist.currency_id == currency)[:1]

    def _pricelists(self, company):
        """Return the pricelists that a company may use, its own ones first."""
        Pricelist = self.env["product.pricelist"]
        found = Pricelist.search(Domain(Pricelist._check_company_domain(company)))
        return found.sorted(lambda pricelist: (not pricelist.company_id, pricelist.sequence, pricelist.id))

    # === The draft and its rules ===#

    def _rule(self, unit, target):
        return next((rule for rule in unit.rules if rule.target == target), None)

    def _line_rule(self, unit, target):
        lines = self._rule(unit, "order_line")
        return next((rule for rule in lines.children if rule.target == target), None)

    def _label(self, unit, target):
        """Return how people call a remote field, else the Odoo field's own label."""
        rule = self._rule(unit, target)
        return rule.label if rule else self._field("sale.order", target)

    def _line_label(self, unit, target):
        rule = self._line_rule(unit, target)
        return rule.label if rule else self._field("sale.order.line", target)

    def _field(self, model, name):
        return self.env[model]._fields[name]._description_string(self.env)

    def _lines(self, unit):
        """Yield (prefix for messages, line, the line's part of the document)."""
        rule = self._rule(unit, "order_line")
        lines = unit.draft.lines.get("order_line") or ()
        items = paths.get(unit.document.data, rule.path) if lines else ()
        for position, (line, item) in enumerate(zip(lines, items), 1):
            yield f"{rule.label} {position}: ", line, item

    def _is_silent(self, rule, document):
        """Whether a value is empty without the planner having said so."""
        if rule is None:
            return True
        raw = paths.get(document, rule.path) if rule.path else None
        return not rule.required and raw in EMPTY
