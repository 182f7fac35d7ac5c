"""Turn a WHERE tree into a predicate over records, and find what narrows the search."""

import operator
from datetime import date, timedelta
from decimal import Decimal

from . import ids
from .errors import SalesforceError, invalid_field, malformed_query
from .org import kind
from .paths import resolve
from .soql import Comparison, Literal, Logic, Not, Query, like_pattern, unescape
from .values import NUMERIC, TEXTUAL, parse_datetime, stamp

_OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_TYPE_NAMES = {"datetime": "dateTime", "int": "int", "currency": "currency"}


class Conditions:
    """Compiler of one query's WHERE clause."""

    def __init__(self, org, text, sobject, run_query):
        self.org, self.text, self.sobject = org, text, sobject
        #: ``run_query(Query) -> list of values`` for semi-joins.
        self.run_query = run_query

    def predicate(self, node):
        """Return ``f(record) -> bool``.

        :raises SalesforceError: unknown field, wrong literal type…
        """
        if node is None:
            return lambda record: True
        if isinstance(node, Not):
            inner = self.predicate(node.item)
            return lambda record: not inner(record)
        if isinstance(node, Logic):
            tests = [self.predicate(item) for item in node.items]
            if node.op == "AND":
                return lambda record: all(test(record) for test in tests)
            return lambda record: any(test(record) for test in tests)
        return self._comparison(node)

    def _comparison(self, node):
        found = resolve(self.org, self.text, self.sobject, node.path)
        field = found.field
        if not field.filterable or field.type == "address":
            raise invalid_field(f"field '{field.name}' can not be filtered in a query call")
        if node.op == "LIKE":
            return self._like(found, node)
        if node.op in ("IN", "NOT IN"):
            return self._membership(found, node)
        if node.value.kind == "period":
            return self._period(found, node)
        return self._scalar(found, node.op, self.value(field, node.value))

    def _scalar(self, found, op, value):
        read = _folded(found)
        if op == "=":
            return lambda record: read(record) == value
        if op == "!=":
            return lambda record: read(record) != value
        if value is None:
            raise malformed_query(f"unexpected token: 'null' after {op}")
        if found.field.type == "boolean":
            raise _bad_operator(found.field)
        compare = _OPERATORS[op]

        def test(record):
            actual = read(record)
            return actual is not None and compare(actual, value)
        return test

    def _like(self, found, node):
        if found.field.type not in TEXTUAL:
            raise _bad_operator(found.field)
        pattern, read = like_pattern(node.value.value), found.read

        def test(record):
            actual = read(record)
            return actual is not None and pattern.fullmatch(actual) is not None
        return test

    def _membership(self, found, node):
        if isinstance(node.value, Query):
            values = frozenset(self.run_query(node.value))
        else:
            values = frozenset(self.value(found.field, literal) for literal in node.value)
        read, wanted = _folded(found), node.op == "IN"
        return lambda record: (read(record) in values) == wanted

    def _period(self, found, node):
        if found.field.type not in ("date", "datetime"):
            raise _wrong_type(found.field)
        first, last = (day.isoformat() for day in period(self.org.clock.now().date(), *node.value.value))
        read = found.read
        tests = {
            "=": lambda day: first <= day <= last, "!=": lambda day: not first <= day <= last,
            "<": lambda day: day < first, "<=": lambda day: day <= last,
            ">": lambda day: day > last, ">=": lambda day: day >= first}
        test = tests[node.op]

        def check(record):
            actual = read(record)
            return test(actual[:10]) if actual is not None else node.op == "!="
        return check

    def value(self, field, literal):
        """Return a literal in the form that ``_folded`` readers give.

        :raises SalesforceError: the literal's type does not fit the field.
        """
        if literal.kind == "null":
            return None
        if field.type in TEXTUAL:
            if literal.kind != "string":
                raise _wrong_type(field)
            return unescape(literal.value).lower()
        if field.type in ("id", "reference"):
            return self._id_value(field, literal)
        if field.type in NUMERIC or field.type == "int":
            if literal.kind != "number":
                raise _wrong_type(field)
            return Decimal(literal.value)
        if literal.kind != field.type:
            raise _wrong_type(field)
        if field.type == "datetime":
            return self._datetime_value(field, literal)
        return literal.value

    def _datetime_value(self, field, literal):
        moment = parse_datetime(literal.value)
        if moment is None:
            raise _wrong_type(field)
        return stamp(moment)

    def _id_value(self, field, literal):
        found = ids.normalise(unescape(literal.value)) if literal.kind == "string" else None
        if found is None and literal.value != "":
            raise SalesforceError(
                400, "INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {literal.value}")
        return found

    # -- narrowing ----------------------------------------------------------

    def candidates(self, node):
        """Return ids outside of which no record can match, or None when nothing narrows."""
        if isinstance(node, Logic):
            sets = [self.candidates(item) for item in node.items]
            if node.op == "AND":
                known = [found for found in sets if found is not None]
                return min(known, key=len) if known else None
            if any(found is None for found in sets):
                return None
            return set().union(*sets)
        if isinstance(node, Comparison) and len(node.path.parts) == 1:
            return self._indexed(node)
        return None

    def _indexed(self, node):
        field = self.sobject.field(node.path.parts[0])
        if field is None or node.op not in ("=", "IN") or isinstance(node.value, Query):
            return None
        literals = node.value if node.op == "IN" else (node.value,)
        if any(literal.kind not in ("string", "number") for literal in literals):
            return None
        values = {self.value(field, literal) for literal in literals}
        if field.name == "Id":
            return {value for value in values if value}
        target = kind(self.sobject.name)
        if field.name == "SystemModstamp" or not self.org.store.has_index(target, field.name):
            return None
        return {
            record["Id"] for value in values
            for record in self.org.store.lookup(target, field.name, value)}

    def lower_bound(self, node):
        """Return a SystemModstamp below which no record can match, or None."""
        if isinstance(node, Logic):
            bounds = [self.lower_bound(item) for item in node.items]
            if node.op == "AND":
                known = [bound for bound in bounds if bound is not None]
                return max(known) if known else None
            return None if None in bounds else min(bounds)
        if (isinstance(node, Comparison) and node.op in ("=", ">", ">=")
                and isinstance(node.value, Literal) and node.value.kind == "datetime"
                and tuple(part.lower() for part in node.path.parts) == ("systemmodstamp",)):
            return self._datetime_value(self.sobject.fields["SystemModstamp"], node.value)
        return None


def _folded(found):
    """Return a reader whose values compare as SOQL does: texts ignore case."""
    if found.field.type not in TEXTUAL:
        return found.read
    read = found.read

    def folded(record):
        value = read(record)
        return None if value is None else value.lower()
    return folded


def _wrong_type(field):
    name = _TYPE_NAMES.get(field.type, field.type)
    advice = (
        "should be enclosed in quotes" if field.type in TEXTUAL
        else "should not be enclosed in quotes")
    return invalid_field(
        f"value of filter criterion for field '{field.name}' must be of type {name} and {advice}")


def _bad_operator(field):
    return SalesforceError(
        400, "INVALID_QUERY_FILTER_OPERATOR", f"invalid operator on {field.type} field")


def period(today, word, count):
    """Return first and last day of a SOQL date literal such as ``LAST_N_DAYS:7``."""
    day = timedelta(days=1)
    if word == "LAST_N_DAYS":
        return today - count * day, today
    if word == "NEXT_N_DAYS":
        return today + day, today + count * day
    if word == "THIS_WEEK":
        first = today - ((today.weekday() + 1) % 7) * day
        return first, first + 6 * day
    scope, _line, unit = word.partition("_")
    step = {"LAST": -1, "THIS": 0, "NEXT": 1}.get(scope)
    if unit == "MONTH":
        return _months(today, step)
    if unit == "YEAR":
        return date(today.year + step, 1, 1), date(today.year + step, 12, 31)
    shifted = today + {"TODAY": 0, "YESTERDAY": -1, "TOMORROW": 1}[word] * day
    return shifted, shifted


def _months(today, step):
    index = today.year * 12 + today.month - 1 + step
    first = date(index // 12, index % 12 + 1, 1)
    following = date((index + 1) // 12, (index + 1) % 12 + 1, 1)
    return first, following - timedelta(days=1)
