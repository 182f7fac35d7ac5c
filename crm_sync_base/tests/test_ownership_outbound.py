from odoo.tests import tagged

from ..lib.errors import DataInvalid
from .common import SyncCase

NAME = {"path": "Name", "field": "name", "label": "Name"}
PHONE = {"path": "Phone", "field": "phone", "label": "Phone"}
OUT = {"direction": "outbound"}


@tagged("post_install", "-at_install")
class TestOwnershipOutbound(SyncCase):
    """Each rule holds when Odoo's values go out to a record that is there."""

    def connect(self, rule, inbound=None):
        """Have a partner known on both sides; return it."""
        self.inbound = self.make_flow([NAME, inbound or PHONE])
        self.outbound = self.make_flow(
            [{**NAME, **OUT}, {**rule, **OUT}], direction="outbound", handler="outbound",
            domain="[('name', 'like', 'Alpha')]",
        )
        return self.arrive(Name="Alpha", Phone="1")

    def arrive(self, **data):
        self.remote.put("Account", "a1", **data)
        self.notify("Account", "a1")
        self.run_lane()
        binding = self.env["sync.binding"].search(
            [("connection_id", "=", self.connection.id), ("external_id", "=", "a1")]
        )
        return binding._record()

    def sent(self, partner, **vals):
        """Change a partner in Odoo; return what was sent of it."""
        before = len(self.remote.written)
        partner.write(vals)
        self.env.flush_all()
        self.run_lane()
        result = {}
        for _object, _id, values in self.remote.written[before:]:
            result.update(values)
        return result

    def test_who_sends_owns_unless_somebody_says_otherwise(self):
        partner = self.connect(PHONE)
        self.assertEqual(self.outbound.mapping_id.rule_ids.mapped("owner"), ["odoo", "odoo"])
        self.assertEqual(self.inbound.mapping_id.rule_ids.mapped("owner"), ["remote", "remote"])
        self.assertEqual(self.sent(partner, phone="2"), {"Name": "Alpha", "Phone": "2"})

    def test_what_the_other_system_owns_is_not_sent(self):
        partner = self.connect({**PHONE, "owner": "remote"})
        self.assertEqual(self.sent(partner, name="Alpha 2", phone="2"), {"Name": "Alpha 2"})
        self.assertEqual(self.sent(partner, phone="3"), {}, "nothing that is ours has changed")

    def test_a_new_remote_record_takes_every_value(self):
        self.connect({**PHONE, "owner": "remote"})
        partner = self.env["res.partner"].create({"name": "Alpha new", "phone": "7"})
        self.assertEqual(self.sent(partner), {"Name": "Alpha new", "Phone": "7"})
        self.assertEqual(self.sent(partner, phone="8"), {})

    def test_only_on_creation(self):
        partner = self.connect({**PHONE, "policy": "create_only"})
        self.assertEqual(self.sent(partner, name="Alpha 2", phone="2"), {"Name": "Alpha 2"})

    def test_only_what_is_empty_there(self):
        partner = self.connect({**PHONE, "policy": "fill_empty"})
        self.assertEqual(self.sent(partner, name="Alpha 2", phone="2"), {"Name": "Alpha 2"})
        self.remote.records["Account"]["a1"]["data"]["Phone"] = ""
        self.assertEqual(self.sent(partner, phone="3"), {"Name": "Alpha 2", "Phone": "3"})
        self.remote.records["Account"]["a1"]["data"]["Phone"] = "3"
        self.assertEqual(self.sent(partner, phone="4"), {})

    def test_protected_while_the_record_is_in_a_state(self):
        partner = self.connect({**PHONE, "policy": "protected", "protected_domain": "[('is_company', '=', True)]"})
        self.assertIn("Phone", self.sent(partner, phone="2"))
        self.assertEqual(self.sent(partner, is_company=True, phone="3", name="Alpha 2"), {"Name": "Alpha 2"})

    def test_what_cannot_be_read_there_is_not_written_over_and_holds_nobody_else_up(self):
        partner = self.connect({**PHONE, "policy": "fill_empty"})
        self.remote.put("Account", "a2", Name="Alpha Two", Phone="")
        self.notify("Account", "a2")
        self.run_lane()
        other = self.env["res.partner"].search([("name", "=", "Alpha Two")])
        self.remote.poisoned["a1"] = DataInvalid("The provider refuses it.")
        before = len(self.remote.written)
        partner.phone, other.phone = "2", "3"
        self.env.flush_all()
        self.run_lane()
        self.assertEqual([(row[1], row[2]["Phone"]) for row in self.remote.written[before:]], [("a2", "3")])
        failed = self.jobs(flow_id=self.outbound.id, state="failed")
        self.assertEqual((failed.res_id, failed.error_message), (partner.id, "The provider refuses it."))

    def test_news_of_the_other_side_come_in_before_a_shared_value_goes_out(self):
        shared = {**PHONE, "owner": "shared", "conflict": "ask"}
        partner = self.connect(shared, inbound=shared)
        # Somebody changes it there, and no webhook has told us when Odoo's goes out.
        self.remote.put("Account", "a1", Name="Alpha", Phone="5")
        self.assertEqual(self.sent(partner, phone="9").get("Phone"), None)
        proposal = self.env["sync.proposal"].search([("connection_id", "=", self.connection.id)])
        self.assertEqual((proposal.kind, proposal.state), ("conflict", "pending"))
        self.assertNotIn("Phone", self.sent(partner, name="Alpha 2"), "a person has yet to decide")
        proposal._choose({"phone": "7"})
        self.env.flush_all()
        self.run_lane()
        self.assertEqual(self.remote.written[-1][2]["Phone"], "7")
