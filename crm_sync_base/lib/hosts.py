"""Which addresses may be called: the guard against request forgery.

A connection's URL, and every URL that a provider hands us, must lead to the
provider's own hosts over https. Only a sandbox connection may call this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from .errors import PolicyBlocked

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def is_loopback(url: str) -> bool:
    """Return whether an address is on this machine: a stand-in, not the provider itself."""
    return (urlsplit(url or "").hostname or "").lower() in LOOPBACK


@dataclass(frozen=True, slots=True)
class HostPolicy:
    """The hosts of one connection.

    :param allowed: host names, or suffixes written `*.example.com`.
    :param loopback: whether this machine may be called, also without TLS.
    """

    allowed: tuple[str, ...]
    loopback: bool = False

    def check(self, url: str) -> None:
        """Refuse an address that leaves the provider.

        :raises PolicyBlocked: says what is allowed.
        """
        parts = urlsplit(url or "")
        host = (parts.hostname or "").lower()
        if self.loopback and host in LOOPBACK and parts.scheme in ("http", "https"):
            return
        if parts.scheme != "https":
            raise PolicyBlocked("Only https addresses are allowed.", hint="Correct the address on the connection.")
        if not any(_matches(host, pattern.lower()) for pattern in self.allowed):
            raise PolicyBlocked(
                f"Calls to {host or url} are not allowed. Allowed are: {', '.join(self.allowed) or 'none'}.",
                hint="Correct the address on the connection.",
            )


def _matches(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:])
    return host == pattern
