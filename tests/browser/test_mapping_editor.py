"""A custom object that no code knows is mapped in the browser: chosen from what the system has, checked, tried."""

from __future__ import annotations

import json

import pytest

from tests.support.servers import OdooServer

pytestmark = pytest.mark.browser

ROW = ".o_field_sync_mapping_rules tr.o_data_row"


@pytest.fixture(scope="module")
def odoo_server(tmp_path_factory):
    """Odoo without scheduled actions: they do not bear that a model is made up while they run."""
    with OdooServer(tmp_path_factory.mktemp("odoo"), ["--max-cron-threads=0"]) as server:
        yield server


@pytest.fixture(scope="module")
def flow(odoo_server, sandbox):
    """The id of a flow from a custom object at Salesforce to a model that was made up here, without a mapping."""
    server, admin = odoo_server, sandbox.admin
    admin.post("/salesforce/custom-objects", {"name": "Machine__c", "label": "Machine", "fields": [
        {"name": "Serial__c", "type": "string", "label": "Serial Number", "external_id": True, "unique": True},
        {"name": "Price__c", "type": "currency", "label": "List Price"},
        {"name": "Owner__c", "type": "reference", "reference_to": ["Account"], "child": "Machines__r"},
    ]})
    owner = admin.post("/salesforce/records/Account", {"Name": "Acme Machines"})["Id"]
    admin.post("/salesforce/records/Machine__c", {
        "Name": "M-1", "Serial__c": "SN-0001", "Price__c": 1999.9, "Owner__c": owner})
    model = server.rpc("ir.model", "create", {"name": "Machine", "model": "x_machine", "field_id": [
        (0, 0, {"name": "x_name", "ttype": "char", "field_description": "Name", "required": True}),
        (0, 0, {"name": "x_price", "ttype": "float", "field_description": "Price"}),
    ]})
    connection = _connect(server, sandbox)
    return server.rpc("sync.flow", "create", {
        "name": "Machines", "connection_id": connection, "remote_object": "Machine__c", "model_id": _one(model),
        "direction": "inbound",
    })


def _one(created):
    return created[0] if isinstance(created, list) else created


def _connect(server, sandbox) -> int:
    """Return the id of a connection to the sandbox's Salesforce."""
    known = sandbox.admin.get("/credentials")["salesforce"]
    connection = _one(server.rpc("sync.connection", "create", {
        "name": "Salesforce", "provider": "salesforce", "base_url": f"{sandbox.url}/salesforce", "api_version": "67.0",
    }))
    wizard = _one(server.rpc("sync.credential.wizard", "create", [{"connection_id": connection}]))
    lines = server.rpc("sync.credential.wizard.line", "search_read", [("wizard_id", "=", wizard)], ["key"])
    for line in lines:
        if line["key"] in ("client_id", "username", "private_key", "audience"):
            server.rpc("sync.credential.wizard.line", "write", [line["id"]], {"value": known[line["key"]]})
    server.rpc("sync.credential.wizard", "action_save", [wizard])
    server.rpc("sync.connection", "action_connect", [connection])
    return connection


@pytest.fixture
def client(odoo_server, login_to):
    """An administrator; whatever went wrong on the pages fails the test."""
    client = login_to(odoo_server, "admin")
    yield client
    assert not client.problems() + odoo_server.errors()


def texts(client, selector):
    """Return the texts of the elements that match."""
    return client.page.evaluate(f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.innerText)")


def choose(client, cell, query, name):
    """Choose a field in the line that is being edited."""
    client.page.click(f"{ROW}.o_selected_row td[name={cell}] .o_sync_rule_path")
    client.page.wait("!!document.querySelector('.o_sync_picker input')", "the picker")
    client.page.type(".o_sync_picker input", query)
    client.page.wait(f"!!document.querySelector('.o_sync_picker_item[data-name={name}]')", name)
    client.screenshot(f"mapping-editor-picker-{cell}")
    client.page.click(f".o_sync_picker_item[data-name={name}] button")
    client.page.wait("!document.querySelector('.o_sync_picker')", "the picker to close")


def test_a_custom_object_is_mapped(odoo_server, client, flow):
    mapping = _one(odoo_server.rpc("sync.mapping", "create", {"flow_id": _one(flow)}))
    client.page.open(f"{client.url}/odoo/sync-mappings/{mapping}")
    client.page.wait("!!document.querySelector('.o_sync_mapping_head')", "the editor", 60)
    client.settle()
    assert "Machine" in texts(client, ".o_sync_mapping_head")[0]
    client.page.wait("document.querySelectorAll('.o_sync_findings li').length > 0", "what is missing")
    assert "Name (x_name) is mandatory in Odoo" in texts(client, ".o_sync_findings")[0]

    # What is mandatory is mapped first: the finding offers it.
    client.page.click(".o_sync_findings button")
    client.page.wait(f"!!document.querySelector('{ROW}.o_selected_row')", "a new line")
    choose(client, "remote_path", "serial", "Serial__c")
    client.settle()
    assert "Serial Number" in texts(client, f"{ROW} td[name=remote_path]")[0]
    client.screenshot("mapping-editor-line")

    # A second rule: numbers get the transform that suits them.
    client.page.click(".o_field_x2many_list_row_add a")
    client.page.wait(f"document.querySelectorAll('{ROW}').length === 2", "a second line")
    choose(client, "field_name", "price", "x_price")
    choose(client, "remote_path", "list price", "Price__c")
    client.settle()

    # A value through a link, from the example that the provider has.
    client.page.click(".o_sync_example")
    client.page.wait("document.querySelectorAll('.o-dropdown--menu .o-dropdown-item').length > 0", "examples", 60)
    client.page.click(".o-dropdown--menu .o-dropdown-item")
    client.page.wait(f"document.querySelector('{ROW} .o_sync_sample')?.innerText.includes('SN-0001')", "its values", 60)
    client.settle()
    client.screenshot("mapping-editor")
    assert "1999.9" in "".join(texts(client, f"{ROW} .o_sync_sample"))
    client.page.click(".o_form_button_save")
    client.page.wait("!document.querySelector('.o_form_dirty')", "the form to be saved")
    client.settle()
    rules = odoo_server.rpc(
        "sync.mapping.rule", "search_read", [("mapping_id", "=", mapping)],
        ["remote_path", "field_name", "transform", "name", "direction"],
    )
    assert [(rule["remote_path"], rule["field_name"], rule["transform"], rule["name"]) for rule in rules] == [
        ("Serial__c", "x_name", "direct", "Serial Number"), ("Price__c", "x_price", "number", "List Price"),
    ]
    assert not texts(client, ".o_sync_findings")
    client.screenshot("mapping-editor-saved")


def test_shipped_mappings_have_nothing_wrong_and_lines_the_same_editor(odoo_server, client, flow):
    [row] = odoo_server.rpc("sync.flow", "read", [_one(flow)], ["connection_id"])
    odoo_server.rpc("sync.connection", "action_install_flows", [row["connection_id"][0]])
    [deals] = odoo_server.rpc("sync.flow", "search_read", [("code", "=", "deals")], ["mapping_id"])
    client.page.open(f"{client.url}/odoo/sync-mappings/{deals['mapping_id'][0]}")
    client.page.wait(f"document.querySelectorAll('{ROW}').length > 5", "the rules", 60)
    client.settle()
    client.screenshot("mapping-editor-deals")
    findings = "".join(texts(client, ".o_sync_findings"))
    assert "has no field" not in findings and "mandatory" not in findings
    assert "Synced Quote" in texts(client, ROW)[0] + "".join(texts(client, ROW))
    client.page.click(f"{ROW} button[name=action_open_lines]")
    client.page.wait("!!document.querySelector('.o_dialog .o_sync_mapping_head')", "the rules of lines", 60)
    client.settle()
    client.screenshot("mapping-editor-lines")
    assert "Quote Line Item" in texts(client, ".o_dialog .o_sync_mapping_head")[0]
    assert "has no field" not in "".join(texts(client, ".o_dialog .o_sync_findings"))


def test_the_object_of_a_flow_is_chosen_from_what_the_system_has(odoo_server, client, flow):
    client.page.open(f"{client.url}/odoo/sync-flows/{_one(flow)}")
    client.page.wait("!!document.querySelector('.o_field_sync_remote_object input')", "the flow", 60)
    client.settle()
    client.page.evaluate("document.querySelector('.o_field_sync_remote_object input').select()")
    client.page.type(".o_field_sync_remote_object input", "mach")
    client.page.wait(
        "[...document.querySelectorAll('.o-autocomplete--dropdown-item')]"
        ".some((one) => one.innerText.includes('Machine (Machine__c)'))",
        "the custom object",
    )
    client.screenshot("flow-remote-object")
    client.page.open(f"{client.url}/odoo/sync-objects")
    client.settle()
