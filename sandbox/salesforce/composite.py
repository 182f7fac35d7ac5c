"""``POST composite``: up to 25 calls in one, with references between them."""

import json
import re
from decimal import Decimal
from urllib.parse import parse_qsl, urlsplit

from .errors import SalesforceError
from .resource import Call, Reply

MAX_CALLS, MAX_QUERIES = 25, 5
_REFERENCE = re.compile(r"@\{(\w+)\.([\w.\[\]]+)\}")


class _RollBack(Exception):
    """Ends an all-or-none request whose call number ``failed`` failed."""

    def __init__(self, failed):
        super().__init__("roll back")
        self.failed = failed


class Composite:
    """Runs the calls one after another."""

    def __init__(self, org, rest):
        self.org, self.rest = org, rest

    def table(self):
        """Return the resources, see ``Rest.table``."""
        return [("POST", r"composite", self.run)]

    def run(self, call):
        """Run all; the whole answers 200, each call has its own status."""
        calls = self._checked(call)
        replies = []
        try:
            with self.org.store.atomic():
                for number, item in enumerate(calls):
                    reply = self._one(call, item, replies)
                    replies.append((item["referenceId"], reply))
                    if reply.status >= 300 and call.body.get("allOrNone"):
                        raise _RollBack(number)
        except _RollBack as stop:
            replies = self._halted(calls, replies, stop.failed)
        return Reply(body={"compositeResponse": [
            {"body": reply.body, "httpHeaders": reply.headers, "httpStatusCode": reply.status,
             "referenceId": reference} for reference, reply in replies]})

    def _checked(self, call):
        body = call.body if isinstance(call.body, dict) else {}
        calls = body.get("compositeRequest")
        if not isinstance(calls, list) or not calls:
            raise SalesforceError(400, "INVALID_INPUT", "compositeRequest must not be empty")
        if len(calls) > MAX_CALLS:
            raise SalesforceError(
                400, "LIMIT_EXCEEDED", f"The request can't have more than {MAX_CALLS} subrequests")
        heavy = [c for c in calls if re.search(r"/(query|queryAll|composite/sobjects)\b", c.get("url", ""))]
        if len(heavy) > MAX_QUERIES:
            raise SalesforceError(
                400, "LIMIT_EXCEEDED",
                f"The request can't have more than {MAX_QUERIES} query and collection subrequests")
        references = [item.get("referenceId") for item in calls]
        if None in references or len(set(references)) != len(references):
            raise SalesforceError(400, "INVALID_INPUT", "referenceId must be given and unique")
        return calls

    def _one(self, call, item, replies):
        known = {reference: reply for reference, reply in replies if reply.status < 300}
        try:
            item = json.loads(
                _substitute(json.dumps(item, default=_plain), known), parse_float=Decimal)
        except KeyError as missing:
            return Reply(400, [{"errorCode": "PROCESSING_HALTED", "message":
                                f"Invalid reference specified. No value for {missing.args[0]} found"}])
        parts = urlsplit(item["url"])
        path = re.sub(r"^/services/data/v\d+\.0/?", "", parts.path)
        if path.strip("/") == "composite":
            return Reply(400, [{"errorCode": "INVALID_INPUT", "message": "composite cannot be nested"}])
        return self.rest.call(Call(
            item.get("method", "GET").upper(), path, dict(parse_qsl(parts.query)),
            item.get("httpHeaders") or {}, item.get("body"), call.user_id, call.version,
            call.instance_url))

    def _halted(self, calls, replies, failed):
        halted = [{"errorCode": "PROCESSING_HALTED", "message":
                   "The transaction was rolled back since another operation in the same"
                   " transaction failed."}]
        return [
            (item["referenceId"], replies[number][1] if number == failed else Reply(400, halted))
            for number, item in enumerate(calls)]


def _plain(value):
    return float(value) if isinstance(value, Decimal) else str(value)


def _substitute(text, known):
    """Replace ``@{ref.path}`` in JSON text; KeyError names what is missing."""
    def value(match):
        reference, path = match[1], match[2]
        found = known[reference].body if reference in known else None
        for step in re.findall(r"\w+", path):
            if isinstance(found, list) and step.isdigit() and int(step) < len(found):
                found = found[int(step)]
            elif isinstance(found, dict) and step in found:
                found = found[step]
            else:
                raise KeyError(f"{reference}.{path}")
        return json.dumps(found)[1:-1] if isinstance(found, str) else json.dumps(found)
    return _REFERENCE.sub(value, text)
