from odoo.tests import BaseCase

from ..lib.impact import BLOCKED, DIFFERENT, RELEASED, SAME, Effect, compare
from ..lib.rule_diff import ADDED, CHANGED, REMOVED, Described, differences


def rule(target, path="", **shown):
    return Described((f"{target}/{path}", target), target, {"From": path, **shown})


class TestRuleDiff(BaseCase):
    def test_equal_versions_have_no_difference(self):
        rules = [rule("name", "Name"), rule("phone", "Phone")]
        self.assertEqual(differences(rules, list(reversed(rules))), [])

    def test_added_changed_removed(self):
        before = [rule("name", "Name"), rule("phone", "Phone", How="direct"), rule("ref", "Code")]
        after = [rule("email", "Email"), rule("name", "Name"), rule("phone", "Mobile", How="phone")]
        found = differences(before, after)
        self.assertEqual([(one.kind, one.title) for one in found],
                         [(ADDED, "email"), (CHANGED, "phone"), (REMOVED, "ref")])
        self.assertEqual(found[1].attributes, (("From", "Phone", "Mobile"), ("How", "direct", "phone")))
        self.assertEqual(found[0].attributes, (("From", "", "Email"),))

    def test_two_rules_of_one_field_are_told_apart_by_their_source(self):
        before = [rule("note", "A", How="x"), rule("note", "B", How="y")]
        after = [rule("note", "B", How="y"), rule("note", "A", How="z")]
        [found] = differences(before, after)
        self.assertEqual(found.attributes, (("How", "x", "z"),))


class TestImpact(BaseCase):
    def test_what_both_write_alike_is_the_same(self):
        effect = Effect("update", {"name": ("A", "B")})
        self.assertEqual(compare(effect, effect).kind, SAME)
        self.assertEqual(compare(Effect(), Effect()).kind, SAME)

    def test_a_field_that_only_one_version_writes(self):
        found = compare(Effect(), Effect("update", {"phone": (None, "1")}, frozenset({"phone"})))
        self.assertEqual((found.kind, dict(found.values), found.waiting),
                         (DIFFERENT, {"phone": (None, "1")}, {"phone"}))
        found = compare(Effect("update", {"phone": (None, "1")}), Effect())
        self.assertEqual(dict(found.values), {"phone": ("1", None)}, "it would stay empty")

    def test_fields_that_both_write_differently(self):
        now = Effect("update", {"name": ("A", "B"), "ref": (None, "1")})
        then = Effect("update", {"name": ("A", "C"), "ref": (None, "1")})
        self.assertEqual(dict(compare(now, then).values), {"name": ("B", "C")})

    def test_blocked_and_released(self):
        writes, blocked = Effect("create", {"name": (None, "A")}), Effect(problem="VAT is empty")
        self.assertEqual((compare(writes, blocked).kind, compare(writes, blocked).reason), (BLOCKED, "VAT is empty"))
        self.assertEqual((compare(blocked, writes).kind, compare(blocked, writes).reason), (RELEASED, "VAT is empty"))
        self.assertEqual(dict(compare(blocked, writes).values), {"name": (None, "A")})
        self.assertEqual(compare(blocked, blocked).kind, SAME)
        self.assertEqual(compare(blocked, Effect(problem="Name is empty")).kind, DIFFERENT)

    def test_a_record_more_is_a_difference(self):
        self.assertEqual(compare(Effect(), Effect("create", {})).kind, DIFFERENT)
