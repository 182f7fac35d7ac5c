"""The test suite that every connector inherits.

A connector's test mixes `ConnectorConformance` into a `StandInCase` (or, in this
repository, a `SandboxCase`) and tells how to make things happen on the remote side.
Everything goes over real HTTP to a process that speaks the provider's protocol. What a
connector does not do (`can_push`, `can_poll`, webhooks) is skipped, and says so.
"""

from dataclasses import replace

from odoo.exceptions import ValidationError

from ..lib.correlation import working_on
from ..lib.declarations import KINDS, Receipt, WebhookRequest, Write
from ..lib.errors import (
    AuthFailed,
    BudgetSpent,
    CircuitOpen,
    RateLimited,
    SyncError,
    Transient,
)


class ConnectorConformance:
    """What every connector must do; mixed into a `ConnectorCase`."""

    allow_inherited_tests_method = True  # else Odoo's own test runner leaves these out

    #: an object that can be read and polled
    readable = ""
    #: an object that can be written, and one of its fields
    writable = ""
    writable_field = ""
    #: values of a new record of `writable`, where the provider takes idempotency keys
    creatable = None
    #: whether the provider sends webhooks at all; without, changes are found by polling
    sends_webhooks = True

    # === How to make things happen at the provider; implemented by each ===#

    def remote_create(self, count):
        """Make records of `readable` at the provider; return their ids."""
        raise NotImplementedError

    def remote_change(self, external_id):
        """Change a record of `readable` at the provider."""
        raise NotImplementedError

    def remote_delete(self, external_id):
        """Delete a record of `readable` at the provider."""
        raise NotImplementedError

    def remote_value(self, external_id):
        """Return the present value of `writable_field` of a record of `writable`."""
        raise NotImplementedError

    def genuine_delivery(self) -> WebhookRequest:
        """Return a delivery as the provider would send it for one change."""
        raise NotImplementedError

    def wrong_credentials(self):
        """Return credentials that look right and are refused."""
        raise NotImplementedError

    # === Declarations ===#

    def test_declared_objects_are_complete(self):
        objects = self.connector._objects()
        self.assertTrue(objects)
        names = [declared.name for declared in objects]
        self.assertEqual(len(names), len(set(names)))
        for declared in objects:
            self.assertTrue(declared.label)
            self.assertGreater(declared.read_batch, 0)
            self.assertGreater(declared.write_batch, 0)

    def test_credentials_are_declared(self):
        declared = self.connector._credential_fields()
        self.assertLessEqual(set(self.credentials()), set(declared))
        for spec in declared.values():
            self.assertTrue(spec["label"])

    def test_shipped_flows_install_once_and_are_off(self):
        flows = self.env["sync.flow.template"]._install(self.connection)
        self.assertTrue(flows)
        again = self.env["sync.flow.template"]._install(self.connection)
        self.assertEqual(flows, again)
        self.assertEqual(set(flows.mapped("mode")), {"off"})
        for flow in flows.filtered(lambda flow: flow._needs_mapping()):
            self.assertTrue(flow.mapping_id.rule_ids, flow.name)

    def test_shipped_mappings_can_work(self):
        """What a connector ships would pass the review of a version that somebody made of it."""
        flows = self.env["sync.flow.template"]._install(self.connection)
        objects = sorted(set(flows.mapped("remote_object")))
        self.env["sync.schema.watch"]._read_connection(self.connection, objects, manual=True)
        for flow in flows.filtered("mapping_id"):
            with self.subTest(flow.name):
                self.assertEqual(flow.mapping_id._errors(), [])

    def test_only_the_providers_hosts_are_allowed(self):
        for url in ("https://attacker.example/x", "http://169.254.169.254/latest", "ftp://127.0.0.1/"):
            with self.assertRaises(ValidationError), self.env.cr.savepoint():
                self.connection.write({"environment": "production", "base_url": url})

    # === Account ===#

    def test_connected_to_a_known_account(self):
        self.assertEqual(self.connection.state, "connected")
        self.assertTrue(self.connection.account_external_id)
        self.assertTrue(self.connection.account_name)

    def test_wrong_credentials_are_refused_as_such(self):
        other = self.connection.copy({"name": "Wrong"})
        other._store_credentials(self.wrong_credentials())
        with self.assertRaises(AuthFailed):
            self.connector._authenticate(other)

    # === Reading ===#

    def test_reads_many_in_any_order_each_once(self):
        ids = self.remote_create(7)
        documents = self.connector._read(self.connection, self.readable, ids)
        self.assertEqual(sorted(doc.external_id for doc in documents), sorted(ids))
        self.assertFalse(any(doc.deleted for doc in documents))

    def test_a_deleted_record_is_said_to_be_deleted(self):
        keep, gone = self.remote_create(2)
        self.remote_delete(gone)
        documents = self.connector._read(self.connection, self.readable, [keep, gone])
        found = {doc.external_id: doc.deleted for doc in documents}
        self.assertFalse(found[keep])
        self.assertTrue(found.get(gone, True))

    def test_versions_sort_in_time_order(self):
        (external_id,) = self.remote_create(1)
        before = self.connector._read(self.connection, self.readable, [external_id])[0].version
        self.remote_change(external_id)
        after = self.connector._read(self.connection, self.readable, [external_id])[0].version
        # Not all providers tell two changes of one second apart.
        self.assertGreaterEqual(after, before)

    def test_a_record_that_cannot_be_read_fails_alone(self):
        flow = self.env["sync.flow.template"]._install(self.connection).filtered(
            lambda flow: flow.remote_object == self.readable
        )[:1]
        if not flow:
            self.skipTest("no shipped flow reads this object")
        *good, bad = self.remote_create(9)
        self.fault("status", status=400, times=1000, contains=bad)
        before = self.calls_since(0)["last_seq"]
        reading = self.env["sync.handler.inbound"]._read_documents(flow, [*good[:4], bad, *good[4:]], ())
        self.assertEqual((set(reading.found), set(reading.failed)), (set(good), {bad}))
        refused = [call for call in self.calls_since(before)["calls"] if call["status"] == 400]
        self.assertLessEqual(len(refused), 5, "halves, not one by one")

    # === Polling ===#

    def poll_all(self, cursor=""):
        """Return `{id: version}` and the last cursor of a whole poll."""
        flow = self.env["sync.flow"].new(
            {"connection_id": self.connection.id, "remote_object": self.readable}
        )
        seen = {}
        for _page in range(200):
            page = self.connector._poll(self.connection, flow, cursor)
            seen.update({ref.external_id: ref.version for ref in page.refs})
            cursor = page.cursor
            if page.done:
                return seen, cursor
        raise AssertionError("the poll does not end")

    def test_a_poll_sees_everything_and_ends(self):
        ids = self.remote_create(25)
        seen, _cursor = self.poll_all()
        self.assertLessEqual(set(ids), set(seen))

    def test_a_later_poll_sees_what_changed_since(self):
        _first, second = self.remote_create(2)
        _seen, cursor = self.poll_all()
        self.remote_change(second)
        (third,) = self.remote_create(1)
        seen, _cursor = self.poll_all(cursor)
        self.assertLessEqual({second, third}, set(seen))

    # === Writing ===#

    def test_writes_many_and_answers_for_each(self):
        if not self.writable:
            self.skipTest("this connector writes nothing generically")
        ids = self.remote_create(3)
        writes = [
            Write(number, external_id, {self.writable_field: f"value {number}"}, f"conformance-{external_id}")
            for number, external_id in enumerate(ids)
        ]
        results = {result.key: result for result in self.connector._push(self.connection, self.writable, writes)}
        self.assertEqual(set(results), {0, 1, 2})
        for number, external_id in enumerate(ids):
            self.assertIsNone(results[number].error)
            self.assertEqual(results[number].external_id, external_id)
            self.assertEqual(self.remote_value(external_id), f"value {number}")

    def test_one_refused_record_does_not_fail_the_others(self):
        if not self.writable:
            self.skipTest("this connector writes nothing generically")
        good, bad = self.remote_create(2)
        writes = [
            Write(1, good, {self.writable_field: "good"}, f"conformance-good-{good}"),
            Write(2, bad, {"no_such_field__x": "bad"}, f"conformance-bad-{bad}"),
        ]
        results = {result.key: result for result in self.connector._push(self.connection, self.writable, writes)}
        self.assertIsNone(results[1].error)
        self.assertIsInstance(results[2].error, SyncError)
        self.assertEqual(self.remote_value(good), "good")

    def test_a_creation_that_is_repeated_under_its_key_happens_once(self):
        if not (self.writable and self.creatable):
            self.skipTest("this provider knows no idempotency keys for it")
        key = f"conformance-once-{self.connection.id}"
        (first,) = self.connector._push(self.connection, self.writable, [Write(1, None, self.creatable, key)])
        self.assertIsNone(first.error)
        self.assertTrue(first.external_id)
        self.assertTrue(first.created)
        # The answer got lost, say: the same call again, to the letter.
        (again,) = self.connector._push(self.connection, self.writable, [Write(2, None, self.creatable, key)])
        self.assertEqual((again.key, again.external_id), (2, first.external_id))

    # === The story goes along ===#

    def test_every_call_names_the_story_that_it_belongs_to(self):
        (external_id,) = self.remote_create(1)
        before = self.calls_since(0)["last_seq"]
        with working_on(["story-1"]):
            self.connector._read(self.connection, self.readable, [external_id])
            if self.writable:
                values = {self.writable_field: "told"}
                self.connector._push(
                    self.connection,
                    self.writable,
                    [Write(1, external_id, values, f"conformance-story-{external_id}", correlation_id="story-1")],
                )
        calls = self.calls_since(before)["calls"]
        self.assertTrue(calls)
        self.assertEqual({call["correlation"] for call in calls}, {"story-1"}, calls)

    def test_a_call_of_nobodys_story_names_none(self):
        (external_id,) = self.remote_create(1)
        before = self.calls_since(0)["last_seq"]
        self.connector._read(self.connection, self.readable, [external_id])
        self.assertEqual({call["correlation"] for call in self.calls_since(before)["calls"]}, {None})

    # === Failures are classified ===#

    def read_one(self):
        """Do any read, for fault tests."""
        (external_id,) = self.remote_create(1)
        return lambda: self.connector._read(self.connection, self.readable, [external_id])

    def test_a_server_error_is_transient(self):
        read = self.read_one()
        self.fault("status", status=503, times=10)
        with self.assertRaises(Transient):
            read()

    def test_a_cut_line_is_transient(self):
        read = self.read_one()
        self.fault("drop_before", times=10)
        with self.assertRaises(Transient):
            read()

    def test_half_an_answer_is_transient(self):
        read = self.read_one()
        self.fault("truncate", times=10)
        with self.assertRaises(Transient):
            read()

    def test_a_rate_limit_carries_the_vendors_wait(self):
        read = self.read_one()
        self.fault("status", status=429, retry_after=7, times=10)
        with self.assertRaises(RateLimited) as caught:
            read()
        self.assertGreater(caught.exception.retry_after or 0, 0)

    def test_errors_never_show_credentials(self):
        read = self.read_one()
        self.fault("status", status=500, times=10)
        try:
            read()
        except SyncError as error:
            text = f"{error.message} {error.hint} {error.problems}"
            for secret in self.credentials().values():
                self.assertNotIn(str(secret)[:200], text)

    # === Limits ===#

    def endpoint(self, operation="read"):
        """Return the endpoint that an operation on `readable` calls."""
        code = self.connector._endpoint(self.readable, operation)
        return self.connection.endpoint_ids.filtered(lambda one: one.code == code)

    def guarded_read(self, external_id, urgent=True):
        """Read as a handler does."""
        code = self.connector._endpoint(self.readable, "read")
        with self.connector._guard(self.connection, code, urgent=urgent, subject=external_id):
            return self.connector._read(self.connection, self.readable, [external_id])

    def guarded_error(self, external_id, **options):
        """Read as a handler does; return the error, or None.

        Not by `assertRaises`: that undoes what was written, the gate's notes too.
        """
        try:
            self.guarded_read(external_id, **options)
        except SyncError as error:
            return error
        return None

    def test_every_endpoint_is_declared(self):
        declared = {one.code for one in self.connector._endpoints(self.connection)}
        objects = [one.name for one in self.connector._objects()]
        called = {
            self.connector._endpoint(name, operation)
            for name in objects
            for operation in ("read", "poll", "push")
        }
        self.assertEqual(called, declared)
        self.assertEqual(set(self.connection.endpoint_ids.mapped("code")), declared)

    def test_each_call_is_counted(self):
        (external_id,) = self.remote_create(1)
        self.guarded_read(external_id)
        before = self.calls_since(0)["last_seq"]
        meter = self.connector._meter(self.connection)
        meter.start()
        self.connector._read(self.connection, self.readable, [external_id])
        tally = meter.stop()
        self.assertEqual(tally.calls, len(self.calls_since(before)["calls"]))
        self.assertTrue(tally.fine)

    def test_an_outage_stops_the_calls(self):
        ids = self.remote_create(8)
        self.fault("status", status=503, times=1000)
        errors = [type(self.guarded_error(external_id)) for external_id in ids]
        self.assertEqual(errors, [Transient] * 5 + [CircuitOpen] * 3)
        self.assertEqual(self.endpoint().state, "open")
        before = self.calls_since(0)["last_seq"]
        self.assertIsInstance(self.guarded_error(ids[0]), CircuitOpen)
        self.assertFalse(self.calls_since(before)["calls"])
        self.clear_faults()
        self.connection.action_connect()
        self.guarded_read(ids[0])
        self.assertEqual(self.endpoint().state, "closed", "a person's check and a call were answered")

    def test_a_record_that_breaks_the_provider_stops_nothing_else(self):
        ids = self.remote_create(2)
        self.fault("status", status=500, times=1000)
        for _attempt in range(10):
            self.assertIsInstance(self.guarded_error(ids[0]), Transient)
        self.assertEqual((self.endpoint().state, self.endpoint().failures), ("closed", 1))
        self.clear_faults()
        self.assertTrue(self.guarded_read(ids[1]))

    def test_the_vendors_wait_holds_everybody(self):
        ids = self.remote_create(2)
        self.fault("status", status=429, retry_after=30)
        self.assertIsInstance(self.guarded_error(ids[0]), RateLimited)
        before = self.calls_since(0)["last_seq"]
        refused = self.guarded_error(ids[1])
        self.assertIsInstance(refused, BudgetSpent)
        self.assertAlmostEqual(refused.retry_after, 30, delta=10)
        self.assertFalse(self.calls_since(before)["calls"])

    # === Webhooks ===#

    def receive(self, request) -> Receipt:
        """Judge a delivery as the controller does."""
        return self.connector._receive(self.connection, request)

    def signed_delivery(self):
        """Return a genuine delivery; skip the test where the provider sends none."""
        if not self.sends_webhooks:
            self.skipTest("this provider sends no webhooks")
        return self.genuine_delivery()

    def test_a_genuine_delivery_is_accepted(self):
        receipt = self.receive(self.signed_delivery())
        self.assertTrue(receipt.accepted, receipt.reason)
        self.assertEqual(receipt.http_status // 100, 2)
        self.assertTrue(all(note.source_id for note in receipt.notifications))
        self.assertTrue(any(note.external_id for note in receipt.notifications))

    def test_the_same_delivery_has_the_same_source_ids(self):
        request = self.signed_delivery()
        first, second = self.receive(request), self.receive(request)
        self.assertEqual(
            [note.source_id for note in first.notifications],
            [note.source_id for note in second.notifications],
        )

    def test_garbage_is_refused(self):
        request = self.signed_delivery()
        for body in (b"", b"{", b"<a>", b"\xff\xfe\x00", b"[]" * 10):
            receipt = self.receive(replace(request, body=body))
            self.assertFalse(receipt.accepted, body)
            self.assertEqual(receipt.http_status // 100, 4)

    def test_a_delivery_of_another_account_is_refused(self):
        request = self.signed_delivery()
        self.connection.account_external_id = "somebody-else"
        self.assertFalse(self.receive(request).accepted)

    # === Schema ===#

    def test_fields_are_described(self):
        described = {field.name: field for field in self.connector._describe(self.connection, self.readable)}
        self.assertGreater(len(described), 3)
        self.assertTrue(all(field.label and field.type for field in described.values()))
        self.assertLessEqual({field.kind for field in described.values()}, {*KINDS, ""})

    def test_objects_are_listed(self):
        listed = [one.name for one in self.connector._describe_objects(self.connection)]
        self.assertEqual(len(listed), len(set(listed)))
        self.assertLessEqual({one.name for one in self.connector._objects()}, set(listed))
