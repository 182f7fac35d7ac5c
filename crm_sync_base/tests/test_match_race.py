import threading

import psycopg2
from odoo import SUPERUSER_ID, api
from odoo.exceptions import UserError
from odoo.modules.registry import Registry
from odoo.tests import BaseCase, get_db_name, tagged

from . import test_exception_race as race


@tagged("post_install", "-at_install")
class TestMatchRace(BaseCase):
    """Two meet the same new customer, or decide on the same one: real transactions."""

    insert, insert_row, sql = (
        race.TestExceptionRace.insert, race.TestExceptionRace.insert_row, race.TestExceptionRace.sql
    )

    def setUp(self):
        super().setUp()
        self.dbname = get_db_name()
        self.connection, self.flow = self.insert()
        self.addCleanup(self.sql, "DELETE FROM sync_connection WHERE id = %s", [self.connection])
        self.addCleanup(self.sql, "DELETE FROM sync_match_guard")

    def both(self, first, second):
        """Run `first`, then `second` beside it, which began before; commit the first meanwhile.

        :return: what the second raised, None if nothing.
        """
        with Registry(self.dbname).cursor() as one, Registry(self.dbname).cursor() as other:
            other.execute("SELECT count(*) FROM sync_match_guard")  # its snapshot is older
            first(api.Environment(one, SUPERUSER_ID, {}))
            raised = []

            def run():
                try:
                    second(api.Environment(other, SUPERUSER_ID, {}))
                except Exception as error:
                    raised.append(error)

            thread = threading.Thread(target=run)
            thread.start()
            thread.join(0.5)
            self.assertTrue(thread.is_alive(), "it waits for the first")
            one.commit()
            thread.join(10)
            other.rollback()
            return raised[0] if raised else None

    def test_the_same_customer_is_not_created_twice(self):
        def claim(*identities):
            return lambda env: env["sync.match.guard"]._claim("res.partner", env.company, identities)

        error = self.both(claim("tax:XX1", "name:a"), claim("name:b", "tax:XX1"))
        self.assertIsInstance(error, psycopg2.errors.SerializationFailure, "its lane runs it again")
        with Registry(self.dbname).cursor() as cr:
            claim("tax:XX1")(api.Environment(cr, SUPERUSER_ID, {}))  # now it sees what the first has made

    def test_one_question_is_decided_by_one(self):
        match = self.insert_row(
            "sync.match",
            {"flow_id": self.flow, "external_id": "x", "remote_object": "Thing", "model": "res.partner", "name": "X",
             "state": "open"},
        )
        error = self.both(
            lambda env: env["sync.match"].browse(match).action_create(),
            lambda env: env["sync.match"].browse(match).action_skip(),
        )
        self.assertIsInstance(error, psycopg2.errors.SerializationFailure, "the request is made again")
        with Registry(self.dbname).cursor() as cr, self.assertRaisesRegex(UserError, "was decided by"):
            api.Environment(cr, SUPERUSER_ID, {})["sync.match"].browse(match).action_skip()
