"""Outbound messages: what is sent, when it counts as delivered, faults."""

import http.server
import threading
import time
import xml.etree.ElementTree as ElementTree

import pytest
import requests

NS = {
    "s": "http://schemas.xmlsoap.org/soap/envelope/",
    "o": "http://soap.sforce.com/2005/09/outbound",
    "sf": "urn:sobject.enterprise.soap.sforce.com",
}
XSI = "{http://www.w3.org/2001/XMLSchema-instance}"


def ack(value="true"):
    return (
        '<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">'
        '<soapenv:Body><notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound">'
        f"<Ack>{value}</Ack></notificationsResponse></soapenv:Body></soapenv:Envelope>"
    )


class Listener:
    """A loopback server that keeps what it got and answers from a list, then with Ack."""

    def __init__(self):
        self.received, self.answers = [], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.received.append((dict(self.headers), body))
                status, text = outer.answers.pop(0) if outer.answers else (200, ack())
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/om/secret"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def wait(self, count, seconds=5):
        deadline = time.monotonic() + seconds
        while len(self.received) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(self.received) >= count, f"{len(self.received)} of {count} messages"
        return [Message(body) for _headers, body in self.received]


class Message:
    def __init__(self, body):
        root = ElementTree.fromstring(body)
        self.node = root.find("s:Body/o:notifications", NS)
        self.organization = self.node.findtext("o:OrganizationId", None, NS)
        self.session = self.node.find("o:SessionId", NS)
        self.notifications = self.node.findall("o:Notification", NS)
        self.ids = [n.findtext("o:Id", None, NS) for n in self.notifications]
        self.records = [
            {child.tag.split("}")[1]: child.text for child in n.find("o:sObject", NS)} for n in self.notifications
        ]


@pytest.fixture
def listener():
    found = Listener()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def configured(sandbox, listener):
    """An outbound message on won opportunities; removed afterwards."""
    sandbox.admin("DELETE", "webhooks", params={"vendor": "salesforce"})
    config = sandbox.admin(
        "POST",
        "salesforce/outbound-messages",
        json={
            "object": "Opportunity",
            "url": listener.url,
            "when": {"IsWon": True},
            "fields": ["Id", "Name", "StageName", "Amount", "CloseDate", "SystemModstamp", "IsWon", "NextStep"],
        },
    )
    yield config
    sandbox.admin("DELETE", f"salesforce/outbound-messages/{config['id']}")


def win(sandbox, **spec):
    return sandbox.admin("POST", "salesforce/deals", json={"win": True, **spec})["opportunity_id"]


def test_a_won_deal_is_announced(sandbox, sf, listener, configured):
    deal = sandbox.admin("POST", "salesforce/deals", json={"name": "A & B <deal>"})["opportunity_id"]
    time.sleep(0.3)
    assert listener.received == []
    sandbox.admin("POST", f"salesforce/opportunities/{deal}/win")
    (message,) = listener.wait(1)
    headers = listener.received[0][0]
    assert headers["Content-Type"].startswith("text/xml") and headers["SOAPAction"] == '""'
    assert message.organization == sf.credentials["organization_id"]
    assert message.session.attrib[XSI + "nil"] == "true" and message.session.text is None
    (record,) = message.records
    assert record["Id"] == deal and record["Name"] == "A & B <deal>" and record["IsWon"] == "true"
    assert record["Amount"] == "3124.20" and record["SystemModstamp"].endswith(".000Z")
    assert "NextStep" not in record
    assert message.ids[0].startswith("04l") and len(message.ids[0]) == 18
    assert sandbox.wait_deliveries("salesforce", 1)[0]["attempts"][0]["accepted"] is True


def test_fifteen_character_organisation_ids(sandbox, sf, listener, configured):
    sandbox.admin("POST", "salesforce/outbound-messages", json={**configured, "org_id_length": 15})
    win(sandbox)
    assert listener.wait(1)[0].organization == sf.credentials["organization_id"][:15]


def test_many_changes_come_in_messages_of_a_hundred(sandbox, sf, listener, configured):
    ids = [
        sf.create("Opportunity", Name=f"Many {n}", StageName="Prospecting", CloseDate="2026-12-01") for n in range(120)
    ]
    rows = [{"attributes": {"type": "Opportunity"}, "id": i, "StageName": "Closed Won"} for i in ids]
    sf.call("PATCH", "composite/sobjects", json={"records": rows})
    messages = listener.wait(2)
    sizes = [len(message.notifications) for message in messages]
    assert sorted(sizes) == [20, 100]
    assert {record["Id"] for message in messages for record in message.records} == set(ids)
    assert len({found for message in messages for found in message.ids}) == 120


@pytest.mark.parametrize("answer", [(500, "x"), (200, "no xml"), (200, ack("false")), (204, ""), (302, ack())])
def test_anything_but_an_ack_is_tried_again(sandbox, listener, configured, answer):
    listener.answers = [answer, answer]
    win(sandbox)
    messages = listener.wait(3)
    assert len({message.ids[0] for message in messages}) == 1
    assert [a["accepted"] for a in sandbox.wait_deliveries("salesforce", 1)[0]["attempts"]] == [False, False, True]


def test_a_retry_carries_the_values_of_its_moment(own_sandbox, listener):
    from .conftest import SalesforceSession

    sandbox = own_sandbox("--seed", "empty", "--retry-scale", "0.05")
    sf = SalesforceSession(sandbox)
    sandbox.admin(
        "POST",
        "salesforce/outbound-messages",
        json={"object": "Account", "url": listener.url, "fields": ["Name"], "on": ["create"]},
    )
    listener.answers = [(500, "later")]
    account = sf.create("Account", Name="Old name")
    listener.wait(1)
    sf.call("PATCH", f"sobjects/Account/{account}", json={"Name": "New name"})
    first, second = listener.wait(2)
    assert (first.records[0]["Name"], second.records[0]["Name"]) == ("Old name", "New name")
    assert first.ids == second.ids


def test_a_deleted_record_has_no_data(own_sandbox, listener):
    from .conftest import SalesforceSession

    sandbox = own_sandbox("--seed", "empty", "--retry-scale", "0.05")
    sf = SalesforceSession(sandbox)
    sandbox.admin(
        "POST", "salesforce/outbound-messages", json={"object": "Account", "url": listener.url, "fields": ["Name"]}
    )
    listener.answers = [(500, "later")]
    account = sf.create("Account", Name="Soon gone")
    listener.wait(1)
    sf.call("DELETE", f"sobjects/Account/{account}")
    assert listener.wait(2)[1].records == [{"Id": account}]


def test_duplicates(sandbox, listener, configured):
    sandbox.fault("salesforce", "webhook_duplicate", copies=3, times=1)
    win(sandbox)
    assert len({message.ids[0] for message in listener.wait(3)}) == 1


def test_reordering(sandbox, listener, configured):
    sandbox.fault("salesforce", "webhook_reorder", ms=400, times=1)
    first = win(sandbox)
    time.sleep(0.15)
    second = win(sandbox)
    assert [message.records[0]["Id"] for message in listener.wait(2)] == [second, first]


def test_a_foreign_organisation(sandbox, sf, listener, configured):
    sandbox.fault("salesforce", "webhook_bad_signature", times=1)
    win(sandbox)
    assert listener.wait(1)[0].organization != sf.credentials["organization_id"]


def test_lost_and_sent_again_by_hand(sandbox, listener, configured):
    sandbox.fault("salesforce", "webhook_drop", times=1)
    deal = win(sandbox)
    lost = sandbox.wait_deliveries("salesforce", 1, state="dropped")[0]
    sandbox.admin("POST", f"webhooks/{lost['id']}/resend")
    assert listener.wait(1)[0].records[0]["Id"] == deal
    sandbox.admin("POST", f"salesforce/outbound-messages/{configured['id']}/send", json={"ids": [deal]})
    assert listener.wait(2)[1].ids != listener.wait(2)[0].ids


def test_a_change_that_is_rolled_back_is_not_announced(sandbox, sf, listener, configured):
    deal = sandbox.admin("POST", "salesforce/deals", json={})["opportunity_id"]
    rows = [
        {"attributes": {"type": "Opportunity"}, "id": deal, "StageName": "Closed Won"},
        {"attributes": {"type": "Opportunity"}, "id": deal, "Nope": 1},
    ]
    sf.call("PATCH", "composite/sobjects", json={"records": rows, "allOrNone": True})
    time.sleep(0.3)
    assert listener.received == [] and sf.get("Opportunity", deal)["IsWon"] is False


def test_pending_messages_survive_a_kill(own_sandbox, listener, tmp_path):
    sandbox = own_sandbox("--retry-scale", "0.1", state=tmp_path / "om.sqlite")
    sandbox.admin(
        "POST",
        "salesforce/outbound-messages",
        json={"object": "Opportunity", "url": listener.url, "when": {"IsWon": True}, "fields": ["Name"]},
    )
    listener.answers = [(500, "later")]
    deal = win(sandbox)
    listener.wait(1)
    sandbox.wait_deliveries("salesforce", 1, state="pending")
    sandbox.stop(kill=True)
    sandbox.start()
    assert listener.wait(2)[1].records[0]["Id"] == deal


@pytest.mark.parametrize(
    "spec",
    [
        {"object": "Nope", "url": "http://127.0.0.1:1/"},
        {"object": "Account", "url": "ftp://x"},
        {"object": "Account", "url": "http://127.0.0.1:1/", "fields": ["Nope"]},
        {"object": "Account", "url": "http://127.0.0.1:1/", "org_id_length": 16},
    ],
)
def test_senseless_definitions(sandbox, spec):
    reply = requests.post(sandbox.url + "/_admin/salesforce/outbound-messages", json=spec, timeout=5)
    assert reply.status_code == 400


_SCHEMA = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:o="{o}"
  targetNamespace="{o}" elementFormDefault="qualified">
 <xs:simpleType name="ID"><xs:restriction base="xs:string"><xs:length value="18"/></xs:restriction></xs:simpleType>
 <xs:element name="notifications"><xs:complexType><xs:sequence>
  <xs:element name="OrganizationId" type="o:ID"/><xs:element name="ActionId" type="o:ID"/>
  <xs:element name="SessionId" type="xs:string" nillable="true"/><xs:element name="EnterpriseUrl" type="xs:string"/>
  <xs:element name="PartnerUrl" type="xs:string"/>
  <xs:element name="Notification" maxOccurs="100"><xs:complexType><xs:sequence>
   <xs:element name="Id" type="o:ID"/>
   <xs:element name="sObject"><xs:complexType>
   <xs:sequence><xs:any namespace="##other" processContents="skip" maxOccurs="unbounded"/></xs:sequence>
   <xs:anyAttribute processContents="skip"/></xs:complexType></xs:element>
  </xs:sequence></xs:complexType></xs:element>
 </xs:sequence></xs:complexType></xs:element></xs:schema>"""


def test_the_message_fits_the_published_shape(sandbox, listener, configured):
    etree = pytest.importorskip("lxml.etree")
    win(sandbox)
    listener.wait(1)
    envelope = etree.fromstring(listener.received[0][1])
    # xsi:type names a class of the org's own WSDL, which a general schema cannot know.
    for node in envelope.iter(f"{{{NS['o']}}}sObject"):
        assert node.attrib.pop(XSI + "type") == "sf:Opportunity"
    schema = etree.XMLSchema(etree.fromstring(_SCHEMA.format(o=NS["o"])))
    schema.assertValid(envelope.find("s:Body/o:notifications", NS))
