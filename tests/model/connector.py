"""The connector that Odoo uses in the play: it calls `Remote`, and stops at its door."""

from __future__ import annotations

from odoo import models
from odoo.addons.crm_sync_base.lib.declarations import (
    Document,
    Page,
    Ref,
    RemoteAccount,
    RemoteObject,
    WriteResult,
)
from odoo.addons.crm_sync_base.lib.errors import SyncError, Transient

from . import remote as remote_side
from .remote import Remote
from .stage import here

PROVIDER = "modelcrm"

#: no call of the provider may be made while these are locked or written (invariant I5)
BUSINESS_TABLES = ("res_partner", "res_partner_category")


class Door:
    """What the connector reaches; replaced for each story."""

    remote: Remote = Remote()
    broken_rules: list[str] = []


def _stand(at: str) -> None:
    actor = here()
    if actor and actor.stops:
        actor.stand(at)
    elif actor:
        actor._alive()


def _check_locks(call: str) -> None:
    """Note a call that is made under a lock on business records."""
    actor = here()
    if not actor:
        return
    rows = actor.stage.query(
        """
        SELECT DISTINCT c.relname FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
         WHERE l.pid = ANY(%s) AND c.relname = ANY(%s) AND l.mode IN ('RowShareLock', 'RowExclusiveLock')
        """,
        [actor.backends(), list(BUSINESS_TABLES)],
    )
    for (table,) in rows:
        Door.broken_rules.append(f"the provider was called ({call}) under a lock on {table}")


def build_connector():
    """Return the connector's model class, to be added to a registry by hand."""

    class SyncConnectorModelcrm(models.AbstractModel):
        _name = "sync.connector.modelcrm"
        _inherit = ["sync.connector"]
        _description = "Provider of the model test"
        _register = False
        _module = "crm_sync_base"

        def _objects(self):
            return (
                RemoteObject("Account", "Account", can_push=True, read_batch=2, write_batch=2),
                RemoteObject("Contact", "Contact"),
                RemoteObject("Tag", "Tag", can_push=True, can_poll=False, write_batch=2),
            )

        def _credential_fields(self):
            return {"token": {"label": "Token", "required": True}}

        def _authenticate(self, connection):
            return RemoteAccount("org-1", "Model", is_production=False)

        def _read(self, connection, object_name, external_ids):
            _check_locks("read")
            _stand("before read")
            fault = Door.remote.fault("read")
            found = Door.remote.read(object_name, external_ids, fault)
            _stand("after read")
            return [
                Document(key, dict(version.data), version.number, deleted=version.deleted)
                for key, version in found.items()
            ]

        def _poll(self, connection, flow, cursor):
            _check_locks("poll")
            _stand("before poll")
            Door.remote.fault("poll")
            rows = Door.remote.changed_since(flow.remote_object, cursor)
            _stand("after poll")
            refs = tuple(Ref(key, number) for number, key in rows)
            return Page(refs, rows[-1][0] if rows else cursor, done=True)

        def _push(self, connection, object_name, writes):
            _check_locks("push")
            _stand("before push")
            fault = Door.remote.fault("push")
            half = (len(writes) + 1) // 2 if fault in (remote_side.HALF, remote_side.HALF_ANSWER) else None
            taken = writes[: half or None] if fault == remote_side.HALF else writes
            results = [self._take(object_name, write, fault, place) for place, write in enumerate(taken)]
            _stand("after push")
            if fault in (remote_side.HALF, remote_side.LOST_ANSWER):
                raise Transient("The line was cut.")
            return results[:half]

        def _take(self, object_name, write, fault, place):
            if fault == remote_side.REJECT and place == 0:
                return WriteResult(write.key, error=remote_side.refusal())
            try:
                external_id = Door.remote.write(
                    object_name, write.external_id, write.values, write.idempotency_key
                )
            except SyncError as error:
                return WriteResult(write.key, error=error)
            return WriteResult(write.key, external_id, created=write.external_id is None)

        def _label(self, object_name, document):
            return document.data.get("Name") or ""

    return SyncConnectorModelcrm
