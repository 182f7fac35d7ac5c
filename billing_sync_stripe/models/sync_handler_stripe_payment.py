from decimal import Decimal
from zoneinfo import ZoneInfo

from odoo import _, fields, models
from odoo.addons.crm_sync_base.lib.errors import (
    AmountMismatch,
    Conflict,
    NotReady,
    SyncError,
    Transient,
)
from odoo.addons.q2c_sale.lib import totals

from ..lib import const
from ..lib.charge_plan import ChargeNotPaid, plan_charge
from ..lib.money import to_ledger

FEE_OBJECT = "balance_transaction"


class SyncHandlerStripePayment(models.AbstractModel):
    """Succeeded charges → payments, reconciled with their invoice, and their fees.

    A payment is registered with what the buyer paid, the fee with what Stripe kept; in
    between lies the clearing account, whose balance is what Stripe still holds.
    """

    _name = "sync.handler.stripe_payment"
    _inherit = "sync.handler.inbound"
    _description = "Stripe Payment Handler"

    # === Plan ===#

    def _check(self, env, flow, units):
        """Plan each charge and find its invoice; say why, where it cannot be booked."""
        units = [unit for unit in units if unit.is_open]
        bindings = self.env["sync.binding"]._lookup(
            flow.connection_id,
            "payment_intent",
            [unit.document.data.get("payment_intent") or "" for unit in units],
        )
        for unit in units:
            try:
                self._check_one(env, flow, unit, bindings)
            except ChargeNotPaid as error:
                unit.summary = error.message
            except SyncError as error:
                unit.error = error

    def _check_one(self, env, flow, unit, bindings):
        if unit.record:
            unit.summary = _("Booked already")
            return
        plan = plan_charge(unit.document.data)
        flow.connection_id._assert_stripe_accounts("stripe_fee_account_id")
        invoice = self._invoice(env, flow, unit, bindings.get(plan.payment_intent_id))
        self._assert_bookable(flow, invoice, plan)
        unit.draft.values.update(
            plan=plan,
            invoice=invoice,
            currency=self.env["stripe.payout.line"]._currency(plan.currency),
            settled_currency=self.env["stripe.payout.line"]._currency(plan.settled_currency),
        )

    def _invoice(self, env, flow, unit, binding):
        """Return the invoice that a charge pays: the one that was charged, or the one it names.

        :raises NotReady: when there is none.
        """
        Move = env["account.move"]
        if binding and binding.model == Move._name:
            found = Move.browse(binding.res_id).exists()
        else:
            found = Move.browse(self._named(unit.document.data)).exists()
        if found:
            return found
        raise NotReady(
            _("%s belongs to no invoice in Odoo.", self._subject(unit)),
            hint=_(
                "Book it by hand and ignore this, or give the charge the metadata “%(key)s” of its "
                "invoice at Stripe and retry.",
                key=const.REFERENCE,
            ),
            fingerprint="stripe: charge without invoice",
        )

    def _named(self, charge):
        """Return the id of the invoice of this database that a charge names, or None."""
        reference = (charge.get("metadata") or {}).get(const.REFERENCE) or ""
        database, _slash, rest = reference.partition("/")
        model, _slash, number = rest.partition("/")
        own = (self.env["sync.connection"]._database_uuid() or "")[:8]
        if database == own and model == "account.move" and number.isdigit():
            return int(number)
        return None

    def _assert_bookable(self, flow, invoice, plan):
        """Refuse what does not fit the invoice; it stays locked until it is booked.

        :raises Conflict: when it is paid already, or less is open than was paid.
        """
        if not invoice.try_lock_for_update():
            raise Transient(_("%s is being changed by somebody else.", invoice.name or invoice.id))
        if invoice.company_id != flow.company_id or invoice.state != "posted":
            raise NotReady(
                _("%s is not a posted invoice of this connection's company.", invoice.display_name),
                hint=_("Post the invoice, then retry; or refund the charge at Stripe."),
            )
        if invoice.currency_id.name != plan.currency:
            raise AmountMismatch(
                _(
                    "%(invoice)s is in %(ours)s, but charge %(charge)s collected %(amount)s %(theirs)s.",
                    invoice=invoice.name,
                    ours=invoice.currency_id.name,
                    charge=plan.charge_id,
                    amount=plan.amount,
                    theirs=plan.currency,
                )
            )
        open_ = self._open(invoice)
        if plan.amount > open_:
            raise Conflict(
                _(
                    "%(invoice)s: charge %(charge)s collected %(amount)s %(currency)s, but only %(open)s is open.",
                    invoice=invoice.name,
                    charge=plan.charge_id,
                    amount=plan.amount,
                    currency=plan.currency,
                    open=open_,
                ),
                hint=_("Refund the charge at Stripe, or free the invoice from its other payment and retry."),
                fingerprint="stripe: invoice is paid already",
            )

    def _open(self, invoice):
        return totals.from_float(invoice._q2c_amount_open(), invoice.currency_id.decimal_places)

    def _conclude(self, env, unit):
        if unit.error or not unit.is_open:
            return
        unit.operation = "create"
        vals = self._payment_vals(unit)
        shown = ("amount", "currency_id", "date", "partner_id", "journal_id", "memo", "payment_reference")
        unit.changes = {name: (None, vals[name]) for name in shown}

    def _payment_vals(self, unit):
        """Return the values of the payment; the amount is a `Decimal`."""
        plan, invoice = unit.draft.values["plan"], unit.draft.values["invoice"]
        connection = unit.flow.connection_id
        return {
            "payment_type": "inbound",
            "partner_type": "customer",
            "partner_id": invoice.commercial_partner_id.id,
            "amount": to_ledger(plan.amount, invoice.currency_id.decimal_places),
            "currency_id": invoice.currency_id.id,
            "date": self._day(unit.flow, plan),
            "journal_id": connection.stripe_journal_id.id,
            "payment_method_line_id": connection._stripe_method_line().id,
            "memo": plan.charge_id,
            "payment_reference": plan.payment_intent_id,
            "destination_account_id": self._receivable(invoice)[:1].account_id.id,
            "company_id": unit.flow.company_id.id,
            "invoice_ids": [fields.Command.link(invoice.id)],
        }

    def _day(self, flow, plan):
        """Return the day of the payment where the company is."""
        zone = flow.company_id.partner_id.tz or flow.connection_id.user_id.tz or "UTC"
        moment = plan.paid_at.replace(tzinfo=ZoneInfo("UTC"))
        return moment.astimezone(ZoneInfo(zone)).date()

    def _receivable(self, invoice):
        return invoice.line_ids.filtered(
            lambda line: line.account_id.account_type == "asset_receivable" and not line.reconciled
        ).sorted(lambda line: (line.date_maturity or line.date, line.id))

    # === Apply ===#

    def _create(self, env, flow, units):
        for unit in units:
            # Two charges of one invoice in a batch: the second sees what the first left.
            self._assert_bookable(flow, unit.draft.values["invoice"], unit.draft.values["plan"])
            unit.record = self._book_payment(env, unit)
            unit.draft.values["fee_move"] = self._book_fee(env, unit)

    def _book_payment(self, env, unit):
        """Create, post and reconcile the payment of one charge."""
        invoice = unit.draft.values["invoice"]
        vals = self._payment_vals(unit)
        before = self._open(invoice)
        line_vals = self._converted_lines(unit, vals)
        vals["amount"] = float(vals["amount"])
        if line_vals:
            vals["line_ids"] = [fields.Command.create(line) for line in line_vals]
        payment = env["account.payment"].create(vals)
        payment.action_post()
        counterpart = payment.move_id.line_ids.filtered(
            lambda line: line.account_id == payment.destination_account_id
        )
        lines = self._receivable(invoice).filtered(lambda line: line.account_id == counterpart.account_id)
        (counterpart | lines).reconcile()
        self._assert_settled(unit, before)
        return payment

    def _converted_lines(self, unit, vals):
        """Return the payment's lines when Stripe exchanged the money, else nothing.

        The receivable is paid in the buyer's currency, the clearing account gets the
        currency that Stripe holds from then on. Odoo books the difference of rates
        when it reconciles the receivable.
        """
        plan = unit.draft.values["plan"]
        if not plan.is_converted:
            return []
        settled_currency = unit.draft.values["settled_currency"]
        settled = to_ledger(plan.settled, settled_currency.decimal_places)
        balance = self._balance(unit, vals, settled)
        common = {"name": plan.charge_id, "partner_id": vals["partner_id"], "date_maturity": vals["date"]}
        return [
            {
                **common,
                "account_id": unit.flow.connection_id.stripe_clearing_account_id.id,
                "currency_id": settled_currency.id,
                "amount_currency": float(settled),
                "balance": float(balance),
            },
            {
                **common,
                "account_id": vals["destination_account_id"],
                "currency_id": vals["currency_id"],
                "amount_currency": -float(vals["amount"]),
                "balance": -float(balance),
            },
        ]

    def _balance(self, unit, vals, settled):
        """Return what a converted payment is worth in the company's currency.

        Stripe's own exchange says it when one side is that currency.
        """
        company = unit.flow.company_id
        settled_currency = unit.draft.values["settled_currency"]
        if vals["currency_id"] == company.currency_id.id:
            return vals["amount"]
        return self._worth(settled, settled_currency, company, vals["date"])

    def _worth(self, amount, currency, company, date):
        """Return an amount in the company's currency, exact to its unit."""
        digits = company.currency_id.decimal_places
        return totals.from_float(
            currency._convert(float(amount), company.currency_id, company, date), digits
        )

    def _assert_settled(self, unit, before):
        """Compare what the invoice still owes with what was paid; a difference undoes all.

        :raises AmountMismatch: with both amounts.
        """
        plan, invoice = unit.draft.values["plan"], unit.draft.values["invoice"]
        after = self._open(invoice)
        if before - plan.amount != after:
            raise AmountMismatch(
                _(
                    "%(invoice)s: after %(amount)s were paid, %(after)s is open instead of %(expected)s.",
                    invoice=invoice.name,
                    amount=plan.amount,
                    after=after,
                    expected=before - plan.amount,
                )
            )

    def _book_fee(self, env, unit):
        """Post what Stripe kept of a charge; returns the entry, empty without a fee."""
        plan, currency = unit.draft.values["plan"], unit.draft.values["settled_currency"]
        Move = env["account.move"]
        if not plan.fee:
            return Move
        connection = unit.flow.connection_id
        date = self._day(unit.flow, plan)
        fee = to_ledger(plan.fee, currency.decimal_places)
        balance = self._worth(fee, currency, connection.company_id, date)
        label = _("Stripe fee of %s", plan.charge_id)
        sides = (
            (connection.stripe_fee_account_id, Decimal(1)),
            (connection.stripe_clearing_account_id, Decimal(-1)),
        )
        move = Move.create(
            {
                "move_type": "entry",
                "journal_id": connection.stripe_journal_id.id,
                "company_id": connection.company_id.id,
                "date": date,
                "ref": label,
                "line_ids": [
                    fields.Command.create(
                        {
                            "name": label,
                            "account_id": account.id,
                            "currency_id": currency.id,
                            "amount_currency": float(fee * sign),
                            "balance": float(balance * sign),
                        }
                    )
                    for account, sign in sides
                ],
            }
        )
        move.action_post()
        return move

    # === Remember ===#

    def _remember(self, units):
        """Bind the fee entries, too, and tell payouts that arrived before."""
        result = super()._remember(units)
        booked = [unit for unit in units if unit.draft and unit.draft.values.get("fee_move")]
        self.env["sync.binding"]._bind_many(
            [
                {
                    "connection": unit.flow.connection_id,
                    "remote_object": FEE_OBJECT,
                    "external_id": unit.draft.values["plan"].balance_transaction_id,
                    "model": "account.move",
                    "res_id": unit.draft.values["fee_move"].id,
                    "correlation_id": unit.job.correlation_id,
                }
                for unit in booked
            ]
        )
        self._complete_payouts(units)
        return result

    def _complete_payouts(self, units):
        """Attach payments to the payout in which their money left before it was booked here."""
        if not units:
            return
        connection = units[0].flow.connection_id
        charges = [unit.external_id for unit in units]
        Line = self.env["stripe.payout.line"]
        Line._meet(connection, charges)
        lines = Line.search(
            [("connection_id", "=", connection.id), ("source_id", "in", charges), ("payment_id", "=", False)]
        )
        if lines:
            lines._attach(connection)
            lines.payout_id._reconcile_clearing()

    def _summary(self, unit):
        plan = unit.draft.values["plan"]
        return _(
            "%(amount)s %(currency)s booked for %(invoice)s, fee %(fee)s %(settled)s",
            amount=plan.amount,
            currency=plan.currency,
            invoice=unit.draft.values["invoice"].name,
            fee=plan.fee,
            settled=plan.settled_currency,
        )
