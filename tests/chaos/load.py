"""The work: a plan that a seed decides, and the hand that carries it out at the CRMs.

The plan is data, so that the same seed gives the same work whatever happens meanwhile.
Records are referred to by their place in the plan; the player knows their ids.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

CRMS = ("salesforce", "hubspot")
PRODUCTS = ("Q2C-PLAT", "Q2C-ONB", "Q2C-SUP")
CURRENCIES = ("USD", "EUR")

#: What each action adds to the records that travel: a deal is a company, a contact, a deal and a charge.
RECORDS = {"company": 1, "contact": 1, "deal": 4, "update": 0, "payout": 0}


@dataclass(frozen=True)
class Action:
    """One thing that somebody does at a provider.

    :param kind: of `RECORDS`
    :param number: place of the record in the plan; of an update, the record that it changes
    :param values: what else there is to know, by plain names
    """

    kind: str
    provider: str
    number: int
    values: dict[str, Any] = field(default_factory=dict)


def plan(seed: int, records: int, label: str = "") -> list[Action]:
    """Return the actions that make about ``records`` records, in the order to do them.

    A fifth of them belongs to deals, the rest are companies and contacts; a third as many
    updates follow, each some time after what it changes, and the money is paid out now and then.

    :param label: part of every name, tells runs apart
    """
    rand = random.Random(seed)
    deals = max(2, records // 20)
    pairs = max(1, (records - 4 * deals) // 2)
    made = [*_customers(rand, pairs, label), *_deals(rand, deals, pairs * 2, label)]
    keyed = [(rand.random(), action) for action in made if action.kind != "contact"]
    place = {action.number: at for at, action in keyed}
    keyed += [(rand.uniform(place[action.values["company"]], 1.0), action)
              for action in made if action.kind == "contact"]
    place.update({action.number: at for at, action in keyed})
    keyed += _updates(rand, [action for _at, action in keyed if action.kind != "deal"], place, records // 3)
    keyed += [(share, Action("payout", "stripe", -1)) for share in (0.4, 0.8, 2.0)]
    return [action for _at, action in sorted(keyed, key=lambda pair: pair[0])]


def _customers(rand: random.Random, pairs: int, label: str) -> list[Action]:
    """Companies, each with a contact."""
    result = []
    for pair in range(pairs):
        provider, number = rand.choice(CRMS), pair * 2
        name = f"{label}Company {number}"
        result.append(Action("company", provider, number, {"name": name, "phone": _phone(rand)}))
        result.append(Action("contact", provider, number + 1, {
            "company": number, "first": label.strip() or "Chaos", "last": f"Person {number + 1}", "phone": _phone(rand),
            "email": f"person{number + 1}@{(label.strip() or 'chaos').lower()}.example"}))
    return result


def _deals(rand: random.Random, count: int, first: int, label: str) -> list[Action]:
    """Won deals with one to three lines and, sometimes, discounts.

    Prices are multiples of 4: with these discounts and a tax of 15 % no rounding is
    involved, so that a difference is never one of two ways to round.
    """
    result = []
    for number in range(first, first + count):
        provider = rand.choice(CRMS)
        codes = rand.sample(PRODUCTS, rand.randint(1, 3))
        lines = [{"code": code, "quantity": rand.randint(1, 9), "price": f"{4 * rand.randint(1, 500)}.00",
                  "discount": rand.choice((None, None, 10, 25))} for code in codes]
        result.append(Action("deal", provider, number, {
            "name": f"{label}Deal {number}", "currency": rand.choice(CURRENCIES), "lines": lines}))
    return result


def _updates(rand: random.Random, targets: Sequence[Action], place: dict[int, float], count: int) -> list:
    """Changes of phone numbers, some records several times: the last one counts."""
    result = []
    favourites = rand.sample(targets, max(1, len(targets) // 10))
    for _number in range(count):
        target = rand.choice(favourites if rand.random() < 0.5 else targets)
        at = rand.uniform(place[target.number], 1.0)
        result.append((at, Action("update", target.provider, target.number,
                                  {"of": target.kind, "phone": _phone(rand)})))
    return result


def _phone(rand: random.Random) -> str:
    return f"+1 555 {rand.randint(0, 9_999_999):07d}"


class Player:
    """Carries a plan out at the sandbox, in a thread of its own.

    :param admin: the sandbox's admin API
    :param per_second: actions a second at most
    """

    def __init__(self, admin: Any, actions: Sequence[Action], per_second: float):
        self._admin, self._actions, self._per_second = admin, actions, per_second
        self._ids: dict[int, str] = {}
        self._thread = threading.Thread(target=self._run, daemon=True, name="load")
        self._problem: BaseException | None = None
        self.done: Counter[str] = Counter()

    def start(self) -> Player:
        """Begin."""
        self._thread.start()
        return self

    @property
    def is_playing(self) -> bool:
        """Whether there is more to come."""
        return self._thread.is_alive()

    @property
    def records(self) -> int:
        """How many records it has made so far."""
        return sum(RECORDS[kind] * count for kind, count in self.done.items())

    def finish(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Wait until all is done.

        :raise BaseException: what went wrong at the sandbox
        """
        while self._thread.is_alive():
            meanwhile()
            self._thread.join(0.2)
        if self._problem:
            raise self._problem

    def _run(self) -> None:
        started = time.monotonic()
        try:
            for number, action in enumerate(self._actions):
                pause = started + number / self._per_second - time.monotonic()
                if pause > 0:
                    time.sleep(pause)
                getattr(self, f"_{action.kind}")(action)
                self.done[action.kind] += 1
        except BaseException as problem:  # raised where it is waited for
            self._problem = problem

    # -- what is done -------------------------------------------------------

    def _company(self, action: Action) -> None:
        values = action.values
        if action.provider == "salesforce":
            made = self._admin.post("/salesforce/records/Account", {
                "Name": values["name"], "Phone": values["phone"], "BillingCountry": "Germany",
                "BillingCity": "Hamburg"})
            self._ids[action.number] = made["Id"]
        else:
            made = self._admin.post("/hubspot/records/companies", {"properties": {
                "name": values["name"], "phone": values["phone"], "country": "Germany", "city": "Hamburg",
                "domain": f"{values['name'].lower().replace(' ', '-')}.example"}})
            self._ids[action.number] = made["id"]

    def _contact(self, action: Action) -> None:
        values, company = action.values, self._ids[action.values["company"]]
        if action.provider == "salesforce":
            made = self._admin.post("/salesforce/records/Contact", {
                "AccountId": company, "FirstName": values["first"], "LastName": values["last"],
                "Phone": values["phone"], "Email": values["email"]})
            self._ids[action.number] = made["Id"]
        else:
            link = {"to": {"id": company},
                    "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}]}
            made = self._admin.post("/hubspot/records/contacts", {"associations": [link], "properties": {
                "firstname": values["first"], "lastname": values["last"], "phone": values["phone"],
                "email": values["email"]}})
            self._ids[action.number] = made["id"]

    def _update(self, action: Action) -> None:
        phone, record = action.values["phone"], self._ids[action.number]
        if action.provider == "salesforce":
            name = {"company": "Account", "contact": "Contact"}[action.values["of"]]
            self._admin.request("PATCH", f"/salesforce/records/{name}/{record}", {"Phone": phone})
        else:
            name = {"company": "companies", "contact": "contacts"}[action.values["of"]]
            self._admin.request("PATCH", f"/hubspot/records/{name}/{record}", {"properties": {"phone": phone}})

    def _deal(self, action: Action) -> None:
        values = action.values
        if action.provider == "salesforce":
            self._admin.post("/salesforce/deals", {
                "win": True, "name": values["name"], "currency": values["currency"],
                "account": {"Name": f"{values['name']} Ltd", "BillingCountry": "United States", "Phone": "+1 555 1"},
                "lines": [_without_none({"code": line["code"], "quantity": line["quantity"],
                                         "unit_price": line["price"], "discount": line["discount"]})
                          for line in values["lines"]]})
        else:
            self._admin.post("/hubspot/deals", {
                "win": True, "name": values["name"], "currency": values["currency"],
                "company": {"name": f"{values['name']} GmbH", "country": "Germany", "phone": "+49 40 1",
                            "domain": f"{values['name'].lower().replace(' ', '-')}.example"},
                "lines": [_without_none({"sku": line["code"], "quantity": str(line["quantity"]),
                                         "price": line["price"], "discount_percentage": line["discount"]})
                          for line in values["lines"]]})

    def _payout(self, _action: Action) -> None:
        self._admin.post("/stripe/payouts/run", {})


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
