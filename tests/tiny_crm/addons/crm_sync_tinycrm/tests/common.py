"""A connection to a Tiny CRM process, for this module's tests."""

import sys
from pathlib import Path

import requests
from odoo.addons.crm_sync_base.tests.connector_case import StandInCase

#: the folder that holds the package of Tiny CRM itself
FOLDER = Path(__file__).resolve().parents[3]


class TinyCase(StandInCase):
    """Everything over real HTTP; people's clicks are calls of `/ui`."""

    provider = "tinycrm"
    api_version = "v1"

    @classmethod
    def start_standin(cls):
        return cls.serve([sys.executable, "-m", "tinycrm", "--port", "{port}"], FOLDER)

    @classmethod
    def credentials(cls):
        """Return what a person would enter."""
        return cls.ui("GET", "/credentials")

    @classmethod
    def ui(cls, method, path, body=None):
        """Do something by hand at Tiny CRM."""
        answer = requests.request(method, f"{cls.standin_url}/ui{path}", json=body, timeout=30)
        if not answer.ok:
            raise AssertionError(f"{method} {path}: {answer.text}")
        return answer.json()

    @classmethod
    def add(cls, kind, record_id=None, **fields):
        """Create a record by hand; return its id."""
        return cls.ui("POST", f"/records/{kind}", {"fields": fields, "id": record_id})["id"]

    @classmethod
    def change(cls, kind, record_id, **fields):
        """Change a record by hand."""
        cls.ui("PATCH", f"/records/{kind}/{record_id}", {"fields": fields})

    @classmethod
    def look(cls, kind, record_id):
        """Return the fields of a record."""
        return cls.ui("GET", f"/records/{kind}/{record_id}")["fields"]
