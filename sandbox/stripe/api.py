"""The life of a request: key, version, parameters, idempotency, execution, answer."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections import deque

from aiohttp import web

from . import const, errors, form, settings
from .account import Account, random_text
from .errors import StripeError
from .expand import check, expand
from .idempotency import Idempotency
from .operation import Operation, Routes
from .params import read_members

FORM = "application/x-www-form-urlencoded"
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")


class Api:
    """Answers every request under `/stripe`.

    :param account: the account that all keys belong to.
    """

    def __init__(self, account: Account, operations: list[Operation]):
        self.account = account
        self.ctx = account.ctx
        self.routes = Routes(operations)
        self.idempotency = Idempotency(self.ctx)
        self.failures: list[dict] = []
        self._recent: deque[float] = deque()

    async def handle(self, request: web.Request) -> web.Response:
        """aiohttp handler of all paths. :return: always a JSON answer."""
        request_id = "req_" + random_text(14)
        path = request.path.removeprefix("/" + const.VENDOR)
        raw = await request.text()
        try:
            status, body, headers = await self._answer(request, path, raw, request_id)
        except StripeError as error:
            status, body, headers = error.status, error.body(request_id), error.headers
        shown = {
            "Request-Id": request_id,
            "Stripe-Version": const.API_VERSION,
            **headers,
        }
        return web.json_response(body, status=status, headers=shown)

    async def _answer(self, request: web.Request, path: str, raw: str, request_id: str):
        key_kind = self._authenticate(request)
        _check_version(request)
        found = self.routes.match(request.method, path)
        if found is None:
            raise errors.unknown_url(request.method, path)
        operation, ids = found
        self._check_permission(key_kind, operation)
        self._check_rate()
        sent = _sent(request, raw)
        key = request.headers.get("Idempotency-Key")
        if request.method != "POST" or key is None:
            return await self._execute(operation, ids, sent, request_id, None)
        return await self._once(operation, ids, sent, request_id, key, path)

    # -- who asks -------------------------------------------------------------------

    def _authenticate(self, request: web.Request) -> str:
        """:return: `secret` or `restricted`. :raise StripeError: 401."""
        key = _api_key(request)
        keys = {api_keys(self.ctx)[kind]: kind for kind in ("secret", "restricted")}
        known = key in keys and not request.get("expired_key")
        request["auth_ok"] = known
        if not key:
            raise errors.missing_api_key()
        if request.get("expired_key"):
            raise StripeError(401, "invalid_request_error",
                              f"Expired API Key provided: {key[:8]}****{key[-4:]}",
                              code="api_key_expired")
        if not known:
            raise errors.invalid_api_key(key)
        return keys[key]

    def _check_permission(self, key_kind: str, operation: Operation) -> None:
        if key_kind == "secret":
            return
        granted = self.account.setting("restricted").get(operation.resource, "write")
        needed = "read" if operation.method == "GET" else "write"
        if granted != "write" and granted != needed:
            name = f"rak_{operation.resource.rstrip('s')}_{needed}"
            raise errors.permission_denied(operation.resource, name)

    def _check_rate(self) -> None:
        """Refuse more requests a second than the setting allows."""
        limit, now = self.account.setting("rate_limit"), time.monotonic()
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        if limit and len(self._recent) >= limit:
            raise errors.rate_limited()
        self._recent.append(now)

    # -- what is done ---------------------------------------------------------------

    async def _once(self, operation, ids, sent, request_id, key, path):
        """Execute under an idempotency key, or give the kept answer again."""
        self.idempotency.check(key)
        kept = self.idempotency.begin(key, path, sent)
        headers = {"Idempotency-Key": key}
        if kept:
            replayed = {"Idempotent-Replayed": "true",
                        "Original-Request": kept["request"]}
            return kept["status"], kept["body"], {**headers, **replayed}
        try:
            status, body, more = await self._execute(operation, ids, sent, request_id, key)
        except StripeError as error:
            if error.stored:
                body = error.body(request_id)
                self.idempotency.finish(key, path, sent, request_id, error.status, body)
            raise
        else:
            self.idempotency.finish(key, path, sent, request_id, status, body)
        finally:
            self.idempotency.abandon(key)
        return status, body, {**headers, "Original-Request": request_id, **more}

    async def _execute(self, operation, ids, sent, request_id, key):
        """Read the parameters, run the handler, expand the answer."""
        params = read_members(operation.declared(), sent)
        paths = params.pop("expand", [])
        check(paths, operation.returns)
        failure = self._take_failure(operation, ids)
        if operation.method != "GET":
            await self._take_time()
        self.account.cause = {"id": request_id, "idempotency_key": key}
        try:
            if failure and not failure["after_effect"]:
                raise _broken(failure["status"])
            document = self._run(operation, params, ids)
            if failure:
                raise _broken(failure["status"])
        finally:
            self.account.cause = {"id": None, "idempotency_key": None}
        return 200, self._shown(document, paths, operation.returns), {}

    def _run(self, operation: Operation, params: dict, ids: tuple) -> dict:
        """Run a handler; a refusal undoes its writes, except those of a refused card."""
        kept_error = None
        with self.ctx.store.atomic():
            try:
                document = operation.handler(self.account, params, *ids)
            except StripeError as error:
                if error.undo:
                    raise
                kept_error = error
            except settings.SettingError as error:
                raise errors.invalid_request(str(error)) from error
        if kept_error:
            raise kept_error
        return document

    def _shown(self, document: dict, paths: list[str], returns: str) -> dict:
        render = self.account.render
        if document.get("object") == "list" and "data" in document:
            document = {**document, "data": [render(doc) for doc in document["data"]]}
        else:
            document = render(document)
        return expand(self.account, document, paths, returns)

    async def _take_time(self) -> None:
        delay = self.account.setting("processing_ms")
        if delay:
            await asyncio.sleep(delay / 1000)

    # -- failures inside the execution --------------------------------------------------

    def fail_next(self, rule: dict) -> None:
        """Let the next matching execution break, before or after its effect.

        Other than the sandbox's general faults these happen *inside* the vendor, so
        the 500 is kept under the request's idempotency key.
        """
        self.failures.append(rule)

    def _take_failure(self, operation: Operation, ids: tuple) -> dict | None:
        for rule in self.failures:
            if rule["method"] in (None, operation.method) and re.search(
                rule["path_regex"], operation.path
            ):
                self.failures.remove(rule)
                return rule
        return None


def _broken(status: int) -> StripeError:
    error = errors.server_error()
    error.status = status
    return error


def _api_key(request: web.Request) -> str:
    """:return: the key from Bearer, or from Basic as user name."""
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[0]
        except ValueError:
            return ""
    return ""


def _check_version(request: web.Request) -> None:
    version = request.headers.get("Stripe-Version", const.API_VERSION)
    if version == const.API_VERSION:
        return
    if not _VERSION.fullmatch(version):
        raise errors.invalid_request(f"Invalid Stripe API version: {version}")
    raise errors.not_implemented(
        f"API version {version}: send Stripe-Version: {const.API_VERSION}"
    )


def _sent(request: web.Request, raw: str) -> dict:
    """:return: the parameters as they were sent, nested, values still text."""
    if request.method == "GET":
        return form.decode(request.query_string)
    if raw and request.content_type != FORM:
        raise errors.invalid_request(
            "Invalid request (check that your POST content type is "
            f"{FORM}). If you have any questions, we can help at "
            "https://support.stripe.com/."
        )
    if request.method == "DELETE":
        return form.decode(request.query_string or raw)
    return form.decode(raw)


def api_keys(ctx) -> dict[str, str]:
    """:return: the account's keys, made once: secret, restricted, publishable."""
    return ctx.secret(
        "stripe/keys",
        lambda: {
            "secret": "sk_test_" + random_text(24),
            "restricted": "rk_test_" + random_text(24),
            "publishable": "pk_test_" + random_text(24),
        },
    )


def fault_shape(status: int, params: dict, request: web.Request):
    """:return: (body, headers) of a failure that the sandbox injects."""
    if status == 429:
        code = params.get("code", "rate_limit")
        error = errors.lock_timeout() if code == "lock_timeout" else errors.rate_limited(
            params.get("reason", "global-rate"))
    elif status == 401:
        error = errors.invalid_api_key(_api_key(request))
    elif status == 403:
        error = errors.permission_denied("resource", "rak_resource_write")
    elif status >= 500:
        error = _broken(status)
    else:
        error = errors.invalid_request(params.get("message", "Invalid request"))
    headers = {"Request-Id": "req_" + random_text(14), **error.headers}
    if "should_retry" in params:
        headers["Stripe-Should-Retry"] = "true" if params["should_retry"] else "false"
    return error.body(headers["Request-Id"]), headers


def expire_key(request: web.Request) -> None:
    """The key used in this request counts as expired (once)."""
    request["expired_key"] = True
