from odoo.tests import tagged

from ..lib.errors import AuthFailed, Transient
from .common import ACCOUNT_RULES, SyncCase


@tagged("post_install", "-at_install")
class TestEngineInbound(SyncCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(
            [
                *ACCOUNT_RULES,
                {
                    "path": "ParentId",
                    "field": "parent_id",
                    "transform": "reference",
                    "argument": "Account",
                    "label": "Parent",
                },
            ]
        )

    def partner(self, external_id):
        binding = self.env["sync.binding"].search(
            [("connection_id", "=", self.connection.id), ("external_id", "=", external_id)]
        )
        return binding._record() if binding else self.env["res.partner"]

    def test_creates_binds_and_records_the_change(self):
        self.remote.put("Account", "a1", Name="Aurora Foods", Email="x@aurora.example", Country="US")
        self.notify("Account", "a1")
        self.run_lane()
        partner = self.partner("a1")
        self.assertEqual(partner.name, "Aurora Foods")
        self.assertEqual(partner.country_id.code, "US")
        change = self.env["sync.change"].search([("external_id", "=", "a1")])
        self.assertEqual(change.values["name"], [None, "Aurora Foods"])
        self.assertEqual(change.verdict, "applied")
        self.assertEqual(change.mapping_id, self.flow.mapping_id)
        job = self.jobs(external_id="a1")
        self.assertEqual((job.state, job.attempts, job.res_id), ("done", 1, partner.id))
        self.assertEqual(change.correlation_id, job.correlation_id)

    def test_the_same_notification_ten_times_is_one_record(self):
        self.remote.put("Account", "a1", Name="Once Ltd")
        for _repeat in range(10):
            self.notify("Account", "a1")
        self.assertEqual(self.run_lane(), 1)
        for _repeat in range(3):
            self.notify("Account", "a1")
            self.run_lane()
        self.assertEqual(self.env["res.partner"].search_count([("name", "=", "Once Ltd")]), 1)

    def test_an_older_document_does_not_restore_an_older_state(self):
        self.remote.put("Account", "a1", Name="New Name")
        self.notify("Account", "a1")
        self.run_lane()
        self.remote.records["Account"]["a1"].update(
            version="00000000", data={"Id": "a1", "Name": "Old Name"}
        )
        self.notify("Account", "a1")
        self.run_lane()
        self.assertEqual(self.partner("a1").name, "New Name")

    def test_all_problems_are_named_at_once_and_nothing_is_written(self):
        before = self.env["res.partner"].search_count([])
        self.remote.put("Account", "a1", Name="", Country="ZZ")
        self.notify("Account", "a1")
        self.run_lane()
        job = self.jobs(external_id="a1")
        self.assertEqual(job.state, "failed")
        self.assertIn("Name is empty", job.error_message)
        self.assertIn("ZZ", job.error_message)
        self.assertEqual(self.env["res.partner"].search_count([]), before)
        self.assertEqual(job.exception_id.state, "new")

    def test_a_bad_record_does_not_stop_the_others(self):
        for number in range(8):
            self.remote.put("Account", f"a{number}", Name=f"Good {number}" if number != 5 else "")
        self.notify("Account", *[f"a{number}" for number in range(8)])
        self.run_lane()
        self.assertEqual(len(self.jobs(flow_id=self.flow.id, state="done")), 7)
        self.assertEqual(self.jobs(flow_id=self.flow.id, state="failed").external_id, "a5")

    def test_an_unexpected_failure_is_found_by_halving(self):
        # Odoo itself refuses this one, in the middle of the batch's `create`.
        self.make_flow(
            [{"path": "Name", "field": "name"}, {"path": "Tz", "field": "tz", "label": "Zone"}],
            remote_object="Person",
        )
        for number in range(9):
            self.remote.put("Person", f"p{number}", Name=f"P{number}", Tz="Mars/Base" if number == 4 else None)
        self.notify("Person", *[f"p{number}" for number in range(9)])
        self.run_lane()
        done = self.env["sync.job"].search([("remote_object", "=", "Person"), ("state", "=", "done")])
        self.assertEqual(len(done), 8)
        self.assertFalse(self.partner("p4"))

    def test_parents_come_first_and_along(self):
        self.remote.put("Account", "child", Name="Child", ParentId="parent")
        self.remote.put("Account", "parent", Name="Parent", ParentId="top")
        self.remote.put("Account", "top", Name="Top")
        self.notify("Account", "child")
        self.run_lane()
        self.assertEqual(self.partner("child").parent_id.parent_id.name, "Top")

    def test_a_blocked_parent_blocks_the_child_with_its_reasons(self):
        self.remote.put("Account", "child", Name="Child", ParentId="parent")
        self.remote.put("Account", "parent", Name="", Country="ZZ")
        self.notify("Account", "child")
        self.run_lane()
        job = self.jobs(external_id="child")
        self.assertEqual(job.state, "failed")
        self.assertIn("Name is empty", job.error_message)
        self.assertFalse(self.partner("child"))
        self.assertFalse(self.partner("parent"))

    def test_a_circle_of_parents_is_refused(self):
        self.remote.put("Account", "a", Name="A", ParentId="b")
        self.remote.put("Account", "b", Name="B", ParentId="a")
        self.notify("Account", "a", "b")
        self.run_lane()
        self.assertEqual(set(self.jobs(flow_id=self.flow.id).mapped("state")), {"failed"})
        self.assertFalse(self.partner("a") or self.partner("b"))

    def test_an_identifying_field_binds_the_record_that_is_there(self):
        here = self.env["res.partner"].create({"name": "Here Before", "ref": "VAT-77"})
        self.remote.put("Account", "a1", Name="Here Before Inc", VAT="VAT-77")
        self.notify("Account", "a1")
        self.run_lane()
        self.assertEqual(self.partner("a1"), here)
        self.assertEqual(here.name, "Here Before Inc")

    def test_an_equal_record_is_bound_without_a_change(self):
        here = self.env["res.partner"].create({"name": "Equal Inc", "ref": "VAT-79"})
        self.remote.put("Account", "a1", Name="Equal Inc", VAT="VAT-79")
        self.notify("Account", "a1")
        self.run_lane()
        self.assertEqual(self.partner("a1"), here)
        self.assertFalse(self.env["sync.change"].search([("external_id", "=", "a1")]))

    def test_a_change_that_concerns_no_mapped_field_is_not_looked_at_again(self):
        self.remote.put("Account", "a1", Name="Same")
        self.notify("Account", "a1")
        self.run_lane()
        self.approve(self.flow.mapping_id.copy())
        version = self.remote.put("Account", "a1", Name="Same", Unmapped="new")
        self.notify("Account", "a1")
        self.run_lane()
        binding = self.env["sync.binding"].search([("external_id", "=", "a1")])
        self.assertEqual(binding.version, version)
        self.flow.poll_cursor = False
        self.flow._enqueue_poll()
        self.assertEqual(self.run_lane(), 1, "only the poll itself runs")

    def test_lines_follow_the_source_and_come_back(self):
        flow = self.make_flow(
            [
                {"path": "Name", "field": "name", "required": True},
                {
                    "path": "People",
                    "field": "child_ids",
                    "transform": "lines",
                    "argument": "Id",
                    "child_object": "Person",
                    "children": [{"path": "Name", "field": "name"}],
                },
            ],
            remote_object="Team",
        )
        ann, bob = {"Id": "p1", "Name": "Ann"}, {"Id": "p2", "Name": "Bob"}
        names = []
        for people in ([ann, bob], [ann], [ann, bob], [ann, bob], [{**ann, "Name": "Anna"}, bob]):
            self.remote.put("Team", "t1", Name=f"Team {len(names)}", People=people)
            self.notify("Team", "t1")
            self.run_lane()
            names.append(sorted(self.partner("t1").child_ids.mapped("name")))
        self.assertEqual(names, [["Ann", "Bob"], ["Ann"], ["Ann", "Bob"], ["Ann", "Bob"], ["Anna", "Bob"]])
        self.assertEqual(len(self.jobs(flow_id=flow.id, state="done")), 5)

    def test_two_candidates_wait_for_a_person(self):
        self.env["res.partner"].create([{"name": "Twin", "ref": "VAT-88"} for _copy in range(2)])
        self.remote.put("Account", "a1", Name="Twin", VAT="VAT-88")
        self.notify("Account", "a1")
        self.run_lane()
        self.assertEqual(self.jobs(external_id="a1").state, "failed")
        self.assertEqual(self.env["res.partner"].search_count([("ref", "=", "VAT-88")]), 2)

    def test_on_demand_records_wait_until_they_are_needed(self):
        self.flow.create_policy = "on_demand"
        self.remote.put("Account", "a1", Name="Prospect")
        self.notify("Account", "a1")
        self.run_lane()
        self.assertEqual(self.jobs(external_id="a1").state, "done")
        self.assertFalse(self.partner("a1"))

    def test_dry_run_plans_and_writes_nothing(self):
        self.flow.action_dry_run()
        self.remote.put("Account", "a1", Name="Planned")
        self.notify("Account", "a1")
        self.run_lane()
        self.assertFalse(self.partner("a1"))
        change = self.env["sync.change"].search([("external_id", "=", "a1")])
        self.assertEqual((change.verdict, change.values["name"]), ("planned", [None, "Planned"]))

    def test_write_policies_hold(self):
        with self.changed_mapping(self.flow) as mapping:
            rules = mapping.rule_ids
            rules.filtered(lambda rule: rule.field_name == "name").policy = "create_only"
            rules.filtered(lambda rule: rule.field_name == "email").policy = "fill_empty"
        self.remote.put("Account", "a1", Name="First", Email="")
        self.notify("Account", "a1")
        self.run_lane()
        self.remote.put("Account", "a1", Name="Second", Email="two@x.example")
        self.notify("Account", "a1")
        self.run_lane()
        self.remote.put("Account", "a1", Name="Third", Email="three@x.example")
        self.notify("Account", "a1")
        self.run_lane()
        self.assertEqual((self.partner("a1").name, self.partner("a1").email), ("First", "two@x.example"))

    def test_a_remote_deletion_keeps_the_record_and_flags_it(self):
        self.remote.put("Account", "a1", Name="Gone Soon")
        self.notify("Account", "a1")
        self.run_lane()
        self.remote.delete("Account", "a1")
        self.notify("Account", "a1")
        self.run_lane()
        self.assertTrue(self.partner("a1").exists())
        binding = self.env["sync.binding"].search([("external_id", "=", "a1")])
        self.assertTrue(binding.remote_deleted)

    def test_polling_and_webhook_together_make_one_job(self):
        self.remote.put("Account", "a1", Name="Both Ways")
        self.notify("Account", "a1")
        self.flow._enqueue_poll()
        self.run_lane()
        self.assertEqual(len(self.jobs(flow_id=self.flow.id, kind="record")), 1)
        self.assertEqual(self.env["res.partner"].search_count([("name", "=", "Both Ways")]), 1)

    def test_a_poll_enqueues_only_what_is_new(self):
        for number in range(3):
            self.remote.put("Account", f"a{number}", Name=f"Known {number}")
        self.flow._enqueue_poll()
        self.run_lane()
        self.flow.poll_cursor = False
        self.flow._enqueue_poll()
        self.assertEqual(self.run_lane(), 1, "only the poll itself runs: everything is known")

    def test_a_big_poll_makes_page_jobs_and_hands_bad_records_over(self):
        self.flow.page_size = 40
        for number in range(100):
            self.remote.put("Account", f"a{number:03d}", Name=f"Big {number}" if number != 50 else "")
        self.flow._enqueue_poll()
        self.run_lane()
        self.assertEqual(len(self.jobs(flow_id=self.flow.id, kind="page", state="done")), 3)
        self.assertEqual(self.jobs(flow_id=self.flow.id, state="failed").external_id, "a050")
        self.assertEqual(self.env["res.partner"].search_count([("name", "=like", "Big %")]), 99)

    def test_a_transient_failure_is_retried_by_itself(self):
        self.remote.put("Account", "a1", Name="Patience")
        self.remote.faults["read"] = [Transient("The line was cut.")]
        self.notify("Account", "a1")
        self.run_lane()
        job = self.jobs(external_id="a1")
        self.assertIn(job.state, ("pending", "done"))
        job.eta = "2000-01-01 00:00:00"
        self.run_lane()
        self.assertEqual((job.state, job.attempts), ("done", 2))

    def test_refused_credentials_pause_the_connection_once(self):
        for number in range(5):
            self.remote.put("Account", f"a{number}", Name=f"Held {number}")
        self.remote.faults["read"] = [AuthFailed("The token was revoked.")]
        self.notify("Account", *[f"a{number}" for number in range(5)])
        self.run_lane()
        self.assertEqual(self.connection.state, "paused")
        self.assertEqual(set(self.jobs(flow_id=self.flow.id).mapped("state")), {"pending"})
        raised = self.env["sync.exception"].search([("connection_id", "=", self.connection.id)])
        self.assertEqual((len(raised), raised.error_code), (1, "auth_failed"))
        self.connection.action_resume()
        self.assertEqual(raised.state, "resolved")
        self.run_lane()
        self.assertEqual(set(self.jobs(flow_id=self.flow.id).mapped("state")), {"done"})

    def test_retry_from_the_desk_closes_the_exception_by_itself(self):
        self.remote.put("Account", "a1", Name="", Country="US")
        self.notify("Account", "a1")
        self.run_lane()
        exception = self.jobs(external_id="a1").exception_id
        self.assertEqual(exception.job_count, 1)
        self.remote.put("Account", "a1", Name="Named Now", Country="US")
        exception.action_retry()
        self.run_lane()
        self.assertEqual(self.partner("a1").name, "Named Now")
        self.assertEqual(exception.state, "resolved")
        self.assertIn("By itself", exception.resolution)
        states = self.jobs(external_id="a1").sorted("id").mapped("state")
        self.assertEqual(states, ["cancelled", "done"], "the original stays, replaced")

    def queries(self, flow, object_name, external_ids):
        """Return how many queries it takes to apply these records in one batch."""
        self.notify(object_name, *external_ids)
        flow.batch_size = len(external_ids)
        self.env.flush_all()
        self.env.invalidate_all()
        start = self.env.cr.sql_log_count
        self.run_lane()
        return self.env.cr.sql_log_count - start

    def test_queries_do_not_grow_with_the_batch(self):
        def cost(prefix, count, suffix=""):
            ids = [f"{prefix}{number}" for number in range(count)]
            for external_id in ids:
                self.remote.put("Account", external_id, Name=f"{external_id}{suffix}")
            return self.queries(self.flow, "Account", ids)

        cost("warm", 5)
        self.assertLess(cost("large", 80) - cost("small", 20), 20)
        large, small = cost("large", 80), cost("small", 20)
        self.assertLess(large - small, 20, "the same holds for what is unchanged")
        # A partner's `write` asks Odoo three things about each partner.
        large, small = cost("large", 80, " again"), cost("small", 20, " again")
        self.assertLess(large - small, 20 + 3 * 60, "and for changes, so far as it is ours")
        self.assertEqual(self.partner("large7").name, "large7 again")

    def test_what_contacts_take_over_is_looked_up_for_all_of_a_batch(self):
        """Core asks for contacts and users of each contact of a partner that is written."""

        def cost(prefix, count):
            ids = [f"{prefix}{number}" for number in range(count)]
            for external_id in ids:
                self.remote.put("Account", external_id, Name=external_id, VAT=f"{external_id} old")
            self.queries(self.flow, "Account", ids)
            self.env["res.partner"].create(
                [{"name": "Contact", "parent_id": self.partner(external_id).id} for external_id in ids]
            )
            for external_id in ids:
                self.remote.put("Account", external_id, Name=external_id, VAT=f"{external_id} new")
            return self.queries(self.flow, "Account", ids)

        cost("warm", 5)
        self.assertLess(cost("large", 60) - cost("small", 10), 50, "less than one for each")
        self.assertEqual(self.partner("large7").ref, "large7 new")

    def test_queries_do_not_grow_with_the_batch_of_records_with_lines(self):
        flow = self.make_flow(
            [
                {"path": "Name", "field": "name"},
                {"path": "Code", "field": "code"},
                {
                    "path": "Parts",
                    "field": "state_ids",
                    "transform": "lines",
                    "argument": "Id",
                    "child_object": "Part",
                    "label": "Part",
                    "children": [{"path": "Name", "field": "name"}, {"path": "Code", "field": "code"}],
                },
            ],
            remote_object="Land",
            model="res.country",
        )

        def cost(letter, count, parts, suffix=""):
            ids = [f"{letter}{number}" for number in range(count)]
            for number, external_id in enumerate(ids):
                lines = [
                    {"Id": f"{external_id}-{part}", "Name": f"Part {part}{suffix}", "Code": f"P{part}"}
                    for part in parts
                ]
                code = f"{letter}{chr(0x4E00 + number)}"
                self.remote.put("Land", external_id, Name=f"Land {external_id}", Code=code, Parts=lines)
            return self.queries(flow, "Land", ids)

        cost("W", 3, (1, 2))
        self.assertLess(cost("L", 60, (1, 2)) - cost("S", 10, (1, 2)), 20)
        cost("W", 3, (1, 2), " again")
        large, small = cost("L", 60, (1, 2), " again"), cost("S", 10, (1, 2), " again")
        self.assertLess(large - small, 20, "the same holds for changed lines")
        # One line is changed, one goes, one comes; Odoo deletes them record by record.
        cost("L", 60, (2, 3), " new")
        country = self.env["res.country"].search([("name", "=", "Land L7")])
        self.assertEqual(sorted(country.state_ids.mapped("name")), ["Part 2 new", "Part 3 new"])
        bound = self.env["sync.binding"].search([("remote_object", "=", "Part"), ("external_id", "=like", "L7-%")])
        self.assertEqual(set(bound.mapped("external_id")), {"L7-2", "L7-3"})
        self.assertEqual(set(bound.mapped("res_id")), set(country.state_ids.ids))
