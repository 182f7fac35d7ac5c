"""Idempotency keys: the first answer is kept for a day and given again.

The rules of the API reference: keys of up to 255 characters on POST; the answer,
even a 500, is kept once the request began to execute; other parameters or another
endpoint under the same key are refused; refused parameters are not kept.
"""

from __future__ import annotations

import hashlib
import json

from . import const, errors

_KIND = "stripe/_idempotency"
MAX_LENGTH = 255


class Idempotency:
    """The kept answers of the account.

    :param ctx: the sandbox's shared parts.
    """

    def __init__(self, ctx):
        self.ctx = ctx
        self._executing: set[str] = set()

    @staticmethod
    def check(key: str) -> None:
        """Refuse keys that are too long or empty."""
        if not 0 < len(key) <= MAX_LENGTH:
            raise errors.invalid_request(
                f"The idempotency key must be 1 to {MAX_LENGTH} characters long."
            )

    def begin(self, key: str, path: str, sent: dict) -> dict | None:
        """Claim a key.

        :param sent: the parameters as they were sent.
        :return: the kept answer (status, body, request), or None when this request
            executes; then `finish` or `abandon` must follow.
        :raise StripeError: the key belongs to another request, or that is executing.
        """
        kept = self.ctx.store.get(_KIND, key)
        if kept and kept["created"] <= self.ctx.clock.time() - const.IDEMPOTENCY_SECONDS:
            self.ctx.store.delete(_KIND, key)
            kept = None
        if kept:
            if kept["path"] != path:
                raise errors.idempotency_other_endpoint(key, path, kept["path"])
            if kept["sent"] != digest(sent):
                raise errors.idempotency_mismatch(key)
            return kept
        if key in self._executing:
            raise errors.idempotency_in_use(key)
        self._executing.add(key)
        return None

    def finish(self, key: str, path: str, sent: dict, request: str, status: int, body):
        """Keep the answer."""
        self._executing.discard(key)
        self.ctx.store.put(
            _KIND,
            key,
            {
                "path": path,
                "sent": digest(sent),
                "request": request,
                "status": status,
                "body": body,
                "created": self.ctx.clock.time(),
            },
        )

    def abandon(self, key: str) -> None:
        """Free the key: nothing was executed."""
        self._executing.discard(key)


def digest(sent: dict) -> str:
    """:return: a fingerprint of the parameters; their order does not matter."""
    text = json.dumps(sent, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
