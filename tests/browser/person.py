"""Somebody who reads a page of Odoo and clicks what it says: no ids, no shortcuts past the screen."""

from __future__ import annotations

import json

from .client import WebClient

#: Where somebody looks: the dialog on top, if there is one, else the page.
_SCOPE = "([...document.querySelectorAll('.modal.o_technical_modal, .modal.show, .modal.d-block')].at(-1) || document)"

#: What can be pressed, and the lines of its text that can be seen.
_PRESSABLE = """
[...%s.querySelectorAll(`
    button, a, [role=tab], [role=menuitem], .o-dropdown-item, .o_select_menu_item, .form-check-label,
    .o_data_cell, .o_kanban_record, .o-mail-ActivityGroup`)]
    .filter((one) => one.checkVisibility() && !one.disabled)
    .filter((one) => one.innerText.split('\\n').some((line) => line.trim() === %s))
"""


class Person:
    """What people do with a page, in the words that they read on it.

    :param client: who is logged in
    """

    def __init__(self, client: WebClient):
        self.client = client
        self.page = client.page

    # --- look ---

    def sees(self, text: str, seconds: float = 30.0) -> None:
        """Wait until a text can be read, in the dialog on top or on the page."""
        self.page.wait(f"{self._text()}.includes({json.dumps(text)})", f"to read “{text}”", seconds)

    def reads(self, selector: str = "") -> str:
        """Return the text of the first element that a CSS selector finds; of all that is seen without one."""
        if not selector:
            return self.page.evaluate(self._text())
        return self.page.evaluate(f"{_SCOPE}.querySelector({json.dumps(selector)})?.innerText || ''")

    def can_press(self, label: str) -> bool:
        """Return whether there is something to press with this text on it."""
        return self.page.evaluate(f"{self._pressable(label)}.length > 0")

    @staticmethod
    def _text() -> str:
        return f"({_SCOPE}.body || {_SCOPE}).innerText"

    @staticmethod
    def _pressable(label: str) -> str:
        return _PRESSABLE % (_SCOPE, json.dumps(label))

    # --- do ---

    def press(self, label: str) -> None:
        """Press the first button, link, tab or choice that says this, and wait for what it does."""
        found = self._pressable(label)
        self.page.wait(f"{found}.length > 0", f"something to press that says “{label}”")
        self.page.evaluate(f"{found}[0].click()")
        self.client.settle()

    def goes_back(self) -> None:
        """Go to the page before."""
        self.page.evaluate("history.back()")
        self.client.settle()

    def go_to(self, name: str) -> None:
        """Open an item of the app's menu."""
        [menu] = [one for one in self.client.menus("crm_sync_base.menu_root") if one.name == name]
        self.client.open_menu(menu)

    def write(self, field: str, text: str) -> None:
        """Put a text into a field of a form, in place of what is there."""
        selector = f"{_SCOPE}.querySelector({json.dumps(f'[name={field}] input, [name={field}] textarea')})"
        self.page.wait(f"!!{selector}", f"the field {field}")
        self.page.evaluate(f"{selector}.focus(), {selector}.select(), true")
        self.page.send("Input.insertText", text=text)

    def choose(self, field: str, text: str, item: str) -> None:
        """Type into a field that proposes things, and take the one that is called so."""
        self.write(field, text)
        found = ("[...document.querySelectorAll('.o-autocomplete--dropdown-item')]"
                 f".filter((one) => one.innerText.trim() === {json.dumps(item)})")
        self.page.wait(f"{found}.length > 0", f"{item} among the proposals of {field}")
        self.page.evaluate(f"{found}[0].querySelector('a').click()")
        self.client.settle()

    def saves(self) -> None:
        """Save the form."""
        self.page.click(".o_form_button_save")
        self.page.wait("!!document.querySelector('.o_form_status_indicator_buttons.invisible')", "the form to be saved")
        self.client.settle()
