import secrets
from dataclasses import replace
from decimal import Decimal

from odoo import _, api, models
from odoo.addons.crm_sync_base.lib.declarations import Receipt, RemoteAccount, RemoteField, RemoteObject
from odoo.addons.q2c_sale.lib.facts import CRM, DealFacts
from odoo.exceptions import UserError

from ..lib import flows, webhook
from ..lib.client import BATCH, TinyClient, moment

#: type of a field at Tiny CRM → what it holds, in the words that all systems share
KINDS = {
    "text": "text",
    "number": "number",
    "flag": "boolean",
    "date": "date",
    "link": "reference",
    "lines": "lines",
}
ANSWERS = {"unsigned": 401, "bad_signature": 401, "stale": 401}


class SyncConnectorTinycrm(models.AbstractModel):
    """Tiny CRM: companies, people, deals, and kinds of records that no code knows."""

    _name = "sync.connector.tinycrm"
    _inherit = "sync.connector"
    _description = "Tiny CRM Connector"

    # === Declarations ===#

    @api.model
    def _objects(self):
        return (
            RemoteObject("company", _("Company"), BATCH, BATCH, can_push=True),
            RemoteObject("person", _("Person"), BATCH, BATCH, can_push=True),
            RemoteObject("deal", _("Deal"), BATCH, BATCH, can_push=True, priority=5),
        )

    @api.model
    def _object(self, name):
        declared = super()._object(name)
        # Whatever kind it is, the same calls read and write it.
        return declared if declared.can_push else RemoteObject(name, name, BATCH, BATCH, can_push=True, custom=True)

    @api.model
    def _credential_fields(self):
        return {
            "client_id": {"label": _("Client ID"), "required": True},
            "client_secret": {"label": _("Client Secret"), "required": True},
            "webhook_secret": {
                "label": _("Webhook Secret"),
                "help": _("Made up and told to Tiny CRM by Connect."),
            },
        }

    @api.model
    def _default_hosts(self):
        return ("api.tinycrm.example",)

    @api.model
    def _connection_defaults(self):
        return {"base_url": "https://api.tinycrm.example", "api_version": "v1"}

    @api.model
    def _flow_templates(self, connection):
        return [*super()._flow_templates(connection), *flows.FLOWS]

    # === Client ===#

    def _build_client(self, connection):
        given = connection._credentials()
        return TinyClient(
            connection.base_url,
            given.get("client_id", ""),
            given.get("client_secret", ""),
            connection._version_to_call(),
            meter=self._meter(connection),
        )

    # === Account ===#

    def _authenticate(self, connection):
        # A new client: the one at hand may hold a token of other credentials.
        account = self._build_client(connection).account()
        return RemoteAccount(account["id"], account["name"], is_production=account["plan"] == "live")

    def _setup(self, connection):
        """Make the fields that the status goes to, and have events sent here; repeatable."""
        client = self._client(connection)
        client.ensure_fields(
            "deal",
            [
                {"name": name, "label": label, "type": "number" if name in flows.AMOUNTS else "text"}
                for name, (_field, label) in flows.STATUS.items()
            ],
        )
        secret = connection._credentials().get("webhook_secret") or secrets.token_hex(32)
        connection._store_credentials({"webhook_secret": secret})
        client.set_webhook(connection._webhook_address(), secret)

    # === Records ===#

    def _read(self, connection, object_name, external_ids):
        return self._client(connection).documents(object_name, external_ids)

    def _poll(self, connection, flow, cursor):
        return self._client(connection).changes(flow.remote_object, cursor)

    def _count(self, connection, flow):
        conditions = flow._remote_conditions()
        if not all(operator == "=" and isinstance(value, str) for _path, operator, value in conditions):
            raise UserError(_("Tiny CRM counts by equal texts only: the rest is looked at in Odoo."))
        wanted = {path: value for path, _operator, value in conditions}
        return self._client(connection).count(flow.remote_object, wanted)

    def _push(self, connection, object_name, writes):
        return self._client(connection).put(object_name, writes)

    # === Schema ===#

    def _describe_objects(self, connection):
        return [
            replace(self._object(kind["name"]), label=kind["label"], custom=kind["custom"])
            for kind in self._client(connection).kinds()
        ]

    def _describe(self, connection, object_name):
        described = [self._field(field) for field in self._client(connection).fields(object_name)]
        # What the client adds to each document can be mapped as well.
        return [*described, RemoteField("id", _("ID"), "text", writable=False, unique=True, kind="text")]

    def _field(self, field):
        return RemoteField(
            name=field["name"],
            label=field["label"],
            type=field["type"],
            required=field["required"],
            custom=field["custom"],
            references=field.get("to", ""),
            kind=KINDS.get(field["type"], "other"),
        )

    # === Webhooks ===#

    def _receive(self, connection, request):
        verdict = webhook.verdict([connection._credentials().get("webhook_secret")], request)
        if verdict != "accepted":
            return Receipt(verdict, ANSWERS[verdict], _("Tiny-Signature was checked."))
        try:
            delivery = webhook.parse(request.body)
        except webhook.Malformed as error:
            return Receipt("malformed", 400, str(error))
        if delivery.account != connection.account_external_id:
            return Receipt("wrong_account", 403, _("It belongs to another account of Tiny CRM."))
        return Receipt("accepted", 200, notifications=delivery.notifications, body=b"{}")

    # === Documents ===#

    def _label(self, object_name, document):
        return document.data.get("name") or ""

    def _changed_at(self, object_name, document):
        # Revisions tell no time; the version of a document that a person edited does.
        seconds = document.data.get("changed_at")
        return super()._changed_at(object_name, document) or (moment(seconds) if seconds else None)

    def _amount(self, connection, object_name, document):
        if object_name != "deal" or not document.data.get("total"):
            return None
        return Decimal(document.data["total"]), document.data.get("currency") or ""

    # === Comparing ===#

    @api.model
    def _deal_role(self):
        return CRM

    def _deal_facts(self, connection, order):
        deal = self._bound_document(connection, "deal", order)
        if deal is None:
            return None
        facts = DealFacts(connection.name, deal.external_id, deleted=deal.deleted)
        if deal.deleted:
            return facts
        data = deal.data
        untaxed, tax, total = (Decimal(data[name] or 0) for name in ("net", "tax", "total"))
        return replace(
            facts,
            in_force=data["stage"] == "won",
            customer=self._company_name(connection, data["company"]),
            currency=data["currency"],
            line_count=len(data["lines"] or ()),
            untaxed=untaxed,
            tax=tax,
            total=total,
            **self._told_facts(connection, "deal", order, data),
        )

    def _company_name(self, connection, company_id):
        """Return the name of a company, None when there is none."""
        documents = self._read(connection, "company", [company_id]) if company_id else ()
        return next((one.data["name"] for one in documents if not one.deleted), None)
