from odoo import _, models
from odoo.addons.crm_sync_base.lib import planner
from odoo.addons.crm_sync_base.lib.errors import AmountMismatch, PolicyBlocked
from odoo.addons.crm_sync_base.lib.fingerprint import fingerprint
from odoo.addons.crm_sync_base.lib.lines import LinePlan
from odoo.addons.crm_sync_base.lib.planner import Found
from odoo.addons.crm_sync_base.lib.remedy import OPEN, Remedy

from ..lib import totals
from ..lib.totals import Totals

FROZEN_STATES = ("sale", "cancel")  # what was agreed, or called off, is not changed silently
#: what was agreed on; a revision of it needs a person once the order is confirmed
AGREED = ("partner_id", "q2c_currency_id", "payment_term_id", "fiscal_position_id")
#: what Odoo keeps for itself from then on
KEPT = ("date_order", "pricelist_id", "q2c_tax_ids", "user_id")
#: what was agreed on in a line
AGREED_LINE = ("product_id", "product_uom_qty", "price_unit", "discount", "tax_ids")


class SyncHandlerSaleOrder(models.AbstractModel):
    """Won deals → sales orders whose totals equal the source's, or nothing.

    Prerequisites (customers, say) run through the same handler; whatever is
    special here applies to sales orders only.
    """

    _name = "sync.handler.sale_order"
    _inherit = "sync.handler.inbound"
    _description = "Sales Order Handler"

    def _is_order(self, unit):
        return unit.flow.model == "sale.order"

    def _is_frozen(self, unit):
        return bool(unit.record) and unit.record.state in FROZEN_STATES

    # === Plan ===#

    def _answer_lookup(self, env, model, lookup, found):
        """Say when the record is there, but switched off."""
        answer = super()._answer_lookup(env, model, lookup, found)
        if answer.res_id is not None or found.get(lookup.value) or "active" not in env[model]._fields:
            return answer
        domain = [(lookup.field, "=", lookup.value), *lookup.scope, ("active", "=", False)]
        hidden = env[model].with_context(active_test=False).search(domain, limit=1)
        if not hidden:
            return answer
        what = env[model]._description
        return Found(
            problem=_("the %(what)s “%(value)s” is switched off in Odoo: activate it", what=what, value=lookup.value),
            code="not_ready",
            remedy=Remedy(OPEN, model=model, res_id=hidden.id),
        )

    def _check(self, env, flow, units):
        super()._check(env, flow, units)
        if flow.model != "sale.order":
            return
        readiness = env["q2c.sale.readiness"]
        units = [unit for unit in units if unit.error is None]
        for unit in units:
            unit.draft.problems += readiness._normalise(flow, unit)
        priced = readiness._gather(flow, units)
        for unit in units:
            if not (self._is_frozen(unit) and self._is_as_agreed(unit)):
                unit.draft.problems += readiness._problems(flow, unit, priced)

    def _conclude(self, env, unit):
        super()._conclude(env, unit)
        if not self._is_order(unit) or unit.error or not self._is_frozen(unit):
            return
        changed = [] if self._is_as_agreed(unit) else self._revision(env, unit)
        if changed:
            unit.error = self._blocked(unit, changed)
            return
        left_alone = (*KEPT, *AGREED)
        if self._is_as_agreed(unit):
            left_alone += tuple(f"q2c_source_{part}" for part in totals.PARTS)
        unit.changes = {name: change for name, change in unit.changes.items() if name not in left_alone}
        unit.operation = "update" if unit.changes else ""

    def _plan_lines(self, env, unit, target, said):
        if self._is_order(unit) and self._is_frozen(unit):
            return LinePlan()
        return super()._plan_lines(env, unit, target, said)

    # === A revision after the confirmation ===#

    def _is_as_agreed(self, unit):
        """Whether the source still says what it said when the order was last written."""
        known = unit.record.q2c_source_fingerprint
        return bool(known) and known == self._source_fingerprint(unit)

    def _source_fingerprint(self, unit):
        """Return the fingerprint of customer, currency, lines and totals of a document."""
        values = unit.draft.values
        header = [_content(values.get(name)) for name in AGREED]
        sums = [values.get(f"q2c_source_{part}") for part in totals.PARTS]
        lines = [
            [_content(line.values.get(name)) for name in AGREED_LINE]
            for line in unit.draft.lines.get("order_line") or ()
        ]
        return fingerprint([header, sums, lines])

    def _blocked(self, unit, changed):
        order = unit.record
        what = _("was confirmed") if order.state == "sale" else _("was cancelled")
        return PolicyBlocked(
            _(
                "%(subject)s was changed after its order %(order)s %(what)s — %(changes)s",
                subject=self._subject(unit),
                order=order.name,
                what=what,
                changes="; ".join(changed),
            ),
            problems=changed,
            hint=_(
                "Nothing was changed in Odoo. Decide whether the change is valid: bring it into the "
                "order by hand and retry, or take it back at the source."
            ),
        )

    def _revision(self, env, unit):
        """Return, in words, what the document says otherwise than the order."""
        order, values = unit.record, unit.draft.values
        changed = []
        for name in AGREED:
            before, after = order[name].id, values.get(name)
            if name in values and not planner.same(before, after):
                changed.append(self._say(env, order, name, after))
        source = Totals(*(totals.read(values.get(f"q2c_source_{part}")) for part in totals.PARTS))
        changed += [order._q2c_say(each) for each in totals.differences(order._q2c_totals(), source)]
        return changed + self._line_revision(env, unit)

    def _line_revision(self, env, unit):
        pairs, removed = self._pair_lines(env, unit)
        changed = []
        for number, (line, record) in enumerate(pairs, 1):
            if record is None:
                product = env["product.product"].browse(_real(line.values.get("product_id")))
                changed.append(_("line %(number)s is new: %(product)s", number=number, product=product.display_name))
                continue
            for name in AGREED_LINE:
                if name in line.values and not planner.same(_current(record, name), line.values[name]):
                    said = self._say(env, record, name, line.values[name])
                    changed.append(_("line %(number)s, %(change)s", number=number, change=said))
        changed += [self.env._("line removed: %s", record.product_id.display_name or record.name) for record in removed]
        return changed

    def _pair_lines(self, env, unit):
        """Return [(source line, order line or None)] and the order lines that are left.

        A line is known by its id; where the source gave its lines new ids (a quote
        that was synced anew), by its product.
        """
        lines = unit.draft.lines.get("order_line") or ()
        present = unit.record.order_line
        bindings = unit.line_bindings.get("order_line")
        known = bindings.by_external_id if bindings else {}
        left = present.browse(self._bound_lines(unit, "order_line"))
        pairs = []
        for line in lines:
            record = left & present.browse(known.get(line.external_id))
            pairs.append([line, record or None])
            left -= record
        for pair in pairs:
            if pair[1] is None:
                product = _real(pair[0].values.get("product_id"))
                pair[1] = left.filtered(lambda one, wanted=product: one.product_id.id == wanted)[:1] or None
                left -= pair[1] or left.browse()
        return pairs, left

    def _say(self, env, record, name, after):
        field = record._fields[name]
        before = record[name]
        if isinstance(before, models.BaseModel):
            ids = after if isinstance(after, tuple) else (after,)
            after = before.browse([_real(one) for one in ids if _real(one)])
            before, after = (", ".join(value.mapped("display_name")) for value in (before, after))
        else:
            before, after = f"{before:g}", format(after, "f") if after is not None else ""
        return _(
            "%(field)s: %(before)s in Odoo, %(after)s at the source",
            field=field._description_string(env),
            before=before or "∅",
            after=after or "∅",
        )

    # === Apply ===#

    def _vals(self, env, unit):
        vals = super()._vals(env, unit)
        if not self._is_order(unit) or unit.document is None:
            return vals  # a decision on single values says nothing of the deal as a whole
        if self._lines_wait(unit):
            return vals  # nor does what is let in before its lines are
        vals["q2c_source_fingerprint"] = self._source_fingerprint(unit)
        if not self._is_frozen(unit):
            vals.update(self._currency_vals(env, unit, vals))
        if unit.record is None:
            vals.update(self._creation_vals(env, unit, vals))
        return vals

    def _currency_vals(self, env, unit, vals):
        """Return the pricelist that gives the order the deal's currency.

        It is always given with a new customer, whose own pricelist Odoo would
        otherwise take over, and its currency with it.
        """
        readiness = env["q2c.sale.readiness"]
        currency = readiness._currency(unit.flow, unit)
        if unit.record and "partner_id" not in vals and unit.record.currency_id == currency:
            return {}
        partner = env["res.partner"].browse(vals.get("partner_id")) if "partner_id" in vals else unit.record.partner_id
        return {"pricelist_id": readiness._pricelist(unit.flow.company_id, currency, partner).id}

    def _creation_vals(self, env, unit, vals):
        """Return the company and the salesperson: the customer's, never the service user."""
        partner = env["res.partner"].browse(vals["partner_id"])
        salesperson = partner.user_id or partner.commercial_partner_id.user_id
        return {
            "company_id": unit.flow.company_id.id,
            "user_id": vals.get("user_id", salesperson.id),
        }

    def _verify(self, env, unit):
        """Compare the order that was written with the source, exactly.

        :raises AmountMismatch: undoes the whole document.
        """
        super()._verify(env, unit)
        if not self._is_order(unit) or self._is_frozen(unit) or self._lines_wait(unit):
            return
        order = unit.record
        if unit.document is None:
            if unit.line_plans:
                order._q2c_assert_source_totals()
                order._q2c_look_at_prices(unit.flow)
            return
        currency = env["q2c.sale.readiness"]._currency(unit.flow, unit)
        if order.currency_id != currency:
            raise AmountMismatch(
                _(
                    "%(subject)s is in %(theirs)s, but Odoo made the order in %(ours)s",
                    subject=self._subject(unit),
                    theirs=currency.name,
                    ours=order.currency_id.name,
                )
            )
        order._q2c_assert_source_totals()
        order._q2c_look_at_prices(unit.flow)


def _real(value):
    """Return the id of a planned record; 0 for one that is still to be created."""
    if value is None or isinstance(value, int):
        return value or 0
    return value.record.id if value.record else 0


def _content(value):
    """Return a planned value as the fingerprint takes it."""
    if isinstance(value, tuple):
        return sorted(_real(one) for one in value)
    if value is None or isinstance(value, (int, str)):
        return value
    if hasattr(value, "external_id"):
        return _real(value) or f"new:{value.external_id}"
    return value


def _current(record, name):
    """Return the present value of a line's field, as the planner compares it."""
    value = record[name]
    if not isinstance(value, models.BaseModel):
        return value
    return tuple(value._ids) if record._fields[name].type == "many2many" else value.id
