"""Makes the shared fixtures known to the tests below this folder."""

from tests.support.fixtures import (  # noqa: F401 - found by pytest under their names
    browser_path,
    fresh_odoo_server,
    fresh_sandbox,
    odoo_server,
    sandbox,
)
