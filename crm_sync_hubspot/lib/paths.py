"""Every path of the API that this module calls, for one version."""

from __future__ import annotations

import re
from urllib.parse import quote

from .const import API_VERSION

_DATED = re.compile(r"\d{4}-\d{2}")


class Paths:
    """Builds paths; the version is known here and nowhere else.

    :param version: a date (`2026-09`) or `v3` for the legacy paths.
    :raises ValueError: for anything else.
    """

    def __init__(self, version: str = API_VERSION):
        if version != "v3" and not _DATED.fullmatch(version):
            raise ValueError(f"unknown HubSpot API version {version!r}")
        self.version = version
        self.legacy = version == "v3"

    def objects(self, object_name: str, *rest: str) -> str:
        """Return the path of records of an object type."""
        base = "/crm/v3/objects" if self.legacy else f"/crm/objects/{self.version}"
        return _join(base, object_name, *rest)

    def associations(self, from_name: str, to_name: str, *rest: str) -> str:
        """Return the path of the associations between two object types."""
        base = "/crm/v4/associations" if self.legacy else f"/crm/associations/{self.version}"
        return _join(base, from_name, to_name, *rest)

    def properties(self, object_name: str, *rest: str) -> str:
        """Return the path of property definitions."""
        return _join(self._versioned("crm", "properties"), object_name, *rest)

    def schemas(self) -> str:
        """Return the path of the account's custom object types."""
        return f"/crm-object-schemas/{self.version}/schemas"

    def pipelines(self, object_name: str) -> str:
        """Return the path of an object type's pipelines."""
        return _join(self._versioned("crm", "pipelines"), object_name)

    def owners(self) -> str:
        """Return the path of the account's owners."""
        return self._versioned("crm", "owners")

    def account(self) -> str:
        """Return the path of the account's details."""
        return f"/account-info/{self.version}/details"

    def tax_rates(self) -> str:
        """Return the path of the account's tax rates."""
        return f"/tax-rates/{'v1' if self.legacy else self.version}/tax-rates"

    def token(self) -> str:
        """Return the path of the OAuth token endpoint."""
        return f"/oauth/{'v1' if self.legacy else self.version}/token"

    def _versioned(self, family: str, name: str) -> str:
        return f"/{family}/v3/{name}" if self.legacy else f"/{family}/{name}/{self.version}"


def _join(base: str, *parts: str) -> str:
    """Append path parts; ids and names are escaped, so that none can leave its place."""
    return "/".join((base, *(quote(str(part), safe="") for part in parts)))
