"""The same play with the lanes on OCA's job queue: the director takes its runner's part."""

from __future__ import annotations

from unittest.mock import patch

from odoo import SUPERUSER_ID, api

from .stage import Actor, Stage
from .world import World


class QueueWorld(World):
    """A world whose database has `crm_sync_queue_job` installed."""

    has_runner = True
    _sweep_more = "DELETE FROM queue_job_lock; DELETE FROM queue_job;"
    _timed_tables = ("queue_job",)

    def __init__(self, database: str):
        super().__init__(database)
        self.runner_lives = True

    def open(self) -> Stage:
        """Sweep the database and open the stage; the runner lives."""
        stage = super().open()
        self.runner_lives = True
        lane = self.registry["sync.lane"]
        stage.enter_hook(patch.object(lane, "_runner_lives", lambda model: self.runner_lives))
        return stage

    def worker(self) -> Actor:
        """Have a worker take what the runner hands out, or else look for scheduled actions."""
        uuid = self._hand_out()
        if not uuid:
            return self.worker_of_scheduler()
        return self.stage.enter(f"worker-{next(self._numbers)}", lambda: self._run_job(uuid))

    def look(self) -> None:
        """Have workers do all that is ready, scheduled actions first."""
        super().look()
        while uuid := self._hand_out():
            self.stage.enter(f"worker-{next(self._numbers)}", lambda uuid=uuid: self._run_job(uuid))
            self.stage.run_through()

    def _hand_out(self) -> str | None:
        """Do what the runner does: requeue what died, mark the next job and ask for its run."""
        from odoo.addons.queue_job.jobrunner.runner import Database

        if not self.runner_lives:
            return None
        self.stage.query(Database._query_requeue_dead_jobs(None))
        rows = self.stage.query(
            """
            UPDATE queue_job SET state = 'enqueued', date_enqueued = date_trunc('second', timezone('utc', now()))
             WHERE id = (SELECT id FROM queue_job
                          WHERE state = 'pending' AND (eta IS NULL OR eta <= timezone('utc', now()))
                          ORDER BY eta NULLS FIRST, priority, date_created, id LIMIT 1)
            RETURNING uuid
            """
        )
        return rows[0][0] if rows else None

    def _run_job(self, uuid: str) -> None:
        """Do what the runner's request does: its controller's own code."""
        from odoo.addons.queue_job.controllers.main import RunJobController

        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            job = RunJobController._acquire_job(env, uuid)
            if job:
                RunJobController._runjob(env, job)
