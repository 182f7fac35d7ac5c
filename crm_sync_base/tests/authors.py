"""What every CRM connector must tell of who changed a record; mixed into a `SandboxCase`."""

from odoo.exceptions import AccessError
from odoo.service.model import call_kw
from odoo.tests import new_test_user


class Authors:
    """Somebody changes a customer's payment terms in the CRM: he cannot approve that in Odoo."""

    customer_object = ""  #: remote object of customers
    customer_name = "Name"  #: remote field with their name
    terms_field = ""  #: remote field with their payment terms
    seller = ""  #: e-mail of a person who works in the CRM

    def make_customer(self, **values):
        """Make a customer at the provider, as the seller; return its id."""
        raise NotImplementedError

    def change_customer(self, external_id, by=None, **values):
        """Change a customer as a person would; without `by` as nobody that the provider names."""
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        groups = "base.group_user,crm_sync_base.group_sync_approver"
        cls.carla = new_test_user(cls.env, "carla", groups=groups, email=cls.seller.title())
        cls.ben = new_test_user(cls.env, "ben_approves", groups=groups, email="ben@x.example")
        cls.env["account.payment.term"].create([{"name": "T14 days"}, {"name": "T60 days"}])
        cls.env["sync.approval.rule"].search([]).active = False
        cls.env["sync.approval.rule"].create({"name": "Terms", "category": "payment_terms"})
        template = {
            "code": "authors", "name": "authors", "model": "res.partner", "remote_object": cls.customer_object,
            "mode": "live", "poll": False, "direction": "inbound", "handler": "inbound", "create_policy": "always",
            "rules": [
                {"path": cls.customer_name, "field": "name", "required": True},
                {"path": cls.terms_field, "field": "property_payment_term_id", "transform": "lookup",
                 "argument": "name"},
            ],
        }
        cls.env["sync.flow.template"]._create_flow(cls.connection, template)

    def tell(self, *ids):
        """Look at records, as after a webhook or a poll."""
        self.env["sync.job"]._enqueue_documents(self.connection, self.customer_object, ids)
        self.run_lane()

    def propose(self, by):
        """Let somebody change the terms of a known customer; return the proposal."""
        customer = self.make_customer(**{self.customer_name: "Authors GmbH", self.terms_field: "T14 days"})
        self.tell(customer)
        self.change_customer(customer, by=by, **{self.terms_field: "T60 days"})
        self.tell(customer)
        proposal = self.env["sync.proposal"].search([("external_id", "=", customer), ("state", "=", "pending")])
        self.assertEqual(len(proposal), 1)
        return proposal

    def test_who_changed_it_there_cannot_approve_it_here(self):
        proposal = self.propose(by=self.seller)
        self.assertEqual(proposal.author_id, self.carla)
        self.assertIn(self.seller, proposal.with_user(self.ben).author_origin)
        self.assertFalse(proposal.with_user(self.carla).may_decide)
        for attempt in ("action_approve", "action_open_reject"):
            with self.subTest(attempt), self.assertRaisesRegex(AccessError, "yourself"):
                call_kw(self.env["sync.proposal"].with_user(self.carla), attempt, [proposal.ids], {})
        partner = self.env["res.partner"].browse(proposal.res_id)
        self.assertEqual(partner.property_payment_term_id.name, "T14 days")
        proposal.with_user(self.ben).action_approve()
        self.assertEqual(partner.property_payment_term_id.name, "T60 days")

    def test_what_nobody_is_named_for_says_so(self):
        self.carla.email = "another@x.example"
        proposal = self.propose(by=None)
        self.assertFalse(proposal.author_id)
        proposal.with_user(self.carla).action_approve()
        self.assertEqual((proposal.state, proposal.decided_by_id), ("applied", self.carla))

    def test_people_cost_no_call_for_each_record(self):
        """Ten customers that different people changed: not one call more than for two."""
        everyone = [self.make_customer(**{self.customer_name: f"Many {n}"}) for n in range(10)]
        for customer in everyone[::2]:
            self.change_customer(customer, by=self.seller, **{self.terms_field: "T14 days"})
        self.connector._read(self.connection, self.customer_object, everyone[:2])
        calls = []
        for ids in (everyone[:2], everyone):
            start = self.calls_since(0)["last_seq"]
            documents = self.connector._read(self.connection, self.customer_object, ids)
            calls.append(len(self.calls_since(start)["calls"]))
        self.assertEqual(calls[0], calls[1])
        self.assertEqual({one.changed_by for one in documents[::2]}, {self.seller})
