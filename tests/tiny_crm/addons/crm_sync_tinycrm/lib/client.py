"""Tiny CRM's API as the connector uses it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from odoo.addons.crm_sync_base.lib.declarations import Document, Page, RateState, Ref, Write, WriteResult
from odoo.addons.crm_sync_base.lib.errors import Bug, DataInvalid, RemoteGone, SyncError
from odoo.addons.crm_sync_base.lib.rest import Bearer, RestClient, code_of

BATCH = 100  #: records that one call may carry
WINDOW = 10.0  #: seconds of the window that its limit of calls counts in


class TinyClient(RestClient):
    """Calls to one account; further options as `RestClient`'s.

    :param version: of the API, the first part of its paths.
    """

    system = "Tiny CRM"

    def __init__(self, base_url: str, client_id: str, client_secret: str, version: str = "v1", **options: Any):
        super().__init__(base_url, **options)
        self._version = version
        self._credentials = {"client_id": client_id, "client_secret": client_secret}
        self.token = Bearer(self._fetch_token)

    def _fetch_token(self) -> tuple[str, float]:
        form = {"grant_type": "client_credentials", **self._credentials}
        answer = self.call("POST", "/oauth/token", form=form, authorised=False)
        return answer.body["access_token"], float(answer.body["expires_in"])

    def _observe(self, headers: Mapping[str, str]) -> None:
        if "Tiny-Calls-Left" in headers:
            left, limit = int(headers["Tiny-Calls-Left"]), int(headers["Tiny-Calls-Limit"])
            self._meter.on_rate(RateState(left, limit, WINDOW))

    def _problems(self, body: Any) -> tuple[str, ...]:
        return problems_of((body or {}).get("error") or {}) if isinstance(body, dict) else ()

    def _path(self, *parts: str) -> str:
        return "/".join(("", self._version, *parts))

    # === Account and schema ===#

    def account(self) -> dict[str, Any]:
        """Return `{id, name, plan}`; the plan is `live` or `trial`."""
        return self.call("GET", self._path("account")).body

    def kinds(self) -> list[dict[str, Any]]:
        """Return `{name, label, custom}` of each kind of records."""
        return self.call("GET", self._path("kinds")).body["kinds"]

    def fields(self, kind: str) -> list[dict[str, Any]]:
        """Return `{name, label, type, required, custom, to?}` of each field."""
        return self.call("GET", self._path("kinds", kind, "fields")).body["fields"]

    def ensure_fields(self, kind: str, wanted: Iterable[Mapping[str, str]]) -> None:
        """Create the fields that are missing; a second time does nothing."""
        present = {field["name"] for field in self.fields(kind)}
        for field in wanted:
            if field["name"] not in present:
                self.call("POST", self._path("kinds", kind, "fields"), dict(field))

    def set_webhook(self, url: str, secret: str) -> None:
        """Have events sent to an address, signed with a secret."""
        self.call("PUT", self._path("webhook"), {"url": url, "secret": secret})

    # === Records ===#

    def documents(self, kind: str, ids: Iterable[str]) -> list[Document]:
        """Return the present state of records; what was never there is left out."""
        answer = self.call("POST", self._path("records", kind, "read"), {"ids": list(ids)})
        return [
            Document(
                record["id"],
                {"id": record["id"], "changed_at": record["changed_at"], **record["fields"]},
                version_of(record["revision"]),
                deleted=record["deleted"],
                merged_into=record["merged_into"],
            )
            for record in answer.body["records"]
        ]

    def changes(self, kind: str, cursor: str) -> Page:
        """Return what changed after a cursor (empty: everything), each record once.

        The sequence has no gaps and nothing appears in it late, so nothing overlaps.
        """
        parameters = {"kind": kind, "after": cursor or "0", "limit": BATCH}
        body = self.call("GET", self._path("changes"), params=parameters).body
        refs = tuple(
            Ref(one["id"], version_of(one["revision"]), source_id=one["event"], event_type=f"{kind}.{one['type']}")
            for one in body["changes"]
        )
        return Page(refs, str(body["next"]), done=not body["more"])

    def count(self, kind: str, conditions: Mapping[str, str]) -> int:
        """Return how many records have these values."""
        return self.call("GET", self._path("count"), params={"kind": kind, **conditions}).body["count"]

    def put(self, kind: str, writes: Iterable[Write]) -> list[WriteResult]:
        """Create or update records; each key has its effect once."""
        by_key = {write.idempotency_key: write for write in writes}
        asked = [
            {"key": key, "id": write.external_id, "fields": write.values} for key, write in by_key.items()
        ]
        answer = self.call("POST", self._path("records", kind, "write"), {"writes": asked})
        return [_result(by_key[result["key"]], result) for result in answer.body["results"]]


def version_of(revision: int) -> str:
    """Return a revision as text that sorts as numbers do."""
    return f"{revision:012d}"


def moment(seconds: int) -> datetime:
    """Return a Unix time as the engine keeps moments: naive UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None)


def problems_of(error: Mapping[str, Any]) -> tuple[str, ...]:
    """Return `field: code` of each problem of an error; never a value."""
    return tuple(f"{code_of(one.get('field'))}: {code_of(one.get('code'))}" for one in error.get("problems") or ())


def _result(write: Write, result: Mapping[str, Any]) -> WriteResult:
    if "error" in result:
        return WriteResult(write.key, write.external_id, error=_error(result["error"]))
    return WriteResult(write.key, result["id"], version_of(result["revision"]), result["created"])


def _error(error: Mapping[str, Any]) -> SyncError:
    problems, code = problems_of(error), code_of(error.get("code"))
    if code == "not_found":
        return RemoteGone("Tiny CRM does not have the record.")
    if code == "key_reused":
        return Bug("Tiny CRM knows this call's key with other values.")
    return DataInvalid(
        f"Tiny CRM does not accept the data: {', '.join(problems) or code}.",
        hint="Correct the value in Odoo, or the mapping, then retry.",
        problems=problems,
        fingerprint=f"tinycrm {code} {problems}",
    )
