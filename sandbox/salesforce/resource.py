"""What a REST resource takes and returns, whether called directly or in a composite."""

import dataclasses


@dataclasses.dataclass
class Call:
    """One request to a resource, direct or inside a composite."""

    method: str
    #: Path after the version, without leading or trailing slash, percent-decoded parts.
    path: str
    query: dict
    headers: dict
    body: object
    user_id: str
    version: str
    instance_url: str

    @property
    def base(self):
        """Return ``/services/data/vXX.0``."""
        return f"/services/data/v{self.version}"


@dataclasses.dataclass
class Reply:
    """Status, JSON body (None: no body) and headers."""

    status: int = 200
    body: object = None
    headers: dict = dataclasses.field(default_factory=dict)
