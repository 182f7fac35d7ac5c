from odoo.addons.crm_sync_base.lib import errors
from odoo.tests import BaseCase
from requests.structures import CaseInsensitiveDict

from ..lib import failure


def fail(status, headers=None, is_write=True, **error):
    body = {"error": {"type": "invalid_request_error", "message": "No.", **error}}
    return failure.from_answer(status, CaseInsensitiveDict(headers or {}), body, is_write=is_write)


class TestFailure(BaseCase):
    def test_classes(self):
        for status, error, headers, expected in (
            (400, {"code": "parameter_unknown"}, {}, errors.DataInvalid),
            (400, {"code": "resource_missing"}, {}, errors.RemoteGone),
            (400, {"type": "idempotency_error"}, {}, errors.Conflict),
            (401, {}, {}, errors.AuthFailed),
            (402, {"type": "card_error", "code": "card_declined"}, {}, errors.PaymentDeclined),
            (403, {}, {}, errors.PolicyBlocked),
            (404, {}, {}, errors.RemoteGone),
            (409, {"type": "idempotency_error", "code": "idempotency_key_in_use"}, {}, errors.Transient),
            (424, {}, {}, errors.Transient),
            (429, {"code": "rate_limit"}, {}, errors.RateLimited),
            (429, {"code": "lock_timeout"}, {}, errors.Transient),
            (500, {"type": "api_error"}, {}, errors.Transient),
            (503, {"type": "api_error"}, {"Stripe-Should-Retry": "true"}, errors.Transient),
            (500, {"type": "api_error"}, {"Stripe-Should-Retry": "false"}, errors.Conflict),
            (500, {"type": "api_error"}, {"Idempotent-Replayed": "true"}, errors.Conflict),
            (400, {}, {"Stripe-Should-Retry": "true"}, errors.Transient),
            (302, {}, {}, errors.PolicyBlocked),
        ):
            with self.subTest(status=status, error=error, headers=headers):
                self.assertIs(type(fail(status, headers, **error)), expected)
                self.assertTrue(fail(status, headers, **error).hint)

    def test_waits(self):
        self.assertEqual(fail(429, {"retry-after": "7"}, code="rate_limit").retry_after, 7.0)
        self.assertEqual(fail(429, code="rate_limit").retry_after, failure.DEFAULT_WAIT)
        self.assertEqual(fail(429, {"Retry-After": "999999"}, code="rate_limit").retry_after, failure.LONGEST_WAIT)
        self.assertEqual(fail(429, {"Retry-After": "soon"}, code="rate_limit").retry_after, failure.DEFAULT_WAIT)
        self.assertEqual(fail(429, code="lock_timeout").retry_after, 1.0)

    def test_facts(self):
        error = fail(
            402, {"Request-Id": "req_9", "Idempotent-Replayed": "true"}, type="card_error", code="card_declined",
            decline_code="insufficient_funds", charge="ch_9", payment_intent={"id": "pi_9"},
        )
        facts = failure.of(error)
        self.assertEqual((facts.status, facts.code, facts.decline_code), (402, "card_declined", "insufficient_funds"))
        self.assertEqual((facts.charge, facts.payment_intent, facts.request_id), ("ch_9", "pi_9", "req_9"))
        self.assertTrue(facts.replayed)
        self.assertFalse(facts.outcome_unknown)
        self.assertTrue(failure.of(fail(500)).outcome_unknown)
        self.assertFalse(failure.of(fail(500, is_write=False)).outcome_unknown)
        self.assertTrue(failure.of(failure.lost("x", is_write=True)).outcome_unknown)
        self.assertIsNone(failure.of(ValueError()))

    def test_messages_say_what_and_hide_who(self):
        error = fail(400, code="email_invalid", param="email",
                     message="Invalid email address: 'jane@buyer.example' for cus_Abc123xyz (Jane \"Doe\") sk_test_abc")
        text = str(error)
        self.assertIn("400 (email_invalid, parameter email)", text)
        for secret in ("jane", "buyer.example", "Doe", "sk_test"):
            self.assertNotIn(secret, text)
        plain = fail(400, message="The address jane@buyer.example is in use")
        self.assertNotIn("jane", str(plain))
        gone = fail(404, code="resource_missing", message="No such customer: 'cus_Abc123xyz'")
        self.assertIn("cus_Abc123xyz", str(gone), "ids are needed to find the record")

    def test_a_refused_key_is_not_repeated(self):
        error = fail(401, message="Invalid API Key provided: sk_test_********1234")
        self.assertNotIn("1234", str(error))

    def test_answers_that_are_not_stripes(self):
        for body in (None, [], {}, {"error": "x"}, {"error": {"message": 7, "code": {}}}, "x"):
            with self.subTest(body=body):
                error = failure.from_answer(502, {}, body, is_write=False)
                self.assertIs(type(error), errors.Transient)
                self.assertIn("502", str(error))
