"""Outbound messages: read the SOAP request safely, answer it.

Salesforce does not sign them: whoever receives one checks the organisation's id (15 or
18 characters) and fetches the record with credentials of its own. The session id in
them is always empty. A message has up to 100 notifications; it is repeated until it is
answered with an Ack, possibly more than once and out of order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lxml import etree

from .ids import InvalidId, to18

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
OUTBOUND = "http://soap.sforce.com/2005/09/outbound"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

#: of the vendor: notifications of one message
MAX_NOTIFICATIONS = 100
#: far above a hundred notifications with every field of an object
MAX_BYTES = 4 * 1024 * 1024

CONTENT_TYPE = "text/xml; charset=utf-8"

_OBJECT = re.compile(r"(?:[A-Za-z_][\w.-]*:)?([A-Za-z][A-Za-z0-9_]*)", re.ASCII)


class MalformedMessage(ValueError):
    """The body is no outbound message; the text says why, without quoting it."""


@dataclass(frozen=True, slots=True)
class MessageNotification:
    """One changed record; fields that are empty or not selected are absent."""

    notification_id: str  #: equal in every repetition: de-duplicate by it
    object_name: str
    record_id: str
    fields: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """One message; ids have 18 characters."""

    organization_id: str
    action_id: str
    notifications: tuple[MessageNotification, ...]


def parse(body: bytes) -> OutboundMessage:
    """Read a message.

    Document types are refused outright, so there are no entities to expand or fetch.

    :raises MalformedMessage: anything else than a well-formed outbound message.
    """
    root = _document(body)
    node = root.find(f"{{{SOAP}}}Body/{{{OUTBOUND}}}notifications")
    if root.tag != f"{{{SOAP}}}Envelope" or node is None:
        raise MalformedMessage("not an outbound message")
    found = node.findall(f"{{{OUTBOUND}}}Notification")
    if not 1 <= len(found) <= MAX_NOTIFICATIONS:
        raise MalformedMessage(f"a message has 1 to {MAX_NOTIFICATIONS} notifications")
    return OutboundMessage(
        _id(node, "OrganizationId"), _id(node, "ActionId"),
        tuple(_notification(item) for item in found))


def _document(body: bytes) -> etree._Element:
    if len(body) > MAX_BYTES:
        raise MalformedMessage("the message is too large")
    try:
        # Only UTF-8 comes from Salesforce; any other encoding could hide a DOCTYPE
        # from the check below.
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise MalformedMessage("the message is not UTF-8") from None
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise MalformedMessage("the message has a document type")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False,
        huge_tree=False, remove_comments=True, remove_pis=True)
    declaration = re.match(r"\s*<\?xml[^>]*\?>", text)
    try:
        # Without its declaration the text cannot name another encoding, either.
        return etree.fromstring(text[declaration.end() if declaration else 0:].encode(), parser)
    except etree.XMLSyntaxError:
        raise MalformedMessage("the message is not well-formed XML") from None


def _id(node: etree._Element, name: str) -> str:
    try:
        return to18(node.findtext(f"{{{OUTBOUND}}}{name}") or "")
    except InvalidId:
        raise MalformedMessage(f"{name} is missing or no Salesforce id") from None


def _notification(node: etree._Element) -> MessageNotification:
    record = node.find(f"{{{OUTBOUND}}}sObject")
    if record is None:
        raise MalformedMessage("a notification has no record")
    kind = _OBJECT.fullmatch(record.get(f"{{{XSI}}}type") or "")
    if kind is None:
        raise MalformedMessage("a notification does not name its object")
    values = {etree.QName(child).localname: child.text or "" for child in record}
    try:
        record_id = to18(values.pop("Id", ""))
    except InvalidId:
        raise MalformedMessage("a notification has no record id") from None
    return MessageNotification(
        _id(node, "Id"), kind[1], record_id, {name: value for name, value in values.items() if value})


def acknowledgement(accepted: bool = True) -> bytes:
    """Return the answer; without ``accepted`` Salesforce sends the message again."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<soapenv:Envelope xmlns:soapenv="{SOAP}"><soapenv:Body>'
        f'<notificationsResponse xmlns="{OUTBOUND}"><Ack>{"true" if accepted else "false"}</Ack>'
        "</notificationsResponse></soapenv:Body></soapenv:Envelope>"
    ).encode()
