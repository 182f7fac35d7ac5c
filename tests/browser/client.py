"""Odoo's web client as a person sees it, on top of a :class:`.chromium.Page`."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cli import paths

from .chromium import BrowserError, Page

SCREENSHOTS = paths.STATE / "screenshots"

#: Something that only the web client's own services know; Odoo keeps them here for developers.
_SERVICES = "odoo.__WOWL_DEBUG__.root.env.services"

#: What no page may show: the dialog of an unexpected error, the banner of style sheets that do not compile.
_BROKEN = """
(() => {
    const dialog = document.querySelector('.o_error_dialog');
    const banner = getComputedStyle(document.body, '::before').content;
    return dialog ? dialog.innerText : banner.includes('css error') ? banner : '';
})()
"""


#: Browsers that are tried for one login, see :func:`first_that_shows`.
BROWSERS = 3


def first_that_shows(log_in: Callable[[], WebClient], tries: int) -> WebClient:
    """Return the first login that works.

    A fresh browser now and then never shows the web client's first page: it stays
    white, without an error or a request, however often it is loaded. Another one does.

    :param log_in: starts a browser of its own each time
    :raise BrowserError: of the last one, when none does
    """
    for _attempt in range(1, tries):
        with contextlib.suppress(BrowserError):
            return log_in()
    return log_in()


@dataclass(frozen=True)
class Menu:
    """One item of an app's menu that opens something."""

    id: int
    xmlid: str
    name: str


class WebClient:
    """A user who is logged in.

    :param page: an empty tab
    :param url: where Odoo answers
    :param login: of the user, whose password is the same
    """

    def __init__(self, page: Page, url: str, login: str):
        self.page = page
        self.url = url
        self.login = login
        self._log_in()

    def _log_in(self) -> None:
        self.page.open(f"{self.url}/web/login")
        self.page.evaluate(f"""
            for (const name of ['login', 'password']) {{
                document.querySelector(`input[name=${{name}}]`).value = {json.dumps(self.login)};
            }}
            document.querySelector('form.oe_login_form').submit();
        """)
        # The very first page load compiles scripts and style sheets.
        self.page.wait("!!document.querySelector('.o_web_client .o_action_manager > *')", "the web client", 75)
        self.settle()

    def settle(self) -> None:
        """Wait until nothing is loading any more."""
        self.page.wait_quiet(limit=120)

    def problems(self) -> list[str]:
        """Return what went wrong on the page since the last call."""
        found = self.page.take_problems()
        broken = self.page.evaluate(_BROKEN)
        return [*found, f"the page shows: {broken}"] if broken else found

    def menus(self, app: str) -> list[Menu]:
        """Return the items of an app's menu that open something, in order.

        :param app: xmlid of the app's root menu
        """
        rows = self.page.evaluate(f"""
            (() => {{
                const menus = {_SERVICES}.menu.getAll();
                const root = menus.find((menu) => menu.xmlid === {json.dumps(app)});
                return menus
                    .filter((menu) => root && menu.appID === root.id && menu.id !== root.id && menu.actionID)
                    .filter((menu) => !menu.children.length)
                    .map((menu) => [menu.id, menu.xmlid, menu.name]);
            }})()
        """)
        return [Menu(*row) for row in rows]

    def open_menu(self, menu: Menu) -> None:
        """Do what a click on the item does."""
        self.page.evaluate(f"{_SERVICES}.menu.selectMenu({menu.id}).then(() => true)")
        self.page.wait("!!document.querySelector('.o_action_manager > .o_action')", f"{menu.name} to open")
        self.settle()

    def view_types(self) -> list[str]:
        """Return the kinds of view that can be switched to, without the one shown."""
        return self.page.evaluate("""
            [...document.querySelectorAll('.o_cp_switch_buttons .o_switch_view:not(.active)')]
                .map((button) => [...button.classList])
                .map((names) => names.find((name) => /^o_(list|kanban|graph|pivot|activity)$/.test(name)))
                .filter(Boolean).map((name) => name.slice(2))
        """)

    def switch_view(self, kind: str) -> None:
        """Show the same records in another kind of view."""
        self.page.click(f".o_switch_view.o_{kind}")
        self.page.wait(f"!!document.querySelector('.o_{kind}_view')", f"the {kind} view")
        self.settle()

    def open_first_record(self) -> bool:
        """Open the form of the first record of a list or kanban; return whether there is any."""
        found = self.page.evaluate("""
            (() => {
                const row = document.querySelector(
                    '.o_list_view:not(:has(.o_view_sample_data)) .o_data_row td.o_data_cell:not(.o_list_button)'
                    + ', .o_kanban_view:not(:has(.o_view_sample_data)) .o_kanban_record:not(.o_kanban_ghost)');
                row?.click();
                return !!row;
            })()
        """)
        if found:
            self.settle()
        return found and self.page.evaluate("!!document.querySelector('.o_form_view')")

    def open_tabs(self) -> None:
        """Look at every tab of a form."""
        count = self.page.evaluate("document.querySelectorAll('.o_notebook_headers .nav-link').length")
        for number in range(count):
            self.page.evaluate(f"document.querySelectorAll('.o_notebook_headers .nav-link')[{number}].click()")
            self.settle()

    def screenshot(self, name: str) -> Path:
        """Save what is visible under a name that makes a good file name."""
        return self.page.screenshot(SCREENSHOTS / f"{re.sub(r'[^a-z0-9]+', '-', name.lower())}.png")
