"""Stands between a connector and its provider: counts the calls, fails on request.

So whatever stands in for a provider needs to know nothing of faults. The vocabulary is
that of the repository's sandbox: faults `status {status, retry_after?, body?}`,
`drop_before`, `drop_after` (the effect happened), `truncate` and `latency {ms}`, each with
`times`, `method`, `path_regex` and `contains` (in path, query or body).
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

#: header in which the engine names the stories of a call, see `lib/correlation.py`; nothing
#: of Odoo is imported here, so that end-to-end tests can use it from a process of their own
STORY = "X-Q2C-Correlation-Id"
#: headers that belong to one connection (RFC 9110, 7.6.1), and what is made anew
_OWN = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host", "te", "upgrade"})
PATIENCE = 60.0  # seconds that the upstream may take


@dataclass
class Fault:
    """One fault to come."""

    kind: str
    times: int = 1
    method: str = ""
    path_regex: str = ""
    contains: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)

    def hits(self, method: str, path: str, body: str) -> bool:
        """Tell whether a call meets it."""
        return (
            self.times > 0
            and self.method in ("", method)
            and (not self.path_regex or bool(re.search(self.path_regex, path)))
            and self.contains in f"{unquote(path)} {body}"
        )


class FaultProxy:
    """A proxy on a free port of this machine; a context manager.

    :param upstream: base URL that it stands for.
    """

    def __init__(self, upstream: str):
        parts = urlsplit(upstream)
        self.host, self.port, self.prefix = parts.hostname, parts.port or 80, parts.path.rstrip("/")
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._calls: list[dict[str, Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.proxy = self
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> FaultProxy:
        """Begin to serve, in a thread."""
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> FaultProxy:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.stop()

    # === What tests say ===#

    def fault(
        self, kind: str, times: int = 1, method: str = "", path_regex: str = "", contains: str = "",
        **parameters: Any,
    ) -> None:
        """Let the next `times` calls (of a method, to a path, with a text in them) fail."""
        with self._lock:
            self._faults.append(Fault(kind, times, method, path_regex, contains, parameters))

    def clear_faults(self) -> None:
        """Let all calls pass again."""
        with self._lock:
            self._faults.clear()

    def calls_since(self, sequence: int) -> dict[str, Any]:
        """Return `{"last_seq", "calls": [{method, path, status, correlation, idempotency_key}]}`."""
        with self._lock:
            return {"last_seq": len(self._calls), "calls": [dict(call) for call in self._calls[sequence:]]}

    # === What the handler asks ===#

    def meet(self, method: str, path: str, body: str) -> Fault | None:
        """Return the fault that a call meets, and use it up once."""
        with self._lock:
            fault = next((one for one in self._faults if one.hits(method, path, body)), None)
            if fault:
                fault.times -= 1
            return fault

    def note(self, handler: BaseHTTPRequestHandler, status: int) -> None:
        """Keep a call that is over; status 0 for one that got no answer."""
        call = {
            "method": handler.command,
            "path": handler.path,
            "status": status,
            "correlation": handler.headers.get(STORY),
            "idempotency_key": handler.headers.get("Idempotency-Key"),
        }
        with self._lock:
            self._calls.append(call)

    def forward(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, list, bytes]:
        """Make the call; return status, headers and body of the answer."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        try:
            kept = {name: value for name, value in headers.items() if name.lower() not in _OWN}
            connection.request(method, self.prefix + path, body, kept)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


class Handler(BaseHTTPRequestHandler):
    """Passes one call on, or lets it fail."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing: URLs may hold personal data."""

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.proxy.meet(self.command, self.path, body.decode(errors="replace"))
        kind = fault.kind if fault else ""
        if kind == "latency":
            time.sleep(fault.parameters.get("ms", 1000) / 1000)
        # Noted before the client has its answer, so that it can count its calls then.
        if kind == "drop_before":
            self.server.proxy.note(self, 0)
            return self._cut()
        if kind == "status":
            self.server.proxy.note(self, fault.parameters["status"])
            return self._refuse(fault.parameters)
        try:
            status, headers, content = self.server.proxy.forward(self.command, self.path, self.headers, body)
        except OSError:
            self.server.proxy.note(self, 0)
            return self._cut()
        self.server.proxy.note(self, 0 if kind == "drop_after" else status)
        if kind == "drop_after":
            return self._cut()
        return self._answer(status, headers, content, whole=kind != "truncate")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass  # noqa: N815 (the library's names)

    def _refuse(self, parameters: dict[str, Any]) -> None:
        content = str(parameters.get("body", "{}")).encode()
        headers = [("Content-Type", "application/json")]
        if "retry_after" in parameters:
            headers.append(("Retry-After", str(parameters["retry_after"])))
        self._answer(parameters["status"], headers, content)

    def _answer(self, status: int, headers: list, content: bytes, whole: bool = True) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in (*_OWN, "date", "server"):
                self.send_header(name, value)
        announced = len(content) if whole else max(len(content), 2)
        self.send_header("Content-Length", str(announced))
        self.end_headers()
        self.wfile.write(content if whole else content[: len(content) // 2] or b" ")
        if not whole:
            self._cut()

    def _cut(self) -> None:
        """Cut the line."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
