from odoo.tests import Form, new_test_user, tagged

from .common import ACCOUNT_RULES, SyncCase


@tagged("post_install", "-at_install")
class TestMerge(SyncCase):
    """Customers that are merged, at the provider or in Odoo, leave one golden record."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(ACCOUNT_RULES)
        cls.flow.create_policy = "always"
        cls.Binding = cls.env["sync.binding"]
        cls.Former = cls.env["sync.binding.former"]

    def customers(self, **names):
        """Have accounts of these ids and names in Odoo; returns their partners."""
        for external_id, name in names.items():
            self.remote.put("Account", external_id, Name=name)
        self.notify("Account", *names)
        self.run_lane()
        return [self.partner(external_id) for external_id in names]

    def partner(self, external_id):
        binding = self.Binding.search([("connection_id", "=", self.connection.id), ("external_id", "=", external_id)])
        return self.env["res.partner"].browse(binding.res_id)

    def former(self, external_id):
        return self.Former.search([("connection_id", "=", self.connection.id), ("external_id", "=", external_id)])

    def merge_there(self, loser, survivor):
        """Merge at the provider, and tell Odoo of the loser."""
        self.remote.merge("Account", loser, survivor)
        self.notify("Account", loser)
        self.run_lane()

    def merge_here(self, target, *sources):
        """Merge partners with Odoo's own wizard."""
        wizard = self.env["base.partner.merge.automatic.wizard"].create({})
        wizard._merge([partner.id for partner in (target, *sources)], target)
        self.env.flush_all()

    # === Merged at the provider ===#

    def test_a_survivor_that_is_not_known_takes_the_record_over(self):
        [alpha] = self.customers(a1="Alpha")
        self.remote.put("Account", "a2", Name="Alpha United")
        self.merge_there("a1", "a2")
        self.assertEqual(self.partner("a2"), alpha)
        self.assertEqual(alpha.name, "Alpha United", "the survivor's own document was applied")
        self.assertEqual(self.env["res.partner"].search_count([("name", "=like", "Alpha%")]), 1)
        self.assertFalse(self.partner("a1"))
        former = self.former("a1")
        self.assertEqual((former.binding_id.external_id, former.merged_where), ("a2", "remote"))
        self.assertFalse(former.former_res_id)
        self.assertIn("goes on as that", self.jobs(external_id="a1")[0].summary)

    def test_of_two_known_ones_one_golden_record_is_left(self):
        alpha, beta = self.customers(a1="Alpha", a2="Beta")
        alpha.comment = "Pays late"
        self.merge_there("a1", "a2")
        self.assertEqual((alpha.active, beta.active), (False, True))
        self.assertFalse(alpha.comment and beta.comment, "no value goes around the mapping")
        self.assertEqual((alpha + beta).sync_identity_ids.mapped("external_id"), ["a2"])
        self.assertEqual(beta.sync_identity_ids.external_id, "a2")
        former = self.former("a1")
        self.assertEqual((former.former_res_id, former.binding_id.res_id), (alpha.id, beta.id))
        change = self.env["sync.change"].search([("res_id", "=", alpha.id), ("model", "=", "res.partner")], limit=1)
        self.assertEqual((change.values, change.verdict), ({"active": [True, False]}, "applied"))
        [task] = beta.activity_ids
        self.assertIn("Merge with Alpha", task.summary)
        self.assertEqual(alpha.sync_left_over, "Beta")

    def test_who_names_the_former_id_is_led_to_the_survivor(self):
        self.make_flow(
            [
                {"path": "Name", "field": "name", "label": "Name"},
                {"path": "AccountId", "field": "parent_id", "transform": "reference", "argument": "Account",
                 "label": "Account"},
            ],
            remote_object="Deal",
        )
        _alpha, beta = self.customers(a1="Alpha", a2="Beta")
        self.merge_there("a1", "a2")
        self.remote.put("Deal", "d1", Name="Person", AccountId="a1")
        self.notify("Deal", "d1")
        self.run_lane()
        self.assertEqual(self.partner("d1").parent_id, beta)

    def test_merges_after_merges(self):
        _alpha, _beta, gamma = self.customers(a1="Alpha", a2="Beta", a3="Gamma")
        self.merge_there("a1", "a2")
        self.merge_there("a2", "a3")
        self.assertEqual(self.former("a1").binding_id, self.former("a2").binding_id)
        self.assertEqual(self.former("a1").binding_id.res_id, gamma.id)
        self.assertEqual(
            self.Binding._lookup(self.connection, "Account", ["a1"])["a1"].external_id, "a3"
        )

    def test_both_merged_into_a_new_one_in_one_batch(self):
        """As HubSpot does with companies and deals."""
        alpha, beta = self.customers(a1="Alpha", a2="Beta")
        self.remote.put("Account", "a9", Name="Alpha Beta")
        self.remote.merge("Account", "a1", "a9")
        self.remote.merge("Account", "a2", "a9")
        self.notify("Account", "a1", "a2", "a9")
        self.run_lane()
        both = (alpha + beta).with_context(active_test=False)
        golden = self.partner("a9")
        self.assertIn(golden, both)
        self.assertEqual(both.filtered("active"), golden)
        self.assertEqual(golden.name, "Alpha Beta")
        self.assertEqual(self.env["res.partner"].search_count([("name", "=", "Alpha Beta")]), 1)

    def test_again_is_the_same(self):
        alpha, beta = self.customers(a1="Alpha", a2="Beta")
        for _time in range(3):
            self.merge_there("a1", "a2")
        self.assertEqual(len(self.former("a1")), 1)
        self.assertEqual(len(beta.activity_ids), 1)
        self.assertFalse(alpha.active)

    def test_what_cannot_be_archived_stays_and_is_said(self):
        user = new_test_user(self.env, "merged_user", groups="base.group_user")
        _alpha, beta = self.customers(a1="Alpha", a2="Beta")
        self.Binding.search([("external_id", "=", "a1")]).res_id = user.partner_id.id
        self.merge_there("a1", "a2")
        self.assertTrue(user.partner_id.active)
        self.assertEqual(self.former("a1").former_res_id, user.partner_id.id)
        self.assertIn("cannot be archived", self.jobs(external_id="a1")[0].summary)
        self.assertTrue(beta.activity_ids)

    def test_a_record_that_is_restored_is_one_of_its_own_again(self):
        self.customers(a1="Alpha", a2="Beta")
        self.merge_there("a1", "a2")
        self.remote.put("Account", "a1", Name="Alpha Reborn")
        self.notify("Account", "a1")
        self.run_lane()
        self.assertEqual(self.partner("a1").name, "Alpha Reborn")
        self.assertNotEqual(self.partner("a1"), self.partner("a2"))
        self.assertFalse(self.former("a1"))

    def test_a_dry_run_merges_nothing(self):
        alpha, _beta = self.customers(a1="Alpha", a2="Beta")
        self.flow.mode = "dry_run"
        self.merge_there("a1", "a2")
        self.assertTrue(alpha.active)
        self.assertEqual(self.partner("a1"), alpha)
        self.assertFalse(self.former("a1"))

    def test_what_is_left_over_is_not_written_to_the_provider_again(self):
        outbound = self.make_flow(
            [{"path": "Name", "field": "name", "direction": "outbound"}],
            direction="outbound", handler="outbound", create_policy="always",
        )
        alpha, _beta = self.customers(a1="Alpha", a2="Beta")
        self.run_lane()
        self.merge_there("a1", "a2")
        self.run_lane()
        self.remote.written.clear()
        alpha.name = "Alpha Left Over"
        self.env.flush_all()
        self.run_lane()
        self.assertNotIn("Alpha Left Over", [values.get("Name") for _name, _id, values in self.remote.written])
        job = self.env["sync.job"].search([("flow_id", "=", outbound.id), ("res_id", "=", alpha.id)], limit=1)
        self.assertIn("Left over after a merge", job.summary)

    # === Merged in Odoo ===#

    def test_partners_that_are_merged_take_their_binding_along(self):
        [alpha] = self.customers(a1="Alpha")
        target = self.env["res.partner"].create({"name": "Alpha by Hand"})
        self.merge_here(target, alpha)
        self.assertEqual(self.partner("a1"), target)
        self.remote.put("Account", "a1", Name="Alpha Anew")
        self.notify("Account", "a1")
        self.run_lane()
        self.assertEqual(target.name, "Alpha Anew")

    def test_of_two_remote_records_one_is_followed(self):
        alpha, beta = self.customers(a1="Alpha", a2="Beta")
        self.merge_here(beta, alpha)
        self.assertFalse(alpha.exists())
        self.assertEqual(self.former("a1").binding_id.external_id, "a2")
        self.remote.put("Account", "a1", Name="Alpha Still There")
        self.notify("Account", "a1")
        self.run_lane()
        self.assertEqual(beta.name, "Beta")
        self.assertFalse(self.env["res.partner"].search([("name", "=", "Alpha Still There")]))
        self.assertIn("merge them at the provider, too", self.jobs(external_id="a1")[0].summary)

    def test_then_the_provider_merges_them_too_whichever_survives(self):
        for loser, survivor in (("a1", "a2"), ("a2", "a1")):
            with self.subTest(loser):
                alpha, beta = self.customers(a1=f"Alpha {loser}", a2=f"Beta {loser}")
                self.merge_here(beta, alpha)
                self.merge_there(loser, survivor)
                self.assertEqual(self.partner(survivor), beta)
                self.assertTrue(beta.active)
                self.assertEqual(self.former(loser).binding_id.external_id, survivor)
                self.Binding.search([("res_id", "=", beta.id)]).unlink()

    def test_a_person_finishes_what_the_provider_began(self):
        alpha, beta = self.customers(a1="Alpha", a2="Beta")
        self.merge_there("a1", "a2")
        former = self.former("a1")
        action = former.action_merge_in_odoo()
        Wizard = self.env[action["res_model"]].with_context(**action["context"])
        wizard = Form(Wizard).save()
        self.assertEqual((wizard.dst_partner_id, wizard.partner_ids), (beta, alpha + beta))
        wizard.action_merge()
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertFalse(alpha.exists())
        self.assertEqual(self.partner("a2"), beta)
        self.assertFalse(former.former_res_id)
        self.assertFalse(beta.sync_left_over)

    # === Identities ===#

    def test_the_identities_of_a_partner(self):
        _alpha, beta = self.customers(a1="Alpha", a2="Beta")
        self.merge_there("a1", "a2")
        reader = new_test_user(self.env, "identity_user", groups="base.group_user,crm_sync_base.group_sync_user")
        [identity] = beta.with_user(reader).sync_identity_ids
        self.assertEqual(
            (identity.external_id, identity.object_label, identity.former_names), ("a2", "Account", "a1")
        )
        self.assertIn("sync_identity_ids", beta.with_user(reader).get_view(view_type="form")["arch"])
        stranger = new_test_user(self.env, "identity_stranger", groups="base.group_user")
        self.assertNotIn("sync_identity_ids", beta.with_user(stranger).get_view(view_type="form")["arch"])
