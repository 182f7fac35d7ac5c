"""Planning: a document and compiled rules become values, or the reasons why not.

Nothing here touches a database. The ORM side resolves the references that
`evaluate` collects, for a whole batch in one query each, and hands the answers
to `resolve`; `difference` then says what would change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from . import ownership, paths
from .errors import DataInvalid, MappingMissing, NotReady, SyncError
from .ownership import NOTHING_KNOWN, Situation, Terms, Verdict, same
from .remedy import MAP, Remedy, once
from .transforms import BY_ITEM, CASTS, INBOUND, Context, Lookup, Money, Reference, TransformProblem
from .transforms_money import Currency, settle
from .transforms_text import items_of


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled mapping rule, inbound."""

    path: str
    target: str  #: Odoo field name
    label: str
    transform: str = "direct"
    argument: str = ""
    value_map: dict[str, Any] | None = None
    map_id: int = 0  #: id of the value map, for the one who must complete it
    required: bool = False
    policy: str = "always"  #: always | create_only | fill_empty | protected
    is_key: bool = False  #: identifies an existing record that is not bound yet
    cast: str = ""  #: transform applied to a constant or mapped text, by the field's type
    comodel: str = ""
    is_many: bool = False  #: the target holds several records
    separator: str = ""  #: the remote text is a list, each item crosses by itself
    children: tuple[Rule, ...] = ()  #: rules of each line, for collections
    child_key: str = ""  #: path of a line's own external id
    child_object: str = ""  #: remote object of a line
    protected_domain: tuple[Any, ...] = ()  #: records on which `protected` holds; empty: all
    owner: str = ownership.REMOTE  #: system of record: remote | odoo | shared
    conflict: str = "owner"  #: owner | newest | fill_empty | ask
    terms: Terms = field(init=False, compare=False)  #: who may write the field, from the remote side
    is_collection: bool = field(init=False, compare=False)  #: maps a list of lines

    def __post_init__(self):
        # Worked out once: they are asked for every value.
        object.__setattr__(self, "terms", Terms(self.policy, self.owner, self.conflict))
        object.__setattr__(self, "is_collection", bool(self.children))


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a document cannot become a record."""

    message: str
    code: str = "not_ready"
    remedy: Remedy | None = None  #: what solves it, where that is known


@dataclass(slots=True)
class Line:
    """One element of a collection."""

    external_id: str
    values: dict[str, Any]


@dataclass(slots=True)
class Draft:
    """What a document says, field by field, before references are resolved."""

    external_id: str
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, list[Line]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def holders(self) -> Iterator[dict[str, Any]]:
        """Yield every dictionary of values: the record's, then each line's."""
        yield self.values
        for lines in self.lines.values():
            for line in lines:
                yield line.values

    def content(self) -> list[Any]:
        """Return what the document says, references included, as plain data.

        Equal documents have equal contents; what a rule is called does not matter.
        """
        lines = {
            target: [[line.external_id, _texts(line.values)] for line in rows]
            for target, rows in self.lines.items()
        }
        return [_texts(self.values), lines, [problem.message for problem in self.problems]]

    def pending(self) -> Iterator[Reference | tuple[str, Lookup]]:
        """Yield what must be resolved; look-ups come with their Odoo model."""
        for holder in self.holders():
            for value in holder.values():
                if isinstance(value, _Pending):
                    yield from value.targets


@dataclass(frozen=True, slots=True)
class _Pending:
    """A value that waits for the batch's look-ups, one for each of its items."""

    targets: tuple[Reference | tuple[str, Lookup], ...]
    rule: Rule

    def plain(self) -> Any:
        """Return what is looked up, as data that tells equal from unequal."""
        return self.targets if self.rule.is_many else self.targets[0]


def _texts(values: dict[str, Any]) -> dict[str, str]:
    """Return values as texts that tell 1 from "1", None from "" and False from 0."""
    return {
        name: repr(value.plain() if isinstance(value, _Pending) else value)
        for name, value in values.items()
    }


def evaluate(rules: Iterable[Rule], external_id: str, document: dict[str, Any]) -> Draft:
    """Apply every rule to a document and collect *all* problems.

    :param document: the provider's record, as fetched.
    """
    draft = Draft(external_id)
    for rule in rules:
        if rule.is_collection:
            draft.lines[rule.target] = list(_evaluate_lines(rule, document, draft))
        else:
            _evaluate_rule(rule, document, draft.values, draft.problems, "")
    return draft


def _evaluate_lines(rule: Rule, document: dict[str, Any], draft: Draft) -> Iterator[Line]:
    items = paths.get(document, rule.path)
    if not items or items is paths.MISSING:
        if rule.required:
            draft.problems.append(Problem(f"{rule.label}: there is not a single line"))
        return
    for position, item in enumerate(items, 1):
        values: dict[str, Any] = {}
        for child in rule.children:
            _evaluate_rule(child, item, values, draft.problems, f"{rule.label} {position}: ")
        key = paths.get(item, rule.child_key) if rule.child_key else None
        yield Line("" if key in (None, paths.MISSING) else str(key), values)


def _evaluate_rule(rule, document, values, problems, prefix) -> None:
    raw = paths.get(document, rule.path) if rule.path else None
    if raw is paths.MISSING:
        raw = None
    context = Context(rule.argument, rule.value_map, rule.label, document)
    try:
        value = _crossed(rule, raw, context)
    except _ItemProblem as problem:
        problems.append(Problem(f"{prefix}{problem}", problem.code, _remedy(rule, problem.item, problem)))
        return
    if value in (None, "", ()) and rule.required:
        problems.append(Problem(f"{prefix}{rule.label} is empty"))
        return
    values[rule.target] = value


class _ItemProblem(TransformProblem):
    """What is wrong with a value, and with which one of a list."""

    def __init__(self, problem: TransformProblem, item: Any):
        super().__init__(str(problem), problem.code)
        self.item = item


def _crossed(rule: Rule, raw: Any, context: Context) -> Any:
    """Return what becomes of a remote value; links and money still wait to be resolved."""
    if rule.transform not in BY_ITEM and not rule.is_many:
        return _one(rule, raw, context)
    if not (rule.separator or (rule.is_many and isinstance(raw, (list, tuple)))) or rule.transform not in BY_ITEM:
        return _combined(rule, [_one(rule, raw, context)])
    results = [_one(rule, item, context) for item in items_of(raw, rule.separator)]
    if results or not rule.is_many:
        return _combined(rule, results) if results else None
    return ()  # an empty list says that there is none


def _one(rule: Rule, raw: Any, context: Context) -> Any:
    try:
        value = INBOUND[rule.transform](raw, context)
        if rule.cast and value is not None and (isinstance(value, str) or rule.transform == "expression"):
            # The argument is the formula's, or the constant itself.
            value = CASTS[rule.cast](value, context if rule.cast == "text" else replace(context, argument=""))
    except TransformProblem as problem:
        raise _ItemProblem(problem, raw) from None
    return value


def _combined(rule: Rule, results: list[Any]) -> Any:
    """Return one value for the Odoo field from what its items became."""
    if isinstance(results[0], (Reference, Lookup)):
        targets = tuple(one if isinstance(one, Reference) else (rule.comodel, one) for one in results)
        return _Pending(targets, rule)
    if rule.is_many and results[0] is not None:
        return tuple(one for result in results for one in _ids(result))
    return results[0] if len(results) == 1 else rule.separator.join(str(one) for one in results)


def _remedy(rule: Rule, raw: Any, problem: TransformProblem) -> Remedy | None:
    """Return the line that a value map lacks."""
    if problem.code != "mapping_missing" or not rule.map_id:
        return None
    return Remedy(MAP, rule.label, rule.comodel, value=str(raw).strip(), map_id=rule.map_id)


def _ids(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a look-up: the record, or why there is none."""

    res_id: Any = None  #: an id, or a stand-in for a record that will be created
    problem: str = ""
    code: str = "mapping_missing"
    remedy: Remedy | None = None


def resolve(draft: Draft, answers: dict[Any, Found]) -> None:
    """Put the looked-up records in place; what was not found becomes a problem.

    :param answers: by `Reference` or (model, `Lookup`), as `pending` gave them.
    """
    for holder in draft.holders():
        for name, value in list(holder.items()):
            if not isinstance(value, _Pending):
                continue
            found = [answers[target] for target in value.targets]
            missing = [answer for answer in found if answer.res_id is None]
            for answer in missing:
                remedy = answer.remedy and replace(answer.remedy, label=value.rule.label)
                message = f"{value.rule.label}: {answer.problem}"
                draft.problems.append(Problem(message, answer.code, remedy))
            ids = tuple(answer.res_id for answer in found)
            if missing:
                holder[name] = None
            else:
                holder[name] = ids if value.rule.is_many else ids[0]


def settle_money(
    rules: Iterable[Rule],
    values: dict[str, Any],
    problems: list[Problem],
    currencies: dict[str, Currency],
    currency_of: Callable[[Rule], Currency | None],
) -> None:
    """Put exact amounts in place of stated ones; what does not fit becomes a problem.

    :param values: of a record or of one of its lines.
    :param currencies: those that Odoo has, by code.
    :param currency_of: says which currency a rule's field is kept in.
    """
    for rule in rules:
        given = values.get(rule.target)
        if not isinstance(given, Money):
            continue
        try:
            values[rule.target] = settle(given, currency_of(rule), currencies, rule.label)
        except TransformProblem as problem:
            values[rule.target] = None
            problems.append(Problem(str(problem), problem.code))


def to_error(
    problems: list[Problem],
    subject: str,
    remedies: Iterable[Remedy] = (),
    culprit: tuple[str, str] | None = None,
    *,
    outbound: bool = False,
) -> SyncError:
    """Return the one error that names all problems of a document, or of a record that is to be sent.

    :param subject: the record as people know it.
    :param remedies: of problems that come without theirs.
    :param culprit: see `SyncError`.
    :param outbound: it is an Odoo record that has them.
    """
    unique = list(dict.fromkeys(problems))
    codes = {problem.code for problem in unique}
    cls = NotReady
    if codes == {"mapping_missing"}:
        cls = MappingMissing
    elif codes == {"data_invalid"}:
        cls = DataInvalid
    texts = [problem.message for problem in unique]
    what = "wrong" if cls is DataInvalid else "missing"
    trouble = f"1 thing is {what}" if len(texts) == 1 else f"{len(texts)} things are {what}"
    solutions = once([*remedies, *(problem.remedy for problem in unique)])
    return cls(
        f"{subject}: {trouble} — " + "; ".join(texts),
        problems=texts,
        hint=_hint(len(texts), len(solutions), outbound),
        fingerprint="|".join(sorted(texts)),
        remedies=solutions,
        culprit=culprit,
    )


#: Where to begin, by whether Odoo is the source: when nothing, all, or some of it can be solved by a remedy.
_HINTS = {
    False: (
        "Correct the record in the system that it comes from, then retry.",
        "Put it right in Odoo, or correct the record in the system that it comes from; then retry.",
        "Put right in Odoo what Odoo lacks, correct the rest in the system that it comes from; then retry.",
    ),
    True: (
        "Correct the record in Odoo, then retry.",
        "Say what the value is called at the other system, or correct the record in Odoo; then retry.",
        "Say what the values are called at the other system, correct the rest of the record in Odoo; then retry.",
    ),
}


def _hint(problems: int, solutions: int, outbound: bool) -> str:
    """Return where to begin with so many problems, of which so many have a remedy."""
    none, every, some = _HINTS[outbound]
    if not solutions:
        return none
    return every if solutions >= problems else some


@dataclass(slots=True)
class Decisions:
    """What becomes of every value that differs from what Odoo has.

    :param writes: `{field: (before, after)}`.
    :param verdicts: of the values that are not written, and of those whose writing
        overrules somebody.
    :param held: `{field: (before, after)}` of what waits for an approval.
    :param asked: the same of what both sides changed.
    :param rules: the approval rule of what waits together with other fields.
    """

    writes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    held: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    asked: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    rules: dict[str, int | None] = field(default_factory=dict)


def weigh(
    rules: Iterable[Rule],
    values: dict[str, Any],
    current: dict[str, Any] | None,
    situation: Situation = NOTHING_KNOWN,
) -> Decisions:
    """Decide for every value whether it is written, kept, proposed or asked about.

    :param current: the record's values, or None when it does not exist yet.
    """
    found = Decisions()
    for rule in rules:
        if rule.is_collection or rule.target not in values:
            continue
        name, after = rule.target, values[rule.target]
        before = current.get(name) if current is not None else None
        if same(before, after):
            continue
        verdict = ownership.decide(
            name, rule.terms, before, after, exists=current is not None, situation=situation
        )
        pile = {ownership.WRITE: found.writes, ownership.PROPOSE: found.held, ownership.ASK: found.asked}
        if verdict.action in pile:
            pile[verdict.action][name] = (before, after)
        if verdict.action != ownership.WRITE or verdict.violation:
            found.verdicts[name] = verdict
    return found


def hold_together(
    found: Decisions, pairs: dict[str, tuple[Any, Any]], verdict: Verdict, rule_id: int | None
) -> None:
    """Let several values wait for one approval, or be kept together.

    :param pairs: `{field: (before, after)}`, whatever was decided on each alone.
    """
    for name, pair in pairs.items():
        found.writes.pop(name, None)
        found.held.pop(name, None)
        found.verdicts[name] = verdict
        if verdict.action == ownership.PROPOSE:
            found.held[name], found.rules[name] = pair, rule_id


def difference(
    rules: Iterable[Rule], values: dict[str, Any], current: dict[str, Any] | None
) -> dict[str, tuple[Any, Any]]:
    """Return `{field: (before, after)}` for what would be written; see `weigh`."""
    return weigh(rules, values, current).writes


def line_writable(rule: Rule, before: Any, protected: bool) -> bool:
    """Return whether a rule may write over `before` in a line that is there already.

    Lines follow their document: what their rule keeps is kept, nobody is asked.
    """
    if rule.owner == ownership.ODOO or (rule.policy == "protected" and protected):
        return False
    if rule.policy == "fill_empty":
        return ownership.is_empty(before)
    return rule.policy != "create_only"
