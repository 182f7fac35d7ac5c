"""The search endpoint: filters, sorting, paging, limits, and the index's lag."""

import json
from decimal import Decimal, InvalidOperation

from . import values
from .const import (
    SEARCH_BODY_LIMIT,
    SEARCH_FILTERS,
    SEARCH_FILTERS_PER_GROUP,
    SEARCH_GROUPS,
    SEARCH_PAGE_LIMIT,
    SEARCH_TOTAL_LIMIT,
)
from .errors import bad_request

_NO_VALUE = {"HAS_PROPERTY", "NOT_HAS_PROPERTY"}
_LISTS = {"IN", "NOT_IN"}
OPERATORS = _NO_VALUE | _LISTS | {
    "EQ", "NEQ", "LT", "LTE", "GT", "GTE", "BETWEEN", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"}

#: Results of that many queries are remembered, so that paging does not search again.
_REMEMBERED = 8


class Filter:
    """One condition on a property, ready to be applied to many records."""

    def __init__(self, spec, definition):
        self.name, self.operator = spec["propertyName"], spec["operator"]
        self.definition, self.convert = definition, _converter(definition)
        self.value = self._one(spec, "value")
        self.high = self._one(spec, "highValue") if self.operator == "BETWEEN" else None
        self.list = self._many(spec) if self.operator in _LISTS else None

    def _one(self, spec, key):
        if self.operator in _NO_VALUE | _LISTS:
            return None
        if spec.get(key) in (None, ""):
            raise bad_request(f"{key} is required for operator {self.operator} on {self.name}.")
        return self._converted(values.text_of(spec[key]))

    def _many(self, spec):
        if not isinstance(spec.get("values"), list) or not spec["values"]:
            raise bad_request(f"values is required for operator {self.operator} on {self.name}.")
        # Text in lists is compared with the lower-case value, so mixed case never matches.
        return {
            text if self.definition["type"] == "string" else self._converted(text)
            for text in map(values.text_of, spec["values"])
        }

    def _converted(self, text):
        try:
            return self.convert(text)
        except (ValueError, InvalidOperation):
            raise bad_request(f"'{text}' is not a valid value for {self.name}.") from None

    def matches(self, shown):
        """Tell whether a record (its ``Shown`` values) meets the condition."""
        text = shown.get(self.name)
        if self.operator == "HAS_PROPERTY":
            return bool(text)
        if self.operator == "NOT_HAS_PROPERTY":
            return not text
        if not text:
            return self.operator in ("NEQ", "NOT_IN", "NOT_CONTAINS_TOKEN")
        if self.operator in ("CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"):
            return self._has_token(text) == (self.operator == "CONTAINS_TOKEN")
        return self._compare(_kept(self.definition, self.convert, text))

    def _compare(self, value):
        operator = self.operator
        if operator in _LISTS:
            return (value in self.list) == (operator == "IN")
        if operator == "BETWEEN":
            return self.value <= value <= self.high
        return {
            "EQ": value == self.value, "NEQ": value != self.value,
            "LT": value < self.value, "LTE": value <= self.value,
            "GT": value > self.value, "GTE": value >= self.value,
        }[operator]

    def _has_token(self, text):
        wanted = self.value.lower() if isinstance(self.value, str) else str(self.value)
        tokens = text.lower().replace("@", " ").replace(".", " ").split() + [text.lower()]
        if "*" in wanted:
            start, _star, end = wanted.partition("*")
            return any(token.startswith(start) and token.endswith(end) for token in tokens)
        return wanted in tokens


def _converter(definition):
    """Return the function that makes a filter's text comparable.

    Numbers compare as numbers, dates by epoch milliseconds (as the filter must give them),
    enumerations exactly, other text without regard to case.
    """
    kind = definition["type"]
    if kind == "number":
        return Decimal
    if kind in ("date", "datetime"):
        return _milliseconds
    if kind in ("enumeration", "bool"):
        return str
    return str.lower


def _milliseconds(text):
    if not text.lstrip("-").isdigit():
        raise ValueError(text)
    return int(text)


def _kept(definition, convert, text):
    """Make a record's value comparable (dates are kept as ISO text, system ones as ms)."""
    if definition["type"] in ("date", "datetime"):
        return text if isinstance(text, int) else values.milliseconds_of(text)
    return convert(text)


class AssociatedFilter:
    """The pseudo property ``associations.<type>``."""

    def __init__(self, spec, portal, object_type):
        self.operator = spec["operator"]
        if self.operator not in ("EQ", "IN"):
            raise bad_request(f"Operator {self.operator} is not supported for {spec['propertyName']}.")
        self.associations, self.from_type = portal.associations, object_type.id
        self.target = portal.schema.type(spec["propertyName"].split(".", 1)[1]).id
        given = [spec.get("value")] if self.operator == "EQ" else spec.get("values") or []
        self.ids = {values.text_of(value) for value in given}

    def matches(self, shown):
        """Tell whether the record is associated with one of the ids."""
        found = self.associations.targets(self.from_type, shown.get("hs_object_id"), self.target)
        return not self.ids.isdisjoint(found)


class Shown:
    """A record's values, worked out one by one: most filters need few of them."""

    def __init__(self, portal, object_type, doc):
        self._portal, self._type, self._doc = portal, object_type, doc

    def get(self, name):
        """Return a value's text (created and modified dates: epoch ms), or None."""
        if name == self._type.modified:
            return self._doc["updated"]
        if name == self._type.created:
            return self._doc["created"]
        if name == "hs_object_id":
            return self._doc["id"]
        if name == "associatedcompanyid":
            return self._portal.associations.primary(self._type.id, self._doc["id"], "0-2")
        return self._doc["properties"].get(name)


class Search:
    """Searches records as they were indexed ``search_lag`` seconds ago."""

    def __init__(self, portal):
        self._portal, self._store = portal, portal.store
        self._revision = {}
        self._remembered = {}
        #: {type name: {id: [(epoch ms from which a version shows, version or None)]}}
        self._versions = {}

    def forget(self):
        """Drop remembered results and old versions (after a reset)."""
        self._remembered.clear()
        self._versions.clear()
        self._revision.clear()

    def noted(self, object_type, before, after):
        """Hear of a write: old versions keep showing for the length of the lag."""
        name = object_type.name
        self._revision[name] = self._revision.get(name, 0) + 1
        lag = self._portal.settings["search_lag"]
        if lag:
            versions = self._versions.setdefault(name, {}).setdefault(after["id"], [(0, before)])
            versions.append((self._portal.now_ms() + int(lag * 1000), after))

    def run(self, object_type, body, size):
        """Answer a search request.

        :param body: the request's JSON; ``size``: its length in characters.
        :raises ApiError: 400 when a limit is passed or a filter makes no sense.
        """
        if size > SEARCH_BODY_LIMIT:
            raise bad_request(f"The request body has {size} characters; at most {SEARCH_BODY_LIMIT}.")
        limit, offset = _page(body)
        found = self._found(object_type, body)
        page = found[offset:offset + limit]
        answer = {
            "total": len(found),
            "results": [self._portal.records.view(object_type, doc, body.get("properties") or None)
                        for doc in page],
        }
        if offset + limit < len(found):
            answer["paging"] = {"next": {"after": str(offset + limit)}}
        return answer

    def _found(self, object_type, body):
        """Return all matching records in order; remembered while nothing changes."""
        key = json.dumps(
            [object_type.name, self._revision.get(object_type.name, 0), body.get("filterGroups"),
             body.get("sorts"), body.get("query")], sort_keys=True, default=str)
        if key in self._remembered:
            return self._remembered[key]
        groups = self._groups(object_type, body.get("filterGroups") or [])
        sort = self._sort(object_type, body.get("sorts") or [])
        records, stale = self._candidates(object_type, groups)
        found = self._matching(object_type, records, groups, body.get("query"), sort)
        associated = any(isinstance(f, AssociatedFilter) for group in groups for f in group)
        if not stale and not associated:
            self._remembered[key] = found
            while len(self._remembered) > _REMEMBERED:
                self._remembered.pop(next(iter(self._remembered)))
        return found

    def _matching(self, object_type, records, groups, query, sort):
        found, words = [], query.lower().split() if query else []
        for doc in records:
            shown = Shown(self._portal, object_type, doc)
            if groups and not any(all(f.matches(shown) for f in group) for group in groups):
                continue
            if words and not _mentions(object_type, shown, words):
                continue
            found.append((sort[0](shown), int(doc["id"]), doc))
        found.sort(key=lambda entry: entry[:2], reverse=sort[1])
        return [entry[2] for entry in found]

    # -- what there is to search -----------------------------------------------

    def _candidates(self, object_type, groups):
        """Return ``(records, stale)``: live records that can match, and whether old ones are among them."""
        overlay = self._overlay(object_type)
        records = self._indexed(object_type, groups)
        if not overlay:
            return records, False
        current = [doc for doc in records if doc["id"] not in overlay]
        return current + [doc for doc in overlay.values() if doc and not doc["archived"]], True

    def _indexed(self, object_type, groups):
        """Use the order by id or by last change where a single group's filters allow it."""
        choices = []
        if len(groups) == 1:
            for condition in groups[0]:
                index = {"hs_object_id": "live", object_type.modified: "modified"}.get(
                    getattr(condition, "name", None))
                if index and condition.operator in ("GT", "GTE", "EQ"):
                    choices.append((index, condition.value))
        if not choices:
            return self._store.range(object_type.kind, "live")
        found = (self._store.range(object_type.kind, index, low) for index, low in choices)
        return min(found, key=len)

    def _overlay(self, object_type):
        """Return ``{id: version that the index still shows, or None}``; forget what has caught up."""
        versions, now = self._versions.get(object_type.name, {}), self._portal.now_ms()
        for record_id in [i for i, known in versions.items() if known[-1][0] <= now]:
            del versions[record_id]
        return {
            record_id: [doc for due, doc in known if due <= now][-1]
            for record_id, known in versions.items()
        }

    # -- reading the request --------------------------------------------------

    def _groups(self, object_type, raw):
        if len(raw) > SEARCH_GROUPS:
            raise bad_request(f"At most {SEARCH_GROUPS} filterGroups are allowed.")
        groups = [self._group(object_type, group) for group in raw]
        if sum(map(len, groups)) > SEARCH_FILTERS:
            raise bad_request(f"At most {SEARCH_FILTERS} filters are allowed.")
        return groups

    def _group(self, object_type, group):
        filters = group.get("filters") or []
        if len(filters) > SEARCH_FILTERS_PER_GROUP:
            raise bad_request(f"At most {SEARCH_FILTERS_PER_GROUP} filters are allowed in a group.")
        return [self._filter(object_type, spec) for spec in filters]

    def _filter(self, object_type, spec):
        name = spec.get("propertyName") or ""
        if spec.get("operator") not in OPERATORS:
            raise bad_request(f"Invalid operator {spec.get('operator')}.")
        if name.startswith("associations."):
            return AssociatedFilter(spec, self._portal, object_type)
        return Filter(spec, self._known(object_type, name))

    def _known(self, object_type, name):
        definition = self._portal.schema.definition(object_type, name)
        if definition is None:
            raise bad_request(f"There was a problem with the request. Property {name} does not exist.")
        return definition

    def _sort(self, object_type, raw):
        """Return ``(key function, descending)``; records without the value come first."""
        if len(raw) > 1:
            raise bad_request("Only one sort is allowed.")
        if not raw:
            return (lambda shown: 0), False
        name, descending = _sort_spec(raw[0])
        definition = self._known(object_type, name)
        convert = _converter(definition)

        def key(shown):
            text = shown.get(name)
            return (1, _kept(definition, convert, text)) if text else (0, 0)
        return key, descending


def _sort_spec(raw):
    """Return ``(property, descending)`` of a sort given as text or as object."""
    if isinstance(raw, dict):
        return raw.get("propertyName") or "", raw.get("direction") == "DESCENDING"
    return raw.lstrip("-"), raw.startswith("-")


def _page(body):
    """Return ``(limit, offset)``, checked against the limits."""
    try:
        limit, offset = int(body.get("limit") or 10), int(body.get("after") or 0)
    except (TypeError, ValueError):
        raise bad_request("limit and after must be integers.") from None
    if not 1 <= limit <= SEARCH_PAGE_LIMIT:
        raise bad_request(f"limit must be between 1 and {SEARCH_PAGE_LIMIT}, was {limit}.")
    if offset < 0 or offset + limit > SEARCH_TOTAL_LIMIT:
        raise bad_request(f"The search results are limited to {SEARCH_TOTAL_LIMIT} per query.")
    return limit, offset


def _mentions(object_type, shown, words):
    text = " ".join((shown.get(name) or "").lower() for name in object_type.searchable)
    return all(word in text for word in words)
