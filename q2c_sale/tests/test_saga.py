from unittest.mock import patch

import psycopg2
from odoo.addons.crm_sync_base.lib.errors import DataInvalid, NotReady
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user

from .common import DealCase


class Killed(BaseException):
    """Ends a worker where it stands, as kill -9 would: nobody catches it."""


class TestSaga(DealCase):
    """Deals whose steps fail: what is done, what is undone, and who is asked."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.owner = new_test_user(
            cls.env, "deal_owner",
            groups="base.group_user,sales_team.group_sale_manager,crm_sync_base.group_sync_operator",
            company_id=cls.company.id,
        )
        cls.flow.owner_id = cls.owner
        cls.Steps = type(cls.env["sync.flow.step"])

    def setUp(self):
        super().setUp()
        self.flow.on_step_failure = "wait"
        self.add_steps("confirm", "invoice")
        self.deal()

    # --- what the tests say ---

    def saga(self):
        return self.env["sync.saga"].search([("flow_id", "=", self.flow.id)])

    def states(self):
        return [line.state for line in self.saga()._lines()]

    def line(self, action):
        return self.saga().step_ids.filtered(lambda line: line.step_id.action == action)

    def failing(self, action="invoice", error=None, times=100):
        """Make a step fail so many times."""
        left = [times]
        run = getattr(self.Steps, f"_run_{action}")

        def fails(step, record, job):
            if left[0] <= 0:
                return run(step, record, job)
            left[0] -= 1
            raise error or DataInvalid("The tax is wrong.", hint="Correct the tax.")

        return patch.object(self.Steps, f"_run_{action}", fails)

    def fail_at_invoice(self):
        with self.failing():
            self.sync()
        self.assertEqual(self.states(), ["done", "done", "failed"])

    # --- forward ---

    def test_every_step_is_stored_with_its_compensation(self):
        self.sync()
        saga = self.saga()
        self.assertEqual((saga.state, saga.progress, saga.pass_count), ("complete", "3 / 3", 1))
        self.assertEqual(saga.correlation_id, self.jobs(kind="record").correlation_id)
        confirm, invoice = self.line("confirm"), self.line("invoice")
        self.assertEqual(confirm.summary, f"{self.order().name} confirmed")
        self.assertEqual(confirm.effects, [["sale.order", self.order().id]])
        self.assertEqual(invoice.effects, [["account.move", self.order().invoice_ids.id]])
        self.assertIn("is cancelled", confirm.compensation)
        self.assertIn("credit note", invoice.compensation)
        self.assertEqual(confirm.job_id.step_id.action, "confirm")
        self.assertTrue(saga.done_at)

    def test_a_failed_step_keeps_what_is_done_and_asks_the_owner(self):
        self.fail_at_invoice()
        saga, order = self.saga(), self.order()
        self.assertEqual((saga.state, saga.open_step_id), ("person", self.line("invoice")))
        self.assertEqual((saga.message, saga.hint), ("The tax is wrong.", "Correct the tax."))
        self.assertEqual(saga.error_code, "data_invalid")
        self.assertEqual(order.state, "sale", "what is done stays done")
        activity = order.activity_ids
        self.assertEqual(activity.user_id, self.owner)
        self.assertIn("The tax is wrong.", activity.note)
        self.assertEqual(order.sync_saga_state, "person")
        self.assertIn("The tax is wrong.", order.sync_saga_message)

    def test_a_technical_failure_is_for_the_technical_owner(self):
        self.flow.technical_owner_id = technician = new_test_user(
            self.env, "technician", groups="base.group_user,sales_team.group_sale_manager", company_id=self.company.id
        )
        with self.failing(error=ZeroDivisionError()):
            self.sync()
            for _attempt in range(3):
                self.jobs(state="pending").write({"eta": "2020-01-01"})
                self.run_lane()
        self.assertEqual(self.line("invoice").error_code, "bug")
        self.assertEqual(self.order().activity_ids.user_id, technician)

    def test_a_failure_that_the_saga_cannot_be_told_of_just_then_is_settled_again(self):
        self.fail_at_invoice()
        Saga, job = type(self.env["sync.saga"]), self.jobs(state="failed")
        with (
            patch.object(Saga, "_on_failed", side_effect=psycopg2.errors.DiskFull("no space left")),
            self.assertRaises(psycopg2.errors.DiskFull),
        ):
            job._tell_saga()
        with (
            patch.object(Saga, "_on_failed", side_effect=ZeroDivisionError),
            self.assertLogs("odoo.addons.crm_sync_base.models.sync_job_step", "ERROR"),
        ):
            job._tell_saga()  # an extension is broken: the failure of the job is kept

    def test_who_may_not_see_the_record_finds_the_task_on_the_saga(self):
        self.flow.owner_id = new_test_user(
            self.env, "warehouse", groups="base.group_user,crm_sync_base.group_sync_user", company_id=self.company.id
        )
        self.fail_at_invoice()
        self.assertFalse(self.order().activity_ids)
        self.assertEqual(self.saga().activity_ids.user_id, self.flow.owner_id)

    def test_a_retry_goes_on_at_the_failed_step_and_does_nothing_twice(self):
        self.fail_at_invoice()
        confirmed = self.jobs(kind="step", step_id=self.line("confirm").step_id.id)
        self.saga().with_user(self.owner).action_retry()
        self.run_lane()
        self.assertEqual(self.states(), ["done", "done", "done"])
        self.assertEqual(self.saga().state, "complete")
        self.assertEqual(self.jobs(kind="step", step_id=self.line("confirm").step_id.id), confirmed)
        self.assertEqual(len(self.order().invoice_ids), 1)
        self.assertFalse(self.order().activity_ids, "the task is done by itself")
        self.assertEqual(self.line("invoice").job_id.replay_of_id.state, "cancelled")

    def test_a_retry_says_what_keeps_it_waiting(self):
        self.fail_at_invoice()
        hold = self.env["sync.hold"].create({"name": "Year end"})
        told = self.saga().with_user(self.owner).action_retry()
        self.assertIn("Held back: Year end", told["params"]["message"])
        hold.action_lift()
        self.run_lane()
        self.assertEqual(self.saga().state, "complete")

    def test_a_task_that_the_person_closed_stays_closed(self):
        self.fail_at_invoice()
        self.order().activity_ids.action_feedback(feedback="Corrected the tax.")
        messages = len(self.order().message_ids)
        self.saga().action_retry()
        self.run_lane()
        self.assertEqual(self.saga().state, "complete")
        self.assertEqual(len(self.order().message_ids.filtered(lambda msg: "succeeded" in (msg.body or ""))), 0)
        self.assertGreaterEqual(len(self.order().message_ids), messages)

    def test_every_reader_can_read_a_whole_saga(self):
        self.fail_at_invoice()
        for group in ("user", "approver", "operator", "manager", "auditor"):
            reader = new_test_user(
                self.env, f"reader_{group}", groups=f"base.group_user,crm_sync_base.group_sync_{group}",
                company_id=self.company.id,
            )
            saga = self.saga().with_user(reader)
            with self.subTest(group):
                [values] = saga.web_read({name: {} for name in saga.fields_get()})
                self.assertEqual(values["state"], "person")
                lines = saga.step_ids
                self.assertEqual(len(lines.web_read({name: {} for name in lines.fields_get()})), 3)
                self.assertEqual(self.env(user=reader)["sync.saga"].search([("id", "=", saga.id)]), saga)
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env, "stranger_saga", groups="base.group_user,crm_sync_base.group_sync_manager",
            company_id=elsewhere.id, company_ids=[(6, 0, elsewhere.ids)],
        )
        for model in ("sync.saga", "sync.saga.step"):
            self.assertFalse(self.env(user=stranger)[model].with_context(
                allowed_company_ids=elsewhere.ids).search([]).filtered(lambda row: row.company_id == self.company))

    def test_a_retry_from_the_exception_desk_is_the_same(self):
        self.fail_at_invoice()
        exception = self.jobs(state="failed").exception_id
        exception.action_retry()
        self.run_lane()
        self.assertEqual((self.saga().state, exception.state), ("complete", "resolved"))

    def test_a_change_at_the_source_goes_on_at_the_failed_step(self):
        self.fail_at_invoice()
        self.deal(Name="Aurora rollout, phase one")
        self.sync()
        self.assertEqual(self.saga().state, "complete")
        self.assertEqual(self.saga().pass_count, 2)
        self.assertEqual(len(self.jobs(kind="step", step_id=self.line("confirm").step_id.id)), 1)

    def test_a_killed_worker_leaves_either_a_step_and_its_line_or_neither(self):
        """Killed right after the step's effect, before it is committed."""
        self.notify("Deal", "d1")
        self.lane._run_once()
        run = self.Steps._run_confirm

        def killed(step, record, job):
            run(step, record, job)
            raise Killed

        with patch.object(self.Steps, "_run_confirm", killed), self.assertRaises(Killed):
            with self.env.cr.savepoint():  # what the database takes back of a dead worker
                self.lane._run_once()
        self.assertEqual((self.order().state, self.states()), ("draft", ["done", "pending", "pending"]))
        self.run_lane()
        self.assertEqual((self.order().state, self.saga().state), ("sale", "complete"))

    def test_a_killed_worker_between_steps_loses_nothing(self):
        """Killed after a step was committed: the next one is in the queue already."""
        self.notify("Deal", "d1")
        self.lane._run_once()
        self.lane._run_once()
        self.assertEqual(self.states(), ["done", "done", "pending"])
        job = self.jobs(kind="step", state="pending")
        self.assertEqual(job, self.line("invoice").job_id)
        # It was claimed, and its worker died.
        job.write({"state": "running", "lane_id": self.lane.id, "attempts": 1})
        self.env["sync.job"]._recover(self.lane)
        self.jobs(state="pending").write({"eta": "2020-01-01"})
        self.run_lane()
        self.assertEqual(self.states(), ["done", "done", "done"])
        self.assertEqual(len(self.order().invoice_ids), 1)
        self.assertEqual(len(self.jobs(kind="step")), 2)

    def test_a_step_that_keeps_killing_its_worker_is_the_owners(self):
        self.notify("Deal", "d1")
        self.lane._run_once()
        for _crash in range(3):
            self.jobs(kind="step").write({"state": "running", "lane_id": self.lane.id})
            self.env["sync.job"]._recover(self.lane)
        self.assertEqual(self.line("confirm").error_code, "worker_killed")
        self.assertEqual(self.saga().state, "person")

    def test_jobs_of_before_get_a_saga_when_they_run(self):
        self.notify("Deal", "d1")
        self.lane._run_once()
        self.saga().unlink()
        self.run_lane()
        self.assertEqual(self.saga().state, "complete")

    def test_steps_of_another_day(self):
        """A step that is added runs for whoever is not through; one that is removed does not."""
        self.flow.step_ids[-1].active = False
        with self.failing("confirm"):
            self.sync()
        self.assertEqual(self.states(), ["done", "failed"])
        self.flow.with_context(active_test=False).step_ids.active = True
        self.saga().action_retry()
        self.run_lane()
        self.assertEqual(self.states(), ["done", "done", "done"])

    def test_entering_the_steps_costs_the_same_few_queries_however_many_enter(self):
        first = self.flow.step_ids[0]
        spent = []
        for count in (2, 20):
            orders = self.env["sale.order"].create([{"partner_id": self.partner_a.id} for _number in range(count)])
            job = self.env["sync.job"].browse(self.notify("Account", f"a{count}")[0]["id"])
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            first._enqueue_for(orders, dict.fromkeys(orders.ids, job))
            self.env.flush_all()
            spent.append(self.env.cr.sql_log_count - before)
        self.assertLessEqual(spent[1], spent[0] + 2)
        self.assertEqual(len(self.jobs(kind="step", state="pending")), 22)

    # --- backward ---

    def test_undo_takes_back_the_last_step_first_each_in_a_job_of_its_own(self):
        order = []
        with self.failing():
            self.sync()
        self.line("invoice").write({"effective": True})  # an earlier attempt left a draft
        draft = self.order()._create_invoices()
        self.line("invoice").effects = [["account.move", draft.id]]
        run = self.Steps._undo

        def noted(step, record, line):
            order.append(step.action)
            return run(step, record, line)

        with patch.object(self.Steps, "_undo", noted):
            self.saga().with_user(self.owner).action_undo_all()
            self.assertEqual(self.saga().state, "undoing")
            self.run_lane()
        self.assertEqual(order, ["invoice", "confirm"])
        self.assertEqual(self.states(), ["kept", "undone", "undone"])
        self.assertEqual((self.saga().state, self.order().state), ("undone", "cancel"))
        self.assertFalse(draft.exists(), "a draft is deleted")
        undone = self.jobs(kind="step", state="done").filtered(lambda job: job._undoes())
        self.assertEqual(len(undone), 2)
        self.assertEqual(undone.mapped("correlation_id"), [self.saga().correlation_id] * 2)

    def test_a_compensation_that_somebody_discards_is_a_persons(self):
        self.fail_at_invoice()
        self.saga().with_user(self.owner).action_undo_all()
        waiting = self.jobs(kind="step", state="pending").filtered(lambda job: job._undoes())
        waiting._discard("Not today")
        self.assertEqual(self.saga().state, "person")
        self.assertIn("Not today", self.saga().open_step_id.undo_summary)
        self.saga().action_retry()
        self.run_lane()
        self.assertEqual((self.saga().state, self.order().state), ("undone", "cancel"))

    def test_a_step_that_somebody_discards_is_a_persons(self):
        self.fail_at_invoice()
        self.saga().action_retry()
        self.jobs(kind="step", state="pending")._discard("Not today")
        self.assertEqual((self.saga().state, self.states()), ("person", ["done", "done", "failed"]))
        self.assertIn("Not today", self.line("invoice").error_message)
        self.saga().action_retry()
        self.run_lane()
        self.assertEqual((self.saga().state, self.states()), ("complete", ["done", "done", "done"]))

    def test_the_flow_may_undo_by_itself(self):
        self.flow.on_step_failure = "undo"
        with self.failing():
            self.sync()
        self.assertEqual((self.saga().state, self.order().state), ("undone", "cancel"))
        self.assertEqual(self.states(), ["kept", "undone", "failed"])
        self.assertIn("cancelled", self.line("confirm").undo_summary)
        exception = self.jobs(state="failed").exception_id
        self.assertEqual(exception.state, "new", "the cause is still somebody's")

    def test_a_posted_invoice_is_never_touched_and_a_person_gets_a_draft_credit_note(self):
        self.sync()
        order, invoice = self.order(), self.order().invoice_ids
        before = invoice.read(["name", "state", "amount_total", "write_date"])
        self.saga().with_user(self.owner).action_undo_all()
        self.run_lane()
        self.assertEqual(self.states(), ["kept", "done", "person"], "the order waits for the invoice")
        self.assertEqual((self.saga().state, self.saga().open_step_id), ("person", self.line("invoice")))
        credit = invoice.reversal_move_ids
        self.assertEqual((credit.state, credit.move_type, credit.amount_total), ("draft", "out_refund", 3345.65))
        self.assertIn("never changed", self.saga().message)
        self.assertEqual(invoice.read(["name", "state", "amount_total", "write_date"]), before)
        self.assertIn("Undo by hand", order.activity_ids.summary)
        # Trying again before anybody did anything makes no second credit note.
        self.saga().action_retry()
        self.run_lane()
        self.assertEqual(invoice.reversal_move_ids, credit)
        credit.action_post()
        self.saga().action_retry()
        self.run_lane()
        self.assertEqual((self.saga().state, order.state), ("undone", "cancel"))
        self.assertIn("credited", self.line("invoice").undo_summary)
        self.assertFalse(order.activity_ids)

    def test_a_refused_undo_is_a_card_on_the_desk_until_it_is_done(self):
        self.sync()
        credit_of = self.order().invoice_ids
        self.saga().with_user(self.owner).action_undo_all()
        self.run_lane()
        job = self.line("invoice").undo_job_id
        card = job.exception_id
        self.assertEqual((job.state, card.state, card.job_count), ("failed", "new", 1))
        self.assertIn("never changed", card.message)
        self.assertEqual(job.subject, self.saga().name)
        # A retry of the card tries the compensation again, and does nothing twice.
        card.action_retry()
        self.run_lane()
        self.assertEqual(self.states(), ["kept", "done", "person"])
        self.assertEqual(len(credit_of.reversal_move_ids), 1)
        self.assertEqual((card.state, card.job_count), ("new", 1))
        credit_of.reversal_move_ids.action_post()
        card.action_retry()
        self.run_lane()
        self.assertEqual((self.saga().state, card.state, card.closed_by), ("undone", "resolved", "self"))

    def test_a_refused_undo_that_a_person_finished_is_off_the_desk(self):
        self.sync()
        self.saga().with_user(self.owner).action_undo_all()
        self.run_lane()
        card = self.line("invoice").undo_job_id.exception_id
        self.line("invoice")._handled("Credited on paper.", goes_on=True)
        self.assertEqual((self.line("invoice").state, card.state), ("undone", "resolved"))

    def test_what_another_invoiced_forbids_cancelling_the_order(self):
        self.fail_at_invoice()
        self.order()._create_invoices().action_post()
        self.saga().action_undo_all()
        self.run_lane()
        self.assertEqual(self.order().state, "sale")
        self.assertIn("are not credited", self.saga().message)
        self.assertEqual(self.saga().state, "person")

    def test_a_delivered_order_is_not_cancelled(self):
        self.products["SUP"].invoice_policy = "delivery"
        self.fail_at_invoice()
        self.order().order_line[2].qty_delivered = 1
        self.saga().action_undo_all()
        self.run_lane()
        self.assertIn("something of it was delivered", self.saga().message)
        self.assertEqual(self.order().state, "sale")

    def test_what_somebody_else_did_is_not_undone(self):
        self.notify("Deal", "d1")
        self.lane._run_once()
        self.order().action_confirm()
        with self.failing():
            self.run_lane()
        with self.assertRaises(UserError):
            self.saga().action_undo_all()
        self.assertEqual(self.order().state, "sale")

    def test_an_error_while_undoing_is_a_persons_task_too(self):
        self.fail_at_invoice()

        def refuses(step, record, line):
            raise UserError("Not today.")  # pylint: disable=translation-required

        with patch.object(self.Steps, "_undo_confirm", refuses):
            self.saga().action_undo_all()
            self.run_lane()
        self.assertEqual(self.states(), ["kept", "person", "failed"])
        self.assertIn("Not today.", self.saga().message)
        self.saga().action_retry()
        self.run_lane()
        self.assertEqual(self.saga().state, "undone")

    def test_a_killed_worker_while_undoing(self):
        self.fail_at_invoice()
        self.saga().action_undo_all()
        run = self.Steps._undo_confirm

        def killed(step, record, line):
            run(step, record, line)
            raise Killed

        with patch.object(self.Steps, "_undo_confirm", killed), self.assertRaises(Killed):
            with self.env.cr.savepoint():
                self.lane._run_once()
        self.assertEqual((self.order().state, self.line("confirm").state), ("sale", "undoing"))
        self.run_lane()
        self.assertEqual((self.order().state, self.saga().state), ("cancel", "undone"))

    def test_undoing_overtakes_a_step_that_waits(self):
        self.notify("Deal", "d1")
        self.lane._run_once()
        self.lane._run_once()
        waiting = self.jobs(kind="step", state="pending")
        self.saga().action_undo_all()
        self.assertEqual(waiting.state, "cancelled")
        self.run_lane()
        self.assertEqual(self.states(), ["kept", "undone", "skipped"])
        self.assertFalse(self.order().invoice_ids)

    def test_a_retry_while_undoing_waits_for_a_person(self):
        self.sync()
        self.saga().action_undo_all()
        self.run_lane()
        step = self.line("confirm").step_id
        self.env["sync.job"]._enqueue([self.line("confirm").job_id._replay_spec()])
        self.run_lane()
        job = self.jobs(kind="step", step_id=step.id).sorted("id")[-1]
        self.assertEqual((job.state, job.error_code), ("failed", "policy_blocked"))
        self.assertEqual(self.saga().state, "person")

    def test_after_undoing_everything_can_start_again(self):
        self.flow.on_step_failure = "undo"
        with self.failing():
            self.sync()
        self.order().action_draft()
        self.jobs(state="failed").action_retry()
        self.run_lane()
        self.assertEqual((self.saga().state, self.order().state), ("complete", "sale"))
        self.assertFalse(self.saga().backward)
        self.assertEqual(len(self.order().invoice_ids), 1)

    def test_a_deleted_record_has_nothing_to_undo(self):
        self.fail_at_invoice()
        order = self.order()
        order._action_cancel()
        order.unlink()
        self.saga().action_undo_all()
        self.run_lane()
        self.assertEqual(self.saga().state, "undone")

    # --- by hand ---

    def handle(self, note="Invoiced by hand", **vals):
        action = self.saga().with_user(self.owner).action_handle()
        Wizard = self.env[action["res_model"]].with_user(self.owner).with_context(**action["context"])
        return Wizard.create({"note": note, **vals}).action_handle()

    def test_a_step_that_a_person_did_counts_and_the_next_one_follows(self):
        with self.failing("confirm"):
            self.sync()
        exception = self.jobs(state="failed").exception_id
        self.order().action_confirm()
        self.handle("Confirmed by hand")
        self.assertEqual(exception.state, "resolved")
        self.run_lane()
        self.assertEqual(self.states(), ["done", "handled", "done"])
        self.assertEqual((self.saga().state, self.line("confirm").user_id), ("complete", self.owner))
        self.assertIn("Confirmed by hand", self.line("confirm").outcome)
        self.assertIn("Confirmed by hand", self.saga().message_ids[:1].body)
        self.assertFalse(self.order().activity_ids)

    def test_a_person_may_end_it(self):
        with self.failing("confirm"):
            self.sync()
        self.handle("The customer withdrew", following="stop")
        self.run_lane()
        self.assertEqual((self.saga().state, self.states()), ("closed", ["done", "handled", "skipped"]))
        self.assertFalse(self.jobs(state="pending", kind="step"))

    def test_what_a_person_did_only_a_person_undoes(self):
        with self.failing("confirm"):
            self.sync()
        self.order().action_confirm()
        self.handle("Confirmed by hand", following="stop")
        self.saga().action_undo_all()
        self.run_lane()
        self.assertEqual(self.saga().state, "person")
        self.assertIn("by hand", self.saga().message)
        self.handle("Cancelled by hand")
        self.assertEqual((self.saga().state, self.states()), ("undone", ["kept", "undone", "skipped"]))

    def test_handling_a_refused_undo_goes_on_with_the_steps_before_it(self):
        self.sync()
        self.saga().action_undo_all()
        self.run_lane()
        credit = self.order().invoice_ids.reversal_move_ids
        credit.action_post()
        self.handle("Credited")
        self.run_lane()
        self.assertEqual((self.saga().state, self.order().state), ("undone", "cancel"))

    def test_handled_twice_is_once(self):
        self.fail_at_invoice()
        action = self.saga().with_user(self.owner).action_handle()
        Wizard = self.env[action["res_model"]].with_user(self.owner).with_context(**action["context"])
        first, second = Wizard.create({"note": "One"}), Wizard.create({"note": "Two"})
        first.action_handle()
        with self.assertRaises(UserError):
            second.action_handle()

    def test_users_look_and_operators_act(self):
        self.fail_at_invoice()
        user = new_test_user(
            self.env, "looker", groups="base.group_user,crm_sync_base.group_sync_user", company_id=self.company.id)
        saga = self.saga().with_user(user)
        self.assertEqual(saga.timeline[2]["state"], "failed")
        for attempt in (saga.action_retry, saga.action_undo_all, saga.action_start_again):
            with self.subTest(attempt.__name__), self.assertRaises(AccessError):
                attempt()
        with self.assertRaises(AccessError):
            self.env["sync.saga.handle.wizard"].with_user(user).create({"step_id": saga.open_step_id.id, "note": "x"})

    def test_from_everywhere_to_the_saga(self):
        self.fail_at_invoice()
        saga = self.saga()
        self.assertEqual(self.order().action_open_sync_saga()["res_id"], saga.id)
        self.assertTrue(self.jobs(state="failed").has_saga)
        self.assertEqual(self.jobs(state="failed").action_open_saga()["res_id"], saga.id)
        self.assertEqual(saga.action_open_exception()["res_id"], self.jobs(state="failed").exception_id.id)
        self.assertEqual(saga.action_open_record()["res_id"], self.order().id)
        self.assertEqual(self.env["sync.job"].search(saga.action_open_jobs()["domain"]), self.jobs(kind="step"))

    def test_not_ready_is_told_as_it_is(self):
        with self.failing(error=NotReady("Nothing can be invoiced.", problems=["A", "B"], hint="Deliver.")):
            self.sync()
        self.assertEqual((self.saga().message, self.saga().hint), ("Nothing can be invoiced.", "Deliver."))
