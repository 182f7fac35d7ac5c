from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from odoo import _, fields, models
from odoo.addons.crm_sync_base.lib.errors import (
    Conflict,
    NotReady,
    PaymentDeclined,
    SyncError,
)
from odoo.addons.crm_sync_base.lib.fingerprint import fingerprint
from odoo.addons.crm_sync_base.lib.outcome import Outcome
from odoo.addons.crm_sync_base.lib.outgoing import Outgoing
from odoo.addons.crm_sync_base.lib.saga import Undo
from odoo.addons.q2c_sale.lib import totals

from ..lib import const, money
from .sync_connector_stripe import COLLECTED

#: states of a payment intent after which nothing will be collected with it
DEAD = ("canceled", "requires_payment_method")
#: how much older than the invoice an intent may look, clocks being what they are
CLOCK_SKEW = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Facts:
    """What Stripe said about one invoice before anything is charged.

    :param customer: id of its customer, "" when Stripe does not know him yet.
    :param method: id of the means of payment, "" when he has none to use.
    :param collected: the payment intent that collects, or collected, this invoice.
    :param error: why Stripe could not be asked.
    """

    customer: str = ""
    method: str = ""
    collected: dict[str, Any] | None = None
    error: SyncError | None = None


class SyncHandlerStripeCharge(models.AbstractModel):
    """Open invoices → payment intents, charged exactly once.

    Three things keep a second charge away. The intent with its idempotency key is
    stored before the call and repeated as it is, while Stripe remembers the key. What
    was collected is bound to the invoice. And before any new intent the customer's
    payment intents are read for one that carries this invoice's reference.
    """

    _name = "sync.handler.stripe_charge"
    _inherit = "sync.handler.outbound"
    _description = "Stripe Charge Handler"

    def _run(self, flow, jobs):
        flow.connection_id._assert_live()
        if jobs[0].kind == "page":
            return super()._run(flow, jobs)
        if flow.mode == "dry_run":
            items = [Outgoing(job, job.res_id) for job in jobs]
            self._prepare(flow, items)
            return {item.job.id: item.outcome for item in items}
        self._take_over(jobs)
        facts = self._look_up(flow, jobs)
        handler = self.with_context(stripe_facts=facts)
        return super(SyncHandlerStripeCharge, handler)._run(flow, jobs)

    def _prepare_one(self, flow, item):
        """Of what is only planned, say in words what would be charged, without asking Stripe."""
        if not self._is_planned_only(flow, item.job):
            return super()._prepare_one(flow, item)
        item.note = _(
            "Would charge %(amount)s %(currency)s",
            amount=self._amount(item.record),
            currency=item.record.currency_id.name,
        )
        item.outcome = Outcome(summary=item.note, verdict="create")
        return None

    def _plan_refusal(self, flow):
        """What a charge depends on is known at Stripe only, at the moment at which it is made."""
        return _(
            "%s charges customers. A plan says how much that would be, but each charge is decided when it is "
            "made, with what Stripe knows then. Go live to charge what is open.",
            flow.name,
        )

    # === What is known already ===#

    def _look_again(self, flow, job, outcome):
        """A charge that was repeated is final, and so is its refusal."""
        return outcome

    def _is_stale(self, job):
        """Whether Stripe may have forgotten the key of the job's intent."""
        age = fields.Datetime.now() - (job.intent_at or fields.Datetime.now())
        return bool(job.intent) and age.total_seconds() >= const.KEY_SECONDS

    def _look_up(self, flow, jobs):
        """Ask Stripe what must be known, before anything is locked.

        :return: `{job id: Facts}` of the jobs that do not simply repeat their intent.
        """
        asking = jobs.filtered(lambda job: not job.intent or self._is_stale(job))
        invoices = self._as_service(flow)[flow.model].browse(asking.mapped("res_id")).exists()
        Binding = self.env["sync.binding"]
        customers = Binding._for_records(
            flow.connection_id, "customer", invoices.commercial_partner_id
        )
        bound = Binding._for_records(flow.connection_id, flow.remote_object, invoices)
        facts = {}
        for job in asking:
            invoice = invoices.filtered(lambda move, job=job: move.id == job.res_id)
            customer = customers.get(invoice.commercial_partner_id.id)
            try:
                with self._guard(flow, "read", job, subject=f"charge {job.res_id}"):
                    facts[job.id] = self._facts(flow, job, invoice, customer, bound.get(invoice.id))
            except SyncError as error:
                facts[job.id] = Facts(error=error)
        return facts

    def _facts(self, flow, job, invoice, customer, binding):
        customer_id = job.intent["values"]["customer"] if job.intent else customer and customer.external_id
        collected = self._collected(flow, invoice, customer_id, binding)
        if collected or not customer or invoice not in self._wanted(flow, invoice):
            return Facts(customer.external_id if customer else "", collected=collected)
        method = flow._connector()._method_of(flow.connection_id, customer.external_id)
        return Facts(customer.external_id, method)

    def _wanted(self, flow, invoices):
        return invoices.filtered_domain(flow._odoo_domain())

    def _collected(self, flow, invoice, customer_id, binding):
        """Return the payment intent that collects this invoice, or None.

        :raises Conflict: when one is open, and nobody knows how it will end.
        """
        connector, connection = flow._connector(), flow.connection_id
        intents = []
        if binding:
            documents = connector._read(connection, flow.remote_object, [binding.external_id])
            intents += [document.data for document in documents if not document.deleted]
        if customer_id and invoice:
            since = invoice.create_date - CLOCK_SKEW
            intents += connector._intents_of(connection, customer_id, self._reference(invoice), since)
        for intent in intents:
            if intent["status"] in COLLECTED:
                return intent
        for intent in intents:
            if intent["status"] not in DEAD:
                raise Conflict(
                    _(
                        "%(invoice)s: the payment %(id)s is under way at Stripe (%(status)s).",
                        invoice=invoice.name,
                        id=intent["id"],
                        status=intent["status"],
                    ),
                    hint=_("Finish or cancel it at Stripe, then retry."),
                )
        return None

    def _reference(self, invoice):
        """Return what names the invoice in Stripe's metadata, for this database only."""
        database = self.env["sync.connection"]._database_uuid() or ""
        return f"{database[:8]}/{invoice._name}/{invoice.id}"

    # === Intent ===#

    def _intents(self, flow, jobs, outcomes):
        for job in jobs:
            if self._is_stale(job):
                self._settle_stale(flow, job, outcomes)
        remaining = jobs.filtered(lambda job: job.id not in outcomes)
        return super()._intents(flow, remaining, outcomes)

    def _settle_stale(self, flow, job, outcomes):
        """Decide by what Stripe shows: the old key no longer protects from a second charge."""
        facts = self._known(job)
        if facts.error:
            outcomes[job.id] = Outcome(error=facts.error)
        elif facts.collected:
            invoice = self._as_service(flow)[flow.model].browse(job.res_id)
            outcomes[job.id] = self._adopt(flow, job, invoice, facts.collected)
        else:
            job.intent = False

    def _known(self, job):
        return self.env.context["stripe_facts"].get(job.id) or Facts()

    def _intent(self, flow, job, record, binding):
        facts = self._known(job)
        if facts.error:
            raise facts.error
        if facts.collected:
            return self._adopt(flow, job, record, facts.collected)
        if not flow._may_create(bool((job.payload or {}).get("needed"))):
            return Outcome(summary=_("The flow does not charge new invoices"))
        if not facts.customer:
            return self._need_customer(flow, record.commercial_partner_id, job)
        if not facts.method:
            raise self._no_method(record)
        values = self._values(record, facts)
        return {
            "external_id": None,
            "values": values,
            "fingerprint": fingerprint(values),
            "key": self._idempotency_key(job),
        }

    def _values(self, invoice, facts):
        """Return the parameters of the payment intent.

        :raises DataInvalid: when the amount cannot be expressed at Stripe.
        """
        currency = invoice.currency_id.name
        return {
            "amount": money.to_minor(self._amount(invoice), currency),
            "currency": currency.lower(),
            "customer": facts.customer,
            "payment_method": facts.method,
            "confirm": True,
            "off_session": True,
            "description": invoice.name,
            "metadata": {const.REFERENCE: self._reference(invoice), "odoo_invoice": invoice.name},
        }

    def _amount(self, invoice):
        """Return what is open of an invoice, exact to its currency's unit."""
        return totals.from_float(invoice._q2c_amount_open(), invoice.currency_id.decimal_places)

    def _need_customer(self, flow, partner, job):
        """Have the customer created first.

        :raises NotReady: when the customers' flow would not do it.
        """
        customers = self.env["sync.flow.template"]._flow(flow.connection_id, "customers")
        able = customers.mode == "live" and customers._may_create(needed=True)
        if not able or not partner.filtered_domain(customers._odoo_domain()):
            raise NotReady(
                _("%s is not a customer at Stripe yet.", partner.display_name),
                hint=_(
                    "Switch the flow “%s” live and let its condition include this customer, then retry.",
                    customers.name,
                ),
                fingerprint="stripe: customers are not created",
            )
        return self._need(flow, "customers", partner, job)

    def _no_method(self, invoice):
        return NotReady(
            _(
                "%(invoice)s: %(customer)s has no means of payment at Stripe to charge.",
                invoice=invoice.name,
                customer=invoice.commercial_partner_id.display_name,
            ),
            hint=_(
                "Ask the customer for a means of payment (or to choose the default one), or send a "
                "payment link; then retry."
            ),
            fingerprint="stripe: no payment method",
        )

    # === Result ===#

    def _adopt(self, flow, job, record, intent):
        """Bind what was collected already, and have its charge booked."""
        self._bind(flow, job, record, intent["id"])
        job.intent = False
        if intent.get("latest_charge"):
            charge = intent["latest_charge"]
            self.env["sync.job"]._enqueue_documents(
                flow.connection_id, "charge", [charge], {charge: job.correlation_id}
            )
        return Outcome(
            summary=_("Was charged already: %s", intent["id"]), res_model=record._name, res_id=record.id,
            verdict="unchanged",
        )

    def _bind(self, flow, job, record, external_id):
        """Bind an invoice to a payment intent; one that failed before gives way."""
        Binding = self.env["sync.binding"]
        known = Binding._for_records(flow.connection_id, flow.remote_object, record).get(record.id)
        if known and known.external_id == external_id:
            return
        if known:
            known.unlink()
        Binding._bind_many(
            [
                {
                    "connection": flow.connection_id,
                    "remote_object": flow.remote_object,
                    "external_id": external_id,
                    "model": record._name,
                    "res_id": record.id,
                    "correlation_id": job.correlation_id,
                }
            ]
        )

    def _succeed(self, flow, job, write, result):
        record = self.env[flow.model].browse(job.res_id)
        known = self.env["sync.binding"]._for_records(flow.connection_id, flow.remote_object, record)
        stale = known.get(record.id)
        if stale and stale.external_id != result.external_id:
            stale.unlink()
        currency = write.values["currency"].upper()
        amount = money.from_minor(write.values["amount"], currency)
        outcome = super()._succeed(flow, job, write, result)
        return replace(
            outcome,
            summary=_(
                "Charged %(amount)s %(currency)s (%(status)s)",
                amount=amount,
                currency=currency,
                status=result.data.get("status"),
            ),
        )

    def _finish(self, flow, job, write, result):
        outcome = super()._finish(flow, job, write, result)
        error = outcome.error
        if not isinstance(error, PaymentDeclined):
            return outcome
        invoice = self.env[flow.model].browse(job.res_id)
        named = PaymentDeclined(
            f"{invoice.name}: {error.message}", hint=error.hint, fingerprint=error.fingerprint
        )
        return replace(outcome, error=named)

    # === Taking it back ===#

    def _is_story_step(self):
        return True

    def _undo_meaning(self):
        return _(
            "Money is never given back by itself: a person refunds the charge at Stripe. "
            "Fees are kept by Stripe, and the customer's bank may take days."
        )

    def _undo(self, flow, line, record):
        """Say what a person must do; nothing is refunded without one."""
        binding = self.env["sync.binding"]._for_records(flow.connection_id, flow.remote_object, record).get(record.id)
        if not binding and not line.effective:
            return Undo.undone(_("%s was not charged", record.name))
        if not binding:
            return Undo.person(
                _("Nobody knows whether %s was charged: Stripe did not answer.", record.name),
                _("Look for its payment at Stripe; refund it if it is there, then mark this as handled."),
            )
        amount = record.currency_id.format(record.amount_total)
        return Undo.person(
            _(
                "%(invoice)s was charged at Stripe (%(payment)s, up to %(amount)s).",
                invoice=record.name,
                payment=binding.external_id,
                amount=amount,
            ),
            _("Refund the payment at Stripe, then mark this as handled."),
        )
