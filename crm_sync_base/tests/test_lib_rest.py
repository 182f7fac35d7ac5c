import json
import socket
import threading
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from odoo.tests import BaseCase, tagged

from ..lib import correlation
from ..lib.errors import (
    AuthFailed,
    Bug,
    CircuitOpen,
    Conflict,
    DataInvalid,
    PolicyBlocked,
    RateLimited,
    RemoteGone,
    SyncError,
    Transient,
)
from ..lib.meter import Meter
from ..lib.rest import Bearer, RestClient, code_of, error_of, retry_after
from .fault_proxy import STORY, FaultProxy


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was sent; `/refused` and `/elsewhere` do what they are called."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments):
        """Say nothing."""

    def answer(self):
        """Repeat the call in JSON."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        refused = self.path == "/refused" and self.headers.get("Authorization") != "Bearer 2"
        status = 401 if refused else 302 if self.path == "/elsewhere" else 200
        content = b"<html>" if self.path == "/page" else json.dumps(
            {"headers": {name.lower(): value for name, value in self.headers.items()}, "body": body}).encode()
        content = b'{"price": 0.10}' if self.path == "/price" else content
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if status == 302:
            self.send_header("Location", "http://attacker.example/")
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer  # noqa: N815 (the library's names)


@tagged("post_install", "-at_install")
class TestRest(BaseCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        cls.proxy = FaultProxy(f"http://127.0.0.1:{server.server_address[1]}").start()
        cls.addClassCleanup(cls.proxy.stop)

    def setUp(self):
        super().setUp()
        self.proxy.clear_faults()
        self.meter = Meter()
        self.client = RestClient(self.proxy.url, meter=self.meter)
        self.client.system = "Echo"

    def mark(self):
        """Return where the calls of this test begin."""
        return self.proxy.calls_since(0)["last_seq"]

    # === What goes out ===#

    def test_numbers_keep_their_digits_both_ways(self):
        sent = self.client.call("POST", "/x", {"price": Decimal("0.10"), "count": 3}).body["body"]
        self.assertEqual(sent, '{"price": 0.10, "count": 3}')
        self.assertEqual(str(self.client.call("GET", "/price").body["price"]), "0.10")

    def test_the_story_and_further_headers_go_along(self):
        with correlation.working_on(["story-1"]):
            sent = self.client.call("POST", "/x", {}, headers={"Idempotency-Key": "k"}).body["headers"]
        self.assertEqual(sent[correlation.HEADER.lower()], "story-1")
        self.assertEqual(STORY, correlation.HEADER)
        self.assertEqual((sent["idempotency-key"], sent["content-type"]), ("k", "application/json"))

    def test_a_refused_token_is_renewed_once(self):
        tokens = iter("12")
        self.client.token = Bearer(lambda: (next(tokens), 3600.0))
        before = self.mark()
        self.client.call("GET", "/refused")
        self.assertEqual([call["status"] for call in self.proxy.calls_since(before)["calls"]], [401, 200])

    def test_a_second_refusal_is_final(self):
        self.client.token = Bearer(lambda: ("stale", 0.0))
        before = self.mark()
        with self.assertRaises(AuthFailed):
            self.client.call("GET", "/refused")
        self.assertEqual(len(self.proxy.calls_since(before)["calls"]), 2)

    def test_a_token_is_fetched_anew_before_it_expires(self):
        clock = [0.0]
        fetched = []
        bearer = Bearer(lambda: (fetched.append(1) or str(len(fetched)), 100.0), lambda: clock[0])
        self.assertEqual([bearer.current(), bearer.current()], ["1", "1"])
        clock[0] = 71.0
        self.assertEqual(bearer.current(), "2")

    # === What comes back ===#

    def test_a_redirect_is_not_followed(self):
        with self.assertRaises(PolicyBlocked):
            self.client.call("GET", "/elsewhere")

    def test_an_answer_that_is_no_json_is_transient(self):
        with self.assertRaises(Transient):
            self.client.call("GET", "/page")

    def test_broken_lines_are_transient(self):
        for kind in ("drop_before", "drop_after", "truncate"):
            self.proxy.fault(kind)
            with self.assertRaises(Transient, msg=kind) as caught:
                self.client.call("GET", "/x?token=s3cret")
            self.assertNotIn("s3cret", str(caught.exception))
            self.assertIsNone(caught.exception.__cause__)

    def test_nobody_there_is_transient(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with self.assertRaises(Transient):
            RestClient(f"http://127.0.0.1:{port}").call("GET", "/x")

    def test_each_call_is_told_to_the_meter(self):
        self.meter.start()
        self.client.call("GET", "/x")
        self.proxy.fault("status", times=3, status=503)
        for _call in range(3):
            with self.assertRaises(Transient):
                self.client.call("GET", "/x")
        before = self.mark()
        with self.assertRaises(CircuitOpen):
            self.client.call("GET", "/x")
        self.assertEqual(self.mark(), before, "the fourth in a row is not made")
        tally = self.meter.stop()
        self.assertEqual((tally.calls, tally.failed, tally.streak, tally.down), (4, 3, 3, True))

    # === Pure ===#

    def test_every_status_has_a_meaning(self):
        meanings = {
            400: DataInvalid, 401: AuthFailed, 403: PolicyBlocked, 404: RemoteGone, 408: Transient, 409: Conflict,
            410: RemoteGone, 413: DataInvalid, 418: Bug, 422: DataInvalid, 423: Transient, 429: RateLimited,
            500: Transient, 503: Transient,
        }
        for status, meaning in meanings.items():
            error = error_of("Echo", status, {}, ("name: required",))
            self.assertIs(type(error), meaning, status)
            self.assertIsInstance(error, SyncError)
            self.assertTrue(error.hint, status)

    def test_the_wait_is_a_number_or_a_date(self):
        self.assertEqual(retry_after({"Retry-After": "7"}), 7.0)
        self.assertEqual(retry_after({"Retry-After": "-1"}), 0.0)
        self.assertEqual(retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), 0.0)
        self.assertGreater(retry_after({"Retry-After": "Wed, 21 Oct 2099 07:28:00 GMT"}), 1e6)
        for text in ("", "soon"):
            self.assertIsNone(retry_after({"Retry-After": text}))
        self.assertEqual(error_of("Echo", 429, {"Retry-After": "7"}).retry_after, 7.0)
        self.assertGreater(error_of("Echo", 429, {}).retry_after, 0)

    def test_codes_are_names_and_never_sentences(self):
        self.assertEqual(code_of("not_found"), "not_found")
        self.assertEqual(code_of("ada@example.com is taken"), "")
        self.assertEqual(code_of("x" * 81), "")
        self.assertEqual(code_of(None), "")
