from datetime import datetime, timezone
from decimal import Decimal

from odoo.tests import BaseCase

from ..lib.form import encode


class TestForm(BaseCase):
    def test_nesting(self):
        self.assertEqual(
            encode({
                "a": 1,
                "b": {"c": "x", "d": {"e": True}},
                "f": ["p", "q"],
                "g": [{"h": 1}, {"h": 2, "i": ["z"]}],
            }),
            [("a", "1"), ("b[c]", "x"), ("b[d][e]", "true"), ("f[]", "p"), ("f[]", "q"),
             ("g[0][h]", "1"), ("g[1][h]", "2"), ("g[1][i][]", "z")],
        )

    def test_values(self):
        noon = datetime(2026, 9, 21, 14, 13, 20)
        for value, text in (
            (True, "true"), (False, "false"), (None, ""), ([], ""), ({}, ""), (0, "0"), ("é", "é"),
            (Decimal("1E+2"), "100"), (Decimal("0.00001"), "0.00001"),
            (noon, "1790000000"), (noon.replace(tzinfo=timezone.utc), "1790000000"),
        ):
            with self.subTest(value=value):
                self.assertEqual(encode({"x": value}), [("x", text)])

    def test_what_has_no_exact_form(self):
        for value in (1.5, Decimal("NaN"), b"x", object(), {1, 2}):
            with self.subTest(value=value), self.assertRaises(TypeError) as caught:
                encode({"m": {"x": value}})
            self.assertIn("m[x]", str(caught.exception))
