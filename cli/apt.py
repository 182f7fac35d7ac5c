"""apt without touching the system: lists and packages go into a folder of ours, no root needed."""

from __future__ import annotations

import os
import re
from pathlib import Path

from . import shell
from .console import Failure

KEYRINGS = (
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
    "/etc/apt/trusted.gpg.d/debian-archive-keyring.gpg",
)


def keyring() -> str:
    """File with the keys that sign Debian's archive.

    :raise Failure: when this machine has none
    """
    for file in KEYRINGS:
        if os.path.exists(file):
            return file
    raise Failure("The keys of the Debian archive are not on this machine.",
                  "Install the package debian-archive-keyring.")


def debian_mirror(work: Path) -> tuple[str, str] | None:
    """Address and release name of the Debian repository that apt is configured for.

    apt only tells what it has an index of, and a fresh container has none, so
    the machine's own sources are read into a private folder where needed.
    """
    known = known_debian_mirror()
    if known:
        return known
    machine = Suite(work / "apt-machine")
    machine.try_update()
    return known_debian_mirror(machine.options)


def known_debian_mirror(options: tuple[str, ...] = ()) -> tuple[str, str] | None:
    """First main repository of Debian of which apt has an index, not the security one."""
    answer = shell.capture(
        ["apt-get", "indextargets", *options, "--format", "$(REPO_URI)|$(CODENAME)|$(ORIGIN)|$(COMPONENT)",
         "Created-By: Packages"]
    )
    for line in answer.stdout.splitlines():
        uri, codename, origin, component = (line.split("|") + [""] * 3)[:4]
        plain = "-" not in codename and "/" not in codename
        if origin == "Debian" and component == "main" and plain and "security" not in uri:
            return uri, codename
    return None


class Suite:
    """What apt can fetch, with its lists and archives kept below ``folder``.

    :param repository: address of a Debian mirror; '' for the machine's own sources
    :param name: a suite of that mirror, e.g. ``sid``
    """

    def __init__(self, folder: Path, repository: str = "", name: str = ""):
        for part in ("lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        self.name = name
        options = [
            "-o", f"Dir::State::Lists={folder / 'lists'}",
            "-o", f"Dir::Cache={folder / 'cache'}",
            # As root apt would switch to a user that may not enter our folder.
            "-o", "APT::Sandbox::User=root",
            "-o", "Acquire::Retries=3",
            "-o", "Acquire::http::Timeout=30",
        ]
        if repository:
            sources = folder / "sources.list"
            sources.write_text(f"deb [signed-by={keyring()}] {repository} {name} main\n")
            options += ["-o", f"Dir::Etc::SourceList={sources}", "-o", "Dir::Etc::SourceParts=-"]
        self.options = tuple(options)

    def update(self, fix: str) -> None:
        """Read the package list.

        :raise Failure: when the mirror does not give it
        """
        output = shell.run_logged(
            ["apt-get", "update", *self.options], "setup",
            f"The package list of Debian '{self.name}' could not be read", fix,
        )
        # apt exits 0 when a list could not be fetched and it has nothing older.
        if re.search(r"^(E:|W: Failed to fetch)", output, re.M):
            raise Failure(
                f"This machine's package mirror does not serve Debian '{self.name}':\n{shell.tail(output, 4)}",
                shell.explain(output) or fix,
            )

    def try_update(self) -> None:
        """Read the package lists; third-party sources among the machine's may fail."""
        shell.capture(["apt-get", "update", *self.options])

    def version(self, package: str) -> str:
        """Version of ``package``, '' if there is none."""
        answer = shell.capture(["apt-cache", *self.options, "show", "--no-all-versions", package])
        found = re.search(r"^Version: (.+)$", answer.stdout, re.M)
        return found.group(1) if found else ""

    def download(self, folder: Path, *packages: str) -> None:
        """Put the archives of ``packages`` into ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        shell.run_logged(
            ["apt-get", *self.options, "download", *packages], "setup",
            f"{packages[0]} could not be downloaded", "Run the same command again.", cwd=folder,
        )


def unpack(archives: Path, prefix: Path) -> None:
    """Unpack all archives in a folder into ``prefix``."""
    for package in sorted(archives.glob("*.deb")):
        shell.run_logged(["dpkg-deb", "-x", package, prefix], "setup", f"{package.name} could not be unpacked")
