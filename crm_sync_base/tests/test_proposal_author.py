from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger
from psycopg2 import IntegrityError

from .test_proposal import NAME, VAT, ProposalCase


@tagged("post_install", "-at_install")
class TestProposalAuthor(ProposalCase):
    """Whoever changed it at the source does not decide on it here, under whichever account."""

    def propose_by(self, email, vat="DE2"):
        """Let somebody change the VAT number at the source; return the proposal."""
        if not self.proposals():
            self.flow = self.make_flow([NAME, VAT])
            self.arrive(Vat="DE1")
        self.remote.put("Account", "a1", Name="Alpha", Vat=vat)
        self.remote.records["Account"]["a1"]["changed_by"] = email
        self.notify("Account", "a1")
        self.run_lane()
        return self.proposals(state="pending")

    def user(self, login, **vals):
        """Return an approver."""
        groups = "base.group_user,crm_sync_base.group_sync_approver"
        user = new_test_user(self.env, login, groups=groups)
        user.write(vals)
        return user

    def assert_refused(self, proposal, user):
        """Assert that a user cannot decide, by code or in the database."""
        self.assertFalse(proposal.with_user(user).may_decide)
        with self.assertRaisesRegex(AccessError, "yourself"):
            proposal.with_user(user).action_approve()
        self.env.flush_all()
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.cr.savepoint():
            self.cr.execute(
                "UPDATE sync_proposal SET state = 'applied', decided_at = now(), decided_by_id = %s WHERE id = %s",
                [user.id, proposal.id],
            )

    def test_by_the_email_whatever_its_case(self):
        proposal = self.propose_by("Anna <ANNA@X.example>")
        self.assertEqual(proposal.author_id, self.anna)
        self.assertIn("anna@x.example", proposal.author_origin)
        self.assert_refused(proposal, self.anna)
        proposal.with_user(self.ben).action_approve()
        self.assertEqual(self.partner().vat, "DE2")

    def test_by_the_login(self):
        dora = self.user("Dora_X@Crm.Example", email=False)
        # Not somebody whose login is alike: the underscore is no wildcard.
        self.user("doraXx@crm.example", email=False)
        proposal = self.propose_by("dora_x@crm.example")
        self.assertEqual(proposal.author_id, dora)
        self.assert_refused(proposal, dora)

    def test_under_a_second_account(self):
        second = self.user("anna@x.example", email="private@x.example")
        proposal = self.propose_by("anna@x.example")
        self.assert_refused(proposal, self.anna)
        self.assert_refused(proposal, second)

    def test_with_an_account_that_came_later_or_an_address_that_was_changed(self):
        proposal = self.propose_by("carla@crm.example")
        self.assertFalse(proposal.author_id)
        self.assertIn("nobody here", proposal.author_origin)
        carla = self.user("carla", email="carla@crm.example")
        self.assert_refused(proposal, carla)
        proposal = self.propose_by("anna@x.example", vat="DE3")
        self.anna.email = "married@x.example"
        self.assert_refused(proposal, self.anna)

    def test_nobody_is_named(self):
        proposal = self.propose_by("")
        self.assertFalse(proposal.author_id)
        self.assertIn("unknown at source", proposal.author_origin)
        proposal.with_user(self.anna).action_approve()
        self.assertEqual(proposal.decided_by_id, self.anna)

    def test_the_address_stays(self):
        proposal = self.propose_by("carla@crm.example")
        self.env.flush_all()
        for value in (None, "other@x.example"):
            with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.cr.savepoint():
                self.cr.execute("UPDATE sync_proposal SET author_email = %s WHERE id = %s", [value, proposal.id])

    def test_he_is_not_asked(self):
        proposal = self.propose_by("anna@x.example")
        self.env["sync.proposal"]._cron_tend()
        self.assertNotIn(self.anna, proposal.activity_ids.user_id)
        self.assertIn(self.ben, proposal.activity_ids.user_id)
