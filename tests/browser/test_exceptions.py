"""A deal does not arrive: found, mended and gone, from the Exceptions menu alone."""

from __future__ import annotations

import json
import time

import pytest

from cli.demo_setup import Setup
from cli.environment import Environment

from .conftest import xmlid_id

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


def _press_fix(client, text):
    """Press *Fix and Retry* on the card that says something, and wait for the dialog."""
    card = f"[...document.querySelectorAll('{CARD}')].find((one) => one.innerText.includes({json.dumps(text)}))"
    client.page.wait(f"!!{card}?.querySelector('button[name=action_fix]')", f"the card {text}")
    client.settle()
    client.page.evaluate(f"{card}.querySelector('button[name=action_fix]').click()")
    client.page.wait("!!document.querySelector('.modal .o_data_row')", "the dialog")
    client.settle()


def test_somebody_with_the_operators_group_only(odoo_server, sandbox, broken_deal, login_to):
    """He maps a tax himself; what he may not do, the dialog says, and who may."""
    groups = [xmlid_id(odoo_server, name) for name in ("base.group_user", "crm_sync_base.group_sync_operator")]
    odoo_server.rpc("res.users", "create", {
        "name": "Olivia Operator", "login": "olivia", "password": "olivia", "group_ids": [(6, 0, groups)]})
    odoo_server.rpc("account.tax", "create", {"name": "County Levy 7.77%", "amount": 7.77, "type_tax_use": "sale"})
    sandbox.admin.post("/hubspot/deals", {"win": True, "defects": ["unmapped_product"]})
    made = sandbox.admin.post("/salesforce/deals", {"win": True, "defects": ["unknown_tax"]})
    odoo_server.wait_for(
        lambda: len(odoo_server.sql("SELECT 1 FROM sync_exception WHERE state = 'new'")) == 2, "both cards", 90)
    client = login_to(odoo_server, "olivia")
    page, started = client.page, time.monotonic()
    page.open(f"{client.url}/odoo/sync-exceptions")
    _press_fix(client, "Tax: the value")
    page.click(".modal .o_data_row td[name=res_id]")
    page.click(".modal td[name=res_id] input")
    choices = "[...document.querySelectorAll('.o-autocomplete--dropdown-item a')]"
    county = f"{choices}.find((one) => one.innerText.includes('County'))"
    page.wait(f"!!{county}", "the taxes")
    client.settle()
    page.evaluate(f"{county}.click()")
    client.settle()
    page.click(".modal button[name=action_apply]")
    odoo_server.wait_for(lambda: odoo_server.sql(
        "SELECT 1 FROM sync_binding WHERE external_id = %s AND model = 'sale.order'", (made["opportunity_id"],)),
        "the order", SHORTLY)
    client.settle()
    _press_fix(client, "Product: Odoo has no")
    said = page.evaluate("document.querySelector('.modal').innerText")
    assert "you may neither create nor change a Product" in said
    assert "Mitchell Admin" in said
    assert not page.evaluate("!!document.querySelector('.modal button[name=action_apply]')")
    page.click(".modal button[name=action_assign]")
    page.click(".modal button.btn-primary[name=action_assign]")
    page.wait("!document.querySelector('.modal')", "the card to be assigned")
    assert time.monotonic() - started < SHORTLY
    assert odoo_server.sql(
        "SELECT u.login FROM sync_exception e JOIN res_users u ON u.id = e.user_id WHERE e.state = 'acknowledged'"
    ) == [("admin",)]
    assert not client.problems() + odoo_server.errors()
