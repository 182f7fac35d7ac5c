import unittest

from ..lib.declarations import RemoteField
from ..lib.schema import (
    FAILS,
    HARMLESS,
    LOOK,
    WRONG,
    Difference,
    Use,
    becomes_mandatory,
    compare,
    severity,
    walk,
    worst,
)


def shape(*fields):
    """Return fields by name."""
    return {field.name: field for field in fields}


NAME = RemoteField("Name", "Name", "string", kind="text", length=80)
OWNER = RemoteField("OwnerId", "Owner", "reference", kind="reference", references="User", relationship="Owner")
STAGE = RemoteField("Stage", "Stage", "picklist", kind="choice", choices=(("a", "Alpha"), ("b", "Beta")))
LINES = RemoteField("Lines", "Lines", "list", kind="lines", references="Line", relationship="Lines")
CITY = RemoteField("address.city", "City", "string", kind="text")

SCHEMA = {
    "Deal": shape(NAME, OWNER, STAGE, LINES, CITY),
    "User": shape(NAME, RemoteField("ManagerId", "Manager", "reference", references="User", relationship="Manager")),
    "Line": shape(RemoteField("Qty", "Quantity", "double", kind="number")),
}


def with_(field, **changes):
    """Return a changed copy of a field."""
    return type(field)(**{**{name: getattr(field, name) for name in field.__slots__}, **changes})


class TestCompare(unittest.TestCase):
    def kinds(self, before, after):
        """Return the kinds of differences between two versions of one field."""
        return [difference.kind for difference in compare(shape(before), shape(after))]

    def test_equal_shapes_do_not_differ(self):
        self.assertEqual(compare(SCHEMA["Deal"], dict(SCHEMA["Deal"])), [])

    def test_fields_come_and_go(self):
        found = compare(shape(NAME, OWNER), shape(OWNER, STAGE))
        self.assertEqual(
            found,
            [
                Difference("removed", "Name", "Name", before="string"),
                Difference("added", "Stage", "Stage", after="picklist"),
            ],
        )

    def test_every_property_counts(self):
        self.assertEqual(self.kinds(NAME, with_(NAME, type="double", kind="number")), ["type"])
        self.assertEqual(self.kinds(OWNER, with_(OWNER, references="Group")), ["reference"])
        self.assertEqual(self.kinds(NAME, with_(NAME, required=True)), ["required"])
        self.assertEqual(self.kinds(with_(NAME, required=True), NAME), ["optional"])
        self.assertEqual(self.kinds(NAME, with_(NAME, writable=False)), ["read_only"])
        self.assertEqual(self.kinds(with_(NAME, writable=False), NAME), ["writable"])
        self.assertEqual(self.kinds(NAME, with_(NAME, length=40)), ["shorter"])
        self.assertEqual(self.kinds(NAME, with_(NAME, length=255)), ["longer"])
        self.assertEqual(self.kinds(NAME, with_(NAME, length=0)), [], "an unknown length says nothing")
        self.assertEqual(self.kinds(NAME, with_(NAME, label="Title")), ["relabelled"])

    def test_choices_are_told_by_name(self):
        found = compare(shape(STAGE), shape(with_(STAGE, choices=(("b", "Beta"), ("c", "Gamma")))))
        self.assertEqual(
            [(one.kind, one.before, one.after) for one in found],
            [("choice_removed", "Alpha", ""), ("choice_added", "", "Gamma")],
        )

    def test_a_choice_with_a_new_label_is_the_same(self):
        self.assertEqual(compare(shape(STAGE), shape(with_(STAGE, choices=(("a", "A"), ("b", "Beta"))))), [])


class TestWalk(unittest.TestCase):
    def test_a_field_of_the_object(self):
        found = walk(SCHEMA, "Deal", "Name")
        self.assertEqual((found.field, found.steps), (NAME, (("Deal", "Name"),)))

    def test_through_relationships(self):
        found = walk(SCHEMA, "Deal", "Owner.Manager.Name")
        self.assertEqual(found.steps, (("Deal", "OwnerId"), ("User", "ManagerId"), ("User", "Name")))
        self.assertEqual(found.field, NAME)

    def test_a_path_of_an_object_that_nobody_named_is_not_known_to_be_wrong(self):
        self.assertFalse(walk(SCHEMA, "", "Qty").is_broken)

    def test_a_name_with_dots_wins(self):
        self.assertEqual(walk(SCHEMA, "Deal", "address.city").field, CITY)

    def test_lines_with_and_without_a_number(self):
        self.assertEqual(walk(SCHEMA, "Deal", "Lines.0.Qty").field.label, "Quantity")
        self.assertEqual(walk(SCHEMA, "Deal", "Lines.Qty").field.label, "Quantity")

    def test_what_leads_nowhere_is_broken(self):
        for path in ("Nothing", "Owner.Nothing", "Name.Further"):
            self.assertTrue(walk(SCHEMA, "Deal", path).is_broken, path)

    def test_what_is_not_known_is_not_broken(self):
        found = walk({"Deal": SCHEMA["Deal"]}, "Deal", "Owner.Name")
        self.assertEqual((found.missing, found.is_broken), ("User", False))
        self.assertFalse(walk({}, "Deal", "Name").is_broken)


class TestSeverity(unittest.TestCase):
    READ = Use(1, "Name", "remote", reads=True, writes=False)
    WRITE = Use(1, "Name", "remote", reads=False, writes=True)
    LINK = Use(1, "Owner Name", "remote", reads=False, writes=True, is_last=False)

    def level(self, kind, use):
        """Return the severity of a kind of difference."""
        return severity(Difference(kind, "Name"), use)

    def test_gone_and_read_would_blank_odoo(self):
        self.assertEqual(self.level("removed", self.READ), WRONG)
        self.assertEqual(self.level("removed", self.WRITE), FAILS)
        self.assertEqual(self.level("object_removed", self.READ), WRONG)

    def test_odoo_s_own_field_gone_is_wrong_either_way(self):
        self.assertEqual(self.level("removed", Use(1, "n", "odoo", reads=False, writes=True)), WRONG)

    def test_another_type_is_wrong_unless_it_fits(self):
        self.assertEqual(self.level("type", self.READ), WRONG)
        self.assertEqual(self.level("type", self.WRITE), FAILS)
        self.assertEqual(self.level("type", Use(1, "n", "remote", True, False, fits=True)), LOOK)
        self.assertEqual(self.level("type", Use(1, "n", "remote", True, False, fits=False)), WRONG)

    def test_writing_is_refused(self):
        for kind in ("read_only", "shorter"):
            self.assertEqual(self.level(kind, self.WRITE), FAILS)
            self.assertEqual(self.level(kind, self.READ), HARMLESS)
            self.assertEqual(self.level(kind, self.LINK), HARMLESS, "nothing is written to a link on the way")

    def test_values(self):
        self.assertEqual(self.level("choice_added", self.READ), LOOK)
        self.assertEqual(self.level("choice_added", self.WRITE), HARMLESS)
        self.assertEqual(self.level("choice_removed", self.WRITE), LOOK)

    def test_a_new_name_is_harmless(self):
        for kind in ("relabelled", "longer", "optional", "writable", "added"):
            self.assertEqual(self.level(kind, self.READ), HARMLESS)

    def test_the_worst_counts(self):
        self.assertEqual(worst([HARMLESS, FAILS, LOOK]), FAILS)
        self.assertEqual(worst([]), HARMLESS)

    def test_mandatory(self):
        must = RemoteField("x", "X", "string", required=True)
        self.assertTrue(becomes_mandatory(Difference("required", "x"), must))
        self.assertTrue(becomes_mandatory(Difference("added", "x"), must))
        self.assertFalse(becomes_mandatory(Difference("added", "x"), NAME))
        self.assertFalse(becomes_mandatory(Difference("removed", "x"), None))
