from datetime import datetime, timedelta

from odoo.tests import BaseCase

from ..lib.changes import Cursor, milliseconds, query, version_of

AT = datetime(2026, 11, 22, 10, 0, 0)


class TestCursor(BaseCase):

    def test_text_and_back(self):
        cursor = Cursor(1, 2, 3)
        self.assertEqual(Cursor.parse(str(cursor)), cursor)
        self.assertEqual(Cursor.parse(""), Cursor())

    def test_foreign_texts_are_refused(self):
        for text in ("x", "{}", "[1]", '{"since": "soon", "last_id": 1, "started": 2}', "null"):
            with self.assertRaises(ValueError):
                Cursor.parse(text)

    def test_a_pass_begins_once_by_the_servers_clock(self):
        cursor = Cursor().begun(AT, AT + timedelta(hours=1))
        self.assertEqual(cursor.started, milliseconds(AT))
        self.assertEqual(cursor.begun(AT + timedelta(minutes=9), AT), cursor)

    def test_without_a_servers_clock_it_looks_back_further(self):
        cursor = Cursor().begun(None, AT)
        self.assertEqual(cursor.started, milliseconds(AT - timedelta(seconds=300)))

    def test_the_next_pass_looks_back_from_this_ones_beginning(self):
        cursor = Cursor(since=5).begun(AT, AT).advanced("900").finished(60)
        self.assertEqual(cursor, Cursor(since=milliseconds(AT) - 60_000))
        self.assertEqual(Cursor(since=milliseconds(AT)).begun(AT, AT).finished(60).since, milliseconds(AT))

    def test_queries(self):
        first = query("deals", Cursor())
        self.assertEqual(first["filterGroups"][0]["filters"], [
            {"propertyName": "hs_object_id", "operator": "GT", "value": "0"}])
        later = query("contacts", Cursor(since=7, last_id=9), 50)
        self.assertEqual(later["filterGroups"][0]["filters"][1], {
            "propertyName": "lastmodifieddate", "operator": "GTE", "value": "7"})
        self.assertEqual((later["limit"], later["properties"]), (50, ["lastmodifieddate"]))


class TestVersions(BaseCase):

    def test_versions_sort_in_time_order(self):
        texts = ["2026-01-01T00:00:44Z", "2026-01-01T00:00:44.007Z", "2026-01-01T00:00:44.12Z",
                 "2026-01-01T00:00:45Z", "2026-01-01T00:00:45.1+00:00"]
        versions = [version_of({"updatedAt": text}) for text in texts]
        self.assertEqual(versions, sorted(versions))
        self.assertEqual(len(set(versions)), 5)
        self.assertEqual(versions[0], "2026-01-01T00:00:44.000Z")

    def test_no_time_no_version(self):
        for record in ({}, {"updatedAt": None}, {"updatedAt": "yesterday"}):
            self.assertEqual(version_of(record), "")
