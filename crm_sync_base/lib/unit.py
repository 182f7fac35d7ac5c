"""A document on its way into Odoo, and what is bound of its lines."""

from typing import NamedTuple


class Unit:
    """One document on its way into Odoo, from planning to result."""

    __slots__ = (
        "absorbs",
        "answer",
        "asks",
        "binding",
        "brought",
        "changes",
        "decided",
        "decisions",
        "document",
        "draft",
        "error",
        "external_id",
        "fingerprint",
        "flow",
        "granted",
        "identities",
        "job",
        "key",
        "label",
        "line_bindings",
        "line_plans",
        "line_rows",
        "line_states",
        "mapping_id",
        "match",
        "merged_into",
        "needs",
        "operation",
        "record",
        "restored",
        "rules",
        "seen",
        "situation",
        "sought",
        "subject",
        "summary",
        "terms",
        "tried",
        "undoes",
        "verdict",
    )

    def __init__(self, flow, job, external_id):
        self.flow = flow
        self.job = job
        self.external_id = external_id
        self.key = (flow.remote_object, external_id)  # what it is inside its connection
        self.document = None
        self.brought = ()  # what it needed and was fetched for it, whatever became of that
        self.draft = None
        self.rules = ()
        self.record = None  # the Odoo record, once there is one
        self.binding = None  # a `Bound`, once there is one
        self.line_bindings = {}  # field → `LineBindings`
        self.line_plans = {}  # field → `lines.LinePlan`: what is to be written to its lines
        self.line_rows = {}  # field → pair of rows: what was, or would be, written to its lines
        self.fingerprint = ""
        self.mapping_id = None  # the version that it was planned with
        self.label = ""  # what people call documents of this kind, once planned
        self.subject = ""  # the document as people know it, once somebody asked
        self.needs = []  # prerequisites: units that must exist first
        self.operation = ""  # create | update | "" (nothing to write)
        self.changes = {}
        self.decisions = None  # `planner.Decisions`, once there is a record to compare with
        self.sought = False  # bound if Odoo knows it; else set aside, unless something needs it
        self.asks = 0  # how many proposals it leads to that do not wait already
        self.line_states = {}  # field → rows (before, after) of a change to be carried out or taken back
        self.seen = None  # `Seen`: its lines and totals right before it is written
        self.situation = None  # `ownership.Situation`, where a rule must know more
        self.decided = None  # (proposal id, record id, values): instead of a document
        self.granted = frozenset()  # fields that a person has decided on
        self.error = None
        self.absorbs = []  # ids of remote records that were merged into it and are still bound
        self.merged_into = ""  # id of the remote record that survived a merge there
        self.restored = None  # the `sync.binding.former` that does not hold any more
        self.summary = ""
        self.terms = None  # what it must know of its job, once asked for
        self.tried = False  # it is carried out to see what happens, and taken back
        self.undoes = None  # an `undo.Past`, when it takes a change back
        self.verdict = ""  # of its line in a run, where that does not follow from the rest
        self.answer = None  # id of the `sync.match` whose answer says what it is
        self.match = None  # a `lib.matching.Verdict`, once it was looked for among the records
        self.identities = ()  # what makes it unmistakable, see `lib.matching.identities`

    @property
    def is_open(self):
        """Whether the unit is still to be planned or applied."""
        return self.error is None and not self.summary


class LineBindings(NamedTuple):
    """What is bound of one record's lines."""

    by_external_id: dict[str, int]  #: the source's lines → line record
    present: dict[int, str]  #: the record's lines that came from the provider → their ids there


class Seen(NamedTuple):
    """A record's lines and totals at one moment, as the ledger keeps them."""

    lines: dict[str, dict[int, dict[str, object]]]  #: field → line id → row, see `lib.lines`
    totals: dict[str, str]


def plain(value):
    """Return a change value as the ledger stores it."""
    if value is None or type(value) is str:  # what most values are
        return value
    if isinstance(value, Unit):
        return value.record.id if value.record else None
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return value


def with_needs(units):
    """Return units and everything that they need, each once, a unit before its needs."""
    seen, stack = {}, list(units)[::-1]
    while stack:
        unit = stack.pop()
        if unit.key not in seen:
            seen[unit.key] = unit
            stack += unit.needs
    return list(seen.values())
