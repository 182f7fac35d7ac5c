from datetime import date, datetime
from decimal import Decimal

from odoo.tests import BaseCase, tagged

from ..lib import undo
from ..lib.undo import Past, changed_since, restoration, typed

AT = datetime(2026, 1, 2, 3, 4, 5)


def past(**values):
    return Past(1, "update", 7, "Record", values, AT)


@tagged("post_install", "-at_install")
class TestUndo(BaseCase):
    def test_values_of_the_ledger_are_read_as_the_orm_gives_them(self):
        for kind, stored, expected in (
            ("char", "x", "x"),
            ("char", None, None),
            ("char", False, None),
            ("float", "12.50", Decimal("12.5")),
            ("monetary", 0.1, Decimal("0.1")),
            ("float", 0, Decimal(0)),
            ("integer", 3, 3),
            ("boolean", True, True),
            ("date", "2026-01-02", date(2026, 1, 2)),
            ("datetime", "2026-01-02 03:04:05", AT),
            ("many2one", 5, 5),
            ("many2many", [1, 2], (1, 2)),
            ("many2many", None, ()),
        ):
            with self.subTest(kind=kind, stored=stored):
                self.assertEqual(typed(kind, stored), expected)

    def test_what_nobody_changed_goes_back(self):
        found = restoration(past(name=("A", "B")), {"name": "B"}, {"name": "char"}, untouched=False)
        self.assertEqual((found.values, found.left), ({"name": "A"}, {}))

    def test_what_somebody_changed_stays(self):
        found = restoration(past(name=("A", "B")), {"name": "C"}, {"name": "char"}, untouched=False)
        self.assertEqual((found.values, found.left), ({}, {"name": undo.CHANGED}))

    def test_what_odoo_spelled_otherwise_is_still_the_changes_own(self):
        kinds = {"website": "char"}
        change = past(website=(None, "example.com"))
        found = restoration(change, {"website": "http://example.com"}, kinds, untouched=True)
        self.assertEqual(found.values, {"website": None})

    def test_what_is_back_already_is_no_news(self):
        found = restoration(past(name=("A", "B")), {"name": "A"}, {"name": "char"}, untouched=True)
        self.assertEqual((found.values, found.left), ({}, {}))

    def test_fields_that_are_gone_and_lines(self):
        change = past(old=("A", "B"), order_line=(None, "3 lines"))
        found = restoration(change, {"order_line": (1,)}, {"order_line": "one2many"}, untouched=True)
        self.assertEqual(found.left, {"old": undo.GONE, "order_line": undo.LINES})

    def test_rounding_is_no_change(self):
        found = restoration(past(price=("1.10", "2.20")), {"price": 2.2}, {"price": "float"}, untouched=False)
        self.assertEqual(found.values, {"price": Decimal("1.10")})

    def test_a_created_record_that_was_changed(self):
        change = Past(1, "create", 7, "Record", {"name": (None, "A"), "tag_ids": (None, [2, 1])}, AT)
        kinds = {"name": "char", "tag_ids": "many2many"}
        self.assertEqual(changed_since(change, {"name": "A", "tag_ids": (1, 2)}, kinds), [])
        self.assertEqual(changed_since(change, {"name": "B", "tag_ids": (1, 2)}, kinds), ["name"])

    def test_undoing_an_undo_is_doing_it_again(self):
        for operation in ("withdraw", "restore", "update"):
            self.assertEqual(undo.OPPOSITE[undo.OPPOSITE[operation]], operation)
