"""Fault rules: which calls or webhook deliveries go wrong, and how.

Rules live in memory only: a restarted sandbox is healthy.
"""

import dataclasses
import itertools
import random
import re

CALL_KINDS = frozenset(
    {"latency", "status", "drop_before", "drop_after", "truncate", "expire_token"})
WEBHOOK_KINDS = frozenset({
    "webhook_duplicate", "webhook_reorder", "webhook_drop", "webhook_delay",
    "webhook_bad_signature"})


@dataclasses.dataclass
class Rule:
    """One fault. ``times`` is how often it still applies (None: without end)."""

    id: int
    vendor: str
    kind: str
    method: str | None = None
    path_regex: str | None = None
    #: What path, query or body of a call must contain: one poisoned record, say.
    contains: str | None = None
    #: Let this many matching calls pass unharmed first.
    skip: int = 0
    times: int | None = None
    probability: float = 1.0
    #: What belongs to the kind: ms, status, body, headers, retry_after, code, copies…
    params: dict = dataclasses.field(default_factory=dict)
    hits: int = 0

    def describe(self):
        """Return the rule as JSON-ready dict."""
        return dataclasses.asdict(self)


class FaultError(ValueError):
    """A fault rule that makes no sense; the message says why."""


class Faults:
    """The active rules, and the hooks by which vendors give faults their own shape."""

    def __init__(self, seed=None):
        self._rules = []
        self._ids = itertools.count(1)
        self._random = random.Random(seed)
        #: vendor -> ``shape(status, params, request) -> (body, headers)``; see ``error_body``.
        self.shapes = {}
        #: vendor -> ``expire(request)``: end the session that this request uses.
        self.expirers = {}

    def add(self, spec):
        """Add a rule from the admin API's JSON; unknown keys become ``params``.

        :raises FaultError: unknown kind, missing vendor, bad regular expression.
        """
        spec = dict(spec)
        kind = spec.pop("kind", None)
        vendor = spec.pop("vendor", None)
        if kind not in CALL_KINDS | WEBHOOK_KINDS:
            raise FaultError(f"unknown kind {kind!r}; known: {sorted(CALL_KINDS | WEBHOOK_KINDS)}")
        if not vendor:
            raise FaultError("vendor is missing")
        if kind == "status" and not isinstance(spec.get("status"), int):
            raise FaultError("a status fault needs an integer 'status'")
        known = {
            name: spec.pop(name) for name in (
                "method", "path_regex", "contains", "skip", "times", "probability")
            if name in spec
        }
        try:
            re.compile(known.get("path_regex") or "")
        except re.error as error:
            raise FaultError(f"path_regex: {error}") from error
        params = {**spec.pop("params", {}), **spec}
        rule = Rule(id=next(self._ids), vendor=vendor, kind=kind, params=params, **known)
        self._rules.append(rule)
        return rule

    def list(self):
        """Return the rules that can still apply."""
        return list(self._rules)

    def clear(self, vendor=None, rule_id=None):
        """Remove one rule, one vendor's rules, or all."""
        self._rules = [
            rule for rule in self._rules
            if not (rule_id in (None, rule.id) and vendor in (None, rule.vendor))
        ]

    def looks_inside(self, vendor):
        """Whether a rule asks what is in a vendor's calls."""
        return any(rule.contains for rule in self._candidates(vendor, CALL_KINDS))

    def match_call(self, vendor, method, path, content=""):
        """Return the rules that hit this call, and count them as used.

        :param content: path, query and body, when a rule ``looks_inside``.
        """
        return [
            rule for rule in self._candidates(vendor, CALL_KINDS)
            if (rule.method is None or rule.method.upper() == method)
            and (rule.path_regex is None or re.search(rule.path_regex, path))
            and (rule.contains or "") in content
            and self._use(rule)
        ]

    def match_webhook(self, vendor, exclude=()):
        """Return the rules that hit this delivery (ids in ``exclude`` left out)."""
        return [
            rule for rule in self._candidates(vendor, WEBHOOK_KINDS)
            if rule.id not in exclude and self._use(rule)
        ]

    def _candidates(self, vendor, kinds):
        return [r for r in self._rules if r.kind in kinds and r.vendor in (vendor, "*")]

    def _use(self, rule):
        if rule.skip > 0:
            rule.skip -= 1
            return False
        if rule.probability < 1.0 and self._random.random() >= rule.probability:
            return False
        rule.hits += 1
        if rule.times is not None:
            rule.times -= 1
            if rule.times <= 0:
                self._rules.remove(rule)
        return True

    def error_body(self, vendor, rule, request):
        """Return ``(body, headers)`` of a status fault, in the vendor's own error shape.

        A ``body`` in the rule wins; else the vendor's shape hook; else an empty object.
        """
        params = rule.params
        body, headers = {}, {}
        if vendor in self.shapes:
            body, headers = self.shapes[vendor](params["status"], params, request)
        if "retry_after" in params:
            headers = {**headers, "Retry-After": str(params["retry_after"])}
        return params.get("body", body), {**headers, **params.get("headers", {})}
