import threading

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry
from odoo.tests import BaseCase, get_db_name, tagged
from odoo.tools import SQL

from ..lib.errors import DataInvalid
from ..models import sync_exception_desk as desk

JOBS = 200


@tagged("post_install", "-at_install")
class TestExceptionRace(BaseCase):
    """Several workers meet at the desk: real transactions, committed and cleaned up."""

    def setUp(self):
        super().setUp()
        self.dbname = get_db_name()
        self.connection, self.flow = self.insert()
        self.addCleanup(self.sql, "DELETE FROM sync_connection WHERE id = %s", [self.connection])

    def sql(self, query, params=()):
        """Run a statement in a transaction of its own; returns what it gives."""
        with Registry(self.dbname).cursor() as cr:
            cr.execute(query, params)
            return cr.fetchall() if cr.description else None

    def insert(self):
        """Commit a connection with a flow; nothing of it is ever called.

        By SQL: without a connector module there is no provider to choose.
        """
        connection = self.insert_row(
            "sync.connection",
            {"name": "Race", "provider": "nobody", "base_url": "http://127.0.0.1:9", "api_version": "1"},
        )
        [[model]] = self.sql("SELECT id FROM ir_model WHERE model = 'res.partner'")
        flow = self.insert_row(
            "sync.flow",
            {"name": '{"en_US": "Race"}', "connection_id": connection, "remote_object": "Thing", "model_id": model},
        )
        return connection, flow

    def insert_row(self, model, vals):
        """Insert a row with the model's defaults and these values; returns its id."""
        with Registry(self.dbname).cursor() as cr:
            Model = api.Environment(cr, SUPERUSER_ID, {})[model]
            required = [name for name, field in Model._fields.items() if field.required and field.store]
            vals = {**Model.default_get(required), **vals}
            query = SQL(
                "INSERT INTO %s (%s) VALUES (%s) RETURNING id",
                SQL.identifier(Model._table),
                SQL(", ").join(SQL.identifier(name) for name in vals),
                SQL(", ").join(SQL("%s", value) for value in vals.values()),
            )
            cr.execute(query)
            return cr.fetchone()[0]

    def fail_jobs(self, causes=1):
        """Commit failed jobs that are on no card, of so many causes."""
        self.sql(
            """
            INSERT INTO sync_job (name, kind, state, flow_id, connection_id, idempotency_key, lane_key, eta,
                   error_code, error_cause, error_message, done_at, create_date)
            SELECT 'Thing', 'record', 'failed', %s, %s, 'race:' || n, 'race:' || n, now(), 'data_invalid',
                   'cause ' || n %% %s, 'It is wrong', timezone('utc', now()), timezone('utc', now())
              FROM generate_series(1, %s) AS n
            """,
            [self.flow, self.connection, causes, JOBS],
        )

    def together(self, function, count=4):
        """Call a function in several threads at once; raises what any of them raised."""
        barrier, failures = threading.Barrier(count), []

        def run():
            try:
                barrier.wait(10)
                function()
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=run) for _number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(failures, [])

    def cards(self):
        """Return [(id, state, number of failed jobs)] of the flow."""
        return self.sql(
            """
            SELECT e.id, e.state, count(j.id) FROM sync_exception e
              LEFT JOIN sync_job j ON j.exception_id = e.id AND j.state = 'failed'
             WHERE e.connection_id = %s GROUP BY e.id, e.state ORDER BY e.id
            """,
            [self.connection],
        )

    def test_the_same_new_cause_seen_by_four_workers_is_one_card(self):
        self.fail_jobs()
        self.together(lambda: desk._tend_desk(self.dbname))
        self.assertEqual([row[1:] for row in self.cards()], [("new", JOBS)])

    def test_many_causes_seen_by_four_workers_are_one_card_each(self):
        self.fail_jobs(causes=5)
        self.together(lambda: desk._tend_desk(self.dbname))
        self.assertEqual([row[1:] for row in self.cards()], [("new", JOBS // 5)] * 5)

    def test_the_last_two_records_going_through_at_once_close_the_card(self):
        self.fail_jobs()
        desk._tend_desk(self.dbname)
        self.sql("DELETE FROM sync_job WHERE flow_id = %s AND idempotency_key NOT IN ('race:1', 'race:2')", [self.flow])
        left = self.sql("SELECT id FROM sync_job WHERE flow_id = %s", [self.flow])
        # Two lanes, neither of which sees what the other has done, then both tidy up.
        crs = [Registry(self.dbname).cursor() for _job in left]
        for cr, (job,) in zip(crs, left, strict=True):
            cr.execute("SELECT count(*) FROM sync_job WHERE flow_id = %s", [self.flow])
            cr.execute("UPDATE sync_job SET state = 'cancelled' WHERE id = %s", [job])
        for cr in crs:
            cr.commit()  # pylint: disable=invalid-commit
            cr.close()
        self.together(lambda: desk._tend_desk(self.dbname), count=2)
        self.assertEqual([row[1] for row in self.cards()], ["resolved"])

    def test_a_cause_without_jobs_raised_twice_at_once_fails_nobody(self):
        error = DataInvalid("The account is closed.")
        first, second = Registry(self.dbname).cursor(), Registry(self.dbname).cursor()
        self.addCleanup(first.close)
        self.addCleanup(second.close)

        def raise_with(cr):
            env = api.Environment(cr, SUPERUSER_ID, {})
            connection = env["sync.connection"].browse(self.connection)
            return env["sync.exception"]._raise_for_connection(connection, error)

        second.execute("SELECT 1")  # its snapshot is older than the other's card
        self.assertTrue(raise_with(first))
        outcome = []
        waiting = threading.Thread(target=lambda: outcome.append(bool(raise_with(second))))
        waiting.start()
        waiting.join(0.5)
        first.commit()
        waiting.join(20)
        self.assertEqual(outcome, [False])
        second.execute("UPDATE sync_flow SET sequence = 77 WHERE id = %s", [self.flow])
        second.commit()
        self.assertEqual(self.sql("SELECT sequence FROM sync_flow WHERE id = %s", [self.flow]), [(77,)])
        self.assertEqual(len(self.cards()), 1)
