import logging
from datetime import timedelta

from odoo import _, api, models

from ..lib import clock
from ..lib.errors import SyncError, Transient
from ..lib.schema import Difference, compare

_logger = logging.getLogger(__name__)

DEPTH = 5  # relationships that a path may follow, as with the providers
RETRY_HOURS = 1  # what could not be read at night is read again
FRESH_HOURS = 2  # what was read is not read again by the same night's runs


class SyncSchemaWatch(models.AbstractModel):
    """Reads what objects look like, compares with before, keeps the difference.

    Remote calls come first and outside of any lock; then one transaction stores the
    new picture, the changes, and what follows from them (see `_act_on`).
    """

    _name = "sync.schema.watch"
    _description = "Schema Watch"

    # === Nightly ===#

    @api.model
    def _cron_watch(self):
        """Read all connections that are due, and Odoo's own models; each is a transaction of its own.

        When the time is up, the next run goes on with those that are left.
        """
        due = self.env["sync.connection"].search(
            [("state", "=", "connected"), "|", ("schema_due_at", "=", False), ("schema_due_at", "<=", clock.now())]
        )
        Cron = self.env["ir.cron"]
        Cron._commit_progress(remaining=len(due) + 1)
        for connection in (*due, due.browse()):
            hours = FRESH_HOURS
            if not self._try(connection):
                hours = RETRY_HOURS
                self.env.ref("crm_sync_base.ir_cron_schema_watch")._trigger(at=clock.now() + timedelta(hours=hours))
            connection.schema_due_at = clock.now() + timedelta(hours=hours)
            if not Cron._commit_progress(1):
                return

    def _try(self, connection):
        """Read one connection, or Odoo; return whether it could be. One that cannot hides no other."""
        try:
            if connection:
                self._read_connection(connection)
            else:
                self._read_odoo()
        except SyncError as error:
            self.env["sync.lane"]._rollback()
            _logger.info("The schema of %s was not read: %s", connection.name or "Odoo", error.message)
            return False
        except Exception:
            self.env["sync.lane"]._rollback()
            _logger.exception("Synchronisation: the schema of %s was not read", connection.name or "Odoo")
            return False
        return True

    # === A provider ===#

    @api.model
    def _read_connection(self, connection, wanted=(), *, manual=False):
        """Read a provider's objects, and the fields of those that are watched.

        :param wanted: names of objects that shall be watched from now on, too.
        :param manual: a person waits for it.
        :raises SyncError: the provider cannot be asked; nothing is changed then.
        """
        connection._assert_live()
        objects, shapes = self._ask(connection, wanted, manual)
        if not manual:
            # What is compared with shall be the present state, not that of before the calls.
            self.env["sync.lane"]._commit()
        self._store(connection, objects, shapes)

    def _ask(self, connection, wanted, manual):
        """Return `{name: RemoteObject}` of all objects and `{name: shape}` of the watched ones."""
        connector = connection._connector()
        watched = self._watched(connection, wanted)
        with connector._guard(connection, connector._endpoint("", "read"), subject="schema", manual=manual):
            objects = {one.name: one for one in connector._describe_objects(connection)}
            shapes = {}
            for _round in range(DEPTH):
                names = [name for name in watched if name in objects and name not in shapes]
                for name in names:
                    shapes[name] = self._shape_from(connector._describe(connection, name), objects[name])
                watched = self._reached(connection, shapes)
                if watched <= shapes.keys():
                    break
        return objects, shapes

    def _shape_from(self, described, declared):
        """Return described fields by name.

        :raises Transient: there are none, which no object is like: an answer that is
            incomplete must not look as if all fields were gone.
        """
        shape = {field.name: field for field in described}
        if not shape:
            raise Transient(_("The description of %s came without any field.", declared.label))
        return shape

    def _watched(self, connection, wanted):
        """Return the names of the objects whose fields are to be read."""
        known = self.env["sync.schema.object"].sudo().search(
            [("connection_id", "=", connection.id), ("is_tracked", "=", True)]
        )
        return {*wanted, *known.mapped("name"), *self._used_objects(connection)}

    def _store(self, connection, objects, shapes):
        """Store what was read; record changes, and act on them."""
        self._lock(connection)
        Object = self.env["sync.schema.object"].sudo()
        before = Object._schema(connection)
        known = {one.name: one for one in Object.search([("connection_id", "=", connection.id)])}
        changes = self._store_objects(connection, objects, known)
        for name, shape in shapes.items():
            if name in before:
                changes += [(name, difference) for difference in compare(before[name], shape)]
        self._store_fields({known[name]: shape for name, shape in shapes.items()})
        self._act_on(connection, changes, before)

    def _lock(self, connection):
        """Let one reader store at a time.

        :raises Transient: somebody else is at it.
        """
        self.env.cr.execute(
            "SELECT pg_try_advisory_xact_lock(hashtext('crm_sync_schema'), %s)", [connection.id or 0]
        )
        if not self.env.cr.fetchone()[0]:
            raise Transient(_("The schema is being read by somebody else right now; try again in a minute."))

    def _store_objects(self, connection, objects, known):
        """Store the list of objects; return `[(name, Difference)]`.

        :param known: `{name: sync.schema.object}`; new ones are added to it.
        """
        first_time = not known
        changes, new = [], []
        for name, declared in objects.items():
            vals = self._object_vals(declared)
            record = known.get(name)
            if record is None:
                new.append({**vals, "name": name, "connection_id": connection.id or False})
                if not first_time and declared.custom:
                    changes.append((name, Difference("object_added")))
            elif any(record[key] != value for key, value in vals.items()):
                record.write(vals)
        for record in self.env["sync.schema.object"].sudo().create(new):
            known[record.name] = record
        for name, record in known.items():
            if name not in objects and not record.is_gone:
                record.is_gone = True
                changes.append((name, Difference("object_removed")))
        return changes

    def _object_vals(self, declared):
        return {
            "label": declared.label,
            "is_custom": declared.custom,
            "can_poll": declared.can_poll,
            "can_push": declared.can_push,
            "is_gone": False,
        }

    def _store_fields(self, shapes):
        """Store fields; a constant number of queries, plus one for each changed field.

        :param shapes: `{sync.schema.object: shape}`.
        """
        Field = self.env["sync.schema.field"].sudo()
        now = clock.now()
        objects = self.env["sync.schema.object"].sudo().union(*shapes)
        objects.field_ids.fetch()
        new = []
        for record, shape in shapes.items():
            known = {field.name: field for field in record.field_ids}
            for name, field in shape.items():
                if name not in known:
                    new.append({**Field._vals_of(field), "object_id": record.id})
                elif known[name].is_gone or known[name]._to_value() != field:
                    known[name].write(Field._vals_of(field))
            gone = [field.id for name, field in known.items() if name not in shape and not field.is_gone]
            Field.browse(gone).write({"is_gone": True, "gone_at": now})
        Field.create(new)
        objects.write({"read_at": now, "is_tracked": True})
        objects.invalidate_recordset(["field_ids"])

    # === Odoo ===#

    @api.model
    def _read_odoo(self, wanted=()):
        """Read the models that flows use, compare with before, act on the difference.

        :param wanted: names of further models.
        """
        Object = self.env["sync.schema.object"].sudo()
        known = Object.search([("connection_id", "=", False), ("is_tracked", "=", True)])
        names = {*wanted, *known.mapped("name"), *self._used_models()}
        Describer = self.env["sync.schema.odoo"]
        objects = {name: Describer._object(name) for name in sorted(names) if name in self.env}
        shapes = {name: Describer._shape(name) for name in objects}
        self._store(self.env["sync.connection"], objects, shapes)
