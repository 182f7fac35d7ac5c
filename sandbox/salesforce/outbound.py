"""Outbound messages: SOAP notifications about changed records.

At least once, unordered, up to 100 notifications a message, with the field values of
the moment of sending, retried for 24 hours. The session id is always empty.
"""

import xml.etree.ElementTree as ElementTree
from decimal import Decimal
from xml.sax.saxutils import escape

from sandbox.webhooks import Outgoing, Sender

from .values import show

VENDOR = "salesforce"
CONFIG = "salesforce/_outbound"
MAX_BATCH = 100
#: Seconds in which changes are gathered into one message.
GATHER = 0.05
FIRST_RETRY, LONGEST_RETRY, GIVE_UP = 15.0, 7200.0, 86400.0

_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_OUTBOUND = "http://soap.sforce.com/2005/09/outbound"
_SOBJECT = "urn:sobject.enterprise.soap.sforce.com"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"


class OutboundError(ValueError):
    """A configuration that makes no sense; the message says why."""


class OutboundMessages:
    """Which changes are announced to which URL."""

    def __init__(self, org):
        self.org = org

    def configure(self, spec):
        """Create or replace a message definition.

        :param spec: ``{object, url, fields, id?, when?, on?, org_id_length?, active?}``.
            ``when`` are field values that the changed record must have, ``on`` a list of
            ``create`` and ``update`` (default both), ``org_id_length`` 15 or 18 (default).
        :raises OutboundError: unknown object or field, bad URL.
        """
        sobject = self.org.schema.get(spec.get("object", ""))
        if sobject is None:
            raise OutboundError(f"no object {spec.get('object')!r}")
        if not str(spec.get("url", "")).startswith(("http://", "https://")):
            raise OutboundError("url must start with http:// or https://")
        fields = spec.get("fields") or ["Id"]
        unknown = [name for name in [*fields, *(spec.get("when") or {})]
                   if sobject.field(name) is None]
        if unknown:
            raise OutboundError(f"no such fields on {sobject.name}: {unknown}")
        if spec.get("org_id_length", 18) not in (15, 18):
            raise OutboundError("org_id_length is 15 or 18")
        config_id = spec.get("id") or self.org.new_ids("04k")[0]
        return self.org.store.put(CONFIG, config_id, {
            "id": config_id, "object": sobject.name, "url": spec["url"], "fields": fields,
            "when": spec.get("when") or {}, "on": spec.get("on") or ["create", "update"],
            "org_id_length": spec.get("org_id_length", 18), "active": spec.get("active", True)})

    def changed(self, sobject, old, new):
        """Queue notifications for a written record."""
        event = "create" if old is None else "update"
        for config in self.org.store.scan(CONFIG):
            if config["object"] != sobject.name or not config["active"]:
                continue
            if event in config["on"] and all(
                    new.get(name) == value for name, value in config["when"].items()):
                self.notify(config, [new["Id"]])

    def notify(self, config, record_ids):
        """Queue one notification for each record id."""
        items = [{"notification": notification, "record": record_id} for notification, record_id
                 in zip(self.org.new_ids("04l", len(record_ids)), record_ids, strict=True)]
        return self.org.ctx.webhooks.enqueue(
            VENDOR, config["url"], items, meta={"config": config["id"]}, max_batch=MAX_BATCH,
            wait=GATHER)


class OutboundSender(Sender):
    """Delivers messages; anything but ``Ack`` = true is a failure."""

    timeout = 60.0

    def __init__(self, org):
        self.org = org

    def build(self, delivery, attempt, bad_signature=False):
        """Render the message with present values.

        Messages are not signed; the fault of a bad signature makes one that claims to
        come from another organisation.
        """
        config = self.org.store.get(CONFIG, delivery["meta"]["config"])
        if config is None:
            return None
        org_id = "00D000000000062EAA" if bad_signature else self.org.organization["Id"]
        body = render(
            self.org, config, delivery["items"], org_id[:config["org_id_length"]])
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""',
                   "User-Agent": "Jakarta Commons-HttpClient/3.1"}
        return Outgoing(delivery["url"], headers, body.encode())

    def accepted(self, status, headers, body):
        """Only HTTP 200 with ``<Ack>true</Ack>`` counts."""
        if status != 200:
            return False
        try:
            ack = ElementTree.fromstring(body).find(f".//{{{_OUTBOUND}}}Ack")
        except ElementTree.ParseError:
            return False
        return ack is not None and (ack.text or "").strip() in ("true", "1")

    def next_delay(self, attempt):
        """Double from 15 s up to 2 h, give up when 24 h are over."""
        delays = [min(LONGEST_RETRY, FIRST_RETRY * 2 ** i) for i in range(attempt)]
        return None if sum(delays) > GIVE_UP else delays[-1]


def render(org, config, items, org_id):
    """Return the SOAP 1.1 envelope of one message."""
    sobject = org.schema.get(config["object"])
    notifications = "".join(_notification(org, sobject, config, item) for item in items)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<soapenv:Envelope xmlns:soapenv="{_SOAP}"'
        ' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
        f' xmlns:xsi="{_XSI}">\n <soapenv:Body>\n'
        f'  <notifications xmlns="{_OUTBOUND}">\n'
        f"   <OrganizationId>{org_id}</OrganizationId>\n   <ActionId>{config['id']}</ActionId>\n"
        '   <SessionId xsi:nil="true"/>\n'
        f"   <EnterpriseUrl>{_service_url(org, 'c', org_id)}</EnterpriseUrl>\n"
        f"   <PartnerUrl>{_service_url(org, 'u', org_id)}</PartnerUrl>\n"
        f"{notifications}  </notifications>\n </soapenv:Body>\n</soapenv:Envelope>")


def _service_url(org, flavour, org_id):
    instance = org.organization.get("InstanceName") or "Q2C"
    return f"https://{instance.lower()}.my.salesforce.com/services/Soap/{flavour}/67.0/{org_id[:15]}"


def _notification(org, sobject, config, item):
    """Return one notification; a deleted record has no data any more."""
    record = org.live(sobject.name, item["record"])
    names = config["fields"] if record else []
    fields = "".join(
        _element(sobject.field(name), record) for name in names if name.lower() != "id")
    return (
        f"   <Notification>\n    <Id>{item['notification']}</Id>\n"
        f'    <sObject xsi:type="sf:{sobject.name}" xmlns:sf="{_SOBJECT}">\n'
        f"     <sf:Id>{item['record']}</sf:Id>\n{fields}    </sObject>\n   </Notification>\n")


def _element(field, record):
    """Return a field's element; null fields are left out, as the vendor does."""
    if field is None or field.type == "address":
        return ""
    stored = record.get(field.name)
    value = stored if isinstance(stored, Decimal) else show(field, record)
    if value is None:
        return ""
    if isinstance(value, bool):
        value = str(value).lower()
    elif field.type == "datetime":
        value = value.replace("+0000", "Z")
    return f"     <sf:{field.name}>{escape(str(value))}</sf:{field.name}>\n"
