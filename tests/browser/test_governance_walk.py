"""The whole way of a rule, as two new users go it: map, preview, review, run, change, undo.

A custom object at Salesforce goes to a model that was made up in Odoo: no code knows
either. The author is an integration manager and the reviewer a finance approver, each in
a browser of their own and with no other rights; everything is done by reading and
clicking. `docs/walkthrough-governance.md` tells the same with the screenshots that this
test takes.
"""

from __future__ import annotations

import pytest

from cli.rpc import Odoo, OdooError
from tests.support.servers import OdooServer

from .conftest import PREFIX, xmlid_id
from .person import Person
from .test_mapping_editor import _connect, _one

pytestmark = pytest.mark.browser

OBJECT, MODEL = "Project_Site__c", "x_project_site"
FLOW = "Project sites from Salesforce"
ROW = ".o_field_sync_mapping_rules tr.o_data_row"
SHORTLY = 60  # seconds that a run of three records may take on a busy machine

#: name: number, roof area, status
SITES = {
    "Harbour Hall": ("PS-001", 1250.5, "requested"),
    "Mill Lane School": ("PS-002", 840, "approved"),
    "Tram Depot": ("PS-003", 2310.25, "requested"),
}

#: Odoo field, what the author types to find it, remote field, what he types for that
RULES = [
    ("x_name", "x_name", "Name", "name"),
    ("x_number", "site number", "Site_Number__c", "site number"),
    ("x_roof_area", "roof", "Roof_Area__c", "roof"),
    ("x_grid_status", "grid", "Grid_Status__c", "grid"),
]


# === What an administrator has prepared ===#


@pytest.fixture(scope="module")
def odoo_server(tmp_path_factory):
    """Odoo with the made-up model, the two people, and then its scheduled actions.

    These do not bear that a model is made up while they run, hence the restart.
    """
    with OdooServer(tmp_path_factory.mktemp("odoo"), ["--max-cron-threads=0"]) as server:
        _make_up_model(server)
        for login, name, group in (("author", "Ann Author", "manager"), ("reviewer", "Rob Reviewer", "approver")):
            groups = [xmlid_id(server, "base.group_user"), xmlid_id(server, PREFIX + group)]
            server.rpc("res.users", "create", {
                "name": name, "login": login, "password": login, "group_ids": [(6, 0, groups)]})
        server.arguments = []
        server.restart()
        yield server


def _make_up_model(server) -> None:
    """Make a model with fields of its own, as in Settings → Technical → Models."""
    fields = [("x_name", "char", "Name"), ("x_number", "char", "Site Number"),
              ("x_roof_area", "float", "Roof Area (m²)"), ("x_grid_status", "char", "Grid Status"),
              ("x_active", "boolean", "Active")]
    model = _one(server.rpc("ir.model", "create", {"name": "Project Site", "model": MODEL, "field_id": [
        (0, 0, {"name": name, "ttype": kind, "field_description": label, "required": name == "x_name"})
        for name, kind, label in fields]}))
    server.rpc("ir.default", "set", MODEL, "x_active", True)
    server.rpc("ir.model.access", "create", {
        "name": "project sites", "model_id": model, "group_id": xmlid_id(server, "base.group_user"),
        "perm_read": True, "perm_write": True, "perm_create": True, "perm_unlink": False})


@pytest.fixture(scope="module")
def sites(sandbox):
    """The ids of three records of a custom object at Salesforce, by name."""
    sandbox.admin.post("/salesforce/custom-objects", {"name": OBJECT, "label": "Project Site", "fields": [
        {"name": "Site_Number__c", "type": "string", "label": "Site Number", "external_id": True, "unique": True},
        {"name": "Roof_Area__c", "type": "double", "label": "Roof Area"},
        {"name": "Grid_Status__c", "type": "picklist", "label": "Grid Status",
         "values": ["requested", "approved", "connected"]},
    ]})
    return {
        name: sandbox.admin.post(f"/salesforce/records/{OBJECT}", {
            "Name": name, "Site_Number__c": number, "Roof_Area__c": area, "Grid_Status__c": status})["Id"]
        for name, (number, area, status) in SITES.items()
    }


@pytest.fixture(scope="module")
def connection(odoo_server, sandbox, sites):
    """The id of a connection to that Salesforce, without any flow."""
    return _connect(odoo_server, sandbox)


@pytest.fixture
def people(odoo_server, connection, login_to):
    """The author and the reviewer; whatever went wrong on their pages fails the test."""
    found = [Person(login_to(odoo_server, login)) for login in ("author", "reviewer")]
    yield found
    assert not [problem for person in found for problem in person.client.problems()] + odoo_server.errors()


# === The walk ===#


def test_a_rule_is_written_previewed_approved_run_changed_and_undone(odoo_server, sandbox, sites, people):
    author, reviewer = people
    _make_flow(author)
    _map_fields(author)
    _preview_first_version(author)
    _is_not_approved_by_its_author(author, odoo_server)
    _approve(reviewer)
    _load(author, odoo_server)
    _follow_a_change(author, odoo_server, sandbox, sites)
    _write_second_version(author)
    _review_second_version(reviewer)
    _run_second_version(author, odoo_server)
    _undo(author, odoo_server, sandbox, sites)
    _undo_the_undo(author, odoo_server)


def _stored(server, *names: str) -> dict[str, tuple]:
    """Return what the made-up model holds: {number: values}."""
    rows = server.sql(f"SELECT x_number, {', '.join(names)} FROM {MODEL} ORDER BY x_number")
    return {row[0]: row[1] if len(names) == 1 else row[1:] for row in rows}


def _make_flow(author) -> None:
    author.go_to("Flows")
    author.sees("For any other object of the other system")
    author.press("New")
    author.write("name", FLOW)
    author.choose("connection_id", "Sales", "Salesforce")
    author.choose("remote_object", "project", f"Project Site ({OBJECT}) · custom")
    author.choose("model_id", "Project Site", "Project Site")
    author.saves()
    author.sees("No mapping is active yet")
    author.client.screenshot("governance-flow")


# --- The first version ---


def _map_fields(author) -> None:
    author.press("Edit Mapping")
    author.sees("Name (x_name) is mandatory in Odoo and nothing fills it")
    for field, field_query, path, path_query in RULES:
        _add_rule(author, field, field_query, path, path_query)
    _choose_in_row(author, 1, "policy", "Only on creation")
    _choose_example(author, "Harbour Hall")
    author.sees("1250.5")
    author.write("note", "Project sites come from Salesforce; what they are called is ours once they exist.")
    author.saves()
    assert "nothing fills it" not in author.reads()
    assert not author.reads(".o_sync_findings")


def _add_rule(author, field: str, field_query: str, path: str, path_query: str) -> None:
    count = author.page.evaluate(f"document.querySelectorAll('{ROW}').length")
    author.press("Add a line")
    author.page.wait(f"document.querySelectorAll('{ROW}').length === {count + 1}", "a new line")
    _pick(author, "field_name", field_query, field)
    _pick(author, "remote_path", path_query, path)


def _pick(author, cell: str, query: str, name: str) -> None:
    """Open the picker of a cell, type until the field is the first one, and press Enter."""
    page = author.page
    page.click(f"{ROW}.o_selected_row td[name={cell}] .o_sync_rule_path")
    page.wait("!!document.querySelector('.o_sync_picker input')", "the picker")
    page.type(".o_sync_picker input", query)
    page.wait(f"document.querySelector('.o_sync_picker_item.active')?.dataset.name === '{name}'", f"{name} on top")
    page.press("Enter", 13)
    page.wait("!document.querySelector('.o_sync_picker')", "the picker to close")
    author.client.settle()


def _choose_in_row(author, number: int, cell: str, item: str) -> None:
    """Choose from the list of a cell of the rule with that number."""
    author.page.click(f"{ROW}:nth-child({number}) td[name={cell}]")
    author.page.click(f"{ROW}.o_selected_row td[name={cell}] input")
    author.press(item)


def _choose_example(author, name: str) -> None:
    author.page.click(".o_sync_example")
    found = f"[...document.querySelectorAll('.o-dropdown-item')].find((one) => one.innerText.startsWith('{name}'))"
    author.page.wait(f"!!{found}", f"{name} among the examples", SHORTLY)
    author.page.evaluate(f"{found}.click()")
    author.page.wait(f"document.querySelector('{ROW} .o_sync_sample')?.innerText.includes('{name}')", "its values")
    author.client.settle()


def _preview_first_version(author) -> None:
    author.press("Preview")
    author.press("Try It")
    author.sees("Roof Area (m²): 2310.25", SHORTLY)
    author.sees("No version is active yet")
    assert author.reads().count("Would be created") == len(SITES)
    author.press(f"{FLOW} v1")


def _is_not_approved_by_its_author(author, server) -> None:
    author.press("Ask for Review")
    author.sees("waits for a review by somebody who did not write it")
    assert not author.can_press("Approve and Activate")
    author.client.screenshot("governance-own-work")
    own = Odoo(server.url, server.database, "author", "author")
    [mapping] = own.call("sync.mapping", "search", [("flow_id.name", "=", FLOW)])
    for method, values in (("action_activate", ()), ("write", ({"state": "active"},))):
        with pytest.raises(OdooError, match=f"You wrote some of {FLOW} v1 yourself. Somebody else has to approve it"):
            own.call("sync.mapping", method, [mapping], *values)


def _approve(reviewer) -> None:
    reviewer.go_to("Mappings to Review")
    reviewer.press(FLOW)
    reviewer.sees("Roof Area (m²)")
    reviewer.press("Approve and Activate")
    reviewer.press("Approve and Activate")  # in the dialog that asks
    reviewer.sees("Active Since")


# --- The first load ---


def _until_over(author, name: str) -> None:
    """Wait on the page of a run until it says itself that the run is over."""
    author.sees(name)
    author.page.wait(
        "document.querySelector('.o_statusbar_status .o_arrow_button_current')?.innerText === 'Done'"
        f" && document.querySelector('.oe_title')?.innerText.startsWith({name!r})",
        f"{name} to be over", SHORTLY)
    author.client.settle()


def _carry_out(author, verdict: str, picture: str) -> None:
    """Dry run, a look at the plan, approve and run."""
    author.press("First Load or Dry Run")
    author.press("Start Dry Run")
    _until_over(author, "Dry run")
    author.sees("Nothing was written")
    author.press(verdict)
    author.sees("Harbour Hall")
    author.client.screenshot(picture)
    author.goes_back()
    author.press("Approve and Run")
    author.press("Approve and Run")  # in the dialog that asks
    _until_over(author, "Approved plan")


def _open_flow(author) -> None:
    author.go_to("Flows")
    author.press(FLOW)


def _load(author, server) -> None:
    _open_flow(author)
    assert not _stored(server, "x_name")
    _carry_out(author, "Create", "governance-first-plan")
    assert _stored(server, "x_name", "x_roof_area", "x_grid_status") == {
        number: (name, area, status) for name, (number, area, status) in SITES.items()}
    author.press("Create")
    author.press("Project Site Harbour Hall")
    author.press("Record")
    author.sees("Roof Area (m²)")
    assert author.page.evaluate("document.querySelector('[name=x_number] input').value") == "PS-001"


def _follow_a_change(author, server, sandbox, sites) -> None:
    """What changes at the source arrives, as far as the rules let it."""
    _open_flow(author)
    author.press("Go Live")
    author.press("Go Live")  # in the dialog that asks
    sandbox.admin.request("PATCH", f"/salesforce/records/{OBJECT}/{sites['Mill Lane School']}",
                          {"Roof_Area__c": 901.75, "Name": "Mill Lane Primary School"})
    author.press("Look for Changes Now")
    author.sees("Changes are being looked for")
    server.wait_for(lambda: _stored(server, "x_roof_area")["PS-002"] == 901.75, "the change")
    author.go_to("Applied Changes")
    author.press("Project Site Mill Lane Primary School")
    told = author.reads()
    assert "Roof Area (m²)\t840.0\t901.75" in told
    assert f"{FLOW} v1" in told
    author.client.screenshot("governance-change")
    # The rule says that the name is set once.
    assert _stored(server, "x_name")["PS-002"] == "Mill Lane School"


# --- The second version ---


def _write_second_version(author) -> None:
    _open_flow(author)
    author.press("Edit Mapping")
    author.sees(f"{FLOW} v2")
    _choose_in_row(author, 4, "transform", "Text, cleaned")
    author.page.evaluate(f"document.querySelector('{ROW}.o_selected_row td[name=argument] input').focus()")
    author.page.send("Input.insertText", text="upper")
    author.write("note", "The grid status in capitals, as the grid operator spells it.")
    _choose_example(author, "Tram Depot")
    author.sees("REQUESTED")
    author.client.screenshot("governance-mapping")
    author.saves()
    author.press("Preview")
    author.press("Try It")
    author.sees("Grid Status: approved → APPROVED", SHORTLY)
    assert "Grid Status: 3" in author.reads()
    author.client.screenshot("governance-preview")
    author.press(f"{FLOW} v2")
    author.press("Ask for Review")
    author.sees("waits for a review by somebody who did not write it")


def _review_second_version(reviewer) -> None:
    """The reviewer is told by Odoo's own tasks, looks at the difference and the preview, approves."""
    reviewer.page.open(f"{reviewer.client.url}/odoo")
    reviewer.client.settle()
    reviewer.page.click(".o-mail-ActivityMenu-counter")
    reviewer.press("Mapping Version")
    reviewer.press("In Review")
    reviewer.press("What Is Different")
    told = reviewer.reads()
    assert "Grid Status (changed) · Transform\tAs it is\tText, cleaned" in told
    reviewer.client.screenshot("governance-review")
    reviewer.press("Previews")
    reviewer.press(f"{FLOW} v1")  # compared with it
    reviewer.sees("Grid Status: approved → APPROVED")
    reviewer.press(f"{FLOW} v2")
    reviewer.press("Approve and Activate")
    reviewer.press("Approve and Activate")
    reviewer.sees("Active Since")


def _run_second_version(author, server) -> None:
    _open_flow(author)
    _carry_out(author, "Update", "governance-plan")
    assert set(_stored(server, "x_grid_status").values()) == {"REQUESTED", "APPROVED"}
    author.client.screenshot("governance-run")


# --- Undo ---


def _undo(author, server, sandbox, sites) -> None:
    """The run is taken back, except what the source has changed since."""
    sandbox.admin.request("PATCH", f"/salesforce/records/{OBJECT}/{sites['Tram Depot']}",
                          {"Grid_Status__c": "connected"})
    _open_flow(author)
    author.press("Look for Changes Now")
    server.wait_for(lambda: _stored(server, "x_grid_status")["PS-003"] == "CONNECTED", "the change")
    author.press("Runs")
    author.press(f"Approved plan: {FLOW}")
    author.press("Undo…")
    author.sees("Changes of records that go back to what was there before: 3")
    author.client.screenshot("governance-undo-question")
    author.press("Undo")
    _until_over(author, "Undo")
    assert _stored(server, "x_grid_status") == {"PS-001": "requested", "PS-002": "approved", "PS-003": "CONNECTED"}
    author.client.screenshot("governance-undone")
    author.press("Left as It Is")
    author.sees("The synchronisation changed it since: Grid Status.")
    author.client.screenshot("governance-left")
    author.goes_back()


def _undo_the_undo(author, server) -> None:
    author.press("Undo…")
    author.press("Undo")
    _until_over(author, "Undo: Undo")
    assert _stored(server, "x_grid_status") == {"PS-001": "REQUESTED", "PS-002": "APPROVED", "PS-003": "CONNECTED"}


# === Four eyes, by no way around ===#


def test_whoever_has_written_a_part_approves_by_no_way(odoo_server, connection):
    """Neither by the button's method, nor by writing, nor by handing the work to himself."""
    author = Odoo(odoo_server.url, odoo_server.database, "author", "author")
    reviewer = Odoo(odoo_server.url, odoo_server.database, "reviewer", "reviewer")
    [model] = author.call("ir.model", "search", [("model", "=", MODEL)])
    flow = _one(author.call("sync.flow", "create", [{
        "name": "By RPC", "connection_id": connection, "remote_object": OBJECT, "model_id": model}]))
    mapping = _one(author.call("sync.mapping", "create", [{"flow_id": flow}]))
    author.call("sync.mapping.rule", "create", [{
        "mapping_id": mapping, "remote_path": "Name", "field_name": "x_name"}])
    refused = [
        ("action_activate", [[mapping]]), ("write", [[mapping], {"state": "active"}]),
        ("write", [[mapping], {"author_ids": [(5, 0, 0)]}]), ("write", [[mapping], {"shipped": True}]),
        ("write", [[mapping], {"reviewer_id": 1}]), ("create", [[{"flow_id": flow, "state": "active"}]]),
    ]
    for state in ("draft", "review"):
        for method, arguments in refused:
            with pytest.raises(OdooError):
                author.call("sync.mapping", method, *arguments)
        [row] = author.call("sync.mapping", "read", [mapping], ["state"])
        assert row["state"] == state
        if state == "draft":
            author.call("sync.mapping", "action_to_review", [mapping])
    reviewer.call("sync.mapping", "action_activate", [mapping])
    [row] = author.call("sync.mapping", "read", [mapping], ["state", "reviewer_id"])
    assert (row["state"], row["reviewer_id"][1]) == ("active", "Rob Reviewer")
