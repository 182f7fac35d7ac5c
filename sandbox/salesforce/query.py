"""Run SOQL: plan, filter, sort, project, page."""

import dataclasses
from collections.abc import Callable
from decimal import Decimal

from .conditions import Conditions
from .errors import SalesforceError, invalid_field, invalid_type, malformed_query
from .org import kind
from .paths import object_of, resolve
from .soql import Aggregate, FieldSet, Path, Query, parse
from .values import TEXTUAL, show

MAX_BATCH, MIN_BATCH = 2000, 200
MAX_OFFSET = 2000
#: A user's oldest cursor is closed when an eleventh is opened; none lives over two days.
MAX_CURSORS, CURSOR_LIFE = 10, 2 * 86400


@dataclasses.dataclass
class Cursor:
    """An open result: which records, and how to show them."""

    id: str
    user_id: str
    opened: float
    record_ids: list
    sobject: object
    project: Callable
    batch: int
    all_rows: bool


class Queries:
    """Query service of one org. Cursors live in memory: a restart closes them."""

    def __init__(self, org):
        self.org = org
        self.cursors = {}

    def run(self, text, user_id, version, batch=MAX_BATCH, all_rows=False):
        """Run a query and return the body of its first page.

        :param version: ``67.0``, for the URLs in the answer.
        :param batch: records a page, forced into 200…2000.
        :param all_rows: include the recycle bin (``queryAll``).
        :raises SalesforceError: whatever is wrong with the query.
        """
        query = parse(text)
        plan = _Plan(self, text, query, user_id, version, all_rows or query.all_rows)
        if plan.aggregates:
            return plan.aggregate()
        records = plan.records()
        batch = max(MIN_BATCH, min(MAX_BATCH, batch))
        if len(records) <= batch:
            return {"totalSize": len(records), "done": True,
                    "records": [plan.project(record) for record in records]}
        cursor = self._open(plan, [record["Id"] for record in records], batch)
        return self._page(cursor, 0, version)

    def more(self, locator, user_id, version):
        """Return the body of a further page.

        :raises SalesforceError: INVALID_QUERY_LOCATOR.
        """
        cursor_id, _dash, start = locator.rpartition("-")
        cursor = self.cursors.get(cursor_id)
        too_old = cursor and self.org.clock.time() - cursor.opened > CURSOR_LIFE
        if cursor is None or too_old or cursor.user_id != user_id or not start.isdigit():
            raise SalesforceError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(cursor, int(start), version)

    def _open(self, plan, record_ids, batch):
        mine = [c for c in self.cursors.values() if c.user_id == plan.user_id]
        if len(mine) >= MAX_CURSORS:
            del self.cursors[min(mine, key=lambda c: c.opened).id]
        cursor = Cursor(
            self.org.new_ids("0r8")[0], plan.user_id, self.org.clock.time(), record_ids,
            plan.sobject, plan.project, batch, plan.all_rows)
        self.cursors[cursor.id] = cursor
        return cursor

    def _page(self, cursor, start, version):
        end = start + cursor.batch
        found = (self.org.get(cursor.sobject.name, record_id)
                 for record_id in cursor.record_ids[start:end])
        body = {
            "totalSize": len(cursor.record_ids), "done": end >= len(cursor.record_ids),
            "records": [cursor.project(record) for record in found
                        if record and (cursor.all_rows or not record.get("IsDeleted"))]}
        if not body["done"]:
            body["nextRecordsUrl"] = f"/services/data/v{version}/query/{cursor.id}-{end}"
        return body


class _Plan:
    """One parsed query, resolved against the schema."""

    def __init__(self, queries, text, query, user_id, version, all_rows, sobject=None):
        self.queries, self.org, self.text, self.query = queries, queries.org, text, query
        self.user_id, self.version, self.all_rows = user_id, version, all_rows
        self.sobject = sobject or object_of(self.org, text, query.source, query.source_at)
        if query.offset > MAX_OFFSET:
            raise SalesforceError(
                400, "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
        self.conditions = Conditions(self.org, text, self.sobject, self._semi_join)
        self.predicate = self.conditions.predicate(query.where)
        self.order = [(self._orderable(term.path), term) for term in query.order]
        self.aggregates = [item for item in query.fields if isinstance(item, Aggregate)]
        if query.group and not self.aggregates:
            raise malformed_query("Group by without an aggregate is not supported here")
        self.project = None if self.aggregates else self._projector()

    def _resolve(self, path):
        return resolve(self.org, self.text, self.sobject, path)

    def _orderable(self, path):
        found = self._resolve(path)
        if not found.field.sortable:
            raise invalid_field(f"field '{found.field.name}' can not be sorted in a query call")
        return found

    def _semi_join(self, query):
        """Return the values of the single column of an inner query."""
        plan = _Plan(self.queries, self.text, query, self.user_id, self.version, self.all_rows)
        if len(query.fields) != 1 or not isinstance(query.fields[0], Path):
            raise malformed_query("Semi-join sub-selects must select exactly one field")
        read = plan._resolve(query.fields[0]).read
        return [read(record) for record in plan.records()]

    # -- rows ---------------------------------------------------------------

    def records(self, base=None):
        """Return the matching records in order, offset and limit applied.

        :param base: only look among these (children of one parent).
        """
        query = self.query
        ordered, source = self._source() if base is None else (False, base)
        stop = None
        if query.limit is not None and (ordered or not self.order):
            stop = query.offset + query.limit
        rows = []
        for record in source:
            if (self.all_rows or not record.get("IsDeleted")) and self.predicate(record):
                rows.append(record)
                if len(rows) == stop:
                    break
        if not ordered:
            rows = self._sorted(rows)
        end = None if query.limit is None else query.offset + query.limit
        return rows[query.offset:end]

    def _source(self):
        """Return ``(already in order, records to test)``."""
        store, target = self.org.store, kind(self.sobject.name)
        narrowed = self.conditions.candidates(self.query.where)
        if narrowed is not None:
            found = (store.get(target, record_id) for record_id in sorted(narrowed))
            return False, [record for record in found if record is not None]
        bound = self.conditions.lower_bound(self.query.where)
        ordered = self._follows_index()
        if bound is None and not ordered:
            return False, store.scan(target)
        descending = bool(self.order) and self.order[0][1].descending
        return ordered, store.range(
            target, "SystemModstamp", low=bound, reverse=ordered and descending)

    def _follows_index(self):
        """Tell whether ORDER BY is SystemModstamp [, Id] in one direction."""
        names = [found.names for found, _term in self.order]
        directions = {term.descending for _found, term in self.order}
        return names in ([("SystemModstamp",)], [("SystemModstamp",), ("Id",)]) and len(directions) == 1

    def _sorted(self, rows):
        for found, term in reversed(self.order):
            text = found.field.type in TEXTUAL
            nulls_first = term.nulls_first if term.nulls_first is not None else True
            # ``reverse`` turns the null marker round as well.
            null_rank = 0 if nulls_first != term.descending else 2

            def key(record, read=found.read, text=text, null_rank=null_rank):
                value = read(record)
                if value is None:
                    return (null_rank, 0)
                return (1, value.lower() if text else value)
            rows = sorted(rows, key=key, reverse=term.descending)
        return rows

    # -- columns ------------------------------------------------------------

    def _projector(self):
        writers, seen = [], set()
        for item in self._select_list():
            if isinstance(item, Query):
                writers.append(self._child_writer(item))
                continue
            found = self._resolve(item)
            if found.names in seen:
                raise invalid_field(f"duplicate field selected: {'.'.join(found.names)}")
            seen.add(found.names)
            writers.append(self._field_writer(item, found))

        def project(record):
            answer = {"attributes": self._attributes(self.sobject, record["Id"])}
            for write in writers:
                write(record, answer)
            return answer
        return project

    def _select_list(self):
        for item in self.query.fields:
            if not isinstance(item, FieldSet):
                yield item
                continue
            if item.which != "STANDARD" and not 0 <= (self.query.limit or 201) <= 200:
                raise malformed_query(
                    "The SOQL FIELDS function must have a LIMIT of at most 200")
            for field in self.sobject.fields.values():
                if item.which == "ALL" or (item.which == "CUSTOM") == field.custom:
                    yield Path((field.name,))

    def _attributes(self, sobject, record_id):
        return {"type": sobject.name,
                "url": f"/services/data/v{self.version}/sobjects/{sobject.name}/{record_id}"}

    def _field_writer(self, path, found):
        if len(found.names) == 1:
            field = found.field

            def write(record, answer):
                answer[field.name] = show(field, record)
            return write
        return self._parent_writer(self.sobject, path.parts)

    def _parent_writer(self, sobject, parts):
        """Return a writer of ``Account.Owner.Name`` as nested objects; no parent is null."""
        reference = sobject.parents[parts[0].lower()]

        def write(record, answer):
            record_id = record.get(reference.name)
            target = self.org.schema.of_id(record_id) if record_id else None
            parent = self.org.get(target.name, record_id) if target else None
            if parent is None:
                answer.setdefault(reference.relationship, None)
                return
            if answer.get(reference.relationship) is None:
                answer[reference.relationship] = {"attributes": self._attributes(target, record_id)}
            nested = answer[reference.relationship]
            if len(parts) > 2:
                self._parent_writer(target, parts[1:])(parent, nested)
                return
            field = target.field(parts[1])
            if field is not None:
                nested[field.name] = show(field, parent)
        return write

    def _child_writer(self, query):
        found = self.org.schema.child(self.sobject.name, query.source)
        if found is None:
            raise invalid_type(
                f"Didn't understand relationship '{query.source}' in FROM part of query call. If"
                " you are attempting to use a custom relationship, be sure to append the '__r'"
                " after the custom relationship name. Please reference your WSDL or the describe"
                " call for the appropriate names.")
        child, reference = found
        if any(isinstance(item, Query) for item in query.fields):
            raise malformed_query("Nesting of child queries is too deep here")
        plan = _Plan(self.queries, self.text, query, self.user_id, self.version, self.all_rows, child)
        name = reference.child_relationship
        store, target = self.org.store, kind(child.name)

        def write(record, answer):
            children = store.lookup(target, reference.name, record["Id"])
            rows = plan.records(sorted(children, key=lambda child: child["Id"]))
            answer[name] = plan._nested(rows) if rows else None
        return write

    def _nested(self, rows):
        """Return a child result, with a cursor of its own when it is long."""
        if len(rows) <= MAX_BATCH:
            return {"totalSize": len(rows), "done": True,
                    "records": [self.project(row) for row in rows]}
        cursor = self.queries._open(self, [row["Id"] for row in rows], MAX_BATCH)
        return self.queries._page(cursor, 0, self.version)

    # -- aggregates ---------------------------------------------------------

    def aggregate(self):
        """Return the body of a query with aggregate functions."""
        rows = self._matching()
        first = self.aggregates[0]
        if first.function == "COUNT" and first.path is None:
            limit = self.query.limit
            total = len(rows) if limit is None else min(limit, len(rows))
            return {"totalSize": total, "done": True, "records": []}
        groups = {}
        keys = [self._resolve(path) for path in self.query.group]
        for row in rows:
            groups.setdefault(tuple(key.read(row) for key in keys), []).append(row)
        if not keys and not groups:
            groups[()] = []
        records = [self._aggregate_row(keys, *group) for group in groups.items()]
        return {"totalSize": len(records), "done": True, "records": records}

    def _matching(self):
        _ordered, source = self._source()
        return [record for record in source
                if (self.all_rows or not record.get("IsDeleted")) and self.predicate(record)]

    def _aggregate_row(self, keys, values, rows):
        answer = {"attributes": {"type": "AggregateResult"}}
        grouped = {key.names: value for key, value in zip(keys, values, strict=True)}
        number = 0
        for item in self.query.fields:
            if isinstance(item, Aggregate):
                answer[item.alias or f"expr{number}"] = self._computed(item, rows)
                number += item.alias is None
                continue
            found = self._resolve(item)
            if found.names not in grouped:
                raise malformed_query(
                    f"Field must be grouped or aggregated: {'.'.join(found.names)}")
            answer[found.field.name] = _plain(grouped[found.names])
        return answer

    def _computed(self, item, rows):
        if item.path is None:
            return len(rows)
        read = self._resolve(item.path).read
        values = [value for value in map(read, rows) if value is not None]
        if item.function == "COUNT":
            return len(values)
        if item.function == "COUNT_DISTINCT":
            return len(set(values))
        if not values:
            return None
        if item.function in ("MIN", "MAX"):
            return _plain(min(values) if item.function == "MIN" else max(values))
        total = sum(values, Decimal(0))
        return _plain(total if item.function == "SUM" else total / len(values))


def _plain(value):
    return float(value) if isinstance(value, Decimal) else value
