"""What must be true: the reference model. No database, no Odoo, only facts and the remote's history."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from .remote import Remote, Version

#: The only country that Odoo knows in this play; all others are bad data.
GOOD_COUNTRY = "US"


@dataclass(frozen=True)
class Binding:
    """A committed binding."""

    remote_object: str
    external_id: str
    model: str
    res_id: int
    version: str | None
    deleted: bool


@dataclass(frozen=True)
class Partner:
    """A committed partner that the play brought about."""

    name: str
    email: str
    parent_id: int | None
    ref: str


@dataclass(frozen=True)
class Job:
    """A committed job."""

    id: int
    kind: str
    state: str
    lane_key: str
    external_id: str
    model: str
    res_id: int | None
    error_code: str
    on_desk: bool  #: an open exception shows it
    is_due: bool


@dataclass
class Facts:
    """What is committed in Odoo."""

    bindings: list[Binding]
    partners: dict[int, Partner]
    tags: dict[int, str]
    jobs: list[Job]


@dataclass
class Past:
    """What the reference model remembers from look to look."""

    versions: dict[tuple[str, str], str] = field(default_factory=dict)
    #: committed states of what goes out: (model, record) → values in order
    edits: dict[tuple[str, int], list[str]] = field(default_factory=lambda: defaultdict(list))
    values: int = 0  #: values given out so far; each is new


def is_good(version: Version) -> bool:
    """Whether a record can become a partner, references aside."""
    return bool(version.data.get("Name")) and version.data.get("Country", GOOD_COUNTRY) == GOOD_COUNTRY


# === At every moment ===#


def wrong_now(remote: Remote, facts: Facts, past: Past) -> Iterator[str]:
    """Yield what must not be, not even for a moment."""
    yield from _one_to_one(facts)
    yield from _one_running(facts)
    yield from _whole_and_newer(remote, facts, past)
    yield from _effects_in_order(remote, facts, past)


def _one_to_one(facts: Facts) -> Iterator[str]:
    remote_side = Counter((b.remote_object, b.external_id) for b in facts.bindings)
    odoo_side = Counter((b.remote_object, b.model, b.res_id) for b in facts.bindings)
    for key, count in (remote_side + odoo_side).items():
        if count > 1:
            yield f"{key} is bound {count} times"
    came_in = {b.res_id for b in facts.bindings if b.model == "res.partner"}
    for res_id in facts.partners.keys() - came_in:
        yield f"partner {facts.partners[res_id].name} belongs to no remote record: a duplicate"


def _one_running(facts: Facts) -> Iterator[str]:
    running = Counter(job.lane_key for job in facts.jobs if job.state == "running")
    for lane_key, count in running.items():
        if count > 1:
            yield f"{count} jobs of {lane_key} run at a time"


def _whole_and_newer(remote: Remote, facts: Facts, past: Past) -> Iterator[str]:
    """Every record is, whole, in the state of the version that its binding names."""
    bound = {(b.remote_object, b.external_id): b.res_id for b in facts.bindings}
    for binding in facts.bindings:
        key = (binding.remote_object, binding.external_id)
        if binding.model != "res.partner" or not binding.version:
            continue
        if binding.version < past.versions.get(key, ""):
            yield f"{key} went back from version {past.versions[key]} to {binding.version}"
        past.versions[key] = binding.version
        version = remote.at(*key, binding.version)
        partner = facts.partners.get(binding.res_id)
        if version and partner:
            yield from _differences(key, version, partner, bound)


def _differences(key, version: Version, partner: Partner, bound) -> Iterator[str]:
    data = version.data
    parent = bound.get(("Account", data.get("AccountId")))
    for what, odoo, source in (
        ("name", partner.name, data["Name"]),
        ("e-mail", partner.email, data.get("Email", "")),
        ("parent", partner.parent_id, parent),
    ):
        if odoo != source:
            yield f"{key} at version {version.number}: {what} is {odoo!r}, not {source!r}"


def _effects_in_order(remote: Remote, facts: Facts, past: Past) -> Iterator[str]:
    """What the provider took of one record are states that it had, in order, each once."""
    by_record: dict[tuple[str, str], list[str]] = defaultdict(list)
    creations = Counter()
    owners = {(b.remote_object, b.external_id): (b.model, b.res_id) for b in facts.bindings}
    for effect in remote.effects:
        by_record[effect.remote_object, effect.external_id].append(effect.values.get("Value") or "")
        if effect.created:
            creations[effect.values["Born"]] += 1
    for born, count in creations.items():
        if count > 1:
            yield f"{born} was created {count} times at the provider"
    for key, values in by_record.items():
        if key in owners:
            states = ["", *past.edits.get(owners[key], [])]
            if not _is_subsequence(values, states):
                yield f"{key}: the provider took {values}, Odoo's states were {states}"


def _is_subsequence(values: list[str], states: list[str]) -> bool:
    rest = iter(states)
    return all(value in rest for value in values)


# === When all is quiet ===#


def wrong_at_rest(remote: Remote, facts: Facts) -> Iterator[str]:
    """Yield what is wrong after everything healed and nothing is left to do."""
    yield from stuck(facts)
    yield from _lost_in(remote, facts)
    yield from _lost_out(remote, facts)


def stuck(facts: Facts) -> Iterator[str]:
    """Yield the jobs that nobody will ever do, or see."""
    for job in facts.jobs:
        if job.state == "running" or (job.state == "pending" and job.is_due):
            yield f"job {job.id} ({job.lane_key}) is {job.state} for good"
        if job.state == "failed" and not job.on_desk:
            yield f"job {job.id} ({job.lane_key}) failed and nobody sees it"


def _lost_in(remote: Remote, facts: Facts) -> Iterator[str]:
    bound = {(b.remote_object, b.external_id): b for b in facts.bindings}
    failed = {job.external_id for job in facts.jobs if job.state == "failed" and job.kind == "record"}
    for key, versions in remote.history.items():
        if key[0] not in ("Account", "Contact"):
            continue
        newest, binding = versions[-1], bound.get(key)
        if newest.deleted:
            if binding and not binding.deleted:
                yield f"{key} was deleted and Odoo does not know"
        elif _applicable(newest, bound):
            if not binding or binding.version != newest.number:
                yield f"{key}: version {newest.number} is not in Odoo ({binding})"
            if key[1] in failed:
                yield f"{key} is in Odoo and still on the desk"
        elif key[1] not in failed:
            yield f"{key}: version {newest.number} cannot be applied and nobody knows"


def _applicable(version: Version, bound) -> bool:
    account = version.data.get("AccountId")
    return is_good(version) and (not account or ("Account", account) in bound)


def _lost_out(remote: Remote, facts: Facts) -> Iterator[str]:
    bound = {(b.remote_object, b.model, b.res_id): b for b in facts.bindings}
    for res_id, name in facts.tags.items():
        binding = bound.get(("Tag", "res.partner.category", res_id))
        newest = binding and remote.newest("Tag", binding.external_id)
        if not newest or newest.data.get("Value") != name:
            yield f"tag {name} is not at the provider ({newest})"
    for res_id, partner in facts.partners.items():
        binding = bound.get(("Account", "res.partner", res_id))
        newest = binding and remote.newest("Account", binding.external_id)
        if newest and not newest.deleted and (newest.data.get("Value") or "") != partner.ref:
            yield f"{partner.name}: reference {partner.ref!r} is not at the provider ({newest})"
