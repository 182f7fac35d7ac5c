"""What every CRM connector must do when customers are merged there; mixed into a `SandboxCase`."""


class MergedCustomers:
    """Two customers become one at the provider: one golden record is left in Odoo."""

    customer_object = ""  #: remote object of customers
    customer_name = "Name"  #: remote field with their name

    def make_customer(self, name):
        """Make a customer at the provider; return its id."""
        raise NotImplementedError

    def merge_customers(self, survivor, loser):
        """Merge two as a person would; return the id that survives."""
        raise NotImplementedError

    def bring(self, *names):
        """Make customers and bring them into Odoo; return `[(id, partner)]`."""
        template = {
            "code": "merged", "name": "merged", "model": "res.partner", "remote_object": self.customer_object,
            "rules": [{"path": self.customer_name, "field": "name", "required": True}], "mode": "live", "poll": False,
            "direction": "inbound", "handler": "inbound", "create_policy": "always",
        }
        self.flow = self.env["sync.flow.template"]._create_flow(self.connection, template)
        ids = [self.make_customer(name) for name in names]
        self.tell(*ids)
        return [(external_id, self.partner(external_id)) for external_id in ids]

    def tell(self, *ids):
        """Look at records, as after a webhook or a poll."""
        self.env["sync.job"]._enqueue_documents(self.connection, self.customer_object, ids)
        self.run_lane()

    def partner(self, external_id):
        bindings = self.env["sync.binding"]._lookup(self.connection, self.customer_object, [external_id])
        return self.env["res.partner"].browse([binding.res_id for binding in bindings.values()])

    def golden(self, survivor, *partners):
        """Assert that one of the partners is left and followed; return it."""
        everyone = self.env["res.partner"].browse([partner.id for partner in partners])
        golden = self.partner(survivor)
        self.assertIn(golden, everyone)
        self.assertEqual(everyone.filtered("active"), golden)
        return golden

    def test_both_are_known(self):
        (first, one), (second, other) = self.bring("Merged Alpha", "Merged Beta")
        survivor = self.merge_customers(first, second)
        self.tell(first, second)
        golden = self.golden(survivor, one, other)
        self.assertEqual(self.partner(first), golden)
        self.assertEqual(self.partner(second), golden)
        self.assertEqual(len(self.env["sync.binding.former"].search([("former_res_id", "in", (one + other).ids)])), 1)

    def test_one_is_known(self):
        [(loser, partner)] = self.bring("Merged Gamma")
        survivor = self.merge_customers(self.make_customer("Merged Delta"), loser)
        self.tell(loser)
        self.assertEqual(self.golden(survivor, partner), partner)
        self.assertEqual(partner.name, "Merged Delta")

    def test_only_the_survivor_is_seen(self):
        """As a poll does that does not list what was merged away."""
        (first, one), (second, other) = self.bring("Merged Alpha", "Merged Beta")
        survivor = self.merge_customers(first, second)
        count = self.env["res.partner"].with_context(active_test=False).search_count([])
        self.tell(survivor)
        self.tell(survivor)
        self.assertEqual(self.env["res.partner"].with_context(active_test=False).search_count([]), count)
        return survivor, one, other
