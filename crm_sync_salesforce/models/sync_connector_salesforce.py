from dataclasses import replace
from datetime import datetime, timezone

from odoo import _, api, models
from odoo.addons.crm_sync_base.lib.declarations import (
    Document,
    EndpointClass,
    Page,
    Receipt,
    Ref,
    RemoteAccount,
    RemoteObject,
    WriteResult,
)
from odoo.addons.crm_sync_base.lib.errors import AuthFailed, NotReady
from odoo.addons.q2c_sale.lib.facts import CRM, DealFacts
from odoo.exceptions import UserError

from ..lib import documents, flows, outbound_message, soql
from ..lib.auth import ClientCredentials, JwtBearer
from ..lib.client import SalesforceClient
from ..lib.const import (
    API_VERSION,
    AUDIENCE_PRODUCTION,
    AUDIENCE_SANDBOX,
    COLLECTION_SIZE,
    HOSTS,
    OBJECTS,
    READ_SIZE,
    SUNSETS,
)
from ..lib.cursor import Cursor
from ..lib.ids import InvalidId, to18

AUDIENCES = {"production": AUDIENCE_PRODUCTION, "sandbox": AUDIENCE_SANDBOX}


def normalize_id(external_id):
    """Return the 18-character spelling; what is no Salesforce id stays as it is."""
    try:
        return to18(external_id)
    except InvalidId:
        return external_id


class SyncConnectorSalesforce(models.AbstractModel):
    """Salesforce: accounts, contacts, and opportunities with their synced quote."""

    _name = "sync.connector.salesforce"
    _inherit = "sync.connector"
    _description = "Salesforce Connector"

    # === Declarations ===#

    @api.model
    def _objects(self):
        declared = [
            RemoteObject(
                data.name,
                data.label,
                READ_SIZE,
                COLLECTION_SIZE,
                can_push=data.can_push,
                priority=data.priority,
                normalize_id=normalize_id,
            )
            for data in OBJECTS.values()
        ]
        address = RemoteObject(
            flows.ADDRESS, _("Delivery Address"), READ_SIZE, can_poll=False, normalize_id=normalize_id
        )
        return (*declared, address)

    @api.model
    def _object(self, name):
        declared = super()._object(name)
        if declared.normalize_id is not normalize_id:
            # A custom object: its ids have the same two spellings.
            return RemoteObject(
                name,
                name,
                READ_SIZE,
                COLLECTION_SIZE,
                can_push=True,
                normalize_id=normalize_id,
                custom=name.endswith("__c"),
            )
        return declared

    @api.model
    def _endpoints(self, connection):
        # Salesforce limits the calls of 24 hours, for all endpoints together; triggers
        # and flows of the org make writing fail on its own.
        return (
            EndpointClass("read", _("Queries")),
            EndpointClass("write", _("Writing Records")),
        )

    @api.model
    def _endpoint(self, object_name, operation):
        return "write" if operation == "push" else "read"

    @api.model
    def _credential_fields(self):
        return {
            "client_id": {"label": _("Consumer Key"), "required": True},
            "client_secret": {
                "label": _("Consumer Secret"),
                "help": _("For the client credentials flow; leave empty with a certificate."),
            },
            "username": {
                "label": _("Integration Username"),
                "help": _("For the JWT bearer flow: the user who is pre-authorised for the app."),
            },
            "private_key": {
                "label": _("Private Key (PEM)"),
                "multiline": True,
                "help": _("For the JWT bearer flow: the key of the certificate in the app."),
            },
            "audience": {
                "label": _("Token Audience"),
                "help": _("Only where it is neither login.salesforce.com nor test.salesforce.com."),
            },
        }

    @api.model
    def _default_hosts(self):
        return HOSTS

    @api.model
    def _connection_defaults(self):
        return {"base_url": AUDIENCE_PRODUCTION, "api_version": API_VERSION}

    @api.model
    def _api_sunset(self, version):
        number = version.partition(".")[0]
        if not number.isdigit():
            return None
        return next((end for last, end in SUNSETS if int(number) <= last), None)

    @api.model
    def _flow_templates(self, connection):
        return list(flows.FLOWS)

    # === Client ===#

    def _build_client(self, connection):
        meter = self._meter(connection)
        return SalesforceClient(
            connection.base_url,
            self._credential(connection),
            version=connection._version_to_call(),
            meter=meter,
            on_usage=meter.on_usage,
            # Salesforce says in its token reply which host to call: it must be its own.
            check_url=connection._host_policy().check,
        )

    def _credential(self, connection):
        given = connection._credentials()
        if given.get("private_key"):
            return JwtBearer(
                client_id=given.get("client_id", ""),
                username=given.get("username", ""),
                audience=given.get("audience") or AUDIENCES[connection.environment],
                private_key=given["private_key"],
            )
        if not given.get("client_secret"):
            raise AuthFailed(
                _("%s has neither a private key nor a consumer secret.", connection.name),
                hint=_("Enter the credentials on the connection."),
            )
        return ClientCredentials(given.get("client_id", ""), given["client_secret"])

    # === Account ===#

    def _authenticate(self, connection):
        organization = self._build_client(connection).organization()
        return RemoteAccount(
            external_id=organization.organization_id,
            name=organization.name,
            is_production=not organization.is_sandbox,
        )

    # === Reading ===#

    def _read(self, connection, object_name, external_ids):
        client = self._client(connection)
        source = documents.source_object(object_name)
        ids = [normalize_id(external_id) for external_id in external_ids]
        fields = client.existing_paths(source, self._paths(connection, object_name))
        read_at = datetime.now(timezone.utc)
        records = client.read_many(source, ids, fields)
        if object_name == "Opportunity":
            self._complete_deals(client, records)
        return [self._document(external_id, records.get(external_id), read_at) for external_id in ids]

    def _document(self, external_id, record, read_at):
        if record is None:
            return Document(external_id, {}, deleted=True)
        return Document(
            external_id,
            record,
            version=documents.version(record, read_at),
            deleted=bool(record.get("IsDeleted")),
            merged_into=record.get("MasterRecordId") or None,
            changed_by=documents.changed_by(record),
        )

    def _paths(self, connection, object_name):
        """Return what to read of an object: its own list and all that is mapped."""
        mapped = self.env["sync.flow"]._mapped_paths(connection, object_name)
        real = (path for path in mapped if path.split(".")[0] not in documents.ADDED)
        told = self._told_paths(connection, object_name)
        return sorted({*documents.fields(object_name), *real, *told})

    def _complete_deals(self, client, records):
        """Add quote, quote lines and shipping address; a fixed number of calls."""
        quote_ids = [r["SyncedQuoteId"] for r in records.values() if r.get("SyncedQuoteId")]
        quotes, lines = {}, {}
        if quote_ids:
            fields = client.existing_paths("Quote", documents.fields("Quote"))
            quotes = client.read_many("Quote", quote_ids, fields, include_deleted=False)
            fields = client.existing_paths("QuoteLineItem", documents.fields("QuoteLineItem"))
            lines = client.read_related("QuoteLineItem", "QuoteId", quote_ids, fields)
        account_ids = [r["AccountId"] for r in records.values() if r.get("AccountId")]
        fields = client.existing_paths("Account", documents.fields(flows.ADDRESS))
        accounts = client.read_many("Account", account_ids, fields) if account_ids else {}
        for record in records.values():
            quote = quotes.get(normalize_id(record.get("SyncedQuoteId") or ""))
            account = accounts.get(normalize_id(record.get("AccountId") or ""))
            documents.complete_deal(record, quote, lines, account)

    def _poll(self, connection, flow, cursor):
        page = self._client(connection).updated_page(
            flow.remote_object,
            Cursor.parse(cursor),
            where=self._scope_query(flow),
        )
        return Page(
            tuple(Ref(normalize_id(r["Id"]), documents.version(r)) for r in page.records),
            str(page.cursor),
            page.done,
        )

    def _count(self, connection, flow):
        for path, operator, value in flow._remote_conditions():
            if not self._can_ask(flow.remote_object, path, operator, value):
                raise UserError(
                    _("Salesforce cannot count by “%s”: it is looked at in Odoo, record by record.", path)
                )
        return self._client(connection).count(flow.remote_object, self._scope_query(flow))

    def _scope_query(self, flow):
        """Return the part of a flow's condition that Salesforce can check itself."""
        parts = [
            soql.contained(path, value) if operator == "in" else soql.compare(path, operator, value)
            for path, operator, value in flow._remote_conditions()
            if self._can_ask(flow.remote_object, path, operator, value)
        ]
        return soql.all_of(*parts)

    @api.model
    def _can_ask(self, object_name, path, operator, value):
        # Salesforce compares texts without regard to case, so it must not be asked for "!=".
        # Orders are asked for numbers only: dates and texts have other literals.
        if path.split(".")[0] in documents.ADDED:
            return False
        if operator == "in":
            return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(one, str) for one in value)
        if operator in ("<", "<=", ">", ">="):
            return isinstance(value, int) and not isinstance(value, bool)
        return operator == "=" and isinstance(value, (bool, str))

    # === Writing ===#

    def _push(self, connection, object_name, writes):
        """Update records by id, create them by an external id field that the mapping fills."""
        client = self._client(connection)
        description = client.describe(object_name)
        numeric = documents.numeric_fields(description)
        updates = [write for write in writes if write.external_id]
        creations = [write for write in writes if not write.external_id]
        rows = [
            {"Id": write.external_id, **documents.typed(write.values, numeric)} for write in updates
        ]
        results = [
            WriteResult(write.key, result.record_id or write.external_id, error=result.error)
            for write, result in zip(updates, client.update_many(object_name, rows) if rows else ())
        ]
        return results + self._create_records(client, object_name, creations, description, numeric)

    def _create_records(self, client, object_name, writes, description, numeric):
        """Create records; a repeated call finds by its external id what the first one made."""
        keys = documents.external_id_fields(description)
        results, groups = [], {}
        for write in writes:
            key = next((name for name in keys if write.values.get(name)), None)
            if key is None:
                results.append(WriteResult(write.key, error=self._no_key(description["label"], keys)))
            else:
                groups.setdefault(key, []).append(write)
        for key, group in groups.items():
            rows = [documents.typed(write.values, numeric) for write in group]
            results += [
                WriteResult(write.key, result.record_id, created=result.created, error=result.error)
                for write, result in zip(group, client.upsert_many(object_name, key, rows))
            ]
        return results

    def _no_key(self, label, keys):
        hint = _("Map the Odoo id, or another value that never changes, to one of: %s.", ", ".join(keys))
        if not keys:
            hint = _("Add a unique External ID field to the object in Salesforce, then map it.")
        return NotReady(
            _(
                "%s: a new Salesforce record needs a value for an External ID field; without one, a "
                "repeated call would create it twice.",
                label,
            ),
            hint=hint,
        )

    @api.model
    def _creates_by_key(self, object_name):
        return True

    # === Comparing ===#

    @api.model
    def _deal_role(self):
        return CRM

    def _deal_facts(self, connection, order):
        deal = self._bound_document(connection, "Opportunity", order)
        if deal is None:
            return None
        url = self._record_url(connection, "Opportunity", deal.external_id) or ""
        facts = DealFacts(connection.name, deal.external_id, url, deleted=deal.deleted)
        if deal.deleted:
            return facts
        told = self._told_facts(connection, "Opportunity", order, deal.data)
        return replace(facts, **documents.deal_facts(deal.data), **told)

    # === Schema ===#

    def _describe_objects(self, connection):
        declared = {one.name: one for one in self._objects()}
        found = [
            replace(
                declared.get(one["name"]) or self._object(one["name"]),
                label=one["label"],
                custom=one["custom"],
                can_push=one["createable"] or one["updateable"],
                # What keeps no history of changes cannot be asked for them.
                can_poll=one["replicateable"],
            )
            for one in self._client(connection).describe_global()
            if one["queryable"] and not one["deprecatedAndHidden"]
        ]
        virtual = [one for name, one in declared.items() if documents.source_object(name) != name]
        return found + virtual

    def _describe(self, connection, object_name):
        source = documents.source_object(object_name)
        described = self._client(connection).describe(source, fresh=True)
        return [*documents.remote_fields(described), *documents.added_fields(object_name)]

    # === Webhooks ===#

    def _receive(self, connection, request):
        """Judge an outbound message.

        Salesforce does not sign them: the secret address and the organisation's id
        vouch for it, and the record is read back with our own credentials.
        """
        try:
            message = outbound_message.parse(request.body)
        except outbound_message.MalformedMessage as error:
            return Receipt("malformed", 400, str(error))
        if message.organization_id != connection.account_external_id:
            return Receipt("wrong_account", 403, _("It belongs to another Salesforce organisation."))
        return Receipt(
            "accepted",
            200,
            notifications=tuple(documents.notification(item) for item in message.notifications),
            body=outbound_message.acknowledgement(),
            content_type=outbound_message.CONTENT_TYPE,
        )

    # === Documents ===#

    def _label(self, object_name, document):
        return document.data.get("Name") or ""

    def _amount(self, connection, object_name, document):
        if object_name != "Opportunity":
            return None
        return documents.deal_amount(document.data)

    def _record_url(self, connection, object_name, external_id):
        if connection.base_url in AUDIENCES.values():
            return False
        source = documents.source_object(object_name)
        return f"{connection.base_url}/lightning/r/{source}/{external_id}/view"
