"""Formulas of mapping rules: a small language, evaluated without Python's own evaluator.

The syntax is that of Python expressions; what they may hold is listed here and nothing
else is: no attributes, no indexing, no names but functions of this file, no loops. So a
formula cannot reach the process, ends after as many steps as it has parts, and gives the
same result for the same document always (there is no clock in it).

Numbers are `Decimal`, never floats. Sizes are bounded: of the formula, of texts, of
numbers.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import operator
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

MAX_LENGTH = 1000  # characters of a formula
MAX_PARTS = 200  # nodes of its tree
MAX_DEPTH = 40
MAX_TEXT = 20_000  # characters of any text that comes about
MAX_MAGNITUDE = 30  # digits before the point
ARITHMETIC = Context(prec=50)

Scope = dict[str, Any]  # "value" and "field"
Step = Callable[[Scope], Any]


class FormulaError(ValueError):
    """A formula that cannot be read or calculated; the text says why, in plain words."""


# --- Values ---


def _plain(value: Any) -> Any:
    """Return a value of a document as formulas know it."""
    if value is None or isinstance(value, (bool, date)):
        return value
    if isinstance(value, (int, float, Decimal)):
        return _bounded(Decimal(str(value)))
    if isinstance(value, str):
        return _short(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value[:1000]]
    raise FormulaError("a part of the document is no single value")


def _bounded(number: Decimal) -> Decimal:
    if not number.is_finite() or (number and abs(number.adjusted()) > MAX_MAGNITUDE):
        raise FormulaError("a number is too large or too small")
    return number


def _short(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise FormulaError("a text is too long")
    return text


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, list):
        return _short(", ".join(_text(item) for item in value))
    return value.isoformat() if isinstance(value, date) else value


def _number(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, str):
        with contextlib.suppress(InvalidOperation):
            return _bounded(Decimal(value.strip()))
    if value in (None, ""):
        raise FormulaError("a number is missing")
    raise FormulaError(f"“{_text(value)}” is not a number")


def _places(value: Any) -> int:
    number = _number(value)
    if number != number.to_integral_value() or abs(number) > MAX_TEXT:
        raise FormulaError(f"“{number}” is not a count")
    return int(number)


def _empty(value: Any) -> bool:
    return value is None or value in ("", [])


def _day(value: Any) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(_text(value).strip()[:10])
    except ValueError:
        raise FormulaError(f"“{_text(value)}” is not a date") from None


# --- Functions ---


def _replace(text: Any, old: Any, new: Any) -> str:
    text, old, new = _text(text), _text(old), _text(new)
    if not old:
        return text
    if len(text) + text.count(old) * len(new) > MAX_TEXT:
        raise FormulaError("a text is too long")
    return text.replace(old, new)


def _split(text: Any, separator: Any) -> list[str]:
    if not _text(separator):
        raise FormulaError("split needs a separator")
    return [item.strip() for item in _text(text).split(_text(separator))]


def _part(text: Any, separator: Any, position: Any) -> str:
    items, index = _split(text, separator), _places(position)
    if index == 0:
        raise FormulaError("positions begin with 1")
    index = index - 1 if index > 0 else len(items) + index
    return items[index] if 0 <= index < len(items) else ""


def _join(items: Any, separator: Any) -> str:
    items = items if isinstance(items, list) else [items]
    return _short(_text(separator).join(_text(item) for item in items if not _empty(item)))


def _round(value: Any, places: Any = Decimal(0)) -> Decimal:
    exponent = Decimal(1).scaleb(-_count(places, 20))
    return _bounded(_number(value).quantize(exponent, ROUND_HALF_UP, ARITHMETIC))


def _count(value: Any, most: int) -> int:
    found = _places(value)
    if not 0 <= found <= most:
        raise FormulaError(f"{found} is not between 0 and {most}")
    return found


def _whole(value: Any, how: str) -> Decimal:
    return _number(value).to_integral_value(how)


def _best(choose: Callable[..., Any], values: tuple[Any, ...]) -> Any:
    values = values[0] if len(values) == 1 and isinstance(values[0], list) else values
    values = [value for value in values if not _empty(value)]
    if not values:
        return None
    for other in values[1:]:
        _comparable(values[0], other)
    return choose(values)


def _add_days(value: Any, days: Any) -> date:
    try:
        return _day(value) + timedelta(days=_places(days))
    except OverflowError:
        raise FormulaError("a date is out of range") from None


#: name → (function, fewest arguments, most arguments, what it does)
FUNCTIONS: dict[str, tuple[Callable[..., Any], int, int, str]] = {
    "text": (_text, 1, 1, "text(x): as a text"),
    "number": (_number, 1, 1, "number(x): as an exact number"),
    "date": (_day, 1, 1, "date(x): the day of a date or moment"),
    "lower": (lambda t: _text(t).lower(), 1, 1, "lower(t)"),
    "upper": (lambda t: _text(t).upper(), 1, 1, "upper(t)"),
    "title": (lambda t: _text(t).title(), 1, 1, "title(t): Every Word In Capitals"),
    "trim": (lambda t: " ".join(_text(t).split()), 1, 1, "trim(t): no needless white space"),
    "length": (lambda t: Decimal(len(t if isinstance(t, list) else _text(t))), 1, 1, "length(t)"),
    "left": (lambda t, n: _text(t)[: _count(n, MAX_TEXT)], 2, 2, "left(t, n): the first n characters"),
    "right": (
        lambda t, n: _text(t)[max(len(_text(t)) - _count(n, MAX_TEXT), 0) :], 2, 2, "right(t, n): the last n characters"
    ),
    "replace": (_replace, 3, 3, "replace(t, old, new)"),
    "contains": (lambda t, p: _text(p) in _text(t), 2, 2, "contains(t, part)"),
    "starts": (lambda t, p: _text(t).startswith(_text(p)), 2, 2, "starts(t, part)"),
    "ends": (lambda t, p: _text(t).endswith(_text(p)), 2, 2, "ends(t, part)"),
    "digits": (lambda t: "".join(c for c in _text(t) if c.isdecimal()), 1, 1, "digits(t): its digits only"),
    "concat": (lambda *a: _short("".join(_text(x) for x in a)), 1, 20, "concat(a, b, …)"),
    "split": (_split, 2, 2, "split(t, separator): a list"),
    "part": (_part, 3, 3, "part(t, separator, n): the n-th part, the last one is -1"),
    "join": (_join, 2, 2, "join(list, separator): without empty items"),
    "round": (_round, 1, 2, "round(x, places): half away from zero"),
    "floor": (lambda x: _whole(x, ROUND_FLOOR), 1, 1, "floor(x)"),
    "ceil": (lambda x: _whole(x, ROUND_CEILING), 1, 1, "ceil(x)"),
    "abs": (lambda x: _number(x).copy_abs(), 1, 1, "abs(x)"),
    "min": (lambda *a: _best(min, a), 1, 20, "min(a, b, …): of what is not empty"),
    "max": (lambda *a: _best(max, a), 1, 20, "max(a, b, …): of what is not empty"),
    "coalesce": (
        lambda *a: next((x for x in a if not _empty(x)), None), 1, 20, "coalesce(a, b, …): the first that is not empty"
    ),
    "empty": (_empty, 1, 1, "empty(x)"),
    "days": (_add_days, 2, 2, "days(date, n): n days later"),
    "between": (
        lambda a, b: Decimal((_day(b) - _day(a)).days), 2, 2, "between(date, date): days from one to the other"
    ),
    "year": (lambda d: Decimal(_day(d).year), 1, 1, "year(date)"),
    "month": (lambda d: Decimal(_day(d).month), 1, 1, "month(date)"),
    "day": (lambda d: Decimal(_day(d).day), 1, 1, "day(date)"),
}


# --- Operators ---


def _add(a: Any, b: Any) -> Any:
    if isinstance(a, str) and isinstance(b, str):
        return _short(a + b)
    return _arithmetic(ARITHMETIC.add, a, b)


def _arithmetic(calculate: Callable[..., Decimal], a: Any, b: Any) -> Decimal:
    a, b = _number(a), _number(b)
    try:
        return _bounded(calculate(a, b))
    except (ArithmeticError, InvalidOperation):
        raise FormulaError("a division by zero, or a result that is no number") from None


def _comparable(a: Any, b: Any) -> None:
    kinds = [datetime if isinstance(x, datetime) else type(x) for x in (a, b)]
    if kinds[0] is not kinds[1] or kinds[0] in (list, bool, type(None)):
        raise FormulaError(f"“{_text(a)}” and “{_text(b)}” cannot be compared")


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def ordered(a: Any, b: Any) -> bool:
        _comparable(a, b)
        return compare(a, b)

    return ordered


def _within(a: Any, b: Any) -> bool:
    return a in b if isinstance(b, list) else _text(a) in _text(b)


_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: _add,
    ast.Sub: functools.partial(_arithmetic, ARITHMETIC.subtract),
    ast.Mult: functools.partial(_arithmetic, ARITHMETIC.multiply),
    ast.Div: functools.partial(_arithmetic, ARITHMETIC.divide),
    ast.Mod: functools.partial(_arithmetic, ARITHMETIC.remainder),
}
_UNARY: dict[type, Callable[[Any], Any]] = {
    ast.USub: lambda x: _number(x).copy_negate(),
    ast.UAdd: _number,
    ast.Not: lambda x: not x,
}
_COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: _ordered(operator.lt),
    ast.LtE: _ordered(operator.le),
    ast.Gt: _ordered(operator.gt),
    ast.GtE: _ordered(operator.ge),
    ast.In: _within,
    ast.NotIn: lambda a, b: not _within(a, b),
}


# --- Reading ---


class _Reader:
    """Turns the tree of a formula into steps; whatever it does not know is refused."""

    def __init__(self, source: str):
        self.source = source
        self.parts = 0
        self.fields: list[str] = []

    def step(self, node: ast.AST, depth: int = 0) -> Step:
        """Return the function that calculates a node."""
        self.parts += 1
        if self.parts > MAX_PARTS or depth > MAX_DEPTH:
            raise FormulaError("the formula is too long")
        read = getattr(self, f"_{type(node).__name__.lower()}", None)
        if read is None:
            raise FormulaError(f"“{self._quote(node)}” is not possible in a formula")
        return read(node, depth + 1)

    def _quote(self, node: ast.AST) -> str:
        return (ast.get_source_segment(self.source, node) or type(node).__name__)[:60]

    def _constant(self, node: ast.Constant, depth: int) -> Step:
        value = node.value
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            try:  # as it is written: a float would have lost digits by now
                value = _bounded(Decimal(self._quote(node).replace("_", "")))
            except InvalidOperation:
                raise FormulaError(f"“{self._quote(node)}” is not a number") from None
        elif not (value is None or isinstance(value, (str, bool))):
            raise FormulaError(f"“{self._quote(node)}” is not possible in a formula")
        return lambda scope: value

    def _name(self, node: ast.Name, depth: int) -> Step:
        if node.id != "value":
            hint = ", put texts in quotes" if node.id not in FUNCTIONS else ", it needs parentheses"
            raise FormulaError(f"“{node.id[:60]}” is not known{hint}")
        return lambda scope: scope["value"]

    def _call(self, node: ast.Call, depth: int) -> Step:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if node.keywords or any(isinstance(one, ast.Starred) for one in node.args):
            raise FormulaError(f"{name}: name the arguments one after another")
        if name == "field":
            return self._field(node)
        if name not in FUNCTIONS:
            raise FormulaError(f"there is no function “{self._quote(node.func)}”")
        function, fewest, most, text = FUNCTIONS[name]
        if not fewest <= len(node.args) <= most:
            raise FormulaError(f"{name} is used like this: {text}")
        arguments = [self.step(one, depth) for one in node.args]
        return lambda scope: function(*[argument(scope) for argument in arguments])

    def _field(self, node: ast.Call) -> Step:
        if len(node.args) != 1 or not isinstance(node.args[0], ast.Constant) or not isinstance(node.args[0].value, str):
            raise FormulaError('field is used like this: field("Account.Name")')
        path = node.args[0].value
        self.fields.append(path)
        return lambda scope: _plain(scope["field"](path))

    def _binop(self, node: ast.BinOp, depth: int) -> Step:
        calculate = _BINARY.get(type(node.op))
        if calculate is None:
            raise FormulaError(f"“{self._quote(node)}” is not possible in a formula")
        left, right = self.step(node.left, depth), self.step(node.right, depth)
        return lambda scope: calculate(left(scope), right(scope))

    def _unaryop(self, node: ast.UnaryOp, depth: int) -> Step:
        calculate = _UNARY.get(type(node.op))
        if calculate is None:
            raise FormulaError(f"“{self._quote(node)}” is not possible in a formula")
        operand = self.step(node.operand, depth)
        return lambda scope: calculate(operand(scope))

    def _boolop(self, node: ast.BoolOp, depth: int) -> Step:
        steps = [self.step(one, depth) for one in node.values]
        combine = all if isinstance(node.op, ast.And) else any
        return lambda scope: combine(step(scope) for step in steps)

    def _compare(self, node: ast.Compare, depth: int) -> Step:
        pairs = [(_COMPARE.get(type(op)), self.step(one, depth)) for op, one in zip(node.ops, node.comparators)]
        if any(compare is None for compare, _step in pairs):
            raise FormulaError(f"“{self._quote(node)}” is not possible in a formula")
        first = self.step(node.left, depth)

        def calculate(scope: Scope) -> bool:
            left = first(scope)
            for compare, step in pairs:
                right = step(scope)
                if not compare(left, right):
                    return False
                left = right
            return True

        return calculate

    def _ifexp(self, node: ast.IfExp, depth: int) -> Step:
        test, body, other = (self.step(one, depth) for one in (node.test, node.body, node.orelse))
        return lambda scope: body(scope) if test(scope) else other(scope)

    def _list(self, node: ast.List | ast.Tuple, depth: int) -> Step:
        steps = [self.step(one, depth) for one in node.elts]
        return lambda scope: [step(scope) for step in steps]

    _tuple = _list


class Formula:
    """A formula that was read; calculate it as often as you like.

    :param fields: paths that it reads, beside the value of its rule.
    """

    __slots__ = ("_step", "fields", "source")

    def __init__(self, source: str, step: Step, fields: list[str]):
        self.source = source
        self._step = step
        self.fields = tuple(dict.fromkeys(fields))

    def calculate(self, value: Any, field: Callable[[str], Any]) -> Any:
        """Return a text, `Decimal`, bool, date, list or None.

        :param value: the rule's own remote value, `value` in the formula.
        :param field: returns the value at a path of the document.
        :raises FormulaError: in plain words.
        """
        return self._step({"value": _plain(value), "field": field})


@functools.lru_cache(maxsize=1000)
def read(source: str) -> Formula:
    """Read a formula.

    :raises FormulaError: says what is wrong, in plain words.
    """
    if not source.strip():
        raise FormulaError("the formula is empty")
    if len(source) > MAX_LENGTH:
        raise FormulaError(f"the formula is longer than {MAX_LENGTH} characters")
    try:
        tree = ast.parse(source.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise FormulaError("the formula cannot be read") from None
    reader = _Reader(source.strip())
    return Formula(source, reader.step(tree.body), reader.fields)
