from contextlib import contextmanager
from datetime import timedelta
from unittest.mock import patch

import psycopg2
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ..lib import chain, clock, spans
from ..models import sync_metric_mark, sync_seal, sync_seal_check, sync_seal_key
from .common import ACCOUNT_RULES, SyncCase


@tagged("post_install", "-at_install")
class TestSeal(SyncCase):
    """The change ledger is append-only, sealed, and whatever is done behind its back is found."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(ACCOUNT_RULES)
        cls.auditor = new_test_user(
            cls.env, "seal_auditor", groups="base.group_user,crm_sync_base.group_sync_auditor"
        )

    def setUp(self):
        super().setUp()
        # What the database had before is none of these tests' business.
        with self.behind_the_back():
            self.env.cr.execute("DELETE FROM sync_seal; DELETE FROM sync_seal_note; DELETE FROM sync_change")
        self.env["sync.seal.check"].search([]).unlink()
        self.Seal, self.Change = self.env["sync.seal"], self.env["sync.change"]

    # === Help ===#

    def record(self, *names):
        """Have accounts of these names change Odoo; returns the changes."""
        last = self.Change.search([], limit=1).id or 0
        for name in names:
            self.remote.put("Account", f"seal-{name}", Name=name)
        self.notify("Account", *[f"seal-{name}" for name in names])
        self.run_lane()
        changes = self.Change.search([("id", ">", last)], order="id")
        self.assertEqual(len(changes), len(names))
        return changes

    def sealed(self, *names):
        """Record and seal; returns the changes."""
        changes = self.record(*names)
        self.assertEqual(self.Seal._seal(), len(names))
        return changes

    @contextmanager
    def behind_the_back(self):
        """Do what somebody can who owns the tables: without triggers."""
        self.env.flush_all()
        for table in ("sync_change", "sync_seal"):
            self.env.cr.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield self.env.cr
        for table in ("sync_change", "sync_seal"):
            self.env.cr.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        self.env.invalidate_all()

    def verify(self):
        """Verify everything; returns `{(kind, seal number, change id)}`."""
        self.check = self.env["sync.seal.check"]._begin()
        with mute_logger("odoo.addons.crm_sync_base.models.sync_seal_check"):
            self.check._run_all()
        return {(one.kind, one.number, one.change_number) for one in self.check.finding_ids}

    def assert_intact(self):
        self.assertEqual(self.verify(), set())
        self.assertEqual(self.check.state, "intact")

    # === Append-only ===#

    def test_nobody_alters_an_applied_change_through_odoo(self):
        change = self.record("One")
        for attempt in (lambda: change.write({"record_name": "Two"}), change.unlink):
            with self.assertRaisesRegex(UserError, "Account One.*audit trail"):
                attempt()
        with self.assertRaises(AccessError):
            change.with_user(self.auditor).write({"record_name": "Two"})

    def test_the_database_refuses_it_whoever_asks(self):
        change = self.record("One")
        for statement in (
            "UPDATE sync_change SET record_name = 'Two' WHERE id = %s",
            "UPDATE sync_change SET verdict = 'planned' WHERE id = %s",
            "UPDATE sync_change SET job_id = NULL WHERE id = %s",
            "DELETE FROM sync_change WHERE id = %s",
            "TRUNCATE sync_change",
        ):
            with self.subTest(statement), mute_logger("odoo.sql_db"):
                with self.assertRaisesRegex(psycopg2.errors.RestrictViolation, "append-only"):
                    with self.env.cr.savepoint(flush=False):
                        self.env.cr.execute(statement, [change.id] if "%s" in statement else None)

    def test_a_plan_is_not_made_a_deed(self):
        self.flow.mode = "dry_run"
        plan = self.record("One")
        self.assertEqual(plan.verdict, "planned")
        with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.errors.RestrictViolation):
            with self.env.cr.savepoint(flush=False):
                self.env.cr.execute("UPDATE sync_change SET verdict = 'applied' WHERE id = %s", [plan.id])
        self.assertEqual(self.Seal._seal(), 0, "plans are not sealed")
        plan.unlink()

    def test_the_database_keeps_seals_as_they_are(self):
        self.sealed("One")
        for statement in (
            "UPDATE sync_seal SET hash = 'x'", "DELETE FROM sync_seal", "TRUNCATE sync_seal",
        ):
            with self.subTest(statement), mute_logger("odoo.sql_db"):
                with self.assertRaises(psycopg2.errors.RestrictViolation):
                    with self.env.cr.savepoint(flush=False):
                        self.env.cr.execute(statement)
        seal = self.Seal.search([])
        for attempt in (lambda: seal.write({"hash": "x"}), seal.unlink):
            with self.assertRaises(UserError):
                attempt()

    def test_a_change_outlives_its_job_unaltered(self):
        change = self.sealed("One")
        self.assertTrue(change.job_id)
        change.job_id.unlink()
        self.env.invalidate_all()
        self.assertFalse(change.job_id)
        [shown] = change.web_read({"job_id": {"fields": {"display_name": {}}}})
        self.assertFalse(shown["job_id"])
        self.assertEqual(self.Change._read_group([("id", "=", change.id)], ["job_id"]), [(self.env["sync.job"],)])
        self.assert_intact()

    def test_what_changed_records_is_not_deleted(self):
        self.record("One")
        for record in (self.flow, self.connection):
            with self.assertRaisesRegex(UserError, "audit trail names it"):
                record.unlink()
        other = self.make_flow(ACCOUNT_RULES, remote_object="Deal")
        other.unlink()

    def test_a_flow_that_only_planned_can_be_deleted(self):
        self.flow.mode = "dry_run"
        plan = self.record("One")
        self.flow.unlink()
        self.assertFalse(plan.exists())

    # === Seals ===#

    def test_everything_that_was_recorded_is_sealed_once(self):
        changes = self.sealed("One", "Two") + self.sealed("Three")
        first, second = self.Seal.search([], order="number")
        self.assertEqual((first.number, first.change_count, second.change_count), (1, 2, 1))
        self.assertEqual((first.previous, second.previous), (chain.GENESIS, first.hash))
        covered = spans.load(first.spans) + spans.load(second.spans)
        self.assertEqual(list(spans.ids(covered)), changes.ids)
        self.assertTrue(first.is_proven)
        self.assertEqual(first.unvouched, 0)
        self.assertEqual(self.Seal._seal(), 0)
        self.assert_intact()
        self.assertEqual(self.check.change_count, 3)

    def test_a_change_that_commits_late_is_sealed_late(self):
        early, late = self.record("One"), self.record("Two")
        # The note of the first one is not to be seen yet.
        self.env.cr.execute("DELETE FROM sync_seal_note WHERE spans = %s RETURNING *", [str(early.id)])
        note = self.env.cr.fetchone()
        self.assertEqual(self.Seal._seal(), 1)
        self.env.cr.execute("INSERT INTO sync_seal_note VALUES %s", [note])
        self.assertEqual(self.Seal._seal(), 1)
        self.assertEqual(
            self.Seal.search([], order="number").mapped("spans"), [str(late.id), str(early.id)]
        )
        self.assert_intact()

    def test_the_sealer_is_one(self):
        self.record("One")
        with self.registry.cursor() as other:
            other.execute("SELECT pg_advisory_xact_lock(%s, 0)", [sync_seal.LOCK])
            self.assertEqual(self.Seal._seal(), 0)
        self.assertEqual(self.Seal._seal(), 1)

    def test_many_are_sealed_in_parts(self):
        with patch.object(sync_seal, "ROWS", 2):
            for name in ("One", "Two", "Three", "Four", "Five"):
                self.record(name)
            self.Seal._cron_seal()
        self.assertEqual(self.Seal.search([], order="number").mapped("change_count"), [2, 2, 1])
        with patch.object(sync_seal_check, "ROWS", 2), patch.object(sync_seal_check, "SEALS", 2):
            self.assert_intact()
        self.assertEqual(self.check.change_count, 5)

    def test_a_backlog_that_takes_longer_than_its_time_goes_on_in_a_minute(self):
        for name in ("One", "Two"):
            self.record(name)
        triggers = self.env["ir.cron.trigger"].sudo()
        mine = [("cron_id", "=", self.env.ref("crm_sync_base.ir_cron_seal").id)]
        triggers.search(mine).unlink()
        sync_metric_mark._armed.clear()
        with patch.object(sync_seal, "ROWS", 1), patch.object(type(self.Seal), "_commit_sealed", return_value=False):
            self.Seal._cron_seal()
        self.assertEqual(self.Seal.search([]).mapped("change_count"), [1])
        self.assertTrue(triggers.search(mine))

    def test_recording_starts_the_sealer(self):
        cron = self.env.ref("crm_sync_base.ir_cron_seal")
        triggers = self.env["ir.cron.trigger"].sudo()
        triggers.search([("cron_id", "=", cron.id)]).unlink()
        self.record("One")
        [trigger] = triggers.search([("cron_id", "=", cron.id)])
        self.assertLessEqual(trigger.call_at, clock.now() + timedelta(seconds=91))

    # === What is found ===#

    def test_an_altered_change_is_found_whatever_was_altered(self):
        change = self.sealed("One", "Two", "Three")[1]
        others = {"int4": "-7", "jsonb": '{"name": [null, "Else"]}', "timestamp": "2020-01-01"}
        columns = [name for name in self.Change._sealed_columns() if name != "id"]
        self.assertLessEqual({"values", "create_date", "user_id", "verdict", "res_id", "correlation_id"}, {*columns})
        for name in columns:
            kind = self.Change._fields[name].column_type[0]
            self.env.cr.execute("SAVEPOINT before_the_deed")
            with self.subTest(name), self.behind_the_back() as cr:
                cr.execute("SET CONSTRAINTS ALL DEFERRED")
                if self.Change._fields[name].type == "many2one":
                    cr.execute(f'ALTER TABLE sync_change DROP CONSTRAINT IF EXISTS "sync_change_{name}_fkey"')
                cr.execute(f'UPDATE sync_change SET "{name}" = %s WHERE id = %s', [others.get(kind, "else"), change.id])
                self.env.invalidate_all()
                self.assertEqual(self.verify(), {("altered", 1, change.id)})
                self.assertEqual((self.check.state, self.check.finding_count), ("tampered", 1))
            self.env.invalidate_all()
            self.env.cr.execute("ROLLBACK TO SAVEPOINT before_the_deed")
        self.assert_intact()

    def test_a_deleted_change_is_found(self):
        change = self.sealed("One", "Two")[0]
        with self.behind_the_back() as cr:
            cr.execute("DELETE FROM sync_change WHERE id = %s", [change.id])
        self.assertEqual(self.verify(), {("deleted", 1, change.id)})

    def copy_of(self, change, change_id=None):
        """Insert what looks like a change, without the engine; returns its id."""
        columns = ", ".join(f'"{name}"' for name in self.Change._sealed_columns() if name != "id")
        new_id = "nextval('sync_change_id_seq')" if change_id is None else str(change_id)
        self.env.cr.execute(
            f"INSERT INTO sync_change (id, {columns}) SELECT {new_id}, {columns} FROM sync_change WHERE id = %s"
            " RETURNING id",
            [change.id],
        )
        return self.env.cr.fetchone()[0]

    def test_an_inserted_change_is_found(self):
        change = self.sealed("One")
        forged = self.copy_of(change)
        self.assertEqual(self.verify(), {("inserted", 0, forged)})

    def test_a_change_inserted_into_a_gap_is_found(self):
        one, two, three = self.record("One", "Two", "Three")
        self.env.cr.execute("UPDATE sync_seal_note SET spans = %s, proof = NULL", [f"{one.id} {three.id}"])
        with self.behind_the_back() as cr:
            cr.execute("DELETE FROM sync_change WHERE id = %s", [two.id])
        self.Seal._seal()
        self.copy_of(three, two.id)
        self.assertEqual(self.verify(), {("inserted", 0, two.id)})

    def test_a_forged_note_does_not_help(self):
        self.sealed("Zero")
        forged = self.copy_of(self.record("One"))
        self.env.cr.execute(
            "INSERT INTO sync_seal_note (spans, noted_at, proof) VALUES (%s, %s, %s)",
            [str(forged), clock.now(), chain.proof(b"a guess", "note")],
        )
        self.assertEqual(self.Seal._seal(), 2)
        self.assertEqual(self.verify(), {("unvouched", 2, 0)})

    def test_what_was_deleted_before_it_could_be_sealed_is_found(self):
        change = self.record("One", "Two")[0]
        with self.behind_the_back() as cr:
            cr.execute("DELETE FROM sync_change WHERE id = %s", [change.id])
        self.Seal._seal()
        self.assertEqual(self.verify(), {("vanished", 1, change.id)})

    def test_whoever_computes_the_chain_anew_lacks_the_key(self):
        """The best that somebody can do who writes to the database, and knows this code."""
        change = self.sealed("One", "Two")[0]
        self.sealed("Three")
        with self.behind_the_back() as cr:
            cr.execute("""UPDATE sync_change SET "values" = '{"name": [null, "Else"]}' WHERE id = %s""", [change.id])
            notes = self.Seal.search([], order="number").mapped("spans")
            cr.execute("DELETE FROM sync_seal")
            for text in notes:
                cr.execute("INSERT INTO sync_seal_note (spans, noted_at) VALUES (%s, %s)", [text, clock.now()])
            key, _secret = self.env["sync.seal.key"]._present()
            with patch.object(type(self.env["sync.seal.key"]), "_present", lambda self: (key, b"a guess")):
                self.Seal._seal()
        found = {kind for kind, _number, _change in self.verify()}
        self.assertEqual(found, {"forged"})

    def test_seals_that_were_altered_or_taken_out_are_found(self):
        for name in ("One", "Two", "Three"):
            self.sealed(name)
        for statement, expected in (
            ("UPDATE sync_seal SET sealed_at = '2020-01-01' WHERE number = 2", {("seal_altered", 2, 0)}),
            ("UPDATE sync_seal SET hash = repeat('0', 64) WHERE number = 2",
             {("seal_altered", 2, 0), ("forged", 2, 0), ("seal_missing", 3, 0)}),
            ("DELETE FROM sync_seal WHERE number = 2", {("seal_missing", 3, 0)}),
            ("DELETE FROM sync_seal WHERE number = 1", {("seal_missing", 2, 0)}),
        ):
            self.env.cr.execute("SAVEPOINT before_the_deed")
            with self.subTest(statement), self.behind_the_back() as cr:
                cr.execute(statement)
                self.env.invalidate_all()
                found = {one for one in self.verify() if one[0] != "inserted"}
                self.assertEqual(found, expected)
            self.env.invalidate_all()
            self.env.cr.execute("ROLLBACK TO SAVEPOINT before_the_deed")

    def test_an_end_that_was_cut_off_is_found(self):
        self.sealed("One")
        change = self.sealed("Two")
        self.assert_intact()
        with self.behind_the_back() as cr:
            cr.execute("DELETE FROM sync_seal WHERE number = 2")
            cr.execute("DELETE FROM sync_change WHERE id = %s", [change.id])
        self.assertEqual(self.verify(), {("cut", 2, 0)})
        # Nor does it help to put another seal in its place.
        self.sealed("Three")
        self.assertEqual(self.verify(), {("seal_altered", 2, 0)})

    def test_a_key_that_is_lost_is_said_and_breaks_nothing(self):
        self.sealed("One")
        self.env["sync.settings"]._set(sync_seal_key.TOKENS, "")
        self.sealed("Two")
        self.assertEqual(self.verify(), {("key_gone", 1, 0)})
        self.assertEqual(self.check.state, "intact")

    def test_without_any_key_there_are_seals_all_the_same(self):
        with patch.object(type(self.env["sync.seal.key"]), "_vault", lambda self: None):
            self.sealed("One")
            self.assert_intact()
        self.assertFalse(self.Seal.search([]).is_proven)

    # === Retention ===#

    def aged(self, changes, days):
        """Let changes, not sealed yet, be so old."""
        with self.behind_the_back() as cr:
            cr.execute(
                "UPDATE sync_change SET create_date = create_date - %s * interval '1 day' WHERE id = ANY(%s)",
                [days, changes.ids],
            )

    def test_retention_leaves_a_chain_that_can_be_verified(self):
        old, young = self.record("One", "Two"), self.env["sync.change"]
        self.aged(old, 800)
        self.Seal._seal()
        young = self.sealed("Three")
        retention = self.env["sync.retention"]
        self.assertEqual(retention._gc_changes(), (0, False), "for ever, unless somebody says otherwise")
        self.env["sync.settings"]._set("keep_changes_days", "730")
        self.assertEqual(retention._gc_changes(), (2, False))
        self.assertEqual((old + young).exists(), young)
        self.assertEqual(self.Seal.search([], limit=1).kind, "purge")
        self.assertEqual(self.verify(), {("late", 1, 0)})
        self.assertEqual((self.check.state, self.check.removed_count, self.check.change_count), ("intact", 2, 1))
        self.assertEqual(retention._gc_changes(), (0, False))
        self.assertEqual(self.Seal.search_count([("kind", "=", "purge")]), 1, "said once")

    def test_what_retention_announced_is_all_that_may_be_gone(self):
        old = self.record("One", "Two")
        self.aged(old, 800)
        self.Seal._seal()
        young = self.sealed("Three")
        self.env["sync.settings"]._set("keep_changes_days", "730")
        self.env["sync.retention"]._gc_changes()
        with mute_logger("odoo.sql_db"), self.assertRaises(psycopg2.errors.RestrictViolation):
            with self.env.cr.savepoint(flush=False):
                self.env.cr.execute("DELETE FROM sync_change WHERE id = %s", [young.id])
        with self.behind_the_back() as cr:
            cr.execute("DELETE FROM sync_change WHERE id = %s", [young.id])
        self.assertEqual(self.verify(), {("late", 1, 0), ("deleted", 2, young.id)})

    def test_plans_are_forgotten(self):
        self.flow.mode = "dry_run"
        plans = self.record("One", "Two")
        self.env.cr.execute(
            "UPDATE sync_change SET create_date = create_date - interval '91 days' WHERE id = %s", [plans[0].id]
        )
        self.assertEqual(self.env["sync.retention"]._gc_plans(), (1, False))
        self.assertEqual(plans.exists(), plans[1])

    # === People ===#

    def test_who_verifies(self):
        self.sealed("One")
        action = self.env["sync.seal.check"].with_user(self.auditor).action_verify()
        check = self.env["sync.seal.check"].with_user(self.auditor).browse(action["res_id"])
        self.assertEqual((check.state, check.user_id), ("running", self.auditor))
        self.env["sync.seal.check"]._cron_verify()
        self.assertEqual((check.state, check.progress), ("intact", 100.0))
        self.assertIn("Every change is as it was recorded: 1 in all", check.message)
        for group in ("user", "operator", "approver"):
            user = new_test_user(self.env, f"seal_{group}", groups=f"base.group_user,crm_sync_base.group_sync_{group}")
            with self.subTest(group), self.assertRaises(AccessError):
                self.env["sync.seal.check"].with_user(user).action_verify()

    def test_it_is_verified_once_a_week_by_itself(self):
        Check = self.env["sync.seal.check"]
        Check._cron_verify()
        Check._cron_verify()
        self.assertEqual(Check.search([]).mapped("state"), ["intact"])
        Check.search([]).started_at -= timedelta(days=8)
        Check._cron_verify()
        self.assertEqual(Check.search_count([]), 2)

    def test_a_full_disk_delays_a_verification_and_does_not_end_it(self):
        self.sealed("One")
        Check = self.env["sync.seal.check"]
        check = Check._begin()
        with patch.object(type(Check), "_step", side_effect=psycopg2.errors.DiskFull("no space left")):
            Check._cron_verify()
        self.assertEqual(check.state, "running")
        cron = self.env.ref("crm_sync_base.ir_cron_verify")
        self.assertTrue(self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)]))
        Check._cron_verify()
        self.assertEqual(check.state, "intact")

    def test_a_verification_goes_on_where_it_was(self):
        for name in ("One", "Two", "Three"):
            self.sealed(name)
        with patch.object(sync_seal_check, "SEALS", 1):
            check = self.env["sync.seal.check"]._begin()
            check._step()
            self.assertEqual((check.head_number, round(check.progress)), (1, 33))
            self.env.invalidate_all()
            check._run_all()
        self.assertEqual((check.state, check.change_count, check.head_number), ("intact", 3, 3))

    def test_the_person_behind_a_change(self):
        change = self.record("One")
        self.assertEqual(change.user_id, self.env.user)
        operator = new_test_user(
            self.env, "seal_op", groups="base.group_user,crm_sync_base.group_sync_operator"
        )
        self.remote.put("Account", "seal-One", Name="Uno")
        change.job_id.with_user(operator).sudo()._enqueue([change.job_id.with_user(operator).sudo()._replay_spec()])
        self.run_lane()
        again = self.Change.search([("external_id", "=", "seal-One")], limit=1)
        self.assertEqual((again.digest, again.user_id), ("Name: One → Uno", operator))
        self.assertEqual(self.Change.search([("user_id", "=", operator.id)]), again)

    def test_changes_are_found_by_their_fields(self):
        change = self.record("One")
        other = self.env["sync.change"]._record_many(
            [{"job": change.job_id, "direction": "inbound", "operation": "update", "model": "res.partner",
              "values": {"email": [None, "a@b.example"]}}]
        )
        other = self.Change.search([("id", ">", change.id)])
        found = lambda text: self.Change.search([("field_name", "ilike", text), ("id", ">=", change.id)])  # noqa: E731
        self.assertEqual(found("email"), other)
        self.assertEqual(found("name"), change)
        self.assertEqual(found("E-mail") | found("Email"), other)
        self.assertFalse(found("street"))
