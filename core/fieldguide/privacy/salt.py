"""The user's secret salt: made once, readable by the user alone.

``FIELDGUIDE_SALT_FILE`` names the file, else it is ``$XDG_CONFIG_HOME/fieldguide/salt``, else
``~/.config/fieldguide/salt``. A group that shares it gets the same ids.
"""

from __future__ import annotations

import logging
import os
import secrets
import stat
from pathlib import Path

import filelock

from fieldguide.data.files import exists, read_bounded, unwritten
from fieldguide.errors import LoadError, StoreError

logger = logging.getLogger(__name__)

SALT_VARIABLE = "FIELDGUIDE_SALT_FILE"
SALT_BYTES = 32
MIN_BYTES, MAX_BYTES = 16, 4096
OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""What nobody but the owner may do with a private file."""
SECONDS_TO_WAIT = 30


def salt_path() -> Path:
    """Return the file of the salt, which need not exist."""
    named = os.environ.get(SALT_VARIABLE)
    base = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config")
    return (Path(named) if named else base / "fieldguide" / "salt").expanduser().absolute()


def read_salt() -> bytes:
    """Return the salt; the first call of a user makes it, and two first calls agree.

    Raises:
        StoreError: it cannot be read or made, is too short, or others may read it.
    """
    path = salt_path()
    if not exists(path):
        _make(path)
    try:
        others_may = bool(path.stat().st_mode & OTHERS) and os.name == "posix"
        content = read_bounded(path, MAX_BYTES).strip()
    except (LoadError, OSError) as error:
        raise StoreError(f"The salt {path} cannot be read: {error}") from error
    if others_may:
        raise StoreError(f"The salt {path} may be read by others. Run: chmod 600 {path}")
    if len(content) < MIN_BYTES:
        raise StoreError(
            f"The salt {path} has {len(content)} bytes, fewer than {MIN_BYTES}: ids could be "
            "guessed. Delete it for a new one; ids of earlier results then change."
        )
    return content


def _make(path: Path) -> None:
    """Write a new salt unless another process was faster."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with filelock.FileLock(path.parent / f".{path.name}.lock", timeout=SECONDS_TO_WAIT):
            if exists(path):
                return
            temporary = path.parent / f".{path.name}.new"
            temporary.unlink(missing_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as stream:
                stream.write(secrets.token_hex(SALT_BYTES) + "\n")
                stream.flush()
                os.fsync(descriptor)
            temporary.replace(path)
    except (OSError, filelock.Timeout) as error:
        reason = error if isinstance(error, OSError) else OSError("another process holds its lock")
        raise unwritten(path, reason, SALT_VARIABLE) from error
    logger.warning(
        "a secret salt for the ids of private files was made: %s. Keep it; with another all ids "
        "change.", path,
    )  # fmt: skip
