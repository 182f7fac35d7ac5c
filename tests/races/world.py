"""A world with people in it, who do things at the same time as each other and as workers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from odoo import SUPERUSER_ID, api
from odoo.service.model import retrying
from odoo.tests import new_test_user

from tests.model.connector import Door
from tests.model.stage import STANDING, Actor, here
from tests.model.world import INBOUND, World

#: Who is there, and in which group of the suite.
PEOPLE = {"anna": "approver", "ben": "approver", "olga": "operator", "mia": "manager", "max": "manager"}

LANES = 4  #: one of them for urgent jobs only; so any two workers find one that takes anything

# Where actors stand besides at commits and calls:
BEGUN = "begun"  #: a request that has its snapshot and has done nothing yet
CLAIMED = "claimed"  #: a worker that has claimed a batch, not committed yet
WORKED = "worked"  #: a worker that has done its batch; neither result nor effect are committed

_ZIP = {"path": "Zip", "field": "zip", "label": "Postcode"}


class Request:
    """What a person asked the server for.

    :param actor: the thread that does it.
    """

    actor: Actor

    def __init__(self) -> None:
        self.result: Any = None
        self.error: Exception | None = None
        self.tries = 0  #: how often it was begun

    @property
    def said(self) -> str:
        """What the person was told instead of a result."""
        return str(self.error or "")


class RaceWorld(World):
    """The world of the model test, with users and postcodes."""

    inbound = {**INBOUND, "Account": [*INBOUND["Account"], _ZIP]}
    _sweep_more = """
        SET crm_sync.retention = 'proposals'; DELETE FROM sync_proposal; RESET crm_sync.retention;
        DELETE FROM sync_approval_rule; DELETE FROM sync_match; DELETE FROM sync_match_guard;
        DELETE FROM sync_package;
    """

    def _furnish(self, env) -> None:
        # First of all, because what is younger than what is furnished is swept away.
        self.users = {"root": SUPERUSER_ID}
        for name, group in PEOPLE.items():
            login = f"race_{name}"
            known = env["res.users"].search([("login", "=", login)])
            groups = f"base.group_user,base.group_partner_manager,crm_sync_base.group_sync_{group}"
            user = known or new_test_user(env, login, groups, name=name.capitalize(), notification_type="inbox")
            self.users[name] = user.id
        env["sync.lane"]._set_count(LANES)
        super()._furnish(env)

    def open(self):
        """Sweep the database and open the stage; nobody sleeps before he tries again."""
        stage = super().open()
        stage.enter_hook(patch("odoo.service.model.time", SimpleNamespace(sleep=lambda _seconds: None)))
        jobs = self.registry["sync.job"]
        stage.enter_hook(patch.object(jobs, "_claim", _claiming(jobs._claim)))
        stage.enter_hook(patch.object(jobs, "_settle", _settling(jobs._settle)))
        return stage

    # === One after the other ===#

    def do(self, play: Callable, who: str = "root") -> Any:
        """Do something in a transaction of its own, with nobody else around; return what it gives."""
        with self.registry.cursor() as cr:
            return play(api.Environment(cr, self.users[who], {}))

    def arrive(self, *external_ids: str, **data: Any) -> None:
        """Have accounts change at the provider, and Odoo apply that."""
        for external_id in external_ids:
            Door.remote.put("Account", external_id, **data)
        self.deliver_all()
        self.work()

    def deliver_all(self) -> None:
        """Have everything delivered that is on its way."""
        while Door.remote.deliveries:
            self.deliver(Door.remote.deliveries.pop(0), stops=False)

    def work(self) -> None:
        """Have workers do all that is due, with nobody else around."""
        self.background()
        self.look()
        self.background()

    def one(self, statement: str, *params: Any) -> Any:
        """Return the one value of what is committed."""
        [[value]] = self.stage.query(statement, params)
        return value

    # === At the same time ===#

    def request(self, who: str, play: Callable) -> Request:
        """Have a person ask for something, as Odoo's server does it: tried again after a lost race.

        It stands when its first transaction has its snapshot.

        :param play: called with the environment; what it raises is what the person is told.
        """
        asked = Request()

        def attempt(env):
            asked.tries += 1
            if asked.tries == 1:
                env.cr.execute("SELECT 1")
                here().stand(BEGUN)
            return play(env)

        def run():
            with self.registry.cursor() as cr:
                env = api.Environment(cr, self.users[who], {})
                try:
                    asked.result = retrying(lambda: attempt(env), env)
                except Exception as error:
                    asked.error = error
                    cr.rollback()

        asked.actor = self.stage.enter(f"{who}-{next(self._numbers)}", run)
        return asked

    def race(self, first: Request, second: Request) -> bool:
        """Let one do all of its work, then the other as far as it gets; then the first commits.

        :return: whether the second had to wait for the first.
        """
        self.until(first.actor, "before commit")
        self.stage.step(second.actor)
        waited = second.actor in self.stage.actors and second.actor.state != STANDING
        self.finish(first.actor)
        self.stage.run_through()
        return waited

    def worker_until(self, at: str) -> Actor:
        """Have a worker look for work and come to a place."""
        self.background()
        actor = self.worker()
        if actor.at != at:
            self.until(actor, at)
        return actor

    def until(self, actor: Actor, at: str, times: int = 1) -> None:
        """Let an actor go on until it has come to a place so many times."""
        while actor in self.stage.standing():
            self.stage.step(actor)
            times -= actor in self.stage.standing() and actor.at == at
            if not times:
                return
        ledger = "\n".join(self.ledger())
        raise LookupError(f"{actor.name} never stood at: {at} ({actor.state}, {actor.error or actor.at})\n{ledger}")

    def finish(self, actor: Actor) -> None:
        """Let an actor go on to its end, or to where it waits for another."""
        while actor in self.stage.standing():
            self.stage.step(actor)
        if actor.error:
            raise actor.error

    def come_to_rest(self, *actors: Actor) -> None:
        """Let actors finish, one after the other, and everything be done that is due soon."""
        for actor in actors:
            self.finish(actor)
        self.stage.run_through()
        for _again in range(2):
            self.pass_time(5)
            self.work()

    # === Protection taken away ===#

    def broken(self, model: str, method: str, replacement: Callable):
        """Return a context manager that replaces a method of the engine."""
        return patch.object(self.registry[model], method, replacement)

    @contextmanager
    def without_index(self, name: str, mend: str):
        """Do without a unique index.

        :param mend: statement that removes what the index would not have let in.
        """
        [[definition]] = self.stage.query("SELECT indexdef FROM pg_indexes WHERE indexname = %s", [name])
        self.stage.query(f'DROP INDEX "{name}"')
        try:
            yield
        finally:
            self.stage.clear()
            self.stage.query(f"{mend}; {definition}")

    @contextmanager
    def without_trigger(self, table: str, name: str):
        """Do without a trigger."""
        self.stage.query(f'ALTER TABLE "{table}" DISABLE TRIGGER "{name}"')
        try:
            yield
        finally:
            self.stage.clear()
            self.stage.query(f'ALTER TABLE "{table}" ENABLE TRIGGER "{name}"')


# === Hooks ===#


def _stand(at: str) -> None:
    actor = here()
    if actor and actor.stops:
        actor.stand(at)


def _claiming(original):
    def claim(jobs, lane):
        found = original(jobs, lane)
        if found:
            _stand(CLAIMED)
        return found

    return claim


def _settling(original):
    def settle(jobs, outcomes):
        _stand(WORKED)
        return original(jobs, outcomes)

    return settle
