from odoo.addons.crm_sync_base.lib import errors
from odoo.tests import BaseCase

from ..lib.answers import Exists, Expired, decoded, entry_error, error_of
from ..lib.batches import Item, chunks, rounds, write
from ..lib.paths import Paths
from ..lib.transport import Answer


class TestErrors(BaseCase):

    def test_classes_by_status(self):
        expected = {
            400: errors.DataInvalid, 401: errors.AuthFailed, 403: errors.PolicyBlocked, 404: errors.RemoteGone,
            408: errors.Transient, 409: Exists, 418: errors.Bug, 423: errors.Transient,
            429: errors.RateLimited, 477: errors.Transient, 500: errors.Transient, 502: errors.Transient,
            503: errors.Transient, 504: errors.Transient, 521: errors.Transient, 524: errors.Transient,
        }
        for status, cls in expected.items():
            self.assertIs(type(error_of(status, {}, {})), cls, status)

    def test_waits(self):
        self.assertEqual(error_of(429, {"Retry-After": "7"}, {}).retry_after, 7)
        for policy, wait in (("SECONDLY", 1), ("TEN_SECONDLY_ROLLING", 10), ("DAILY", 3600), ("OTHER", 10)):
            self.assertEqual(error_of(429, {}, {"policyName": policy}).retry_after, wait)
        self.assertEqual(error_of(423, {}, {}).retry_after, 2)
        self.assertEqual(error_of(477, {"Retry-After": "86400"}, {}).retry_after, 86400)
        self.assertEqual(error_of(503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, {}).retry_after, 0)

    def test_expired_is_told_from_refused(self):
        self.assertIsInstance(error_of(401, {}, {"category": "EXPIRED_AUTHENTICATION"}), Expired)
        self.assertNotIsInstance(error_of(401, {}, {"category": "INVALID_AUTHENTICATION"}), Expired)

    def test_missing_scopes_are_named(self):
        error = error_of(403, {}, {"category": "MISSING_SCOPES", "errors": [
            {"context": {"requiredGranularScopes": ["crm.objects.deals.write"]}}]})
        self.assertEqual(error.problems, ("crm.objects.deals.write",))
        self.assertIn("crm.objects.deals.write", error.message)

    def test_all_problems_are_named_but_no_values(self):
        error = error_of(400, {}, {
            "message": 'Property values were not valid: [{"message": "Email address me@x.example is invalid"}]',
            "errors": [
                {"message": "Email address me@x.example is invalid", "code": "INVALID_EMAIL",
                 "context": {"propertyName": ["email"]}},
                {"message": "x", "code": "PROPERTY_DOESNT_EXIST", "context": {"propertyName": ["odoo_order"]}}]})
        self.assertEqual(error.problems, ("email: INVALID_EMAIL", "odoo_order: PROPERTY_DOESNT_EXIST"))
        self.assertNotIn("me@x.example", f"{error.message}{error.hint}{error.problems}{error.fingerprint}")

    def test_required_properties_are_named(self):
        error = error_of(400, {}, {"context": {"properties": ["dealstage"]}})
        self.assertEqual(error.problems, ("dealstage: missing",))

    def test_reference_is_kept_when_it_is_one(self):
        reference = "7235e7ae-8155-478e-805e-74aaaad0a6d5"
        self.assertIn(reference, error_of(400, {}, {"correlationId": reference}).message)
        self.assertNotIn("secret", error_of(400, {}, {"correlationId": "secret pat-na1-x"}).message)

    def test_existing_record(self):
        error = error_of(409, {}, {"message": "Contact already exists. Existing ID: 123"})
        self.assertIsInstance(error, Exists)
        self.assertEqual(error.existing_id, "123")
        self.assertEqual(error_of(409, {}, {}).existing_id, "")

    def test_entries_of_a_partial_answer(self):
        expected = {"OBJECT_NOT_FOUND": errors.RemoteGone, "CONFLICT": errors.Conflict,
                    "RATE_LIMITS": errors.RateLimited, "INTERNAL_ERROR": errors.Transient,
                    "VALIDATION_ERROR": errors.DataInvalid, None: errors.DataInvalid}
        for category, cls in expected.items():
            self.assertIsInstance(entry_error({"category": category}), cls, category)

    def test_a_record_that_is_gone_is_named_by_its_id_alone(self):
        for body in ({"context": {"ids": ["201"]}}, {"context": {"id": ["201"]}}):
            self.assertEqual(error_of(404, {}, body).message, "HubSpot does not have the record 201.")
        both = {"category": "OBJECT_NOT_FOUND", "context": {"ids": ["201", "202"]}}
        self.assertIn("record 202.", entry_error(both, "202").message)
        self.assertIn("the record.", entry_error(both).message)
        self.assertEqual(entry_error(both, "201").fingerprint, entry_error(both, "202").fingerprint, "one card")
        self.assertNotIn("x.example", error_of(404, {}, {"context": {"ids": ["me@x.example"]}}).message)

    def test_every_error_says_what_to_do(self):
        for status in (400, 401, 403, 404, 408, 409, 418, 423, 429, 477, 500):
            self.assertTrue(error_of(status, {}, {}).hint, status)

    def test_odd_bodies(self):
        for content in (b"", b"<html>", b"[1]", b"null", b"\xff", b"[" * 5000):
            self.assertEqual(decoded(content), {})
        for body in ({"errors": None}, {"errors": ["x"]}, {"errors": [{"context": None}]}, {"context": "x"}):
            self.assertIsInstance(error_of(400, {}, body), errors.DataInvalid)
            self.assertIsInstance(error_of(404, {}, body), errors.RemoteGone)


class TestPaths(BaseCase):

    def test_dated(self):
        paths = Paths("2026-09")
        self.assertEqual(paths.objects("deals", "batch", "read"), "/crm/objects/2026-09/deals/batch/read")
        self.assertEqual(paths.associations("deals", "companies", "labels"),
                         "/crm/associations/2026-09/deals/companies/labels")
        self.assertEqual(paths.properties("deals"), "/crm/properties/2026-09/deals")
        self.assertEqual(paths.token(), "/oauth/2026-09/token")

    def test_legacy(self):
        paths = Paths("v3")
        self.assertEqual(paths.objects("deals", "1"), "/crm/v3/objects/deals/1")
        self.assertEqual(paths.associations("deals", "companies"), "/crm/v4/associations/deals/companies")
        self.assertEqual(paths.owners(), "/crm/v3/owners")

    def test_ids_cannot_leave_their_place(self):
        self.assertEqual(Paths().objects("deals", "../owners?x=1"), "/crm/objects/2026-09/deals/..%2Fowners%3Fx%3D1")

    def test_unknown_versions(self):
        for version in ("v2", "", "2026", "2026-09/x"):
            with self.assertRaises(ValueError):
                Paths(version)


class TestBatching(BaseCase):

    def test_chunks(self):
        self.assertEqual([len(chunk) for chunk in chunks(range(250), 100)], [100, 100, 50])
        self.assertEqual(list(chunks([], 100)), [])

    def test_an_id_occurs_once_in_a_batch_and_keeps_its_order(self):
        items = [Item(str(n), {}, id=i) for n, i in enumerate("aabacb")]
        found = [[(item.key, item.id) for item in batch] for batch in rounds(items)]
        self.assertEqual(found, [
            [("0", "a"), ("2", "b"), ("4", "c")], [("1", "a"), ("5", "b")], [("3", "a")]])

    def test_items_without_an_id_fill_batches(self):
        sizes = [len(batch) for batch in rounds([Item(str(n), {}) for n in range(205)])]
        self.assertEqual(sizes, [100, 100, 5])

    def test_order_of_one_record_survives_full_batches(self):
        items = [Item(f"x{n}", {}, id=str(n)) for n in range(100)]
        items += [Item("late", {}, id="z"), Item("last", {}, id="z")]
        found = [[item.key for item in batch] for batch in rounds(items)]
        self.assertEqual(found[1:], [["late"], ["last"]])

    def outcome(self, results, errors_=(), ids=("1", "2"), **options):
        items = [Item(f"k{i}", {}, id=i) for i in ids]
        answer = Answer(207 if errors_ else 200, {"results": results, "errors": list(errors_)}, None)
        return {r.key: r for r in write(items, lambda _inputs: answer, lambda item: {"id": item.id}, **options)}

    def test_results_are_matched_by_trace_in_any_order(self):
        found = self.outcome([{"id": "20", "objectWriteTraceId": "w1"}, {"id": "10", "objectWriteTraceId": "w0"}])
        self.assertEqual((found["k1"].id, found["k2"].id), ("10", "20"))

    def test_results_without_a_trace_are_matched_by_id_or_unique_value(self):
        found = self.outcome([{"id": "2"}, {"id": "1"}])
        self.assertEqual((found["k1"].id, found["k2"].id), ("1", "2"))
        found = self.outcome([{"id": "7", "new": True, "properties": {"email": "A@x.example"}}],
                           ids=("a@x.EXAMPLE",), id_property="email")
        self.assertEqual([(r.id, r.created) for r in found.values()], [("7", True)])

    def test_what_is_not_mentioned_is_unknown(self):
        found = self.outcome([{"id": "1"}])
        self.assertIsInstance(found["k2"].error, errors.Transient)

    def test_errors_by_trace_or_id(self):
        gone = {"category": "OBJECT_NOT_FOUND", "context": {"ids": ["2"]}}
        bad = {"category": "VALIDATION_ERROR", "context": {"objectWriteTraceId": ["w0"]}}
        found = self.outcome([], [gone, bad])
        self.assertIsInstance(found["k1"].error, errors.DataInvalid)
        self.assertIsInstance(found["k2"].error, errors.RemoteGone)
        self.assertIn("record 2.", found["k2"].error.message)

    def test_what_blames_no_input_ends_the_write(self):
        def refuse(_inputs):
            raise errors.RateLimited("slow down")
        with self.assertRaises(errors.RateLimited):
            write([Item("k", {})], refuse, lambda item: {})

    def test_a_batch_that_fails_as_a_whole_is_halved(self):
        sizes = []

        def send(inputs):
            sizes.append(len(inputs))
            if any(entry["id"] == "bad" for entry in inputs):
                raise errors.DataInvalid("bad")
            return Answer(200, {"results": [{"id": entry["id"]} for entry in inputs]}, None)

        items = [Item(f"k{n}", {}, id="bad" if n == 37 else str(n)) for n in range(100)]
        results = write(items, send, lambda item: {"id": item.id})
        self.assertEqual([r.key for r in results if r.error], ["k37"])
        self.assertEqual([r.key for r in results], [item.key for item in items])
        self.assertLess(len(sizes), 16)
