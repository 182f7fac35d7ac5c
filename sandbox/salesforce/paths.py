"""Resolve SOQL field paths against the schema into functions that read a record."""

import dataclasses
from collections.abc import Callable

from .errors import SalesforceError, invalid_field, invalid_type

_ADVICE = (" Please reference your WSDL or the describe call for the appropriate names.")


@dataclasses.dataclass(frozen=True)
class Resolved:
    """A path that exists: its canonical names, its last field, how to read it."""

    names: tuple
    field: object
    #: ``read(record) -> stored value or None``
    read: Callable


def _marked(text, at, message):
    """Return the vendor's message with the offending place marked."""
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    excerpt = text[max(0, at - 35):at + 35]
    return f"\n{excerpt}\n{' ' * min(at, 35)}^\nERROR at Row:{line}:Column:{column}\n{message}"


def object_of(org, text, name, at):
    """Return the object of a FROM clause.

    :raises SalesforceError: INVALID_TYPE.
    """
    sobject = org.schema.get(name)
    if sobject is None:
        raise invalid_type(_marked(
            text, at, f"sObject type '{name}' is not supported. If you are attempting to use a"
            " custom object, be sure to append the '__c' after the entity name." + _ADVICE))
    return sobject


def resolve(org, text, sobject, path):
    """Resolve a path that starts at an object.

    :raises SalesforceError: INVALID_FIELD for an unknown field or relationship.
    """
    if len(path.parts) > 6:
        raise invalid_field(f"Relationship path too long: {path}")
    first = path.parts[0]
    if len(path.parts) == 1:
        field = sobject.field(first)
        if field is None:
            raise _no_column(text, path, first, sobject)
        return Resolved((field.name,), field, _reader(field))
    reference = sobject.parents.get(first.lower())
    if reference is None:
        raise invalid_field(_marked(
            text, path.at, f"Didn't understand relationship '{first}' in field path. If you are"
            " attempting to use a custom relationship, be sure to append the '__r' after the"
            " custom relationship name." + _ADVICE))
    return _through(org, text, reference, dataclasses.replace(path, parts=path.parts[1:]))


def _through(org, text, reference, rest):
    targets, problem = {}, None
    for name in reference.reference_to:
        target = org.schema.get(name)
        if target is None:
            continue
        try:
            targets[target.name] = resolve(org, text, target, rest)
        except SalesforceError as error:  # the path may exist on another target
            problem = error
    if not targets:
        raise problem or _no_column(text, rest, rest.parts[0], reference)
    found = next(iter(targets.values()))

    def read(record):
        record_id = record.get(reference.name)
        if record_id is None:
            return None
        target = org.schema.of_id(record_id)
        inner = targets.get(target.name) if target else None
        parent = org.get(target.name, record_id) if inner else None
        return inner.read(parent) if parent else None

    return Resolved((reference.relationship, *found.names), found.field, read)


def _reader(field):
    name, default = field.name, field.default if field.type == "boolean" else None

    def read(record):
        value = record.get(name)
        return default if value is None else value
    return read


def _no_column(text, path, name, sobject):
    return invalid_field(_marked(
        text, path.at, f"No such column '{name}' on entity '{sobject.name}'. If you are"
        " attempting to use a custom field, be sure to append the '__c' after the custom field"
        " name." + _ADVICE))
