"""Admin actions under ``/_admin/hubspot``: what people and HubSpot itself would do.

| call | effect |
|---|---|
| GET/PUT settings | portal settings (see ``settings.py``) |
| GET apps; PUT webhooks `{app, target_url, subscriptions?}` | apps; target URL (null: none) |
| PUT apps/{app}/scopes `{scopes}` | what an app may do |
| POST tokens/revoke `{app, use?}`; POST tokens/restore | end tokens (access, refresh, private); undo |
| GET demo; GET deals/{id} | ids of the demo's deal; a deal with all that belongs to it |
| POST deals `{…}` | a whole new deal, see ``story.py`` |
| POST deals/{id}/win, lose, reopen `{stage?}` | move it, as a person does |
| POST bulk `{companies, contacts_per_company?, notify?, prefix?}` | many records fast |
| POST bulk-update `{type, properties, ids?}` | change many within one millisecond |
| POST records/{type} `{properties, associations?}`; PATCH, DELETE records/{type}/{id} | as a person |
| POST records/{type}/{id}/restore; POST records/{type}/merge `{primary, loser}` | as a person |
| PUT associations `{from, to, primary?}`; DELETE associations | `from`, `to`: `["deals", id]` |
| GET records/{type}/{id} | every set property |
"""

import json
from decimal import Decimal

from aiohttp import web

from . import seed as seeds
from .auth import SCOPES
from .const import HUBSPOT_DEFINED
from .errors import ApiError, bad_request
from .source import SEED, UI, person
from .story import Story


class AdminApi:
    """Handlers ``(match, body) -> JSON body``."""

    def __init__(self, portal):
        self.portal, self.records, self.story = portal, portal.records, Story(portal)

    def routes(self):
        """Return the routes."""
        table = [
            ("GET", "/settings", self.get_settings), ("PUT", "/settings", self.put_settings),
            ("GET", "/apps", self.apps), ("PUT", "/apps/{app}/scopes", self.scopes),
            ("PUT", "/webhooks", self.webhooks), ("POST", "/tokens/revoke", self.revoke),
            ("POST", "/tokens/restore", self.restore_tokens),
            ("GET", "/demo", self.demo), ("POST", "/deals", self.create_deal),
            ("GET", "/deals/{id}", self.deal), ("POST", "/deals/{id}/win", self.win),
            ("POST", "/deals/{id}/lose", self.lose), ("POST", "/deals/{id}/reopen", self.reopen),
            ("POST", "/bulk", self.bulk), ("POST", "/bulk-update", self.bulk_update),
            ("POST", "/records/{type}", self.create), ("POST", "/records/{type}/merge", self.merge),
            ("GET", "/records/{type}/{id}", self.get), ("PATCH", "/records/{type}/{id}", self.update),
            ("DELETE", "/records/{type}/{id}", self.archive),
            ("POST", "/records/{type}/{id}/restore", self.restore),
            ("PUT", "/associations", self.associate), ("DELETE", "/associations", self.dissociate),
        ]
        return [web.route(method, path, _handler(function)) for method, path, function in table]

    def _type(self, match):
        return self.portal.schema.type(match["type"])

    def _person(self, body):
        """Return whom a change is made by: the owner with the e-mail ``by``, else the first one."""
        email = body.get("by")
        if not email:
            return UI
        found = self.portal.directory.owners(email=email)
        if not found:
            raise bad_request(f"no owner {email!r}")
        return person(found[0]["userId"])

    # -- the portal -----------------------------------------------------------

    def get_settings(self, _match, _body):
        """Return all settings."""
        return self.portal.settings.all()

    def put_settings(self, _match, body):
        """Change some settings."""
        try:
            return self.portal.settings.change(body)
        except KeyError as error:
            raise bad_request(f"Unknown setting {error}.") from None

    def apps(self, _match, _body):
        """Return the apps, without secrets."""
        return [{key: value for key, value in app.items() if key != "client_secret"}
                for app in self.portal.events.apps()]

    def _app(self, name):
        for app in self.portal.events.apps():
            if name in (app["kind"], str(app["app_id"])):
                return app
        raise bad_request(f"Unknown app {name!r}; use 'private' or 'oauth'.")

    def webhooks(self, _match, body):
        """Configure an app's webhooks."""
        app = self._app(body.get("app", "private"))
        doc = self.portal.events.configure(
            app["app_id"], body.get("target_url"), body.get("subscriptions"))
        return {"app_id": doc["app_id"], "target_url": doc["target_url"],
                "subscriptions": len(doc["subscriptions"])}

    def scopes(self, match, body):
        """Set an app's scopes; ``null`` gives all back."""
        app = self._app(match["app"])
        scopes = body.get("scopes")
        doc = self.portal.store.update(
            "hubspot/_app", str(app["app_id"]), scopes=list(SCOPES if scopes is None else scopes))
        return {"app_id": doc["app_id"], "scopes": doc["scopes"]}

    def revoke(self, _match, body):
        """End an app's tokens."""
        self.portal.auth.revoke(self._app(body.get("app", "oauth"))["app_id"], body.get("use"))
        return {}

    def restore_tokens(self, _match, _body):
        """Make the lasting tokens valid again."""
        self.portal.auth.restore()
        return {}

    # -- deals ----------------------------------------------------------------

    def demo(self, _match, _body):
        """Return the ids of the demo's deal."""
        return self.portal.store.get(seeds.DEMO, "demo") or {}

    def create_deal(self, _match, body):
        """Create a whole deal."""
        return self.story.create_deal(body)

    def deal(self, match, _body):
        """Return a deal with all that belongs to it."""
        return self.story.describe(match["id"])

    def win(self, match, body):
        """Win a deal."""
        return self._shown("deals", self.story.win(match["id"], closedate=body.get("closedate")))

    def lose(self, match, _body):
        """Lose a deal."""
        return self._shown("deals", self.story.lose(match["id"]))

    def reopen(self, match, body):
        """Reopen a deal."""
        return self._shown(
            "deals", self.story.reopen(match["id"], body.get("stage", "contractsent")))

    def _shown(self, name, doc):
        return self.records.view(self.portal.schema.type(name), doc, "*")

    # -- many records -----------------------------------------------------------

    def bulk(self, _match, body):
        """Create many companies and contacts."""
        prefix = body.get("prefix") or f"bulk{self.portal.store.next_number('hubspot/bulk')}x"
        companies, contacts = seeds.bulk(
            self.portal, int(body.get("companies", 100)), int(body.get("contacts_per_company", 1)),
            UI if body.get("notify") else SEED, prefix)
        return {"companies": companies, "contacts": contacts, "prefix": prefix}

    def bulk_update(self, _match, body):
        """Change many records so that all get the same last-modified instant (an import)."""
        object_type = self._type(body)
        ids = body.get("ids") or [
            doc["id"] for doc in self.portal.store.range(object_type.kind, "live")]
        instant = self.portal.now_ms()
        for record_id in ids:
            doc = self.records.update(object_type, str(record_id), body["properties"], SEED)
            self.portal.store.update(object_type.kind, doc["id"], updated=instant)
        return {"updated": len(ids), "at": instant}

    # -- single records -----------------------------------------------------------

    def create(self, match, body):
        """Create a record."""
        return self.records.view(self._type(match), self.records.create(
            self._type(match), body.get("properties"), self._person(body),
            body.get("associations") or ()), "*")

    def get(self, match, _body):
        """Return every set property of a record, archived or not."""
        object_type = self._type(match)
        doc = self.portal.store.get(object_type.kind, match["id"])
        if doc is None:
            self.records.required(object_type, match["id"])
        return self.records.view(object_type, doc, "*")

    def update(self, match, body):
        """Change a record: ``{properties, by?: an owner's e-mail}``."""
        doc = self.records.update(
            self._type(match), match["id"], body.get("properties"), self._person(body))
        return self.records.view(self._type(match), doc, "*")

    def archive(self, match, _body):
        """Archive a record."""
        self.records.archive(self._type(match), match["id"], UI)
        return {}

    def restore(self, match, _body):
        """Restore a record."""
        return self.records.view(
            self._type(match), self.records.restore(self._type(match), match["id"], UI), "*")

    def merge(self, match, body):
        """Merge two records."""
        doc = self.records.merge(self._type(match), str(body["primary"]), str(body["loser"]), UI)
        return self.records.view(self._type(match), doc, "*")

    def _ends(self, body):
        return [part for name, record_id in (body["from"], body["to"])
                for part in (self.portal.schema.type(name).id, str(record_id))]

    def associate(self, _match, body):
        """Associate two records."""
        from_type, from_id, to_type, to_id = self._ends(body)
        specs = []
        if body.get("primary"):
            specs = [(HUBSPOT_DEFINED, self.portal.associations.primary_id(from_type, to_type))]
        self.portal.associations.create(from_type, from_id, to_type, to_id, specs, UI)
        return {}

    def dissociate(self, _match, body):
        """Take an association away."""
        self.portal.associations.remove(*self._ends(body), UI)
        return {}


def _handler(function):
    async def handler(request):
        text = await request.text()
        try:
            body = json.loads(text, parse_float=Decimal) if text else {}
            return web.json_response(function(dict(request.match_info), body))
        except ApiError as error:
            return web.json_response(error.body(), status=error.status)
    return handler
