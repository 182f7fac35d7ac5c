"""Tokens, scopes, versions and rate limits."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from .hubspot_driver import HubSpotDriver

COMPANIES = "/crm/objects/{v}/companies"


@pytest.fixture
def hs(fresh_sandbox):
    return HubSpotDriver(fresh_sandbox)


def with_token(hs, token):
    other = HubSpotDriver(hs.sandbox)
    other.session.headers["Authorization"] = f"Bearer {token}"
    return other


def refresh(hs, status=200, **changes):
    form = {"grant_type": "refresh_token", "client_id": hs.known["client_id"],
            "client_secret": hs.known["client_secret"], "refresh_token": hs.known["refresh_token"]}
    return hs.form("/oauth/{v}/token", status, **{**form, **changes})


def test_call_without_or_with_a_wrong_token_is_401(hs):
    for token in ("", "pat-na1-wrong", hs.known["refresh_token"]):
        body = with_token(hs, token).bad(401, "GET", COMPANIES)
        assert body["category"] == "INVALID_AUTHENTICATION"
        assert body["correlationId"]


def test_calls_are_logged_with_their_verdict(hs):
    since = hs.sandbox.calls()["last_seq"]
    with_token(hs, "wrong").bad(401, "GET", COMPANIES)
    hs.good("GET", COMPANIES)
    verdicts = [call["auth_ok"] for call in hs.sandbox.calls(since, vendor="hubspot")["calls"]]
    assert verdicts == [False, True]


def test_refresh_gives_an_access_token_that_works_until_it_expires(hs):
    answer = refresh(hs)
    assert answer["expires_in"] == 1800 and answer["token_use"] == "access_token"
    assert answer["hub_id"] == hs.known["portal_id"]
    assert answer["refresh_token"] == hs.known["refresh_token"]
    app = with_token(hs, answer["access_token"])
    app.good("GET", COMPANIES)
    hs.sandbox.admin("POST", "clock", json={"offset": 1801})
    assert app.bad(401, "GET", COMPANIES)["category"] == "EXPIRED_AUTHENTICATION"


def test_rotation_ends_the_old_refresh_token(hs):
    hs.settings(rotate_refresh_tokens=True)
    new = refresh(hs)["refresh_token"]
    assert new != hs.known["refresh_token"]
    assert refresh(hs, 400)["status"] == "BAD_REFRESH_TOKEN"
    refresh(hs, refresh_token=new)


@pytest.mark.parametrize(("change", "error"), [
    ({"refresh_token": "na1-unknown"}, "invalid_grant"),
    ({"client_secret": "wrong"}, "invalid_client"),
    ({"client_id": "wrong"}, "invalid_client"),
    ({"grant_type": "password"}, "unsupported_grant_type"),
])
def test_refused_token_requests_say_why(hs, change, error):
    assert refresh(hs, 400, **change)["error"] == error


def test_token_parameters_in_the_url_do_not_count(hs):
    query = {"grant_type": "refresh_token", "client_id": hs.known["client_id"],
             "client_secret": hs.known["client_secret"], "refresh_token": hs.known["refresh_token"]}
    response = requests.post(f"{hs.base}/oauth/2026-09/token", params=query, timeout=10)
    assert response.status_code == 400


def test_revoked_app_cannot_refresh(hs):
    hs.admin("POST", "tokens/revoke", {"app": "oauth"})
    assert refresh(hs, 400)["status"] == "BAD_REFRESH_TOKEN"
    hs.good("GET", COMPANIES)
    hs.admin("POST", "tokens/revoke", {"app": "private"})
    hs.bad(401, "GET", COMPANIES)
    hs.admin("POST", "tokens/restore")
    hs.good("GET", COMPANIES)
    refresh(hs)


def test_authorization_code_flow(hs):
    query = {"client_id": hs.known["client_id"], "redirect_uri": "https://erp.example/back",
             "scope": "oauth crm.objects.deals.read", "state": "s1"}
    answer = requests.get(f"{hs.base}/oauth/authorize", params=query, allow_redirects=False, timeout=10)
    assert answer.status_code == 302
    back = parse_qs(urlsplit(answer.headers["Location"]).query)
    assert back["state"] == ["s1"]
    form = {"grant_type": "authorization_code", "client_id": hs.known["client_id"],
            "client_secret": hs.known["client_secret"], "code": back["code"][0]}
    wrong = hs.form("/oauth/{v}/token", 400, **form, redirect_uri="https://elsewhere.example")
    assert wrong["error"] == "invalid_grant"
    again = hs.form("/oauth/{v}/token", 400, **form, redirect_uri="https://erp.example/back")
    assert again["status"] == "BAD_AUTH_CODE", "a code works once, even when it failed"


def test_introspection(hs):
    access = refresh(hs)["access_token"]
    form = {"client_id": hs.known["client_id"], "client_secret": hs.known["client_secret"]}
    told = hs.form("/oauth/{v}/token/introspect", token=access, **form)
    assert told["active"] is True and told["hub_id"] == hs.known["portal_id"]
    assert 1790 < told["expires_in"] <= 1800
    assert hs.form("/oauth/{v}/token/introspect", 400, token="x", **form)["error"] == "invalid_token"
    hs.form("/oauth/{v}/token/revoke", 204, token=access, **form)
    with_token(hs, access).bad(401, "GET", COMPANIES)


def test_missing_scope_is_403_and_named(hs):
    hs.admin("PUT", "apps/private/scopes", {"scopes": ["crm.objects.companies.read"]})
    hs.good("GET", COMPANIES)
    body = hs.bad(403, "POST", COMPANIES, {"properties": {"name": "X"}})
    assert body["category"] == "MISSING_SCOPES"
    assert body["errors"][0]["context"]["requiredGranularScopes"] == ["crm.objects.companies.write"]
    hs.bad(403, "GET", "/crm/objects/{v}/deals")


@pytest.mark.parametrize("version", ["2025-09", "2026-03", "2026-09"])
def test_dated_versions_and_legacy_paths_reach_the_same_records(hs, version):
    company = hs.create("companies", name="Versioned")
    assert HubSpotDriver(hs.sandbox, version).get("companies", company)["name"] == "Versioned"
    assert hs.good("GET", f"/crm/v3/objects/companies/{company}")["properties"]["name"] == "Versioned"


def test_unknown_paths_are_404_in_hubspots_shape(hs):
    assert hs.bad(404, "GET", "/crm/v5/objects/companies")["category"] == "OBJECT_NOT_FOUND"
    assert "Unable to infer object type" in hs.bad(400, "GET", "/crm/objects/{v}/unicorns")["message"]


def test_rate_limit_headers_are_there_but_not_on_searches(hs):
    headers = hs.call("GET", COMPANIES).headers
    assert headers["X-HubSpot-RateLimit-Max"] == "190"
    assert headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
    assert int(headers["X-HubSpot-RateLimit-Daily-Remaining"]) < 650_000
    left = int(headers["X-HubSpot-RateLimit-Remaining"])
    assert int(hs.call("GET", COMPANIES).headers["X-HubSpot-RateLimit-Remaining"]) == left - 1
    search = hs.call("POST", COMPANIES + "/search", {})
    assert not [name for name in search.headers if "ratelimit" in name.lower()]


def test_too_many_calls_are_429_with_the_policy(hs):
    hs.settings(private_app_limit=3, interval_ms=600)
    answers = [hs.call("GET", COMPANIES) for _i in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    body = answers[-1].json()
    assert body["errorType"] == "RATE_LIMIT" and body["policyName"] == "TEN_SECONDLY_ROLLING"


def test_sixth_search_within_a_second_is_429(hs):
    answers = [hs.call("POST", COMPANIES + "/search", {}) for _i in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[-1].json()["policyName"] == "SECONDLY"


def test_daily_limit(hs):
    hs.settings(daily_limit=2)
    assert [hs.call("GET", COMPANIES).status_code for _i in range(3)] == [200, 200, 429]


def test_account_details(hs):
    details = hs.good("GET", "/account-info/{v}/details")
    assert details["portalId"] == hs.known["portal_id"] and details["accountType"] == "SANDBOX"
    assert details["companyCurrency"] == "USD" and "EUR" in details["additionalCurrencies"]
    assert re.fullmatch(r"[+-]\d\d:\d\d", details["utcOffset"])


def test_fault_expire_token_ends_the_access_token_of_that_call(hs):
    app = with_token(hs, refresh(hs)["access_token"])
    hs.sandbox.fault("hubspot", "expire_token", path_regex="/companies$", times=1)
    assert app.bad(401, "GET", COMPANIES)["category"] == "EXPIRED_AUTHENTICATION"
    app.bad(401, "GET", COMPANIES)
    with_token(hs, refresh(hs)["access_token"]).good("GET", COMPANIES)


def test_injected_statuses_have_hubspots_shape(hs):
    hs.sandbox.fault("hubspot", "status", status=429, policy="DAILY", retry_after=3, times=1)
    limited = hs.call("GET", COMPANIES)
    assert limited.json()["policyName"] == "DAILY" and limited.headers["Retry-After"] == "3"
    hs.sandbox.fault("hubspot", "status", status=503, times=1)
    assert hs.bad(503, "GET", COMPANIES)["status"] == "error"


def test_the_date_header_follows_the_sandboxs_clock(hs):
    hs.sandbox.admin("POST", "clock", json={"freeze": 1_800_000_000})
    assert hs.call("GET", COMPANIES).headers["Date"] == "Fri, 15 Jan 2027 08:00:00 GMT"
