"""Tables as files for spreadsheets: CSV and XLSX, without formulas from strangers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

import xlsxwriter

#: A cell that begins with one of these is a formula to spreadsheets that open a CSV file (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
WIDTH = 24  # of a column, in characters
LIMIT = 32_767  # characters of a cell in XLSX
ROWS = 1_048_575  # in a sheet of XLSX, its head not counted


def safe(text: str) -> str:
    """Return a text that a spreadsheet shows and does not evaluate; numbers stay as they are."""
    if not text.startswith(_FORMULA):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text


def to_csv(head: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Return a table as CSV: commas, quotes where needed, UTF-8 with its mark, which Excel wants."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(head)
    writer.writerows([safe(cell) for cell in row] for row in rows)
    return stream.getvalue().encode("utf-8-sig")


def to_xlsx(head: Sequence[str], rows: Iterable[Sequence[str]], title: str) -> bytes:
    """Return a table as XLSX, its head bold and fixed, every cell a text.

    :param rows: at most `ROWS`.
    """
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"constant_memory": True})
    sheet = book.add_worksheet(title[:31])
    sheet.set_column(0, len(head) - 1, WIDTH)
    sheet.freeze_panes(1, 0)
    bold = book.add_format({"bold": True})
    for column, text in enumerate(head):
        sheet.write_string(0, column, text, bold)
    for number, row in enumerate(rows, 1):
        for column, cell in enumerate(row):
            sheet.write_string(number, column, cell[:LIMIT])
    book.close()
    return stream.getvalue()
