"""Actors on a stage: threads that stop at every point where a crash or another thread matters.

Each actor runs real code on real database connections. It stops before and after each
commit that wrote something and before and after each call of the provider; whoever
directs the play decides which one goes on, which one dies there, and which one loses
its connections. Only one moves at a time, so a story can be told again exactly.

A killed actor does nothing any more: its connections are terminated, and whatever its
thread still tries with the database or the provider while it unwinds raises `Died`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from unittest.mock import patch

import psycopg2
from odoo import sql_db

MOVING, STANDING, GONE = "moving", "standing", "gone"

#: A thread that neither stops nor waits for another one in this time hangs.
PATIENCE = 60.0
_TICK = 0.003


class Died(BaseException):
    """Unwinds the thread of a killed actor."""


class Hang(AssertionError):
    """An actor neither goes on nor waits for one that stands."""


_here = threading.local()


def here() -> Actor | None:
    """Return the actor whose thread this is; None for the director's."""
    return getattr(_here, "actor", None)


class Actor:
    """One thread of the play.

    :param name: for messages and for the identity of its process.
    :param stops: whether it stops at commits; else it runs through.
    """

    def __init__(self, stage: Stage, name: str, play: Callable[[], None], stops: bool):
        self.stage, self.name, self.stops = stage, name, stops
        self.state = MOVING
        self.dead = False  #: killed; what it still does has no effect
        self.at = "start"  #: where it stands
        self.error: BaseException | None = None
        self._play = play
        self._go = threading.Event()
        self._connections: list[sql_db.PsycoConnection] = []
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def _run(self) -> None:
        _here.actor = self
        try:
            self._play()
        except BaseException as error:
            if not self.dead:
                self.error = error
        finally:
            self.stage.changed(self, GONE, "end")

    def stand(self, at: str) -> None:
        """Stop here until told to go on (called in the actor's own thread)."""
        self._alive()
        self._go.clear()
        self.stage.changed(self, STANDING, at)
        self._go.wait()
        self._alive()

    def _alive(self) -> None:
        if self.dead:
            raise Died

    def go(self) -> None:
        """Let it move on; returns at once."""
        self.state = MOVING
        self._go.set()

    def join(self) -> None:
        """Wait until its thread has ended."""
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            raise Hang(f"{self.name} does not end")

    def backends(self) -> list[int]:
        """The process ids of its database sessions."""
        return [
            connection.get_backend_pid()
            for connection in self._connections
            if not connection.closed and connection._pool_in_use
        ]


class Stage:
    """Where the actors meet; a context manager that hooks Odoo's database layer.

    :param dsn: of the database, for a session that looks at the others' locks.
    """

    def __init__(self, dsn: dict):
        self.actors: list[Actor] = []
        self._changed = threading.Condition()
        self._dsn = dsn
        self._hooks = ExitStack()

    def __enter__(self) -> Stage:
        self._monitor = psycopg2.connect(**self._dsn)
        self._monitor.autocommit = True
        for target, name, hook in (
            (sql_db.Cursor, "__init__", _opening(self, sql_db.Cursor.__init__)),
            (sql_db.Cursor, "execute", _guarded(sql_db.Cursor.execute)),
            (sql_db.PsycoConnection, "commit", _committing(psycopg2.extensions.connection.commit)),
        ):
            self._hooks.enter_context(patch.object(target, name, hook, create=True))
        return self

    def __exit__(self, *_error: object) -> None:
        self.clear()
        self._hooks.close()
        self._monitor.close()

    def enter_hook(self, hook: AbstractContextManager) -> None:
        """Keep a context manager open until the stage is left."""
        self._hooks.enter_context(hook)

    def query(self, statement: str, params: Iterable = ()) -> list[tuple]:
        """Return what is committed, as rows."""
        with self._monitor.cursor() as cursor:
            cursor.execute(statement, list(params) or None)
            return cursor.fetchall() if cursor.description else []

    # === Directing ===#

    def enter(self, name: str, play: Callable[[], None], stops: bool = True) -> Actor:
        """Have a new actor begin and move until everything stands."""
        actor = Actor(self, name, play, stops)
        self.actors.append(actor)
        actor.start()
        self.settle()
        return actor

    def standing(self) -> list[Actor]:
        """The actors that wait to be told to go on."""
        return [actor for actor in self.actors if actor.state == STANDING]

    def step(self, actor: Actor) -> None:
        """Let one actor go on to its next stop."""
        actor.go()
        self.settle()

    def run_through(self) -> None:
        """Let all actors go on, in turn, until none is left."""
        while self.actors:
            standing = self.standing()
            if not standing:
                raise Hang(f"they all wait: {[actor.name for actor in self.actors]}")
            self.step(standing[0])

    def kill(self, actor: Actor) -> None:
        """End an actor as `kill -9` does, wherever it is."""
        actor.dead = True
        self._terminate(actor.backends())
        actor.go()
        actor.join()
        self.settle()

    def cut(self, actor: Actor) -> None:
        """End the database sessions of an actor that itself lives on."""
        self._terminate(actor.backends())
        self.settle()

    def cut_lock(self, actor: Actor, table: str) -> None:
        """End the session in which an actor keeps rows of a table locked.

        It does nothing else, or it was opened first.
        """
        pids = actor.backends()
        rows = self.query(
            """
            SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid)
             WHERE relation = %s::regclass AND mode = 'RowShareLock' AND pid = ANY(%s)
             ORDER BY query LIKE %s DESC, array_position(%s, pid) LIMIT 1
            """,
            [table, pids, f"%FROM {table} %UPDATE%", pids],
        )
        self._terminate([pid for [pid] in rows])
        self.settle()

    def clear(self) -> None:
        """Kill everyone."""
        for actor in list(self.actors):
            if actor in self.actors:
                self.kill(actor)

    # === Watching ===#

    def changed(self, actor: Actor, state: str, at: str) -> None:
        """Note that an actor stands or is gone (called in its thread)."""
        with self._changed:
            actor.state, actor.at = state, at
            if state == GONE:
                self.actors.remove(actor)
            self._changed.notify_all()

    def opened(self, connection: sql_db.PsycoConnection, by: Actor | None) -> None:
        """Note whose a connection is now: a pool passes them on."""
        for actor in self.actors:
            actor._connections = [known for known in actor._connections if known is not connection]
        if by:
            by._connections.append(connection)

    def settle(self) -> None:
        """Wait until every actor stands, is gone, or waits for one that stands."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with self._changed:
                if not self._moving():
                    return
                self._changed.wait(_TICK)
                moving = self._moving()
            if not moving or self._all_wait(moving):
                return
        raise Hang(f"{[(actor.name, actor.at) for actor in self._moving()]} do not come to rest")

    def _moving(self) -> list[Actor]:
        return [actor for actor in self.actors if actor.state == MOVING]

    def _all_wait(self, moving: list[Actor]) -> bool:
        """Whether each of these waits, if over corners, for a lock of one that stands."""
        owners = {pid: actor for actor in self.actors for pid in actor.backends()}
        waits: dict[Actor, set[Actor | None]] = {}
        rows = self.query(
            "SELECT p, pg_blocking_pids(p) FROM unnest(%s::int[]) AS p", [list(owners)]
        )
        for pid, blockers in rows:
            waits.setdefault(owners[pid], set()).update(owners.get(blocker) for blocker in blockers)
        for actor, blockers in waits.items():
            if actor in blockers:
                raise Hang(self._describe_self_lock(actor))
        resting = {actor for actor in self.actors if actor.state == STANDING}
        while True:
            more = {actor for actor in moving if actor not in resting and waits.get(actor, set()) & resting}
            if not more:
                return set(moving) <= resting
            resting |= more

    def _describe_self_lock(self, actor: Actor) -> str:
        rows = self.query(
            "SELECT pid, pg_blocking_pids(pid), query FROM pg_stat_activity WHERE pid = ANY(%s)", [actor.backends()]
        )
        lines = [f"  {pid} waits for {blockers}: {' '.join(query.split())[:500]}" for pid, blockers, query in rows]
        return "\n".join([f"{actor.name} waits for itself: two of its transactions want one row", *lines])

    def _terminate(self, pids: list[int]) -> None:
        self.query("SELECT pg_terminate_backend(p) FROM unnest(%s::int[]) AS p", [pids])
        end = time.monotonic() + PATIENCE
        while self.query("SELECT 1 FROM pg_stat_activity WHERE pid = ANY(%s)", [pids]):
            if time.monotonic() > end:
                raise Hang(f"the database does not let go of {pids}")
            time.sleep(_TICK)


# === Hooks ===#


def _opening(stage, original):
    def opening(cursor, *args, **kwargs):
        actor = here()
        if actor:
            actor._alive()
        original(cursor, *args, **kwargs)
        stage.opened(cursor._cnx, actor)

    return opening


def _guarded(original):
    def execute(cursor, *args, **kwargs):
        actor = here()
        if not actor:
            return original(cursor, *args, **kwargs)
        actor._alive()
        try:
            return original(cursor, *args, **kwargs)
        except Exception:
            actor._alive()
            raise

    return execute


def _committing(original):
    def commit(connection):
        actor = here()
        if not actor:
            return original(connection)
        wrote = _has_written(connection)
        if wrote and actor.stops:
            actor.stand("before commit")
        actor._alive()
        original(connection)
        if wrote and actor.stops:
            actor.stand("after commit")
        return None

    return commit


def _has_written(connection) -> bool:
    """Whether the transaction wrote or locked anything; only then its commit matters."""
    if connection.closed:
        return False
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
            return cursor.fetchone()[0]
    except psycopg2.Error:
        return False
