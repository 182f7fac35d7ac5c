"""Lines of deals in the change ledger, and on the way back."""

import random
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

from odoo.addons.crm_sync_base.lib import clock
from odoo.tests import new_test_user, tagged

from .common import DealCase

FIELDS = (
    "product_id", "name", "product_uom_qty", "price_unit", "technical_price_unit", "discount", "tax_ids", "sequence",
)  # fmt: skip


class LineCase(DealCase):
    """A quotation of three lines, runs that change it, and runs that undo those."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.clerk = new_test_user(
            cls.env, "clerk", groups="sales_team.group_sale_manager", company_id=cls.company.id,
            company_ids=cls.company.ids,
        )

    def setUp(self):
        super().setUp()
        self.deal()
        self.first = self.load()

    def load(self):
        """Bring the deals by a first load; returns the run."""
        return self.finish(self.env["sync.run"]._start_pass(self.flow, dry_run=False))

    def finish(self, run):
        self.run_lane()
        self.env["sync.run"]._cron_replay()
        run.invalidate_recordset()
        return run

    def undo(self, run, **options):
        return self.finish(run._start_undo(**options))

    def line(self, run):
        return run.line_ids.filtered(lambda line: line.model == "sale.order")

    def change(self, run):
        return self.env["sync.change"].search([("run_id", "=", run.id), ("model", "=", "sale.order")], limit=1)

    def say(self, lines, **data):
        """Let the source say other lines, with the totals that belong to them."""
        self.deal(Lines=lines, **{**self.totals_of(lines), **data})

    def totals_of(self, lines):
        untaxed = taxed = Decimal(0)
        for line in lines:
            price, discount = Decimal(str(line["Price"])), Decimal(str(line.get("Discount") or 0))
            amount = Decimal(str(line["Qty"])) * price * (1 - discount / 100)
            untaxed += amount
            taxed += amount if line.get("Tax") else 0
        # As the company does: rounded once, at the end.
        untaxed, tax = (
            one.quantize(Decimal("0.01"), ROUND_HALF_UP) for one in (untaxed, taxed * Decimal("0.15"))
        )
        return {"Untaxed": float(untaxed), "TaxAmount": float(tax), "Total": float(untaxed + tax)}

    def revised(self):
        """Let a run change a line, remove one, and add one; returns it."""
        first, second, _third = self.lines()
        first.update(Qty=5, Discount=10)
        self.say([first, second, {"Id": "l9", "Sku": "SUP", "Qty": 3, "Price": 99.5, "Tax": "T15"}])
        run = self.load()
        self.assertEqual(self.line(run).verdict, "update", self.line(run).reason)
        return run

    def state(self):
        """Return all lines by their remote ids, and the totals."""
        order = self.order()
        order.invalidate_recordset()
        bindings = self.env["sync.binding"].search(
            [("remote_object", "=", "DealLine"), ("res_id", "in", order.order_line.ids)]
        )
        keys = {binding.res_id: binding.external_id for binding in bindings}
        lines = {
            keys.get(line.id, f"#{line.id}"): tuple(self.plain(line[name]) for name in FIELDS)
            for line in order.order_line
        }
        sums = tuple(order[f"amount_{part}"] for part in ("untaxed", "tax", "total"))
        source = (order.q2c_source_untaxed, order.q2c_source_tax, order.q2c_source_total)
        return lines, sums, source

    @staticmethod
    def plain(value):
        return tuple(value.ids) if hasattr(value, "ids") else value

    def by_hand(self, record, **values):
        """Let a person change a record, in a later transaction."""
        record.with_user(self.clerk).write(values)
        self.env.flush_all()
        self.env.cr.execute(
            f"UPDATE {record._table} SET write_date = %s WHERE id = ANY(%s)",
            [clock.now() + timedelta(seconds=1), record.ids],
        )
        record.invalidate_recordset()


@tagged("post_install", "-at_install")
class TestLineLedger(LineCase):
    def test_each_line_is_told_before_and_after(self):
        change = self.change(self.revised())
        rows = {row["label"]: (row["before"], row["after"]) for row in change.diff}
        self.assertEqual(rows["Line 1 [SRV] Product SRV: Quantity"], ("2", "5"))
        self.assertEqual(rows["Line 1 [SRV] Product SRV: Discount (%)"], ("12.5", "10"))
        self.assertEqual(rows["Total"], ("3345.65", "7300.15"))
        self.assertNotIn("Line 2", change.summary, "what stayed is not told")
        self.assertNotIn("echnical", change.summary)

    def test_what_went_and_came_is_told_in_full(self):
        change = self.change(self.revised())
        gone, new = [row for row in change.diff if row["field"] == "order_line"]
        self.assertEqual((gone["after"], new["before"]), ("∅", "∅"))
        for text in ("Product: [SUP] Product SUP", "Quantity: 1", "Unit Price: 500"):
            self.assertIn(text, gone["before"])
        for text in ("Product: [SUP] Product SUP", "Quantity: 3", "Unit Price: 99.5", "Taxes: Fifteen"):
            self.assertIn(text, new["after"])

    def test_a_created_deal_tells_all_its_lines(self):
        change = self.change(self.first)
        self.assertEqual(len([row for row in change.diff if row["field"] == "order_line"]), 3)
        before, after = change.sudo().values["order_line"]
        self.assertEqual((before, [row["key"] for row in after]), ([], ["l1", "l2", "l3"]))
        self.assertEqual(after[0]["values"]["price_unit"], "1299.99", "exact, as text")

    def test_a_deal_that_is_created_anew_binds_its_lines_anew(self):
        binding = self.env["sync.binding"].search([("remote_object", "=", "Deal"), ("external_id", "=", "d1")])
        self.order().unlink()
        binding.unlink()
        self.assertEqual(self.sync().state, "done")
        first, second, third = self.lines()
        third["Qty"] = 4
        self.say([first, second, third])
        self.sync()
        self.assertEqual((len(self.order().order_line), self.state()[0]["l3"][2]), (3, 4))

    def test_a_line_that_was_deleted_by_hand_comes_back_once(self):
        self.order().order_line[2].unlink()
        for number in (1, 2):
            self.deal(PO=f"PO-{number}")
            self.assertEqual(self.sync().state, "done")
        self.assertEqual(set(self.state()[0]), {"l1", "l2", "l3"})

    def test_the_lines_of_another_deal_stay_its_own(self):
        self.deal("d2")
        self.assertEqual(self.sync("d2").state, "done", "whatever ids the source gives its lines")
        self.assertEqual(set(self.state()[0]), {"l1", "l2", "l3"})

    def test_unchanged_lines_are_not_told(self):
        self.deal(PO="PO-1")
        change = self.change(self.load())
        self.assertEqual(set(change.sudo().values), {"client_order_ref"})

    def test_changes_are_found_by_a_field_of_a_line(self):
        change = self.change(self.revised())
        for text in ("product_uom_qty", "Discount (%)"):
            self.assertIn(change, self.env["sync.change"].search([("field_name", "ilike", text)]))
        self.assertNotIn(change, self.env["sync.change"].search([("field_name", "ilike", "validity_date")]))

    def test_the_export_and_the_dry_run_tell_lines_too(self):
        first, second, third = self.lines()
        first["Qty"] = 5
        self.say([first, second, third])
        plan = self.finish(self.env["sync.run"]._start_pass(self.flow, dry_run=True))
        labels = {row["label"]: (row["before"], row["after"]) for row in self.line(plan).diff}
        self.assertEqual(labels["Line 1 [SRV] Product SRV: Quantity"], ("2", "5"))
        run = self.finish(self.env["sync.run"].browse(plan.action_approve()["res_id"]))
        self.assertEqual(self.line(run).verdict, "update", self.line(run).reason)
        wizard = self.env["sync.change.export.wizard"].create({"scope": "selection", "selected": self.change(run).ids})
        rows = list(wizard._rows(self.change(run)))
        self.assertIn(["Line 1 [SRV] Product SRV: Quantity", "2", "5"], [row[10:13] for row in rows])

    def test_seals_cover_the_lines(self):
        change = self.change(self.revised())
        self.assertIn("values", self.env["sync.change"]._sealed_columns())
        digests = self.env["sync.change"]._digests
        columns, span = self.env["sync.change"]._sealed_columns(), [(change.id, change.id)]
        before = digests(span, columns)
        self.env.cr.execute("ALTER TABLE sync_change DISABLE TRIGGER sync_change_append_only")
        self.env.cr.execute(
            """UPDATE sync_change SET values = jsonb_set(values, '{order_line,1,0,values,product_uom_qty}', '"6"')
                WHERE id = %s""",
            [change.id],
        )
        self.env.cr.execute("ALTER TABLE sync_change ENABLE TRIGGER sync_change_append_only")
        self.assertNotEqual(digests(span, columns), before)


@tagged("post_install", "-at_install")
class TestUndoOfLines(LineCase):
    def test_lines_go_back_and_forth_and_back(self):
        before = self.state()
        run = self.revised()
        after = self.state()
        undo = self.undo(run)
        self.assertEqual((self.line(undo).verdict, self.line(undo).reason), ("update", False))
        self.assertEqual(self.state(), before)
        self.assertEqual(self.change(undo).reverts_id, self.change(run))
        again = self.undo(undo)
        self.assertEqual((self.line(again).verdict, self.line(again).reason), ("update", False))
        self.assertEqual(self.state(), after)
        self.undo(again)
        self.assertEqual(self.state(), before)

    def test_lines_that_came_back_are_known_again(self):
        run = self.revised()
        self.undo(run)
        first, second, third = self.lines()
        third["Qty"] = 4
        self.say([first, second, third])
        self.load()
        self.assertEqual(len(self.order().order_line), 3)
        self.assertEqual(self.state()[0]["l3"][2], 4)

    def test_a_line_that_somebody_changed_since_leaves_the_document(self):
        run = self.revised()
        self.by_hand(self.order().order_line[0], product_uom_qty=7)
        before = self.state()
        line = self.line(self.undo(run))
        self.assertEqual((self.state(), line.verdict), (before, "left"))
        self.assertIn("Line 1 [SRV] Product SRV (Quantity)", line.reason)
        self.assertIn("clerk", line.reason)

    def test_a_line_that_somebody_added_since_leaves_the_document(self):
        run = self.revised()
        product = self.products["KIT"]
        self.order().order_line = [(0, 0, {"product_id": product.id, "product_uom_qty": 1})]
        before = self.state()
        line = self.line(self.undo(run))
        self.assertEqual((self.state(), line.verdict), (before, "left"))
        self.assertIn("Total", line.reason)

    def test_a_line_that_somebody_deleted_since_leaves_the_document(self):
        run = self.revised()
        self.order().order_line[0].unlink()
        before = self.state()
        line = self.line(self.undo(run))
        self.assertEqual((self.state(), line.verdict), (before, "left"))
        self.assertIn("Line 1 [SRV] Product SRV is gone", line.reason)

    def test_a_created_deal_whose_lines_were_changed_stays(self):
        self.by_hand(self.order().order_line[1], price_unit=1)
        line = self.line(self.undo(self.first))
        self.assertEqual((self.order().state, line.verdict), ("draft", "left"))
        self.assertIn("Line 2 [KIT] Product KIT (Unit Price)", line.reason)

    def test_a_created_deal_to_which_a_line_was_added_stays(self):
        self.order().order_line = [(0, 0, {"product_id": self.products["KIT"].id, "product_uom_qty": 1})]
        line = self.line(self.undo(self.first))
        self.assertEqual((self.order().state, line.verdict), ("draft", "left"))
        self.assertIn("Total", line.reason)

    def test_a_confirmed_order_is_left_to_a_person(self):
        run = self.revised()
        self.order().action_confirm()
        before = self.state()
        line = self.line(self.undo(run))
        self.assertEqual((self.state(), line.verdict), (before, "left"))
        self.assertIn("Correct it by hand", line.reason)

    def test_a_product_that_is_gone_leaves_the_document(self):
        extra = self._product("OLD", 5.0)
        lines = self.lines()
        lines[2]["Sku"] = "OLD"
        self.say(lines)
        self.load()
        run = self.revised()
        extra.unlink()
        before = self.state()
        line = self.line(self.undo(run))
        self.assertEqual((self.state(), line.verdict), (before, "left"))
        self.assertIn("gone: Product", line.reason)

    def test_a_rule_that_gives_a_field_of_a_line_to_odoo_holds(self):
        run = self.revised()
        with self.changed_mapping(self.flow) as mapping:
            rule = mapping.rule_ids.child_ids.filtered(lambda rule: rule.field_name == "discount")
            rule.owner = "odoo"
        before = self.state()
        line = self.line(self.undo(run))
        self.assertEqual((self.state(), line.verdict), (before, "left"))
        self.assertIn("Discount", line.reason)

    def test_totals_that_would_not_be_those_from_before_stop_it(self):
        run = self.revised()
        # The tax of the lines is not what it was: lines go back, their total would not.
        self.tax.amount = 16
        self.env.flush_all()
        before = self.state()
        line = self.line(self.undo(run))
        self.assertEqual(self.state(), before)
        self.assertEqual(line.verdict, "blocked")
        self.assertIn("Taxes would be 395.92, it was 371.17 before the run", line.reason)

    def test_what_an_older_release_kept_of_lines_is_left(self):
        run = self.revised()
        change = self.change(run)
        self.env.cr.execute("ALTER TABLE sync_change DISABLE TRIGGER sync_change_append_only")
        self.env.cr.execute(
            """UPDATE sync_change SET values = jsonb_set(values, '{order_line}', '[null, "3 lines"]') WHERE id = %s""",
            [change.id],
        )
        self.env.cr.execute("ALTER TABLE sync_change ENABLE TRIGGER sync_change_append_only")
        change.invalidate_recordset()
        before = self.state()
        line = self.line(self.undo(run))
        self.assertEqual((self.state(), line.verdict), (before, "left"))
        self.assertIn("Lines are not taken back by themselves", line.reason)

    def test_a_dry_run_tells_the_lines_and_writes_nothing(self):
        run = self.revised()
        after, sealed = self.state(), self.env["sync.seal.note"].search_count([])
        undo = self.undo(run, dry_run=True)
        self.assertEqual(self.state(), after)
        self.assertEqual(self.env["sync.seal.note"].search_count([]), sealed)
        labels = {row["label"]: (row["before"], row["after"]) for row in self.line(undo).diff}
        self.assertEqual(labels["Line 1 [SRV] Product SRV: Quantity"], ("5", "2"))
        self.assertEqual(labels["Total"], ("7300.15", "3345.65"))
        self.assertEqual(set(self.env["sync.change"].search([("run_id", "=", undo.id)]).mapped("verdict")), {"planned"})

    def test_random_edits_go_back_exactly(self):
        for seed in range(12):
            with self.subTest(seed=seed), self.cr.savepoint():
                self.walk(random.Random(seed))

    def walk(self, chance):
        lines, runs, states = self.lines(), [], [self.state()]
        for number in range(chance.randint(1, 4)):
            lines = self.edited(chance, lines, number)
            self.say(lines)
            run = self.load()
            if self.line(run).verdict == "update":
                runs.append(run)
                states.append(self.state())
            self.assertIn(self.line(run).verdict, ("update", "unchanged"), self.line(run).reason)
        while runs:
            told = [self.line(self.undo(runs[-1], dry_run=True)).verdict]
            undo = self.undo(runs[-1])
            states.pop()
            told.append(self.line(undo).verdict)
            self.assertEqual(told, ["update", "update"], self.line(undo).reason)
            self.assertEqual(self.state(), states[-1])
            if chance.random() < 0.3:
                again = self.undo(undo)
                self.assertEqual(self.line(again).verdict, "update", self.line(again).reason)
                self.undo(again)
                self.assertEqual(self.state(), states[-1])
            runs.pop()

    def edited(self, chance, lines, number):
        """Return lines of which some were changed, removed or added."""
        kept = [dict(line) for line in lines if chance.random() < 0.75] or [dict(lines[0])]
        for line in kept:
            if chance.random() < 0.6:
                line["Qty"] = chance.randint(1, 40) / 4
            if chance.random() < 0.4:
                line["Price"] = chance.randint(1, 99999) / 100
            if chance.random() < 0.3:
                line["Discount"] = chance.choice([None, 5, 12.5, 33.33])
            if chance.random() < 0.3:
                line["Sku"] = chance.choice(["SRV", "KIT", "SUP"])
            if chance.random() < 0.3:
                line["Tax"] = chance.choice([None, "T15"])
            if chance.random() < 0.3:
                line["Text"] = chance.choice(["Agreed", "By phone", ""])
        kept += [
            {"Id": f"n{number}-{extra}", "Sku": "KIT", "Qty": 1, "Price": 10.1, "Tax": "T15"}
            for extra in range(chance.randint(0, 2))
        ]
        # Lines that were there once come back under their old ids.
        gone = [line for line in self.lines() if line["Id"] not in {one["Id"] for one in kept}]
        return kept + gone if chance.random() < 0.2 else kept
