"""A small CRM of our own, for testing the engine without any vendor.

`SyncCase` registers the connector `sync.connector.testcrm`, which speaks to a
`TestCrm` in memory. Connectors' own tests use their real client and the sandbox
process instead; see `conformance.py`.
"""

import hashlib
import hmac
import json
import os
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta

from cryptography.fernet import Fernet
from odoo import models
from odoo.orm.model_classes import add_to_registry
from odoo.tests import TransactionCase, new_test_user, tagged

from ..lib import clock
from ..lib.declarations import (
    Document,
    Notification,
    Page,
    Receipt,
    Ref,
    RemoteAccount,
    RemoteField,
    RemoteObject,
    WriteResult,
)
from ..lib.errors import AuthFailed

SECRET = "testcrm-secret"
PROVIDER = "testcrm"


class TestCrm:
    """The remote system: records by object, a clock, a log, and faults to come."""

    __test__ = False  # not a test case, whatever its name says

    def __init__(self):
        self.records = {}  # object → id → {"version": str, "data": dict, "deleted": bool}
        self.clock = 0
        self.calls = Counter()
        self.written = []  # every accepted write, in order
        self.keys = {}  # idempotency key → result id
        self.faults = {}  # call name → list of exceptions to raise, one a call
        self.fields = {}  # object → its `RemoteField`s, where a test says them
        self.poisoned = {}  # id → what reading it raises, whatever else is asked for
        self.lose_answers = 0  # so many writes take effect, but the answer is lost

    def put(self, object_name, external_id, **data):
        """Create or change a record; returns its new version."""
        self.clock += 1
        version = f"{self.clock:08d}"
        self.records.setdefault(object_name, {})[external_id] = {
            "version": version,
            "data": {"Id": external_id, **data},
            "deleted": False,
        }
        return version

    def delete(self, object_name, external_id):
        """Delete a record; it stays known as deleted."""
        self.records[object_name][external_id]["deleted"] = True

    def merge(self, object_name, loser, survivor):
        """Merge a record into another one; it stays known as deleted."""
        self.clock += 1
        row = self.records[object_name][loser]
        row.update(deleted=True, merged_into=survivor, version=f"{self.clock:08d}")

    def call(self, name):
        """Count a call and raise the next fault prepared for it."""
        self.calls[name] += 1
        if self.faults.get(name):
            raise self.faults[name].pop(0)


REMOTE = TestCrm()


def _build_connector():  # noqa: C901 (a class with many small methods)
    """Return the connector's model class, to be added to a registry by hand."""

    class SyncConnectorTestcrm(models.AbstractModel):
        _name = "sync.connector.testcrm"
        _inherit = ["sync.connector"]
        _description = "Test CRM"
        _register = False
        _module = "crm_sync_base"

        def _objects(self):
            return (
                RemoteObject("Account", "Account", can_push=True, write_batch=100, priority=20),
                RemoteObject("Deal", "Deal"),
            )

        def _credential_fields(self):
            return {"token": {"label": "Token", "required": True}}

        def _authenticate(self, connection):
            REMOTE.call("authenticate")
            if connection._credentials().get("token") != SECRET:
                raise AuthFailed("The token is refused.")
            return RemoteAccount("org-1", "Test Org", is_production=False)

        def _read(self, connection, object_name, external_ids):
            REMOTE.call("read")
            for external_id in external_ids:
                if external_id in REMOTE.poisoned:
                    raise REMOTE.poisoned[external_id]
            table = REMOTE.records.get(object_name, {})
            return [
                Document(
                    external_id,
                    dict(table[external_id]["data"]),
                    table[external_id]["version"],
                    deleted=table[external_id]["deleted"],
                    merged_into=table[external_id].get("merged_into"),
                    changed_by=table[external_id].get("changed_by", ""),
                )
                for external_id in external_ids
                if external_id in table
            ]

        def _poll(self, connection, flow, cursor):
            REMOTE.call("poll")
            table = REMOTE.records.get(flow.remote_object, {})
            rows = sorted(
                (row["version"], key) for key, row in table.items() if row["version"] > cursor
            )[:1000]
            refs = tuple(Ref(key, version) for version, key in rows)
            return Page(refs, rows[-1][0] if rows else cursor, done=len(rows) < 1000)

        def _push(self, connection, object_name, writes):
            REMOTE.call("push")
            results = []
            for write in writes:
                external_id = write.external_id or REMOTE.keys.get(write.idempotency_key)
                external_id = external_id or f"new-{len(REMOTE.written) + 1}"
                created = write.external_id is None
                if write.idempotency_key not in REMOTE.keys:
                    REMOTE.keys[write.idempotency_key] = external_id
                    REMOTE.written.append((object_name, external_id, write.values))
                if not REMOTE.lose_answers:
                    results.append(WriteResult(write.key, external_id, created=created))
            REMOTE.lose_answers = max(0, REMOTE.lose_answers - 1)
            return results

        def _describe(self, connection, object_name):
            REMOTE.call("describe")
            if object_name in REMOTE.fields:
                return list(REMOTE.fields[object_name])
            return [RemoteField("Name", "Name", "string", required=True)]

        def _describe_objects(self, connection):
            declared = super()._describe_objects(connection)
            known = {one.name for one in declared}
            return declared + [
                RemoteObject(name, f"My {name}", can_push=True, custom=True)
                for name in REMOTE.fields
                if name not in known
            ]

        def _receive(self, connection, request):
            expected = hmac.new(SECRET.encode(), request.body, hashlib.sha256).hexdigest()
            given = request.headers.get("x-signature")
            if not given:
                return Receipt("unsigned", 401, "no signature")
            if not hmac.compare_digest(expected, given):
                return Receipt("bad_signature", 401, "wrong signature")
            try:
                rows = json.loads(request.body)
            except ValueError:
                return Receipt("malformed", 400, "not JSON")
            return Receipt(
                "accepted",
                200,
                notifications=tuple(
                    Notification(
                        source_id=row["event"],
                        remote_object=row.get("object", ""),
                        external_id=row.get("id", ""),
                        event_type=row.get("type", "changed"),
                    )
                    for row in rows
                ),
                body=b"{}",
            )

        def _label(self, object_name, document):
            return document.data.get("Name") or ""

    return SyncConnectorTestcrm


@tagged("post_install", "-at_install")
class SyncCase(TransactionCase):
    """A connected test CRM with flows made by `make_flow`."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.environ.setdefault("CRM_SYNC_KEY", Fernet.generate_key().decode())
        cls._register_provider()
        REMOTE.__init__()
        cls.remote = REMOTE
        # Demo customers must not be mistaken for those of the tests.
        cls.env["res.partner"].search([("name", "=ilike", "acme%")]).name = "Demonstration"
        cls.env["sync.lane"]._ensure_lanes()
        cls.lane = cls.env["sync.lane"].search([("express", "=", False)], limit=1)
        cls.connection = cls.env["sync.connection"].create(
            {
                "name": "Test CRM",
                "provider": PROVIDER,
                "base_url": "http://127.0.0.1:9",
                "api_version": "1",
            }
        )
        cls.connection._store_credentials({"token": SECRET})
        cls.connection.action_connect()

    @classmethod
    def _register_provider(cls):
        """Add the provider and its connector to this registry for this class."""
        field = cls.registry["sync.connection"]._fields["provider"]
        shipped, choices = field.selection, field._selection
        field.selection = [*(shipped or []), (PROVIDER, "Test CRM")]
        field._selection = {**(choices or {}), PROVIDER: "Test CRM"}
        cls.addClassCleanup(setattr, field, "selection", shipped)
        cls.addClassCleanup(setattr, field, "_selection", choices)
        add_to_registry(cls.registry, _build_connector())
        cls.registry._setup_models__(cls.env.cr, ["sync.connector.testcrm"])
        cls.addClassCleanup(cls._unregister_connector)

    @classmethod
    def _unregister_connector(cls):
        del cls.registry.models["sync.connector.testcrm"]
        cls.registry["sync.connector"]._inherit_children.discard("sync.connector.testcrm")

    def setUp(self):
        super().setUp()
        REMOTE.__init__()

    @classmethod
    def make_flow(cls, rules, **vals):
        """Create a live flow with an active mapping; `rules` as in templates."""
        template = {
            "code": f"test_{cls.env['sync.flow'].search_count([])}",
            "name": "Test flow",
            "direction": "inbound",
            "handler": "inbound",
            "remote_object": "Account",
            "model": "res.partner",
            "mode": "live",
            "poll": False,
            "rules": rules,
            **vals,
        }
        return cls.env["sync.flow.template"]._create_flow(cls.connection, template)

    @classmethod
    def reviewer(cls):
        """Return a user who may approve what this test's user wrote."""
        found = cls.env["res.users"].search([("login", "=", "mapping_reviewer")])
        return found or new_test_user(
            cls.env, "mapping_reviewer", groups="base.group_user,crm_sync_base.group_sync_manager"
        )

    @classmethod
    def approve(cls, mapping):
        """Have somebody else review and activate a draft."""
        if mapping.state == "draft":
            mapping.action_to_review()
        mapping.with_user(cls.reviewer()).action_activate()

    @classmethod
    @contextmanager
    def changed_mapping(cls, flow):
        """Give a draft copy of the active version, and activate it at the end."""
        draft = flow.mapping_id.copy()
        yield draft
        cls.approve(draft)

    def silence_lanes(self, hours):
        """Let no lane have shown a sign of life for so long."""
        then = clock.now() - timedelta(hours=hours)
        lanes = self.env["sync.lane"].search([])
        lanes.beat_at = then
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE ir_cron SET lastcall = %s, create_date = %s WHERE id = ANY(%s)",
            [then, then, lanes.cron_id.ids],
        )
        self.env.invalidate_all()

    def run_lane(self):
        """Run everything that is due, as the cron would; returns the number of jobs."""
        self.env.cr.precommit.run()
        total = 0
        while processed := self.lane._run_once():
            total += processed
            self.env.cr.precommit.run()
        return total

    def notify(self, object_name, *external_ids):
        """Enqueue what a webhook about these records would."""
        return self.env["sync.job"]._enqueue_documents(self.connection, object_name, external_ids)

    def jobs(self, **criteria):
        """Return the jobs that match field values."""
        return self.env["sync.job"].search([(name, "=", value) for name, value in criteria.items()])


ACCOUNT_RULES = [
    {"path": "Name", "field": "name", "required": True, "label": "Name"},
    {"path": "Email", "field": "email", "label": "E-mail"},
    {"path": "VAT", "field": "ref", "label": "Tax number", "is_key": True},
    {
        "path": "Country",
        "field": "country_id",
        "transform": "lookup",
        "argument": "code",
        "label": "Country",
    },
]
