"""The API's manners: keys, versions, errors, idempotency, lists, expansion."""

import threading
import time

import pytest
import stripe

from .stripe_support import VERSION, Driver


@pytest.fixture
def account(sandbox):
    return Driver(sandbox)


# -- who asks -----------------------------------------------------------------------

def test_keys(account):
    good = account.raw("GET", "/v1/account")
    assert good.status_code == 200 and good.json()["id"] == account.keys["account"]
    assert good.headers["Request-Id"].startswith("req_")
    assert good.headers["Stripe-Version"] == VERSION
    bad = account.raw("GET", "/v1/account", key="sk_test_wrong0000000000000000")
    assert bad.status_code == 401
    assert "Invalid API Key provided: sk_test_" in bad.json()["error"]["message"]
    assert "wrong0000" not in bad.text
    none = account.raw("GET", "/v1/account", Authorization="")
    assert none.status_code == 401 and "did not provide" in none.json()["error"]["message"]
    with pytest.raises(stripe.AuthenticationError):
        stripe.StripeClient("sk_test_x", base_addresses={"api": account.url},
                            stripe_version=VERSION).v1.balance.retrieve()


def test_basic_auth_with_the_key_as_user(account):
    import requests
    answer = requests.get(account.url + "/v1/balance",
                          auth=(account.keys["secret_key"], ""), timeout=10)
    assert answer.status_code == 200 and answer.json()["livemode"] is False


def test_restricted_key_lacks_permissions(account):
    account.configure(restricted={"payouts": "none", "charges": "read"})
    key = account.keys["restricted_key"]
    assert account.raw("GET", "/v1/charges", key=key).status_code == 200
    refused = account.raw("GET", "/v1/payouts", key=key)
    assert refused.status_code == 403
    assert refused.json()["error"]["type"] == "invalid_request_error"
    assert account.raw("POST", "/v1/charges/ch_1", key=key).status_code == 403


def test_an_expired_key_is_refused_once(account):
    account.sandbox.fault("stripe", "expire_token", times=1)
    answer = account.raw("GET", "/v1/account")
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "api_key_expired"
    assert account.raw("GET", "/v1/account").status_code == 200


@pytest.mark.parametrize(("version", "words"), [
    ("yesterday", "Invalid Stripe API version"), ("2019-05-16", "does not implement"),
    ("2026-10-28.endive", "does not implement"),
])
def test_other_versions_are_refused(account, version, words):
    answer = account.raw("GET", "/v1/account", Stripe_Version=version)
    assert answer.status_code == 400 and words in answer.json()["error"]["message"]


def test_unknown_paths_and_bodies(account):
    missing = account.raw("GET", "/v1/nonsense")
    assert missing.status_code == 404
    assert missing.json()["error"]["message"].startswith(
        "Unrecognized request URL (GET: /v1/nonsense)")
    wrong_verb = account.raw("POST", "/v1/balance_transactions")
    assert wrong_verb.status_code == 404
    json_body = account.raw("POST", "/v1/customers", data='{"email": "a@b.example"}',
                            Content_Type="application/json")
    assert json_body.status_code == 400 and "content type" in json_body.text


def test_errors_name_what_is_wrong(account):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        account.api.customers.retrieve("cus_missing")
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        account.api.payment_intents.create(
            {"amount": 500, "currency": "usd", "customer": "cus_missing"})
    assert (caught.value.http_status, caught.value.param) == (400, "customer")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        account.api.customers.create({"emial": "x"})
    assert caught.value.code == "parameter_unknown"
    assert caught.value.error.request_log_url and caught.value.error.doc_url


# -- idempotency --------------------------------------------------------------------

def post_customer(account, key, data="email=a@b.example"):
    return account.raw("POST", "/v1/customers", data=data, Idempotency_Key=key,
                       Content_Type="application/x-www-form-urlencoded")


def customers(account):
    return len(account.api.customers.list({"limit": 100}).data)


def test_the_first_answer_is_given_again(account):
    first, again = post_customer(account, "k1"), post_customer(account, "k1")
    assert first.content == again.content and first.status_code == again.status_code == 200
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Original-Request"] == first.headers["Request-Id"]
    assert customers(account) == 1


def test_order_of_parameters_does_not_matter(account):
    first = post_customer(account, "k1", "email=a@b.example&name=n")
    again = post_customer(account, "k1", "name=n&email=a@b.example")
    assert first.json()["id"] == again.json()["id"]


def test_other_parameters_or_endpoints_are_refused(account):
    post_customer(account, "k1")
    other = post_customer(account, "k1", "email=c@d.example")
    assert other.status_code == 400
    assert other.json()["error"]["type"] == "idempotency_error"
    assert "same parameters" in other.json()["error"]["message"]
    elsewhere = account.raw("POST", "/v1/products", data={"name": "x"}, Idempotency_Key="k1")
    assert elsewhere.status_code == 400 and "same endpoint" in elsewhere.text
    assert customers(account) == 1


def test_refused_parameters_are_not_kept(account):
    assert post_customer(account, "k1", "emial=x").status_code == 400
    assert post_customer(account, "k1").status_code == 200


def test_a_failure_during_execution_is_kept_even_a_500(account):
    account.act("fail_next", path_regex="/v1/customers$", method="POST", after_effect=True)
    first, again = post_customer(account, "k1"), post_customer(account, "k1")
    assert first.status_code == again.status_code == 500
    assert first.content == again.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert customers(account) == 1, "the effect happened although the answer was 500"


def test_a_refused_card_is_kept(account):
    def pay():
        return account.raw("POST", "/v1/payment_intents", Idempotency_Key="k1", data={
            "amount": 500, "currency": "usd", "confirm": "true",
            "payment_method": "pm_card_chargeDeclined"})
    first, again = pay(), pay()
    assert first.status_code == again.status_code == 402 and first.content == again.content
    assert len(account.api.charges.list().data) == 1


def test_a_second_request_while_the_first_executes(account):
    account.configure(processing_ms=700)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(post_customer(account, "k1")))
    thread.start()
    time.sleep(0.25)
    second = post_customer(account, "k1")
    thread.join()
    assert second.status_code == 409
    assert second.json()["error"]["code"] == "idempotency_key_in_use"
    assert answers[0].status_code == 200
    assert post_customer(account, "k1").json()["id"] == answers[0].json()["id"]
    assert customers(account) == 1


def test_a_lost_answer_is_given_again(account):
    account.sandbox.fault("stripe", "drop_after", times=1)
    with pytest.raises(OSError):
        post_customer(account, "k1")
    assert post_customer(account, "k1").headers["Idempotent-Replayed"] == "true"
    assert customers(account) == 1


def test_keys_live_for_a_day(account):
    first = post_customer(account, "k1").json()["id"]
    account.admin("POST", "clock", json={"advance": 86_300})
    assert post_customer(account, "k1").json()["id"] == first
    account.admin("POST", "clock", json={"advance": 200})
    assert post_customer(account, "k1").json()["id"] != first


def test_keys_are_limited_and_only_for_posts(account):
    assert post_customer(account, "k" * 255).status_code == 200
    assert post_customer(account, "k" * 256).status_code == 400
    listed = [account.raw("GET", "/v1/customers", Idempotency_Key="g") for _n in range(2)]
    assert all("Idempotent-Replayed" not in answer.headers for answer in listed)


def test_kept_answers_survive_a_kill(own_sandbox, tmp_path):
    sandbox = own_sandbox("--seed", "empty", state=tmp_path / "state.sqlite")
    account = Driver(sandbox, profile="empty")
    first = post_customer(account, "k1")
    sandbox.stop(kill=True)
    sandbox.start()
    again = post_customer(account, "k1")
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"


# -- limits and failures ------------------------------------------------------------

def test_rate_limit(account):
    account.configure(rate_limit=5)
    time.sleep(1.1)
    statuses = [account.raw("GET", "/v1/balance").status_code for _n in range(8)]
    assert statuses.count(200) == 5 and statuses[-1] == 429
    refused = account.raw("GET", "/v1/balance")
    assert refused.json()["error"]["code"] == "rate_limit"
    assert refused.headers["Stripe-Rate-Limited-Reason"]
    time.sleep(1.1)
    assert account.raw("GET", "/v1/balance").status_code == 200


@pytest.mark.parametrize(("rule", "status", "code"), [
    ({"status": 429, "retry_after": 3}, 429, "rate_limit"),
    ({"status": 429, "code": "lock_timeout"}, 429, "lock_timeout"),
    ({"status": 429, "reason": "resource-specific"}, 429, "rate_limit"),
    ({"status": 500}, 500, None),
    ({"status": 503, "should_retry": False}, 503, None),
])
def test_injected_failures_have_the_vendors_shape(account, rule, status, code):
    account.sandbox.fault("stripe", "status", times=1, **rule)
    answer = account.raw("GET", "/v1/balance")
    assert answer.status_code == status
    assert answer.json()["error"].get("code") == code
    assert answer.headers["Request-Id"].startswith("req_")
    if "retry_after" in rule:
        assert answer.headers["Retry-After"] == "3"
    if "should_retry" in rule:
        assert answer.headers["Stripe-Should-Retry"] == "false"
    if "reason" in rule:
        assert answer.headers["Stripe-Rate-Limited-Reason"] == rule["reason"]


# -- lists --------------------------------------------------------------------------

def test_lists_are_newest_first_and_paged(account):
    made = [account.api.customers.create({"email": f"{n}@b.example"}).id for n in range(25)]
    assert [doc.id for doc in account.api.customers.list().data] == made[:-11:-1]
    paged = [doc.id for doc in account.api.customers.list({"limit": 7}).auto_paging_iter()]
    assert paged == made[::-1]
    back = account.api.customers.list({"limit": 7, "ending_before": made[10]})
    assert [doc.id for doc in back.data] == made[11:18][::-1] and back.has_more
    last = account.api.customers.list({"limit": 7, "starting_after": made[3]})
    assert [doc.id for doc in last.data] == made[2::-1] and not last.has_more


@pytest.mark.parametrize("limit", ["0", "101", "x"])
def test_page_sizes_are_limited(account, limit):
    answer = account.raw("GET", f"/v1/customers?limit={limit}")
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "limit"


def test_continuing_from_nothing_is_refused(account):
    answer = account.raw("GET", "/v1/customers?starting_after=cus_gone")
    assert answer.status_code == 400 and answer.json()["error"]["param"] == "starting_after"


def test_filters(account):
    one = account.customer(email="one@b.example")
    account.admin("POST", "clock", json={"advance": 100})
    two = account.customer(email="two@b.example")
    listed = account.api.customers.list
    assert [c.id for c in listed({"email": "one@b.example"}).data] == [one.id]
    assert listed({"email": "ONE@b.example"}).data == [], "emails are compared exactly"
    since = {"created": {"gte": two.created}}
    assert [c.id for c in listed(since).data] == [two.id]
    assert [c.id for c in listed({"created": {"lt": two.created}}).data] == [one.id]
    assert account.raw("GET", f"/v1/customers?created={one.created}").json()["data"][0][
        "id"] == one.id


# -- expansion ----------------------------------------------------------------------

def test_expansion_reaches_four_levels(account):
    charge = account.charge(1000)
    listed = account.api.balance_transactions.list(
        {"expand": ["data.source.payment_intent.customer"]})
    customer = listed.data[0].source.payment_intent.customer
    assert customer.object == "customer" and customer.id == charge.customer
    plain = account.api.charges.retrieve(charge.id)
    assert isinstance(plain.customer, str) and "refunds" not in plain
    account.api.refunds.create({"charge": charge.id, "amount": 100})
    grown = account.api.charges.retrieve(charge.id, {"expand": ["refunds"]})
    assert [refund.amount for refund in grown.refunds.data] == [100]


def test_both_spellings_of_expand(account):
    charge = account.charge(1000)
    for spelling in ("expand[]", "expand[0]"):
        answer = account.raw("GET", f"/v1/charges/{charge.id}?{spelling}=customer").json()
        assert answer["customer"]["object"] == "customer"


@pytest.mark.parametrize(("path", "words"), [
    ("/v1/charges?expand[]=data.nonsense", "cannot be expanded (data.nonsense)"),
    ("/v1/charges?expand[]=customer", "try expanding 'data.customer' instead"),
    ("/v1/charges?expand[]=data.amount", "cannot be expanded"),
    ("/v1/balance_transactions?expand[]=data.source.a.b.c.d", "more than 4 levels"),
])
def test_bad_expansion_is_refused(account, path, words):
    answer = account.raw("GET", path)
    assert answer.status_code == 400 and words in answer.json()["error"]["message"]


# -- objects that need no money -----------------------------------------------------

def test_customers(account):
    customer = account.customer(
        name="Société Générique", phone="+32 2 000", metadata={"odoo_ref": "7"},
        address={"line1": "Rue 1", "city": "Brussels", "country": "BE"})
    card = customer.invoice_settings.default_payment_method
    assert card and account.api.customers.payment_methods.list(customer.id).data[0].id == card
    changed = account.api.customers.update(
        customer.id, {"name": "Other", "metadata": {"odoo_ref": "", "x": "1"}})
    assert changed.name == "Other" and changed.metadata.to_dict() == {"x": "1"}
    updates = account.api.events.list({"type": "customer.updated"}).data
    assert updates[0].data.previous_attributes["name"] == "Société Générique"
    gone = account.api.customers.delete(customer.id)
    assert gone.deleted
    assert account.api.customers.retrieve(customer.id).deleted
    assert account.api.customers.list().data == []
    with pytest.raises(stripe.InvalidRequestError):
        account.api.customers.update(customer.id, {"name": "x"})


def test_an_update_without_change_makes_no_event(account):
    customer = account.customer(name="Same")
    before = len(account.event_types())
    account.api.customers.update(customer.id, {"name": "Same"})
    assert len(account.event_types()) == before


@pytest.mark.parametrize(("autocard", "works"), [
    ("visa", True), ("declined", False), ("none", None)])
def test_what_the_buyer_does(account, autocard, works):
    account.configure(autocard=autocard)
    customer = account.customer()
    card = customer.invoice_settings.default_payment_method
    if works is None:
        assert card is None
        account.act(f"customers/{customer.id}/card", card="pm_card_mastercard")
        card = account.api.customers.retrieve(customer.id)
        assert card.invoice_settings.default_payment_method
        return
    def pay():
        return account.api.payment_intents.create({
            "amount": 500, "currency": "usd", "customer": customer.id,
            "payment_method": card, "off_session": True, "confirm": True})
    if works:
        assert pay().status == "succeeded"
    else:
        with pytest.raises(stripe.CardError):
            pay()


def test_payment_methods(account):
    account.configure(autocard="none")
    one, two = account.customer(), account.customer()
    method = account.api.payment_methods.attach("pm_card_visa", {"customer": one.id})
    assert method.customer == one.id and method.card.last4 == "4242"
    with pytest.raises(stripe.InvalidRequestError):
        account.api.payment_methods.attach(method.id, {"customer": two.id})
    with pytest.raises(stripe.InvalidRequestError):
        account.api.customers.update(
            two.id, {"invoice_settings": {"default_payment_method": method.id}})
    with pytest.raises(stripe.CardError):
        account.api.payment_methods.attach("pm_card_chargeDeclined", {"customer": one.id})
    account.api.customers.update(
        one.id, {"invoice_settings": {"default_payment_method": method.id}})
    account.api.payment_methods.detach(method.id)
    left = account.api.customers.retrieve(one.id)
    assert left.invoice_settings.default_payment_method is None
    token = account.api.payment_methods.create(
        {"type": "card", "card": {"token": "tok_mastercard"}})
    assert token.card.brand == "mastercard"
    number = account.raw("POST", "/v1/payment_methods",
                         data={"type": "card", "card[number]": "4242424242424242"})
    assert number.status_code == 400, "card numbers must never reach the API"


def test_catalogue(account):
    seeded = account.api.prices.list({"lookup_keys": ["Q2C-PLAT-usd"]}).data[0]
    assert seeded.unit_amount == 120000 and seeded.recurring.interval == "month"
    product = account.api.products.create(
        {"name": "Seat", "default_price_data": {"currency": "usd", "unit_amount": 900}})
    assert product.default_price
    price = account.api.prices.create({
        "product": product.id, "currency": "usd", "unit_amount_decimal": "0.125",
        "lookup_key": "seat"})
    assert price.unit_amount is None and str(price.unit_amount_decimal) == "0.125"
    with pytest.raises(stripe.InvalidRequestError):
        account.api.prices.update(price.id, {"unit_amount": 1})
    with pytest.raises(stripe.InvalidRequestError):
        account.api.prices.create({"product": product.id, "currency": "usd",
                                   "unit_amount": 1, "lookup_key": "seat"})
    moved = account.api.prices.create({
        "product": product.id, "currency": "usd", "unit_amount": 1, "lookup_key": "seat",
        "transfer_lookup_key": True})
    assert account.api.prices.retrieve(price.id).lookup_key is None
    assert [p.id for p in account.api.prices.list({"lookup_keys": ["seat"]}).data] == [moved.id]
    with pytest.raises(stripe.InvalidRequestError):
        account.api.products.delete(product.id)
    lone = account.api.products.create({"name": "Lone"})
    assert account.api.products.delete(lone.id).deleted
    assert account.api.products.update(product.id, {"active": False}).active is False
    rate = account.api.tax_rates.create(
        {"display_name": "VAT", "percentage": 8.875, "inclusive": True})
    assert account.api.tax_rates.update(rate.id, {"active": False}).active is False


def test_events_are_kept_for_thirty_days(account):
    account.customer(email="old@b.example")
    assert "customer.created" in account.event_types()
    assert account.event_types(types=["customer.created", "price.created"]).count(
        "customer.created") == 1
    old = account.api.events.list({"type": "customer.*"}).data
    assert {event.type for event in old} == {"customer.created", "customer.updated"}
    account.admin("POST", "clock", json={"advance": 31 * 86400})
    account.customer(email="new@b.example")
    assert account.event_types().count("customer.created") == 1
    with pytest.raises(stripe.InvalidRequestError):
        account.api.events.retrieve(old[0].id)


def test_account_and_balance(account):
    own = account.api.accounts.retrieve_current()
    assert own.default_currency == "usd" and own.charges_enabled
    assert {part.currency for part in account.api.balance.retrieve().available} == {
        "eur", "usd"}
