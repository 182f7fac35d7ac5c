"""No path writes a field against its rule, whatever happens in whatever order (invariant I8).

Random walks: a mapping with random rules, then random steps. What each step may have
changed is judged by a few sentences written down here, not by the code under test; the
change ledger must tell of every change. A walk is told again from its seed.
"""

import random
from datetime import timedelta
from unittest.mock import patch

from odoo.tests import new_test_user, tagged

from ..lib import clock, ownership
from ..lib.ownership import WRITE, Verdict
from .common import SyncCase

FIELDS = {
    "name": "Name", "phone": "Phone", "email": "Email", "website": "Website", "street": "Street",
    "street2": "Street2", "city": "City", "zip": "Zip", "function": "Job", "ref": "Ref", "vat": "Vat",
}
GATED = "vat"  # an approval rule holds its changes back
PLAIN = "street"  # always follows the source: proves that something is written at all
VALUES = ("", "http://a.example", "http://b.example", "http://c.example")
WALKS, STEPS = 8, 25


@tagged("post_install", "-at_install")
class TestOwnershipPaths(SyncCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        groups = "base.group_user,crm_sync_base.group_sync_"
        cls.judge = new_test_user(
            cls.env, "judge", groups=f"{groups}approver,crm_sync_base.group_sync_operator"
        )
        cls.env["sync.approval.rule"].create(
            {"name": "VAT", "field_ids": [(4, cls.env.ref("base.field_res_partner__vat").id)]}
        )

    def test_random_walks(self):
        for seed in range(WALKS):
            with self.subTest(seed=seed), self.cr.savepoint():
                Walk(self, seed).run()
                self.env.flush_all()

    def test_walks_find_what_is_broken_on_purpose(self):
        for name in ("decide", "_by_owner", "_by_conflict", "_by_age"):
            with self.subTest(name), patch.object(ownership, name, lambda *_args, **_kwargs: Verdict(WRITE)):
                self.assertTrue(any(self.is_found(seed) for seed in range(30)))

    def is_found(self, seed):
        """Whether a walk notices; nothing of it stays."""
        try:
            with self.cr.savepoint():
                Walk(self, seed).run()
                raise Unnoticed
        except AssertionError:
            self.env.invalidate_all()
            return True
        except Unnoticed:
            self.env.invalidate_all()
            return False


class Unnoticed(Exception):
    """A walk went through to its end."""


class Walk:
    """One mapping and what happens to one record under it."""

    def __init__(self, case, seed):
        self.case, self.env, self.random = case, case.env, random.Random(seed)
        self.object, self.told = f"Walk{seed}", []
        self.rules = {name: self.any_rule(name) for name in FIELDS}
        rules = [{"path": FIELDS[name], "label": name, "field": name, **rule} for name, rule in self.rules.items()]
        self.flow = case.make_flow(rules, remote_object=self.object, page_size=1)
        link = {"path": "Of", "field": "parent_id", "transform": "reference", "argument": self.object, "label": "Of"}
        case.make_flow(
            [{"path": "Name", "field": "name", "label": "Name"}, link], remote_object=f"{self.object}Child"
        )
        self.now = clock.now()
        self.source, self.said_at = dict.fromkeys(FIELDS, ""), self.now
        self.edited = set()  # fields that Odoo changed since both sides agreed
        self.decided = set()  # fields that a person decided on in this step
        self.children = 0
        self.delivered, self.has_news = {}, False

    def any_rule(self, name):
        if name == PLAIN:
            return {}
        owner = self.random.choice(("remote", "odoo", "shared"))
        conflicts = ("newest", "fill_empty", "ask") if owner == "shared" else ("owner", "newest", "fill_empty", "ask")
        rule = {
            "policy": self.random.choice(("always", "always", "create_only", "fill_empty", "protected")),
            "owner": owner, "conflict": self.random.choice(conflicts),
        }
        return {**rule, "protected_domain": "[('is_company', '=', True)]"} if rule["policy"] == "protected" else rule

    def run(self):
        steps = (
            self.source_speaks, self.source_speaks, self.source_speaks, self.odoo_edits, self.odoo_edits,
            self.state_turns, self.replay, self.poll_again, self.needed_by_another, self.decide, self.decide,
        )
        for step in [self.source_speaks, *(self.random.choice(steps) for _number in range(STEPS))]:
            self.told.append(step.__name__)
            partner = self.partner()
            before, company = self.values(partner), bool(partner) and partner.is_company
            last = self.env["sync.change"].search([], order="id desc", limit=1).id or 0
            self.decided = set()
            step()
            self.env.flush_all()
            self.judge(step, before, company, last)

    # --- What can happen ---

    def source_speaks(self):
        for name in FIELDS:
            if self.random.random() < 0.4:
                self.source[name] = self.random.choice(VALUES)
        self.source["name"] = self.source["name"] or "Somebody"
        # Some news are older than what was done in Odoo, all are newer than the source's last.
        step = timedelta(days=1) if self.random.random() < 0.2 else timedelta(seconds=1)
        self.said_at = max(self.said_at, self.now - timedelta(hours=9)) + step
        self.put()
        self.case.notify(self.object, "r1")
        self.case.run_lane()

    def put(self):
        self.has_news, self.delivered = self.source != self.delivered, dict(self.source)
        data = {FIELDS[name]: value for name, value in self.source.items()}
        self.case.remote.put(self.object, "r1", **data)
        self.case.remote.records[self.object]["r1"]["version"] = self.said_at.isoformat() + "Z"

    def odoo_edits(self):
        partner = self.partner()
        for name in self.random.sample(sorted(FIELDS), 3):
            value = self.random.choice(VALUES) or "Somebody else"
            if partner and partner[name] != value:
                partner[name] = value
                self.edited.add(name)

    def state_turns(self):
        self.partner().is_company = self.random.random() < 0.5

    def replay(self):
        jobs = self.env["sync.job"].search([("flow_id", "=", self.flow.id), ("kind", "=", "record")])
        jobs[:4]._replay(self.random.choice(("current", "stored")))
        self.case.run_lane()

    def poll_again(self):
        """A change that no webhook tells of, found by a look at everything."""
        self.source[self.random.choice(sorted(FIELDS.keys() - {"name"}))] = self.random.choice(VALUES)
        self.said_at += timedelta(seconds=1)
        self.put()
        self.flow.poll_cursor = False
        self.flow._enqueue_poll()
        self.case.run_lane()

    def needed_by_another(self):
        self.children += 1
        self.case.remote.put(f"{self.object}Child", f"c{self.children}", Name="Child", Of="r1")
        self.case.notify(f"{self.object}Child", f"c{self.children}")
        self.case.run_lane()

    def decide(self):
        waiting = self.env["sync.proposal"].search([("flow_id", "=", self.flow.id), ("state", "=", "pending")])
        for one in waiting:
            self.decided |= set(one.values)
            mine = one.with_user(self.case.judge)
            # Somebody who comes too late changes nothing: it is shown anew and waits.
            if self.random.random() < 0.3:
                mine._reject("no")
            elif one.kind == "conflict":
                mine._choose({name: self.random.choice(VALUES) for name in one.values})
            else:
                mine._approve()

    # --- What may have come of it ---

    def judge(self, step, before, company, last):
        partner = self.partner()
        after = self.values(partner)
        ledger = self.ledger(last)
        if step == self.odoo_edits or not partner:
            return
        for name in FIELDS:
            if before is not None and before[name] != after[name]:
                story = f"{name} {self.rules[name]}: {before[name]!r} → {after[name]!r} after {self.told}"
                self.case.assertEqual(self.objection(name, before[name], company), "", story)
                self.case.assertIn(name, ledger, f"not in the ledger: {story}")
            if after[name] == self.source[name] or (before is not None and before[name] != after[name]):
                self.edited.discard(name)
        if step in (self.source_speaks, self.poll_again) and self.has_news:
            self.case.assertEqual(after[PLAIN], self.source[PLAIN], self.told)

    def objection(self, name, before, company):
        """Return why a field must not have been changed by anybody but a user of Odoo."""
        rule = {"policy": "always", "owner": "remote", "conflict": "owner", **self.rules[name]}
        if rule["policy"] == "create_only":
            return "it is set on creation only"
        if rule["policy"] == "fill_empty" and before:
            return "it was filled"
        if name in self.decided:
            return ""
        if name == GATED:
            return "nobody approved it"
        if rule["policy"] == "protected" and company:
            return "it is protected"
        contested = name in self.edited
        if rule["conflict"] == "owner":
            return "Odoo owns it" if rule["owner"] == "odoo" else ""
        if not contested and rule["owner"] in ("remote", "shared"):
            return ""
        if rule["conflict"] == "ask":
            return "nobody was asked"
        if rule["conflict"] == "fill_empty":
            return "it was filled" if before else ""
        newer = self.said_at > self.partner().write_date or not contested
        return "" if newer else "Odoo's is newer"

    def ledger(self, last):
        changes = self.env["sync.change"].search([("id", ">", last), ("flow_id", "=", self.flow.id)])
        return {name for change in changes for name in change.values}

    # --- What is there ---

    def partner(self):
        domain = [("connection_id", "=", self.case.connection.id), ("remote_object", "=", self.object)]
        binding = self.env["sync.binding"].search(domain, limit=1)
        return binding._record() if binding else self.env["res.partner"]

    def values(self, partner):
        return {name: partner[name] or "" for name in FIELDS} if partner else None
