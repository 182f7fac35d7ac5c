from datetime import timedelta
from unittest.mock import patch

import psycopg2
from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, new_test_user, tagged
from odoo.tools import mute_logger

from ..lib.declarations import Document
from ..models import sync_run_replay
from .common import ACCOUNT_RULES, SyncCase


@tagged("post_install", "-at_install")
class ReplayCase(SyncCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(ACCOUNT_RULES)
        cls.users = {
            name: new_test_user(cls.env, f"replay_{name}", groups=f"crm_sync_base.group_sync_{name}")
            for name in ("user", "operator", "manager", "approver", "auditor")
        }

    def bring(self, external_id="a1", **data):
        """Let a record change at the source and arrive; returns its job."""
        self.remote.put("Account", external_id, **data)
        self.notify("Account", external_id)
        self.run_lane()
        return self.jobs(external_id=external_id).sorted("id")[-1]

    def partner(self, external_id="a1"):
        binding = self.env["sync.binding"].search(
            [("connection_id", "=", self.connection.id), ("external_id", "=", external_id)]
        )
        return binding._record() if binding else self.env["res.partner"]

    def everything(self):
        """Return what a replay must not change: partners, bindings, applied changes."""
        return (
            self.env["res.partner"].search([]).mapped(lambda p: (p.id, p.name, p.email, p.ref)),
            self.env["sync.binding"].search_count([]),
            self.env["sync.change"].search_count([("verdict", "=", "applied")]),
        )


@tagged("post_install", "-at_install")
class TestReplay(ReplayCase):
    def test_a_fetched_document_is_kept_encrypted(self):
        job = self.bring(Name="Aurora", Email="a@aurora.example")
        self.assertTrue(job.has_document)
        self.assertNotIn("aurora", job.document_token.lower())
        self.assertEqual(job._document().data["Email"], "a@aurora.example")
        self.assertIn(job, self.env["sync.job"].search([("has_document", "=", True)]))

    def test_a_failed_jobs_document_is_kept_too(self):
        job = self.bring(Name="", Email="a@aurora.example")
        self.assertEqual((job.state, job._document().data["Email"]), ("failed", "a@aurora.example"))

    def test_times_are_stored_for_graphs(self):
        good, bad = self.bring("a1", Name="Good"), self.bring("a2", Name="")
        for job in (good, bad):
            self.assertGreater(job.run_seconds, 0)
            self.assertLess(job.wait_seconds, 60)
        [[waited, ran]] = self.env["sync.job"]._read_group(
            [("id", "in", (good + bad).ids)], [], ["wait_seconds:avg", "run_seconds:max"]
        )
        self.assertGreater(ran, 0)
        self.assertGreaterEqual(waited, 0)

    def test_a_replay_is_a_new_job_linked_to_the_old_one(self):
        job = self.bring(Name="Aurora")
        before = self.everything()
        action = job.action_replay()
        replay = self.env["sync.job"].browse(action["res_id"])
        self.assertEqual((replay.replay_of_id, replay.state), (job, "pending"))
        self.assertEqual(replay.correlation_id, job.correlation_id)
        self.run_lane()
        self.assertEqual((job.state, job.summary, replay.summary), ("done", "Created Account Aurora", "Unchanged"))
        self.assertEqual(replay.original_outcome, "Created Account Aurora")
        self.assertEqual(self.everything(), before)

    def test_a_replay_reads_the_current_state(self):
        job = self.bring(Name="Old Name")
        self.remote.put("Account", "a1", Name="New Name")
        job._replay("current")
        self.run_lane()
        self.assertEqual(self.partner().name, "New Name")

    def test_a_stored_document_needs_no_call_and_works_under_the_new_mapping(self):
        job = self.bring(Name="Aurora", Phone="123")
        with self.changed_mapping(self.flow) as mapping:
            mapping.rule_ids.create(
                {"mapping_id": mapping.id, "remote_path": "Phone", "field_name": "phone"}
            )
        calls = self.remote.calls["read"]
        replay = job._replay("stored")
        self.assertEqual(replay.source, "stored")
        self.run_lane()
        self.assertEqual((replay.state, self.partner().phone), ("done", "123"))
        self.assertEqual(self.remote.calls["read"], calls, "nothing was fetched")

    def test_a_stale_document_does_not_overwrite_a_newer_state(self):
        old = self.bring(Name="Old Name")
        self.bring(Name="New Name")
        replay = old._replay("stored")
        self.run_lane()
        self.assertEqual(self.partner().name, "New Name")
        self.assertEqual(replay.summary, "Older than what is known; nothing to do")

    def test_a_stale_document_without_versions_does_not_either(self):
        with patch.object(type(self.env["sync.connector.testcrm"]), "_read", _read_without_versions):
            old = self.bring(Name="Old Name")
            old.done_at -= timedelta(minutes=5)
            self.bring(Name="New Name")
            replay = old._replay("stored")
            self.run_lane()
            chained = replay._replay("stored")
            self.run_lane()
        self.assertEqual(self.partner().name, "New Name")
        self.assertEqual((replay.state, chained.state), ("done", "done"))

    def test_a_stored_document_gives_way_to_a_delivery_that_arrives_meanwhile(self):
        job = self.bring(Name="Old Name")
        replay = job._replay("stored")
        self.remote.put("Account", "a1", Name="New Name")
        self.notify("Account", "a1")
        replay.invalidate_recordset()
        self.assertEqual((replay.coalesced, replay.source), (1, False))
        self.run_lane()
        self.assertEqual(self.partner().name, "New Name")

    def test_the_same_replay_twice_is_one_job_and_stays_stored(self):
        job = self.bring(Name="Aurora")
        replay = job._replay("stored")
        self.assertEqual(job._replay("stored"), replay)
        replay.invalidate_recordset()
        self.assertEqual(replay.source, "stored")
        self.assertEqual(len(self.jobs(state="pending", external_id="a1")), 1)

    def test_a_document_whose_key_is_lost_says_so(self):
        job = self.bring(Name="Aurora")
        replay = job._replay("stored")
        replay.document_token = "gAAAA-not-a-token"
        self.run_lane()
        self.assertEqual((replay.state, replay.error_code), ("failed", "data_invalid"))
        self.assertIn("cannot be read", replay.error_message)
        again = job._replay("stored")
        again.document_token = self.env["sync.connection"]._vault().encrypt('{"of": "another time"}')
        self.run_lane()
        self.assertEqual((again.state, again.error_code), ("failed", "data_invalid"))

    def test_prerequisites_of_a_stored_document_are_fetched(self):
        self.make_flow(
            [
                {"path": "Name", "field": "name", "required": True},
                {"path": "ParentId", "field": "parent_id", "transform": "reference", "argument": "Account"},
            ],
            remote_object="Deal",
        )
        self.remote.put("Account", "a9", Name="")
        self.remote.put("Deal", "d1", Name="Deal One", ParentId="a9")
        self.notify("Deal", "d1")
        self.run_lane()
        job = self.jobs(external_id="d1")
        self.assertEqual(job.state, "failed")
        self.remote.put("Account", "a9", Name="Parent")
        job._replay("stored")
        self.run_lane()
        self.assertEqual(self.partner("d1").parent_id.name, "Parent")

    def test_a_look_for_changes_is_not_replayed(self):
        self.flow._enqueue_poll()
        self.run_lane()
        poll = self.jobs(kind="poll", state="done")[:1]
        self.assertTrue(poll)
        self.assertFalse(poll._replay())
        with self.assertRaises(UserError):
            poll.action_replay()


def _read_without_versions(connector, connection, object_name, external_ids):
    from .common import REMOTE

    REMOTE.call("read")
    return [
        Document(key, dict(REMOTE.records[object_name][key]["data"]))
        for key in external_ids
        if key in REMOTE.records[object_name]
    ]


@tagged("post_install", "-at_install")
class TestReplayRun(ReplayCase):
    def bring_many(self, count, **data):
        for number in range(count):
            self.remote.put("Account", f"a{number}", Name=f"Account {number}", **data)
        self.notify("Account", *[f"a{number}" for number in range(count)])
        self.run_lane()

    def wizard(self, user=None, **vals):
        Wizard = self.env["sync.replay.wizard"].with_user(user or self.env.user)
        form = Form(Wizard)
        form.connection_id = self.connection
        for name, value in vals.items():
            setattr(form, name, value)
        return form.save()

    def start(self, wizard):
        return self.env["sync.run"].browse(wizard.action_start()["res_id"])

    def test_a_period_says_first_what_it_is_about(self):
        self.bring_many(3)
        self.bring("bad", Name="")
        wizard = self.wizard(with_done=True)
        self.assertEqual((wizard.job_count, wizard.document_count), (4, 4))
        self.assertEqual(self.wizard().job_count, 1, "failed ones only")
        self.assertEqual(self.wizard(with_failed=False).job_count, 0)
        past = fields.Datetime.now() - timedelta(days=1)
        self.assertEqual(self.wizard(with_done=True, date_to=past).job_count, 0)
        self.assertFalse(wizard.obstacles)
        self.flow.paused = True
        wizard.invalidate_recordset()
        self.assertIn(self.flow.name, wizard.obstacles)

    def test_nothing_to_replay_is_refused(self):
        with self.assertRaises(UserError):
            self.wizard().action_start()

    def test_the_same_period_twice_changes_nothing(self):
        self.bring_many(5, Email="x@y.example")
        before = self.everything()
        for source in ("current", "stored"):
            for _repeat in range(2):
                run = self.start(self.wizard(with_done=True, source=source))
                self.assertEqual(run.state, "running")
                self.run_lane()
                self.env["sync.run"]._cron_replay()
                self.assertEqual(self.everything(), before)
                self.assertEqual((run.state, run.progress), ("done", 100.0))
                self.assertEqual((run.waiting_count, run.failed_count, run.changed_count), (0, 0, 0))

    def test_several_jobs_of_one_record_are_one_replay(self):
        for number in range(3):
            self.bring(Name=f"Name {number}")
        run = self.start(self.wizard(with_done=True))
        self.assertEqual((run.total_count, run.new_count, run.known_count), (3, 1, 2))
        self.run_lane()
        self.assertEqual(self.partner().name, "Name 2")

    def test_stored_documents_of_a_period_end_with_the_latest(self):
        for number in range(3):
            self.bring(Name=f"Name {number}")
        self.start(self.wizard(with_done=True, source="stored"))
        self.run_lane()
        self.assertEqual(self.partner().name, "Name 2")

    def test_a_large_selection_is_handed_over_in_batches_by_the_scheduled_action(self):
        self.bring_many(7)
        with patch.object(sync_run_replay, "BATCH", 3):
            run = self.start(self.wizard(with_done=True))
            self.assertEqual((run.state, run.seen_count, run.total_count), ("running", 0, 7))
            cron = self.env.ref("crm_sync_base.ir_cron_replay")
            self.assertTrue(self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)]))
            with patch.object(type(run), "_commit_batch", side_effect=[True, False]):
                self.env["sync.run"]._cron_replay()
            self.assertEqual((run.seen_count, run.progress), (6, 0.0))
            self.env["sync.run"]._cron_replay()
        self.assertEqual((run.state, run.new_count, run.to_replay), ("running", 7, False))
        replays = self.jobs(run_id=run.id)
        self.assertEqual(set(replays.mapped("priority")), {self.flow.priority + 30}, "fresh work comes first")
        self.assertEqual(set(replays.create_uid), set(run.create_uid))
        self.run_lane()
        self.env["sync.run"]._cron_replay()
        run.invalidate_recordset()
        self.assertEqual((run.state, run.done_count, run.changed_count), ("done", 7, 0))

    def test_a_failed_batch_fails_the_run_and_not_the_scheduled_action(self):
        self.bring_many(4)
        with patch.object(sync_run_replay, "BATCH", 2):
            run = self.start(self.wizard(with_done=True))
            with (
                patch.object(type(self.env["sync.job"]), "_replay", side_effect=ZeroDivisionError),
                mute_logger("odoo.addons.crm_sync_base.models.sync_run_replay"),
            ):
                self.env["sync.run"]._cron_replay()
        self.assertEqual(run.state, "failed")
        self.assertIn("ZeroDivisionError", run.message)

    def test_a_full_disk_delays_the_run_and_does_not_end_it(self):
        self.bring_many(4)
        with patch.object(sync_run_replay, "BATCH", 2):
            run = self.start(self.wizard(with_done=True))
            cron = self.env.ref("crm_sync_base.ir_cron_replay")
            triggers = [("cron_id", "=", cron.id)]
            self.env["ir.cron.trigger"].search(triggers).unlink()
            full = psycopg2.errors.DiskFull("no space left")
            with patch.object(type(self.env["sync.job"]), "_replay", side_effect=full):
                self.env["sync.run"]._cron_replay()
            self.assertEqual((run.state, run.message), ("running", False))
            self.assertTrue(self.env["ir.cron.trigger"].search(triggers))
            self.env["sync.run"]._cron_replay()
        self.assertEqual((run.new_count, run.to_replay), (4, False))

    def test_cancelling_takes_back_what_waits_but_not_what_others_asked_for(self):
        self.bring_many(4)
        with patch.object(sync_run_replay, "BATCH", 3):
            run = self.start(self.wizard(with_done=True))
            with patch.object(type(run), "_commit_batch", return_value=False):
                self.env["sync.run"]._cron_replay()
            self.remote.put("Account", "a0", Name="Changed")
            self.notify("Account", "a0")  # a webhook: joins the waiting replay
            run.with_user(self.users["operator"]).action_cancel()
            self.env["sync.run"]._cron_replay()
        self.assertEqual(run.state, "cancelled")
        states = self.jobs(run_id=run.id).sorted("id").mapped("state")
        self.assertEqual(states, ["pending", "cancelled", "cancelled"])
        self.run_lane()
        self.assertEqual(self.partner("a0").name, "Changed")

    def test_a_selection_and_a_whole_filter(self):
        self.bring_many(3)
        self.flow._enqueue_poll()
        jobs = self.jobs(flow_id=self.flow.id, kind="record")
        domain = [("flow_id", "=", self.flow.id)]
        action = jobs[:2].with_context(
            active_ids=jobs[:2].ids, active_domain=domain
        ).action_open_replay_wizard()
        wizard = self.env["sync.replay.wizard"].browse(action["res_id"])
        self.assertEqual((wizard.scope, wizard.job_count), ("selection", 2))
        wizard.scope = "filter"
        self.assertEqual((wizard.job_count, wizard.left_out_count), (3, 1))
        run = self.start(wizard)
        self.assertEqual((run.name, run.new_count), ("Replay of 3 jobs", 3))

    def test_a_replay_of_one_job_is_called_so(self):
        job = self.bring(Name="Aurora")
        action = job.with_context(active_ids=job.ids).action_open_replay_wizard()
        wizard = self.env["sync.replay.wizard"].browse(action["res_id"])
        self.assertEqual(self.start(wizard).name, "Replay of one job")

    def test_a_selection_that_the_client_cut_off_means_the_filter(self):
        self.bring_many(3)
        self.env["ir.config_parameter"].set_param("web.active_ids_limit", "2")
        jobs = self.jobs(flow_id=self.flow.id, kind="record")
        action = jobs.with_context(
            active_ids=jobs[:2].ids, active_domain=[("id", "in", jobs.ids)]
        ).action_open_replay_wizard()
        self.assertEqual(self.env["sync.replay.wizard"].browse(action["res_id"]).job_count, 3)

    def test_who_may_replay(self):
        job = self.bring(Name="Aurora")
        for name in ("user", "approver", "auditor"):
            mine = job.with_user(self.users[name])
            for attempt in (mine.action_replay, mine.action_replay_stored, mine.action_open_replay_wizard,
                            mine.action_open_retry_wizard, mine.action_open_discard_wizard,
                            mine.action_retry, mine.action_edit_payload):
                with self.subTest(f"{name}: {attempt.__name__}"), self.assertRaises(AccessError):
                    attempt()
            with self.assertRaises(AccessError):
                self.env["sync.run"].with_user(self.users[name])._start_replay(mine, "current", "x")
        wizard = self.wizard(user=self.users["operator"], with_done=True)
        self.assertEqual(self.start(wizard).create_uid, self.users["operator"])

    def test_other_companies_jobs_are_left_alone(self):
        self.bring(Name="Aurora")
        other = self.env["res.company"].create({"name": "Other"})
        operator = self.users["operator"]
        operator.write({"company_ids": [(6, 0, other.ids)], "company_id": other.id})
        wizard = self.env["sync.replay.wizard"].with_user(operator).with_company(other).create(
            {"with_done": True}
        )
        self.assertEqual(wizard.job_count, 0)

    def test_discarding_wants_a_reason_and_keeps_it(self):
        failed = self.bring("bad", Name="")
        exception = failed.exception_id
        self.notify("Account", "a7")
        waiting = self.jobs(external_id="a7")
        poll = self.jobs(kind="poll", state="pending")
        jobs = failed + waiting + poll
        operator = self.users["operator"]
        action = jobs.with_user(operator).with_context(active_ids=jobs.ids).action_open_discard_wizard()
        wizard = self.env["sync.job.discard.wizard"].with_user(operator).browse(action["res_id"])
        self.assertEqual(wizard.job_count, 2, "looking for changes goes on")
        with self.assertRaises(ValidationError):
            wizard.action_discard()
        wizard.reason = "Test records"
        self.assertEqual(wizard.action_discard()["params"]["message"], "2 jobs were discarded.")
        self.assertEqual(set((failed + waiting).mapped("state")), {"cancelled"})
        self.assertEqual(waiting.summary, f"Discarded by {operator.name}: Test records")
        self.assertEqual(exception.state, "resolved")

    def test_one_job_is_discarded(self):
        failed = self.bring("bad", Name="")
        action = failed.with_context(active_ids=failed.ids).action_open_discard_wizard()
        wizard = self.env["sync.job.discard.wizard"].browse(action["res_id"])
        with self.assertRaisesRegex(ValidationError, "this job is given up"):
            wizard.action_discard()
        wizard.reason = "A test record"
        self.assertEqual(wizard.action_discard()["params"]["message"], "The job was discarded.")

    def of_filter(self, open_wizard):
        """Return the dialog that a button of the list opens, and have it mean all that its filter shows."""
        jobs = self.jobs(flow_id=self.flow.id)
        action = getattr(
            jobs[:1].with_user(self.users["operator"]).with_context(
                active_ids=jobs[:1].ids, active_domain=[("flow_id", "=", self.flow.id), ("kind", "=", "record")]
            ),
            open_wizard,
        )()
        wizard = self.env[action["res_model"]].with_user(self.users["operator"]).browse(action["res_id"])
        self.assertTrue(wizard.has_filter)
        wizard.scope = "filter"
        return wizard

    def test_a_whole_filter_is_discarded(self):
        self.bring("done", Name="Aurora")
        self.bring("bad", Name="")
        self.bring("worse", Name="")
        self.notify("Account", "a7")
        wizard = self.of_filter("action_open_discard_wizard")
        self.assertEqual(wizard.job_count, 3)
        wizard.reason = "Test records"
        wizard.action_discard()
        self.assertEqual(self.jobs(external_id="done").state, "done")
        self.assertEqual(
            {self.jobs(external_id=name).state for name in ("bad", "worse", "a7")},
            {"cancelled"},
        )

    def test_a_whole_filter_runs_now(self):
        self.bring("done", Name="Aurora")
        failed = self.bring("bad", Name="")
        self.notify("Account", "a7")
        planned = self.jobs(external_id="a7")
        planned.eta = fields.Datetime.now() + timedelta(hours=3)
        wizard = self.of_filter("action_open_retry_wizard")
        self.assertEqual((wizard.job_count, wizard.obstacles), (2, ""))
        wizard.action_retry()
        self.assertLess(planned.eta, fields.Datetime.now() + timedelta(minutes=1))
        self.assertEqual(failed.replay_ids.state, "pending")
        self.assertFalse(self.jobs(external_id="done").replay_ids)

    def test_nothing_to_run_is_refused(self):
        self.bring("done", Name="Aurora")
        wizard = self.of_filter("action_open_retry_wizard")
        self.assertEqual(wizard.job_count, 0)
        with self.assertRaises(UserError):
            wizard.action_retry()


@tagged("post_install", "-at_install")
class TestEditAndRetry(ReplayCase):
    def setUp(self):
        super().setUp()
        self.job = self.bring(Name="", Email="a@aurora.example", Country="BE", api_key="sk_live_1")
        self.operator = self.users["operator"]

    def edit(self, **texts):
        action = self.job.with_user(self.operator).retry_edited(
            "Name was missing", texts={f"/{path}": text for path, text in texts.items()}
        )
        return self.env["sync.job"].browse(action["res_id"])

    def test_the_corrected_document_goes_through_and_the_edit_is_recorded(self):
        self.assertEqual(self.job.state, "failed")
        exception = self.job.exception_id
        retry = self.edit(Name="Aurora", Email="b@aurora.example")
        self.assertEqual((retry.source, retry.replay_of_id), ("edited", self.job))
        self.run_lane()
        self.assertEqual((retry.state, self.partner().name), ("done", "Aurora"))
        self.assertEqual((self.job.state, exception.state), ("cancelled", "resolved"))
        self.assertIn("Name is empty", retry.original_outcome)
        [edit] = self.job.edit_ids
        self.assertEqual((edit.user_id, edit.reason, edit.retry_id), (self.operator, "Name was missing", retry))
        self.assertEqual(edit._values(), {"Name": ["", "Aurora"], "Email": ["a@aurora.example", "b@aurora.example"]})

    def test_the_source_did_not_change_so_the_edit_stays(self):
        self.edit(Name="Aurora")
        self.run_lane()
        self.notify("Account", "a1")  # the source says again what was edited
        self.run_lane()
        self.flow.poll_cursor = False
        self.flow._enqueue_poll()
        self.run_lane()
        self.assertEqual(self.partner().name, "Aurora")
        self.assertFalse(self.jobs(external_id="a1", state="failed"))
        self.bring(Name="Aurora Foods")
        self.assertEqual(self.partner().name, "Aurora Foods", "what the source says next wins")

    def test_the_original_document_does_not_undo_the_edit(self):
        self.edit(Name="Aurora")
        self.run_lane()
        self.job._replay("stored")
        self.run_lane()
        self.assertEqual(self.partner().name, "Aurora")

    def test_an_edit_of_an_old_document_does_not_overwrite_a_newer_state(self):
        self.bring(Name="From the Source")
        retry = self.edit(Name="Too Late")
        self.run_lane()
        self.assertEqual(self.partner().name, "From the Source")
        self.assertIn("Older than what is known", retry.summary)

    def test_newer_work_that_waits_goes_first(self):
        self.notify("Account", "a1")
        with self.assertRaisesRegex(UserError, "newer job"):
            self.edit(Name="Aurora")
        self.assertFalse(self.job.edit_ids)

    def test_as_json(self):
        job = self.job.with_user(self.operator)
        text = job.get_editable_document()["text"]
        self.assertNotIn("sk_live_1", text)
        job.retry_edited("why", text=text.replace('"Name": ""', '"Name": "Aurora"'))
        self.run_lane()
        self.assertEqual(self.partner().name, "Aurora")
        retry = self.jobs(external_id="a1", source="edited")
        self.assertEqual(retry._document().data["api_key"], "sk_live_1", "what was hidden is as it was")

    def test_what_cannot_be_used_is_refused(self):
        job = self.job.with_user(self.operator)
        for edit in ({"texts": {}}, {"text": "not json"}, {"text": "[]"}):
            with self.subTest(str(edit)), self.assertRaises(UserError):
                job.retry_edited("why", **edit)
        with self.assertRaises(ValidationError):
            job.retry_edited("  ", texts={"/Name": "Aurora"})
        self.assertFalse(self.jobs(state="pending", external_id="a1"))

    def test_the_dialog_shows_what_the_mapping_reads_first(self):
        shown = self.job.with_user(self.operator).get_editable_document()
        self.assertIn("Name is empty", shown["message"])
        [section] = shown["sections"]
        self.assertEqual(section["title"], "Account a1")
        rows = section["fields"]
        self.assertEqual([row["path"] for row in rows if row["mapped"]], ["Name", "Email", "Country", "VAT"])
        [vat] = [row for row in rows if row["path"] == "VAT"]
        self.assertEqual((vat["label"], vat["value"], vat["absent"]), ("Tax number", "", True))
        [key] = [row for row in rows if row["path"] == "api_key"]
        self.assertEqual((key["value"], key["locked"]), ("•••", True))

    def test_what_is_missing_may_be_in_a_prerequisite(self):
        self.make_flow(
            [
                {"path": "Name", "field": "name", "required": True},
                {"path": "ParentId", "field": "parent_id", "transform": "reference", "argument": "Account"},
            ],
            remote_object="Deal",
        )
        self.remote.put("Account", "a8", Name="")
        self.remote.put("Account", "a9", Name="Fine")
        for number in (8, 9):
            self.remote.put("Deal", f"d{number}", Name=f"Deal {number}", ParentId=f"a{number}")
        self.notify("Deal", "d9", "d8")
        self.run_lane()
        job = self.jobs(external_id="d8").with_user(self.operator)
        self.assertEqual(job.state, "failed")
        shown = job.get_editable_document()
        self.assertEqual([section["title"] for section in shown["sections"]], ["Deal d8", "Account a8"])
        [name] = [row for row in shown["sections"][1]["fields"] if row["path"] == "Name"]
        job.retry_edited("The parent has no name", texts={name["pointer"]: "Parent"})
        self.assertEqual(job.edit_ids._values(), {"Account a8.Name": ["", "Parent"]})
        self.notify("Deal", "d7")  # gone; in the same batch
        self.run_lane()
        self.assertEqual(self.partner("d8").parent_id.name, "Parent")
        self.notify("Account", "a8")
        self.run_lane()
        self.assertEqual(self.partner("a8").name, "Parent", "the source did not change since")
        text = self.jobs(external_id="d8", source="edited").get_editable_document()["text"]
        self.assertIn("Deal 8", text)

    def test_what_a_record_brings_along_belongs_to_its_own_story(self):
        self.make_flow(
            [
                {"path": "Name", "field": "name"},
                {"path": "ParentId", "field": "parent_id", "transform": "reference", "argument": "Account"},
            ],
            remote_object="Deal",
        )
        for number in (8, 9):
            self.remote.put("Account", f"a{number}", Name=f"Parent {number}")
            self.remote.put("Deal", f"d{number}", Name=f"Deal {number}", ParentId=f"a{number}")
        self.notify("Deal", "d8", "d9")
        self.run_lane()
        for number in (8, 9):
            change = self.env["sync.change"].search([("external_id", "=", f"a{number}")])
            self.assertEqual(change.job_id.external_id, f"d{number}")

    def test_who_sees_documents_and_what_was_edited(self):
        for name in ("user", "approver", "auditor"):
            job = self.job.with_user(self.users[name])
            with self.subTest(name):
                with self.assertRaises(AccessError):
                    job.get_editable_document()
                with self.assertRaises(AccessError):
                    job.retry_edited("why", texts={"/Name": "x"})
                with self.assertRaises(AccessError):
                    job.read(["document_token"])
        self.edit(Email="b@aurora.example", Name="Aurora")
        edit = self.job.edit_ids
        for name in ("user", "approver"):
            with self.subTest(name), self.assertRaises(AccessError):
                edit.with_user(self.users[name]).read(["summary"])
        for name in ("operator", "auditor"):
            mine = edit.with_user(self.users[name])
            self.assertIn("b@aurora.example", str(mine.diff))
            self.assertNotIn("aurora.example", mine.summary)
            self.assertIn("Name: ∅ → Aurora", mine.summary)
            mine.env.user.group_ids += self.env.ref("base.group_allow_export")
            exported = mine.export_data(["name", "summary", "reason"])["datas"]
            self.assertNotIn("aurora.example", str(exported))
        self.assertFalse(self.env["sync.job.edit"].fields_get(["diff"])["diff"].get("exportable", True))

    def test_recorded_edits_stay(self):
        self.edit(Name="Aurora")
        edit = self.job.edit_ids
        for attempt in (lambda: edit.write({"reason": "other"}), edit.unlink):
            with self.assertRaises(AccessError):
                attempt()
        with self.assertRaises(AccessError):
            edit.with_user(self.users["manager"]).create({"name": "forged"})
        self.assertNotIn("Aurora", edit.values_token)
