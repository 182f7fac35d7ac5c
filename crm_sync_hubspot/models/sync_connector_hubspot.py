from dataclasses import replace

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
from odoo.addons.crm_sync_base.lib.hosts import is_loopback
from odoo.addons.q2c_sale.lib.facts import CRM, DealFacts
from odoo.exceptions import UserError

from ..lib import documents, flows, signature, webhook
from ..lib.batches import Item, ItemResult
from ..lib.client import HubSpotClient
from ..lib.const import (
    API_VERSION,
    BATCH_LIMIT,
    DEFAULT_BASE_URL,
    OBJECT_TYPE_IDS,
    PRIMARY_TYPE_IDS,
    REQUIRED,
    SEARCH_CONDITIONS,
    SEARCHES_PER_SECOND,
    is_custom,
    sunset,
)
from .token_store import ConnectionTokenStore

MERGED_IDS = "hs_merged_object_ids"  # of the records that were merged into one, separated by semicolons
MERGING = {"companies", "contacts", "deals"}

ANSWERS = {"accepted": 200, "unsigned": 401, "bad_signature": 401, "stale": 401}


class SyncConnectorHubspot(models.AbstractModel):
    """HubSpot's CRM: companies, contacts, deals with their quotes and line items."""

    _name = "sync.connector.hubspot"
    _inherit = "sync.connector"
    _description = "HubSpot Connector"

    # === Declarations ===#

    @api.model
    def _objects(self):
        return (
            RemoteObject("companies", _("Company"), BATCH_LIMIT, BATCH_LIMIT, can_push=True),
            RemoteObject("contacts", _("Contact"), BATCH_LIMIT, BATCH_LIMIT, can_push=True),
            RemoteObject("deals", _("Deal"), BATCH_LIMIT, BATCH_LIMIT, can_push=True, priority=5),
            RemoteObject("products", _("Product"), BATCH_LIMIT, BATCH_LIMIT),
            RemoteObject("quotes", _("Quote"), BATCH_LIMIT, BATCH_LIMIT),
            RemoteObject("line_items", _("Line Item"), BATCH_LIMIT, BATCH_LIMIT),
        )

    @api.model
    def _object(self, name):
        declared = super()._object(name)
        if declared.label == name and is_custom(name):
            return RemoteObject(name, name, BATCH_LIMIT, BATCH_LIMIT, can_push=True, custom=True)
        return declared

    @api.model
    def _endpoints(self, connection):
        # Answers of searches do not tell their limit; a stand-in has its own.
        searches = 0 if is_loopback(connection.base_url) else SEARCHES_PER_SECOND
        return (
            EndpointClass("api", _("Records")),
            EndpointClass("search", _("Search"), rate_limit=searches),
        )

    @api.model
    def _endpoint(self, object_name, operation):
        return "search" if operation == "poll" else "api"

    @api.model
    def _credential_fields(self):
        return {
            "token": {
                "label": _("Service Key or Private App Token"),
                "help": _("Leave empty for an OAuth app."),
            },
            "app_secret": {
                "label": _("App Secret"),
                "help": _("Signs the webhooks: the client secret of the app."),
            },
            "previous_app_secret": {
                "label": _("Previous App Secret"),
                "help": _("Accepted too, while the secret is being replaced."),
            },
            "client_id": {"label": _("OAuth Client ID")},
            "refresh_token": {"label": _("OAuth Refresh Token")},
        }

    @api.model
    def _default_hosts(self):
        return ("api.hubapi.com",)

    @api.model
    def _api_sunset(self, version):
        return sunset(version)

    @api.model
    def _flow_templates(self, connection):
        return list(flows.FLOWS)

    @api.model
    def _connection_defaults(self):
        return {"base_url": DEFAULT_BASE_URL, "api_version": API_VERSION}

    # === Client ===#

    def _build_client(self, connection):
        given = connection._credentials()
        meter = self._meter(connection)
        metered = {"meter": meter, "on_rate": meter.on_rate}
        if given.get("token"):
            return HubSpotClient.with_token(
                connection.base_url, given["token"], connection._version_to_call(), **metered
            )
        if not given.get("refresh_token"):
            raise AuthFailed(
                _("%s has neither a token nor an OAuth refresh token.", connection.name),
                hint=_("Enter the credentials on the connection."),
            )
        return HubSpotClient.with_oauth(
            connection.base_url,
            given.get("client_id", ""),
            given.get("app_secret", ""),
            ConnectionTokenStore(connection),
            connection._version_to_call(),
            **metered,
        )

    # === Account ===#

    def _authenticate(self, connection):
        account = self._build_client(connection).account()
        return RemoteAccount(
            external_id=str(account["portalId"]),
            name=_("HubSpot account %s", account["portalId"]),
            is_production=account.get("accountType") == "STANDARD",
        )

    def _setup(self, connection):
        """Create the deal properties that the status goes to; a second time does nothing."""
        self._client(connection).ensure_properties("deals", flows.STATUS_GROUP, flows.STATUS_PROPERTIES)

    # === Reading ===#

    def _read(self, connection, object_name, external_ids):
        client = self._client(connection)
        fetched = client.fetch(object_name, external_ids, self._properties(connection, object_name))
        live = [item for item in fetched if item.record and not item.archived and not item.merged_into]
        records = [item.record for item in live]
        complete = {
            "deals": self._complete_deals,
            "contacts": self._complete_contacts,
        }.get(object_name, self._plain_documents)
        data = complete(client, records)
        if is_custom(object_name):
            self._add_titles(client, object_name, data)
        self._add_associations(connection, client, object_name, data)
        people = client.user_emails(filter(None, map(self._changed_by, records)))
        result = [
            Document(
                item.id,
                data[item.id],
                item.record.get("updatedAt", ""),
                merged_from=self._merged_from(item.record),
                changed_by=people.get(self._changed_by(item.record), ""),
            )
            for item in live
        ]
        result += [
            Document(item.id, {}, deleted=True, merged_into=item.merged_into or None)
            for item in fetched
            if item not in live
        ]
        return result

    @staticmethod
    def _merged_from(record):
        """Return the ids of the records that were merged into this one."""
        ids = (record.get("properties") or {}).get(MERGED_IDS) or ""
        return tuple(filter(None, ids.split(";")))

    @staticmethod
    def _changed_by(record):
        """Return the id of the user who changed a record last, empty where it is not told."""
        return (record.get("properties") or {}).get(documents.CHANGED_BY) or ""

    def _properties(self, connection, object_name):
        """Return what to read of an object: its own list and all that is mapped."""
        mapped = self.env["sync.flow"]._mapped_paths(connection, object_name)
        known = documents.PROPERTIES.get(object_name, ())
        if object_name in MERGING:
            known = (*known, MERGED_IDS)
        if is_custom(object_name):
            custom = self._client(connection).custom_type(object_name)
            known = (custom["primaryDisplayProperty"],) if custom.get("primaryDisplayProperty") else ()
        told = self._told_paths(connection, object_name)
        return sorted({documents.CHANGED_BY, *known, *told, *(path for path in mapped if "." not in path)})

    def _plain_documents(self, client, records):
        return {record["id"]: {**record["properties"], "id": record["id"]} for record in records}

    def _add_titles(self, client, object_name, data):
        """Add `display_name`: the property by which people know records of a custom object."""
        title = client.custom_type(object_name).get("primaryDisplayProperty")
        for document in data.values():
            document["display_name"] = document.get(title)

    def _add_associations(self, connection, client, object_name, data):
        """Add the associated records that a mapping asks for; a call for each kind of them."""
        mapped = self.env["sync.flow"]._mapped_paths(connection, object_name)
        prefix = documents.ASSOCIATIONS
        names = sorted(path.removeprefix(prefix) for path in mapped if path.startswith(prefix))
        for name in names if data else ():
            linked = client.associations(object_name, name, data)
            primary = PRIMARY_TYPE_IDS.get((object_name, name))
            for record_id, document in data.items():
                first = documents.first_associated(linked[record_id], primary)
                document.setdefault("associations", {})[name] = first

    def _complete_contacts(self, client, records):
        companies = client.primary_companies("contacts", [record["id"] for record in records])
        return {
            record["id"]: {
                **record["properties"],
                "id": record["id"],
                "full_name": documents.person_name(record["properties"]),
                "company_id": companies.get(record["id"]) or None,
            }
            for record in records
        }

    def _complete_deals(self, client, records):
        """Return deal documents; a fixed number of calls for a batch."""
        if not records:
            return {}
        ids = [record["id"] for record in records]
        won = client.won_stages()
        taxes = {rate["id"]: rate["name"] for rate in client.tax_rates()}
        companies = client.primary_companies("deals", ids)
        contacts = client.associations("deals", "contacts", ids)
        quotes = self._quotes(client, ids)
        lines = self._lines(client, ids, quotes, taxes)
        return {
            record["id"]: documents.deal_document(
                record,
                is_won=(record["properties"]["pipeline"], record["properties"]["dealstage"]) in won,
                company_id=companies.get(record["id"], ""),
                contact_id=contacts[record["id"]][0].id if contacts[record["id"]] else "",
                quote=quotes[record["id"]],
                lines=lines[record["id"]],
            )
            for record in records
        }

    def _quotes(self, client, deal_ids):
        """Return `{deal id: its published quote or None}`."""
        linked = client.associations("deals", "quotes", deal_ids)
        ids = [entry.id for entries in linked.values() for entry in entries]
        records = client.read("quotes", ids, documents.PROPERTIES["quotes"]) if ids else {}
        return {
            deal_id: documents.choose_quote([records[e.id] for e in entries if e.id in records])
            for deal_id, entries in linked.items()
        }

    def _lines(self, client, deal_ids, quotes, taxes):
        """Return `{deal id: lines}`: the quote's own, or the deal's where there is no quote."""
        by_quote = {quote["id"]: deal_id for deal_id, quote in quotes.items() if quote}
        plain = [deal_id for deal_id in deal_ids if not quotes[deal_id]]
        owners = {}  # line id → deal id
        for parent, parents in (("quotes", list(by_quote)), ("deals", plain)):
            linked = client.associations(parent, "line_items", parents) if parents else {}
            for parent_id, entries in linked.items():
                owners.update({entry.id: by_quote.get(parent_id, parent_id) for entry in entries})
        records = client.read("line_items", owners, documents.PROPERTIES["line_items"]) if owners else {}
        lines = {deal_id: [] for deal_id in deal_ids}
        for line_id, record in records.items():
            lines[owners[line_id]].append(documents.line_document(record, taxes))
        return lines

    def _poll(self, connection, flow, cursor):
        page = self._client(connection).changed(flow.remote_object, cursor, where=self._filters(flow))
        return Page(
            tuple(Ref(record_id, version) for record_id, version in page.refs), page.cursor, page.done
        )

    def _count(self, connection, flow):
        for path, operator, value in flow._remote_conditions():
            if not self._can_ask(flow.remote_object, path, operator, value):
                raise UserError(_("HubSpot is not asked for “%s”: it is looked at in Odoo, record by record.", path))
        body = {"limit": 1}
        filters = self._filters(flow)
        if filters:
            body["filterGroups"] = [{"filters": filters}]
        return self._client(connection).search(flow.remote_object, body)["total"]

    def _filters(self, flow):
        """Return the part of a flow's conditions that HubSpot can check itself, as filters of a search."""
        asked = [
            {"propertyName": path, "operator": "EQ", "value": value}
            for path, operator, value in flow._remote_conditions()
            if self._can_ask(flow.remote_object, path, operator, value)
        ]
        return asked[:SEARCH_CONDITIONS]

    @api.model
    def _can_ask(self, object_name, path, operator, value):
        # What documents have besides the properties is not searched by; ids are the cursor's.
        added = {name for name, *_rest in documents.ADDED.get(object_name, ())}
        return (
            operator == "=" and isinstance(value, str) and bool(value)
            and "." not in path and path not in {*added, "id", "hs_object_id"}
        )  # fmt: skip

    # === Writing ===#

    def _push(self, connection, object_name, writes):
        client = self._client(connection)
        by_key = {str(write.key): write for write in writes}
        updates = [w for w in writes if w.external_id]
        creations = [w for w in writes if not w.external_id]
        results = client.update(object_name, [self._item(w) for w in updates]) if updates else []
        results += self._create_records(client, object_name, creations) if creations else []
        return [
            WriteResult(
                key=by_key[result.key].key,
                external_id=result.id or by_key[result.key].external_id,
                version=result.record.get("updatedAt", ""),
                created=result.created,
                error=result.error,
            )
            for result in results
        ]

    def _create_records(self, client, object_name, writes):
        """Create records by a unique property, by which a repeated call finds what the first one made."""
        unique = documents.unique_properties(object_name, client.properties(object_name))
        results, groups = [], {}
        for write in writes:
            key = next((name for name in unique if write.values.get(name)), None)
            if key is None:
                results.append(ItemResult(str(write.key), error=self._no_key(object_name, unique)))
            else:
                groups.setdefault(key, []).append(write)
        for name, group in groups.items():
            items = [Item(str(w.key), properties=w.values, id=str(w.values[name])) for w in group]
            results += client.upsert(object_name, name, items)
        return results

    def _no_key(self, object_name, unique):
        hint = _("Map the Odoo id, or another value that never changes, to one of: %s.", ", ".join(unique))
        if not unique:
            hint = _("Add a property with unique values to the object in HubSpot, then map it.")
        return NotReady(
            _(
                "%s: a new HubSpot record needs a value for a unique property; without one, a repeated "
                "call would create it twice.",
                self._object(object_name).label,
            ),
            hint=hint,
            fingerprint=f"hubspot no unique property {object_name}",
        )

    @api.model
    def _creates_by_key(self, object_name):
        return True

    def _item(self, write):
        return Item(key=str(write.key), properties=write.values, id=write.external_id or "")

    # === Comparing ===#

    @api.model
    def _deal_role(self):
        return CRM

    def _deal_facts(self, connection, order):
        deal = self._bound_document(connection, "deals", order)
        if deal is None:
            return None
        url = self._record_url(connection, "deals", deal.external_id) or ""
        facts = DealFacts(connection.name, deal.external_id, url, deleted=deal.deleted)
        if deal.deleted:
            return facts
        customer = self._company_name(connection, deal.data["company_id"])
        told = self._told_facts(connection, "deals", order, deal.data)
        return replace(facts, customer=customer, **documents.deal_facts(deal.data), **told)

    def _company_name(self, connection, company_id):
        """Return the name of a company, None when there is none."""
        if not company_id:
            return None
        (company,) = self._read(connection, "companies", [company_id])
        return None if company.deleted else company.data.get("name") or ""

    # === Schema ===#

    def _describe_objects(self, connection):
        custom = self._client(connection).custom_types(fresh=True)
        return [*self._objects(), *map(self._custom_object, custom)]

    @api.model
    def _custom_object(self, data):
        """Return the declaration of a custom object type.

        Its name is the type id, because webhooks name it so.
        """
        label = (data.get("labels") or {}).get("singular") or data["name"]
        return replace(self._object(data["objectTypeId"]), label=label)

    def _describe(self, connection, object_name):
        client = self._client(connection)
        custom = client.custom_types(fresh=True) if is_custom(object_name) else client.custom_types()
        labels = {one.name: one.label for one in (*self._objects(), *map(self._custom_object, custom))}
        others = {
            name: label for name, label in labels.items()
            # Lines and quotes belong to deals; they are not linked by people.
            if name != object_name and name not in ("line_items", "quotes", "products")
        }
        required = client.custom_type(object_name).get("requiredProperties") or REQUIRED.get(object_name, ())
        properties = client.properties(object_name)
        unique = documents.unique_properties(object_name, properties)
        return [
            *(documents.remote_field(entry, required, unique) for entry in properties),
            *documents.added_fields(object_name, others),
        ]

    # === Webhooks ===#

    def _receive(self, connection, request):
        given = connection._credentials()
        secrets = [given.get("app_secret", ""), given.get("previous_app_secret", "")]
        verdict = signature.verify(secrets, request.url, request.body, request.headers)
        if verdict != "accepted":
            return Receipt(verdict, ANSWERS[verdict], _("X-HubSpot-Signature-v3 was checked."))
        try:
            delivery = webhook.parse(request.body)
        except webhook.MalformedBody as error:
            return Receipt("malformed", 400, str(error))
        if delivery.portal_ids != {connection.account_external_id}:
            return Receipt("wrong_account", 403, _("It belongs to another HubSpot account."))
        return Receipt("accepted", 200, notifications=delivery.notifications, body=b"{}")

    # === Documents ===#

    def _label(self, object_name, document):
        data = document.data
        return (
            data.get("dealname") or data.get("full_name") or data.get("name")
            or data.get("display_name") or ""
        )

    def _amount(self, connection, object_name, document):
        if object_name != "deals" or document.data.get("total") is None:
            return None
        return document.data["total"], document.data.get("deal_currency_code") or ""

    def _record_url(self, connection, object_name, external_id):
        type_id = OBJECT_TYPE_IDS.get(object_name) or (object_name if object_name.startswith("2-") else "")
        if not type_id or not connection.account_external_id:
            return False
        return f"https://app.hubspot.com/contacts/{connection.account_external_id}/record/{type_id}/{external_id}"
