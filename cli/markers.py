"""Markers: small files, written last, that say a build step is complete.

A marker holds the digest of what the step was built from. A step whose marker
is absent or holds another digest is done again, so a build that was killed at
any point resumes, and a finished one is recognised in a millisecond.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from . import paths


def digest(*parts: str | bytes) -> str:
    """SHA-256 over ``parts``, each length-prefixed so that no two lists collide."""
    hasher = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        hasher.update(b"%d:" % len(raw))
        hasher.update(raw)
    return hasher.hexdigest()


def digest_files(files: Iterable[Path]) -> str:
    """Digest of the names and contents of ``files``, in the order given."""
    parts: list[str | bytes] = []
    for file in files:
        parts += [file.name, file.read_bytes()]
    return digest(*parts)


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Write ``text`` so that ``path`` holds either the old or the new content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    # Never readable by others for a moment when it should not be.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(text)
    temporary.replace(path)


def is_current(name: str, wanted: str) -> bool:
    """Whether step ``name`` was completed from digest ``wanted``."""
    try:
        return (paths.MARKERS / name).read_text().strip() == wanted
    except OSError:
        return False


def complete(name: str, value: str) -> None:
    """Record that step ``name`` was completed from digest ``value``."""
    write_atomically(paths.MARKERS / name, value + "\n")


def clear(name: str) -> None:
    """Forget that step ``name`` was completed."""
    (paths.MARKERS / name).unlink(missing_ok=True)
