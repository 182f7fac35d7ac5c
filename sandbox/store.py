"""Documents in memory, written through to SQLite, with secondary indexes.

A document is a JSON object (``Decimal`` values allowed) filed under a *kind*
``"<vendor>/<object type>"`` and a string id.  Reads never touch the disk.  Writes
are collected and reach SQLite in one transaction at ``commit()``, which the
application calls once per HTTP request, before the answer leaves.

Documents are handed out by reference: never change one in place, ``put`` a new
dict (or call ``update``), else indexes and the file on disk fall out of step.
"""

import bisect
import json
import sqlite3
from contextlib import contextmanager
from decimal import Decimal

#: Kinds whose vendor part is this survive ``reset()``: generated keys, fixed secrets.
SECRETS = "_secrets"

_DECIMAL = "__decimal__"


def _encode(value):
    if isinstance(value, Decimal):
        return {_DECIMAL: str(value)}
    raise TypeError(f"{type(value).__name__} cannot be stored")


def _decode(pairs):
    if len(pairs) == 1 and _DECIMAL in pairs:
        return Decimal(pairs[_DECIMAL])
    return pairs


class SortedIndex:
    """Ids ordered by ``(key(doc), id)``; documents whose key is None are left out."""

    def __init__(self, key):
        self.key = key
        self.entries = []

    def add(self, doc_id, doc):
        """File a document; entries that arrive in order cost O(1)."""
        value = self.key(doc)
        if value is None:
            return
        entry = (value, doc_id)
        if not self.entries or entry > self.entries[-1]:
            self.entries.append(entry)
        else:
            bisect.insort(self.entries, entry)

    def remove(self, doc_id, doc):
        """Take a document out; ``doc`` must be the version that was added."""
        value = self.key(doc)
        if value is None:
            return
        entry = (value, doc_id)
        position = bisect.bisect_left(self.entries, entry)
        if position < len(self.entries) and self.entries[position] == entry:
            del self.entries[position]

    def fill(self, documents):
        """Build from scratch, faster than one ``add`` per document."""
        pairs = ((self.key(doc), doc_id) for doc_id, doc in documents.items())
        self.entries = sorted(pair for pair in pairs if pair[0] is not None)

    def slice(self, low=None, high=None):
        """Return the ids with ``low <= key <= high`` (either bound may be None)."""
        start = 0 if low is None else bisect.bisect_left(self.entries, low, key=_first)
        end = (
            len(self.entries) if high is None
            else bisect.bisect_right(self.entries, high, key=_first)
        )
        return [doc_id for _value, doc_id in self.entries[start:end]]


def _first(entry):
    return entry[0]


class LookupIndex:
    """Hash index: ids by exact value of ``key(doc)``; None is left out."""

    def __init__(self, key):
        self.key = key
        self.buckets = {}

    def add(self, doc_id, doc):
        """File a document."""
        value = self.key(doc)
        if value is not None:
            self.buckets.setdefault(value, {})[doc_id] = True

    def remove(self, doc_id, doc):
        """Take a document out; ``doc`` must be the version that was added."""
        bucket = self.buckets.get(self.key(doc))
        if bucket is not None:
            bucket.pop(doc_id, None)
            if not bucket:
                del self.buckets[self.key(doc)]

    def fill(self, documents):
        """Build from scratch."""
        self.buckets = {}
        for doc_id, doc in documents.items():
            self.add(doc_id, doc)


class Store:
    """All documents of one sandbox process.

    :param path: SQLite file, or None to keep everything in memory only.
    """

    def __init__(self, path=None):
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS docs ("
            " kind TEXT NOT NULL, id TEXT NOT NULL, doc TEXT NOT NULL,"
            " PRIMARY KEY (kind, id))"
        )
        self._kinds = {}
        self._indexes = {}
        self._dirty = {}
        self._undo = None

    # -- reading ------------------------------------------------------------

    def _documents(self, kind):
        documents = self._kinds.get(kind)
        if documents is None:
            rows = self._db.execute(
                "SELECT id, doc FROM docs WHERE kind = ? ORDER BY rowid", (kind,))
            documents = {
                doc_id: json.loads(text, object_hook=_decode) for doc_id, text in rows
            }
            self._kinds[kind] = documents
            for index in self._indexes.get(kind, {}).values():
                index.fill(documents)
        return documents

    def get(self, kind, doc_id):
        """Return the document or None."""
        return self._documents(kind).get(doc_id)

    def scan(self, kind):
        """Return all documents of a kind in order of insertion (a list, safe to write while looping)."""
        return list(self._documents(kind).values())

    def items(self, kind):
        """Return ``[(id, document)]`` of a kind in order of insertion."""
        return list(self._documents(kind).items())

    def count(self, kind):
        """Return how many documents a kind has."""
        return len(self._documents(kind))

    def kinds(self, vendor=None):
        """Return the names of the kinds that hold documents, of one vendor or of all."""
        names = {row[0] for row in self._db.execute("SELECT DISTINCT kind FROM docs")}
        names.update(kind for kind, documents in self._kinds.items() if documents)
        return sorted(
            kind for kind in names
            if self._kinds.get(kind) != {} and (vendor is None or kind.split("/")[0] == vendor)
        )

    # -- writing ------------------------------------------------------------

    def put(self, kind, doc_id, doc):
        """Create or replace a document and return it."""
        documents = self._documents(kind)
        old = documents.get(doc_id)
        self._note_undo(kind, doc_id, old)
        for index in self._indexes.get(kind, {}).values():
            if old is not None:
                index.remove(doc_id, old)
            index.add(doc_id, doc)
        documents[doc_id] = doc
        self._dirty[kind, doc_id] = True
        return doc

    def update(self, kind, doc_id, **changes):
        """Replace some top-level keys of an existing document; return the new document."""
        return self.put(kind, doc_id, {**self._documents(kind)[doc_id], **changes})

    def delete(self, kind, doc_id):
        """Remove a document; return it, or None when there was none."""
        documents = self._documents(kind)
        old = documents.pop(doc_id, None)
        if old is None:
            return None
        self._note_undo(kind, doc_id, old)
        for index in self._indexes.get(kind, {}).values():
            index.remove(doc_id, old)
        self._dirty[kind, doc_id] = True
        return old

    def next_number(self, name):
        """Return 1, 2, 3… for a sequence named ``"<vendor>/…"``; kept over a restart."""
        kind = name.split("/")[0] + "/_sequence"
        value = (self.get(kind, name) or {"value": 0})["value"] + 1
        self.put(kind, name, {"value": value})
        return value

    def reset(self, vendor=None):
        """Forget all documents of one vendor, or of all vendors; secrets stay."""
        for kind in self.kinds(vendor):
            if kind.split("/")[0] == SECRETS:
                continue
            for doc_id in list(self._documents(kind)):
                self._dirty[kind, doc_id] = True
            self._documents(kind).clear()
            for index in self._indexes.get(kind, {}).values():
                index.fill({})

    def commit(self):
        """Write everything that changed since the last commit in one SQLite transaction."""
        if not self._dirty:
            return
        dirty, self._dirty = self._dirty, {}
        puts, deletes = [], []
        for kind, doc_id in dirty:
            doc = self._kinds[kind].get(doc_id)
            if doc is None:
                deletes.append((kind, doc_id))
            else:
                puts.append((kind, doc_id, json.dumps(doc, default=_encode)))
        self._db.execute("BEGIN")
        self._db.executemany("DELETE FROM docs WHERE kind = ? AND id = ?", deletes)
        self._db.executemany(
            "INSERT INTO docs (kind, id, doc) VALUES (?, ?, ?)"
            " ON CONFLICT (kind, id) DO UPDATE SET doc = excluded.doc", puts)
        self._db.execute("COMMIT")

    def close(self):
        """Commit and close the file."""
        self.commit()
        self._db.close()

    # -- undo ---------------------------------------------------------------

    @contextmanager
    def atomic(self):
        """Undo every write made inside when the block raises; may be nested.

        The block must not ``await``: requests are interleaved only at awaits, so a
        synchronous block is isolated from all others.
        """
        outer, self._undo = self._undo, []
        try:
            yield
        except BaseException:
            undo, self._undo = self._undo, None
            for kind, doc_id, old in reversed(undo):
                if old is None:
                    self.delete(kind, doc_id)
                else:
                    self.put(kind, doc_id, old)
            self._undo = outer
            raise
        if outer is not None:
            outer.extend(self._undo)
        self._undo = outer

    def _note_undo(self, kind, doc_id, old):
        if self._undo is not None:
            self._undo.append((kind, doc_id, old))

    # -- indexes ------------------------------------------------------------

    def _add_index(self, kind, name, index):
        self._indexes.setdefault(kind, {})[name] = index
        if kind in self._kinds:
            index.fill(self._kinds[kind])

    def add_sorted(self, kind, name, key):
        """Keep an order over a kind. ``key(doc)`` returns a comparable value or None (left out)."""
        self._add_index(kind, name, SortedIndex(key))

    def add_lookup(self, kind, name, key):
        """Keep a hash index over a kind. ``key(doc)`` returns a hashable value or None (left out)."""
        self._add_index(kind, name, LookupIndex(key))

    def has_index(self, kind, name):
        """Tell whether a kind has an index of that name."""
        return name in self._indexes.get(kind, {})

    def range(self, kind, name, low=None, high=None, reverse=False):
        """Return documents with ``low <= key <= high`` ordered by (key, id) of a sorted index."""
        documents = self._documents(kind)
        ids = self._indexes[kind][name].slice(low, high)
        if reverse:
            ids.reverse()
        return [documents[doc_id] for doc_id in ids]

    def lookup(self, kind, name, value):
        """Return the documents whose lookup-index key equals ``value``."""
        documents = self._documents(kind)
        return [documents[doc_id] for doc_id in self._indexes[kind][name].buckets.get(value, ())]
