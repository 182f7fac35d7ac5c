import time

from odoo.tests import BaseCase

from ..lib import outbound_message as om

NOTIFICATION = """<Notification><Id>04l{n}</Id>
<sObject xsi:type="sf:{kind}" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">{fields}</sObject></Notification>"""


def message(*notifications, organization="00DD0000000FH8l", declaration='<?xml version="1.0" encoding="UTF-8"?>'):
    return f"""{declaration}
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>
 <notifications xmlns="http://soap.sforce.com/2005/09/outbound">
  <OrganizationId>{organization}</OrganizationId><ActionId>04kD00000000002</ActionId>
  <SessionId xsi:nil="true"/><EnterpriseUrl>https://x</EnterpriseUrl><PartnerUrl>https://y</PartnerUrl>
  {''.join(notifications)}
 </notifications></soapenv:Body></soapenv:Envelope>"""


def notification(n=1, kind="Opportunity", fields="<sf:Id>006D000000A1b2c</sf:Id><sf:Name>A &amp; B</sf:Name>"):
    return NOTIFICATION.format(n=f"D000000000{n:02d}", kind=kind, fields=fields)


class TestOutboundMessage(BaseCase):
    def refused(self, body):
        with self.assertRaises(om.MalformedMessage) as caught:
            om.parse(body if isinstance(body, bytes) else body.encode())
        self.assertLess(len(str(caught.exception)), 80)

    def test_ids_come_out_long_and_fields_as_text(self):
        bare = notification(2, fields="<sf:Id>006D000000A1b2c</sf:Id><sf:X/>")
        found = om.parse(message(notification(), bare).encode())
        self.assertEqual(found.organization_id, "00DD0000000FH8lMAG")
        first, second = found.notifications
        self.assertEqual((first.object_name, first.record_id[:15]), ("Opportunity", "006D000000A1b2c"))
        self.assertEqual(len(first.notification_id), 18)
        self.assertEqual((first.fields, second.fields), ({"Name": "A & B"}, {}))

    def test_long_organization_ids_are_the_same(self):
        found = om.parse(message(notification(), organization="00DD0000000FH8lMAG").encode())
        self.assertEqual(found.organization_id, "00DD0000000FH8lMAG")

    def test_a_hundred_are_taken_and_no_more(self):
        hundred = [notification(n % 99) for n in range(100)]
        self.assertEqual(len(om.parse(message(*hundred).encode()).notifications), 100)
        self.refused(message(*hundred, notification()))
        self.refused(message())

    def test_what_is_refused(self):
        for body in (
            b"", b"no xml", b"{}", message(notification())[:-20], "<a/>",
            message(notification(), organization="nonsense"), message(notification(), organization=""),
            message(notification(kind="")), message(notification(kind="a b")),
            message(notification(fields="")), message(notification(fields="<sf:Id>x</sf:Id>")),
            message("<Notification><Id>04lD00000000001</Id></Notification>"),
            message(NOTIFICATION.format(n="", kind="A", fields="<sf:Id>006D000000A1b2c</sf:Id>")),
            message(notification()).encode("utf-16"), b"\xff\xfe", b" " * (om.MAX_BYTES + 1),
        ):
            self.refused(body)

    def test_entities_are_never_expanded_or_fetched(self):
        bomb = "<!DOCTYPE x [<!ENTITY a 'ha'>" + "".join(
            f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9)) + "]>"
        file = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
        remote = '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/evil.dtd">'
        for doctype, entity in ((bomb, "&j;"), (file, "&f;"), (remote, "")):
            body = message(notification(fields=f"<sf:Id>006D000000A1b2c</sf:Id><sf:Name>{entity}</sf:Name>"))
            head, rest = body.split("?>", 1)
            started = time.monotonic()
            self.refused(f"{head}?>{doctype}{rest}")
            self.assertLess(time.monotonic() - started, 1)

    def test_another_declared_encoding_hides_nothing(self):
        body = message(notification(), declaration='<?xml version="1.0" encoding="UTF-7"?>')
        self.assertEqual(len(om.parse(body.encode()).notifications), 1)
        self.assertEqual(len(om.parse(b"\xef\xbb\xbf" + body.encode()).notifications), 1)

    def test_comments_and_instructions_are_passed_over(self):
        fields = "<!-- x --><sf:Id>006D000000A1b2c</sf:Id><?pi y?><sf:Name>a<!-- z -->b</sf:Name>"
        found = om.parse(message(notification(fields=fields)).encode())
        self.assertEqual(found.notifications[0].fields, {"Name": "ab"})

    def test_the_answer_is_what_salesforce_reads(self):
        from lxml import etree

        for accepted in (True, False):
            root = etree.fromstring(om.acknowledgement(accepted))
            ack = root.find(f"{{{om.SOAP}}}Body/{{{om.OUTBOUND}}}notificationsResponse/{{{om.OUTBOUND}}}Ack")
            self.assertEqual(ack.text, "true" if accepted else "false")
