import unittest

from ..lib.declarations import RemoteField
from ..lib.mapping_check import (
    ERROR,
    WARNING,
    Facts,
    RuleFacts,
    check,
    mandatory_ring,
    mismatches,
    ring,
)
from .test_lib_schema import shape

REMOTE = {
    "Machine": shape(
        RemoteField("Name", "Name", "string", kind="text", required=True),
        RemoteField("Key", "Key", "string", kind="text", unique=True),
        RemoteField("Price", "Price", "currency", kind="number"),
        RemoteField("Sold", "Sold", "datetime", kind="datetime"),
        RemoteField("Active", "Active", "boolean", kind="boolean"),
        RemoteField("Id", "ID", "id", kind="text", writable=False),
        RemoteField("Owner", "Owner", "reference", kind="reference", references="Account", relationship="Owner"),
        RemoteField("Stage", "Stage", "picklist", kind="choice", choices=(("a", "Alpha"), ("b", "Beta"))),
    )
}
ODOO = {
    "x.machine": shape(
        RemoteField("name", "Name", "char", kind="text", required=True),
        RemoteField("price", "Price", "float", kind="number"),
        RemoteField("sold_at", "Sold", "datetime", kind="datetime"),
        RemoteField("active", "Active", "boolean", kind="boolean"),
        RemoteField("total", "Total", "float", kind="number", writable=False),
        RemoteField("partner_id", "Owner", "many2one", kind="reference", references="res.partner"),
        RemoteField("stage", "Stage", "selection", kind="choice", choices=(("a", "Alpha"),)),
    ),
    "res.partner": shape(RemoteField("ref", "Reference", "char", kind="text")),
}


def rule(path, target, transform="direct", **facts):
    """Return a rule's facts under its own key."""
    return RuleFacts(facts.pop("key", f"{path}>{target}"), path, target, transform=transform, **facts)


NAME = rule("Name", "name")


class TestCheck(unittest.TestCase):
    def codes(self, *rules, **facts):
        """Return `{(level, code)}` of what is doubtful."""
        return {(one.level, one.code) for one in self.findings(*rules, **facts)}

    def findings(self, *rules, **facts):
        """Return what is doubtful."""
        return check(rules, Facts(REMOTE, ODOO, "Machine", "x.machine", **facts))

    def test_a_good_mapping_has_no_findings(self):
        good = [
            NAME,
            rule("Price", "price", "number"),
            rule("Sold", "sold_at", "datetime"),
            rule("Active", "active", "boolean"),
            rule("Owner", "partner_id", "reference", argument="Account"),
            rule("Stage", "stage", "value_map", mapped=frozenset("ab")),
        ]
        self.assertEqual(self.findings(*good, brought={"Account"}), [])

    def test_unknown_fields(self):
        self.assertIn((ERROR, "remote_unknown"), self.codes(NAME, rule("Nope", "price", "number")))
        self.assertIn((ERROR, "odoo_unknown"), self.codes(NAME, rule("Price", "nope", "number")))
        unread = check([NAME], Facts({}, {}, "Machine", "x.machine"))
        self.assertEqual(unread, [], "what was never read is not doubted")

    def test_incomplete_rules(self):
        self.assertIn((ERROR, "incomplete"), self.codes(NAME, rule("", "price", "number")))
        self.assertIn((ERROR, "incomplete"), self.codes(NAME, rule("Price", "", "number")))
        self.assertNotIn((ERROR, "incomplete"), self.codes(NAME, rule("", "price", "constant", argument="1")))

    def test_types_that_do_not_fit(self):
        self.assertIn((WARNING, "type"), self.codes(NAME, rule("Sold", "price", "number")))
        self.assertIn((WARNING, "type"), self.codes(NAME, rule("Sold", "sold_at")), "a raw moment is a text")
        self.assertIn((ERROR, "type"), self.codes(NAME, rule("Owner", "partner_id")), "an id is no record")
        self.assertIn((ERROR, "type"), self.codes(NAME, rule("Active", "sold_at")), "no yes is a day")
        self.assertIn((ERROR, "type"), self.codes(NAME, rule("Owner", "price", "reference", argument="Account")))
        self.assertIn((WARNING, "type"), self.codes(NAME, rule("Name", "price")), "a text may be a number")
        out = rule("Price", "name", "direct", direction="outbound")
        self.assertIn((WARNING, "type"), self.codes(out, direction="outbound"))

    def test_a_boolean_as_it_is(self):
        self.assertIn((WARNING, "boolean"), self.codes(NAME, rule("Active", "active")))

    def test_read_only_fields(self):
        self.assertIn((WARNING, "read_only"), self.codes(NAME, rule("Price", "total", "number")))
        out = rule("Id", "name", direction="outbound")
        self.assertIn((ERROR, "read_only"), self.codes(out, direction="outbound"))

    def test_one_field_filled_twice(self):
        (found,) = (one for one in self.findings(NAME, rule("Key", "name")) if one.code == "twice")
        self.assertEqual((found.rule, found.side), ("Key>name", "odoo"))
        both = rule("Name", "price", "number", direction="outbound", key="x")
        self.assertNotIn((ERROR, "twice"), self.codes(NAME, both), "one comes in, one goes out")

    def test_mandatory_fields_of_odoo(self):
        (found,) = (one for one in self.findings(rule("Price", "price", "number")) if one.code == "required")
        self.assertEqual((found.side, found.field), ("odoo", "name"))
        self.assertNotIn((ERROR, "required"), self.codes(creates=False))

    def test_mandatory_fields_of_the_provider(self):
        out = rule("Price", "price", "number", direction="outbound")
        found = self.findings(out, direction="outbound")
        self.assertEqual([(one.code, one.field) for one in found], [("required", "Name")])

    def test_creation_by_key(self):
        out = rule("Name", "name", direction="outbound")
        (found,) = self.findings(out, direction="outbound", creates_by_key=True)
        self.assertEqual((found.code, found.field), ("key", "Key"))
        keyed = rule("Key", "name", direction="outbound")
        self.assertEqual(self.findings(out, keyed, direction="outbound", creates_by_key=True), [])

    def test_values_without_counterpart(self):
        self.assertIn(
            (WARNING, "unmapped_values"),
            self.codes(NAME, rule("Stage", "stage", "value_map", mapped=frozenset("a"))),
        )
        self.assertIn((WARNING, "choices"), self.codes(NAME, rule("Stage", "stage")))
        self.assertIn((ERROR, "value_map"), self.codes(NAME, rule("Stage", "stage", "value_map")))

    def test_links(self):
        self.assertIn((ERROR, "argument"), self.codes(NAME, rule("Owner", "partner_id", "reference")))
        other = rule("Owner", "partner_id", "reference", argument="Contact")
        self.assertIn((WARNING, "reference"), self.codes(NAME, other))
        right = rule("Owner", "partner_id", "reference", argument="Account")
        self.assertIn((WARNING, "no_flow"), self.codes(NAME, right, brought=set()))
        lookup = rule("Name", "partner_id", "lookup", argument="code", key="l")
        self.assertIn((ERROR, "lookup"), self.codes(NAME, lookup))

    def test_one_way_transforms(self):
        both = rule("Name", "name", "text", direction="both")
        self.assertIn((ERROR, "argument"), self.codes(both))

    def test_arguments(self):
        self.assertIn((ERROR, "argument"), self.codes(NAME, rule("Price", "price", "scale")))
        self.assertIn((ERROR, "argument"), self.codes(NAME, rule("Name", "name", "template", argument="{Name")))

    def test_fields_that_an_argument_names(self):
        good = rule("", "name", "template", argument="{Name} {Owner.Name}")
        self.assertEqual(self.codes(good), set(), "what is behind the link is not known")
        self.assertEqual(good.read_paths, ("Name", "Owner.Name"))
        self.assertIn((ERROR, "remote_unknown"), self.codes(rule("", "name", "template", argument="{Nope}")))
        money = rule("Price", "price", "money", argument="Nope")
        self.assertIn((ERROR, "remote_unknown"), self.codes(NAME, money))

    def test_errors_come_first(self):
        levels = [one.level for one in self.findings(rule("Active", "active"), rule("Nope", "price", "number"))]
        self.assertEqual(levels, sorted(levels, key=lambda level: level != ERROR))

    def test_unknown_kinds_and_transforms_are_not_doubted(self):
        odd = RemoteField("Odd", "Odd", "location")
        name, price = REMOTE["Machine"]["Name"], ODOO["x.machine"]["price"]
        self.assertEqual(mismatches(rule("Odd", "price"), odd, price), [])
        self.assertEqual(mismatches(rule("Name", "price", "tomorrow"), name, price), [])


class TestRings(unittest.TestCase):
    X, Y, A, B = ("r", "X"), ("r", "Y"), ("o", "a"), ("o", "b")

    def test_to_and_fro_is_no_ring(self):
        edges = {(self.X, self.A), (self.A, self.X)}
        self.assertEqual(ring((self.X, self.A), edges), [])

    def test_two_systems_around_one_field_are_no_ring(self):
        h = ("h", "H")
        edges = {(self.X, self.A), (self.A, self.X), (self.A, h), (h, self.A)}
        self.assertTrue(all(ring(edge, edges) == [] for edge in edges))

    def test_a_value_that_wanders_is_a_ring(self):
        edges = {(self.X, self.A), (self.A, self.Y), (self.Y, self.B), (self.B, self.X)}
        self.assertEqual(ring((self.X, self.A), edges), [self.A, self.Y, self.B, self.X])
        self.assertTrue(all(ring(edge, edges) for edge in edges))

    def test_objects_that_need_each_other(self):
        self.assertEqual(mandatory_ring({"A": {"B"}, "B": {"C"}, "C": {"A"}}, "A"), ["A", "B", "C", "A"])
        self.assertEqual(mandatory_ring({"A": {"A"}}, "A"), ["A", "A"])
        self.assertEqual(mandatory_ring({"A": {"B"}, "B": {"C"}, "C": {"B"}}, "A"), [], "that is B's ring, not A's")
