"""The pages that are more than lists and forms: overview, trace, credentials."""

from __future__ import annotations

import json

import pytest

from .ledger import REMOTE_ID, STORY

pytestmark = pytest.mark.browser

SECRET = "correct horse battery staple"


@pytest.fixture
def client(server, login):
    """The administrator; whatever went wrong on the pages fails the test."""
    if not server.rpc("sync.connection", "search_count", []):
        pytest.skip("no connector module is installed")
    client = login("admin")
    yield client
    assert not client.problems() + server.errors()


def test_the_overview_leads_to_the_trace(client):
    client.page.open(f"{client.url}/odoo/sync-overview")
    client.page.wait("document.querySelectorAll('.o_sync_tile').length === 5", "the tiles")
    client.page.type(".o_sync_search input", REMOTE_ID)
    client.page.press("Enter", 13)
    client.page.wait("document.querySelectorAll('.o_sync_line').length === 5", "an event, three jobs and a change")
    client.settle()
    assert f"query={REMOTE_ID}" in client.page.evaluate("location.search")
    assert "Browser Test Ltd" in client.page.evaluate("document.querySelector('.o_sync_documents').innerText")
    client.screenshot("trace")


def test_enter_at_once_after_pasting_is_not_lost(client):
    client.page.open(f"{client.url}/odoo/sync-overview")
    client.page.wait("!!document.querySelector('.o_sync_search input')", "the search box")
    client.page.evaluate(f"""
        (() => {{
            const input = document.querySelector('.o_sync_search input');
            input.value = {json.dumps(REMOTE_ID)};
            input.dispatchEvent(new InputEvent('input', {{ bubbles: true }}));
            document.querySelector('.o_sync_search [type=submit]').click(); // what Enter does, before the next frame
        }})()
    """)
    client.page.wait("document.querySelectorAll('.o_sync_line').length === 5", "an event, three jobs and a change")


def test_the_trace_opens_records_and_finds_its_way_back(client):
    client.page.open(f"{client.url}/odoo/sync-trace?query={STORY}")
    client.page.wait("document.querySelectorAll('.o_sync_line').length === 5", "the story")
    client.page.evaluate("document.querySelector('.o_sync_kind_change .o_sync_trace_link').click()")
    client.page.wait("!!document.querySelector('.o_form_view .o_sync_diff')", "the change's form")
    client.page.evaluate("document.querySelector('.o_breadcrumb a').click()")
    client.page.wait("document.querySelectorAll('.o_sync_line').length === 5", "the story again")
    client.settle()


def test_a_text_that_names_nothing(client):
    client.page.open(f"{client.url}/odoo/sync-trace?query=unheard-of")
    client.page.wait("document.body.innerText.includes('Nothing is known of “unheard-of”.')", "a page that says so")
    client.settle()


def test_credentials_are_entered_and_never_shown(server, client):
    [row] = server.rpc("sync.connection", "search_read", [], ["id"], limit=1)
    _enter_credentials(client, row["id"])
    client.page.click(".modal button[name=action_save]")
    client.page.wait("!document.querySelector('.modal')", "the dialog to close")
    client.settle()
    [[token]] = server.sql("SELECT secret_tokens FROM sync_connection WHERE id = %s", [row["id"]])
    assert token and SECRET not in token
    assert server.sql("SELECT count(*) FROM sync_credential_wizard_line WHERE token IS NOT NULL") == [(0,)]
    _enter_credentials(client, row["id"], text="")
    values = client.page.evaluate("""
        [...document.querySelectorAll('.modal .o_sync_credentials input')].map((field) => field.value)
    """)
    assert set(values) <= {"", "on"}  # "on" is what a check box says of itself
    assert "Stored" in client.page.evaluate("document.querySelector('.modal').innerText")
    client.page.click(".modal .btn-close")
    client.settle()


def _enter_credentials(client, connection, text=SECRET):
    """Open the dialog and type into every line of it."""
    client.page.open(f"{client.url}/odoo/sync-connections/{connection}")
    client.page.click("button[name=action_enter_credentials]")
    client.page.wait("!!document.querySelector('.modal .o_sync_credentials [id^=credential_]')", "the dialog")
    client.settle()
    if text:
        client.page.evaluate(f"""
            document.querySelectorAll('.modal .o_sync_credentials [id^=credential_]').forEach((field) => {{
                field.value = {text!r};
                field.dispatchEvent(new Event('change', {{ bubbles: true }}));
            }})
        """)
