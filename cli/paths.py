"""Where things are. Everything that ``q2c`` builds is below :data:`STATE`."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

#: The repository, which is also the Odoo addons folder.
ROOT = Path(__file__).resolve().parent.parent

#: What q2c builds; ``Q2C_STATE`` puts it elsewhere (used by the tests of q2c).
STATE = Path(os.environ.get("Q2C_STATE") or ROOT / ".q2c").absolute()

VENV = STATE / "venv"
ODOO = STATE / "odoo"
POSTGRES = STATE / "postgres"
MARKERS = STATE / "markers"
LOGS = STATE / "logs"
RUN = STATE / "run"
DATA = STATE / "data"

#: Distinguishes the things that must live outside :data:`STATE` (sockets).
TAG = hashlib.sha256(str(STATE).encode()).hexdigest()[:10]


def python() -> Path:
    """The interpreter of the private virtual environment."""
    return VENV / "bin" / "python"


def shown(path: Path) -> str:
    """``path`` as a user would type it: relative to the repository if inside."""
    try:
        return str(path.relative_to(ROOT))
    except ValueError:
        return str(path)
