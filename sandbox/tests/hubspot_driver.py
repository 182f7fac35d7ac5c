"""A bare HTTP driver of the HubSpot sandbox for its tests, and a webhook receiver."""

import contextlib
import http.server
import threading

import requests

VERSION = "2026-09"


class HubSpotDriver:
    """Calls the sandbox with the private app's token; answers are ``requests`` responses."""

    def __init__(self, sandbox, version=VERSION):
        self.sandbox, self.version = sandbox, version
        self.known = sandbox.admin("GET", "credentials")["hubspot"]
        self.base = self.known["base_url"]
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {self.known['private_app_token']}"

    def call(self, method, path, body=None, **keywords):
        """Call a path; ``{v}`` stands for the version."""
        return self.session.request(
            method, self.base + path.replace("{v}", self.version), json=body, timeout=60, **keywords)

    def good(self, method, path, body=None, status=(200, 201), **keywords):
        """Call and return the JSON answer of a success."""
        response = self.call(method, path, body, **keywords)
        assert response.status_code in status, f"{response.status_code}: {response.text}"
        return response.json()

    def bad(self, status, method, path, body=None, **keywords):
        """Call and return the JSON answer of a failure with that status."""
        response = self.call(method, path, body, **keywords)
        assert response.status_code == status, f"{response.status_code}: {response.text}"
        return response.json()

    def objects(self, rest):
        """Return an objects path: ``companies/123``."""
        return f"/crm/objects/{{v}}/{rest}"

    def create(self, object_type, **properties):
        """Create a record; returns its id."""
        return self.good("POST", self.objects(object_type), {"properties": properties})["id"]

    def get(self, object_type, record_id, *properties, **query):
        """Return a record's properties."""
        if properties:
            query["properties"] = ",".join(properties)
        return self.good("GET", self.objects(f"{object_type}/{record_id}"), params=query)["properties"]

    def update(self, object_type, record_id, **properties):
        """Change a record."""
        return self.good("PATCH", self.objects(f"{object_type}/{record_id}"), {"properties": properties})

    def search(self, object_type, *filters, **more):
        """Search with one filter group of ``(property, operator, value)``."""
        group = [{"propertyName": name, "operator": operator,
                  **({"values": value} if operator in ("IN", "NOT_IN") else
                     {} if value is None else {"value": str(value)})}
                 for name, operator, value in filters]
        body = {"filterGroups": [{"filters": group}] if group else [], **more}
        return self.good("POST", self.objects(f"{object_type}/search"), body)

    def admin(self, method, path, body=None):
        """Call the HubSpot admin API."""
        return self.sandbox.admin(method, "hubspot/" + path, json=body)

    def settings(self, **changes):
        """Change portal settings."""
        return self.admin("PUT", "settings", changes)

    def form(self, path, status=200, **form):
        """Post a form to an OAuth endpoint; returns the JSON answer."""
        response = requests.post(self.base + path.replace("{v}", self.version), data=form, timeout=60)
        assert response.status_code == status, response.text
        return response.json() if response.content else None


class Receiver:
    """A webhook endpoint that keeps what arrives and answers as told."""

    def __init__(self):
        self.requests, self.answers = [], []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append((self.path, dict(self.headers), body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments):
                """Stay silent."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhook?flow=q2c%20demo"

    @classmethod
    @contextlib.contextmanager
    def running(cls):
        """Serve in a thread."""
        receiver = cls()
        thread = threading.Thread(target=receiver.server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.server.shutdown()
            receiver.server.server_close()
