"""Matching: is this remote record one that we have? A ladder of evidence, and a verdict.

A ladder has rungs, the strongest evidence first. On each rung the database proposes few
candidates by a key (never by comparing everything with everything), and `rate` says how
alike a document and a candidate are, from 0 to 100, and why. `conclude` makes a verdict of
all of it: bind, ask a person, or create. Nothing here touches a database.

Names are compared with rapidfuzz. Two companies are not one because their names sound
alike: numbers in names must be equal, tax numbers that differ forbid to bind without a
person, and so does a record that is bound to another remote record already.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from rapidfuzz import fuzz

KEY = "key"  #: a field that identifies, or an external id that Odoo keeps
TAX = "tax_id"
EMAIL = "email"
DOMAIN = "domain"
NAME = "name"

#: verdicts
BIND = "bind"
REVIEW = "review"
CREATE = "create"

SAME_NAME = 50  # names less alike than this are another name
SUBSET = 88  # "Acme" and "Acme Holding": alike, but a person should look
DOMAIN_BASE = 70  # what an equal domain alone is worth
SHORT = 5  # names of fewer letters are equal or different, not alike
DIFFERENT = 60  # what is certainly another one gets no more than this

#: mailboxes that belong to no person
SHARED_MAILBOXES = frozenset(
    "accounting accounts admin billing contact finance hello hr info invoice invoices mail marketing "
    "noreply no-reply office orders payments purchasing sales service support team".split()
)

#: domains that belong to nobody who uses them
PUBLIC_DOMAINS = frozenset(
    "aol.com arcor.de att.net bluewin.ch btinternet.com comcast.net free.fr freenet.de gmail.com gmx.at "
    "gmx.ch gmx.com gmx.de gmx.net googlemail.com hotmail.co.uk hotmail.com hotmail.de hotmail.fr "
    "icloud.com laposte.net libero.it live.com mail.com mail.ru mailbox.org me.com msn.com naver.com "
    "orange.fr outlook.com outlook.de pm.me posteo.de proton.me protonmail.com qq.com rediffmail.com "
    "sbcglobal.net skynet.be t-online.de terra.es verizon.net web.de yahoo.co.jp yahoo.co.uk yahoo.com "
    "yahoo.de yahoo.fr yandex.ru ymail.com 126.com 163.com".split()
)

#: legal forms as they are written → the form
_FORMS = {
    "ag": "ag", "gmbh": "gmbh", "mbh": "gmbh", "ug": "ug", "kg": "kg", "kgaa": "kgaa", "ohg": "ohg", "gbr": "gbr",
    "ev": "ev", "eg": "eg", "se": "se", "inc": "inc", "incorporated": "inc", "corp": "corp",
    "corporation": "corp", "llc": "llc", "llp": "llp", "lp": "lp", "ltd": "ltd", "limited": "ltd", "plc": "plc",
    "pty": "pty", "pte": "pte", "pvt": "pvt", "co": "co", "company": "co", "sa": "sa", "sas": "sas",
    "sasu": "sas", "sarl": "sarl", "eurl": "eurl", "bv": "bv", "nv": "nv", "vof": "vof", "bvba": "bvba",
    "srl": "srl", "spa": "spa", "sl": "sl", "slu": "sl", "lda": "lda", "ltda": "ltda", "oy": "oy", "oyj": "oyj",
    "ab": "ab", "aps": "aps", "asa": "asa", "kk": "kk", "sro": "sro", "kft": "kft", "zrt": "zrt", "doo": "doo",
    "dd": "dd", "ooo": "ooo", "oü": "ou", "ou": "ou", "uab": "uab", "sia": "sia",
}
#: words that say nothing of who it is
_FILLERS = frozenset("the and und et e y of de der die das la le les el los".split())

#: what is left out of names before they become keys; the database does the same
IGNORED_WORDS = tuple(sorted(_FILLERS | _FORMS.keys()))


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung of a ladder.

    :param kind: one of `KEY`, `TAX`, `EMAIL`, `DOMAIN`, `NAME`.
    :param field: Odoo field that both sides are compared by; empty for `KEY`.
    :param second: `NAME`: the field of the postcode; `DOMAIN`: the e-mail that stands in
        for a missing website.
    :param bind: from this score on a single candidate is the record.
    :param review: from this score on a person is asked.
    """

    kind: str
    field: str = ""
    second: str = ""
    bind: int = 95
    review: int = 80


#: what customers are looked up by unless a flow says otherwise
PARTNER_LADDER = (
    Rung(KEY, bind=100, review=80),
    Rung(TAX, "vat", bind=95, review=80),
    Rung(EMAIL, "email", bind=95, review=80),
    Rung(DOMAIN, "website", "email", bind=92, review=82),
    Rung(NAME, "name", "zip", bind=95, review=82),
)
PLAIN_LADDER = (Rung(KEY, bind=100, review=80),)


@dataclass(frozen=True, slots=True)
class Entry:
    """What one side says: a document, or a record that could be the same.

    :param values: by Odoo field name.
    :param country: anything that is equal for equal countries; None when unknown.
    :param role: kinds of records that are never one another ("company", "person").
    :param parent: of what it is a part; None for nothing.
    :param title: field of the name, which other rungs look at, too.
    """

    values: Mapping[str, Any]
    country: Any = None
    country_code: str = ""
    role: str = ""
    parent: Any = None
    archived: bool = False
    title: str = "name"

    def text(self, name: str) -> str:
        """Return a value as text, empty when there is none."""
        value = self.values.get(name)
        return str(value).strip() if value not in (None, False) else ""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a score is what it is; `code` is a key of what people are told."""

    code: str
    score: int | None = None


@dataclass(slots=True)
class Candidate:
    """A record that could be the same as a document.

    :param key: id of the record.
    :param taken: external id of the remote record that it is bound to already.
    """

    key: int
    score: int
    reasons: tuple[Reason, ...]
    rung: Rung
    taken: str = ""

    @property
    def is_sure(self) -> bool:
        """Whether it is alike enough to be bound without a person."""
        return self.score >= self.rung.bind


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of an unbound document."""

    action: str  #: bind | review | create
    candidates: tuple[Candidate, ...] = field(default=())  #: the best first

    @property
    def best(self) -> Candidate | None:
        """The candidate with the highest score."""
        return self.candidates[0] if self.candidates else None


# --- Normal forms ---


def fold(text: str) -> str:
    """Return a text in small letters, without accents and punctuation.

    >>> fold("  Société   Générale, S.A. ")
    'societe generale sa'
    """
    text = unicodedata.normalize("NFKD", text.casefold())
    text = "".join(char for char in text if not unicodedata.combining(char))
    text = re.sub(r"(?<=\b\w)\.(?=\w\b)", "", text)  # S.A. is one word
    return " ".join(re.sub(r"[\W_]+", " ", text).split())


def compact(text: str) -> str:
    """Return the letters and digits of a text, folded.

    >>> compact("LS1 1UR")
    'ls11ur'
    """
    return fold(text).replace(" ", "")


def tax_ids(text: str, country_code: str = "") -> tuple[str, ...]:
    """Return the spellings under which a tax number may be stored.

    The country's code in front may be there or not. Too few characters are no number
    ("/" is how Odoo says that there is none).

    >>> tax_ids("de 136 695 976", "DE")
    ('DE136695976', '136695976')
    """
    number = re.sub(r"[^A-Z0-9]", "", text.upper())
    if len(number) < 5:
        return ()
    code = country_code.upper()
    if code and number.startswith(code) and len(number) > len(code) + 4:
        return (number, number[len(code):])
    return (number, code + number) if code and number[0].isdigit() else (number,)


def email(text: str) -> str:
    """Return an e-mail address in small letters, or an empty text.

    >>> email('"Ann" <Ann@Example.com>')
    'ann@example.com'
    """
    inner = re.search(r"<([^>]*)>", text)
    address = (inner.group(1) if inner else text).strip().lower()
    return address if re.fullmatch(r"[^@\s,;]+@[^@\s,;]+", address) else ""


def domain(text: str) -> str:
    """Return the domain of a website or e-mail address, or an empty text.

    One that belongs to a mail provider says nothing and is left out.

    >>> domain("https://www.Example.com/shop?x=1")
    'example.com'
    """
    host = re.sub(r"^[a-z][a-z0-9+.-]*://", "", text.strip().lower()).rpartition("@")[2]
    host = re.sub(r"^www\.", "", re.split(r"[/:?#\s]", host)[0]).rstrip(".")
    return host if "." in host and host not in PUBLIC_DOMAINS else ""


@dataclass(frozen=True, slots=True)
class Name:
    """A name taken apart."""

    words: tuple[str, ...]  #: without legal forms and fillers, unless nothing else is there
    forms: frozenset[str]
    numbers: tuple[str, ...]

    @property
    def core(self) -> str:
        """The words that make the name."""
        return " ".join(self.words)


@lru_cache(maxsize=4096)
def name(text: str) -> Name:
    """Take a name apart.

    >>> name("The Müller & Söhne GmbH").words
    ('muller', 'sohne')
    """
    words = tuple(fold(text).split())
    core = tuple(word for word in words if word not in _FORMS and word not in _FILLERS)
    forms = frozenset(_FORMS[word] for word in words if word in _FORMS) if core else frozenset()
    core = core or words
    return Name(core, forms, tuple(sorted(re.findall(r"\d+", " ".join(core)))))


def similarity(one: str, other: str) -> int:
    """Return how alike two names are, 0 to 100; legal forms do not count.

    Numbers must be equal: Plant 1 is not Plant 2.
    """
    left, right = name(one), name(other)
    if not left.words or not right.words:
        return 0
    if left.core == right.core:
        return 100
    score = max(
        fuzz.token_sort_ratio(left.core, right.core),
        fuzz.ratio(left.core.replace(" ", ""), right.core.replace(" ", "")),
        min(fuzz.token_set_ratio(left.core, right.core), SUBSET),
    )
    short = min(len(left.core), len(right.core)) < SHORT
    if left.numbers != right.numbers or short:
        score = min(score, DIFFERENT)
    return int(score)


# --- Rating ---


def rate(ladder: Iterable[Rung], rung: Rung, subject: Entry, other: Entry, taken: str = "") -> Candidate | None:
    """Say how alike a document and a candidate of a rung are.

    What speaks against it keeps the score below the rung's limit for binding: then a
    person is asked.

    :param taken: external id of the remote record that the candidate is bound to.
    :return: None when it is certainly another one. The key is 0, for the caller to set.
    """
    rated = _RATE[rung.kind](rung, subject, other)
    if rated is None:
        return None
    score, reasons = rated
    objections = list(_objections(ladder, rung, subject, other))
    if objections:
        score = min(score, rung.bind - 1)
    if score < rung.review:
        return None
    return Candidate(0, score, (*reasons, *objections), rung, taken)


def _objections(ladder: Iterable[Rung], rung: Rung, subject: Entry, other: Entry) -> Iterator[Reason]:
    if other.archived:
        yield Reason("archived")
    if rung.kind == KEY:
        return
    for each in ladder:
        if each.kind == TAX and rung.kind != TAX and _tax_differs(each.field, subject, other):
            yield Reason("tax_differs")
    if subject.country and other.country and subject.country != other.country:
        yield Reason("country_differs")


def _tax_differs(name_: str, subject: Entry, other: Entry) -> bool:
    mine = tax_ids(subject.text(name_), subject.country_code)
    theirs = tax_ids(other.text(name_), other.country_code)
    return bool(mine and theirs and not set(mine) & set(theirs))


def _names(subject: Entry, other: Entry) -> int | None:
    """Return how alike the names are, None when one side has none."""
    one, two = subject.text(subject.title), other.text(other.title)
    return similarity(one, two) if one and two else None


def _is_part(entry: Entry) -> bool:
    """Return whether an entry is somebody or something of a company, whose tax number it shows."""
    return entry.role not in ("", "company") and entry.parent is not None


def _rate_key(rung: Rung, subject: Entry, other: Entry):
    if _is_address(subject) != _is_address(other):
        return None  # an address may have the id of whom it belongs to
    return 100, (Reason(KEY, 100),)


def _is_address(entry: Entry) -> bool:
    return entry.role.startswith("address")


def _rate_tax(rung: Rung, subject: Entry, other: Entry):
    if _is_part(subject) or _tax_differs(rung.field, subject, other):
        return None
    alike = _names(subject, other)
    if alike is None or alike >= SAME_NAME:
        return 100, (Reason(TAX, 100),)
    return rung.bind - 1, (Reason(TAX, 100), Reason("name_differs", alike))


def _rate_email(rung: Rung, subject: Entry, other: Entry):
    address = email(subject.text(rung.field))
    if address != email(other.text(rung.field)):
        return None
    alike = _names(subject, other)
    reasons = [Reason(EMAIL, 100)]
    if alike is not None and alike < SAME_NAME:
        reasons.append(Reason("name_differs", alike))
    if subject.role == "person" and address.partition("@")[0] in SHARED_MAILBOXES:
        reasons.append(Reason("shared_mailbox"))
    if subject.role == "person" and subject.parent != other.parent:
        reasons.append(Reason("parent_differs"))
    return 100 if len(reasons) == 1 else rung.bind - 1, tuple(reasons)


def _rate_domain(rung: Rung, subject: Entry, other: Entry):
    if subject.role == "person":
        return None  # colleagues have one domain
    mine, theirs = domain_of(rung, subject), domain_of(rung, other)
    if not mine or mine != theirs:
        return None
    alike = _names(subject, other) or 0
    score = DOMAIN_BASE + round((100 - DOMAIN_BASE) * alike / 100)
    if alike <= DIFFERENT and _numbers_differ(subject, other):
        return None
    return score, (Reason(DOMAIN, 100), Reason(NAME, alike))


def _numbers_differ(subject: Entry, other: Entry) -> bool:
    return name(subject.text(subject.title)).numbers != name(other.text(other.title)).numbers


def domain_of(rung: Rung, entry: Entry) -> str:
    """Return the domain of an entry: of its website, else of its e-mail address."""
    return domain(entry.text(rung.field)) or (domain(entry.text(rung.second)) if rung.second else "")


def _rate_name(rung: Rung, subject: Entry, other: Entry):
    alike = similarity(subject.text(rung.field), other.text(rung.field))
    reasons = [Reason(NAME, alike)]
    score = alike
    together = subject.parent is not None and subject.parent == other.parent
    area, theirs = (compact(entry.text(rung.second)) if rung.second else "" for entry in (subject, other))
    if area and theirs and area != theirs:
        if not together:
            return None
        reasons.append(Reason("area_differs"))
        score = min(score, rung.bind - 1)
    elif area and theirs:
        reasons.append(Reason("area", 100))
    elif together:
        reasons.append(Reason("parent"))
    elif rung.second:
        reasons.append(Reason("area_unknown"))
        score = min(score, rung.bind - 1)
    if _forms_differ(rung, subject, other):
        reasons.append(Reason("form_differs"))
        score = min(score, rung.bind - 1)
    if subject.role == "person" and not together:
        reasons.append(Reason("parent_differs"))
        score = min(score, rung.bind - 1)
    return score, tuple(reasons)


def _forms_differ(rung: Rung, subject: Entry, other: Entry) -> bool:
    mine, theirs = name(subject.text(rung.field)).forms, name(other.text(rung.field)).forms
    return bool(mine and theirs and mine != theirs)


_RATE = {KEY: _rate_key, TAX: _rate_tax, EMAIL: _rate_email, DOMAIN: _rate_domain, NAME: _rate_name}


# --- Verdict ---


def weigh(candidates: Iterable[Candidate]) -> Verdict | None:
    """Return a verdict if what one rung found is enough to end the climb.

    A sure candidate ends it: one that is free is bound, several are for a person, and so
    is one that is bound to another remote record: a duplicate at the source.

    :return: None when the next rung must be looked at.
    """
    found = best_first(candidates)
    sure = [candidate for candidate in found if candidate.is_sure]
    if not sure:
        return None
    if len(sure) == 1 and not sure[0].taken:
        return Verdict(BIND, (sure[0],))
    return Verdict(REVIEW, found)


def conclude(candidates: Iterable[Candidate]) -> Verdict:
    """Return the verdict when all rungs were looked at and none was sure.

    Records that are bound to another remote record are not in question any more: only a
    sure one would make that a duplicate.
    """
    free = tuple(candidate for candidate in best_first(candidates) if not candidate.taken)
    return Verdict(REVIEW, free) if free else Verdict(CREATE)


def best_first(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Return each candidate once, with its highest score, the best first."""
    best: dict[int, Candidate] = {}
    for candidate in candidates:
        known = best.get(candidate.key)
        if known is None or candidate.score > known.score:
            best[candidate.key] = candidate
    return tuple(sorted(best.values(), key=lambda candidate: (-candidate.score, candidate.key)))


def identities(ladder: Iterable[Rung], entry: Entry) -> tuple[str, ...]:
    """Return texts of which two records that are certainly the same share one.

    By them two workers that create the same record at the same moment notice each other.
    """
    core = name(entry.text(entry.title)).core
    within = f"{entry.role}:{entry.parent or ''}"
    found = []
    for rung in ladder:
        value = entry.text(rung.field) if rung.field else ""
        if rung.kind == TAX:
            numbers = () if _is_part(entry) else tax_ids(value, entry.country_code)
            found += [f"{rung.kind}:{number}" for number in sorted(numbers, key=len)[-1:]]
        elif rung.kind == EMAIL and email(value):
            found.append(f"{rung.kind}:{within}:{email(value)}:{core}")
        elif rung.kind == DOMAIN and entry.role != "person" and domain_of(rung, entry):
            found.append(f"{rung.kind}:{domain_of(rung, entry)}:{core}")
        elif rung.kind == NAME and rung.second and entry.text(rung.second):
            found.append(f"{rung.kind}:{within}:{core}:{compact(entry.text(rung.second))}:{entry.country or ''}")
    return tuple(found)
