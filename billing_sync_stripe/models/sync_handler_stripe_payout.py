from odoo import _, models
from odoo.addons.crm_sync_base.lib.errors import SyncError
from odoo.addons.crm_sync_base.lib.fingerprint import fingerprint
from odoo.addons.crm_sync_base.lib.planner import same

from ..lib import payout_entry
from ..lib.balance import day_of
from ..lib.money import from_minor, to_ledger
from ..lib.payout_plan import plan_payout
from .stripe_payout import RECONCILIATION, STATUS

#: what of a payout we follow: nothing else of it changes anything here
FOLLOWED = ("status", "reconciliation_status", "amount", "arrival_date", "trace_id", "failure_code")
ACCOUNTS = ("stripe_fee_account_id", "stripe_payout_account_id", "stripe_suspense_account_id")


class SyncHandlerStripePayout(models.AbstractModel):
    """Payouts → records with their contents, and one posted entry each.

    The record follows the payout's status; the contents and the entry are written
    once, when the money has left and Stripe has said what it is made of.
    """

    _name = "sync.handler.stripe_payout"
    _inherit = "sync.handler.inbound"
    _description = "Stripe Payout Handler"

    # === Plan ===#

    def _skip_unchanged(self, units):
        for unit in units:
            unit.fingerprint = fingerprint([unit.document.data.get(name) for name in FOLLOWED])
        return super()._skip_unchanged(units)

    def _check(self, env, flow, units):
        for unit in units:
            if unit.is_open:
                try:
                    self._check_one(flow, unit)
                except SyncError as error:
                    unit.error = error

    def _check_one(self, flow, unit):
        payout = unit.document.data
        unit.draft.values["header"] = self._header(flow, payout)
        is_booked = bool(unit.record and unit.record.move_id)
        if payout_entry.is_complete(payout) and not is_booked:
            unit.draft.values["plan"] = plan_payout(payout, payout["balance_transactions"])
        is_returned = payout["status"] == "failed" and is_booked and not unit.record.reversal_move_id
        unit.draft.values["returned"] = is_returned
        if unit.draft.values.get("plan") or is_returned:
            flow.connection_id._assert_stripe_accounts(*ACCOUNTS)

    def _header(self, flow, payout):
        """Return the values of the record, ids and plain values; money as `Decimal`."""
        currency = self.env["stripe.payout.line"]._currency(payout["currency"])
        amount = from_minor(payout["amount"], payout["currency"])
        trace = payout.get("trace_id")
        return {
            "name": payout["id"],
            "connection_id": flow.connection_id.id,
            "company_id": flow.company_id.id,
            "currency_id": currency.id,
            "amount": to_ledger(amount, currency.decimal_places),
            "status": _known(STATUS, payout.get("status")),
            "reconciliation_status": _known(RECONCILIATION, payout.get("reconciliation_status")),
            "is_automatic": bool(payout.get("automatic")),
            "arrival_date": day_of(payout.get("arrival_date")),
            "trace": trace.get("value") if isinstance(trace, dict) else None,
            "failure_code": payout.get("failure_code"),
        }

    def _conclude(self, env, unit):
        if unit.error or not unit.is_open:
            return
        values = unit.draft.values
        current = self._present(unit.record, values["header"]) if unit.record else {}
        unit.changes = {
            name: (current.get(name), after)
            for name, after in values["header"].items()
            if not same(current.get(name), after)
        }
        if unit.record is None:
            unit.operation = "create"
        elif unit.changes or values.get("plan") or values["returned"]:
            unit.operation = "update"

    def _present(self, record, header):
        return {
            name: record[name].id if isinstance(record[name], models.BaseModel) else record[name]
            for name in header
        }

    # === Apply ===#

    def _write_level(self, env, units):
        result = super()._write_level(env, units)
        for unit in units:
            plan = unit.draft.values.get("plan")
            if plan:
                unit.record._book(plan)
            elif unit.draft.values["returned"]:
                unit.record._reverse()
        return result

    def _summary(self, unit):
        plan = unit.draft.values.get("plan")
        if plan:
            return _(
                "%(amount)s %(currency)s booked, made of %(count)s transactions",
                amount=plan.amount,
                currency=plan.currency,
                count=len(plan.movements),
            )
        if unit.draft.values["returned"]:
            return _("Came back from the bank; reversed")
        return _("Status: %s", unit.draft.values["header"]["status"])


def _known(selection, value):
    """Return a value of a selection; Stripe may add words at any time."""
    if not value:
        return None
    return value if value in dict(selection) else "other"
