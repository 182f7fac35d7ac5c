import itertools
from datetime import datetime
from decimal import Decimal

from odoo.tests import BaseCase

from ..lib import ownership
from ..lib.ownership import ASK, KEEP, PROPOSE, WRITE, Memory, Situation, Terms, decide, print_of

EARLY, LATE = datetime(2026, 1, 1, 9), datetime(2026, 1, 1, 11)


def said(before="Odoo", after="There", *, terms=None, agreed="Base", seen="Base", **known):
    """Decide on a field of an existing record; `agreed` None is a record never looked at."""
    memory = {} if agreed is None else {"f": Memory(print_of(seen), print_of(agreed))}
    situation = Situation(memory=memory, **known)
    return decide("f", terms or Terms(), before, after, exists=True, situation=situation)


class TestOwnership(BaseCase):
    def test_a_new_record_takes_every_value(self):
        for policy, owner, conflict in itertools.product(
            ("always", "create_only", "fill_empty", "protected"),
            ("remote", "odoo", "shared"),
            ("owner", "newest", "fill_empty", "ask"),
        ):
            verdict = decide("f", Terms(policy, owner, conflict), None, "x", exists=False)
            self.assertEqual(verdict.action, WRITE)

    def test_the_owner_writes_and_overruling_is_noted(self):
        self.assertEqual(said(), ownership.Verdict(WRITE, violation=True))
        self.assertEqual(said(before="Base"), ownership.Verdict(WRITE))

    def test_who_does_not_own_a_field_does_not_write_it(self):
        terms = Terms(owner="odoo")
        self.assertEqual(said(terms=terms), ownership.Verdict(KEEP, "not_owner", True))
        self.assertEqual(said(before="Base", terms=terms).reason, "not_owner")
        # It says nothing new: Odoo changed its own field, which is no violation.
        self.assertEqual(said(after="Base", terms=terms), ownership.Verdict(KEEP, "unchanged"))

    def test_a_shared_field_follows_whoever_changed_it(self):
        for conflict in ("newest", "fill_empty", "ask"):
            terms = Terms(owner="shared", conflict=conflict)
            self.assertEqual(said(before="Base", terms=terms).action, WRITE)
            self.assertEqual(said(after="Base", terms=terms), ownership.Verdict(KEEP, "unchanged"))

    def test_both_changed(self):
        shared = {rule: Terms(owner="shared", conflict=rule) for rule in ("newest", "fill_empty", "ask")}
        self.assertEqual(said(terms=shared["ask"]), ownership.Verdict(ASK, "conflict"))
        self.assertEqual(said(terms=shared["fill_empty"]), ownership.Verdict(KEEP, "filled"))
        self.assertEqual(said(before="", terms=shared["fill_empty"]).action, WRITE)
        newest = shared["newest"]
        self.assertEqual(said(terms=newest, said_at=LATE, held_at={"": EARLY}).action, WRITE)
        self.assertEqual(said(terms=newest, said_at=EARLY, held_at={"": LATE}).reason, "older")
        self.assertEqual(said(terms=newest, said_at=LATE).action, ASK, "nobody knows when Odoo's was changed")

    def test_the_moment_of_the_field_counts_before_that_of_the_record(self):
        verdict = said(
            terms=Terms(owner="shared", conflict="newest"),
            said_at=LATE, held_at={"": datetime(2026, 1, 1, 12), "f": EARLY},
        )
        self.assertEqual(verdict.action, WRITE)

    def test_what_was_never_looked_at_counts_as_changed_on_both_sides(self):
        terms = Terms(owner="shared", conflict="ask")
        self.assertEqual(said(agreed=None, terms=terms).action, ASK)
        self.assertEqual(said(agreed=None, terms=Terms()).action, WRITE)

    def test_policies_come_before_owners(self):
        self.assertEqual(said(terms=Terms("create_only")).reason, "create_only")
        self.assertEqual(said(terms=Terms("fill_empty")).reason, "filled")
        self.assertEqual(said(before=False, terms=Terms("fill_empty")).action, WRITE)
        self.assertEqual(said(before=0, terms=Terms("fill_empty")).reason, "filled", "0 is a value")

    def test_a_protected_field_waits_for_an_approval(self):
        terms = Terms("protected")
        held = said(terms=terms, protected=frozenset({"f"}))
        self.assertEqual((held.action, held.reason), (PROPOSE, "protected"))
        self.assertEqual(said(terms=terms).action, WRITE)
        self.assertEqual(said(gates={"f": 1}).reason, "approval")

    def test_what_was_rejected_is_not_brought_up_again(self):
        settled = {("f", print_of("There")): "rejected"}
        self.assertEqual(said(gates={"f": 1}, settled=settled).reason, "rejected")
        self.assertEqual(said(terms=Terms(owner="shared", conflict="ask"), settled=settled).action, KEEP)
        self.assertEqual(said(after="Else", gates={"f": 1}, settled=settled).action, PROPOSE)

    def test_a_decision_lifts_what_a_person_may_lift(self):
        granted = frozenset({"f"})
        for terms in (Terms("protected"), Terms(owner="odoo"), Terms(owner="shared", conflict="ask")):
            verdict = said(terms=terms, protected=granted, gates={"f": 1}, granted=granted)
            self.assertEqual(verdict.action, WRITE)
        self.assertEqual(said(terms=Terms("create_only"), granted=granted).action, KEEP)
        self.assertEqual(said(terms=Terms("fill_empty"), granted=granted).action, KEEP)

    def test_the_other_way_round_the_owners_change_places(self):
        self.assertEqual(Terms(owner="odoo").mirrored().owner, "remote")
        self.assertEqual(Terms(owner="shared", conflict="ask").mirrored().owner, "shared")

    def test_equal_values_have_equal_prints(self):
        for one, other in ((0.1, Decimal("0.10")), ((3, 1), [1, 3]), (False, ""), (None, ()), (7, 7.0)):
            self.assertEqual(print_of(one), print_of(other))
        self.assertEqual(len({print_of(value) for value in (0, None, "0", "x", (1,), 1)}), 6)

    def test_moments_of_versions(self):
        noon = datetime(2026, 1, 1, 12)
        utc, offset, unix = "2026-01-01T12:00:00Z", "2026-01-01T13:00:00.000+0100", "1767268800000"
        for text in (utc, offset, unix, "7~20260101T120000.000000"):
            self.assertEqual(ownership.moment_of(text), noon)
        for text in ("00000007", "", "v3"):
            self.assertIsNone(ownership.moment_of(text))

    def test_what_providers_send_back_is_spelled_their_way(self):
        for one, other in ((Decimal("12.50"), "12.5"), (True, "true"), (False, "false"), (None, ""), (3, "3.0")):
            self.assertTrue(ownership.same_when_sent(one, other), (one, other))
        for one, other in ((True, "false"), ("a", "b"), (0, None), ("1", "2")):
            self.assertFalse(ownership.same_when_sent(one, other), (one, other))
