"""A small client of a running Odoo, over the calls that its own web client makes."""

from __future__ import annotations

import http.cookiejar
import itertools
import json
import urllib.error
import urllib.request
from typing import Any

from .console import Failure


class OdooError(Exception):
    """Odoo answered a call with an error.

    :param name: the exception's class, e.g. ``odoo.exceptions.UserError``
    :param message: what it says
    :param debug: the server's traceback
    """

    def __init__(self, name: str, message: str, debug: str = ""):
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message
        self.debug = debug


class Odoo:
    """A logged-in session.

    :param str url: where Odoo answers
    :param str database: its database
    :param float timeout: seconds that one call may take
    """

    def __init__(self, url: str, database: str, login: str = "admin", password: str = "admin", timeout: float = 120.0):
        self.url = url
        self.database = database
        self.timeout = timeout
        self._login = (login, password)
        self._numbers = itertools.count(1)
        self.uid: int | None = None
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.cookies)
        )

    def authenticate(self) -> int:
        """Log in; return the user's id.

        :raise Failure: when login or password are wrong
        """
        login, password = self._login
        try:
            answer = self.post("/web/session/authenticate",
                               {"db": self.database, "login": login, "password": password})
        except OdooError as error:
            raise Failure(f"Odoo does not let '{login}' in: {error.message}",
                          "Give the demo database a fresh start with: ./q2c reset") from error
        self.uid = answer["uid"]
        return self.uid

    def call(self, model: str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a public method: ``call('res.partner', 'read', [1], ['name'])``.

        :raise OdooError: when the method raises
        """
        if self.uid is None:
            self.authenticate()
        try:
            return self._call(model, method, args, kwargs)
        except OdooError as error:
            if error.name != "odoo.http.SessionExpiredException":
                raise
            # The server was replaced by one that does not know our session.
            self.authenticate()
            return self._call(model, method, args, kwargs)

    def _call(self, model: str, method: str, args: tuple, kwargs: dict) -> Any:
        return self.post(f"/web/dataset/call_kw/{model}/{method}",
                         {"model": model, "method": method, "args": list(args), "kwargs": kwargs})

    def post(self, path: str, params: dict) -> Any:
        """Call a JSON-RPC route.

        :raise OdooError: when it answers with an error
        :raise OSError: when Odoo cannot be reached
        """
        body = {"jsonrpc": "2.0", "method": "call", "id": next(self._numbers), "params": params}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with self._opener.open(request, timeout=self.timeout) as answer:
            result = json.loads(answer.read())
        if "error" in result:
            data = result["error"].get("data") or {}
            raise OdooError(data.get("name", "error"), data.get("message") or result["error"].get("message", ""),
                            data.get("debug", ""))
        return result.get("result")
