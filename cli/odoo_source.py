"""Odoo 19 itself: the user's own source tree, or Debian's package unpacked privately.

Debian's unstable suite carries the Community edition as ``odoo-19``. It is
fetched from the mirror that this machine's apt is configured for, with apt's
own checks of signatures, into a folder of ours: the system is not changed and
no root is needed.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import apt, markers, paths, shell
from .console import Failure, step

PACKAGE = "odoo-19"

#: Odoo's package links web assets of these by relative path, so they have to be
#: unpacked into the same prefix. Without jquery every page answers 500.
COMPANIONS = (
    "libjs-jquery",
    "libjs-jquery-form",
    "libjs-underscore",
    "fonts-roboto-unhinted",
    "fonts-inconsolata",
    "fonts-ocr-b",
    "fonts-montserrat",
)

#: Odoo's icons need Font Awesome 4.7; unstable has a later one whose file names
#: differ. These suites are looked at in turn, after the machine's own.
ICON_FONT = "fonts-font-awesome"
ICON_FONT_VERSION = "4.7"
ICON_FONT_SUITES = ("trixie", "bookworm")

_LEFT_OUT = ("mail/static/lib/selfie_segmentation/selfie_segmentation.js",)

OWN_TREE = (
    "Get a source tree of Odoo 19 (branch 19.0 of the public repository odoo/odoo, or a nightly archive), "
    "and name its folder: Q2C_ODOO=/path/to/odoo ./q2c run"
)

_UNPACKED = Path("usr/lib/python3/dist-packages")


@dataclass(frozen=True)
class Source:
    """An Odoo source tree: what goes on Python's path, and its folders of addons."""

    path: Path
    addons: tuple[Path, ...]


def locate() -> Source:
    """The tree in use: ``Q2C_ODOO`` if set, else the embedded one.

    :raise Failure: when there is none, or it is no Odoo 19
    """
    own = os.environ.get("Q2C_ODOO")
    if own:
        return _inspect(Path(own).expanduser().absolute(), "Q2C_ODOO")
    if not (paths.ODOO / _UNPACKED / "odoo").is_dir():
        raise Failure("Odoo is not there yet.", "Run ./q2c setup first.")
    return _inspect(paths.ODOO / _UNPACKED, paths.shown(paths.ODOO))


def _inspect(tree: Path, name: str) -> Source:
    """Check that ``tree`` holds Odoo 19 and find its addons folders."""
    release = tree / "odoo" / "release.py"
    if not release.is_file():
        raise Failure(f"{name} names {tree}, which is no Odoo source tree (odoo/release.py is missing).", OWN_TREE)
    version = re.search(r"^version_info = \((.+?),", release.read_text(), re.M)
    if not version or version.group(1) != "19":
        found = version.group(1) if version else "unknown"
        raise Failure(f"{name} names {tree}, which is Odoo {found}; the suite needs Odoo 19.", OWN_TREE)
    folders = (tree / "addons", tree / "odoo" / "addons")
    return Source(tree, tuple(f for f in folders if (f / "base").is_dir() or (f / "web").is_dir()))


def ensure() -> Source:
    """Get Odoo 19 if it is not there yet.

    The unpacked tree is renamed into place as the last act: a killed download
    or unpacking leaves only a folder that the next try removes.
    """
    if not os.environ.get("Q2C_ODOO") and not paths.ODOO.is_dir():
        with step("Getting Odoo 19 Community (about 130 MB) with this machine's apt"):
            _fetch()
    source = locate()
    if paths.ODOO in source.path.parents:
        _fill_gaps(source)
    return source


def _fill_gaps(source: Source) -> None:
    """Put an empty file where Debian left a library out that Odoo's pages name.

    Without it every page of the web client reports an error in the browser. It
    blurs the background in video calls, which is all that is lost.
    """
    for name in _LEFT_OUT:
        file = source.path / "odoo" / "addons" / name
        if not file.exists():
            markers.write_atomically(file, "// Not part of Debian's package of Odoo.\n")


def _fetch() -> None:
    work = paths.STATE / "odoo.tmp"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    shell.need_space(work, 2.5)
    for program in ("apt-get", "dpkg-deb"):
        shell.require(program, "This bootstrap needs Debian or Ubuntu. " + OWN_TREE)
    try:
        _download(work)
        _unpack(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _download(work: Path) -> None:
    """Leave all packages needed in ``work/debs``."""
    mirror = apt.debian_mirror(work)
    if mirror is None:
        raise Failure(
            "apt on this machine knows no Debian repository, so Odoo 19 cannot be fetched with it "
            "(Ubuntu's do not carry it; no network looks the same).",
            OWN_TREE,
        )
    repository, codename = mirror
    unstable = apt.Suite(work / "apt-sid", repository, "sid")
    unstable.update(OWN_TREE)
    if not unstable.version(PACKAGE):
        raise Failure(f"The unstable suite of this machine's Debian mirror has no package {PACKAGE}.", OWN_TREE)
    unstable.download(work / "debs", PACKAGE, *COMPANIONS)
    _download_icon_font(work, repository, codename)


def _download_icon_font(work: Path, repository: str, codename: str) -> None:
    for name in dict.fromkeys((codename, *ICON_FONT_SUITES)):
        suite = apt.Suite(work / f"apt-{name}", repository, name)
        suite.update(OWN_TREE)
        if ICON_FONT_VERSION in suite.version(ICON_FONT):
            suite.download(work / "debs", ICON_FONT)
            return
    raise Failure(f"The mirror has no {ICON_FONT} {ICON_FONT_VERSION}.", OWN_TREE)


def _unpack(work: Path) -> None:
    """Unpack all packages into a prefix and put it in place."""
    prefix = work / "prefix"
    apt.unpack(work / "debs", prefix)
    _inspect(prefix / _UNPACKED, PACKAGE)
    prefix.replace(paths.ODOO)


def identity(source: Source) -> str:
    """Short text that changes when another Odoo is used; part of the databases' digests."""
    release = (source.path / "odoo" / "release.py").read_bytes()
    return markers.digest(str(source.path), release)[:16]
