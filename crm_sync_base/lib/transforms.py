"""Field transforms: one pure, typed function per way a value crosses the border.

Inbound functions take what the provider sent and return what Odoo stores, or a
`Reference`, `Lookup` or `Money` that the planner resolves for a whole batch at once.
Outbound functions take what Odoo stores and return what the provider expects.
A value that cannot cross raises `TransformProblem`; it is never guessed. `TRANSFORMS`
describes all of them: for people, for the checks of a mapping, and for the tests.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from . import transforms_money as money_
from . import transforms_text as text_
from . import transforms_values as values_
from .transform_types import (
    Context,
    Function,
    Lookup,
    Money,
    Reference,
    Transform,
    TransformProblem,
    as_text,
)

__all__ = [
    "BY_ITEM",
    "CASTS",
    "INBOUND",
    "OUTBOUND",
    "TRANSFORMS",
    "Context",
    "Lookup",
    "Money",
    "Reference",
    "Transform",
    "TransformProblem",
    "named_paths",
    "problem_of",
]

# --- What arguments may be ---


def _check_zone(argument: str) -> str:
    try:
        ZoneInfo(argument)
    except (KeyError, ValueError, OSError):
        return f"“{argument}” is not a time zone, e.g. Europe/Brussels"
    return ""


def _check_factor(argument: str) -> str:
    try:
        factor = Decimal(argument)
    except InvalidOperation:
        factor = Decimal(0)
    return "" if factor.is_finite() and factor else f"“{argument}” is not a factor, e.g. 100"


def _check_format(argument: str) -> str:
    sample = date(2026, 11, 22)
    try:
        kept = datetime.strptime(sample.strftime(argument), argument).date() == sample
    except ValueError:
        kept = False
    return "" if kept else f"“{argument}” does not spell a day, e.g. %d.%m.%Y"


# --- The catalogue ---

TEXTS = frozenset({"char", "text", "html", "selection"})
NUMBERS = frozenset({"float", "monetary", "integer"})
DAYS = frozenset({"date"})
MOMENTS = frozenset({"datetime"})
LINKS = frozenset({"many2one", "many2many", "one2many", "many2one_reference"})

_CATALOGUE = (
    Transform(
        "direct", "As it is", "The value, without the white space around a text.", values_.direct, values_.out_direct,
        reversible=True, example=(" Acme ", "", "Acme"),
    ),
    Transform(
        "text", "Text, cleaned", "A text without needless white space and invisible characters.", text_.text, None,
        TEXTS, argument=f"What to do, in this order: {', '.join(text_.OPERATIONS)}, first:80. Empty: collapse.",
        check=text_.check_operations, example=("  ACME\u200b   nv ", "collapse lower", "acme nv"),
    ),
    Transform(
        "number", "Number or amount", "An exact decimal number.", values_.number, values_.out_number,
        NUMBERS | TEXTS, reversible=True, example=("19.990", "", Decimal("19.990")),
    ),
    Transform(
        "integer", "Whole number", "A whole number; one with a fraction is refused.",
        values_.integer, values_.out_number, NUMBERS | TEXTS, reversible=True, example=("3.0", "", 3),
    ),
    Transform(
        "scale", "Number times a factor", "A number in another unit: a share of 1 as a percentage, say.",
        values_.scale, values_.out_scale, NUMBERS, argument="The factor: 100 makes 12.5 of 0.125.", needs_argument=True,
        reversible=True, check=_check_factor, example=("0.125", "100", Decimal("12.500")),
    ),
    Transform(
        "money", "Amount with currency",
        "An amount, refused if its currency is not the record's or if it has more decimals than the currency.",
        money_.money, money_.out_money, NUMBERS - {"integer"},
        argument="Path of the currency code in the same document, or =EUR.", needs_argument=True, reversible=True,
        example=("19.99", "=EUR", Money(Decimal("19.99"), "EUR")),
    ),
    Transform(
        "money_minor", "Amount in smallest units, with currency", "The same for amounts that count cents.",
        money_.money_minor, money_.out_money_minor, NUMBERS - {"integer"},
        argument="Path of the currency code in the same document, or =EUR.", needs_argument=True, reversible=True,
        example=(1999, "=EUR", Money(Decimal(1999), "EUR", minor=True)),
    ),
    Transform(
        "boolean", "Yes or no", "True or false, from the usual spellings.", values_.boolean, values_.boolean,
        frozenset({"boolean"}), reversible=True, example=("yes", "", True),
    ),
    Transform(
        "date", "Date", "A day; of a moment, the day in a time zone.", values_.day, values_.out_direct, DAYS,
        argument="Time zone of moments, e.g. Europe/Brussels. Empty: UTC.", reversible=True, check=_check_zone,
        example=("2026-12-31T23:30:00Z", "Europe/Brussels", date(2027, 1, 1)),
    ),
    Transform(
        "date_text", "Date, written in another way", "A day that is spelled in its own way.",
        values_.written_day, values_.out_written_day, DAYS, argument="How it is written, e.g. %d.%m.%Y.",
        needs_argument=True, reversible=True, check=_check_format,
        example=("31.12.2026", "%d.%m.%Y", date(2026, 12, 31)),
    ),
    Transform(
        "datetime", "Date and time", "A moment, kept in UTC.", values_.moment, values_.out_moment, MOMENTS,
        argument="Time zone of moments that do not say theirs, e.g. Europe/Brussels. Empty: UTC.",
        reversible=True, check=_check_zone,
        example=("2026-07-01 10:00:00", "Europe/Brussels", datetime(2026, 7, 1, 8)),
    ),
    Transform(
        "phone", "Phone number", "A phone number in international form.", text_.phone, text_.out_phone, TEXTS,
        argument="Country of numbers without a prefix: a path in the same document, or =BE.", reversible=True,
        example=("02 290 34 90", "=BE", "+32 2 290 34 90"),
    ),
    Transform(
        "email", "E-mail address", "One e-mail address, in lower case.", text_.email, values_.out_direct, TEXTS,
        reversible=True, example=("Ann <Ann@Example.com>", "", "ann@example.com"),
    ),
    Transform(
        "url", "Web address", "A web address with its scheme.", text_.url, values_.out_direct, TEXTS, reversible=True,
        example=("Example.com/", "", "https://example.com"),
    ),
    Transform(
        "rich_text", "Plain text into a rich text field", "Lines and special characters are shown as they are.",
        text_.rich_text, text_.out_rich_text, frozenset({"html"}), reversible=True,
        example=("a < b\nc", "", "<p>a &lt; b<br>c</p>"),
    ),
    Transform(
        "constant", "Constant", "Always the same.", values_.constant, values_.constant, argument="The value.",
        example=("whatever", "crm", "crm"),
    ),
    Transform(
        "template", "Text from several fields",
        "Fields in braces, {Path|else} for what stands in for an empty one; a part in square brackets goes when "
        "one of its fields is empty.",
        text_.template, text_.template, TEXTS, argument="e.g. {FirstName} {LastName}[ ({Title})]",
        needs_argument=True, check=text_.check_template,
    ),
    Transform(
        "expression", "Formula", "A formula over the value and other fields of the document.",
        text_.expression, text_.out_expression,
        argument='e.g. round(value * field("Rate") / 100, 2) if field("Rate") else value', needs_argument=True,
        check=text_.check_expression, example=("8", "value * 2", Decimal(16)),
    ),
    Transform(
        "value_map", "Value map", "The counterpart of the value in a table; a missing one is asked for.",
        values_.value_map, values_.out_value_map, reversible=True,
    ),
    Transform(
        "reference", "Linked remote record", "The Odoo record that is bound to another remote record.",
        values_.reference, values_.out_direct, LINKS, argument="Its remote object, e.g. Account.", needs_argument=True,
        reversible=True, example=("001", "Account", Reference("Account", "001")),
    ),
    Transform(
        "lookup", "Odoo record found by a field", "The one Odoo record of which a field has this value.",
        values_.lookup, values_.out_direct, LINKS, argument="The field that identifies it. Empty: its name.",
        reversible=True, example=("EUR", "name", Lookup("name", "EUR")),
    ),
    Transform(
        "country", "Country", "A country, by its ISO code or name; its code on the way out.",
        values_.country, values_.out_direct, LINKS, reversible=True, example=("Belgium", "", Lookup("code", "BE")),
    ),
    Transform(
        "state", "State within a country", "A state, by its code or name; its code on the way out.",
        values_.state, values_.out_direct, LINKS, argument="Path of the country in the same document.",
        needs_argument=True, reversible=True,
    ),
    Transform(
        "join", "List as one text", "The items of a list, separated; the list again on the way out.",
        text_.join, text_.split, TEXTS, argument="The separator. Empty: a semicolon.", reversible=True,
        example=(["a", "b"], "; ", "a; b"),
    ),
    Transform(
        "lines", "Lines", "A list of lines, each with rules of its own.", values_.direct, None,
        frozenset({"one2many"}), argument="Path of a line's own id.",
    ),
)

#: code → transform
TRANSFORMS: dict[str, Transform] = {one.code: one for one in _CATALOGUE}

#: code → inbound function
INBOUND: dict[str, Function] = {one.code: one.inbound for one in _CATALOGUE if one.inbound and one.code != "lines"}

#: code → outbound function; the others are one-way
OUTBOUND: dict[str, Function] = {one.code: one.outbound for one in _CATALOGUE if one.outbound}

#: kind of a field → how a text, or the result of a formula, becomes what it holds
CASTS: dict[str, Function] = {
    "boolean": values_.boolean,
    "integer": values_.integer,
    "number": values_.number,
    "date": values_.day,
    "datetime": values_.moment,
    "text": lambda value, context: as_text(value),
}

#: transforms whose items are taken one by one when the value is a list
BY_ITEM = frozenset({"value_map", "reference", "lookup", "country", "state"})


def named_paths(code: str, argument: str) -> tuple[str, ...]:
    """Return the paths that the argument of a rule reads, beside its own.

    For pickers, for the schema watch, and for what must be fetched.
    """
    if code == "template":
        return tuple(dict.fromkeys(text_.placeholders(argument)))
    if code == "expression":
        return text_.read(argument).fields
    if code in ("money", "money_minor", "phone", "state") and argument and not argument.startswith("="):
        return (argument,)
    return ()


def problem_of(code: str, argument: str, direction: str) -> str:
    """Return what is wrong with a rule's transform and argument, or an empty text.

    :param direction: inbound, outbound or both.
    """
    transform = TRANSFORMS[code]
    if direction == "both" and not transform.reversible:
        return f"“{transform.label}” works in one direction only: make a rule for each direction"
    if direction == "outbound" and transform.outbound is None:
        return f"“{transform.label}” works into Odoo only"
    if not argument:
        return f"“{transform.label}” needs an argument. {transform.argument}" if transform.needs_argument else ""
    return transform.check(argument) if transform.check else ""
