"""Every page of the app, opened in a browser by each kind of user."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser

APP = "crm_sync_base.menu_root"

#: What each group must find, besides what other modules add.
BASICS = {"menu_sync_overview", "menu_sync_trace", "menu_sync_exception"}
LEDGERS = {
    "menu_sync_event", "menu_sync_job", "menu_sync_change", "menu_sync_run", "menu_sync_binding", "menu_sync_saga",
}
JOBS = {"menu_sync_console", "menu_sync_job_all", "menu_sync_job_edit", "menu_sync_binding_former"}
DECIDE = {"menu_sync_mapping_review", "menu_sync_proposal", "menu_sync_approval_rule", "menu_sync_approval_delegation"}
WORK = BASICS | LEDGERS | JOBS | {"menu_sync_audit", "menu_sync_change_export"} | {
    "menu_sync_proposal", "menu_sync_matrix", "menu_sync_violation",
    "menu_sync_flow", "menu_sync_connection", "menu_sync_endpoint", "menu_sync_value_map", "menu_sync_hold",
    "menu_sync_metric", "menu_sync_phase", "menu_sync_package", "menu_sync_match", "menu_sync_schema_object",
    "menu_sync_schema_change",
}
ALL = WORK | {
    "menu_sync_mapping_review",
    "menu_sync_approval_rule", "menu_sync_mapping", "menu_sync_lane", "menu_sync_exception_sla", "menu_sync_seal",
    "menu_sync_seal_check", "menu_sync_package_signer",
}
START = {"menu_sync_replay", "menu_sync_run_new"}
SEEN = {
    "admin": ALL | START | {"menu_sync_settings"},
    "manager": ALL | START,
    "auditor": ALL | DECIDE,
    "operator": WORK | START,
    "user": BASICS,
    "approver": BASICS | DECIDE | {"menu_sync_package"},
}


@pytest.mark.parametrize("login_name", SEEN)
def test_every_menu_opens(server, login, login_name):
    client = login(login_name)
    menus = client.menus(APP)
    ours = {menu.xmlid.split(".")[1] for menu in menus if menu.xmlid.startswith("crm_sync_base.")}
    assert ours == SEEN[login_name]
    faults = {}
    for menu in menus:
        try:
            _look_at(client, menu)
        finally:
            found = client.problems() + server.errors()
        if found:
            faults[menu.xmlid] = found
            client.screenshot(f"{login_name}-{menu.xmlid}-broken")
            break  # what is broken may break the next page, too
    assert not faults


def _look_at(client, menu):
    """Open a menu in all its views, and the first record that it shows."""
    client.open_menu(menu)
    if client.login == "admin":
        client.screenshot(menu.xmlid)
    if client.page.evaluate("!!document.querySelector('.modal .btn-close')"):
        client.page.click(".modal .btn-close")  # a dialog is all there is
        client.settle()
        return
    kinds = client.view_types()
    if client.open_first_record():
        client.open_tabs()
        if client.login == "admin":
            client.screenshot(f"{menu.xmlid}-form")
        client.open_menu(menu)
    for kind in kinds:
        client.switch_view(kind)
