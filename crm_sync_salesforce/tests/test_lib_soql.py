import json
import os
import shutil
import subprocess
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

from odoo.tests import BaseCase

from ..lib import soql
from ..lib.const import OBJECTS, QUOTE_LINE_FIELDS

#: Every kind of query that the client emits, with values that try to break out.
NASTY = ("O'Hara", "\\' OR Id != ''", "a\nb\r\t\b\f", '"quoted"', "%_", "ünï😀", "'; --", "\\")


def emitted():
    """Return queries as the client builds them."""
    moment = datetime(2026, 5, 6, 11, 56, 44)
    queries = [soql.select("Organization", ("Id", "Name", "IsSandbox"), limit=1)]
    for data in OBJECTS.values():
        children = [soql.children(name, fields, order=("Id",)) for name, fields in data.children.items()]
        queries.append(soql.select(
            data.name, [*data.fields, *children], where=soql.contained("Id", ["001D000000IRt53IAD"]), order=("Id",)))
        queries.append(soql.select(
            data.name, ("Id", "SystemModstamp"), limit=2000, order=("SystemModstamp", "Id"),
            where=soql.all_of(soql.equals("Name", NASTY[1]), soql.after(moment, "001D000000IRt53IAD"))))
    of_quote = soql.contained("QuoteId", ["0Q0D000000IRt53"])
    queries.append(soql.select("QuoteLineItem", QUOTE_LINE_FIELDS, where=of_quote))
    queries += [soql.select("Account", ("Id",), where=soql.equals("Name", text)) for text in NASTY]
    queries += [
        soql.select("Account", ("Id",), where=soql.like("Name", f"%{soql.like_literal(text)}%")) for text in NASTY]
    return queries


class TestSoql(BaseCase):
    def test_literals(self):
        for value, text in (
            ("it's", r"'it\'s'"), ("back\\slash", r"'back\\slash'"), ("line\nbreak", r"'line\nbreak'"),
            ('"x"', r"'\"x\"'"), (True, "true"), (None, "null"), (5, "5"), (Decimal("1E+3"), "1000"),
            (Decimal("0.10"), "0.10"), (date(2026, 5, 6), "2026-05-06"),
            (datetime(2026, 5, 6, 11, 56, 44, 999), "2026-05-06T11:56:44Z"),
            (datetime(2026, 5, 6, 13, 0, tzinfo=timezone(timedelta(hours=2))), "2026-05-06T11:00:00Z"),
        ):
            self.assertEqual(soql.literal(value), text)

    def test_no_literal_for_floats(self):
        with self.assertRaises(TypeError):
            soql.literal(0.1)

    def test_wildcards_are_escaped(self):
        self.assertEqual(soql.like("Name", soql.like_literal("50%_'\\") + "%"), "Name LIKE '50\\%\\_\\'\\\\%'")

    def test_names_are_checked(self):
        for text in ("Name'", "Id FROM User", "", "1x", "a.b.c.d.e.f.g", "Name--", "Näme", "Account..Name"):
            with self.assertRaises(soql.InvalidName):
                soql.path(text)
        with self.assertRaises(soql.InvalidName):
            soql.select("Account, User", ("Id",))
        with self.assertRaises(soql.InvalidName):
            soql.compare("Name", "LIKE 'x' OR Name =", "y")

    def test_select(self):
        query = soql.select(
            "Opportunity", ("Id", "Id", "Account.Name", soql.children("OpportunityLineItems", ("Id", "Quantity"))),
            where=soql.any_of(soql.equals("IsWon", True), soql.compare("Amount", ">", Decimal("9.50"))),
            order=("-CloseDate", "Id"), limit=5)
        self.assertEqual(
            query, "SELECT Id, Account.Name, (SELECT Id, Quantity FROM OpportunityLineItems) FROM Opportunity"
            " WHERE (IsWon = true) OR (Amount > 9.50) ORDER BY CloseDate DESC, Id LIMIT 5")

    def test_conditions_of_key_set_paging(self):
        moment = datetime(2026, 5, 6, 11, 56, 44, tzinfo=timezone.utc)
        self.assertEqual(soql.after(moment, None), "SystemModstamp >= 2026-05-06T11:56:44Z")
        self.assertEqual(
            soql.after(moment, "001D000000IRt53IAD"),
            "((SystemModstamp = 2026-05-06T11:56:44Z) AND (Id > '001D000000IRt53IAD'))"
            " OR (SystemModstamp > 2026-05-06T11:56:44Z)")

    def test_empty_lists_are_refused(self):
        with self.assertRaises(ValueError):
            soql.contained("Id", [])
        self.assertEqual(soql.all_of("", "a = 1", ""), "a = 1")

    def test_chunks_respect_both_limits(self):
        ids = [f"001D000000{n:05d}IAD" for n in range(1000)]
        by_count = list(soql.chunks(ids, 10 ** 6, 200))
        self.assertEqual([len(chunk) for chunk in by_count], [200] * 5)
        by_room = list(soql.chunks(ids, 1000, 200))
        self.assertEqual([i for chunk in by_room for i in chunk], ids)
        for chunk in by_room:
            self.assertLessEqual(soql.encoded_length(soql.contained("Id", chunk)), 1000 + 20)
        self.assertEqual(list(soql.chunks(["x" * 5000], 100, 200)), [["x" * 5000]])


class TestSoqlJudge(BaseCase):
    def test_an_independent_parser_takes_every_query(self):
        """``SANDBOX_NODE_MODULES`` names a folder with @jetstreamapp/soql-parser-js."""
        folder = os.environ.get("SANDBOX_NODE_MODULES", "")
        if not shutil.which("node") or not os.path.isdir(f"{folder}/@jetstreamapp/soql-parser-js"):
            self.skipTest("node or @jetstreamapp/soql-parser-js is not installed (SANDBOX_NODE_MODULES)")
        script = (
            "const p = require(process.argv[1] + '/@jetstreamapp/soql-parser-js');"
            "const q = JSON.parse(require('fs').readFileSync(0));"
            "console.log(JSON.stringify(q.filter(s => !p.isQueryValid(s))));"
            "if (p.isQueryValid('SELECT FROM x')) process.exit(3);")
        queries = emitted()
        run = subprocess.run(
            ["node", "-e", script, folder], input=json.dumps(queries), capture_output=True, text=True, timeout=60,
            check=False)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(json.loads(run.stdout), [])
        self.assertGreater(len(queries), 30)
