import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import jwt  # comes with simple-salesforce
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from odoo.addons.crm_sync_base.lib import errors
from odoo.tests import BaseCase

from ..lib import wire
from ..lib.auth import ClientCredentials, JwtBearer, Token
from ..lib.const import ERROR_RULES
from ..lib.cursor import Cursor
from ..lib.remote_errors import from_body, from_code, from_oauth
from ..lib.transport import require_safe, unanswered

UTC = timezone.utc


class TestWire(BaseCase):
    def test_numbers_keep_their_digits(self):
        body = wire.dumps({"Amount": Decimal("12345678901234567.89"), "Small": Decimal("1E-7"), "Yes": True, "n": 3})
        self.assertEqual(body, b'{"Amount":12345678901234567.89,"Small":0.0000001,"Yes":true,"n":3}')
        self.assertEqual(json.loads(body, parse_float=Decimal)["Amount"], Decimal("12345678901234567.89"))

    def test_texts_lists_and_days(self):
        value = {"a": ["é\"\n", None, date(2026, 1, 2)], "b": {"c": datetime(2026, 1, 2, 3, 4, 5)}}
        self.assertEqual(
            json.loads(wire.dumps(value)), {"a": ["é\"\n", None, "2026-01-02"], "b": {"c": "2026-01-02T03:04:05Z"}})

    def test_what_has_no_exact_notation(self):
        for value in (0.1, Decimal("NaN"), Decimal("Infinity"), b"x", {1, 2}):
            with self.assertRaises(TypeError):
                wire.dumps([value])

    def test_moments(self):
        expected = datetime(2026, 5, 6, 11, 56, 44, tzinfo=UTC)
        for text in ("2026-05-06T11:56:44.000+0000", "2026-05-06T11:56:44Z", "2026-05-06T11:56:44.123Z",
                     "2026-05-06T13:56:44+02:00", "2026-05-06T06:26:44.000-0530"):
            self.assertEqual(wire.parse_moment(text), expected, text)
        for text in ("", "2026-05-06", "2026-05-06T11:56:44", "today", "2026-05-06T11:56:44X"):
            with self.assertRaises(ValueError):
                wire.parse_moment(text)


class TestCursor(BaseCase):
    moment = datetime(2026, 5, 6, 11, 56, 44, tzinfo=UTC)

    def test_texts_round_trip(self):
        for cursor in (Cursor(), Cursor(self.moment), Cursor(self.moment, "001D000000IRt53IAD")):
            self.assertEqual(Cursor.parse(str(cursor)), cursor)
        self.assertEqual(str(Cursor()), "")
        for text in ("nonsense", "2026-05-06T11:56:44Z|nonsense", "2026-05-06"):
            with self.assertRaises(ValueError):
                Cursor.parse(text)

    def test_only_a_new_pass_overlaps(self):
        overlap = timedelta(minutes=10)
        self.assertEqual(Cursor(self.moment).start(overlap).moment, self.moment - overlap)
        running = Cursor(self.moment, "001D000000IRt53IAD")
        self.assertEqual(running.start(overlap), running)
        self.assertEqual(Cursor().start(overlap), Cursor())


class TestErrors(BaseCase):
    def body(self, code, message="Text with jane@example.com in it", fields=()):
        return [{"errorCode": code, "message": message, "fields": list(fields)}]

    def test_classes_by_code(self):
        for code, cls in {
            "UNABLE_TO_LOCK_ROW": errors.Transient, "REQUEST_LIMIT_EXCEEDED": errors.RateLimited,
            "INVALID_SESSION_ID": errors.AuthFailed, "ENTITY_IS_DELETED": errors.RemoteGone,
            "DUPLICATES_DETECTED": errors.Conflict, "REQUIRED_FIELD_MISSING": errors.DataInvalid,
            "MALFORMED_QUERY": errors.Bug, "SOMETHING_NEW": errors.DataInvalid,
        }.items():
            self.assertIs(type(from_code(code)), cls, code)
            self.assertTrue(from_code(code).hint, code)

    def test_texts_name_fields_but_quote_nothing(self):
        error = from_body(400, self.body("STRING_TOO_LONG", fields=["Name", "x; DROP"]), {})
        self.assertIn("Name", str(error))
        for hidden in ("jane", "DROP"):
            self.assertNotIn(hidden, repr(vars(error)))
        self.assertEqual(error.fingerprint, "salesforce:STRING_TOO_LONG:Name")

    def test_the_missing_column_is_named(self):
        error = from_body(400, self.body("INVALID_FIELD", "\nSELECT Foo\n^\nNo such column 'Foo__c' on entity 'X'"), {})
        self.assertIn("Foo__c", error.message)
        self.assertIn("access", error.hint)

    def test_the_administrators_own_sentence_is_kept(self):
        error = from_code("FIELD_CUSTOM_VALIDATION_EXCEPTION", message="Needs an approved credit check")
        self.assertIn("Needs an approved credit check", error.message)

    def test_waits(self):
        self.assertEqual(from_body(403, self.body("REQUEST_LIMIT_EXCEEDED"), {}).retry_after, 900)
        concurrent = self.body("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded.")
        self.assertEqual(from_body(403, concurrent, {}).retry_after, 30)
        self.assertEqual(from_body(403, concurrent, {"Retry-After": "7"}).retry_after, 7)
        self.assertEqual(from_body(429, "", {"Retry-After": "3"}).retry_after, 3)

    def test_classes_by_status(self):
        for status, cls in {
            300: errors.Conflict, 302: errors.AuthFailed, 401: errors.AuthFailed, 403: errors.AuthFailed,
            408: errors.Transient, 410: errors.AuthFailed, 414: errors.Bug, 429: errors.RateLimited,
            500: errors.Transient, 502: errors.Transient, 503: errors.Transient,
        }.items():
            self.assertIs(type(from_body(status, "<html>", {})), cls, status)
            self.assertTrue(from_body(status, "<html>", {}).hint, status)
        self.assertIs(type(from_body(500, self.body("APEX_THING"), {})), errors.Transient)
        self.assertIs(type(from_body(412, self.body("PRECONDITION_FAILED"), {})), errors.Conflict)

    def test_token_endpoint(self):
        refused = from_oauth(400, {"error": "invalid_grant", "error_description": "audience is invalid"})
        self.assertIs(type(refused), errors.AuthFailed)
        self.assertIn("test.salesforce.com", refused.hint)
        secret = from_oauth(400, {"error": "x <b>", "error_description": "key=abc"})
        self.assertNotIn("abc", repr(vars(secret)))
        self.assertIs(type(from_oauth(400, {"error": "unknown_error"})), errors.Transient)
        self.assertIs(type(from_oauth(503, {})), errors.Transient)
        limited = from_oauth(400, {"error": "invalid_grant", "error_description": "login rate exceeded"})
        self.assertIs(type(limited), errors.RateLimited)

    def test_broken_connections_show_no_address(self):
        error = unanswered(requests.ConnectionError("https://x.my.salesforce.com/?q=SELECT+secret"))
        self.assertIs(type(error), errors.Transient)
        self.assertNotIn("secret", str(error))

    def test_every_rule_has_a_sentence(self):
        for code, rule in ERROR_RULES.items():
            self.assertTrue(rule.sentence and rule.sentence[-1] != ".", code)


class TestCredentials(BaseCase):
    def test_secrets_are_not_shown(self):
        shown = repr((ClientCredentials("id", "s3cret"), Token("https://x", "t0ken"), JwtBearer("i", "u", "a", "k3y")))
        for secret in ("s3cret", "t0ken", "k3y"):
            self.assertNotIn(secret, shown)

    def test_unusable_keys_are_not_quoted(self):
        curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
        for key in ("not a key at all", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", curve):
            with self.assertRaises(errors.AuthFailed) as caught:
                JwtBearer("i", "u", "a", key).form(0)
            self.assertNotIn("AAAA", str(caught.exception))
            self.assertIsNone(caught.exception.__cause__)

    def test_the_assertion_is_what_pyjwt_expects(self):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
        now = datetime.now(UTC).timestamp()
        form = JwtBearer("consumer", "user@example.com", "https://login.salesforce.com", pem).form(now)
        claims = jwt.decode(
            form["assertion"], key.public_key(), algorithms=["RS256"], audience="https://login.salesforce.com")
        self.assertEqual((claims["iss"], claims["sub"]), ("consumer", "user@example.com"))
        self.assertLessEqual(claims["exp"], now + 180)

    def test_incomplete_token_replies(self):
        for reply in ({}, {"access_token": "x"}, None, {"instance_url": None, "access_token": "x"}):
            with self.assertRaises(errors.AuthFailed):
                Token.from_reply(reply)

    def test_only_https_or_this_machine(self):
        for url in ("https://x.my.salesforce.com/a", "http://127.0.0.1:8081/salesforce", "http://localhost/x",
                    "http://[::1]:80/"):
            require_safe(url)
        for url in ("http://x.my.salesforce.com/", "http://127.0.0.1.evil.example/", "http://127.0.0.1@evil.example/",
                    "http://localhost:80@evil.example/", "ftp://localhost/", "", "//x"):
            with self.assertRaises(errors.PolicyBlocked):
                require_safe(url)
