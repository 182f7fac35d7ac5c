from odoo.exceptions import ValidationError
from odoo.fields import Command

from .common import SyncCase


class TestTransforms(SyncCase):
    """Transforms that need records: money, lists of links, formulas on both ways."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.eur = cls.env.ref("base.EUR")
        cls.usd = cls.env.ref("base.USD")
        (cls.eur | cls.usd).active = True
        cls.model = cls.env["ir.model"]._get("res.partner")
        for name, vals in (
            ("x_budget_currency_id", {"ttype": "many2one", "relation": "res.currency"}),
            ("x_budget", {"ttype": "monetary", "currency_field": "x_budget_currency_id"}),
        ):
            cls.env["ir.model.fields"].create(
                {"name": name, "field_description": name, "model_id": cls.model.id, **vals}
            )
        cls.tags = cls.env["res.partner.category"].create([{"name": "Gold"}, {"name": "Silver"}])

    def bring(self, rules, **data):
        """Run one account through a mapping; returns the job and the partner."""
        self.make_flow([{"path": "Name", "field": "name"}, *rules])
        self.remote.put("Account", "t1", **{"Name": "Acme", **data})
        return self.again()

    def again(self):
        self.notify("Account", "t1")
        self.run_lane()
        job = self.jobs(external_id="t1").sorted("id")[-1:]
        binding = self.env["sync.binding"].search([("external_id", "=", "t1"), ("model", "=", "res.partner")])
        return job, self.env["res.partner"].browse(binding.res_id)

    # === Money ===#

    MONEY = [
        {"path": "Amount", "field": "x_budget", "transform": "money", "argument": "Iso", "label": "Budget"},
    ]
    CURRENCY = [
        {"path": "Iso", "field": "x_budget_currency_id", "transform": "lookup", "argument": "name", "label": "Currency"}
    ]

    def test_money_in_the_currency_that_comes_along(self):
        job, partner = self.bring(self.MONEY + self.CURRENCY, Amount="1234.50", Iso="USD")
        self.assertEqual(job.state, "done", job.error_message)
        self.assertEqual((partner.x_budget, partner.x_budget_currency_id), (1234.5, self.usd))

    def test_money_of_another_currency_is_not_converted(self):
        job, partner = self.bring(self.MONEY + self.CURRENCY, Amount="1", Iso="EUR")
        self.assertEqual(job.state, "done", job.error_message)
        flow = self.env["sync.flow"].search([("code", "=like", "test_%")], order="id desc", limit=1)
        with self.changed_mapping(flow) as mapping:
            mapping.rule_ids.filtered(lambda rule: rule.field_name == "x_budget_currency_id").unlink()
        self.remote.put("Account", "t1", Name="Acme", Amount="2", Iso="USD")
        job, partner = self.again()
        self.assertEqual(job.error_code, "data_invalid")
        self.assertIn("Budget is in USD, but the record is kept in EUR", job.error_message)
        self.assertEqual(partner.x_budget, 1)

    def test_money_with_too_many_decimals_is_blocked(self):
        job, partner = self.bring(self.MONEY + self.CURRENCY, Amount="1.005", Iso="EUR")
        self.assertIn("more than 2 decimals", job.error_message)
        self.assertFalse(partner)

    def test_a_new_record_without_a_currency_has_the_companys(self):
        other = self.usd if self.connection.company_id.currency_id == self.eur else self.eur
        job, partner = self.bring(self.MONEY, Amount="5", Iso=other.name)
        self.assertIn("amounts are not converted", job.error_message)
        self.assertFalse(partner)

    # === Lists ===#

    TAGS = [{"path": "Tags", "field": "category_id", "transform": "lookup", "argument": "name", "separator": ";"}]

    def test_each_item_of_a_list_is_looked_up(self):
        _job, partner = self.bring(self.TAGS, Tags="Gold; Silver;Gold")
        self.assertEqual(partner.category_id, self.tags)
        self.remote.put("Account", "t1", Name="Acme", Tags=["Silver"])
        _job, partner = self.again()
        self.assertEqual(partner.category_id.mapped("name"), ["Silver"])
        self.remote.put("Account", "t1", Name="Acme", Tags=None)
        _job, partner = self.again()
        self.assertFalse(partner.category_id)

    def test_every_missing_item_is_named(self):
        job, partner = self.bring(self.TAGS, Tags="Gold;Bronze;Iron")
        self.assertIn("Bronze", job.error_message)
        self.assertIn("Iron", job.error_message)
        self.assertFalse(partner)

    def test_each_item_of_a_list_is_mapped(self):
        rule = {"path": "Tags", "field": "category_id", "transform": "value_map", "value_map": "Tags", "separator": ";"}
        job, _partner = self.bring([rule], Tags="G;S")
        self.assertEqual(job.error_code, "mapping_missing")
        table = self.env["sync.value.map"].search([("name", "=", "Tags"), ("connection_id", "=", self.connection.id)])
        table.line_ids = [
            Command.create({"remote_value": key, "record_ref": f"res.partner.category,{tag.id}"})
            for key, tag in zip("GS", self.tags)
        ]
        _job, partner = self.again()
        self.assertEqual(partner.category_id, self.tags)

    # === Formulas and templates ===#

    def test_formulas_take_the_type_of_their_field(self):
        rules = [
            {"path": "Kind", "field": "is_company", "transform": "expression", "argument": "value == 'org'"},
            {"field": "color", "transform": "expression", "argument": 'field("Score") * 2'},
            {"field": "comment", "transform": "expression", "argument": 'field("Score") / 2'},
            {"field": "function", "transform": "template", "argument": "{Kind}[ / {Nothing}]"},
        ]
        job, partner = self.bring(rules, Kind="org", Score=3)
        self.assertEqual(job.state, "done", job.error_message)
        self.assertEqual((partner.is_company, partner.color, partner.function), (True, 6, "org"))
        self.assertIn("1.5", partner.comment)

    def test_a_formula_that_fails_names_the_field_and_blocks(self):
        rule = {"path": "Score", "field": "color", "transform": "expression", "argument": "1 / value", "label": "Score"}
        job, partner = self.bring([rule], Score=0)
        self.assertIn("Score: a division by zero", job.error_message)
        self.assertFalse(partner)

    def test_rules_that_cannot_work_are_refused_when_they_are_written(self):
        draft = self.make_flow([{"path": "Name", "field": "name"}]).mapping_id.copy()
        for vals in (
            {"transform": "expression", "argument": "value.__class__"},
            {"transform": "template", "argument": "Hello"},
            {"transform": "template", "argument": "{Name}", "direction": "both"},
        ):
            with self.subTest(vals), self.assertRaises(ValidationError), self.env.cr.savepoint():
                draft.rule_ids.write(vals)

    def test_what_arguments_name_is_read_from_the_provider(self):
        rules = [
            {"path": "Name", "field": "name"},
            {"path": "Phone", "field": "phone", "transform": "phone", "argument": "Address.Country"},
            {"field": "comment", "transform": "template", "argument": "{A} {B.C}"},
        ]
        self.make_flow(rules)
        paths = self.env["sync.flow"]._mapped_paths(self.connection, "Account")
        self.assertEqual(paths, {"Name", "Phone", "Address.Country", "A", "B.C"})

    # === Out ===#

    def test_rendering(self):
        country = self.env.ref("base.be")
        partner = self.env["res.partner"].create(
            {
                "name": "Acme", "country_id": country.id, "phone": "+32 2 290 34 90", "x_budget": 12.5,
                "x_budget_currency_id": self.eur.id, "category_id": [Command.set(self.tags.ids)],
                "comment": "<p>a<br>b</p>",
            }
        )
        rules = [
            {"path": "Country", "field": "country_id", "transform": "country"},
            {"path": "Phone", "field": "phone", "transform": "phone"},
            {"path": "Budget", "field": "x_budget", "transform": "money", "argument": "=EUR"},
            {"path": "Cents", "field": "x_budget", "transform": "money_minor", "argument": "=EUR"},
            {"path": "Tags", "field": "category_id", "transform": "lookup", "separator": ";"},
            {"path": "Currency", "field": "x_budget_currency_id", "transform": "lookup", "argument": "name"},
            {"path": "Title", "field": "name", "transform": "template", "argument": "{name} ({country_id.code})"},
            {"path": "Double", "field": "x_budget", "transform": "expression", "argument": "round(value * 2, 2)"},
            {"path": "Notes", "field": "comment", "transform": "rich_text"},
        ]
        flow = self.make_flow(
            [dict(rule, direction="outbound") for rule in rules], direction="outbound", handler="outbound",
            mode="off",
        )
        self.assertEqual(
            self.env["sync.handler.outbound"]._render(flow, partner),
            {
                "Country": "BE", "Phone": "+3222903490", "Budget": "12.50", "Cents": 1250, "Tags": "Gold;Silver",
                "Currency": "EUR", "Title": "Acme (BE)", "Double": "25.00", "Notes": "a\nb",
            },
        )
