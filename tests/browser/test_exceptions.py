"""A deal does not arrive: found, mended and gone, from the Exceptions menu alone."""

from __future__ import annotations

import time

import pytest

from cli.demo_setup import Setup
from cli.environment import Environment

pytestmark = pytest.mark.browser

#: Seconds that somebody who never saw the suite may take; a script needs far less.
SHORTLY = 90
CARD = ".o_kanban_record:not(.o_kanban_ghost)"


@pytest.fixture(scope="module")
def broken_deal(odoo_server, sandbox):
    """A won deal with a product that Odoo does not know; returns its id in HubSpot."""
    environment = Environment.of(odoo_server.url, sandbox.url, odoo_server.database)
    environment.odoo.authenticate()
    Setup(environment).run()
    made = sandbox.admin.post("/hubspot/deals", {"win": True, "defects": ["unmapped_product"]})
    odoo_server.wait_for(
        lambda: odoo_server.sql("SELECT 1 FROM sync_exception WHERE state = 'new'"), "the card", 90)
    return made["deal_id"]


@pytest.fixture
def client(odoo_server, broken_deal, login_to):
    """The administrator; whatever went wrong on the pages fails the test."""
    client = login_to(odoo_server, "admin")
    yield client
    assert not client.problems() + odoo_server.errors()


def test_a_broken_deal_is_mended_from_the_exceptions_menu(odoo_server, broken_deal, client):
    page, started = client.page, time.monotonic()
    [menu] = [menu for menu in client.menus("crm_sync_base.menu_root") if menu.name == "Exceptions"]
    client.open_menu(menu)
    page.wait(f"document.querySelectorAll('{CARD}').length === 1", "the card")
    told = page.evaluate(f"document.querySelector('{CARD}').innerText")
    assert "1 waiting" in told
    assert "Value not mapped" in told
    client.screenshot("exceptions")
    page.click(f"{CARD} button[name=action_fix]")
    page.wait("!!document.querySelector('.modal .o_data_row .o_sync_create')", "the dialog")
    client.settle()
    page.click(".modal .o_sync_create")
    page.wait("document.querySelectorAll('.modal').length === 2", "the new product")
    client.settle()
    client.screenshot("exception-create")
    page.evaluate("[...document.querySelectorAll('.modal')].at(-1).querySelector('.o_form_button_save').click()")
    page.wait("document.querySelectorAll('.modal').length === 1", "the product to be saved")
    client.settle()
    client.screenshot("exception-fix")
    page.click(".modal button[name=action_apply]")
    # Nobody reloads the page: the card goes to the resolved ones by itself.
    page.wait(
        "[...document.querySelectorAll('.o_kanban_record')].some((card) => card.innerText.includes('By itself'))",
        "the card to close by itself", SHORTLY)
    client.settle()
    client.screenshot("exception-resolved")
    assert time.monotonic() - started < SHORTLY
    assert odoo_server.sql("SELECT state, closed_by FROM sync_exception") == [("resolved", "self")]
    bound = odoo_server.sql(
        "SELECT 1 FROM sync_binding WHERE external_id = %s AND model = 'sale.order'", (str(broken_deal),))
    assert bound


def test_the_card_says_what_to_do_and_the_runbook_opens(client):
    page = client.page
    page.open(f"{client.url}/odoo/sync-exceptions")
    page.wait(f"document.querySelectorAll('{CARD}').length === 1", "the card")
    page.click(CARD)
    page.wait("!!document.querySelector('.o_form_view .o_sync_short_list, .o_form_view .alert-success')", "its form")
    client.open_tabs()
    page.wait("!!document.querySelector('.o_sync_runbook ol li')", "the runbook")
    client.screenshot("exception-runbook")
    page.open(f"{client.url}/crm_sync/runbook/mapping_missing")
    page.wait("document.body.innerText.includes('What to do')", "the runbook as a page")
