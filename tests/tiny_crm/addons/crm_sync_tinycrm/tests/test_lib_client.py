import threading
from decimal import Decimal

from odoo.addons.crm_sync_base.lib.declarations import Write
from odoo.addons.crm_sync_base.lib.errors import Bug, DataInvalid, RemoteGone
from odoo.tests import tagged

from ..lib.client import BATCH, TinyClient
from .common import TinyCase


@tagged("post_install", "-at_install")
class TestTinyClient(TinyCase):
    """The client alone, with a Tiny CRM process at the other end."""

    def setUp(self):
        super().setUp()
        given = self.credentials()
        self.client = TinyClient(self.standin_url, given["client_id"], given["client_secret"])

    def write_one(self, key, external_id=None, **values):
        """Write one company."""
        (result,) = self.client.put("company", [Write(1, external_id, values, key)])
        return result

    def test_every_page_of_changes_goes_on_where_the_last_one_ended(self):
        page = self.client.changes("company", "")
        self.assertTrue(page.done)
        wanted = [self.add("company", name=f"Page {number}") for number in range(BATCH + 5)]
        seen, cursor, done = [], page.cursor, False
        while not done:
            page = self.client.changes("company", cursor)
            ids = [ref.external_id for ref in page.refs]
            self.assertEqual(len(ids), len(set(ids)))
            seen, cursor, done = [*seen, *ids], page.cursor, page.done
        self.assertEqual(seen, wanted)
        self.change("company", wanted[3], city="Rome")
        page = self.client.changes("company", cursor)
        self.assertEqual([ref.external_id for ref in page.refs], [wanted[3]])
        self.assertEqual(self.client.documents("company", [wanted[3]])[0].version, page.refs[0].version)

    def test_a_key_that_is_known_with_other_values_is_said_so(self):
        first = self.write_one("k1", name="One")
        self.assertEqual(self.write_one("k1", name="One"), first)
        self.assertIsInstance(self.write_one("k1", name="Two").error, Bug)

    def test_all_that_is_wrong_with_a_record_is_named(self):
        error = self.write_one("k2", name="", city=12, colour="mauve").error
        self.assertIsInstance(error, DataInvalid)
        self.assertEqual(set(error.problems), {"colour: unknown_field", "name: required", "city: not_a_text"})
        self.assertNotIn("mauve", f"{error} {error.hint}")

    def test_what_is_gone_cannot_be_changed(self):
        gone = self.add("company", name="Gone")
        self.ui("DELETE", f"/records/company/{gone}")
        self.assertIsInstance(self.write_one("k3", gone, name="Back").error, RemoteGone)

    def test_money_keeps_its_digits(self):
        line = {"quantity": "3", "price": "33.335", "tax_rate": "15"}
        deal = self.add("deal", name="Exact", stage="open", lines=[line])
        (document,) = self.client.documents("deal", [deal])
        self.assertEqual(
            [Decimal(document.data[name]) for name in ("net", "tax", "total")],
            [Decimal("100.01"), Decimal("15.00"), Decimal("115.01")])

    def test_two_workers_who_create_under_one_key_make_one_record(self):
        given, results = self.credentials(), []

        def create():
            client = TinyClient(self.standin_url, given["client_id"], given["client_secret"])
            results.extend(client.put("company", [Write(1, None, {"name": "Race"}, "race")]))

        workers = [threading.Thread(target=create) for _number in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(len({result.external_id for result in results}), 1)
        self.assertEqual(len(results), 4)
