"""Other people's clients drive the sandbox: simple-salesforce, and jsforce where it is installed.

``SANDBOX_NODE_MODULES`` names a folder with ``jsforce`` (and its dependencies).
"""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

simple_salesforce = pytest.importorskip("simple_salesforce")


@pytest.fixture
def client(sf):
    """A simple-salesforce client on the token; it only knows https hosts, so its base is set."""
    found = simple_salesforce.Salesforce(
        instance_url="https://127.0.0.1", session_id=sf.access_token, version="67.0")
    found.base_url = sf.base + "/"
    found.test_root = sf.root
    return found


def on_sandbox(client, name):
    sobject = getattr(client, name)
    sobject.base_url = f"{client.base_url}sobjects/{name}/"
    return sobject


def test_records_through_simple_salesforce(client):
    account = on_sandbox(client, "Account")
    created = account.create({"Name": "By simple-salesforce"})
    assert created["success"] is True
    assert account.get(created["id"])["Name"] == "By simple-salesforce"
    assert account.update(created["id"], {"Phone": "12"}) == 204
    assert account.upsert("Odoo_Partner__c/sdk-1", {"Name": "Upsert"}) == 201
    assert account.upsert("Odoo_Partner__c/sdk-1", {"Name": "Upsert"}) == 200
    assert account.get_by_custom_id("Odoo_Partner__c", "sdk-1")["Name"] == "Upsert"
    assert account.describe()["keyPrefix"] == "001"
    assert account.delete(created["id"]) == 204
    with pytest.raises(simple_salesforce.SalesforceResourceNotFound):
        account.get(created["id"])


def test_queries_through_simple_salesforce(client, sandbox):
    body = client.query_all("SELECT Id, Account.Name FROM Contact ORDER BY Id")
    assert body["done"] and body["totalSize"] == len(body["records"]) >= 40
    with pytest.raises(simple_salesforce.SalesforceMalformedRequest) as caught:
        client.query("SELECT Nope FROM Account")
    assert caught.value.content[0]["errorCode"] == "INVALID_FIELD"
    assert client.limits()["DailyApiRequests"]["Max"] == 100000
    assert client.api_usage["api-usage"].total == 100000
    assert len(client.describe()["sobjects"]) > 15
    sandbox.admin("POST", "salesforce/sessions/expire")
    with pytest.raises(simple_salesforce.SalesforceExpiredSession):
        client.query("SELECT Id FROM Account LIMIT 1")


def test_simple_salesforce_signs_an_acceptable_assertion(sf, monkeypatch):
    """Its login forces https; send the very same request to the sandbox instead."""
    import requests
    from simple_salesforce import login

    session = requests.Session()
    monkeypatch.setattr(session, "post", lambda url, data, **_ignored: requests.post(
        sf.root + "/services/oauth2/token", data=data, timeout=10))
    token, _instance = login.SalesforceLogin(
        session=session, username=sf.credentials["username"], domain="test",
        consumer_key=sf.credentials["client_id"], privatekey=sf.credentials["private_key"])
    sf.http.headers["Authorization"] = "Bearer " + token
    assert sf.call("GET", "limits").status_code == 200


_JSFORCE = """
const jsforce = require(process.argv[1] + '/jsforce');
const [instanceUrl, accessToken, clientId, clientSecret] = process.argv.slice(2);
(async () => {
  const conn = new jsforce.Connection({ instanceUrl, accessToken, version: '67.0' });
  const account = await conn.sobject('Account').create({ Name: 'By jsforce' });
  await conn.sobject('Account').update({ Id: account.id, Phone: '77' });
  const many = await conn.sobject('Contact').create(
    [...Array(450).keys()].map(n => ({ LastName: 'J' + n, AccountId: account.id })), { allowRecursive: true });
  const upsert = await conn.sobject('Account').upsert({ Odoo_Partner__c: 'js-1', Name: 'U' }, 'Odoo_Partner__c');
  const found = [];
  await new Promise((resolve, reject) => conn
    .query(`SELECT Id, Account.Name FROM Contact WHERE AccountId = '${account.id}'`)
    .on('record', r => found.push(r)).on('end', resolve).on('error', reject)
    .run({ autoFetch: true, maxFetch: 10000, headers: { 'Sforce-Query-Options': 'batchSize=200' } }));
  const chain = await conn.sobject('Contact').find({ AccountId: account.id, LastName: { $like: 'J1_' } })
    .sort({ LastName: 1 }).limit(3);
  const meta = await conn.sobject('Opportunity').describe();
  const who = await conn.identity().catch(e => ({ error: e.message }));
  let error; try { await conn.query('SELECT Nope FROM Account'); } catch (e) { error = e.errorCode; }
  const oauth = new jsforce.Connection({ instanceUrl, loginUrl: instanceUrl, version: '67.0',
    oauth2: { clientId, clientSecret, loginUrl: instanceUrl } });
  await oauth.authorize({ grant_type: 'client_credentials' });
  const again = await oauth.sobject('Account').retrieve(account.id);
  console.log(JSON.stringify({ many: many.filter(r => r.success).length, upsert: upsert.success,
    found: found.length, parent: found[0].Account.Name, chain: chain.map(r => r.LastName),
    fields: meta.fields.length, error, phone: again.Phone, limit: conn.limitInfo.apiUsage.limit,
    org: who.organization_id }));
})().catch(e => { console.error(e); process.exit(1); });
"""


def node_modules():
    folder = os.environ.get("SANDBOX_NODE_MODULES")
    if not folder or not shutil.which("node") or not (pathlib.Path(folder) / "jsforce").is_dir():
        pytest.skip("node or jsforce is not installed (SANDBOX_NODE_MODULES)")
    return folder


def test_jsforce(sf):
    folder = node_modules()
    run = subprocess.run(
        ["node", "-e", _JSFORCE, folder, sf.root, sf.access_token, sf.credentials["client_id"],
         sf.credentials["client_secret"]], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    got = json.loads(run.stdout.splitlines()[-1])
    assert got.pop("fields") > 40
    assert got == {
        "many": 450, "upsert": True, "found": 450, "parent": "By jsforce", "chain": ["J10", "J11", "J12"],
        "error": "INVALID_FIELD", "phone": "77", "limit": 100000,
        "org": sf.credentials["organization_id"]}
