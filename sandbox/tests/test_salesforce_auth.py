"""OAuth: the three grants, their refusals, sessions."""

import base64
import hashlib
import time
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def assertion(sf, key=None, algorithm="RS256", **claims):
    credentials = sf.credentials
    payload = {"iss": credentials["client_id"], "sub": credentials["username"],
               "aud": "https://test.salesforce.com", "exp": int(time.time()) + 120, **claims}
    return jwt.encode(payload, key or credentials["private_key"], algorithm=algorithm)


def grant(sf, token):
    return sf.token(grant_type=JWT_GRANT, assertion=token)


def test_jwt_bearer_opens_a_session(sf):
    reply = grant(sf, assertion(sf))
    body = reply.json()
    assert reply.status_code == 200 and body["token_type"] == "Bearer"
    assert "expires_in" not in body and "refresh_token" not in body
    answer = requests.get(body["instance_url"] + "/services/data/v67.0/limits", timeout=10,
                          headers={"Authorization": "Bearer " + body["access_token"]})
    assert answer.status_code == 200
    assert answer.headers["Sforce-Limit-Info"].startswith("api-usage=")


@pytest.mark.parametrize(("claims", "error", "description"), [
    ({"aud": "https://evil.example"}, "invalid_grant", "audience is invalid"),
    ({"iss": "unknown"}, "invalid_client_id", "client identifier invalid"),
    ({"sub": "nobody@q2c-sandbox.example"}, "invalid_grant", "user hasn't approved this consumer"),
    ({"sub": "rep.former@q2c-sandbox.example"}, "inactive_user", "user is inactive"),
    ({"exp": 1_000_000_000}, "invalid_grant", "expired authorization code"),
    ({"exp": 4_000_000_000}, "invalid_grant", "expired authorization code"),
    ({"exp": None}, "invalid_grant", "invalid assertion"),
])
def test_claims_are_checked(sf, claims, error, description):
    if claims.get("exp", 1) is None:
        token = jwt.encode({"iss": sf.credentials["client_id"], "sub": sf.credentials["username"],
                            "aud": "https://test.salesforce.com"},
                           sf.credentials["private_key"], algorithm="RS256")
    else:
        token = assertion(sf, **claims)
    reply = grant(sf, token)
    assert reply.status_code == 400
    assert reply.json() == {"error": error, "error_description": description}


def test_a_foreign_key_is_refused(sf):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                            serialization.NoEncryption()).decode()
    assert grant(sf, assertion(sf, key=pem)).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("spoil", [
    lambda token: token[:-4] + "AAAA",
    lambda token: token.split(".")[0] + "." + token.split(".")[1],
    lambda token: "nonsense",
    lambda token: ".".join([base64.urlsafe_b64encode(b'{"alg":"none"}').decode(), token.split(".")[1], ""]),
])
def test_spoilt_assertions_are_refused(sf, spoil):
    assert grant(sf, spoil(assertion(sf))).json() == {
        "error": "invalid_grant", "error_description": "invalid assertion"}


def test_a_skewed_clock_breaks_the_assertion(sandbox, sf):
    token = assertion(sf)
    sandbox.admin("POST", "clock", json={"offset": 600})
    assert grant(sf, token).json()["error"] == "invalid_grant"


def test_client_credentials(sf):
    good = {"grant_type": "client_credentials", "client_id": sf.credentials["client_id"],
            "client_secret": sf.credentials["client_secret"]}
    assert sf.token(**good).status_code == 200
    assert sf.token(**{**good, "client_secret": "wrong"}).json()["error"] == "invalid_client"
    assert sf.token(**{**good, "client_id": "wrong"}).json()["error"] == "invalid_client_id"
    assert sf.token(**{**good, "grant_type": "password"}).json()["error"] == "unsupported_grant_type"
    basic = requests.post(
        sf.root + "/services/oauth2/token", data={"grant_type": "client_credentials"}, timeout=10,
        auth=(good["client_id"], good["client_secret"]))
    assert basic.status_code == 200


def test_web_server_flow_with_rotating_refresh_token(sf):
    verifier = "v" * 64
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    app = {"client_id": sf.credentials["client_id"], "redirect_uri": "https://odoo.example/back"}
    redirect = requests.get(sf.root + "/services/oauth2/authorize", allow_redirects=False, timeout=10, params={
        **app, "response_type": "code", "code_challenge": challenge, "state": "s1"})
    answer = parse_qs(urlsplit(redirect.headers["Location"]).query)
    assert answer["state"] == ["s1"]
    form = {**app, "grant_type": "authorization_code", "code": answer["code"][0]}
    first = sf.token(**form, code_verifier=verifier).json()
    assert sf.token(**form, code_verifier=verifier).json()["error"] == "invalid_grant"
    renew = {"grant_type": "refresh_token", "client_id": app["client_id"],
             "client_secret": sf.credentials["client_secret"]}
    second = sf.token(**renew, refresh_token=first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert sf.token(**renew, refresh_token=first["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_wrong_verifier_is_refused(sf):
    app = {"client_id": sf.credentials["client_id"], "redirect_uri": "https://odoo.example/back"}
    redirect = requests.get(sf.root + "/services/oauth2/authorize", allow_redirects=False, timeout=10,
                            params={**app, "response_type": "code", "code_challenge": "x" * 43})
    code = parse_qs(urlsplit(redirect.headers["Location"]).query)["code"][0]
    reply = sf.token(**app, grant_type="authorization_code", code=code, code_verifier="other")
    assert reply.json() == {"error": "invalid_grant", "error_description": "invalid code verifier"}


def test_bad_tokens_are_refused(sf):
    sf.http.headers["Authorization"] = "Bearer wrong"
    assert sf.error("GET", "limits") == (401, "INVALID_SESSION_ID")
    del sf.http.headers["Authorization"]
    assert sf.error("GET", "limits") == (401, "INVALID_SESSION_ID")
    assert sf.call("GET", "limits").json()[0]["message"] == "Session expired or invalid"


def test_sessions_expire_when_unused(sandbox, sf):
    sandbox.admin("POST", "clock", json={"offset": 7000})
    assert sf.call("GET", "limits").status_code == 200
    sandbox.admin("POST", "clock", json={"offset": 14000})
    assert sf.call("GET", "limits").status_code == 200
    sandbox.admin("POST", "clock", json={"offset": 14000 + 7300})
    assert sf.error("GET", "limits") == (401, "INVALID_SESSION_ID")


def test_expire_token_fault_ends_the_session(sandbox, sf):
    sandbox.fault("salesforce", "expire_token", times=1)
    assert sf.error("GET", "limits") == (401, "INVALID_SESSION_ID")
    assert sf.error("GET", "limits") == (401, "INVALID_SESSION_ID")


def test_userinfo_names_the_organisation(sf):
    info = sf.http.get(sf.root + "/services/oauth2/userinfo", timeout=10).json()
    assert info["organization_id"] == sf.credentials["organization_id"]
    assert info["preferred_username"] == sf.credentials["username"]
    assert requests.get(sf.root + "/services/oauth2/userinfo", timeout=10).status_code == 403


def test_revoke(sf):
    reply = requests.post(sf.root + "/services/oauth2/revoke", data={"token": sf.access_token}, timeout=10)
    assert reply.status_code == 200
    assert sf.error("GET", "limits") == (401, "INVALID_SESSION_ID")


def test_sandbox_refresh_changes_the_organisation(own_sandbox):
    from .conftest import SalesforceSession

    sandbox = own_sandbox("--seed", "empty")
    sf = SalesforceSession(sandbox)
    before = sf.query("SELECT Id, IsSandbox FROM Organization")["records"][0]
    new_id = sandbox.admin("POST", "salesforce/refresh")["organization_id"]
    assert sf.error("GET", "limits") == (401, "INVALID_SESSION_ID")
    after = SalesforceSession(sandbox).query("SELECT Id FROM Organization")["records"]
    assert [row["Id"] for row in after] == [new_id] and new_id != before["Id"]
