"""The database of the play: set up once, swept before each story, read as facts."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from functools import cached_property
from unittest.mock import patch

from cryptography.fernet import Fernet
from odoo import SUPERUSER_ID, api
from odoo.addons.base.models.ir_cron import IrCron
from odoo.addons.crm_sync_base.lib import worker
from odoo.addons.crm_sync_base.lib.alarm import Alarm
from odoo.addons.crm_sync_base.lib.coalescer import Coalescer
from odoo.addons.crm_sync_base.lib.declarations import Notification, Receipt, WebhookRequest
from odoo.addons.crm_sync_base.models import sync_watchdog
from odoo.modules.registry import Registry
from odoo.orm.model_classes import add_to_registry
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY
from odoo.sql_db import connection_info_for
from odoo.tools import config

from .connector import PROVIDER, Door, build_connector
from .reference import Binding, Facts, Job, Partner
from .remote import Delivery, Remote
from .stage import Actor, Stage, here

TRIES = 5  # of a transaction that lost a race, as Odoo's own

INBOUND = {
    "Account": [
        {"path": "Name", "field": "name", "required": True, "label": "Name"},
        {"path": "Email", "field": "email", "label": "E-mail"},
        {"path": "Country", "field": "country_id", "transform": "lookup", "argument": "code", "label": "Country"},
    ],
    "Contact": [
        {"path": "Name", "field": "name", "required": True, "label": "Name"},
        {"path": "Email", "field": "email", "label": "E-mail"},
        {"path": "AccountId", "field": "parent_id", "transform": "reference", "argument": "Account",
         "label": "Account"},
    ],
}
OUTBOUND = {
    "Account": ("res.partner", "never", [{"path": "Value", "field": "ref", "direction": "outbound"}]),
    "Tag": (
        "res.partner.category",
        "always",
        [
            {"path": "Value", "field": "name", "direction": "outbound"},
            {"path": "Born", "field": "id", "direction": "outbound"},
        ],
    ),
}

#: What the database itself keeps for ever, seals and all.
_SWEEP_CHANGES = """
    ALTER TABLE sync_change DISABLE TRIGGER USER; ALTER TABLE sync_seal DISABLE TRIGGER USER;
    DELETE FROM sync_change; DELETE FROM sync_seal; DELETE FROM sync_seal_note; DELETE FROM sync_seal_check;
    ALTER TABLE sync_change ENABLE TRIGGER USER; ALTER TABLE sync_seal ENABLE TRIGGER USER;
"""

#: What a story leaves behind, in an order that no foreign key minds.
_SWEEP = """
    DELETE FROM sync_event; DELETE FROM sync_binding;
    DELETE FROM sync_exception; DELETE FROM sync_job; DELETE FROM sync_run;
    DELETE FROM sync_hold; DELETE FROM sync_endpoint;
    DELETE FROM res_partner WHERE id > {partner} AND parent_id IS NOT NULL;
    DELETE FROM res_partner WHERE id > {partner};
    DELETE FROM res_partner_category WHERE id > {tag};
    DELETE FROM ir_cron_trigger;
    DELETE FROM ir_cron_progress;
    UPDATE ir_cron SET active = (id = ANY({crons})), nextcall = timezone('utc', now()) + interval '1 year',
           failure_count = 0, first_failure_date = NULL;
    UPDATE sync_lane SET active = true, beat_at = NULL;
    UPDATE sync_flow SET paused = false, poll = false, poll_cursor = NULL, last_poll_at = NULL, mode = 'live';
    UPDATE sync_connection SET state = 'connected', paused_reason = NULL
"""

_FACTS = {
    Binding: """
        SELECT remote_object, external_id, model, res_id, version, coalesce(remote_deleted, false)
          FROM sync_binding ORDER BY id
    """,
    Job: """
        SELECT j.id, j.kind, j.state, j.lane_key, coalesce(j.external_id, ''), coalesce(j.model, ''), j.res_id,
               coalesce(j.error_code, ''), e.state IN ('new', 'acknowledged'), j.eta <= timezone('utc', now())
          FROM sync_job j LEFT JOIN sync_exception e ON e.id = j.exception_id ORDER BY j.id
    """,
}


class World:
    """One database with a connected provider, its flows, and the stage on it.

    :param database: expendable; holds `crm_sync_base`.
    """

    inbound = INBOUND  #: object → rules of its inbound flow
    has_runner = False  #: of a job queue
    runner_lives = True
    _sweep_more = ""
    _timed_tables: tuple[str, ...] = ()

    def __init__(self, database: str):
        os.environ.setdefault("CRM_SYNC_KEY", Fernet.generate_key().decode())
        self.database = database
        self.registry = self._load(database)
        add_to_registry(self.registry, build_connector())
        field = self.registry["sync.connection"]._fields["provider"]
        field.selection = [*(field.selection or []), (PROVIDER, "Model")]
        field._selection = {**(field._selection or {}), PROVIDER: "Model"}
        with self.registry.cursor() as cr:
            self.registry._setup_models__(cr, ["sync.connector.modelcrm"])
            self._furnish(api.Environment(cr, SUPERUSER_ID, {}))
        self._wanted: dict[Coalescer, str] = {}
        self._numbers = itertools.count(1)
        self.stage: Stage

    @staticmethod
    def _load(database: str) -> Registry:
        """Return the database's registry; pytest-odoo's flag would have Odoo collect its own tests."""
        flag = config["test_enable"]
        config["test_enable"] = False
        try:
            return Registry(database)
        finally:
            config["test_enable"] = flag

    def _furnish(self, env) -> None:
        """Connect the provider and create its flows."""
        env.cr.execute(_SWEEP_CHANGES)
        env["sync.connection"].search([("provider", "=", PROVIDER)]).unlink()
        env["sync.lane"]._ensure_lanes()
        connection = env["sync.connection"].create(
            {"name": "Model", "provider": PROVIDER, "base_url": "http://127.0.0.1:9", "api_version": "1"}
        )
        connection._store_credentials({"token": "secret"})
        connection.action_connect()
        template = env["sync.flow.template"]
        for name, rules in self.inbound.items():
            template._create_flow(connection, self._flow(name, "inbound", "res.partner", rules))
        for name, (model, policy, rules) in OUTBOUND.items():
            template._create_flow(
                connection, self._flow(name, "outbound", model, rules, create_policy=policy)
            )
        self.connection_id = connection.id
        env.cr.execute("SELECT max(id) FROM res_partner")
        (self._partner,) = env.cr.fetchone()
        env.cr.execute("SELECT coalesce(max(id), 0) FROM res_partner_category")
        (self._tag,) = env.cr.fetchone()
        ours = env["ir.model.data"].search([("module", "=", "crm_sync_base"), ("model", "=", "ir.cron")])
        self._crons = [*ours.mapped("res_id"), *env["sync.lane"].search([]).cron_id.ids]

    @staticmethod
    def _flow(name, direction, model, rules, **more):
        return {
            "code": f"{direction}_{name}",
            "name": f"{name} {direction}",
            "direction": direction,
            "handler": direction,
            "remote_object": name,
            "model": model,
            "mode": "live",
            "batch_size": 3,
            "base_wait": 60.0,
            "max_attempts": 4,
            "rules": rules,
            **more,
        }

    # === A story begins and ends ===#

    def open(self) -> Stage:
        """Sweep the database and open the stage."""
        Door.remote, Door.broken_rules = Remote(), []
        self._wanted.clear()
        self.stage = Stage(connection_info_for(self.database)[1])
        self.stage.__enter__()
        # Only triggers start a scheduled action here: their interval must not be needed.
        sweep = _SWEEP.format(partner=self._partner, tag=self._tag, crons=f"ARRAY{self._crons}")
        self.stage.query(self._sweep_more + _SWEEP_CHANGES + sweep)
        for target, name, replacement in (
            # What processes do in the background they do here when they are told to.
            (Coalescer, "request", lambda coalescer, key: self._wanted.update({coalescer: key})),
            (Alarm, "after", lambda alarm, key, seconds: None),
            (sync_watchdog, "_armed", {}),
            (worker, "process", lambda: getattr(here(), "name", "director")),
            (worker, "lives", lambda who: any((who or "").startswith(f"{actor.name}:") for actor in self.stage.actors)),
        ):
            self.stage.enter_hook(patch.object(target, name, replacement))
        return self.stage

    def close(self) -> None:
        """Close the stage; whoever is still on it dies."""
        self.stage.__exit__()

    def facts(self) -> Facts:
        """Return what is committed."""
        partners = self.stage.query(
            "SELECT id, name, coalesce(email, ''), parent_id, coalesce(ref, '') FROM res_partner WHERE id > %s",
            [self._partner],
        )
        tags = self.stage.query(
            "SELECT id, name->>'en_US' FROM res_partner_category WHERE id > %s ORDER BY id", [self._tag]
        )
        return Facts(
            bindings=[Binding(*row) for row in self.stage.query(_FACTS[Binding])],
            partners={row[0]: Partner(*row[1:]) for row in partners},
            tags=dict(tags),
            jobs=[Job(*row) for row in self.stage.query(_FACTS[Job])],
        )

    def ledger(self) -> list[str]:
        """Return the jobs as lines, for who looks for what went wrong."""
        rows = self.stage.query(
            """
            SELECT j.id, j.idempotency_key, j.state, j.attempts, j.crashes, j.eta - timezone('utc', now()),
                   coalesce(j.error_code || ': ' || j.error_message, j.summary), j.intent IS NOT NULL
              FROM sync_job j ORDER BY j.id
            """
        )
        return ["  ".join(map(str, row)) for row in rows]

    def pass_time(self, seconds: int) -> None:
        """Let time pass: every moment that the engine or the scheduler stored moves back.

        Only while the stage is empty: it would wait for locks.
        """
        assert not self.stage.actors
        # What this process knows to be arranged was so before.
        sync_watchdog._armed.clear()
        shift = f"- interval '{seconds} seconds'"
        self.stage.query(
            ";".join(
                f'UPDATE "{table}" SET "{column}" = "{column}" {shift}'
                for table, column in self._moments
            )
        )

    @cached_property
    def _moments(self) -> list[tuple[str, str]]:
        return self.stage.query(
            """
            SELECT c.table_name, c.column_name
              FROM information_schema.columns c
              JOIN information_schema.tables t USING (table_schema, table_name)
             WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.data_type LIKE 'timestamp%%'
               AND (c.table_name LIKE 'sync\\_%%' OR c.table_name = ANY(%s))
               AND c.column_name NOT IN ('create_date', 'write_date') AND c.table_name NOT LIKE 'sync\\_metric%%'
               -- Seals and their notes say when they were made, and prove it.
               AND c.table_name NOT LIKE 'sync\\_seal%%'
             ORDER BY 1, 2
            """,
            [["ir_cron", "ir_cron_trigger", *self._timed_tables]],
        )

    # === Actors ===#

    def worker(self) -> Actor:
        """Have a worker look for work."""
        return self.worker_of_scheduler()

    def worker_of_scheduler(self) -> Actor:
        """Have a worker of Odoo's scheduler look for work, as its process does."""
        return self.stage.enter(f"worker-{next(self._numbers)}", lambda: IrCron._process_jobs(self.database))

    def look(self) -> None:
        """Have a worker do all that is ready, with nobody else on the stage."""
        self.worker_of_scheduler()
        self.stage.run_through()

    def deliver(self, delivery: Delivery, stops: bool) -> Actor:
        """Have a webhook delivered."""

        def play(env):
            note = Notification(delivery.source_id, delivery.remote_object, delivery.external_id, "changed")
            receipt = Receipt("accepted", 200, notifications=(note,))
            env["sync.event"]._store_accepted(
                env["sync.connection"].browse(self.connection_id),
                [(WebhookRequest(b"{}", {}, "http://localhost"), receipt)],
            )

        return self._transaction("delivery", play, stops, level="READ COMMITTED")

    def person(self, play: Callable, after: Callable[[], None] | None = None) -> Actor:
        """Have a person do something in one transaction.

        :param play: called with the environment.
        :param after: called once it is committed.
        """
        return self._transaction("person", play, stops=False, after=after)

    def _transaction(self, name, play, stops, level="REPEATABLE READ", after=None) -> Actor:
        def run():
            for turn in range(TRIES):
                try:
                    with self.registry.cursor() as cr:
                        cr.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
                        play(api.Environment(cr, SUPERUSER_ID, {}))
                except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                    if turn + 1 == TRIES:
                        raise
                else:
                    break
            if after:
                after()

        return self.stage.enter(f"{name}-{next(self._numbers)}", run, stops)

    def background(self) -> None:
        """Have what was asked for happen: wake-ups, a tidy desk."""
        wanted, self._wanted = dict(self._wanted), {}
        for coalescer, key in wanted.items():
            self.stage.enter(
                f"background-{next(self._numbers)}", lambda coalescer=coalescer, key=key: coalescer._run(key), False
            )

    def lose_background(self) -> None:
        """Have the processes that were asked for something die before they do it."""
        self._wanted.clear()
