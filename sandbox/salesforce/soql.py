"""A parser for SOQL: text in, syntax tree out. Names are checked by the query planner."""

import dataclasses
import re

from .errors import malformed_query

MAX_LENGTH = 100_000

_TOKEN = re.compile(r"""
    (?P<space>\s+)
  | (?P<string>'(?:[^'\\]|\\.)*')
  | (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
  | (?P<date>\d{4}-\d\d-\d\d)
  | (?P<number>[+-]?\d+(?:\.\d+)?)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<symbol><=|>=|!=|<>|[=<>(),.:])
""", re.VERBOSE)

_ESCAPES = {
    "n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\",
    "N": "\n", "R": "\r", "T": "\t", "B": "\b", "F": "\f"}

_COMPARE = frozenset({"=", "!=", "<>", "<", "<=", ">", ">="})

#: Words that cannot be an object alias.
_RESERVED = frozenset({
    "WHERE", "ORDER", "LIMIT", "OFFSET", "GROUP", "HAVING", "FOR", "WITH", "USING", "ALL", "AND",
    "OR", "NOT", "IN", "LIKE", "FROM", "SELECT"})

AGGREGATES = frozenset({"COUNT", "COUNT_DISTINCT", "SUM", "MIN", "MAX", "AVG"})


@dataclasses.dataclass(frozen=True)
class Path:
    """A field path: ``("Account", "Name")``; ``at`` is its offset in the text."""

    parts: tuple
    at: int = 0

    def __str__(self):
        return ".".join(self.parts)


@dataclasses.dataclass(frozen=True)
class Literal:
    """A constant. kind: string | number | boolean | null | date | datetime | period."""

    kind: str
    value: object


@dataclasses.dataclass(frozen=True)
class Comparison:
    """``path op value``; for IN and NOT IN the value is a tuple of literals or a Query."""

    path: Path
    op: str
    value: object


@dataclasses.dataclass(frozen=True)
class Logic:
    """AND or OR of several conditions."""

    op: str
    items: tuple


@dataclasses.dataclass(frozen=True)
class Not:
    """Negation."""

    item: object


@dataclasses.dataclass(frozen=True)
class Aggregate:
    """``COUNT()``, ``SUM(Amount) total``…; path None only for COUNT()."""

    function: str
    path: Path | None
    alias: str | None = None


@dataclasses.dataclass(frozen=True)
class FieldSet:
    """``FIELDS(ALL | STANDARD | CUSTOM)``."""

    which: str


@dataclasses.dataclass(frozen=True)
class Order:
    """One ORDER BY term; ``nulls_first`` None means the default (first)."""

    path: Path
    descending: bool = False
    nulls_first: bool | None = None


@dataclasses.dataclass(frozen=True)
class Query:
    """A whole SELECT. ``fields`` holds Path, Aggregate, FieldSet and (child) Query."""

    fields: tuple
    source: str
    source_at: int
    where: object = None
    group: tuple = ()
    order: tuple = ()
    limit: int | None = None
    offset: int = 0
    all_rows: bool = False


def parse(text):
    """Parse one SELECT statement.

    :raises SalesforceError: MALFORMED_QUERY.
    """
    if not text or not text.strip():
        raise malformed_query("unexpected token: <EOF>")
    if len(text) > MAX_LENGTH:
        raise malformed_query("SOQL statements cannot be longer than 100000 characters.")
    return _Parser(text).statement()


def unescape(raw):
    """Return the text that the inside of a quoted string stands for.

    :raises SalesforceError: MALFORMED_QUERY for an unknown escape.
    """
    return re.sub(r"\\(.)", _unescape_one, raw, flags=re.DOTALL)


def _unescape_one(match):
    if match[1] in ("_", "%"):
        return match[1]
    if match[1] not in _ESCAPES:
        raise malformed_query(f"Invalid string literal: illegal escape sequence \\{match[1]}")
    return _ESCAPES[match[1]]


def like_pattern(raw):
    """Return a compiled, case-insensitive regular expression of a LIKE literal's inside."""
    pieces = []
    for match in re.finditer(r"\\(.)|(.)", raw, flags=re.DOTALL):
        if match[1] is not None:
            pieces.append(re.escape(_unescape_one(match)))
        else:
            pieces.append({"%": ".*", "_": "."}.get(match[2], re.escape(match[2])))
    return re.compile("".join(pieces), re.IGNORECASE | re.DOTALL)


class _Parser:
    def __init__(self, text):
        self.text = text
        self.tokens = list(self._scan())
        self.position = 0

    def _scan(self):
        at = 0
        while at < len(self.text):
            match = _TOKEN.match(self.text, at)
            if not match:
                raise malformed_query(f"unexpected char: '{self.text[at]}' at offset {at}")
            if match.lastgroup != "space":
                yield match.lastgroup, match.group(), at
            at = match.end()
        yield "end", "<EOF>", at

    # -- tokens -------------------------------------------------------------

    def peek(self, ahead=0):
        return self.tokens[min(self.position + ahead, len(self.tokens) - 1)]

    def take(self):
        token = self.peek()
        self.position += 1
        return token

    def at_word(self, *words, ahead=0):
        kind, text, _at = self.peek(ahead)
        return kind == "name" and text.upper() in words

    def at_symbol(self, symbol):
        return self.peek()[0] == "symbol" and self.peek()[1] == symbol

    def skip_word(self, word):
        if self.at_word(word):
            self.position += 1
            return True
        return False

    def skip_symbol(self, symbol):
        if self.at_symbol(symbol):
            self.position += 1
            return True
        return False

    def need_word(self, word):
        if not self.skip_word(word):
            self.unexpected()

    def need_symbol(self, symbol):
        if not self.skip_symbol(symbol):
            self.unexpected()

    def need_name(self):
        kind, text, at = self.take()
        if kind != "name":
            self.position -= 1
            self.unexpected()
        return text, at

    def unexpected(self):
        _kind, text, at = self.peek()
        line = self.text.count("\n", 0, at) + 1
        column = at - (self.text.rfind("\n", 0, at) + 1) + 1
        raise malformed_query(
            f"\n{self.text[max(0, at - 40):at + 40]}\n ^\nERROR at Row:{line}:Column:{column}\n"
            f"unexpected token: '{text}'")

    # -- grammar ------------------------------------------------------------

    def statement(self):
        query = self.query()
        if self.peek()[0] != "end":
            self.unexpected()
        return query

    def query(self):
        self.need_word("SELECT")
        fields = [self.select_item()]
        while self.skip_symbol(","):
            fields.append(self.select_item())
        self.need_word("FROM")
        source, source_at = self.need_name()
        alias = self.alias()
        where = self.condition() if self.skip_word("WHERE") else None
        group = self.paths_by("GROUP")
        order = self.orders()
        limit = self.whole_number() if self.skip_word("LIMIT") else None
        offset = self.whole_number() if self.skip_word("OFFSET") else 0
        all_rows = self.tail()
        query = Query(tuple(fields), source, source_at, where, group, order, limit, offset, all_rows)
        return _without_alias(query, alias) if alias else query

    def alias(self):
        self.skip_word("AS")
        if self.peek()[0] == "name" and self.peek()[1].upper() not in _RESERVED:
            return self.take()[1]
        return None

    def tail(self):
        """FOR VIEW / FOR REFERENCE change nothing here; ALL ROWS includes deleted rows."""
        if self.skip_word("FOR"):
            word, _at = self.need_name()
            if word.upper() not in ("VIEW", "REFERENCE", "UPDATE"):
                self.position -= 1
                self.unexpected()
        if self.skip_word("ALL"):
            self.need_word("ROWS")
            return True
        return False

    def select_item(self):
        if self.skip_symbol("("):
            child = self.query()
            self.need_symbol(")")
            return child
        following = self.peek(1)
        if self.peek()[0] == "name" and following[0] == "symbol" and following[1] == "(":
            return self.function()
        return self.path()

    def function(self):
        name, _at = self.need_name()
        name = name.upper()
        self.need_symbol("(")
        if name == "FIELDS":
            which, _at = self.need_name()
            self.need_symbol(")")
            if which.upper() not in ("ALL", "STANDARD", "CUSTOM"):
                raise malformed_query(f"FIELDS({which}) is not supported")
            return FieldSet(which.upper())
        if name not in AGGREGATES:
            raise malformed_query(f"unexpected token: '{name}('")
        path = None if name == "COUNT" and self.at_symbol(")") else self.path()
        self.need_symbol(")")
        alias = None
        if self.peek()[0] == "name" and self.peek()[1].upper() not in _RESERVED:
            alias = self.take()[1]
        return Aggregate(name, path, alias)

    def path(self):
        name, at = self.need_name()
        if name.upper() in _RESERVED:
            self.position -= 1
            self.unexpected()
        parts = [name]
        while self.skip_symbol("."):
            parts.append(self.need_name()[0])
        return Path(tuple(parts), at)

    def paths_by(self, word):
        if not self.skip_word(word):
            return ()
        self.need_word("BY")
        paths = [self.path()]
        while self.skip_symbol(","):
            paths.append(self.path())
        return tuple(paths)

    def orders(self):
        if not self.skip_word("ORDER"):
            return ()
        self.need_word("BY")
        orders = [self.order()]
        while self.skip_symbol(","):
            orders.append(self.order())
        return tuple(orders)

    def order(self):
        path = self.path()
        descending = False
        if self.at_word("ASC", "DESC"):
            descending = self.take()[1].upper() == "DESC"
        nulls_first = None
        if self.skip_word("NULLS"):
            word, _at = self.need_name()
            if word.upper() not in ("FIRST", "LAST"):
                self.position -= 1
                self.unexpected()
            nulls_first = word.upper() == "FIRST"
        return Order(path, descending, nulls_first)

    def whole_number(self):
        kind, text, _at = self.take()
        if kind != "number" or not text.isdigit():
            self.position -= 1
            self.unexpected()
        return int(text)

    def condition(self):
        """One level of AND or OR; mixing them needs parentheses, as in Salesforce."""
        items = [self.term()]
        operator = None
        while self.at_word("AND", "OR"):
            word = self.peek()[1].upper()
            if operator not in (None, word):
                self.unexpected()
            operator = word
            self.position += 1
            items.append(self.term())
        return items[0] if len(items) == 1 else Logic(operator, tuple(items))

    def term(self):
        if self.skip_word("NOT"):
            return Not(self.term())
        if self.skip_symbol("("):
            inner = self.condition()
            self.need_symbol(")")
            return inner
        return self.comparison()

    def comparison(self):
        path = self.path()
        kind, text, _at = self.peek()
        if kind == "symbol" and text in _COMPARE:
            self.position += 1
            return Comparison(path, "!=" if text == "<>" else text, self.literal())
        if self.skip_word("LIKE"):
            literal = self.literal()
            if literal.kind != "string":
                raise malformed_query("LIKE needs a string")
            return Comparison(path, "LIKE", literal)
        if self.skip_word("IN"):
            return Comparison(path, "IN", self.in_list())
        if self.at_word("NOT") and self.at_word("IN", ahead=1):
            self.position += 2
            return Comparison(path, "NOT IN", self.in_list())
        return self.unexpected()

    def in_list(self):
        self.need_symbol("(")
        if self.at_word("SELECT"):
            value = self.query()
        else:
            literals = [self.literal()]
            while self.skip_symbol(","):
                literals.append(self.literal())
            value = tuple(literals)
        self.need_symbol(")")
        return value

    def literal(self):
        """A string literal keeps its escapes (LIKE reads them differently)."""
        kind, text, _at = self.take()
        if kind == "string":
            return Literal("string", text[1:-1])
        if kind in ("number", "date", "datetime"):
            return Literal(kind, text)
        if kind == "name":
            return self.word_literal(text.upper())
        self.position -= 1
        return self.unexpected()

    def word_literal(self, word):
        if word in ("TRUE", "FALSE"):
            return Literal("boolean", word == "TRUE")
        if word == "NULL":
            return Literal("null", None)
        count = None
        if self.skip_symbol(":"):
            count = self.whole_number()
        if (word in PERIODS) != (count is None) or word not in PERIODS | COUNTED_PERIODS:
            self.position -= 1
            self.unexpected()
        return Literal("period", (word, count))


PERIODS = frozenset({"TODAY", "YESTERDAY", "TOMORROW", "THIS_WEEK", "THIS_MONTH", "LAST_MONTH",
                     "NEXT_MONTH", "THIS_YEAR", "LAST_YEAR", "NEXT_YEAR"})
COUNTED_PERIODS = frozenset({"LAST_N_DAYS", "NEXT_N_DAYS"})


def _without_alias(query, alias):
    """Return the query with ``alias.`` taken off its paths."""
    def strip(node):
        if isinstance(node, Path) and len(node.parts) > 1 and node.parts[0].lower() == alias.lower():
            return Path(node.parts[1:], node.at)
        if isinstance(node, tuple):
            return tuple(strip(item) for item in node)
        if isinstance(node, (Comparison, Logic, Not, Aggregate, Order)):
            return type(node)(**{
                item.name: strip(getattr(node, item.name)) for item in dataclasses.fields(node)})
        return node
    return dataclasses.replace(
        query, fields=strip(query.fields), where=strip(query.where), group=strip(query.group),
        order=strip(query.order))
