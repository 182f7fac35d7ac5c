"""Takes the pictures of the documents on the running demonstration; not a test.

After ``./q2c run``::

    $ eval "$(./q2c env)"
    $ python -m tests.browser.pictures            # all of them
    $ python -m tests.browser.pictures trace desk  # those whose name contains a word

They go to ``docs/images``. It wins deals, breaks some and mends them again, so throw the
demonstration away afterwards (``./q2c reset``). Another installation with the same
connections is named by ``--odoo``, ``--sandbox`` and ``--database``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from cli import database, paths, services, testing
from cli.console import Failure, say
from cli.environment import Environment
from tests.support.waiting import wait_for

from .chromium import Chromium
from .client import BROWSERS, WebClient, first_that_shows
from .conftest import xmlid_id

WIDTH, HEIGHT = 1440, 1000
FOLDER = paths.ROOT / "docs" / "images"
OPERATOR = ("Olivia Operator", "operator")
CARD = ".o_kanban_record:not(.o_kanban_ghost)"


def _address(street: str, city: str, state: str, postcode: str) -> dict[str, str]:
    return {"BillingStreet": street, "BillingCity": city, "BillingState": state, "BillingPostalCode": postcode,
            "BillingCountry": "United States"}


PIER = _address("4 Pier Road", "Boston", "MA", "02110")
MILL = _address("2 Mill Road", "Portland", "ME", "04101")
SUN = _address("77 Sun Street", "Austin", "TX", "73301")
LAKE = _address("9 Lake Drive", "Chicago", "IL", "60601")

_shots: dict[str, Callable[[Studio], None]] = {}


def shot(take: Callable[[Studio], None]) -> Callable[[Studio], None]:
    """Register a function that takes the pictures named like it."""
    _shots[take.__name__.replace("_", "-")] = take
    return take


class Studio:
    """The demonstration, and the browsers in which it is looked at."""

    def __init__(self, environment: Environment):
        self.environment = environment
        self.rpc = environment.rpc
        self._clients: dict[str, WebClient] = {}
        self._browsers: list[Chromium] = []
        self._customers = 0

    def calm(self) -> None:
        """Let nothing be polled by itself for an hour: what is looked at stays as it is."""
        flows = self.rpc("sync.flow", "search", [("direction", "=", "inbound")])
        self.rpc("sync.flow", "write", flows, {"poll_interval": 60})
        wait_for(lambda: not self.rpc("sync.job", "search_count", [
            ("kind", "=", "poll"), ("state", "=", "running")]), "the polls to end", 60)

    def look(self, connection: int) -> None:
        """Look for changes at a system, and wait until that is over."""
        polls = [("connection_id", "=", connection), ("kind", "=", "poll")]
        planned = self.rpc("sync.job", "search_count", [*polls, ("state", "=", "pending")])
        done = [*polls, ("state", "=", "done")]
        before = self.rpc("sync.job", "search_count", done)
        self.rpc("sync.connection", "action_poll_now", [connection])
        wait_for(lambda: self.rpc("sync.job", "search_count", done) >= before + planned, "the polls", 120)

    def close(self) -> None:
        """Close all browsers."""
        for browser in self._browsers:
            browser.__exit__()

    def client(self, login: str = "admin") -> WebClient:
        """Return a browser in which a user is logged in."""
        if login not in self._clients:
            self._clients[login] = first_that_shows(lambda: self._log_in(login), BROWSERS)
        return self._clients[login]

    def _log_in(self, login: str) -> WebClient:
        browser = Chromium(testing.browser(), Path(tempfile.mkdtemp(prefix="pictures-")))
        page = browser.__enter__()
        self._browsers.append(browser)
        page.resize(WIDTH, HEIGHT)
        return WebClient(page, self.environment.odoo_url, login)

    def open(self, path: str, ready: str, login: str = "admin") -> WebClient:
        """Open a page and wait until a condition in JavaScript holds."""
        client = self.client(login)
        client.page.open(f"{self.environment.odoo_url}/odoo/{path}")
        client.page.wait(ready, path, 90)
        client.settle()
        return client

    def take(self, client: WebClient, name: str) -> None:
        """Save what is shown as a picture of the documents."""
        client.settle()
        client.page.evaluate("document.activeElement?.blur()")
        say(f"  {client.page.screenshot(FOLDER / f'{name}.png').relative_to(paths.ROOT)}")

    def one(self, model: str, domain: list, **options: object) -> int:
        """Wait for a record; return its id."""
        return wait_for(lambda: self.rpc(model, "search", domain, limit=1, **options), f"a {model}", 120)[0]

    # -- deals --------------------------------------------------------------

    def salesforce(self, name: str, account: dict, **more: object) -> dict:
        """Win a deal in Salesforce."""
        spec = {"win": True, "name": name, "account": account, **more}
        return self.environment.sandbox("POST", "/_admin/salesforce/deals", spec)

    def hubspot(self, name: str, company: str, **more: object) -> dict:
        """Win a deal in HubSpot."""
        self._customers += 1  # a postcode of its own: otherwise one could be taken for the other
        place = {"address": "Am Kai 3", "city": "Hamburg", "zip": f"204{self._customers:02}", "country": "Germany"}
        spec = {"win": True, "name": name, "company": {"name": company, **place}, **more}
        return self.environment.sandbox("POST", "/_admin/hubspot/deals", spec)

    def card(self, text: str) -> int:
        """Wait for an open card of the exception desk that says something; return its id."""
        return self.one("sync.exception", [("message", "like", text), ("state", "in", ["new", "acknowledged"])])

    def paid_order_of(self, deal: str) -> tuple[int, str]:
        """Wait until the order of a deal is paid; return its id and name."""
        order = self.one("sale.order", [("q2c_source_name", "=", deal)], order="id desc")
        name = self.rpc("sale.order", "read", [order], ["name"])[0]["name"]
        self.one("account.move", [("invoice_origin", "=", name), ("payment_state", "=", "paid")])
        return order, name

    def operator(self) -> str:
        """Return the login of a user with the operator's group and no other right."""
        name, login = OPERATOR
        if not self.rpc("res.users", "search", [("login", "=", login)]):
            groups = [xmlid_id(self, name) for name in ("base.group_user", "crm_sync_base.group_sync_operator")]
            self.rpc("res.users", "create",
                     {"name": name, "login": login, "password": login, "group_ids": [(6, 0, groups)]})
        return login


# -- the exception desk: what docs/walkthrough-exceptions.md tells ------------------------

@shot
def walk_exceptions(studio: Studio) -> None:
    """An operator mends a tax, learns who makes products, and has a customer corrected."""
    studio.hubspot("Elbe Marine: platform 2027", "Elbe Marine GmbH", defects=["unmapped_product"])
    studio.salesforce("Harbor Tools renewal", {"Name": "Harbor Tools Inc.", **PIER}, defects=["unknown_tax"])
    wrong = studio.salesforce("Bright Bikes starter", {"Name": "Bright Bikes Ltd"})
    if not studio.rpc("account.tax", "search", [("name", "=", "County Levy 7.77%")]):
        studio.rpc("account.tax", "create", [{"name": "County Levy 7.77%", "amount": 7.77, "type_tax_use": "sale"}])
    tax, product, customer = (studio.card(text) for text in ("Moon Levy", "UNMAPPED-", "Account: Billing Country"))
    client = studio.open("sync-exceptions", f"document.querySelectorAll('{CARD}').length > 2", studio.operator())
    studio.take(client, "exceptions")
    _open_card(studio, tax)
    studio.take(client, "exception")
    _choose(client, "County Levy")
    studio.take(client, "exception-fix")
    client.page.click(".modal button[name=action_apply]")
    client.page.wait("!!document.querySelector('.o_form_view .alert-success')?.offsetParent", "the card to close", 90)
    studio.take(client, "exception-resolved")
    _open_card(studio, product)
    _press(client, "action_fix")
    client.page.wait("!!document.querySelector('.modal .alert-warning')?.offsetParent", "who may")
    studio.take(client, "exception-who-may")
    _open_card(studio, customer)
    studio.take(client, "exception-source")
    studio.environment.sandbox("PATCH", f"/_admin/salesforce/records/Account/{wrong['account_id']}", MILL)
    _press(client, "action_retry")
    client.page.wait("!!document.querySelector('.o_form_view .alert-success')?.offsetParent", "the card to close", 90)


def _open_card(studio: Studio, card: int) -> None:
    studio.open(f"sync-exceptions/{card}", "!!document.querySelector('.o_form_view .alert-info')", OPERATOR[1])


def _press(client: WebClient, name: str) -> None:
    """Press the visible button of a form that calls a method."""
    client.page.evaluate(
        f"[...document.querySelectorAll('.o_form_view button[name={name}]')].find((one) => one.offsetParent).click()")
    client.settle()


def _choose(client: WebClient, text: str) -> None:
    """Choose the counterpart of the only value in the dialog *Fix and Retry*."""
    _press(client, "action_fix")
    client.page.click(".modal .o_data_row td[name=res_id]")
    client.page.click(".modal td[name=res_id] input")
    client.page.wait("!!document.querySelector('.o-autocomplete--dropdown-item')", "the choices")
    client.settle()
    client.page.evaluate(
        "[...document.querySelectorAll('.o-autocomplete--dropdown-item a')]"
        f".find((one) => one.innerText.includes({json.dumps(text)})).click()")
    client.settle()


@shot
def edit_and_retry(studio: Studio) -> None:
    """A failed job whose document is corrected by hand."""
    studio.salesforce("Cedar Clinics expansion", {"Name": "Cedar Clinics"})
    card = studio.card("Account: Billing Country is empty")
    job = studio.one("sync.job", [("exception_id", "=", card), ("state", "=", "failed")])
    client = studio.open(f"sync-jobs/{job}", "!!document.querySelector('button[name=action_edit_payload]')")
    _press(client, "action_edit_payload")
    field = "document.querySelector('.modal [id$=BillingCountry]')"
    client.page.wait(f"!!{field}", "the field", 60)
    client.page.evaluate(f"{field}.scrollIntoView({{ block: 'center' }}); {field}.focus()")
    client.page.send("Input.insertText", text="United States")
    client.page.type("#edit_reason", "Sales forgot the country; told Ann, she adds it in Salesforce")
    studio.take(client, "edit-and-retry")


# -- stories ------------------------------------------------------------------------------

@shot
def trace(studio: Studio) -> None:
    """The whole story of a deal, and its comparison."""
    studio.salesforce("Lumen Energy platform", {"Name": "Lumen Energy", **SUN})
    order, name = studio.paid_order_of("Lumen Energy platform")
    lines = "document.querySelectorAll('.o_sync_line').length > 8"
    studio.take(studio.open(f"sync-trace?query={name}", lines), "trace")
    studio.rpc("sale.order", "action_q2c_compare", [order])
    comparison = studio.one("q2c.comparison", [("order_id", "=", order)])
    ready = "document.querySelectorAll('.o_form_view .o_data_row').length > 5"
    studio.take(studio.open(f"deal-comparisons/{comparison}", ready), "comparison")


@shot
def steps(studio: Studio) -> None:
    """An order whose steps are undone: what touches money needs a person."""
    deal = studio.salesforce("Aurora Bakery renewal", {"Name": "Aurora Bakery", **LAKE})
    order, _name = studio.paid_order_of("Aurora Bakery renewal")
    domain = [("model", "=", "sale.order"), ("res_id", "=", order)]
    saga = studio.one("sync.saga", [*domain, ("state", "=", "complete")])
    studio.rpc("sync.saga", "action_undo_all", [saga])
    wait_for(lambda: studio.rpc("sync.saga", "search", [("id", "=", saga), ("state", "=", "person")]),
             "the step that needs a person", 60)
    studio.take(studio.open(f"sync-sagas/{saga}", "!!document.querySelector('.o_form_view .alert-danger')"), "steps")
    trouble = "!!document.querySelector('.o_sync_trouble, .alert-danger')"
    studio.take(studio.open(f"sync-trace?query={deal['opportunity_id']}", trouble), "trace-trouble")


# -- what was done, and how fast ------------------------------------------------------------

@shot
def job_console(studio: Studio) -> None:
    """The console."""
    studio.take(studio.open("sync-console", "document.querySelectorAll('.o_sync_tile').length === 7"), "job-console")


@shot
def overview(studio: Studio) -> None:
    """The overview."""
    studio.take(studio.open("sync-overview", "document.querySelectorAll('.o_sync_tile').length === 5"), "overview")


@shot
def throughput(studio: Studio) -> None:
    """The graph and the pivot of what was processed."""
    client = studio.open("sync-overview", "document.querySelectorAll('.o_sync_tile').length === 5")
    # A demonstration is minutes old: by hour, as the graph opens, there would be one bar.
    client.page.evaluate(
        "odoo.__WOWL_DEBUG__.root.env.services.action.doAction('crm_sync_base.action_sync_metric',"
        " { additionalContext: { graph_groupbys: ['flow_id', 'kind'] } }).then(() => true)")
    client.page.wait("!!document.querySelector('.o_graph_view canvas')", "the graph")
    # Its bars grow first: it is there when it has been the same for a while.
    client.page.wait(
        "(() => { const now = document.querySelector('.o_graph_view canvas').toDataURL();"
        " if (window.seen !== now) { window.seen = now; window.since = performance.now(); }"
        " return performance.now() - window.since > 1000; })()", "a graph that is at rest")
    studio.take(client, "throughput")
    client.switch_view("pivot")
    studio.take(client, "throughput-pivot")


@shot
def settings(studio: Studio) -> None:
    """The settings of administrators."""
    client = studio.open("action-crm_sync_base.action_sync_settings", "!!document.querySelector('.o_setting_box')")
    studio.take(client, "settings")


@shot
def replay_run(studio: Studio) -> None:
    """A period is replayed, and nothing changes."""
    wizard = studio.rpc("sync.replay.wizard", "create", [{"with_done": True}])[0]
    action = studio.rpc("sync.replay.wizard", "action_start", [wizard])
    studio.take(studio.open(f"sync-runs/{action['res_id']}", "!!document.querySelector('.o_form_view')"), "replay-run")


@shot
def missed_webhooks(studio: Studio) -> None:
    """Deals that no webhook told of."""
    connection = studio.one("sync.connection", [("provider", "=", "hubspot")])
    # Only where webhooks work, one can be missed.
    studio.hubspot("Havel Sails 2027", "Havel Sails GmbH")
    studio.one("sync.event", [
        ("connection_id", "=", connection), ("origin", "=", "webhook"), ("remote_object", "=", "deals")])
    studio.look(connection)
    fault = {"vendor": "hubspot", "kind": "webhook_drop", "times": 100}
    made = studio.environment.sandbox("POST", "/_admin/faults", fault)
    for name in ("Isar Optics", "Spree Media", "Weser Wind", "Oder Oak"):
        studio.hubspot(f"{name} 2027", f"{name} GmbH")
    studio.look(connection)
    studio.environment.sandbox("DELETE", f"/_admin/faults/{made['id']}")
    client = studio.open(f"sync-connections/{connection}", "!!document.querySelector('button[name=action_open_gaps]')")
    _press(client, "action_open_gaps")
    client.page.wait("document.querySelectorAll('.o_data_row').length > 3", "the events")
    studio.take(client, "missed-webhooks")


def main() -> None:
    """Take the pictures whose names contain a word of the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=", ".join(_shots))
    parser.add_argument("--odoo", help="address of Odoo")
    parser.add_argument("--sandbox", help="address of the sandbox")
    parser.add_argument("--database", default=database.DEMO)
    options = parser.parse_args()
    ports = services.saved_ports()
    if not (options.odoo or ports):
        raise Failure("The demonstration does not run.", "Start it: ./q2c run")
    environment = Environment.of(
        options.odoo or services.odoo_url(ports["odoo"]),
        options.sandbox or f"http://127.0.0.1:{ports['sandbox']}",
        options.database,
    )
    environment.odoo.authenticate()
    studio = Studio(environment)
    try:
        studio.calm()
        for name, take in _shots.items():
            if not options.names or any(word in name for word in options.names):
                take(studio)
    finally:
        studio.close()


if __name__ == "__main__":
    main()
