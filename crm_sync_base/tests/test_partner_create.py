from odoo import Command
from odoo.tests import TransactionCase, tagged


@tagged("post_install", "-at_install")
class TestPartnerCreate(TransactionCase):
    """Partners created in batches are those that core creates one by one."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.Partner = cls.env["res.partner"].with_context(tracking_disable=True)
        cls.other_company = cls.env["res.company"].create({"name": "Another Company"})
        cls.country = cls.env.ref("base.be")

    def _company(self, **vals):
        return self.Partner.create({"name": "Parent", "is_company": True, **vals})

    def _addressed(self, **vals):
        return self._company(street="1 Main Street", city="Ghent", country_id=self.country.id, **vals)

    def _content(self, partners):
        """Return what core copies between parents and children, of both, in all companies."""
        names = [*partners._address_fields(), *partners._commercial_fields(), "lang", "commercial_partner_id"]
        companies = self.env["res.company"].search([])
        family = (partners + partners.parent_id + partners.child_ids).sorted("id")
        first = family[:1].id
        self.env.flush_all()
        self.env.invalidate_all()
        content = []
        for partner in family:
            for company in companies:
                row = {name: partner.with_company(company)[name] for name in names}
                row["commercial_partner_id"] = partner.commercial_partner_id.id - first
                content.append((partner.name, row))
        return content

    def _assert_same(self, make_parent, make_vals):
        """Create the same by core's way and by ours, each under a parent of its own."""
        contents = []
        for method in ("create", "_sync_create"):
            parent = make_parent()
            partners = getattr(self.Partner, method)(make_vals(parent))
            contents.append(self._content(partners))
        self.assertEqual(contents[0], contents[1])
        return partners

    def test_address_comes_from_the_parent(self):
        partners = self._assert_same(
            self._addressed,
            lambda parent: [
                {"name": "One", "parent_id": parent.id},
                {"name": "Two", "parent_id": parent.id, "street": "Elsewhere"},
                {"name": "Invoice", "parent_id": parent.id, "type": "invoice", "street": "PO Box"},
                {"name": "Branch", "parent_id": parent.id, "is_company": True},
            ],
        )
        self.assertEqual(partners.mapped("street"), ["1 Main Street", "1 Main Street", "PO Box", "1 Main Street"])

    def test_first_address_goes_up_to_the_parent(self):
        partners = self._assert_same(
            self._company,
            lambda parent: [
                {"name": "One", "parent_id": parent.id, "street": "9 Side Street", "zip": "9000"},
                {"name": "Two", "parent_id": parent.id, "street": "Elsewhere"},
                {"name": "Three", "parent_id": parent.id},
            ],
        )
        self.assertEqual(partners.parent_id.zip, "9000")
        self.assertEqual(set(partners.mapped("street")), {"9 Side Street"})

    def test_commercial_fields_come_from_the_company(self):
        partners = self._assert_same(
            lambda: self._addressed(vat="BE0477472701", company_registry="123"),
            lambda parent: [
                {"name": "One", "parent_id": parent.id},
                {"name": "Branch", "parent_id": parent.id, "is_company": True, "vat": "BE0835221567"},
            ],
        )
        self.assertEqual(partners.mapped("vat"), ["BE0477472701", "BE0835221567"])

    def test_tax_number_of_a_contact_goes_up(self):
        partners = self._assert_same(
            self._addressed,
            lambda parent: [{"name": "One", "parent_id": parent.id, "vat": "BE0477472701"}],
        )
        self.assertEqual(partners.parent_id.vat, "BE0477472701")

    def test_values_of_other_companies_are_taken_over(self):
        if "property_payment_term_id" not in self.Partner._fields:
            self.skipTest("needs the account module")
        terms = self.env["account.payment.term"].create([{"name": "A"}, {"name": "B"}])

        def parent():
            company = self._addressed()
            company.property_payment_term_id = terms[0]
            company.with_company(self.other_company).property_payment_term_id = terms[1]
            return company

        partner = self._assert_same(parent, lambda parent: [{"name": "One", "parent_id": parent.id}])
        self.assertEqual(partner.property_payment_term_id, terms[0])
        self.assertEqual(partner.with_company(self.other_company).property_payment_term_id, terms[1])

    def test_contacts_of_contacts_and_children_in_the_values(self):
        def contact():
            return self.Partner.create({"name": "Contact", "parent_id": self._addressed(vat="BE0477472701").id})

        partners = self._assert_same(
            contact,
            lambda parent: [
                {"name": "Below", "parent_id": parent.id},
                {"name": "With child", "city": "Bruges", "child_ids": [Command.create({"name": "Child"})]},
                {"name": "Alone", "street": "3 Own Street"},
            ],
        )
        self.assertEqual(partners[0].vat, "BE0477472701")
        self.assertEqual(partners[1].child_ids.city, "Bruges")

    def test_queries_do_not_grow_with_the_batch(self):
        def create(count):
            parents = self.Partner.create(
                [{"name": f"Parent {n}", "is_company": True, "street": f"{n} Main Street"} for n in range(count)]
            )
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.cr.sql_log_count
            self.Partner._sync_create(
                [{"name": f"Contact {n}", "parent_id": parent.id} for n, parent in enumerate(parents)]
            )
            self.env.flush_all()
            return self.cr.sql_log_count - before

        create(2)
        self.assertLessEqual(create(60), create(6) + 2)
