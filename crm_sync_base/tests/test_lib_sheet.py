import csv
import io
from unittest import TestCase

import openpyxl

from ..lib import sheet

HEAD = ["Field", "After"]
ROWS = [["Name", "Café, “Zürich”"], ["Note", "two\nlines"], ["Formula", "=1+1"], ["Amount", "-12.50"]]


class TestSheet(TestCase):
    def test_csv_comes_back_as_it_was_but_for_formulas(self):
        text = sheet.to_csv(HEAD, ROWS).decode("utf-8-sig")
        back = list(csv.reader(io.StringIO(text, newline="")))
        self.assertEqual(back, [HEAD, *ROWS[:2], ["Formula", "'=1+1"], ["Amount", "-12.50"]])

    def test_xlsx_has_texts_only(self):
        [page] = openpyxl.load_workbook(io.BytesIO(sheet.to_xlsx(HEAD, ROWS, "Audit " * 9))).worksheets
        self.assertEqual([[cell.value for cell in row] for row in page.rows], [HEAD, *ROWS])
        self.assertEqual({cell.data_type for row in page.rows for cell in row}, {"s"})

    def test_what_a_spreadsheet_would_evaluate(self):
        for text in ("=cmd", "+cmd", "-cmd", "@SUM(A1)", "\t=1"):
            self.assertEqual(sheet.safe(text), f"'{text}")
        for text in ("", "plain", "+3.5", "-7", "a=b"):
            self.assertEqual(sheet.safe(text), text)
