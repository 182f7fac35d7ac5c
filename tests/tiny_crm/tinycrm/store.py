"""What Tiny CRM keeps, in one SQLite file.

Every change is an event with the next number of one sequence; a record's revision is the
number of its last event. So whoever reads on from a number misses nothing, and needs no
overlap. All of it is one transaction for each request.
"""

import json
import sqlite3

from . import schema

_TABLES = """
CREATE TABLE IF NOT EXISTS record (
    id TEXT NOT NULL, kind TEXT NOT NULL, fields TEXT NOT NULL, revision INTEGER NOT NULL,
    deleted INTEGER NOT NULL DEFAULT 0, merged_into TEXT, PRIMARY KEY (kind, id)
);
CREATE INDEX IF NOT EXISTS record_revision ON record (kind, revision);
CREATE TABLE IF NOT EXISTS event (
    number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, record TEXT, type TEXT, at INTEGER,
    delivery TEXT NOT NULL DEFAULT 'waiting', attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS kind (name TEXT PRIMARY KEY, label TEXT, fields TEXT);
CREATE TABLE IF NOT EXISTS told (key TEXT PRIMARY KEY, asked TEXT, answer TEXT);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT);
"""


class Missing(LookupError):
    """There is no such record or kind."""


class Refused(ValueError):
    """Values that are not accepted.

    :param problems: `[{"field", "code"}]`.
    """

    def __init__(self, problems):
        super().__init__("not accepted")
        self.problems = problems


class Store:
    """The records, events and settings of one account.

    :param file: SQLite file, or `:memory:`.
    :param clock: present time in seconds.
    """

    def __init__(self, file, clock):
        self._clock = clock
        self.db = sqlite3.connect(file, isolation_level=None)
        self.db.executescript(_TABLES)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = NORMAL")
        for name, (label, fields) in schema.STANDARD.items():
            if not self.one("SELECT 1 FROM kind WHERE name = ?", name):
                self.add_kind(name, label, fields, custom=False)

    def one(self, query, *values):
        """Return one row, or None."""
        return self.db.execute(query, values).fetchone()

    def all(self, query, *values):
        """Return all rows."""
        return self.db.execute(query, values).fetchall()

    # === Settings ===#

    def setting(self, name, default=None):
        """Return what was kept under a name."""
        row = self.one("SELECT value FROM setting WHERE name = ?", name)
        return json.loads(row[0]) if row else default

    def keep(self, name, value):
        """Keep a value under a name."""
        self.db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, json.dumps(value)))

    # === Kinds ===#

    def kinds(self):
        """Return `[{"name", "label", "custom"}]`."""
        rows = self.all("SELECT name, label FROM kind ORDER BY name")
        return [{"name": name, "label": label, "custom": name not in schema.STANDARD} for name, label in rows]

    def fields(self, kind):
        """Return `{name: definition}` of a kind.

        :raises Missing: when there is none.
        """
        row = self.one("SELECT fields FROM kind WHERE name = ?", kind)
        if not row:
            raise Missing(kind)
        return {field["name"]: field for field in json.loads(row[0])}

    def add_kind(self, name, label, fields, custom=True):
        """Add a kind of records."""
        whole = [{"required": False, "custom": custom, **field} for field in fields]
        self.db.execute("INSERT INTO kind VALUES (?, ?, ?)", (name, label, json.dumps(whole)))

    def add_field(self, kind, field):
        """Add a field to a kind; the same one again changes nothing.

        :raises Refused: when it is there with another type, or of no type.
        """
        fields = self.fields(kind)
        present = fields.get(field["name"])
        if field.get("type") not in schema.TYPES:
            raise Refused([{"field": field["name"], "code": "unknown_type"}])
        if present and present["type"] != field["type"]:
            raise Refused([{"field": field["name"], "code": "other_type"}])
        if not present:
            fields[field["name"]] = {"required": False, "custom": True, **field}
            self.db.execute("UPDATE kind SET fields = ? WHERE name = ?", (json.dumps(list(fields.values())), kind))

    # === Records ===#

    def read(self, kind, record_id):
        """Return a record as the API shows it.

        :raises Missing: when it was never there.
        """
        row = self.one(
            "SELECT r.fields, r.revision, r.deleted, r.merged_into, e.at FROM record r"
            " JOIN event e ON e.number = r.revision WHERE r.kind = ? AND r.id = ?", kind, record_id)
        if not row:
            raise Missing(record_id)
        return {
            "id": record_id, "kind": kind, "revision": row[1], "deleted": bool(row[2]), "merged_into": row[3],
            "changed_at": row[4],
            "fields": {} if row[2] else {**dict.fromkeys(self.fields(kind)), **json.loads(row[0])},
        }

    def create(self, kind, values, record_id=None):
        """Create a record; return it.

        :raises Refused: naming every value that is not accepted.
        """
        self._check(kind, values, creating=True)
        if record_id is None:
            number = self.setting("last_id", 1000) + 1
            self.keep("last_id", number)
            record_id = str(number)
        values = schema.with_totals(values) if kind == "deal" else values
        revision = self._event(kind, record_id, "created")
        self.db.execute(
            "INSERT INTO record (id, kind, fields, revision) VALUES (?, ?, ?, ?)",
            (record_id, kind, json.dumps(values), revision))
        return self.read(kind, record_id)

    def update(self, kind, record_id, values):
        """Change a record; return it.

        :raises Missing: when it is not there (any more).
        :raises Refused: naming every value that is not accepted.
        """
        present = self.read(kind, record_id)
        if present["deleted"]:
            raise Missing(record_id)
        self._check(kind, values, creating=False)
        revision = self._event(kind, record_id, "changed")
        self.db.execute(
            "UPDATE record SET fields = ?, revision = ? WHERE kind = ? AND id = ?",
            (json.dumps({**present["fields"], **values}), revision, kind, record_id))
        return self.read(kind, record_id)

    def delete(self, kind, record_id, merged_into=None):
        """Delete a record, maybe because it was merged into another one."""
        self.read(kind, record_id)
        revision = self._event(kind, record_id, "merged" if merged_into else "deleted")
        self.db.execute(
            "UPDATE record SET deleted = 1, merged_into = ?, revision = ? WHERE kind = ? AND id = ?",
            (merged_into, revision, kind, record_id))

    def _check(self, kind, values, creating):
        fields = self.fields(kind)
        found = schema.problems(fields, values, creating=creating)
        for name, value in values.items():
            to = fields.get(name, {}).get("to")
            if to and value and not self.one("SELECT 1 FROM record WHERE kind = ? AND id = ?", to, value):
                found.append({"field": name, "code": "no_such_record"})
        if found:
            raise Refused(found)

    # === Changes ===#

    def _event(self, kind, record_id, kind_of_change):
        lost = "lost" if self.setting("webhook_paused") else "waiting"
        return self.db.execute(
            "INSERT INTO event (kind, record, type, at, delivery) VALUES (?, ?, ?, ?, ?)",
            (kind, record_id, kind_of_change, int(self._clock()), lost)).lastrowid

    def changes(self, kind, after, limit):
        """Return rows `(revision, record, type)` of the records that changed after a number.

        Each record once, with its last change, in the order of these.
        """
        return self.all(
            "SELECT r.revision, r.id, e.type FROM record r JOIN event e ON e.number = r.revision"
            " WHERE r.kind = ? AND r.revision > ? ORDER BY r.revision LIMIT ?", kind, after, limit)

    def count(self, kind, conditions):
        """Return how many records of a kind have these values: `{field: text}`."""
        fields = self.fields(kind)
        missing = [{"field": name, "code": "unknown_field"} for name in conditions if name not in fields]
        if missing:
            raise Refused(missing)
        query = "SELECT count(*) FROM record WHERE kind = ? AND NOT deleted" + "".join(
            " AND json_extract(fields, ?) = ?" for _name in conditions)
        values = [part for name, value in conditions.items() for part in (f"$.{name}", value)]
        return self.one(query, kind, *values)[0]

    # === Answers that may be asked for again ===#

    def told(self, key):
        """Return (what was asked, what was answered) under an idempotency key, or None."""
        row = self.one("SELECT asked, answer FROM told WHERE key = ?", key)
        return (json.loads(row[0]), json.loads(row[1])) if row else None

    def tell(self, key, asked, answer):
        """Keep an answer for whoever asks the same again."""
        self.db.execute("INSERT INTO told VALUES (?, ?, ?)", (key, json.dumps(asked), json.dumps(answer)))
