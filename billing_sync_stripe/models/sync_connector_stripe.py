import time
import uuid

from odoo import _, api, models
from odoo.addons.crm_sync_base.lib import correlation
from odoo.addons.crm_sync_base.lib.declarations import (
    Document,
    EndpointClass,
    Notification,
    Page,
    Receipt,
    Ref,
    RemoteAccount,
    RemoteField,
    RemoteObject,
    WriteResult,
)
from odoo.addons.crm_sync_base.lib.errors import (
    AuthFailed,
    PaymentDeclined,
    RemoteGone,
    SyncError,
)
from odoo.addons.crm_sync_base.lib.hosts import is_loopback

from ..lib import const, described, event, failure, flows, money, signature, walk
from ..lib.client import StripeClient, path_of

#: object → its part of the API's paths
PATHS = {
    "customer": "customers",
    "payment_intent": "payment_intents",
    "charge": "charges",
    "payout": "payouts",
    "refund": "refunds",
}
#: object → its part of the dashboard's addresses
PAGES = {"customer": "customers", "payment_intent": "payments", "charge": "payments", "payout": "payouts"}
#: states of a payment intent in which the money is, or will be, collected
COLLECTED = ("succeeded", "processing", "requires_capture")
WEBHOOK_SECRETS = ("webhook_secret", "webhook_secret_old")
EXPAND = {"charge": ("balance_transaction",), "customer": ("invoice_settings.default_payment_method",)}


class SyncConnectorStripe(models.AbstractModel):
    """Stripe: customers and charges out, payments and payouts in."""

    _name = "sync.connector.stripe"
    _inherit = "sync.connector"
    _description = "Stripe Connector"

    # === Declarations ===#

    @api.model
    def _objects(self):
        # Stripe has no calls for many records at once: batches only bound the work.
        return (
            RemoteObject("customer", _("Customer"), 25, 25, can_push=True, priority=10),
            RemoteObject("payment_intent", _("Payment Intent"), 25, 10, can_push=True, priority=10),
            RemoteObject("charge", _("Charge"), 25, priority=5),
            RemoteObject("payout", _("Payout"), 5, priority=20),
            RemoteObject("refund", _("Refund"), 25),
        )

    @api.model
    def _endpoints(self, connection):
        # Stripe tells its limits in no answer but a refusal; a stand-in has its own.
        calls = 0 if is_loopback(connection.base_url) else const.CALLS_PER_SECOND
        return (EndpointClass("api", _("API"), rate_limit=calls),)

    @api.model
    def _credential_fields(self):
        return {
            "secret_key": {
                "label": _("Secret or Restricted Key"),
                "required": True,
                "help": _("Starts with rk_ (better) or sk_."),
            },
            "webhook_secret": {
                "label": _("Webhook Signing Secret"),
                "help": _("Starts with whsec_. Connect creates the endpoint and fills it in."),
            },
            "webhook_secret_old": {
                "label": _("Previous Webhook Signing Secret"),
                "help": _("Accepted as well, while the secret is being replaced."),
            },
        }

    @api.model
    def _default_hosts(self):
        return const.HOSTS

    @api.model
    def _connection_defaults(self):
        return {"base_url": const.BASE_URL, "api_version": const.API_VERSION}

    @api.model
    def _flow_templates(self, connection):
        return list(flows.FLOWS)

    # === Client ===#

    def _build_client(self, connection):
        key = connection._credentials().get("secret_key")
        if not key:
            raise AuthFailed(
                _("%s has no API key.", connection.name),
                hint=_("Enter a restricted or secret key of Stripe's on the connection."),
            )
        return StripeClient(
            key,
            livemode=connection.environment == "production",
            base_url=connection.base_url,
            version=connection._version_to_call(),
            meter=self._meter(connection),
        )

    def _authenticate(self, connection):
        # A new client, so that key and environment are compared even after a change.
        client = self._build_client(connection)
        account = client.get("/v1/account")
        settings = account.get("settings") or {}
        name = (settings.get("dashboard") or {}).get("display_name")
        name = name or (account.get("business_profile") or {}).get("name")
        return RemoteAccount(account["id"], name or account["id"], is_production=client.livemode)

    # === Webhook endpoint ===#

    def _setup(self, connection):
        """Make the account send our events to this connection; repeatable.

        Polling works without it, so what keeps Stripe from doing it is said, not raised.
        """
        try:
            self._ensure_endpoint(connection, self._client(connection))
        except SyncError as error:
            connection.message_post(
                body=_(
                    "Stripe did not accept the webhook endpoint: %s Changes are still found by "
                    "polling. Create the endpoint in Stripe's dashboard and enter its signing secret.",
                    error.message,
                )
            )

    def _ensure_endpoint(self, connection, client):
        """Keep, correct or create the endpoint of this connection.

        Stripe shows a signing secret once, when the endpoint is created: an endpoint
        whose secret is not known here is replaced.
        """
        url = connection.webhook_url
        found = {one["id"]: one for one in client.iterate("/v1/webhook_endpoints", freeze=False)}
        same = [one for one in found.values() if one["url"] == url]
        ours = found.get(connection.stripe_endpoint_id)
        if not connection.stripe_endpoint_id and len(same) == 1:
            ours = same[0]  # somebody created it in the dashboard and entered its secret
        if ours and connection._credentials().get("webhook_secret"):
            self._correct_endpoint(client, ours, url)
            self._remember_endpoint(connection, ours["id"])
            return
        for one in same:
            client.delete(path_of("webhook_endpoints", one["id"]))
        self._create_endpoint(connection, client, url)

    def _correct_endpoint(self, client, endpoint, url):
        """Bring address, event types and state of an endpoint to what we need."""
        wanted = set(const.EVENT_TYPES)
        present = set(endpoint["enabled_events"])
        if endpoint["url"] == url and endpoint["status"] == "enabled" and (wanted <= present or "*" in present):
            return
        events = ["*"] if "*" in present else sorted(wanted | present)
        client.post(
            path_of("webhook_endpoints", endpoint["id"]),
            {"url": url, "enabled_events": events, "disabled": False},
            idempotency_key=f"q2c-{uuid.uuid4().hex}",
        )

    def _create_endpoint(self, connection, client, url):
        created = client.post(
            "/v1/webhook_endpoints",
            {
                "url": url,
                "enabled_events": list(const.EVENT_TYPES),
                "api_version": connection.api_version,
                "description": "Odoo",
            },
            idempotency_key=f"q2c-{uuid.uuid4().hex}",
        )
        known = connection._credentials().get("webhook_secret")
        connection._store_credentials({"webhook_secret": created["secret"], "webhook_secret_old": known})
        self._remember_endpoint(connection, created["id"])

    def _remember_endpoint(self, connection, endpoint_id):
        connection.write(
            {
                "stripe_endpoint_id": endpoint_id,
                "stripe_endpoint_account": connection.account_external_id,
            }
        )

    # === Reading ===#

    def _read(self, connection, object_name, external_ids):
        client = self._client(connection)
        return [self._read_one(client, object_name, external_id) for external_id in external_ids]

    def _read_one(self, client, object_name, external_id):
        """Return the document of one object; one that does not exist counts as deleted."""
        try:
            data = client.get(
                path_of(PATHS[object_name], external_id), expand=EXPAND.get(object_name, ())
            )
        except RemoteGone:
            return Document(external_id, {}, deleted=True)
        if data.get("deleted"):
            return Document(external_id, data, deleted=True)
        if object_name == "payout":
            data = {**data, "balance_transactions": self._contents(client, data)}
        return Document(external_id, data)

    def _contents(self, client, payout):
        """Return the balance transactions of a payout, as soon as Stripe can name them."""
        if not payout.get("automatic") or payout.get("reconciliation_status") != "completed":
            return []
        return list(
            client.iterate(
                "/v1/balance_transactions", {"payout": payout["id"]}, expand=("data.source",), freeze=False
            )
        )

    # === Polling ===#

    def _poll(self, connection, flow, cursor):
        """Walk the events about an object; webhooks carry the same events.

        What is older than the events that Stripe keeps is found by its date of
        creation: a gap of a month does not go unnoticed.
        """
        client = self._client(connection)
        place = walk.resume(cursor, time.time())
        if place.source == walk.OBJECTS:
            page = client.page(
                path_of(PATHS[flow.remote_object]), {"created": place.created}, after=place.after or None
            )
            refs = [Ref(one["id"]) for one in page.data]
        else:
            page = client.page(
                "/v1/events",
                {"types": self._event_types(flow.remote_object), "created": place.created},
                after=place.after or None,
            )
            refs = [self._ref(connection, one) for one in page.data]
        cursor, done = walk.advance(place, page.next_after)
        return Page(tuple(ref for ref in refs if ref), cursor, done)

    def _event_types(self, object_name):
        return [type_ for type_, routed in const.ROUTES.items() if routed == object_name]

    def _ref(self, connection, document):
        """Return what an event of the list is about, None when it is not ours."""
        found = event.event_of(document)
        if found is None or not self._concerns(connection, found):
            return None
        return Ref(
            found.object_id,
            source_id=found.id,
            event_type=found.type,
            correlation_id=self._story_of(found),
        )

    def _story_of(self, found):
        """Return the story that an event belongs to, "" when it is nobody's.

        Our metadata say so. What Stripe derives from our call without copying them
        still names the idempotency key of that call.
        """
        if found.correlation_id:
            return found.correlation_id
        return self.env["sync.handler.outbound"]._job_of_key(found.request_key).correlation_id or ""

    def _concerns(self, connection, found):
        """Whether an event is about an object of this account that we know by its id."""
        own = found.account in (None, connection.account_external_id)
        return own and bool(found.object_id)

    # === Writing ===#

    def _push(self, connection, object_name, writes):
        client = self._client(connection)
        send = self._charge if object_name == "payment_intent" else self._save
        results = []
        for write in writes:
            try:
                with correlation.working_on([write.correlation_id]):
                    results.append(send(client, object_name, write))
            except SyncError as error:
                results.append(WriteResult(write.key, write.external_id, error=error))
        return results

    def _save(self, client, object_name, write):
        """Create or update an object."""
        parts = [PATHS[object_name], *([write.external_id] if write.external_id else [])]
        params = _texts(write.values, keep_empty=bool(write.external_id))
        answer = client.post(
            path_of(*parts), _with_story(params, write), idempotency_key=write.idempotency_key
        )
        return WriteResult(write.key, answer["id"], created=not write.external_id)

    def _charge(self, client, object_name, write):
        """Create and confirm a payment intent.

        :raises PaymentDeclined: with the reason in plain words.
        """
        try:
            answer = client.post(
                path_of(PATHS[object_name]),
                _with_story(write.values, write),
                idempotency_key=write.idempotency_key,
            )
        except PaymentDeclined as error:
            raise self._declined(failure.of(error)) from None
        status = answer.get("status")
        if status not in COLLECTED:
            raise PaymentDeclined(
                _("The payment is not complete: Stripe says “%s”.", status),
                hint=_("Ask the customer to pay by a payment link, or for another means of payment."),
            )
        return WriteResult(
            write.key,
            answer["id"],
            created=True,
            data={"status": status, "charge": answer.get("latest_charge") or ""},
        )

    def _declined(self, facts):
        """Return the refusal of a card in plain words."""
        reasons = self._decline_reasons()
        code = facts.decline_code or facts.code
        reason, hint = reasons.get(code) or reasons.get(facts.code) or reasons["generic_decline"]
        error = PaymentDeclined(
            _("The payment was declined: %s.", reason),
            hint=hint,
            fingerprint=f"stripe: declined {code}",
        )
        error.stripe_failure = facts
        return error

    @api.model
    def _decline_reasons(self):
        """Return `{code: (what happened, what to do)}` for people (docs.stripe.com/declines/codes)."""
        other = _("Ask the customer for another means of payment, then retry.")
        bank = _("The customer should call the bank, or use another means of payment; then retry.")
        return {
            "generic_decline": (_("the bank gave no reason"), bank),
            "card_declined": (_("the bank gave no reason"), bank),
            "do_not_honor": (_("the bank gave no reason"), bank),
            "insufficient_funds": (
                _("the account has insufficient funds"),
                _("Retry in a few days, or ask the customer for another means of payment."),
            ),
            "expired_card": (_("the card has expired"), other),
            "incorrect_cvc": (_("the security code is wrong"), other),
            "incorrect_number": (_("the card number is wrong"), other),
            "lost_card": (_("the bank refuses this card"), other),
            "stolen_card": (_("the bank refuses this card"), other),
            "card_not_supported": (_("the card does not support this kind of payment"), other),
            "currency_not_supported": (_("the card does not support the currency"), other),
            "card_velocity_exceeded": (_("the limit of the card is exceeded"), bank),
            "withdrawal_count_limit_exceeded": (_("the limit of the card is exceeded"), bank),
            "processing_error": (_("the bank had a technical problem"), _("Retry in a few hours.")),
            "authentication_required": (
                _("the bank wants the customer to confirm the payment"),
                _("Send the customer a payment link: a payment without the customer is not possible."),
            ),
        }

    # === Looking things up, for the handlers ===#

    def _intents_of(self, connection, customer_id, reference, since):
        """Return the payment intents of a customer that carry our reference, newest first.

        A list, not a search: Stripe's search lags behind by up to an hour, and what was
        charged a second ago must be seen.

        :param since: naive UTC; none of them is older.
        """
        params = {"customer": customer_id, "created": {"gte": since}}
        return [
            intent
            for intent in self._client(connection).iterate("/v1/payment_intents", params)
            if (intent.get("metadata") or {}).get(const.REFERENCE) == reference
        ]

    def _method_of(self, connection, customer_id):
        """Return the id of the means of payment to use for a customer, or "".

        The default that the customer chose; else the only one there is.

        :raises RemoteGone: when the customer was deleted at Stripe.
        """
        client = self._client(connection)
        customer = self._read_one(client, "customer", customer_id)
        if customer.deleted:
            raise RemoteGone(
                _("The customer %s was deleted at Stripe.", customer_id),
                hint=_("Delete the binding of the customer; a new one is created at Stripe then."),
            )
        chosen = (customer.data.get("invoice_settings") or {}).get("default_payment_method")
        chosen = chosen or customer.data.get("default_source")
        if chosen:
            return chosen["id"] if isinstance(chosen, dict) else chosen
        methods = client.page(path_of("customers", customer_id, "payment_methods"), limit=2).data
        return methods[0]["id"] if len(methods) == 1 else ""

    # === Schema ===#

    def _describe(self, connection, object_name):
        return [
            RemoteField(path, label, type_, writable=writable, kind=described.KINDS.get(type_, ""))
            for path, label, type_, writable in described.FIELDS.get(object_name, ())
        ]

    # === Webhooks ===#

    def _receive(self, connection, request):
        expected = connection.stripe_endpoint_account
        if expected and expected != connection.account_external_id:
            return Receipt(
                "wrong_account", 400, "The signing secret belongs to another account than the connection."
            )
        credentials = connection._credentials()
        check = signature.verify(
            request.body,
            request.headers.get(signature.HEADER),
            [credentials.get(name) for name in WEBHOOK_SECRETS],
            time.time(),
        )
        if not check.accepted:
            return Receipt(check.verdict, 400, check.reason)
        reading = event.read_event(request.body, livemode=connection.environment == "production")
        if reading.verdict != "accepted":
            return Receipt(reading.verdict, 400, reading.reason)
        return Receipt("accepted", 200, notifications=(self._notification(connection, reading.event),))

    def _notification(self, connection, found):
        """Return what an event means to us; what is not ours has no object: stored, unused."""
        routed = const.ROUTES.get(found.type, "") if self._concerns(connection, found) else ""
        return Notification(
            source_id=found.id,
            remote_object=routed,
            external_id=found.object_id,
            event_type=found.type,
            occurred_at=found.created,
            correlation_id=self._story_of(found) if routed else "",
        )

    # === Documents ===#

    def _label(self, object_name, document):
        data = document.data
        if object_name == "customer":
            return data.get("name") or ""
        if isinstance(data.get("amount"), int) and data.get("currency"):
            currency = data["currency"].upper()
            return f"{money.from_minor(data['amount'], currency)} {currency}"
        return ""

    def _amount(self, connection, object_name, document):
        units, currency = document.data.get("amount"), document.data.get("currency")
        if not isinstance(units, int) or not currency:
            return None
        return money.from_minor(abs(units), currency.upper()), currency.upper()

    def _record_url(self, connection, object_name, external_id):
        if connection.base_url != const.BASE_URL or object_name not in PAGES:
            return False
        mode = "" if connection.environment == "production" else "test/"
        account = connection.account_external_id
        return f"https://dashboard.stripe.com/{account}/{mode}{PAGES[object_name]}/{external_id}"


def _with_story(params, write):
    """Return parameters with the story in their metadata: it comes back with each event."""
    if not write.correlation_id:
        return params
    metadata = {**(params.get("metadata") or {}), const.CORRELATION: write.correlation_id}
    return {**params, "metadata": metadata}


def _texts(values, keep_empty):
    """Return values as Stripe's texts.

    Odoo's empty is False. Stripe unsets a member by an empty text, which it refuses
    in a new object.
    """
    result = {}
    for name, value in values.items():
        if isinstance(value, dict):
            value = _texts(value, keep_empty)
        if value in (None, False, "", {}):
            if not keep_empty:
                continue
            value = ""
        result[name] = value
    return result
