"""Digests of large files that take seconds: remembered while the file is the same."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from fieldguide.data.cache import cache_subfolder

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = "digests"
_SHA256 = re.compile(r"[0-9a-f]{64}")


def remembered(kind: str, path: Path, compute: Callable[[], str]) -> str:
    """Return a digest of a file, computed once for one path, size, inode and time of change.

    Args:
        kind: what is digested, so that two digests of one file are kept apart.
        path: the file; a link is followed.
        compute: returns the SHA-256 as 64 hex digits; called when nothing is remembered.
    """
    state = _state(path)
    folder = cache_subfolder(FOLDER)
    if folder is None:
        return compute()
    note = folder / hashlib.sha256(f"{kind}|{state}".encode()).hexdigest()
    try:
        known = note.read_text("ascii")
    except (OSError, ValueError):
        known = ""
    if _SHA256.fullmatch(known):
        return known
    digest = compute()
    if _state(path) == state:  # not changed while it was read
        _keep(note, digest)
    return digest


def _state(path: Path) -> str:
    real = path.resolve()
    found = real.stat()
    # the time of the last change of the inode cannot be set by a copy that keeps the file's time
    return f"{real}|{found.st_size}|{found.st_mtime_ns}|{found.st_ctime_ns}|{found.st_ino}"


def _keep(note: Path, digest: str) -> None:
    try:
        handle, draft = tempfile.mkstemp(dir=note.parent)
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(digest)
        Path(draft).replace(note)
    except OSError:  # a full or vanished cache costs seconds the next time, nothing else
        return
