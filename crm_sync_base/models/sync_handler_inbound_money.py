from odoo import models

from ..lib import planner
from ..lib.transforms_money import Currency

MONEY = ("money", "money_minor")


class SyncHandlerInboundMoney(models.AbstractModel):
    """Amounts with a currency, held against the currency of the record that takes them."""

    _inherit = "sync.handler.inbound"

    def _settle_money(self, env, flow, units):
        """Put exact amounts in place of stated ones, one query for the currencies of Odoo."""
        rules = units[0].rules if units else ()
        if not any(rule.transform in MONEY for one in rules for rule in (one, *one.children)):
            return
        records = env["res.currency"].with_context(active_test=False).search([])
        by_id = {record.id: Currency(record.name, record.decimal_places) for record in records}
        known = {currency.code: currency for currency in by_id.values()}
        model = env[flow.model]
        for unit in units:
            for holder, target, scope in self._money_holders(model, unit):
                planner.settle_money(
                    scope,
                    holder,
                    unit.draft.problems,
                    known,
                    lambda rule, holder=holder, target=target, unit=unit: by_id.get(
                        self._currency_id(target, rule, holder, unit)
                    ),
                )

    def _money_holders(self, model, unit):
        """Yield the values of a record and of each of its lines, with their model and rules."""
        yield unit.draft.values, model, unit.rules
        for rule in unit.rules:
            if rule.is_collection:
                lines = model.env[model._fields[rule.target].comodel_name]
                for line in unit.draft.lines.get(rule.target, ()):
                    yield line.values, lines, rule.children

    def _currency_id(self, model, rule, values, unit):
        """Return the id of the currency that a field is kept in, None when it has none.

        It is what the same document says of the currency field, else what the record (of
        a line, its document) says, else the company's.
        """
        field = model._fields[rule.target]
        name = field.get_currency_field(model) if field.type == "monetary" else None
        if not name:
            return None
        for planned in (values, unit.draft.values):
            if isinstance(planned.get(name), int):
                return planned[name]
        if unit.record is not None and name in unit.record._fields and unit.record[name]:
            return unit.record[name].id
        return model.env.company.currency_id.id
