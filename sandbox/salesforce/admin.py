"""Admin actions on the Salesforce sandbox, under ``/_admin/salesforce``."""

import functools
import json
from decimal import Decimal

from aiohttp import web

from . import ids
from .deals import DealBuilder, DealError
from .errors import SalesforceError
from .generate import accounts_and_contacts
from .org import kind
from .outbound import CONFIG, OutboundError
from .records import RECORD_FAULTS, VALIDATION_RULES
from .schema import SchemaError
from .seed import DEMO, change_organization, sales_user
from .values import show

_BAD_INPUT = (SalesforceError, SchemaError, DealError, OutboundError, KeyError, TypeError)


def action(handler):
    """Give the handler the JSON body, run it synchronously, answer JSON or 400."""
    @functools.wraps(handler)
    async def run(self, request):
        raw = await request.read()
        try:
            body = json.loads(raw, parse_float=Decimal) if raw else {}
            with self.org.store.atomic():
                answer = handler(self, request.match_info, body)
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        except _BAD_INPUT as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        return web.json_response(answer)
    return run


class Admin:
    """Handlers; records are changed on behalf of the sales user, through the normal path."""

    def __init__(self, org):
        self.org = org

    @property
    def deals(self):
        """Return a builder that acts as the sales user."""
        return DealBuilder(self.org, sales_user(self.org))

    def routes(self):
        """Return the route table."""
        record = "/records/{object}/{id}"
        return [
            web.get("/demo", self.demo), web.post("/deals", self.create_deal),
            web.post("/opportunities/{id}/win", self.win),
            web.post("/records/{object}", self.create), web.get(record, self.read),
            web.patch(record, self.update), web.delete(record, self.delete),
            web.post(record + "/undelete", self.undelete), web.post(record + "/purge", self.purge),
            web.post("/merge", self.merge), web.post("/generate", self.generate),
            web.get("/outbound-messages", self.outbound_list),
            web.post("/outbound-messages", self.outbound_configure),
            web.delete("/outbound-messages/{id}", self.outbound_remove),
            web.post("/outbound-messages/{id}/send", self.outbound_send),
            web.post("/custom-objects", self.custom_object),
            web.post("/custom-fields", self.custom_field),
            web.delete("/custom-objects/{object}", self.custom_object_delete),
            web.patch("/custom-fields/{object}/{field}", self.custom_field_change),
            web.delete("/custom-fields/{object}/{field}", self.custom_field_delete),
            web.get("/settings", self.settings), web.post("/settings", self.configure),
            web.post("/usage", self.usage), web.post("/sessions/expire", self.expire),
            web.post("/refresh", self.refresh),
            web.post("/validation-rules", self.validation_rule),
            web.delete("/validation-rules", self.validation_clear),
            web.post("/record-faults", self.record_fault)]

    # -- deals --------------------------------------------------------------

    @action
    def demo(self, match, body):
        """Return the ids of the deal that the demo wins; {} without the demo seed."""
        found = self.org.store.get(DEMO, "deal")
        return found or {}

    @action
    def create_deal(self, match, body):
        """Create a whole deal, see ``DealBuilder.build``."""
        return self.deals.build(body)

    @action
    def win(self, match, body):
        """Move an opportunity to Closed Won."""
        sobject = self.org.schema.get("Opportunity")
        record = self.org.records.existing(sobject, match["id"])
        return self._shown(sobject, self.deals.win(record["Id"]))

    # -- records ------------------------------------------------------------

    def _sobject(self, match):
        sobject = self.org.schema.get(match["object"])
        if sobject is None:
            raise SchemaError(f"no object {match['object']!r}")
        return sobject

    def _user(self, username):
        """Return the id of a user, of the sales user when none is named."""
        if username is None:
            return sales_user(self.org)
        found = self.org.by_external("User", "Username", username)
        if not found:
            raise SchemaError(f"no user {username!r}")
        return found[0]["Id"]

    def _shown(self, sobject, record):
        return {field.name: show(field, record) for field in sobject.fields.values()}

    @action
    def create(self, match, body):
        """Insert a record."""
        sobject = self._sobject(match)
        record_id = self.org.records.create(sobject, body, sales_user(self.org))
        return self._shown(sobject, self.org.get(sobject.name, record_id))

    @action
    def read(self, match, body):
        """Return a record, also a deleted one."""
        sobject = self._sobject(match)
        record = self.org.get(sobject.name, ids.normalise(match["id"]))
        if record is None:
            raise DealError("no such record")
        return self._shown(sobject, record)

    @action
    def update(self, match, body):
        """Change a record: its values, and ``_by``, the name of the user who does it."""
        sobject = self._sobject(match)
        body = dict(body)
        self.org.records.update(sobject, match["id"], body, self._user(body.pop("_by", None)))
        return self._shown(sobject, self.org.get(sobject.name, ids.normalise(match["id"])))

    @action
    def delete(self, match, body):
        """Put a record into the recycle bin."""
        self.org.records.delete(self._sobject(match), match["id"], sales_user(self.org))
        return {}

    @action
    def undelete(self, match, body):
        """Take a record out of the recycle bin."""
        self.org.records.undelete(self._sobject(match), match["id"], sales_user(self.org))
        return {}

    @action
    def purge(self, match, body):
        """Remove a record for good: no query finds it any more."""
        sobject = self._sobject(match)
        gone = self.org.store.delete(kind(sobject.name), ids.normalise(match["id"]))
        return {"purged": gone is not None}

    @action
    def merge(self, match, body):
        """Merge ``{object, master, losers: [≤ 2 ids]}``.

        The losers are deleted and point to the master; what referred to them refers to
        the master, with a new SystemModstamp.
        """
        sobject = self.org.schema.get(body["object"])
        losers = body["losers"]
        if sobject is None or not sobject.mergeable or not 1 <= len(losers) <= 2:
            raise SchemaError("object must be Account, Contact or Lead, losers one or two ids")
        master = self.org.records.existing(sobject, body["master"])
        user_id = sales_user(self.org)
        for loser_id in losers:
            loser = self.org.records.existing(sobject, loser_id)
            moved = self._reparent(sobject, loser["Id"], master["Id"], user_id)
            self.org.records.touch(
                sobject.name, loser["Id"], {"IsDeleted": True, "MasterRecordId": master["Id"]},
                user_id)
        self.org.records.touch(sobject.name, master["Id"], {"_merged": sorted(losers)}, user_id)
        return {"id": master["Id"], "mergedRecordIds": losers, "updatedRelatedIds": moved}

    def _reparent(self, sobject, loser_id, master_id, user_id):
        moved = []
        for child, field in self.org.schema.children_of(sobject.name):
            if field.name == "MasterRecordId":
                continue
            for record in self.org.related(child.name, field.name, loser_id):
                self.org.records.touch(child.name, record["Id"], {field.name: master_id}, user_id)
                moved.append(record["Id"])
        return moved

    @action
    def generate(self, match, body):
        """Create ``{accounts, contacts_each?, per_second?, label?}`` quickly, for benchmarks."""
        return accounts_and_contacts(
            self.org, int(body["accounts"]), int(body.get("contacts_each", 1)),
            sales_user(self.org), int(body.get("per_second", 200)), body.get("label", "Bulk"))

    # -- outbound messages --------------------------------------------------

    @action
    def outbound_list(self, match, body):
        """Return the message definitions."""
        return self.org.store.scan(CONFIG)

    @action
    def outbound_configure(self, match, body):
        """Create or replace a message definition, see ``OutboundMessages.configure``."""
        return self.org.outbound.configure(body)

    @action
    def outbound_remove(self, match, body):
        """Remove a message definition; queued messages are dropped."""
        return {"removed": self.org.store.delete(CONFIG, match["id"]) is not None}

    @action
    def outbound_send(self, match, body):
        """Notify about ``{ids: […]}`` now, changed or not."""
        config = self.org.store.get(CONFIG, match["id"])
        if config is None:
            raise OutboundError("no such outbound message")
        found = [ids.normalise(record_id) for record_id in body["ids"]]
        return {"deliveries": self.org.outbound.notify(config, found)}

    # -- schema and switches ------------------------------------------------

    @action
    def custom_object(self, match, body):
        """Create a custom object, see ``Schema.create_object``."""
        sobject = self.org.schema.create_object(body)
        self.org.add_indexes(sobject)
        return {"name": sobject.name, "prefix": sobject.prefix}

    @action
    def custom_field(self, match, body):
        """Create a custom field ``{object, name, type, …}``, see ``Schema.create_field``."""
        body = dict(body)
        owner = body.pop("object")
        field = self.org.schema.create_field(owner, body)
        self.org.add_indexes(self.org.schema.get(owner))
        return {"name": field.name}

    @action
    def custom_object_delete(self, match, body):
        """Delete a custom object with its fields; its records are out of reach."""
        self.org.schema.delete_object(match["object"])
        return {}

    @action
    def custom_field_change(self, match, body):
        """Change a custom field: ``{type?, label?, length?, …}``, see ``Schema.change_field``."""
        field = self.org.schema.change_field(match["object"], match["field"], **body)
        return {"name": field.name, "type": field.type}

    @action
    def custom_field_delete(self, match, body):
        """Delete a custom field."""
        self.org.schema.delete_field(match["object"], match["field"])
        return {}

    @action
    def settings(self, match, body):
        """Return the org-wide switches."""
        return self.org.schema.settings

    @action
    def configure(self, match, body):
        """Change org-wide switches."""
        self.org.schema.configure(**body)
        return self.org.schema.settings

    @action
    def usage(self, match, body):
        """Pretend that ``{used: n}`` API calls were made in the last 24 hours."""
        self.org.usage.set_used(int(body["used"]))
        return {"used": self.org.usage.used, "maximum": self.org.usage.maximum}

    @action
    def expire(self, match, body):
        """End all sessions."""
        self.org.sessions.expire()
        return {}

    @action
    def refresh(self, match, body):
        """Refresh the sandbox: a new organisation id, all sessions dead."""
        self.org.sessions.expire()
        return {"organization_id": change_organization(self.org)}

    # -- failures of single records ----------------------------------------

    @action
    def validation_rule(self, match, body):
        """Refuse records: ``{object, when: {field: value}, message, field?}``."""
        rule = {"object": body["object"], "when": body["when"], "message": body["message"],
                "field": body.get("field")}
        number = self.org.store.next_number("salesforce/validation")
        return self.org.store.put(VALIDATION_RULES, str(number), rule)

    @action
    def validation_clear(self, match, body):
        """Remove all validation rules."""
        for key, _rule in self.org.store.items(VALIDATION_RULES):
            self.org.store.delete(VALIDATION_RULES, key)
        return {}

    @action
    def record_fault(self, match, body):
        """Let the next writes of one record fail: ``{id, code, message?, times?, fields?}``."""
        record_id = ids.normalise(body["id"])
        return self.org.store.put(RECORD_FAULTS, record_id, {
            "code": body["code"], "message": body.get("message", body["code"]),
            "times": int(body.get("times", 1)), "fields": body.get("fields")})
