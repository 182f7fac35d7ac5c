"""A headless Chromium, driven over its DevTools protocol: only what our tests need.

Protocol: https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
import websocket

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--disable-dev-shm-usage", "--remote-debugging-port=0", "--remote-allow-origins=*", "--lang=en-US",
)

#: What a page asks for in vain without anybody missing it.
HARMLESS = ("favicon",)

#: What a worker loads on behalf of a page; how that ended, only the worker is told.
OF_WORKERS = ("/bus/websocket_worker_bundle",)


class BrowserError(Exception):
    """The browser refused a command, or the page did not do what was waited for."""


class Page:
    """The one tab of a browser; collects everything that goes wrong in it.

    :ivar problems: console errors, uncaught exceptions and failed requests, as text,
        since the last :meth:`take_problems`
    """

    def __init__(self, address: str):
        self._socket = websocket.create_connection(address, timeout=30, suppress_origin=True)
        self._number = 0
        self._pending: dict[str, tuple[str, str]] = {}  # request id → loader of its page, address
        self._quiet_since = time.monotonic()
        self.problems: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.send("Emulation.setFocusEmulationEnabled", enabled=True)

    def close(self) -> None:
        """Let go of the tab."""
        self._socket.close()

    # --- protocol ---

    def send(self, method: str, **params: Any) -> dict:
        """Send a command and return its result.

        :raise BrowserError: when the browser refuses
        """
        self._number += 1
        number = self._number
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            message = self._receive(deadline - time.monotonic())
            if message and message.get("id") == number:
                if "error" in message:
                    raise BrowserError(f"{method}: {message['error'].get('message')}")
                return message["result"]
        raise BrowserError(f"{method}: no answer")

    def _receive(self, seconds: float) -> dict | None:
        """Take one message off the wire; an event is noted, an answer is returned."""
        self._socket.settimeout(max(seconds, 0.001))
        try:
            message = json.loads(self._socket.recv())
        except websocket.WebSocketTimeoutException:
            return None
        if "method" in message:
            self._note(message["method"], message["params"])
            return None
        return message

    def _note(self, event: str, params: dict) -> None:
        handler = getattr(self, "_on_" + event.replace(".", "_"), None)
        if handler:
            handler(params)

    # --- events ---

    def _on_Page_javascriptDialogOpening(self, _params: dict) -> None:
        """Answer without waiting: whoever waits for another command is told of the dialog first."""
        self._number += 1
        self._socket.send(json.dumps(
            {"id": self._number, "method": "Page.handleJavaScriptDialog", "params": {"accept": True}}))

    def _on_Network_requestWillBeSent(self, params: dict) -> None:
        url = params["request"]["url"]
        if params.get("type") not in ("EventSource", "WebSocket") and not any(part in url for part in OF_WORKERS):
            self._pending[params["requestId"]] = (params["loaderId"], url)

    def _on_Page_frameNavigated(self, params: dict) -> None:
        """A page that was left does not tell how its requests ended."""
        frame = params["frame"]
        if "parentId" not in frame:
            self._pending = {key: value for key, value in self._pending.items() if value[0] == frame["loaderId"]}

    def _on_Network_responseReceived(self, params: dict) -> None:
        response = params["response"]
        if response["status"] >= 500:
            self.problems.append(f"HTTP {response['status']}: {response['url']}")

    def _on_Network_loadingFinished(self, params: dict) -> None:
        self._ended(params["requestId"])

    def _on_Network_loadingFailed(self, params: dict) -> None:
        self._ended(params["requestId"])
        if not params.get("canceled"):
            self.problems.append(f"request failed: {params.get('errorText')}")

    def _ended(self, request: str) -> None:
        self._pending.pop(request, None)
        self._quiet_since = time.monotonic()

    def _on_Runtime_consoleAPICalled(self, params: dict) -> None:
        if params["type"] in ("error", "assert"):
            parts = [str(arg.get("value", arg.get("description", ""))) for arg in params["args"]]
            self.problems.append("console: " + " ".join(parts)[:1500])

    def _on_Runtime_exceptionThrown(self, params: dict) -> None:
        details = params["exceptionDetails"]
        text = details.get("exception", {}).get("description") or details.get("text", "")
        self.problems.append("uncaught: " + text[:1500])

    def _on_Log_entryAdded(self, params: dict) -> None:
        entry = params["entry"]
        if entry["level"] == "error" and not any(word in entry.get("url", "") for word in HARMLESS):
            self.problems.append(f"log: {entry['text']} {entry.get('url', '')}")

    # --- what tests say ---

    def take_problems(self) -> list[str]:
        """Return what went wrong since the last call, and forget it."""
        found, self.problems = self.problems, []
        return found

    def open(self, url: str) -> None:
        """Load a page from scratch; dialogs that ask whether to leave are answered with yes."""
        self.send("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'", f"{url} to load")

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression; promises are awaited.

        :raise BrowserError: when it throws
        """
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    def wait(self, expression: str, what: str, seconds: float = 30.0) -> Any:
        """Wait until a JavaScript expression is true; return its value.

        :raise BrowserError: with the page's text, when it never is
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            # The context is gone while a page is being replaced.
            with contextlib.suppress(BrowserError):
                value = self.evaluate(expression)
                if value:
                    return value
            self._receive(0.05)
        text = self.evaluate("document.body ? document.body.innerText.slice(0, 800) : ''")
        raise BrowserError(f"waited {seconds:.0f} s for {what}; problems: {self.problems}; the page says:\n{text}")

    def wait_quiet(self, seconds: float = 0.3, limit: float = 20.0) -> None:
        """Wait until no request has been under way for some time."""
        deadline = time.monotonic() + limit
        self._quiet_since = time.monotonic()
        while time.monotonic() < deadline:
            self._receive(0.05)
            if not self._pending and time.monotonic() - self._quiet_since >= seconds:
                return
        urls = sorted(url for _loader, url in self._pending.values())
        raise BrowserError(f"still under way after {limit:.0f} s: {urls}")

    def click(self, selector: str) -> None:
        """Click the first element that a CSS selector finds, once it is there."""
        self.wait(f"!!document.querySelector({selector!r})", f"{selector} to appear")
        self.evaluate(f"document.querySelector({selector!r}).click()")

    def type(self, selector: str, text: str) -> None:
        """Type into a field, as a keyboard would.

        :raise BrowserError: when the text went elsewhere
        """
        self.wait(f"!!document.querySelector({selector!r})", f"{selector} to appear")
        self.evaluate(f"document.querySelector({selector!r}).focus()")
        self.send("Input.insertText", text=text)
        self.wait(f"document.activeElement === document.querySelector({selector!r})"
                  f" && document.activeElement.value.includes({text!r})", f"{text} in {selector}", 5)

    def press(self, key: str, code: int) -> None:
        """Press a key, e.g. ``press('Enter', 13)``."""
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def resize(self, width: int, height: int, scale: float = 1.0) -> None:
        """Give the window a size in CSS pixels."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale,
                  mobile=False)

    def screenshot(self, file: Path) -> Path:
        """Save what is visible as a PNG."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))
        return file


class Chromium:
    """A browser with a fresh profile; a context manager that gives its one page.

    :param program: path of Chromium or Chrome
    :param profile: empty folder for its profile
    """

    def __init__(self, program: str, profile: Path, width: int = 1440, height: int = 900):
        size = f"--window-size={width},{height}"
        self._command = [program, *FLAGS, f"--user-data-dir={profile}", size, "about:blank"]
        self._profile = Path(profile)
        self._process: subprocess.Popen | None = None
        self.page: Page | None = None

    def __enter__(self) -> Page:
        self._profile.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self.page = Page(self._page_address())
        except BaseException:
            self._process.kill()
            raise
        return self.page

    def __exit__(self, *_error: object) -> None:
        if self.page:
            self.page.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _page_address(self) -> str:
        """The address of the tab's socket; the browser writes its port into its profile."""
        port = self._until(self._port, "Chromium did not start")
        return self._until(lambda: self._first_tab(port), "Chromium opened no tab")

    def _port(self) -> int | None:
        file = self._profile / "DevToolsActivePort"
        lines = file.read_text().splitlines() if file.exists() else []
        return int(lines[0]) if lines else None

    @staticmethod
    def _first_tab(port: int) -> str | None:
        session = requests.Session()
        session.trust_env = False  # no proxy between us and loopback
        tabs = session.get(f"http://127.0.0.1:{port}/json", timeout=10).json()
        return next((tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page"), None)

    def _until(self, condition: Callable[[], Any], what: str, seconds: float = 20.0) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError):
                value = condition()
                if value:
                    return value
            time.sleep(0.05)
        raise BrowserError(f"{what} (exit code {self._process.poll()})")
