"""Parts of the stand-in that need no server: forms, parameters, money, signatures."""

import json
from datetime import datetime, timezone
from decimal import Decimal

import pytest
import stripe

from sandbox.stripe import money, periods, signature
from sandbox.stripe.errors import StripeError
from sandbox.stripe.form import decode
from sandbox.stripe.params import Arr, Bool, Currency, Int, Map, Num, Obj, Range, Str, merge_metadata, read_members


def refused(function, *arguments):
    with pytest.raises(StripeError) as caught:
        function(*arguments)
    return caught.value


# -- forms --------------------------------------------------------------------------

@pytest.mark.parametrize(("text", "tree"), [
    ("", {}),
    ("a=1&b=", {"a": "1", "b": ""}),
    ("name=Soci%C3%A9t%C3%A9+%E2%82%AC", {"name": "Société €"}),
    ("m[a]=1&m[b]=2", {"m": {"a": "1", "b": "2"}}),
    ("x[]=1&x[]=2", {"x": ["1", "2"]}),
    ("i[0][p]=a&i[1][p]=b", {"i": {"0": {"p": "a"}, "1": {"p": "b"}}}),
    ("d[a][b][]=1", {"d": {"a": {"b": ["1"]}}}),
])
def test_form_decodes(text, tree):
    assert decode(text) == tree


@pytest.mark.parametrize("text", [
    "a[b=1", "[a]=1", "a=1&a[b]=2", "a[b]=2&a=1", "a[][b]=1",
    "a" + "[b]" * 12 + "=1",
])
def test_form_refuses_contradictions(text):
    assert refused(decode, text).status == 400


# -- parameters ---------------------------------------------------------------------

DECLARED = {
    "name": Str(5, required=True),
    "note": Str(blank=True),
    "count": Int(1, 100),
    "on": Bool(),
    "price": Num(2),
    "currency": Currency(money.CURRENCIES),
    "kind": Str(choices=("a", "b", "c")),
    "items": Arr(Obj({"price": Str(required=True)}), 2),
    "created": Range(),
    "metadata": Map(blank=True),
}


def test_parameters_are_read_into_values():
    sent = decode("name=n&note=&count=7&on=true&price=1.25&currency=USD&kind=b"
                  "&items[1][price]=y&items[0][price]=x&created[gte]=5&metadata[k]=v")
    assert read_members(DECLARED, sent) == {
        "name": "n", "note": None, "count": 7, "on": True, "price": Decimal("1.25"),
        "currency": "usd", "kind": "b", "items": [{"price": "x"}, {"price": "y"}],
        "created": {"gte": 5}, "metadata": {"k": "v"}}


@pytest.mark.parametrize(("text", "code", "param", "words"), [
    ("", "parameter_missing", "name", "Missing required param: name."),
    ("name=n&foo=1", "parameter_unknown", "foo", "Received unknown parameter: foo"),
    ("name=n&foo=1&bar=2", "parameter_unknown", "foo", "parameters: foo, bar"),
    ("name=n&items[0][x]=1", "parameter_unknown", "items[0][x]", "items[0][x]"),
    ("name=n&items[0][price]=", "parameter_invalid_empty", "items[0][price]", "unset"),
    ("name=", "parameter_invalid_empty", "name", "cannot be unset"),
    ("name=toolong", None, "name", "at most 5 characters"),
    ("name=n&count=x", "parameter_invalid_integer", "count", "Invalid integer: x"),
    ("name=n&count=1.5", "parameter_invalid_integer", "count", "Invalid integer"),
    ("name=n&count=0", "parameter_invalid_integer", "count", "greater than or equal to 1"),
    ("name=n&count=101", "parameter_invalid_integer", "count", "less than or equal to 100"),
    ("name=n&on=yes", None, "on", "Invalid boolean: yes"),
    ("name=n&price=1.234", None, "price", "2 decimal places"),
    ("name=n&price=NaN", None, "price", "Invalid decimal"),
    ("name=n&currency=xyz", None, "currency", "Invalid currency: xyz"),
    ("name=n&kind=d", None, "kind", "must be one of a, b, or c"),
    ("name=n&items[]=1", None, "items[0]", "Invalid object"),
    ("name=n&items=1", None, "items", "Invalid array"),
    ("name=n&items[0][price]=a&items[1][price]=a&items[2][price]=a", None, "items", "2"),
    ("name=n&metadata=1", None, "metadata", "Invalid object"),
    ("name=n&metadata[" + "k" * 41 + "]=1", None, "metadata", "40 characters"),
    ("name=n&metadata[k]=" + "v" * 501, None, "metadata[k]", "500 characters"),
    ("name=n&created[x]=1", "parameter_unknown", "created[x]", "unknown"),
])
def test_bad_parameters_name_themselves(text, code, param, words):
    error = refused(read_members, DECLARED, decode(text))
    assert (error.status, error.code, error.param) == (400, code, param)
    assert words in error.message and not error.stored


def test_metadata_is_merged_and_limited():
    assert merge_metadata({"a": "1", "b": "2"}, {"a": "", "c": "3"}) == {"b": "2", "c": "3"}
    assert merge_metadata({"a": "1"}, None) == {}
    assert "50" in refused(merge_metadata, {}, {str(n): "v" for n in range(51)}).message


# -- money --------------------------------------------------------------------------

@pytest.mark.parametrize(("amount", "fee"), [
    (100, 33), (1000, 59), (123456, 3610), (50, 31), (17, 30), (18, 31), (1, 30),
    (99_999_999, 2_900_030),
])
def test_card_fee_rounds_half_up(amount, fee):
    exact = (Decimal(amount) * Decimal("0.029")).quantize(Decimal(1), "ROUND_HALF_UP")
    assert money.card_fee(amount) == fee == int(exact) + 30


@pytest.mark.parametrize(("amount", "percentage", "inclusive", "expected"), [
    (1000, "15", False, (150, 1000)),
    (1150, "15", True, (150, 1000)),
    (10, "15", False, (2, 10)),
    (-1000, "15", False, (-150, -1000)),
    (9999, "8.875", False, (887, 9999)),
])
def test_tax(amount, percentage, inclusive, expected):
    assert money.tax(amount, Decimal(percentage), inclusive) == expected


@pytest.mark.parametrize(("amount", "rate", "source", "target", "result"), [
    (1000, "1.0842", "eur", "usd", 1084), (10000, "0.0067", "jpy", "usd", 6700),
    (1084, "149.25", "usd", "jpy", 1618), (-1000, "1.0842", "eur", "usd", -1084),
])
def test_conversion_respects_both_exponents(amount, rate, source, target, result):
    assert money.convert(amount, Decimal(rate), source, target) == result


@pytest.mark.parametrize(("amount", "currency", "code"), [
    (49, "usd", "amount_too_small"), (100_000_000, "usd", "amount_too_large"),
    (550, "isk", "invalid_charge_amount_no_decimal_compatible"), (5125, "kwd", None),
    (29, "gbp", "amount_too_small"),
])
def test_amounts_that_cannot_be_charged(amount, currency, code):
    assert refused(money.check_charge, amount, currency).code == code


@pytest.mark.parametrize(("amount", "currency"), [
    (50, "usd"), (30, "gbp"), (500, "isk"), (5120, "kwd"), (50, "jpy"),
])
def test_amounts_that_can_be_charged(amount, currency):
    money.check_charge(amount, currency)


# -- periods ------------------------------------------------------------------------

@pytest.mark.parametrize(("start", "interval", "count", "end"), [
    ("2026-01-31", "month", 1, "2026-02-28"), ("2028-01-31", "month", 1, "2028-02-29"),
    ("2026-11-30", "month", 3, "2027-02-28"), ("2028-02-29", "year", 1, "2029-02-28"),
    ("2026-12-31", "week", 1, "2027-01-07"), ("2026-12-31", "day", 1, "2027-01-01"),
])
def test_periods_end_on_the_last_day_of_short_months(start, interval, count, end):
    def seconds(day):
        return int(datetime.fromisoformat(day).replace(tzinfo=timezone.utc).timestamp())
    assert periods.add(seconds(start), interval, count) == seconds(end)


# -- signatures ---------------------------------------------------------------------

def test_signatures_equal_the_published_vectors(shared_data):
    path = shared_data("stripe/webhook-signature-vectors.json")
    vectors = json.loads(path.read_text())["vectors"]
    compared = 0
    for vector in vectors:
        ours = "v1=" + signature.sign(
            vector["payload"].encode(), vector["secret"], vector["timestamp"])
        signed = ours in vector["header"].split(",")
        assert signed == vector["valid"], vector["name"]
        compared += 1
    assert compared >= 5


def test_the_official_library_accepts_our_header():
    body, secrets = '{"a": "Société €"}', ["whsec_new", "whsec_old"]
    header = signature.header(body.encode(), secrets, 1_790_000_000)
    assert header.count("v1=") == 2
    for secret in secrets:
        assert stripe.WebhookSignature.verify_header(body, header, secret, tolerance=None)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(body, header, "whsec_other", tolerance=None)
