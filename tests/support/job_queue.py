"""OCA's job queue, for the databases and servers of tests."""

from __future__ import annotations

from cli import extras, odoo, shell

#: Options of a server that runs the job queue.
OPTIONS = ("--load=base,rpc,web,queue_job",)

CHANNELS = "root:4,root.crm_sync:2"

#: Finds a row while a runner serves the database: it holds an advisory lock.
RUNNER_SQL = """
    SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database
     WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()
       AND (l.classid::bigint << 32) | l.objid::bigint = 2293787760715711918
"""


def addons_path() -> str:
    """Odoo's addons path with the job queue."""
    return f"{odoo.addons_path()},{extras.addons(extras.ensure())}"


def environment() -> dict[str, str]:
    """What is added to the environment of a process that has the job queue."""
    return {"PYTHONPATH": str(extras.ensure()), "ODOO_QUEUE_JOB_CHANNELS": CHANNELS}


def install(name: str) -> None:
    """Install the job queue in a database; the module that glues it to the engine comes by itself."""
    line = odoo.command("server", [
        *odoo.options(name), f"--addons-path={addons_path()}", "--init=queue_job", "--stop-after-init", "--no-http",
    ])
    shell.run_logged(line, "install", "The job queue could not be installed",
                     env={**odoo.environment(), **environment()})
